//! Processors as the kernel counts them (/proc/cpuinfo): what SMBIOS did not tell, their flags and microcode, and what
//! they offer for virtual machines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use higuma_proto::agent::{Cpu, Inventory, Virtualisation};

use super::Errors;
use super::read::{entries, text};

/// No processor has more flags.
const MAX_FLAGS: usize = 1_024;
/// More packages are not believed.
const MAX_PACKAGES: usize = 1_024;

#[derive(Default)]
struct Package {
    model: String,
    vendor: String,
    microcode: String,
    flags: Vec<String>,
    threads: u32,
    cores: BTreeSet<String>,
}

/// Without SMBIOS processors, one per physical package; with them, missing models and counts are filled in.
pub fn collect(root: &Path, inventory: &mut Inventory, errors: &mut Errors) {
    let text = match text(&root.join("proc/cpuinfo")) {
        Ok(text) => text,
        Err(e) => return errors.add("cpus", "proc/cpuinfo", e),
    };
    let packages = packages(&text);
    inventory.virtualisation = Some(virtualisation(root, packages.values().next()));
    if inventory.cpus.is_empty() {
        inventory.cpus = packages
            .keys()
            .map(|id| Cpu { socket: format!("package {id}"), ..Cpu::default() })
            .take(MAX_PACKAGES)
            .collect();
    }
    for (cpu, package) in inventory.cpus.iter_mut().zip(packages.into_values()) {
        complete(cpu, package);
    }
}

fn complete(cpu: &mut Cpu, package: Package) {
    // Firmware (and QEMU) often write a placeholder where the kernel knows the name from CPUID.
    if !package.model.is_empty() {
        cpu.model = package.model;
    }
    if cpu.manufacturer.is_empty() {
        cpu.manufacturer = package.vendor;
    }
    if cpu.cores == 0 {
        cpu.cores = u32::try_from(package.cores.len()).unwrap_or(0);
    }
    if cpu.threads == 0 {
        cpu.threads = package.threads;
    }
    cpu.microcode = package.microcode;
    cpu.flags = package.flags;
}

/// By number of the package, as SMBIOS lists its sockets.
fn packages(text: &str) -> BTreeMap<u64, Package> {
    let mut packages: BTreeMap<u64, Package> = BTreeMap::new();
    for block in text.split("\n\n") {
        let field = |name: &str| {
            block.lines().find_map(|l| {
                let (key, value) = l.split_once(':')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        let Some(processor) = field("processor") else { continue };
        let id = field("physical id").and_then(|id| id.parse().ok()).unwrap_or(0);
        let package = packages.entry(id).or_default();
        if package.threads == 0 {
            let text = |name: &str| field(name).unwrap_or_default().to_owned();
            package.model = text("model name");
            package.vendor = text("vendor_id");
            package.microcode = text("microcode");
            // ARM calls them features.
            let flags = field("flags").or_else(|| field("Features")).unwrap_or_default();
            let flags: BTreeSet<&str> = flags.split_ascii_whitespace().take(MAX_FLAGS).collect();
            package.flags = flags.into_iter().map(str::to_owned).collect();
        }
        package.threads += 1;
        package.cores.insert(field("core id").unwrap_or(processor).to_owned());
    }
    packages
}

fn virtualisation(root: &Path, package: Option<&Package>) -> Virtualisation {
    let has = |flag: &str| package.is_some_and(|p| p.flags.iter().any(|f| f == flag));
    let offered = ["vmx", "svm"].into_iter().find(|flag| has(flag)).unwrap_or_default();
    Virtualisation {
        cpu: offered.to_owned(),
        // An IOMMU that the firmware or the kernel left off is not there.
        iommu: entries(&root.join("sys/class/iommu")).is_ok_and(|names| !names.is_empty()),
        guest: has("hypervisor"),
    }
}
