//! The whole table of states and steps, and what follows for one enrolment.
#![allow(clippy::unwrap_used)]

use super::matching::{Choice, Seen, Why, choose, fits};
use super::*;

const U: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const M: &str = "52:54:00:00:00:01";

fn uuid(text: &str) -> NodeUuid {
    text.parse().unwrap()
}

fn enrolment() -> Enrolment {
    Enrolment {
        id: Uuid::from_u128(1),
        batch: Uuid::from_u128(2),
        who: "ana".into(),
        address: "10.0.8.10".parse().unwrap(),
        port: None,
        protocol: Protocol::Auto,
        user: "ADMIN".into(),
        sealed: Some(("00".into(), "k".into())),
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
        next: Some(0),
        claim: None,
        made: 0,
        changed: 0,
    }
}

fn found(power: Power) -> Found {
    let uuids = vec![uuid(U), uuid("ffffffff-ffff-ffff-ffff-ffffffffffff"), uuid(U)];
    Found {
        driver: Protocol::Ipmi,
        certificate: None,
        uuids,
        mac: Some(M.parse().unwrap()),
        firmware: "1.2".into(),
        power,
    }
}

fn taken() -> Enrolment {
    let mut e = enrolment();
    assert!(e.take(Uuid::from_u128(9), 300, 1));
    e
}

fn identified(power: Power) -> Enrolment {
    let mut e = taken();
    assert!(e.identified(found(power), 2));
    e
}

#[test]
fn every_step_of_every_state() {
    use Step::{Cancel, Fail, Hold, Identify, Later, Match, Order, Retry, Take, Undone};
    let steps = [Take, Identify, Order, Hold, Later, Undone, Fail, Match, Cancel, Retry];
    let table: String = State::ALL
        .iter()
        .map(|state| {
            let after = steps.map(|step| state.after(step).map_or("-", State::as_str));
            format!("{state}: {}\n", after.join(" "))
        })
        .collect();
    let expected = "\
waiting: contacting - - - - - - matched cancelled waiting
contacting: contacting identified - - waiting waiting failed matched cancelled -
identified: identified identified booting identified identified identified failed matched cancelled waiting
booting: booting booting booting booting booting identified failed matched cancelled waiting
matched: - - - - - - - - - -
failed: - - - - - - - - cancelled waiting
cancelled: - - - - - - - - - waiting
";
    assert_eq!(table, expected);
}

#[test]
fn from_a_cold_machine_to_its_node() {
    let mut e = identified(Power::Off);
    assert_eq!((e.uuids.as_slice(), e.next, e.attempts), ([uuid(U)].as_slice(), Some(300), 0), "the lease goes on");
    assert_eq!(e.next_order(), Next::Send(Order::On));
    assert!(e.ordering(Order::On, 3) && e.hold("powered on".into(), 4));
    assert_eq!((e.state, e.next, e.claim, e.is_held()), (State::Booting, None, None, false));
    assert!(e.matched(uuid(U), "by its GUID".into(), 5));
    assert_eq!((e.state, e.node.clone(), e.sealed.clone()), (State::Matched, Some(uuid(U)), None));
    assert!(!e.cancel("ana", 6) && !e.retry(true, 6) && e.changed == 5);
}

#[test]
fn a_machine_that_is_on_is_left_alone_unless_it_may_be_restarted() {
    let mut e = identified(Power::On);
    assert_eq!(e.next_order(), Next::OnAlready);
    assert!(e.hold("on already".into(), 3) && e.is_held());
    assert!(e.retry(true, 4) && e.take(Uuid::from_u128(8), 400, 5) && e.identified(found(Power::On), 6));
    assert_eq!(e.next_order(), Next::Send(Order::Cycle));
    assert_eq!(identified(Power::Unknown).next_order(), Next::Send(Order::On));
}

#[test]
fn a_server_that_died_in_the_middle_does_nothing_twice() {
    for (sent, power, next) in [
        (Order::On, Power::On, Next::Done),
        (Order::On, Power::Off, Next::Send(Order::On)),
        (Order::Cycle, Power::On, Next::Unclear),
        (Order::Cycle, Power::Off, Next::Send(Order::On)),
    ] {
        let mut e = identified(if sent == Order::On { Power::Off } else { Power::On });
        e.restart = sent == Order::Cycle;
        assert!(e.ordering(sent, 3));
        assert!(e.take(Uuid::from_u128(8), 900, 400) && e.identified(found(power), 401), "another server");
        assert_eq!((e.state, e.next_order()), (State::Booting, next), "{sent} {power}");
    }
}

