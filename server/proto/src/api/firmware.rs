//! Firmware policy in the API: rules, how nodes stand with them, and the updates that were tried.

use serde::{Deserialize, Serialize};

/// What an update runs on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareProgram {
    /// SHA-256 (hex) of the archive's blob: a tar file, plain or compressed with zstd.
    pub blob: String,
    /// Program, a path from the top of the archive.
    pub exec: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// It is killed after so many seconds.
    #[serde(default = "ten_minutes")]
    pub deadline_seconds: u32,
}

fn ten_minutes() -> u32 {
    600
}

fn anything() -> String {
    "*".to_owned()
}

fn report_mode() -> String {
    "report".to_owned()
}

fn hold_on_failure() -> String {
    "hold".to_owned()
}

/// A firmware rule to make or change. The first of the list that fits a component counts for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFirmwareRule {
    /// Same alphabet as an image name.
    pub name: String,
    /// bios, bmc, nic, nvme or disk.
    pub component: String,
    /// Pattern with * and ? for the maker: of the BIOS; of a NIC its driver.
    #[serde(default = "anything")]
    pub vendor: String,
    /// Pattern with * and ? for the model: system product for the BIOS, PCI `VENDOR:DEVICE` of a NIC, model of a drive.
    #[serde(default = "anything")]
    pub model: String,
    /// The version that it must have, exactly as the inventory shows it.
    pub wanted: String,
    /// Further good versions.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// report, hold or update.
    #[serde(default = "report_mode")]
    pub mode: String,
    /// When three updates did not help: hold or boot.
    #[serde(default = "hold_on_failure")]
    pub on_failure: String,
    /// With mode update, and only then; the blob must be there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<FirmwareProgram>,
}

/// A firmware rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareRule {
    /// As given.
    #[serde(flatten)]
    pub spec: NewFirmwareRule,
    /// Its place in the list, from 1.
    pub position: u32,
    /// Made or changed.
    pub changed_us: i64,
}

/// Where a rule goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirmwareMove {
    /// Before this rule; absent: to the end.
    pub before: Option<String>,
}

/// How the fleet stands with the firmware rules; retired nodes do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareCompliance {
    /// Nodes by state: failed, updating, held, differs, unknown, compliant, no-rule; every word is there.
    pub nodes: std::collections::BTreeMap<String, u64>,
}

/// A node in a list by firmware state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareNode {
    /// UUID.
    pub uuid: String,
    /// Host name.
    pub hostname: String,
    /// As in [`FirmwareCompliance`].
    pub state: String,
    /// What its next boot may do: boot, hold or update.
    pub action: String,
    /// What is wrong, one line; may be empty.
    pub reason: String,
}

/// How one node stands with the firmware rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFirmware {
    /// As in lists.
    #[serde(flatten)]
    pub node: FirmwareNode,
    /// Its parts with firmware, as it told them at its last Register.
    pub components: Vec<FirmwareComponent>,
    /// Updates that were tried, newest first; at most 50.
    pub attempts: Vec<FirmwareAttempt>,
}

/// A part with firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareComponent {
    /// bios, bmc, nic, nvme or disk.
    pub component: String,
    /// MAC of a NIC, serial number of a drive; empty: the machine has one.
    pub subject: String,
    /// As rules match it.
    pub vendor: String,
    /// As rules match it.
    pub model: String,
    /// Empty: not told.
    pub version: String,
    /// no-rule, compliant, differs or unknown.
    pub verdict: String,
    /// The rule that counts for it.
    pub rule: Option<String>,
    /// The version that this rule wants.
    pub wanted: Option<String>,
    /// report, hold or update.
    pub mode: Option<String>,
    /// Updates tried that count against the three.
    pub tried: u32,
}

/// A try of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareAttempt {
    /// UUID.
    pub id: String,
    /// The boot in which it was handed out.
    pub boot: String,
    /// By which rule.
    pub rule: String,
    /// bios, bmc, nic, nvme or disk.
    pub component: String,
    /// Which of its kind.
    pub subject: String,
    /// The version that it should bring.
    pub wanted: String,
    /// 1 to 3.
    pub n: u32,
    /// Version found before.
    pub before: String,
    /// Version found at the next Register.
    pub after: Option<String>,
    /// Handed out.
    pub started_us: i64,
    /// The agent said how it ended.
    pub reported_us: Option<i64>,
    /// How the program ended, for people; empty: not reported.
    pub exit: String,
    /// End of its output.
    pub output: String,
    /// Judged.
    pub ended_us: Option<i64>,
    /// succeeded, unchanged, changed, missing or lost; absent: not known yet.
    pub outcome: Option<String>,
    /// A person cleared the count: it does not count any more.
    pub cleared_us: Option<i64>,
}
