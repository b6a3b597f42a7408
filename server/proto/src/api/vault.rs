//! The master key, and credentials of BMCs as an administrator sees them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The credentials of one node's BMC, most likely first. It holds passwords: `Debug` hides them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevealedCredentials {
    /// UUID.
    pub node: String,
    /// The proven one first; without one, those that may be in force.
    pub credentials: Vec<RevealedCredential>,
}

/// A credential in clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevealedCredential {
    /// Account.
    pub user: String,
    /// The password in force; of one that is not proven, all that may be.
    pub passwords: Vec<String>,
    /// proven, planned, failed or retired.
    pub state: String,
    /// in-band, lan or enrolled.
    pub via: String,
    /// Last change of its state.
    pub changed_us: i64,
}

impl fmt::Debug for RevealedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevealedCredential({}, {})", self.user, self.state)
    }
}

/// The master key, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKeyStatus {
    /// Its id.
    pub id: String,
    /// Where it is from.
    pub source: String,
    /// Rows that are sealed.
    pub sealed: u64,
    /// Rows that are still sealed with the old key.
    pub waiting: u64,
    /// It is being replaced.
    pub rotating: bool,
}
