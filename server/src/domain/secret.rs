//! Random secrets of this installation: nonces, credentials, tokens. A secret has no `Display` and its `Debug` hides
//! it; what is stored is its hash.

use super::ids::{Invalid, Sha256};
use std::fmt;
use std::str::FromStr;

/// 32 random bytes as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From random bytes (the caller owns the generator).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// SHA-256 over the text: what is stored and looked up. A secret of 256 random bits needs no slow hash.
    pub fn hash(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }

    /// The text itself, for the one place that hands it over.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    /// The error does not repeat what came.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Invalid::new("secret", "64 lower-case hexadecimal digits", "(not shown)"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn debug_and_errors_hide_it() {
        let secret = Secret::from_bytes([7; 32]);
        assert!(!format!("{secret:?}").contains("07"));
        assert_eq!(secret.reveal().parse::<Secret>().unwrap().hash(), secret.hash());
        let err = "hunter2".parse::<Secret>().unwrap_err().to_string();
        assert!(!err.contains("hunter2"), "{err}");
    }
}
