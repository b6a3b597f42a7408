//! Concatenation, padding, sealing, and that consumed parts free their memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::unix::fs::MetadataExt,
};

use kexec_rs::{Concat, Error, Part, concat_initrd, memfd, memory_needed, memory_needed_beyond_source, padding, seal};
use proptest::prelude::*;

fn filled(byte: u8, len: usize) -> File {
    let mut file = memfd(c"part").unwrap();
    file.write_all(&vec![byte; len]).unwrap();
    file
}

fn content(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn all_kinds_of_parts_start_at_multiples_of_512() {
    let kept = filled(3, 700);
    let bytes = content(
        concat_initrd([
            Part::Bytes(b"one"),
            Part::Reader { reader: Box::new(&b"two"[..]), size: Some(3) },
            Part::Reader { reader: Box::new(&[7u8; 512][..]), size: None },
            Part::File(&kept),
            Part::Consume(filled(4, 5)),
        ])
        .unwrap(),
    );
    assert_eq!(bytes.len(), 512 * 6);
    assert_eq!((&bytes[..4], &bytes[512..516]), (&b"one\0"[..], &b"two\0"[..]));
    assert!(bytes[1024..1536].iter().all(|b| *b == 7));
    assert_eq!((bytes[1536], bytes[1536 + 699], bytes[1536 + 700]), (3, 3, 0));
    assert_eq!(&bytes[2560..2566], &[4, 4, 4, 4, 4, 0]);
    assert_eq!(kept.metadata().unwrap().len(), 700);
}

#[test]
fn a_part_of_another_size_than_announced_is_refused() {
    for announced in [2, 4] {
        let part = Part::Reader { reader: Box::new(&b"two"[..]), size: Some(announced) };
        assert!(matches!(concat_initrd([part]), Err(Error::PartSize { expected, got: 3 }) if expected == announced));
    }
    let endless = Part::Reader { reader: Box::new(std::io::repeat(1)), size: Some(1000) };
    assert!(matches!(concat_initrd([endless]), Err(Error::PartSize { expected: 1000, got: 1001 })));
}

#[test]
fn a_consumed_part_leaves_no_pages_behind() {
    let part = filled(9, 8 << 20);
    let watch = part.try_clone().unwrap();
    assert!(watch.metadata().unwrap().blocks() * 512 >= 8 << 20);
    let out = concat_initrd([Part::Consume(part)]).unwrap();
    assert_eq!(watch.metadata().unwrap().blocks(), 0);
    assert!(content(out).iter().all(|b| *b == 9));
}

#[test]
fn a_sealed_memfd_cannot_be_changed() {
    let mut file = filled(1, 100);
    seal(&file).unwrap();
    file.rewind().unwrap();
    assert!(file.write_all(b"x").is_err());
    assert!(file.set_len(0).is_err());
}

#[test]
fn writing_by_hand() {
    let mut out = Concat::new().unwrap();
    assert!(out.is_empty());
    out.write_all(b"abc").unwrap();
    out.end_part().unwrap();
    out.end_part().unwrap();
    assert_eq!(out.len(), 512);
    out.write_all(b"d").unwrap();
    assert_eq!(content(out.finish().unwrap()).len(), 1024);
}

#[test]
fn memory_saturates() {
    assert_eq!(memory_needed(u64::MAX, u64::MAX), u64::MAX);
    assert_eq!(memory_needed(8 << 20, 92 << 20), (16 + 276 + 112) << 20);
    assert_eq!(memory_needed(8, 92) - memory_needed_beyond_source(8, 92), 100);
}

proptest! {
    #[test]
    fn padding_reaches_the_next_sector(len in 0u64..u64::MAX / 2) {
        prop_assert!(padding(len) < 512);
        prop_assert_eq!((len + padding(len)) % 512, 0);
    }

    #[test]
    fn parts_are_where_they_are_expected(parts in proptest::collection::vec(proptest::collection::vec(1u8.., 0..1500), 0..6)) {
        let bytes = content(concat_initrd(parts.iter().map(|part| Part::Bytes(part))).unwrap());
        let mut at = 0;
        for part in &parts {
            prop_assert_eq!(&bytes[at..at + part.len()], &part[..]);
            at = (at + part.len()).next_multiple_of(512);
        }
        prop_assert_eq!(bytes.len(), at);
    }
}
