//! The one error of the server's layers. Each transport turns it into its own status as its last step; nobody else
//! decides what a caller may see.

use std::fmt;

/// What went wrong, in terms that every transport can say.
#[derive(Debug)]
pub enum Error {
    /// The caller's input: what was expected, what came.
    BadRequest(String),
    /// No credential, or one that is not known (any more).
    Unauthorized(String),
    /// A good credential that may not do this.
    Forbidden(String),
    /// There is no such thing.
    NotFound(String),
    /// It clashes with what is there; nothing was changed.
    Conflict(String),
    /// Over a limit.
    TooLarge(String),
    /// Not now; what to do about it.
    Unavailable(String),
    /// Our fault: the details go to the log, not to the caller.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Our fault, from any error.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too_large",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(m)
            | Self::Unauthorized(m)
            | Self::Forbidden(m)
            | Self::NotFound(m)
            | Self::Conflict(m)
            | Self::TooLarge(m)
            | Self::Unavailable(m) => f.write_str(m),
            Self::Internal(_) => f.write_str("internal error: see the server's log"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Internal(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<crate::domain::Invalid> for Error {
    fn from(invalid: crate::domain::Invalid) -> Self {
        Self::BadRequest(invalid.to_string())
    }
}

impl From<crate::domain::profile::Wrong> for Error {
    fn from(wrong: crate::domain::profile::Wrong) -> Self {
        Self::BadRequest(wrong.to_string())
    }
}

impl From<crate::domain::select::SelectError> for Error {
    fn from(error: crate::domain::select::SelectError) -> Self {
        Self::BadRequest(format!("the expression: {error}"))
    }
}
