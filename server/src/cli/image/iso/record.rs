//! One directory record of ISO 9660 and what Rock Ridge says in it; takes bytes, gives values, reads nothing. Every length is checked
//! before it is used. Sources: ECMA-119 (9.1 Format of a Directory Record), IEEE P1281 (SUSP), IEEE P1282 (Rock Ridge).

/// Where bytes are: first block, bytes.
pub(super) type Extent = (u32, u32);

/// A record, without what continues it elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// By Rock Ridge; else as ISO 9660 has it, without its version.
    pub(super) name: Vec<u8>,
    /// The name is Rock Ridge's: its case counts.
    pub(super) is_exact: bool,
    pub(super) is_folder: bool,
    /// One, or several of a file of over 4 GiB.
    pub(super) extents: Vec<Extent>,
    /// More extents follow in the next record.
    pub(super) goes_on: bool,
    /// Target of a symbolic link.
    pub(super) link: Option<Vec<u8>>,
    /// Block of the folder that stands here but is elsewhere.
    pub(super) moved_to: Option<u32>,
    /// A folder that is shown elsewhere.
    pub(super) is_moved: bool,
    /// Where more of the system use area is: block, offset, bytes.
    pub(super) more: Option<(u32, u32, u32)>,
    /// A link's component goes on in the next entry.
    pub(super) part_goes_on: bool,
}

/// What a record cannot be.
pub(super) type Parsed<T> = Result<T, &'static str>;

fn u32_at(bytes: &[u8], at: usize) -> Parsed<u32> {
    let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok()).ok_or("a field is cut off")?;
    Ok(u32::from_le_bytes(field))
}

/// The record at the beginning of `bytes`, and its length; none where the block has no more. `skip`: bytes of each system use
/// area that are not Rock Ridge's.
pub(super) fn record(bytes: &[u8], skip: usize) -> Parsed<Option<(Record, usize)>> {
    let length = match bytes.first() {
        None | Some(0) => return Ok(None),
        Some(length) => usize::from(*length),
    };
    let bytes = bytes.get(..length).filter(|_| length >= 34).ok_or("a record does not fit into its block")?;
    let name_length = usize::from(bytes[32]);
    let raw = bytes.get(33..33 + name_length).ok_or("a name does not fit into its record")?;
    if bytes[26] != 0 || bytes[27] != 0 {
        return Err("an interleaved file, which nothing writes any more");
    }
    let name = match raw {
        [0] => b".".to_vec(),
        [1] => b"..".to_vec(),
        raw => {
            let end = raw.iter().position(|b| *b == b';').unwrap_or(raw.len());
            raw[..end].strip_suffix(b".").unwrap_or(&raw[..end]).to_vec()
        }
    };
    let mut record = Record {
        name,
        is_folder: bytes[25] & 2 != 0,
        extents: vec![(u32_at(bytes, 2)?.saturating_add(u32::from(bytes[1])), u32_at(bytes, 10)?)],
        goes_on: bytes[25] & 0x80 != 0,
        ..Record::default()
    };
    let area = 33 + name_length + usize::from(name_length % 2 == 0) + skip;
    record.rock_ridge(bytes.get(area..).unwrap_or_default())?;
    Ok(Some((record, length)))
}

/// How many bytes of a system use area are not Rock Ridge's: what SP in the root's own record says; none: there is no Rock Ridge.
pub(super) fn skipped(root: &[u8]) -> Option<usize> {
    match root.get(34..41)? {
        [b'S', b'P', 7, _, 0xbe, 0xef, skip] => Some(usize::from(*skip)),
        _ => None,
    }
}

