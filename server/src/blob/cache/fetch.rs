//! One fetch of one blob, whoever reads it: tries the upstreams in turn, resumes where one broke off, verifies the whole.
//! It goes on when its readers have gone (the next node of the rack asks in a moment, and the bytes are paid for), and
//! ends in any case: tries, silence and the whole time are bounded.

use super::arriving::Arriving;
use super::part::Part;
use super::upstream::{Failure, Reason, Upstream};
use super::{Inner, index};
use crate::blob::reader::PIECE;
use actix_web::web::Bytes;
use futures_util::StreamExt;
use rand::RngExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// No byte for so long: the upstream is given up for this try.
const SILENCE: Duration = Duration::from_secs(20);
/// Bytes are written when no more came for so long.
const GATHER: Duration = Duration::from_millis(100);
/// Rounds through all upstreams without a whole piece.
const ROUNDS: usize = 6;
/// When bytes came already, it is tried for at least so long after the last: a store that is started again, say, or a line.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause after the first round; doubled after each.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A fetch may take this, and a second for each [`SLOWEST`] bytes.
const WHOLE: Duration = Duration::from_secs(120);
const SLOWEST: u64 = 64 * 1024;

/// Ends the fetch in the index and for its readers, also when its task is dropped.
struct Ending {
    inner: Arc<Inner>,
    arriving: Arc<Arriving>,
    outcome: Result<(), Failure>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut index = self.inner.index();
        index.end(&self.arriving, &self.outcome);
        metrics::gauge!("higuma_blob_cache_bytes").set(index.held_bytes() as f64);
        drop(index);
        self.arriving.ended(std::mem::replace(&mut self.outcome, Ok(())));
    }
}

/// Until it is held, or has failed.
pub(super) async fn run(inner: Arc<Inner>, arriving: Arc<Arriving>) {
    let stopped = Err(Failure::new(Reason::Stopped, "the server stops: ask again in a moment"));
    let mut ending = Ending { inner: inner.clone(), arriving: arriving.clone(), outcome: stopped };
    let limit = WHOLE + Duration::from_secs(arriving.size / SLOWEST);
    let begun = Instant::now();
    let outcome = tokio::select! {
        outcome = timeout(limit, fetch(&inner, &arriving)) => outcome.unwrap_or_else(|_| {
            let (sha256, size, seconds) = (&arriving.sha256, arriving.size, limit.as_secs());
            Err(Failure::new(Reason::Silent, format!("blob {sha256}: expected its {size} bytes within {seconds} s")))
        }),
        () = inner.stop.cancelled() => return,
    };
    let (sha256, size, ms) = (&arriving.sha256, arriving.size, begun.elapsed().as_millis());
    match &outcome {
        Ok(()) => tracing::info!(%sha256, size, ms, "blob {sha256} is in the cache: {size} bytes in {ms} ms"),
        Err(failure) => {
            metrics::counter!("higuma_blob_cache_failures_total", "reason" => failure.reason.as_str()).increment(1);
            tracing::warn!(%sha256, reason = failure.reason.as_str(), "blob {sha256} cannot be had: {failure}");
        }
    }
    ending.outcome = outcome;
}

/// File work of a fetch.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::new(Reason::Stopped, format!("a thread of the cache ended: {error}"))))
}

type Shared = Arc<Mutex<Part>>;

fn locked(part: &Shared) -> std::sync::MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn fetch(inner: &Arc<Inner>, arriving: &Arc<Arriving>) -> Result<(), Failure> {
    let (at, size) = (inner.clone(), arriving.size);
    let (part, file) = blocking(move || {
        at.make_disk_room(size)?;
        let part = Part::new(&at.dir.join("tmp"), size)?;
        let file = part.reader()?;
        Ok((part, file))
    })
    .await?;
    arriving.has_file(file);
    let part: Shared = Arc::new(Mutex::new(part));
    let mut tries = Tries::new(inner);
    while locked(&part).written < size {
        let (which, upstream) = tries.next().await?;
        let before = locked(&part).written;
        let outcome = once(&**upstream, arriving, &part).await;
        let after = locked(&part).written;
        if after > before {
            tries.served(which);
        }
        match outcome {
            Ok(()) => inner.upstreams.prefer(which),
            // Trying elsewhere does not help a disk.
            Err(failure) if failure.reason == Reason::Disk => {
                let at = inner.clone();
                let _ = blocking(move || at.make_disk_room(size)).await;
                return Err(failure);
            }
            Err(failure) => tries.failed(which, failure, after - before),
        }
    }
    let got = locked(&part).sha256();
    if got != arriving.sha256 {
        let expected = &arriving.sha256;
        let liars = tries.names();
        inner.upstreams.prefer(tries.last_served().map_or(0, |which| which + 1));
        return Err(Failure::new(
            Reason::WrongBytes,
            format!("expected sha256 {expected}, but the {size} bytes of {liars} have {got}: nothing was kept"),
        ));
    }
    arriving.verified();
    let path = index::path(&inner.dir, &arriving.sha256);
    let Some(part) = Arc::into_inner(part).map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner)) else {
        return Err(Failure::new(Reason::Disk, "the blob's file is in use"));
    };
    blocking(move || part.keep(&path)).await
}

