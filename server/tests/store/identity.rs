//! Who nodes are: kept, found by what a machine tells, and merged with all that hangs on them.

use crate::fixture::*;
use crate::history::inventory;
use higuma::domain::identity::{Identity, Source};
use higuma::domain::ipam::dhcp::{NodeDhcp, Texts};
use higuma::domain::node::Node;
use higuma::domain::node_event::{Kind, Notice, Severity};
use higuma::domain::offer::Offer;
use higuma::domain::{Mac, NodeUuid, Sha256};
use higuma::store::NodeEventFilter;
use higuma_proto::agent::Neighbour;
use std::collections::BTreeSet;

fn identity(n: u32, claimed: u32) -> Identity {
    Identity {
        node: uuid(n),
        source: Source::Smbios,
        claimed: uuid(claimed),
        told: Some(uuid(claimed)),
        merge_candidate: None,
    }
}

fn notice(subject: &str) -> Notice {
    Notice { kind: Kind::Hardware, severity: Severity::Alarm, subject: subject.into(), message: "m".into() }
}

fn names(known: Vec<higuma::domain::identity::Known>) -> Vec<NodeUuid> {
    known.into_iter().map(|k| k.name).collect()
}

pub async fn facts_are_found_by_name_alias_and_address(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        for n in 1..=4 {
            tx.put_node(&Node { serial: format!(" SN-{n}"), product: "Default string".into(), ..node(n) })?;
        }
        tx.set_macs(&uuid(1), &[mac(1), mac(9)])?;
        tx.set_macs(&uuid(2), &[mac(2), mac(9)])?;
        tx.put_identity(&identity(1, 1))?;
        tx.put_identity(&Identity { source: Source::Conflict, merge_candidate: Some(uuid(1)), ..identity(2, 1) })?;
        tx.put_alias(&uuid(77), &uuid(3))
    })
    .await;
    let known = |names: Vec<NodeUuid>, macs: BTreeSet<Mac>| db.get(move |tx| tx.known(&names, &macs));
    assert_eq!(names(known(vec![uuid(1), uuid(1)], BTreeSet::new()).await), [uuid(1), uuid(2)], "and who claims it");
    assert_eq!(names(known(vec![uuid(50)], [mac(9)].into()).await), [uuid(1), uuid(2)]);
    let by_alias = known(vec![uuid(77)], BTreeSet::new()).await.remove(0);
    assert_eq!((&by_alias.name, &by_alias.aliases[..]), (&uuid(3), &[uuid(77)][..]));
    // Without a row of its own a node is as it was added.
    assert_eq!((by_alias.source, by_alias.claimed), (Source::Smbios, uuid(3)));
    let second = known(vec![uuid(2)], BTreeSet::new()).await.remove(0);
    assert_eq!((second.source, second.claimed, second.serial.as_deref()), (Source::Conflict, uuid(1), Some("SN-2")));
    assert_eq!((second.product.as_str(), second.macs), ("", [mac(2), mac(9)].into()));

    assert_eq!(db.get(|tx| tx.claimants(&uuid(1), 9)).await, [uuid(1), uuid(2)]);
    assert_eq!(db.get(|tx| tx.claimants(&uuid(1), 1)).await, [uuid(1)]);
    assert_eq!(db.get(|tx| tx.merge_offers(&uuid(1), 9)).await, [uuid(2)]);
    db.put(|tx| tx.put_node(&Node { retired: true, ..node(1) })).await;
    assert_eq!(db.get(|tx| tx.claimants(&uuid(1), 9)).await, [uuid(2)]);
    assert_eq!(db.get(|tx| tx.alias(&uuid(77))).await, Some(uuid(3)));
    assert_eq!(db.get(|tx| tx.alias(&uuid(3))).await, None);
    assert_eq!(db.get(|tx| tx.identity(&uuid(3))).await, None);
}

pub async fn open_events_by_subject(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        (1..=3).try_for_each(|n| tx.put_node(&node(n)))?;
        for (n, of, subject) in [(1, 1, "identity"), (2, 2, "identity"), (3, 2, "mac:x"), (4, 3, "identity")] {
            tx.raise(id(n), &uuid(of), &notice(subject), 1)?;
        }
        tx.clear_subject(&uuid(1), "identity", 2)
    })
    .await;
    let found = db.get(|tx| tx.open_messages("identity", &[uuid(1).as_str(), uuid(2).as_str()])).await;
    assert_eq!(found, [(uuid(2).to_string(), "m".to_owned())].into());
    assert_eq!(db.get(|tx| tx.open_subjects(&uuid(2), "mac:")).await, ["mac:x"]);
}

