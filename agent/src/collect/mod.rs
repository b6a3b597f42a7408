//! What a machine is made of. Every collector takes the root of a tree, so that it is tested on a captured one; a source
//! that cannot be read is recorded and the rest goes on. Collecting never writes and never opens a disk.

mod chassis_type;
mod cpu;
mod disks;
mod nics;
mod smbios;
mod uuid;

use std::path::Path;

use higuma_proto::agent::{Inventory, SourceError, Volatile};

/// Collects everything below `root` (`/` for this machine).
pub fn collect(root: &Path) -> Inventory {
    let mut errors = Errors::default();
    let mut inventory = Inventory {
        boot_mode: if root.join("sys/firmware/efi").is_dir() { "uefi" } else { "bios" }.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        ..Inventory::default()
    };
    let mut volatile = Volatile {
        kernel: line(root, "proc/sys/kernel/osrelease", &mut errors),
        usable_memory_bytes: total_memory(root, &mut errors),
        ..Volatile::default()
    };
    smbios::collect(root, &mut inventory, &mut errors);
    cpu::collect(root, &mut inventory, &mut errors);
    inventory.disks = disks::collect(root, &mut errors);
    (inventory.nics, volatile.links) = nics::collect(root, &mut errors).into_iter().unzip();
    installed_memory(&mut inventory, volatile.usable_memory_bytes);
    inventory.volatile = Some(volatile);
    inventory.errors = errors.0;
    inventory
}

/// Sources that could not be read.
#[derive(Default)]
struct Errors(Vec<SourceError>);

impl Errors {
    /// `section`: what of the inventory is incomplete by it (agent.proto names them); empty: nothing.
    fn add(&mut self, section: &str, source: &str, error: impl std::fmt::Display) {
        // A machine with thousands of odd devices must not make an endless list.
        if self.0.len() < 64 {
            self.0.push(SourceError {
                source: source.to_owned(),
                error: error.to_string(),
                section: section.to_owned(),
            });
        }
    }
}

/// One line of a file that should be there; empty (and recorded) when it is not.
fn line(root: &Path, path: &str, errors: &mut Errors) -> String {
    match std::fs::read_to_string(root.join(path)) {
        Ok(text) => text.trim().to_owned(),
        Err(e) => {
            errors.add("", path, e);
            String::new()
        }
    }
}

/// One line of a file that may well be missing.
fn optional(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4_096))?);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned();
    (!text.is_empty()).then_some(text)
}

/// Names in a folder of /sys, sorted; empty (and recorded) when the folder is not there.
fn names(root: &Path, path: &str, section: &str, errors: &mut Errors) -> Vec<String> {
    match std::fs::read_dir(root.join(path)) {
        Ok(entries) => {
            let mut names: Vec<String> =
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).take(4_096).collect();
            names.sort();
            names
        }
        Err(e) => {
            errors.add(section, path, e);
            Vec::new()
        }
    }
}

/// The last component of the link `path`, e.g. the driver's name.
fn link_name(path: &Path) -> Option<String> {
    Some(std::fs::read_link(path).ok()?.file_name()?.to_str()?.to_owned())
}

/// Installed memory is the sum of the modules; without any told, what the kernel sees, rounded up: MemTotal differs by
/// some KiB from kernel to kernel, which is no change of the machine.
fn installed_memory(inventory: &mut Inventory, usable: u64) {
    const STEP: u64 = 64 << 20;
    let memory = inventory.memory.get_or_insert_default();
    let modules = memory.dimms.iter().fold(0, |sum: u64, dimm| sum.saturating_add(dimm.size_bytes));
    memory.total_bytes = if modules > 0 { modules } else { usable.div_ceil(STEP).saturating_mul(STEP) };
}

fn total_memory(root: &Path, errors: &mut Errors) -> u64 {
    match std::fs::read_to_string(root.join("proc/meminfo")) {
        Ok(text) => crate::memory::field(&text, "MemTotal").unwrap_or(0),
        Err(e) => {
            errors.add("memory", "proc/meminfo", e);
            0
        }
    }
}

/// The inventory for people.
pub fn table(inventory: &Inventory) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value.trim().to_owned()));
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    if let Some(s) = &inventory.system {
        row("system", format!("{} {} (serial {})", s.manufacturer, s.product, s.serial));
        row("uuid", s.uuid.clone());
    }
    if let Some(b) = &inventory.bios {
        row("firmware", format!("{} {} {} ({})", b.vendor, b.version, b.date, inventory.boot_mode));
    }
    if let Some(b) = &inventory.board {
        row("board", format!("{} {}", b.manufacturer, b.product));
    }
    let volatile = inventory.volatile.clone().unwrap_or_default();
    row("kernel", format!("{} {}", volatile.kernel, inventory.arch));
    for c in &inventory.cpus {
        row("cpu", format!("{} {}: {} cores, {} threads", c.socket, c.model, c.cores, c.threads));
    }
    if let Some(m) = &inventory.memory {
        row("memory", gib(m.total_bytes));
        for d in m.dimms.iter().filter(|d| d.size_bytes > 0) {
            row(
                "dimm",
                format!(
                    "{} {} {} {} MT/s {} {}",
                    d.locator,
                    gib(d.size_bytes),
                    d.r#type,
                    d.speed_mts,
                    d.manufacturer,
                    d.part
                ),
            );
        }
    }
    for d in &inventory.disks {
        row("disk", format!("{} {} {} {} {}", d.name, gib(d.size_bytes), d.transport, d.model, d.serial));
    }
    for n in &inventory.nics {
        let link = volatile.links.iter().find(|l| l.nic == n.name).cloned().unwrap_or_default();
        let up = if link.up { "link" } else { "no link" };
        row("nic", format!("{} {} {} {} {up} {} Mb/s", n.name, n.mac, n.driver, n.pci, link.speed_mbps));
    }
    for e in &inventory.errors {
        row("not read", format!("{}: {}", e.source, e.error));
    }
    rows.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}