impl Record {
    /// A system use area, or what continues it.
    pub(super) fn rock_ridge(&mut self, mut area: &[u8]) -> Parsed<()> {
        self.more = None;
        while area.len() >= 4 {
            let length = usize::from(area[2]);
            if length == 0 {
                // Padding.
                return Ok(());
            }
            let (entry, rest) = area.split_at_checked(length.max(4)).ok_or("an entry of Rock Ridge is cut off")?;
            area = rest;
            match (&entry[..2], entry.get(4)) {
                (b"NM", Some(flags)) if flags & 6 == 0 => {
                    if !self.is_exact {
                        self.name.clear();
                        self.is_exact = true;
                    }
                    self.name.extend_from_slice(&entry[5..]);
                    if self.name.len() > 255 {
                        return Err("a name has more than 255 bytes");
                    }
                }
                (b"SL", Some(_)) => self.link_of(&entry[5..])?,
                (b"CE", _) => self.more = Some((u32_at(entry, 4)?, u32_at(entry, 12)?, u32_at(entry, 20)?)),
                (b"CL", _) => self.moved_to = Some(u32_at(entry, 4)?),
                (b"RE", _) => self.is_moved = true,
                (b"ST", _) => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    fn link_of(&mut self, mut parts: &[u8]) -> Parsed<()> {
        let link = self.link.get_or_insert_default();
        while let [flags, length, rest @ ..] = parts {
            let (part, rest) = rest.split_at_checked(usize::from(*length)).ok_or("a link is cut off")?;
            if !self.part_goes_on && !link.is_empty() && !link.ends_with(b"/") {
                link.push(b'/');
            }
            match flags & 0x0e {
                0 => link.extend_from_slice(part),
                2 => link.push(b'.'),
                4 => link.extend_from_slice(b".."),
                8 => link.push(b'/'),
                _ => return Err("a link of a kind that is not known"),
            }
            if link.len() > 4096 {
                return Err("a link has more than 4096 bytes");
            }
            self.part_goes_on = flags & 1 != 0;
            parts = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn bytes(name: &[u8], area: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 33];
        bytes[2] = 9;
        bytes[10] = 5;
        bytes[32] = u8::try_from(name.len()).unwrap();
        bytes.extend_from_slice(name);
        if name.len().is_multiple_of(2) {
            bytes.push(0);
        }
        bytes.extend_from_slice(area);
        bytes[0] = u8::try_from(bytes.len()).unwrap();
        bytes
    }

    fn read(name: &[u8], area: &[u8]) -> Record {
        record(&bytes(name, area), 0).unwrap().unwrap().0
    }

    #[test]
    fn names_links_and_where_the_rest_is() {
        let plain = read(b"VMLINUZ.;1", b"");
        assert_eq!(
            (plain.name.as_slice(), plain.is_exact, &plain.extents[..]),
            (&b"VMLINUZ"[..], false, &[(9, 5)][..])
        );
        let long = read(b"X.;1", b"NM\x08\x01\x01vmlNM\x09\x01\x00inuz");
        assert_eq!((long.name.as_slice(), long.is_exact), (&b"vmlinuz"[..], true));
        let link = read(b"L.;1", b"SL\x13\x01\x00\x04\x00\x00\x03abc\x01\x02de\x00\x01f");
        assert_eq!(link.link.unwrap(), b"../abc/def");
        let root = read(b"L.;1", b"SL\x0b\x01\x00\x08\x00\x00\x02ab");
        assert_eq!(root.link.unwrap(), b"/ab");
        let more = read(b"L.;1", b"CE\x1c\x01\x07\0\0\0\0\0\0\x07\x08\0\0\0\0\0\0\x08\x09\0\0\0\0\0\0\x09");
        assert_eq!(more.more, Some((7, 8, 9)));
        let sp = [&[0; 34][..], b"SP\x07\x01\xbe\xef\x02"].concat();
        assert_eq!((skipped(&sp), skipped(&sp[..40])), (Some(2), None));
    }

    #[test]
    fn what_lies_is_refused() {
        assert_eq!(record(&[0; 40], 0), Ok(None));
        assert_eq!(record(b"", 0), Ok(None));
        for bad in [&[33; 40][..], &[200; 40], &[34; 34]] {
            assert!(record(bad, 0).is_err(), "{bad:?}");
        }
        for area in [&b"NM\xff\x01\0x"[..], b"SL\x08\x01\0\0\xffx", b"CE\x05\x01\x07"] {
            assert!(record(&bytes(b"X", area), 0).is_err(), "{area:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), skip in 0..300usize) {
            let _ = record(&bytes, skip);
            let _ = skipped(&bytes);
            let _ = Record::default().rock_ridge(&bytes);
        }
    }
}
