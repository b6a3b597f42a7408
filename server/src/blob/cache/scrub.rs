//! Reads cached blobs again and compares what they are with their names. A wrong one is dropped: it is fetched again when
//! it is asked for.

use super::super::blocking;
use super::super::scrub::{Checked, Pace, hash};
use super::{Cache, Inner};
use crate::domain::Sha256;
use crate::error::Result;
use std::fs::File;
use std::sync::Arc;

impl Cache {
    /// Names of whole blobs, and their bytes.
    pub fn names(&self) -> (Vec<Sha256>, u64) {
        let index = self.0.index();
        (index.names(), index.held_bytes())
    }

    /// Read a blob that is here and compare.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn scrub(&self, sha256: &Sha256, pace: &mut Pace, read: &(dyn Fn(u64) + Send + Sync)) -> Result<Checked> {
        // As held, so that it is not evicted meanwhile; but not as used: that would be the order of names.
        let Some(pin) = self.0.index().peek(sha256) else { return Ok(Checked::Gone) };
        let path = super::index::path(&self.0.dir, sha256);
        let opened = blocking(move || match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        });
        let Some(file) = opened.await?.map(Arc::new) else { return Ok(Checked::Gone) };
        match hash(&file, pace, read).await {
            Ok(got) if got == *sha256 => return Ok(Checked::Good),
            Ok(_) => tracing::error!(%sha256, "the cached blob {sha256} is damaged: it is dropped and fetched again"),
            Err(error) => tracing::error!(%sha256, cause = ?error, "the cached blob {sha256} cannot be read: {error}"),
        }
        let (inner, name) = (self.0.clone(), sha256.clone());
        blocking(move || {
            inner.drop_wrong(&name, &pin)?;
            Ok(Checked::Bad)
        })
        .await
    }
}

impl Inner {
    /// Forget and remove, if it is still the file that was read. Blocks.
    fn drop_wrong(&self, sha256: &Sha256, pin: &Arc<()>) -> std::io::Result<()> {
        let wrong = self.dir.join("tmp").join(format!("{sha256}.wrong"));
        {
            // A rename under the lock: one that is fetched from now on has its own file.
            let mut index = self.index();
            if !index.forget(sha256, pin) {
                return Ok(());
            }
            metrics::gauge!("higuma_blob_cache_bytes").set(index.held_bytes() as f64);
            std::fs::rename(super::index::path(&self.dir, sha256), &wrong)?;
        }
        std::fs::remove_file(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::fake::{Fake, blob, bytes, cache, ended};
    use super::*;

    #[tokio::test]
    async fn a_wrong_file_is_dropped_and_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (blob(1, 70_001), blob(2, 50_000));
        let up = Arc::new(Fake::new("up", &[&one, &other], &[]));
        let cache = cache(dir.path(), 1 << 20, &[&up]);
        let hashes = [Sha256::of(&one), Sha256::of(&other)];
        for (data, sha256) in [&one, &other].into_iter().zip(&hashes) {
            cache.read(sha256, data.len() as u64).await.unwrap();
            ended(&cache, sha256).await.unwrap();
        }
        assert_eq!(cache.names().1, 120_001);
        // As long, with one bit that is another.
        let mut wrong = one.clone();
        wrong[500] ^= 1;
        std::fs::write(super::super::index::path(dir.path(), &hashes[0]), &wrong).unwrap();
        let mut pace = Pace::new(u64::MAX);
        let mut check = async |sha256: &Sha256| cache.scrub(sha256, &mut pace, &|_| {}).await.unwrap();
        assert_eq!((check(&hashes[0]).await, check(&hashes[1]).await), (Checked::Bad, Checked::Good));
        assert_eq!(check(&hashes[0]).await, Checked::Gone);
        assert_eq!(cache.names(), (vec![hashes[1].clone()], 50_000));
        let reader = cache.read(&hashes[0], 70_001).await.unwrap();
        assert_eq!(bytes(reader, 0, 70_001).await.unwrap(), one);
    }
}
