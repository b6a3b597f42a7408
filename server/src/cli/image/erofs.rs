//! An erofs that a stranger made, looked through before `fsck.erofs` unpacks it: that program trusts names (1.5 of Debian 12 writes to
//! `../x` when a folder says so), lengths of paths and sizes. All folders are read here first, by positioned reads. It never writes, never
//! reads what is in files, and nothing is unpacked of an image that it refuses. The checksum of the superblock is left to `fsck.erofs`.
//! Source: Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst; numbers are little endian.

use super::pack::DEADLINE;
use super::root::MOST_ENTRIES;
use crate::cli::error::{Failure, Result};
use crate::cli::process;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const SUPERBLOCK: u64 = 1024;
const MAGIC: u64 = 0xE0F5_E1E2;
/// `EROFS_FEATURE_INCOMPAT_FRAGMENTS`: ends of files are packed into one more inode, which `fsck.erofs` walks, too.
const FRAGMENTS: u64 = 0x20;
/// `EROFS_FEATURE_INCOMPAT_48BIT`; it and those above it place metadata in other ways.
const NEWER: u64 = 0x80;
/// What nids count in.
const SLOT: u64 = 32;
/// Of an entry in a folder.
const ENTRY: usize = 12;
/// Layouts of data: blocks, and the same with the last one right behind the inode.
const PLAIN: u64 = 0;
const INLINE: u64 = 2;
const LAST_LAYOUT: u64 = 4;
/// Kinds of inodes, of `S_IFMT`.
const KIND: u64 = 0o170000;
const FOLDER: u64 = 0o40000;
const FILE: u64 = 0o100000;
const LINK: u64 = 0o120000;
const LONGEST_NAME: usize = 255;
/// `PATH_MAX`, with the NUL at its end; `fsck.erofs` up to 1.6 writes longer paths behind its buffer (CVE-2023-33551).
const LONGEST_PATH: usize = 4096;

/// As the caller's own, into `root`, when it unpacks to at most `limit` bytes; its program has no way to take out a part.
///
/// # Errors
/// It is larger, damaged, or means harm; there is no room, or no `fsck.erofs`.
pub fn unpack(file: &Path, root: &Path, limit: u64) -> Result<()> {
    Image::open(file)?.check(root.as_os_str().len(), limit)?;
    // Links that it made cannot lead it out: files are made with O_EXCL or O_TRUNC and O_NOFOLLOW (1.5 and later), and no folder has a
    // name twice, so that nothing lies below the name of a link, and no mode is set of one.
    let mut command = Command::new("fsck.erofs");
    command.arg(format!("--extract={}", root.display()));
    command.args(["--no-preserve-owner", "--preserve-perms", "--overwrite"]).arg(file);
    process::run(command, "erofs-utils", DEADLINE, |_| {})
}

/// One that is open.
#[derive(Debug)]
struct Image {
    file: File,
    name: String,
    length: u64,
    /// Bytes of a block.
    block: u64,
    /// Where inodes are counted from.
    inodes: u64,
    root: u64,
    /// The inode for ends of files.
    packed: Option<u64>,
}

#[derive(Debug)]
struct Inode {
    kind: u64,
    layout: u64,
    size: u64,
    /// Its first block, when it has some.
    block: u64,
    /// Where the end of inline data is.
    behind: u64,
}

