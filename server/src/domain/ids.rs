//! Names of things, valid by construction: what has one of these types can go into a script, a URL or a path as it
//! is. Parsing says what was expected; it never repairs.

use std::fmt;
use std::str::FromStr;

/// Microseconds since 1970 UTC: the time on the wire and in both databases.
pub type Micros = i64;

/// Input that does not fit: what was expected, what came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got:?}")]
pub struct Invalid {
    /// Which value.
    pub what: &'static str,
    /// The form it must have.
    pub expected: &'static str,
    /// What came, cut at 100 characters.
    pub got: String,
}

impl Invalid {
    /// An error about `got`.
    pub fn new(what: &'static str, expected: &'static str, got: &str) -> Self {
        Self { what, expected, got: got.chars().take(100).collect() }
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        /// As its text.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
        /// Checked like any other text.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// SMBIOS system UUID (DSP0134, type 1) in canonical form: lower case, hyphens. A name, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeUuid(String);
text_type!(NodeUuid);

/// The form of a UUID, for messages.
pub const UUID_FORM: &str = "a UUID as 8-4-4-4-12 hexadecimal digits, e.g. 4c4c4544-0046-3010-8052-b4c04f4a4d32";

impl FromStr for NodeUuid {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("node UUID", UUID_FORM, text);
        let hyphens = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| match i {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            });
        if !hyphens {
            return Err(bad());
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl NodeUuid {
    /// The name of a machine whose firmware tells no UUID: UUIDv5 (RFC 9562, 5.5) of the MAC address that it boots
    /// from, so it stays the same over reboots.
    pub fn from_mac(mac: &Mac) -> Self {
        Self::derived(&format!("higuma mac {mac}"))
    }

    /// UUIDv5 (RFC 9562, 5.5) of a text of ours: names for machines whose firmware gives them none.
    pub(super) fn derived(text: &str) -> Self {
        Self(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).to_string())
    }

    /// Is it what firmware tells when it has none? Such a value names nobody.
    pub fn is_placeholder(&self) -> bool {
        super::placeholder::is_uuid(self)
    }

    /// The same bytes with the first three fields the other way round: iPXE, the kernel and firmware disagree on their
    /// order on some boards (before SMBIOS 2.6 it was not said).
    pub fn swapped(&self) -> Self {
        let uuid = uuid::Uuid::try_parse(&self.0).unwrap_or_default();
        Self(uuid::Uuid::from_bytes_le(*uuid.as_bytes()).to_string())
    }

    /// Last twelve hexadecimal digits: short, and unlike the first eight not the same for all machines of a vendor.
    pub fn tail(&self) -> &str {
        &self.0[24..]
    }
}

/// MAC address, EUI-48, lower case with colons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(String);
text_type!(Mac);

impl FromStr for Mac {
    type Err = Invalid;

    /// Takes colons or hyphens.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = text.len() == 17
            && text.bytes().enumerate().all(|(i, b)| match i % 3 {
                2 => b == b':' || b == b'-',
                _ => b.is_ascii_hexdigit(),
            });
        if !good {
            return Err(Invalid::new("MAC address", "six pairs of hexadecimal digits, e.g. 52:54:00:12:34:56", text));
        }
        Ok(Self(text.to_ascii_lowercase().replace('-', ":")))
    }
}

impl Mac {
    /// Neither zeros nor a group address (IEEE 802, first octet's lowest bit): what no port has for itself.
    pub fn is_of_one_port(&self) -> bool {
        let group = self
            .0
            .as_bytes()
            .get(1)
            .is_some_and(|c| matches!(c, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'));
        !group && self.0 != "00:00:00:00:00:00"
    }

    /// `01-52-54-00-12-34-56`: the form of pxelinux's BOOTIF (hardware type 1, Ethernet).
    pub fn bootif(&self) -> String {
        format!("01-{}", self.0.replace(':', "-"))
    }
}

/// SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(String);
text_type!(Sha256);

impl FromStr for Sha256 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Invalid::new("SHA-256", "64 lower-case hexadecimal digits", text));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Sha256 {
    /// Of bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        use sha2::Digest;
        Self(hex::encode(sha2::Sha256::digest(bytes.as_ref())))
    }

    /// From a finished digest.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        Self(hex::encode(digest))
    }
}

/// Name or version of an image or a profile: `[a-z0-9][a-z0-9._-]*`, 1 to 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);
text_type!(Name);

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if !first || !rest || text.len() > 63 {
            let form = "1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit";
            return Err(Invalid::new("name", form, text));
        }
        Ok(Self(text.to_owned()))
    }
}

/// RFC 1123 host name: labels of letters, digits and inner hyphens, 253 characters at most, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);
text_type!(Hostname);

impl FromStr for Hostname {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            let form = "labels of letters, digits and inner hyphens (RFC 1123), e.g. hv-12.rack3";
            return Err(Invalid::new("host name", form, text));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl Hostname {
    /// The name of a node that nobody named.
    pub fn of_node(uuid: &NodeUuid) -> Self {
        Self(format!("node-{}", uuid.tail()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn uuid_is_canonical_and_says_its_form() {
        let uuid: NodeUuid = "4C4C4544-0046-3010-8052-B4C04F4A4D32".parse().unwrap();
        assert_eq!(uuid.as_str(), "4c4c4544-0046-3010-8052-b4c04f4a4d32");
        assert_eq!(Hostname::of_node(&uuid).as_str(), "node-b4c04f4a4d32");
        assert!(!uuid.is_placeholder());
        for none in ["00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"] {
            assert!(none.parse::<NodeUuid>().unwrap().is_placeholder());
        }
        assert_eq!(uuid.swapped().as_str(), "44454c4c-4600-1030-8052-b4c04f4a4d32");
        assert_eq!(uuid.swapped().swapped(), uuid);
        for bad in [
            "",
            "4c4c4544",
            "4c4c4544-0046-3010-8052-b4c04f4a4d3\n",
            "4c4c45440046-3010-8052-b4c04f4a4d32-",
            "ｆc4c4544-0046-3010-8052-b4c04f4a4d",
        ] {
            let err = bad.parse::<NodeUuid>().unwrap_err().to_string();
            assert!(err.contains("8-4-4-4-12"), "{err}");
        }
    }

    #[test]
    fn macs_take_both_separators() {
        let mac: Mac = "52-54-00-AB-CD-EF".parse().unwrap();
        assert_eq!(mac.as_str(), "52:54:00:ab:cd:ef");
        assert_eq!(mac.bootif(), "01-52-54-00-ab-cd-ef");
        assert!("52:54:00:ab:cd".parse::<Mac>().is_err());
        assert_eq!(NodeUuid::from_mac(&mac), NodeUuid::from_mac(&mac));
    }

    #[test]
    fn names_cannot_carry_anything_else() {
        assert!("debian-12.7_x".parse::<Name>().is_ok());
        for bad in ["", "-x", "A", "a b", "a\n", "../x", "a/b", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        for bad in ["", "-a", "a-", "a..b", "a_b", "a\n"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_parses_holds_a_control_character(text in "\\PC*|[\\x00-\\x7f]*") {
            for parsed in [text.parse::<NodeUuid>().map(|v| v.to_string()).ok(), text.parse::<Mac>().map(|v| v.to_string()).ok(),
                text.parse::<Name>().map(|v| v.to_string()).ok(), text.parse::<Hostname>().map(|v| v.to_string()).ok()].into_iter().flatten() {
                proptest::prop_assert!(parsed.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