/// One try with one upstream, from where the file ends.
async fn once(upstream: &dyn Upstream, arriving: &Arriving, part: &Shared) -> Result<(), Failure> {
    let name = upstream.name();
    let silent = || {
        let seconds = SILENCE.as_secs();
        Failure::new(Reason::Silent, format!("{name}: no byte of blob {} for {seconds} s", arriving.sha256))
    };
    let from = locked(part).written;
    let mut body = timeout(SILENCE, upstream.read(&arriving.sha256, from)).await.map_err(|_| silent())??;
    if body.size != arriving.size {
        let (sha256, expected, got) = (&arriving.sha256, arriving.size, body.size);
        let message = format!("{name}: expected {expected} bytes in blob {sha256}, it says {got}");
        return Err(Failure::new(Reason::WrongSize, message));
    }
    let mut waiting = Waiting::default();
    let mut left = arriving.size.saturating_sub(from);
    while left > 0 {
        let limit = if waiting.bytes == 0 { SILENCE } else { GATHER };
        let outcome = match timeout(limit, body.bytes.next()).await {
            Err(_) if waiting.bytes == 0 => Err(silent()),
            Err(_) => {
                waiting.write(arriving, part).await?;
                continue;
            }
            Ok(None) => {
                let message = format!("{name}: blob {} ended {left} bytes early", arriving.sha256);
                Err(Failure::new(Reason::BrokeOff, message))
            }
            Ok(Some(outcome)) => outcome,
        };
        let mut bytes = match outcome {
            Ok(bytes) => bytes,
            Err(failure) => {
                waiting.write(arriving, part).await?;
                return Err(failure);
            }
        };
        // What comes beyond the end is of no interest: the digest decides about what is before it.
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= bytes.len() as u64;
        waiting.bytes += bytes.len() as u64;
        waiting.pieces.push(bytes);
        if waiting.bytes >= PIECE || left == 0 {
            waiting.write(arriving, part).await?;
        }
    }
    Ok(())
}

/// Bytes on their way to the disk: about one piece.
#[derive(Default)]
struct Waiting {
    pieces: Vec<Bytes>,
    bytes: u64,
}

impl Waiting {
    async fn write(&mut self, arriving: &Arriving, part: &Shared) -> Result<(), Failure> {
        if self.bytes == 0 {
            return Ok(());
        }
        metrics::counter!("higuma_blob_cache_upstream_bytes_total").increment(std::mem::take(&mut self.bytes));
        let (pieces, part) = (std::mem::take(&mut self.pieces), part.clone());
        let written = blocking(move || {
            let mut part = locked(&part);
            part.push(&pieces)?;
            Ok(part.written)
        })
        .await?;
        arriving.written(written);
        Ok(())
    }
}

/// Whom to try next, after what pause, and when to stop.
struct Tries<'a> {
    inner: &'a Inner,
    next: usize,
    /// Of each upstream, why it is not asked again for this blob.
    out: Vec<Option<Failure>>,
    served: Vec<usize>,
    /// Since a whole piece came.
    failures: usize,
    last: Option<Failure>,
    /// When the last bytes came.
    heard: Option<Instant>,
}

impl<'a> Tries<'a> {
    fn new(inner: &'a Inner) -> Self {
        let out = vec![None; inner.upstreams.count()];
        Self { inner, next: inner.upstreams.preferred(), out, served: Vec::new(), failures: 0, last: None, heard: None }
    }

    /// The next one, at once after another's failure, after a pause when all have failed.
    async fn next(&mut self) -> Result<(usize, &'a Arc<dyn Upstream>), Failure> {
        let count = self.out.len();
        let left = self.out.iter().filter(|out| out.is_none()).count();
        if left == 0 {
            // "Not found" only when all say so.
            let other = self.out.iter().flatten().find(|failure| failure.reason != Reason::NotFound);
            let failure = other.or_else(|| self.out.iter().flatten().next()).cloned();
            return Err(failure.unwrap_or_else(|| Failure::new(Reason::Unreachable, "no blob-upstream is set")));
        }
        let rounds = self.failures / left;
        let patient = self.heard.is_some_and(|heard| heard.elapsed() < PATIENCE);
        if let Some(last) = self.last.take().filter(|_| rounds >= ROUNDS && !patient) {
            return Err(Failure::new(last.reason, format!("{} (tried {} times)", last.message, self.failures)));
        }
        if self.failures > 0 && self.failures.is_multiple_of(left) {
            let doubled = PAUSE.saturating_mul(1 << rounds.clamp(1, 8).saturating_sub(1));
            let jitter = rand::rng().random_range(0.5..1.5);
            tokio::time::sleep(doubled.min(PAUSE_MAX).mul_f64(jitter)).await;
        }
        let which = (0..count).map(|step| (self.next + step) % count).find(|which| self.out[*which].is_none());
        let which = which.unwrap_or_default();
        let upstream = self.inner.upstreams.get(which);
        upstream.map(|upstream| (which, upstream)).ok_or_else(|| Failure::new(Reason::Unreachable, "no upstream"))
    }

    fn served(&mut self, which: usize) {
        if !self.served.contains(&which) {
            self.served.push(which);
        }
    }

    fn last_served(&self) -> Option<usize> {
        self.served.last().copied()
    }

    /// Who sent the bytes.
    fn names(&self) -> String {
        let names = self.served.iter().filter_map(|which| self.inner.upstreams.get(*which));
        names.map(|upstream| upstream.name()).collect::<Vec<_>>().join(" and ")
    }

    /// `got`: bytes of this try.
    fn failed(&mut self, which: usize, failure: Failure, got: u64) {
        tracing::debug!(reason = failure.reason.as_str(), "a try for a blob failed: {failure}");
        metrics::counter!("higuma_blob_cache_tries_failed_total", "reason" => failure.reason.as_str()).increment(1);
        if got > 0 {
            self.heard = Some(Instant::now());
        }
        if got >= PIECE {
            self.failures = 0;
        }
        self.failures += 1;
        if matches!(failure.reason, Reason::NotFound | Reason::WrongSize) {
            self.out[which] = Some(failure.clone());
            // The others are counted anew.
            self.failures = 0;
        }
        self.last = Some(failure);
        self.next = which + 1;
    }
}
