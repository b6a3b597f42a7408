//! One upload: a thread writes and hashes what comes over a short channel, so that memory stays bounded and no request
//! thread waits for the disk. The file gets its name only when it is whole, right and durable.

use crate::domain::Sha256;
use crate::durable::sync_folder;
use crate::error::{Error, Result};
use actix_web::web::Bytes;
use sha2::Digest;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Chunks (of at most 64 KiB each as actix gives them) on their way to the disk.
const QUEUED: usize = 16;

enum Message {
    Chunk(Bytes),
    /// Without this word the upload was interrupted.
    Finish,
}

/// An upload under way; dropping it leaves nothing behind.
pub struct Upload {
    to_writer: mpsc::Sender<Message>,
    writer: JoinHandle<Result<u64>>,
}

struct Target {
    path: PathBuf,
    expected: Sha256,
    limit: u64,
}

impl Upload {
    /// Begin to write into `tmp`, to become `path`.
    pub(super) fn begin(tmp: &Path, path: PathBuf, expected: Sha256, limit: u64) -> Result<Self> {
        let (to_writer, chunks) = mpsc::channel(QUEUED);
        let tmp = tmp.to_owned();
        let target = Target { path, expected, limit };
        let writer = tokio::task::spawn_blocking(move || write(&tmp, &target, chunks));
        Ok(Self { to_writer, writer })
    }

    /// One piece. An error of the writer shows at [`Upload::finish`], or here when it has stopped already.
    pub(super) async fn push(&mut self, chunk: Bytes) -> Result<()> {
        if self.to_writer.send(Message::Chunk(chunk)).await.is_ok() {
            return Ok(());
        }
        // The writer ended: it says why.
        match (&mut self.writer).await.map_err(Error::internal)? {
            Err(error) => Err(error),
            Ok(_) => Err(Error::internal("the blob writer ended before the upload")),
        }
    }

    /// All came: check, make durable, give it its name. Returns the size.
    pub(super) async fn finish(self) -> Result<u64> {
        // When the writer has gone, its result says why.
        let _ = self.to_writer.send(Message::Finish).await;
        self.writer.await.map_err(Error::internal)?
    }
}

fn write(tmp: &Path, target: &Target, mut chunks: mpsc::Receiver<Message>) -> Result<u64> {
    let mut file = tempfile::NamedTempFile::new_in(tmp).map_err(disk)?;
    let mut hash = sha2::Sha256::new();
    let mut size: u64 = 0;
    loop {
        match chunks.blocking_recv() {
            Some(Message::Chunk(chunk)) => {
                size += chunk.len() as u64;
                if size > target.limit {
                    let limit = target.limit;
                    return Err(Error::TooLarge(format!(
                        "a blob may have {limit} bytes (the setting upload-limit), this one has more"
                    )));
                }
                hash.update(&chunk);
                file.write_all(&chunk).map_err(disk)?;
            }
            Some(Message::Finish) => break,
            None => return Err(Error::BadRequest("the upload broke off: send it again".to_owned())),
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let got = Sha256::from_digest(&digest);
    if got != target.expected {
        let expected = &target.expected;
        return Err(Error::BadRequest(format!(
            "the blob was announced with sha256 {expected}, but its {size} bytes have {got}: nothing was stored, send it again"
        )));
    }
    keep(file, &target.path).map_err(disk)?;
    Ok(size)
}

/// Make a file durable, then give it its name.
pub(super) fn keep(file: tempfile::NamedTempFile, path: &Path) -> std::io::Result<()> {
    let folder = path.parent().ok_or_else(|| std::io::Error::other("a blob without a folder"))?;
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

fn disk(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Unavailable(format!(
            "the blob folder is full ({error}): free space on the server, then send it again"
        )),
        _ => Error::internal(error),
    }
}
