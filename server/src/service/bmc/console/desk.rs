//! One console of one node, shared by all who look at it: its state, the last bytes, the screen. Only values behind a lock;
//! the BMC is asked by `run`.

use super::ring::{Piece, Ring};
use super::tame::Tame;
use crate::domain::{Micros, NodeUuid};
use higuma_proto::api::{ConsoleScreen, ConsoleState};
use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Size of the screen: EDK2's largest text mode; a terminal of 80 by 24 is its upper left.
const ROWS: NonZeroU16 = NonZeroU16::new(31).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(100).unwrap();
/// Requests to type that wait.
const TYPED: usize = 64;
/// Writers whose last number is known.
const WRITERS: usize = 32;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Open,
    /// For a BMC that was lost.
    Waiting,
    Closed,
}

/// What somebody typed.
pub(super) enum Typed {
    Bytes(Vec<u8>),
    Break,
}

pub(super) struct Desk {
    pub node: NodeUuid,
    state: Mutex<State>,
    version: watch::Sender<u64>,
    typed: mpsc::Sender<Typed>,
    /// Somebody closes it.
    pub stop: CancellationToken,
}

struct State {
    phase: Phase,
    reason: String,
    /// It could not be opened because it is open elsewhere.
    taken: bool,
    by: String,
    opened: Micros,
    ring: Ring,
    screen: vt100::Parser,
    tame: Tame,
    used: Instant,
    closed: Option<Instant>,
    writers: VecDeque<(String, u64)>,
    typists: BTreeSet<String>,
}

/// Why nothing was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTyped {
    /// It is not open now.
    NotOpen,
    /// More waits than is good.
    Full,
}

impl Desk {
    pub fn new(node: NodeUuid, by: &str, now: Micros) -> (Arc<Self>, mpsc::Receiver<Typed>) {
        let (typed, receiver) = mpsc::channel(TYPED);
        let state = State {
            phase: Phase::Opening,
            reason: String::new(),
            taken: false,
            by: by.to_owned(),
            opened: now,
            ring: Ring::default(),
            screen: vt100::Parser::new(ROWS, COLUMNS, 0),
            tame: Tame::default(),
            used: Instant::now(),
            closed: None,
            writers: VecDeque::new(),
            typists: BTreeSet::new(),
        };
        let (version, _) = watch::channel(1);
        (Arc::new(Self { node, state: Mutex::new(state), version, typed, stop: CancellationToken::new() }), receiver)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    pub fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Whether nobody looked or typed for so long. While it is being opened somebody waits for it.
    pub fn unused_for(&self, time: Duration) -> bool {
        let state = self.state();
        state.phase != Phase::Opening && state.used.elapsed() > time
    }

    /// Whether it is closed for so long.
    pub fn closed_for(&self, time: Duration) -> bool {
        self.state().closed.is_some_and(|at| at.elapsed() > time)
    }

    pub fn opened(&self) {
        let mut state = self.state();
        if state.phase == Phase::Opening {
            state.used = Instant::now();
        }
        (state.phase, state.reason) = (Phase::Open, String::new());
        drop(state);
        self.changed();
    }

    pub fn waiting(&self, reason: String) {
        let mut state = self.state();
        (state.phase, state.reason) = (Phase::Waiting, reason);
        drop(state);
        self.changed();
    }

    /// It is over; the first reason counts.
    pub fn closed(&self, reason: &str, taken: bool) {
        let mut state = self.state();
        if state.phase == Phase::Closed {
            return;
        }
        (state.phase, state.reason, state.taken) = (Phase::Closed, reason.to_owned(), taken);
        state.closed = Some(Instant::now());
        drop(state);
        self.changed();
    }

    /// Whether it could not be opened because it is open elsewhere.
    pub fn is_taken(&self) -> bool {
        self.state().taken
    }

    /// The node wrote.
    pub fn wrote(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.ring.push(bytes);
        let tamed = state.tame.bytes(bytes);
        state.screen.process(&tamed);
        drop(state);
        self.changed();
    }

    /// Types, unless this writer typed it before. `Ok(true)`: this person types here for the first time.
    pub fn type_in(&self, person: &str, writer: &str, sequence: u64, typed: Vec<Typed>) -> Result<bool, NotTyped> {
        let mut state = self.state();
        state.used = Instant::now();
        if state.writers.iter().any(|(name, last)| name == writer && sequence <= *last) {
            return Ok(false);
        }
        if state.phase != Phase::Open {
            return Err(NotTyped::NotOpen);
        }
        // All of it or nothing: under the lock nobody else adds.
        if self.typed.capacity() < typed.len() {
            return Err(NotTyped::Full);
        }
        for one in typed {
            self.typed.try_send(one).map_err(|_| NotTyped::NotOpen)?;
        }
        state.writers.retain(|(name, _)| name != writer);
        state.writers.truncate(WRITERS - 1);
        state.writers.push_front((writer.to_owned(), sequence));
        Ok(state.typists.insert(person.to_owned()))
    }

    pub fn show(&self) -> ConsoleState {
        let mut state = self.state();
        state.used = Instant::now();
        state.shown(&self.node)
    }

    pub fn screen(&self) -> ConsoleScreen {
        // Never the version under the lock of the state: those who wait for a version look at the state, and so would wait for
        // each other. One that is a little old costs one more look.
        let version = *self.version.borrow();
        let mut state = self.state();
        state.used = Instant::now();
        let screen = state.screen.screen();
        let (row, column) = screen.cursor_position();
        let lines = screen.rows(0, COLUMNS.get()).map(|line| line.trim_end().to_owned()).collect();
        ConsoleScreen { console: state.shown(&self.node), version, lines, columns: COLUMNS.get(), row, column }
    }

    /// What the node wrote from byte `from` on.
    pub fn piece(&self, from: u64) -> (ConsoleState, Piece) {
        let mut state = self.state();
        state.used = Instant::now();
        (state.shown(&self.node), state.ring.piece(from))
    }

    /// Number of the byte that comes next.
    pub fn end(&self) -> u64 {
        self.state().ring.end()
    }

    /// For who waits for a change.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

impl State {
    fn shown(&self, node: &NodeUuid) -> ConsoleState {
        let word = match self.phase {
            Phase::Opening => "opening",
            Phase::Open => "open",
            Phase::Waiting => "waiting",
            Phase::Closed => "closed",
        };
        ConsoleState {
            node: node.to_string(),
            state: word.to_owned(),
            reason: self.reason.clone(),
            opened_by: self.by.clone(),
            opened_us: self.opened,
        }
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
