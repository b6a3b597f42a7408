//! Finds and copies files of an ISO 9660 image, with the names and links of Rock Ridge where it has them. It reads the file and no
//! device, needs no root, mounts nothing, and follows links inside the image only. What the image says of itself is bounded.
//! Source: ECMA-119 (8.4 Primary Volume Descriptor).

use super::record::{self, Extent, Record};
use crate::cli::error::{Failure, Result};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a block; no image has others.
const BLOCK: u64 = 2048;
/// Volume descriptors begin here.
const DESCRIPTORS: u64 = 16;
const MOST_DESCRIPTORS: u64 = 64;
/// Bytes of one folder: 100,000 names.
const LONGEST_FOLDER: u32 = 16 << 20;
/// Bytes of folders that are read of one image, again and again where links lead back: an image of a distribution has some kilobytes.
const MOST_FOLDERS: u64 = 256 << 20;
/// Continuations of one record.
const MOST_MORE: usize = 64;
const MOST_LINKS: usize = 40;

/// An image that is open.
#[derive(Debug)]
pub struct Iso {
    file: File,
    what: String,
    length: u64,
    root: Extent,
    skip: Option<usize>,
    /// Bytes of folders read so far.
    read: Cell<u64>,
}

/// A file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it was found.
    pub path: String,
    extents: Vec<Extent>,
}

impl Place {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.extents.iter().map(|(_, bytes)| u64::from(*bytes)).sum()
    }
}

/// Does the file begin as an ISO 9660 image?
pub fn is_iso(path: &Path) -> bool {
    let mut magic = [0; 5];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut magic, DESCRIPTORS * BLOCK + 1));
    read.is_ok() && magic == *b"CD001"
}

impl Iso {
    /// Reads the descriptors.
    ///
    /// # Errors
    /// It is no ISO 9660 image, or not whole.
    pub fn open(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        let file = File::open(path).map_err(|e| Failure::usage(format!("could not read {what}: {e}")))?;
        let length = file.metadata().map_err(Failure::io("read", path))?.len();
        let iso = Self { file, what, length, root: (0, 0), skip: None, read: Cell::new(0) };
        for block in DESCRIPTORS..DESCRIPTORS + MOST_DESCRIPTORS {
            let bytes = iso.read(block * BLOCK, BLOCK as usize)?;
            if bytes[1..6] != *b"CD001" {
                return Err(iso.bad("a volume descriptor is damaged"));
            }
            match bytes[0] {
                1 => return iso.primary(&bytes),
                255 => break,
                _ => {}
            }
        }
        Err(iso.bad("it has no primary volume descriptor"))
    }

    fn primary(mut self, bytes: &[u8]) -> Result<Self> {
        let number = |at: usize, n: usize| {
            bytes.get(at..at + n).unwrap_or_default().iter().rev().fold(0u64, |value, b| value << 8 | u64::from(*b))
        };
        if number(128, 2) != BLOCK {
            return Err(self.bad(&format!("expected blocks of {BLOCK} bytes, it has {}", number(128, 2))));
        }
        let expected = number(80, 4) * BLOCK;
        if self.length < expected {
            return Err(Failure::usage(format!(
                "{}: expected {expected} bytes, as it says of itself, it has {}: it was cut off, fetch it again",
                self.what, self.length
            )));
        }
        let root = record::record(bytes.get(156..190).unwrap_or_default(), 0).map_err(|e| self.bad(e))?;
        let extent = root.and_then(|(root, _)| root.extents.first().copied());
        self.root = extent.ok_or_else(|| self.bad("it has no root folder"))?;
        self.skip = record::skipped(&self.read(u64::from(self.root.0) * BLOCK, BLOCK as usize)?);
        Ok(self)
    }

    fn bad(&self, problem: &str) -> Failure {
        Failure::usage(format!("{}: expected an ISO 9660 image: {problem}", self.what))
    }

    fn read(&self, at: u64, bytes: usize) -> Result<Vec<u8>> {
        if at.saturating_add(bytes as u64) > self.length {
            return Err(Failure::usage(format!(
                "{}: expected {bytes} bytes at {at}, it ends at {}: it was cut off or is damaged, fetch it again",
                self.what, self.length
            )));
        }
        let mut buffer = vec![0; bytes];
        self.file
            .read_exact_at(&mut buffer, at)
            .map_err(|e| Failure::failed(format!("could not read {}: {e}", self.what)))?;
        Ok(buffer)
    }

