//! BMCs that are enrolled: every column comes back, they are found by what they tell, and two servers never take one twice.

use crate::fixture::*;
use higuma::domain::bmc::{Bmc, BmcState, Power, Protocol};
use higuma::domain::enrol::{Enrolment, Found, Order, State};
use higuma::store::EnrolmentFilter;
use std::collections::BTreeSet;

fn enrolment(n: u8) -> Enrolment {
    Enrolment {
        id: id(n.into()),
        batch: id(77),
        who: "ana".into(),
        address: format!("10.0.8.{n}").parse().unwrap(),
        port: None,
        protocol: Protocol::Auto,
        user: "ADMIN".into(),
        sealed: Some((format!("sealed {n}"), "key".into())),
        name: None,
        cluster: String::new(),
        profile: None,
        uefi: false,
        restart: false,
        state: State::Waiting,
        reason: String::new(),
        sent: None,
        driver: None,
        certificate: None,
        uuids: vec![],
        mac: None,
        firmware: String::new(),
        power: Power::Unknown,
        node: None,
        attempts: 0,
        next: Some(100 + i64::from(n)),
        claim: None,
        made: 5,
        changed: 5,
    }
}

fn whole() -> Enrolment {
    let mut e = enrolment(1);
    e.port = Some(6230);
    e.protocol = Protocol::Ipmi;
    e.name = Some("web-1".parse().unwrap());
    e.cluster = "ost 'ü'".into();
    e.profile = Some(name("hv"));
    e.uefi = true;
    e.restart = true;
    e.take(id(9), 900, 6);
    let found = Found {
        driver: Protocol::Ipmi,
        certificate: Some("ab".into()),
        uuids: vec![uuid(2), uuid(1)],
        mac: Some(mac(1)),
        firmware: "1.2".into(),
        power: Power::Off,
    };
    e.identified(found, 7);
    e.ordering(Order::On, 8);
    e.reason = "why".into();
    e.attempts = 3;
    e
}

pub async fn round_trip_pages_and_counts(empty: Empty) {
    let db = empty.open();
    let all = [whole(), enrolment(2), enrolment(3)];
    let stored = all.clone();
    db.put(move |tx| stored.iter().try_for_each(|e| tx.put_enrolment(e))).await;
    assert_eq!(db.get(|tx| tx.enrolment(id(1))).await.unwrap(), whole());
    // Again is no second one, and its names are replaced.
    let mut changed = whole();
    changed.uuids = vec![uuid(5)];
    changed.next = None;
    let stored = changed.clone();
    db.put(move |tx| tx.put_enrolment(&stored)).await;
    assert_eq!(db.get(|tx| tx.enrolment(id(1))).await.unwrap(), changed);
    let page = db.get(|tx| tx.enrolments(&EnrolmentFilter::default(), Some(id(1)), 1)).await;
    assert_eq!(page, [enrolment(2)]);
    let waiting = EnrolmentFilter { state: Some(State::Waiting), batch: Some(id(77)) };
    assert_eq!(db.get(move |tx| tx.enrolments(&waiting, None, 9)).await.len(), 2);
    let other = EnrolmentFilter { state: None, batch: Some(id(78)) };
    assert!(db.get(move |tx| tx.enrolments(&other, None, 9)).await.is_empty());
    let counts = db.get(|tx| tx.count_enrolments(Some(id(77)))).await;
    let mut counts: Vec<_> = counts.iter().filter(|c| c.count > 0).map(|c| (c.state, c.idle, c.count)).collect();
    counts.sort();
    assert_eq!(counts, [(State::Waiting, false, 2), (State::Booting, true, 1)]);
    let twin = Enrolment { id: id(50), ..enrolment(2) };
    let error = db.store.write(move |tx| tx.put_enrolment(&twin)).await.unwrap_err();
    assert_eq!(error.code(), "conflict", "{error}");
}

