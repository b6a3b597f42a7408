//! Addresses: two servers on one database never give one address twice, nor a node two of a kind.

use crate::fixture::*;
use higuma::domain::ipam::conflict::Sighting;
use higuma::domain::ipam::{Kind, Pool, Source, key};
use higuma::error::Error;
use higuma::service::{App, Settings, ipam};
use higuma::store::{AddressFilter, AddressRow, SightingRow, Store};
use std::collections::BTreeSet;
use std::net::IpAddr;

fn pool(called: &str, cidr: &str) -> Pool {
    Pool {
        name: name(called),
        kind: Kind::Bmc,
        cluster: "east".into(),
        cidr: cidr.parse().unwrap(),
        gateway: None,
        vlan: 4094,
        ranges: vec!["10.0.0.2-10.0.0.200".parse().unwrap()],
        exclusions: vec!["10.0.0.9".parse().unwrap()],
        source: Source::Dhcp,
        dhcp: Default::default(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn row(address: &str, of: u32) -> AddressRow {
    let (pool, node) = (name("p"), uuid(of));
    AddressRow { pool, address: ip(address), node, kind: Kind::Bmc, since: 5, released: None, device: String::new() }
}

pub async fn pools_and_addresses_come_back(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=4).try_for_each(|n| tx.put_node(&node(n)))).await;
    let six = Pool { ranges: vec![], exclusions: vec![], ..pool("six", "fd00::/64") };
    let all = [pool("p", "10.0.0.0/24"), six];
    let put = all.clone();
    db.put(move |tx| put.iter().try_for_each(|p| tx.put_pool(p, 1))).await;
    assert_eq!(db.get(|tx| tx.pools()).await, all);
    db.put(|tx| tx.set_pool_hint(&name("p"), "4x")).await;
    assert_eq!(db.get(|tx| tx.pool_hint(&name("p"))).await, "4x");
    db.put(|tx| tx.put_pool(&pool("p", "10.0.0.0/24"), 2)).await;
    assert_eq!(db.get(|tx| tx.pool_hint(&name("p"))).await, "", "a changed pool is looked at anew");
    // Not in the order of their texts.
    for (n, address) in [(1, "10.0.0.10"), (2, "10.0.0.9"), (3, "10.0.0.100")] {
        db.put(move |tx| tx.put_address(&row(address, n))).await;
    }
    let from = |key: String| db.get(move |tx| tx.given_from(&name("p"), &key, 9));
    assert_eq!(from(String::new()).await, [ip("10.0.0.9"), ip("10.0.0.10"), ip("10.0.0.100")]);
    assert_eq!(from(key(ip("10.0.0.10"))).await, [ip("10.0.0.10"), ip("10.0.0.100")]);
    let second = db.store.write(|tx| tx.put_address(&row("10.0.0.11", 1))).await;
    assert!(matches!(second, Err(Error::Conflict(_))), "a node has one of a kind: {second:?}");
    for (address, of, at) in [("10.0.0.100", 3, 7), ("10.0.0.10", 1, 8)] {
        db.put(move |tx| tx.put_address(&AddressRow { released: Some(at), ..row(address, of) })).await;
    }
    assert_eq!(db.get(|tx| tx.released_of(&name("p"), 0, 9)).await, [ip("10.0.0.100"), ip("10.0.0.10")]);
    assert_eq!(db.get(|tx| tx.released_of(&name("p"), 1, 1)).await, [ip("10.0.0.10")]);
    assert_eq!(db.get(|tx| tx.holders(ip("10.0.0.9"))).await, [row("10.0.0.9", 2)]);
    assert!(db.get(|tx| tx.holders(ip("10.0.0.10"))).await.is_empty());
    let mut counts = db.get(|tx| tx.address_counts()).await;
    counts.sort();
    assert_eq!(counts, [("p".to_owned(), false, 1), ("p".to_owned(), true, 2)]);
    let page = |live, after: Option<(String, String)>| {
        let filter = AddressFilter { live, ..AddressFilter::default() };
        db.get(move |tx| {
            Ok(tx.addresses(&filter, after.as_ref(), 2)?.into_iter().map(|r| r.address).collect::<Vec<_>>())
        })
    };
    assert_eq!(page(true, None).await, [ip("10.0.0.9")]);
    assert_eq!(page(false, Some(("p".into(), key(ip("10.0.0.9"))))).await, [ip("10.0.0.10"), ip("10.0.0.100")]);
    let outside = |a: &str, b: &str| {
        let (a, b) = (key(ip(a)), key(ip(b)));
        db.get(move |tx| tx.live_outside(&name("p"), &a, &b))
    };
    assert_eq!((outside("10.0.0.0", "10.0.0.8").await, outside("10.0.0.0", "10.0.0.9").await), (1, 0));
    db.put(|tx| tx.delete_pool(&name("p"))).await;
    assert!(db.get(|tx| tx.address_counts()).await.is_empty());
}

pub async fn devices_have_addresses_of_their_own(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=2).try_for_each(|n| tx.put_node(&node(n)))).await;
    db.put(|tx| tx.put_pool(&pool("p", "10.0.0.0/24"), 1)).await;
    db.put(|tx| tx.put_pool(&pool("q", "10.1.0.0/24"), 1)).await;
    let of = |address: &str, device: &str| AddressRow { device: device.into(), ..row(address, 1) };
    for (address, device) in [("10.0.0.5", ""), ("10.0.0.6", "bond0"), ("10.0.0.7", "v20")] {
        db.put(move |tx| tx.put_address(&of(address, device))).await;
    }
    for device in ["", "v20"] {
        let second = db.store.write(move |tx| tx.put_address(&of("10.0.0.8", device))).await;
        assert!(matches!(second, Err(Error::Conflict(_))), "{device:?} has one: {second:?}");
    }
    db.put(move |tx| tx.put_address(&AddressRow { pool: name("q"), ..of("10.1.0.7", "v20") })).await;
    let has = db.get(|tx| tx.addresses_of(&uuid(1))).await;
    let has: Vec<(&str, &str)> = has.iter().map(|row| (row.device.as_str(), row.pool.as_str())).collect();
    assert_eq!(has, [("", "p"), ("bond0", "p"), ("v20", "p"), ("v20", "q")]);
    // Given again, to somebody else's device.
    db.put(move |tx| tx.put_address(&AddressRow { released: Some(9), ..of("10.0.0.7", "v20") })).await;
    db.put(|tx| tx.put_address(&AddressRow { device: "br0".into(), ..row("10.0.0.7", 2) })).await;
    assert_eq!(db.get(|tx| tx.addresses_of(&uuid(2))).await[0].device, "br0");

    let settle = |n: u32| {
        db.put(move |tx| {
            let stale = tx.stale_nodes(None, 9)?;
            let epoch = stale.iter().find(|stale| stale.node.uuid == uuid(n)).map_or(0, |stale| stale.epoch);
            tx.settle_planned(&uuid(n), epoch, None, None).map(drop)
        })
    };
    let planned = |n: u32| db.get(move |tx| tx.planned(&uuid(n)));
    settle(1).await;
    settle(2).await;
    assert_eq!((planned(1).await.as_deref(), planned(2).await.as_deref()), (Some(""), Some("")));
    db.put(|tx| tx.stale_pool(&name("q"))).await;
    assert_eq!((planned(1).await, planned(2).await.as_deref()), (None, Some("")), "part of what its devices boot");
}

