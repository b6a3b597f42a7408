//! Small helpers over std::fs whose errors name the path; files are replaced whole or not at all.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io("read", path))
}

/// The text of a file; none when there is no such file. Bytes that are not UTF-8 are replaced.
pub(crate) fn text(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create the folder", path))
}

/// An end for a temporary name that no other process or thread uses.
pub(crate) fn unique(end: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(".{}.{}{end}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Holds a lock file in a folder, which is made when missing, until the result is dropped; waits for other holders.
pub(crate) fn lock(dir: &Path) -> Result<fs::File> {
    make_dir(dir)?;
    let path = dir.join("lock");
    let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
    file.lock().map_err(Error::io("lock", &path))?;
    Ok(file)
}

/// Writes beside the target and renames over it.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(unique(".part"));
    let beside = Path::new(&beside);
    let result = fs::File::create(beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(beside, path));
    if result.is_err() {
        let _ = fs::remove_file(beside);
    }
    result.map_err(Error::io("write", path))
}

/// All regular files below a folder, in no particular order.
pub(crate) fn list(dir: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        // Not followed through links: a tree must not lead out of itself, or in circles.
        let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
        if kind.is_dir() {
            list(&entry.path(), out)?;
        } else if kind.is_file() {
            out.push(entry.path());
        }
    }
    Ok(())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The SHA-256 of a file, streamed, as hex.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}
