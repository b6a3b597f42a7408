//! Who a node is, and merging two nodes that are one machine.

use serde::{Deserialize, Serialize};

/// Who a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeIdentity {
    /// Of what its name is made: `smbios` (the UUID that its firmware tells), `serial` (manufacturer, product and serial
    /// number), `macs` (a MAC address) or `conflict` (its own, for its UUID is another machine's).
    pub source: String,
    /// A machine has registered with it; otherwise it was added by hand.
    pub seen: bool,
    /// The UUID that its firmware told last, perhaps a placeholder.
    pub told_uuid: Option<String>,
    /// Names that were merged into it.
    pub aliases: Vec<String>,
    /// Nodes whose machines lay claim to the same name.
    pub conflicts: Vec<IdentityConflict>,
    /// The node that it may be, with another board.
    pub merge_candidate: Option<String>,
    /// Nodes that may be this one with another board.
    pub merge_offers: Vec<String>,
}

/// Another machine with the same claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityConflict {
    /// Its node.
    pub node: String,
    /// What differs: this node's / the other's.
    pub differs: String,
}

/// Where a node goes whose machine is another node's with a new board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeInto {
    /// UUID of the node that stays.
    pub into: String,
}
