//! What a long command is doing: one line a step on standard error, with the seconds since the start. On a terminal a
//! running byte count is rewritten in place; elsewhere nothing but whole lines is printed.

use super::output;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Prints steps; [`Progress::quiet`] prints nothing (tests).
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    quiet: bool,
    terminal: bool,
}

impl Progress {
    /// To standard error.
    pub fn new() -> Self {
        Self { start: Instant::now(), quiet: false, terminal: std::io::stderr().is_terminal() }
    }

    /// To nobody.
    pub fn quiet() -> Self {
        Self { start: Instant::now(), quiet: true, terminal: false }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// A step begins, or a fact is known.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            let clear = if self.terminal { "\r\x1b[K" } else { "" };
            eprintln!("{clear}[{:6.1} s] {}", self.seconds(), output::clean(text));
        }
    }

    /// A counter for the bytes of one transfer.
    pub fn bytes(&self, what: &str, total: u64) -> Bytes<'_> {
        Bytes { progress: self, what: what.into(), total, done: 0, shown: Instant::now() }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts the bytes of one transfer, and shows them on a terminal five times a second at most.
#[derive(Debug)]
pub struct Bytes<'a> {
    progress: &'a Progress,
    what: String,
    total: u64,
    done: u64,
    shown: Instant,
}

impl Bytes<'_> {
    /// So many more bytes went over.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.progress.quiet || !self.progress.terminal || self.shown.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.shown = Instant::now();
        let percent = (self.done.saturating_mul(100)).checked_div(self.total).unwrap_or(100);
        let (done, total) = (output::size(self.done), output::size(self.total));
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[K[{:6.1} s] {} {done} of {total}, {percent} %", self.progress.seconds(), self.what);
        let _ = err.flush();
    }
}
