//! Names of content by its hash (OCI image-spec descriptor.md, "Digests"), and readers that compute them.

use crate::error::{Error, Result, shown};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::io::{self, Read};

/// `sha256:` or `sha512:` and the hash in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// # Errors
    /// [`Error::Manifest`] for anything but a whole digest of these two algorithms.
    pub fn parse(text: &str) -> Result<Self> {
        let whole = |hex: &str, digits| {
            hex.len() == digits && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        match text.split_once(':') {
            Some(("sha256", hex)) if whole(hex, 64) => Ok(Self(text.into())),
            Some(("sha512", hex)) if whole(hex, 128) => Ok(Self(text.into())),
            _ => Err(Error::Manifest(format!(
                "expected a digest like sha256: and 64 hexadecimal digits, got {:?}",
                shown(text.as_bytes())
            ))),
        }
    }

    /// SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The digits.
    pub fn hex(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// # Errors
    /// [`Error::Mismatch`] when `bytes` have another one.
    pub fn check(&self, what: &str, bytes: &[u8]) -> Result<()> {
        let mut hasher = Hasher::like(self);
        hasher.update(bytes);
        self.equals(what, &hasher.finish())
    }

    pub(crate) fn equals(&self, what: &str, got: &Self) -> Result<()> {
        match self == got {
            true => Ok(()),
            false => Err(Error::Mismatch { what: what.into(), expected: self.0.clone(), got: got.0.clone() }),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Either algorithm.
#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    pub(crate) fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self::Sha512(Box::default()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest(format!("sha256:{}", hex::encode(hasher.finalize()))),
            Self::Sha512(hasher) => Digest(format!("sha512:{}", hex::encode(hasher.finalize()))),
        }
    }
}

/// Counts and hashes what is read through it.
pub(crate) struct Hashing<R> {
    inner: R,
    hasher: Option<Hasher>,
    pub(crate) bytes: u64,
}

impl<R: Read> Hashing<R> {
    /// Without a digest to compare with, nothing is hashed.
    pub(crate) fn new(inner: R, like: Option<&Digest>) -> Self {
        Self { inner, hasher: like.map(Hasher::like), bytes: 0 }
    }

    /// Read the rest, and compare.
    pub(crate) fn finish(mut self, what: &str, digest: Option<&Digest>) -> Result<u64> {
        io::copy(&mut self, &mut io::sink()).map_err(Error::io(format!("read {what}")))?;
        if let (Some(digest), Some(hasher)) = (digest, self.hasher) {
            digest.equals(what, &hasher.finish())?;
        }
        Ok(self.bytes)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buf[..n]);
        }
        self.bytes += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_whole_digests() {
        let good = Digest::of(b"");
        assert_eq!(good.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digest::parse(&good.to_string()).unwrap(), good);
        let hex = good.hex();
        for bad in
            ["", "sha256:", hex, "sha256:../../etc", &format!("sha256:{}", hex.to_uppercase()), "md5:00", "sha512:00"]
        {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_content_is_told() {
        let error = Digest::of(b"a").check("layer 1", b"b").unwrap_err().to_string();
        assert!(error.starts_with("layer 1: expected sha256:ca97") && error.contains("got sha256:3e23"), "{error}");
        let long = Digest::parse(&format!("sha512:{}", hex::encode(Sha512::digest(b"a")))).unwrap();
        long.check("x", b"a").unwrap();
        assert!(long.check("x", b"b").is_err());
    }
}
