//! One node of a job: what may become of it, and what is told about it.

use crate::domain::bmc::BmcAction;
use crate::domain::ids::{Invalid, Micros, NodeUuid};
use crate::domain::node::words;
use crate::domain::node_event::{Kind, Notice, Severity};
use std::fmt;
use std::str::FromStr;

/// How one node of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemState {
    /// It did not work.
    Failed,
    /// The server died in the middle and it may not simply be done again.
    Interrupted,
    /// Under way.
    Running,
    /// There was nothing to do it to.
    Skipped,
    /// The job was cancelled before its turn.
    Cancelled,
    /// Its turn comes.
    Waiting,
    /// Done.
    Ok,
}

words!(
    ItemState,
    "state of an item",
    "failed, interrupted, running, skipped, cancelled, waiting or ok",
    Failed = "failed",
    Interrupted = "interrupted",
    Running = "running",
    Skipped = "skipped",
    Cancelled = "cancelled",
    Waiting = "waiting",
    Ok = "ok"
);

impl ItemState {
    /// All of them, in the order in which a person wants to see them.
    pub const ALL: [Self; 7] =
        [Self::Failed, Self::Interrupted, Self::Running, Self::Skipped, Self::Cancelled, Self::Waiting, Self::Ok];

    /// The one table: what may follow.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Waiting => &[Self::Running, Self::Cancelled],
            // Waiting again: the server died, and it may be done again.
            Self::Running => &[Self::Ok, Self::Failed, Self::Skipped, Self::Interrupted, Self::Waiting],
            Self::Ok | Self::Failed | Self::Skipped | Self::Cancelled | Self::Interrupted => &[],
        }
    }
}

/// One node of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Of this job.
    pub job: uuid::Uuid,
    /// Its place in it, from 0.
    pub n: u32,
    /// Node, as it was called when the job was made.
    pub node: NodeUuid,
    /// How it stands.
    pub state: ItemState,
    /// The server that does it, or did.
    pub claimed_by: Option<String>,
    /// Not heard from that server by then: it is lost.
    pub lease_until: Option<Micros>,
    /// How often a server took it.
    pub attempts: u32,
    /// What happened, for people.
    pub message: String,
    /// Last start.
    pub started: Option<Micros>,
    /// Result.
    pub ended: Option<Micros>,
}

/// An item is taken by servers so often: one that kills each server that takes it must not go round for ever.
pub const TAKEN_MAX: u32 = 5;

/// What becomes of an item whose server is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Waiting (again), interrupted or failed.
    pub state: ItemState,
    /// For people.
    pub message: String,
}

/// A server was lost while it did `action`, for the `attempts`th time. `cancelled`: its job was, meanwhile.
pub fn cut_short(action: BmcAction, attempts: u32, cancelled: bool) -> Cut {
    match action.is_repeatable() {
        true if cancelled => Cut {
            state: ItemState::Interrupted,
            message: format!(
                "the server ended while {action} was done: whether the BMC has carried it out is not known, and it was \
                 not done again since the job was cancelled"
            ),
        },
        true if attempts < TAKEN_MAX => Cut {
            state: ItemState::Waiting,
            message: "the server ended while it was done: it is done again".to_owned(),
        },
        true => Cut {
            state: ItemState::Failed,
            message: format!(
                "the server ended {attempts} times while it was done: look at the server's log, then run it again"
            ),
        },
        false => Cut {
            state: ItemState::Interrupted,
            message: format!(
                "the server ended while {action} was done: whether the BMC has carried it out is not known, and it was \
                 not done again. Look at the node (its power state and its last boot) and run it again if it is needed"
            ),
        },
    }
}

/// What is told of a node when an item has its result. `None`: nothing was done to it.
pub fn notice(action: BmcAction, state: ItemState, message: &str) -> Option<Notice> {
    let severity = match state {
        ItemState::Ok => Severity::Info,
        ItemState::Failed | ItemState::Interrupted => Severity::Warning,
        ItemState::Waiting | ItemState::Running | ItemState::Skipped | ItemState::Cancelled => return None,
    };
    // One open event for each kind of action: a later success puts an earlier failure right.
    let subject = format!("action:{}", super::kind_of(action));
    Some(Notice { kind: Kind::Bmc, severity, subject, message: format!("{action}: {message}") })
}
