//! Scrubs over a folder of blobs, without any listener.

use crate::common::lab;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use higuma::blob::Blobs;
use higuma::blob::cache::{Body, Cache, Failure, Reason, Upstream};
use higuma::domain::Sha256;
use higuma::error::Error;
use higuma::service::scrub::Places;
use higuma::service::{App, blobs as records, scrub};
use higuma_proto::api::{NewScrub, Scrub};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn ended(app: &App) -> Scrub {
    let wait = async {
        loop {
            let status = app.scrub.status();
            if status.state != "running" {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
}

/// A server that keeps blobs in its data folder alone.
fn folder(blobs: &Blobs) -> Places {
    Places { blobs: blobs.clone(), cache: None, store: None }
}

/// A bucket: names and sizes. Some questions fail before one is answered.
#[derive(Debug, Default)]
struct Bucket {
    sizes: Mutex<BTreeMap<Sha256, u64>>,
    fails: AtomicU32,
    gone: bool,
}

impl Upstream for Bucket {
    fn name(&self) -> &str {
        "s3"
    }

    fn size<'a>(&'a self, sha256: &'a Sha256) -> BoxFuture<'a, Result<u64, Failure>> {
        let fails = self.fails.load(Ordering::Relaxed);
        let answer = match self.sizes.lock().unwrap().get(sha256) {
            _ if fails > 0 => {
                self.fails.store(fails - 1, Ordering::Relaxed);
                Err(Failure::new(Reason::Unreachable, "s3: no connection"))
            }
            Some(size) => Ok(*size),
            None => Err(Failure::new(Reason::NotFound, "s3: there is none")),
        };
        std::future::ready(answer).boxed()
    }

    fn read<'a>(&'a self, _: &'a Sha256, _: u64) -> BoxFuture<'a, Result<Body, Failure>> {
        async { Err(Failure::new(Reason::Refused, "a scrub reads nothing of it")) }.boxed()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        let gone = || Err(Failure::new(Reason::Refused, "s3: there is no such bucket: make it, or mend blob-s3"));
        std::future::ready(if self.gone { gone() } else { Ok(()) }).boxed()
    }
}

#[tokio::test]
async fn a_shared_store_is_asked_for_all_that_is_recorded() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    // This server's data folder has one that is still to be moved.
    let blobs = Blobs::open(&lab.path("blobs")).unwrap();
    for bytes in ["good", "short", "to be moved"] {
        records::record(app, Sha256::of(bytes), bytes.len() as u64).await.unwrap();
    }
    blobs.put_bytes("to be moved".into()).await.unwrap();
    let bucket = Arc::new(Bucket::default());
    let sizes = [(Sha256::of("good"), 4), (Sha256::of("short"), 3), (Sha256::of("nobody knows it"), 1)];
    *bucket.sizes.lock().unwrap() = sizes.into();
    bucket.fails.store(2, Ordering::Relaxed);
    let upstreams: Vec<Arc<dyn Upstream>> = vec![bucket.clone()];
    let cache = Cache::open(&lab.path("cache"), 1 << 20, upstreams, CancellationToken::new()).unwrap();
    let start = |store: Arc<Bucket>| {
        let places = Places { blobs: blobs.clone(), cache: Some(cache.clone()), store: Some(store) };
        scrub::start(app, places, NewScrub::default(), "ann").unwrap()
    };
    start(bucket.clone());
    let found = ended(app).await;
    // `blob` is of image i:1 and not there at all.
    assert_eq!((found.state.as_str(), found.stored_done, found.stored), ("done", 4, 4), "{found:?}");
    assert_eq!((found.blobs_done, found.bytes_done), (1, 11), "of the data folder; nothing is read of the store");
    let mut damaged: Vec<_> =
        found.damaged.iter().map(|d| (d.sha256.clone(), d.missing, d.stored_size, d.images.join(","))).collect();
    damaged.sort();
    let mut expected = vec![
        (Sha256::of("blob").to_string(), true, None, "i:1".to_owned()),
        (Sha256::of("short").to_string(), false, Some(3), String::new()),
    ];
    expected.sort();
    assert_eq!(damaged, expected);
    let trouble = app.scrub.trouble();
    assert!(trouble.iter().any(|t| t.contains("has 3 bytes in the S3 store, expected 5")), "{trouble:?}");

    // Whole again. A bucket that is not there is no damage of all that is recorded: the scrub fails.
    bucket.sizes.lock().unwrap().extend([(Sha256::of("short"), 5), (Sha256::of("blob"), 4)]);
    start(bucket);
    assert!(ended(app).await.damaged.is_empty());
    start(Arc::new(Bucket { gone: true, ..Bucket::default() }));
    let failed = ended(app).await;
    assert_eq!((failed.state.as_str(), failed.damaged.len(), failed.stored), ("failed", 0, 0));
    assert!(failed.error.unwrap().contains("no such bucket"));
}

#[tokio::test]
async fn damage_is_found_told_and_mended() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let root = lab.path("blobs");
    let blobs = Blobs::open(&root).unwrap();
    // `blob` is of image i:1.
    for bytes in ["blob", "good", "lost"] {
        let (sha256, size) = blobs.put_bytes(bytes.into()).await.unwrap();
        records::record(app, sha256, size).await.unwrap();
    }
    let path = |of: &str| {
        let sha256 = Sha256::of(of);
        root.join(&sha256.as_str()[..2]).join(sha256.as_str())
    };
    std::fs::write(path("blob"), "blub").unwrap();
    std::fs::remove_file(path("lost")).unwrap();
    let start = || scrub::start(app, folder(&blobs), NewScrub::default(), "ann");
    assert_eq!(start().unwrap().state, "running");
    assert!(matches!(start(), Err(Error::Conflict(_))), "one at a time");
    let found = ended(app).await;
    assert_eq!((found.state.as_str(), found.by.as_str(), found.blobs_done), ("done", "ann", 2), "{found:?}");
    let mut damaged: Vec<_> =
        found.damaged.iter().map(|d| (d.sha256.as_str(), d.missing, d.images.join(","))).collect();
    damaged.sort();
    let (blob, lost) = (Sha256::of("blob"), Sha256::of("lost"));
    let mut expected = vec![(blob.as_str(), false, "i:1".to_owned()), (lost.as_str(), true, String::new())];
    expected.sort();
    assert_eq!(damaged, expected);
    let trouble = app.scrub.trouble();
    assert!(trouble.iter().any(|t| t.contains("i:1") && t.contains("blobs/bad")), "{trouble:?}");
    assert!(root.join("bad").join(blob.as_str()).exists() && !path("blob").exists());

    // A server that is started again still tells what was moved aside.
    let restarted = App { scrub: Default::default(), ..app.clone() };
    scrub::remember(&restarted, &blobs).await.unwrap();
    assert_eq!(restarted.scrub.status().damaged.len(), 1);
    // Uploaded again: whole.
    let (sha256, size) = blobs.put_bytes("blob".into()).await.unwrap();
    records::record(app, sha256, size).await.unwrap();
    assert_eq!(app.scrub.trouble().len(), 1);
    blobs.put_bytes("lost".into()).await.unwrap();
    start().unwrap();
    let found = ended(app).await;
    assert_eq!((found.blobs_done, found.damaged.len()), (3, 0), "{found:?}");
}

#[tokio::test]
async fn it_can_be_cancelled() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let blobs = Blobs::open(&lab.path("blobs")).unwrap();
    blobs.put_bytes(vec![0; 64 << 20]).await.unwrap();
    // A minute at this pace.
    let slow = NewScrub { bytes_per_second: Some(1) };
    scrub::start(app, folder(&blobs), slow, "ann").unwrap();
    scrub::cancel(app);
    assert_eq!(ended(app).await.state, "cancelled");
    assert!(app.scrub.trouble().is_empty());
}
