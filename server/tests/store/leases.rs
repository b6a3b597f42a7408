//! Leases: an address has one client, whatever the number of servers, and what a node has is nobody's lease.

use crate::fixture::*;
use higuma::domain::dhcp::{ClientKey, Hardware, Lease, LeaseState, MessageType, Op, RelayInfo, Request, Subnet};
use higuma::domain::ipam::{Kind, Pool, Range, Source};
use higuma::error::Error;
use higuma::service::{App, Settings, ipam};
use higuma::store::{AddressRow, LeaseClient, LeaseFilter, LeaseIs, SpanUse, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const NOW: i64 = 1_800_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// What machine `n` says.
fn from(n: u16) -> Request {
    let [high, low] = n.to_be_bytes();
    Request {
        op: Op::Request,
        hops: 0,
        xid: 7,
        secs: 0,
        broadcast: false,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        hardware: Hardware { kind: 1, address: vec![0x52, 0x54, 0, 0, high, low] },
        kind: Some(MessageType::Discover),
        requested: None,
        server_id: None,
        wanted: Vec::new(),
        max_size: None,
        lease_seconds: None,
        class: String::new(),
        client_id: None,
        user_classes: Vec::new(),
        relay: None,
        archs: Vec::new(),
        undi: None,
        guid: None,
        uuid: None,
        ipxe: None,
        hostname: String::new(),
        odd: Vec::new(),
    }
}

fn subnet(net: &str, spans: &[(&str, &str)]) -> Subnet {
    let spans = spans.iter().map(|(first, last)| (ip(first), ip(last))).collect();
    Subnet { net: net.parse().unwrap(), spans, options: Default::default(), lease_seconds: 3600 }
}

fn lan(last: &str) -> Vec<Subnet> {
    vec![subnet("10.0.0.0/24", &[("10.0.0.10", last)])]
}

fn offer(address: &str, request: &Request, now: i64) -> Lease {
    Lease::offer(ip(address), "10.0.0.0/24".parse().unwrap(), request, now)
}

impl Db {
    async fn lease(&self, address: &str) -> Option<Lease> {
        let address = ip(address);
        self.get(move |tx| tx.lease(address)).await
    }

    async fn put_lease(&self, lease: &Lease, request: &Request, now: i64) -> bool {
        let (lease, request) = (lease.clone(), request.clone());
        self.put(move |tx| tx.put_lease(&lease, &request, None, now)).await
    }

    /// Bound for an hour.
    async fn bind(&self, address: &str, n: u16, now: i64) -> Lease {
        let lease = offer(address, &from(n), now).bound(&from(n), now, 3600);
        assert!(self.put_lease(&lease, &from(n), now).await, "{address} for {n}");
        lease
    }

    async fn give_up(&self, before: &Lease, after: Lease, now: i64) -> bool {
        let before = before.clone();
        self.put(move |tx| tx.give_up_lease(&before, &after, now)).await
    }

    async fn next(&self, subnets: &[Subnet], wish: Option<&str>, request: &Request, now: i64) -> Option<Ipv4Addr> {
        let (subnets, wish, request) = (subnets.to_vec(), wish.map(ip), request.clone());
        let lease = self.put(move |tx| tx.free_address(&subnets, wish, &request, now)).await?;
        assert_eq!(self.get(move |tx| tx.lease(lease.address)).await.as_ref(), Some(&lease), "it is kept");
        Some(lease.address)
    }
}

pub async fn leases_come_back_and_are_found_by_every_name(db: Empty) {
    let db = db.open();
    let relay = RelayInfo {
        raw: vec![1, 2, 0, 255, 2, 1, 9],
        circuit_id: Some(vec![0, 255]),
        remote_id: Some(vec![9]),
        link_selection: Some(ip("10.0.0.2")),
        server_id: Some(ip("10.0.0.3")),
    };
    let full = Request {
        client_id: Some(vec![255, 1, 2]),
        giaddr: ip("10.0.0.1"),
        relay: Some(relay),
        uuid: Some(uuid(1)),
        hostname: "küche".into(),
        ..from(1)
    };
    // Not in the order of their texts; an InfiniBand port; a relay that says nothing.
    let odd = Request { hardware: Hardware { kind: 32, address: vec![7; 16] }, giaddr: ip("10.0.0.1"), ..from(2) };
    let all = [offer("10.0.0.9", &full, NOW), offer("10.0.0.10", &odd, NOW), offer("10.0.0.100", &from(3), NOW + 1)];
    for (lease, request) in all.iter().zip([&full, &odd, &from(3)]) {
        assert!(db.put_lease(lease, request, NOW).await);
    }
    assert_eq!(db.lease("10.0.0.9").await.as_ref(), Some(&all[0]));
    assert_eq!(db.lease("10.0.0.11").await, None);
    let page = |filter: LeaseFilter, after: Option<&str>, limit| {
        let after = after.map(ip);
        db.get(move |tx| tx.leases(&filter, after, limit))
    };
    assert_eq!(page(LeaseFilter::default(), None, 9).await, all);
    assert_eq!(page(LeaseFilter::default(), Some("10.0.0.9"), 1).await, all[1..2]);
    let of = |request: &Request| {
        let request = request.clone();
        db.get(move |tx| tx.leases_of(&ClientKey::of(&request), &request.hardware, request.named()))
    };
    for same in [
        Request { uuid: None, hardware: from(9).hardware, ..full.clone() },
        Request { client_id: None, uuid: None, ..full.clone() },
        Request { uuid: Some(uuid(1).swapped()), ..from(9) },
        full.clone(),
    ] {
        assert_eq!(of(&same).await, all[..1], "{same:?}");
    }
    assert_eq!((of(&odd).await, of(&from(9)).await), (all[1..2].to_vec(), vec![]));
    // Zeros name no port: everybody may send them.
    let zeros =
        |n: u8| Request { hardware: Hardware { kind: 1, address: vec![0; 6] }, client_id: Some(vec![0, n]), ..from(1) };
    assert!(db.put_lease(&offer("10.0.1.1", &zeros(1), NOW), &zeros(1), NOW).await);
    assert_eq!((of(&zeros(1)).await.len(), of(&zeros(2)).await.len()), (1, 0));

    let client = LeaseClient { uuids: vec![uuid(1)], macs: vec!["52:54:00:00:00:03".parse().unwrap()] };
    let filter = LeaseFilter { client: Some(client), ..LeaseFilter::default() };
    assert_eq!(page(filter, None, 9).await, [all[0].clone(), all[2].clone()]);
    let net = |net: &str| LeaseFilter { subnet: Some(net.parse().unwrap()), ..LeaseFilter::default() };
    assert_eq!(page(net("10.0.0.0/24"), None, 9).await.len(), 4);
    db.put(|tx| tx.set_lease_subnet("10.0.0.0/25".parse().unwrap())).await;
    assert_eq!(page(net("10.0.0.0/25"), None, 9).await.len(), 3);
    let bound = db.bind("10.0.0.100", 3, NOW).await;
    let ended = db.lease("10.0.0.10").await.unwrap();
    assert!(db.give_up(&ended, ended.clone().released(NOW + 5), NOW + 5).await);
    let is = |is, now| page(LeaseFilter { state: Some((is, now)), ..LeaseFilter::default() }, None, 9);
    let addresses = |leases: Vec<Lease>| leases.iter().map(|l| l.address.to_string()).collect::<Vec<_>>();
    assert_eq!(addresses(is(LeaseIs::In(LeaseState::Bound), NOW).await), ["10.0.0.100"]);
    assert!(is(LeaseIs::In(LeaseState::Bound), bound.expires).await.is_empty());
    assert_eq!(addresses(is(LeaseIs::In(LeaseState::Released), NOW).await), ["10.0.0.10"]);
    assert_eq!(addresses(is(LeaseIs::Expired, bound.expires).await), ["10.0.0.9", "10.0.0.100", "10.0.1.1"]);
}

pub async fn who_has_an_address_keeps_it(db: Empty) {
    let db = db.open();
    let lease = db.bind("10.0.0.10", 1, NOW).await;
    let other = offer("10.0.0.10", &from(2), NOW + 1);
    assert!(!db.put_lease(&other, &from(2), NOW + 1).await);
    assert_eq!(db.lease("10.0.0.10").await.as_ref(), Some(&lease), "nothing was written");
    // The next program of the same machine, with an identifier of its own.
    let next = Request { client_id: Some(vec![255, 7]), uuid: Some(uuid(1)), ..from(1) };
    assert!(db.put_lease(&lease.clone().bound(&next, NOW + 2, 3600), &next, NOW + 2).await);
    // Another machine with that identifier, and a UUID of its own.
    let clone = Request { client_id: Some(vec![255, 7]), uuid: Some(uuid(2)), ..from(3) };
    assert!(!db.put_lease(&offer("10.0.0.10", &clone, NOW + 3), &clone, NOW + 3).await);
    // It is over by its time.
    let over = NOW + 2 + HOUR;
    assert!(!db.put_lease(&other, &from(2), over - 1).await);
    assert!(db.put_lease(&offer("10.0.0.10", &from(2), over), &from(2), over).await);
    // Somebody was found there: not for its own client either, until that is over.
    let offered = db.lease("10.0.0.10").await.unwrap();
    assert!(db.give_up(&offered, offered.clone().declined(over + 1), over + 1).await);
    assert!(!db.put_lease(&offered, &from(2), over + 2).await);
    assert!(!db.put_lease(&offer("10.0.0.10", &from(4), over + 2), &from(4), over + 2).await);
    assert!(db.put_lease(&offered, &from(2), over + 1 + HOUR).await);
}

pub async fn a_late_word_takes_nothing_back(db: Empty) {
    let db = db.open();
    let offered = offer("10.0.0.10", &from(1), NOW);
    assert!(db.put_lease(&offered, &from(1), NOW).await);
    // One server binds it; the other one, which had seen the offer alone, comes late with it or with its end.
    let bound = offered.clone().bound(&from(1), NOW + 5, 3600);
    assert!(db.put_lease(&bound, &from(1), NOW + 5).await);
    assert!(!db.give_up(&offered, offered.clone().released(NOW + 6), NOW + 6).await);
    assert_eq!(db.lease("10.0.0.10").await.as_ref(), Some(&bound));
    assert!(db.put_lease(&offered, &from(1), NOW + 7).await);
    let now = db.lease("10.0.0.10").await.unwrap();
    assert_eq!((now.state, now.expires), (LeaseState::Bound, bound.expires));
    // It gives it back itself: free for anybody.
    assert!(db.give_up(&now, now.clone().released(NOW + 8), NOW + 8).await);
    db.bind("10.0.0.10", 2, NOW + 8).await;
}

pub async fn the_next_free_address(db: Empty) {
    let db = db.open();
    let two =
        vec![subnet("10.0.1.0/24", &[("10.0.1.5", "10.0.1.5")]), subnet("10.0.0.0/24", &[("10.0.0.10", "10.0.0.12")])];
    assert_eq!(db.next(&two, Some("10.0.0.11"), &from(1), NOW).await, Some(ip("10.0.0.11")), "as it wishes");
    assert_eq!(db.next(&two, Some("10.0.0.12"), &from(1), NOW).await, Some(ip("10.0.0.11")), "what was kept for it");
    assert_eq!(
        db.next(&two, Some("10.0.0.11"), &from(2), NOW).await,
        Some(ip("10.0.1.5")),
        "in the order of the subnets"
    );
    // Not of a span, and not a host.
    for (n, wish) in [(3, "10.0.0.13"), (4, "10.0.0.0")] {
        let given = db.next(&two, Some(wish), &from(n), NOW).await.unwrap();
        assert!([ip("10.0.0.10"), ip("10.0.0.12")].contains(&given), "{given}");
    }
    assert_eq!(db.next(&two, None, &from(5), NOW).await, None);
    assert_eq!(db.next(&[], None, &from(5), NOW).await, None);
    assert_eq!(db.next(&[subnet("10.0.0.0/24", &[])], None, &from(5), NOW).await, None);
    // A client without leases gets the same wherever it asks; clients do not all want the first.
    let wide = lan("10.0.0.250");
    let wanted = |n: u16| {
        let (wide, db) = (wide.clone(), &db);
        async move {
            sql(&db.url, "DELETE FROM dhcp_leases");
            db.next(&wide, None, &from(n), NOW).await.unwrap()
        }
    };
    let mut first = BTreeSet::new();
    for n in 1..=8 {
        assert_eq!(wanted(n).await, wanted(n).await);
        first.insert(wanted(n).await);
    }
    assert!(first.len() > 4, "{first:?}");
}

pub async fn a_full_pool_gives_none_then_what_is_over_for_longest(db: Empty) {
    let db = db.open();
    let pool = lan("10.0.0.13");
    let addresses = ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13"];
    // 12 is over first, though it comes after the others; 13 was declined, and is so for an hour.
    for (n, (address, at)) in (1..).zip([("10.0.0.10", 30), ("10.0.0.11", 20), ("10.0.0.12", 10)]) {
        db.bind(address, n, NOW + at).await;
    }
    let last = offer("10.0.0.13", &from(4), NOW);
    assert!(db.put_lease(&last, &from(4), NOW).await);
    assert!(db.give_up(&last, last.clone().declined(NOW + HOUR), NOW + HOUR).await);
    assert_eq!(db.next(&pool, None, &from(9), NOW + HOUR).await, None);
    assert_eq!(db.next(&pool, Some(addresses[0]), &from(9), NOW + HOUR).await, None);
    let counts = |pool: &[Subnet], now: i64| {
        let pool = pool.to_vec();
        db.get(move |tx| Ok((tx.lease_counts(&pool, now)?.remove(0), tx.span_use(&pool[0].spans, now)?)))
    };
    let (now, in_use) = counts(&pool, NOW + HOUR).await;
    assert_eq!((now.bound, now.offered, now.declined, now.free), (3, 0, 1, 0));
    assert_eq!(in_use, SpanUse { taken: 4, over: 0 });
    let later = NOW + HOUR + 25;
    let (now, in_use) = counts(&pool, later).await;
    assert_eq!((now.bound, now.declined, now.free, in_use.over), (1, 1, 2, 2));
    assert_eq!(db.next(&pool, None, &from(9), later).await, Some(ip("10.0.0.12")));
    // A released one is free at once, behind those that are so for longer.
    let held = db.lease("10.0.0.10").await.unwrap();
    assert!(db.give_up(&held, held.clone().released(later), later).await);
    assert_eq!(db.next(&pool, None, &from(8), later).await, Some(ip("10.0.0.11")));
    // Its own client gets what it had.
    assert_eq!(db.next(&pool, None, &from(1), later).await, Some(ip("10.0.0.10")));
    assert_eq!(db.next(&pool, None, &from(7), later).await, None);
    assert_eq!(counts(&pool, later).await.0.offered, 3);
    // What was never used comes before what is over.
    assert_eq!(db.next(&lan("10.0.0.14"), None, &from(7), later + HOUR).await, Some(ip("10.0.0.14")));
}

/// 65,534 addresses, all of them leased but one.
pub async fn a_large_pool_is_searched_to_its_last_address(db: Empty) {
    let db = db.open();
    let key = match db.store.backend() {
        "sqlite" => "printf('40a00%04x', i)",
        _ => "'40a00' || lpad(to_hex(i), 4, '0')",
    };
    let left = 40_000;
    sql(
        &db.url,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65534) \
             INSERT INTO dhcp_leases SELECT {key}, '10.0.' || (i / 256) || '.' || (i % 256), '10.0.0.0/16', \
             'hw:1:' || (100000 + i), 1, '5254', NULL, 'bound', {NOW} + i, {NOW}, '', NULL, NULL, NULL, NULL, NULL, NULL, {NOW} \
             FROM n WHERE i <> {left}"
        ),
    );
    let pool = vec![subnet("10.0.0.0/16", &[("10.0.0.1", "10.0.255.254")])];
    let started = std::time::Instant::now();
    assert_eq!(db.next(&pool, None, &from(1), NOW).await, Some(ip("10.0.156.64")));
    let found = started.elapsed();
    assert_eq!(db.next(&pool, None, &from(2), NOW).await, None);
    assert_eq!(db.next(&pool, None, &from(2), NOW + 70_000).await, Some(ip("10.0.0.1")));
    println!("/16 with one address left: found in {found:?}, none and the oldest in {:?}", started.elapsed() - found);
    let counts = db.get(move |tx| tx.lease_counts(&pool, NOW)).await;
    assert_eq!((counts[0].bound, counts[0].offered, counts[0].free), (65_532, 2, 0));
}

