//! Rules keep their order; facts are found for many nodes at once, and made anew when they are of another version.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::facts::{Hardware, Nic};
use higuma::domain::node::{Admission, By, Node};
use higuma::domain::parking::ParkAction;
use higuma::domain::rules::{Held, Holder, Rule, Sets};
use higuma::domain::select::{Column, Equal};
use higuma::store::NodeFilter;

fn rule(called: &str) -> Rule {
    Rule {
        name: name(called),
        when: "node.serial == 'ü\"'".into(),
        admission: Some(Admission::Rejected),
        park: Some(ParkAction::Reboot),
        park_after: Some(5_000_000),
        sets: Sets {
            profile: Some(name("web")),
            cluster: Some(name("east")),
            hostname: Some("hv-{n:02}".parse().unwrap()),
            tags: [name("gpu"), name("new")].into(),
        },
    }
}

pub async fn a_list_replaces_a_list(db: Empty) {
    let db = db.open();
    assert!(db.get(|tx| tx.rules()).await.is_empty());
    let plain = Rule { admission: None, park: Some(ParkAction::Wait), park_after: None, ..rule("a") };
    let first = vec![rule("z"), plain.clone(), rule("m")];
    let put = first.clone();
    db.put(move |tx| tx.replace_rules(&put)).await;
    assert_eq!(db.get(|tx| tx.rules()).await, first);
    let second = vec![plain, rule("z")];
    let put = second.clone();
    db.put(move |tx| tx.replace_rules(&put)).await;
    assert_eq!(db.get(|tx| tx.rules()).await, second);
    // A list that fails leaves the old one.
    let failed = db.store.write(|tx| tx.replace_rules(&[rule("x"), rule("x")])).await;
    assert!(failed.is_err());
    assert_eq!(db.get(|tx| tx.rules()).await, second);
}

fn hardware(nic: &str) -> Hardware {
    Hardware { nics: vec![Nic { name: nic.into(), ..Nic::default() }], ..Hardware::default() }
}

pub async fn facts_are_replaced_found_and_made_anew(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        for n in 1..=3 {
            tx.put_node(&Node { inventory_hash: Some(Sha256::of("inventory")), ..node(n) })?;
        }
        tx.put_node_facts(&uuid(1), &hardware("eth0"), 1)?;
        tx.put_node_facts(&uuid(1), &hardware("eth1"), 2)?;
        tx.put_node_facts(&uuid(3), &hardware("eth3"), 2)
    })
    .await;
    assert_eq!(db.get(|tx| tx.node_facts(&uuid(1))).await, Some(hardware("eth1")));
    assert_eq!(db.get(|tx| tx.node_facts(&uuid(2))).await, None);
    let found = db.get(|tx| tx.facts_of(&[&uuid(1), &uuid(2), &uuid(3), &uuid(9)])).await;
    assert_eq!(found.len(), 2);
    assert_eq!(found[uuid(3).as_str()], hardware("eth3"));
    assert!(db.get(|tx| tx.facts_of(&[])).await.is_empty());
    assert_eq!(db.get(|tx| tx.nodes_without_facts(9)).await, [uuid(2)]);
    sql(&db.url, &format!("UPDATE node_facts SET version = 0 WHERE node = '{}'", uuid(3)));
    assert_eq!(db.get(|tx| tx.nodes_without_facts(9)).await, [uuid(2), uuid(3)]);
    assert_eq!(db.get(|tx| tx.nodes_without_facts(1)).await, [uuid(2)]);
}

pub async fn who_admitted_and_what_is_equal(db: Empty) {
    let db = db.open();
    let by = |n: u32, by: By| Node { admitted: Some((by, 77)), serial: format!("S{n}"), ..node(n) };
    let all = [by(1, By::Policy), by(2, By::Rule(name("r-1"))), by(3, By::Person("ana maria".into())), node(4)];
    let put = all.clone();
    db.put(move |tx| put.iter().try_for_each(|node| tx.put_node(node))).await;
    for node in all {
        let uuid = node.uuid.clone();
        assert_eq!(db.get(move |tx| tx.node(&uuid)).await, Some(node));
    }
    let find = |equals: Vec<(Column, &str)>| {
        let equals = equals.into_iter().map(|(column, value)| Equal { column, value: value.into() }).collect();
        let filter = NodeFilter { equals, ..NodeFilter::default() };
        db.get(move |tx| Ok(tx.nodes(&filter, None, 9)?.into_iter().map(|row| row.node.uuid).collect::<Vec<_>>()))
    };
    assert_eq!(find(vec![(Column::Serial, "S2")]).await, [uuid(2)]);
    assert!(find(vec![(Column::Serial, "s2")]).await.is_empty(), "not a search: equal");
    assert!(find(vec![(Column::Serial, "S2"), (Column::Uuid, uuid(1).as_str())]).await.is_empty());
    for column in [Column::Profile, Column::Hostname, Column::Manufacturer, Column::Product] {
        assert!(find(vec![(column, "nope")]).await.is_empty(), "{column:?}");
    }
}

pub async fn tags_holders_and_numbers(db: Empty) {
    let db = db.open();
    let held = Held { profile: Holder::Person, cluster: Holder::Rule(name("r")), hostname: Holder::Rules };
    let full = Node { tags: [name("a")].into(), rule_tags: [name("b"), name("c")].into(), held, ..node(1) };
    let put = full.clone();
    db.put(move |tx| {
        tx.put_node(&put)?;
        (2..=3).try_for_each(|n| tx.put_node(&node(n)))
    })
    .await;
    assert_eq!(db.get(|tx| tx.node(&uuid(1))).await, Some(full));
    let number = |pattern: &'static str, n: u32| db.put(move |tx| tx.name_number(pattern, &uuid(n)));
    assert_eq!(number("hv-{n}", 1).await, 1);
    assert_eq!(number("hv-{n}", 2).await, 2);
    assert_eq!(number("hv-{n}", 1).await, 1, "for ever");
    assert_eq!(number("x-{n}", 2).await, 1, "of each pattern");
    assert_eq!(db.put(|tx| tx.next_name_number("hv-{n}", &uuid(1))).await, 3);
    assert_eq!(number("hv-{n}", 3).await, 4, "none twice");
    // Not even when its node is gone.
    db.put(|tx| tx.delete_node(&uuid(3)).map(drop)).await;
    db.put(|tx| tx.put_node(&node(5))).await;
    assert_eq!(number("hv-{n}", 5).await, 5);
}
