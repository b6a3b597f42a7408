//! Admission rules on the wire.

use super::NodeSummary;
use serde::{Deserialize, Serialize};

/// An admission rule: how nodes are received for which `when` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// All rules. The first that matches counts, for admission and for parking each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleList {
    /// In order.
    pub rules: Vec<Rule>,
    /// SHA-256 (hex) of the list.
    pub hash: String,
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
