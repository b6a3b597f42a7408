//! Temporary folders that are gone when their owner is done, fails or is interrupted. A folder in which something is
//! still mounted is left alone and named: removing through a mount could delete what is not ours.

use super::error::{Failure, Result};
use super::interrupt;
use std::path::{Path, PathBuf};

/// A temporary folder, mode 700.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Under `$TMPDIR`, else /var/tmp: /tmp may be in memory, and a root file system needs a gigabyte.
    pub fn new() -> Result<Self> {
        let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        Self::under(&parent)
    }

    /// Under this folder.
    pub fn under(parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("higuma-").tempdir_in(parent).map_err(|e| {
            let parent = parent.display();
            Failure::failed(format!("could not make a temporary folder in {parent}: {e}; set TMPDIR to another folder"))
        })?;
        interrupt::hold_folder(folder.path());
        Ok(Self { path: folder.keep() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
        interrupt::release_folder(&self.path);
    }
}

/// Remove the folder and all in it, unless something is mounted there. Says why when it cannot.
pub(super) fn remove(path: &Path) {
    if mounted_below(path) {
        eprintln!("higuma: {} is kept: something is mounted in it; unmount it and remove the folder", path.display());
        return;
    }
    // A second try: a child that is just ending may still have made a file.
    if let Err(e) = std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_dir_all(path))
        && e.kind() != std::io::ErrorKind::NotFound
    {
        eprintln!("higuma: could not remove the temporary folder {}: {e}", path.display());
    }
}

fn mounted_below(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter_map(|l| l.split(' ').nth(4)).any(|point| Path::new(point).starts_with(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn gone_after_use() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::under(parent.path()).unwrap();
        std::fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }
}
