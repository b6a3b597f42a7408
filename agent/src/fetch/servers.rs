//! Which server the next piece is asked of: those that gave wrong bytes are left out, those that failed or are busy have a pause,
//! slow ones come last. Pure: the time is told.

use std::time::{Duration, Instant};

use super::Limits;
use crate::steps::{backoff, jittered};

/// A server that fails is asked again after at most so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// What a busy server may ask to wait.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));
/// A slow server is used again after so long, or when there is no other.
const SLOW: Duration = Duration::from_secs(30);
/// A server is slow that gives so many times fewer bytes than another one, a connection.
const SLOWER: f64 = 8.0;
/// No rate is told before.
const MEASURED: Duration = Duration::from_secs(3);

/// One of them.
#[derive(Debug)]
pub struct Server {
    /// Of the part.
    pub url: String,
    /// It gave wrong bytes.
    pub out: bool,
    /// It answers with the whole, whatever range is asked.
    pub whole_only: bool,
    /// Connections to it.
    pub active: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Connections that it takes.
    most: u32,
    not_before: Option<Instant>,
    slow_until: Option<Instant>,
    /// Bytes a second of one connection, of the last pieces; none: not known.
    rate: Option<f64>,
}

/// All of them, by number.
#[derive(Debug)]
pub struct Servers {
    all: Vec<Server>,
    pause: Duration,
    per_server: u32,
}

impl Servers {
    /// In the order of the plan.
    pub fn new(urls: &[&str], limits: &Limits) -> Servers {
        let most = limits.per_server.max(1);
        let server = |url: &&str| Server {
            url: (*url).to_owned(),
            out: false,
            whole_only: false,
            active: 0,
            failures: 0,
            most,
            not_before: None,
            slow_until: None,
            rate: None,
        };
        Servers { all: urls.iter().map(server).collect(), pause: limits.pause, per_server: most }
    }

    /// One of them.
    pub fn get(&self, which: usize) -> Option<&Server> {
        self.all.get(which)
    }

    /// One of them, to change it.
    pub fn get_mut(&mut self, which: usize) -> Option<&mut Server> {
        self.all.get_mut(which)
    }