pub async fn found_by_what_they_tell(empty: Empty) {
    let db = empty.open();
    db.put(|tx| {
        tx.put_node(&node(8))?;
        let mut bmc = Bmc::new(uuid(8), 1);
        bmc.address = Some("10.0.8.3".parse().unwrap());
        tx.put_bmc(&bmc)?;
        [whole(), enrolment(2), enrolment(3)].iter().try_for_each(|e| tx.put_enrolment(e))
    })
    .await;
    let like = |names: Vec<u32>, macs: Vec<u8>, addresses: Vec<&'static str>| {
        let db = &db;
        async move {
            let found = db.get(move |tx| {
                let names: Vec<_> = names.into_iter().map(uuid).collect();
                let macs: Vec<_> = macs.into_iter().map(mac).collect();
                let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
                tx.enrolments_like(&names, &macs, &addresses, 9)
            });
            found.await.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>()
        }
    };
    assert_eq!(like(vec![2, 9], vec![], vec![]).await, [1]);
    assert_eq!(like(vec![], vec![1, 9], vec![]).await, [1]);
    assert_eq!(like(vec![1], vec![1], vec!["10.0.8.1", "10.0.8.3"]).await, [1, 3]);
    assert!(like(vec![9], vec![9], vec![]).await.is_empty());
    let at = |tx: &mut higuma::store::Tx<'_>| tx.nodes_with_bmc_at("10.0.8.3".parse().unwrap());
    assert_eq!(db.get(at).await, [uuid(8)]);
    let reached = |tx: &mut higuma::store::Tx<'_>| tx.bmcs_reached_at(&["10.0.8.3".parse().unwrap()]);
    assert!(db.get(reached).await.is_empty(), "nobody logged in yet");
    db.put(|tx| {
        let mut bmc = tx.bmc(&uuid(8))?.unwrap();
        bmc.state = BmcState::Managed;
        tx.put_bmc(&bmc)
    })
    .await;
    assert_eq!(db.get(reached).await, [("10.0.8.3".parse().unwrap(), uuid(8))]);
    // The node goes with what became of it: the enrolment stays, for the list.
    db.put(|tx| {
        let mut e = tx.enrolment(id(1))?.unwrap();
        assert!(e.matched(uuid(8), "by hand".into(), 9));
        tx.put_enrolment(&e)?;
        tx.put_node(&node(9))?;
        tx.move_children(&uuid(8), &uuid(9), 10)
    })
    .await;
    let moved = db.get(|tx| tx.enrolment(id(1))).await.unwrap();
    assert_eq!((moved.node, moved.sealed), (Some(uuid(9)), None));
    assert!(like(vec![1, 2], vec![1], vec!["10.0.8.1"]).await.is_empty(), "it has its node");
}

pub async fn due_ones_and_keys(empty: Empty) {
    let db = empty.open();
    db.put(|tx| (1..=4).try_for_each(|n| tx.put_enrolment(&enrolment(n)))).await;
    assert_eq!(db.get(|tx| tx.next_due_enrolment()).await, Some(101));
    assert_eq!(db.get(|tx| tx.due_enrolments(103, 2)).await.len(), 2);
    let take = |claim: u128| {
        let store = db.store.clone();
        async move {
            store
                .write(move |tx| {
                    let mut due = tx.due_enrolments(500, 3)?;
                    due.retain_mut(|e| e.take(id(claim), 900, 500));
                    due.iter().try_for_each(|e| tx.put_enrolment(e))?;
                    Ok(due.into_iter().map(|e| e.id).collect::<BTreeSet<_>>())
                })
                .await
                .unwrap_or_default()
        }
    };
    let (one, two) = tokio::join!(take(1001), take(1002));
    assert!(one.is_disjoint(&two) && one.len() + two.len() >= 3, "{one:?} {two:?}");
    assert_eq!(db.get(|tx| tx.due_enrolments(901, 9)).await.len(), 4, "leases end");
    db.put(|tx| {
        // Given up while it is worked on: its claim stays, and it is due no more.
        let mut e = tx.enrolment(id(1))?.unwrap();
        assert!(e.cancel("ana", 501) && e.next.is_some());
        tx.put_enrolment(&e)?;
        (2..=4).try_for_each(|n| {
            let mut e = tx.enrolment(id(n))?.unwrap();
            e.next = None;
            tx.put_enrolment(&e)
        })
    })
    .await;
    assert_eq!(db.get(|tx| tx.next_due_enrolment()).await, None);
    let keys = db.get(|tx| tx.sealed_by_key()).await;
    assert_eq!(keys, [("key".to_owned(), 4)]);
    assert_eq!(db.get(|tx| tx.enrolments_sealed_with("key", 3)).await.len(), 3);
    assert!(db.get(|tx| tx.enrolments_sealed_with("other", 3)).await.is_empty());
}