pub async fn sightings_are_kept_marked_and_paged(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    let seen = |n: u8, of: Option<u32>, conflict| SightingRow {
        address: ip("10.0.0.9"),
        seen: Sighting { mac: mac(n), node: of.map(uuid) },
        at: n.into(),
        conflict,
    };
    let all = [seen(3, None, true), seen(2, Some(1), true), seen(1, None, false)];
    let put = all.clone();
    db.put(move |tx| put.iter().try_for_each(|s| tx.put_sighting(s))).await;
    assert_eq!(db.get(|tx| tx.sightings(ip("10.0.0.9"))).await, all);
    assert_eq!(db.get(|tx| tx.sightings_of(&uuid(1))).await, all[1..2]);
    let first = db.get(|tx| tx.address_conflicts(None, 1)).await;
    assert_eq!(first, all[1..2]);
    let after = ("10.0.0.9".to_owned(), first[0].seen.mac.to_string());
    assert_eq!(db.get(move |tx| tx.address_conflicts(Some(&after), 9)).await, all[..1]);
    db.put(|tx| tx.forget_sighting(ip("10.0.0.9"), &mac(3))).await;
    db.put(move |tx| tx.put_sighting(&seen(2, None, false))).await;
    assert!(db.get(|tx| tx.address_conflicts(None, 9)).await.is_empty());
}

/// Two handles, as two servers have them.
pub async fn two_servers_never_give_one_address_twice(db: Empty) {
    let db = db.open();
    const NODES: u32 = 40;
    db.put(|tx| (1..=NODES).try_for_each(|n| tx.put_node(&node(n)))).await;
    db.put(|tx| tx.put_pool(&Pool { cluster: String::new(), ..pool("p", "10.0.0.0/24") }, 1)).await;
    let app = |store: Store| App::new(store, Settings::default());
    let servers = [app(db.store.clone()), app(Store::open(&db.url).unwrap())];
    let mut tasks = Vec::new();
    for n in 1..=NODES {
        // Each node asks both.
        for server in &servers {
            let server = server.clone();
            tasks.push(tokio::spawn(async move {
                // Busy is an honest answer; a client asks again.
                loop {
                    match ipam::allocate(&server, uuid(n), Kind::Bmc).await {
                        Ok(lease) => return (n, lease.unwrap().address),
                        Err(Error::Unavailable(_) | Error::Conflict(_)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }));
        }
    }
    let mut given = BTreeSet::new();
    for task in tasks {
        given.insert(task.await.unwrap());
    }
    let addresses: BTreeSet<IpAddr> = given.iter().map(|(_, address)| *address).collect();
    assert_eq!((given.len(), addresses.len()), (NODES as usize, NODES as usize), "{given:?}");
    assert!(!addresses.contains(&ip("10.0.0.9")));
}
