//! How a rollout is to be done: waves, limits, gates, hooks and windows. What is checked here holds for as long as the
//! rollout goes: nothing of it changes afterwards.

use super::super::ids::{Invalid, Micros};
use super::super::node::words;
use super::{WINDOWS_MAX, Waves, Window};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const SECOND: Micros = 1_000_000;
/// Members of one rollout, at most.
pub const TOTAL_MAX: usize = 100_000;
/// Nodes down at once, at most.
const DOWN_MAX: u32 = 1_000;
/// Hooks that are programs run so often at once on a server, and a rollout with such hooks takes no more nodes down.
pub const PROGRAMS_MAX: u32 = 32;
/// Longest of all times.
const TIME_MAX: Micros = 7 * 86_400 * SECOND;
/// Bytes of a program's name.
const PROGRAM_MAX: usize = 100;
/// Bytes of an address.
const URL_MAX: usize = 1_000;

/// What follows when a hook has not said yes by its deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// The node has failed.
    #[default]
    Fail,
    /// It is rebooted all the same.
    GoOn,
}

words!(OnDeadline, "hook-deadline", "fail or go-on", Fail = "fail", GoOn = "go-on");

/// Nodes that may be down at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// In all.
    pub total: u32,
    /// Of one cluster; none: no limit of its own.
    pub cluster: Option<u32>,
    /// At one switch, as LLDP tells; none: no limit of its own.
    pub switch: Option<u32>,
    /// Of those that one rule gave their profile; none: no limit of its own.
    pub rule: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: 10, cluster: None, switch: None, rule: None }
    }
}

/// Asked before a node goes down, and told when it is up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// Takes the load from a node: an address, or `command:NAME`, a program of the server's.
    pub drain: Option<String>,
    /// Gives it back.
    pub undrain: Option<String>,
    /// For each call, tries included.
    pub deadline: Micros,
    /// And then.
    pub on_deadline: OnDeadline,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { drain: None, undrain: None, deadline: 600 * SECOND, on_deadline: OnDeadline::Fail }
    }
}

/// All of it. Times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Waves.
    pub waves: Waves,
    /// Limits.
    pub limits: Limits,
    /// A node must be up so long after it was rebooted.
    pub up_deadline: Micros,
    /// A reboot that was asked for gently becomes a hard one after so long, where there is a BMC.
    pub soft_deadline: Micros,
    /// Address that must answer 2xx for a node that is up; `{hostname}`, `{address}` and `{uuid}` are replaced.
    pub check: Option<String>,
    /// By when.
    pub check_deadline: Micros,
    /// A node that has lost parts has failed.
    pub inventory: bool,
    /// So many nodes of one wave may fail.
    pub failures: u32,
    /// A wave is watched for so long before the next one.
    pub soak: Micros,
    /// New nodes are begun only then; empty: at any time.
    pub windows: Vec<Window>,
    /// Hooks.
    pub hooks: Hooks,
    /// A gate that fails brings every node back to what it had; else the rollout only stops.
    pub rollback: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            waves: Waves::default(),
            limits: Limits::default(),
            up_deadline: 1200 * SECOND,
            soft_deadline: 300 * SECOND,
            check: None,
            check_deadline: 120 * SECOND,
            inventory: true,
            failures: 0,
            soak: 60 * SECOND,
            windows: Vec::new(),
            hooks: Hooks::default(),
            rollback: true,
        }
    }
}

impl Limits {
    /// Only some places are limited, not just all together.
    pub fn of_places(&self) -> bool {
        self.cluster.is_some() || self.switch.is_some() || self.rule.is_some()
    }
}

