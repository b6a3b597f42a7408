//! The blob store: immutable files named by their sha256, `blobs/ab/abcdef...`. What has its name is whole and durable;
//! everything else is in `blobs/tmp` and goes away, or was found wrong and is in `blobs/bad`. It knows nothing of the database.

pub mod cache;
mod home;
mod reader;
pub mod s3;
pub mod scrub;
mod write;

pub use home::Home;
pub use reader::Reader;
pub use write::Upload;

use crate::domain::Sha256;
use crate::error::{Error, Result};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A handle on the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<PathBuf>,
    /// Held for reading from a blob's arrival until the database knows it, for writing while unused ones are forgotten
    /// and removed: so that an upload of a blob which is being removed is not lost.
    gate: Arc<RwLock<()>>,
}

impl Blobs {
    /// Open (and make) the store at `root`; what interrupted uploads left is removed. One server at a time.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(root: &Path) -> Result<Self> {
        let tmp = root.join("tmp");
        let made = std::fs::create_dir_all(&tmp).and_then(|()| {
            for entry in std::fs::read_dir(&tmp)? {
                std::fs::remove_file(entry?.path())?;
            }
            Ok(())
        });
        made.map_err(|e| Error::internal(format!("cannot use the blob folder {}: {e}", root.display())))?;
        Ok(Self { root: Arc::new(root.to_owned()), gate: Arc::new(RwLock::new(())) })
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        self.root.join(&sha256.as_str()[..2]).join(sha256.as_str())
    }

    /// Store a stream that must have this hash and at most `limit` bytes; returns its size. Durable when this returns;
    /// nothing is left behind when it fails or is dropped. Storing what is there already is no error.
    ///
    /// # Errors
    /// `BadRequest` for other bytes, `TooLarge` over the limit, `Internal` when the disk fails.
    pub async fn put<E: std::fmt::Display>(
        &self,
        mut stream: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        expected: &Sha256,
        limit: u64,
    ) -> Result<u64> {
        let mut upload = Upload::begin(&self.root.join("tmp"), self.path(expected), expected.clone(), limit)?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| Error::BadRequest(format!("the upload broke off: {e}; send it again")))?;
            upload.push(chunk).await?;
        }
        upload.finish().await
    }

    /// Store bytes that we made ourselves.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn put_bytes(&self, bytes: Vec<u8>) -> Result<(Sha256, u64)> {
        let sha256 = Sha256::of(&bytes);
        let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(bytes))]);
        let size = self.put(stream, &sha256, u64::MAX).await?;
        Ok((sha256, size))
    }

    /// The file and its size; none when it is not there.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn open_blob(&self, sha256: &Sha256) -> Result<Option<(File, u64)>> {
        let path = self.path(sha256);
        blocking(move || match File::open(path) {
            Ok(file) => {
                let size = file.metadata()?.len();
                Ok(Some((file, size)))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
        .await
    }

    /// To read from; none when it is not there.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn read(&self, sha256: &Sha256) -> Result<Option<Reader>> {
        Ok(self.open_blob(sha256).await?.map(|(file, size)| Reader::whole(file, size)))
    }

    /// Remove a blob; that there is none is no error. Open downloads of it go on.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn remove(&self, sha256: &Sha256) -> Result<()> {
        let path = self.path(sha256);
        blocking(move || match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        })
        .await
    }

    /// Blobs that have been here for longer than `age`.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn older(&self, age: Duration) -> Result<Vec<Sha256>> {
        let root = self.root.clone();
        blocking(move || {
            let mut found = Vec::new();
            for folder in std::fs::read_dir(root.as_path())? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() || matches!(folder.file_name().to_str(), Some("tmp" | "bad")) {
                    continue;
                }
                for file in std::fs::read_dir(folder.path())? {
                    let file = file?;
                    let Some(sha256) = file.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                    // A time to come counts as fresh.
                    if file.metadata()?.modified()?.elapsed().is_ok_and(|elapsed| elapsed > age) {
                        found.push(sha256);
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Hold while a blob is stored and made known to the database.
    pub async fn arriving(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Hold while unused blobs are forgotten and removed; waits for uploads that are about to be recorded.
    pub async fn removing(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// Can it be written to? The error says why not.
    ///
    /// # Errors
    /// The reason.
    pub async fn check_writable(&self) -> Result<()> {
        let tmp = self.root.join("tmp");
        blocking(move || {
            use std::io::Write;
            let mut file = tempfile::NamedTempFile::new_in(tmp)?;
            file.write_all(b"readiness")
        })
        .await
    }
}

/// Run file work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::stream::iter;
    use std::io::Read;

    type Item = std::result::Result<Bytes, &'static str>;

    fn count(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[tokio::test]
    async fn stores_whole_and_hashed_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let sha = Sha256::of("hello world");
        let good = || iter([Item::Ok("hello ".into()), Item::Ok("world".into())]);
        assert!(blobs.open_blob(&sha).await.unwrap().is_none());
        assert_eq!(blobs.put(good(), &sha, 11).await.unwrap(), 11);
        assert_eq!(blobs.put(good(), &sha, 11).await.unwrap(), 11, "again is no error");
        let (mut file, size) = blobs.open_blob(&sha).await.unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), size), ("hello world", 11));

        let other = Sha256::of("other");
        let err = blobs.put(good(), &other, 11).await.unwrap_err();
        assert!(
            matches!(&err, Error::BadRequest(m) if m.contains(other.as_str()) && m.contains(sha.as_str())),
            "{err}"
        );
        assert!(matches!(blobs.put(good(), &sha, 10).await, Err(Error::TooLarge(_))));
        let broken = iter([Item::Ok("hello ".into()), Item::Err("connection reset")]);
        assert!(matches!(blobs.put(broken, &sha, 11).await, Err(Error::BadRequest(_))));
        assert!(blobs.open_blob(&other).await.unwrap().is_none());
        blobs.remove(&sha).await.unwrap();
        blobs.remove(&sha).await.unwrap();
        assert!(blobs.open_blob(&sha).await.unwrap().is_none());
        // The writer threads of failed uploads remove their files as they end.
        for _ in 0..200 {
            if count(&dir.path().join("tmp")) == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(count(&dir.path().join("tmp")), 0);
    }

    #[tokio::test]
    async fn what_a_killed_server_left_goes_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let (sha, _) = blobs.put_bytes(b"keep".to_vec()).await.unwrap();
        std::fs::write(dir.path().join("tmp/.tmpabc"), "half").unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        assert_eq!(count(&dir.path().join("tmp")), 0);
        assert!(blobs.open_blob(&sha).await.unwrap().is_some());
        blobs.check_writable().await.unwrap();
    }
}
