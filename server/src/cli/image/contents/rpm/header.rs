//! A package's header in rpm's databases: two lengths, an index of tags, and the data that the index points into. rpm's own description
//! is docs/manual/format.md and docs/manual/hregions.md in its source; numbers are big endian.

use super::super::format::Package;
use super::super::packages;
use std::borrow::Cow;

/// Bytes of an entry of the index: tag, type, where in the data, how many.
const ENTRY: usize = 16;
// Types, of rpmtag.h.
const INT32: u32 = 4;
const STRING: u32 = 6;
// Tags, of the same file.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCH: u32 = 1022;
/// Bytes of a name or version with its end; many times what any has.
const LONGEST: usize = 4096;
/// What rpm calls a key that it trusts: it stands among the packages, and is none.
const KEY: &str = "gpg-pubkey";

/// The package, with its version as rpm writes it: `[EPOCH:]VERSION-RELEASE`. None for a key, and for what has no name to show.
///
/// # Errors
/// It is no whole header.
pub fn package(bytes: &[u8]) -> Result<Option<Package>, &'static str> {
    const DAMAGED: &str = "a package's header is damaged";
    let header = Header::parse(bytes).ok_or(DAMAGED)?;
    let text = |tag| header.text(tag).ok_or(DAMAGED);
    let (name, version, release) = (text(NAME)?, text(VERSION)?, text(RELEASE)?);
    if name == KEY {
        return Ok(None);
    }
    let epoch = header.value(EPOCH, INT32).map(|value| number(value, 0).ok_or(DAMAGED)).transpose()?;
    let epoch = epoch.map_or_else(String::new, |epoch| format!("{epoch}:"));
    let arch = header.value(ARCH, STRING).map_or(Ok(Cow::default()), |_| text(ARCH))?;
    Ok(packages::package(&name, &arch, &format!("{epoch}{version}-{release}")))
}

struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = |at| usize::try_from(number(bytes, at)?).ok();
        let (entries, data) = (length(0)?, length(4)?);
        let (index, rest) = bytes.get(8..)?.split_at_checked(entries.checked_mul(ENTRY)?)?;
        Some(Self { index, data: rest.get(..data)? })
    }

    /// The data from where a value begins, which is nothing when the index points elsewhere.
    fn value(&self, tag: u32, kind: u32) -> Option<&'a [u8]> {
        let mut entries = self.index.chunks_exact(ENTRY);
        let entry = entries.find(|entry| number(entry, 0) == Some(tag) && number(entry, 4) == Some(kind))?;
        let from = usize::try_from(number(entry, 8)?).ok()?;
        Some(self.data.get(from..).unwrap_or_default())
    }

    fn text(&self, tag: u32) -> Option<Cow<'a, str>> {
        let value = self.value(tag, STRING)?;
        let value = value.get(..LONGEST).unwrap_or(value);
        let end = value.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(value.get(..end)?))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|four| u32::from_be_bytes(*four))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// As rpm lays one.
    fn header(texts: &[(u32, &str)], epoch: Option<u32>) -> Vec<u8> {
        let (mut index, mut data): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut entry = |tag: u32, kind: u32, value: &[u8]| {
            let offset = u32::try_from(data.len()).unwrap();
            [tag, kind, offset, 1].iter().for_each(|n| index.extend_from_slice(&n.to_be_bytes()));
            data.extend_from_slice(value);
        };
        if let Some(epoch) = epoch {
            entry(EPOCH, INT32, &epoch.to_be_bytes());
        }
        for (tag, text) in texts {
            entry(*tag, STRING, format!("{text}\0").as_bytes());
        }
        let lengths = [index.len() / ENTRY, data.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes()).concat();
        [lengths, index, data].concat()
    }

    /// Of a package with this name, 2:9.0-1.el9 for x86_64.
    pub fn named(name: &str) -> Vec<u8> {
        header(&[(NAME, name), (VERSION, "9.0"), (RELEASE, "1.el9"), (ARCH, "x86_64")], Some(2))
    }

    fn told(bytes: &[u8]) -> Result<Option<String>, &'static str> {
        Ok(package(bytes)?.map(|p| format!("{} {} {}", p.name, p.arch, p.version)))
    }

    #[test]
    fn names_and_versions_as_rpm_shows_them() {
        assert_eq!(told(&named("vim")), Ok(Some("vim x86_64 2:9.0-1.el9".to_owned())));
        let bash = [(NAME, "bash"), (VERSION, "5.2"), (RELEASE, "3")];
        assert_eq!(told(&header(&bash, None)), Ok(Some("bash  5.2-3".to_owned())));
        assert_eq!(told(&header(&bash, Some(0))), Ok(Some("bash  0:5.2-3".to_owned())));
        assert_eq!(told(&named("gpg-pubkey")), Ok(None));
        assert_eq!(told(&named("new\nline")), Ok(None));
        // A tag of another type is not the one that is meant; what follows the data is not looked at.
        let twice = header(&[(EPOCH, "x"), (NAME, "bash"), (VERSION, "5.2"), (RELEASE, "3")], None);
        assert_eq!(told(&[twice, vec![9; 9]].concat()), Ok(Some("bash  5.2-3".to_owned())));
    }

    #[test]
    fn what_lies_is_refused() {
        let whole = named("vim");
        for cut in 0..whole.len() {
            assert!(package(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(package(&header(&[(NAME, "vim"), (VERSION, "1")], None)).is_err(), "there is no release");
        // Both lengths; where the first value of all is, and the second.
        for at in [0, 4, 8 + 8, 8 + ENTRY + 8] {
            let mut lies = whole.clone();
            lies[at..at + 4].fill(0xff);
            assert!(package(&lies).is_err(), "{at}");
        }
        assert!(package(&named(&"v".repeat(LONGEST))).is_err(), "nobody has such a name");
        let mut endless = whole.clone();
        let end = endless.len();
        endless[end - 1] = b'x';
        assert!(package(&endless).is_err(), "the last text has no end");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = package(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..9)) {
            let mut bytes = named("vim");
            for (at, byte) in changes {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            let _ = package(&bytes);
        }
    }
}