fn own_dhcp() -> NodeDhcp {
    let texts = Texts { mtu: Some(9000), ..Texts::default() };
    NodeDhcp::of(&["10.0.0.9".to_owned()], texts).unwrap()
}

pub async fn a_merge_moves_everything(db: Empty) {
    let db = db.open();
    let heard = |port: &str| Neighbour { interface: "eth0".into(), port_id: port.into(), ..Neighbour::default() };
    db.put(move |tx| {
        for n in 1..=2 {
            tx.put_node(&node(n))?;
            tx.put_boot(&boot(n, n, 1))?;
            tx.set_macs(&uuid(n), &[mac(n as u8), mac(9)])?;
            tx.put_inventory(&uuid(n), &inventory(1, &format!("{{\"n\":{n}}}")))?;
            tx.put_neighbours(&uuid(n), &[heard(&n.to_string())], 1)?;
            tx.put_identity(&identity(n, n))?;
            tx.raise(id(u128::from(n)), &uuid(n), &notice("dimm:A1"), 1)?;
        }
        tx.put_node(&node(3))?;
        tx.put_identity(&Identity { merge_candidate: Some(uuid(2)), ..identity(3, 3) })?;
        tx.raise(id(9), &uuid(2), &notice("dimm:B2"), 1)?;
        tx.put_alias(&uuid(77), &uuid(2))?;
        let nonce_hash = Sha256::of("nonce");
        tx.put_offer(
            &Offer {
                nonce_hash,
                node: Some(uuid(2)),
                mac: None,
                told: Default::default(),
                http_base: String::new(),
                created: 1,
                expires: 2,
                bound: None,
            },
            9,
        )?;
        tx.put_node_dhcp(&uuid(2), &own_dhcp(), 5)?;
        // Node 2 goes into node 1.
        tx.move_children(&uuid(2), &uuid(1), 50)?;
        tx.delete_node(&uuid(2))?;
        tx.put_alias(&uuid(2), &uuid(1))
    })
    .await;
    assert!(db.get(|tx| tx.node(&uuid(2))).await.is_none());
    assert_eq!(db.get(|tx| tx.boots(&uuid(1), None, 9)).await.len(), 2);
    assert_eq!(db.get(|tx| tx.macs(&uuid(1))).await, [mac(2), mac(9)].into());
    let newest = db.get(|tx| tx.inventory(&uuid(1))).await.unwrap();
    assert_eq!((newest.version.number, newest.json.as_str()), (2, "{\"n\":2}"));
    assert_eq!(db.get(|tx| tx.inventory_version(&uuid(1), 1)).await.unwrap().json, "{\"n\":1}");
    assert_eq!(db.get(|tx| tx.neighbours(&uuid(1))).await[0].port_id, "2");
    assert_eq!(db.get(|tx| tx.node_dhcp(&uuid(1))).await, Some(own_dhcp()));
    assert_eq!(db.get(|tx| tx.aliases(&uuid(1))).await, [uuid(2), uuid(77)]);
    assert_eq!(db.get(|tx| tx.identity(&uuid(3))).await.unwrap().merge_candidate, Some(uuid(1)));
    assert_eq!(db.get(|tx| tx.offer(&Sha256::of("nonce"))).await.unwrap().node, Some(uuid(1)));
    let filter = NodeEventFilter { node: Some(uuid(1)), ..NodeEventFilter::default() };
    let events = db.get(move |tx| tx.node_events(&filter, None, 9)).await;
    let open = |subject: &str| events.iter().filter(|e| e.notice.subject == subject && e.cleared.is_none()).count();
    assert_eq!((events.len(), open("dimm:A1"), open("dimm:B2")), (3, 1, 1));

    // A node that was never seen leaves what the other has.
    db.put(|tx| {
        tx.put_node(&node(4))?;
        tx.put_node_dhcp(&uuid(4), &Default::default(), 6)?;
        tx.move_children(&uuid(4), &uuid(1), 51)?;
        tx.delete_node(&uuid(4))
    })
    .await;
    assert_eq!(db.get(|tx| tx.macs(&uuid(1))).await.len(), 2);
    assert_eq!(db.get(|tx| tx.node_dhcp(&uuid(1))).await, Some(own_dhcp()));
    // Whoever was to be merged into one that is deleted is so no more.
    db.put(|tx| tx.delete_node(&uuid(1))).await;
    assert_eq!(db.get(|tx| tx.identity(&uuid(3))).await.unwrap().merge_candidate, None);
    assert_eq!(db.get(|tx| tx.alias(&uuid(77))).await, None);
}
