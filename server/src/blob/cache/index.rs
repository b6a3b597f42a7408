//! What a cache holds, what arrives, and what has to go: bytes are bounded, the least recently used goes first, and
//! never one that is being read or fetched. Its file work is renames only, so the lock around it is short.

use super::arriving::Arriving;
use super::upstream::{Failure, Reason};
use crate::domain::Sha256;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Blobs fetched at once.
pub(super) const FETCHES: usize = 64;
/// A failure is the answer for so long, so that a rack that asks at once does not ask the upstream again and again.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Failures remembered.
const FAILURES: usize = 1024;
/// The file's time is renewed when it is older: it is what the next start knows of use.
const TOUCH: Duration = Duration::from_secs(60);

/// A whole blob.
#[derive(Debug)]
struct Held {
    size: u64,
    /// Larger is later.
    used: u64,
    touched: SystemTime,
    /// Others hold it too: it is being read.
    pin: Arc<()>,
    /// Its length is known to be right; not yet, of what an earlier process left.
    sure: bool,
}

/// The state of a cache.
#[derive(Debug, Default)]
pub(super) struct Index {
    held: HashMap<Sha256, Held>,
    arriving: HashMap<Sha256, Arc<Arriving>>,
    failed: HashMap<Sha256, (Instant, Failure)>,
    /// Of all that is held, and of all that arrives, as if it were there.
    bytes: u64,
    clock: u64,
}

/// What is known of a blob.
pub(super) enum Known {
    /// Whole.
    Held {
        pin: Arc<()>,
        /// The file's time is to be renewed.
        touch: bool,
        /// The file's length, and whether that is known to be right.
        size: u64,
        sure: bool,
    },
    /// On its way.
    Arriving(Arc<Arriving>),
    /// Could not be had a moment ago.
    Failed(Failure),
    Nothing,
}

/// `dir/ab/abcdef...`.
pub(super) fn path(dir: &Path, sha256: &Sha256) -> PathBuf {
    dir.join(&sha256.as_str()[..2]).join(sha256.as_str())
}

/// Whether a cache of this limit can have a blob of this size at all.
///
/// # Errors
/// That it cannot, and what to do.
pub(super) fn fits(sha256: &Sha256, size: u64, limit: u64) -> Result<(), Failure> {
    if size > limit {
        return Err(Failure::new(
            Reason::TooLarge,
            format!("blob {sha256} has {size} bytes, this server's cache {limit}: raise blob-cache-size"),
        ));
    }
    Ok(())
}

