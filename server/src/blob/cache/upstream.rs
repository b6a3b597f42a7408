//! Where a cache gets its blobs: a trait, what can go wrong, and the list of those that are tried in turn. Nothing here
//! believes what an upstream says: sizes and bytes are checked by the fetch.

use crate::domain::Sha256;
use crate::error::Error;
use actix_web::web::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Something that has blobs. Deadlines are the caller's, except for connecting.
pub trait Upstream: std::fmt::Debug + Send + Sync {
    /// For messages: where it is; holds no secret.
    fn name(&self) -> &str;
    /// Bytes of a blob.
    fn size<'a>(&'a self, sha256: &'a Sha256) -> BoxFuture<'a, Result<u64, Failure>>;
    /// Its bytes from `from` (less than its size) to the end.
    fn read<'a>(&'a self, sha256: &'a Sha256, from: u64) -> BoxFuture<'a, Result<Body, Failure>>;
    /// Is it reachable? The error says why not.
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// What an upstream sends.
pub struct Body {
    /// Of the whole blob, as it says.
    pub size: u64,
    /// From where it was asked.
    pub bytes: BoxStream<'static, Result<Bytes, Failure>>,
}

/// Why a blob could not be had. In few words, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No upstream has it.
    NotFound,
    /// No connection.
    Unreachable,
    /// No byte for too long.
    Silent,
    /// The connection ended before the blob.
    BrokeOff,
    /// An answer that is no blob.
    Refused,
    /// Another size than the recorded one.
    WrongSize,
    /// Bytes with another sha256.
    WrongBytes,
    /// The disk of the cache is full or broken.
    Disk,
    /// Larger than the whole cache.
    TooLarge,
    /// All room is taken by blobs that are being sent or fetched.
    Busy,
    /// The server stops.
    Stopped,
}

impl Reason {
    /// Label of a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::BrokeOff => "broke_off",
            Self::Refused => "refused",
            Self::WrongSize => "wrong_size",
            Self::WrongBytes => "wrong_bytes",
            Self::Disk => "disk",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Stopped => "stopped",
        }
    }
}

/// A failure, with the words for people: which upstream, what was expected, what came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Kind.
    pub reason: Reason,
    /// Words.
    pub message: String,
}

impl Failure {
    /// Of a kind, in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.reason {
            Reason::NotFound => Self::NotFound(failure.message),
            // Asking again does not help.
            Reason::TooLarge => Self::Conflict(failure.message),
            _ => Self::Unavailable(failure.message),
        }
    }
}

/// An upstream that says nothing to a check for so long is not reachable.
const CHECK: Duration = Duration::from_secs(8);

/// The upstreams of a cache.
#[derive(Debug)]
pub(super) struct Upstreams {
    all: Vec<Arc<dyn Upstream>>,
    /// Tried first: the one that served last.
    preferred: AtomicUsize,
    /// Of each, why it was not reachable at the last check.
    trouble: Mutex<Vec<Option<String>>>,
}

impl Upstreams {
    pub fn new(all: Vec<Arc<dyn Upstream>>) -> Self {
        let trouble = Mutex::new(vec![None; all.len()]);
        Self { all, preferred: AtomicUsize::new(0), trouble }
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Modulo their number; none: there is none at all.
    pub fn get(&self, index: usize) -> Option<&Arc<dyn Upstream>> {
        self.all.get(index.checked_rem(self.all.len())?)
    }

    pub fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed).checked_rem(self.all.len()).unwrap_or(0)
    }

    pub fn prefer(&self, index: usize) {
        self.preferred.store(index, Ordering::Relaxed);
    }

    /// Ask all whether they are reachable.
    pub async fn check(&self) {
        let checks = self.all.iter().map(|upstream| async move {
            match tokio::time::timeout(CHECK, upstream.check()).await {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure.message),
                Err(_) => Some(format!("{}: no answer for {} s", upstream.name(), CHECK.as_secs())),
            }
        });
        let found = futures_util::future::join_all(checks).await;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, now) in found.iter().enumerate() {
            let name = self.all.get(index).map_or("", |upstream| upstream.name());
            match (trouble.get(index).is_some_and(Option::is_some), now) {
                (false, Some(why)) => tracing::warn!(upstream = name, "the blob upstream is not reachable: {why}"),
                (true, None) => tracing::info!(upstream = name, "the blob upstream {name} is reachable again"),
                _ => {}
            }
        }
        *trouble = found;
    }

    /// Why those are not reachable that were not at the last check.
    pub fn trouble(&self) -> Vec<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().cloned().collect()
    }
}
