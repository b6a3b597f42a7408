//! Disks from /sys/block. Reads attributes only: no disk is opened, so none can be changed or spun up.

use std::path::Path;

use higuma_proto::agent::Disk;

use super::read::{bytes, entries, names, optional, pci_function};
use super::{Errors, ata};

/// Block devices that are no disks of the machine.
const NOT_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock"];
/// No page of vital product data is longer.
const PAGE: u64 = 4 + 65_535;

/// All disks, by name.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<Disk> {
    names(root, "sys/block", "disks", errors)
        .into_iter()
        .filter(|name| is_disk(name))
        .filter_map(|name| disk(root, &name))
        .collect()
}

fn is_disk(name: &str) -> bool {
    // Paths to an NVMe namespace that has several (nvme0c1n1) stand beside it; so do an eMMC's boot areas.
    let path = name.strip_prefix("nvme").is_some_and(|rest| rest.contains('c'));
    let area = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    !path && !area && !NOT_DISKS.iter().any(|prefix| name.starts_with(prefix))
}

fn disk(root: &Path, name: &str) -> Option<Disk> {
    let folder = root.join("sys/block").join(name);
    let get = |path: &str| optional(&folder.join(path));
    let transport = transport(&folder, name);
    // Always in units of 512 bytes, whatever the sector size is.
    let size_bytes = get("size").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).saturating_mul(512);
    // A card reader or a BMC's virtual drive with nothing in it.
    if size_bytes == 0 && transport == "usb" && get("removable").as_deref() == Some("1") {
        return None;
    }
    let identity = bytes(&folder.join("device/vpd_pg89"), PAGE).ok().and_then(|page| ata::identity(&page));
    let identity = identity.unwrap_or_default();
    let told = |text: String| Some(text).filter(|t| !t.is_empty());
    Some(Disk {
        size_bytes,
        model: told(identity.model).or_else(|| get("device/model")).or_else(|| get("device/name")).unwrap_or_default(),
        serial: get("serial")
            .or_else(|| get("device/serial"))
            .or_else(|| vpd_serial(&folder))
            .or_else(|| told(identity.serial))
            .unwrap_or_default(),
        wwn: get("wwid").or_else(|| get("device/wwid")).unwrap_or_default(),
        rotational: get("queue/rotational").as_deref() == Some("1"),
        firmware: told(identity.firmware)
            .or_else(|| get("device/firmware_rev"))
            .or_else(|| get("device/rev"))
            .or_else(|| get("device/fwrev"))
            .unwrap_or_default(),
        pci: pci_function(&folder).or_else(|| nvme_controller(&folder)).unwrap_or_default(),
        transport,
        name: name.to_owned(),
    })
}

/// The serial of a SCSI disk: page 0x80 of its vital product data (SPC-4, 7.8.15).
fn vpd_serial(folder: &Path) -> Option<String> {
    let page = bytes(&folder.join("device/vpd_pg80"), PAGE).ok()?;
    let length = usize::from(*page.get(3)?);
    let text = String::from_utf8_lossy(page.get(4..4 + length)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// A namespace that can have several paths stands below its subsystem, which no PCI function is above: the function of
/// the first controller of that subsystem.
fn nvme_controller(folder: &Path) -> Option<String> {
    let subsystem = folder.join("device");
    let controllers = entries(&subsystem).ok()?.into_iter().filter(|name| name.starts_with("nvme"));
    controllers.filter_map(|name| pci_function(&subsystem.join(name))).min()
}

fn transport(folder: &Path, name: &str) -> String {
    if name.starts_with("nvme") {
        return "nvme".to_owned();
    }
    if name.starts_with("vd") {
        return "virtio".to_owned();
    }
    // The resolved path runs through the controllers: /sys/devices/pci.../ata1/host0/..., .../usb2/2-1/...
    let path = std::fs::canonicalize(folder).unwrap_or_default();
    let path = path.to_string_lossy();
    let part = |prefix: &str| path.split('/').any(|p| p.starts_with(prefix));
    if part("usb") {
        "usb"
    } else if part("ata") {
        "sata"
    } else if part("end_device-") {
        "sas"
    } else if part("mmc_host") {
        "mmc"
    } else if part("rport-") {
        "fc"
    } else if part("virtio") {
        "virtio"
    } else if optional(&folder.join("device/vendor")).is_some() {
        "scsi"
    } else {
        ""
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_disk() {
        for disk in ["sda", "nvme0n1", "nvme12n3", "vdb", "mmcblk0", "xvda", "pmem0"] {
            assert!(is_disk(disk), "{disk}");
        }
        for other in ["nvme0c0n1", "nvme1c3n2", "loop0", "sr0", "dm-0", "md127", "mmcblk0boot0", "zram0", "nbd3"] {
            assert!(!is_disk(other), "{other}");
        }
    }
}