fn row(address: &str, of: u32, kind: Kind) -> AddressRow {
    let (pool, address, node) = (name("n"), ip(address).into(), uuid(of));
    AddressRow { pool, address, node, kind, since: 5, released: None, device: String::new() }
}

fn node_pool(ranges: &[&str]) -> Pool {
    Pool {
        name: name("n"),
        kind: Kind::Node,
        cluster: String::new(),
        cidr: "10.0.0.0/24".parse().unwrap(),
        gateway: None,
        vlan: 0,
        ranges: ranges.iter().map(|range| range.parse::<Range>().unwrap()).collect(),
        exclusions: vec![],
        source: Source::Static,
        dhcp: Default::default(),
    }
}

pub async fn what_a_node_has_is_never_leased(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=2).try_for_each(|n| tx.put_node(&node(n)))).await;
    db.put(|tx| tx.put_pool(&node_pool(&[]), 1)).await;
    // By hand, out of the middle of what DHCP gives; and one of a BMC.
    db.put(|tx| tx.put_address(&row("10.0.0.11", 1, Kind::Node))).await;
    db.put(|tx| tx.put_address(&row("10.0.0.12", 2, Kind::Bmc))).await;
    let pool = lan("10.0.0.13");
    for n in [1, 2] {
        let given = db.next(&pool, Some("10.0.0.11"), &from(n), NOW).await.unwrap();
        assert!([ip("10.0.0.10"), ip("10.0.0.13")].contains(&given), "{given}");
    }
    assert_eq!(db.next(&pool, Some("10.0.0.12"), &from(3), NOW).await, None);
    // Nor when its leases are over.
    let lease = offer("10.0.0.11", &from(5), NOW);
    let put = |of: Option<u32>| {
        let lease = lease.clone();
        db.put(move |tx| tx.put_lease(&lease, &from(5), of.map(uuid).as_ref(), NOW))
    };
    assert_eq!((put(None).await, put(Some(2)).await, put(Some(1)).await), (false, false, true));
    let counts = {
        let pool = pool.clone();
        db.get(move |tx| tx.lease_counts(&pool, NOW))
    }
    .await;
    assert_eq!((counts[0].offered, counts[0].free), (3, 0));
    let over = NOW + 24 * HOUR;
    for n in [6, 7] {
        let given = db.next(&pool, Some("10.0.0.11"), &from(n), over).await.unwrap();
        assert!([ip("10.0.0.10"), ip("10.0.0.13")].contains(&given), "{given}");
    }
    assert_eq!(db.next(&pool, None, &from(8), over).await, None);
    db.put(|tx| tx.put_address(&AddressRow { released: Some(9), ..row("10.0.0.11", 1, Kind::Node) })).await;
    assert_eq!(db.next(&pool, None, &from(8), over).await, Some(ip("10.0.0.11")));
}

