//! An action on many nodes: its items, what may become of each, and what follows when a server dies in the middle.
//! Decisions only: who claims what, when, and how it is stored is elsewhere.

mod item;

pub use item::{Cut, Item, ItemState, TAKEN_MAX, cut_short, notice};

use super::bmc::BmcAction;
use super::ids::{Invalid, Micros};
use super::node::words;
use std::fmt;
use std::str::FromStr;

const SECOND: Micros = 1_000_000;

/// Items of one job at once, when nothing is said.
pub const PARALLEL_DEFAULT: u32 = 16;
/// And at most.
pub const PARALLEL_MAX: u32 = 256;
/// Longest time between two starts.
pub const STAGGER_MAX: Micros = 3600 * SECOND;
/// Tries of one item by one server, when a BMC is busy or does not answer.
pub const TRIES: u32 = 5;
/// Bytes kept of what was asked for.
pub const SELECTOR_MAX: usize = 500;
/// Bytes kept of what happened to an item.
pub const MESSAGE_MAX: usize = 1_000;

/// How a job as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// Nothing of it has begun.
    Queued,
    /// Under way.
    Running,
    /// Cancelled, and some of it is still under way.
    Cancelling,
    /// Every item has its result.
    Done,
    /// Ended early.
    Cancelled,
}

words!(
    JobState,
    "state of a job",
    "queued, running, cancelling, done or cancelled",
    Queued = "queued",
    Running = "running",
    Cancelling = "cancelling",
    Done = "done",
    Cancelled = "cancelled"
);

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Cancelling, Self::Done, Self::Cancelled];
    /// Those in which something is left to do.
    pub const OPEN: [Self; 3] = [Self::Queued, Self::Running, Self::Cancelling];

    /// Something is left to do.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }

    /// The one table: what may follow.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Queued => &[Self::Running, Self::Cancelling, Self::Done, Self::Cancelled],
            Self::Running => &[Self::Cancelling, Self::Done, Self::Cancelled],
            Self::Cancelling => &[Self::Cancelled, Self::Done],
            Self::Done | Self::Cancelled => &[],
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// UUIDv7 (RFC 9562 5.7): in order of time. Where two jobs want one node, the earlier one comes first.
    pub id: uuid::Uuid,
    /// What is done.
    pub action: BmcAction,
    /// Which nodes were asked for, for people.
    pub selector: String,
    /// Who asked.
    pub who: String,
    /// When.
    pub made: Micros,
    /// Between the starts of two items.
    pub stagger: Micros,
    /// Items at once.
    pub parallel: u32,
    /// Items.
    pub total: u32,
    /// How it stands.
    pub state: JobState,
    /// The client's id of its request, and the hash of what it asked for.
    pub request: Option<String>,
    /// See `request`.
    pub request_hash: super::Sha256,
    /// No item starts before.
    pub next_start: Micros,
    /// First start of an item.
    pub started: Option<Micros>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Nothing is left to do since.
    pub ended: Option<Micros>,
}

/// What is left to do in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Some item waits.
    pub waiting: bool,
    /// Items under way.
    pub running: u32,
    /// Some item was cancelled.
    pub cancelled: bool,
}

impl Job {
    /// How it stands, by what is left to do. The caller stores it.
    pub fn state_by(&self, left: Left) -> JobState {
        match (left.waiting || left.running > 0, &self.cancelled_by) {
            (false, Some(_)) if left.cancelled => JobState::Cancelled,
            (false, _) => JobState::Done,
            (true, Some(_)) => JobState::Cancelling,
            (true, None) if self.started.is_some() => JobState::Running,
            (true, None) => JobState::Queued,
        }
    }

    /// Until when the stagger keeps the next start back. A clock that was set back, or another server's that is ahead, holds
    /// nothing up for longer than that.
    pub fn held_until(&self, now: Micros) -> Option<Micros> {
        let wait = self.next_start.saturating_sub(now);
        (wait > 0 && wait <= self.stagger).then_some(self.next_start)
    }

    /// How many items may start at `now`, when so many are under way and the caller has `room` for as many.
    pub fn may_start(&self, running: u32, room: u32, now: Micros) -> u32 {
        if self.cancelled_by.is_some() || !self.state.is_open() || self.held_until(now).is_some() {
            return 0;
        }
        let free = self.parallel.saturating_sub(running).min(room);
        if self.stagger > 0 { free.min(1) } else { free }
    }

    /// Move on; true: it is another state now. A step that the table does not have is not made.
    pub fn settle(&mut self, left: Left, now: Micros) -> bool {
        let state = self.state_by(left);
        if state == self.state || !self.state.next().contains(&state) {
            return false;
        }
        self.state = state;
        if !state.is_open() {
            self.ended = Some(now);
        }
        true
    }
}

/// What an action may take, from its start to its result, tries included.
pub fn time_for(action: BmcAction) -> Micros {
    match action {
        // It is away for a while, and looked for afterwards.
        BmcAction::BmcReset => 300 * SECOND,
        // Set, proven by a login, and set back when that fails.
        BmcAction::RotatePassword => 180 * SECOND,
        _ => 120 * SECOND,
    }
}

/// The first word of an action: the label of a metric.
pub fn kind_of(action: BmcAction) -> String {
    let text = action.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Before try number `tried + 1`: 1 s, 2 s, 4 s, ... 30 s at most.
pub fn backoff(tried: u32) -> Micros {
    (SECOND << tried.saturating_sub(1).min(5)).min(30 * SECOND)
}

/// Items of a job by state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub std::collections::BTreeMap<ItemState, u64>);

impl Counts {
    /// Of this state.
    pub fn of(&self, state: ItemState) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
