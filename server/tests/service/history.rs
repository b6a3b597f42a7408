//! What a node is made of, over several boots: versions, events, and what must tell nothing.

use crate::common::Lab;
use higuma::domain::NodeUuid;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::script::Machine;
use higuma::domain::secret::Secret;
use higuma::error::Error;
use higuma::service::node_events::{self, NodeEventQuery};
use higuma::service::register::{self, INVENTORY_MAX, Registration};
use higuma::service::{App, Settings, history, new_secret, nodes, scripts};
use higuma::store::NodeEventFilter;
use higuma_proto::agent::{Bios, Dimm, Inventory, Memory, Nic, SourceError, System, Volatile};
use higuma_proto::api::NodeEvent;
use std::sync::Arc;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const GIB: u64 = 1 << 30;

async fn lab() -> Lab {
    crate::common::lab(|_| ()).await
}

/// Two DIMMs in four slots.
fn inventory() -> Inventory {
    let dimm = |locator: &str, gib: u64| Dimm {
        locator: locator.into(),
        size_bytes: gib * GIB,
        serial: if gib > 0 { format!("SN-{locator}") } else { String::new() },
        ..Dimm::default()
    };
    let dimms = vec![dimm("P1-A1", 32), dimm("P1-A2", 0), dimm("P1-B1", 32), dimm("P1-B2", 0)];
    Inventory {
        system: Some(System { serial: "SN-1".into(), ..System::default() }),
        bios: Some(Bios { version: "1.9.2".into(), ..Bios::default() }),
        memory: Some(Memory { total_bytes: 64 * GIB, dimms, arrays: vec![] }),
        nics: vec![Nic { mac: "52:54:00:12:34:56".into(), name: "eth0".into(), ..Nic::default() }],
        ..Inventory::default()
    }
}

/// The same with one DIMM less.
fn smaller() -> Inventory {
    let mut inventory = inventory();
    let memory = inventory.memory.as_mut().unwrap();
    memory.total_bytes = 32 * GIB;
    memory.dimms[2].size_bytes = 0;
    memory.dimms[2].serial.clear();
    inventory
}

async fn request(app: &App, inventory: Inventory) -> Registration {
    let told = Told { uuid: Some(NODE.parse().unwrap()), serial: "SN-1".into(), ..Told::default() };
    let machine = Machine { told, mac: None, arch: Some(Arch::X86_64) };
    let nonce: Secret = scripts::script(app, machine, "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    Registration {
        nonce,
        credential: new_secret().unwrap(),
        uuid: Some(NODE.parse().unwrap()),
        node: None,
        boot_mac: None,
        inventory,
        neighbours: vec![],
    }
}

async fn boot(app: &App, inventory: Inventory) {
    register::register(app, request(app, inventory).await).await.unwrap();
}

fn node() -> NodeUuid {
    NODE.parse().unwrap()
}

async fn versions(app: &App) -> Vec<u32> {
    let page = history::list(app, node(), None, None).await.unwrap();
    page.items.iter().map(|v| v.version).collect()
}

async fn events(app: &App, open: bool) -> Vec<NodeEvent> {
    let filter = NodeEventFilter { node: Some(node()), open, ..NodeEventFilter::default() };
    node_events::list(app, NodeEventQuery { filter, cursor: None, limit: None }).await.unwrap().items
}

