//! People have all blobs of a server read again and compared with their names. One scrub at a time, at a bounded pace; what
//! it knows is of this process. It repairs nothing: a wrong blob is served no more, and whoever uploads it again mends it.

use super::App;
use crate::blob::Blobs;
use crate::blob::cache::Cache;
use crate::blob::scrub::{Checked, Pace};
use crate::domain::{Micros, Sha256};
use crate::error::{Error, Result};
use higuma_proto::api;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Damaged blobs that are remembered, at most.
const DAMAGE_MOST: usize = 1_000;
/// Images that are named for one of them.
const IMAGES_MOST: usize = 10;
/// Bytes a second when nothing is said.
const RATE: u64 = 200 << 20;
/// And at least.
const RATE_LEAST: u64 = 1 << 20;
const PAGE: usize = 1_000;

/// What the scrub of this process knows; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Scrub(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    state: State,
    by: String,
    started: Option<Micros>,
    ended: Option<Micros>,
    error: Option<String>,
    bytes: u64,
    bytes_done: u64,
    blobs_done: u64,
    damage: BTreeMap<Sha256, Damage>,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Never,
    Running,
    Done,
    Cancelled,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Damage {
    missing: bool,
    images: Vec<String>,
}

impl Scrub {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    pub fn status(&self) -> api::Scrub {
        let known = self.known();
        let damage = |(sha256, damage): (&Sha256, &Damage)| api::DamagedBlob {
            sha256: sha256.to_string(),
            missing: damage.missing,
            images: damage.images.clone(),
        };
        api::Scrub {
            state: match known.state {
                State::Never => "never",
                State::Running => "running",
                State::Done => "done",
                State::Cancelled => "cancelled",
                State::Failed => "failed",
            }
            .to_owned(),
            by: known.by.clone(),
            started_us: known.started,
            ended_us: known.ended,
            error: known.error.clone(),
            blobs_done: known.blobs_done,
            bytes_done: known.bytes_done,
            bytes: known.bytes.max(known.bytes_done),
            damaged: known.damage.iter().map(damage).collect(),
        }
    }

    /// For the status of the server: blobs that nobody can get.
    pub fn trouble(&self) -> Vec<String> {
        let known = self.known();
        let mut trouble: Vec<String> =
            known.damage.iter().take(5).map(|(sha256, damage)| sentence(sha256, damage)).collect();
        if known.damage.len() > trouble.len() {
            trouble.push(format!(
                "{} more blobs are damaged: `higuma image scrub --status`",
                known.damage.len() - trouble.len()
            ));
        }
        trouble
    }

    /// A blob is whole again (uploaded), or nobody wants it any more.
    pub fn mended(&self, sha256: &Sha256) {
        let mut known = self.known();
        if known.damage.remove(sha256).is_some() {
            publish(&known);
        }
    }

    fn damaged(&self, sha256: &Sha256, damage: Damage) {
        tracing::error!(%sha256, "{}", sentence(sha256, &damage));
        let mut known = self.known();
        if known.damage.len() < DAMAGE_MOST || known.damage.contains_key(sha256) {
            known.damage.insert(sha256.clone(), damage);
        }
        publish(&known);
    }
}

fn sentence(sha256: &Sha256, damage: &Damage) -> String {
    let what = if damage.missing { "is missing" } else { "was damaged and is moved to blobs/bad" };
    let of = match damage.images.is_empty() {
        true => String::new(),
        false => format!(" (of {})", damage.images.join(", ")),
    };
    format!("blob {sha256}{of} {what}: build or import what it is of again, under a new version, which uploads it")
}

fn publish(known: &Known) {
    for (state, missing) in [("bad", false), ("missing", true)] {
        let count = known.damage.values().filter(|damage| damage.missing == missing).count();
        metrics::gauge!("higuma_blobs_damaged", "state" => state).set(count as f64);
    }
}

/// What earlier processes moved aside, and nobody uploaded again. At the start of the server.
pub async fn remember(app: &App, blobs: &Blobs) -> Result<()> {
    for sha256 in blobs.set_aside().await? {
        if blobs.open_blob(&sha256).await?.is_none()
            && let Some(images) = recorded(app, &sha256).await?
        {
            app.scrub.damaged(&sha256, Damage { missing: false, images });
        }
    }
    Ok(())
}

