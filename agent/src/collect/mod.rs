//! What a machine is made of. Every collector takes the root of a tree, so that it is tested on a captured one; a source
//! that cannot be read is recorded and the rest goes on. Collecting never writes and never opens a disk.

mod ata;
mod chassis_type;
mod cpu;
mod disks;
mod firmware;
mod link_modes;
mod nics;
mod numa;
mod pci;
mod read;
pub mod smbios;
mod table;
mod uuid;

pub use table::table;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use higuma_proto::agent::{Inventory, SourceError, Volatile};
use read::{line, optional};

/// Parts in the order in which they are collected, by the sections that they are of (agent.proto, SourceError).
const PARTS: [&[&str]; 7] =
    [&["system", "memory"], &["cpus"], &["numa"], &["pci"], &["disks"], &["nics"], &["firmware", "tpm"]];

/// What is collected up to now: a source that never answers must not cost what others have told.
#[derive(Debug, Default)]
pub struct SoFar {
    inventory: Inventory,
    /// Of [`PARTS`].
    done: usize,
}

impl SoFar {
    /// What there is; what was not collected after `seconds` is told as not read.
    pub fn given_up(self, seconds: u64) -> Inventory {
        let mut inventory = self.inventory;
        for section in PARTS.iter().skip(self.done).copied().flatten() {
            inventory.errors.push(SourceError {
                source: "collector".to_owned(),
                error: format!("nothing came within {seconds} s"),
                section: (*section).to_owned(),
            });
        }
        inventory
    }
}

/// Collects everything below `root` (`/` for this machine).
pub fn collect(root: &Path) -> Inventory {
    collect_into(root, &Mutex::default())
}

/// The same, and keeps in `so_far` what there is after each part.
pub fn collect_into(root: &Path, so_far: &Mutex<SoFar>) -> Inventory {
    let keep = |inventory: &Inventory, volatile: &Volatile, errors: &Errors| {
        let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let (volatile, errors) = (Some(volatile.clone()), errors.0.clone());
        so_far.inventory = Inventory { volatile, errors, ..inventory.clone() };
        so_far.done += 1;
    };
    let mut errors = Errors::default();
    let mut inventory = Inventory {
        boot_mode: firmware::boot_mode(root),
        arch: std::env::consts::ARCH.to_owned(),
        ..Inventory::default()
    };
    let mut volatile = Volatile {
        kernel: line(root, "proc/sys/kernel/osrelease", &mut errors),
        usable_memory_bytes: total_memory(root, &mut errors),
        ..Volatile::default()
    };
    smbios::collect(root, &mut inventory, &mut errors);
    installed_memory(&mut inventory, volatile.usable_memory_bytes);
    keep(&inventory, &volatile, &errors);
    cpu::collect(root, &mut inventory, &mut errors);
    keep(&inventory, &volatile, &errors);
    inventory.numa_nodes = numa::collect(root, &mut errors);
    keep(&inventory, &volatile, &errors);
    inventory.pci_devices = pci::collect(root, &mut errors);
    inventory.gpus = pci::gpus(&inventory.pci_devices);
    keep(&inventory, &volatile, &errors);
    inventory.disks = disks::collect(root, &mut errors);
    keep(&inventory, &volatile, &errors);
    (inventory.nics, volatile.links) = nics::collect(root, &mut errors).into_iter().unzip();
    keep(&inventory, &volatile, &errors);
    inventory.secure_boot = firmware::secure_boot(root, &inventory.boot_mode, &mut errors);
    inventory.tpm = firmware::tpm(root, &mut errors);
    keep(&inventory, &volatile, &errors);
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

/// Installed memory is the sum of the modules; without any told, what the kernel sees, in whole steps.
fn installed_memory(inventory: &mut Inventory, usable: u64) {
    let memory = inventory.memory.get_or_insert_default();
    let modules = memory.dimms.iter().fold(0, |sum: u64, dimm| sum.saturating_add(dimm.size_bytes));
    memory.total_bytes = if modules > 0 { modules } else { whole_steps(usable) };
}

/// What the kernel says of memory differs by some KiB from kernel to kernel, which is no change of the machine.
fn whole_steps(bytes: u64) -> u64 {
    const STEP: u64 = 64 << 20;
    bytes.div_ceil(STEP).saturating_mul(STEP)
}

fn total_memory(root: &Path, errors: &mut Errors) -> u64 {
    match read::text(&root.join("proc/meminfo")) {
        Ok(text) => crate::memory::field(&text, "MemTotal").unwrap_or(0),
        Err(e) => {
            errors.add("memory", "proc/meminfo", e);
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_collected_before_a_source_hangs_is_told() {
        let empty = SoFar::default().given_up(25);
        assert_eq!(empty.errors.len(), PARTS.concat().len());
        let so_far = Mutex::new(SoFar::default());
        let whole = collect_into(Path::new("/nonexistent"), &so_far);
        let so_far = so_far.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(so_far.done, PARTS.len());
        assert_eq!(so_far.given_up(25), whole);
        let half = SoFar { inventory: whole.clone(), done: 5 }.given_up(25);
        let told: Vec<&str> = half.errors.iter().skip(whole.errors.len()).map(|e| e.section.as_str()).collect();
        assert_eq!(told, ["nics", "firmware", "tpm"]);
    }
}
