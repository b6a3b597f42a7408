//! How secrets of this installation are sealed: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) under a master key, bound to the
//! row they are in. Key and nonce come in as values; nothing here is shown by `Debug` or by an error.

use super::ids::{NodeUuid, Sha256};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE: usize = 24;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text of a sealed value is not what we write.
    #[error("a sealed value: expected hexadecimal digits of a nonce, a text and a tag; the row is damaged")]
    Form,
    /// It does not open: another key, another row, or changed bytes.
    #[error("a sealed value does not open with master key {0}: the row was changed, or belongs to something else")]
    Closed(String),
    /// Too long to seal.
    #[error("a value is too long to be sealed")]
    TooLong,
    /// The text of a key file.
    #[error(
        "expected one master key, or the new one and then the old one, a line each: [ID ]64 hexadecimal digits (the content is not shown)"
    )]
    KeyFile,
    /// The id beside a key is not that key's.
    #[error("the master key with the id {0} is damaged: its digits give another id; restore the file from a backup")]
    KeyId(String),
}

/// A master key. Its id is made from it, so that a damaged or exchanged key is noticed.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    /// From random bytes (the caller owns the generator).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let mut named = Zeroizing::new(b"higuma master key id\0".to_vec());
        named.extend_from_slice(&bytes[..]);
        let id = Sha256::of(&named[..]).as_str()[..16].to_owned();
        Self { id, bytes }
    }

    /// Sixteen hexadecimal digits; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seal `plain` for one row. The nonce must be random: it is never used twice.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn seal(&self, nonce: [u8; NONCE], place: &Place<'_>, plain: &[u8]) -> Result<String, VaultError> {
        let aad = place.bytes(&self.id);
        let payload = Payload { msg: plain, aad: &aad };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::TooLong)?;
        Ok(hex::encode([&nonce[..], &sealed[..]].concat()))
    }

    /// Open what was sealed for this row with this key.
    ///
    /// # Errors
    /// `Form`, or `Closed` for another key, another row or changed bytes.
    pub fn open(&self, place: &Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let bytes = hex::decode(sealed).map_err(|_| VaultError::Form)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(VaultError::Form)?;
        let aad = place.bytes(&self.id);
        let payload = Payload { msg: sealed, aad: &aad };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| VaultError::Closed(self.id.clone()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

/// What a sealed value belongs to: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Which kind of secret: a fixed word of ours; of a secret that people name, its name and revision, too.
    pub purpose: &'a str,
    /// Whose.
    pub node: &'a NodeUuid,
    /// The row's id.
    pub row: uuid::Uuid,
}

impl Place<'_> {
    /// The associated data: each part with its length, so that no two places give the same bytes.
    fn bytes(&self, key: &str) -> Vec<u8> {
        let row = self.row.to_string();
        let parts = ["higuma vault 1", self.purpose, self.node.as_str(), &row, key];
        let part = |text: &str| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat();
        parts.map(part).concat()
    }
}

/// The keys of a key file: the one in force, and while it is being replaced the old one after it.
///
/// # Errors
/// `KeyFile`, `KeyId`; the content is not repeated.
pub fn parse_keys(text: &str) -> Result<Vec<MasterKey>, VaultError> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    if lines.is_empty() || lines.len() > 2 {
        return Err(VaultError::KeyFile);
    }
    let key = |line: &str| {
        let (id, digits) = line.split_once(' ').map_or((None, line), |(id, digits)| (Some(id), digits.trim()));
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(digits, &mut bytes[..]).map_err(|_| VaultError::KeyFile)?;
        let key = MasterKey::from_bytes(*bytes);
        match id {
            Some(id) if id != key.id => Err(VaultError::KeyId(id.chars().take(16).collect())),
            _ => Ok(key),
        }
    };
    lines.into_iter().map(key).collect()
}

/// The text of a key file.
pub fn write_keys(keys: &[MasterKey]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for key in keys {
        text.push_str(&key.id);
        text.push(' ');
        text.push_str(&Zeroizing::new(hex::encode(&key.bytes[..])));
        text.push('\n');
    }
    text
}