/// Begin, in the background. Errors: one is running.
pub fn start(app: &App, blobs: Blobs, cache: Option<Cache>, asked: api::NewScrub, who: &str) -> Result<api::Scrub> {
    let rate = asked.bytes_per_second.unwrap_or(RATE).max(RATE_LEAST);
    let stop = CancellationToken::new();
    {
        let mut known = app.scrub.known();
        if known.state == State::Running {
            return Err(Error::Conflict("a scrub is running: wait for it, or cancel it".to_owned()));
        }
        let damage = std::mem::take(&mut known.damage);
        let (started, stop) = (Some(app.now()), stop.clone());
        *known = Known { state: State::Running, by: who.to_owned(), started, damage, stop, ..Known::default() };
    }
    tracing::info!(by = %who, rate, "scrub: all blobs are read again");
    let app = app.clone();
    let status = app.scrub.status();
    tokio::spawn(async move {
        let scrubbed = tokio::select! {
            scrubbed = run(&app, &blobs, cache.as_ref(), rate) => Some(scrubbed),
            () = stop.cancelled() => None,
        };
        let now = app.now();
        let mut known = app.scrub.known();
        known.ended = Some(now);
        known.state = match scrubbed {
            None => State::Cancelled,
            Some(Ok(())) => State::Done,
            Some(Err(error)) => {
                tracing::error!(cause = ?error, "scrub: {error}");
                known.error = Some(error.to_string());
                State::Failed
            }
        };
        let (blobs, bytes) = (known.blobs_done, known.bytes_done);
        tracing::info!(blobs, bytes, "scrub: {blobs} blobs were read");
    });
    Ok(status)
}

/// End it. That none is running is no error.
pub fn cancel(app: &App) -> api::Scrub {
    app.scrub.known().stop.cancel();
    app.scrub.status()
}

async fn run(app: &App, blobs: &Blobs, cache: Option<&Cache>, rate: u64) -> Result<()> {
    let mut pace = Pace::new(rate);
    let scrub = &app.scrub;
    let read = |bytes: u64| {
        metrics::counter!("higuma_blob_scrub_bytes_total").increment(bytes);
        scrub.known().bytes_done += bytes;
    };
    let cached = cache.map(Cache::names);
    let bytes = match &cached {
        Some((_, bytes)) => *bytes,
        None => app.store.read(|tx| tx.blob_bytes()).await?,
    };
    scrub.known().bytes = bytes;
    for number in 0..=u8::MAX {
        for sha256 in blobs.shard(number).await? {
            match blobs.check(&sha256, &mut pace, &read).await? {
                Checked::Good => scrub.mended(&sha256),
                Checked::Gone => continue,
                Checked::Bad => {
                    let images = recorded(app, &sha256).await?.unwrap_or_default();
                    scrub.damaged(&sha256, Damage { missing: false, images });
                    again(app, blobs, &sha256).await?;
                }
            }
            scrub.known().blobs_done += 1;
        }
    }
    if let (Some(cache), Some((names, _))) = (cache, cached) {
        // What is wrong here is fetched again: nothing is lost.
        for sha256 in names {
            if cache.scrub(&sha256, &mut pace, &read).await? != Checked::Gone {
                scrub.known().blobs_done += 1;
            }
        }
    } else {
        missing(app, blobs).await?;
    }
    // What nobody wants any more is no damage.
    let damaged: Vec<Sha256> = scrub.known().damage.keys().cloned().collect();
    for sha256 in damaged {
        if recorded(app, &sha256).await?.is_none() {
            scrub.mended(&sha256);
        }
    }
    Ok(())
}

/// One that was uploaded while it was found damaged is no damage.
async fn again(app: &App, blobs: &Blobs, sha256: &Sha256) -> Result<()> {
    if blobs.open_blob(sha256).await?.is_some() {
        app.scrub.mended(sha256);
    }
    Ok(())
}

/// Blobs that are recorded, and not there.
async fn missing(app: &App, blobs: &Blobs) -> Result<()> {
    let mut after: Option<Sha256> = None;
    loop {
        let from = after.clone();
        let page = app.store.read(move |tx| tx.blobs_after(from.as_ref(), PAGE)).await?;
        for sha256 in &page {
            if blobs.open_blob(sha256).await?.is_some() {
                continue;
            }
            // Between a record's end and its file's nobody removes.
            let _arriving = blobs.arriving().await;
            if blobs.open_blob(sha256).await?.is_none()
                && !app.scrub.known().damage.contains_key(sha256)
                && let Some(images) = recorded(app, sha256).await?
            {
                app.scrub.damaged(sha256, Damage { missing: true, images });
                again(app, blobs, sha256).await?;
            }
        }
        match page.len() == PAGE {
            true => after = page.last().cloned(),
            false => return Ok(()),
        }
    }
}

/// Images that have a blob, a few of them; none: it is not recorded.
async fn recorded(app: &App, sha256: &Sha256) -> Result<Option<Vec<String>>> {
    let sha256 = sha256.clone();
    app.store
        .read(move |tx| match tx.blob(&sha256)? {
            None => Ok(None),
            Some(_) => Ok(Some(tx.images_with_blob(&sha256, IMAGES_MOST)?.iter().map(ToString::to_string).collect())),
        })
        .await
}
