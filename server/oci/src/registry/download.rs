//! Layers into files: three at a time, resumed by Range (RFC 9110 section 14) where they broke off, hashed as they come.
//! More bytes than announced, or others, end it at once: that is no accident of the network.

use super::wire::{Failed, Wire};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::load::Step;
use crate::manifest::Descriptor;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

const AT_ONCE: usize = 3;
/// However slow: so many bytes a second, and some time besides.
const SLOWEST: u64 = 50_000;
const BESIDES: Duration = Duration::from_secs(300);

enum News {
    Bytes(i64),
    Again(String),
}

/// See the module; the files' places are in the order of the layers.
pub(super) async fn all(
    wire: &Arc<Wire>,
    layers: &[(Descriptor, Digest)],
    folder: &Path,
    on_step: &mut dyn FnMut(Step),
) -> Result<Vec<PathBuf>> {
    let places = layers.iter().map(|(layer, _)| {
        let digest = layer.digest()?;
        Ok(folder.join(format!("{}-{}", digest.algorithm(), digest.hex())))
    });
    let places: Vec<PathBuf> = places.collect::<Result<_>>()?;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let (send, mut receive) = mpsc::channel(64);
    let mut tasks = JoinSet::new();
    let mut begun = BTreeSet::new();
    for ((layer, _), path) in layers.iter().zip(&places) {
        let digest = layer.digest()?;
        if !begun.insert(digest.clone()) {
            continue;
        }
        let (wire, slots, path, send, size) = (wire.clone(), slots.clone(), path.clone(), send.clone(), layer.size);
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let deadline = BESIDES + Duration::from_secs(size / SLOWEST);
            let what = format!("the layer {digest}");
            match tokio::time::timeout(deadline, one(&wire, &digest, size, &path, &what, &send)).await {
                Ok(result) => result,
                Err(_) => Err(wire.error(format!("{what} did not come within {} s", deadline.as_secs()))),
            }
        });
    }
    drop(send);
    let mut total: i64 = 0;
    // Dropping the set, also on an error, ends all that is under way.
    loop {
        tokio::select! {
            Some(news) = receive.recv() => match news {
                News::Bytes(bytes) => {
                    total += bytes;
                    on_step(Step::Fetched(u64::try_from(total).unwrap_or(0)));
                }
                News::Again(why) => on_step(Step::Again(why)),
            },
            done = tasks.join_next() => match done {
                None => return Ok(places),
                Some(Ok(result)) => result?,
                Some(Err(e)) => return Err(wire.error(format!("a download was lost: {e}"))),
            },
        }
    }
}

/// What has come of one layer.
struct Partial<'a> {
    file: std::fs::File,
    path: &'a Path,
    have: u64,
    hasher: Hasher,
}

impl Partial<'_> {
    fn restart(&mut self, digest: &Digest) -> Result<()> {
        let failed = || Error::io(format!("write {}", self.path.display()));
        self.file.set_len(0).map_err(failed())?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed())?;
        (self.have, self.hasher) = (0, Hasher::like(digest));
        Ok(())
    }
}

async fn one(
    wire: &Wire,
    digest: &Digest,
    size: u64,
    path: &Path,
    what: &str,
    news: &mpsc::Sender<News>,
) -> Result<()> {
    let file = std::fs::File::create_new(path).map_err(Error::io(format!("make {}", path.display())))?;
    let mut partial = Partial { file, path, have: 0, hasher: Hasher::like(digest) };
    let (mut tries, mut furthest) = (0, 0);
    loop {
        match attempt(wire, digest, size, &mut partial, what, news).await {
            Ok(()) => break,
            Err(failed) => {
                // Only tries that got no further count.
                if partial.have > furthest {
                    (tries, furthest) = (0, partial.have);
                }
                tries += 1;
                if let Failed::Again(error, _) = &failed
                    && tries < wire.options.tries
                {
                    let _ = news
                        .send(News::Again(format!("{error}; going on after {} of {size} bytes", partial.have)))
                        .await;
                }
                wire.wait(failed, tries).await?;
            }
        }
    }
    digest.equals(what, &partial.hasher.finish())
}

/// From where it is to the end.
async fn attempt(
    wire: &Wire,
    digest: &Digest,
    size: u64,
    partial: &mut Partial<'_>,
    what: &str,
    news: &mpsc::Sender<News>,
) -> std::result::Result<(), Failed> {
    let mut headers = HeaderMap::new();
    if partial.have > 0
        && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", partial.have))
    {
        headers.insert(RANGE, range);
    }
    let mut response = wire.get(&format!("blobs/{digest}"), headers, what).await?;
    let start = format!("bytes {}-", partial.have);
    let resumes = response.status() == StatusCode::PARTIAL_CONTENT
        && response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).is_some_and(|v| v.starts_with(&start));
    if partial.have > 0 && !resumes {
        let _ = news.send(News::Bytes(-i64::try_from(partial.have).unwrap_or(0))).await;
        partial.restart(digest)?;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            return Err(Failed::Again(wire.error(format!("{what}: it sent another part than was asked for")), None));
        }
    }
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(e) => return Err(wire.broken(what, &e)),
        };
        if partial.have + chunk.len() as u64 > size {
            let (expected, got) = (format!("{size} bytes"), "more".into());
            return Err(Error::Mismatch { what: what.into(), expected, got }.into());
        }
        partial.file.write_all(&chunk).map_err(Error::io(format!("write {}", partial.path.display())))?;
        partial.hasher.update(&chunk);
        partial.have += chunk.len() as u64;
        let _ = news.send(News::Bytes(chunk.len() as i64)).await;
    }
    match partial.have == size {
        true => Ok(()),
        false => {
            Err(Failed::Again(wire.error(format!("{what}: it ended after {} of {size} bytes", partial.have)), None))
        }
    }
}
