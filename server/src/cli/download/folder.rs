//! The folder of a person with what was downloaded: whole files under the SHA-256 of their content (so one in use is
//! never changed), parts that can be gone on with, and a lock for each address. Layers of OCI images, whole or not, are
//! among the parts (`higuma_oci::Cache`). What was not used for 14 days goes.
//! Never holds anything but downloads: whatever else is in the folder is left alone.

use crate::cli::error::{Exit, Failure, Result};
use crate::cli::interrupt;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Kept for so long after the last use.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
const KEY: usize = 32;
const TICK: Duration = Duration::from_millis(100);
/// Of a file of ours with what is known of a download, bytes.
const LONGEST_MARKS: u64 = 1 << 16;

/// See the module.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// `$XDG_CACHE_HOME/higuma/downloads`, else below `~/.cache` (XDG Base Directory Specification: a relative one is not used).
    ///
    /// # Errors
    /// There is no home, or it cannot be made.
    pub fn of_person() -> Result<Self> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache"))).ok_or_else(|| {
            Failure::usage("expected a folder for downloads: HOME is not set; set XDG_CACHE_HOME to one")
        })?;
        Self::at(&base.join("higuma/downloads"))
    }

    /// This one; made when it is not there, for its owner only.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn at(path: &Path) -> Result<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|e| {
            Failure::failed(format!(
                "could not make {} for downloads: {e}; set XDG_CACHE_HOME to another folder",
                path.display()
            ))
        })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that may still be written; none when not known.
    pub fn room(&self) -> Option<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.path).ok()?;
        disk.blocks_available().checked_mul(disk.fragment_size())
    }

    /// The place of one address, for one process at a time; `waiting` is called once when another one has it.
    ///
    /// # Errors
    /// Another process has it for longer than `wait`, or a signal came.
    pub fn place(&self, key: &str, wait: Duration, waiting: impl FnOnce()) -> Result<Place> {
        let started = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            if let Some(place) = self.try_place(key)? {
                return Ok(place);
            }
            if let Some(tell) = waiting.take() {
                tell();
            }
            if started.elapsed() > wait || interrupt::requested() {
                let message =
                    "another command is downloading the same file, and does not end: end it, or try again later";
                return Err(Failure { exit: Exit::Unavailable, message: message.into() });
            }
            std::thread::sleep(TICK);
        }
    }

    fn try_place(&self, key: &str) -> Result<Option<Place>> {
        let path = self.path.join(format!("{key}.lock"));
        let lock = higuma_oci::try_lock(&path).map_err(Failure::io("lock", &path))?;
        Ok(lock.map(|lock| Place { folder: self.path.clone(), key: key.to_owned(), _lock: lock }))
    }

    /// Removes what nobody used for 14 days before `now`; what cannot be removed stays.
    pub fn tidy(&self, now: SystemTime) {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some(key) = key_of(&name) else { continue };
            let old = entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| old(at, now));
            // One that is being used stays; so does a lock that this makes anew, until it is old.
            if old && let Ok(Some(place)) = self.try_place(key) {
                let _ = std::fs::remove_file(entry.path());
                drop(place);
            }
        }
    }
}

fn old(at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(at).is_ok_and(|age| age > KEPT)
}

/// Of one of our files.
fn key_of(name: &str) -> Option<&str> {
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let (key, rest) = name.split_at_checked(KEY).filter(|(key, _)| hex(key))?;
    let whole = rest.strip_prefix('-').is_some_and(|sha256| sha256.len() == 64 && hex(sha256));
    (whole || matches!(rest, ".lock" | ".part" | ".part.json" | ".json")).then_some(key)
}

/// Its time is when it was used last.
fn used(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// What a server said of a file, and what came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// ETag.
    #[serde(default)]
    pub etag: Option<String>,
    /// Last-Modified.
    #[serde(default)]
    pub modified: Option<String>,
    /// Bytes of the whole.
    #[serde(default)]
    pub size: Option<u64>,
    /// Of a whole file.
    #[serde(default)]
    pub sha256: Option<String>,
}

impl Marks {
    /// For If-Range (RFC 9110, 13.1.5): a strong ETag, else a time.
    pub fn validator(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| etag.starts_with('"'));
        strong.or(self.modified.as_deref())
    }
}

/// The files of one address. As long as it lives, no other process downloads that.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    key: String,
    _lock: File,
}

impl Place {
    /// What has come so far.
    pub fn part(&self) -> PathBuf {
        self.folder.join(format!("{}.part", self.key))
    }

    /// Bytes of it.
    pub fn part_size(&self) -> u64 {
        std::fs::metadata(self.part()).map_or(0, |m| m.len())
    }

    /// Of the part.
    pub fn part_marks(&self) -> Marks {
        read(&self.part_marks_path())
    }

