#![no_main]
//! Any bytes as two layers of an image. What is taken in has no name that leads out, stays within the limits, and read back from
//! the tar stream that is made of it gives the same stream.

use higuma_oci::{Blob, Kind, Limits, Spool, Tree, apply_layer, write_tar};

fn limits() -> Limits {
    Limits { unpacked: 1 << 20, entries: 500, metadata: 1 << 20, headers: 1 << 16, ratio: 0, ..Limits::default() }
}

fn apply(tree: &mut Tree, spool: &mut Spool, bytes: &[u8]) -> bool {
    let size = Some(bytes.len() as u64);
    let blob = Blob { what: "layer".into(), input: Box::new(bytes), digest: None, size, diff_id: None };
    apply_layer(tree, spool, blob).is_ok()
}

/// The stream; what does not fit into the limits once more is no finding.
fn stream(tree: &Tree, spool: &Spool) -> Vec<u8> {
    let mut out = Vec::new();
    write_tar(tree, spool, &mut out, &|_| true).expect("writing into memory");
    out
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // A checksum is not to be guessed.
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let (lower, upper) = bytes.split_at(bytes.len() / 1024 * 512);
    let mut spool = Spool::new(std::path::Path::new("/dev/shm")).expect("a file in /dev/shm");
    let mut tree = Tree::new(limits());
    if !apply(&mut tree, &mut spool, lower) || !apply(&mut tree, &mut spool, upper) {
        return;
    }
    let mut bytes = 0;
    let mut whiteouts = false;
    tree.walk::<()>(&|_| true, |path, inode| {
        let part_ok = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0) && part.len() <= 255;
        assert!(path.is_empty() || path.split(|b| *b == b'/').all(part_ok), "{path:?}");
        whiteouts |= path.split(|b| *b == b'/').any(|part| part.starts_with(b".wh."));
        if let Kind::File(content) = tree.entry(inode).kind {
            bytes = bytes.max(content.size);
        }
        Ok(())
    })
    .ok();
    assert!(bytes <= 1 << 20 && !whiteouts);
    let once = stream(&tree, &spool);
    let mut again = Tree::new(Limits { unpacked: 1 << 30, ..Limits::default() });
    assert!(apply(&mut again, &mut spool, &once), "what was written is not read");
    assert!(stream(&again, &spool) == once, "what was read back is not the same");
});
