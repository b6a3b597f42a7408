//! Disks from /sys/block. Reads attributes only: no disk is opened, so none can be changed or spun up.

use std::path::Path;

use higuma_proto::agent::Disk;

use super::{Errors, names, optional};

/// Block devices that are no disks of the machine.
const NOT_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];

/// All disks, by name.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<Disk> {
    names(root, "sys/block", "disks", errors)
        .into_iter()
        .filter(|name| !NOT_DISKS.iter().any(|prefix| name.starts_with(prefix)))
        .map(|name| disk(root, &name))
        .collect()
}

fn disk(root: &Path, name: &str) -> Disk {
    let folder = root.join("sys/block").join(name);
    let get = |path: &str| optional(&folder.join(path));
    Disk {
        // Always in units of 512 bytes, whatever the sector size is.
        size_bytes: get("size").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0).saturating_mul(512),
        model: get("device/model").unwrap_or_default(),
        serial: get("serial").or_else(|| get("device/serial")).or_else(|| vpd_serial(&folder)).unwrap_or_default(),
        wwn: get("wwid").or_else(|| get("device/wwid")).unwrap_or_default(),
        rotational: get("queue/rotational").as_deref() == Some("1"),
        transport: transport(&folder, name),
        firmware: get("device/firmware_rev").or_else(|| get("device/rev")).unwrap_or_default(),
        name: name.to_owned(),
        ..Disk::default()
    }
}

/// The serial of a SCSI disk: page 0x80 of its vital product data (SPC-4, 7.8.15).
fn vpd_serial(folder: &Path) -> Option<String> {
    let page = std::fs::read(folder.join("device/vpd_pg80")).ok()?;
    let length = usize::from(*page.get(3)?);
    let text = String::from_utf8_lossy(page.get(4..4 + length)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
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