    /// Numbers of those that are not left out.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        self.all.iter().enumerate().filter(|(_, s)| !s.out).map(|(which, _)| which)
    }

    /// All of them again, also those that were left out.
    pub fn readmit(&mut self) {
        for server in &mut self.all {
            server.out = false;
        }
    }

    /// The best one to ask now: not slow, with the fewest connections, first in the plan. With `sole` only that one.
    pub fn choose(&self, now: Instant, sole: Option<usize>) -> Option<usize> {
        let is_slow = |s: &Server| s.slow_until.is_some_and(|until| until > now);
        let mut able: Vec<usize> = self.left().filter(|which| sole.is_none_or(|s| s == *which)).collect();
        // While one that is quick works, nothing is asked of a slow one, nor of one that cannot do ranges.
        let quick = |which: &usize| {
            self.get(*which).is_some_and(|s| !is_slow(s) && !s.whole_only && (s.failures == 0 || s.active > 0))
        };
        if able.iter().any(quick) {
            able.retain(|which| self.get(*which).is_some_and(|s| !is_slow(s) && !s.whole_only));
        }
        able.retain(|which| {
            self.get(*which).is_some_and(|s| {
                let most = if s.whole_only { 1 } else { s.most };
                s.active < most && s.not_before.is_none_or(|at| at <= now)
            })
        });
        able.into_iter().min_by_key(|which| self.get(*which).map(|s| (s.whole_only, is_slow(s), s.active, *which)))
    }

    /// It failed: a pause that grows.
    pub fn failed(&mut self, which: usize, now: Instant) {
        let pause = self.pause;
        if let Some(server) = self.get_mut(which) {
            server.failures = server.failures.saturating_add(1);
            server.not_before = Some(now + jittered(backoff(pause, server.failures)).min(LONGEST_PAUSE));
        }
    }

    /// It says that it is busy. With other connections to it open, those are what it takes; else it has a pause, never shorter
    /// than it asks for, within reason. How long that is.
    pub fn busy(&mut self, which: usize, now: Instant, retry_after: Option<Duration>) -> Duration {
        let pause = self.pause;
        let Some(server) = self.get_mut(which) else { return Duration::ZERO };
        if server.active > 0 {
            server.most = server.active;
            return Duration::ZERO;
        }
        server.failures = server.failures.saturating_add(1);
        let wait = match retry_after {
            Some(told) => told.clamp(RETRY_AFTER.0, RETRY_AFTER.1).mul_f64(rand::random_range(1.0..1.25)),
            None => jittered(backoff(pause, server.failures)).min(LONGEST_PAUSE),
        };
        server.not_before = Some(now + wait);
        wait
    }

    /// It gave bytes: so many, in so long, in this piece so far. Whether it is so slow that another should go on.
    pub fn gave(&mut self, which: usize, bytes: u64, took: Duration) -> bool {
        let best = self.left().filter(|w| *w != which).filter_map(|w| self.get(w)).filter(|s| s.failures == 0);
        let best = best.filter_map(|s| s.rate).fold(0.0, f64::max);
        if let Some(server) = self.get_mut(which) {
            server.failures = 0;
            server.not_before = None;
        }
        took >= MEASURED && (bytes as f64 / took.as_secs_f64()) * SLOWER < best
    }

    /// A piece is whole: what its rate says of the server.
    pub fn measured(&mut self, which: usize, bytes: u64, took: Duration) {
        let per_server = self.per_server;
        if let Some(server) = self.get_mut(which) {
            let rate = bytes as f64 / took.as_secs_f64().max(0.001);
            server.rate = Some(server.rate.map_or(rate, |before| before * 0.5 + rate * 0.5));
            // One that was busy is asked for more again, little by little.
            server.most = (server.most + 1).min(per_server);
        }
    }

    /// It is slow: others go first for a while.
    pub fn slow(&mut self, which: usize, now: Instant) {
        if let Some(server) = self.get_mut(which) {
            server.slow_until = Some(now + SLOW);
            server.rate = None;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn two() -> (Servers, Instant) {
        (Servers::new(&["http://a", "http://b"], &Limits::default()), Instant::now())
    }

    #[test]
    fn connections_are_spread_and_bounded() {
        let (mut servers, now) = two();
        let mut order = Vec::new();
        while let Some(which) = servers.choose(now, None) {
            servers.get_mut(which).unwrap().active += 1;
            order.push(which);
        }
        assert_eq!(order, [0, 1, 0, 1]);
    }

    #[test]
    fn one_that_failed_has_a_pause_that_grows_and_one_that_lied_is_out() {
        let (mut servers, now) = two();
        servers.failed(0, now);
        assert_eq!(servers.choose(now, None), Some(1));
        assert_eq!(servers.choose(now, Some(0)), None, "the sole one has to be waited for");
        assert_eq!(servers.choose(now + Duration::from_secs(1), Some(0)), Some(0));
        for _ in 0..20 {
            servers.failed(0, now);
        }
        assert_eq!(servers.choose(now + Duration::from_secs(5), Some(0)), None);
        assert_eq!(servers.choose(now + LONGEST_PAUSE, Some(0)), Some(0));
        servers.get_mut(1).unwrap().out = true;
        assert_eq!(servers.choose(now, None), None);
        servers.readmit();
        assert_eq!(servers.choose(now, None), Some(1));
    }

    #[test]
    fn a_busy_server_is_never_asked_earlier_than_it_says_and_never_waited_for_without_end() {
        for told in [0, 1, 30, 120, 1_000_000] {
            let (mut servers, now) = two();
            let wait = servers.busy(0, now, Some(Duration::from_secs(told)));
            let least = Duration::from_secs(told).clamp(RETRY_AFTER.0, RETRY_AFTER.1);
            assert!(wait >= least && wait <= least.mul_f64(1.25), "{told}: {wait:?}");
            assert_eq!(servers.choose(now + least - Duration::from_millis(1), Some(0)), None);
            assert_eq!(servers.choose(now + wait, Some(0)), Some(0));
        }
    }

    #[test]
    fn a_server_that_takes_one_connection_of_two_keeps_that_one() {
        let (mut servers, now) = two();
        servers.get_mut(0).unwrap().active = 1;
        assert_eq!(servers.busy(0, now, Some(Duration::from_secs(60))), Duration::ZERO);
        assert_eq!(servers.choose(now, Some(0)), None, "not a second one");
        servers.get_mut(0).unwrap().active = 0;
        assert_eq!(servers.choose(now, Some(0)), Some(0), "and no pause");
    }

    #[test]
    fn a_slow_one_comes_last_but_comes() {
        let (mut servers, now) = two();
        servers.measured(1, 80_000_000, Duration::from_secs(1));
        assert!(!servers.gave(0, 1_000, Duration::from_secs(1)), "too early to tell");
        assert!(!servers.gave(0, 400_000_000, Duration::from_secs(10)), "half as quick is no reason");
        assert!(servers.gave(0, 1_000_000, Duration::from_secs(4)));
        servers.slow(0, now);
        servers.get_mut(1).unwrap().active = 2;
        assert_eq!(servers.choose(now, None), None, "the quick one works");
        assert_eq!(servers.choose(now + SLOW, None), Some(0), "it has another chance");
        servers.get_mut(1).unwrap().out = true;
        assert_eq!(servers.choose(now, None), Some(0), "the only one");
    }
}
