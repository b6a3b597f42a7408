//! What a node is made of, on the command line: in short, as lines of `higuma node show`; whole, as tables of `--inventory`.
//! What is not known is left out. Everything here came from firmware: [`output`] keeps control characters away.

use super::output;
use higuma_proto::agent::{Dimm, Disk, Inventory, Memory, Nic, PciDevice};

/// A name and a value.
type Line = (&'static str, String);

/// The lines of the short form.
pub(super) fn summary(i: &Inventory) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    if let Some(bios) = &i.bios {
        let boot = join(&[&i.boot_mode, &with("Secure Boot", &i.secure_boot)], ", ");
        lines.push(("Firmware", join(&[&join(&[&bios.vendor, &bios.version, &bios.date], " "), &boot], ", ")));
    }
    if let Some(tpm) = &i.tpm {
        lines.push(("TPM", join(&[&tpm.version, &tpm.manufacturer], " ")));
    }
    for cpu in &i.cpus {
        lines.push(("CPU", format!("{}, {} cores, {} threads", cpu.model.trim(), cpu.cores, cpu.threads)));
    }
    if let Some(memory) = i.memory.as_ref().filter(|m| m.total_bytes > 0) {
        let dimms = memory.dimms.iter().filter(|d| d.size_bytes > 0).count();
        let used = match memory.dimms.len() {
            0 => String::new(),
            slots => format!("{dimms} of {slots} slots used"),
        };
        lines.push(("Memory", join(&[&output::size(memory.total_bytes), &used], ", ")));
    }
    for d in &i.disks {
        let parts = [&d.name, &output::size(d.size_bytes), &d.transport, &d.model, &d.serial];
        lines.push(("Disk", join(&[&join(&parts.map(String::as_str), " "), &with("firmware", &d.firmware)], ", ")));
    }
    for n in &i.nics {
        let text = join(&[&n.name, &n.mac, &n.driver, &link(i, n)], " ");
        lines.push(("NIC", join(&[&text, &with("firmware", &n.firmware)], ", ")));
    }
    for gpu in &i.gpus {
        let id = format!("{}:{}", gpu.vendor_id, gpu.device_id);
        lines.push(("GPU", if gpu.name.is_empty() { id } else { gpu.name.clone() }));
    }
    for e in &i.errors {
        lines.push(("Not read", format!("{}: {}", e.source, e.error)));
    }
    lines
}

