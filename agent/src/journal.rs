//! What happened in this boot, in order: each entry goes to the console at once and to the server as soon as it can be
//! reached. The queue is bounded: when it is full the oldest progress lines go first. Messages must hold no secret.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use higuma_proto::agent::Event;
use tokio::sync::Notify;

use crate::console;

/// At most so many events wait for the server.
const MAX_WAITING: usize = 2_000;
/// Room for the events of one run of the worker; a worker that was started again counts on from the next block.
pub const SEQ_PER_RUN: u32 = 10_000;

/// State of an event, as the wire names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The step begins.
    Started,
    /// The step is done.
    Ok,
    /// The step gave up.
    Failed,
    /// The step failed and is tried again.
    Retry,
    /// Something worth knowing within a step.
    Info,
}

impl State {
    /// The word on the wire and on the console.
    pub fn word(self) -> &'static str {
        match self {
            State::Started => "started",
            State::Ok => "ok",
            State::Failed => "failed",
            State::Retry => "retry",
            State::Info => "info",
        }
    }
}

/// Shared by all steps; a clone is the same journal.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
    news: Arc<Notify>,
}

struct Inner {
    next_seq: u32,
    waiting: VecDeque<Event>,
}

impl Journal {
    /// An empty journal whose first event has this number.
    pub fn starting_at(seq: u32) -> Journal {
        Journal {
            inner: Arc::new(Mutex::new(Inner { next_seq: seq, waiting: VecDeque::new() })),
            news: Arc::new(Notify::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints and queues one event.
    pub fn record(&self, step: &str, state: State, message: &str) {
        let line = match (state, message) {
            (state, "") => state.word().to_owned(),
            (State::Info, message) => message.to_owned(),
            (state, message) => format!("{}: {message}", state.word()),
        };
        console::say(step, &line);
        let mut inner = self.lock();
        if inner.waiting.len() >= MAX_WAITING {
            let victim = inner.waiting.iter().position(|e| e.state == State::Info.word()).unwrap_or(0);
            inner.waiting.remove(victim);
        }
        let seq = inner.next_seq;
        inner.next_seq = seq.saturating_add(1);
        inner.waiting.push_back(Event {
            seq,
            at_us: now_us(),
            step: step.to_owned(),
            state: state.word().to_owned(),
            message: console::clean(message),
        });
        drop(inner);
        self.news.notify_one();
    }

    /// Shorthand for [`State::Info`].
    pub fn info(&self, step: &str, message: &str) {
        self.record(step, State::Info, message);
    }

    /// The clock was stepped by so much: the times of events that still wait move with it.
    pub fn clock_stepped(&self, by_us: i64) {
        for event in &mut self.lock().waiting {
            event.at_us = event.at_us.saturating_add(by_us);
        }
    }

    /// The oldest waiting events, at most `limit`; they stay until [`Journal::sent`].
    pub fn batch(&self, limit: usize) -> Vec<Event> {
        self.lock().waiting.iter().take(limit).cloned().collect()
    }

    /// The server has these.
    pub fn sent(&self, batch: &[Event]) {
        let mut inner = self.lock();
        inner.waiting.retain(|waiting| !batch.iter().any(|sent| sent.seq == waiting.seq));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Resolves when an event was recorded since the last call.
    pub async fn news(&self) {
        self.news.notified().await;
    }
}

/// Microseconds since 1970 UTC by this machine's clock.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_micros()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_stay_until_sent() {
        let journal = Journal::starting_at(10_000);
        journal.record("network", State::Started, "");
        journal.record("network", State::Ok, "eth0");
        let batch = journal.batch(10);
        assert_eq!(batch.iter().map(|e| e.seq).collect::<Vec<_>>(), [10_000, 10_001]);
        journal.info("network", "late");
        journal.sent(&batch);
        assert_eq!(journal.batch(10).len(), 1);
        assert!(!journal.is_empty());
    }

    #[test]
    fn a_full_queue_loses_progress_before_outcomes() {
        let journal = Journal::starting_at(0);
        journal.record("network", State::Failed, "keep me");
        for n in 0..MAX_WAITING {
            journal.info("download", &format!("{n}"));
        }
        let all = journal.batch(usize::MAX);
        assert_eq!(all.len(), MAX_WAITING);
        assert!(all.iter().any(|e| e.message == "keep me"));
    }

    #[test]
    fn a_stepped_clock_moves_what_waits() {
        let journal = Journal::starting_at(0);
        journal.info("clock", "before");
        let before = journal.batch(1);
        journal.clock_stepped(5);
        assert!(journal.batch(1).iter().zip(&before).all(|(after, before)| after.at_us == before.at_us + 5));
    }
}
