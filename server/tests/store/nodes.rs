//! Nodes, their MAC addresses and neighbours.

use crate::Db;
use crate::fixture::*;
use higuma::domain::boot::{Boot, Phase};
use higuma::domain::lifecycle::{self, Desired, Observed};
use higuma::domain::node::{Admission, Node};
use higuma::domain::profile::{Profile, Spec, Words};
use higuma::domain::rules::{Held, Holder};
use higuma::domain::{NodeUuid, Sha256};
use higuma::error::Error;
use higuma::store::{NodeDown, NodeFilter, NodeRow};
use higuma_proto::agent::Neighbour;
use std::collections::BTreeMap;

pub fn profile(called: &str, revision: u32) -> Profile {
    let spec = Spec { image: Some("debian:12".parse().unwrap()), ..Spec::default() };
    Profile {
        name: name(called),
        revision,
        parent: None,
        words: Words::of(&spec),
        spec,
        created: 5,
        made_by: String::new(),
    }
}

pub async fn round_trip_and_replace(db: crate::fixture::Empty) {
    let db = db.open();
    let full = Node {
        admission: Admission::Admitted,
        hostname: "hv-1.rack".parse().unwrap(),
        profile: Some(name("web")),
        cluster: Some(name("east")),
        maintenance: true,
        retired: true,
        manufacturer: "Dell Inc.".into(),
        product: "R640 \"x\" ü \\ '".into(),
        serial: "ABC".into(),
        boot_mac: Some(mac(1)),
        boot: Some(id(7)),
        inventory_hash: Some(Sha256::of("i")),
        last_seen: i64::MAX,
        ..node(1)
    };
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, None);
    let put = full.clone();
    db.put(move |tx| {
        tx.insert_profile_revision(&profile("web", 1))?;
        tx.put_node(&put)
    })
    .await;
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, Some(full));
    // What is None now is None there, too.
    db.put(|tx| tx.put_node(&node(1))).await;
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, Some(node(1)));
}

async fn walk(db: &Db, filter: NodeFilter, page: usize) -> Vec<NodeRow> {
    let mut all: Vec<NodeRow> = vec![];
    loop {
        let (filter, after) = (filter.clone(), all.last().map(|row| row.node.uuid.clone()));
        let more = db.get(move |tx| tx.nodes(&filter, after.as_ref(), page)).await;
        assert!(more.len() <= page);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

pub async fn pages_are_stable(db: crate::fixture::Empty) {
    let db = db.open();
    db.put(|tx| {
        for n in (0..50).rev() {
            tx.put_node(&node(n))?;
        }
        let mut with_boot = node(7);
        with_boot.boot = Some(id(70));
        tx.put_node(&with_boot)?;
        tx.put_boot(&boot(70, 7, 1))
    })
    .await;
    let whole = walk(&db, NodeFilter::default(), 1000).await;
    assert_eq!(whole.len(), 50);
    assert!(whole.is_sorted_by_key(|row| row.node.uuid.clone()));
    assert_eq!(whole[7].boot, Some(boot(70, 7, 1)));
    assert!(whole.iter().filter(|row| row.boot.is_some()).count() == 1);
    for page in [1, 7, 50] {
        assert_eq!(walk(&db, NodeFilter::default(), page).await, whole);
    }
    // A node that comes or goes between two pages neither repeats nor hides another one.
    let first = db.get(|tx| tx.nodes(&NodeFilter::default(), None, 10)).await;
    db.put(|tx| tx.put_node(&Node { uuid: "00000000-0000-0000-0000-000000000000".parse().unwrap(), ..node(0) })).await;
    let cursor = first[9].node.uuid.clone();
    let second = db.get(move |tx| tx.nodes(&NodeFilter::default(), Some(&cursor), 10)).await;
    assert_eq!(second, whole[10..20]);
}

pub async fn filters_find_substrings_and_escape(db: crate::fixture::Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.insert_profile_revision(&profile("web", 1))?;
        tx.put_node(&Node { serial: "AB%12".into(), manufacturer: "Dell Inc.".into(), ..node(1) })?;
        tx.put_node(&Node { serial: "ABx12".into(), product: "back\\slash".into(), ..node(2) })?;
        tx.put_node(&Node { product: "Pro_Liant".into(), profile: Some(name("web")), ..node(3) })?;
        tx.put_node(&Node { product: "ProxLiant".into(), boot_mac: Some(mac(0xee)), ..node(4) })?;
        tx.put_node(&Node { hostname: "hv-1.rack3".parse().unwrap(), ..node(5) })?;
        tx.set_macs(&uuid(5), &[mac(0xab), mac(0xcd)])
    })
    .await;
    for (text, found) in [
        ("b%1", vec![1]),
        ("abX12", vec![2]),
        ("k\\s", vec![2]),
        ("o_l", vec![3]),
        ("PROXL", vec![4]),
        ("dell", vec![1]),
        ("rack3", vec![5]),
        ("00:00:EE", vec![4]),
        ("00:00:cd", vec![5]),
        ("00:00:00", vec![4, 5]),
        ("4C4C4544", vec![1, 2, 3, 4, 5]),
        ("%", vec![1]),
        ("_", vec![3]),
        ("'; DROP TABLE nodes; --", vec![]),
    ] {
        let filter = NodeFilter { text: Some(text.into()), ..NodeFilter::default() };
        let got: Vec<NodeUuid> = walk(&db, filter, 2).await.into_iter().map(|row| row.node.uuid).collect();
        assert_eq!(got, found.into_iter().map(uuid).collect::<Vec<_>>(), "{text:?}");
    }
    let web = NodeFilter { profile: Some(name("web")), ..NodeFilter::default() };
    assert_eq!(walk(&db, web.clone(), 9).await.len(), 1);
    assert!(walk(&db, NodeFilter { text: Some("dell".into()), ..web }, 9).await.is_empty());
}

