//! What a machine is made of and cabled to, as tables of ready text. What is not known is left out, not shown as zero.

use super::human;
use higuma_proto::agent::{Inventory, Neighbour};

/// A table with a heading.
pub(super) struct Table {
    pub title: &'static str,
    pub note: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell that knows its column, for narrow screens.
pub(super) struct Cell {
    pub label: &'static str,
    pub text: String,
}

/// A name and a value.
pub(super) struct Fact {
    pub label: &'static str,
    pub text: String,
}

fn table<const N: usize>(title: &'static str, note: String, head: [&'static str; N], rows: Vec<[String; N]>) -> Table {
    // A column that is empty in all rows tells nothing.
    let used: Vec<usize> = (0..N).filter(|i| rows.iter().any(|r| r.get(*i).is_some_and(|t| !t.is_empty()))).collect();
    let pick = |row: [String; N]| {
        let cells = head.into_iter().zip(row).enumerate().filter(|(i, _)| used.contains(i));
        cells.map(|(_, (label, text))| Cell { label, text }).collect()
    };
    let heads = used.iter().filter_map(|i| head.get(*i).copied()).collect();
    Table { title, note, head: heads, rows: rows.into_iter().map(pick).collect() }
}

fn number(value: u32, unit: &str) -> String {
    if value == 0 { String::new() } else { format!("{value}{unit}") }
}

fn size(bytes: u64, show: fn(u64) -> String) -> String {
    if bytes == 0 { String::new() } else { show(bytes) }
}

/// System, board, chassis, firmware.
pub(super) fn facts(inventory: &Inventory) -> Vec<Fact> {
    let system = inventory.system.clone().unwrap_or_default();
    let bios = inventory.bios.clone().unwrap_or_default();
    let board = inventory.board.clone().unwrap_or_default();
    let chassis = inventory.chassis.clone().unwrap_or_default();
    let volatile = inventory.volatile.clone().unwrap_or_default();
    let join = |parts: &[&str]| parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" ");
    [
        ("System", join(&[&system.manufacturer, &system.product, &system.version])),
        ("Serial", system.serial.clone()),
        ("SKU", system.sku.clone()),
        ("Family", system.family.clone()),
        ("Board", join(&[&board.manufacturer, &board.product, &board.version])),
        ("Board serial", board.serial.clone()),
        ("Board asset tag", board.asset_tag.clone()),
        ("Chassis", join(&[&chassis.manufacturer, &chassis.r#type, &chassis.version])),
        ("Chassis serial", chassis.serial.clone()),
        ("Asset tag", chassis.asset_tag.clone()),
        ("BIOS", join(&[&bios.vendor, &bios.version, &bios.date])),
        ("Boot mode", inventory.boot_mode.clone()),
        ("Architecture", inventory.arch.clone()),
        ("First-stage kernel", volatile.kernel),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| Fact { label, text })
    .collect()
}

/// CPUs, memory, disks, network interfaces, and what could not be read.
pub(super) fn tables(inventory: &Inventory) -> Vec<Table> {
    let all = [cpus(inventory), memory(inventory), disks(inventory), nics(inventory), errors(inventory)];
    all.into_iter().filter(|t| !t.rows.is_empty() || !t.note.is_empty()).collect()
}

fn cpus(inventory: &Inventory) -> Table {
    let cores: u64 = inventory.cpus.iter().map(|c| u64::from(c.cores)).sum();
    let note = if cores == 0 { String::new() } else { format!("{cores} cores") };
    let rows = inventory.cpus.iter().map(|c| {
        let (cores, threads) = (number(c.cores, ""), number(c.threads, ""));
        [c.socket.clone(), c.model.clone(), cores, threads, number(c.max_mhz, " MHz"), c.manufacturer.clone()]
    });
    table("CPUs", note, ["Socket", "Model", "Cores", "Threads", "At most", "Maker"], rows.collect())
}

fn memory(inventory: &Inventory) -> Table {
    let memory = inventory.memory.clone().unwrap_or_default();
    let slots = memory.dimms.len();
    let used = memory.dimms.iter().filter(|d| d.size_bytes > 0).count();
    let note = match (memory.total_bytes, slots) {
        (0, 0) => String::new(),
        (total, 0) => human::binary_size(total),
        (total, _) => format!("{}, {used} of {slots} slots used", human::binary_size(total)),
    };
    let rows = memory.dimms.into_iter().map(|d| {
        let filled = if d.size_bytes == 0 { "empty".to_owned() } else { human::binary_size(d.size_bytes) };
        [d.locator, filled, d.r#type, number(d.speed_mts, " MT/s"), d.manufacturer, d.part, d.serial]
    });
    table("Memory", note, ["Slot", "Size", "Type", "Speed", "Maker", "Part", "Serial"], rows.collect())
}

fn disks(inventory: &Inventory) -> Table {
    let total: u64 = inventory.disks.iter().fold(0, |sum, d| sum.saturating_add(d.size_bytes));
    let note = if total == 0 { String::new() } else { human::decimal_size(total) };
    let rows = inventory.disks.iter().map(|d| {
        let kind = if d.rotational { "rotating" } else { "solid state" };
        [
            d.name.clone(),
            size(d.size_bytes, human::decimal_size),
            d.model.clone(),
            d.transport.clone(),
            kind.to_owned(),
            d.serial.clone(),
            d.wwn.clone(),
            d.firmware.clone(),
        ]
    });
    table("Disks", note, ["Name", "Size", "Model", "Bus", "Kind", "Serial", "WWN", "Firmware"], rows.collect())
}

fn nics(inventory: &Inventory) -> Table {
    let links = inventory.volatile.clone().unwrap_or_default().links;
    let up = links.iter().filter(|l| l.up).count();
    let note = if inventory.nics.is_empty() { String::new() } else { format!("{up} with link") };
    let rows = inventory.nics.iter().map(|n| {
        let link = links.iter().find(|l| l.nic == n.name).cloned().unwrap_or_default();
        [
            n.name.clone(),
            n.mac.clone(),
            if link.up { "up" } else { "down" }.to_owned(),
            human::link_speed(link.speed_mbps),
            n.driver.clone(),
            n.pci.clone(),
            n.firmware.clone(),
        ]
    });
    table("Network interfaces", note, ["Name", "MAC", "Link", "Speed", "Driver", "PCI", "Firmware"], rows.collect())
}

fn errors(inventory: &Inventory) -> Table {
    let rows = inventory.errors.iter().map(|e| [e.source.clone(), e.error.clone()]);
    table("Could not be read", String::new(), ["Source", "Error"], rows.collect())
}

/// Switch ports.
pub(super) fn neighbours(neighbours: &[Neighbour]) -> Table {
    let rows = neighbours.iter().map(|n| {
        let switch = if n.system_name.is_empty() { n.chassis_id.clone() } else { n.system_name.clone() };
        [
            n.interface.clone(),
            switch,
            n.port_id.clone(),
            n.port_description.clone(),
            number(n.pvid, ""),
            n.management_addresses.join(", "),
            n.system_description.chars().take(120).collect(),
        ]
    });
    let head = ["Interface", "Switch", "Port", "Description", "VLAN", "Address", "System"];
    table("Neighbours", String::new(), head, rows.collect())
}
