//! Scrubs over a folder of blobs, without any listener.

use crate::common::lab;
use higuma::blob::Blobs;
use higuma::domain::Sha256;
use higuma::error::Error;
use higuma::service::{App, blobs as records, scrub};
use higuma_proto::api::{NewScrub, Scrub};
use std::time::Duration;

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
    let start = || scrub::start(app, blobs.clone(), None, NewScrub::default(), "ann");
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
    scrub::start(app, blobs, None, slow, "ann").unwrap();
    scrub::cancel(app);
    assert_eq!(ended(app).await.state, "cancelled");
    assert!(app.scrub.trouble().is_empty());
}