/// Two handles, as two servers have them; both hear every client.
pub async fn two_servers_never_lease_one_address_twice(db: Empty) {
    let db = db.open();
    const CLIENTS: u16 = 200;
    let pool = lan("10.0.0.209");
    let servers = [db.store.clone(), Store::open(&db.url).unwrap()];
    let mut tasks = Vec::new();
    for n in 1..=CLIENTS {
        for server in &servers {
            let (server, pool) = (server.clone(), pool.clone());
            tasks.push(tokio::spawn(async move {
                // Busy is an honest answer; a client asks again.
                for _ in 0..1000 {
                    let pool = pool.clone();
                    match server.write(move |tx| tx.free_address(&pool, None, &from(n), NOW)).await {
                        Ok(lease) => return (n, lease.unwrap().address),
                        Err(Error::Unavailable(_) | Error::Conflict(_)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                panic!("client {n} got no answer");
            }));
        }
    }
    let mut given: BTreeMap<u16, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for task in tasks {
        let (n, address) = task.await.unwrap();
        given.entry(n).or_default().insert(address);
    }
    assert!(given.values().all(|addresses| addresses.len() == 1), "both servers gave one client the same: {given:?}");
    let addresses: BTreeSet<Ipv4Addr> = given.into_values().flatten().collect();
    assert_eq!(addresses.len(), usize::from(CLIENTS));
    assert_eq!(db.next(&pool, None, &from(999), NOW).await, None);
}

pub async fn old_leases_are_forgotten_in_pieces(db: Empty) {
    let db = db.open();
    for n in 1..=5 {
        db.bind(&format!("10.0.0.{n}"), n, NOW + i64::from(n)).await;
    }
    let forget = |before, limit| db.put(move |tx| tx.forget_leases(before, limit));
    assert_eq!(forget(NOW + HOUR, 9).await, 0);
    assert_eq!((forget(NOW + HOUR + 5, 3).await, forget(NOW + HOUR + 5, 3).await), (3, 1));
    let left = db.get(|tx| tx.leases(&LeaseFilter::default(), None, 9)).await;
    assert_eq!(left.iter().map(|lease| lease.address).collect::<Vec<_>>(), [ip("10.0.0.5")], "that ends just then");
}

pub async fn ipam_gives_nothing_that_is_leased(db: Empty) {
    let db = db.open();
    db.put(|tx| (1..=4).try_for_each(|n| tx.put_node(&node(n)))).await;
    db.put(|tx| tx.put_pool(&node_pool(&["10.0.0.2-10.0.0.5"]), 1)).await;
    let app = App::new(db.store.clone(), Settings::default());
    let now = app.now();
    let next = |n: u32| {
        let app = &app;
        async move { ipam::allocate(app, uuid(n), Kind::Node).await.unwrap().map(|lease| lease.address) }
    };
    // Of a pool that was there before: leased, over, kept.
    db.bind("10.0.0.2", 1, now).await;
    db.bind("10.0.0.3", 2, now - 2 * HOUR).await;
    assert!(db.put_lease(&offer("10.0.0.4", &from(3), now), &from(3), now).await);
    assert_eq!(next(1).await, Some(ip("10.0.0.3").into()));
    assert_eq!(next(2).await, Some(ip("10.0.0.5").into()));
    assert_eq!(next(3).await, None);
    let reserve = |n: u32, address: &str, kind| ipam::reserve(&app, uuid(n), ip(address).into(), kind, String::new());
    let refused = reserve(3, "10.0.0.2", None).await;
    assert!(matches!(&refused, Err(Error::Conflict(text)) if text.contains("52:54:00:00:00:01")), "{refused:?}");
    // It is that node itself: its port is known by now.
    db.put(|tx| tx.set_macs(&uuid(3), &["52:54:00:00:00:01".parse().unwrap()])).await;
    reserve(3, "10.0.0.2", None).await.unwrap();
    // A lease that ended is looked at again, from the first one that was passed over.
    let kept = db.lease("10.0.0.4").await.unwrap();
    assert!(db.give_up(&kept, kept.clone().released(now), now).await);
    assert_eq!(next(4).await, Some(ip("10.0.0.4").into()));
    // One that was given back by its node, and is leased: not even last.
    ipam::release(&app, uuid(2), None, None).await.unwrap();
    db.bind("10.0.0.5", 9, now).await;
    assert_eq!(next(2).await, None);
    let wrong = reserve(2, "10.0.0.5", Some(Kind::Dhcp)).await;
    assert!(matches!(wrong, Err(Error::BadRequest(_))), "{wrong:?}");
}

pub async fn pools_keep_what_they_say_to_dhcp(db: Empty) {
    let db = db.open();
    let mut pool = node_pool(&[]);
    pool.dhcp.lease_seconds = Some(600);
    pool.dhcp.options.dns = vec![ip("10.0.0.2")];
    pool.dhcp.options.ntp = vec![ip("10.0.0.3"), ip("10.0.0.4")];
    pool.dhcp.options.domain = Some("lab.example".parse().unwrap());
    pool.dhcp.options.mtu = Some(9000);
    pool.dhcp.options.other = [(150, vec![10, 0, 0, 1])].into();
    let put = pool.clone();
    db.put(move |tx| tx.put_pool(&put, 1)).await;
    assert_eq!(db.get(|tx| tx.pools()).await, [pool]);
    // As a release before this one wrote it.
    let old = r#"{"cidr":"10.0.0.0/24","gateway":null,"vlan":0,"ranges":[],"exclusions":[],"source":"static"}"#;
    sql(&db.url, &format!("UPDATE pools SET spec = '{old}'"));
    assert_eq!(db.get(|tx| tx.pool(&name("n"))).await, Some(node_pool(&[])));
}
