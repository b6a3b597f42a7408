//! Boots, their events, and offers.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::boot::{Boot, Event, EventState, Phase};
use higuma::domain::identity::Told;
use higuma::domain::offer::Offer;
use higuma::error::Error;

pub async fn round_trip_and_lookups(db: Empty) {
    let db = db.open();
    let full = Boot {
        phase: Phase::Running,
        callback_hash: Some(Sha256::of("callback")),
        profile: Some(name("gone")),
        revision: Some(u32::MAX),
        image: Some("debian:12".into()),
        plan_hash: Some(Sha256::of("plan")),
        deadline: Some(9),
        up: Some(8),
        heartbeat: Some(7),
        last_step: Some("up".into()),
        failed_step: Some("x".into()),
        failed_reason: Some("y".into()),
        os: Some("Debian".into()),
        address: Some("fd00::7".parse().unwrap()),
        ..boot(1, 1, 5)
    };
    let put = full.clone();
    db.put(move |tx| {
        tx.put_node(&node(1))?;
        tx.put_boot(&boot(2, 1, 4))?;
        tx.put_boot(&boot(1, 1, 5))?;
        tx.put_boot(&put)
    })
    .await;
    assert_eq!(db.get(|tx| tx.boot(id(1))).await.as_ref(), Some(&full));
    assert_eq!(db.get(|tx| tx.boot_by_session(&Sha256::of("session 1"))).await.as_ref(), Some(&full));
    assert_eq!(db.get(|tx| tx.boot_by_callback(&Sha256::of("callback"))).await.as_ref(), Some(&full));
    assert_eq!(db.get(|tx| tx.boot_by_callback(&Sha256::of("session 1"))).await, None);
    assert_eq!(db.get(|tx| tx.boot(id(3))).await, None);
    // One credential cannot be two boots'.
    let same = db.store.write(|tx| tx.put_boot(&Boot { id: id(9), ..boot(1, 1, 5) })).await;
    assert!(matches!(same, Err(Error::Conflict(_))), "{same:?}");
}

pub async fn pages_newest_first(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        tx.put_node(&node(2))?;
        tx.put_boot(&boot(99, 2, 3))?;
        // Four of each instant, so that pages end within one.
        (0..20).try_for_each(|n| tx.put_boot(&boot(n, 1, i64::from(n / 4))))
    })
    .await;
    let whole = db.get(|tx| tx.boots(&uuid(1), None, 100)).await;
    let ids: Vec<_> = whole.iter().map(|b| b.id).collect();
    assert_eq!(ids, (0..20u128).rev().map(id).collect::<Vec<_>>());
    let mut paged: Vec<Boot> = vec![];
    loop {
        let before = paged.last().map(|b| (b.started, b.id));
        let more = db.get(move |tx| tx.boots(&uuid(1), before, 3)).await;
        if more.is_empty() {
            break;
        }
        paged.extend(more);
    }
    assert_eq!(paged, whole);
}

pub async fn overdue(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        for (n, phase) in (0u32..).zip(Phase::ALL) {
            tx.put_boot(&Boot { phase, deadline: Some(10), ..boot(n, 1, 1) })?;
        }
        tx.put_boot(&Boot { phase: Phase::Booting, deadline: Some(5), ..boot(20, 1, 1) })?;
        tx.put_boot(&Boot { phase: Phase::Booting, deadline: Some(11), ..boot(21, 1, 1) })?;
        tx.put_boot(&Boot { phase: Phase::Booting, deadline: None, ..boot(22, 1, 1) })
    })
    .await;
    let ids = |boots: Vec<Boot>| boots.iter().map(|b| b.id).collect::<Vec<_>>();
    let late = db.get(|tx| tx.overdue_boots(11, 9)).await;
    assert!(late.iter().all(|b| b.overdue(11)));
    assert_eq!(ids(late), [id(20), id(1)]);
    assert_eq!(ids(db.get(|tx| tx.overdue_boots(11, 1)).await), [id(20)]);
    assert!(db.get(|tx| tx.overdue_boots(5, 9)).await.is_empty());
}

pub async fn events_are_idempotent_and_bounded(db: Empty) {
    let db = db.open();
    let event = |seq: u32, message: &str| Event {
        seq,
        at: -1,
        step: "download".into(),
        state: EventState::Retry,
        message: message.into(),
    };
    db.put(|tx| {
        tx.put_node(&node(1))?;
        tx.put_boot(&boot(1, 1, 1))?;
        tx.put_boot(&boot(2, 1, 1))
    })
    .await;
    let add = async |events: Vec<Event>, max| db.put(move |tx| Ok(tx.add_events(id(1), &events, 7, max)?.len())).await;
    assert_eq!(add(vec![], 9).await, 0);
    assert_eq!(add(vec![event(3, "c"), event(1, "a"), event(3, "again")], 9).await, 2);
    assert_eq!(add(vec![event(3, "other"), event(u32::MAX, "z"), event(2, "b")], 9).await, 2);
    let all = [event(1, "a"), event(2, "b"), event(3, "c"), event(u32::MAX, "z")];
    assert_eq!(db.get(|tx| tx.events(id(1), 100)).await, all);
    assert_eq!(db.get(|tx| tx.events(id(1), 2)).await, all[..2]);
    // Full at six: two more have room, and a known one is still no error.
    assert_eq!(add(vec![event(1, "a"), event(10, ""), event(11, ""), event(12, "")], 6).await, 2);
    assert_eq!(add(vec![event(13, "")], 6).await, 0);
    assert_eq!(db.get(|tx| tx.events(id(1), 100)).await.len(), 6);
    assert_eq!(db.get(|tx| tx.events(id(2), 100)).await, []);
}

