//! Admission rules on the wire.

use super::NodeSummary;
use serde::{Deserialize, Serialize};

/// An admission rule: how nodes are received for which `when` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Same alphabet as an image name; once in the list.
    pub name: String,
    /// A CEL expression over `node` (the book's page "Search" has its fields).
    pub when: String,
    /// admitted, pending or rejected; absent: says nothing about admission.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admission: Option<String>,
    /// wait, poweroff or reboot; absent: says nothing about parking.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub park: Option<String>,
    /// Before powering off or restarting; absent: as the setting `park-after` says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub park_after_seconds: Option<u32>,
    /// Profile to boot; absent: says nothing about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<String>,
    /// Cluster to be in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster: Option<String>,
    /// Host name, with `{n}`, `{n:03}`, `{serial}` or `{cluster}` in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hostname: Option<String>,
    /// Tags to have as long as the rule matches; of all rules that match.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
}

impl Rule {
    /// What it says beside admission and parking, for people: `profile web`, `tag gpu`.
    pub fn sets(&self) -> Vec<String> {
        let one = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!("{what} {value}"));
        let mut says: Vec<String> =
            [one("profile", &self.profile), one("cluster", &self.cluster), one("host name", &self.hostname)]
                .into_iter()
                .flatten()
                .collect();
        says.extend(self.tags.iter().map(|tag| format!("tag {tag}")));
        says
    }
}

/// All rules. The first that matches and speaks of something decides that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleList {
    /// In order.
    pub rules: Vec<Rule>,
    /// SHA-256 (hex) of the list.
    pub hash: String,
    /// What a person should know of it: a rule that lets everything in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// It is being worked out what it makes of the nodes that are there: those up to this one are done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evaluating: Option<String>,
}

/// A list in the place of the present one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRules {
    /// In order, at most 200.
    pub rules: Vec<Rule>,
    /// Only if the present list has this hash; absent: in any case.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_hash: Option<String>,
}

/// What to try: an expression, or a whole list of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTest {
    /// An expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What came of it for a piece of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleTestAnswer {
    /// Nodes looked at; what the database could exclude is not among them.
    pub scanned: u64,
    /// Nodes for which the expression holds, or which the list would change.
    pub matching: u64,
    /// The first 100 of those for which the expression holds.
    pub nodes: Vec<NodeSummary>,
    /// The first 100 changes at the nodes' next registration.
    pub changes: Vec<RuleChange>,
    /// Rules that could not be worked out for a node, the first 10: they do not match it.
    pub failures: Vec<String>,
    /// Cursor for the rest of the fleet; absent: this was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What would be different for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleChange {
    /// UUID.
    pub node: String,
    /// Host name.
    pub hostname: String,
    /// "pending -> admitted".
    pub change: String,
    /// "rule NAME: EXPRESSION".
    pub because: String,
}