/// What a server does with the keys it found when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Make the first key.
    Make,
    /// Go on with the first of them.
    Use,
}

/// Keys that are missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database holds secrets sealed with master key {missing}, and {held}: restore that key (the file master.key of the data folder, the systemd credential higuma-master-key, or where master-key-file points) from its backup. Without it the BMC passwords cannot be read"
)]
pub struct MissingKey {
    /// Id of the key.
    pub missing: String,
    /// What is there, in words.
    pub held: String,
}

/// `held`: ids of the keys that were found, the one in force first. `sealed`: ids of the keys of sealed rows.
///
/// # Errors
/// A row could not be opened.
pub fn start(held: &[&str], sealed: &[String]) -> Result<Start, MissingKey> {
    if let Some(missing) = sealed.iter().find(|id| !held.contains(&id.as_str())) {
        let held = match held {
            [] => "no master key is there".to_owned(),
            held => format!("the one that is there is {}", held.join(" and ")),
        };
        return Err(MissingKey { missing: missing.clone(), held });
    }
    Ok(if held.is_empty() { Start::Make } else { Start::Use })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(n: u8) -> NodeUuid {
        format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_row_only() {
        let (key, other) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let (mine, theirs) = (node(1), node(2));
        let place = Place { purpose: "bmc", node: &mine, row: uuid::Uuid::from_u128(1) };
        let sealed = key.seal([7; NONCE], &place, b"secret").unwrap();
        assert_eq!(&key.open(&place, &sealed).unwrap()[..], b"secret");
        let closed = VaultError::Closed(key.id().to_owned());
        for wrong in [
            Place { node: &theirs, ..place },
            Place { purpose: "bm", ..place },
            Place { row: uuid::Uuid::from_u128(2), ..place },
        ] {
            assert_eq!(key.open(&wrong, &sealed), Err(closed.clone()));
        }
        assert!(matches!(other.open(&place, &sealed), Err(VaultError::Closed(_))));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone().into_bytes();
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            assert!(key.open(&place, std::str::from_utf8(&bad).unwrap()).is_err(), "digit {at}");
        }
        for bad in ["", "zz", "00", &sealed[..NONCE * 2]] {
            assert!(key.open(&place, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cipher_is_the_one_of_the_draft() {
        // draft-irtf-cfrg-xchacha-03, A.3.1.
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let key = MasterKey::from_bytes(key.try_into().unwrap());
        let nonce: [u8; NONCE] = nonce.try_into().unwrap();
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), Payload { msg: text, aad: &aad }).unwrap();
        assert_eq!(hex::encode(&sealed[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(hex::encode(&sealed[sealed.len() - 16..]), "c0875924c1c7987947deafd8780acf49");
    }

    #[test]
    fn key_files_come_back_and_hide_their_content() {
        let keys = [MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32])];
        let text = write_keys(&keys);
        let read = parse_keys(&text).unwrap();
        assert_eq!(read.iter().map(MasterKey::id).collect::<Vec<_>>(), [keys[0].id(), keys[1].id()]);
        assert_eq!(parse_keys(&"01".repeat(32)).unwrap()[0].id(), keys[0].id());
        assert!(!format!("{:?}", keys[0]).contains("0101"));
        let other = format!("{} {}", keys[1].id(), "01".repeat(32));
        for bad in ["", "hunter2", &format!("{}\n{}\n{}", &*text, &*text, &*text), &other, &"01".repeat(31)] {
            let error = parse_keys(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2") && !error.to_string().contains("0101"));
        }
    }

    #[test]
    fn a_server_does_not_start_without_the_key_of_its_rows() {
        let rows = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(start(&[], &[]), Ok(Start::Make));
        assert_eq!(start(&["a"], &[]), Ok(Start::Use));
        assert_eq!(start(&["b", "a"], &rows(&["a", "b"])), Ok(Start::Use));
        for (held, sealed) in [(&[][..], &["a"][..]), (&["b"], &["a"]), (&["b"], &["b", "a"])] {
            let error = start(held, &rows(sealed)).unwrap_err();
            assert_eq!(error.missing, "a");
            assert!(error.to_string().contains("master.key"), "{error}");
        }
    }
}
