//! A read-through cache of blobs that are elsewhere: bounded in bytes, verified, evicting by use, shared by concurrent
//! readers: a blob is downloaded once, however many nodes ask for it at the same time, and they get its bytes as they
//! arrive. Invariants: a file with its name is whole, verified and durable; nobody ever gets a complete wrong blob
//! ([`Arriving`]); what is being read is not evicted. It fetches what it is told to: whether a blob is one of ours is the
//! caller's to know.

mod arriving;
#[cfg(test)]
mod fake;
mod fetch;
mod http;
mod index;
mod part;
mod scrub;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_failures;
mod upstream;

pub use arriving::Arriving;
pub use http::Http;
pub use upstream::{Body, Failure, Reason, Upstream};

use super::blocking;
use super::reader::Reader;
use crate::domain::Sha256;
use crate::error::{Error, Result};
use index::{Index, Known};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use upstream::Upstreams;

/// A reader waits so long for the first byte; the fetch goes on. Less than a request may take (`http::bounds`).
const FIRST_BYTE: Duration = Duration::from_secs(25);
/// For the answer about a size.
const SIZE: Duration = Duration::from_secs(8);
/// Bytes of the disk that are left to others, the database say.
const SPARE: u64 = 256 << 20;
/// A blob is looked for so often.
const LOOKS: usize = 3;

/// A handle on the cache; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    limit: u64,
    upstreams: Upstreams,
    index: Mutex<Index>,
    stop: CancellationToken,
    /// Fetches run here, not on the thread of the request that began them.
    runtime: Handle,
}

/// What to do for a reader.
enum Found {
    Reader(Reader),
    Join(Arc<Arriving>),
    Begin(Arc<Arriving>),
}

impl Cache {
    /// Open (and make) the folder `dir` of at most `limit` bytes: whole blobs are known again, halves of a killed process
    /// go. `upstreams` are tried in turn. Fetches run on the runtime of the caller and end with `stop`.
    /// Blocks; one cache a folder.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(dir: &Path, limit: u64, upstreams: Vec<Arc<dyn Upstream>>, stop: CancellationToken) -> Result<Self> {
        let fail =
            |error: std::io::Error| Error::internal(format!("cannot use the cache folder {}: {error}", dir.display()));
        let mut index = Index::open(dir).map_err(fail)?;
        // The limit may be lower than it was.
        let over = index.held_bytes().saturating_sub(limit);
        for path in index.evict(dir, over).unwrap_or_default() {
            std::fs::remove_file(path).map_err(fail)?;
        }
        metrics::gauge!("higuma_blob_cache_bytes").set(index.held_bytes() as f64);
        let runtime = Handle::try_current().map_err(Error::internal)?;
        let (upstreams, index) = (Upstreams::new(upstreams), Mutex::new(index));
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), limit, upstreams, index, stop, runtime })))
    }

    /// A blob that is whole already; none: it is not, or an earlier process left it and its length was not compared with the
    /// record yet ([`Cache::read`] does). Nothing is fetched.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn held(&self, sha256: &Sha256) -> Result<Option<Reader>> {
        let (inner, sha256) = (self.0.clone(), sha256.clone());
        let reader = blocking(move || inner.held(&sha256)).await?.and_then(|(reader, sure)| sure.then_some(reader));
        if reader.is_some() {
            count("hit");
        }
        Ok(reader)
    }

    /// A blob of `size` bytes, as recorded: held, on its way, or fetched from now on. Returns when its first bytes may be
    /// read, or it is known that they cannot be had.
    ///
    /// # Errors
    /// `NotFound` when no upstream has it; `Unavailable` with the reason otherwise; `Internal` when the disk fails.
    pub async fn read(&self, sha256: &Sha256, size: u64) -> Result<Reader> {
        let (inner, wanted) = (self.0.clone(), sha256.clone());
        let found = blocking(move || {
            let found = inner.find(&wanted, size);
            // Here, where no cancelled request comes between: what is begun has its room, and must end.
            if let Ok(Found::Begin(arriving)) = &found {
                inner.runtime.spawn(fetch::run(inner.clone(), arriving.clone()));
            }
            Ok(found)
        })
        .await?;
        let arriving = match found {
            Err(failure) => {
                if matches!(failure.reason, Reason::TooLarge | Reason::Busy) {
                    let reason = failure.reason.as_str();
                    metrics::counter!("higuma_blob_cache_failures_total", "reason" => reason).increment(1);
                    tracing::warn!(reason, %sha256, "blob {sha256} is not fetched: {failure}");
                }
                return Err(failure.into());
            }
            Ok(Found::Reader(reader)) => {
                count("hit");
                return Ok(reader);
            }
            Ok(Found::Join(arriving)) => {
                count("joined");
                arriving
            }
            Ok(Found::Begin(arriving)) => {
                count("miss");
                arriving
            }
        };
        match tokio::time::timeout(FIRST_BYTE, arriving.started()).await {
            Ok(file) => Ok(Reader::arriving(file?, arriving)),
            Err(_) => {
                let seconds = FIRST_BYTE.as_secs();
                Err(Error::Unavailable(format!("no byte of blob {sha256} came for {seconds} s: ask again in a moment")))
            }
        }
    }

    /// Can the blob of `size` bytes be had? Asks an upstream when it is not here; fetches nothing.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub async fn check(&self, sha256: &Sha256, size: u64) -> Result<()> {
        index::fits(sha256, size, self.0.limit)?;
        let upstreams = &self.0.upstreams;
        let (mut missing, mut last) = (None, None);
        for step in 0..upstreams.count() {
            let Some(upstream) = upstreams.get(upstreams.preferred() + step) else { continue };
            let failure = match tokio::time::timeout(SIZE, upstream.size(sha256)).await {
                Ok(Ok(told)) if told == size => return Ok(()),
                Ok(Ok(told)) => {
                    let name = upstream.name();
                    let message = format!("{name}: expected {size} bytes in blob {sha256}, it says {told}");
                    Failure::new(Reason::WrongSize, message)
                }
                Ok(Err(failure)) => failure,
                Err(_) => {
                    Failure::new(Reason::Silent, format!("{}: no answer for {} s", upstream.name(), SIZE.as_secs()))
                }
            };
            match failure.reason {
                Reason::NotFound => missing = Some(failure),
                _ => last = Some(failure),
            }
        }
        let none = || Failure::new(Reason::Unreachable, "no blob-upstream is set");
        Err(last.or(missing).unwrap_or_else(none).into())
    }

    /// Bytes of whole blobs, and of all that has its room.
    #[cfg(test)]
    fn bytes(&self) -> (u64, u64) {
        let index = self.0.index();
        (index.held_bytes(), index.bytes())
    }

    /// Ask the upstreams whether they are reachable, for [`Cache::trouble`].
    pub async fn check_upstreams(&self) {
        self.0.upstreams.check().await;
    }

    /// Upstreams that were not reachable at the last check, and why: what is held is served all the same.
    pub fn trouble(&self) -> Vec<String> {
        self.0.upstreams.trouble()
    }
}

