//! Unpacks a tar archive, plain or compressed with zstd. Nothing in it can make a file outside of the given folder, and
//! nothing of it is believed before it is checked: every entry is made here, none by the tar library.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType, PaxExtensions};

/// What an archive may amount to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the unpacked tar stream.
    pub bytes: u64,
    /// Entries.
    pub entries: usize,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
}

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no tar archive, or a damaged one, or over its size.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// Something in it is not wanted.
    #[error("{path:?}: {problem}")]
    Entry {
        /// Which entry, as it is named there.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is too much in it.
    #[error("more than {0} entries")]
    TooMany(usize),
    /// There is nothing in it.
    #[error("it is empty: expected a tar archive, plain or compressed with zstd")]
    Empty,
}

/// Bytes of a long name or of pax records.
const NAME_RECORD: u64 = 64 * 1024;
/// First bytes of a zstd frame (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Unpacks into `folder`, which is there and empty. Owners and times are not taken over, of the modes only rwx.
pub fn unpack(mut archive: impl Read, folder: &Path, limits: Limits) -> Result<Unpacked, ArchiveError> {
    let mut magic = Vec::new();
    (&mut archive).take(4).read_to_end(&mut magic).map_err(ArchiveError::Read)?;
    let compressed = magic == ZSTD;
    let whole = io::Cursor::new(magic).chain(archive);
    if compressed {
        let plain = zstd::stream::read::Decoder::new(whole).map_err(ArchiveError::Read)?;
        entries(Bounded { inner: plain, left: limits.bytes }, folder, limits.entries)
    } else {
        entries(Bounded { inner: whole, left: limits.bytes }, folder, limits.entries)
    }
}

/// A reader that refuses to give more than so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other("it unpacks to too much"))?;
        Ok(n)
    }
}

/// Names that a record before an entry gave it.
#[derive(Default)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

fn entries(stream: impl Read, folder: &Path, most: usize) -> Result<Unpacked, ArchiveError> {
    let mut archive = Archive::new(stream);
    let mut made = Unpacked::default();
    let mut names = Names::default();
    let mut count = 0usize;
    // Raw: the library would take names of any length into memory.
    for entry in archive.entries().map_err(ArchiveError::Read)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::Read)?;
        count += 1;
        if count > most {
            return Err(ArchiveError::TooMany(most));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => names.path = Some(record(&mut entry)?),
            EntryType::GNULongLink => names.link = Some(record(&mut entry)?),
            EntryType::XHeader => {
                let size = entry.header().entry_size().map_err(ArchiveError::Read)?;
                pax(&record(&mut entry)?, &mut names).map_err(|problem| bad(&size.to_string(), problem))?;
            }
            EntryType::XGlobalHeader => {}
            kind => make(&mut entry, kind, std::mem::take(&mut names), folder, &mut made)?,
        }
    }
    if count == 0 { Err(ArchiveError::Empty) } else { Ok(made) }
}

fn bad(path: &str, problem: impl Into<String>) -> ArchiveError {
    ArchiveError::Entry { path: path.chars().take(200).collect(), problem: problem.into() }
}

