#![allow(clippy::unwrap_used)]
//! Tables for each decision, and what holds for everything that can be heard.

use super::*;
use proptest::prelude::*;

const BOOT: Uuid = Uuid::from_u128(2);
const EARLIER: Uuid = Uuid::from_u128(1);

fn mac(n: u8) -> Mac {
    format!("52:54:00:00:00:{n:02x}").parse().unwrap()
}

fn place(port: u8) -> Place {
    Place {
        chassis_id: "02:aa".into(),
        chassis_id_type: "mac_address".into(),
        port_id: format!("swp{port}"),
        port_id_type: "interface_name".into(),
    }
}

fn heard(nic: u8, port: u8) -> Heard {
    Heard { mac: mac(nic), interface: format!("eth{nic}"), place: place(port), switch_name: "tor-1".into() }
}

fn link(id: u128, nic: u8, port: u8) -> Link {
    Link {
        id: Uuid::from_u128(id),
        node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(),
        mac: mac(nic),
        interface: format!("eth{nic}"),
        place: place(port),
        accepted: true,
        boot: EARLIER,
        first_seen: 1,
        last_seen: i64::try_from(id).unwrap(),
        ended: None,
    }
}

fn held(id: u128, nic: u8, port: u8) -> Link {
    Link { accepted: false, ..link(id, nic, port) }
}

fn known<'a>(present: &'a [Link], machine: &'a [Mac]) -> Known<'a> {
    Known { present, just_ended: &[], machine }
}

fn ids(list: &[u128]) -> Vec<Uuid> {
    list.iter().map(|n| Uuid::from_u128(*n)).collect()
}

use MovedPolicy::{Hold, Log};

#[test]
fn the_first_time_and_the_same_again_are_no_news() {
    let machine = [mac(0), mac(1)];
    for policy in [Log, Hold] {
        let first = merge(known(&[], &machine), &[heard(0, 1), heard(0, 1), heard(1, 2)], policy);
        assert_eq!(first.added, [(heard(0, 1), true), (heard(1, 2), true)]);
        assert!(first.moved.is_empty() && first.ended.is_empty());
        let present = [link(1, 0, 1), link(2, 1, 2)];
        let again = merge(known(&present, &machine), &[heard(0, 1)], policy);
        let confirmed = vec![(Uuid::from_u128(1), "eth0".to_owned())];
        assert_eq!(again, Changes { confirmed, ..Changes::default() }, "a silent NIC is no news");
        assert_eq!(merge(known(&present, &machine), &[], policy), Changes::default());
    }
}

#[test]
fn a_moved_cable_is_told_and_held_when_asked() {
    let (present, machine) = ([link(1, 0, 1)], [mac(0)]);
    let log = merge(known(&present, &machine), &[heard(0, 7)], Log);
    let moved = Moved { mac: mac(0), interface: "eth0".into(), from: place(1), to: place(7), new_nic: false };
    assert_eq!((&log.moved, &log.ended, &log.added), (&vec![moved.clone()], &ids(&[1]), &vec![(heard(0, 7), true)]));
    let hold = merge(known(&present, &machine), &[heard(0, 7)], Hold);
    assert_eq!((&hold.moved, hold.ended.len(), &hold.added), (&vec![moved], 0, &vec![(heard(0, 7), false)]));
    let told = notice(&hold.moved[0], "tor-1 port swp1", "tor-1 port swp7");
    assert_eq!(told.message, "eth0 (52:54:00:00:00:00) was at tor-1 port swp1, is at tor-1 port swp7");
    assert_eq!((told.subject.as_str(), told.severity), ("cable:52:54:00:00:00:00", Severity::Alarm));
}

