//! What was noticed of nodes, and that people have seen it.

use serde::{Deserialize, Serialize};

/// What was noticed of a node, and matters until it is put right or a person has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEvent {
    /// UUID, in order of time.
    pub id: String,
    /// Node.
    pub node: String,
    /// Its host name.
    #[serde(default)]
    pub hostname: String,
    /// hardware, cabling, identity, firmware, bmc, address, rollout or boot.
    pub kind: String,
    /// info, warning or alarm.
    pub severity: String,
    /// The thing: `dimm:P1-B2`, `cable:eth0`.
    pub subject: String,
    /// For a person.
    pub message: String,
    /// Noticed.
    pub at_us: i64,
    /// Put right; absent: not yet.
    pub cleared_us: Option<i64>,
    /// A person has seen it.
    pub acknowledged_us: Option<i64>,
    /// Who.
    pub acknowledged_by: Option<String>,
}

/// Which open events a person has seen; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcknowledgeEvents {
    /// Of this node.
    pub node: Option<String>,
    /// hardware, cabling, identity, firmware, bmc, address, rollout or boot.
    pub kind: Option<String>,
    /// info, warning or alarm.
    pub severity: Option<String>,
}

/// How many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Events.
    pub acknowledged: u64,
}
