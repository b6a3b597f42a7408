//! The file of a blob that arrives: written in order, hashed as it grows, named only when it is whole and right. Dropping
//! it leaves nothing behind. Blocks.

use super::upstream::{Failure, Reason};
use crate::blob::write::keep;
use crate::domain::Sha256;
use actix_web::web::Bytes;
use nix::fcntl::{FallocateFlags, fallocate};
use sha2::Digest;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

/// The file and what is known of its bytes.
#[derive(Debug)]
pub(super) struct Part {
    file: tempfile::NamedTempFile,
    hash: sha2::Sha256,
    /// Bytes.
    pub written: u64,
}

impl Part {
    /// An empty one in `tmp`, with room on the disk for `size` bytes where the file system can promise that.
    pub fn new(tmp: &Path, size: u64) -> Result<Self, Failure> {
        let file = tempfile::NamedTempFile::new_in(tmp).map_err(|error| disk(&error))?;
        let length = i64::try_from(size).unwrap_or(i64::MAX);
        if length > 0
            && let Err(nix::errno::Errno::ENOSPC) =
                fallocate(file.as_file(), FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length)
        {
            return Err(disk(&ErrorKind::StorageFull.into()));
        }
        Ok(Self { file, hash: sha2::Sha256::new(), written: 0 })
    }

    /// To read from; it stays open when the file gets its name.
    pub fn reader(&self) -> Result<Arc<File>, Failure> {
        self.file.reopen().map(Arc::new).map_err(|error| disk(&error))
    }

    /// The next bytes.
    pub fn push(&mut self, pieces: &[Bytes]) -> Result<(), Failure> {
        for bytes in pieces {
            self.file.write_all(bytes).map_err(|error| disk(&error))?;
            self.hash.update(bytes);
            self.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// Of all bytes so far.
    pub fn sha256(&self) -> Sha256 {
        let digest: [u8; 32] = self.hash.clone().finalize().into();
        Sha256::from_digest(&digest)
    }

    /// Make it durable, then give it its name.
    pub fn keep(self, path: &Path) -> Result<(), Failure> {
        keep(self.file, path).map_err(|error| disk(&error))
    }
}

/// The disk's error, and what to do.
pub(super) fn disk(error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
            "the disk of the blob cache is full ({error}): free space in the data folder's disk, or lower blob-cache-size"
        ),
        _ => format!("the blob cache cannot write its folder ({error}): check the disk of the data folder"),
    };
    Failure::new(Reason::Disk, message)
}
