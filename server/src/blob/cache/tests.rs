#![allow(clippy::unwrap_used)]
//! One download for all, bytes as they arrive, room by use.

use super::fake::{Act, CHUNK, Fake, blob, bytes, cache, ended, files};
use super::*;
use futures_util::future::join_all;
use sha2::Digest;
use tokio::sync::Semaphore;

fn gated(bytes: &[u8]) -> (Arc<Fake>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let mut up = Fake::new("up", &[bytes], &[]);
    up.gate = Some(gate.clone());
    (Arc::new(up), gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_are_one_download() {
    let dir = tempfile::tempdir().unwrap();
    let data = blob(1, 700_001);
    let (sha256, size) = (Sha256::of(&data), data.len() as u64);
    let (up, gate) = gated(&data);
    let cache = cache(dir.path(), 1 << 20, &[&up]);
    let readers = (0..1000).map(|n| {
        let (cache, sha256, data) = (cache.clone(), sha256.clone(), data.clone());
        tokio::spawn(async move {
            let reader = cache.read(&sha256, size).await.unwrap();
            if n % 10 == 0 {
                // Some want the end only.
                return bytes(reader, size - 5, 5).await.unwrap() == data[data.len() - 5..];
            }
            let (mut hash, mut at) = (sha2::Sha256::new(), 0);
            while at < size {
                let piece = reader.piece(at, size).await.unwrap();
                assert!(piece.len() <= 256 * 1024);
                hash.update(&piece);
                at += piece.len() as u64;
            }
            hex::encode(hash.finalize()) == sha256.as_str()
        })
    });
    let readers: Vec<_> = readers.collect();
    gate.add_permits(100);
    assert!(join_all(readers).await.into_iter().all(|right| right.unwrap()));
    assert_eq!(up.asked(), [0], "one GET");
    ended(&cache, &sha256).await.unwrap();
    assert_eq!((files(dir.path()), cache.bytes()), (vec![sha256.to_string()], (size, size)));
    // And from now on it is a file.
    let reader = cache.held(&sha256).await.unwrap().unwrap();
    assert_eq!(bytes(reader, 3, 7).await.unwrap(), data[3..10]);
    assert_eq!(up.asked(), [0]);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_given_as_they_arrive_but_for_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let data = blob(2, 10 * CHUNK);
    let (sha256, size) = (Sha256::of(&data), data.len() as u64);
    let (up, gate) = gated(&data);
    let cache = cache(dir.path(), 1 << 20, &[&up]);
    gate.add_permits(1);
    let reader = cache.read(&sha256, size).await.unwrap();
    let soon = std::time::Duration::from_secs(1);
    // One chunk is there: a part of a piece.
    let first = reader.piece(0, size).await.unwrap();
    assert_eq!(first, data[..CHUNK]);
    assert!(tokio::time::timeout(soon, reader.piece(CHUNK as u64, 1)).await.is_err(), "not there yet");
    let end = tokio::spawn(bytes(reader.clone(), size - 1, 1));
    gate.add_permits(8);
    assert_eq!(reader.piece(CHUNK as u64, size).await.unwrap(), data[CHUNK..5 * CHUNK]);
    let held_back = size - arriving::HELD_BACK;
    assert_eq!(bytes(reader.clone(), 0, held_back).await.unwrap(), data[..6 * CHUNK]);
    // Nine of ten are on the disk; what is held back is not given.
    assert!(tokio::time::timeout(soon, reader.piece(held_back, 1)).await.is_err(), "not verified yet");
    assert!(!end.is_finished());
    gate.add_permits(1);
    assert_eq!(end.await.unwrap().unwrap(), data[data.len() - 1..]);
    assert_eq!(bytes(reader, 0, size).await.unwrap(), data);
}

#[tokio::test]
async fn readers_that_go_do_not_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = blob(3, 600_000);
    let (sha256, size) = (Sha256::of(&data), data.len() as u64);
    let (up, gate) = gated(&data);
    let cache = cache(dir.path(), 1 << 20, &[&up]);
    // One goes before its first byte, one after it; then nobody is left.
    let waiting = tokio::spawn({
        let (cache, sha256) = (cache.clone(), sha256.clone());
        async move { cache.read(&sha256, size).await.map(drop) }
    });
    while up.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    gate.add_permits(1);
    drop(cache.read(&sha256, size).await.unwrap());
    gate.add_permits(100);
    ended(&cache, &sha256).await.unwrap();
    assert_eq!(bytes(cache.held(&sha256).await.unwrap().unwrap(), 0, size).await.unwrap(), data);
    assert_eq!(up.asked(), [0]);
}

#[tokio::test]
async fn the_least_used_goes_and_never_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let data: Vec<Vec<u8>> = (0..5).map(|n| blob(n, 100)).collect();
    let all: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let up = Arc::new(Fake::new("up", &all, &[]));
    let cache = cache(dir.path(), 300, &[&up]);
    let sha: Vec<Sha256> = data.iter().map(Sha256::of).collect();
    let get = async |n: usize| {
        let reader = cache.read(&sha[n], 100).await?;
        ended(&cache, &sha[n]).await?;
        Ok::<_, Error>(reader)
    };
    for n in 0..3 {
        drop(get(n).await.unwrap());
    }
    // The first is used again: the second is the oldest.
    drop(get(0).await.unwrap());
    drop(get(3).await.unwrap());
    let held = |wanted: &[usize]| {
        let mut names: Vec<String> = wanted.iter().map(|n| sha[*n].to_string()).collect();
        names.sort();
        assert_eq!(files(dir.path()), names);
        assert_eq!(cache.bytes(), (100 * wanted.len() as u64, 100 * wanted.len() as u64));
    };
    held(&[0, 2, 3]);
    // What is read stays, however old; what arrives too.
    let (two, zero) = (get(2).await.unwrap(), get(0).await.unwrap());
    drop(get(3).await.unwrap());
    let four = get(4).await.unwrap();
    held(&[0, 2, 4]);
    let err = cache.read(&sha[1], 100).await.unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("blob-cache-size")), "{err}");
    held(&[0, 2, 4]);
    assert_eq!(bytes(zero, 0, 100).await.unwrap(), data[0]);
    drop(get(1).await.unwrap());
    held(&[1, 2, 4]);
    assert_eq!(
        (bytes(two, 0, 100).await.unwrap(), bytes(four, 0, 100).await.unwrap()),
        (data[2].clone(), data[4].clone())
    );
    // One that can never fit is not even asked for.
    let asked = up.asked().len();
    let large = cache.read(&Sha256::of("large"), 301).await.unwrap_err();
    assert!(matches!(&large, Error::Conflict(m) if m.contains("301") && m.contains("blob-cache-size")), "{large}");
    assert_eq!(up.asked().len(), asked);
}

