//! Much out of little: what the limits say is what is taken in, in memory and on disk.

use crate::make::{Item, Layer, flatten_within, lines, record};
use higuma_oci::{Limits, Spool, Tree};
use std::io::Read;

fn error(layers: &[Vec<u8>], limits: &Limits) -> String {
    match flatten_within(layers, limits) {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.to_string(),
    }
}

/// A layer with one file of zeros, packed as a stream.
fn zeros(size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    let input = header.as_bytes().chain(std::io::repeat(0).take(size + 1024));
    zstd::stream::encode_all(input, 1).unwrap()
}

/// Peak of this process's memory, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_gigabyte_of_zeros_is_refused_or_a_hole() {
    let bomb = zeros(1 << 30);
    assert!(bomb.len() < 200_000, "{} bytes", bomb.len());
    let before = peak();
    let told = error(std::slice::from_ref(&bomb), &Limits::default());
    assert!(told.contains("looks like a bomb: the ratio is, more than the limit of 200"), "{told}");
    let small = Limits { unpacked: 1 << 20, ..Limits::default() };
    let told = error(std::slice::from_ref(&bomb), &small);
    assert!(told.contains("zeros: with this file of 1073741824 bytes") && told.contains("limit of 1048576"), "{told}");
    let any = Limits { ratio: 0, ..Limits::default() };
    let (tree, _) = flatten_within(&[bomb], &any).unwrap();
    assert!(tree.find("zeros").is_some());
    assert!(peak() - before < 100_000, "{} KiB more", peak() - before);
}

#[test]
fn what_is_behind_the_end_counts_too() {
    let limits = Limits { unpacked: 1 << 20, entries: 10, ratio: 0, ..Limits::default() };
    let mut bytes = Layer::new().file("f", "x").tar();
    bytes.resize(64 << 20, 0);
    let told = error(&[zstd::stream::encode_all(&bytes[..], 1).unwrap()], &limits);
    assert!(told.contains("unpacks to more bytes"), "{told}");
}

#[test]
fn entries_and_names_are_bounded() {
    let many = (0..20).fold(Layer::new(), |layer, i| layer.file(&format!("f{i}"), ""));
    let told = error(&[many.tar()], &Limits { entries: 10, ..Limits::default() });
    assert!(told.contains("more entries") && told.contains("limit of 10"), "{told}");
    // All layers together, whiteouts as well.
    let gone = (0..6).fold(Layer::new(), |layer, i| layer.whiteout(&format!(".wh.f{i}")));
    let told = error(&[gone.tar(), gone.tar()], &Limits { entries: 10, ..Limits::default() });
    assert!(told.contains("more entries"), "{told}");
    let xattr = vec![b'x'; 40_000];
    let item = Item { path: b"d", kind: b'5', pax: &[("SCHILY.xattr.user.x", &xattr)], ..Item::default() };
    let told = error(
        &[Layer::new().item(&item).item(&item).item(&item).tar()],
        &Limits { metadata: 100_000, ..Limits::default() },
    );
    assert!(told.contains("extended attributes have too many bytes"), "{told}");
    let told = error(&[Layer::new().file(&"d/".repeat(3000), "").tar()], &Limits::default());
    assert!(told.contains("more than the 4096"), "{told}");
    // Deeper and deeper by links: no longer than a path may be.
    let mut deep = Layer::new();
    for i in 0..40 {
        let folder = format!("l{i}/{}", "d/".repeat(60));
        let target = if i == 0 { ".".into() } else { format!("l{}/{}", i - 1, "d/".repeat(60)) };
        deep = deep.symlink(&format!("l{i}"), &target).file(&format!("{folder}x"), "");
    }
    let told = error(&[deep.tar()], &Limits::default());
    assert!(told.contains("nested deeper") || told.contains("too many symbolic links"), "{told}");
}

/// Old GNU: four pieces in the header.
fn old_sparse(pieces: &[(u64, u64)], real: u64, content: &[u8]) -> Layer {
    Layer::new().raw(b'S', b"sparse", content, |header| {
        let gnu = header.as_gnu_mut().unwrap();
        for (slot, (offset, size)) in gnu.sparse.iter_mut().zip(pieces) {
            slot.set_offset(*offset);
            slot.set_length(*size);
        }
        gnu.set_real_size(real);
    })
}

fn first_line(layer: &Layer) -> String {
    let (tree, spool) = flatten_within(&[layer.tar()], &Limits::default()).unwrap();
    lines(&tree, &spool).remove(0)
}

#[test]
fn sparse_files() {
    let want = "sparse 644 0:0 \"\\0\\0ab\\0\\0cd\\0\"";
    assert_eq!(first_line(&old_sparse(&[(2, 2), (6, 2), (9, 0)], 9, b"abcd")), want);
    let pax = |records: &[(&str, &[u8])], content: &[u8]| {
        let records: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        Layer::new().raw(b'x', b"pax", &records, |_| {}).raw(b'0', b"GNUSparseFile.0/sparse", content, |_| {})
    };
    let (name, size) = (("GNU.sparse.name", &b"sparse"[..]), ("GNU.sparse.realsize", &b"9"[..]));
    assert_eq!(first_line(&pax(&[name, size, ("GNU.sparse.map", b"2,2,6,2")], b"abcd")), want);
    let one: [(&str, &[u8]); 4] = [
        ("GNU.sparse.offset", b"2"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"6"),
        ("GNU.sparse.numbytes", b"2"),
    ];
    assert_eq!(first_line(&pax(&[&[name, ("GNU.sparse.size", b"9")][..], &one].concat(), b"abcd")), want);
    let mut map = b"2\n2\n2\n6\n2\n".to_vec();
    map.resize(512, 0);
    map.extend_from_slice(b"abcd");
    let (major, minor) = (("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", &b"0"[..]));
    assert_eq!(first_line(&pax(&[major, minor, name, size], &map)), want);
}

#[test]
fn sparse_files_that_lie() {
    let refused = |layer: Layer| error(&[layer.tar()], &Limits::default());
    for (pieces, real, content) in [
        (&[(4, 2), (2, 2)][..], 9, &b"abcd"[..]),
        (&[(2, 4)], 5, b"abcd"),
        (&[(2, 2)], 9, b"abcd"),
        (&[(2, 8)], 20, b"abcd"),
        (&[(u64::MAX / 2, 4), (9, 0)], 9, b"abcd"),
    ] {
        let told = refused(old_sparse(pieces, real, content));
        assert!(told.contains("pieces of a sparse file"), "{told}");
    }
    // Eight exabytes of hole: not a byte of disk is asked for.
    let told = refused(old_sparse(&[(0, 1)], (1 << 63) - 1, b"x"));
    assert!(told.contains("more than the limit"), "{told}");
    let records = record("GNU.sparse.major", b"1");
    let endless = Layer::new().raw(b'x', b"pax", &records, |_| {}).raw(b'0', b"f", &[b'1'; 4096], |_| {});
    assert!(refused(endless).contains("sparse file"));
}

#[test]
fn a_spool_needs_a_folder() {
    assert!(Spool::new(std::path::Path::new("/nonexistent")).unwrap_err().to_string().contains("/nonexistent"));
    assert_eq!(Tree::new(Limits::default()).find("sbin/init"), None);
}
