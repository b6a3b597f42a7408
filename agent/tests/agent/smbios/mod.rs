//! SMBIOS tables modelled on real machines: the collector against facts written down by hand, against Debian's
//! `dmidecode`, and against tables that lie.
mod broken;
mod builder;
mod compare;
mod dmidecode;
mod machines;
mod records;

use higuma_agent::collect::smbios::from_bytes;
use std::path::Path;

#[test]
fn every_field_is_what_dmidecode_says() {
    let mut wrong = Vec::new();
    for (name, table) in machines::all() {
        let inventory = from_bytes(&table.entry(), &table.bytes);
        let told = dmidecode::decode(&table.dump());
        wrong.extend(compare::differences(&inventory, &told).into_iter().map(|line| format!("{name}: {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a person reads off a machine's sheet.
struct Facts {
    name: &'static str,
    version: &'static str,
    uuid: &'static str,
    /// Processors, and cores of the first.
    cpus: (usize, u32),
    /// Slots, those with a module, and those with a wider one (ECC).
    dimms: (usize, usize, usize),
    kib: u64,
    ipmi: &'static str,
    /// Address and port of the first host interface.
    redfish: &'static str,
}

const GIB: u64 = 1 << 20;

#[rustfmt::skip]
const FACTS: &[Facts] = &[
    Facts { name: "dell-poweredge-r750", version: "3.3", uuid: "44454c4c-0058-1051-8034-b7c04f5a4b33",
        cpus: (2, 32), dimms: (32, 16, 16), kib: 512 * GIB, ipmi: "KCS 2.0", redfish: "169.254.1.1 443" },
    Facts { name: "hpe-proliant-dl380-gen10", version: "3.2", uuid: "38313937-332d-4d38-435a-4a3834353058",
        cpus: (1, 10), dimms: (24, 6, 24), kib: 96 * GIB, ipmi: "KCS 2.0", redfish: "16.1.15.1 443" },
    Facts { name: "lenovo-thinksystem-sr650", version: "3.2", uuid: "1f2b5c6a-119e-11e9-8b01-e86a64112233",
        cpus: (2, 24), dimms: (24, 12, 12), kib: 768 * GIB, ipmi: "KCS 2.0", redfish: " 0" },
    Facts { name: "supermicro-x11", version: "3.1", uuid: "00000000-0000-0000-0000-ac1f6b123456",
        cpus: (2, 16), dimms: (16, 12, 12), kib: 192 * GIB, ipmi: "KCS 2.0", redfish: "" },
    Facts { name: "asrock-placeholder-uuid", version: "3.2", uuid: "03000200-0400-0500-0006-000700080009",
        cpus: (1, 6), dimms: (4, 2, 0), kib: 16 * GIB, ipmi: "", redfish: "" },
    Facts { name: "intel-server-board", version: "3.2", uuid: "3cf37e80-d200-11e8-906e-001635665c15",
        cpus: (1, 24), dimms: (4, 3, 3), kib: 194_944 << 10, ipmi: "BT 2.0", redfish: "" },
    Facts { name: "old-board-2.4", version: "2.4", uuid: "33221100-5544-7766-8899-aabbccddeeff",
        cpus: (2, 0), dimms: (4, 2, 4), kib: 4 * GIB, ipmi: "", redfish: "" },
    Facts { name: "qemu", version: "2.8", uuid: "0e4f1d5c-6b0a-4d3c-9e01-020304050607",
        cpus: (1, 4), dimms: (2, 2, 0), kib: 24 * GIB, ipmi: "", redfish: "" },
    Facts { name: "atom-appliance", version: "2.7", uuid: "ffffffff-ffff-ffff-ffff-ffffffffffff",
        cpus: (1, 8), dimms: (2, 2, 1), kib: 4 * GIB + 512, ipmi: "SSIF 1.5", redfish: "" },
    Facts { name: "amd-epyc-big-memory", version: "3.5", uuid: "d8a2e100-4b21-11ef-bd01-74563caabbcc",
        cpus: (2, 384), dimms: (48, 46, 46), kib: 46 * 256 * GIB, ipmi: "KCS 2.0", redfish: "fe80::7656:3cff:feaa:bbcd 8443" },
    Facts { name: "ampere-altra-arm64", version: "3.3", uuid: "4f3e2d1c-b1a0-d3c2-8001-000acd112233",
        cpus: (1, 128), dimms: (16, 8, 16), kib: 256 * GIB, ipmi: "SSIF 2.0", redfish: "" },
    Facts { name: "blade", version: "3.3", uuid: "44454c4c-0041-1032-8042-b1c04f334334",
        cpus: (1, 20), dimms: (2, 1, 1), kib: 64 * GIB, ipmi: "KCS 2.0", redfish: "fd00::1 443" },
];

#[test]
fn machines_are_what_their_sheets_say() {
    let machines = machines::all();
    assert_eq!(machines.len(), FACTS.len());
    for ((name, table), facts) in machines.iter().zip(FACTS) {
        let inventory = from_bytes(&table.entry(), &table.bytes);
        assert_eq!(*name, facts.name);
        assert!(inventory.errors.is_empty(), "{name}: {:?}", inventory.errors);
        assert_eq!(inventory.smbios_version, facts.version, "{name}");
        assert_eq!(inventory.system.clone().unwrap().uuid, facts.uuid, "{name}");
        assert_eq!((inventory.cpus.len(), inventory.cpus[0].cores), facts.cpus, "{name}");
        let dimms = inventory.memory.clone().unwrap().dimms;
        let full = dimms.iter().filter(|dimm| dimm.size_bytes > 0).count();
        let ecc = dimms.iter().filter(|dimm| dimm.ecc).count();
        assert_eq!((dimms.len(), full, ecc), facts.dimms, "{name}");
        assert_eq!(dimms.iter().map(|dimm| dimm.size_bytes).sum::<u64>(), facts.kib << 10, "{name}");
        let ipmi = inventory.ipmi.clone().map(|it| format!("{} {}", it.r#type, it.version)).unwrap_or_default();
        assert_eq!(ipmi, facts.ipmi, "{name}");
        let redfish = inventory.host_interfaces.first().map(|it| format!("{} {}", it.address, it.port));
        assert_eq!(redfish.unwrap_or_default(), facts.redfish, "{name}");
    }
}

#[test]
fn what_a_person_would_look_for() {
    let machines = machines::all();
    let machine = |name: &str| {
        let (_, table) = machines.iter().find(|(known, _)| *known == name).unwrap();
        from_bytes(&table.entry(), &table.bytes)
    };
    let dell = machine("dell-poweredge-r750");
    assert_eq!(dell.slots[1].r#type, "PCI Express 4 x16");
    assert_eq!((dell.slots[1].usage.as_str(), dell.slots[1].pci.as_str()), ("in use", "0000:3b:00.0"));
    assert_eq!((dell.slots[0].r#type.as_str(), dell.slots[0].pci.as_str()), ("PCI Express 4 x8", ""));
    assert_eq!(dell.host_interfaces[0].protocol, "Redfish over IP");
    assert_eq!(dell.host_interfaces[0].hostname, "idrac-7XQ4ZK3");
    assert_eq!(dell.oem_strings[1], "5[0000]");
    assert_eq!(dell.onboard_devices[2].pci, "0000:31:00.1");
    assert_eq!(machine("hpe-proliant-dl380-gen10").system.unwrap().serial, "CZJ8450XYZ");
    let blade = machine("blade");
    assert_eq!(blade.chassis.unwrap().r#type, "blade");
    let protocols: Vec<&str> = blade.host_interfaces.iter().map(|it| it.protocol.as_str()).collect();
    assert_eq!(protocols, ["Redfish over IP", "IPMI", ""]);
    let amd = machine("amd-epyc-big-memory");
    assert_eq!(amd.slots[2].pci, "0002:81:01.0");
    assert_eq!(amd.memory.unwrap().arrays[0].max_bytes, 6 << 40);
}

/// The fuzzer begins with these machines: its seeds are the same bytes. HIGUMA_BLESS=1 writes them.
#[test]
fn the_seeds_of_the_fuzzer_are_these_machines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/smbios_table");
    for (name, table) in machines::all() {
        let path = folder.join(name);
        if std::env::var_os("HIGUMA_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, table.dump()).unwrap();
        }
        let there = std::fs::read(&path).unwrap_or_default();
        assert!(there == table.dump(), "{} is not this machine: run with HIGUMA_BLESS=1", path.display());
    }
}
