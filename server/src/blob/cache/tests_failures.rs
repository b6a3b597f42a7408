#![allow(clippy::unwrap_used)]
//! Upstreams that break, are silent, or lie; a disk that is full.

use super::fake::{Act, CHUNK, Fake, blob, bytes, cache, ended, files};
use super::*;
use futures_util::future::join_all;
use tokio::sync::{Barrier, Semaphore};

const LIMIT: u64 = 1 << 20;

/// One blob, and its name and size.
fn data() -> (Vec<u8>, Sha256, u64) {
    let data = blob(7, 700_000);
    let (sha256, size) = (Sha256::of(&data), data.len() as u64);
    (data, sha256, size)
}

/// The whole, or the error.
async fn get(cache: &Cache, sha256: &Sha256, size: u64) -> Result<Vec<u8>> {
    bytes(cache.read(sha256, size).await?, 0, size).await
}

fn forgive(cache: &Cache) {
    cache.0.index().forgive();
}

#[tokio::test(start_paused = true)]
async fn goes_on_where_it_broke_off() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    let acts = [Act::CutAt(300_000), Act::EndAt(450_000), Act::Fail(Reason::Unreachable), Act::SilentAt(500_000)];
    let up = Arc::new(Fake::new("up", &[&data], &acts));
    let one = cache(dir.path(), LIMIT, &[&up]);
    assert_eq!(get(&one, &sha256, size).await.unwrap(), data);
    assert_eq!(up.asked(), [0, 300_000, 450_000, 450_000, 500_000]);

    // The other upstream goes on, at once.
    let dir = tempfile::tempdir().unwrap();
    let first = Arc::new(Fake::new("first", &[&data], &[Act::CutAt(300_000)]));
    let second = Arc::new(Fake::new("second", &[&data], &[]));
    let two = cache(dir.path(), LIMIT, &[&first, &second]);
    let begun = tokio::time::Instant::now();
    assert_eq!(get(&two, &sha256, size).await.unwrap(), data);
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    assert_eq!((first.asked(), second.asked()), (vec![0], vec![300_000]));
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_bounded_time() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    // Before the first byte: the error comes instead of an answer.
    let down = vec![Act::Fail(Reason::Unreachable); 99];
    let up = Arc::new(Fake::new("up", &[&data], &down));
    let cold = cache(dir.path(), LIMIT, &[&up]);
    let begun = tokio::time::Instant::now();
    let readers = join_all((0..50).map(|_| get(&cold, &sha256, size))).await;
    assert!(
        readers.iter().all(|r| matches!(r, Err(Error::Unavailable(m)) if m.contains("up: failed (tried 6 times)")))
    );
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!((up.asked().len(), cold.bytes()), (6, (0, 0)));
    // That is the answer for a moment.
    assert!(get(&cold, &sha256, size).await.is_err());
    assert_eq!(up.asked().len(), 6);

    // After it: the readers are cut off.
    let up = Arc::new(Fake::new("up", &[&data], &vec![Act::EndAt(400_000); 99]));
    let cut = cache(dir.path(), LIMIT, &[&up]);
    let reader = cut.read(&sha256, size).await.unwrap();
    let err = bytes(reader, 0, size).await.unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("300000 bytes early")), "{err}");

    // Silence: 503 long before the fetch has ended.
    let up = Arc::new(Fake::new("up", &[&data], &vec![Act::SilentAt(0); 99]));
    let silent = cache(dir.path(), LIMIT, &[&up]);
    let begun = tokio::time::Instant::now();
    let err = silent.read(&sha256, size).await.unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("25 s")), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let arriving = silent.0.index().arriving(&sha256).unwrap();
    assert_eq!(arriving.end().await.unwrap_err().reason, Reason::Silent);
    assert!(begun.elapsed() < Duration::from_secs(200), "{:?}", begun.elapsed());
    assert!(files(dir.path()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_a_complete_wrong_blob() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    let mut lie = data.clone();
    lie[10] ^= 1;
    let (gate, all_began) = (Arc::new(Semaphore::new(6)), Arc::new(Barrier::new(51)));
    let mut liar = Fake::new("liar", &[&data], &vec![Act::Bytes(lie.clone()); 99]);
    liar.gate = Some(gate.clone());
    let liar = Arc::new(liar);
    let alone = cache(dir.path(), LIMIT, &[&liar]);
    let readers = (0..50u64).map(|n| {
        let (cache, sha256, all_began) = (alone.clone(), sha256.clone(), all_began.clone());
        tokio::spawn(async move {
            // From anywhere to the end, and a piece at a time: how much came?
            let reader = cache.read(&sha256, size).await.unwrap();
            let mut at = n * 1000;
            at += reader.piece(at, size).await.unwrap().len() as u64;
            all_began.wait().await;
            loop {
                match reader.piece(at, size - at).await {
                    Ok(piece) => at += piece.len() as u64,
                    Err(error) => return (at, error.to_string()),
                }
                assert!(at < size, "the last byte of a wrong blob");
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    all_began.wait().await;
    gate.add_permits(100);
    for reader in join_all(readers).await {
        let (at, error) = reader.unwrap();
        assert!(at <= size - arriving::HELD_BACK, "{at}");
        assert!(error.contains("liar") && error.contains(sha256.as_str()), "{error}");
    }
    assert_eq!((liar.asked(), files(dir.path()), alone.bytes()), (vec![0], vec![], (0, 0)));

    // A small one: not even a byte.
    let small = blob(1, 100);
    let liar = Arc::new(Fake::new("liar", &[&small], &[Act::Bytes(vec![0; 100])]));
    let cache_of_small = cache(dir.path(), LIMIT, &[&liar]);
    let err = cache_of_small.read(&Sha256::of(&small), 100).await.unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("liar")), "{err}");

    // The next try begins with the other upstream.
    let liar = Arc::new(Fake::new("liar", &[&data], &vec![Act::Bytes(lie); 99]));
    let honest = Arc::new(Fake::new("honest", &[&data], &[]));
    let two = cache(dir.path(), LIMIT, &[&liar, &honest]);
    assert!(get(&two, &sha256, size).await.is_err());
    forgive(&two);
    assert_eq!(get(&two, &sha256, size).await.unwrap(), data);
    assert_eq!((liar.asked().len(), honest.asked().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn sizes_are_those_of_the_record() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    for told in [size + 1, size - 1, 0, u64::MAX] {
        let liar = Arc::new(Fake::new("liar", &[&data], &vec![Act::Size(told); 99]));
        let alone = cache(dir.path(), LIMIT, &[&liar]);
        let err = get(&alone, &sha256, size).await.unwrap_err();
        let words = format!("liar: expected {size} bytes in blob {sha256}, it says {told}");
        assert!(matches!(&err, Error::Unavailable(m) if *m == words), "{err}");
        assert_eq!(liar.asked(), [0], "not asked again for this blob");
        // Another upstream is.
        let liar = Arc::new(Fake::new("liar", &[&data], &vec![Act::Size(told); 99]));
        let honest = Arc::new(Fake::new("honest", &[&data], &[]));
        let both_dir = tempfile::tempdir().unwrap();
        let both = cache(both_dir.path(), LIMIT, &[&liar, &honest]);
        assert_eq!(get(&both, &sha256, size).await.unwrap(), data);
    }
    // It says the right size, and sends more, or the blob with more behind it.
    let mut longer = data.clone();
    longer.extend_from_slice(&[1; 3 * CHUNK]);
    let liar = Arc::new(Fake::new("liar", &[&data], &[Act::Bytes(longer), Act::Bytes(vec![9; 800_000])]));
    // (The fake says the size of what it has; it was told to send other bytes.)
    let long = cache(dir.path(), LIMIT, &[&liar]);
    assert_eq!(get(&long, &sha256, size).await.unwrap(), data, "what is behind the end does not count");
    ended(&long, &sha256).await.unwrap();
    assert_eq!(long.bytes().0, size);
    std::fs::remove_file(index::path(dir.path(), &sha256)).unwrap();
    assert!(get(&long, &sha256, size).await.is_err());
    assert!(files(dir.path()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_is_not_found() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Arc::new(Fake::new("one", &[], &[])), Arc::new(Fake::new("two", &[], &[])));
    let both = cache(dir.path(), LIMIT, &[&one, &two]);
    for _ in 0..5 {
        assert!(matches!(get(&both, &sha256, size).await, Err(Error::NotFound(_))));
    }
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1), "remembered for a moment");
    forgive(&both);
    assert!(get(&both, &sha256, size).await.is_err());
    assert_eq!((one.asked().len(), two.asked().len()), (2, 2));
    // One has it not, the other is away: that is not "not found".
    let away = Arc::new(Fake::new("away", &[&data], &vec![Act::Fail(Reason::Unreachable); 99]));
    let mixed = cache(dir.path(), LIMIT, &[&one, &away]);
    assert!(matches!(get(&mixed, &sha256, size).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_full_disk_is_told_and_keeps_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let small = blob(1, 100);
    let up = Arc::new(Fake::new("up", &[&small], &[]));
    let cache = cache(dir.path(), u64::MAX, &[&up]);
    assert_eq!(get(&cache, &Sha256::of(&small), 100).await.unwrap(), small);
    ended(&cache, &Sha256::of(&small)).await.unwrap();
    let disk = nix::sys::statvfs::statvfs(dir.path()).unwrap();
    let more = disk.blocks() * disk.fragment_size() + 1;
    let err = cache.read(&Sha256::of("large"), more).await.unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("disk") && m.contains("full")), "{err}");
    assert_eq!(up.asked(), [0], "the upstream was not asked");
    assert_eq!(files(dir.path()), [Sha256::of(&small).to_string()], "evicting could not help");
    assert_eq!(cache.bytes(), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_fetches_and_their_readers() {
    let (data, sha256, size) = data();
    let dir = tempfile::tempdir().unwrap();
    let up = Arc::new(Fake::new("up", &[&data], &[Act::SilentAt(400_000)]));
    let stop = CancellationToken::new();
    let cache = Cache::open(dir.path(), LIMIT, vec![up], stop.clone()).unwrap();
    let reader = cache.read(&sha256, size).await.unwrap();
    let reading = tokio::spawn(bytes(reader, 0, size));
    stop.cancel();
    let err = reading.await.unwrap().unwrap_err();
    assert!(matches!(&err, Error::Unavailable(m) if m.contains("stops")), "{err}");
    assert_eq!((cache.bytes(), files(dir.path())), ((0, 0), vec![]));
}

#[tokio::test(start_paused = true)]
async fn upstreams_that_are_away_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let one = Arc::new(Fake::new("one", &[], &[Act::Fail(Reason::Unreachable)]));
    let two = Arc::new(Fake::new("two", &[], &[]));
    let cache = cache(dir.path(), LIMIT, &[&one, &two]);
    assert!(cache.trouble().is_empty());
    cache.check_upstreams().await;
    assert_eq!(cache.trouble(), ["one: failed"]);
    cache.check_upstreams().await;
    assert!(cache.trouble().is_empty());
}
