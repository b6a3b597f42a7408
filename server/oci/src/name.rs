//! Names in an image: bytes as Linux has them, taken apart, relative to the image's root. A name that would leave the
//! root cannot be made.

use crate::error::{Error, Result, shown};
use std::fmt;

/// No component is longer (NAME_MAX).
const LONGEST_COMPONENT: usize = 255;

/// Components from the root; none for the root itself. No component is empty, `.`, `..` or has a `/` or NUL in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(Vec<Vec<u8>>);

impl Name {
    /// A leading `/` and `.` components are taken out, as every unpacker does.
    ///
    /// # Errors
    /// [`Error::Archive`] with `..`, NUL, or components and paths that are too long for Linux.
    pub fn parse(bytes: &[u8], longest: usize) -> Result<Self> {
        let bad = |problem: &str| Err(Error::archive(shown(bytes), problem));
        if bytes.is_empty() {
            return bad("expected a name, there is none");
        }
        if bytes.len() > longest {
            return bad(&format!("the name has {} bytes, more than the {longest} that Linux takes", bytes.len()));
        }
        if bytes.contains(&0) {
            return bad("there is a NUL in the name");
        }
        let mut components = Vec::new();
        for component in bytes.split(|b| *b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return bad("the name has `..` in it, which could leave the image; it is refused"),
                long if long.len() > LONGEST_COMPONENT => {
                    return bad("a part of the name has more than the 255 bytes that Linux takes");
                }
                good => components.push(good.to_vec()),
            }
        }
        Ok(Self(components))
    }

    /// From the root.
    pub fn components(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Folder and last component; nothing for the root.
    pub(crate) fn split(&self) -> Option<(&[Vec<u8>], &[u8])> {
        self.0.split_last().map(|(last, parents)| (parents, last.as_slice()))
    }

    /// With slashes, without one in front.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.join(&b'/')
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => f.write_str("/"),
            false => f.write_str(&shown(&self.to_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn normalised_or_refused() {
        let name = |bytes: &[u8]| Name::parse(bytes, 4096).map(|n| n.to_bytes());
        assert_eq!(name(b"./usr//bin/./sh").unwrap(), b"usr/bin/sh");
        assert_eq!(name(b"/etc/passwd").unwrap(), b"etc/passwd");
        assert_eq!(name(b"caf\xe9\n").unwrap(), b"caf\xe9\n");
        assert_eq!(name(b"./").unwrap(), b"");
        assert_eq!(name(b"a/...").unwrap(), b"a/...");
        for bad in [&b""[..], b"..", b"../x", b"a/../b", b"a/..", b"a\0b", &[b'x'; 256], &[b'/'; 5000]] {
            assert!(name(bad).is_err(), "{}", shown(bad));
        }
    }
}
