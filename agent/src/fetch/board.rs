//! What the connections of one download share: which bytes are there and from whom, which are on their way, what went wrong. It
//! deals out the work and decides whom wrong bytes are from; it reads and writes no network, and holds no bytes.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use higuma_proto::agent::Part;

use super::servers::Servers;
use super::spans::{Span, Spans};
use super::{FetchError, Limits, WRONG_BYTES};

/// So long a look around takes at most where nobody wakes it.
const NAP: Duration = Duration::from_millis(100);
/// Troubles that wait to be told; what is beyond is not told.
const TROUBLES: usize = 32;
/// Servers that a comparison is begun with, at most: each may break off.
const COMPARISONS: u32 = 8;
/// Failures in a row after which a comparison goes on with another server.
const SOLE_FAILURES: u32 = 2;
/// For one read, where another server can go on.
const READ_OF_SEVERAL: Duration = Duration::from_secs(10);

/// One request to make.
#[derive(Debug)]
pub struct Task {
    /// Number of the server.
    pub server: usize,
    /// Of the part there.
    pub url: String,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// For one read of the connection.
    pub read: Duration,
    /// Since when.
    pub began: Instant,
}

/// How a request ended.
#[derive(Debug)]
pub enum Ended {
    /// All of its bytes are there.
    Whole,
    /// Not all; worth going on from where it is.
    Broken(String),
    /// The server has something else by that name.
    Lying(String),
    /// It has no time; perhaps with what it says to wait.
    Busy(u16, Option<Duration>),
    /// Others are quicker.
    Slow,
    /// Nobody wants the rest.
    Dropped,
    /// The place to write to failed.
    Write(std::io::Error),
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    On,
    Slow,
    Stop,
}

/// What is there, for who watches.
#[derive(Debug)]
pub struct Look {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes from the beginning on.
    pub prefix: u64,
    /// All bytes are there and nobody writes any more, until the board is told what they are.
    pub complete: bool,
    /// Changes when bytes that were there are taken away.
    pub generation: u64,
    /// What went wrong since the last look.
    pub troubles: Vec<String>,
    /// It cannot go on.
    pub failed: Option<FetchError>,
}

struct State {
    done: Spans,
    flying: Spans,
    servers: Servers,
    /// All is taken from this one, to learn who gave wrong bytes.
    sole: Option<usize>,
    /// Bytes of others in the file, that the sole one's are compared with.
    old: Spans,
    /// Where bytes of a server first differed from the sole one's.
    differs: BTreeMap<usize, u64>,
    comparisons: u32,
    wrong: u32,
    generation: u64,
    troubles: Vec<String>,
    last: String,
    last_byte: Instant,
    /// A busy server is waited for until then, whatever the stall is.
    patience: Instant,
    write: Option<std::io::Error>,
    /// What the last wrong bytes were, when it is given up for them.
    hopeless: Option<String>,
    ended: bool,
}

/// The shared board.
pub struct Board {
    sha256: String,
    size: u64,
    piece: u64,
    limits: Limits,
    state: Mutex<State>,
    news: Condvar,
}

