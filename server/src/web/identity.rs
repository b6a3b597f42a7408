//! The part of the node page that tells who the node is, with the buttons for a replaced board.

use crate::domain::identity::named_by;
use higuma_proto::api::{NodeIdentity, NodeSummary};

/// Ready text.
pub(super) struct IdentityView {
    pub named_by: &'static str,
    /// The firmware's UUID, where it is not the node's name.
    pub told: String,
    pub aliases: Vec<String>,
    pub conflicts: Vec<Conflict>,
    pub merges: Vec<Merge>,
}

/// Another machine with the same claim.
pub(super) struct Conflict {
    pub node: String,
    pub differs: String,
}

/// Two nodes that may be one machine.
pub(super) struct Merge {
    /// The one that goes.
    pub new: String,
    /// The one that stays.
    pub old: String,
    /// The one that this page is not about.
    pub other: String,
}

impl IdentityView {
    pub(super) fn new(node: &NodeSummary, identity: NodeIdentity) -> Self {
        let uuid = &node.uuid;
        let into = identity.merge_candidate.iter().map(|old| (uuid, old, old));
        let from = identity.merge_offers.iter().map(|new| (new, uuid, new));
        let merge = |(new, old, other): (&String, &String, &String)| Merge {
            new: new.clone(),
            old: old.clone(),
            other: other.clone(),
        };
        Self {
            named_by: named_by(&identity.source, identity.seen),
            merges: into.chain(from).map(merge).collect(),
            told: identity.told_uuid.filter(|told| told != uuid).unwrap_or_default(),
            aliases: identity.aliases,
            conflicts: identity.conflicts.into_iter().map(|c| Conflict { node: c.node, differs: c.differs }).collect(),
        }
    }
}
