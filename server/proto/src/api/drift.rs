//! Would a reboot change a node?

use serde::{Deserialize, Serialize};

/// What a node boots, by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanName {
    /// Profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// "name:version"; in modes without an image "none (MODE)".
    pub image: String,
}

/// One thing that a reboot would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDifference {
    /// Where: `cmdline`, `parts rootfs`, `files /etc/motd content`.
    pub what: String,
    /// What runs; absent: it is not there. At most 4,096 bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<String>,
    /// What a reboot would give.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<String>,
}

/// What a reboot would do to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDrift {
    /// UUID.
    pub node: String,
    /// none, same, changed, unplanned or unknown.
    pub drift: String,
    /// What it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runs: Option<PlanName>,
    /// What it would boot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub would: Option<PlanName>,
    /// Why it would boot nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What it should boot failed, and a reboot gives what it ran last, as long as that holds: in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback: Option<String>,
    /// Of `changed`, in order of name; at most 500.
    pub differences: Vec<PlanDifference>,
    /// There are more.
    #[serde(default)]
    pub more: bool,
}

/// A node in fallback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFallback {
    /// What failed, and is still what it should boot: `NAME@REVISION`.
    pub from: String,
    /// What it gets instead.
    pub to: String,
    /// Since its first boot with that.
    pub since_us: i64,
}
