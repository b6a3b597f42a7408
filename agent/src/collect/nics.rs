//! Network interfaces that have hardware behind them, from /sys/class/net (and, on the running machine, the driver).

use std::path::Path;

use higuma_proto::agent::{Link, Nic};

use super::{Errors, link_name, names, optional};
use crate::sys;

/// ARPHRD_ETHER.
const ETHERNET: &str = "1";

/// All Ethernet NICs with a device, by name, each with what its link is now.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<(Nic, Link)> {
    names(root, "sys/class/net", "nics", errors)
        .into_iter()
        .filter(|name| {
            let folder = root.join("sys/class/net").join(name);
            folder.join("device").exists() && optional(&folder.join("type")).as_deref() == Some(ETHERNET)
        })
        .map(|name| nic(root, name))
        .collect()
}

fn nic(root: &Path, name: String) -> (Nic, Link) {
    let folder = root.join("sys/class/net").join(&name);
    let get = |path: &str| optional(&folder.join(path));
    // A captured tree has no driver to ask.
    let live = root == Path::new("/");
    let permanent = if live { sys::permanent_mac(&name).ok().flatten() } else { None };
    let driver = if live { sys::driver_info(&name).ok() } else { None };
    let link = Link {
        nic: name.clone(),
        up: get("carrier").as_deref() == Some("1"),
        speed_mbps: get("speed").and_then(|s| s.parse().ok()).unwrap_or(0),
    };
    let nic = Nic {
        mac: permanent.or_else(|| get("address")).unwrap_or_default().to_ascii_lowercase(),
        driver: link_name(&folder.join("device/driver"))
            .or_else(|| driver.as_ref().map(|d| d.driver.clone()))
            .unwrap_or_default(),
        pci: pci_address(&folder).unwrap_or_default(),
        firmware: driver.map(|d| d.firmware).unwrap_or_default(),
        name,
        ..Nic::default()
    };
    (nic, link)
}

/// The nearest PCI function above the device (virtio devices sit one level below it).
fn pci_address(folder: &Path) -> Option<String> {
    let is_function = |part: &str| {
        let b = part.as_bytes();
        b.len() == 12 && b.get(4) == Some(&b':') && b.get(7) == Some(&b':') && b.get(10) == Some(&b'.')
    };
    let path = std::fs::canonicalize(folder.join("device")).ok()?;
    path.iter().rev().filter_map(|p| p.to_str()).find(|p| is_function(p)).map(str::to_owned)
}
