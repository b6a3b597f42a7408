//! What is on a node's disk, as far as Higuma had to do with it.

use serde::{Deserialize, Serialize};

/// Of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDisk {
    /// The last installation; absent: none was begun, or it is to be done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<NodeInstall>,
    /// When iPXE left the node to itself last; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<NodeLeft>,
}

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInstall {
    /// By which profile.
    pub profile: String,
    /// And revision.
    pub revision: u32,
    /// Attempts since it was asked for.
    pub attempts: u32,
    /// The last one began.
    pub started_us: i64,
    /// The installer called back; absent: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_us: Option<i64>,
}

/// A node that was left to itself: nothing is heard of it from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLeft {
    /// local-disk or ipxe.
    pub way: String,
    /// When.
    pub at_us: i64,
}