fn offer(n: u32, created: i64) -> Offer {
    Offer {
        nonce_hash: Sha256::of(format!("nonce {n}")),
        node: Some(uuid(1)),
        mac: Some(mac(1)),
        told: Told { uuid: Some(uuid(1)), manufacturer: "M".into(), product: "P".into(), serial: "S".into() },
        http_base: "http://h".into(),
        created,
        expires: created + 100,
        bound: None,
    }
}

pub async fn offers_are_pruned_and_bound(db: Empty) {
    let db = db.open();
    // Offers come before their nodes exist.
    db.put(|tx| tx.put_offer(&offer(1, 1), 3)).await;
    assert_eq!(db.get(|tx| tx.offer(&offer(1, 1).nonce_hash)).await, Some(offer(1, 1)));
    let (nonce, credential) = (offer(1, 1).nonce_hash, Sha256::of("credential"));
    let (bound_nonce, bound_credential) = (nonce.clone(), credential.clone());
    let bind = async |boot: u128, credential: Sha256| {
        let nonce = bound_nonce.clone();
        db.store.write(move |tx| tx.bind_offer(&nonce, &credential, id(boot))).await
    };
    bind(5, credential.clone()).await.unwrap();
    bind(5, credential.clone()).await.unwrap();
    assert!(matches!(bind(6, credential.clone()).await, Err(Error::Conflict(_))));
    assert!(matches!(bind(5, Sha256::of("another")).await, Err(Error::Conflict(_))));
    let bound = db.get(move |tx| tx.offer(&nonce)).await.unwrap().bound;
    assert_eq!(bound, Some((bound_credential, id(5))));
    let store = db.store;
    // Six more of this node, at one instant: three stay, and the bound one; others' offers stay, too.
    store
        .write(|tx| {
            tx.put_offer(&Offer { node: Some(uuid(2)), ..offer(20, 0) }, 3)?;
            tx.put_offer(&Offer { node: None, ..offer(21, 0) }, 3)?;
            tx.put_offer(&Offer { node: None, mac: Some(mac(2)), ..offer(22, 0) }, 3)?;
            (2..8).try_for_each(|n| tx.put_offer(&offer(n, 9), 3))
        })
        .await
        .unwrap();
    let mut left = vec![];
    for n in 1..=22 {
        if store.read(move |tx| tx.offer(&offer(n, 0).nonce_hash)).await.unwrap().is_some() {
            left.push(n);
        }
    }
    assert!(left.contains(&1) && left.contains(&7) && left.ends_with(&[20, 21, 22]), "{left:?}");
    assert_eq!(left.len(), 1 + 3 + 3, "{left:?}");
    // By MAC alone.
    store
        .write(|tx| (30..36).try_for_each(|n| tx.put_offer(&Offer { node: None, ..offer(n, i64::from(n)) }, 2)))
        .await
        .unwrap();
    for (n, kept) in [(21, false), (33, false), (34, true), (35, true), (22, true), (7, true)] {
        let found = store.read(move |tx| tx.offer(&offer(n, 0).nonce_hash)).await.unwrap();
        assert_eq!(found.is_some(), kept, "{n}");
    }
    let again = store.write(|tx| tx.put_offer(&offer(7, 9), 3)).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
}

pub async fn offers_expire(db: Empty) {
    let db = db.open();
    let bound = |n: u32, boot: u128| Offer { bound: Some((Sha256::of("c"), id(boot))), ..offer(n, 0) };
    db.put(move |tx| {
        tx.put_node(&node(1))?;
        tx.put_boot(&Boot { phase: Phase::Ended, ..boot(1, 1, 1) })?;
        tx.put_boot(&Boot { phase: Phase::Running, ..boot(2, 1, 1) })?;
        tx.put_offer(&bound(1, 1), 99)?;
        tx.put_offer(&bound(2, 2), 99)?;
        tx.put_offer(&bound(3, 3), 99)?;
        tx.put_offer(&offer(4, 0), 99)?;
        tx.put_offer(&offer(5, 1), 99)
    })
    .await;
    assert_eq!(db.put(|tx| tx.expire_offers(100, 9)).await, 0);
    assert_eq!(db.put(|tx| tx.expire_offers(101, 2)).await, 2);
    assert_eq!(db.put(|tx| tx.expire_offers(101, 9)).await, 1);
    assert_eq!(db.put(|tx| tx.expire_offers(101, 9)).await, 0);
    for (n, kept) in [(1, false), (2, true), (3, false), (4, false), (5, true)] {
        assert_eq!(db.get(move |tx| tx.offer(&offer(n, 0).nonce_hash)).await.is_some(), kept, "{n}");
    }
}
