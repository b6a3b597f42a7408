#![allow(clippy::unwrap_used)]
//! A table of comparisons, and what holds for every fleet.

use super::*;
use proptest::prelude::*;

fn uuid(n: u8) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
}

fn mac(n: u8) -> Mac {
    format!("52:54:00:00:00:{n:02x}").parse().unwrap()
}

fn expect(node: Option<u8>, nic: &str, port: &str) -> Expected {
    let row = Row {
        node: node.map(|n| format!("n{n}")).unwrap_or("nobody".into()),
        serial: String::new(),
        nic: nic.into(),
        switch: "TOR-1".into(),
        port: port.into(),
    };
    Expected { row, node: node.map(uuid), numbered: None }
}

fn actual(node: u8, nic: u8, port: &str) -> Actual {
    Actual {
        node: uuid(node),
        mac: mac(node * 16 + nic),
        interface: format!("eth{nic}"),
        chassis_id: "02:aa".into(),
        switch_name: "tor-1".into(),
        port_id: port.into(),
        port_description: format!("to {port}"),
    }
}

fn verdicts(expected: &[Expected], actual: &[Actual]) -> Vec<(Verdict, String)> {
    compare(expected, actual).into_iter().map(|f| (f.verdict, f.with)).collect()
}

#[test]
fn names_of_all_kinds_fit() {
    let links = [actual(1, 0, "swp1")];
    for (nic, switch, port) in [
        ("eth0", "tor-1", "swp1"),
        ("ETH0", "TOR-1", "SWP1"),
        ("52:54:00:00:00:10", "02:aa", "to swp1"),
        ("52-54-00-00-00-10", "02:AA", "swp1"),
    ] {
        let mut row = expect(Some(1), nic, port);
        row.row.switch = switch.into();
        assert_eq!(verdicts(&[row], &links), [(Verdict::Ok, String::new())], "{nic} {switch} {port}");
    }
    let mut second = expect(Some(1), "2", "swp1");
    assert_eq!(verdicts(&[second.clone()], &links)[0].0, Verdict::Missing, "nothing is known of its second NIC");
    second.numbered = Some(mac(16));
    assert_eq!(verdicts(&[second], &links)[0].0, Verdict::Ok);
}

#[test]
fn what_differs_is_named() {
    let rows = [
        expect(Some(1), "eth0", "swp1"),
        expect(Some(1), "eth1", "swp2"),
        expect(Some(2), "eth0", "swp3"),
        expect(None, "eth0", "swp4"),
    ];
    let links = [actual(1, 0, "swp1"), actual(2, 0, "swp9"), actual(3, 0, "swp5")];
    let found: Vec<Verdict> = verdicts(&rows, &links).into_iter().map(|(v, _)| v).collect();
    use Verdict::*;
    assert_eq!(found, [Ok, Missing, WrongPort, UnknownNode, Unexpected]);
    assert!(compare(&[], &links).is_empty(), "nothing is unexpected where nothing is expected");
    let notices: Vec<_> = compare(&rows, &links).iter().filter_map(notice).map(|n| n.message).collect();
    assert_eq!(notices, ["eth0 (52:54:00:00:00:20) should be at TOR-1 port swp3, is at tor-1 port swp9"]);
}

#[test]
fn exchanged_cables_are_told_apart_from_wrong_ones() {
    // Of two nodes, by the description; of one node; and a ring of three is no exchange of two.
    let rows = [expect(Some(1), "eth0", "to swp1"), expect(Some(2), "eth0", "to swp2")];
    let links = [actual(1, 0, "swp2"), actual(2, 0, "swp1")];
    assert_eq!(verdicts(&rows, &links), [(Verdict::Swapped, "n2 eth0".into()), (Verdict::Swapped, "n1 eth0".into())]);
    let rows = [expect(Some(1), "eth0", "swp1"), expect(Some(1), "eth1", "swp2")];
    let links = [actual(1, 0, "swp2"), actual(1, 1, "swp1")];
    assert_eq!(verdicts(&rows, &links)[0], (Verdict::Swapped, "n1 eth1".into()));
    let rows = [1, 2, 3].map(|n| expect(Some(n), "eth0", &format!("swp{n}")));
    let links = [actual(1, 0, "swp2"), actual(2, 0, "swp3"), actual(3, 0, "swp1")];
    assert!(verdicts(&rows, &links).iter().all(|(v, _)| *v == Verdict::WrongPort));
}

#[test]
fn behind_an_unmanaged_switch_one_fitting_neighbour_is_enough() {
    let links = [actual(1, 0, "swp8"), actual(1, 0, "swp1")];
    assert_eq!(verdicts(&[expect(Some(1), "eth0", "swp1")], &links), [(Verdict::Ok, String::new())]);
}

proptest! {
    /// Each row gives one finding; a fleet that is cabled as expected has no difference; swaps come in pairs.
    #[test]
    fn swaps_are_mutual(ports in prop::collection::vec(0u8..6, 1..6)) {
        let rows: Vec<_> = (0..ports.len()).map(|n| expect(Some(n as u8), "eth0", &format!("swp{n}"))).collect();
        let links: Vec<_> = ports.iter().zip(0..).map(|(p, n)| actual(n, 0, &format!("swp{p}"))).collect();
        let found = compare(&rows, &links);
        prop_assert_eq!(found.len(), rows.len());
        for (n, finding) in found.iter().enumerate() {
            let here = usize::from(ports[n]);
            prop_assert_eq!(finding.verdict == Verdict::Ok, here == n);
            let mutual = here != n && ports.get(here).is_some_and(|back| usize::from(*back) == n);
            prop_assert_eq!(finding.verdict == Verdict::Swapped, mutual);
        }
        let right: Vec<_> = (0..rows.len()).map(|n| actual(n as u8, 0, &format!("swp{n}"))).collect();
        prop_assert!(compare(&rows, &right).iter().all(|f| f.verdict == Verdict::Ok));
    }
}
