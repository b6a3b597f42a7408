//! Node events: told once, replaced, put right, acknowledged, pruned.

use crate::fixture::*;
use higuma::domain::node_event::{Kind, Notice, Severity};
use higuma::store::NodeEventFilter;

fn notice(subject: &str, message: &str) -> Notice {
    Notice { kind: Kind::Hardware, severity: Severity::Warning, subject: subject.into(), message: message.into() }
}

pub async fn told_once_until_put_right(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    let raise = |n: u128, of: u32, subject: &'static str, message: &'static str| {
        db.put(move |tx| tx.raise(id(n), &uuid(of), &notice(subject, message), i64::try_from(n).unwrap()))
    };
    assert!(raise(1, 1, "dimm:A1", "gone").await);
    assert!(!raise(2, 1, "dimm:A1", "gone").await, "the same is told once");
    assert!(raise(3, 2, "dimm:A1", "gone").await, "of another node");
    assert!(raise(4, 1, "dimm:A1", "smaller").await, "says something else");
    let open = NodeEventFilter { open: true, ..NodeEventFilter::default() };
    let list = |filter: NodeEventFilter, before: Option<u128>, limit: usize| {
        db.get(move |tx| tx.node_events(&filter, before.map(id), limit))
    };
    let ids = |events: Vec<higuma::domain::node_event::NodeEvent>| -> Vec<u128> {
        events.iter().map(|e| e.id.as_u128()).collect()
    };
    assert_eq!(ids(list(open.clone(), None, 9).await), [4, 3]);
    assert_eq!(ids(list(NodeEventFilter::default(), None, 2).await), [4, 3]);
    assert_eq!(ids(list(NodeEventFilter::default(), Some(3), 2).await), [1]);
    let first = list(NodeEventFilter { node: Some(uuid(1)), ..NodeEventFilter::default() }, None, 9).await;
    assert_eq!((first[1].at, first[1].cleared), (1, Some(4)));

    assert!(db.put(|tx| tx.clear_subject(&uuid(1), "dimm:A1", 50)).await);
    assert!(!db.put(|tx| tx.clear_subject(&uuid(1), "dimm:A1", 51)).await);
    assert_eq!(ids(list(open.clone(), None, 9).await), [3]);
    let seen = db.put(|tx| tx.acknowledge(id(3), "ana", 60)).await.unwrap();
    assert_eq!(seen.acknowledged, Some((60, "ana".to_owned())));
    assert_eq!(db.put(|tx| tx.acknowledge(id(3), "ben", 61)).await.unwrap().acknowledged, seen.acknowledged);
    assert!(db.put(|tx| tx.acknowledge(id(99), "ben", 61)).await.is_none());
    assert!(list(open, None, 9).await.is_empty());
    let kind = NodeEventFilter { kind: Some(Kind::Cabling), ..NodeEventFilter::default() };
    assert!(list(kind, None, 9).await.is_empty());
}

pub async fn seen_together_and_over_by_age(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    for (n, severity) in [(1, Severity::Info), (2, Severity::Warning), (3, Severity::Info), (4, Severity::Warning)] {
        let subject = format!("thing:{n}");
        let notice = Notice { severity, ..notice(&subject, "x") };
        db.put(move |tx| tx.raise(id(n), &uuid(1), &notice, i64::try_from(n).unwrap())).await;
    }
    let open = NodeEventFilter { open: true, ..NodeEventFilter::default() };
    let ids = |filter: NodeEventFilter| {
        let found = db.get(move |tx| tx.node_events(&filter, None, 9));
        async { found.await.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>() }
    };
    // Up to the third, and no more than one at once; what is open and newer stays.
    let warnings = NodeEventFilter { severity: Some(Severity::Warning), ..NodeEventFilter::default() };
    let see = |limit| {
        let filter = warnings.clone();
        db.put(move |tx| tx.acknowledge_all(&filter, id(3), "ana", 50, limit))
    };
    assert_eq!((see(9).await, see(9).await), (1, 0));
    assert_eq!(ids(open.clone()).await, [4, 3, 1]);
    // The old information, and what was seen long ago.
    assert_eq!(db.put(|tx| tx.clear_stale_events(3, 99, 9)).await, 1);
    assert_eq!(ids(open.clone()).await, [4, 3]);
    assert_eq!(db.put(|tx| tx.clear_stale_events(51, 99, 1)).await, 1);
    assert_eq!(db.put(|tx| tx.clear_stale_events(51, 99, 9)).await, 1);
    assert_eq!(db.put(|tx| tx.clear_stale_events(51, 99, 9)).await, 0);
    assert_eq!(ids(open).await, [4], "a warning that nobody has seen stays");
}

pub async fn counted_and_pruned(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    for n in 1..=5u128 {
        db.put(move |tx| tx.raise(id(n), &uuid(1), &notice("dimm:A1", &format!("change {n}")), 1)).await;
    }
    let counts = db.get(|tx| tx.open_node_events()).await;
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].kind, counts[0].severity, counts[0].count), (Kind::Hardware, Severity::Warning, 1));
    db.put(|tx| tx.prune_node_events(&uuid(1), 2)).await;
    let left = db.get(|tx| tx.node_events(&NodeEventFilter::default(), None, 9)).await;
    assert_eq!(left.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>(), [5, 4, 3], "the open one and two cleared ones");
}
