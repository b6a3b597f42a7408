//! What is done about a shared object store without being asked for: blobs that nothing uses go, and so do objects that nothing
//! records; blobs of the data folder move into the store, when the server kept them itself before.

use crate::blob::Blobs;
use crate::blob::s3::S3;
use crate::blob::scrub::Pace;
use crate::domain::Sha256;
use crate::error::{Error, Result};
use crate::http::failure::log_internal;
use crate::service::{App, blobs as records, shared_blobs};
use futures_util::StreamExt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often unused blobs are looked for.
const COLLECT: Duration = Duration::from_secs(60);
/// And unrecorded objects, each so many times.
const ORPHANS: u32 = 60;
/// Pause after a blob that could not be moved.
const AGAIN: Duration = Duration::from_secs(30);

/// Until the server stops.
pub async fn collect(app: App, store: S3, stop: CancellationToken) -> Result<()> {
    let mut round: u32 = 0;
    loop {
        let work = async {
            if round.is_multiple_of(ORPHANS)
                && let Err(error) = orphans(&app, &store).await
            {
                log_internal(&error);
            }
            if let Err(error) = unused(&app, &store).await {
                log_internal(&error);
            }
        };
        // A removal that is cut off has its claim, which ends by itself.
        tokio::select! { () = work => {}, () = stop.cancelled() => return Ok(()) }
        if tokio::time::timeout(COLLECT, stop.cancelled()).await.is_ok() {
            return Ok(());
        }
        round = round.wrapping_add(1);
    }
}

async fn unused(app: &App, store: &S3) -> Result<()> {
    for sha256 in records::forget_unused(app).await? {
        remove(app, store, &sha256).await;
    }
    shared_blobs::forget_claims(app).await
}

async fn orphans(app: &App, store: &S3) -> Result<()> {
    let grace = Duration::from_micros(u64::try_from(app.settings.blob_grace).unwrap_or_default());
    let (mut orphans, mut known) = (Vec::new(), 0_usize);
    for sha256 in store.older(grace).await? {
        match records::size(app, sha256.clone()).await? {
            None => orphans.push(sha256),
            Some(_) => known += 1,
        }
    }
    // A database that knows nothing of what is there is empty, or another installation's.
    if known == 0 && !orphans.is_empty() {
        let (count, address) = (orphans.len(), store.address());
        tracing::warn!(
            "{address} has {count} blobs, and this database records none of them: nothing is removed there. Is it another \
             installation's? Then give this one a prefix of its own (blob-s3)"
        );
        return Ok(());
    }
    for sha256 in &orphans {
        remove(app, store, sha256).await;
    }
    Ok(())
}

/// One that cannot be removed does not keep the others; it is an orphan from now on.
async fn remove(app: &App, store: &S3, sha256: &Sha256) {
    match shared_blobs::remove(app, store, sha256).await {
        Ok(true) => tracing::info!(%sha256, "blob {sha256} was removed from the store: nothing used it"),
        Ok(false) => {}
        Err(error) => tracing::warn!(%sha256, "blob {sha256} stays in the store for now: {error}"),
    }
}

/// Recorded blobs of the data folder go into the store, one after the other; `site` stays. Ends when none is left.
pub async fn move_in(app: App, blobs: Blobs, site: Sha256, store: S3, stop: CancellationToken) -> Result<()> {
    loop {
        let work = async {
            let moved = move_all(&app, &blobs, &site, &store).await;
            moved.inspect_err(|error| tracing::warn!("blobs of the data folder are not in the store yet: {error}"))
        };
        tokio::select! { moved = work => if moved.is_ok() { break }, () = stop.cancelled() => return Ok(()) }
        if tokio::time::timeout(AGAIN, stop.cancelled()).await.is_ok() {
            return Ok(());
        }
    }
    // The others of its kind end when the server stops.
    stop.cancelled().await;
    Ok(())
}

async fn move_all(app: &App, blobs: &Blobs, site: &Sha256, store: &S3) -> Result<()> {
    let mut outcome = Ok(());
    for sha256 in blobs.older(Duration::ZERO).await?.iter().filter(|sha256| *sha256 != site) {
        // One that fails does not keep the others.
        if let Err(error) = move_one(app, blobs, sha256, store).await {
            outcome = Err(error);
        }
    }
    outcome
}

async fn move_one(app: &App, blobs: &Blobs, sha256: &Sha256, store: &S3) -> Result<()> {
    let Some(size) = records::size(app, sha256.clone()).await? else { return Ok(()) };
    let Some(reader) = blobs.read(sha256).await? else { return Ok(()) };
    let length = reader.size();
    let mut pieces = reader.pieces(0, length).boxed();
    let stored = shared_blobs::store(app, store, &mut pieces, sha256, size, Some(size)).await;
    if let Err(Error::BadRequest(_) | Error::TooLarge(_)) = &stored {
        // It is not what its name says: it is moved aside, so that it is not sent again and again.
        let checked = blobs.check(sha256, &mut Pace::new(u64::MAX), &|_| {}).await?;
        tracing::error!(%sha256, "blob {sha256} of the data folder is damaged ({checked:?}): upload it again");
    }
    stored?;
    blobs.remove(sha256).await?;
    tracing::info!(%sha256, size, "blob {sha256} moved from the data folder into the store");
    Ok(())
}
