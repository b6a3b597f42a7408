//! The entry point: which version of the standard the table follows, and how much of it there should be (DSP0134 clause
//! 5.2). The kernel has checked its sum already; without one the table is still read.

use super::super::Errors;
use super::ENTRY;

/// What is taken when nothing is told: UUIDs are swapped from 2.6 on, and whatever is still running is newer.
const ASSUMED: (u8, u8) = (2, 8);

/// What the entry point announces.
pub(super) struct Entry {
    /// Major and minor version.
    pub version: (u8, u8),
    /// Bytes of the table; version 3 tells an upper limit only, which is of no use.
    pub length: Option<usize>,
    /// Structures in the table; told by version 2 only.
    pub count: Option<usize>,
}

/// Reads either form; one that is neither is recorded and assumed to be of a common version.
pub(super) fn read(bytes: &[u8], errors: &mut Errors) -> Entry {
    parse(bytes).unwrap_or_else(|| {
        let (major, minor) = ASSUMED;
        errors.add("", ENTRY, format!("neither an SMBIOS 2 nor an SMBIOS 3 entry point; taken as {major}.{minor}"));
        Entry { version: ASSUMED, length: None, count: None }
    })
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    if bytes.starts_with(b"_SM3_") {
        let version = (*bytes.get(7)?, *bytes.get(8)?);
        return Some(Entry { version, length: None, count: None });
    }
    if !bytes.starts_with(b"_SM_") {
        return None;
    }
    let word = |at: usize| {
        let value = bytes.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_le_bytes(*value))).filter(|value| *value > 0)
    };
    let version = match (*bytes.get(6)?, *bytes.get(7)?) {
        // Boards in the field that mean 2.3 and 2.6; the kernel knows them too, and the UUID must be the same as its.
        (2, 0x1f | 0x21) => (2, 3),
        (2, 0x33) => (2, 6),
        told => told,
    };
    Some(Entry { version, length: word(0x16), count: word(0x1c) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::parse;

    #[test]
    fn both_forms_are_read() {
        let mut two = b"_SM_\0\x1f\x02\x08".to_vec();
        two.resize(0x1f, 0);
        two[0x16..0x18].copy_from_slice(&700u16.to_le_bytes());
        two[0x1c..0x1e].copy_from_slice(&12u16.to_le_bytes());
        let entry = parse(&two).unwrap();
        assert_eq!((entry.version, entry.length, entry.count), ((2, 8), Some(700), Some(12)));
        let entry = parse(b"_SM3_\0\x18\x03\x06\0").unwrap();
        assert_eq!((entry.version, entry.length), ((3, 6), None));
        assert!(parse(b"_SM3_\0").is_none() && parse(b"_DMI_").is_none());
    }

    #[test]
    fn odd_versions_mean_what_the_kernel_takes_them_for() {
        assert_eq!(parse(b"_SM_\0\x1f\x02\x21").unwrap().version, (2, 3));
        assert_eq!(parse(b"_SM_\0\x1f\x02\x33").unwrap().version, (2, 6));
    }
}