/// Content of a record that names the next entry, without the NUL at its end.
fn record(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    entry.take(NAME_RECORD + 1).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
    if bytes.len() as u64 > NAME_RECORD {
        return Err(bad("(record)", "a name of more than 64 KiB"));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The names of pax records (POSIX.1-2001, pax: extended header).
fn pax(bytes: &[u8], names: &mut Names) -> Result<(), String> {
    for extension in PaxExtensions::new(bytes) {
        let extension = extension.map_err(|e| format!("a damaged pax record: {e}"))?;
        match extension.key_bytes() {
            b"path" => names.path = Some(extension.value_bytes().to_vec()),
            b"linkpath" => names.link = Some(extension.value_bytes().to_vec()),
            b"size" => return Err("a pax record of a size: files over 8 GiB do not belong here".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn make(
    entry: &mut Entry<'_, impl Read>,
    kind: EntryType,
    names: Names,
    folder: &Path,
    made: &mut Unpacked,
) -> Result<(), ArchiveError> {
    let raw = names.path.unwrap_or_else(|| entry.header().path_bytes().into_owned());
    let shown = String::from_utf8_lossy(&raw).into_owned();
    let fail = |problem: String| bad(&shown, problem);
    let io_fail = |e: io::Error| bad(&shown, e.to_string());
    let path = inside(&raw).map_err(fail)?;
    let link = || names.link.clone().or_else(|| entry.header().link_name_bytes().map(|name| name.into_owned()));
    if path.as_os_str().is_empty() {
        // "./": the folder itself.
        return if kind.is_dir() { Ok(()) } else { Err(fail("it has no name".to_owned())) };
    }
    let target = folder.join(&path);
    match kind {
        EntryType::Directory => return folders(folder, &path).map_err(fail),
        EntryType::Regular | EntryType::Continuous | EntryType::Symlink | EntryType::Link => {
            folders(folder, path.parent().unwrap_or(Path::new(""))).map_err(fail)?;
        }
        other => return Err(fail(format!("expected files, folders and links, got an entry of type {other:?}"))),
    }
    match kind {
        EntryType::Symlink => {
            let to = link().ok_or_else(|| fail("a link without a target".to_owned()))?;
            let to = symlink_target(&path, &to).map_err(fail)?;
            symlink(to, &target).map_err(io_fail)
        }
        EntryType::Link => {
            let to = link().ok_or_else(|| fail("a link without a target".to_owned()))?;
            let to = inside(&to).map_err(fail)?;
            folders(folder, to.parent().unwrap_or(Path::new(""))).map_err(fail)?;
            let from = folder.join(&to);
            if !from.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                return Err(fail(format!("a link to {}, which is no file that came before it", to.display())));
            }
            fs::hard_link(from, &target).map_err(io_fail)
        }
        _ => {
            let mode = entry.header().mode().map_err(io_fail)? & 0o777;
            let mut file: File =
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&target).map_err(io_fail)?;
            let size = entry.header().size().map_err(io_fail)?;
            let written = io::copy(entry, &mut file).map_err(io_fail)?;
            if written != size {
                return Err(fail(format!("the archive ends after {written} of its {size} bytes")));
            }
            made.files += 1;
            made.bytes += written;
            Ok(())
        }
    }
}

/// The path of an entry, which cannot lead out: no root, no "..". Empty for the top folder itself.
fn inside(raw: &[u8]) -> Result<PathBuf, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8".to_owned())?;
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err("expected a path within the archive, without a leading / and without ..".to_owned());
            }
        }
    }
    if text.len() > 1_024 || path.components().count() > 32 || text.contains('\0') {
        return Err("expected a path of at most 1,024 bytes and 32 folders".to_owned());
    }
    Ok(path)
}

/// The target of a symbolic link at `path`. ".." only at its beginning, and not further up than the top: what it goes
/// through after that is within the folder, and so is where it leads.
fn symlink_target(path: &Path, raw: &[u8]) -> Result<PathBuf, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "the link's target is not UTF-8".to_owned())?;
    let leads_out = || format!("expected a link within the archive, got one to {text:?}");
    let target = Path::new(text);
    let ups = target.components().take_while(|part| *part == Component::ParentDir).count();
    let rest_is_plain =
        target.components().skip(ups).all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let depth = path.parent().map_or(0, |folder| folder.components().count());
    if text.is_empty() || text.len() > 1_024 || ups > depth || !rest_is_plain {
        return Err(leads_out());
    }
    Ok(target.to_owned())
}

/// Makes the folders of `path` below `folder`. What is there already must be a real folder: nothing is written through
/// a link.
fn folders(folder: &Path, path: &Path) -> Result<(), String> {
    let mut place = folder.to_owned();
    for part in path.components() {
        place.push(part);
        match place.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err("a folder on its way is something else already".to_owned()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir(&place).map_err(|e| e.to_string())?,
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(())
}