    /// Before the first byte of the part.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn mark_part(&self, marks: &Marks) -> Result<()> {
        write(&self.part_marks_path(), marks)
    }

    /// There is no part any more.
    pub fn forget_part(&self) {
        let _ = std::fs::remove_file(self.part());
        let _ = std::fs::remove_file(self.part_marks_path());
    }

    /// Of the newest whole file.
    pub fn marks(&self) -> Marks {
        read(&self.marks_path())
    }

    /// The whole file with this content, if it is there and still has it. Its time is set, and that of what is known of it:
    /// without that, a file that is used every day would be fetched anew after 14 days.
    pub fn whole(&self, sha256: &str) -> Option<PathBuf> {
        let path = self.whole_path(sha256);
        let file = File::open(&path).ok()?;
        used(&file);
        let (found, _) = crate::cli::upload::hash(&path).ok()?;
        if found != sha256 {
            let _ = std::fs::remove_file(&path);
            return None;
        }
        if let Ok(marks) = File::open(self.marks_path()) {
            used(&marks);
        }
        Some(path)
    }

    /// The part is the whole, and is this.
    ///
    /// # Errors
    /// It cannot be moved.
    pub fn finish(&self, marks: &Marks, sha256: &str) -> Result<PathBuf> {
        let path = self.whole_path(sha256);
        std::fs::rename(self.part(), &path).map_err(Failure::io("move a download to", &path))?;
        let _ = std::fs::remove_file(self.part_marks_path());
        write(&self.marks_path(), &Marks { sha256: Some(sha256.to_owned()), ..marks.clone() })?;
        Ok(path)
    }

    fn whole_path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{}-{sha256}", self.key))
    }

    fn marks_path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.key))
    }

    fn part_marks_path(&self) -> PathBuf {
        self.folder.join(format!("{}.part.json", self.key))
    }
}

/// None when they are not there or cannot be read: then all is fetched again.
fn read(path: &Path) -> Marks {
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let text = if size > LONGEST_MARKS { None } else { std::fs::read(path).ok() };
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn write(path: &Path, marks: &Marks) -> Result<()> {
    let text = serde_json::to_vec(marks).map_err(|e| Failure::because("JSON", &e))?;
    std::fs::write(path, text).map_err(Failure::io("write", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_old_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(&dir.path().join("a/b")).unwrap();
        let (old_key, used_key, sha256) = ("0a".repeat(16), "1b".repeat(16), "2c".repeat(32));
        let names = [
            format!("{old_key}-{sha256}"),
            format!("{old_key}.part"),
            format!("{old_key}.part.json"),
            format!("{old_key}.json"),
            format!("{used_key}.part"),
            "notes.txt".to_owned(),
            format!("{old_key}-x"),
        ];
        for name in &names {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let held = folder.place(&used_key, Duration::ZERO, || ()).unwrap();
        let there = || {
            let names =
                std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|n| !n.ends_with(".lock")).collect();
            names.sort();
            names
        };
        let day = Duration::from_secs(24 * 3600);
        folder.tidy(SystemTime::now() + day * 13);
        assert_eq!(there().len(), 7);
        folder.tidy(SystemTime::now() + day * 15);
        assert_eq!(there(), [format!("{old_key}-x"), format!("{used_key}.part"), "notes.txt".to_owned()]);
        drop(held);
        folder.tidy(SystemTime::now() + day * 15);
        assert_eq!(there(), [format!("{old_key}-x"), "notes.txt".to_owned()]);
    }

    #[test]
    fn a_place_is_had_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path()).unwrap();
        let key = "0a".repeat(16);
        let first = folder.place(&key, Duration::ZERO, || ()).unwrap();
        let mut told = false;
        let failed = folder.place(&key, Duration::ZERO, || told = true).unwrap_err();
        assert!(told && failed.message.contains("another command"), "{failed}");
        folder.place(&"1b".repeat(16), Duration::ZERO, || ()).unwrap();
        drop(first);
        folder.place(&key, Duration::ZERO, || ()).unwrap();
    }

    #[test]
    fn what_is_known_of_a_file_lives_as_long_as_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path()).unwrap();
        let place = folder.place(&"0a".repeat(16), Duration::ZERO, || ()).unwrap();
        std::fs::write(place.part(), "abc").unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let marks = Marks { etag: Some("\"1\"".into()), ..Marks::default() };
        let path = place.finish(&marks, sha256).unwrap();
        let day = Duration::from_secs(24 * 3600);
        for file in [&path, &place.marks_path()] {
            File::open(file).unwrap().set_modified(SystemTime::now() - day * 10).unwrap();
        }
        assert!(place.whole(sha256).is_some());
        drop(place);
        folder.tidy(SystemTime::now() + day * 10);
        let place = folder.place(&"0a".repeat(16), Duration::ZERO, || ()).unwrap();
        assert_eq!((place.marks().etag, path.exists()), (marks.etag, true));
        drop(place);
        folder.tidy(SystemTime::now() + day * 15);
        let place = folder.place(&"0a".repeat(16), Duration::ZERO, || ()).unwrap();
        assert_eq!((place.marks(), path.exists()), (Marks::default(), false));
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let place = Folder::at(dir.path()).unwrap().place(&"0a".repeat(16), Duration::ZERO, || ()).unwrap();
        std::fs::write(place.part(), "abc").unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let path = place.finish(&Marks::default(), sha256).unwrap();
        assert_eq!((place.whole(sha256), place.part_size()), (Some(path.clone()), 0));
        std::fs::write(&path, "abd").unwrap();
        assert_eq!((place.whole(sha256), path.exists()), (None, false));
    }
}