impl Image {
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let mut file = File::open(path).map_err(|e| Failure::usage(format!("could not read {name}: {e}")))?;
        let length = file.seek(SeekFrom::End(0)).map_err(Failure::io("read", path))?;
        let mut image = Self { file, name, length, block: 0, inodes: 0, root: 0, packed: None };
        let mut head = [0; 128];
        image.read(Some(SUPERBLOCK), &mut head)?;
        if number(&head, 0, 4) != MAGIC {
            return Err(image.bad("it has no superblock"));
        }
        let (bits, features, folder_bits) = (number(&head, 12, 1), number(&head, 80, 4), number(&head, 90, 1));
        if features >= NEWER || folder_bits != 0 {
            return Err(Failure::usage(format!(
                "{}: expected an erofs with features below {NEWER:#x}, it has {features:#x}: it is newer than what is read here; make it \
                 again without them",
                image.name
            )));
        }
        if !(9..=16).contains(&bits) {
            return Err(image.bad("its blocks have no size that an erofs can have"));
        }
        image.block = 1 << bits;
        image.inodes = number(&head, 40, 4).saturating_mul(image.block);
        image.root = number(&head, 14, 2);
        image.packed = Some(number(&head, 96, 8)).filter(|nid| features & FRAGMENTS != 0 && *nid != 0);
        Ok(image)
    }

    fn bad(&self, problem: &str) -> Failure {
        Failure::usage(format!(
            "{}: expected an erofs that can be unpacked, {problem}: it is damaged, fetch or make it again",
            self.name
        ))
    }

    /// Fill `bytes` from a place, which is returned; none is one that no number can tell.
    fn read(&self, at: Option<u64>, bytes: &mut [u8]) -> Result<u64> {
        let inside = |at: &u64| at.checked_add(bytes.len() as u64).is_some_and(|end| end <= self.length);
        let Some(at) = at.filter(inside) else {
            return Err(self.bad("something of it lies behind its end"));
        };
        self.file
            .read_exact_at(bytes, at)
            .map_err(|e| Failure::failed(format!("could not read {}: {e}", self.name)))?;
        Ok(at)
    }

    fn inode(&self, nid: u64) -> Result<Inode> {
        // The shorter one of the two; of the longer one nothing behind that is needed.
        let mut bytes = [0; 32];
        let at = nid.checked_mul(SLOT).and_then(|at| at.checked_add(self.inodes));
        let at = self.read(at, &mut bytes)?;
        let format = number(&bytes, 0, 2);
        let (is_long, layout) = (format & 1 != 0, format >> 1);
        if layout > LAST_LAYOUT {
            return Err(self.bad(&format!("an inode has the format {format:#x}, which is not known")));
        }
        // A head of twelve bytes counts as one; four bytes for each of the rest.
        let attributes = match number(&bytes, 2, 2) {
            0 => 0,
            count => 8 + 4 * count,
        };
        let long = if is_long { 64 } else { 32 };
        Ok(Inode {
            kind: number(&bytes, 4, 2) & KIND,
            layout,
            size: number(&bytes, 8, if is_long { 8 } else { 4 }),
            block: number(&bytes, 16, 4),
            behind: at.saturating_add(long + attributes),
        })
    }

    /// Look through all of it; `before` is how long the path is that it is unpacked to. Returns the bytes of its files.
    fn check(&self, before: usize, limit: u64) -> Result<u64> {
        let too_large = |size: u64| {
            Failure::usage(format!(
                "{}: expected at most {limit} bytes unpacked, it says {size}; if the image is right, see --max-size",
                self.name
            ))
        };
        if self.inode(self.root)?.kind != FOLDER {
            return Err(self.bad("its root is no folder"));
        }
        // `fsck.erofs` would unpack a folder in its place, before the root, and one that was not looked at.
        if let Some(nid) = self.packed
            && self.inode(nid)?.kind != FILE
        {
            return Err(self.bad("its inode of packed ends is no file"));
        }
        let mut seen = HashSet::from([self.root]);
        let mut to_read = vec![(self.root, before)];
        let (mut size, mut entries) = (0u64, 0usize);
        // No two folders share a byte: those that say so would make us read more than there is.
        let mut left = self.length;
        while let Some((nid, before)) = to_read.pop() {
            let folder = self.inode(nid)?;
            left = left
                .checked_sub(folder.size)
                .ok_or_else(|| self.bad("its folders say that they are larger than all of it"))?;
            self.names(&folder, |name, nid| {
                entries += 1;
                if entries > MOST_ENTRIES {
                    return Err(Failure::usage(format!("expected at most {MOST_ENTRIES} names in {}", self.name)));
                }
                let path = before.saturating_add(1).saturating_add(name.len());
                if path >= LONGEST_PATH {
                    let expected = format!("expected paths of fewer than {LONGEST_PATH} bytes where it is unpacked");
                    return Err(Failure::usage(format!("{}: {expected}, one has {path}", self.name)));
                }
                let inode = self.inode(nid)?;
                match inode.kind {
                    FOLDER => {
                        if !seen.insert(nid) {
                            return Err(self.bad(&format!("the folder `{}` is in it twice", name.escape_ascii())));
                        }
                        to_read.push((nid, path));
                    }
                    // Once for each name: `fsck.erofs` 1.5 makes hard links files of their own.
                    FILE => size = size.checked_add(inode.size).ok_or_else(|| too_large(u64::MAX))?,
                    LINK if inode.size >= LONGEST_PATH as u64 => {
                        return Err(self.bad(&format!("the link `{}` is too long", name.escape_ascii())));
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        if size > limit { Err(too_large(size)) } else { Ok(size) }
    }

    /// Names in a folder, with their nids, but for `.` and `..`, which `fsck.erofs` does not unpack either.
    fn names(&self, folder: &Inode, mut on_name: impl FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        if !matches!(folder.layout, PLAIN | INLINE) {
            return Err(self.bad("a folder has a layout that is one of files"));
        }
        let mut buffer = vec![0; self.block as usize];
        let mut last = Vec::new();
        let mut at = 0;
        while at < folder.size {
            let length = (folder.size - at).min(self.block);
            let is_inline = folder.layout == INLINE && folder.size - at <= self.block;
            let place = if is_inline {
                Some(folder.behind)
            } else {
                folder.block.checked_mul(self.block).and_then(|begin| begin.checked_add(at))
            };
            let block = buffer.get_mut(..length as usize).unwrap_or_default();
            self.read(place, block)?;
            self.names_of_block(block, &mut last, &mut on_name)?;
            at += length;
        }
        Ok(())
    }

    /// The entries are first, then the names in one piece. Names are in the order of their bytes (a kernel looks for them so), `.` and `..`
    /// too; `fsck.erofs` looks at the order in a block only, where the same name in two blocks would be a way out by a link.
    fn names_of_block(
        &self,
        block: &[u8],
        last: &mut Vec<u8>,
        on_name: &mut impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<()> {
        let begin_of = |entry: &[u8]| number(entry, 8, 2) as usize;
        let entries = block.get(..begin_of(block)).unwrap_or_default();
        if entries.is_empty() || !entries.len().is_multiple_of(ENTRY) {
            return Err(self.bad("a folder in it cannot be read"));
        }
        let entries = entries.chunks_exact(ENTRY);
        let ends = entries.clone().skip(1).map(|entry| Some(begin_of(entry))).chain([None]);
        for (entry, end) in entries.zip(ends) {
            let name = match end {
                Some(end) => block.get(begin_of(entry)..end),
                None => block.get(begin_of(entry)..).and_then(|rest| rest.split(|b| *b == 0).next()),
            };
            let name = name.unwrap_or_default();
            if name.is_empty() || name.len() > LONGEST_NAME || name.iter().any(|b| matches!(b, b'/' | 0)) {
                return Err(self.bad(&format!("`{}` is no name of a file", name.escape_ascii())));
            }
            if name <= last.as_slice() {
                return Err(self.bad(&format!("the name `{}` is there twice or out of order", name.escape_ascii())));
            }
            last.clear();
            last.extend_from_slice(name);
            if !matches!(name, b"." | b"..") {
                on_name(name, number(entry, 0, 8))?;
            }
        }
        Ok(())
    }
}

/// Of `n` bytes; those that are not there are 0.
fn number(bytes: &[u8], at: usize, n: usize) -> u64 {
    bytes.iter().skip(at).take(n).rev().fold(0, |value, b| value << 8 | u64::from(*b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::error::Exit;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::sync::LazyLock;

    /// Of the root: nid, and where its inode is.
    fn root_of(bytes: &[u8]) -> (u64, usize) {
        let nid = number(bytes, 1024 + 14, 2);
        (nid, usize::try_from(nid * SLOT).unwrap())
    }

    /// By `mkfs.erofs`, without a checksum: who means harm makes it right.
    fn image(more: &str, tree: impl FnOnce(&Path)) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (root, file) = (dir.path().join("root"), dir.path().join("image"));
        std::fs::create_dir(&root).unwrap();
        tree(&root);
        let mut command = Command::new("mkfs.erofs");
        command.args(["--quiet", "-x-1", &format!("-Enosbcrc{more}")]).arg(&file).arg(&root);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        std::fs::read(&file).unwrap()
    }

    static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        image(",force-inode-extended", |root| {
            std::fs::create_dir_all(root.join("dir/sub")).unwrap();
            std::fs::write(root.join("dir/abc_evil"), vec![7; 7_001]).unwrap();
            std::fs::write(root.join("dir/abc_fine"), vec![7; 7_003]).unwrap();
            std::fs::write(root.join("dir/sub/inner"), "x").unwrap();
            symlink("nowhere", root.join("link")).unwrap();
        })
    });

    fn checked(bytes: &[u8], before: usize, limit: u64) -> Result<u64> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Image::open(file.path())?.check(before, limit)
    }

    fn refused(bytes: &[u8], word: &str) {
        let failure = checked(bytes, 10, 1 << 30).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{failure}");
        assert!(failure.message.contains(word), "{word}: {failure}");
    }

    /// With what is there once replaced by as many bytes.
    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
        assert_eq!(places.len(), 1, "{}: {places:?}", from.escape_ascii());
        written(bytes, places[0], to)
    }

    fn written(bytes: &[u8], at: usize, to: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    }

    #[test]
    fn what_mkfs_makes_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let tree = |root: &Path| {
            let many = root.join("many");
            std::fs::create_dir(&many).unwrap();
            for n in 0..400 {
                std::fs::write(many.join(format!("one of many names {n}")), "x").unwrap();
            }
            for name in [&b"a"[..], b"a.b", b"a0", b"-x", b"!x", b".hid", b"z", b"\x01", b"caf\xe9", b"\xff"] {
                std::fs::write(many.join(OsStr::from_bytes(name)), "x").unwrap();
            }
            // The longest one of which mkfs.erofs 1.5 makes an image.
            std::fs::write(root.join("n".repeat(254)), "long").unwrap();
            std::fs::create_dir(root.join("empty")).unwrap();
            std::fs::create_dir_all(root.join("d/".repeat(60))).unwrap();
            std::fs::write(root.join("first"), vec![7; 70_001]).unwrap();
            std::fs::hard_link(root.join("first"), root.join("second")).unwrap();
            symlink("many", root.join("link")).unwrap();
            symlink("/no/where", many.join("dangling")).unwrap();
        };
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        tree(&source);
        let size = 410 + 4 + 2 * 70_001;
        for more in ["", ",force-inode-compact", ",force-inode-extended", ",noinline_data"] {
            let bytes = image(more, tree);
            assert_eq!(checked(&bytes, 10, size).unwrap(), size, "{more}");
            let failure = checked(&bytes, 10, size - 1).unwrap_err();
            assert!(failure.message.contains("--max-size"), "{failure}");
            let (file, to) = (dir.path().join("image"), dir.path().join(format!("to{more}")));
            std::fs::write(&file, &bytes).unwrap();
            unpack(&file, &to, size).unwrap();
            let same = Command::new("diff").args(["-r", "--no-dereference"]).arg(&source).arg(&to).output().unwrap();
            assert!(same.status.success(), "{more}: {}", String::from_utf8_lossy(&same.stdout));
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        assert_eq!(checked(&SMALL, 10, 1 << 30).unwrap(), 7_001 + 7_003 + 1);
        for bad in [&b"../_evil"[..], b"abc/evil", b"/bc_evil", b"abc\0evil", b"abc_evi/"] {
            refused(&replaced(&SMALL, b"abc_evil", bad), "is no name");
        }
        refused(&replaced(&SMALL, b"abc_evil", b"abc_fine"), "twice or out of order");
        refused(&replaced(&SMALL, b"abc_fine", b"abc_evil"), "twice or out of order");
        let failure = checked(&SMALL, LONGEST_PATH - 10, 1 << 30).unwrap_err();
        assert!(failure.message.contains("expected paths of fewer than"), "{failure}");
    }

    #[test]
    fn no_name_is_in_two_blocks() {
        let name = |n: usize| format!("n{n:03}{}", "_".repeat(60));
        let bytes = image("", |root| {
            for n in 0..200 {
                std::fs::write(root.join(name(n)), "").unwrap();
            }
        });
        assert_eq!(checked(&bytes, 10, 0).unwrap(), 0);
        for n in 1..200 {
            refused(&replaced(&bytes, name(n).as_bytes(), name(0).as_bytes()), "twice or out of order");
        }
    }

    #[test]
    fn sizes_that_wrap_are_refused() {
        let bytes = replaced(&SMALL, &7_001u64.to_le_bytes(), &(u64::MAX - 7_000).to_le_bytes());
        refused(&bytes, "it says 18446744073709551615; if the image is right, see --max-size");
    }

    #[test]
    fn folders_are_in_it_once() {
        let (root, at) = root_of(&SMALL);
        // The third entry of the root, behind `.` and `..`; its data are inline.
        let third = at + 64 + 2 * ENTRY;
        refused(&written(&SMALL, third, &root.to_le_bytes()), "is in it twice");
        refused(&written(&SMALL, third, &u64::MAX.to_le_bytes()), "behind its end");
        refused(&written(&SMALL, third, &(u64::MAX / SLOT).to_le_bytes()), "behind its end");
    }

    #[test]
    fn damage_is_told() {
        let (root, at) = root_of(&SMALL);
        for (place, to, word) in [
            (1024, &[0][..], "no superblock"),
            (1024 + 12, &[8], "its blocks"),
            (1024 + 12, &[64], "its blocks"),
            (1024 + 40, &[0xff; 4], "behind its end"),
            (1024 + 80, &[0x80], "newer than what is read here"),
            (1024 + 90, &[1], "newer than what is read here"),
            // Format, mode and size of the root; then the names of its first entry.
            (at, &[1 | 1 << 1], "a layout that is one of files"),
            (at, &[1 | 7 << 1], "which is not known"),
            (at, &[1 | 1 << 4], "which is not known"),
            (at + 4, &0o100644u16.to_le_bytes(), "its root is no folder"),
            (at + 8, &[0xff; 8], "larger than all of it"),
            (at + 64 + 8, &[0, 0], "cannot be read"),
            (at + 64 + 8, &[13, 0], "cannot be read"),
            (at + 64 + 8, &[0xff, 0xff], "cannot be read"),
            (at + 64 + ENTRY + 8, &[0, 0], "is no name"),
            (at + 64 + ENTRY + 8, &[0xff, 0xff], "is no name"),
        ] {
            refused(&written(&SMALL, place, to), word);
        }
        let packed = written(&SMALL, 1024 + 96, &root.to_le_bytes());
        assert!(checked(&packed, 10, 1 << 30).is_ok());
        refused(&written(&packed, 1024 + 80, &[0x20]), "packed ends is no file");
        for length in [0, 1024, 1100, at, at + 31, at + 80] {
            refused(&SMALL[..length], "behind its end");
        }
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..9),
            folders in proptest::collection::vec((0..1000usize, any::<u8>()), 0..9),
            length in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = SMALL.clone();
            let changes = changes.into_iter().map(|(at, byte)| (at.index(SMALL.len()), byte));
            for (at, byte) in changes.chain(folders.into_iter().map(|(at, byte)| (1024 + at, byte))) {
                bytes[at] = byte;
            }
            // Magic and blocks as they were: most of it would not be reached.
            for at in (1024..1028).chain([1024 + 12]) {
                bytes[at] = SMALL[at];
            }
            let _ = checked(&bytes, 10, 1 << 30);
            let _ = checked(&bytes[..length.index(bytes.len())], 10, 1 << 30);
        }
    }
}
