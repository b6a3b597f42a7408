//! Reads a tar entry by entry: ustar, pax, GNU long names and sparse files (also those of pax). Not the reader of the
//! crate `tar`: that one splits pax records at newlines, so it loses a capability with a byte 0x0a in it, and reads
//! headers of any length into memory. Two readings of one archive are a hole: what is ambiguous is refused.
//! Nothing is unpacked here. Sources: pax in POSIX.1-2017, GNU tar manual ("Basic Tar Format", "Sparse Formats").

mod header;
mod pax;
mod sparse;

use crate::error::{Error, Result, shown};
use crate::limits::Limits;
use header::Header;
use pax::Pax;
use std::collections::BTreeMap;
use std::io::{self, Read};

pub use sparse::Piece;

const BLOCK: u64 = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// With bytes that follow.
    File,
    /// Another name of an entry.
    HardLink,
    /// Its target is never looked at here.
    Symlink,
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Folder.
    Dir,
    /// Named pipe.
    Fifo,
}

/// One entry, its headers understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As it is written; not checked.
    pub path: Vec<u8>,
    /// Target of a link, as it is written; not checked.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Type,
    /// Bytes of the file, holes included.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Extended attributes (`SCHILY.xattr.*`).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where the stored bytes belong, when the file has holes.
    pub pieces: Option<Vec<Piece>>,
}

/// Entries of one archive.
pub struct Archive<'l, R> {
    input: R,
    /// For messages.
    at: String,
    limits: &'l Limits,
    /// Bytes of the current entry that were not read yet.
    left: u64,
    padding: u64,
    ended: bool,
}

impl<'l, R: Read> Archive<'l, R> {
    /// `at` names the archive in errors.
    pub fn new(input: R, at: impl Into<String>, limits: &'l Limits) -> Self {
        Self { input, at: at.into(), limits, left: 0, padding: 0, ended: false }
    }

    /// What is left of the input, when no more entries are wanted.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next entry; what was not read of the one before is passed over.
    ///
    /// # Errors
    /// [`Error::Archive`] for what is no tar, is cut off or ambiguous; [`Error::Limit`]; [`Error::Io`].
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        self.pass(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut allowance = self.limits.headers;
        let (mut pax, mut long_path, mut long_link) = (None, None, None);
        while !self.ended {
            let Some(header) = self.header(&mut allowance)? else {
                self.ended = true;
                if pax.is_some() || long_path.is_some() || long_link.is_some() {
                    return Err(self.bad("it ends after the headers of an entry, the entry itself is missing"));
                }
                break;
            };
            match header.kind() {
                b'x' => self.once(&mut pax, &header, &mut allowance)?,
                b'L' => self.once(&mut long_path, &header, &mut allowance)?,
                b'K' => self.once(&mut long_link, &header, &mut allowance)?,
                b'g' => {
                    let bytes = self.extension(&header, &mut allowance)?;
                    Pax::parse(&bytes).and_then(|pax| pax.must_change_nothing()).map_err(|e| self.bad(e))?;
                }
                // A name of the whole archive.
                b'V' => {
                    self.extension(&header, &mut allowance)?;
                }
                _ => {
                    let pax = pax.map(|bytes| Pax::parse(&bytes)).transpose().map_err(|e| self.bad(e))?;
                    let record = self.entry(&header, pax.unwrap_or_default(), long_path, long_link, &mut allowance)?;
                    return Ok(Some(record));
                }
            }
        }
        Ok(None)
    }

    /// Bytes of the current entry, as they are stored.
    pub fn data(&mut self) -> impl Read {
        Data(self)
    }

    fn bad(&self, problem: impl Into<String>) -> Error {
        Error::archive(&self.at, problem)
    }

