//! A blob that arrives, as its readers see it. The invariant: until the whole is verified its last bytes
//! ([`HELD_BACK`]) are given to nobody, and if it is wrong every reader ends with an error. So nobody ever gets a
//! complete wrong blob from a cache.

use super::upstream::Failure;
use crate::blob::reader::PIECE;
use crate::domain::Sha256;
use std::fs::File;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// Bytes at the end that wait for the verification.
pub(super) const HELD_BACK: u64 = PIECE;
/// A reader waits so long for a whole piece before it takes what is there.
const GATHER: Duration = Duration::from_millis(200);

/// How far it is.
#[derive(Debug, Clone)]
enum Phase {
    /// So many bytes are in the file.
    Written(u64),
    /// All bytes are there and right.
    Verified,
    /// And its file has its name, durably.
    Kept,
    Failed(Failure),
}

/// One blob on its way.
#[derive(Debug)]
pub struct Arriving {
    pub(super) sha256: Sha256,
    /// As recorded.
    pub(crate) size: u64,
    /// Held by its readers, through this: not evicted when it is whole.
    pub(super) pin: Arc<()>,
    file: OnceLock<Arc<File>>,
    phase: watch::Sender<Phase>,
}

impl Arriving {
    pub(super) fn new(sha256: Sha256, size: u64) -> Self {
        let phase = watch::Sender::new(Phase::Written(0));
        Self { sha256, size, pin: Arc::default(), file: OnceLock::new(), phase }
    }

    /// Its file is there, empty.
    pub(super) fn has_file(&self, file: Arc<File>) {
        let _ = self.file.set(file);
    }

    /// So many bytes are in the file.
    pub(super) fn written(&self, bytes: u64) {
        self.phase.send_replace(Phase::Written(bytes));
    }

    /// All bytes are right.
    pub(super) fn verified(&self) {
        self.phase.send_replace(Phase::Verified);
    }

    /// The end, good or bad. What was verified stays so for its readers, whatever the disk says then.
    pub(super) fn ended(&self, outcome: Result<(), Failure>) {
        self.phase.send_modify(|phase| match (&*phase, outcome) {
            (Phase::Verified, _) | (_, Ok(())) => *phase = Phase::Kept,
            (_, Err(failure)) => *phase = Phase::Failed(failure),
        });
    }

    /// The end of what may be read.
    fn readable(&self, phase: &Phase) -> Result<u64, Failure> {
        match phase {
            Phase::Written(bytes) => Ok((*bytes).min(self.size.saturating_sub(HELD_BACK))),
            Phase::Verified | Phase::Kept => Ok(self.size),
            Phase::Failed(failure) => Err(failure.clone()),
        }
    }

    /// Until `ready` holds for the end of what may be read; gives that end.
    async fn until(&self, ready: impl Fn(u64) -> bool) -> Result<u64, Failure> {
        let mut phases = self.phase.subscribe();
        let holds = |phase: &Phase| self.readable(phase).map_or(true, &ready);
        match phases.wait_for(holds).await {
            Ok(phase) => self.readable(&phase),
            // Not reached: the sender is ours.
            Err(_) => Err(Failure::new(super::Reason::Stopped, "the server stops")),
        }
    }

    /// The file, once its first bytes may be read.
    pub(super) async fn started(&self) -> Result<Arc<File>, Failure> {
        let empty = self.size == 0;
        let verified = |phase: &Phase| matches!(phase, Phase::Verified | Phase::Kept | Phase::Failed(_));
        match empty {
            true => drop(self.phase.subscribe().wait_for(verified).await),
            false => drop(self.until(|end| end > 0).await?),
        }
        if let Phase::Failed(failure) = &*self.phase.borrow() {
            return Err(failure.clone());
        }
        self.file.get().cloned().ok_or_else(|| Failure::new(super::Reason::Disk, "the blob has no file"))
    }

    /// Until bytes from `at` are there: all before `end`, or some of them when those take long. Gives where they end.
    /// Bounded by the fetch, which ends in any case.
    pub(crate) async fn wait(&self, at: u64, end: u64) -> Result<u64, Failure> {
        let readable = match tokio::time::timeout(GATHER, self.until(|readable| readable >= end)).await {
            Ok(readable) => readable?,
            Err(_) => self.until(|readable| readable > at).await?,
        };
        Ok(readable.min(end))
    }

    /// Until the fetch has ended.
    #[cfg(test)]
    pub(super) async fn end(&self) -> Result<(), Failure> {
        let ended = |phase: &Phase| matches!(phase, Phase::Kept | Phase::Failed(_));
        let mut phases = self.phase.subscribe();
        match &*phases.wait_for(ended).await.map_err(|_| Failure::new(super::Reason::Stopped, "gone"))? {
            Phase::Failed(failure) => Err(failure.clone()),
            _ => Ok(()),
        }
    }
}
