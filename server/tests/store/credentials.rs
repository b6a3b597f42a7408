//! Credentials of BMCs: kept as they are sealed, at most one planned and one proven of a node.

use crate::fixture::*;
use higuma::domain::credential::{Credential, State, Via};
use higuma::error::Error;

fn credential(n: u128, of: u32, state: State) -> Credential {
    Credential {
        id: id(n),
        node: uuid(of),
        user: "higuma".into(),
        sealed: format!("00ff{n}"),
        master_key: format!("key{}", n % 2),
        state,
        via: Via::InBand,
        made: 7,
        proven: (state == State::Proven).then_some(9),
        changed: 9,
        reason: "why \"ü\"".into(),
    }
}

pub async fn rows_come_back_and_go(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    let all = [
        credential(1, 1, State::Retired),
        credential(2, 1, State::Proven),
        credential(3, 1, State::Planned),
        credential(4, 2, State::Failed),
    ];
    let put = all.clone();
    db.put(move |tx| put.iter().try_for_each(|c| tx.put_credential(c))).await;
    assert_eq!(db.get(|tx| tx.credentials_of(&uuid(1))).await, all[..3]);
    assert_eq!(db.get(|tx| tx.credential(id(4))).await, Some(all[3].clone()));
    assert_eq!(db.get(|tx| tx.sealed_by_key()).await, [("key0".to_owned(), 2), ("key1".to_owned(), 2)]);
    assert_eq!(db.get(|tx| tx.sealed_with("key1", 1)).await, all[..1]);
    let moved = Credential { node: uuid(2), master_key: "key9".into(), proven: None, ..all[0].clone() };
    let put = moved.clone();
    db.put(move |tx| tx.put_credential(&put)).await;
    assert_eq!(db.get(|tx| tx.credentials_of(&uuid(2))).await, [moved, all[3].clone()]);
    db.put(|tx| tx.forget_credential(id(3))).await;
    assert_eq!(db.get(|tx| tx.credential(id(3))).await, None);
    db.put(|tx| tx.delete_node(&uuid(2))).await;
    assert_eq!(db.get(|tx| tx.sealed_by_key()).await, [("key0".to_owned(), 1)], "they go with their node");
}

pub async fn a_node_has_one_planned_and_one_proven(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    for (n, state) in [(1, State::Planned), (2, State::Proven)] {
        db.put(move |tx| tx.put_credential(&credential(n, 1, state))).await;
        let second = db.store.write(move |tx| tx.put_credential(&credential(n + 10, 1, state))).await;
        assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
    }
    for n in 3..6 {
        db.put(move |tx| tx.put_credential(&credential(n, 1, State::Failed))).await;
    }
}

pub async fn two_at_once_have_one_winner(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    // As a plan is made: look, then insert when there is none.
    let plan = |n: u128| {
        let store = db.store.clone();
        tokio::spawn(async move {
            store
                .write(move |tx| match tx.credentials_of(&uuid(1))?.first() {
                    Some(there) => Ok(there.id),
                    None => tx.put_credential(&credential(n, 1, State::Planned)).map(|()| id(n)),
                })
                .await
                .unwrap()
        })
    };
    let mut winners = std::collections::BTreeSet::new();
    for task in (1..=12).map(plan).collect::<Vec<_>>() {
        winners.insert(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
}
