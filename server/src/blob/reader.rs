//! The bytes of one blob, for those who send them: of a file that is whole, or of one that still arrives. Memory is
//! bounded: a piece at a time. A blob that turns out wrong ends every reader with an error, never with its last byte.

use super::blocking;
use super::cache::Arriving;
use crate::error::Result;
use actix_web::web::Bytes;
use futures_util::Stream;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes read at once, at most.
pub const PIECE: u64 = 256 * 1024;

/// An open blob; cheap to clone. What is open is neither evicted nor gone when it is removed.
#[derive(Debug, Clone)]
pub struct Reader {
    file: Arc<File>,
    size: u64,
    source: Source,
}

/// Whether all bytes are there already.
#[derive(Debug, Clone)]
enum Source {
    Whole,
    /// Of a cache, which does not evict it while this is held.
    Held {
        pin: Arc<()>,
    },
    Arriving(Arc<Arriving>),
}

impl Reader {
    /// Of a whole file.
    pub(super) fn whole(file: File, size: u64) -> Self {
        Self { file: Arc::new(file), size, source: Source::Whole }
    }

    /// Of a whole file that stays while `pin` is held.
    pub(super) fn held(file: File, size: u64, pin: Arc<()>) -> Self {
        Self { file: Arc::new(file), size, source: Source::Held { pin } }
    }

    /// Of a file that arrives.
    pub(super) fn arriving(file: Arc<File>, arriving: Arc<Arriving>) -> Self {
        Self { file, size: arriving.size, source: Source::Arriving(arriving) }
    }

    /// What keeps it in its cache.
    pub(super) fn pin(&self) -> Option<&Arc<()>> {
        match &self.source {
            Source::Held { pin } => Some(pin),
            _ => None,
        }
    }

    /// The file, when all of it is there. What keeps it in its cache is the reader itself.
    pub fn file(&self) -> Option<&Arc<File>> {
        match &self.source {
            Source::Whole | Source::Held { .. } => Some(&self.file),
            Source::Arriving(_) => None,
        }
    }

    /// Bytes that its file has now.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn length(&self) -> std::io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to `most` bytes (and never more than [`PIECE`]) from `at`, which is before the end; waits until they are there.
    ///
    /// # Errors
    /// `Unavailable` when the rest cannot be had, or is wrong; `Internal` when the disk fails.
    pub async fn piece(&self, at: u64, most: u64) -> Result<Bytes> {
        let mut end = at.saturating_add(most.min(PIECE)).min(self.size);
        if let Source::Arriving(arriving) = &self.source {
            end = arriving.wait(at, end).await?;
        }
        let length = usize::try_from(end.saturating_sub(at)).unwrap_or_default();
        let file = self.file.clone();
        blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, at)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// `length` bytes from `from`, piece by piece; ends after the first error.
    pub fn pieces(self, from: u64, length: u64) -> impl Stream<Item = Result<Bytes>> {
        futures_util::stream::unfold((self, from, length), |(reader, at, left)| async move {
            if left == 0 {
                return None;
            }
            match reader.piece(at, left).await {
                Ok(bytes) => {
                    let got = bytes.len() as u64;
                    Some((Ok(bytes), (reader, at + got, left.saturating_sub(got))))
                }
                Err(error) => Some((Err(error), (reader, at, 0))),
            }
        })
    }
}
