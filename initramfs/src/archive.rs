//! A deterministic newc cpio writer and what goes with it: padding, sizes known beforehand, zstd. Entries come in the
//! order in which they are added, with time 0, owner 0:0 and counted inodes. Never asks a file system for metadata.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
};

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::{Error, Result};

/// Parts of an initramfs are padded to a multiple of this many bytes.
pub const ALIGNMENT: u64 = 512;
/// Length of a newc header without the name.
const HEADER: u64 = 110;
const TRAILER: &str = "TRAILER!!!";
const COPY_BUFFER: usize = 1 << 20;

/// Path, mode, major and minor number of the devices that every `/init` of ours finds before it mounts `/dev`: the kernel
/// opens the console for it, and Rust's standard library ends a process that has neither open streams nor `/dev/null`.
pub const DEVICES: [(&str, u32, u32, u32); 2] = [("/dev/console", 0o600, 5, 1), ("/dev/null", 0o666, 1, 3)];

/// What an entry is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Folder,
    File,
    Link,
    Device { major: u32, minor: u32 },
}

impl Kind {
    fn mark(self, header: Builder) -> Builder {
        match self {
            Kind::Folder => header.nlink(2).set_mode_file_type(ModeFileType::Directory),
            Kind::File => header.nlink(1).set_mode_file_type(ModeFileType::Regular),
            Kind::Link => header.nlink(1).set_mode_file_type(ModeFileType::Symlink),
            Kind::Device { major, minor } => {
                header.nlink(1).rdev_major(major).rdev_minor(minor).set_mode_file_type(ModeFileType::Char)
            }
        }
    }
}

/// A cpio archive being written to any [`Write`]. Paths are absolute (`/init`); missing parent folders are added with
/// mode 755 before an entry.
#[derive(Debug)]
pub struct Archive<W: Write> {
    out: Counted<W>,
    inode: u32,
    dirs: BTreeSet<String>,
}

#[derive(Debug)]
struct Counted<W> {
    inner: W,
    written: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.written += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Archive { out: Counted { inner: out, written: 0 }, inode: 0, dirs: BTreeSet::new() }
    }

    /// Adds a folder, and its parents where they are missing; a folder added before is left as it is.
    ///
    /// # Errors
    /// [`Error::BadPath`], [`Error::Write`].
    pub fn dir(&mut self, path: &str, mode: u32) -> Result<()> {
        let name = name_of(path)?.to_owned();
        self.parents(&name)?;
        if self.dirs.insert(name.clone()) {
            self.entry(&name, Kind::Folder, mode, 0, &mut io::empty())?;
        }
        Ok(())
    }

    /// Adds a file from memory.
    ///
    /// # Errors
    /// [`Error::BadPath`], [`Error::TooLarge`], [`Error::Write`].
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.file_from(path, mode, content.len() as u64, &mut &content[..])
    }

    /// Adds a file of exactly `size` bytes from a reader, without holding it in memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] from 4 GiB on, [`Error::SizeChanged`] when the reader gives another number of bytes,
    /// [`Error::Entry`] when it fails, [`Error::BadPath`], [`Error::Write`].
    pub fn file_from(&mut self, path: &str, mode: u32, size: u64, content: &mut dyn Read) -> Result<()> {
        let name = name_of(path)?.to_owned();
        self.parents(&name)?;
        self.entry(&name, Kind::File, mode, size, content)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// [`Error::BadPath`], [`Error::Write`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let name = name_of(path)?.to_owned();
        self.parents(&name)?;
        self.entry(&name, Kind::Link, 0o777, target.len() as u64, &mut target.as_bytes())
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// [`Error::BadPath`], [`Error::Write`].
    pub fn node(&mut self, path: &str, mode: u32, major: u32, minor: u32) -> Result<()> {
        let name = name_of(path)?.to_owned();
        self.parents(&name)?;
        self.entry(&name, Kind::Device { major, minor }, mode, 0, &mut io::empty())
    }

    /// Adds [`DEVICES`].
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn devices(&mut self) -> Result<()> {
        DEVICES.into_iter().try_for_each(|(path, mode, major, minor)| self.node(path, mode, major, minor))
    }

    /// Writes the trailer, pads to a multiple of 512 bytes, and hands the writer back.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<W> {
        trailer(&mut self.out).map_err(Error::Write)?;
        let zeros = [0; ALIGNMENT as usize];
        let count = padding(self.out.written) as usize;
        self.out.write_all(&zeros[..count]).map_err(Error::Write)?;
        Ok(self.out.inner)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.out.written
    }

    fn parents(&mut self, name: &str) -> Result<()> {
        for (at, _) in name.match_indices('/') {
            let parent = &name[..at];
            if !self.dirs.contains(parent) {
                self.dirs.insert(parent.to_owned());
                self.entry(parent, Kind::Folder, 0o755, 0, &mut io::empty())?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, kind: Kind, mode: u32, size: u64, content: &mut dyn Read) -> Result<()> {
        let length = u32::try_from(size).map_err(|_| Error::TooLarge { path: name.to_owned(), size })?;
        self.inode += 1;
        let header = kind.mark(Builder::new(name).ino(self.inode).mode(mode & 0o7777));
        let mut entry = header.write(&mut self.out, length);
        let mut buffer = vec![0; COPY_BUFFER.min(size as usize)];
        let mut left = size;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match content.read(&mut buffer[..want]) {
                Ok(0) => {
                    return Err(Error::SizeChanged { path: name.to_owned(), expected: size, got: size - left });
                }
                Ok(n) => {
                    entry.write_all(&buffer[..n]).map_err(Error::Write)?;
                    left -= n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Entry { path: name.to_owned(), source }),
            }
        }
        entry.finish().map_err(Error::Write)?;
        // A source that goes on after its announced size is another file than the one that was measured.
        let mut one = [0];
        match content.read(&mut one) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Error::SizeChanged { path: name.to_owned(), expected: size, got: size + 1 }),
            Err(source) => Err(Error::Entry { path: name.to_owned(), source }),
        }
    }
}

