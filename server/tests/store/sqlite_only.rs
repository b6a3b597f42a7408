//! Group commit, durability and files: what only SQLite's half of the store does.

use crate::fixture::*;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use higuma::error::Error;
use higuma::store::Store;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

pub const CHILD_ENV: &str = "HIGUMA_TEST_STORE_CHILD";

fn empty(dir: &tempfile::TempDir) -> Empty {
    Empty { url: format!("sqlite:{}/t.db", dir.path().display()) }
}

/// Hold the writer thread in a job, so that what is sent meanwhile comes into one group.
async fn hold(store: &Store) -> (Arc<Barrier>, tokio::task::JoinHandle<()>) {
    let (begun, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (b, e, store) = (begun.clone(), end.clone(), store.clone());
    let held = tokio::spawn(async move {
        let job = store.write(move |_| {
            b.wait();
            e.wait();
            Ok(())
        });
        job.await.unwrap();
    });
    tokio::task::spawn_blocking(move || begun.wait()).await.unwrap();
    (end, held)
}

pub async fn a_failing_job_takes_nobody_along() {
    let dir = tempfile::tempdir().unwrap();
    let db = empty(&dir).open();
    let (end, held) = hold(&db.store).await;
    let mut tasks = vec![];
    for n in 0..30 {
        let store = db.store.clone();
        tasks.push(tokio::spawn(async move {
            store
                .write(move |tx| {
                    tx.put_node(&node(n))?;
                    match n % 5 {
                        1 => Err(Error::Forbidden(n.to_string())),
                        2 => panic!("on purpose, job {n}"),
                        3 => tx.put_boot(&boot(n, 999, 1)), // There is no node 999.
                        _ => Ok(()),
                    }
                })
                .await
        }));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::task::spawn_blocking(move || end.wait()).await.unwrap();
    held.await.unwrap();
    for (n, task) in (0..).zip(tasks) {
        let result = task.await.unwrap();
        let there = db.get(move |tx| tx.node(&uuid(n))).await.is_some();
        match n % 5 {
            1 => assert!(matches!(&result, Err(Error::Forbidden(words)) if *words == n.to_string())),
            2 => assert!(matches!(&result, Err(Error::Internal(_)))),
            3 => assert!(matches!(&result, Err(Error::Conflict(_)))),
            _ => assert!(result.is_ok()),
        }
        assert_eq!(there, result.is_ok(), "{n}");
    }
}

pub async fn a_full_queue_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let db = empty(&dir).open();
    let (end, held) = hold(&db.store).await;
    let mut tasks = vec![];
    for n in 0..1100u32 {
        let store = db.store.clone();
        tasks.push(tokio::spawn(async move { store.write(move |tx| tx.put_node(&node(n))).await }));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    tokio::task::spawn_blocking(move || end.wait()).await.unwrap();
    held.await.unwrap();
    let (mut done, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => done += 1,
            Err(Error::Unavailable(_)) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!((done, refused), (1024, 76));
}

pub fn a_newer_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = empty(&dir).open();
    drop(db.store);
    sql(&db.url, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')");
    let error = Store::open(&db.url).err().unwrap();
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains("newer release") && words.contains("29991231235959"), "{words}");
}

pub fn the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    drop(empty(&dir).open());
    let mode = std::fs::metadata(dir.path().join("t.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = Store::open(&format!("sqlite:{}/no/such.db", dir.path().display())).err().unwrap();
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains("does its folder exist"), "{words}");
}

/// Not a benchmark: a figure to compare by, and that a store without groups would not reach on a slow disk.
pub async fn throughput() {
    // On a real disk if the build folder is on one; /tmp may be memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for writers in [1, 64] {
        let db = Empty { url: format!("sqlite:{}/{writers}.db", dir.path().display()) }.open();
        let (started, mut tasks) = (Instant::now(), vec![]);
        let each = 3200 / writers;
        for writer in 0..writers {
            let store = db.store.clone();
            tasks.push(tokio::spawn(async move {
                for n in 0..each {
                    store.write(move |tx| tx.put_node(&node(writer * 10_000 + n))).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let took = started.elapsed();
        let rate = f64::from(writers * each) / took.as_secs_f64();
        println!("sqlite: {writers} concurrent writers: {rate:.0} durable writes/s");
    }
}

/// The child: writes nodes 0, 1, 2, ... and says each number once it was acknowledged.
pub async fn write_for_ever(url: &str) {
    let store = Store::open(url).unwrap();
    let mut tasks = vec![];
    for writer in 0..8u32 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0.. {
                let n = n * 8 + writer;
                store.write(move |tx| tx.put_node(&node(n))).await.unwrap();
                println!("acknowledged {n}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

pub fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let url = empty(&dir).url;
    let mut acknowledged = vec![];
    // Several times on one file, so that recovery itself is recovered from.
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_writes", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD_ENV, &url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            // The line that the kill cut in half does not count; what was said before it does.
            let Ok(line) = line else { break };
            let Some(n) = line.split("acknowledged ").nth(1) else { continue };
            acknowledged.push(n.trim().parse::<u32>().unwrap());
            seen += 1;
            if seen == 100 + 37 * round {
                child.kill().unwrap(); // SIGKILL; what is still in the pipe is read and counts.
            }
        }
        child.wait().unwrap();
        assert!(seen >= 100, "the child said only {seen}");
    }
    let db = Empty { url }.open();
    let count = acknowledged.len();
    crate::runtime().block_on(async {
        let missing = db.get(move |tx| {
            let mut missing = vec![];
            for n in acknowledged {
                if tx.node(&uuid(n))?.is_none() {
                    missing.push(n);
                }
            }
            Ok(missing)
        });
        assert_eq!(missing.await, [0u32; 0]);
    });
    println!("sqlite: {count} acknowledged writes survived three kill -9");
    #[derive(diesel::QueryableByName)]
    struct Check {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    let mut conn = SqliteConnection::establish(db.url.trim_start_matches("sqlite:")).unwrap();
    let check: Check = diesel::sql_query("PRAGMA integrity_check").get_result(&mut conn).unwrap();
    assert_eq!(check.integrity_check, "ok");
}