#[test]
fn under_hold_it_stays_told_until_it_is_back_or_accepted() {
    let (present, machine) = ([link(1, 0, 1), held(2, 0, 7)], [mac(0)]);
    let still = merge(known(&present, &machine), &[heard(0, 7)], Hold);
    assert_eq!((still.moved.len(), still.added.len(), still.confirmed.len()), (1, 0, 1));
    let elsewhere = merge(known(&present, &machine), &[heard(0, 9)], Hold);
    assert_eq!((elsewhere.ended, elsewhere.moved[0].to.clone()), (ids(&[2]), place(9)));
    let back = merge(known(&present, &machine), &[heard(0, 1)], Hold);
    assert_eq!((back.ended, back.back, back.moved.len()), (ids(&[2]), vec![mac(0)], 0));
    assert_eq!(accept(&present, &machine), (ids(&[2]), ids(&[1])));
    // The policy is relaxed meanwhile: the new place holds, told once more.
    let relaxed = merge(known(&present, &machine), &[heard(0, 7)], Log);
    assert_eq!((relaxed.accepted, relaxed.ended, relaxed.moved.len()), (ids(&[2]), ids(&[1]), 1));
}

#[test]
fn back_within_the_boot_is_put_right() {
    let (present, ended, machine) = ([link(2, 0, 7)], [link(1, 0, 1)], [mac(0)]);
    let known = Known { present: &present, just_ended: &ended, machine: &machine };
    // Both speak (an unmanaged switch): the second only spoke first.
    let both = merge(known, &[heard(0, 7), heard(0, 1)], Log);
    assert_eq!((both.back, both.moved.len(), both.added), (vec![mac(0)], 0, vec![(heard(0, 1), true)]));
}

#[test]
fn several_neighbours_of_one_nic_are_no_contradiction() {
    let (present, machine) = ([link(1, 0, 1), link(2, 0, 2)], [mac(0)]);
    let one = merge(known(&present, &machine), &[heard(0, 2)], Hold);
    assert!(one.moved.is_empty() && one.ended.is_empty());
    let more = merge(known(&present, &machine), &[heard(0, 2), heard(0, 3)], Hold);
    assert_eq!((more.moved.len(), more.added), (0, vec![(heard(0, 3), true)]));
    // The one that was silent for a whole boot goes when the next begins.
    let spoke = Link { boot: BOOT, last_seen: 9, ..link(2, 0, 2) };
    assert_eq!(settle(&[link(1, 0, 1), spoke.clone()]), ids(&[1]));
    assert!(settle(&[link(1, 0, 1), link(2, 0, 2)]).is_empty());
    assert!(settle(&[link(1, 1, 1), spoke]).is_empty(), "another NIC");
}

#[test]
fn a_stranger_under_a_known_name_is_told() {
    let present = [link(1, 0, 1), link(2, 1, 2)];
    let stranger = [mac(9)];
    let told = merge(known(&present, &stranger), &[heard(9, 7)], Hold);
    assert!(told.moved[0].new_nic && !told.added[0].1, "{told:?}");
    assert!(notice(&told.moved[0], "a", "b").message.contains("is new and at b; the node was at a"));
    let log = merge(known(&present, &stranger), &[heard(9, 7)], Log);
    assert_eq!((log.ended, log.added[0].1), (ids(&[1, 2]), true));
    let with_held = [link(1, 0, 1), link(2, 1, 2), held(3, 9, 7)];
    assert_eq!(accept(&with_held, &stranger), (ids(&[3]), ids(&[1, 2])));
    // A replaced NIC at the same port, a NIC more, and a machine that did not say what it has, are none.
    for (machine, heard) in [(vec![mac(9)], heard(9, 2)), (vec![mac(0), mac(9)], heard(9, 7)), (vec![], heard(9, 7))] {
        assert!(merge(known(&present, &machine), &[heard], Hold).moved.is_empty());
    }
}

