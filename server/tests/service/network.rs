//! A profile's network on real facts: NICs found, addresses out of pools given once and kept, and what people and machines see
//! of it.

use crate::common::{Lab, lab};
use higuma::domain::NodeUuid;
use higuma::domain::Sha256;
use higuma::domain::boot::Boot;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::ipam::Kind;
use higuma::domain::script::Machine;
use higuma::error::Error;
use higuma::service::drift::Worked;
use higuma::service::ipam::AddressQuery;
use higuma::service::network;
use higuma::service::plan::{self, PlanAnswer, Planned};
use higuma::service::register::{self, Registration};
use higuma::service::{App, drift, ipam, new_secret, node_events, nodes, preview, profiles, scripts, up};
use higuma_proto::agent::{Inventory, Neighbour, Nic};
use higuma_proto::api::{Address, NewProfile, NodeNetwork, NodePatch};
use serde_json::{Value, json};

fn uuid(n: u8) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
}

fn mac(n: u8, port: u8) -> String {
    format!("52:54:00:00:{n:02x}:{port:02x}")
}

fn machine(n: u8) -> Machine {
    let told = Told { uuid: Some(uuid(n)), ..Told::default() };
    Machine { told, mac: Some(mac(n, 0).parse().unwrap()), arch: Some(Arch::X86_64) }
}

/// Two NICs; the second one is cabled to tor-2.
async fn power_on(app: &App, n: u8) -> Boot {
    let nonce = scripts::script(app, machine(n), "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let nic =
        |port: u8| Nic { name: format!("eth{port}"), mac: mac(n, port), driver: "virtio_net".into(), ..Nic::default() };
    let heard = Neighbour {
        interface: "eth1".into(),
        mac: mac(n, 1),
        chassis_id: "c2".into(),
        system_name: "tor-2".into(),
        port_id: "swp7".into(),
        ttl: 120,
        ..Neighbour::default()
    };
    let registration = Registration {
        nonce,
        credential: new_secret().unwrap(),
        uuid: Some(uuid(n)),
        node: None,
        boot_mac: Some(mac(n, 0).parse().unwrap()),
        inventory: Inventory { nics: vec![nic(0), nic(1)], ..Inventory::default() },
        neighbours: vec![heard],
    };
    let registered = register::register(app, registration).await.unwrap();
    app.store.read(move |tx| tx.boot(registered.boot)).await.unwrap().unwrap()
}

fn words() -> Value {
    json!({"image": "i:1", "params": {"rack": 4}, "network": {
        "lan0": {"match": {"boot": true}},
        "lan1": {"match": {"switch": "tor-2"}},
        "bond0": {"bond": ["lan0", "lan1"], "mode": "802.3ad", "address": "10.{{ params.rack }}.0.9/24"},
        "storage": {"vlan": 20, "over": "bond0", "address": {"pool": "storage"}, "gateway": "pool"},
    }})
}

fn new(words: Value) -> NewProfile {
    NewProfile { name: "net".into(), words: words.as_object().cloned(), ..NewProfile::default() }
}

async fn pool(app: &App, more: Value) {
    let mut pool =
        json!({"name": "storage", "kind": "node", "cidr": "10.20.0.0/29", "gateway": "10.20.0.6", "vlan": 20});
    pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ipam::create_pool(app, serde_json::from_value(pool).unwrap()).await.unwrap();
}

async fn ready() -> Lab {
    let lab = lab(|_| {}).await;
    pool(&lab.app, json!({})).await;
    profiles::create(&lab.app, new(words())).await.unwrap();
    lab
}

async fn assign(app: &App, n: u8) {
    let patch = NodePatch { profile: Some("net".into()), ..NodePatch::default() };
    nodes::patch(app, uuid(n), patch).await.unwrap();
}

async fn ask(app: &App, boot: &Boot) -> PlanAnswer {
    plan::boot_plan(app, boot, Sha256::of(boot.id.to_string())).await.unwrap()
}

async fn planned(app: &App, boot: &Boot) -> Planned {
    match ask(app, boot).await {
        PlanAnswer::Plan(planned) => *planned,
        other => panic!("{other:?}"),
    }
}

fn file<'p>(planned: &'p Planned, name: &str) -> &'p str {
    let file = planned.plan.files.iter().find(|file| file.path.ends_with(name));
    file.map(|file| file.content.as_str()).unwrap_or_else(|| panic!("no {name}: {:?}", planned.plan.files))
}

async fn addresses(app: &App) -> Vec<Address> {
    let mut all = ipam::list(app, AddressQuery::default()).await.unwrap().items;
    all.retain(|address| address.released_us.is_none());
    all
}

