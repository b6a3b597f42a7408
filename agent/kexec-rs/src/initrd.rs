//! Initramfs parts, appended in a memfd. Each part starts at a multiple of 512 bytes: the kernel finds the next archive
//! at a multiple of 4, and loaders pad to sectors. Streams: no part is held in memory beside its place in the memfd.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Read, Seek, Write},
};

use nix::{
    fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};

use crate::Error;

/// Parts start at multiples of this many bytes.
pub const ALIGNMENT: u64 = 512;
const CHUNK: usize = 1 << 20;

/// Zero bytes to add to `len` bytes to reach a multiple of [`ALIGNMENT`].
pub fn padding(len: u64) -> u64 {
    len.next_multiple_of(ALIGNMENT) - len
}

/// One part of an initramfs.
pub enum Part<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// All that the reader gives; exactly `size` bytes when given.
    Reader {
        /// Where the bytes come from.
        reader: Box<dyn Read + 'a>,
        /// How many there must be.
        size: Option<u64>,
    },
    /// A whole file from its start, kept as it is.
    File(&'a File),
    /// A whole file from its start, given up: its pages are freed (holes punched) while it is copied, so that a
    /// memfd of 1 GiB is not in memory twice. It is empty of data afterwards.
    Consume(File),
}

/// A memfd being filled: write a part, [`end_part`](Concat::end_part), write the next.
#[derive(Debug)]
pub struct Concat {
    file: File,
    len: u64,
}

/// A new empty memfd (close-on-exec, sealable); `name` shows in /proc only.
///
/// # Errors
/// [`Error::Io`] when the system has no memory or no descriptors left.
pub fn memfd(name: &CStr) -> Result<File, Error> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
        .map(File::from)
        .map_err(|e| Error::Io { what: "create a memfd", source: e.into() })
}

/// Forbids every later change of a memfd: what was verified is what is loaded.
///
/// # Errors
/// [`Error::Io`] for a file that is no sealable memfd.
pub fn seal(file: &File) -> Result<(), Error> {
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))
        .map(drop)
        .map_err(|e| Error::Io { what: "seal the memfd", source: e.into() })
}

/// Appends the parts in a new memfd, each padded to 512 bytes, rewound to its start.
///
/// # Errors
/// [`Error::Io`] when reading or memory fails, [`Error::PartSize`] when a part has not the announced size.
pub fn concat_initrd<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Result<File, Error> {
    let mut out = Concat::new()?;
    for part in parts {
        out.part(part)?;
    }
    out.finish()
}

impl Concat {
    /// An empty one.
    ///
    /// # Errors
    /// Those of [`memfd`].
    pub fn new() -> Result<Self, Error> {
        Ok(Concat { file: memfd(c"initrd")?, len: 0 })
    }

    /// Bytes so far, padding included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Nothing written yet?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one whole part and its padding.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::PartSize`].
    pub fn part(&mut self, part: Part<'_>) -> Result<(), Error> {
        let io = |source| Error::Io { what: "append an initramfs part in memory", source };
        match part {
            Part::Bytes(bytes) => self.write_all(bytes).map_err(io)?,
            Part::Reader { reader, size: None } => drop(copy(reader, self).map_err(io)?),
            Part::Reader { reader, size: Some(expected) } => {
                // One byte more than announced is asked for, so that an endless source is noticed and not stored.
                let got = copy(reader.take(expected.saturating_add(1)), self).map_err(io)?;
                if got != expected {
                    return Err(Error::PartSize { expected, got });
                }
            }
            Part::File(mut file) => {
                file.rewind().map_err(io)?;
                copy(file, self).map_err(io)?;
            }
            Part::Consume(mut file) => {
                file.rewind().map_err(io)?;
                consume(&file, self).map_err(io)?;
            }
        }
        self.end_part()
    }

    /// Pads what was written to a multiple of 512 bytes, so that the next part may begin.
    ///
    /// # Errors
    /// [`Error::Io`] when memory is out.
    pub fn end_part(&mut self) -> Result<(), Error> {
        let zeros = [0; ALIGNMENT as usize];
        let count = usize::try_from(padding(self.len)).unwrap_or(0);
        self.write_all(&zeros[..count]).map_err(|source| Error::Io { what: "pad an initramfs part", source })
    }

    /// Pads, rewinds, and hands over the memfd.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<File, Error> {
        self.end_part()?;
        self.file.rewind().map_err(|source| Error::Io { what: "rewind the initramfs", source })?;
        Ok(self.file)
    }
}

impl Write for Concat {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(mut from: impl Read, to: &mut Concat) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                total += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn consume(mut from: &File, to: &mut Concat) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut at: i64 = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all(&buffer[..n])?;
        let step = i64::try_from(n).map_err(io::Error::other)?;
        // Only saves memory: a file system without holes keeps its pages until the file is closed.
        let _ = fallocate(from, FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE, at, step);
        at += step;
    }
}
