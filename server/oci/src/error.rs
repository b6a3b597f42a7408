//! Why an image cannot be had, in words for people: what was expected, what came, what to do. No password and no token
//! gets in here; what a registry says is cut short and freed of control characters.

use std::io;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or pipe of this machine failed.
    #[error("could not {doing}")]
    Io {
        /// As in "could not ...".
        doing: String,
        /// Why.
        source: io::Error,
    },
    /// The bytes are no tar that can be unpacked, or a hostile one.
    #[error("{at}: {problem}")]
    Archive {
        /// Which archive, and which entry.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More than the limits allow.
    #[error("{at}: {what}, more than the limit of {limit}")]
    Limit {
        /// Which archive, and which entry.
        at: String,
        /// What there is too much of.
        what: String,
        /// How much may be.
        limit: u64,
    },
    /// The content is not what its name says.
    #[error("{what}: expected {expected}, got {got}: the image is damaged or was changed; fetch it again")]
    Mismatch {
        /// Which blob.
        what: String,
        /// Digest or size.
        expected: String,
        /// Digest or size.
        got: String,
    },
    /// A manifest, index or configuration that cannot be used.
    #[error("{0}")]
    Manifest(String),
    /// There is no image for that architecture.
    #[error("expected an image for {wanted}, {what} has {has}")]
    Architecture {
        /// Which image.
        what: String,
        /// As the image would name it.
        wanted: String,
        /// What there is, e.g. `linux/amd64, linux/arm64`.
        has: String,
    },
    /// Not a name of an image, or credentials that cannot be read.
    #[error("{0}")]
    Usage(String),
    /// There is no such image.
    #[error("{0}")]
    NotFound(String),
    /// The registry wants (other) credentials.
    #[error("{host} refuses to give {what}: {said}; {todo}")]
    Unauthorised {
        /// Registry.
        host: String,
        /// Image.
        what: String,
        /// What was met.
        said: String,
        /// What to do.
        todo: String,
    },
    /// The registry cannot be reached, or answers what it should not.
    #[error("{host}: {problem}")]
    Registry {
        /// Registry.
        host: String,
        /// What was met.
        problem: String,
    },
}

impl Error {
    /// For `map_err`: what was being done. An error of ours that came through a reader comes out as it was.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            true => match source.into_inner().map(|inner| inner.downcast::<Self>()) {
                Some(Ok(ours)) => *ours,
                _ => Self::Manifest("an error without a text".into()),
            },
            false => Self::Io { doing: doing.into(), source },
        }
    }

    pub(crate) fn archive(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Archive { at: at.into(), problem: problem.into() }
    }
}

/// There is no room for a file.
pub(crate) fn is_full(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Bytes of strangers for a message: no control characters, at most 200 characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        out.push('…');
    }
    out
}
