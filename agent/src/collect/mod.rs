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

use higuma_proto::agent::{Inventory, SourceError, Volatile};
use read::{line, optional};

/// Collects everything below `root` (`/` for this machine).
pub fn collect(root: &Path) -> Inventory {
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
    cpu::collect(root, &mut inventory, &mut errors);
    inventory.numa_nodes = numa::collect(root, &mut errors);
    inventory.pci_devices = pci::collect(root, &mut errors);
    inventory.gpus = pci::gpus(&inventory.pci_devices);
    inventory.disks = disks::collect(root, &mut errors);
    (inventory.nics, volatile.links) = nics::collect(root, &mut errors).into_iter().unzip();
    inventory.secure_boot = firmware::secure_boot(root, &inventory.boot_mode, &mut errors);
    inventory.tpm = firmware::tpm(root, &mut errors);
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
