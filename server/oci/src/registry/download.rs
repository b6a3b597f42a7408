//! Layers into files: three at a time, resumed by Range (RFC 9110 section 14) where they broke off, in this pull or in an
//! earlier one, hashed as they come. More bytes than announced, or others, end it at once: that is no accident of the network.

use super::part::Part;
use super::wire::{Failed, Wire};
use crate::cache::{Cache, Place};
use crate::digest::Digest;
use crate::error::{Error, Result, is_full};
use crate::load::Step;
use crate::manifest::Descriptor;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

const AT_ONCE: usize = 3;
/// However slow: so many bytes a second, and some time besides.
const SLOWEST: u64 = 50_000;
const BESIDES: Duration = Duration::from_secs(300);
/// How often another process is looked after that fetches the same.
const TICK: Duration = Duration::from_millis(100);

enum News {
    /// Came, or must come again.
    Bytes(i64),
    /// Were here before.
    Had(u64),
    Again(String),
}

/// See the module; the open files are in the order of the layers, one that comes twice is the same file. `scratch` is for what
/// the cache does not keep.
pub(super) async fn all(
    wire: &Arc<Wire>,
    layers: &[(Descriptor, Digest)],
    scratch: &Path,
    cache: Option<&Cache>,
    on_step: &mut dyn FnMut(Step),
) -> Result<Vec<Arc<File>>> {
    let digests: Vec<Digest> = layers.iter().map(|(layer, _)| layer.digest()).collect::<Result<_>>()?;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let (send, mut receive) = mpsc::channel(64);
    let mut tasks: JoinSet<Result<(Digest, File)>> = JoinSet::new();
    let mut begun = BTreeSet::new();
    for ((layer, _), digest) in layers.iter().zip(&digests) {
        if !begun.insert(digest) {
            continue;
        }
        let layer = Layer {
            wire: wire.clone(),
            cache: cache.filter(|_| Cache::keeps(digest)).cloned(),
            scratch: scratch.join(format!("{}-{}", digest.algorithm(), digest.hex())),
            digest: digest.clone(),
            size: layer.size,
            what: format!("the layer {digest}"),
            news: send.clone(),
        };
        let slots = slots.clone();
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await;
            layer.fetch().await
        });
    }
    drop(send);
    let mut total: i64 = 0;
    let mut files = BTreeMap::new();
    // Dropping the set, also on an error, ends all that is under way.
    loop {
        tokio::select! {
            // News before the end that they lead to.
            biased;
            Some(news) = receive.recv() => match news {
                News::Bytes(bytes) => {
                    total += bytes;
                    on_step(Step::Fetched(u64::try_from(total).unwrap_or(0)));
                }
                News::Had(bytes) => {
                    total += i64::try_from(bytes).unwrap_or(0);
                    on_step(Step::Had(u64::try_from(total).unwrap_or(0)));
                }
                News::Again(why) => on_step(Step::Again(why)),
            },
            done = tasks.join_next() => match done {
                None => break,
                Some(Ok(result)) => {
                    let (digest, file) = result?;
                    files.insert(digest, Arc::new(file));
                }
                Some(Err(e)) => return Err(wire.error(format!("a download was lost: {e}"))),
            },
        }
    }
    let file = |digest: &Digest| files.get(digest).cloned().ok_or_else(|| wire.error("a download was lost"));
    digests.iter().map(file).collect()
}

/// One layer on its way.
struct Layer {
    wire: Arc<Wire>,
    /// None: it is not kept.
    cache: Option<Cache>,
    /// Its file then.
    scratch: PathBuf,
    digest: Digest,
    size: u64,
    /// For people.
    what: String,
    news: mpsc::Sender<News>,
}

impl Layer {
    async fn tell(&self, news: News) {
        let _ = self.news.send(news).await;
    }

