//! `cargo bench -p higuma --bench inventory`: what a 60 KB inventory costs to store, and what it costs to find a node by UUID, MAC, serial
//! and switch port among 1,000 and among 100,000, on SQLite (commits as in use, `synchronous=FULL`). It prints figures
//! and their ratio; it judges nothing. `HIGUMA_BENCH_NODES=20000` makes the large fleet smaller.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use higuma::domain::cabling::{Link, Place};
use higuma::domain::inventory::Unread;
use higuma::domain::node::{Admission, Node};
use higuma::domain::select::{Column, Equal};
use higuma::domain::{Mac, NodeUuid, Sha256};
use higuma::error::Result;
use higuma::store::{NodeFilter, Store, StoredInventory, StoredVersion, Tx};
use higuma_proto::agent::{Dimm, Inventory, Memory, PciDevice};
use std::time::Instant;
use uuid::Uuid;

const SMALL: u32 = 1_000;
const LARGE: u32 = 100_000;
/// Nodes of a transaction while the fleet is made.
const BATCH: u32 = 500;
/// Lookups of one measurement, and of one snapshot.
const LOOKUPS: u32 = 20_000;
const SNAPSHOT: u32 = 200;
/// Inventories that are stored, each in a transaction of its own.
const STORED: u32 = 500;
/// Ports of a switch.
const PORTS: u32 = 48;

fn main() {
    let large = std::env::var("HIGUMA_BENCH_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(LARGE);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let small = fleet(SMALL).await;
        let large = fleet(large).await;
        println!("{:<14} {:>12} {:>12} {:>7}", "found by", small.label(), large.label(), "ratio");
        for (what, find) in WAYS {
            // Once for the caches, as in a server that runs; then in turn, so that both fleets meet the same machine.
            small.time(find).await;
            large.time(find).await;
            let rounds =
                [small.time(find).await, large.time(find).await, small.time(find).await, large.time(find).await];
            let (a, b) = (rounds[0].min(rounds[2]), rounds[1].min(rounds[3]));
            println!("{what:<14} {a:>9.2} us {b:>9.2} us {:>7.2}", b / a);
        }
        for fleet in [&small, &large] {
            let (bytes, rate) = fleet.store_inventories().await;
            println!("inventories of {bytes} bytes stored among {}: {rate:.0} / s, one commit each", fleet.nodes);
        }
    });
}

type Find = fn(&mut Tx<'_>, u32) -> Result<bool>;

const WAYS: [(&str, Find); 4] = [
    ("UUID", |tx, n| Ok(tx.node(&uuid(n))?.is_some())),
    ("MAC", |tx, n| Ok(tx.nodes_by_mac(&mac(n))? == [uuid(n)])),
    ("serial", |tx, n| {
        let equals = vec![Equal { column: Column::Serial, value: serial(n) }];
        Ok(tx.nodes(&NodeFilter { equals, ..NodeFilter::default() }, None, 2)?.len() == 1)
    }),
    ("switch port", |tx, n| Ok(tx.links_at(&place(n))?.len() == 1)),
];

struct Fleet {
    store: Store,
    nodes: u32,
    _dir: tempfile::TempDir,
}

async fn fleet(nodes: u32) -> Fleet {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", dir.path().join("bench.db").display())).unwrap();
    let began = Instant::now();
    for from in (0..nodes).step_by(BATCH as usize) {
        store
            .write(move |tx| {
                for n in from..(from + BATCH).min(nodes) {
                    let mut node = Node::new(uuid(n), Admission::Admitted, i64::from(n));
                    (node.manufacturer, node.product, node.serial) = ("Kuma".into(), "One".into(), serial(n));
                    tx.put_node(&node)?;
                    tx.set_macs(&node.uuid, &[mac(n)])?;
                    tx.add_link(&link(n))?;
                }
                Ok(())
            })
            .await
            .unwrap();
    }
    println!("{nodes} nodes made in {:.1} s", began.elapsed().as_secs_f64());
    Fleet { store, nodes, _dir: dir }
}

impl Fleet {
    fn label(&self) -> String {
        format!("of {}", self.nodes)
    }

    /// Microseconds of one lookup.
    async fn time(&self, find: Find) -> f64 {
        let nodes = self.nodes;
        let began = Instant::now();
        for round in 0..LOOKUPS / SNAPSHOT {
            self.store
                .read(move |tx| {
                    for i in 0..SNAPSHOT {
                        // Spread over the whole fleet, the same each run.
                        let n = (round * SNAPSHOT + i).wrapping_mul(2_654_435_761) % nodes;
                        assert!(find(tx, n)?, "node {n} was not found");
                    }
                    Ok(())
                })
                .await
                .unwrap();
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKUPS)
    }

    /// Bytes of one, and how many a second.
    async fn store_inventories(&self) -> (usize, f64) {
        let json = serde_json::to_string(&inventory()).unwrap();
        let bytes = json.len();
        let began = Instant::now();
        for n in 0..STORED {
            let (json, at) = (json.clone(), i64::from(n));
            let version =
                StoredVersion { number: 1, hash: Sha256::of(&json), size: bytes as u64, changes: 0, at, last_seen: at };
            let stored = StoredInventory { version, json, unread: Unread::default() };
            self.store.write(move |tx| tx.put_inventory(&uuid(n), &stored)).await.unwrap();
        }
        (bytes, f64::from(STORED) / began.elapsed().as_secs_f64())
    }
}

fn uuid(n: u32) -> NodeUuid {
    // Spread like real ones: neighbours in time are no neighbours in the index.
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes()).to_string().parse().unwrap()
}

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.wrapping_mul(2_654_435_761).to_be_bytes();
    format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}").parse().unwrap()
}

fn serial(n: u32) -> String {
    format!("SN{:08X}", n.wrapping_mul(2_654_435_761))
}

fn place(n: u32) -> Place {
    let (switch, port) = (n / PORTS, n % PORTS);
    let [_, a, b, c] = switch.to_be_bytes();
    Place {
        chassis_id: format!("02:00:00:{a:02x}:{b:02x}:{c:02x}"),
        chassis_id_type: "mac_address".into(),
        port_id: format!("swp{}", port + 1),
        port_id_type: "interface_name".into(),
    }
}

fn link(n: u32) -> Link {
    Link {
        id: Uuid::from_u128(u128::from(n)),
        node: uuid(n),
        mac: mac(n),
        boot: Uuid::nil(),
        interface: "eth0".into(),
        place: place(n),
        accepted: true,
        first_seen: 0,
        last_seen: 0,
        ended: None,
    }
}

/// About 60 KB as JSON: a large server.
fn inventory() -> Inventory {
    let dimms = (0..32).map(|n| Dimm {
        locator: format!("CPU{}_DIMM_{n}", n / 16 + 1),
        size_bytes: 64 << 30,
        r#type: "DDR5".into(),
        speed_mts: 4800,
        manufacturer: "Kuma Memory".into(),
        part: "KM-64G-4800".into(),
        serial: format!("{n:08X}"),
        ..Dimm::default()
    });
    let pci = (0..165).map(|n| PciDevice {
        address: format!("0000:{n:02x}:00.0"),
        vendor_id: "8086".into(),
        device_id: format!("{:04x}", 0x1000 + n),
        class: "088000".into(),
        driver: "pcieport".into(),
        ..PciDevice::default()
    });
    Inventory {
        memory: Some(Memory { dimms: dimms.collect(), ..Memory::default() }),
        pci_devices: pci.collect(),
        ..Inventory::default()
    }
}