#[tokio::test]
async fn a_restart_keeps_what_is_whole_and_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let data: Vec<Vec<u8>> = (0..3).map(|n| blob(n, 100)).collect();
    let sha: Vec<Sha256> = data.iter().map(Sha256::of).collect();
    let all: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let up = Arc::new(Fake::new("up", &all, &[]));
    let first = cache(dir.path(), 300, &[&up]);
    for (n, sha256) in sha.iter().enumerate() {
        drop(first.read(sha256, 100).await.unwrap());
        ended(&first, sha256).await.unwrap();
        // Used long ago, the first one least so.
        let file = File::open(index::path(dir.path(), sha256)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600 * (n as u64 + 1))).unwrap();
    }
    drop(first);
    // What a killed process left, and what is not ours.
    std::fs::write(dir.path().join("tmp/.tmpabc"), "half").unwrap();
    let second = cache(dir.path(), 300, &[&up]);
    assert_eq!((files(dir.path()).len(), second.bytes()), (3, (300, 300)));
    assert!(second.held(&sha[1]).await.unwrap().is_none(), "its length is not compared yet");
    second.read(&sha[1], 100).await.unwrap();
    assert!(second.held(&sha[1]).await.unwrap().is_some(), "its file's time is renewed by that");
    drop(second);
    // A lower limit: the oldest goes, which is the third now.
    let third = cache(dir.path(), 250, &[&up]);
    assert_eq!(third.bytes(), (200, 200));
    assert!(third.held(&sha[2]).await.unwrap().is_none());
    for sha in &sha[..2] {
        third.read(sha, 100).await.unwrap();
        assert!(third.held(sha).await.unwrap().is_some());
    }
    assert_eq!(up.asked(), [0, 0, 0]);
    // Somebody removed one, and cut another: fetched again.
    std::fs::remove_file(index::path(dir.path(), &sha[0])).unwrap();
    std::fs::write(index::path(dir.path(), &sha[1]), "cut").unwrap();
    for n in 0..2 {
        assert!(third.held(&sha[n]).await.unwrap().is_none(), "{n}");
        assert_eq!(bytes(third.read(&sha[n], 100).await.unwrap(), 0, 100).await.unwrap(), data[n]);
    }
    assert_eq!(up.asked().len(), 5);
}

#[tokio::test]
async fn heads_ask_and_fetch_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = blob(1, 100);
    let sha256 = Sha256::of(&data);
    let acts = [Act::Fail(Reason::Unreachable), Act::Size(99)];
    let one = Arc::new(Fake::new("one", &[&data], &acts));
    let two = Arc::new(Fake::new("two", &[], &[]));
    let cache = cache(dir.path(), 300, &[&one, &two]);
    for expected in ["one: failed", "it says 99"] {
        let err = cache.check(&sha256, 100).await.unwrap_err();
        assert!(matches!(&err, Error::Unavailable(m) if m.contains(expected)), "{err}");
    }
    cache.check(&sha256, 100).await.unwrap();
    assert!(matches!(cache.check(&Sha256::of("none"), 4).await, Err(Error::NotFound(_))));
    assert!(one.asked().is_empty() && files(dir.path()).is_empty());
}