impl Index {
    /// What an earlier process left: whole blobs are known again, in the order of their use; halves go.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        let tmp = dir.join("tmp");
        std::fs::create_dir_all(&tmp)?;
        for entry in std::fs::read_dir(&tmp)? {
            std::fs::remove_file(entry?.path())?;
        }
        let mut found = Vec::new();
        for folder in std::fs::read_dir(dir)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() || folder.file_name() == "tmp" {
                continue;
            }
            for file in std::fs::read_dir(folder.path())? {
                let file = file?;
                let Some(sha256) = file.file_name().to_str().and_then(|n| n.parse::<Sha256>().ok()) else { continue };
                if file.path() != path(dir, &sha256) {
                    continue;
                }
                let data = file.metadata()?;
                found.push((data.modified()?, sha256, data.len()));
            }
        }
        found.sort();
        let mut index = Self::default();
        for (touched, sha256, size) in found {
            index.put(sha256, size, touched, Arc::default(), false);
        }
        Ok(index)
    }

    fn put(&mut self, sha256: Sha256, size: u64, touched: SystemTime, pin: Arc<()>, sure: bool) {
        let used = self.tick();
        self.bytes = self.bytes.saturating_add(size);
        self.held.insert(sha256, Held { size, used, touched, pin, sure });
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Bytes of whole blobs.
    pub fn held_bytes(&self) -> u64 {
        self.held.values().map(|held| held.size).sum()
    }

    /// Names of whole blobs.
    pub fn names(&self) -> Vec<Sha256> {
        self.held.keys().cloned().collect()
    }

    /// A whole blob's pin, without counting that as a use.
    pub fn peek(&self, sha256: &Sha256) -> Option<Arc<()>> {
        self.held.get(sha256).map(|held| held.pin.clone())
    }

    /// Look a blob up, and count that as a use.
    pub fn find(&mut self, sha256: &Sha256) -> Known {
        let used = self.tick();
        if let Some(held) = self.held.get_mut(sha256) {
            held.used = used;
            let now = SystemTime::now();
            let touch = now.duration_since(held.touched).is_ok_and(|age| age > TOUCH);
            if touch {
                held.touched = now;
            }
            return Known::Held { pin: held.pin.clone(), touch, size: held.size, sure: held.sure };
        }
        if let Some(arriving) = self.arriving.get(sha256) {
            return Known::Arriving(arriving.clone());
        }
        match self.failed.get(sha256) {
            Some((at, failure)) if at.elapsed() < REMEMBERED => Known::Failed(failure.clone()),
            _ => Known::Nothing,
        }
    }

    /// Its length is what it should be.
    pub fn assure(&mut self, sha256: &Sha256) {
        if let Some(held) = self.held.get_mut(sha256) {
            held.sure = true;
        }
    }

    /// Its file is gone, or not what it was: forget it, if it is still the one with this pin.
    /// False: it is not.
    pub fn forget(&mut self, sha256: &Sha256, pin: &Arc<()>) -> bool {
        let same = self.held.get(sha256).is_some_and(|held| Arc::ptr_eq(&held.pin, pin));
        if same && let Some(held) = self.held.remove(sha256) {
            self.bytes = self.bytes.saturating_sub(held.size);
        }
        same
    }

    /// Take room for a blob that is to be fetched. Gives it, and files that the caller removes.
    pub fn begin(
        &mut self,
        dir: &Path,
        limit: u64,
        sha256: &Sha256,
        size: u64,
    ) -> Result<(Arc<Arriving>, Vec<PathBuf>), Failure> {
        fits(sha256, size, limit)?;
        if self.arriving.len() >= FETCHES {
            let message = format!("{FETCHES} blobs are being fetched, no more at once: ask again in a moment");
            return Err(Failure::new(Reason::Busy, message));
        }
        let over = self.bytes.saturating_add(size).saturating_sub(limit);
        let gone = self.evict(dir, over).ok_or_else(|| {
            let message = format!(
                "no room for blob {sha256} ({size} bytes): the cache of {limit} bytes is full of blobs that are being read; \
                 raise blob-cache-size"
            );
            Failure::new(Reason::Busy, message)
        })?;
        let arriving = Arc::new(Arriving::new(sha256.clone(), size));
        self.bytes = self.bytes.saturating_add(size);
        self.arriving.insert(sha256.clone(), arriving.clone());
        Ok((arriving, gone))
    }

    /// Make `bytes` free: renames what goes into `tmp`, for the caller to remove. None, and nothing goes, when so much cannot
    /// be freed.
    pub fn evict(&mut self, dir: &Path, bytes: u64) -> Option<Vec<PathBuf>> {
        let mut idle: Vec<(u64, u64, Sha256)> = self
            .held
            .iter()
            // A clone of a pin is made under this same lock.
            .filter(|(_, held)| Arc::strong_count(&held.pin) == 1)
            .map(|(sha256, held)| (held.used, held.size, sha256.clone()))
            .collect();
        if idle.iter().map(|(_, size, _)| size).sum::<u64>() < bytes {
            return None;
        }
        idle.sort();
        let (mut freed, mut gone) = (0, Vec::new());
        for (_, size, sha256) in idle {
            if freed >= bytes {
                break;
            }
            let aside = dir.join("tmp").join(format!("evicted-{}", self.tick()));
            // One that cannot be moved is forgotten too: the next start finds it.
            match std::fs::rename(path(dir, &sha256), &aside) {
                Ok(()) => gone.push(aside),
                Err(error) => tracing::warn!(%sha256, %error, "cannot evict the cached blob {sha256}: {error}"),
            }
            self.held.remove(&sha256);
            self.bytes = self.bytes.saturating_sub(size);
            freed += size;
            metrics::counter!("higuma_blob_cache_evictions_total").increment(1);
            tracing::debug!(%sha256, size, "the cached blob {sha256} was evicted");
        }
        Some(gone)
    }

    /// A fetch has ended: held from now on, or its room is free again and the failure remembered.
    pub fn end(&mut self, arriving: &Arriving, outcome: &Result<(), Failure>) {
        if self.arriving.remove(&arriving.sha256).is_none() {
            return;
        }
        self.bytes = self.bytes.saturating_sub(arriving.size);
        match outcome {
            Ok(()) => {
                self.put(arriving.sha256.clone(), arriving.size, SystemTime::now(), arriving.pin.clone(), true);
            }
            Err(failure) => {
                self.failed.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
                if self.failed.len() < FAILURES {
                    self.failed.insert(arriving.sha256.clone(), (Instant::now(), failure.clone()));
                }
            }
        }
    }

    /// Of all that is held or arrives.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of a running fetch.
    #[cfg(test)]
    pub fn arriving(&self, sha256: &Sha256) -> Option<Arc<Arriving>> {
        self.arriving.get(sha256).cloned()
    }

    /// Failures are forgotten at once.
    #[cfg(test)]
    pub fn forgive(&mut self) {
        self.failed.clear();
    }
}
