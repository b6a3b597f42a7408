//! Makes two builds of one recipe and snapshot equal: takes out what each run of a package's scripts makes otherwise, and lets no time in the
//! tree be later than the snapshot. Never follows a link.

use super::identity::{plain, remove};
use crate::cli::error::{Failure, Result};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Former versions that the tools of dpkg and shadow keep; which of them are there depends on what ran last.
const FORMER: [&str; 9] = [
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
];
/// Python makes them again; what is in them depends on the order of its hash tables.
const PYTHON: &str = "__pycache__";

/// The last thing that is done to the tree; `epoch`: seconds since 1970.
pub fn settle(root: &Path, epoch: i64) -> Result<()> {
    for file in FORMER {
        if let Some(path) = plain(root, file) {
            remove(&path)?;
        }
    }
    folder(root, epoch)
}

fn folder(path: &Path, epoch: i64) -> Result<()> {
    for entry in std::fs::read_dir(path).map_err(Failure::io("read", path))? {
        let entry = entry.map_err(Failure::io("read", path))?;
        let below = entry.path();
        let is_folder = entry.file_type().map_err(Failure::io("look at", &below))?.is_dir();
        match is_folder {
            true if entry.file_name() == PYTHON => {
                std::fs::remove_dir_all(&below).map_err(Failure::io("remove", &below))?;
            }
            true => folder(&below, epoch)?,
            false => clamp(&below, epoch)?,
        }
    }
    // Afterwards: what was removed in it changed its time.
    clamp(path, epoch)
}

fn clamp(path: &Path, epoch: i64) -> Result<()> {
    let meta = std::fs::symlink_metadata(path).map_err(Failure::io("look at", path))?;
    if meta.mtime() <= epoch {
        return Ok(());
    }
    let time = TimeSpec::new(epoch, 0);
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)
        .map_err(|e| Failure::io("set the time of", path)(e.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_time_is_later_and_older_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("out"));
        for folder in ["etc", "usr/lib/x/__pycache__"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("usr/link")).unwrap();
        for file in ["etc/passwd", "etc/passwd-", "usr/old", "usr/lib/x/__pycache__/a.pyc"] {
            std::fs::write(root.join(file), file).unwrap();
        }
        let old = TimeSpec::new(500, 7);
        utimensat(AT_FDCWD, &root.join("usr/old"), &old, &old, UtimensatFlags::NoFollowSymlink).unwrap();
        settle(&root, 1000).unwrap();
        let time = |path: &str| std::fs::symlink_metadata(root.join(path)).unwrap().mtime();
        for path in ["", "etc", "etc/passwd", "usr", "usr/link", "usr/lib/x"] {
            assert_eq!(time(path), 1000, "{path}");
        }
        assert_eq!(time("usr/old"), 500);
        assert!(!root.join("etc/passwd-").exists() && !root.join("usr/lib/x/__pycache__").exists());
        assert!(std::fs::metadata(&outside).unwrap().mtime() > 1000);
    }
}
