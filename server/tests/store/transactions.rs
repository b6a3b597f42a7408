//! What a transaction promises.

use crate::fixture::*;
use crate::pg;
use higuma::error::Error;
use higuma::store::{Store, Tx};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

pub async fn an_error_rolls_back_everything(db: Empty) {
    let db = db.open();
    let result: Result<(), _> = db
        .store
        .write(|tx| {
            tx.put_node(&node(1))?;
            Err(Error::Forbidden("no".into()))
        })
        .await;
    assert!(matches!(result, Err(Error::Forbidden(_))));
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
}

pub async fn a_dropped_statement_error_rolls_back(db: Empty) {
    let db = db.open();
    let result = db
        .store
        .write(|tx| {
            tx.put_node(&node(1))?;
            let _ = tx.put_boot(&boot(1, 99, 1)); // There is no node 99.
            Ok(())
        })
        .await;
    assert!(matches!(result, Err(Error::Internal(_))), "{result:?}");
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
}

pub async fn a_panic_is_an_error_and_the_store_lives(db: Empty) {
    let db = db.open();
    for _ in 0..30 {
        let result: Result<(), _> = db
            .store
            .write(|tx| {
                tx.put_node(&node(1))?;
                panic!("on purpose")
            })
            .await;
        let Err(Error::Internal(error)) = result else { panic!("{result:?}") };
        assert!(error.to_string().contains("on purpose"), "{error}");
        let result: Result<(), _> = db.store.read(|_| panic!("on purpose")).await;
        assert!(matches!(result, Err(Error::Internal(_))));
    }
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
    db.put(|tx| tx.put_node(&node(1))).await;
}

pub async fn reads_cannot_write_and_see_one_snapshot(db: Empty) {
    let db = db.open();
    assert!(db.store.read(|tx| tx.put_node(&node(1))).await.is_err());
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
    let (started, wait) = (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let (s, w) = (started.clone(), wait.clone());
    let store = db.store.clone();
    let reader = tokio::spawn(async move {
        let both = move |tx: &mut Tx<'_>| {
            let first = tx.setting("k")?;
            s.wait();
            w.wait();
            Ok((first, tx.setting("k")?))
        };
        store.read(both).await
    });
    tokio::task::spawn_blocking(move || started.wait()).await.unwrap();
    db.put(|tx| tx.put_setting("k", "v")).await;
    tokio::task::spawn_blocking(move || wait.wait()).await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), (None, None));
    assert_eq!(db.get(|tx| tx.setting("k")).await.as_deref(), Some("v"));
}

pub async fn concurrent_increments_are_all_counted(db: Empty) {
    let db = db.open();
    let (runs, mut tasks) = (Arc::new(AtomicU32::new(0)), vec![]);
    for _ in 0..8 {
        let (store, runs) = (db.store.clone(), runs.clone());
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 25 {
                let runs = runs.clone();
                let result = store
                    .write(move |tx| {
                        runs.fetch_add(1, SeqCst);
                        let now: u32 = tx.setting("counter")?.map_or(0, |text| text.parse().unwrap());
                        tx.put_setting("counter", &(now + 1).to_string())
                    })
                    .await;
                match result {
                    Ok(()) => done += 1,
                    Err(Error::Unavailable(_) | Error::Conflict(_)) => {} // It clashed too often: the caller asks again.
                    Err(e) => panic!("{e} {:?}", std::error::Error::source(&e)),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(db.get(|tx| tx.setting("counter")).await.as_deref(), Some("200"));
    println!("    200 increments in {} runs", runs.load(SeqCst));
}

/// A rack that is powered on: transactions about different nodes must not fail each other, from the first one on.
pub async fn many_nodes_at_once(db: Empty) {
    let db = db.open();
    let (runs, mut tasks) = (Arc::new(AtomicU32::new(0)), vec![]);
    let started = std::time::Instant::now();
    for n in 0..200 {
        let (store, runs) = (db.store.clone(), runs.clone());
        tasks.push(tokio::spawn(async move {
            let register = move |tx: &mut Tx<'_>| {
                runs.fetch_add(1, SeqCst);
                assert_eq!(tx.node(&uuid(n))?, None);
                tx.put_node(&node(n))?;
                tx.set_macs(&uuid(n), &[mac((n % 250) as u8)])?;
                tx.put_boot(&boot(n, n, 1))
            };
            store.write(register).await?;
            store.write(move |tx| tx.put_boot(&boot(n, n, 2))).await
        }));
    }
    let mut failed = vec![];
    for task in tasks {
        failed.extend(task.await.unwrap().err().map(|e| e.to_string()));
    }
    let rate = 400.0 / started.elapsed().as_secs_f64();
    println!("    200 registrations in {} runs, {rate:.0} transactions/s", runs.load(SeqCst));
    assert!(failed.is_empty(), "{} failed: {}", failed.len(), failed[0]);
    assert_eq!(db.get(|tx| tx.node_counts(0)).await.iter().map(|group| group.count).sum::<u64>(), 200);
}

pub async fn concurrent_inserts_have_one_winner(db: Empty) {
    let db = db.open();
    let mut tasks = vec![];
    for n in 0..8 {
        let store = db.store.clone();
        tasks.push(tokio::spawn(async move { store.write(move |tx| tx.setting_or_insert("k", &n.to_string())).await }));
    }
    let mut values = vec![];
    for task in tasks {
        values.push(task.await.unwrap().unwrap());
    }
    let stored = db.get(|tx| tx.setting("k")).await.unwrap();
    assert!(values.iter().all(|value| *value == stored), "{values:?}");
}

pub async fn opened_twice_at_once_from_empty(db: Empty) {
    let mut tasks = vec![];
    for _ in 0..4 {
        let url = db.url.clone();
        tasks.push(tokio::task::spawn_blocking(move || Store::open(&url).map(drop)));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    drop(db.store);
    let again = Store::open(&db.url).unwrap();
    assert!(again.read(|tx| tx.node(&uuid(1))).await.unwrap().is_some());
}

/// PostgreSQL only.
pub async fn a_lost_connection_is_told_and_recovers(server: &pg::Server) {
    let db = crate::fixture::Databases::postgres(server).fresh("lost").open();
    let admin = server.url("postgres");
    let result: Result<(), _> = db
        .store
        .write(move |tx| {
            tx.put_node(&node(1))?;
            sql(&admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lost'");
            tx.put_node(&node(2))
        })
        .await;
    assert!(matches!(&result, Err(Error::Unavailable(words)) if words.contains("lost")), "{result:?}");
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
    db.put(|tx| tx.put_node(&node(1))).await;

    let refused = Store::open("postgres://u:hunter%402@127.0.0.1:1/d").err().unwrap();
    let words = format!("{refused} {:?}", std::error::Error::source(&refused).map(ToString::to_string));
    assert!(words.contains("cannot connect") && !words.contains("hunter"), "{words}");
}
