//! Headers made by hand, each broken in one way; and arbitrary bytes, which must never panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kexec_rs::{Arch, HEAD_BYTES, ImageError, KernelInfo};
use proptest::prelude::*;

/// The smallest file that passes as a bzImage of protocol 2.15: 4 setup sectors, 64 KiB of code.
fn bzimage() -> Vec<u8> {
    let mut image = vec![0u8; 5 * 512 + 0x1_0000];
    image[0x1f1] = 4;
    put32(&mut image, 0x1f4, 0x1000);
    put16(&mut image, 0x1fe, 0xAA55);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    put16(&mut image, 0x206, 0x020f);
    put16(&mut image, 0x20e, 0x200);
    image[0x211] = 1;
    put16(&mut image, 0x236, 0x3f);
    put32(&mut image, 0x238, 2047);
    put32(&mut image, 0x248, 0x100);
    put32(&mut image, 0x24c, 0xf000);
    put32(&mut image, 0x260, 0x300_0000);
    image[0x400..0x413].copy_from_slice(b"6.1.0-56-amd64 (x)\0");
    image
}

fn arm64() -> Vec<u8> {
    let mut image = vec![0u8; 0x4000];
    image[..2].copy_from_slice(b"MZ");
    image[16..24].copy_from_slice(&0x20_0000u64.to_le_bytes());
    image[24..32].copy_from_slice(&0xau64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    put32(&mut image, 60, 0x40);
    image[0x40..0x44].copy_from_slice(b"PE\0\0");
    put16(&mut image, 0x46, 1);
    put16(&mut image, 0x54, 0x10);
    put32(&mut image, 0x68 + 16, 0x3000);
    put32(&mut image, 0x68 + 20, 0x1000);
    image
}

fn put16(image: &mut [u8], at: usize, value: u16) {
    image[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn parse(image: &[u8]) -> Result<KernelInfo, ImageError> {
    KernelInfo::parse(&image[..image.len().min(HEAD_BYTES)], image.len() as u64)
}

fn with(change: impl FnOnce(&mut Vec<u8>)) -> ImageError {
    let mut image = bzimage();
    change(&mut image);
    parse(&image).expect_err("a broken image was taken")
}

#[test]
fn a_good_bzimage() {
    let info = parse(&bzimage()).unwrap();
    assert_eq!(info.arch, Arch::X86_64);
    assert_eq!(info.version.as_deref(), Some("6.1.0-56-amd64 (x)"));
    assert_eq!(info.release(), Some("6.1.0-56-amd64"));
    assert_eq!((info.protocol, info.max_cmdline, info.init_size), (Some(0x020f), 2016, 0x300_0000));
    info.check_cmdline(&"x".repeat(2016)).unwrap();
    assert!(info.check_cmdline(&"x".repeat(2017)).unwrap_err().to_string().contains("2017"));
    assert!(info.check_cmdline("a\0b").unwrap_err().to_string().contains("NUL"));
}

#[test]
fn each_defect_of_a_bzimage_is_named() {
    let cut = with(|image| image.truncate(image.len() - 16));
    assert!(matches!(cut, ImageError::Truncated { needed: 68096, len: 68080 }), "{cut}");
    assert!(matches!(with(|image| image.truncate(20)), ImageError::TooShort { .. }));
    assert!(matches!(with(|image| image.truncate(0x210)), ImageError::TooShort { .. }));
    assert_eq!(
        with(|image| put16(image, 0x206, 0x0209)).to_string().split(',').next(),
        Some("its boot protocol is 2.09")
    );
    for (change, word) in [
        (Box::new(|i: &mut Vec<u8>| i[0x211] = 0) as Box<dyn FnOnce(&mut Vec<u8>)>, "zImage"),
        (Box::new(|i| put16(i, 0x236, 0x3e)), "64-bit"),
        (Box::new(|i| put16(i, 0x236, 0x3d)), "4 GiB"),
        (Box::new(|i| put16(i, 0x1fe, 0)), "boot flag"),
        (Box::new(|i| put32(i, 0x1f4, 0)), "syssize"),
        (Box::new(|i| put32(i, 0x24c, 0xffff_ffff)), "beyond"),
        (Box::new(|i| i[0x202] = 0), "neither"),
    ] {
        let message = with(change).to_string();
        assert!(message.contains(word), "{message:?} does not name {word:?}");
    }
}

#[test]
fn arm64_images() {
    let info = parse(&arm64()).unwrap();
    assert_eq!((info.arch, info.version, info.init_size), (Arch::Aarch64, None, 0x20_0000));
    let mut cut = arm64();
    cut.truncate(0x3fff);
    assert!(matches!(parse(&cut), Err(ImageError::Truncated { needed: 0x4000, len: 0x3fff })));
    let mut big = arm64();
    big[24] = 1;
    assert!(parse(&big).unwrap_err().to_string().contains("big-endian"));
    let mut zboot = vec![0u8; 4096];
    zboot[..8].copy_from_slice(b"MZ\0\0zimg");
    assert!(parse(&zboot).unwrap_err().to_string().contains("zboot"));
}

#[test]
fn usual_mistakes_get_a_hint() {
    for (start, word) in [
        (&b"\x1f\x8b"[..], "gzip"),
        (b"\x7fELF", "ELF"),
        (b"hsqs", "squashfs"),
        (b"070701", "swapped"),
        (b"<html>", "web page"),
    ] {
        let mut image = vec![0u8; 1024];
        image[..start.len()].copy_from_slice(start);
        assert!(parse(&image).unwrap_err().to_string().contains(word));
    }
}

#[test]
fn a_file_is_read_without_moving_its_offset() {
    use std::io::{Seek, Write};
    let mut file = kexec_rs::memfd(c"kernel").unwrap();
    file.write_all(&bzimage()).unwrap();
    let before = file.stream_position().unwrap();
    assert_eq!(KernelInfo::from_file(&file).unwrap().file_size, 68096);
    assert_eq!(file.stream_position().unwrap(), before);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048), len in any::<u64>()) {
        let _ = KernelInfo::parse(&bytes, len);
    }

    #[test]
    fn damaged_headers_never_panic(
        arm in any::<bool>(),
        changes in proptest::collection::vec((0usize..0x300, any::<u8>()), 0..40),
        cut in 0usize..70_000,
    ) {
        let mut image = if arm { arm64() } else { bzimage() };
        for (at, value) in changes {
            image[at] = value;
        }
        image.truncate(image.len().min(cut));
        let _ = parse(&image);
    }
}