async fn detail(app: &App, n: u8) -> NodeNetwork {
    network::detail(app, machine(n)).await.unwrap()
}

#[tokio::test]
async fn a_node_gets_its_devices_and_an_address_for_life() {
    let lab = ready().await;
    let app = &lab.app;
    assert!(matches!(network::detail(app, machine(1)).await, Err(Error::NotFound(_))));
    // Assigned before it was ever seen: its NICs are looked for when it boots.
    nodes::add(app, uuid(1), NodePatch { profile: Some("net".into()), ..NodePatch::default() }).await.unwrap();
    let told = detail(app, 1).await;
    assert!(told.reason.as_ref().unwrap().contains("NICs of the node are not known"), "{told:?}");
    profiles::update(app, "net".parse().unwrap(), new(words())).await.unwrap();
    let boot = power_on(app, 1).await;
    let looked = detail(app, 1).await;
    let storage = looked.devices.iter().find(|device| device.name == "storage").unwrap();
    assert_eq!((storage.pools.as_slice(), storage.addresses.len()), (&["storage".to_owned()][..], 0));
    let shown = preview::show(app, "net".parse().unwrap(), None, uuid(1)).await.unwrap();
    assert!(shown.files.iter().any(|file| file.content.contains("# Address= of pool storage")));
    assert!(addresses(app).await.is_empty(), "nobody gave one by looking");

    let first = planned(app, &boot).await;
    assert!(file(&first, "11-higuma-storage.network").contains("\nAddress=10.20.0.1/29\n"));
    assert!(file(&first, "11-higuma-storage.network").contains("\nGateway=10.20.0.6\n"));
    assert!(file(&first, "11-higuma-bond0.network").contains("\nAddress=10.4.0.9/24\n"));
    assert!(file(&first, "11-higuma-bond0.netdev").contains(&format!("\nMACAddress={}\n", mac(1, 0))));
    assert!(file(&first, "10-higuma-525400000101.network").contains("\nBond=bond0\n"));
    let given = addresses(app).await;
    assert_eq!(given.len(), 1);
    let Address { address, device, kind, .. } = given[0].clone();
    assert_eq!((address.as_str(), device.as_str(), kind.as_str()), ("10.20.0.1", "storage", "node"));
    assert_eq!(planned(app, &boot).await.plan, first.plan, "asked again");
    up::report_up(app, &boot, up::Up::default()).await.unwrap();
    while drift::work_once(app).await.unwrap() == Worked::On {}
    assert_eq!(drift::show(app, uuid(1)).await.unwrap().drift, "same");

    let boot = power_on(app, 1).await;
    assert_eq!(planned(app, &boot).await.plan.hash, first.plan.hash, "the next boot");
    assert_eq!(addresses(app).await, given);
    let told = detail(app, 1).await;
    let names: Vec<&str> = told.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!((told.hostname.as_str(), names), ("node-b4c04f4a4d01", vec!["bond0", "lan0", "lan1", "storage"]));
    let (bond, lan1, storage) = (&told.devices[0], &told.devices[2], &told.devices[3]);
    assert_eq!((bond.mode.as_deref(), bond.members.len()), (Some("802.3ad"), 2));
    assert_eq!((lan1.cable.as_deref(), lan1.master.as_deref()), (Some("tor-2 port swp7"), Some("bond0")));
    assert_eq!((storage.vlan, storage.addresses.as_slice()), (Some(20), &["10.20.0.1/29".to_owned()][..]));

    // Another node, another address; the first one retires, and its address comes last.
    let other = power_on(app, 2).await;
    assign(app, 2).await;
    assert!(file(&planned(app, &other).await, "11-higuma-storage.network").contains("Address=10.20.0.2/29"));
    nodes::patch(app, uuid(1), NodePatch { retired: Some(true), ..NodePatch::default() }).await.unwrap();
    assert_eq!(addresses(app).await.len(), 1);
    assert!(matches!(network::detail(app, machine(1)).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_person_chooses_the_address_of_a_device() {
    let lab = ready().await;
    let app = &lab.app;
    let boot = power_on(app, 1).await;
    assign(app, 1).await;
    let reserve = |n: u8, address: &str, device: &str| {
        ipam::reserve(app, uuid(n), address.parse().unwrap(), None, device.to_owned())
    };
    assert!(matches!(reserve(1, "10.20.0.4", "no name").await, Err(Error::BadRequest(t)) if t.contains("device")));
    reserve(1, "10.20.0.4", "storage").await.unwrap();
    reserve(1, "10.20.0.5", "").await.unwrap();
    assert_eq!(addresses(app).await.len(), 2, "the node itself and its device");
    assert!(
        matches!(reserve(1, "10.20.0.5", "storage").await, Err(Error::Conflict(t)) if t.contains("the node itself"))
    );
    let first = planned(app, &boot).await;
    assert!(file(&first, "11-higuma-storage.network").contains("Address=10.20.0.4/29"));
    assert_eq!(detail(app, 1).await.reserved, ["10.20.0.5"]);
    up::report_up(app, &boot, up::Up::default()).await.unwrap();
    reserve(1, "10.20.0.3", "storage").await.unwrap();
    while drift::work_once(app).await.unwrap() == Worked::On {}
    let changed = drift::show(app, uuid(1)).await.unwrap();
    assert_eq!(changed.differences.len(), 1, "{changed:?}");
    assert!(changed.differences[0].what.ends_with("11-higuma-storage.network content"), "{changed:?}");
    assert_eq!(ipam::release(app, uuid(1), None, Some("storage".into())).await.unwrap(), 1);
    assert_eq!(ipam::release(app, uuid(1), Some(Kind::Node), None).await.unwrap(), 1);
    assert!(addresses(app).await.is_empty());
}

#[tokio::test]
async fn a_full_pool_keeps_the_node_waiting_and_is_told() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    pool(app, json!({"ranges": ["10.20.0.2"]})).await;
    profiles::create(app, new(words())).await.unwrap();
    let (one, two) = (power_on(app, 1).await, power_on(app, 2).await);
    assign(app, 1).await;
    assign(app, 2).await;
    planned(app, &one).await;
    let waits = ask(app, &two).await;
    let full = "network.storage: pool storage is full: no address for it";
    assert!(matches!(&waits, PlanAnswer::Wait { reason, .. } if reason == full), "{waits:?}");
    let events = node_events::list(app, node_events::NodeEventQuery::default()).await.unwrap().items;
    let told = "no address for its device storage: the pools storage are full";
    assert!(events.iter().any(|event| event.message == told), "{events:?}");
    assert!(matches!(plan::current(app, &two).await, Err(Error::NotFound(t)) if t.contains(full)));
    // Room again: it goes on.
    ipam::release(app, uuid(1), None, Some("storage".into())).await.unwrap();
    let current = plan::current(app, &two).await.unwrap();
    assert!(file(&current, "11-higuma-storage.network").contains("Address=10.20.0.2/29"), "asked by JSON");
    assert_eq!(planned(app, &two).await.plan, current.plan);
}

#[tokio::test]
async fn what_does_not_fit_a_node_is_refused_when_it_is_saved() {
    let lab = ready().await;
    let app = &lab.app;
    power_on(app, 1).await;
    assign(app, 1).await;
    let save = |change: Value| {
        let mut all = words();
        all["network"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        profiles::update(app, "net".parse().unwrap(), new(all))
    };
    for (change, told) in [
        (
            json!({"lan1": {"match": {"switch": "tor-9"}}}),
            "profile net for node node-b4c04f4a4d01 (4c4c4544-0046-3010-8052-b4c04f4a4d01): network.lan1.match: no NIC of the \
             node is switch tor-9: it has eth0 52:54:00:00:01:00 virtio_net (boots); eth1",
        ),
        (json!({"x": {"vlan": 5000, "over": "bond0"}}), "network.x.vlan: expected 1 to 4094, got 5000"),
        (
            json!({"x": {"vlan": 7, "over": "bond0", "address": {"pool": "none"}}}),
            "network.x.address: expected a pool of kind node, got none, which is not there",
        ),
        (
            json!({"bond0": {"bond": ["lan0", "lan1"], "mode": "802.3ad", "address": "{{ node.rack }}"}}),
            "network.bond0.address[0], line 1: node.rack is not defined",
        ),
        (
            json!({"bond0": {"bond": ["lan0", "lan1"], "mode": "802.3ad", "address": "{{ node.serial }}/24"}}),
            "network.bond0.address[0]: expected an address of a host",
        ),
    ] {
        let refused = save(change).await.unwrap_err();
        assert!(matches!(&refused, Error::BadRequest(text) if text.contains(told)), "{refused:?}");
    }
    let bmcs = json!({"name": "b", "kind": "bmc", "cidr": "10.30.0.0/24"});
    ipam::create_pool(app, serde_json::from_value(bmcs).unwrap()).await.unwrap();
    let refused = save(json!({"x": {"vlan": 7, "over": "bond0", "address": {"pool": "b"}}})).await.unwrap_err();
    assert!(refused.to_string().contains("got b, which is of kind bmc"), "{refused:?}");
}
