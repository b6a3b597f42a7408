//! Blobs in an object store that several servers share. A blob is recorded only while nobody removes it, and removed only while
//! nobody records it: claims in the database see to that, whichever server does what, and whenever one dies.

use super::App;
use crate::blob::cache::Reason;
use crate::blob::s3::S3;
use crate::domain::{Micros, Sha256};
use crate::error::{Error, Result};
use actix_web::web::Bytes;
use futures_util::Stream;
use higuma_proto::api;
use std::time::Duration;

/// How long a claim counts when its server has died. Uploads renew theirs; a removal takes less ([`REMOVAL`]).
const CLAIM: Micros = 15 * 60 * 1_000_000;
const RENEW: Duration = Duration::from_secs(4 * 60);
const REMOVAL: Duration = Duration::from_secs(5 * 60);

/// Upload a blob and record it. `length`: how many bytes are announced. In the store and recorded when this returns.
///
/// # Errors
/// As [`S3::put`]; `Unavailable` when the blob is being removed at this moment.
pub async fn store<E: std::fmt::Display>(
    app: &App,
    store: &S3,
    stream: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    sha256: &Sha256,
    limit: u64,
    length: Option<u64>,
) -> Result<api::Blob> {
    claim(app, sha256).await?;
    let put = store.put(stream, sha256, limit, length);
    tokio::pin!(put);
    let size = loop {
        tokio::select! {
            size = &mut put => break size?,
            () = tokio::time::sleep(RENEW) => claim(app, sha256).await?,
        }
    };
    let (now, arrived) = (app.now(), sha256.clone());
    app.store
        .write(move |tx| {
            // Lost when this server stood still for longer than the claim: the blob may be gone again.
            if !tx.is_arriving(&arrived, now)? {
                return Err(busy(&arrived));
            }
            tx.put_blob(&arrived, size, now)
        })
        .await?;
    app.scrub.mended(sha256);
    Ok(api::Blob { sha256: sha256.to_string(), size })
}

async fn claim(app: &App, sha256: &Sha256) -> Result<()> {
    let (now, sha256) = (app.now(), sha256.clone());
    app.store
        .write(move |tx| if tx.claim_arriving(&sha256, now, now + CLAIM)? { Ok(()) } else { Err(busy(&sha256)) })
        .await
}

fn busy(sha256: &Sha256) -> Error {
    Error::Unavailable(format!("blob {sha256} was unused and is being removed at this moment: send it again"))
}

/// Remove a blob from the store, unless it is recorded or on its way in; says whether it went.
///
/// # Errors
/// As [`S3::remove`]; it is an unrecorded object then, which a later look finds.
pub async fn remove(app: &App, store: &S3, sha256: &Sha256) -> Result<bool> {
    let (now, claimed) = (app.now(), sha256.clone());
    if !app.store.write(move |tx| tx.claim_leaving(&claimed, now, now + CLAIM)).await? {
        return Ok(false);
    }
    let removed = tokio::time::timeout(REMOVAL, store.remove(sha256)).await;
    let Ok(removed) = removed else {
        // It may still happen: the claim stays until it is over.
        return Err(Error::Unavailable(format!("{}: no answer about the removal of blob {sha256}", store.address())));
    };
    // After anything else it may still happen, and the claim stays until it is over.
    let is_over = removed.as_ref().map_or_else(|failure| failure.reason == Reason::Refused, |()| true);
    if is_over {
        let claimed = sha256.clone();
        app.store.write(move |tx| tx.end_leaving(&claimed)).await?;
    }
    removed.map(|()| true).map_err(Error::from)
}

/// Claims of servers that died are forgotten.
pub async fn forget_claims(app: &App) -> Result<()> {
    let now = app.now();
    app.store.write(move |tx| tx.forget_blob_claims(now)).await
}