/// Sizes of an archive before it is written: the same calls as on [`Archive`], with sizes instead of contents.
#[derive(Debug, Default, Clone)]
pub struct Sizing {
    bytes: u64,
    dirs: BTreeSet<String>,
}

impl Sizing {
    /// Counts a folder.
    pub fn dir(&mut self, path: &str) {
        let name = path.trim_matches('/');
        self.parents(name);
        if self.dirs.insert(name.to_owned()) {
            self.bytes += entry_size(name, 0);
        }
    }

    /// Counts a file (or a symbolic link, whose content is its target).
    pub fn file(&mut self, path: &str, size: u64) {
        let name = path.trim_matches('/');
        self.parents(name);
        self.bytes += entry_size(name, size);
    }

    /// Counts [`DEVICES`].
    pub fn devices(&mut self) {
        DEVICES.into_iter().for_each(|(path, ..)| self.file(path, 0));
    }

    /// The whole archive, with trailer and padding.
    pub fn total(&self) -> u64 {
        (self.bytes + entry_size(TRAILER, 0)).next_multiple_of(ALIGNMENT)
    }

    fn parents(&mut self, name: &str) {
        for (at, _) in name.match_indices('/') {
            if self.dirs.insert(name[..at].to_owned()) {
                self.bytes += entry_size(&name[..at], 0);
            }
        }
    }
}

fn entry_size(name: &str, size: u64) -> u64 {
    (HEADER + name.len() as u64 + 1).next_multiple_of(4) + size.next_multiple_of(4)
}

/// The name as it stands in the archive: without the leading slash.
fn name_of(path: &str) -> Result<&str> {
    let name = path.strip_prefix('/').unwrap_or_default();
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
    if name == TRAILER || name.len() > 4095 || name.split('/').any(bad) {
        return Err(Error::BadPath { path: path.to_owned() });
    }
    Ok(name)
}

/// Zero bytes to add to `len` bytes to reach a multiple of [`ALIGNMENT`].
pub fn padding(len: u64) -> u64 {
    len.next_multiple_of(ALIGNMENT) - len
}

/// Appends zero bytes up to a multiple of [`ALIGNMENT`]: parts so padded can be concatenated on BIOS and UEFI alike.
pub fn pad_to_512(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

/// One zstd frame (single-threaded, so the same bytes each time), padded to 512 bytes. Levels up to 19 keep the window at
/// 8 MiB, within what the kernel's decompressor takes.
///
/// # Errors
/// [`Error::Write`].
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), level).map_err(Error::Write)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64)).map_err(Error::Write)?;
    encoder.include_contentsize(true).map_err(Error::Write)?;
    encoder.include_checksum(true).map_err(Error::Write)?;
    encoder.write_all(bytes).map_err(Error::Write)?;
    let mut out = encoder.finish().map_err(Error::Write)?;
    pad_to_512(&mut out);
    Ok(out)
}

/// Unpacks what [`compress`] made (one frame and its padding), up to `limit` bytes.
///
/// # Errors
/// [`Error::Invalid`] when it is no zstd frame or unpacks to more.
pub fn decompress(bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
    let damaged = |why: String| Error::Invalid { what: "a compressed archive", why };
    let mut content = Vec::new();
    let decoder = zstd::Decoder::with_buffer(bytes).map_err(|e| damaged(e.to_string()))?.single_frame();
    decoder.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(|e| damaged(e.to_string()))?;
    if content.len() as u64 > limit {
        return Err(damaged(format!("expected at most {limit} bytes unpacked, there are more")));
    }
    Ok(content)
}
