//! The downloads of blobs that are under way: who may begin one, and when its next bytes may go, as [`crate::domain::delivery`]
//! decides. Without bounds nobody waits, and nothing is locked while bytes go.

use super::exchanges::{Downloaded, Journal};
use crate::domain::delivery::{Caps, Delivery, Ticket, Turn};
use crate::domain::{Micros, Sha256};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Bytes that are not given for so long: the bounds are too narrow for so many downloads.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A wait looks around so often, whatever it is told.
const LOOK: Duration = Duration::from_secs(1);

/// All of a server; cheap to clone.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

struct Inner {
    caps: Caps,
    begun: Instant,
    state: Mutex<State>,
    /// What was taken is written there.
    journal: Journal,
}

struct State {
    delivery: Delivery,
    waiting: HashMap<Ticket, Arc<Notify>>,
}

/// There is no room for another download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Seconds.
    pub retry_after: u64,
}

impl Deliveries {
    /// With these bounds; what was taken is written into the journal.
    pub fn new(caps: Caps, journal: Journal) -> Self {
        let state = State { delivery: Delivery::new(caps), waiting: HashMap::new() };
        Self(Arc::new(Inner { caps, begun: Instant::now(), state: Mutex::new(state), journal }))
    }

    /// A client begins a download, which ends when it is dropped: so many bytes of a blob that has `size`.
    ///
    /// # Errors
    /// There is no room.
    pub fn begin(&self, client: IpAddr, sha256: &Sha256, size: u64, length: u64) -> Result<Download, Busy> {
        let (client, now) = (client.to_canonical(), self.0.now());
        let mut state = self.0.state();
        let begun = state.delivery.begin(client, now);
        let going = state.delivery.going();
        drop(state);
        match begun {
            Ok(()) => {
                metrics::gauge!("higuma_blob_downloads").set(going as f64);
                let sha256 = sha256.clone();
                let began = Timestamp::now().as_microsecond();
                Ok(Download { all: self.0.clone(), client, sha256, size, length, began, sent: AtomicU64::new(0) })
            }
            Err(retry_after) => {
                metrics::counter!("higuma_blob_downloads_refused_total").increment(1);
                Err(Busy { retry_after })
            }
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Micros {
        Micros::try_from(self.begun.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }
}

/// One download.
pub struct Download {
    all: Arc<Inner>,
    client: IpAddr,
    sha256: Sha256,
    size: u64,
    length: u64,
    /// UTC, microseconds.
    began: Micros,
    sent: AtomicU64,
}

impl Drop for Download {
    fn drop(&mut self) {
        let now = self.all.now();
        let mut state = self.all.state();
        state.delivery.end(self.client, now);
        let going = state.delivery.going();
        drop(state);
        metrics::gauge!("higuma_blob_downloads").set(going as f64);
        let bytes = self.sent.load(Ordering::Relaxed);
        self.all.journal.downloaded(&Downloaded {
            client: self.client,
            sha256: self.sha256.clone(),
            size: self.size,
            bytes,
            began: self.began,
            ended: Timestamp::now().as_microsecond().max(self.began),
            cut: bytes < self.length,
        });
    }
}

impl Download {
    /// So many bytes went.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes to ask for at once, of `most`.
    pub fn window(&self, most: u64) -> u64 {
        self.all.caps.window(most)
    }

    /// Waits until so many bytes may go.
    ///
    /// # Errors
    /// That takes too long.
    pub async fn take(&self, bytes: u64) -> io::Result<()> {
        let Caps { total, node, .. } = self.all.caps;
        if total == 0 && node == 0 {
            return Ok(());
        }
        let wish = Wish::new(&self.all, self.client, bytes);
        timeout(LONGEST_WAIT, wish.granted()).await.map_err(|_| {
            metrics::counter!("higuma_blob_downloads_starved_total").increment(1);
            tracing::warn!(client = %self.client, "a download is cut: blob-rate-total or blob-rate-node is too low for so many");
            let why = "the settings blob-rate-total and blob-rate-node are too low for so many downloads";
            io::Error::new(io::ErrorKind::TimedOut, why)
        })
    }
}

/// A wish for bytes, forgotten when it is dropped.
struct Wish<'a> {
    all: &'a Inner,
    ticket: Ticket,
    told: Arc<Notify>,
}

impl<'a> Wish<'a> {
    fn new(all: &'a Inner, client: IpAddr, bytes: u64) -> Self {
        let mut state = all.state();
        let (ticket, told) = (state.delivery.wish(client, bytes), Arc::new(Notify::new()));
        state.waiting.insert(ticket, told.clone());
        Self { all, ticket, told }
    }

    async fn granted(&self) {
        loop {
            let now = self.all.now();
            let turn = self.all.state().delivery.turn(self.ticket, now);
            let pause = match turn {
                Turn::Go => return,
                Turn::At(when) => Duration::from_micros(u64::try_from(when - now).unwrap_or_default()).min(LOOK),
                Turn::Behind => LOOK,
            };
            let _ = timeout(pause, self.told.notified()).await;
        }
    }
}

impl Drop for Wish<'_> {
    /// Whether it was granted or given up: the next one looks.
    fn drop(&mut self) {
        let now = self.all.now();
        let mut state = self.all.state();
        state.waiting.remove(&self.ticket);
        state.delivery.forget(self.ticket);
        // Without a rate in total nobody waits for others.
        if self.all.caps.total == 0 {
            return;
        }
        if let Some(next) = state.delivery.first(now).and_then(|ticket| state.waiting.get(&ticket)) {
            next.notify_one();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn begin(all: &Deliveries, client: IpAddr) -> Result<Download, Busy> {
        all.begin(client, &Sha256::of("x"), 1, 1)
    }

    #[tokio::test]
    async fn waits_add_up_to_the_rate_and_who_goes_away_holds_nobody_up() {
        let all = Deliveries::new(Caps { total: 1 << 20, ..Caps::default() }, Journal::default());
        let begun = Instant::now();
        let tasks: Vec<_> = (1..=4)
            .map(|n| {
                let all = all.clone();
                tokio::spawn(async move {
                    let download = begin(&all, ip(n)).unwrap();
                    for _ in 0..4 {
                        download.take(64 * 1024).await.unwrap();
                    }
                })
            })
            .collect();
        let gone = tokio::spawn({
            let all = all.clone();
            async move { begin(&all, ip(9)).unwrap().take(64 * 1024).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        for task in tasks {
            task.await.unwrap();
        }
        // A MiB at a MiB a second, a quarter of it ahead.
        assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
        let state = all.0.state();
        assert_eq!((state.waiting.len(), state.delivery.going()), (0, 0));
    }

    #[test]
    fn places_are_given_back() {
        let all = Deliveries::new(Caps { downloads: 1, ..Caps::default() }, Journal::default());
        let first = begin(&all, ip(1)).unwrap();
        let busy = begin(&all, "::ffff:10.0.0.2".parse().unwrap()).err().unwrap();
        assert!((2..=62).contains(&busy.retry_after));
        drop(first);
        begin(&all, ip(2)).unwrap();
    }
}
