//! A rollout as it is kept, and what it asked of the world outside until it is known what became of it.

use super::super::Sha256;
use super::super::ids::{Invalid, Micros, NodeUuid};
use super::super::node::words;
use super::{Phase, Rollout};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A rollout with what never changes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// UUIDv7 (RFC 9562 5.7): in order of time.
    pub id: uuid::Uuid,
    /// How it is.
    pub rollout: Rollout,
    /// Which nodes were asked for, for people.
    pub selector: String,
    /// Who asked.
    pub who: String,
    /// When.
    pub made: Micros,
    /// Nothing is left to do since.
    pub ended: Option<Micros>,
    /// Members.
    pub total: u32,
    /// The client's id of its request, and the hash of what it asked for.
    pub request: Option<String>,
    /// See `request`.
    pub request_hash: Sha256,
    /// What signs the calls of hooks, sealed, and the id of the master key that seals it.
    pub sealed: Option<(String, String)>,
}

/// Members by phase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<Phase, u64>);

impl Counts {
    /// Of this phase.
    pub fn of(&self, phase: Phase) -> u64 {
        self.0.get(&phase).copied().unwrap_or(0)
    }

    /// Down because of the rollout.
    pub fn down(&self) -> u64 {
        self.0.iter().filter(|(phase, _)| phase.is_down()).map(|(_, count)| count).sum()
    }
}

/// What is asked of somebody over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// The hook that takes the load.
    Drain,
    /// The hook that gives it back.
    Undrain,
    /// The health check.
    Check,
}

words!(Call, "call of a rollout", "drain, undrain or check", Drain = "drain", Undrain = "undrain", Check = "check");

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallState {
    /// Not answered yet.
    Waiting,
    /// Answered 2xx.
    Ok,
    /// Not answered so by its deadline.
    Failed,
}

words!(CallState, "state of a call", "waiting, ok or failed", Waiting = "waiting", Ok = "ok", Failed = "failed");

/// One call, until and after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Of this rollout.
    pub rollout: uuid::Uuid,
    /// The action's.
    pub id: String,
    /// Member.
    pub n: u32,
    /// Its node.
    pub node: NodeUuid,
    /// What.
    pub call: Call,
    /// How it stands.
    pub state: CallState,
    /// The last answer, for people.
    pub message: String,
    /// Tries that were begun.
    pub attempts: u32,
    /// Not tried before: a server that takes it puts this off for as long as a try may take.
    pub due: Micros,
    /// Given up then.
    pub deadline: Micros,
}
