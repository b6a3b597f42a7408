//! PCI functions from /sys/bus/pci/devices, and which of them are GPUs. Names are the server's business.

use std::path::Path;

use higuma_proto::agent::{Gpu, PciDevice};

use super::Errors;
use super::read::{is_pci_address, link_name, names, optional};

const FOLDER: &str = "sys/bus/pci/devices";

/// All functions, by address.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<PciDevice> {
    let mut devices: Vec<PciDevice> = names(root, FOLDER, "pci", errors)
        .into_iter()
        .filter(|address| is_pci_address(address))
        .filter_map(|address| device(root, address, errors))
        .collect();
    // As text, the domains of more than four digits would stand between the others.
    devices.sort_by(|a, b| (a.address.len(), &a.address).cmp(&(b.address.len(), &b.address)));
    devices
}

fn device(root: &Path, address: String, errors: &mut Errors) -> Option<PciDevice> {
    let source = format!("{FOLDER}/{address}");
    let folder = root.join(&source);
    let id = |name: &str, digits: usize| hex(&optional(&folder.join(name))?, digits);
    let (Some(vendor_id), Some(device_id)) = (id("vendor", 4), id("device", 4)) else {
        errors.add("pci", &source, "expected vendor and device, each 0x and four hex digits");
        return None;
    };
    Some(PciDevice {
        vendor_id,
        device_id,
        subsystem_vendor_id: id("subsystem_vendor", 4).unwrap_or_default(),
        subsystem_device_id: id("subsystem_device", 4).unwrap_or_default(),
        class: id("class", 6).unwrap_or_default(),
        revision: id("revision", 2).unwrap_or_default(),
        driver: link_name(&folder.join("driver")).unwrap_or_default(),
        numa_node: optional(&folder.join("numa_node")).and_then(|n| n.parse().ok()).filter(|n| *n >= 0).unwrap_or(-1),
        address,
        ..PciDevice::default()
    })
}

/// `0x8086` as `8086`.
fn hex(text: &str, digits: usize) -> Option<String> {
    let hex = text.strip_prefix("0x")?;
    (hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hex.to_ascii_lowercase())
}

/// Display controllers and processing accelerators among them.
pub fn gpus(devices: &[PciDevice]) -> Vec<Gpu> {
    devices
        .iter()
        .filter(|device| device.class.starts_with("03") || device.class.starts_with("12"))
        .map(|device| Gpu {
            pci: device.address.clone(),
            vendor_id: device.vendor_id.clone(),
            device_id: device.device_id.clone(),
            driver: device.driver.clone(),
            ..Gpu::default()
        })
        .collect()
}
