//! Ports: which interfaces sysfs shows, and a packet socket on one of them. Must read sysfs only below the given root
//! and change nothing: setting links up is the network step's work.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lldp_parser::{ETHERTYPE, Mac, NEAREST_BRIDGE, NEAREST_CUSTOMER_BRIDGE, NEAREST_NON_TPMR_BRIDGE};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::sys;

/// The groups that LLDP is sent to (802.1AB-2016 table 7-1).
pub(super) const GROUPS: [Mac; 3] = [NEAREST_BRIDGE, NEAREST_NON_TPMR_BRIDGE, NEAREST_CUSTOMER_BRIDGE];
/// More interfaces than any server has ports; the rest is left out.
const MAX_PORTS: usize = 256;
/// ARPHRD_ETHER of `linux/if_arp.h`.
const ETHERNET: &str = "1";

/// One Ethernet interface as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortInfo {
    pub name: String,
    pub index: u32,
    pub mac: Mac,
    /// Carrier; an interface that is administratively down has none.
    pub link: bool,
}

/// The ports to watch, by name, and what is wrong with those that were asked for by name.
pub(super) fn enumerate(sysfs: &Path, named: Option<&[String]>) -> (Vec<PortInfo>, Vec<(String, String)>) {
    let class = sysfs.join("class/net");
    let mut errors = Vec::new();
    let mut names: Vec<String> = match named {
        Some(named) => named.to_vec(),
        None => match fs::read_dir(&class) {
            Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect(),
            Err(error) => {
                errors.push((String::new(), format!("{}: {error}", class.display())));
                Vec::new()
            }
        },
    };
    names.sort();
    names.dedup();
    let mut ports = Vec::new();
    for name in names.into_iter().take(MAX_PORTS) {
        match read_port(&class, &name) {
            Ok(Some(port)) => ports.push(port),
            Err(error) if named.is_some() => errors.push((name, error)),
            Ok(None) if named.is_some() => errors.push((name, "not an Ethernet interface".to_owned())),
            // Of another kind, or gone while we looked.
            Ok(None) | Err(_) => {}
        }
    }
    if named.is_none() {
        let kind = |port: &PortInfo| kind(&class.join(&port.name));
        let wanted = if ports.iter().any(|port| kind(port) == Kind::Physical) { Kind::Physical } else { Kind::Veth };
        ports.retain(|port| kind(port) == wanted);
    }
    (ports, errors)
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// A function of a real device, and not a virtual function of one (its cable is that of the physical function), not
    /// wireless.
    Physical,
    /// Without a device and of no type that sysfs would tell: one end of a virtual cable. (A dummy looks the same. The
    /// peer's number in `iflink` tells nothing: in another namespace it may be equal to ours.)
    Veth,
    /// Bridges, bonds, VLANs, taps, ...: others see the cable below them.
    Other,
}

fn kind(folder: &Path) -> Kind {
    let has = |entry: &str| folder.join(entry).exists();
    if has("device") {
        let virtual_function = has("device/physfn");
        let wireless = has("phy80211") || has("wireless");
        return if virtual_function || wireless { Kind::Other } else { Kind::Physical };
    }
    let typed = fs::read_to_string(folder.join("uevent")).is_ok_and(|text| text.contains("DEVTYPE="))
        || has("tun_flags")
        || has("bridge")
        || has("bonding");
    if typed { Kind::Other } else { Kind::Veth }
}

fn read_port(class: &Path, name: &str) -> Result<Option<PortInfo>, String> {
    // IFNAMSIZ with its NUL is 16; a slash or ".." would leave the folder.
    if name.is_empty() || name.len() > 15 || name.contains('/') || name.starts_with('.') {
        return Err("not an interface name".to_owned());
    }
    let folder = class.join(name);
    if !folder.exists() {
        return Err("no such interface".to_owned());
    }
    let attribute = |file: &str| fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned());
    let needed = |file: &str| attribute(file).map_err(|error| format!("{file}: {error}"));
    if needed("type")? != ETHERNET || needed("address")? == "00:00:00:00:00:00" {
        return Ok(None);
    }
    let Some(mac) = parse_mac(&needed("address")?) else { return Ok(None) };
    let index = needed("ifindex")?.parse().map_err(|error| format!("ifindex: {error}"))?;
    // Reading `carrier` of an interface that is down is EINVAL.
    let link = attribute("carrier").is_ok_and(|carrier| carrier == "1");
    Ok(Some(PortInfo { name: name.to_owned(), index, mac, link }))
}

fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0_u8; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(mac))
}

/// A port that is listened on.
pub(super) struct OpenPort {
    pub info: PortInfo,
    socket: OwnedFd,
}

