//! Field by field: what the collector says against what dmidecode says. The two use other words for a few things; each
//! such difference is spelt out here.

use crate::smbios::dmidecode::Block;
use higuma_proto::agent::{Dimm, HostInterface, Inventory, Slot};

/// Every field that both know and do not agree on.
pub fn differences(inventory: &Inventory, blocks: &[Block]) -> Vec<String> {
    let mut check = Check { found: Vec::new(), compared: 0 };
    identity(&mut check, inventory, blocks);
    processors(&mut check, inventory, blocks);
    memory(&mut check, inventory, blocks);
    slots(&mut check, inventory, blocks);
    management(&mut check, inventory, blocks);
    assert!(check.compared > 20, "only {} fields were compared", check.compared);
    check.found
}

struct Check {
    found: Vec<String>,
    compared: usize,
}

impl Check {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, theirs: T) {
        self.compared += 1;
        if ours != theirs {
            self.found.push(format!("{what}: {ours:?}, dmidecode says {theirs:?}"));
        }
    }

    /// A string; one that is not there is "Not Specified" for dmidecode.
    fn text(&mut self, what: &str, ours: &str, block: &Block, key: &str) {
        let theirs = block.get(key);
        let absent = ours.is_empty() && theirs == "Not Specified";
        self.same(&format!("{what} {key}"), ours, if absent { "" } else { theirs });
    }

    /// A number with a unit behind it; one that is not known is "Unknown".
    fn number(&mut self, what: &str, ours: u32, block: &Block, key: &str) {
        let theirs = block.get(key).split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        self.same(&format!("{what} {key}"), ours, theirs);
    }

    /// Lists of the same length, pair by pair.
    fn pairs<T>(&mut self, what: &str, ours: &[T], theirs: &[&Block], mut each: impl FnMut(&mut Self, &T, &Block)) {
        self.same(&format!("number of {what}"), ours.len(), theirs.len());
        ours.iter().zip(theirs).for_each(|(ours, theirs)| each(self, ours, theirs));
    }
}

fn of(blocks: &[Block], kind: u8) -> Vec<&Block> {
    blocks.iter().filter(|block| block.kind == kind).collect()
}

/// "Unknown" and "Other" say nothing; the rest is compared without case.
fn word(theirs: &str) -> String {
    match theirs {
        "Unknown" | "Other" => String::new(),
        known => known.to_lowercase(),
    }
}

