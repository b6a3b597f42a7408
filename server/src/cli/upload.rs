//! Puts files into the server's blob store by their hash. What the server has already is not sent again, so a command
//! that was interrupted can simply be run again.

use super::client::Client;
use super::error::{Failure, Result};
use super::output;
use super::progress::{Bytes, Progress};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Take};
use std::path::Path;

/// SHA-256 in hex, and the size in bytes.
pub fn hash(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path).map_err(Failure::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        match file.read(&mut buffer).map_err(Failure::io("read", path))? {
            0 => return Ok((hex::encode(hash.finalize()), size)),
            n => {
                size += n as u64;
                hash.update(&buffer[..n]);
            }
        }
    }
}

/// Hash a file and send it unless the server has it; gives hash and size. `what` is for people: "kernel".
pub fn upload(client: &Client, what: &str, path: &Path, progress: &Progress) -> Result<(String, u64)> {
    let (sha256, size) = hash(path)?;
    if client.has_blob(&sha256)? {
        progress.line(&format!("{what}: {}, the server has it already", output::size(size)));
        return Ok((sha256, size));
    }
    progress.line(&format!("uploading the {what}: {}", output::size(size)));
    let file = File::open(path).map_err(Failure::io("open", path))?;
    // Never more than was announced, should the file grow meanwhile; the server checks the hash.
    let bytes = Some(progress.bytes(&format!("uploading the {what}:"), size));
    let reader = Counted { inner: file.take(size), bytes };
    client.put_blob(&sha256, size, reader)?;
    Ok((sha256, size))
}

struct Counted<'a> {
    inner: Take<File>,
    /// None: all has gone over, and was told.
    bytes: Option<Bytes<'a>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if let Some(bytes) = &mut self.bytes {
            bytes.add(n as u64);
        }
        if self.inner.limit() == 0
            && let Some(bytes) = self.bytes.take()
        {
            bytes.end();
        }
        Ok(n)
    }
}
