//! A file as a lock between processes, in a folder that may be tidied up meanwhile: who removes a lock holds it, and who
//! got one that is no longer in the folder has none.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// This file, made when it is not there, locked as long as it is open; none while another one has it. Its time is then
/// that of its last use.
///
/// # Errors
/// It cannot be made or locked.
pub fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    // Who tidies up may have removed it in between, and another has a new one.
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (&file.metadata(), &std::fs::metadata(path)) {
        (Ok(mine), Ok(there)) if same(mine, there) => {}
        _ => return Ok(None),
    }
    let _ = file.set_modified(SystemTime::now());
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let first = try_lock(&path).unwrap();
        assert!(first.is_some() && try_lock(&path).unwrap().is_none());
        // What is removed while it is held is another file for the next one.
        std::fs::remove_file(&path).unwrap();
        let second = try_lock(&path).unwrap();
        assert!(second.is_some());
        drop(first);
        assert!(try_lock(&path).unwrap().is_none());
        drop(second);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
