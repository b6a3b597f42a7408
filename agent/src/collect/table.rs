//! The inventory for people: everything, in groups, a line for each thing; what is not known is left out. It decides
//! nothing and shows no control characters: names and serial numbers come from firmware.

use higuma_proto::agent::{Dimm, Inventory, Link, PciDevice};

/// All of it as text.
pub fn table(inventory: &Inventory) -> String {
    let groups = [
        ("System", system(inventory)),
        ("Firmware", firmware(inventory)),
        ("Processors", processors(inventory)),
        ("Memory", memory(inventory)),
        ("Disks", disks(inventory)),
        ("Network", nics(inventory)),
        ("GPUs", gpus(inventory)),
        ("Slots", slots(inventory)),
        ("On board", onboard(inventory)),
        ("Management", management(inventory)),
        ("PCI", inventory.pci_devices.iter().map(pci).collect()),
        ("OEM strings", inventory.oem_strings.clone()),
        ("Not read", errors(inventory)),
    ];
    let mut text = String::new();
    for (title, lines) in groups {
        let lines: Vec<String> = lines.iter().map(|l| clean(l)).filter(|l| !l.is_empty()).collect();
        if !lines.is_empty() {
            text.push_str(&format!("{title}\n  {}\n", lines.join("\n  ")));
        }
    }
    text
}

fn clean(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// What is there of `parts`, with commas.
fn list(parts: &[String]) -> String {
    let parts: Vec<&str> = parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect();
    parts.join(", ")
}

/// What is there of `parts`, with spaces.
fn words(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect();
    parts.join(" ")
}

/// `label value`; nothing without a value.
fn with(label: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{label} {value}") }
}

/// `label: a, b`; nothing without a part.
fn named(label: &str, parts: &[String]) -> String {
    let text = list(parts);
    if text.is_empty() { text } else { format!("{label}: {text}") }
}

/// `12 unit`; nothing for zero.
fn count(number: u32, unit: &str) -> String {
    if number == 0 { String::new() } else { format!("{number} {unit}") }
}

fn gib(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)) }
}

