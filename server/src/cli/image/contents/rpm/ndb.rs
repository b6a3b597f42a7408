//! rpm's ndb database, `Packages.db`: pages of slots, which say where the blobs lie that hold headers. It is described by
//! `lib/backend/ndb/rpmpkg.c` in rpm's source and nowhere else; numbers are little endian.

use super::super::packages::MOST;

/// Bytes at the start of the file, instead of the first two slots.
const HEAD: usize = 32;
const PAGE: usize = 4096;
const SLOT: usize = 16;
/// What places and sizes are counted in.
const BLOCK: usize = 16;
/// Bytes before a header in its blob: magic, number of the package, time, length.
const BEFORE: usize = 16;
/// Bytes at the end of a blob: a checksum, which rpm does not look at either when it reads, the length again, magic.
const AFTER: usize = 12;

/// The headers in the order of the slots; none when the file is damaged, or of a version that is not known.
pub fn headers(database: &[u8]) -> Option<Vec<&[u8]>> {
    if !database.starts_with(b"RpmP") || number(database, 4)? != 0 {
        return None;
    }
    let slots = database.get(HEAD..number(database, 12)?.checked_mul(PAGE)?)?;
    let mut headers = Vec::new();
    // No two blobs share a byte: slots that say so would make us read more than there is.
    let mut left = database.len();
    for slot in slots.chunks_exact(SLOT) {
        let (package, start, blocks) = (number(slot, 4)?, number(slot, 8)?, number(slot, 12)?);
        if !slot.starts_with(b"Slot") {
            return None;
        }
        if start == 0 {
            continue;
        }
        let blob = database.get(start.checked_mul(BLOCK)?..)?.get(..blocks.checked_mul(BLOCK)?)?;
        left = left.checked_sub(blob.len())?;
        headers.push(header(blob, package)?);
        if headers.len() > MOST {
            return None;
        }
    }
    Some(headers)
}

fn header(blob: &[u8], package: usize) -> Option<&[u8]> {
    let length = number(blob, 12)?;
    let (header, rest) = blob.get(BEFORE..)?.split_at_checked(length)?;
    let tail = rest.get(rest.len().checked_sub(AFTER)?..)?;
    let whole = blob.starts_with(b"BlbS") && tail.ends_with(b"BlbE") && rest.len() < AFTER + BLOCK;
    (whole && number(blob, 4)? == package && number(tail, 4)? == length).then_some(header)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*four)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn numbers(magic: &[u8], numbers: &[usize]) -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|n| u32::try_from(*n).unwrap().to_le_bytes());
        magic.iter().copied().chain(numbers).collect()
    }

    /// As rpm lays one: a page of slots, the first of them empty, and the blobs after it.
    pub fn database(headers: &[Vec<u8>]) -> Vec<u8> {
        let mut slots = [numbers(b"RpmP", &[0, 1, 1, 1, 0, 0, 0]), numbers(b"Slot", &[0; 3])].concat();
        let mut blobs: Vec<u8> = Vec::new();
        for (package, header) in (1..).zip(headers) {
            let blocks = (BEFORE + header.len() + AFTER).div_ceil(BLOCK);
            slots.extend(numbers(b"Slot", &[package, (PAGE + blobs.len()) / BLOCK, blocks]));
            let end = blobs.len() + blocks * BLOCK;
            blobs.extend(numbers(b"BlbS", &[package, 0, header.len()]));
            blobs.extend_from_slice(header);
            blobs.resize(end - AFTER, 0);
            blobs.extend([numbers(b"", &[0, header.len()]), b"BlbE".to_vec()].concat());
        }
        while slots.len() < PAGE {
            slots.extend(numbers(b"Slot", &[0; 3]));
        }
        [slots, blobs].concat()
    }

    #[test]
    fn headers_of_all_lengths() {
        let all: Vec<Vec<u8>> = (0..40).map(|n| vec![n; usize::from(n)]).collect();
        assert_eq!(headers(&database(&all)).unwrap(), all);
        assert!(headers(&database(&[])).unwrap().is_empty());
    }

    #[test]
    fn what_lies_is_refused() {
        let whole = database(&[b"one".to_vec(), b"two".to_vec()]);
        assert!(headers(&whole).is_some());
        for cut in [0, 10, HEAD, PAGE - 1, PAGE, whole.len() - BLOCK, whole.len() - 1] {
            assert_eq!(headers(&whole[..cut]), None, "{cut}");
        }
        // Magic, version, pages; a slot's magic, package, start, blocks; a blob's magic, package, length; its end.
        let slot = HEAD + SLOT;
        let blob = [PAGE, PAGE + 4, PAGE + 12, PAGE + 24, PAGE + 28];
        for at in [0, 4, 12, HEAD, slot, slot + 4, slot + 8, slot + 12].into_iter().chain(blob) {
            let mut lies = whole.clone();
            lies[at..at + 4].fill(0xff);
            assert_eq!(headers(&lies), None, "{at}");
        }
        let mut same = whole.clone();
        same.copy_within(slot..slot + SLOT, slot + SLOT);
        // Two slots of one blob; then as many as the page has, which are more than the file.
        assert_eq!(headers(&same).unwrap(), [b"one", b"one"]);
        for at in (slot + 2 * SLOT..PAGE).step_by(SLOT) {
            same.copy_within(slot..slot + SLOT, at);
        }
        assert_eq!(headers(&same), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = headers(&[&b"RpmP\0\0\0\0"[..], &bytes].concat());
            let _ = header(&bytes, 1);
        }

        #[test]
        fn no_damage_makes_it_panic(changes in proptest::collection::vec((0..200usize, any::<u8>()), 1..9)) {
            let mut bytes = database(&[vec![1; 50], vec![2; 20]]);
            for (at, byte) in changes {
                // The slots in use, or the blobs.
                let at = if at < 100 { at } else { PAGE + at - 100 };
                bytes[at] = byte;
            }
            let _ = headers(&bytes);
        }
    }
}
