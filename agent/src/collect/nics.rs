//! Network interfaces that have hardware behind them, from /sys/class/net (and, on the running machine, the driver).

use std::path::Path;

use higuma_proto::agent::{Link, Nic};

use super::read::{link_name, names, optional, pci_function};
use super::{Errors, link_modes};
use crate::sys;

/// ARPHRD_ETHER.
const ETHERNET: &str = "1";

/// All Ethernet NICs with a device, by name, each with what its link is now.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<(Nic, Link)> {
    names(root, "sys/class/net", "nics", errors)
        .into_iter()
        .filter(|name| {
            let folder = root.join("sys/class/net").join(name);
            folder.join("device").exists()
                && optional(&folder.join("type")).as_deref() == Some(ETHERNET)
                // A virtual function of a NIC of this machine comes and goes with a setting; it is no NIC of its own.
                && !folder.join("device/physfn").exists()
        })
        .map(|name| nic(root, name, errors))
        .collect()
}

fn nic(root: &Path, name: String, errors: &mut Errors) -> (Nic, Link) {
    let folder = root.join("sys/class/net").join(&name);
    let get = |path: &str| optional(&folder.join(path));
    let number = |path: &str| get(path).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    // A captured tree has no driver to ask.
    let told = if root == Path::new("/") { Told::by_driver(&name, errors) } else { Told::default() };
    let link = Link {
        nic: name.clone(),
        up: get("carrier").as_deref() == Some("1"),
        // Not known reads as -1, by some drivers as the largest number.
        speed_mbps: get("speed").and_then(|s| s.parse().ok()).filter(|s| *s != u32::MAX).unwrap_or(0),
    };
    let driver = link_name(&folder.join("device/driver"));
    let nic = Nic {
        mac: told.mac.or_else(|| get("address")).unwrap_or_default().to_ascii_lowercase(),
        driver: driver.unwrap_or(told.driver),
        pci: pci_function(&folder.join("device")).unwrap_or_default(),
        firmware: told.firmware,
        max_speed_mbps: told.max_speed_mbps,
        sriov_total_vfs: number("device/sriov_totalvfs"),
        sriov_vfs: number("device/sriov_numvfs"),
        name,
    };
    (nic, link)
}

/// What only the driver knows.
#[derive(Default)]
struct Told {
    mac: Option<String>,
    driver: String,
    firmware: String,
    max_speed_mbps: u32,
}

impl Told {
    /// A driver that does not offer a call is no error; one that fails in it is.
    fn by_driver(name: &str, errors: &mut Errors) -> Self {
        let mut ask = |what: &str, failed: std::io::Error| {
            if !matches!(failed.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) {
                errors.add("nics", &format!("ethtool {what} of {name}"), failed);
            }
        };
        let mut told = Told::default();
        match sys::permanent_mac(name) {
            Ok(mac) => told.mac = mac,
            Err(e) => ask("permanent address", e),
        }
        match sys::driver_info(name) {
            Ok(info) => (told.driver, told.firmware) = (info.driver, info.firmware),
            Err(e) => ask("driver information", e),
        }
        match sys::supported_link_modes(name) {
            Ok(modes) => told.max_speed_mbps = link_modes::fastest(&modes),
            Err(e) => ask("link settings", e),
        }
        // Drivers without firmware write this.
        if told.firmware == "N/A" || told.firmware == "n/a" {
            told.firmware.clear();
        }
        told
    }
}