impl Board {
    /// For a part, the first `have` bytes of which are there from who knows where; at most `piece` bytes a request.
    pub fn new(part: &Part, have: u64, piece: u64, urls: &[&str], limits: &Limits) -> Board {
        let now = Instant::now();
        let mut done = Spans::default();
        done.put(Span { from: 0, to: have, source: None });
        let state = State {
            done,
            flying: Spans::default(),
            servers: Servers::new(urls, limits),
            sole: None,
            old: Spans::default(),
            differs: BTreeMap::new(),
            comparisons: 0,
            wrong: 0,
            generation: 0,
            troubles: Vec::new(),
            last: String::new(),
            last_byte: now,
            patience: now,
            write: None,
            hopeless: None,
            ended: false,
        };
        Board {
            sha256: part.sha256.clone(),
            size: part.size,
            piece: piece.max(1),
            limits: *limits,
            state: Mutex::new(state),
            news: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request, when there is one; none: it is over. Waits.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let now = Instant::now();
            if let Some(task) = state.task(now, self) {
                return Some(task);
            }
            state = self.news.wait_timeout(state, NAP).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// `count` bytes of a request are in the file, from `at` on.
    pub fn wrote(&self, task: &Task, at: u64, count: u64) -> Go {
        let mut state = self.lock();
        let unwanted = state.servers.get(task.server).is_none_or(|s| s.out);
        if state.ended || unwanted || state.sole.is_some_and(|sole| sole != task.server) {
            return Go::Stop;
        }
        state.done.put(Span { from: at, to: at + count, source: Some(task.server) });
        state.last_byte = Instant::now();
        let slow = state.servers.gave(task.server, at + count - task.from, task.began.elapsed());
        self.news.notify_all();
        if slow && state.sole.is_none() { Go::Slow } else { Go::On }
    }

    /// Bytes of others that are about to be written over, to be compared first.
    pub fn older(&self, from: u64, to: u64) -> Vec<Span> {
        self.lock().old.cut(from, to)
    }

    /// Bytes of `source` differ at `at` from those of the server that is compared with.
    pub fn differs(&self, source: usize, at: u64) {
        self.lock().differs.entry(source).or_insert(at);
    }

    /// The server does not do ranges.
    pub fn whole_only(&self, task: &Task) {
        if let Some(server) = self.lock().servers.get_mut(task.server) {
            server.whole_only = true;
        }
    }

    /// A request ended.
    pub fn ended(&self, task: &Task, how: Ended) {
        let mut state = self.lock();
        let now = Instant::now();
        state.flying.cut(task.from, task.to);
        if let Some(server) = state.servers.get_mut(task.server) {
            server.active = server.active.saturating_sub(1);
        }
        let at = state.done.end_of(task.from).min(task.to);
        let url = &task.url;
        match how {
            Ended::Whole => state.servers.measured(task.server, task.to - task.from, task.began.elapsed()),
            Ended::Dropped => {}
            Ended::Write(e) => state.write = Some(e),
            Ended::Lying(got) => state.lied(task.server, &self.sha256, &got, now),
            Ended::Broken(why) => {
                state.servers.failed(task.server, now);
                state.trouble(format!("{url} at byte {at}: {why}"));
            }
            Ended::Slow => {
                state.servers.slow(task.server, now);
                state.trouble(format!("{url} at byte {at}: far slower than another server, which goes on"));
            }
            Ended::Busy(code, told) => {
                let wait = state.servers.busy(task.server, now, told);
                if told.is_some() {
                    // Until it has been asked again.
                    state.patience = (now + wait).min(state.last_byte + self.limits.busy) + self.limits.read;
                }
                if !wait.is_zero() {
                    let seconds = wait.as_secs_f32();
                    state.trouble(format!("{url}: HTTP status {code}: busy, asked again in {seconds:.1} s"));
                }
            }
        }
        state.other_sole();
        self.news.notify_all();
    }

    /// What is new, at the latest after `NAP`.
    pub fn look(&self) -> Look {
        let state = self.lock();
        let (mut state, _) = self
            .news
            .wait_timeout_while(state, NAP, |s| {
                s.troubles.is_empty() && s.write.is_none() && s.hopeless.is_none() && !s.complete(self.size)
            })
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let failed = if let Some(e) = state.write.take() {
            Some(FetchError::Write(e))
        } else if let Some(got) = state.hopeless.take() {
            Some(FetchError::Wrong { times: state.wrong, expected: self.sha256.clone(), got })
        } else if !state.last.is_empty() && now > state.patience && now > state.last_byte + self.limits.stall {
            Some(FetchError::Stalled { seconds: self.limits.stall.as_secs(), last: state.last.clone() })
        } else {
            None
        };
        Look {
            bytes: state.done.bytes(),
            prefix: state.done.prefix(),
            complete: state.complete(self.size),
            generation: state.generation,
            troubles: std::mem::take(&mut state.troubles),
            failed,
        }
    }

    /// All bytes are there and have this hash, which is not the part's.
    pub fn mismatch(&self, got: &str) {
        let mut state = self.lock();
        let now = Instant::now();
        let mut bytes: BTreeMap<Option<usize>, u64> = BTreeMap::new();
        for span in state.done.all() {
            *bytes.entry(span.source).or_default() += span.to - span.from;
        }
        let most = bytes.iter().filter_map(|(source, count)| source.map(|s| (*count, s))).max();
        match most {
            None => {
                state.generation += 1;
                state.done = Spans::default();
                state.trouble(format!("what was there already is not of it: discarded (sha256 {got})"));
            }
            Some((_, which)) if bytes.len() == 1 => state.lied(which, &self.sha256, got, now),
            Some((_, which)) => {
                let url = state.url(which);
                let what = format!("expected sha256 {}, got {got}", self.sha256);
                state.trouble(format!(
                    "wrong bytes from one of several: {what}; taking all of it from {url} to learn whose"
                ));
                state.compare_with(which, got);
            }
        }
        self.news.notify_all();
    }

    /// All bytes are there and right: what is to be told of servers whose bytes were not.
    pub fn matches(&self) -> Vec<String> {
        let state = self.lock();
        let told = state.differs.iter().map(|(which, at)| {
            let url = state.url(*which);
            format!("discarded wrong bytes from {url}: the first at byte {at}, where another server has what the sha256 asks for")
        });
        told.collect()
    }

    /// It is over: connections stop.
    pub fn end(&self) {
        self.lock().ended = true;
        self.news.notify_all();
    }
}

impl State {
    fn complete(&self, size: u64) -> bool {
        self.done.prefix() >= size && self.flying.all().is_empty()
    }

    fn task(&mut self, now: Instant, board: &Board) -> Option<Task> {
        let server = self.servers.choose(now, self.sole)?;
        let several = self.servers.left().count() > 1;
        let found = self.servers.get_mut(server)?;
        let (from, to) = if found.whole_only {
            // It gives all of it whatever is asked: one request for what is missing, and no other beside it.
            let (from, _) = self.done.gap(&self.flying, board.size, 1).filter(|_| self.flying.all().is_empty())?;
            // It writes over all that is behind, which must not count, nor be hashed, as what it was before.
            self.done.cut(from, board.size);
            (from, board.size)
        } else {
            self.done.gap(&self.flying, board.size, board.piece)?
        };
        found.active += 1;
        let url = found.url.clone();
        self.flying.put(Span { from, to, source: Some(server) });
        let read = if several { board.limits.read.min(READ_OF_SEVERAL) } else { board.limits.read };
        Some(Task { server, url, from, to, read, began: now })
    }

    fn trouble(&mut self, text: String) {
        text.clone_into(&mut self.last);
        if self.troubles.len() < TROUBLES {
            self.troubles.push(text);
        }
    }

    fn url(&self, which: usize) -> String {
        self.servers.get(which).map(|s| s.url.clone()).unwrap_or_default()
    }

    /// This server's bytes are not those of the part: they are discarded, and nothing more is asked of it while there is another.
    fn lied(&mut self, which: usize, expected: &str, got: &str, now: Instant) {
        let Some(server) = self.servers.get_mut(which) else { return };
        if std::mem::replace(&mut server.out, true) {
            return;
        }
        self.wrong += 1;
        self.servers.failed(which, now);
        self.generation += 1;
        self.done.keep(|span| span.source != Some(which));
        if self.sole == Some(which) {
            // What differs from a liar's bytes says nothing.
            (self.sole, self.old) = (None, Spans::default());
            self.differs.clear();
        }
        let mut text = format!("discarded wrong bytes from {}: expected sha256 {expected}, got {got}", self.url(which));
        if self.servers.left().next().is_some() {
            text += "; that server is left out";
        } else if self.wrong < WRONG_BYTES {
            self.servers.readmit();
        } else {
            self.hopeless = Some(got.to_owned());
        }
        self.trouble(text);
    }

    /// Takes all bytes from one server: those of the others stay to be compared with, until they are written over.
    fn compare_with(&mut self, which: usize, got: &str) {
        self.comparisons += 1;
        if self.comparisons > COMPARISONS {
            self.hopeless = Some(got.to_owned());
        }
        self.generation += 1;
        self.sole = Some(which);
        self.differs.clear();
        for span in self.done.keep(|span| span.source == Some(which)) {
            self.old.put(span);
        }
    }

    /// A comparison does not wait for a server that is away while there is another.
    fn other_sole(&mut self) {
        let failures = |which: usize| self.servers.get(which).map_or(0, |s| s.failures);
        let Some(sole) = self.sole.filter(|sole| failures(*sole) >= SOLE_FAILURES) else { return };
        let other = self.servers.left().filter(|which| *which != sole).min_by_key(|which| failures(*which));
        if let Some(other) = other.filter(|other| failures(*other) < SOLE_FAILURES) {
            self.compare_with(other, "bytes of several servers that cannot be told apart");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_is_there_only_when_it_is_there_again() {
        let part = Part { sha256: "x".to_owned(), size: 40, ..Part::default() };
        let limits = Limits { pause: Duration::ZERO, ..Limits::default() };
        let board = Board::new(&part, 0, 10, &["http://a/x"], &limits);
        let (first, second) = (board.next().unwrap(), board.next().unwrap());
        assert_eq!((first.from, second.from, second.to), (0, 10, 20));
        assert_eq!(board.wrote(&second, 10, 10), Go::On);
        board.ended(&second, Ended::Whole);
        // The whole instead of a range, and it breaks off.
        board.whole_only(&first);
        board.ended(&first, Ended::Broken("gone".to_owned()));
        let whole = board.next().unwrap();
        assert_eq!((whole.from, whole.to), (0, 40));
        assert_eq!(board.wrote(&whole, 0, 10), Go::On);
        let look = board.look();
        assert_eq!(
            (look.prefix, look.bytes),
            (10, 10),
            "bytes 10 to 20 are those of the second request until they come again"
        );
    }
}
