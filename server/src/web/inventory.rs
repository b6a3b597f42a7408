//! What a machine is made of and cabled to, as tables of ready text. What is not known is left out, not shown as zero.
//! Its devices and slots are in [`super::devices`].

use super::{devices, human};
use higuma_proto::agent::{Dimm, Inventory, Neighbour, Nic, Tpm, Virtualisation};

/// A table with a heading.
pub(super) struct Table {
    /// Names it in the page.
    pub id: &'static str,
    pub title: &'static str,
    pub note: String,
    /// Not empty: the rows are folded away below this line.
    pub fold: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell that knows its column, for narrow screens.
pub(super) struct Cell {
    pub label: &'static str,
    pub text: String,
}

impl Cell {
    /// Whether its words are short enough to be kept whole in a table: a name that is broken in two is hard to read.
    pub(super) fn whole(&self) -> bool {
        self.text.split_whitespace().all(|word| word.len() <= 40)
    }
}

/// A name and a value.
pub(super) struct Fact {
    pub label: &'static str,
    pub text: String,
}

pub(super) fn table<const N: usize>(
    id: &'static str,
    title: &'static str,
    note: String,
    head: [&'static str; N],
    rows: Vec<[String; N]>,
) -> Table {
    // A column that is empty in all rows tells nothing.
    let used: Vec<usize> = (0..N).filter(|i| rows.iter().any(|r| r.get(*i).is_some_and(|t| !t.is_empty()))).collect();
    let pick = |row: [String; N]| {
        let cells = head.into_iter().zip(row).enumerate().filter(|(i, _)| used.contains(i));
        cells.map(|(_, (label, text))| Cell { label, text }).collect()
    };
    let heads = used.iter().filter_map(|i| head.get(*i).copied()).collect();
    Table { id, title, note, fold: String::new(), head: heads, rows: rows.into_iter().map(pick).collect() }
}

pub(super) fn number(value: u32, unit: &str) -> String {
    if value == 0 { String::new() } else { format!("{value}{unit}") }
}

pub(super) fn size(bytes: u64, show: fn(u64) -> String) -> String {
    if bytes == 0 { String::new() } else { show(bytes) }
}

/// What there is of `parts`, with spaces.
pub(super) fn join(parts: &[&str]) -> String {
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// System, board, chassis, firmware.
pub(super) fn facts(inventory: &Inventory) -> Vec<Fact> {
    let system = inventory.system.clone().unwrap_or_default();
    let bios = inventory.bios.clone().unwrap_or_default();
    let board = inventory.board.clone().unwrap_or_default();
    let chassis = inventory.chassis.clone().unwrap_or_default();
    let volatile = inventory.volatile.clone().unwrap_or_default();
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
        ("BIOS release", bios.release.clone()),
        ("SMBIOS", inventory.smbios_version.clone()),
        ("Boot mode", inventory.boot_mode.clone()),
        ("Secure Boot", inventory.secure_boot.clone()),
        ("TPM", inventory.tpm.as_ref().map(tpm).unwrap_or_default()),
        ("Virtualisation", inventory.virtualisation.as_ref().map(virtualisation).unwrap_or_default()),
        ("IPMI", inventory.ipmi.as_ref().map(|i| join(&[&i.r#type, &i.version])).unwrap_or_default()),
        ("BMC firmware", inventory.ipmi.as_ref().map(|i| i.firmware.clone()).unwrap_or_default()),
        ("Architecture", inventory.arch.clone()),
        ("Usable memory", size(volatile.usable_memory_bytes, human::binary_size)),
        ("First-stage kernel", volatile.kernel),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| Fact { label, text })
    .collect()
}

fn tpm(tpm: &Tpm) -> String {
    let version = if tpm.version.is_empty() { "there, version not known" } else { &tpm.version };
    join(&[version, &tpm.manufacturer])
}

fn virtualisation(v: &Virtualisation) -> String {
    let cpu = match v.cpu.as_str() {
        "vmx" => "Intel VT-x",
        "svm" => "AMD-V",
        other => other,
    };
    let offers =
        [if v.guest { "is a virtual machine" } else { "" }, cpu, if v.iommu { "IOMMU on" } else { "no IOMMU" }];
    offers.iter().filter(|o| !o.is_empty()).copied().collect::<Vec<_>>().join(", ")
}

/// All tables, what could not be read last.
pub(super) fn tables(inventory: &Inventory) -> Vec<Table> {
    let parts = [cpus(inventory), memory(inventory), disks(inventory), nics(inventory)];
    let all = parts.into_iter().chain(devices::tables(inventory)).chain([errors(inventory)]);
    all.filter(|t| !t.rows.is_empty() || !t.note.is_empty()).collect()
}

fn cpus(inventory: &Inventory) -> Table {
    let cores: u64 = inventory.cpus.iter().map(|c| u64::from(c.cores)).sum();
    let note = if cores == 0 { String::new() } else { format!("{cores} cores") };
    let rows = inventory.cpus.iter().map(|c| {
        let (cores, threads) = (number(c.cores, ""), number(c.threads, ""));
        let (most, maker) = (number(c.max_mhz, " MHz"), c.manufacturer.clone());
        [c.socket.clone(), c.model.clone(), cores, threads, most, c.microcode.clone(), maker]
    });
    let head = ["Socket", "Model", "Cores", "Threads", "At most", "Microcode", "Maker"];
    table("cpus", "CPUs", note, head, rows.collect())
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
    let head = ["Slot", "Bank", "Size", "Type", "ECC", "Speed", "Maker", "Part", "Serial", "Asset tag"];
    table("memory", "Memory", note, head, memory.dimms.into_iter().map(dimm).collect())
}

fn dimm(d: Dimm) -> [String; 10] {
    if d.size_bytes == 0 {
        let none = String::new;
        return [d.locator, d.bank, "empty".into(), none(), none(), none(), none(), none(), none(), none()];
    }
    let speed = match (d.speed_mts, d.configured_speed_mts) {
        (0, now) => number(now, " MT/s"),
        (most, 0) => number(most, " MT/s"),
        (most, now) if most == now => number(most, " MT/s"),
        (most, now) => format!("{most} MT/s, runs at {now}"),
    };
    let ecc = if d.ecc { "yes" } else { "no" }.to_owned();
    let size = human::binary_size(d.size_bytes);
    [d.locator, d.bank, size, d.r#type, ecc, speed, d.manufacturer, d.part, d.serial, d.asset_tag]
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
            d.firmware.clone(),
            d.wwn.clone(),
            d.pci.clone(),
        ]
    });
    let head = ["Name", "Size", "Model", "Bus", "Kind", "Serial", "Firmware", "WWN", "PCI"];
    table("disks", "Disks", note, head, rows.collect())
}

fn nics(inventory: &Inventory) -> Table {
    let links = inventory.volatile.clone().unwrap_or_default().links;
    let up = links.iter().filter(|l| l.up).count();
    let note = if inventory.nics.is_empty() { String::new() } else { format!("{up} with link") };
    let rows = inventory.nics.iter().map(|n| {
        let link = links.iter().find(|l| l.nic == n.name).cloned().unwrap_or_default();
        let link = match (link.up, link.speed_mbps) {
            (true, 0) => "up".to_owned(),
            (true, speed) => format!("up, {}", human::link_speed(speed)),
            (false, _) => "down".to_owned(),
        };
        [
            n.name.clone(),
            n.mac.clone(),
            link,
            human::link_speed(n.max_speed_mbps),
            devices::name(inventory, &n.pci),
            n.driver.clone(),
            n.firmware.clone(),
            functions(n),
            n.pci.clone(),
        ]
    });
    let head = ["Name", "MAC", "Link", "At most", "Model", "Driver", "Firmware", "SR-IOV", "PCI"];
    table("nics", "Network interfaces", note, head, rows.collect())
}

fn functions(n: &Nic) -> String {
    match n.sriov_total_vfs {
        0 => String::new(),
        total => format!("{} of {total}", n.sriov_vfs),
    }
}

fn errors(inventory: &Inventory) -> Table {
    let rows = inventory.errors.iter().map(|e| [e.source.clone(), e.error.clone(), e.section.clone()]);
    table("errors", "Could not be read", String::new(), ["Source", "Error", "Incomplete by it"], rows.collect())
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
    table("neighbours", "Neighbours", String::new(), head, rows.collect())
}