fn system(inventory: &Inventory) -> Vec<String> {
    let s = inventory.system.clone().unwrap_or_default();
    let b = inventory.board.clone().unwrap_or_default();
    let c = inventory.chassis.clone().unwrap_or_default();
    let serial = |serial: &str| with("serial", serial);
    vec![
        list(&[
            words(&[&s.manufacturer, &s.product, &s.version]),
            serial(&s.serial),
            with("SKU", &s.sku),
            with("family", &s.family),
        ]),
        with("UUID", &s.uuid),
        named(
            "board",
            &[words(&[&b.manufacturer, &b.product, &b.version]), serial(&b.serial), with("asset tag", &b.asset_tag)],
        ),
        named(
            "chassis",
            &[words(&[&c.manufacturer, &c.r#type, &c.version]), serial(&c.serial), with("asset tag", &c.asset_tag)],
        ),
        with("architecture", &inventory.arch),
    ]
}

fn firmware(inventory: &Inventory) -> Vec<String> {
    let b = inventory.bios.clone().unwrap_or_default();
    let tpm = match &inventory.tpm {
        Some(tpm) => words(&["TPM", &tpm.version, &tpm.manufacturer]),
        None => "no TPM".to_owned(),
    };
    vec![
        list(&[words(&[&b.vendor, &b.version]), b.date, with("release", &b.release)]),
        list(&[
            with("boot mode", &inventory.boot_mode),
            with("Secure Boot", &inventory.secure_boot),
            tpm,
            with("SMBIOS", &inventory.smbios_version),
        ]),
    ]
}

fn processors(inventory: &Inventory) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for c in &inventory.cpus {
        let parts = [
            words(&[&c.manufacturer, &c.model]),
            count(c.cores, "cores"),
            count(c.threads, "threads"),
            count(c.max_mhz, "MHz at most"),
            with("microcode", &c.microcode),
        ];
        lines.push(named(&c.socket, &parts));
    }
    for n in &inventory.numa_nodes {
        lines.push(named(&format!("NUMA node {}", n.id), &[with("processors", &n.cpus), gib(n.memory_bytes)]));
    }
    if let Some(v) = &inventory.virtualisation {
        let guest = if v.guest { "is a virtual machine" } else { "" };
        let iommu = if v.iommu { "IOMMU on" } else { "no IOMMU" };
        lines.push(named("virtualisation", &[guest.to_owned(), with("offers", &v.cpu), iommu.to_owned()]));
    }
    // The same in each socket, nearly always.
    if let Some(cpu) = inventory.cpus.iter().find(|c| !c.flags.is_empty()) {
        lines.push(with("flags:", &cpu.flags.join(" ")));
    }
    lines
}

fn memory(inventory: &Inventory) -> Vec<String> {
    let memory = inventory.memory.clone().unwrap_or_default();
    let usable = inventory.volatile.as_ref().map(|v| v.usable_memory_bytes).unwrap_or(0);
    let seen = if usable > 0 { format!("{} usable", gib(usable)) } else { String::new() };
    let mut lines = vec![list(&[gib(memory.total_bytes), seen])];
    for a in &memory.arrays {
        let most = if a.max_bytes > 0 { format!("at most {}", gib(a.max_bytes)) } else { String::new() };
        let parts = [a.r#use.clone(), count(a.slots, "slots"), most, with("error correction", &a.error_correction)];
        lines.push(named("array", &parts));
    }
    lines.extend(memory.dimms.iter().map(dimm));
    lines
}

fn dimm(d: &Dimm) -> String {
    let place = words(&[&d.locator, &d.bank]);
    if d.size_bytes == 0 {
        return format!("{place}: empty");
    }
    let ecc = if d.ecc { "ECC" } else { "" };
    let slower = d.configured_speed_mts != d.speed_mts;
    let runs = if slower { with("runs at", &count(d.configured_speed_mts, "MT/s")) } else { String::new() };
    let parts = [
        words(&[&gib(d.size_bytes), &d.r#type, ecc]),
        count(d.speed_mts, "MT/s"),
        runs,
        words(&[&d.manufacturer, &d.part]),
        with("serial", &d.serial),
        with("asset tag", &d.asset_tag),
    ];
    named(&place, &parts)
}

fn disks(inventory: &Inventory) -> Vec<String> {
    let line = |d: &higuma_proto::agent::Disk| {
        let kind = if d.rotational { "rotating" } else { "" };
        let parts = [
            gib(d.size_bytes),
            words(&[&d.transport, kind]),
            d.model.clone(),
            with("serial", &d.serial),
            with("firmware", &d.firmware),
            d.wwn.clone(),
            with("PCI", &d.pci),
        ];
        named(&d.name, &parts)
    };
    inventory.disks.iter().map(line).collect()
}

fn nics(inventory: &Inventory) -> Vec<String> {
    let links = inventory.volatile.as_ref().map(|v| v.links.as_slice()).unwrap_or_default();
    let line = |n: &higuma_proto::agent::Nic| {
        let vfs = match n.sriov_total_vfs {
            0 => String::new(),
            total => format!("{} of {total} virtual functions", n.sriov_vfs),
        };
        let parts = [
            n.mac.clone(),
            link(links.iter().find(|l| l.nic == n.name)),
            n.driver.clone(),
            with("firmware", &n.firmware),
            with("at most", &count(n.max_speed_mbps, "Mbit/s")),
            vfs,
            with("PCI", &n.pci),
        ];
        named(&n.name, &parts)
    };
    inventory.nics.iter().map(line).collect()
}

fn link(link: Option<&Link>) -> String {
    match link {
        Some(l) if l.up => words(&["link", &count(l.speed_mbps, "Mbit/s")]),
        Some(_) => "no link".to_owned(),
        None => String::new(),
    }
}

fn gpus(inventory: &Inventory) -> Vec<String> {
    let id = |g: &higuma_proto::agent::Gpu| format!("{}:{}", g.vendor_id, g.device_id);
    inventory.gpus.iter().map(|g| named(&g.pci, &[g.name.clone(), id(g), with("driver", &g.driver)])).collect()
}

fn slots(inventory: &Inventory) -> Vec<String> {
    let line = |s: &higuma_proto::agent::Slot| {
        named(&s.designation, &[s.r#type.clone(), s.usage.clone(), with("PCI", &s.pci)])
    };
    inventory.slots.iter().map(line).collect()
}

fn onboard(inventory: &Inventory) -> Vec<String> {
    let line = |d: &higuma_proto::agent::OnboardDevice| {
        let off = if d.enabled { "" } else { "disabled" };
        named(&d.designation, &[d.r#type.clone(), off.to_owned(), with("PCI", &d.pci)])
    };
    inventory.onboard_devices.iter().map(line).collect()
}

fn management(inventory: &Inventory) -> Vec<String> {
    let ipmi = inventory.ipmi.iter().map(|i| words(&["IPMI", &i.version, "by", &i.r#type]));
    let hosts = inventory.host_interfaces.iter().map(|h| {
        let port = if h.port > 0 { format!("port {}", h.port) } else { String::new() };
        named(&h.r#type, &[h.protocol.clone(), h.address.clone(), port, h.hostname.clone()])
    });
    ipmi.chain(hosts).collect()
}

fn pci(d: &PciDevice) -> String {
    let numa = if d.numa_node < 0 { String::new() } else { format!("NUMA node {}", d.numa_node) };
    let subsystem = match d.subsystem_vendor_id.is_empty() {
        true => String::new(),
        false => format!("subsystem {}:{}", d.subsystem_vendor_id, d.subsystem_device_id),
    };
    let parts = [
        format!("{}:{}", d.vendor_id, d.device_id),
        with("class", &d.class),
        with("revision", &d.revision),
        subsystem,
        with("driver", &d.driver),
        numa,
    ];
    named(&d.address, &parts)
}

fn errors(inventory: &Inventory) -> Vec<String> {
    let incomplete = |section: &str| with("incomplete by it:", section);
    inventory.errors.iter().map(|e| named(&e.source, &[e.error.clone(), incomplete(&e.section)])).collect()
}
