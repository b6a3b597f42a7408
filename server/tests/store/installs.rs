//! Installations come back, are found by their token, go with a merge; boots of nodes that were left are found.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::boot::{Boot, Phase};
use higuma::domain::install::Install;
use higuma::domain::node::Node;
use higuma::domain::profile::Mode;

fn install(n: u32, token: &str) -> Install {
    Install {
        node: uuid(n),
        profile: "deb".parse().unwrap(),
        revision: 3,
        attempts: 2,
        boot: id(u128::from(n)),
        token_hash: Sha256::of(token),
        started: 5,
        installed: None,
    }
}

pub async fn they_come_back_and_move(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        (1..=2).try_for_each(|n| tx.put_node(&node(n)))?;
        tx.put_install(&install(1, "one"))?;
        tx.put_own_boot(&uuid(1), Mode::Ipxe, 7)?;
        tx.put_own_boot(&uuid(1), Mode::LocalDisk, 9)
    })
    .await;
    assert_eq!(db.get(|tx| tx.install(&uuid(1))).await, Some(install(1, "one")));
    assert_eq!(db.get(|tx| tx.install(&uuid(2))).await, None);
    assert_eq!(db.get(|tx| tx.own_boot(&uuid(1))).await, Some((Mode::LocalDisk, 9)));
    let done = Install { installed: Some(8), ..install(1, "two") };
    let put = done.clone();
    db.put(move |tx| tx.put_install(&put)).await;
    assert_eq!(db.get(|tx| tx.install_by_token(&Sha256::of("one"))).await, None);
    assert_eq!(db.get(|tx| tx.install_by_token(&Sha256::of("two"))).await, Some(done.clone()));
    // Node 1 goes into node 2, its disk with it.
    db.put(|tx| {
        tx.move_children(&uuid(1), &uuid(2), 50)?;
        tx.delete_node(&uuid(1))
    })
    .await;
    assert_eq!(db.get(|tx| tx.install(&uuid(2))).await, Some(Install { node: uuid(2), ..done }));
    assert_eq!(db.get(|tx| tx.own_boot(&uuid(2))).await, Some((Mode::LocalDisk, 9)));
    // A new board whose installer did not come to its end takes nothing away.
    db.put(|tx| {
        tx.put_node(&node(3))?;
        tx.put_install(&install(3, "three"))?;
        tx.move_children(&uuid(3), &uuid(2), 51)?;
        tx.delete_node(&uuid(3))
    })
    .await;
    assert_eq!(db.get(|tx| tx.install(&uuid(2))).await.unwrap().installed, Some(8));
    assert!(db.put(|tx| tx.delete_install(&uuid(2))).await);
    assert!(!db.put(|tx| tx.delete_install(&uuid(2))).await);
}

pub async fn boots_of_nodes_that_were_left(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        // Left at 100: heard before; heard after; heard too lately to be silent; ended; never left.
        let all = [(1, 50, Some(100)), (2, 150, Some(100)), (3, 90, Some(100)), (4, 50, Some(100)), (5, 50, None)];
        for (n, heard, left) in all {
            let mut boot = Boot { up: Some(20), heartbeat: Some(heard), ..boot(n, n, 10) };
            boot.phase = if n == 4 { Phase::Ended } else { Phase::Running };
            tx.put_node(&Node { boot: Some(boot.id), last_seen: heard, ..node(n) })?;
            tx.put_boot(&boot)?;
            if let Some(left) = left {
                tx.put_own_boot(&uuid(n), Mode::LocalDisk, left)?;
            }
        }
        // One that never came up.
        let waiting = Boot { phase: Phase::Registered, ..boot(6, 6, 10) };
        tx.put_node(&Node { boot: Some(waiting.id), last_seen: 30, ..node(6) })?;
        tx.put_boot(&waiting)?;
        tx.put_own_boot(&uuid(6), Mode::Ipxe, 100)
    })
    .await;
    let mut found = db.get(|tx| tx.left_boots(80, 9)).await;
    found.sort();
    let mut expected = [boot(1, 1, 10).id, boot(6, 6, 10).id];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(db.get(|tx| tx.left_boots(80, 1)).await.len(), 1);
    assert!(db.get(|tx| tx.left_boots(30, 9)).await.is_empty(), "not silent for long enough");
}