fn identity(check: &mut Check, inventory: &Inventory, blocks: &[Block]) {
    let first = |kind| of(blocks, kind).into_iter().next();
    check.same("BIOS is told", inventory.bios.is_some(), first(0).is_some());
    if let (Some(bios), Some(block)) = (&inventory.bios, first(0)) {
        check.text("BIOS", &bios.vendor, block, "Vendor");
        check.text("BIOS", &bios.version, block, "Version");
        check.text("BIOS", &bios.date, block, "Release Date");
        check.text("BIOS", &bios.release, block, "BIOS Revision");
    }
    check.same("system is told", inventory.system.is_some(), first(1).is_some());
    if let (Some(system), Some(block)) = (&inventory.system, first(1)) {
        check.text("system", &system.manufacturer, block, "Manufacturer");
        check.text("system", &system.product, block, "Product Name");
        check.text("system", &system.version, block, "Version");
        check.text("system", &system.serial, block, "Serial Number");
        check.text("system", &system.sku, block, "SKU Number");
        check.text("system", &system.family, block, "Family");
        let uuid = match block.get("UUID") {
            "Not Settable" => "00000000-0000-0000-0000-000000000000",
            "Not Present" => "ffffffff-ffff-ffff-ffff-ffffffffffff",
            told => told,
        };
        check.same("UUID", system.uuid.as_str(), uuid);
    }
    check.same("board is told", inventory.board.is_some(), first(2).is_some());
    if let (Some(board), Some(block)) = (&inventory.board, first(2)) {
        check.text("board", &board.manufacturer, block, "Manufacturer");
        check.text("board", &board.product, block, "Product Name");
        check.text("board", &board.version, block, "Version");
        check.text("board", &board.serial, block, "Serial Number");
        check.text("board", &board.asset_tag, block, "Asset Tag");
    }
    check.same("chassis is told", inventory.chassis.is_some(), first(3).is_some());
    if let (Some(chassis), Some(block)) = (&inventory.chassis, first(3)) {
        check.text("chassis", &chassis.manufacturer, block, "Manufacturer");
        let kind = block.get("Type").to_lowercase();
        let kind = if kind == "unknown" { String::new() } else { kind };
        check.same("chassis type", chassis.r#type.to_lowercase(), kind);
        check.text("chassis", &chassis.version, block, "Version");
        check.text("chassis", &chassis.serial, block, "Serial Number");
        check.text("chassis", &chassis.asset_tag, block, "Asset Tag");
    }
    let strings: Vec<&str> = of(blocks, 11)
        .iter()
        .flat_map(|block| block.fields.iter().filter(|(key, _)| key.starts_with("String ")))
        .map(|(_, value)| value.as_str())
        .collect();
    check.same("OEM strings", inventory.oem_strings.iter().map(String::as_str).collect(), strings);
}

fn processors(check: &mut Check, inventory: &Inventory, blocks: &[Block]) {
    let populated: Vec<&Block> =
        of(blocks, 4).into_iter().filter(|block| block.get("Status").starts_with("Populated")).collect();
    check.pairs("processors", &inventory.cpus, &populated, |check, cpu, block| {
        check.text(&cpu.socket, &cpu.socket, block, "Socket Designation");
        check.text(&cpu.socket, &cpu.manufacturer, block, "Manufacturer");
        check.text(&cpu.socket, &cpu.model, block, "Version");
        check.number(&cpu.socket, cpu.max_mhz, block, "Max Speed");
        check.number(&cpu.socket, cpu.cores, block, "Core Count");
        check.number(&cpu.socket, cpu.threads, block, "Thread Count");
    });
}

/// "32 GB", with the powers of 1,024 that dmidecode means.
fn bytes(theirs: &str) -> u64 {
    let mut sum = 0;
    let words: Vec<&str> = theirs.split(' ').collect();
    for pair in words.chunks(2) {
        let (Ok(number), Some(unit)) = (pair[0].parse::<u64>(), pair.get(1)) else { return 0 };
        let power = ["bytes", "kB", "MB", "GB", "TB", "PB"].iter().position(|name| name == unit).unwrap();
        sum += number << (10 * power);
    }
    sum
}

fn memory(check: &mut Check, inventory: &Inventory, blocks: &[Block]) {
    let memory = inventory.memory.clone().unwrap_or_default();
    check.pairs("memory arrays", &memory.arrays, &of(blocks, 16), |check, array, block| {
        check.same("array's use", array.r#use.to_lowercase(), word(block.get("Use")));
        let correction = array.error_correction.to_lowercase();
        check.same("array's correction", correction, word(block.get("Error Correction Type")));
        check.same("array's size", array.max_bytes, bytes(block.get("Maximum Capacity")));
        check.number("array", array.slots, block, "Number Of Devices");
    });
    // A flash chip is a memory device of its own array; it is no module.
    let modules: Vec<&Block> = of(blocks, 17)
        .into_iter()
        .filter(|device| {
            let array = of(blocks, 16).into_iter().find(|array| array.handle == device.get("Array Handle"));
            array.is_some_and(|array| array.get("Use") != "Flash Memory")
        })
        .collect();
    check.pairs("memory slots", &memory.dimms, &modules, dimm);
}

fn dimm(check: &mut Check, dimm: &Dimm, block: &Block) {
    let name = &dimm.locator;
    check.text(name, &dimm.locator, block, "Locator");
    check.text(name, &dimm.bank, block, "Bank Locator");
    check.same(&format!("{name} Size"), dimm.size_bytes, bytes(block.get("Size")));
    check.same(&format!("{name} Type"), dimm.r#type.to_lowercase(), word(block.get("Type")));
    let width = |key: &str| block.get(key).split(' ').next().and_then(|bits| bits.parse::<u32>().ok());
    let ecc = width("Total Width").zip(width("Data Width")).is_some_and(|(total, data)| total > data);
    check.same(&format!("{name} ECC"), dimm.ecc, ecc);
    if dimm.size_bytes == 0 {
        // dmidecode says no more of an empty slot.
        return;
    }
    check.number(name, dimm.speed_mts, block, "Speed");
    check.number(name, dimm.configured_speed_mts, block, "Configured Memory Speed");
    check.text(name, &dimm.manufacturer, block, "Manufacturer");
    check.text(name, &dimm.serial, block, "Serial Number");
    check.text(name, &dimm.part, block, "Part Number");
    check.text(name, &dimm.asset_tag, block, "Asset Tag");
}

/// dmidecode prints what stands there; all ones are "not applicable", and all 0 is the host bridge.
fn address(block: &Block) -> String {
    match block.get("Bus Address") {
        "0000:00:00.0" => String::new(),
        told if told.get(5..7) == Some("ff") || told.ends_with("1f.7") || told.starts_with("ffff") => String::new(),
        told => told.to_owned(),
    }
}

fn slots(check: &mut Check, inventory: &Inventory, blocks: &[Block]) {
    check.pairs("slots", &inventory.slots, &of(blocks, 9), |check, slot: &Slot, block| {
        let name = &slot.designation;
        check.text(name, &slot.designation, block, "Designation");
        check.same(&format!("{name} type"), slot.r#type.to_lowercase(), slot_type(block.get("Type")));
        check.same(&format!("{name} usage"), slot.usage.clone(), word(block.get("Current Usage")));
        check.same(&format!("{name} address"), slot.pci.clone(), address(block));
    });
    check.pairs("onboard devices", &inventory.onboard_devices, &of(blocks, 41), |check, device, block| {
        let name = &device.designation;
        check.text(name, &device.designation, block, "Reference Designation");
        check.same(&format!("{name} type"), device.r#type.to_lowercase(), word(block.get("Type")));
        check.same(&format!("{name} enabled"), device.enabled, block.get("Status") == "Enabled");
        check.same(&format!("{name} address"), device.pci.clone(), address(block));
    });
}

/// dmidecode puts the width of the bus in front ("x8 PCI Express 3"); we put it behind a type that has none.
fn slot_type(theirs: &str) -> String {
    let first = theirs.split(' ').next().unwrap_or_default();
    let is_width = first.ends_with("-bit") || (first.starts_with('x') && first[1..].parse::<u8>().is_ok());
    let (width, kind) = if is_width { theirs.split_once(' ').unwrap_or(("", theirs)) } else { ("", theirs) };
    let wants_width = kind == "PCI Express" || (kind.starts_with("PCI Express ") && kind.len() == 13);
    if wants_width && width.starts_with('x') { format!("{kind} {width}").to_lowercase() } else { word(kind) }
}

fn management(check: &mut Check, inventory: &Inventory, blocks: &[Block]) {
    let ipmi: Vec<_> = inventory.ipmi.iter().collect();
    check.pairs("IPMI interfaces", &ipmi, &of(blocks, 38), |check, ipmi, block| {
        let kind = block.get("Interface Type").split(' ').next().unwrap_or_default();
        check.same("IPMI interface", ipmi.r#type.as_str(), kind);
        check.text("IPMI", &ipmi.version, block, "Specification Version");
    });
    let theirs: Vec<HostInterface> = of(blocks, 42).into_iter().flat_map(host_interface).collect();
    check.same("host interfaces", inventory.host_interfaces.clone(), theirs);
}

/// One for each protocol, as the collector tells them.
fn host_interface(block: &Block) -> Vec<HostInterface> {
    let kind = match block.get("Host Interface Type") {
        "Network" => "network host interface".to_owned(),
        told => told.split(' ').next().unwrap_or_default().trim_end_matches(':').to_owned(),
    };
    let mut found: Vec<HostInterface> = Vec::new();
    for (key, value) in &block.fields {
        match (key.as_str(), found.last_mut()) {
            ("Protocol ID", _) => {
                // "04 (Redfish over IP)"
                let protocol = value.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
                found.push(HostInterface { r#type: kind.clone(), protocol, ..HostInterface::default() });
            }
            ("IPv4 Redfish Service Address" | "IPv6 Redfish Service Address", Some(last)) => {
                last.address.clone_from(value);
            }
            ("Redfish Service Port", Some(last)) => last.port = value.parse().unwrap(),
            ("Redfish Service Hostname", Some(last)) => last.hostname.clone_from(value),
            _ => {}
        }
    }
    if found.is_empty() {
        found.push(HostInterface { r#type: kind, ..HostInterface::default() });
    }
    found
}
