//! Secrets that people name and profiles put into files and passwords: what is kept of one, and what a plan says of it
//! instead of its value. Nothing here shows a value: not by `Debug`, not by an error, not by a fingerprint without its key.

use super::ids::{Micros, Name};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a secret, at most.
pub const BYTES_MAX: usize = 64 * 1024;
/// Secrets of an installation, at most.
pub const SECRETS_MAX: usize = 1_000;
/// Bytes of the key of fingerprints.
pub const KEY: usize = 32;
/// Hexadecimal digits of a fingerprint that are kept: two values are told apart, nobody is kept out by it.
const FINGERPRINT: usize = 16;

/// What a plan says of a secret instead of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Counts from 1, up when the value changes.
    pub revision: u32,
    /// The same for the same value of the same secret; says nothing to who has not its key.
    pub fingerprint: String,
    /// The value can stand for a password in shadow(5).
    pub is_hash: bool,
}

impl Mark {
    /// As plans, previews and differences have it.
    pub fn told(&self, name: &Name) -> String {
        format!("{name} (fingerprint {})", self.fingerprint)
    }
}

/// By name.
pub type Marks = BTreeMap<Name, Mark>;

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its name.
    pub name: Name,
    /// Revision, fingerprint, kind.
    pub mark: Mark,
    /// Bytes of the value.
    pub size: u32,
    /// First set.
    pub created: Micros,
    /// This revision was set.
    pub changed: Micros,
    /// By whom.
    pub changed_by: String,
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// All but its value.
    pub head: Head,
    /// Of this secret: another one of the same name later has another.
    pub id: Uuid,
    /// Key of its fingerprints and value, sealed.
    pub sealed: String,
    /// With which master key.
    pub master_key: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} revision {})", self.head.name, self.head.mark.revision)
    }
}

impl Sealed {
    /// What it is sealed as, so that it opens under no other name and as no other revision.
    pub fn purpose(&self) -> String {
        format!("secret {} revision {}", self.head.name, self.head.mark.revision)
    }
}

/// A secret in clear: the key of its fingerprints, then its value. In memory alone, and wiped when it goes.
pub struct Opened(Zeroizing<Vec<u8>>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}

impl Opened {
    /// Of a value, with the key of this secret's fingerprints (random when it is new).
    pub fn new(key: &[u8; KEY], value: &[u8]) -> Self {
        // At its whole length at once: growing would leave copies behind.
        let mut all = Zeroizing::new(Vec::with_capacity(KEY + value.len()));
        all.extend_from_slice(key);
        all.extend_from_slice(value);
        Self(all)
    }

    /// Of what was sealed; none: it is no secret of this form.
    pub fn parse(plain: Zeroizing<Vec<u8>>) -> Option<Self> {
        (plain.len() > KEY).then_some(Self(plain))
    }

    /// With the same key, another value.
    pub fn with(&self, value: &[u8]) -> Option<Self> {
        Some(Self::new(self.0.first_chunk::<KEY>()?, value))
    }

    /// The value itself, for the one place that hands it over.
    pub fn value(&self) -> &[u8] {
        self.0.get(KEY..).unwrap_or_default()
    }

    /// To be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// HMAC-SHA256 (RFC 2104) of the value under the secret's own key, cut. A plain hash of a short secret could be guessed.
    pub fn fingerprint(&self) -> String {
        let key = self.0.get(..KEY).unwrap_or_default();
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
        mac.update(self.value());
        let mut digits = hex::encode(mac.finalize().into_bytes());
        digits.truncate(FINGERPRINT);
        digits
    }

    /// As the password field of shadow(5); none: it is no hash of crypt(5). A line's end does not count.
    pub fn password_hash(&self) -> Option<&str> {
        let text = std::str::from_utf8(self.value()).ok()?;
        Some(text.trim_end_matches(['\r', '\n'])).filter(|text| is_password_hash(text))
    }
}

/// Schemes of crypt(5) that are no older than SHA-2: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512, SHA-256.
const SCHEMES: [&str; 8] = ["$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$"];

/// Is this a password hash as in crypt(5), that can stand in a line of shadow(5)?
pub fn is_password_hash(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| rest.contains('$')))
        && (20..=384).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'$' | b'.' | b'/' | b'=' | b',' | b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fingerprint_is_of_the_value_and_of_the_secret() {
        let one = Opened::new(&[1; KEY], b"value");
        let again = Opened::parse(Zeroizing::new(one.bytes().to_vec())).unwrap();
        assert_eq!((again.value(), again.fingerprint()), (&b"value"[..], one.fingerprint()));
        assert_ne!(one.fingerprint(), one.with(b"valuf").unwrap().fingerprint());
        assert_eq!(one.with(b"valuf").unwrap().with(b"value").unwrap().fingerprint(), one.fingerprint());
        assert_ne!(one.fingerprint(), Opened::new(&[2; KEY], b"value").fingerprint(), "of another secret: another one");
        // `printf value | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101...`
        assert_eq!(one.fingerprint(), "afee5dd8c398923c");
        assert!(Opened::parse(Zeroizing::new(vec![0; KEY])).is_none());
        assert!(!format!("{one:?}").contains("value"));
    }

    #[test]
    fn password_hashes_are_those_of_crypt() {
        let sha512 = format!("$6$saltsalt${}", "a".repeat(86));
        let bcrypt = format!("$2b$12${}", "a".repeat(53));
        for good in [&sha512, &bcrypt, "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"] {
            assert!(is_password_hash(good), "{good}");
        }
        for bad in [
            "",
            "hunter2",
            "$1$salt$aaaaaaaaaaaaaaaaaaaaaa",
            "*",
            "!",
            &format!("{sha512}\nroot::0"),
            &format!("{sha512}:0"),
        ] {
            assert!(!is_password_hash(bad), "{bad}");
        }
        let opened = |text: &str| Opened::new(&[0; KEY], text.as_bytes()).password_hash().map(str::to_owned);
        assert_eq!(opened(&format!("{sha512}\n")), Some(sha512.clone()));
        assert_eq!(opened("hunter2"), None);
    }
}
