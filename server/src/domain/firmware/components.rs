//! What of a machine carries firmware, from its inventory: one record a part, with the version that it told.

use super::rule::Kind;
use crate::domain::boot::clean;
use higuma_proto::agent::Inventory;
use std::collections::BTreeSet;

/// A part with firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Which of its kind, stable from boot to boot: the MAC of a NIC, the serial number of a disk; empty where a machine
    /// has only one.
    pub subject: String,
    /// Maker: of the BIOS; of the BMC the system's; of a NIC its driver; of a disk nothing (its model names the maker).
    pub vendor: String,
    /// System product for the BIOS and the BMC, `VENDOR:DEVICE` (PCI) of a NIC, model of a disk.
    pub model: String,
    /// As told; empty: not told.
    pub version: String,
}

/// Parts of one machine, at most.
pub const COMPONENTS_MAX: usize = 512;
/// Bytes of each text.
const TEXT_MAX: usize = 200;

impl Component {
    /// `bios`, `nic:52:54:00:12:34:56`: names it among all of its machine.
    pub fn key(&self) -> String {
        match self.subject.as_str() {
            "" => self.kind.to_string(),
            subject => format!("{}:{subject}", self.kind),
        }
    }

    /// For people: `BIOS`, `NIC 52:54:00:12:34:56`.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.label(), self.subject).trim_end().to_owned()
    }
}

/// All of them, the BIOS first, then the BMC that told its version, then in the inventory's order, each key once.
pub fn components(inventory: &Inventory) -> Vec<Component> {
    let text = |text: &str| clean(text.trim(), TEXT_MAX);
    let system = inventory.system.clone().unwrap_or_default();
    let bios = inventory.bios.iter().filter(|b| !b.vendor.is_empty() || !b.version.is_empty()).map(|bios| Component {
        kind: Kind::Bios,
        subject: String::new(),
        vendor: text(&bios.vendor),
        model: text(&system.product),
        version: text(&bios.version),
    });
    let bmc = inventory.ipmi.iter().filter(|ipmi| !ipmi.firmware.is_empty()).map(|ipmi| Component {
        kind: Kind::Bmc,
        subject: String::new(),
        vendor: text(&system.manufacturer),
        model: text(&system.product),
        version: text(&ipmi.firmware),
    });
    let nics = inventory.nics.iter().filter(|nic| !nic.mac.is_empty()).map(|nic| {
        let pci = inventory.pci_devices.iter().find(|d| !nic.pci.is_empty() && d.address == nic.pci);
        Component {
            kind: Kind::Nic,
            subject: text(&nic.mac),
            vendor: text(&nic.driver),
            model: pci.map(|d| text(&format!("{}:{}", d.vendor_id, d.device_id))).unwrap_or_default(),
            version: text(&nic.firmware),
        }
    });
    let disks = inventory.disks.iter().map(|disk| Component {
        kind: if disk.transport == "nvme" { Kind::Nvme } else { Kind::Disk },
        subject: text([&disk.serial, &disk.wwn, &disk.name].into_iter().find(|t| !t.is_empty()).unwrap_or(&disk.name)),
        vendor: String::new(),
        model: text(&disk.model),
        version: text(&disk.firmware),
    });
    let mut seen = BTreeSet::new();
    bios.chain(bmc).chain(nics).chain(disks).filter(|c| seen.insert(c.key())).take(COMPONENTS_MAX).collect()
}
