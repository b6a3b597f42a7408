//! Which blobs there are. The bytes are the blob store's; this keeps the record of those that are durable,
//! and says where they are read from.

use super::App;
use crate::blob::cache::Cache;
use crate::blob::{Blobs, Reader};
use crate::domain::Sha256;
use crate::error::{Error, Result};
use higuma_proto::api;

/// Record a blob whose bytes are durable. Again is no error.
pub async fn record(app: &App, sha256: Sha256, size: u64) -> Result<api::Blob> {
    let (now, recorded) = (app.now(), sha256.clone());
    app.store.write(move |tx| tx.put_blob(&recorded, size, now)).await?;
    app.scrub.mended(&sha256);
    Ok(api::Blob { sha256: sha256.to_string(), size })
}

/// Size of a recorded blob.
pub async fn size(app: &App, sha256: Sha256) -> Result<Option<u64>> {
    app.store.read(move |tx| tx.blob(&sha256)).await
}

/// As [`size`], for who is going to use it instead of uploading it: an old record counts as new from now on, so that it
/// is not forgotten before what it is wanted for is there.
pub async fn wanted(app: &App, sha256: Sha256) -> Result<Option<u64>> {
    let (now, grace) = (app.now(), app.settings.blob_grace);
    let known = sha256.clone();
    match app.store.read(move |tx| tx.blob_since(&known)).await? {
        None => Ok(None),
        Some((size, since)) if now.saturating_sub(since) < grace / 4 => Ok(Some(size)),
        Some(_) => {
            let renew = move |tx: &mut crate::store::Tx<'_>| match tx.blob(&sha256)? {
                None => Ok(None),
                Some(size) => tx.put_blob(&sha256, size, now).map(|()| Some(size)),
            };
            app.store.write(renew).await
        }
    }
}

/// A blob that is here whole, in the server's own store or in its cache. Errors: the disk.
pub async fn here(blobs: &Blobs, cache: Option<&Cache>, sha256: &Sha256) -> Result<Option<Reader>> {
    match (blobs.read(sha256).await?, cache) {
        (None, Some(cache)) => cache.held(sha256).await,
        (found, _) => Ok(found),
    }
}

/// The bytes of a blob: of the server's own store, else of its cache, which fetches what it has not. Only blobs that the
/// database knows are fetched: the upstream is not open to whoever names a sha256. Errors: there is none; not now, and why.
pub async fn open(app: &App, blobs: &Blobs, cache: Option<&Cache>, sha256: &Sha256) -> Result<Reader> {
    if let Some(reader) = here(blobs, cache, sha256).await? {
        return Ok(reader);
    }
    let Some(cache) = cache else { return Err(none(sha256)) };
    let size = size(app, sha256.clone()).await?.ok_or_else(|| none(sha256))?;
    cache.read(sha256, size).await
}

/// As [`open`], without the bytes: nothing is fetched, but it is known that it can be. Gives its size.
pub async fn look(app: &App, blobs: &Blobs, cache: Option<&Cache>, sha256: &Sha256) -> Result<u64> {
    if let Some(reader) = here(blobs, cache, sha256).await? {
        return Ok(reader.size());
    }
    let Some(cache) = cache else { return Err(none(sha256)) };
    let size = size(app, sha256.clone()).await?.ok_or_else(|| none(sha256))?;
    cache.check(sha256, size).await?;
    Ok(size)
}

fn none(sha256: &Sha256) -> Error {
    Error::NotFound(format!("there is no blob {sha256}"))
}

/// Forget blobs that nothing has referred to for the grace period. The caller removes their bytes, each only while
/// [`size`] still says that it is not recorded (it may have been uploaded again meanwhile).
pub async fn forget_unused(app: &App) -> Result<Vec<Sha256>> {
    let before = app.now() - app.settings.blob_grace;
    let forgotten = app.store.write(move |tx| tx.forget_unused_blobs(before, 100)).await?;
    forgotten.iter().for_each(|sha256| app.scrub.mended(sha256));
    Ok(forgotten)
}
