//! How far the packing of a root file system is, for people who wait. What is counted here decides nothing.

use crate::cli::progress::Bytes;
use higuma_oci::{Flattened, Inode, Kind};
use std::collections::HashSet;
use std::convert::Infallible;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of the files in a folder that are packed, as far as it can be read; those of a file with several names once.
pub fn of_folder(root: &Path) -> u64 {
    let (mut bytes, mut seen, mut folders) = (0u64, HashSet::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // What is mounted there may be endless, or never answer.
            if path.strip_prefix(root).is_ok_and(|path| higuma_oci::running_system(path.as_os_str().as_bytes())) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() && (meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino()))) {
                bytes = bytes.saturating_add(meta.len());
            }
        }
    }
    bytes
}

/// Bytes of the file that a line of `mksquashfs -info` is about: `file /PATH, uncompressed size N bytes`, with `LINK` behind it for
/// the second name of a file.
pub fn of_line(line: &str) -> Option<u64> {
    let (file, size) = line.rsplit_once(", uncompressed size ")?;
    let (size, rest) = size.split_once(" bytes")?;
    let size = size.parse().ok()?;
    file.starts_with("file ").then_some(if rest.trim() == "LINK" { 0 } else { size })
}

/// Whether a line of `mksquashfs -info` tells only that something was packed.
pub fn is_of_an_entry(line: &str) -> bool {
    const KINDS: [&str; 7] =
        ["file", "directory", "symbolic link", "character device", "block device", "fifo", "unix domain socket"];
    let named = |kind: &&str| line.strip_prefix(*kind).is_some_and(|rest| rest.starts_with(" /"));
    KINDS.iter().any(named)
}

/// About what `write_tar` writes of what `keep` wants.
pub fn of_image(image: &Flattened, keep: &dyn Fn(&[u8]) -> bool) -> u64 {
    const BLOCK: u64 = 512;
    let (mut bytes, mut seen) = (0u64, HashSet::<Inode>::new());
    let walked = image.tree.walk(keep, |_, inode| {
        if let Kind::File(content) = &image.tree.entry(inode).kind
            && seen.insert(inode)
        {
            bytes = bytes.saturating_add(content.size.next_multiple_of(BLOCK));
        }
        bytes = bytes.saturating_add(BLOCK);
        Ok::<(), Infallible>(())
    });
    match walked {
        Ok(()) => bytes,
    }
}

/// A writer whose bytes are counted.
pub struct Counted<'p, W> {
    pub out: W,
    pub bytes: Bytes<'p>,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_mksquashfs() {
        for (line, bytes, entry) in [
            ("file /d/a, uncompressed size 100000 bytes ", Some(100_000), true),
            ("file /d/b, uncompressed size 7 bytes DUPLICATE", Some(7), true),
            ("file /d/c, uncompressed size 7 bytes LINK", Some(0), true),
            ("file /odd, uncompressed size 1 bytes, uncompressed size 9 bytes ", Some(9), true),
            ("symbolic link /d/l inode 0x6c", None, true),
            ("directory / inode 0xc5", None, true),
            ("FATAL ERROR: Failed to write to output filesystem", None, false),
            ("file system is full", None, false),
        ] {
            assert_eq!((of_line(line), is_of_an_entry(line)), (bytes, entry), "{line}");
        }
    }

    #[test]
    fn a_file_of_two_names_is_packed_once() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/a"), [0; 10]).unwrap();
        std::fs::hard_link(root.path().join("d/a"), root.path().join("b")).unwrap();
        std::os::unix::fs::symlink("b", root.path().join("l")).unwrap();
        std::fs::write(root.path().join("c"), [0; 3]).unwrap();
        // A system that runs.
        std::fs::create_dir(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/kcore"), [0; 99]).unwrap();
        assert_eq!(of_folder(root.path()), 13);
    }
}