#[test]
fn how_long_a_boot_waits() {
    let present = [link(1, 0, 1), link(2, 1, 2)];
    let (both, all) = ([heard(0, 1), heard(1, 2)], [mac(0), mac(1)]);
    type Case<'a> = (&'a [Link], &'a [Heard], &'a [Mac], Micros);
    let cases: [Case<'_>; 9] = [
        (&present, &both, &all, 0),
        (&present, &both[..1], &all, 3),
        (&present, &both[..1], &all[..1], 0),
        (&present, &[heard(0, 1), heard(1, 5)], &all, 3),
        (&present, &both, &[], 0),
        (&present, &both, &[mac(7)], 3),
        (&[], &both, &all, 3),
        (&present, &[], &all, 3),
        (&[held(1, 0, 1)], &both, &all, 3),
    ];
    for (present, heard, linked, wait) in cases {
        assert_eq!(lldp_wait(present, heard, linked, 3), wait, "{heard:?} {linked:?}");
    }
    assert_eq!(lldp_wait(&[], &[], &[], 0), 0);
}

#[test]
fn contradiction_holds_and_silence_only_for_a_while() {
    let now_heard = Link { boot: BOOT, ..link(1, 0, 1) };
    let holds = |present: &[Link], now| hold(present, BOOT, now, 10).is_some();
    assert!(!holds(&[], 0) && !holds(std::slice::from_ref(&now_heard), 0));
    assert!(holds(&[link(1, 0, 1)], 9) && !holds(&[link(1, 0, 1)], 10));
    assert!(holds(&[now_heard.clone(), held(2, 0, 7)], 99));
    let quiet = [now_heard, link(2, 1, 2), link(3, 1, 3)];
    let silent: Vec<_> = silent(&quiet, BOOT).iter().map(|l| l.mac.clone()).collect();
    assert_eq!(silent, [mac(1)], "a NIC once");
}

#[test]
fn ports_sort_as_people_count() {
    let mut ports = ["swp10", "swp2", "swp2s10", "swp2s9", "Eth1/1/10", "Eth1/1/9", "swp02", "10", "9", "", "swp"];
    ports.sort_by(|a, b| natural(a, b));
    assert_eq!(ports, ["", "9", "10", "Eth1/1/9", "Eth1/1/10", "swp", "swp02", "swp2", "swp2s9", "swp2s10", "swp10"]);
}

proptest! {
    #[test]
    fn sorting_is_an_order(a in "[a-z0-9/é]{0,6}", b in "[a-z0-9/é]{0,6}", c in "[a-z0-9/é]{0,6}") {
        prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
        if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
            prop_assert_ne!(natural(&a, &c), Ordering::Greater);
        }
    }

    /// Each heard place is either known or added, once; a link never ends and is confirmed at the same time; under hold no
    /// accepted link of a NIC ends.
    #[test]
    fn nothing_is_lost(
        links in prop::collection::btree_set((0u8..3, 0u8..4), 0..6),
        now in prop::collection::vec((0u8..4, 0u8..4), 0..6),
        unaccepted in any::<u8>(),
        hold in any::<bool>(),
    ) {
        let present: Vec<Link> = links.iter().zip(0u8..)
            .map(|((nic, port), n)| Link { accepted: unaccepted >> n & 1 == 0, ..link(u128::from(n) + 1, *nic, *port) })
            .collect();
        let heard: Vec<Heard> = now.iter().map(|(nic, port)| heard(*nic, *port)).collect();
        let machine: Vec<Mac> = (0..4).map(mac).collect();
        let policy = if hold { Hold } else { Log };
        let changes = merge(known(&present, &machine), &heard, policy);
        for h in &heard {
            let is = present.iter().filter(|l| l.mac == h.mac && l.place == h.place).count();
            let added = changes.added.iter().filter(|(a, _)| a == h).count();
            prop_assert_eq!(is + added, 1);
        }
        for id in &changes.ended {
            prop_assert!(!changes.confirmed.iter().any(|(other, _)| other == id));
            let was = present.iter().find(|l| l.id == *id).unwrap();
            prop_assert!(!hold || !was.accepted);
        }
        // A NIC is either told to have moved or put right, never both.
        prop_assert!(changes.moved.iter().all(|m| !changes.back.contains(&m.mac)));
    }
}