    /// What is in a folder, in the order of the image.
    fn records(&self, (block, bytes): Extent) -> Result<Vec<Record>> {
        if bytes > LONGEST_FOLDER {
            return Err(self.bad(&format!("a folder of {bytes} bytes, more than the {LONGEST_FOLDER} that are read")));
        }
        self.read.set(self.read.get() + u64::from(bytes));
        if self.read.get() > MOST_FOLDERS {
            return Err(self.bad(&format!("its folders and links need more than {MOST_FOLDERS} bytes to be read")));
        }
        let data = self.read(u64::from(block) * BLOCK, bytes as usize)?;
        let mut records: Vec<Record> = Vec::new();
        let mut goes_on = false;
        for block in data.chunks(BLOCK as usize) {
            let mut rest = block;
            while let Some((mut record, length)) =
                record::record(rest, self.skip.unwrap_or(0)).map_err(|e| self.bad(e))?
            {
                rest = &rest[length..];
                self.complete(&mut record)?;
                let more = std::mem::replace(&mut goes_on, record.goes_on);
                match records.last_mut().filter(|last| more && last.name == record.name) {
                    Some(last) => last.extents.append(&mut record.extents),
                    None => records.push(record),
                }
            }
        }
        Ok(records)
    }

    /// With what stands elsewhere.
    fn complete(&self, record: &mut Record) -> Result<()> {
        for _ in 0..MOST_MORE {
            let Some((block, offset, bytes)) = record.more else {
                let Some(block) = record.moved_to else { return Ok(()) };
                let own = self.read(u64::from(block) * BLOCK, BLOCK as usize)?;
                let own = record::record(&own, self.skip.unwrap_or(0)).map_err(|e| self.bad(e))?;
                record.extents = own.map(|(own, _)| own.extents).unwrap_or_default();
                record.is_folder = true;
                return Ok(());
            };
            if u64::from(bytes) > BLOCK {
                return Err(self.bad("what continues a record is longer than a block"));
            }
            let area = self.read(u64::from(block) * BLOCK + u64::from(offset), bytes as usize)?;
            record.rock_ridge(&area).map_err(|e| self.bad(e))?;
        }
        Err(self.bad("a record goes on for ever"))
    }

    /// The record at a path after all links.
    fn look(&self, path: &str) -> Result<Option<Record>> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
        };
        let root = Record { is_folder: true, extents: vec![self.root], ..Record::default() };
        let (mut way, mut rest): (Vec<Record>, VecDeque<Vec<u8>>) = (vec![root], parts(path.as_bytes()).into());
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            let Some(folder) = way.last().filter(|last| last.is_folder) else { return Ok(None) };
            if part == b".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let Some(extent) = folder.extents.first() else { return Ok(None) };
            let same = |record: &Record| match record.is_exact {
                true => record.name == part,
                false => record.name.eq_ignore_ascii_case(&part),
            };
            let Some(found) = self.records(*extent)?.into_iter().find(|record| !record.is_moved && same(record)) else {
                return Ok(None);
            };
            match found.link {
                Some(target) => {
                    links += 1;
                    if links > MOST_LINKS || rest.len() > 4096 {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
                }
                None => way.push(found),
            }
        }
        Ok(way.pop())
    }

    /// The file at a path; none when there is none.
    ///
    /// # Errors
    /// The image is damaged.
    pub fn find(&self, path: &str) -> Result<Option<Place>> {
        let found = self.look(path)?.filter(|record| !record.is_folder);
        Ok(found.map(|record| Place { path: path.to_owned(), extents: record.extents }))
    }

    /// Names in the folder at a path, sorted; lower case where the image keeps no case.
    ///
    /// # Errors
    /// The image is damaged.
    pub fn names(&self, path: &str) -> Result<Vec<String>> {
        let Some(folder) = self.look(path)?.filter(|record| record.is_folder) else { return Ok(Vec::new()) };
        let Some(extent) = folder.extents.first() else { return Ok(Vec::new()) };
        let records = self.records(*extent)?;
        let shown = records.iter().filter(|record| !record.is_moved && !matches!(&record.name[..], b"." | b".."));
        let mut names: Vec<String> = shown
            .filter_map(|record| {
                let name = std::str::from_utf8(&record.name).ok()?;
                Some(if record.is_exact { name.to_owned() } else { name.to_ascii_lowercase() })
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Copies a file to a new one.
    ///
    /// # Errors
    /// The image ends in the middle of it; the new file's.
    pub fn copy(&self, place: &Place, to: &Path) -> Result<()> {
        let end = |(block, bytes): &Extent| u64::from(*block) * BLOCK + u64::from(*bytes);
        if let Some(beyond) = place.extents.iter().map(end).find(|end| *end > self.length) {
            return Err(Failure::usage(format!(
                "{}: expected /{} up to byte {beyond}, it ends at {}: it was cut off or is damaged, fetch it again",
                self.what, place.path, self.length
            )));
        }
        let mut out = File::create_new(to).map_err(Failure::io("make", to))?;
        for (block, bytes) in &place.extents {
            let mut from = Section { file: &self.file, at: u64::from(*block) * BLOCK, left: u64::from(*bytes) };
            std::io::copy(&mut from, &mut out).map_err(Failure::io("write", to))?;
        }
        out.flush().map_err(Failure::io("write", to))
    }
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = usize::try_from(self.left).unwrap_or(buf.len()).min(buf.len());
        let n = self.file.read_at(&mut buf[..n], self.at)?;
        if n == 0 && self.left > 0 && !buf.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
