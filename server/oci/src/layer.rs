//! One layer or plain tar, read as a stream: its blob is hashed, unpacked (by its first bytes: gzip, zstd, xz or none), hashed
//! again, and each entry put on the tree. Contents go to the spool. Memory is bounded whatever the layer is; a layer that fails
//! leaves a tree that must not be used.

use crate::archive::{Archive, Record, Type};
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result, shown};
use crate::limits::Limits;
use crate::name::Name;
use crate::spool::{Content, Spool};
use crate::tree::{Entry, Kind, Metadata, Tree};
use std::io::{self, BufRead, BufReader, Read};

const BUFFER: usize = 256 * 1024;
/// An entry has so many bytes of headers and padding at most, on average.
const HEADERS: u64 = 4096;

/// A layer's bytes, and what they must be.
pub struct Blob<'a> {
    /// For messages: `layer 2 of 5`.
    pub what: String,
    /// As they are stored.
    pub input: Box<dyn Read + 'a>,
    /// Of the stored bytes.
    pub digest: Option<Digest>,
    /// Of the stored bytes.
    pub size: Option<u64>,
    /// Of the unpacked tar.
    pub diff_id: Option<Digest>,
}

/// Put a layer on the tree.
///
/// # Errors
/// [`Error::Archive`], [`Error::Limit`], [`Error::Mismatch`], [`Error::Io`]; the tree is then of no use.
pub fn apply_layer(tree: &mut Tree, spool: &mut Spool, blob: Blob<'_>) -> Result<()> {
    apply(tree, spool, blob, Names::OfLayer)
}

/// Put a tar on the tree that is no layer: a name that begins with `.wh.` is a name like any other.
///
/// # Errors
/// Those of [`apply_layer`].
pub fn apply_tar(tree: &mut Tree, spool: &mut Spool, blob: Blob<'_>) -> Result<()> {
    apply(tree, spool, blob, Names::Plain)
}

/// What names mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// `.wh.x` takes `x` away.
    OfLayer,
    /// All are entries.
    Plain,
}

fn apply(tree: &mut Tree, spool: &mut Spool, blob: Blob<'_>, names: Names) -> Result<()> {
    let Blob { what, input, digest, size, diff_id } = blob;
    let reading = || Error::io(format!("read {what}"));
    let limits = tree.limits.clone();
    // One byte more than it may have, so that a longer one is seen.
    let longest = size.unwrap_or(limits.packed).saturating_add(1);
    let mut packed = BufReader::with_capacity(BUFFER, Hashing::new(input.take(longest), digest.as_ref()));
    let head = packed.fill_buf().map_err(reading())?;
    let packing = Packing::of(head);
    if let Some((by, program)) = Packing::unknown(head) {
        let problem = format!(
            "expected a tar as it is, or packed by gzip, zstd or xz, this one is packed by {by}: unpack it with `{program}` first"
        );
        return Err(Error::archive(what, problem));
    }
    let unpacked: Box<dyn Read> = match packing {
        Packing::None => Box::new(&mut packed),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(&mut packed)),
        Packing::Zstd => Box::new(zstd_reader(&mut packed, &what)?),
        Packing::Xz => Box::new(xz_reader(&mut packed)),
    };
    let allowed = limits.unpacked.saturating_sub(tree.used.unpacked);
    let bounded = Bounded {
        inner: Hashing::new(unpacked, diff_id.as_ref()),
        what: &what,
        limits: &limits,
        packed: size,
        allowed,
    };
    let mut archive = Archive::new(bounded, what.as_str(), &limits);
    tree.begin_layer();
    while let Some(record) = archive.next_record()? {
        entry(tree, spool, &mut archive, record, names, &what)?;
    }
    // What stands behind the end of the tar belongs to the layer's digest, and to its bounds.
    {
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(reading())?;
        rest.inner.finish(&format!("{what}, unpacked"), diff_id.as_ref())?;
    }
    let read = packed.into_inner().finish(&what, digest.as_ref())?;
    match size {
        Some(size) if size != read => {
            let got = if read > size { format!("more than {size}") } else { read.to_string() };
            Err(Error::Mismatch { what, expected: format!("{size} bytes"), got })
        }
        _ => Ok(()),
    }
}

