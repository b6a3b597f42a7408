//! Processors as the kernel counts them (/proc/cpuinfo), for what SMBIOS did not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use higuma_proto::agent::{Cpu, Inventory};

use super::Errors;

#[derive(Default)]
struct Package {
    model: String,
    vendor: String,
    threads: u32,
    cores: BTreeSet<String>,
}

/// Without SMBIOS processors, one per physical package; with them, missing models and counts are filled in.
pub fn collect(root: &Path, inventory: &mut Inventory, errors: &mut Errors) {
    let text = match std::fs::read_to_string(root.join("proc/cpuinfo")) {
        Ok(text) => text,
        Err(e) => return errors.add("cpus", "proc/cpuinfo", e),
    };
    let packages = packages(&text);
    if inventory.cpus.is_empty() {
        inventory.cpus = packages
            .iter()
            .map(|(id, package)| Cpu {
                socket: format!("package {id}"),
                manufacturer: package.vendor.clone(),
                model: package.model.clone(),
                cores: u32::try_from(package.cores.len()).unwrap_or(0),
                threads: package.threads,
                ..Cpu::default()
            })
            .collect();
        return;
    }
    for (cpu, package) in inventory.cpus.iter_mut().zip(packages.values()) {
        // Firmware (and QEMU) often write a placeholder where the kernel knows the name from CPUID.
        if !package.model.is_empty() {
            cpu.model.clone_from(&package.model);
        }
        if cpu.cores == 0 {
            cpu.cores = u32::try_from(package.cores.len()).unwrap_or(0);
        }
        if cpu.threads == 0 {
            cpu.threads = package.threads;
        }
    }
}

fn packages(text: &str) -> BTreeMap<String, Package> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for block in text.split("\n\n") {
        let field = |name: &str| {
            block.lines().find_map(|l| {
                let (key, value) = l.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            })
        };
        let Some(processor) = field("processor") else { continue };
        let package = packages.entry(field("physical id").unwrap_or_else(|| "0".to_owned())).or_default();
        package.threads += 1;
        package.cores.insert(field("core id").unwrap_or(processor));
        if package.model.is_empty() {
            package.model = field("model name").unwrap_or_default();
            package.vendor = field("vendor_id").unwrap_or_default();
        }
    }
    packages
}
