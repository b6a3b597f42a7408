//! Whom to talk to, and within which bounds. A secret here shows itself to nobody.

use crate::Fingerprint;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// A password. Its memory is overwritten when it is dropped; `Debug` shows no part of it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Its text: for the wire only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Bounds of all that is asked of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To open a connection.
    pub connect: Duration,
    /// For one request: the queue before it, a login that it needs, waits that the service asks for, and its answer.
    pub request: Duration,
    /// For one operation of several requests (sensors, inventory, log).
    pub operation: Duration,
    /// Least time between the end of one request and the start of the next: frequent calls crash real BMCs.
    pub gap: Duration,
    /// Bytes of one answer.
    pub body: usize,
    /// Bytes of all answers of one operation of several requests.
    pub operation_bytes: usize,
    /// Pages of one collection.
    pub pages: usize,
    /// Members read of one collection.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            operation: Duration::from_secs(180),
            gap: Duration::from_millis(50),
            body: 2 * 1024 * 1024,
            operation_bytes: 16 * 1024 * 1024,
            pages: 100,
            members: 2000,
        }
    }
}

/// One service and the account to use.
#[derive(Debug, Clone)]
pub struct Target {
    /// `https://ADDRESS` or `https://ADDRESS:PORT`; nothing after it.
    pub url: String,
    /// Whether an `http://` URL may be used: everything, the password too, is then readable on the network.
    pub allow_http: bool,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The certificate that was seen at the first use. `None`: this is the first use, and the caller stores
    /// [`crate::Client::fingerprint`] afterwards.
    pub fingerprint: Option<Fingerprint>,
    /// Which system, where the service has several: its UUID, its Id or its path (`/redfish/v1/Systems/1`).
    pub system: Option<String>,
    /// Bounds.
    pub limits: Limits,
}
