//! Blobs that are recorded are looked for in the store that all servers share: is each there, and as large as recorded? Nothing
//! is read of them, for a cache verifies what it fetches; nothing is removed or repaired here.

use super::{Damage, PAGE, What, recorded};
use crate::blob::Blobs;
use crate::blob::cache::{Failure, Reason, Upstream};
use crate::domain::Sha256;
use crate::error::Result;
use crate::service::App;
use futures_util::StreamExt;
use std::time::Duration;

/// Questions at once.
const AT_ONCE: usize = 16;
/// Of one answer.
const ANSWER: Duration = Duration::from_secs(30);
/// A question is asked so often before the scrub fails with its error.
const TRIES: u32 = 4;
/// After the first try; then twice, three times as long.
const PAUSE: Duration = Duration::from_millis(500);

/// Ask for all. Errors: the store cannot be asked, and why; the database.
pub(super) async fn look(app: &App, blobs: &Blobs, store: &dyn Upstream) -> Result<()> {
    // The answer about one object does not tell that the whole bucket is gone, or another: then nothing would be there.
    match tokio::time::timeout(ANSWER, store.check()).await {
        Ok(checked) => checked?,
        Err(_) => return Err(silent(store, "be reached").into()),
    }
    let count = app.store.read(|tx| tx.blob_count()).await?;
    app.scrub.known().stored = count;
    let mut after: Option<Sha256> = None;
    loop {
        let from = after.clone();
        let page = app.store.read(move |tx| tx.blob_sizes_after(from.as_ref(), PAGE)).await?;
        let more = page.len() == PAGE;
        after = page.last().map(|(sha256, _)| sha256.clone());
        let questions: Vec<_> = page.into_iter().map(|(sha256, size)| one(app, blobs, store, sha256, size)).collect();
        let mut answers = futures_util::stream::iter(questions).buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            answer?;
            app.scrub.known().stored_done += 1;
        }
        if !more {
            return Ok(());
        }
    }
}

async fn one(app: &App, blobs: &Blobs, store: &dyn Upstream, sha256: Sha256, size: u64) -> Result<()> {
    if wrong(store, &sha256, size).await?.is_none() {
        app.scrub.mended(&sha256);
        return Ok(());
    }
    // One of the data folder is still to be moved into the store.
    if blobs.open_blob(&sha256).await?.is_some() {
        return Ok(());
    }
    // A record goes before its object does, and comes after it: what is recorded still is asked for again.
    let Some(images) = recorded(app, &sha256).await? else { return Ok(()) };
    match wrong(store, &sha256, size).await? {
        Some(what) => app.scrub.damaged(&sha256, Damage { what, images }),
        None => app.scrub.mended(&sha256),
    }
    Ok(())
}

/// What is wrong with an object. Errors: it cannot be known.
async fn wrong(store: &dyn Upstream, sha256: &Sha256, size: u64) -> Result<Option<What>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let failure = match tokio::time::timeout(ANSWER, store.size(sha256)).await {
            Ok(Ok(found)) if found == size => return Ok(None),
            Ok(Ok(found)) => return Ok(Some(What::Size { found, recorded: size })),
            Ok(Err(failure)) if failure.reason == Reason::NotFound => return Ok(Some(What::Missing)),
            Ok(Err(failure)) => failure,
            Err(_) => silent(store, &format!("tell the size of blob {sha256}")),
        };
        if tries >= TRIES {
            return Err(failure.into());
        }
        tokio::time::sleep(PAUSE * tries).await;
    }
}

fn silent(store: &dyn Upstream, what: &str) -> Failure {
    Failure::new(Reason::Silent, format!("{}: could not {what}: no answer for {} s", store.name(), ANSWER.as_secs()))
}
