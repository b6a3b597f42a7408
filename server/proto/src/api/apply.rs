//! Profiles, rules and labels of images out of a folder, all at once or not at all.

use super::{PlanDifference, Rule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What there is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apply {
    /// Profiles, at most 500, in any order: parents may be among them.
    pub profiles: Vec<ApplyProfile>,
    /// The whole list of rules; absent: they stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// What labels of images are to mean: NAME:LABEL -> VERSION. Others stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Delete the profiles that are not named, and where labels are given those that are not.
    pub prune: bool,
    /// Change nothing: tell what would be changed.
    pub dry_run: bool,
    /// Only if the server is as it was then: `state` of an earlier answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_state: Option<String>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyProfile {
    /// Its name.
    pub name: String,
    /// All that it says itself, `parent` too, in the form of docs/src/profiles.md.
    pub words: Map<String, Value>,
}

/// What was changed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// SHA-256 (hex) over what was there before: profiles, their revisions, rules, labels.
    pub state: String,
    /// In order; empty: there was nothing to change.
    pub changes: Vec<ApplyChange>,
    /// Profiles, labels and lists that are as they are to be.
    pub unchanged: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyChange {
    /// profile, label or rules.
    pub kind: String,
    /// Of the profile, or NAME:LABEL; empty for the rules.
    pub name: String,
    /// create, change, inherit (it says the same, and gets something else by its parent) or delete.
    pub action: String,
    /// The revision that is active then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u32>,
    /// What differs in its own words, without password hashes; of a label its version. At most 500.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differences: Vec<PlanDifference>,
}
