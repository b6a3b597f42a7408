//! Secrets that people name. A value goes in only: no answer has one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name: the alphabet of a profile's.
    pub name: String,
    /// Bytes of the value.
    pub size: u32,
    /// Counts from 1, up when the value changes.
    pub revision: u32,
    /// The same for the same value of this secret; no hash that could be looked up.
    pub fingerprint: String,
    /// The value is a password hash as in crypt(5).
    pub password_hash: bool,
    /// First set.
    pub created_us: i64,
    /// This value was set.
    pub changed_us: i64,
    /// By whom.
    pub changed_by: String,
    /// Profiles whose active, newest or pinned revisions name it, in order.
    pub profiles: Vec<String>,
}

/// A value, in one of two forms; `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewSecret {
    /// As text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// As base64 (RFC 4648, with padding), for what is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(..)")
    }
}