async fn open(app: &App) -> Vec<String> {
    let mut lines: Vec<String> =
        events(app, true).await.into_iter().map(|e| format!("{} {}", e.severity, e.subject)).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_dimm_goes_and_comes_back() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    assert_eq!((versions(app).await, open(app).await.len()), (vec![1], 0), "the first inventory tells nothing");
    // In another order, with other links: the same machine.
    let mut same = inventory();
    same.memory.as_mut().unwrap().dimms.reverse();
    same.volatile = Some(Volatile { kernel: "6.12".into(), ..Volatile::default() });
    boot(app, same).await;
    assert_eq!(versions(app).await, [1]);
    let shown = nodes::show(app, node()).await.unwrap();
    let stored = history::show(app, node(), 1).await.unwrap();
    assert_eq!(shown.inventory_hash, Some(stored.version.hash.clone()));
    assert_eq!(shown.inventory.unwrap().volatile.unwrap().kernel, "6.12");
    assert!(stored.inventory.volatile.is_none() && stored.version.last_seen_us > stored.version.at_us);

    let missing = request(app, smaller()).await;
    register::register(app, missing.clone()).await.unwrap();
    assert_eq!(versions(app).await, [2, 1]);
    assert_eq!(open(app).await, ["warning dimm:P1-B1", "warning memory"]);
    let message = &events(app, true).await.into_iter().find(|e| e.subject == "dimm:P1-B1").unwrap().message;
    assert!(message.starts_with("DIMM P1-B1 32 GiB (serial SN-P1-B1) is gone since "), "{message}");
    // The same Register again (its answer was lost), and the same machine again: nothing new.
    register::register(app, missing).await.unwrap();
    boot(app, smaller()).await;
    assert_eq!((versions(app).await, events(app, false).await.len()), (vec![2, 1], 2));
    let summary = nodes::list(app, nodes::NodeQuery::default()).await.unwrap().items.remove(0);
    assert_eq!((summary.open_events, nodes::show(app, node()).await.unwrap().summary.open_events), (2, 2));
    let (first, more) = node_events::foremost(app, 1).await.unwrap();
    assert_eq!((first.len(), first[0].hostname.as_str(), more), (1, "node-b4c04f4a4d32", true));

    let diff = history::compare(app, node(), None, None).await.unwrap();
    assert_eq!((diff.from.version, diff.to.version, diff.to.changes as usize), (1, 2, diff.changes.len()));
    let lines: Vec<_> = diff.changes.iter().map(|c| (c.section.as_str(), c.item.as_str(), c.change.as_str())).collect();
    assert_eq!(lines, [("dimm", "P1-B1", "gone"), ("memory", "", "changed")]);
    let back = history::compare(app, node(), Some(2), Some(1)).await.unwrap();
    assert_eq!(back.changes[0].change, "new");
    assert!(history::compare(app, node(), Some(1), Some(1)).await.unwrap().changes.is_empty());
    assert!(matches!(history::compare(app, node(), Some(7), None).await, Err(Error::NotFound(_))));

    boot(app, inventory()).await;
    assert_eq!((versions(app).await, open(app).await.len()), (vec![3, 2, 1], 0));
    assert!(events(app, false).await.iter().all(|e| e.cleared_us.is_some()));
}

#[tokio::test]
async fn a_seen_warning_still_clears() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    boot(app, smaller()).await;
    for event in events(app, true).await {
        node_events::acknowledge(app, &event.id, "ana").await.unwrap();
    }
    assert!(open(app).await.is_empty());
    boot(app, inventory()).await;
    assert!(open(app).await.is_empty(), "nothing is new: it is back");
    assert!(events(app, false).await.iter().all(|e| e.cleared_us.is_some()));
}

#[tokio::test]
async fn a_source_that_fails_tells_only_that() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    let failed =
        |section: &str| SourceError { source: "DMI".into(), error: "I/O error".into(), section: section.into() };
    let mut blind = inventory();
    blind.memory = Some(Memory { total_bytes: 60 * GIB, ..Memory::default() });
    blind.errors = vec![failed("memory")];
    boot(app, blind.clone()).await;
    assert_eq!((versions(app).await, open(app).await), (vec![1], vec!["warning unread:memory".to_owned()]));
    let message = &events(app, true).await[0].message;
    assert_eq!(message, "memory could not be read (DMI): what is shown of it is what was read before");
    let shown = nodes::show(app, node()).await.unwrap().inventory.unwrap();
    assert_eq!((shown.memory.unwrap().total_bytes, shown.errors.len()), (64 * GIB, 1));
    // What can be read is compared all the same.
    blind.bios = Some(Bios { version: "2.1.0".into(), ..Bios::default() });
    boot(app, blind).await;
    assert_eq!(
        (versions(app).await, open(app).await),
        (vec![2, 1], vec!["info bios".to_owned(), "warning unread:memory".to_owned()])
    );
    let message = &events(app, true).await[0].message;
    assert_eq!(message, "BIOS 1.9.2 -> 2.1.0");
    let bios = Some(Bios { version: "2.1.0".into(), ..Bios::default() });
    boot(app, Inventory { bios, ..inventory() }).await;
    assert_eq!(
        (versions(app).await, open(app).await),
        (vec![2, 1], vec!["info bios".to_owned()]),
        "it can be read again"
    );
}

#[tokio::test]
async fn a_device_that_cannot_be_read_does_not_hide_the_others_for_ever() {
    let mut lab = lab().await;
    // It is off while its card is changed.
    lab.app.settings = Arc::new(Settings { heartbeat_timeout: 0, ..Settings::default() });
    let app = &lab.app;
    boot(app, inventory()).await;
    let mut swapped = inventory();
    swapped.nics[0].mac = "52:54:00:99:99:99".into();
    swapped.errors =
        vec![SourceError { source: "ethtool eth0".into(), error: "I/O error".into(), section: "nics".into() }];
    for _ in 0..2 {
        boot(app, swapped.clone()).await;
        assert_eq!((versions(app).await, open(app).await), (vec![1], vec!["warning unread:nics".to_owned()]));
    }
    boot(app, swapped.clone()).await;
    let told = ["info nic:52:54:00:99:99:99", "warning nic:52:54:00:12:34:56"];
    assert_eq!((versions(app).await, open(app).await), (vec![2, 1], told.map(str::to_owned).to_vec()));
    boot(app, swapped).await;
    assert_eq!(versions(app).await, [2, 1]);
}