pub async fn macs_are_replaced_and_found(db: crate::fixture::Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        tx.put_node(&node(2))?;
        tx.set_macs(&uuid(1), &[mac(1), mac(2), mac(1)])?;
        tx.set_macs(&uuid(2), &[mac(2)])
    })
    .await;
    assert_eq!(db.get(|tx| tx.nodes_by_mac(&mac(1))).await, [uuid(1)]);
    assert_eq!(db.get(|tx| tx.nodes_by_mac(&mac(2))).await, [uuid(1), uuid(2)]);
    db.put(|tx| tx.set_macs(&uuid(1), &[mac(3)])).await;
    assert_eq!(db.get(|tx| tx.nodes_by_mac(&mac(1))).await, []);
    assert_eq!(db.get(|tx| tx.nodes_by_mac(&mac(2))).await, [uuid(2)]);
}

pub async fn neighbours_are_replaced(db: crate::fixture::Empty) {
    let db = db.open();
    let neighbour = |interface: &str, port: &str| Neighbour {
        interface: interface.into(),
        port_id: port.into(),
        chassis_id: "aa".into(),
        management_addresses: vec!["10.0.0.1".into()],
        pvid: 12,
        ..Neighbour::default()
    };
    let heard = vec![neighbour("eth1", "p9"), neighbour("eth0", "p2"), neighbour("eth0", "p1")];
    let put = heard.clone();
    db.put(move |tx| {
        tx.put_node(&node(1))?;
        tx.put_neighbours(&uuid(1), &[Neighbour::default()], 1)?;
        tx.put_neighbours(&uuid(1), &put, 2)
    })
    .await;
    let got = db.get(|tx| tx.neighbours(&uuid(1))).await;
    assert_eq!(got, [heard[1].clone(), heard[2].clone(), heard[0].clone()]);
}

pub async fn counts_agree_with_the_listing(db: crate::fixture::Empty) {
    let db = db.open();
    let (now, timeout) = (1_000_000, 1_000);
    db.put(move |tx| {
        tx.insert_profile_revision(&profile("web", 1))?;
        for n in 0..120u32 {
            let mut node = node(n);
            node.admission = [Admission::Pending, Admission::Admitted, Admission::Rejected][n as usize % 3];
            node.profile = (n % 2 == 0).then(|| name("web"));
            node.maintenance = n % 7 == 0;
            node.retired = n % 11 == 0;
            if n % 5 != 0 {
                node.boot = Some(id(u128::from(n) + 1000));
            }
            tx.put_node(&node)?;
            if n % 5 != 0 {
                let mut boot = boot(n + 1000, n, 1);
                boot.phase = Phase::ALL[n as usize / 3 % 5];
                boot.up = (n % 4 != 0).then_some(now - timeout);
                boot.heartbeat = (n % 8 == 1).then_some(now - timeout - 1);
                tx.put_boot(&boot)?;
            }
        }
        Ok(())
    })
    .await;
    let mut listed = BTreeMap::new();
    for row in walk(&db, NodeFilter::default(), 50).await {
        *listed.entry(lifecycle::of_node(&row.node, row.boot.as_ref(), now, timeout).0).or_insert(0) += 1;
    }
    let mut counted = BTreeMap::new();
    let groups = db.get(move |tx| tx.node_counts(now - timeout)).await;
    assert!(groups.iter().any(|g| g.alive) && groups.len() > 20);
    for group in groups {
        let desired: Desired = group.desired;
        let state = lifecycle::lifecycle(desired, Observed { phase: group.phase, alive: group.alive });
        *counted.entry(state).or_insert(0) += group.count;
    }
    assert_eq!(counted, listed);
    assert_eq!(counted.values().sum::<u64>(), 120);
}

