//! What has come of one layer: a file, and the hash of its bytes so far. What an earlier pull left counts only after all of it
//! was read. To begin anew is to begin another file: who still reads the old one is not disturbed.

use crate::cache::{Place, create};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, is_full};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

const BLOCK: usize = 256 * 1024;

/// See the module.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    digest: Digest,
    hasher: Hasher,
    /// Bytes of it.
    pub(super) have: u64,
    /// Its first bytes are of an earlier pull.
    pub(super) old: bool,
    /// Of one that is kept.
    _place: Option<Place>,
}

impl Part {
    /// A new file.
    pub(super) fn new(path: PathBuf, digest: &Digest) -> Result<Self> {
        let file = create(&path).map_err(Error::io(format!("make {}", path.display())))?;
        let (digest, hasher) = (digest.clone(), Hasher::like(digest));
        Ok(Self { file, path, digest, hasher, have: 0, old: false, _place: None })
    }

    /// What is in this place of a content of `size` bytes; what cannot be its beginning goes.
    pub(super) fn left(place: Place, digest: &Digest, size: u64) -> Result<Self> {
        let path = place.path().to_owned();
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(Error::io(format!("open {}", path.display())))?;
        let _ = file.set_modified(SystemTime::now());
        let (digest, hasher) = (digest.clone(), Hasher::like(digest));
        let mut part = Self { file, path, digest, hasher, have: 0, old: false, _place: Some(place) };
        let sound = part.read(size) && (part.have < size || part.is_whole());
        if !sound {
            part.restart()?;
        }
        part.old = part.have > 0;
        Ok(part)
    }

    /// Hash what is there. False: it has more bytes, or cannot be read.
    fn read(&mut self, size: u64) -> bool {
        let mut block = vec![0; BLOCK];
        loop {
            match self.file.read(&mut block) {
                Ok(0) => return true,
                Ok(n) => {
                    self.hasher.update(&block[..n]);
                    self.have += n as u64;
                    if self.have > size {
                        return false;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// It is what its digest says, whatever was said of its size.
    pub(super) fn is_whole(&self) -> bool {
        self.hash() == self.digest
    }

    /// Of what is here.
    pub(super) fn hash(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// The next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io(format!("write {}", self.path.display())))?;
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    /// From the first byte.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.forget();
        self.file = create(&self.path).map_err(Error::io(format!("make {}", self.path.display())))?;
        (self.have, self.old, self.hasher) = (0, false, Hasher::like(&self.digest));
        Ok(())
    }

    /// It ended with this error. What is of no use to another pull does not stay, nor does what there is no room for.
    pub(super) fn failed(&self, error: &Error) {
        let useless = match error {
            Error::Mismatch { .. } => true,
            Error::Io { source, .. } => is_full(source),
            _ => self.have == 0,
        };
        if useless {
            self.forget();
        }
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// To be read; others may have its place now.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cache::Cache;
    use std::path::Path;
    use std::time::Duration;

    const CONTENT: &[u8] = b"0123456789";

    fn left(folder: &Path) -> Part {
        let digest = Digest::of(CONTENT);
        let place = Cache::new(folder, Duration::ZERO).try_place(&digest).unwrap().unwrap();
        Part::left(place, &digest, CONTENT.len() as u64).unwrap()
    }

    #[test]
    fn only_what_may_be_right_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = left(dir.path()).path;
        let cases: [(&[u8], u64); 6] = [
            (b"", 0),
            (b"0123", 4),
            // Only the hash of the whole will tell.
            (b"01x3", 4),
            (CONTENT, 10),
            (b"012345678x", 0),
            (b"0123456789more", 0),
        ];
        for (there, have) in cases {
            std::fs::write(&path, there).unwrap();
            let part = left(dir.path());
            assert_eq!((part.have, part.old), (have, have > 0), "{there:?}");
            assert_eq!(part.is_whole(), there == CONTENT);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), have, "{there:?}");
        }
    }

    #[test]
    fn what_goes_on_is_whole_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = left(dir.path());
        part.write(&CONTENT[..4]).unwrap();
        drop(part);
        let mut part = left(dir.path());
        part.write(&CONTENT[4..]).unwrap();
        assert!(part.old && part.is_whole());
        // Who has it open keeps it, whatever becomes of its name.
        let path = part.path.clone();
        let mut file = part.into_file();
        let mut other = left(dir.path());
        other.restart().unwrap();
        other.write(b"x").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        let mut bytes = Vec::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, CONTENT);
    }

    #[test]
    fn without_room_it_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = left(dir.path());
        part.write(b"01").unwrap();
        part.file = File::options().write(true).open("/dev/full").unwrap();
        let error = part.write(b"23").unwrap_err();
        assert_eq!((part.have, part.path.exists()), (2, true));
        part.failed(&Error::Usage("another".into()));
        assert!(part.path.exists());
        part.failed(&error);
        assert!(!part.path.exists(), "{error}");
    }
}
