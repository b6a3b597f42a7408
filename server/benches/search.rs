//! What a search costs among 100,000 nodes: `cargo bench -p higuma --bench search`. Fills an SQLite database
//! in a temporary folder and asks as the API does, following cursors. It prints figures and judges nothing.
//! `HIGUMA_BENCH_NODES=20000` makes the fleet smaller.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use higuma::domain::facts::{CpuSum, Dimm, Disk, Facts, Hardware, Memory, Neighbour, Nic, Standing};
use higuma::domain::node::{Admission, Node};
use higuma::domain::select::Selector;
use higuma::service::nodes::{NodeQuery, PAGE_MAX};
use higuma::service::{App, Settings, nodes};
use higuma::store::Store;
use std::time::{Duration, Instant};

const GIB: i64 = 1 << 30;

/// A two-socket server: 16 of 32 slots filled, 8 disks, 4 NICs, 2 of them cabled, 90 kinds of PCI devices.
fn hardware(n: u32) -> Hardware {
    let text = |what: &str, i: u32| format!("{what}-{n:06}-{i}");
    let nic = |i: u32| Nic {
        name: format!("eth{i}"),
        mac: format!("52:54:{:02x}:{:02x}:{:02x}:{i:02x}", n >> 16, n >> 8 & 255, n & 255),
        driver: if i < 2 { "mlx5_core" } else { "igb" }.to_owned(),
        firmware: if n.is_multiple_of(100) { "22.36.1010" } else { "22.39.1002" }.to_owned(),
        pci: format!("0000:3b:00.{i}"),
        max_speed: 100_000,
    };
    let dimm = |i: u32| Dimm {
        slot: format!("P{}-{i}", i / 16 + 1),
        size: if i.is_multiple_of(2) { 64 * GIB } else { 0 },
        kind: "DDR5".to_owned(),
        speed: 4_800,
        ecc: true,
        manufacturer: "Kuma Memory".to_owned(),
        part: "KM-64".to_owned(),
        serial: text("DIMM", i),
    };
    let disk = |i: u32| Disk {
        name: format!("nvme{i}n1"),
        size: 3_840_755_982_336,
        model: "Kuma NVMe".to_owned(),
        serial: text("NVME", i),
        transport: "nvme".to_owned(),
        firmware: "1.0".to_owned(),
        rotational: false,
    };
    let neighbour = |i: u32| Neighbour {
        nic: format!("eth{i}"),
        switch: format!("leaf-{}", n / 40),
        port: format!("Ethernet{}", n % 40),
        port_description: String::new(),
        vlan: 100,
    };
    Hardware {
        arch: "x86_64".to_owned(),
        boot_mode: "uefi".to_owned(),
        cpu: CpuSum {
            sockets: 2,
            cores: 64,
            threads: 128,
            flags: (0..150).map(|i| format!("flag{i}")).collect(),
            ..CpuSum::default()
        },
        memory: Memory { total: 1024 * GIB, slots: 32, used_slots: 16, dimms: (0..32).map(dimm).collect() },
        disks: (0..8).map(disk).collect(),
        nics: (0..4).map(nic).collect(),
        neighbours: (0..2).map(neighbour).collect(),
        pci: (0..90).map(|i| format!("8086:{i:04x}")).collect(),
        ..Hardware::default()
    }
}

async fn fill(store: &Store, count: u32) {
    let started = Instant::now();
    for first in (0..count).step_by(1_000) {
        store
            .write(move |tx| {
                for n in first..(first + 1_000).min(count) {
                    let uuid = format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse()?;
                    let mut node = Node::new(uuid, Admission::Admitted, 1);
                    node.serial = format!("SN{n}");
                    tx.put_node(&node)?;
                    tx.put_node_facts(&node.uuid, &hardware(n), 1)?;
                }
                Ok(())
            })
            .await
            .unwrap();
    }
    let bytes = serde_json::to_string(&hardware(1)).unwrap().len();
    println!("{count} nodes with facts of {bytes} bytes each stored in {:.0} s", started.elapsed().as_secs_f64());
}

/// The whole fleet, page by page: how many match, in how many pages, the whole time, and the longest page.
async fn ask(app: &App, text: &str) {
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    let (mut cursor, mut found, mut pages) = (None, 0, 0);
    loop {
        let page = Instant::now();
        let selector = Some(text.parse().unwrap());
        let query = NodeQuery { selector, cursor, limit: Some(PAGE_MAX), ..NodeQuery::default() };
        let answer = nodes::list(app, query).await.unwrap();
        longest = longest.max(page.elapsed());
        (found, pages) = (found + answer.items.len(), pages + 1);
        match answer.next {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    let took = started.elapsed().as_secs_f64();
    println!("{found:>7} nodes, {pages:>3} page(s), {took:>7.3} s, longest page {:>4} ms: {text}", longest.as_millis());
}

/// The longest that one evaluation takes: every list full of long texts that differ at their ends only.
fn worst() {
    let text = |n: usize| format!("{n:0>128}");
    let nic = |n| Nic { name: text(n), mac: text(n), driver: text(n), firmware: text(n), pci: text(n), max_speed: 1 };
    let neighbour = |n| Neighbour { nic: text(n), switch: text(n), port: text(n), port_description: text(n), vlan: 1 };
    let dimm = |n| Dimm { slot: text(n), serial: text(n), ..Dimm::default() };
    let hardware = Hardware {
        nics: (0..64).map(nic).collect(),
        neighbours: (0..64).map(neighbour).collect(),
        memory: Memory { dimms: (0..192).map(dimm).collect(), ..Memory::default() },
        pci: (0..256).map(text).collect(),
        oem_strings: (1..257).map(text).collect(),
        ..Hardware::default()
    };
    let facts = Facts { standing: Standing::default(), hardware };
    for text in [
        "node.nics.exists(n, node.neighbours.exists(x, n.firmware == x.port_description + n.name || n.pci + n.mac == x.port + x.switch))",
        "node.nics.all(n, node.neighbours.all(x, n.name.contains(x.nic) || x.vlan == 1))",
        "node.nics.exists(n, node.neighbours.exists(x, n.name + x.port == n.pci + x.switch + 'x' || n.max_speed + x.vlan > 9))",
        "node.nics.map(n, node.pci).exists(l, '' in l)",
        "node.pci.exists(p, p in node.oem_strings && p == 'x')",
        "node.memory.dimms.exists(d, node.neighbours.exists(x, d.slot + x.nic == 'x'))",
    ] {
        match Selector::compile(text) {
            Err(error) => println!("refused: {error}: {text}"),
            Ok(selector) => {
                let started = Instant::now();
                let holds = selector.matches(&facts).unwrap();
                println!("{:>6.1} ms ({holds}): {text}", started.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
}

#[tokio::main]
async fn main() {
    println!("one evaluation on a node with every list full:");
    worst();
    let count = std::env::var("HIGUMA_BENCH_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", dir.path().join("bench.db").display())).unwrap();
    fill(&store, count).await;
    let app = App::new(store, Settings::default());
    for text in [
        "node.serial == 'SN4711'",
        "node.serial == 'SN4711' && node.nics.exists(n, n.driver == 'igb')",
        "node.serial.endsWith('4711')",
        "node.memory.total >= 512*GiB && node.nics.exists(n, n.driver == 'mlx5_core' && n.firmware != '22.39.1002')",
        "node.nics.exists(n, node.neighbours.exists(x, x.nic == n.name && x.switch == 'leaf-7'))",
        "node.memory.dimms.exists(d, d.serial == 'DIMM-004711-8')",
    ] {
        ask(&app, text).await;
    }
}
