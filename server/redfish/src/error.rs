//! What can go wrong with a Redfish service, in words for people. No password and no token gets in here: what a
//! service says is scrubbed of them first.

use crate::Fingerprint;
use std::time::Duration;

/// Why a Redfish service did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedfishError {
    /// More came than one operation may read.
    #[error("{what}: the answers of this operation are longer than {bytes} bytes together, the rest was not read")]
    TooMuch {
        /// Which request.
        what: String,
        /// Allowed, all together.
        bytes: usize,
    },
    /// A setting of [`crate::Target`] cannot be used; nothing was sent.
    #[error("{0}")]
    Setting(String),
    /// No connection, or it broke before an answer was there. Whether a change was made is then not known.
    #[error("{service} cannot be reached: {why}")]
    Unreachable {
        /// Scheme, address and port.
        service: String,
        /// What was met.
        why: String,
    },
    /// No answer in time. Whether a change was made is not known.
    #[error("{what} was not answered within {} s", within.as_secs_f32())]
    Deadline {
        /// The request or operation.
        what: String,
        /// The bound.
        within: Duration,
    },
    /// Another certificate than the pinned one: a replaced BMC, a renewed certificate, or somebody in between.
    /// Nothing was sent.
    #[error(
        "the certificate of {service} has changed: pinned is {pinned}, presented was {presented} (SHA-256); if the \
         BMC or its certificate was replaced on purpose, forget the pinned one"
    )]
    CertificateChanged {
        /// Scheme, address and port.
        service: String,
        /// What was expected.
        pinned: Fingerprint,
        /// What came.
        presented: Fingerprint,
    },
    /// User or password is not accepted. This client will not try again: accounts lock out.
    #[error("the login of user {user:?} was refused: {message}")]
    LoginRefused {
        /// The user.
        user: String,
        /// What the service says.
        message: String,
    },
    /// Logged in, but this account may not do that.
    #[error("user {user:?} may not {what}: {message}")]
    Forbidden {
        /// The user.
        user: String,
        /// Method and path.
        what: String,
        /// What the service says.
        message: String,
    },
    /// The service has no such thing.
    #[error("not supported by this service: {0}")]
    NotSupported(String),
    /// The service has several systems (or not the wanted one).
    #[error("{why}; set one of: {}", found.join(", "))]
    WhichSystem {
        /// What was wanted.
        why: String,
        /// The systems there are, with their UUIDs.
        found: Vec<String>,
    },
    /// Any other answer that is not a success.
    #[error("{what} was answered with HTTP status {status}: {message}")]
    Status {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// What the service says (`@Message.ExtendedInfo`).
        message: String,
    },
    /// An answer that is not what the specification says.
    #[error("the answer to {what} is not usable: {why}")]
    Malformed {
        /// Method and path.
        what: String,
        /// What was expected, and what came.
        why: String,
    },
}

impl RedfishError {
    /// Whether the next request to this service can only fail the same way: collecting stops here.
    pub(crate) fn ends_talk(&self) -> bool {
        matches!(
            self,
            Self::Setting(_)
                | Self::TooMuch { .. }
                | Self::Unreachable { .. }
                | Self::Deadline { .. }
                | Self::CertificateChanged { .. }
                | Self::LoginRefused { .. }
        )
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), why: why.into() }
    }
}
