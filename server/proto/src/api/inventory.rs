//! Versions of what nodes are made of, and what differs between them.

use crate::agent::Inventory;
use serde::{Deserialize, Serialize};

/// One version of what a node is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryVersion {
    /// Counts from 1 within a node.
    pub version: u32,
    /// SHA-256 (hex) over the content.
    pub hash: String,
    /// Of the content as JSON.
    pub bytes: u64,
    /// Differences from the version before it.
    pub changes: u32,
    /// First reported.
    pub at_us: i64,
    /// Last reported.
    pub last_seen_us: i64,
}

/// A version with its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryVersionDetail {
    /// As in lists.
    #[serde(flatten)]
    pub version: InventoryVersion,
    /// Without `volatile` and `errors`, which are no part of a version.
    pub inventory: Inventory,
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryDiff {
    /// Node.
    pub node: String,
    /// The one.
    pub from: InventoryVersion,
    /// The other.
    pub to: InventoryVersion,
    /// By section, thing and field; at most 2,000.
    pub changes: Vec<InventoryChange>,
    /// Changes beyond these.
    pub more: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryChange {
    /// Kind of thing: `dimm`, `disk`, `nic`, `bios`, ...
    pub section: String,
    /// Which: slot, serial number, address; empty where there is only one.
    pub item: String,
    /// gone, new or changed.
    pub change: String,
    /// Of `changed`: which field.
    pub field: Option<String>,
    /// Before: the field's value (sizes in bytes), or a description of what is gone.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}
