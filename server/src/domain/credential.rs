//! Credentials of BMCs: what becomes of each when one is planned, proven, given up or no longer needed. A password that may be
//! in force is never forgotten before another one is proven. Nothing here seals, and no password is shown by `Debug`.

pub mod generate;

use super::ids::{Invalid, Micros, NodeUuid};
use super::node::words;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What is known of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Made for the node; nobody has logged in with it yet. It may or may not be in force.
    Planned,
    /// Somebody logged in with it: it is in force.
    Proven,
    /// It was in force before.
    Retired,
    /// It could not be set or proven; it may be in force all the same.
    Failed,
}

words!(
    State,
    "state of a credential",
    "planned, proven, retired or failed",
    Planned = "planned",
    Proven = "proven",
    Retired = "retired",
    Failed = "failed"
);

/// How a credential came to the BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// The agent sets it from within.
    InBand,
    /// Set over the network.
    Lan,
    /// It was there, and a person gave it to us.
    Enrolled,
}

words!(Via, "way of a credential", "in-band, lan or enrolled", InBand = "in-band", Lan = "lan", Enrolled = "enrolled");

/// A password in clear, in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The text itself, for the one place that hands it over.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl FromStr for Password {
    type Err = Invalid;

    /// The error does not repeat what came.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(Invalid::new("BMC password", "1 to 255 bytes without control characters", "(not shown)"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// Name of a BMC's account.
///
/// # Errors
/// An empty or long one, control characters.
pub fn check_user(user: &str) -> Result<(), Invalid> {
    if user.is_empty() || user.len() > 64 || user.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Invalid::new("BMC user", "1 to 64 bytes without spaces and control characters", user));
    }
    Ok(())
}

/// A credential as stored: its passwords are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose BMC.
    pub node: NodeUuid,
    /// Account.
    pub user: String,
    /// A JSON list of passwords, in the order to try; of a proven one the one in force.
    pub sealed: String,
    /// Id of the master key that it is sealed with.
    pub master_key: String,
    /// What is known of it.
    pub state: State,
    /// How it came or comes to the BMC.
    pub via: Via,
    /// When it was made.
    pub made: Micros,
    /// When it was proven first.
    pub proven: Option<Micros>,
    /// Last change of its state.
    pub changed: Micros,
    /// Why it failed; else empty.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody logged in with it.
    Prove(Uuid),
    /// It could not be set, or not be proven.
    Fail(Uuid),
    /// The node is retired.
    Retire,
}

/// What follows for one credential. The changes of a list are made in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It gets this state.
    Become(Uuid, State),
    /// It is deleted: another one is proven.
    Forget(Uuid),
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such credential of this node.
    #[error("this node has no BMC credential of that id (any more): another one was proven meanwhile")]
    Unknown,
    /// A credential that is in force, or was, does not fail.
    #[error("the BMC credential was proven already: expected a planned one to fail; plan a new one to rotate it")]
    Proven,
}

/// What a step does to the credentials of a node. Taking the same step again changes nothing.
///
/// # Errors
/// Nothing is changed then.
pub fn decide(held: &[Credential], step: Step) -> Result<Vec<Change>, Refused> {
    let find = |id: Uuid| held.iter().find(|c| c.id == id).ok_or(Refused::Unknown);
    match step {
        Step::Prove(id) => Ok(prove(held, find(id)?)),
        Step::Fail(id) => match find(id)?.state {
            State::Planned => Ok(vec![Change::Become(id, State::Failed)]),
            State::Failed => Ok(vec![]),
            State::Proven | State::Retired => Err(Refused::Proven),
        },
        Step::Retire => {
            let change = |c: &Credential| match c.state {
                State::Proven => Some(Change::Become(c.id, State::Retired)),
                State::Planned => Some(Change::Become(c.id, State::Failed)),
                State::Retired | State::Failed => None,
            };
            Ok(held.iter().filter_map(change).collect())
        }
    }
}

/// The one before stays, retired, until the next one is proven; what came before that, and what failed, is forgotten.
fn prove(held: &[Credential], proven: &Credential) -> Vec<Change> {
    if proven.state == State::Proven {
        return vec![];
    }
    let others = || held.iter().filter(|c| c.id != proven.id);
    let before = others().find(|c| c.state == State::Proven);
    let newest = || others().filter(|c| c.state == State::Retired).max_by_key(|c| (c.proven, c.id));
    let kept = before.or_else(newest).map(|c| c.id);
    let gone = |c: &&Credential| matches!(c.state, State::Retired | State::Failed) && kept != Some(c.id);
    let mut changes: Vec<Change> = others().filter(gone).map(|c| Change::Forget(c.id)).collect();
    changes.extend(before.map(|c| Change::Become(c.id, State::Retired)));
    changes.push(Change::Become(proven.id, State::Proven));
    changes
}

/// Failed ones kept beside each other: after so many, the oldest is tried again.
pub const FAILED_MAX: usize = 3;

/// How a node gets a credential to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The planned one that is there.
    Keep(Uuid),
    /// One that failed once is planned again: nothing that may be in force is forgotten, and nothing grows for ever.
    Again(Uuid),
    /// A new one.
    New,
}

/// What to set next, whether one is proven or not.
pub fn plan(held: &[Credential]) -> Plan {
    if let Some(planned) = held.iter().find(|c| c.state == State::Planned) {
        return Plan::Keep(planned.id);
    }
    // What a person gave is theirs: it is tried, never set.
    let failed = || held.iter().filter(|c| c.state == State::Failed && c.via != Via::Enrolled);
    match failed().min_by_key(|c| (c.changed, c.id)) {
        Some(oldest) if failed().count() >= FAILED_MAX => Plan::Again(oldest.id),
        _ => Plan::New,
    }
}

/// In the order in which they are most likely in force: for a server that lost a report.
pub fn most_likely_first(held: &mut [Credential]) {
    let rank = |c: &Credential| match (c.state, c.via) {
        (State::Proven, _) => 0,
        // An account that a person gave and nobody has logged in with yet: setting another one leaves it alone.
        (State::Failed, Via::Enrolled) => 1,
        (State::Planned, _) => 2,
        (State::Failed, _) => 3,
        (State::Retired, _) => 4,
    };
    held.sort_by_key(|c| (rank(c), std::cmp::Reverse(c.changed), c.id));
}

#[cfg(test)]
mod tests;