impl OpenPort {
    pub(super) fn open(info: PortInfo) -> Result<Self, String> {
        let groups = GROUPS.map(|group| group.0);
        let socket = sys::packet_socket(info.index, ETHERTYPE, &groups).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => "packet socket: not permitted; run as root (CAP_NET_RAW)".to_owned(),
            _ => format!("packet socket: {error}"),
        })?;
        Ok(Self { info, socket })
    }

    /// Sends one whole frame; never waits.
    pub(super) fn send(&self, frame: &[u8]) -> Result<(), String> {
        match send(self.socket.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT) {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(sent) => Err(format!("only {sent} of {} bytes were sent", frame.len())),
            Err(error) => Err(format!("sending failed: {error}")),
        }
    }

    /// One frame into `buffer`; `None` when there is none now.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, String> {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(format!("receiving failed: {error}")),
        }
    }
}

impl AsFd for OpenPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A sysfs with one interface per line: name, type, address, carrier (`-`: unreadable), folders that exist and
    /// files with text.
    fn sysfs(interfaces: &[(&str, &str, &str, &str, &[&str])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, (name, kind, address, carrier, entries)) in interfaces.iter().enumerate() {
            let folder = root.path().join("class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
            fs::write(folder.join("address"), format!("{address}\n")).unwrap();
            fs::write(folder.join("ifindex"), format!("{}\n", number + 1)).unwrap();
            if *carrier != "-" {
                fs::write(folder.join("carrier"), format!("{carrier}\n")).unwrap();
            }
            for entry in *entries {
                match entry.split_once('=') {
                    Some((file, text)) => fs::write(folder.join(file), format!("{text}\n")).unwrap(),
                    None => fs::create_dir_all(folder.join(entry)).unwrap(),
                }
            }
        }
        root
    }

    const MACHINE: &[(&str, &str, &str, &str, &[&str])] = &[
        ("lo", "772", "00:00:00:00:00:00", "1", &[]),
        ("eno1", "1", "02:00:00:00:00:01", "1", &["device"]),
        ("eno2", "1", "02:00:00:00:00:02", "0", &["device"]),
        ("eno3", "1", "02:00:00:00:00:03", "-", &["device"]),
        ("eno1v0", "1", "02:00:00:00:00:11", "1", &["device/physfn"]),
        ("wlan0", "1", "02:00:00:00:00:04", "1", &["device", "phy80211"]),
        ("ib0", "32", "80:00:00:00:fe:80:00:00", "1", &["device"]),
        ("br0", "1", "02:00:00:00:00:05", "1", &["bridge"]),
        ("veth0", "1", "02:00:00:00:00:06", "1", &[]),
    ];

    #[test]
    fn physical_ethernet_ports_are_found() {
        let root = sysfs(MACHINE);
        let (ports, errors) = enumerate(root.path(), None);
        let found: Vec<_> = ports.iter().map(|port| (port.name.as_str(), port.index, port.link)).collect();
        assert_eq!(found, [("eno1", 2, true), ("eno2", 3, false), ("eno3", 4, false)]);
        assert_eq!(ports.first().unwrap().mac.to_string(), "02:00:00:00:00:01");
        assert!(errors.is_empty());
    }

    #[test]
    fn a_container_has_only_virtual_cables() {
        let root = sysfs(&[
            ("eth0", "1", "02:00:00:00:00:01", "1", &["uevent=INTERFACE=eth0"]),
            ("eth0.10", "1", "02:00:00:00:00:01", "1", &["uevent=DEVTYPE=vlan"]),
            ("br0", "1", "02:00:00:00:00:02", "1", &["bridge"]),
            ("tap0", "1", "02:00:00:00:00:03", "1", &["tun_flags=0x1002"]),
        ]);
        let (ports, _) = enumerate(root.path(), None);
        assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["eth0"]);
    }

    #[test]
    fn named_ports_may_be_of_any_kind_and_errors_are_told() {
        let root = sysfs(MACHINE);
        let names = ["veth0", "nope", "../net/eno1", "ib0", "lo"].map(str::to_owned);
        let (ports, errors) = enumerate(root.path(), Some(&names));
        assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["veth0"]);
        let told: Vec<_> = errors.iter().map(|(name, error)| (name.as_str(), error.as_str())).collect();
        assert_eq!(
            told,
            [
                ("../net/eno1", "not an interface name"),
                ("ib0", "not an Ethernet interface"),
                ("lo", "not an Ethernet interface"),
                ("nope", "no such interface"),
            ]
        );
    }

    #[test]
    fn no_sysfs_is_an_error_not_an_end() {
        let (ports, errors) = enumerate(Path::new("/nonexistent"), None);
        assert!(ports.is_empty() && errors.len() == 1);
    }
}
