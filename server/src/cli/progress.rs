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

    /// A counter for the bytes of one transfer; `total` is 0 when it is not known.
    pub fn bytes(&self, what: &str, total: u64) -> Bytes<'_> {
        let now = Instant::now();
        Bytes { progress: self, what: what.into(), total, first: 0, done: 0, started: now, shown: now }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts the bytes of one transfer, and shows them with their rate and the time left, on a terminal five times a second
/// at most.
#[derive(Debug)]
pub struct Bytes<'a> {
    progress: &'a Progress,
    what: String,
    total: u64,
    /// There before it began.
    first: u64,
    done: u64,
    started: Instant,
    shown: Instant,
}

impl Bytes<'_> {
    /// So many were there before: they are done, and count for no rate.
    pub fn from(mut self, bytes: u64) -> Self {
        (self.first, self.done) = (bytes, bytes);
        self
    }

    /// So many more turned out to be there before.
    pub fn had(&mut self, bytes: u64) {
        self.first = self.first.saturating_add(bytes);
        self.done = self.done.saturating_add(bytes);
    }

    /// So many more bytes went over.
    pub fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.progress.quiet || !self.progress.terminal || self.shown.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.shown = Instant::now();
        let text = state(self.done, self.first, self.total, self.started.elapsed());
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[K[{:6.1} s] {} {text}", self.progress.seconds(), self.what);
        let _ = err.flush();
    }

    /// It is over: one line with the rate, wherever it goes.
    pub fn end(self) {
        let took = self.started.elapsed();
        let rate = rate(self.done.saturating_sub(self.first), took);
        let (done, took) = (output::size(self.done), took.as_secs_f64());
        self.progress.line(&format!("{} {done} took {took:.1} s{rate}", self.what));
    }
}

/// `, 1.0 MiB/s`; nothing when there is none yet.
fn rate(bytes: u64, took: Duration) -> String {
    per_second(bytes, took).map_or_else(String::new, |rate| format!(", {}/s", output::size(rate)))
}

fn per_second(bytes: u64, took: Duration) -> Option<u64> {
    let rate = u128::from(bytes).saturating_mul(1000).checked_div(took.as_millis())?;
    u64::try_from(rate).ok().filter(|rate| *rate > 0)
}

/// `1.0 MiB of 3.0 MiB, 33 %, 512.0 KiB/s, 4 s left`.
fn state(done: u64, first: u64, total: u64, took: Duration) -> String {
    let came = done.saturating_sub(first);
    let rate = rate(came, took);
    let Some(percent) = done.saturating_mul(100).checked_div(total) else {
        return format!("{}{rate}", output::size(done));
    };
    let left = per_second(came, took).and_then(|rate| total.saturating_sub(done).checked_div(rate));
    let left = left.map_or_else(String::new, |s| match s {
        0..120 => format!(", {s} s left"),
        _ => format!(", {} min left", s.div_ceil(60)),
    });
    format!("{} of {}, {percent} %{rate}{left}", output::size(done), output::size(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_tells_its_rate_and_what_is_left() {
        const MIB: u64 = 1 << 20;
        let after = Duration::from_secs;
        assert_eq!(state(3 * MIB, MIB, 5 * MIB, after(4)), "3.0 MiB of 5.0 MiB, 60 %, 512.0 KiB/s, 4 s left");
        assert_eq!(state(MIB, 0, 601 * MIB, after(1)), "1.0 MiB of 601.0 MiB, 0 %, 1.0 MiB/s, 10 min left");
        assert_eq!(state(MIB, 0, 0, after(1)), "1.0 MiB, 1.0 MiB/s");
        assert_eq!(state(0, 0, 2 * MIB, after(0)), "0 B of 2.0 MiB, 0 %");
        assert_eq!(state(MIB, MIB, MIB, after(1)), "1.0 MiB of 1.0 MiB, 100 %");
    }

    #[test]
    fn what_was_there_counts_for_no_rate() {
        let progress = Progress::quiet();
        let mut bytes = progress.bytes("fetching", 10).from(1);
        bytes.had(4);
        bytes.add(2);
        assert_eq!((bytes.first, bytes.done), (5, 7));
    }
}
