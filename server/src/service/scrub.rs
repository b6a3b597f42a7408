//! People have all blobs of a server read again and compared with their names. One scrub at a time, at a bounded pace; what
//! it knows is of this process. It repairs nothing: a wrong blob is served no more, and whoever uploads it again mends it.

mod bucket;

use super::App;
use crate::blob::Blobs;
use crate::blob::cache::{Cache, Upstream};
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
    /// Recorded blobs that are looked for in the store, and those of them that were.
    stored: u64,
    stored_done: u64,
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
    what: What,
    images: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Wrong bytes, in a file that was moved aside.
    Bad,
    /// Not there.
    Missing,
    /// In the store, with another size than the recorded one.
    Size { found: u64, recorded: u64 },
}

impl What {
    /// Label of the metric.
    fn state(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Missing => "missing",
            Self::Size { .. } => "wrong_size",
        }
    }
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
            missing: damage.what == What::Missing,
            stored_size: match damage.what {
                What::Size { found, .. } => Some(found),
                What::Bad | What::Missing => None,
            },
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
            stored_done: known.stored_done,
            stored: known.stored.max(known.stored_done),
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
    let what = match damage.what {
        What::Bad => "was damaged and is moved to blobs/bad".to_owned(),
        What::Missing => "is missing".to_owned(),
        What::Size { found, recorded } => format!("has {found} bytes in the S3 store, expected {recorded}"),
    };
    let of = match damage.images.is_empty() {
        true => String::new(),
        false => format!(" (of {})", damage.images.join(", ")),
    };
    format!("blob {sha256}{of} {what}: build or import what it is of again, under a new version, which uploads it")
}

fn publish(known: &Known) {
    for state in ["bad", "missing", "wrong_size"] {
        let count = known.damage.values().filter(|damage| damage.what.state() == state).count();
        metrics::gauge!("higuma_blobs_damaged", "state" => state).set(count as f64);
    }
}

/// What earlier processes moved aside, and nobody uploaded again. At the start of the server.
pub async fn remember(app: &App, blobs: &Blobs) -> Result<()> {
    for sha256 in blobs.set_aside().await? {
        if blobs.open_blob(&sha256).await?.is_none()
            && let Some(images) = recorded(app, &sha256).await?
        {
            app.scrub.damaged(&sha256, Damage { what: What::Bad, images });
        }
    }
    Ok(())
}

/// Where a server has blobs.
#[derive(Debug, Clone)]
pub struct Places {
    /// Its data folder.
    pub blobs: Blobs,
    /// Its cache of what others have.
    pub cache: Option<Cache>,
    /// The store that all servers share. None for a boot server: its upstream scrubs its own.
    pub store: Option<Arc<dyn Upstream>>,
}

/// Begin, in the background. Errors: one is running.
pub fn start(app: &App, places: Places, asked: api::NewScrub, who: &str) -> Result<api::Scrub> {
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
            scrubbed = run(&app, &places, rate) => Some(scrubbed),
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

async fn run(app: &App, places: &Places, rate: u64) -> Result<()> {
    let Places { blobs, cache, store } = places;
    let mut pace = Pace::new(rate);
    let scrub = &app.scrub;
    let read = |bytes: u64| {
        metrics::counter!("higuma_blob_scrub_bytes_total").increment(bytes);
        scrub.known().bytes_done += bytes;
    };
    let cached = cache.as_ref().map(Cache::names);
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
                    scrub.damaged(&sha256, Damage { what: What::Bad, images });
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
    if let Some(store) = store {
        bucket::look(app, blobs, &**store).await?;
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
                app.scrub.damaged(sha256, Damage { what: What::Missing, images });
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