pub async fn an_unknown_profile_is_refused(db: crate::fixture::Empty) {
    let db = db.open();
    let put = db.store.write(|tx| tx.put_node(&Node { profile: Some(name("nope")), ..node(1) })).await;
    assert!(matches!(put, Err(Error::Conflict(_))), "{put:?}");
    db.put(|tx| {
        tx.insert_profile_revision(&profile("web", 1))?;
        tx.put_node(&Node { profile: Some(name("web")), ..node(1) })
    })
    .await;
    let deleted = db.store.write(|tx| tx.delete_profile(&name("web"))).await.unwrap_err();
    assert!(matches!(&deleted, Error::Conflict(words) if words.contains("1 nodes")), "{deleted}");
}

pub async fn a_bad_stored_value_is_named(db: crate::fixture::Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    sql(&db.url, "UPDATE nodes SET admission = 'perhaps'");
    let Err(Error::Internal(error)) = db.store.read(|tx| tx.node(&uuid(1))).await else { panic!("no error") };
    let words = error.to_string();
    for part in ["nodes", "admission", "perhaps", uuid(1).as_str(), "pending, admitted"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(db.store.read(|tx| tx.nodes(&NodeFilter::default(), None, 9)).await.is_err());
    assert!(db.store.read(|tx| tx.node_counts(0)).await.is_err());
}

pub async fn those_that_do_not_run_and_where(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.insert_profile_revision(&profile("p", 1))?;
        let phases = [
            (1, Phase::Running, Some(100)),
            (2, Phase::Running, Some(99)),
            (3, Phase::Running, None),
            (4, Phase::Failed, None),
            (5, Phase::Booting, None),
            (6, Phase::Registered, None),
            (7, Phase::Ended, None),
            (8, Phase::Failed, None),
            (9, Phase::Failed, None),
            (10, Phase::Failed, None),
            (11, Phase::Failed, None),
        ];
        for (n, phase, heard) in phases {
            let boot = Boot { phase, up: Some(50), heartbeat: heard, ..boot(n, n, 10) };
            let node = Node {
                admission: if n == 11 { Admission::Pending } else { Admission::Admitted },
                profile: (n != 8).then(|| name("p")),
                retired: n == 9,
                maintenance: n == 10,
                cluster: (n == 4).then(|| name("c")),
                held: Held {
                    profile: if n == 5 { Holder::Rule(name("r")) } else { Holder::Person },
                    ..Held::default()
                },
                boot: Some(boot.id),
                ..node(n)
            };
            tx.put_node(&node)?;
            tx.put_boot(&boot)?;
        }
        tx.put_node(&Node { admission: Admission::Admitted, profile: Some(name("p")), ..node(12) })
    })
    .await;
    let down = db.get(|tx| tx.nodes_down(100, 99)).await;
    let expected = [2, 3, 4, 5, 6].map(|n| NodeDown {
        node: uuid(n),
        cluster: (n == 4).then(|| name("c")),
        held: if n == 5 { Holder::Rule(name("r")) } else { Holder::Person },
    });
    assert_eq!(down, expected);
    assert_eq!(db.get(|tx| tx.nodes_down(100, 2)).await.len(), 2);
    // The same nodes by name, with their boots; what is not there is absent.
    let asked: Vec<_> = [12, 1, 99].map(uuid).into();
    let found = db.get(move |tx| tx.nodes_of(&asked)).await;
    let boots: Vec<_> = found.into_iter().map(|(uuid, row)| (uuid, row.boot.map(|boot| boot.id))).collect();
    assert_eq!(boots, [(uuid(1), Some(id(1))), (uuid(12), None)]);
}