fn entry<R: Read>(
    tree: &mut Tree,
    spool: &mut Spool,
    archive: &mut Archive<'_, R>,
    record: Record,
    names: Names,
    what: &str,
) -> Result<()> {
    tree.used.entries += 1;
    if tree.used.entries > tree.limits.entries {
        let what = "the image has more entries than anything real".into();
        return Err(Error::Limit { at: shown(&record.path), what, limit: tree.limits.entries });
    }
    let within = |error: Error| match error {
        Error::Archive { at, problem } => Error::archive(format!("{what}: {at}"), problem),
        other => other,
    };
    let longest = tree.limits.path;
    let name = Name::parse(&record.path, longest).map_err(within)?;
    if names == Names::OfLayer && tree.whiteout(&name).map_err(within)? {
        return Ok(());
    }
    let kind = match record.kind {
        Type::HardLink => {
            let target = Name::parse(&record.link, longest).map_err(|error| match error {
                Error::Archive { problem, .. } => {
                    let problem = format!("the target {} of this hard link: {problem}", shown(&record.link));
                    Error::archive(format!("{what}: {name}"), problem)
                }
                other => other,
            })?;
            return tree.put_link(&name, &target).map_err(within);
        }
        Type::File => Kind::File(content(tree, spool, archive, &record, &name)?),
        Type::Symlink if record.link.is_empty() || record.link.len() >= longest || record.link.contains(&0) => {
            return Err(Error::archive(format!("{what}: {name}"), "Linux has no symbolic link with such a target"));
        }
        Type::Symlink => Kind::Symlink(record.link),
        Type::Char => Kind::Char(record.device.0, record.device.1),
        Type::Block => Kind::Block(record.device.0, record.device.1),
        Type::Dir => Kind::Dir,
        Type::Fifo => Kind::Fifo,
    };
    let Record { mode, uid, gid, mtime, xattrs, .. } = record;
    tree.put(&name, Entry { kind, metadata: Metadata { mode, uid, gid, mtime, xattrs } }).map_err(within)
}

/// A file's bytes into the spool; holes of a sparse one count as bytes.
fn content<R: Read>(
    tree: &mut Tree,
    spool: &mut Spool,
    archive: &mut Archive<'_, R>,
    record: &Record,
    name: &Name,
) -> Result<Content> {
    let limit = tree.limits.unpacked;
    tree.used.unpacked = tree.used.unpacked.saturating_add(record.size);
    if tree.used.unpacked > limit {
        let what = format!("with this file of {} bytes, the image unpacks to more", record.size);
        return Err(Error::Limit { at: name.to_string(), what, limit });
    }
    let failed = || Error::io(format!("unpack {name}"));
    let Some(pieces) = &record.pieces else {
        let content = spool.append(&mut archive.data()).map_err(failed())?;
        return Ok(content);
    };
    let offset = spool.end();
    for piece in pieces {
        let at = spool.end() - offset;
        spool.skip(piece.offset.saturating_sub(at)).map_err(failed())?;
        spool.append(&mut archive.data().take(piece.size)).map_err(failed())?;
    }
    let at = spool.end() - offset;
    spool.skip(record.size.saturating_sub(at)).map_err(failed())?;
    Ok(Content { offset, size: record.size })
}

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    /// By the first bytes: media types are often wrong, and a tar begins like neither.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, as zstd:chunked and others begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// What is read by nobody here, and the program that unpacks it.
    fn unknown(head: &[u8]) -> Option<(&'static str, &'static str)> {
        match head {
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some(("bzip2", "bzip2 -d")),
            [b'P', b'K', 3, 4, ..] => Some(("zip", "unzip")),
            _ => None,
        }
    }
}

/// zstd with a window of 128 MiB at most, whatever the frame asks for.
pub(crate) fn zstd_reader<R: BufRead>(input: R, what: &str) -> Result<impl Read + use<R>> {
    let begin = || Error::io(format!("unpack {what}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(begin())?;
    decoder.window_log_max(27).map_err(begin())?;
    Ok(decoder)
}

/// KiB that unpacking xz may take: `xz -9` needs half of it.
const XZ_MEMORY: u32 = 132 << 10;

/// xz, of one stream or several, within [`XZ_MEMORY`] whatever its dictionary is.
pub(crate) fn xz_reader<R: Read>(input: R) -> impl Read + use<R> {
    lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY)
}

/// Ends a bomb early: by all unpacked bytes, and by how many there are for one packed byte.
struct Bounded<'a, R> {
    inner: Hashing<R>,
    what: &'a str,
    limits: &'a Limits,
    /// Bytes of the whole blob.
    packed: Option<u64>,
    /// Bytes of contents that the image may still have.
    allowed: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf).map_err(|e| match e.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            true => e,
            false => io::Error::other(Error::archive(self.what, format!("it cannot be unpacked: {e}"))),
        })?;
        let refuse =
            |what: String, limit| Err(io::Error::other(Error::Limit { at: self.what.to_owned(), what, limit }));
        if self.inner.bytes > self.allowed.saturating_add(self.limits.entries.saturating_mul(HEADERS)) {
            return refuse("it unpacks to more bytes".into(), self.limits.unpacked);
        }
        if let Some(packed) = self.packed
            && self.limits.ratio > 0
            && self.inner.bytes > self.limits.ratio_from
            && self.inner.bytes / packed.max(1) > self.limits.ratio
        {
            let what = format!(
                "{packed} bytes unpack to {} and more, which looks like a bomb: the ratio is",
                self.inner.bytes
            );
            return refuse(what, self.limits.ratio);
        }
        Ok(n)
    }
}
