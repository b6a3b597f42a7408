//! What one boot is told when it asks: a decision and the open attempt together. The same boot that asks again gets the
//! same attempt, so that a lost answer costs nothing; after its report it gets nothing but "restart".

use super::assess::Decision;
use super::attempt::Attempt;
use uuid::Uuid;

/// The answer to one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Boot,
    /// Wait for a person.
    Hold(String),
    /// Carry out the open attempt.
    Again,
    /// The attempt is done: only a restart shows what became of it.
    Restart,
    /// A new attempt is to be stored and handed out: see [`Decision::Update`].
    Start {
        /// Place of the component.
        component: usize,
        /// Place of the rule.
        rule: usize,
        /// 1 to [`super::TRIES`].
        n: u32,
    },
}

/// What `boot` is told. `last`: the newest attempt of the node that is open, or that was handed out in this boot.
pub fn next(decision: Decision, boot: Uuid, last: Option<&Attempt>) -> Next {
    match (last, decision) {
        (Some(attempt), _) if attempt.boot == boot && attempt.report.is_none() && attempt.ended.is_none() => {
            Next::Again
        }
        // Reported, or given up as lost while it ran: the machine's firmware may be half written in this boot.
        (Some(attempt), _) if attempt.boot == boot => Next::Restart,
        // Of an earlier boot: Register closes those, so this one is of a boot that never registered anew.
        (Some(attempt), _) if attempt.ended.is_none() => {
            Next::Hold(format!("an update of another boot ({}) is still open", attempt.boot))
        }
        (_, Decision::Boot) => Next::Boot,
        (_, Decision::Hold(reason)) => Next::Hold(reason),
        (_, Decision::Update { component, rule, n }) => Next::Start { component, rule, n },
    }
}