#[tokio::test]
async fn what_says_nothing_changes_nothing() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    boot(app, Inventory { arch: "x86_64".into(), ..Inventory::default() }).await;
    assert_eq!((versions(app).await, open(app).await.len()), (vec![1], 0));
    assert_eq!(nodes::show(app, node()).await.unwrap().inventory.unwrap().nics.len(), 1);
}

#[tokio::test]
async fn a_list_that_no_machine_has_is_not_stored() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    for salt in ["a", "b"] {
        let flags = (0..200_000).map(|n| format!("{salt}{n}")).collect();
        let cpu = higuma_proto::agent::Cpu { socket: "CPU1".into(), flags, ..Default::default() };
        boot(app, Inventory { cpus: vec![cpu], ..inventory() }).await;
        let message = &events(app, true).await[0].message;
        assert_eq!(message, "inventory with 200000 items in cpus.flags: at most 4096 are stored");
    }
    assert_eq!(versions(app).await, [1]);
}

#[tokio::test]
async fn all_of_a_kind_are_seen_at_once_and_old_ones_are_over() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    let mut other = smaller();
    other.bios = Some(Bios { version: "2.1.0".into(), ..Bios::default() });
    boot(app, other).await;
    assert_eq!(open(app).await, ["info bios", "warning dimm:P1-B1", "warning memory"]);
    let filter = |severity| NodeEventFilter { severity, ..NodeEventFilter::default() };
    let info = Some(higuma::domain::node_event::Severity::Info);
    let newest = events(app, true).await[0].id.clone();
    assert_eq!(node_events::acknowledge_all(app, filter(info), Some(&newest), "ana").await.unwrap(), 1);
    assert_eq!(open(app).await, ["warning dimm:P1-B1", "warning memory"]);
    assert_eq!(node_events::acknowledge_all(app, filter(None), None, "ana").await.unwrap(), 2);
    assert_eq!(node_events::acknowledge_all(app, filter(None), None, "ana").await.unwrap(), 0);
    assert!(open(app).await.is_empty());
    assert!(matches!(
        node_events::acknowledge_all(app, filter(None), Some("x"), "ana").await,
        Err(Error::BadRequest(_))
    ));
}

#[tokio::test]
async fn an_inventory_of_five_megabytes_is_not_stored_and_the_node_boots() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    let mut huge = inventory();
    huge.oem_strings = vec!["x".repeat(1000); 5_100];
    assert!(serde_json::to_string(&huge).unwrap().len() > INVENTORY_MAX);
    boot(app, huge.clone()).await;
    assert_eq!((versions(app).await, open(app).await), (vec![1], vec!["warning inventory".to_owned()]));
    let message = &events(app, true).await[0].message;
    assert!(
        message.starts_with("inventory of 5.1 MB: at most 4 MiB is stored; its largest part is oem_strings with 5.1"),
        "{message}"
    );
    boot(app, huge).await;
    assert_eq!(events(app, false).await.len(), 1);
    boot(app, inventory()).await;
    assert!(open(app).await.is_empty());
}

#[tokio::test]
async fn what_an_older_release_stored_is_no_change() {
    let lab = lab().await;
    let app = &lab.app;
    boot(app, inventory()).await;
    let json = r#"{"kernel":"6.1","bios":{"version":"1.9.2"},"memory":{"total_bytes":68719476736,"dimms":[
        {"locator":"P1-A1","size_bytes":34359738368},{"locator":"P1-B1","size_bytes":34359738368}]},
        "nics":[{"name":"eth0","mac":"52:54:00:12:34:56","link":true,"speed_mbps":1000}]}"#;
    app.store
        .write(move |tx| {
            let mut stored = tx.inventory(&node())?.unwrap();
            stored.json = json.to_owned();
            stored.version.hash = higuma::domain::Sha256::of(json);
            tx.put_inventory(&node(), &stored)
        })
        .await
        .unwrap();
    assert_eq!(nodes::show(app, node()).await.unwrap().inventory.unwrap().nics[0].name, "eth0");
    boot(app, inventory()).await;
    assert_eq!((versions(app).await, open(app).await.len()), (vec![2, 1], 0));
    // Two slots are new to it, as that release's agent told filled ones only.
    let diff = history::compare(app, node(), None, None).await.unwrap();
    assert!(diff.changes.iter().all(|c| c.section == "dimm_slot"), "{:?}", diff.changes);
}
