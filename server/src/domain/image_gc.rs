//! Which images may go. What a profile, a label or the present boot of a node names never does, whatever is asked; what
//! else stays is for the person to say. It decides on values alone: who collects them and deletes does both in one
//! transaction.

use super::ids::{Micros, Name, NodeUuid, Sha256};
use super::image::ImageRef;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The boot of a retired node that was not heard from for so long names nothing any more.
pub const RETIRED_SILENCE: Micros = 24 * 3600 * 1_000_000;

/// What a node that was not heard from for so long ran last is not kept for it to fall back to.
pub const FALLBACK_SILENCE: Micros = 30 * 24 * 3600 * 1_000_000;

/// Who names an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Profiles of which a revision does that some node may get: the active, the newest, or one with a pin.
    pub profiles: Vec<Name>,
    /// Labels of this version.
    pub labels: Vec<Name>,
    /// Nodes whose present boot does: it is on its way, up, or failed and may try again.
    pub nodes: u64,
    /// One of them.
    pub node: Option<NodeUuid>,
    /// Nodes that ran it last: they would fall back to it.
    pub ran: u64,
    /// One of them.
    pub ran_on: Option<NodeUuid>,
}

/// An image that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub image: ImageRef,
    /// Made.
    pub created: Micros,
    /// All blobs that it names, with their sizes.
    pub blobs: Vec<(Sha256, u64)>,
    /// Who names it.
    pub users: Users,
}

/// What a person wants to keep beside what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// So many of the newest versions of each name.
    pub keep: usize,
    /// What is not older.
    pub older_than: Micros,
}

/// Why an image stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// These profiles name it.
    Profiles(Vec<Name>),
    /// It has these labels.
    Labels(Vec<Name>),
    /// So many nodes boot or run it; one of them.
    Nodes(u64, Option<NodeUuid>),
    /// So many nodes ran it last; one of them.
    Ran(u64, Option<NodeUuid>),
    /// It is among the newest of its name.
    Newest(usize),
    /// It was made just now.
    Young,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profiles(names) => write!(f, "used by profiles: {}", few(names)),
            Self::Labels(names) => write!(f, "has labels: {}", few(names)),
            Self::Nodes(1, Some(node)) => write!(f, "node {node} boots or runs it"),
            Self::Nodes(count, Some(node)) => write!(f, "{count} nodes boot or run it, e.g. {node}"),
            Self::Nodes(count, None) => write!(f, "{count} nodes boot or run it"),
            Self::Ran(1, Some(node)) => write!(f, "node {node} ran it last and may fall back to it"),
            Self::Ran(count, Some(node)) => write!(f, "{count} nodes ran it last and may fall back to it, e.g. {node}"),
            Self::Ran(count, None) => write!(f, "{count} nodes ran it last and may fall back to it"),
            Self::Newest(1) => f.write_str("the newest of its name"),
            Self::Newest(keep) => write!(f, "one of the newest {keep} of its name"),
            Self::Young => f.write_str("younger than asked for"),
        }
    }
}

/// The first ten.
fn few(names: &[Name]) -> String {
    let mut text = names.iter().take(10).map(Name::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        text.push_str(&format!(" and {} more", names.len() - 10));
    }
    text
}

impl Users {
    /// Why what they name cannot go; empty: it can.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if !self.profiles.is_empty() {
            reasons.push(Reason::Profiles(self.profiles.clone()));
        }
        if self.nodes > 0 {
            reasons.push(Reason::Nodes(self.nodes, self.node.clone()));
        }
        if !self.labels.is_empty() {
            reasons.push(Reason::Labels(self.labels.clone()));
        }
        // Of what is in use, nobody asks who ran it last.
        if reasons.is_empty() && self.ran > 0 {
            reasons.push(Reason::Ran(self.ran, self.ran_on.clone()));
        }
        reasons
    }
}

/// What becomes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub image: ImageRef,
    /// Bytes of its blobs, shared ones too.
    pub size: u64,
    /// Why it stays; empty: it goes.
    pub stays: Vec<Reason>,
}

/// What becomes of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// In the order of the candidates.
    pub verdicts: Vec<Verdict>,
    /// Bytes of blobs that no image names when those that go are gone.
    pub freed: u64,
    /// More could go than `most`: ask again.
    pub more: bool,
}

/// Which of *all* images go, at most `most` of them.
pub fn decide(images: &[Candidate], policy: Policy, now: Micros, most: usize) -> Decision {
    let mut by_name = BTreeMap::<&Name, Vec<&Candidate>>::new();
    for candidate in images {
        by_name.entry(&candidate.image.name).or_default().push(candidate);
    }
    let mut newest = BTreeSet::new();
    for versions in by_name.values_mut() {
        versions.sort_by(|a, b| (b.created, &b.image).cmp(&(a.created, &a.image)));
        newest.extend(versions.iter().take(policy.keep).map(|candidate| &candidate.image));
    }
    let mut decision = Decision::default();
    let (mut going, mut staying) = (BTreeMap::new(), BTreeSet::new());
    let mut count = 0;
    for candidate in images {
        let mut stays = candidate.users.reasons();
        if newest.contains(&candidate.image) {
            stays.push(Reason::Newest(policy.keep));
        }
        // A clock that was set back makes nothing old.
        if now.saturating_sub(candidate.created) < policy.older_than {
            stays.push(Reason::Young);
        }
        if stays.is_empty() && count == most {
            decision.more = true;
            staying.extend(candidate.blobs.iter().map(|(sha256, _)| sha256));
            continue;
        }
        if stays.is_empty() {
            count += 1;
            going.extend(candidate.blobs.iter().map(|(sha256, size)| (sha256, *size)));
        } else {
            staying.extend(candidate.blobs.iter().map(|(sha256, _)| sha256));
        }
        let size = candidate.blobs.iter().map(|(_, size)| size).fold(0u64, |sum, size| sum.saturating_add(*size));
        decision.verdicts.push(Verdict { image: candidate.image.clone(), size, stays });
    }
    let freed = going.iter().filter(|(sha256, _)| !staying.contains(*sha256)).map(|(_, size)| *size);
    decision.freed = freed.fold(0, u64::saturating_add);
    decision
}

#[cfg(test)]
#[path = "image_gc_tests.rs"]
mod tests;
