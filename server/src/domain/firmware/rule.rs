//! One rule of the firmware policy, and what makes it a sound one.

use super::components::Component;
use super::glob::Glob;
use crate::domain::ids::{Invalid, Micros, Name, Sha256};
use crate::domain::node::words;
use std::fmt;
use std::str::FromStr;

/// What carries the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The machine's own firmware, BIOS or UEFI.
    Bios,
    /// The management controller.
    Bmc,
    /// A network interface.
    Nic,
    /// An NVMe drive.
    Nvme,
    /// Another drive.
    Disk,
}

words!(
    Kind,
    "firmware component",
    "bios, bmc, nic, nvme or disk",
    Bios = "bios",
    Bmc = "bmc",
    Nic = "nic",
    Nvme = "nvme",
    Disk = "disk"
);

impl Kind {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::Bmc => "BMC",
            Self::Nic => "NIC",
            Self::Nvme => "NVMe",
            Self::Disk => "disk",
        }
    }
}

/// What happens with another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// It is told; the node boots.
    Report,
    /// The node does not boot its second stage.
    Hold,
    /// The node is updated, then boots.
    Update,
}

words!(Mode, "firmware mode", "report, hold or update", Report = "report", Hold = "hold", Update = "update");

/// What happens after the last try of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnFailure {
    /// The node waits for a person.
    Hold,
    /// It boots with what it has.
    Boot,
}

words!(OnFailure, "firmware on-failure", "hold or boot", Hold = "hold", Boot = "boot");

/// What the agent runs on the node for an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The archive.
    pub blob: Sha256,
    /// Program in it, a path from its top.
    pub exec: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// It is ended after so many seconds.
    pub deadline_seconds: u32,
}

/// A rule. The first of the list that fits a component counts for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// For components of this kind.
    pub component: Kind,
    /// And of this maker.
    pub vendor: Glob,
    /// And model.
    pub model: Glob,
    /// The version that they must have, exactly.
    pub wanted: String,
    /// Further good ones.
    pub allowed: Vec<String>,
    /// What happens with another.
    pub mode: Mode,
    /// What happens when the update does not help.
    pub on_failure: OnFailure,
    /// The update; there with [`Mode::Update`] and only then.
    pub update: Option<Target>,
    /// Made or changed.
    pub changed: Micros,
}

impl Rule {
    /// Whether it is about this component.
    pub fn fits(&self, component: &Component) -> bool {
        self.component == component.kind
            && self.vendor.matches(&component.vendor)
            && self.model.matches(&component.model)
    }

    /// Whether a version is a good one.
    pub fn allows(&self, version: &str) -> bool {
        self.wanted == version || self.allowed.iter().any(|good| good == version)
    }
}

/// Bytes of a version.
const VERSION_MAX: usize = 200;
const ALLOWED_MAX: usize = 50;
const ARGS_MAX: usize = 64;
const ARG_MAX: usize = 1_000;

/// Whether a rule can be carried out; what it lacks or has too much.
pub fn check(rule: &Rule) -> Result<(), Invalid> {
    let version = |text: &str| {
        let good = !text.is_empty() && text.len() <= VERSION_MAX && text.trim() == text && !has_control(text);
        let form = "1 to 200 bytes as the inventory shows them, without spaces around";
        if good { Ok(()) } else { Err(Invalid::new("firmware version", form, text)) }
    };
    version(&rule.wanted)?;
    if rule.allowed.len() > ALLOWED_MAX {
        let got = rule.allowed.len().to_string();
        return Err(Invalid::new("allowed firmware versions", "at most 50", &got));
    }
    rule.allowed.iter().try_for_each(|text| version(text))?;
    if matches!(rule.component, Kind::Nvme | Kind::Disk) && !rule.vendor.is_any() {
        let form = "* for a drive: drives tell their maker within the model only, so match that";
        return Err(Invalid::new("vendor pattern", form, rule.vendor.as_str()));
    }
    match (&rule.update, rule.mode) {
        (Some(update), Mode::Update) => check_update(update),
        (None, Mode::Update) => {
            Err(Invalid::new("firmware rule", "with mode update: an archive, the program in it and a deadline", "none"))
        }
        (Some(update), mode) => Err(Invalid::new(
            "firmware rule",
            "an archive with mode update only",
            &format!("mode {mode} and the archive {}", update.blob),
        )),
        (None, _) => Ok(()),
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn check_update(update: &Target) -> Result<(), Invalid> {
    let part_ok = |part: &str| !part.is_empty() && part != "." && part != "..";
    let exec_ok = update.exec.len() <= 300 && update.exec.split('/').all(part_ok) && !has_control(&update.exec);
    if !exec_ok {
        let form = "the program's path from the top of the archive, without . and .., e.g. bin/flash";
        return Err(Invalid::new("exec", form, &update.exec));
    }
    if update.args.len() > ARGS_MAX {
        return Err(Invalid::new("args", "at most 64 arguments", &update.args.len().to_string()));
    }
    if let Some(bad) = update.args.iter().find(|a| a.len() > ARG_MAX || has_control(a)) {
        return Err(Invalid::new("args", "at most 1,000 bytes each, without control characters", bad));
    }
    if !(5..=14_400).contains(&update.deadline_seconds) {
        return Err(Invalid::new("deadline_seconds", "5 to 14,400 (4 hours)", &update.deadline_seconds.to_string()));
    }
    Ok(())
}
