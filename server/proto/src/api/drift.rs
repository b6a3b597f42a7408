//! Would a reboot change a node, and what? What differs between two revisions of a profile?

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

/// One thing that a reboot would change, or that differs between two revisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDifference {
    /// Where: `cmdline`, `parts rootfs`, `files /etc/motd content`.
    pub what: String,
    /// What runs; absent: it is not there. What is over 4,096 bytes is cut, and says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<String>,
    /// What a reboot would give.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<String>,
    /// Of texts of several lines, and of lists (an item a line): what differs, as `diff -u` tells it. What is over some 400
    /// lines or 16,384 bytes is cut, and says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lines: Option<String>,
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

/// A revision of a profile that is compared with another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffedRevision {
    /// Counts from 1.
    pub revision: u32,
    /// Nodes without a pin boot it.
    pub active: bool,
    /// NAME:VERSION; empty: none of its own or its parent's.
    pub image: String,
    /// What it inherits from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<String>,
    /// When it was made.
    pub created_us: i64,
    /// Who made it: "person NAME", or "parent NAME revision N".
    pub made_by: String,
}

/// What differs between two revisions of a profile. Of a password hash its fingerprint is told, of a secret its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileDiff {
    /// Its name.
    pub profile: String,
    /// Which revision is `old`.
    pub from: DiffedRevision,
    /// Which is `new`.
    pub to: DiffedRevision,
    /// In its own words, `parent` too, in order of name; at most 500.
    pub words: Vec<PlanDifference>,
    /// In the whole that they made with its parents' words then; at most 500.
    pub whole: Vec<PlanDifference>,
    /// There are more, of either.
    #[serde(default)]
    pub more: bool,
}

impl ProfileDiff {
    /// Of the whole, what its own words do not tell just so; empty where neither revision inherits.
    pub fn beyond_words(&self) -> Vec<&PlanDifference> {
        if self.from.parent.is_none() && self.to.parent.is_none() {
            return Vec::new();
        }
        self.whole.iter().filter(|difference| !self.words.contains(difference)).collect()
    }
}
