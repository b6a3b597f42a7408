//! Contents of the regular files of an image: one file without a name in a scratch folder, only ever appended to. It is
//! gone when its owner is, whatever happens. Blocks of zeros become holes.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK: usize = 128 * 1024;

/// Where a file's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content {
    /// In the spool.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Spool {
    file: File,
    end: u64,
    block: Vec<u8>,
}

impl Spool {
    /// In this folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder)
            .map_err(Error::io(format!("make a temporary file in {}", folder.display())))?;
        Ok(Self { file, end: 0, block: vec![0; BLOCK] })
    }

    /// Append all of `input`.
    pub(crate) fn append(&mut self, input: &mut impl Read) -> io::Result<Content> {
        let offset = self.end;
        loop {
            let n = fill(input, &mut self.block)?;
            let block = &self.block[..n];
            let hole = !block.iter().any(|b| *b != 0);
            if !hole {
                self.file.write_all_at(block, self.end)?;
            }
            self.end += n as u64;
            if hole && n > 0 {
                self.file.set_len(self.end)?;
            }
            if n < BLOCK {
                break;
            }
        }
        Ok(Content { offset, size: self.end - offset })
    }

    /// Append zeros: a hole.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.end = self.end.checked_add(bytes).ok_or_else(|| io::Error::other("the spool is full"))?;
        self.file.set_len(self.end)
    }

    /// Where the next byte goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Copy a file's bytes to `out`.
    ///
    /// # Errors
    /// Those of the file and of `out`.
    pub fn copy(&self, content: Content, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut block = vec![0; usize::try_from(content.size).unwrap_or(BLOCK).clamp(1, BLOCK)];
        let mut done = 0;
        while done < content.size {
            let n = usize::try_from(content.size - done).unwrap_or(BLOCK).min(block.len());
            self.file.read_exact_at(&mut block[..n], content.offset + done)?;
            out.write_all(&block[..n])?;
            done += n as u64;
        }
        Ok(())
    }

    /// A file's bytes, at most `longest` of them.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(&self, content: Content, longest: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.copy(Content { size: content.size.min(longest), ..content }, &mut bytes)?;
        Ok(bytes)
    }
}

/// Read until the buffer is full or nothing is left.
fn fill(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buf.len() {
        match input.read(&mut buf[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_goes_in_comes_out_and_zeros_cost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path()).unwrap();
        let a = spool.append(&mut &b"hello"[..]).unwrap();
        let zeros = spool.append(&mut io::repeat(0).take(64 << 20)).unwrap();
        let b = spool.append(&mut &b"world"[..]).unwrap();
        assert_eq!((spool.read(a, 99).unwrap(), spool.read(b, 3).unwrap()), (b"hello".to_vec(), b"wor".to_vec()));
        let mut sum = 0_u64;
        let mut out = Vec::new();
        spool.copy(zeros, &mut out).unwrap();
        out.iter().for_each(|b| sum += u64::from(*b));
        assert_eq!((out.len(), sum), (64 << 20, 0));
        assert!(spool.file.metadata().unwrap().blocks() * 512 < 1 << 20);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the spool has no name");
    }
}