    /// Its file, whole and checked.
    async fn fetch(self) -> Result<(Digest, File)> {
        let place = match &self.cache {
            Some(cache) => self.place(cache).await?,
            None => None,
        };
        let deadline = BESIDES + Duration::from_secs(self.size / SLOWEST);
        let file = match tokio::time::timeout(deadline, self.whole(place)).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(self.wire.error(format!("{} did not come within {} s", self.what, deadline.as_secs())));
            }
        };
        Ok((self.digest, file))
    }

    /// Its place in the cache, when no other process fetches it any more: what that one got is there then.
    /// None: it cannot be kept.
    async fn place(&self, cache: &Cache) -> Result<Option<Place>> {
        let started = Instant::now();
        let mut told = false;
        loop {
            match cache.try_place(&self.digest) {
                Ok(None) => {}
                Ok(Some(place)) => return Ok(Some(place)),
                Err(error) => return self.not_kept(error).await.map(|()| None),
            }
            if started.elapsed() > cache.wait {
                let problem =
                    format!("another command is fetching {}, and does not end: end it, or try again later", self.what);
                return Err(self.wire.error(problem));
            }
            if !told {
                self.tell(News::Again(format!("waiting for another command that fetches {}", self.what))).await;
                told = true;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// The cache cannot be used for it: it comes all the same, but where there is no room.
    async fn not_kept(&self, error: Error) -> Result<()> {
        match error {
            Error::Io { doing, source } if !is_full(&source) => {
                let text = format!("could not {doing}: {source}; {} is not kept for another run", self.what);
                self.tell(News::Again(text)).await;
                Ok(())
            }
            error => Err(error),
        }
    }

    async fn whole(&self, place: Option<Place>) -> Result<File> {
        let mut part = match place {
            Some(place) => self.left(place).await?,
            None => Part::new(self.scratch.clone(), &self.digest)?,
        };
        if part.old {
            self.tell(News::Had(part.have)).await;
            if part.is_whole() {
                // It is right, and stays, when a registry lies about its size.
                return match part.have == self.size {
                    true => Ok(part.into_file()),
                    false => Err(self.wrong_size(format!("{} bytes", part.have))),
                };
            }
        }
        match self.checked(&mut part).await {
            Ok(()) => Ok(part.into_file()),
            Err(error) => {
                part.failed(&error);
                Err(error)
            }
        }
    }

    /// What an earlier pull left. It may be gigabytes: reading them must not hold up the other layers.
    async fn left(&self, place: Place) -> Result<Part> {
        let (digest, size) = (self.digest.clone(), self.size);
        match tokio::task::spawn_blocking(move || Part::left(place, &digest, size)).await {
            Ok(Ok(part)) => Ok(part),
            Ok(Err(error)) => {
                self.not_kept(error).await?;
                Part::new(self.scratch.clone(), &self.digest)
            }
            Err(e) => Err(self.wire.error(format!("{}: reading what is here of it was lost: {e}", self.what))),
        }
    }

    /// To its end, and its digest compared. What an earlier pull left may be wrong: without it once more.
    async fn checked(&self, part: &mut Part) -> Result<()> {
        loop {
            self.to_its_end(part).await?;
            match self.digest.equals(&self.what, &part.hash()) {
                Err(_) if part.old => {
                    let text = format!("{}: what was here of it is damaged; all of it again", self.what);
                    self.tell(News::Again(text)).await;
                    self.restart(part).await?;
                }
                compared => return compared,
            }
        }
    }

    async fn to_its_end(&self, part: &mut Part) -> Result<()> {
        let (mut tries, mut furthest) = (0, part.have);
        let mut all_asked = false;
        loop {
            let last = tries + 1 >= self.wire.options.tries;
            let Err(failed) = self.attempt(part, last, &mut all_asked).await else { return Ok(()) };
            // Only tries that got no further count.
            if part.have > furthest {
                (tries, furthest) = (0, part.have);
            }
            tries += 1;
            if let Failed::Again(error, _) = &failed
                && tries < self.wire.options.tries
            {
                let text = format!("{error}; going on after {} of {} bytes", part.have, self.size);
                self.tell(News::Again(text)).await;
            }
            self.wire.wait(failed, tries).await?;
        }
    }

    /// From where it is to the end. Some registries refuse any part, and give the whole: before giving up, that is asked for
    /// once. What is here goes only when it comes.
    async fn attempt(&self, part: &mut Part, last: bool, all_asked: &mut bool) -> std::result::Result<(), Failed> {
        let (wire, what) = (&self.wire, &self.what);
        let mut headers = HeaderMap::new();
        if part.have > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", part.have))
        {
            headers.insert(RANGE, range);
        }
        let path = format!("blobs/{}", self.digest);
        let mut response = wire.get(&path, headers, what).await?;
        if !response.status().is_success() && response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
            let failed = wire.refused(response, what).await;
            let goes_on = matches!(failed, Failed::Again(..)) && !last;
            if goes_on || std::mem::replace(all_asked, true) {
                return Err(failed);
            }
            let (Failed::Again(error, _) | Failed::Finally(error)) = failed;
            self.tell(News::Again(format!("{error}; asking for all of it"))).await;
            response = wire.get(&path, HeaderMap::new(), what).await?;
        }
        let start = format!("bytes {}-", part.have);
        let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
        let resumes = response.status() == StatusCode::PARTIAL_CONTENT && range.is_some_and(|v| v.starts_with(&start));
        if part.have > 0 && !resumes {
            self.restart(part).await?;
            if matches!(response.status(), StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) {
                let problem = format!("{what}: it did not send the part that was asked for");
                return Err(Failed::Again(wire.error(problem), None));
            }
        }
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(e) => return Err(wire.broken(what, &e)),
            };
            if part.have + chunk.len() as u64 > self.size {
                return Err(self.wrong_size("more".into()).into());
            }
            part.write(&chunk)?;
            self.tell(News::Bytes(chunk.len() as i64)).await;
        }
        match part.have == self.size {
            true => Ok(()),
            false => {
                let problem = format!("{what}: it ended after {} of {} bytes", part.have, self.size);
                Err(Failed::Again(wire.error(problem), None))
            }
        }
    }

    async fn restart(&self, part: &mut Part) -> Result<()> {
        self.tell(News::Bytes(-i64::try_from(part.have).unwrap_or(0))).await;
        part.restart()
    }

    fn wrong_size(&self, got: String) -> Error {
        Error::Mismatch { what: self.what.clone(), expected: format!("{} bytes", self.size), got }
    }
}
