//! What was seen of a member's node, when a step is made.

use super::super::ids::Name;
use super::{Assigned, Member, Rollout};
use std::collections::BTreeMap;

/// Its present or last boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFact {
    /// Which.
    pub id: uuid::Uuid,
    /// Up and heard from.
    pub running: bool,
    /// What it boots, or runs.
    pub profile: Option<Name>,
    /// And its revision.
    pub revision: Option<u32>,
    /// Why it failed, or where it is, for people.
    pub told: String,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did {
    /// It went well.
    pub ok: bool,
    /// For people.
    pub message: String,
}

/// All of it. A member of whose node nothing is known has none: the node was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// It takes part in nothing any more, and why: retired, in maintenance.
    pub gone: Option<String>,
    /// What it is assigned now.
    pub assigned: Assigned,
    /// The revision that its profile before the rollout means now, where it was not pinned.
    pub active_before: Option<u32>,
    /// What it is assigned failed to boot so often that it gets something else; in words.
    pub fallback: Option<String>,
    /// Its boot.
    pub boot: Option<BootFact>,
    /// It can be restarted through its BMC.
    pub bmc: bool,
    /// Parts that it lost since it was begun.
    pub lost: Vec<String>,
    /// Ended actions by id.
    pub done: BTreeMap<String, Did>,
}

impl Fact {
    /// Up and heard from.
    pub fn running(&self) -> bool {
        self.boot.as_ref().is_some_and(|boot| boot.running)
    }

    /// Does it run exactly this?
    pub(super) fn runs(&self, profile: &Name, revision: u32) -> bool {
        self.boot.as_ref().is_some_and(|boot| {
            boot.running && boot.profile.as_ref() == Some(profile) && boot.revision == Some(revision)
        })
    }

    /// Does it run the revision of this rollout?
    pub(super) fn runs_target(&self, rollout: &Rollout) -> bool {
        self.runs(&rollout.profile, rollout.revision)
    }

    /// Does it run what the member had? One that had no profile runs nothing.
    pub(super) fn runs_before(&self, member: &Member) -> bool {
        match (&member.before.profile, member.before.pin.or(self.active_before)) {
            (None, _) => !self.running(),
            (Some(profile), Some(revision)) => self.runs(profile, revision),
            // A profile that is not there any more: whatever it runs.
            (Some(_), None) => self.running(),
        }
    }

    /// Which boot.
    pub(super) fn boot_id(&self) -> Option<uuid::Uuid> {
        self.boot.as_ref().map(|boot| boot.id)
    }

    /// What its boot is at, for people.
    pub(super) fn told(&self) -> &str {
        match &self.boot {
            Some(boot) if !boot.told.is_empty() => &boot.told,
            _ => "it was not heard from",
        }
    }
}