    /// A header block; nothing at the end of the archive (a block of zeros, or no more bytes).
    fn header(&mut self, allowance: &mut u64) -> Result<Option<Header>> {
        self.spend(allowance, BLOCK)?;
        let mut block = [0; BLOCK as usize];
        let mut n = 0;
        while n < block.len() {
            match self.input.read(&mut block[n..]) {
                Ok(0) if n == 0 => return Ok(None),
                Ok(0) => return Err(self.bad("it ends in the middle of a header")),
                Ok(more) => n += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(format!("read {}", self.at))(e)),
            }
        }
        Header::parse(block).map_err(|problem| self.bad(problem))
    }

    fn spend(&self, allowance: &mut u64, bytes: u64) -> Result<()> {
        *allowance = allowance.checked_sub(bytes).ok_or_else(|| Error::Limit {
            at: self.at.clone(),
            what: "the headers of one entry are longer than anything real".into(),
            limit: self.limits.headers,
        })?;
        Ok(())
    }

    /// The content of a header that describes the next entry.
    fn extension(&mut self, header: &Header, allowance: &mut u64) -> Result<Vec<u8>> {
        let size = header.size().map_err(|e| self.bad(e))?;
        self.spend(allowance, size)?;
        // Not more than `Limits::headers`: it was taken off the allowance.
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| self.bad("a header is too long"))?];
        self.exact(&mut bytes)?;
        self.pass(padding(size))?;
        Ok(bytes)
    }

    fn once(&mut self, slot: &mut Option<Vec<u8>>, header: &Header, allowance: &mut u64) -> Result<()> {
        if slot.is_some() {
            return Err(self.bad("two headers of one kind describe one entry; it is not clear which one counts"));
        }
        *slot = Some(self.extension(header, allowance)?);
        Ok(())
    }

    fn exact(&mut self, buf: &mut [u8]) -> Result<()> {
        self.input.read_exact(buf).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.bad("it ends in the middle of an entry; it was cut off"),
            _ => Error::io(format!("read {}", self.at))(e),
        })
    }

    fn pass(&mut self, mut bytes: u64) -> Result<()> {
        let mut buf = [0; 8192];
        while bytes > 0 {
            let n = usize::try_from(bytes).unwrap_or(buf.len()).min(buf.len());
            self.exact(&mut buf[..n])?;
            bytes -= n as u64;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        header: &Header,
        mut pax: Pax,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        allowance: &mut u64,
    ) -> Result<Record> {
        let path = pax.path.take().or_else(|| long_path.map(no_nul)).unwrap_or_else(|| header.path());
        let link = pax.link.take().or_else(|| long_link.map(no_nul)).unwrap_or_else(|| header.link());
        let at = format!("{}: {}", self.at, shown(&path));
        let bad = |problem: String| Error::archive(&at, problem);
        let kind = match header.kind() {
            // Before there was a type for folders.
            b'0' | 0 | b'7' if path.ends_with(b"/") => Type::Dir,
            b'0' | 0 | b'7' | b'S' => Type::File,
            b'1' => Type::HardLink,
            b'2' => Type::Symlink,
            b'3' => Type::Char,
            b'4' => Type::Block,
            b'5' => Type::Dir,
            b'6' => Type::Fifo,
            other => return Err(bad(format!("an entry of the type {:?} is not known", shown(&[other])))),
        };
        let mut stored = pax.size.map_or_else(|| header.size(), Ok).map_err(bad)?;
        if kind != Type::File && stored != 0 {
            return Err(bad(format!("only a file can have bytes, this {kind:?} says that it has {stored}")));
        }
        let id = |what: &str, given: Option<u64>, field: std::result::Result<u64, String>| {
            let id = given.map_or(field, Ok)?;
            u32::try_from(id).map_err(|_| format!("the {what} {id} is more than Linux has"))
        };
        let uid = id("owner", pax.uid, header.uid()).map_err(bad)?;
        let gid = id("group", pax.gid, header.gid()).map_err(bad)?;
        let mtime = pax.mtime.map_or_else(|| header.mtime(), Ok).map_err(bad)?;
        let mode = header.mode().map_err(bad)?;
        let device = match kind {
            Type::Char | Type::Block => header.device().map_err(bad)?,
            _ => (0, 0),
        };
        (self.left, self.padding) = (stored, padding(stored));
        let (path, size, pieces) = match (header.kind(), pax.sparse.take()) {
            (b'S', None) => {
                let (mut map, real, mut more) = header.sparse().map_err(bad)?;
                while more {
                    self.spend(allowance, BLOCK)?;
                    let mut block = [0; BLOCK as usize];
                    self.exact(&mut block)?;
                    more = sparse::extended(&block, &mut map).map_err(bad)?;
                }
                sparse::check(&map, real, stored).map_err(bad)?;
                (path, real, Some(map))
            }
            (b'S', Some(_)) => return Err(bad("it is a sparse file in two ways".into())),
            (_, Some(_)) if kind != Type::File => return Err(bad("only a file can be sparse".into())),
            (_, Some(given)) => {
                let real = given.size.ok_or_else(|| bad("a sparse file without its size".into()))?;
                let map = match given.map {
                    Some(map) => map,
                    // The map stands before the bytes.
                    None => {
                        let budget = (*allowance).min(stored);
                        let (map, used) = sparse::read_map(&mut Data(self).take(budget)).map_err(bad)?;
                        stored -= used;
                        map
                    }
                };
                sparse::check(&map, real, stored).map_err(bad)?;
                (given.name.unwrap_or(path), real, Some(map))
            }
            (_, None) => (path, stored, None),
        };
        Ok(Record { path, link, kind, size, mode, uid, gid, mtime, device, xattrs: pax.xattrs, pieces })
    }
}

struct Data<'a, 'l, R>(&'a mut Archive<'l, R>);

impl<R: Read> Read for Data<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from(self.0.left).unwrap_or(buf.len()).min(buf.len());
        if n == 0 {
            return Ok(0);
        }
        let n = self.0.input.read(&mut buf[..n])?;
        if n == 0 {
            return Err(io::Error::other(self.0.bad("it ends in the middle of a file; it was cut off")));
        }
        self.0.left -= n as u64;
        Ok(n)
    }
}

/// Zeros after so many bytes, to the next block.
fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// GNU's long names end with a NUL.
fn no_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}