#[test]
fn nobody_has_it_tried_again_while_a_server_works_on_it() {
    // The power cycle may be on its way: another contact would send it again.
    let mut e = identified(Power::On);
    e.restart = true;
    assert!(e.ordering(Order::Cycle, 3));
    let before = e.clone();
    assert!(!e.retry(true, 299) && !e.retry(false, 299));
    assert_eq!(e, before);
    let busy = e.busy(299).unwrap();
    assert!(busy.contains("until 00:00:00 UTC") && busy.contains(&Uuid::from_u128(9).to_string()), "{busy}");
    // Giving it up and asking anew is no way around it, until that server has stopped.
    assert!(e.cancel("ana", 299) && !e.retry(true, 299) && e.busy(299).is_some());
    e.stopped();
    assert_eq!((e.state, e.claim, e.next, e.busy(299)), (State::Cancelled, None, None, None));
    assert!(e.retry(true, 299));
    // It died: its lease is over.
    let mut e = before;
    assert_eq!(e.busy(300), None);
    e.stopped();
    assert!(e.claim.is_some(), "an open one is not let go by this");
    assert!(e.clone().cancel("ana", 300) && e.retry(true, 300));
    // Waiting for its next contact is not being worked on.
    let mut e = taken();
    assert!(e.later(false, "no answer".into(), 0, 3) && e.next > Some(4) && e.busy(4).is_none() && e.retry(false, 4));
}

#[test]
fn one_that_does_not_answer_is_asked_more_slowly_and_given_up_after_a_day() {
    let mut e = enrolment();
    let mut pauses = Vec::new();
    let mut all = 0;
    while e.state == State::Waiting {
        assert!(e.take(Uuid::from_u128(9), 1, 0) && e.later(false, "no answer".into(), 500, 0));
        pauses.extend(e.next);
        all += e.next.unwrap_or(0);
    }
    assert_eq!(pauses[..8].iter().map(|p| p / 1_000_000).collect::<Vec<_>>(), [10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!((e.state, e.next), (State::Failed, None));
    assert!(e.reason.contains("150 contacts failed: no answer") && all > 80_000_000_000, "{} {all}", e.reason);
    assert!(e.retry(false, 7) && e.attempts == 0 && e.next == Some(7));
}

#[test]
fn a_refused_login_waits_for_a_person() {
    let mut e = taken();
    assert!(e.fail("wrong password".into(), 3));
    assert_eq!((e.state, e.next, e.claim), (State::Failed, None, None));
    assert!(e.cancel("ana", 4) && e.reason == "cancelled by ana" && e.retry(false, 5));
}

fn seen(names: &[&str], macs: &[&str], addresses: &[&str]) -> Seen {
    Seen {
        names: names.iter().map(|u| uuid(u)).collect(),
        macs: macs.iter().map(|m| m.parse().unwrap()).collect(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    }
}

#[test]
fn what_fits_a_node() {
    const OTHER: &str = "52:54:00:00:00:02";
    let known = identified(Power::On);
    let told_nothing = Enrolment { mac: None, uuids: vec![], ..known.clone() };
    for (case, enrolment, seen, expected) in [
        ("by its GUID", &known, seen(&[U], &[], &[]), Some(Why::Guid)),
        ("by GUID and MAC", &known, seen(&[U], &[OTHER, M], &[]), Some(Why::Guid)),
        ("one GUID, two boards", &known, seen(&[U], &[OTHER], &[]), None),
        ("by its MAC", &known, seen(&[], &[M], &["10.0.8.99"]), Some(Why::Mac)),
        ("another BMC has its address", &known, seen(&[], &[OTHER], &["10.0.8.10"]), None),
        ("by its address", &told_nothing, seen(&[U], &[OTHER], &["10.0.8.10"]), Some(Why::Address)),
        ("nothing in common", &known, seen(&["4c4c4544-0046-3010-8052-b4c04f4a4d39"], &[], &[]), None),
        ("nothing told", &told_nothing, seen(&[U], &[M], &[]), None),
    ] {
        assert_eq!(fits(enrolment, &seen), expected, "{case}");
    }
}

#[test]
fn two_that_fit_are_none() {
    let one = identified(Power::On);
    let other = Enrolment { id: Uuid::from_u128(5), address: "10.0.8.11".parse().unwrap(), mac: None, ..one.clone() };
    let both = [one.clone(), other.clone()];
    assert_eq!(choose(&both, &seen(&[U], &[], &[])), Choice::Several(vec![&both[0], &both[1]]));
    let told = seen(&[U], &["52:54:00:00:00:07"], &["10.0.8.11"]);
    assert_eq!(choose(&both, &told), Choice::One(&both[1], Why::Guid), "the other's MAC address speaks against it");
    assert_eq!(choose(&both, &seen(&[], &[], &[])), Choice::None);
    let gone = [Enrolment { state: State::Cancelled, ..one }];
    assert_eq!(choose(&gone, &seen(&[U], &[], &[])), Choice::None, "nobody wants it any more");
}
