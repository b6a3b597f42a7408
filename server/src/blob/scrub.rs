//! Reads blobs again and compares what they are with their names. A wrong file is moved aside, never removed: somebody
//! may want to look at it. It never touches a file that it did not read itself.

use super::{Blobs, blocking};
use crate::domain::Sha256;
use crate::error::Result;
use sha2::Digest;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Read at once, bytes.
const STEP: u64 = 4 << 20;
/// Files of the folder of bad ones that are looked at, at most.
const BAD_MOST: usize = 1_000;

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// What its name says.
    Good,
    /// Something else.
    Bad,
    /// Not there (any more).
    Gone,
}

/// Holds reading back to so many bytes a second.
#[derive(Debug)]
pub struct Pace {
    rate: u64,
    begun: tokio::time::Instant,
    bytes: u64,
}

impl Pace {
    /// `rate`: bytes a second, at least 1.
    pub fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), begun: tokio::time::Instant::now(), bytes: 0 }
    }

    async fn after(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        let due = Duration::from_micros(self.bytes.saturating_mul(1_000) / self.rate.div_ceil(1_000));
        tokio::time::sleep_until(self.begun + due).await;
    }
}

/// Read an open file from its beginning to its end, at this pace; `read` is told of each piece.
pub(super) async fn hash(file: &Arc<File>, pace: &mut Pace, read: &(dyn Fn(u64) + Send + Sync)) -> Result<Sha256> {
    let mut digest = sha2::Sha256::new();
    let mut at = 0;
    loop {
        let file = file.clone();
        let (back, n) = blocking(move || {
            let mut buffer = vec![0; usize::try_from(STEP).unwrap_or(1 << 20)];
            let mut filled = 0;
            while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, at + filled as u64) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            digest.update(buffer.get(..filled).unwrap_or_default());
            Ok((digest, filled as u64))
        })
        .await?;
        digest = back;
        if n == 0 {
            return Ok(Sha256::from_digest(&digest.finalize().into()));
        }
        at += n;
        read(n);
        pace.after(n).await;
    }
}

impl Blobs {
    /// Where wrong files are moved to.
    pub fn bad_folder(&self) -> PathBuf {
        self.root.join("bad")
    }

    /// Names of files of one of the 256 folders, in order.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn shard(&self, number: u8) -> Result<Vec<Sha256>> {
        let folder = self.root.join(format!("{number:02x}"));
        blocking(move || names(&folder, usize::MAX)).await
    }

    /// Names of files that were moved aside, the first thousand.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn set_aside(&self) -> Result<Vec<Sha256>> {
        let folder = self.bad_folder();
        blocking(move || names(&folder, BAD_MOST)).await
    }

    /// Read a blob and compare; a wrong one is moved aside, so that it is served no more and can be uploaded again.
    ///
    /// # Errors
    /// When the disk fails; an error of reading counts as a wrong file, for nobody can get it.
    pub async fn check(&self, sha256: &Sha256, pace: &mut Pace, read: &(dyn Fn(u64) + Send + Sync)) -> Result<Checked> {
        let Some((file, _)) = self.open_blob(sha256).await? else { return Ok(Checked::Gone) };
        let file = Arc::new(file);
        match hash(&file, pace, read).await {
            Ok(got) if got == *sha256 => return Ok(Checked::Good),
            Ok(_) => {}
            Err(error) => tracing::error!(%sha256, cause = ?error, "blob {sha256} cannot be read: {error}"),
        }
        let (from, folder) = (self.path(sha256), self.bad_folder());
        let to = folder.join(sha256.as_str());
        blocking(move || {
            let read = file.metadata()?;
            let same = |path: &Path| -> std::io::Result<bool> {
                let data = std::fs::metadata(path)?;
                Ok((data.dev(), data.ino()) == (read.dev(), read.ino()))
            };
            std::fs::create_dir_all(&folder)?;
            // Uploaded again while we read: that one is whole.
            match same(&from) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Checked::Gone),
                Err(error) => return Err(error),
                Ok(false) => return Ok(Checked::Good),
                Ok(true) => {}
            }
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Checked::Gone),
                moved => moved?,
            }
            // Uploaded in this moment.
            if !same(&to)? {
                std::fs::rename(&to, &from)?;
                from.parent().map_or(Ok(()), crate::durable::sync_folder)?;
                return Ok(Checked::Good);
            }
            File::open(&folder)?.sync_all()?;
            Ok(Checked::Bad)
        })
        .await
    }
}

fn names(folder: &Path, most: usize) -> std::io::Result<Vec<Sha256>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries.take(most) {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse::<Sha256>().ok()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn a_wrong_file_is_moved_aside_and_can_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let (good, _) = blobs.put_bytes(vec![7; 9 << 20]).await.unwrap();
        let (bad, _) = blobs.put_bytes(b"right".to_vec()).await.unwrap();
        std::fs::write(blobs.path(&bad), b"wrong").unwrap();
        let read = AtomicU64::new(0);
        let count = |n| {
            read.fetch_add(n, Ordering::Relaxed);
        };
        let mut pace = Pace::new(u64::MAX);
        assert_eq!(blobs.check(&good, &mut pace, &count).await.unwrap(), Checked::Good);
        assert_eq!(read.load(Ordering::Relaxed), 9 << 20);
        assert_eq!(blobs.check(&bad, &mut pace, &count).await.unwrap(), Checked::Bad);
        assert_eq!(blobs.check(&bad, &mut pace, &count).await.unwrap(), Checked::Gone);
        assert_eq!(blobs.set_aside().await.unwrap(), std::slice::from_ref(&bad));
        assert_eq!(std::fs::read(dir.path().join("bad").join(bad.as_str())).unwrap(), b"wrong");
        assert!(blobs.open_blob(&bad).await.unwrap().is_none(), "served no more");
        // Neither an orphan, nor swept up at the next start.
        assert_eq!(blobs.older(Duration::ZERO).await.unwrap(), std::slice::from_ref(&good));
        blobs.put_bytes(b"right".to_vec()).await.unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        assert_eq!(blobs.check(&bad, &mut pace, &count).await.unwrap(), Checked::Good);
        let shard = u8::from_str_radix(&bad.as_str()[..2], 16).unwrap();
        assert!(blobs.shard(shard).await.unwrap().contains(&bad));
    }

    #[tokio::test(start_paused = true)]
    async fn reading_keeps_its_pace() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let (blob, _) = blobs.put_bytes(vec![1; 8 << 20]).await.unwrap();
        let begun = tokio::time::Instant::now();
        blobs.check(&blob, &mut Pace::new(1 << 20), &|_| {}).await.unwrap();
        let took = begun.elapsed().as_secs_f64();
        assert!((7.9..9.0).contains(&took), "8 MiB at 1 MiB/s took {took} s");
    }
}
