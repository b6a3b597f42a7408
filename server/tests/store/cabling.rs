//! Switches, ports, links and expected cabling as records.

use crate::fixture::*;
use higuma::domain::cabling::expected::Row;
use higuma::domain::cabling::{Link, Place};
use higuma::domain::node_event::{Kind, Notice, Severity};
use higuma::store::{LinkFilter, PortRow, SwitchRow, Tx};

fn place(switch: &str, port: &str) -> Place {
    Place {
        chassis_id: switch.into(),
        chassis_id_type: "mac_address".into(),
        port_id: port.into(),
        port_id_type: "interface_name".into(),
    }
}

fn switch(id: &str, name: &str, at: i64) -> SwitchRow {
    SwitchRow {
        chassis_id: id.into(),
        chassis_id_type: "mac_address".into(),
        name: name.into(),
        description: "kuma ü".into(),
        addresses: vec!["10.0.0.1".into()],
        first_seen: at,
        last_seen: at,
    }
}

fn port(switch: &str, id: &str, at: i64) -> PortRow {
    PortRow { place: place(switch, id), description: format!("to {id}"), pvid: 12, first_seen: at, last_seen: at }
}

fn link(n: u128, of: u32, nic: u8, switch: &str, port: &str) -> Link {
    Link {
        id: id(n),
        node: uuid(of),
        mac: mac(nic),
        interface: "eth0".into(),
        place: place(switch, port),
        accepted: true,
        boot: id(1),
        first_seen: 1,
        last_seen: 1,
        ended: None,
    }
}

fn seed(tx: &mut Tx<'_>) -> higuma::error::Result<()> {
    tx.put_node(&node(1))?;
    tx.put_node(&node(2))?;
    for name in ["aa", "bb"] {
        tx.put_switch(&switch(name, &format!("tor-{name}"), 1))?;
        for p in ["swp1", "swp2"] {
            tx.put_switch_port(&port(name, p, 1))?;
        }
    }
    Ok(())
}

pub async fn links_are_kept_confirmed_ended_and_pruned(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        seed(tx)?;
        tx.add_link(&link(10, 1, 1, "aa", "swp1"))?;
        tx.add_link(&Link { accepted: false, ..link(11, 1, 1, "bb", "swp1") })?;
        tx.add_link(&link(12, 2, 2, "aa", "swp1"))
    })
    .await;
    let present = db.get(|tx| tx.present_links(&uuid(1))).await;
    let unaccepted = Link { accepted: false, ..link(11, 1, 1, "bb", "swp1") };
    assert_eq!(present, [link(10, 1, 1, "aa", "swp1"), unaccepted]);
    // Who is behind a port: both nodes.
    let behind = db.get(|tx| tx.links_at(&place("aa", "swp1"))).await;
    assert_eq!(behind.iter().map(|l| l.node.clone()).collect::<Vec<_>>(), [uuid(1), uuid(2)]);
    db.put(|tx| {
        tx.confirm_link(id(10), "eno1", id(7), 9)?;
        tx.accept_link(id(11))?;
        tx.end_link(id(12), 5)
    })
    .await;
    let present = db.get(|tx| tx.present_links(&uuid(1))).await;
    assert_eq!((present[0].interface.as_str(), present[0].boot, present[0].last_seen), ("eno1", id(7), 9));
    assert!(present[1].accepted);
    assert!(db.get(|tx| tx.links_ended_since(&uuid(2), 6)).await.is_empty());
    assert_eq!(db.get(|tx| tx.links_ended_since(&uuid(2), 5)).await[0].ended, Some(5));
    assert_eq!(db.get(|tx| tx.links_at(&place("aa", "swp1"))).await.len(), 1);
    // The newest stay.
    db.put(|tx| {
        for n in 0..5u128 {
            let ended = Some(i64::try_from(n).unwrap() + 10);
            tx.add_link(&Link { ended, ..link(20 + n, 1, 1, "aa", "swp2") })?;
        }
        tx.prune_links(&uuid(1), &mac(1), 2)
    })
    .await;
    let left = db.get(|tx| tx.links_ended_since(&uuid(1), 0)).await;
    assert_eq!(left.iter().map(|l| l.id).collect::<Vec<_>>(), [id(23), id(24)]);
    assert_eq!(db.get(|tx| tx.present_links(&uuid(1))).await.len(), 2);
}

pub async fn links_are_found_by_node_and_switch_and_paged(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        seed(tx)?;
        for n in 0..6u128 {
            let (of, nic) = if n % 2 == 0 { (1, 1) } else { (2, 2) };
            let to = if n < 3 { "aa" } else { "bb" };
            let ended = (n == 5).then_some(9);
            tx.add_link(&Link { ended, ..link(n + 10, of, nic, to, "swp1") })?;
        }
        Ok(())
    })
    .await;
    let find = |filter: LinkFilter| db.get(move |tx| tx.links(&filter, None, 99));
    let all = find(LinkFilter::default()).await;
    assert_eq!(all.len(), 6);
    assert_eq!((all[0].switch_name.as_str(), all[0].port_description.as_str()), ("tor-aa", "to swp1"));
    assert_eq!(find(LinkFilter { present: true, ..LinkFilter::default() }).await.len(), 5);
    assert_eq!(find(LinkFilter { node: Some(uuid(1)), ..LinkFilter::default() }).await.len(), 3);
    for name in ["tor-bb", "bb"] {
        assert_eq!(find(LinkFilter { switch: Some(name.into()), ..LinkFilter::default() }).await.len(), 3);
    }
    let page = db.get(|tx| tx.links(&LinkFilter::default(), Some(id(11)), 2)).await;
    assert_eq!(page.iter().map(|r| r.link.id).collect::<Vec<_>>(), [id(12), id(13)]);
}

