//! What nodes asked of boot services: added once, paged newest first, bounded for each node and by age.

use crate::fixture::*;
use higuma::store::{ExchangeAt, ExchangeFilter};
use higuma_proto::api::Exchange;

fn asked(at: i64, number: u64, server: &str) -> Exchange {
    Exchange {
        number,
        at_us: at,
        server: server.into(),
        service: "tftp".into(),
        what: "snponly.efi".into(),
        result: "complete".into(),
        detail: "küche".into(),
        mac: mac(1).to_string(),
        uuid: uuid(1).to_string(),
        node: uuid(1).to_string(),
        client: "10.0.0.17".into(),
        address: "10.0.0.17".into(),
        interface: "eth1".into(),
        relay: "10.1.0.1".into(),
        bytes: 265_728,
        took_us: 81_000,
    }
}

impl Db {
    async fn add(&self, n: u32, all: &[Exchange]) -> usize {
        let all: Vec<_> = all.iter().map(|e| (uuid(n), e.clone())).collect();
        self.put(move |tx| tx.add_exchanges(&all)).await
    }

    async fn page(&self, n: u32, filter: ExchangeFilter, limit: usize) -> Vec<Exchange> {
        self.get(move |tx| tx.exchanges(&uuid(n), &filter, limit)).await
    }

    async fn times(&self, n: u32) -> Vec<i64> {
        self.page(n, ExchangeFilter::default(), 2_000).await.iter().map(|e| e.at_us).collect()
    }
}

pub async fn added_once_and_paged(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=2).try_for_each(|n| tx.put_node(&node(n)))).await;
    let all = [asked(10, 1, "a"), asked(20, 2, "a"), asked(20, 2, "b"), asked(20, 3, "a"), asked(30, 4, "a")];
    assert_eq!(db.add(1, &all).await, 5);
    assert_eq!(db.add(1, &[asked(20, 2, "b"), asked(40, 5, "a")]).await, 1, "again: nothing twice");
    assert_eq!(db.page(2, ExchangeFilter::default(), 9).await, []);
    let mut seen = vec![];
    let mut before = None;
    loop {
        let page = db.page(1, ExchangeFilter { before, ..ExchangeFilter::default() }, 2).await;
        let Some(last) = page.last() else { break };
        before = Some(ExchangeAt(last.at_us, last.number, last.server.clone()));
        seen.extend(page);
    }
    let mut expected = all.to_vec();
    expected.push(asked(40, 5, "a"));
    expected.reverse();
    assert_eq!(seen, expected);
    let window = ExchangeFilter { from: Some(20), until: Some(40), before: None };
    assert_eq!(db.page(1, window, 9).await.len(), 4);
    // Of a node that there is not: nothing of the batch.
    let stray = [(uuid(1), asked(50, 6, "a")), (uuid(3), asked(51, 7, "a"))];
    assert!(db.store.write(move |tx| tx.add_exchanges(&stray)).await.is_err());
    assert_eq!(db.times(1).await.first(), Some(&40));
}

pub async fn bounded_by_number_and_age_and_moved(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=2).try_for_each(|n| tx.put_node(&node(n)))).await;
    let all: Vec<Exchange> = (1..=1_200).map(|n| asked(n, n as u64, "a")).collect();
    assert_eq!(db.add(1, &all).await, 1_200);
    db.add(2, &all[..3]).await;
    assert_eq!(db.put(|tx| tx.trim_exchanges(&uuid(1), 500)).await, 700);
    assert_eq!(db.put(|tx| tx.trim_exchanges(&uuid(1), 500)).await, 0);
    assert_eq!(db.times(1).await, (701..=1_200).rev().collect::<Vec<i64>>());
    assert_eq!(db.times(2).await, [3, 2, 1], "another node's stay");
    // By age, in pieces, of all nodes.
    assert_eq!(db.put(|tx| tx.forget_exchanges(703, 2)).await, 2);
    assert_eq!(db.put(|tx| tx.forget_exchanges(703, 9)).await, 3);
    assert_eq!((db.times(1).await.len(), db.times(2).await.len()), (498, 0));
    // A merge takes them along; a node that is deleted leaves none.
    db.put(|tx| {
        tx.move_children(&uuid(1), &uuid(2), 1)?;
        tx.delete_node(&uuid(1))
    })
    .await;
    assert_eq!(db.times(2).await.len(), 498);
    db.put(|tx| tx.delete_node(&uuid(2))).await;
    assert!(db.times(2).await.is_empty());
}

pub async fn the_boot_after_and_its_last_report(db: Empty) {
    use higuma::domain::boot::{Event, EventState};
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        (1..=3).try_for_each(|n| tx.put_boot(&boot(n, 1, i64::from(n.max(2)))))
    })
    .await;
    let after = |n: u32| db.get(move |tx| tx.boot_after(&boot(n, 1, i64::from(n.max(2)))));
    // Of the same instant: in order of id.
    assert_eq!(after(1).await.map(|b| b.id), Some(id(2)));
    assert_eq!(after(2).await.map(|b| b.id), Some(id(3)));
    assert_eq!(after(3).await, None);
    let event = |seq| Event { seq, at: 1, step: "up".into(), state: EventState::Ok, message: String::new() };
    assert_eq!(db.get(|tx| tx.last_report(id(1))).await, None);
    db.put(move |tx| tx.add_events(id(1), &[event(0)], 70, 9)).await;
    db.put(move |tx| tx.add_events(id(1), &[event(2_000_000_001)], 90, 9)).await;
    assert_eq!(db.get(|tx| tx.last_report(id(1))).await, Some(70), "the server's own is no report");
}
