//! Versions of inventories: replaced, paged, pruned, and those of the release before moved.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::inventory::unread;
use higuma::store::{KeptVersions, StoredInventory, StoredVersion};

pub fn inventory(number: u32, json: &str) -> StoredInventory {
    let version = StoredVersion {
        number,
        hash: Sha256::of(json),
        size: json.len() as u64,
        changes: number,
        at: number.into(),
        last_seen: number.into(),
    };
    StoredInventory { version, json: json.to_owned(), unread: unread([("nics", "eth0")]) }
}

async fn put(db: &Db, of: u32, number: u32, json: &'static str) {
    db.put(move |tx| tx.put_inventory(&uuid(of), &inventory(number, json))).await;
}

async fn numbers(db: &Db) -> Vec<u32> {
    db.get(|tx| tx.inventory_versions(&uuid(1), None, 999)).await.iter().map(|v| v.number).collect()
}

pub async fn versions_are_kept(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    assert_eq!(db.get(|tx| tx.inventory(&uuid(1))).await, None);
    put(&db, 1, 1, "{}").await;
    put(&db, 1, 1, "{\"x\":\"ü\\u0000\"}").await;
    put(&db, 1, 2, "{\"y\":1}").await;
    put(&db, 2, 1, "{}").await;
    assert_eq!(db.get(|tx| tx.inventory(&uuid(1))).await, Some(inventory(2, "{\"y\":1}")));
    let first = db.get(|tx| tx.inventory_version(&uuid(1), 1)).await.unwrap();
    assert_eq!(first, inventory(1, "{\"x\":\"ü\\u0000\"}"));
    assert_eq!(db.get(|tx| tx.inventory_version(&uuid(1), 9)).await, None);
    let node = db.get(|tx| tx.node(&uuid(1))).await.unwrap();
    assert_eq!(node.inventory_hash, Some(Sha256::of("{\"y\":1}")), "the node's inventory is the newest");
    db.put(|tx| tx.touch_inventory(&uuid(1), 2, 77)).await;
    let page = db.get(|tx| tx.inventory_versions(&uuid(1), None, 1)).await;
    assert_eq!((page.len(), page[0].number, page[0].at, page[0].last_seen), (1, 2, 2, 77));
    assert_eq!(db.get(|tx| tx.inventory_versions(&uuid(1), Some(2), 9)).await[0].number, 1);

    assert_eq!(db.get(|tx| tx.inventory_report(&uuid(1))).await, None);
    db.put(|tx| tx.put_inventory_report(&uuid(1), "{}", 1)).await;
    db.put(|tx| tx.put_inventory_report(&uuid(1), "{\"errors\":[]}", 2)).await;
    assert_eq!(db.get(|tx| tx.inventory_report(&uuid(1))).await.as_deref(), Some("{\"errors\":[]}"));
}

pub async fn pruned_by_number_and_by_bytes(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1))).await;
    let keep = |count, bytes| KeptVersions { count, bytes };
    db.put(move |tx| tx.prune_inventories(&uuid(1), keep(3, 99))).await;
    for number in 1..=6 {
        put(&db, 1, number, "{\"x\":123}").await;
    }
    db.put(move |tx| tx.prune_inventories(&uuid(1), keep(6, 6 * 9))).await;
    assert_eq!(numbers(&db).await, [6, 5, 4, 3, 2, 1]);
    db.put(move |tx| tx.prune_inventories(&uuid(1), keep(5, 999))).await;
    assert_eq!(numbers(&db).await, [6, 5, 4, 3, 1], "the first stays");
    db.put(move |tx| tx.prune_inventories(&uuid(1), keep(9, 3 * 9))).await;
    assert_eq!(numbers(&db).await, [6, 5, 1]);
    for _ in 0..2 {
        db.put(move |tx| tx.prune_inventories(&uuid(1), keep(0, 0))).await;
        assert_eq!(numbers(&db).await, [6, 1]);
    }
}

pub async fn events_of_many_nodes_and_their_names(db: Empty) {
    use higuma::domain::node_event::{Kind, Notice, Severity};
    let db = db.open();
    db.put(|tx| tx.put_node(&node(1)).and_then(|()| tx.put_node(&node(2)))).await;
    let raise = |n: u128, severity, subject: &'static str| {
        let notice = Notice { kind: Kind::Hardware, severity, subject: subject.into(), message: "m".into() };
        db.put(move |tx| tx.raise(id(n), &uuid(1), &notice, 1))
    };
    raise(1, Severity::Info, "bios").await;
    raise(2, Severity::Warning, "dimm:A1").await;
    raise(3, Severity::Alarm, "dimm:A2").await;
    raise(4, Severity::Warning, "dimm:A3").await;
    db.put(|tx| tx.acknowledge(id(2), "ana", 1)).await;
    db.put(|tx| tx.clear_subject(&uuid(1), "dimm:A3", 2)).await;
    let counts = db.get(|tx| tx.open_events_of(&[uuid(1).as_str(), uuid(2).as_str()])).await;
    assert_eq!(counts, [(uuid(1).to_string(), 2)].into());
    let warned = db.get(|tx| tx.warned_subjects(&uuid(1), Kind::Hardware)).await;
    assert_eq!(warned, ["dimm:A1".to_owned(), "dimm:A2".to_owned()].into(), "seen or not");
    assert!(db.get(|tx| tx.warned_subjects(&uuid(1), Kind::Cabling)).await.is_empty());
    let names = db.get(|tx| tx.hostnames([uuid(1).as_str(), uuid(9).as_str()].into_iter())).await;
    assert_eq!(names, [(uuid(1).to_string(), node(1).hostname.to_string())].into());
}

/// As the release before left it: one row a node, the whole message, hashed as it was.
pub async fn an_older_database_is_moved(db: Empty) {
    let json = r#"{"kernel":"6.1","nics":[{"name":"eth0","link":true,"speed_mbps":1000}]}"#;
    let opened = Empty { url: db.url.clone() }.open();
    opened.put(|tx| tx.put_node(&node(1))).await;
    drop(opened);
    // Back to the schema of that release, with a row in it; the migration runs again.
    sql(
        &db.url,
        &format!(
            "DROP TABLE inventory_versions; DROP TABLE inventory_reports;
             CREATE TABLE inventories (node TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, json TEXT NOT NULL, at BIGINT NOT NULL);
             INSERT INTO inventories VALUES ('{}', '{}', '{json}', 5);
             DELETE FROM __diesel_schema_migrations WHERE version = '20261125000003'",
            uuid(1),
            Sha256::of(json)
        ),
    );
    let db = db.open();
    let moved = db.get(|tx| tx.inventory(&uuid(1))).await.unwrap();
    assert_eq!((moved.json.as_str(), moved.version.number, moved.version.at), (json, 1, 5));
    assert_eq!((moved.version.size, moved.version.last_seen, moved.unread.len()), (json.len() as u64, 5, 0));
    let read: higuma_proto::agent::Inventory = serde_json::from_str(&moved.json).unwrap();
    assert_eq!(read.nics[0].name, "eth0");
}
