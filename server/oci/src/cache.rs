//! What came of pulls from registries, in a folder, until an import has ended well: layers and configurations, whole or not,
//! each in a file that is named by its digest, so that another pull, also of another image, goes on with it. Nothing in
//! there is believed: who takes a file hashes all of it. Names are as those of the command line's downloads (32 hexadecimal
//! digits, `.part`, `.lock`), which tidies the folder; they tell no registry, no image and no user.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::lock::try_lock;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Hexadecimal digits of a name.
const KEY: usize = 32;

/// See the module. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    pub(crate) wait: Duration,
    /// Names of what was asked for here.
    used: Arc<Mutex<BTreeSet<String>>>,
}

impl Cache {
    /// In this folder, which is there, and its owner's alone. `wait`: for another process that fetches the same.
    pub fn new(folder: &Path, wait: Duration) -> Self {
        Self { folder: folder.to_owned(), wait, used: Arc::default() }
    }

    /// The import has ended well: what it used goes. What another process is writing stays, as that one's.
    pub fn remove(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for key in used {
            if let Ok(Some(place)) = self.locked(&key) {
                place.forget();
                let _ = std::fs::remove_file(self.lock(&key));
            }
        }
    }

    /// Only what has a SHA-256 is kept.
    pub(crate) fn keeps(digest: &Digest) -> bool {
        digest.algorithm() == "sha256"
    }

    /// The place of a content; none while another one has it.
    pub(crate) fn try_place(&self, digest: &Digest) -> Result<Option<Place>> {
        let key = key(digest);
        let place = self.locked(&key)?;
        if place.is_some() {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        Ok(place)
    }

    /// A small content, if all of it is here.
    pub(crate) fn read(&self, digest: &Digest, longest: u64) -> Option<Vec<u8>> {
        let place = self.try_place(digest).ok()??;
        let file = File::open(place.path()).ok()?;
        let _ = file.set_modified(SystemTime::now());
        let mut bytes = Vec::new();
        file.take(longest).read_to_end(&mut bytes).ok()?;
        digest.check("what was kept", &bytes).ok()?;
        Some(bytes)
    }

    /// Keep a small content, whose digest was checked. Where that fails it is fetched again the next time.
    pub(crate) fn write(&self, digest: &Digest, bytes: &[u8]) {
        let Ok(Some(place)) = self.try_place(digest) else { return };
        place.forget();
        if create(place.path()).and_then(|mut file| file.write_all(bytes)).is_err() {
            place.forget();
        }
    }

    fn locked(&self, key: &str) -> Result<Option<Place>> {
        let path = self.lock(key);
        let lock = try_lock(&path).map_err(Error::io(format!("lock {}", path.display())))?;
        Ok(lock.map(|lock| Place { path: self.folder.join(format!("{key}.part")), _lock: lock }))
    }

    fn lock(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.lock"))
    }
}

/// Never that of an address: those are hashed as they are, and begin with `http`.
fn key(digest: &Digest) -> String {
    Digest::of(digest.to_string().as_bytes()).hex().chars().take(KEY).collect()
}

/// A file that is not there yet, for its owner only.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// The file of one content. As long as it lives, no other process writes that.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    _lock: File,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing of it is here any more.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn small_contents_are_kept_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), Duration::ZERO);
        let digest = Digest::of(b"abc");
        assert_eq!(cache.read(&digest, 10), None);
        cache.write(&digest, b"abc");
        assert_eq!(cache.read(&digest, 10).as_deref(), Some(&b"abc"[..]));
        assert_eq!(cache.read(&digest, 2), None);
        let key = key(&digest);
        assert!(key.len() == 32 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{key}");
        assert_eq!(names(dir.path()), [format!("{key}.lock"), format!("{key}.part")]);
        std::fs::write(dir.path().join(format!("{key}.part")), "abd").unwrap();
        assert_eq!(cache.read(&digest, 10), None);
        cache.write(&digest, b"abc");
        assert_eq!(cache.read(&digest, 10).as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn what_was_used_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, other) = (Cache::new(dir.path(), Duration::ZERO), Cache::new(dir.path(), Duration::ZERO));
        let contents = [b"a", b"b", b"c"];
        for content in contents {
            other.write(&Digest::of(content), content);
        }
        for content in &contents[..2] {
            ours.read(&Digest::of(*content), 10).unwrap();
        }
        let held = other.try_place(&Digest::of(b"b")).unwrap();
        assert!(held.is_some() && ours.try_place(&Digest::of(b"b")).unwrap().is_none());
        ours.remove();
        let stay = [b"b", b"c"].map(|content| key(&Digest::of(content)));
        let mut stay: Vec<String> =
            stay.iter().flat_map(|key| [format!("{key}.lock"), format!("{key}.part")]).collect();
        stay.sort();
        assert_eq!(names(dir.path()), stay);
        drop(held);
        other.remove();
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