/// All of it, a table for each kind of thing.
pub(super) fn tables(i: &Inventory) -> String {
    let mut text = section("System", output::fields(&known(system(i))));
    let memory = i.memory.clone().unwrap_or_default();
    for (title, table) in [
        ("CPUs", cpus(i)),
        ("NUMA nodes", numa(i)),
        (
            "Memory",
            grid(
                ["SLOT", "BANK", "SIZE", "TYPE", "ECC", "MT/S", "RUNS AT", "MAKER", "PART", "SERIAL", "ASSET TAG"],
                memory.dimms.iter().map(dimm),
            ),
        ),
        ("Memory arrays", arrays(&memory)),
        ("Disks", grid(["NAME", "SIZE", "BUS", "MODEL", "SERIAL", "FIRMWARE", "WWN", "PCI"], i.disks.iter().map(disk))),
        (
            "Network interfaces",
            grid(
                ["NAME", "MAC", "LINK", "AT MOST", "DRIVER", "FIRMWARE", "SR-IOV", "PCI"],
                i.nics.iter().map(|n| nic(i, n)),
            ),
        ),
        ("GPUs", gpus(i)),
        (
            "Slots",
            grid(
                ["SLOT", "TYPE", "USAGE", "PCI"],
                i.slots.iter().map(|s| [&s.designation, &s.r#type, &s.usage, &s.pci].map(String::clone)),
            ),
        ),
        ("On the board", onboard(i)),
        ("Interfaces to the BMC", host_interfaces(i)),
        ("PCI devices", grid(["ADDRESS", "ID", "CLASS", "DEVICE", "DRIVER", "NUMA"], i.pci_devices.iter().map(pci))),
        (
            "OEM strings",
            grid(["NUMBER", "TEXT"], i.oem_strings.iter().zip(1u32..).map(|(t, at)| [at.to_string(), t.clone()])),
        ),
        ("CPU flags", flags(i)),
        (
            "Could not be read",
            grid(
                ["SOURCE", "ERROR", "INCOMPLETE BY IT"],
                i.errors.iter().map(|e| [&e.source, &e.error, &e.section].map(String::clone)),
            ),
        ),
    ] {
        text += &section(title, table);
    }
    text
}

fn section(title: &str, body: String) -> String {
    if body.is_empty() { body } else { format!("\n{title}\n{body}") }
}

fn grid<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() { String::new() } else { output::table(head, &rows) }
}

fn known(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn join(parts: &[&str], between: &str) -> String {
    parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect::<Vec<_>>().join(between)
}

/// `label value`; nothing without a value.
fn with(label: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{label} {value}") }
}

fn number(value: u32) -> String {
    if value == 0 { String::new() } else { value.to_string() }
}

fn size(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { output::size(bytes) }
}

fn system(i: &Inventory) -> Vec<Line> {
    let s = i.system.clone().unwrap_or_default();
    let b = i.board.clone().unwrap_or_default();
    let c = i.chassis.clone().unwrap_or_default();
    let bios = i.bios.clone().unwrap_or_default();
    let v = i.virtualisation.clone().unwrap_or_default();
    let volatile = i.volatile.clone().unwrap_or_default();
    let words = |parts: &[&str]| join(parts, " ");
    vec![
        ("System", words(&[&s.manufacturer, &s.product, &s.version])),
        ("Serial", s.serial),
        ("SKU", s.sku),
        ("Family", s.family),
        ("UUID", s.uuid),
        ("Board", words(&[&b.manufacturer, &b.product, &b.version])),
        ("Board serial", b.serial),
        ("Board asset tag", b.asset_tag),
        ("Chassis", words(&[&c.manufacturer, &c.r#type, &c.version])),
        ("Chassis serial", c.serial),
        ("Asset tag", c.asset_tag),
        ("BIOS", words(&[&bios.vendor, &bios.version, &bios.date])),
        ("BIOS release", bios.release),
        ("SMBIOS", i.smbios_version.clone()),
        ("Boot mode", i.boot_mode.clone()),
        ("Secure Boot", i.secure_boot.clone()),
        ("TPM", i.tpm.as_ref().map(|t| words(&[&t.version, &t.manufacturer])).unwrap_or_default()),
        ("IPMI", i.ipmi.as_ref().map(|p| words(&[&p.r#type, &p.version])).unwrap_or_default()),
        ("BMC firmware", i.ipmi.as_ref().map(|p| p.firmware.clone()).unwrap_or_default()),
        ("Architecture", i.arch.clone()),
        ("Virtualisation", v.cpu),
        ("IOMMU", if v.iommu { "on" } else { "" }.to_owned()),
        ("Virtual machine", if v.guest { "yes" } else { "" }.to_owned()),
        ("First-stage kernel", volatile.kernel),
        ("Usable memory", size(volatile.usable_memory_bytes)),
    ]
}

fn cpus(i: &Inventory) -> String {
    let rows = i.cpus.iter().map(|c| {
        let numbers = [c.cores, c.threads, c.max_mhz].map(number);
        let [cores, threads, mhz] = numbers;
        [c.socket.clone(), c.model.clone(), cores, threads, mhz, c.microcode.clone()]
    });
    grid(["SOCKET", "MODEL", "CORES", "THREADS", "MHZ AT MOST", "MICROCODE"], rows)
}

fn numa(i: &Inventory) -> String {
    let rows = i.numa_nodes.iter().map(|n| [n.id.to_string(), n.cpus.clone(), size(n.memory_bytes)]);
    grid(["NODE", "PROCESSORS", "MEMORY"], rows)
}

fn arrays(memory: &Memory) -> String {
    let rows = memory.arrays.iter().map(|a| {
        let (slots, most) = (number(a.slots), size(a.max_bytes));
        [a.r#use.clone(), a.error_correction.clone(), slots, most]
    });
    grid(["USE", "ERROR CORRECTION", "SLOTS", "AT MOST"], rows)
}

fn gpus(i: &Inventory) -> String {
    let rows = i.gpus.iter().map(|g| {
        let id = format!("{}:{}", g.vendor_id, g.device_id);
        [g.pci.clone(), id, g.name.clone(), g.driver.clone()]
    });
    grid(["PCI", "ID", "NAME", "DRIVER"], rows)
}

fn dimm(d: &Dimm) -> [String; 11] {
    let filled = d.size_bytes > 0;
    let ecc = if !filled {
        ""
    } else if d.ecc {
        "yes"
    } else {
        "no"
    };
    [
        d.locator.clone(),
        d.bank.clone(),
        if filled { output::size(d.size_bytes) } else { "empty".to_owned() },
        if filled { d.r#type.clone() } else { String::new() },
        ecc.to_owned(),
        number(d.speed_mts),
        number(d.configured_speed_mts),
        d.manufacturer.clone(),
        d.part.clone(),
        d.serial.clone(),
        d.asset_tag.clone(),
    ]
}

fn disk(d: &Disk) -> [String; 8] {
    let kind = if d.rotational { format!("{} (rotating)", d.transport) } else { d.transport.clone() };
    let [name, model, serial, firmware, wwn, pci] =
        [&d.name, &d.model, &d.serial, &d.firmware, &d.wwn, &d.pci].map(String::clone);
    [name, size(d.size_bytes), kind, model, serial, firmware, wwn, pci]
}

fn link(i: &Inventory, n: &Nic) -> String {
    let links = i.volatile.as_ref().map(|v| v.links.as_slice()).unwrap_or_default();
    match links.iter().find(|l| l.nic == n.name && l.up) {
        Some(link) if link.speed_mbps > 0 => format!("link {} Mbit/s", link.speed_mbps),
        Some(_) => "link".to_owned(),
        None => "no link".to_owned(),
    }
}

fn nic(i: &Inventory, n: &Nic) -> [String; 8] {
    let most = if n.max_speed_mbps > 0 { format!("{} Mbit/s", n.max_speed_mbps) } else { String::new() };
    let vfs = match n.sriov_total_vfs {
        0 => String::new(),
        total => format!("{} of {total}", n.sriov_vfs),
    };
    let [name, mac, driver, firmware, pci] = [&n.name, &n.mac, &n.driver, &n.firmware, &n.pci].map(String::clone);
    [name, mac, link(i, n), most, driver, firmware, vfs, pci]
}

fn onboard(i: &Inventory) -> String {
    let rows = i.onboard_devices.iter().map(|d| {
        let state = if d.enabled { "on" } else { "off" }.to_owned();
        [d.designation.clone(), d.r#type.clone(), state, d.pci.clone()]
    });
    grid(["NAME", "TYPE", "STATE", "PCI"], rows)
}

fn host_interfaces(i: &Inventory) -> String {
    let rows = i
        .host_interfaces
        .iter()
        .map(|h| [h.r#type.clone(), h.protocol.clone(), h.address.clone(), number(h.port), h.hostname.clone()]);
    grid(["TYPE", "PROTOCOL", "ADDRESS", "PORT", "HOST NAME"], rows)
}

fn pci(d: &PciDevice) -> [String; 6] {
    let class = if d.class_name.is_empty() { &d.class } else { &d.class_name };
    let numa = if d.numa_node < 0 { String::new() } else { d.numa_node.to_string() };
    let id = format!("{}:{}", d.vendor_id, d.device_id);
    [d.address.clone(), id, class.clone(), join(&[&d.vendor_name, &d.device_name], " "), d.driver.clone(), numa]
}

/// Wrapped: a processor has more than a hundred. The same in each socket, nearly always; the first's are shown.
fn flags(i: &Inventory) -> String {
    const WIDTH: usize = 118;
    let mut text = String::new();
    let mut column = 0;
    for flag in i.cpus.iter().map(|c| &c.flags).find(|f| !f.is_empty()).into_iter().flatten() {
        let flag = output::clean(flag);
        let gap = if column == 0 {
            ""
        } else if column + flag.len() < WIDTH {
            " "
        } else {
            "\n"
        };
        column = if gap == "\n" { flag.len() } else { column + gap.len() + flag.len() };
        text += gap;
        text += &flag;
    }
    if text.is_empty() { text } else { text + "\n" }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