pub async fn a_merge_takes_the_cables_along(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        seed(tx)?;
        tx.add_link(&link(10, 1, 1, "aa", "swp1"))?;
        tx.add_link(&link(11, 2, 1, "aa", "swp2"))?;
        tx.set_nics(&uuid(2), &[("eth0".into(), "x".into())])?;
        tx.move_children(&uuid(2), &uuid(1), 7)?;
        tx.delete_node(&uuid(2))
    })
    .await;
    let present = db.get(|tx| tx.present_links(&uuid(1))).await;
    assert_eq!(present.iter().map(|l| l.id).collect::<Vec<_>>(), [id(11)], "where it was seen last");
    assert_eq!(db.get(|tx| tx.links_ended_since(&uuid(1), 7)).await[0].id, id(10));
    assert_eq!(db.get(|tx| tx.nics(&uuid(1))).await.len(), 1);
}

pub async fn switches_are_described_anew_paged_and_forgotten(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        seed(tx)?;
        tx.add_link(&link(10, 1, 1, "aa", "swp1"))?;
        tx.put_switch(&switch("aa", "renamed", 7))?;
        tx.put_switch_port(&PortRow { pvid: 4000, ..port("aa", "swp1", 7) })
    })
    .await;
    let all = db.get(|tx| tx.switches(None, 99)).await;
    assert_eq!((all.len(), all[0].name.as_str(), all[0].first_seen, all[0].last_seen), (2, "renamed", 1, 7));
    assert_eq!(all[0].addresses, ["10.0.0.1"]);
    let after = ("aa".to_owned(), "mac_address".to_owned());
    assert_eq!(db.get(move |tx| tx.switches(Some(&after), 99)).await[0].chassis_id, "bb");
    assert_eq!(db.get(|tx| tx.switches_called("renamed")).await.len(), 1);
    assert_eq!(db.get(|tx| tx.switches_called("bb")).await.len(), 1);
    let one = db.get(|tx| tx.switch_port(&place("aa", "swp1"))).await.unwrap();
    assert_eq!((one.pvid, one.first_seen, one.last_seen), (4000, 1, 7));
    // What no cable leads to goes, and a switch with its last port.
    assert_eq!(db.put(|tx| tx.prune_switches(5, 99)).await, 3);
    assert_eq!(db.get(|tx| tx.switches(None, 99)).await.len(), 1);
    assert_eq!(db.get(|tx| tx.switch_ports("aa", "mac_address", 99)).await.len(), 1);
    assert_eq!(db.put(|tx| tx.prune_switches(99, 99)).await, 0, "a cable leads to the last one");
}

pub async fn expected_cabling_is_replaced_and_found_by_any_name(db: Empty) {
    let db = db.open();
    let row = |node: &str, serial: &str, port: &str| Row {
        node: node.into(),
        serial: serial.into(),
        nic: "1".into(),
        switch: "tor-aa".into(),
        port: port.into(),
    };
    let rows = vec![row("hv-1", "", "swp1"), row("", "SN2", "swp2"), row(uuid(1).as_str(), "", "swp3")];
    let put = rows.clone();
    db.put(move |tx| {
        let mut one = node(1);
        one.hostname = "hv-1".parse()?;
        one.serial = "SN1".into();
        let mut two = node(2);
        two.serial = "SN2".into();
        tx.put_node(&one)?;
        tx.put_node(&two)?;
        tx.set_nics(&uuid(1), &[("eth0".into(), "aa".into()), ("eth1".into(), "bb".into())])?;
        tx.replace_expected(&[row("old", "", "x")])?;
        tx.replace_expected(&put)
    })
    .await;
    assert_eq!(db.get(|tx| tx.expected(0, 99)).await, rows);
    assert_eq!(db.get(|tx| tx.expected(1, 1)).await, rows[1..2]);
    assert_eq!(db.get(|tx| tx.expected_of(&uuid(1), "hv-1", "SN1")).await.len(), 2);
    assert_eq!(db.get(|tx| tx.expected_of(&uuid(2), "hv-2", "SN2")).await, rows[1..2]);
    assert!(db.get(|tx| tx.expected_of(&uuid(3), "x", "")).await.is_empty(), "an empty serial number names nobody");
    assert_eq!(db.get(|tx| tx.expected_at(["tor-aa", "aa"], ["swp2", ""])).await, rows[1..2]);
    assert_eq!(db.get(|tx| tx.nodes_named("hv-1", "")).await, [uuid(1)]);
    assert_eq!(db.get(|tx| tx.nodes_named("", "SN2")).await, [uuid(2)]);
    assert_eq!(db.get(|tx| tx.node_names()).await.len(), 2);
    let nics = db.get(|tx| tx.nics(&uuid(1))).await;
    assert_eq!(nics[1], ("eth1".to_owned(), "bb".to_owned()));
    db.put(|tx| tx.set_nics(&uuid(1), &[])).await;
    assert!(db.get(|tx| tx.nics(&uuid(1))).await.is_empty());
    let notice = |subject: &str| Notice {
        kind: Kind::Cabling,
        severity: Severity::Alarm,
        subject: subject.into(),
        message: "m".into(),
    };
    db.put(move |tx| {
        tx.raise(id(1), &uuid(1), &notice("cable:a"), 1)?;
        tx.raise(id(2), &uuid(1), &notice("cable:b"), 1)?;
        tx.raise(id(3), &uuid(1), &notice("cable-silent:a"), 1)?;
        tx.clear_subject(&uuid(1), "cable:b", 2)
    })
    .await;
    assert_eq!(db.get(|tx| tx.nodes_with_subjects("cable:")).await, [(uuid(1), "cable:a".to_owned())]);
}
