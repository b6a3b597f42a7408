//! Both forms of an inventory on the command line, hostile text included.

use super::*;
use higuma_proto::agent::{Cpu, Link, SourceError, Volatile};

fn inventory() -> Inventory {
    Inventory {
        cpus: vec![Cpu {
            socket: "CPU1".into(),
            model: "Xeon".into(),
            cores: 8,
            threads: 16,
            flags: (0..60).map(|n| format!("flag{n}")).collect(),
            ..Cpu::default()
        }],
        memory: Some(Memory {
            total_bytes: 32 << 30,
            dimms: vec![
                Dimm { locator: "A1".into(), size_bytes: 32 << 30, ecc: true, speed_mts: 3200, ..Dimm::default() },
                Dimm { locator: "A2".into(), ..Dimm::default() },
            ],
            ..Memory::default()
        }),
        nics: vec![Nic {
            name: "eth0".into(),
            firmware: "8.30\u{1b}[2J".into(),
            sriov_total_vfs: 64,
            max_speed_mbps: 25_000,
            ..Nic::default()
        }],
        pci_devices: vec![PciDevice {
            address: "0000:3b:00.0".into(),
            vendor_id: "8086".into(),
            device_id: "1572".into(),
            class: "020000".into(),
            numa_node: -1,
            ..PciDevice::default()
        }],
        errors: vec![SourceError { source: "sys/x".into(), error: "gone".into(), section: "pci".into() }],
        volatile: Some(Volatile {
            links: vec![Link { nic: "eth0".into(), up: true, speed_mbps: 10_000 }],
            ..Volatile::default()
        }),
        ..Inventory::default()
    }
}

#[test]
fn in_short() {
    let text = output::fields(&summary(&inventory()));
    for wanted in ["Xeon, 8 cores, 16 threads", "1 of 2 slots used", "eth0 link 10000 Mbit/s, firmware 8.30?[2J"] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(!text.contains("0000:3b:00.0"), "{text}");
}

#[test]
fn whole() {
    let text = tables(&inventory());
    for wanted in [
        "A1    -     32.0 GiB  -     yes  3200",
        "A2    -     empty",
        "link 10000 Mbit/s  25000 Mbit/s",
        "0 of 64",
        "0000:3b:00.0  8086:1572  020000",
        "sys/x   gone   pci",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(!text.contains("Slots") && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|l| l.len() <= 120), "{text}");
}