impl Spec {
    /// Errors: the first value that makes no sense.
    pub fn check(&self) -> Result<(), Invalid> {
        let Limits { total, cluster, switch, rule } = self.limits;
        let limits = [Some(total), cluster, switch, rule];
        if let Some(limit) = limits.into_iter().flatten().find(|limit| !(1..=DOWN_MAX).contains(limit)) {
            return Err(Invalid::new("nodes down at once", "1 to 1000", &limit.to_string()));
        }
        let times = [self.up_deadline, self.soft_deadline, self.check_deadline, self.hooks.deadline];
        if let Some(time) = times.into_iter().find(|time| !(SECOND..=TIME_MAX).contains(time)) {
            return Err(Invalid::new("deadline", "a second to 7 days", &format!("{} s", time / SECOND)));
        }
        if !(0..=TIME_MAX).contains(&self.soak) {
            return Err(Invalid::new("soak", "at most 7 days", &format!("{} s", self.soak / SECOND)));
        }
        if self.windows.len() > WINDOWS_MAX {
            return Err(Invalid::new("maintenance windows", "at most 20", &self.windows.len().to_string()));
        }
        self.check.as_deref().map_or(Ok(()), address)?;
        for hook in [&self.hooks.drain, &self.hooks.undrain].into_iter().flatten() {
            command_of(hook).map_or_else(|| address(hook), program)?;
            if command_of(hook).is_some() && total > PROGRAMS_MAX {
                return Err(Invalid::new(
                    "nodes down at once",
                    "1 to 32 with hooks that are programs",
                    &total.to_string(),
                ));
            }
        }
        Ok(())
    }
}

impl Hooks {
    /// Is anything to be called?
    pub fn any(&self) -> bool {
        self.drain.is_some() || self.undrain.is_some()
    }

    /// Does anything of it go over the wire?
    pub fn are_signed(&self) -> bool {
        [&self.drain, &self.undrain].into_iter().flatten().any(|hook| command_of(hook).is_none())
    }
}

/// The name of the program that a hook is.
pub fn command_of(hook: &str) -> Option<&str> {
    hook.strip_prefix("command:")
}

/// The name of a file in one folder.
fn program(name: &str) -> Result<(), Invalid> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    match plain && (1..=PROGRAM_MAX).contains(&name.len()) && !name.starts_with('.') {
        true => Ok(()),
        false => {
            Err(Invalid::new("program of a hook", "command:NAME of a file in hook-dir, e.g. command:drain-k8s", name))
        }
    }
}

/// An address without credentials: it is told to people.
fn address(url: &str) -> Result<(), Invalid> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let plain = url.len() <= URL_MAX && url.bytes().all(|b| b.is_ascii_graphic());
    match host {
        Some(host) if plain && !host.is_empty() && !host.contains('@') => Ok(()),
        _ => Err(Invalid::new(
            "address",
            "http:// or https://, at most 1000 bytes, without user and password",
            rest.map_or("another", |_| "one that is not"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default_and_nonsense_is_refused() {
        let spec: Spec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, Spec::default());
        spec.check().unwrap();
        let refused = |change: fn(&mut Spec)| {
            let mut spec = Spec::default();
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(refused(|s| s.limits.total = 0).contains("1 to 1000"));
        assert!(refused(|s| s.limits.switch = Some(0)).contains("1 to 1000"));
        assert!(refused(|s| s.up_deadline = 0).contains("a second"));
        assert!(refused(|s| s.soak = -1).contains("soak"));
        assert!(refused(|s| s.check = Some("ftp://x".into())).contains("http"));
        assert!(refused(|s| s.check = Some("http://ana:pw@x/".into())).contains("without user"));
        assert!(refused(|s| s.hooks.drain = Some("x".into())).contains("http"));
        for bad in ["command:", "command:../sh", "command:/bin/sh", "command:.x", "command:a b"] {
            let spec = Spec { hooks: Hooks { drain: Some(bad.into()), ..Hooks::default() }, ..Spec::default() };
            assert!(spec.check().unwrap_err().to_string().contains("hook-dir"), "{bad}");
        }
        assert!(refused(|s| s.check = Some("command:x".into())).contains("http"), "a check is asked over HTTP");
        let hooks = Hooks { drain: Some("command:drain-k8s".into()), ..Hooks::default() };
        assert!(hooks.any() && !hooks.are_signed());
        Spec { hooks: hooks.clone(), ..Spec::default() }.check().unwrap();
        let many = Spec { hooks, limits: Limits { total: 33, ..Limits::default() }, ..Spec::default() };
        assert!(many.check().unwrap_err().to_string().contains("1 to 32"));
    }
}
