//! Shares, bounds and refusals, on made-up clocks.

#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeSet;
use std::ops::Range;

const S: Micros = 1_000_000;
const MIB: u64 = 1 << 20;

fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

/// Lets connections (each of a client) take as they can in these seconds; the bytes of each client.
fn run(delivery: &mut Delivery, connections: &[u8], seconds: Range<i64>, piece: u64) -> BTreeMap<u8, u64> {
    let mut got: BTreeMap<u8, u64> = BTreeMap::new();
    let mut wishes: Vec<(u8, Option<Ticket>)> = connections.iter().map(|n| (*n, None)).collect();
    for n in connections {
        delivery.begin(ip(*n), seconds.start * S).unwrap();
    }
    for now in (seconds.start * S..seconds.end * S).step_by(500) {
        loop {
            let mut moved = false;
            for (client, wish) in &mut wishes {
                let ticket = *wish.get_or_insert_with(|| delivery.wish(ip(*client), piece));
                if delivery.turn(ticket, now) == Turn::Go {
                    *got.entry(*client).or_default() += piece;
                    *wish = None;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
    }
    got
}

/// Within a hundredth, and what may be ahead.
fn near(got: u64, wanted: u64, rate: u64, piece: u64) {
    let ahead = rate / 4 + 2 * piece;
    assert!(got >= wanted - wanted / 100 - piece && got <= wanted + wanted / 100 + ahead, "{got}, wanted {wanted}");
}

#[test]
fn a_total_is_shared_by_clients_and_not_by_connections() {
    let total = 8 * MIB;
    let mut delivery = Delivery::new(Caps { total, ..Caps::default() });
    // Client 1 has six connections.
    let got = run(&mut delivery, &[1, 1, 1, 1, 1, 1, 2, 3], 0..10, 64 * 1024);
    near(got.values().sum(), 10 * total, total, 64 * 1024);
    for bytes in got.values() {
        near(*bytes, 10 * total / 3, total, 64 * 1024);
    }
}

#[test]
fn each_client_has_its_bound_and_leaves_the_rest_to_others() {
    let caps = Caps { total: 8 * MIB, node: MIB, ..Caps::default() };
    let mut delivery = Delivery::new(caps);
    let got = run(&mut delivery, &[1, 1, 2], 0..10, 64 * 1024);
    for bytes in got.values() {
        near(*bytes, 10 * MIB, MIB, 64 * 1024);
    }
    let mut alone = Delivery::new(Caps { total: 0, ..caps });
    near(run(&mut alone, &[1, 1, 1], 0..10, 64 * 1024)[&1], 10 * MIB, MIB, 64 * 1024);
}

#[test]
fn who_comes_late_has_no_claim_on_the_past() {
    let mut delivery = Delivery::new(Caps { total: MIB, ..Caps::default() });
    run(&mut delivery, &[1], 0..20, 64 * 1024);
    delivery.waiting.clear();
    let got = run(&mut delivery, &[1, 2], 20..40, 64 * 1024);
    let (first, second) = (got[&1] as f64, got[&2] as f64);
    assert!((first / second - 1.0).abs() < 0.05, "{first} {second}");
}

#[test]
fn a_bound_that_is_not_set_is_none() {
    let mut delivery = Delivery::new(Caps::default());
    delivery.begin(ip(1), 0).unwrap();
    for _ in 0..1_000 {
        let ticket = delivery.wish(ip(1), u64::MAX);
        assert_eq!(delivery.turn(ticket, 0), Turn::Go);
    }
    assert_eq!(Caps::default().window(MIB), MIB);
    assert_eq!(Caps { node: MIB, total: 64 * MIB, ..Caps::default() }.window(MIB), MIB / 8);
    assert_eq!(Caps { total: 1, ..Caps::default() }.window(MIB), 16 * 1024);
}

#[test]
fn newcomers_find_a_place_that_others_do_not() {
    let mut delivery = Delivery::new(Caps { downloads: 8, ..Caps::default() });
    for _ in 0..6 {
        delivery.begin(ip(1), 0).unwrap();
    }
    delivery.begin(ip(1), 0).unwrap_err();
    delivery.begin(ip(2), 0).unwrap();
    delivery.begin(ip(2), 0).unwrap_err();
    delivery.begin(ip(3), 0).unwrap();
    delivery.begin(ip(4), 0).unwrap_err();
    assert_eq!(delivery.going(), 8);
    delivery.end(ip(1), S);
    delivery.begin(ip(4), S).unwrap();
    for n in [1, 1, 1, 1, 1, 2, 3, 4] {
        delivery.end(ip(n), 2 * S);
    }
    assert_eq!((delivery.going(), delivery.clients.len()), (0, 0), "nobody is remembered without need");
    // With a bound of one there is no place to keep.
    let mut one = Delivery::new(Caps { downloads: 1, ..Caps::default() });
    one.begin(ip(1), 0).unwrap();
    one.begin(ip(2), 0).unwrap_err();
}

#[test]
fn a_thousand_that_are_refused_together_do_not_come_back_together() {
    let mut delivery = Delivery::new(Caps { downloads: 100, ..Caps::default() });
    let client = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for n in 0..1_100 {
        if let Err(after) = delivery.begin(client(n), 0) {
            *seconds.entry(after).or_default() += 1;
        }
    }
    assert_eq!(seconds.values().sum::<usize>(), 1_000);
    assert!(seconds.keys().all(|after| (2..=62).contains(after)), "{seconds:?}");
    assert!(seconds.len() >= 50 && seconds.values().all(|count| *count <= 80), "{seconds:?}");
    // The same client is told something else the next time, and few refused ones are not kept waiting.
    let again: BTreeSet<u64> = (0..20).map(|_| delivery.begin(client(500), 0).unwrap_err()).collect();
    assert!(again.len() > 5, "{again:?}");
    assert!(delivery.begin(client(500), 11 * S).unwrap_err() <= 7);
}

#[test]
fn a_wish_that_is_forgotten_holds_nobody_up() {
    let mut delivery = Delivery::new(Caps { total: MIB, ..Caps::default() });
    let first = delivery.wish(ip(1), MIB);
    assert_eq!(delivery.turn(first, 0), Turn::Go);
    let (gone, next) = (delivery.wish(ip(2), MIB), delivery.wish(ip(3), MIB));
    assert!(matches!(delivery.turn(gone, 0), Turn::At(when) if when > 0));
    assert_eq!(delivery.turn(next, S), Turn::Behind);
    delivery.forget(gone);
    assert_eq!(delivery.turn(next, S), Turn::Go);
}