/// A reader came.
fn count(result: &'static str) {
    metrics::counter!("higuma_blob_cache_requests_total", "result" => result).increment(1);
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole blob, and whether its length is known to be right. Blocks.
    fn held(&self, sha256: &Sha256) -> std::io::Result<Option<(Reader, bool)>> {
        let known = self.index().find(sha256);
        let Known::Held { pin, touch, size, sure } = known else { return Ok(None) };
        let file = match File::open(index::path(&self.dir, sha256)) {
            Ok(file) => file,
            // Somebody removed it: it is fetched again.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.index().forget(sha256, &pin);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if touch && let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(%sha256, %error, "cannot renew the time of the cached blob {sha256}: {error}");
        }
        let reader = Reader::held(file, size, pin);
        if reader.length()? != size {
            self.discard(sha256, &reader, size);
            return Ok(None);
        }
        Ok(Some((reader, sure)))
    }

    /// Held, on its way, or begun. Blocks.
    fn find(&self, sha256: &Sha256, size: u64) -> std::result::Result<Found, Failure> {
        // More than once only when it comes, or goes, between two looks.
        for _ in 0..LOOKS {
            match self.held(sha256).map_err(|error| part::disk(&error))? {
                Some((reader, sure)) if reader.size() == size => {
                    if !sure {
                        self.index().assure(sha256);
                    }
                    return Ok(Found::Reader(reader));
                }
                Some((reader, _)) => self.discard(sha256, &reader, size),
                None => {}
            }
            let mut index = self.index();
            let (arriving, gone) = match index.find(sha256) {
                Known::Held { .. } => continue,
                Known::Arriving(arriving) => return Ok(Found::Join(arriving)),
                Known::Failed(failure) => return Err(failure),
                Known::Nothing => index.begin(&self.dir, self.limit, sha256, size)?,
            };
            drop(index);
            self.remove(&gone);
            return Ok(Found::Begin(arriving));
        }
        Err(Failure::new(Reason::Busy, format!("the cached blob {sha256} comes and goes: ask again in a moment")))
    }

    /// A file that was changed behind our back: it is fetched again.
    fn discard(&self, sha256: &Sha256, reader: &Reader, size: u64) {
        let (path, got) = (index::path(&self.dir, sha256), reader.length().unwrap_or_default());
        tracing::warn!(%sha256, got, size, "{} has {got} bytes instead of {size}: it is fetched again", path.display());
        if let Some(pin) = reader.pin() {
            self.index().forget(sha256, pin);
        }
        self.remove(&[path]);
    }

    /// Files that the index gave up. One that stays goes at the next start.
    fn remove(&self, gone: &[PathBuf]) {
        for path in gone {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(%error, "cannot remove {}: {error}", path.display());
            }
        }
    }

    /// See to it that the disk has `size` bytes and some for others, evicting where that helps. Blocks.
    fn make_disk_room(&self, size: u64) -> std::result::Result<(), Failure> {
        let wanted = size.saturating_add(SPARE);
        let free = self.free()?;
        if free >= wanted {
            return Ok(());
        }
        let gone = self.index().evict(&self.dir, wanted - free);
        let Some(gone) = gone else {
            return Err(Failure::new(
                Reason::Disk,
                format!(
                    "the disk of the blob cache is full: expected {size} bytes for the blob and {SPARE} for others, {free} are \
                     free; free space on the data folder's disk"
                ),
            ));
        };
        self.remove(&gone);
        Ok(())
    }

    /// Bytes of the disk that we may use.
    fn free(&self) -> std::result::Result<u64, Failure> {
        let disk = nix::sys::statvfs::statvfs(&self.dir).map_err(|errno| part::disk(&errno.into()))?;
        Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }
}
