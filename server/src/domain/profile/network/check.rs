//! Whether the devices of a network can be meant together: kinds and their words, names, members, loops, sizes. Nothing here
//! looks into texts, which may be templates.

use super::super::spec::Wrong;
use super::words::{Device, Network, Selector};
use super::{DEVICES_MAX, LIST_MAX, NAME_MAX, place};
use std::collections::BTreeMap;

/// Of bonds, as kernel and systemd.netdev(5) call them.
const MODES: [&str; 7] =
    ["active-backup", "802.3ad", "balance-rr", "balance-xor", "balance-tlb", "balance-alb", "broadcast"];
const HASHES: [&str; 6] = ["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"];
/// Ethernet without more words.
const MTU: u32 = 1500;
/// The smallest for IPv4 (RFC 791), for IPv6 (RFC 8200), and the largest that a device can have.
const MTU_MIN: u32 = 68;
const MTU6_MIN: u32 = 1280;
const MTU_MAX: u32 = 65_535;
/// Names that mean something else, to systemd or to the kernel.
const RESERVED: [&str; 5] = ["lo", "all", "default", "none", "bonding_masters"];

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Nic,
    Bond,
    Vlan,
    Bridge,
}

impl Device {
    /// By the word that makes it one; none: there is no such word, or several.
    pub(super) fn sort(&self) -> Option<Sort> {
        let said = [
            (self.selector.is_some(), Sort::Nic),
            (self.bond.is_some(), Sort::Bond),
            (self.vlan.is_some(), Sort::Vlan),
            (self.bridge.is_some(), Sort::Bridge),
        ];
        let mut said = said.into_iter().filter(|(said, _)| *said);
        said.next().map(|(_, sort)| sort).filter(|_| said.next().is_none())
    }

    /// It has addresses, or gets some.
    pub(super) fn is_addressed(&self) -> bool {
        self.dhcp4 || self.dhcp6 || self.accept_ra == Some(true) || !self.address.is_empty()
    }
}

/// What members of a bond or a bridge do not have.
fn layer_three(device: &Device) -> Option<&'static str> {
    let said = [
        ("dhcp4", device.dhcp4),
        ("dhcp6", device.dhcp6),
        ("accept_ra", device.accept_ra.is_some()),
        ("address", !device.address.is_empty()),
        ("gateway", !device.gateway.is_empty()),
        ("metric", device.metric.is_some()),
        ("routes", !device.routes.is_empty()),
        ("dns", !device.dns.is_empty()),
        ("search", !device.search.is_empty()),
    ];
    said.into_iter().find(|(_, said)| *said).map(|(word, _)| word)
}

/// Errors: the first thing that does not fit, and where.
pub(super) fn check(network: &Network) -> Result<(), Wrong> {
    let devices = &network.0;
    if devices.len() > DEVICES_MAX {
        return Err(Wrong::new("network", format!("at most {DEVICES_MAX} devices"), devices.len().to_string()));
    }
    for (name, device) in devices {
        check_name(name)?;
        check_words(name, device)?;
    }
    let masters = members(devices)?;
    vlans(devices, &masters)?;
    for name in devices.keys() {
        no_loop(devices, name)?;
    }
    for (name, device) in devices {
        if let (Some(word), Some(master)) = (layer_three(device), masters.get(name.as_str())) {
            return Err(Wrong::new(place(name, word), format!("it at {master}, which has this device"), "both"));
        }
        check_mtu(devices, &masters, name, device)?;
    }
    Ok(())
}

/// Whether it can be a device's name.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn check_name(name: &str) -> Result<(), Wrong> {
    if !is_name(name) {
        let form = format!("names of a letter and letters, digits, '.', '_', '-', of at most {NAME_MAX} bytes");
        return Err(Wrong::new("network", form, format!("{name:?}")));
    }
    let of_kernel = name.strip_prefix("eth").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    if of_kernel || RESERVED.contains(&name) {
        let form = "a name that kernel and systemd do not use themselves, e.g. lan0";
        return Err(Wrong::new("network", form, format!("{name:?}")));
    }
    Ok(())
}

fn check_words(name: &str, device: &Device) -> Result<(), Wrong> {
    let Some(sort) = device.sort() else {
        let expected = "one of match (a NIC), bond, vlan and bridge";
        let said = [
            ("match", device.selector.is_some()),
            ("bond", device.bond.is_some()),
            ("vlan", device.vlan.is_some()),
            ("bridge", device.bridge.is_some()),
        ];
        let said: Vec<&str> = said.into_iter().filter(|(_, said)| *said).map(|(word, _)| word).collect();
        let got = if said.is_empty() { "none".to_owned() } else { said.join(" and ") };
        return Err(Wrong::new(format!("network.{name}"), expected, got));
    };
    let of = [
        (Sort::Vlan, "over", !device.over.is_empty()),
        (Sort::Bond, "mode", !device.mode.is_empty()),
        (Sort::Bond, "lacp_rate", !device.lacp_rate.is_empty()),
        (Sort::Bond, "hash", !device.hash.is_empty()),
        (Sort::Bond, "miimon", device.miimon.is_some()),
        (Sort::Bond, "up_delay", device.up_delay.is_some()),
        (Sort::Bond, "down_delay", device.down_delay.is_some()),
        (Sort::Bond, "min_links", device.min_links.is_some()),
        (Sort::Bond, "primary", !device.primary.is_empty()),
        (Sort::Bridge, "stp", device.stp),
    ];
    if let Some((other, word, _)) = of.into_iter().find(|(of, _, said)| *said && *of != sort) {
        let other = match other {
            Sort::Vlan => "a VLAN",
            Sort::Bond => "a bond",
            Sort::Nic | Sort::Bridge => "a bridge",
        };
        return Err(Wrong::new(place(name, word), format!("it at {other} alone"), "it at another device"));
    }
    let lists = [
        ("bond", device.bond.as_ref().map_or(0, Vec::len)),
        ("bridge", device.bridge.as_ref().map_or(0, Vec::len)),
        ("address", device.address.len()),
        ("gateway", device.gateway.len()),
        ("routes", device.routes.len()),
        ("dns", device.dns.len()),
        ("search", device.search.len()),
    ];
    if let Some((word, count)) = lists.into_iter().find(|(_, count)| *count > LIST_MAX) {
        return Err(Wrong::new(place(name, word), format!("at most {LIST_MAX}"), count.to_string()));
    }
    match sort {
        Sort::Nic if device.selector == Some(Selector::default()) => Err(Wrong::new(
            place(name, "match"),
            "boot, mac, pci, driver, switch or port, or several of them",
            "none of them",
        )),
        Sort::Bond => check_bond(name, device),
        _ => Ok(()),
    }
}

fn check_bond(name: &str, device: &Device) -> Result<(), Wrong> {
    let one_of = |word: &str, text: &str, words: &[&str]| match words.contains(&text) {
        true => Ok(()),
        false => Err(Wrong::new(place(name, word), format!("one of {}", words.join(", ")), format!("{text:?}"))),
    };
    let mode = device.mode.as_str();
    one_of("mode", mode, &MODES)?;
    if !device.lacp_rate.is_empty() {
        one_of("lacp_rate", &device.lacp_rate, &["slow", "fast"])?;
    }
    if !device.hash.is_empty() {
        one_of("hash", &device.hash, &HASHES)?;
    }
    let only = |word: &str, said: bool, modes: &[&str]| match said && !modes.contains(&mode) {
        true => {
            Err(Wrong::new(place(name, word), format!("it with mode {}", modes.join(", ")), format!("mode {mode}")))
        }
        false => Ok(()),
    };
    only("lacp_rate", !device.lacp_rate.is_empty(), &["802.3ad"])?;
    only("min_links", device.min_links.is_some(), &["802.3ad"])?;
    only("hash", !device.hash.is_empty(), &["802.3ad", "balance-xor", "balance-tlb"])?;
    only("primary", !device.primary.is_empty(), &["active-backup", "balance-tlb", "balance-alb"])?;
    let (least, most) = (1, 60_000);
    if let Some(miimon) = device.miimon.filter(|ms| !(least..=most).contains(ms)) {
        return Err(Wrong::new(place(name, "miimon"), format!("{least} to {most} ms"), miimon.to_string()));
    }
    let interval = device.miimon.unwrap_or(super::networkd::MIIMON);
    for (word, delay) in [("up_delay", device.up_delay), ("down_delay", device.down_delay)] {
        // The kernel rounds others down.
        if let Some(delay) = delay.filter(|delay| *delay > most || delay % interval != 0) {
            let form = format!("a multiple of miimon ({interval} ms), at most {most} ms");
            return Err(Wrong::new(place(name, word), form, delay.to_string()));
        }
    }
    let members = device.bond.as_deref().unwrap_or_default();
    if members.is_empty() {
        return Err(Wrong::new(place(name, "bond"), "NICs", "none"));
    }
    if !device.primary.is_empty() && !members.contains(&device.primary) {
        return Err(Wrong::new(place(name, "primary"), "one of its NICs", format!("{:?}", device.primary)));
    }
    if let Some(least) = device.min_links.filter(|least| !(1..=members.len()).contains(&(*least as usize))) {
        return Err(Wrong::new(place(name, "min_links"), format!("1 to {}", members.len()), least.to_string()));
    }
    Ok(())
}

/// Who is whose member. Errors: one that is not there, that cannot be one, or is one of two.
fn members(devices: &BTreeMap<String, Device>) -> Result<BTreeMap<&str, &str>, Wrong> {
    let mut masters = BTreeMap::new();
    for (name, device) in devices {
        let (word, list, kinds): (_, _, &[Sort]) = match (&device.bond, &device.bridge) {
            (Some(list), _) => ("bond", list, &[Sort::Nic]),
            (None, Some(list)) => ("bridge", list, &[Sort::Nic, Sort::Bond, Sort::Vlan]),
            (None, None) => continue,
        };
        let expected = match word {
            "bond" => "names of devices with match",
            _ => "names of devices that are no bridge",
        };
        for member in list {
            let wrong = |got: String| Err(Wrong::new(place(name, word), expected, got));
            match devices.get(member) {
                None => return wrong(format!("{member:?}, which is not there")),
                Some(other) if !other.sort().is_some_and(|sort| kinds.contains(&sort)) => {
                    return wrong(format!("{member:?}, which is another kind"));
                }
                Some(_) => {}
            }
            if let Some(other) = masters.insert(member.as_str(), name.as_str()) {
                let form = "each device in one bond or bridge, once";
                return Err(Wrong::new(place(name, word), form, format!("{member:?}, which is in {other}")));
            }
        }
    }
    Ok(masters)
}

fn vlans(devices: &BTreeMap<String, Device>, masters: &BTreeMap<&str, &str>) -> Result<(), Wrong> {
    let mut seen = BTreeMap::new();
    for (name, device) in devices {
        let Some(id) = device.vlan else { continue };
        if !(1..=4094).contains(&id) {
            return Err(Wrong::new(place(name, "vlan"), "1 to 4094", id.to_string()));
        }
        let over = device.over.as_str();
        let wrong =
            |got: String| Err(Wrong::new(place(name, "over"), "the name of a device with match, bond or bridge", got));
        match devices.get(over) {
            None if over.is_empty() => return wrong("none".to_owned()),
            None => return wrong(format!("{over:?}, which is not there")),
            Some(parent) if parent.sort() == Some(Sort::Vlan) => return wrong(format!("{over:?}, which is a VLAN")),
            Some(_) => {}
        }
        if let Some(bond) = masters.get(over).filter(|master| devices.get(**master).is_some_and(|m| m.bond.is_some())) {
            return wrong(format!("{over:?}, which is in {bond}: say {bond}"));
        }
        if let Some(other) = seen.insert((over, id), name) {
            let form = format!("an id that {other} has not over the same device");
            return Err(Wrong::new(place(name, "vlan"), form, id.to_string()));
        }
    }
    Ok(())
}

/// Devices below another one. What has no such device stands on its own.
fn below(device: &Device) -> impl Iterator<Item = &str> {
    let lists = [&device.bond, &device.bridge];
    let members = lists.into_iter().flatten().flatten().map(String::as_str);
    members.chain(device.vlan.is_some().then_some(device.over.as_str()))
}

/// A bridge over a VLAN over that bridge.
fn no_loop(devices: &BTreeMap<String, Device>, start: &str) -> Result<(), Wrong> {
    let mut line = vec![start];
    let mut open: Vec<Vec<&str>> = vec![devices.get(start).map(|d| below(d).collect()).unwrap_or_default()];
    let mut done: Vec<&str> = vec![];
    while let Some(level) = open.last_mut() {
        let Some(next) = level.pop() else {
            open.pop();
            line.pop();
            continue;
        };
        if next == start {
            line.push(start);
            return Err(Wrong::new(format!("network.{start}"), "no loop", line.join(" over ")));
        }
        if !done.contains(&next) {
            done.push(next);
            line.push(next);
            open.push(devices.get(next).map(|d| below(d).collect()).unwrap_or_default());
        }
    }
    Ok(())
}

/// What a device comes to. There is no loop any more.
pub(super) fn mtu(devices: &BTreeMap<String, Device>, device: &Device) -> u32 {
    if let Some(mtu) = device.mtu {
        return mtu;
    }
    let lower = |name: &str| devices.get(name).map_or(MTU, |device| mtu(devices, device));
    match device.sort() {
        Some(Sort::Vlan) => lower(&device.over),
        Some(Sort::Bridge) => device.bridge.iter().flatten().map(|port| lower(port)).min().unwrap_or(MTU),
        _ => MTU,
    }
}

fn check_mtu(
    devices: &BTreeMap<String, Device>,
    masters: &BTreeMap<&str, &str>,
    name: &str,
    device: &Device,
) -> Result<(), Wrong> {
    let Some(own) = device.mtu else { return Ok(()) };
    let least = if device.dhcp6 || device.accept_ra == Some(true) { MTU6_MIN } else { MTU_MIN };
    let wrong = |expected: String| Err(Wrong::new(place(name, "mtu"), expected, own.to_string()));
    if !(least..=MTU_MAX).contains(&own) {
        return wrong(format!("{least} to {MTU_MAX}"));
    }
    let of = |name: &str| devices.get(name).map_or(MTU, |device| mtu(devices, device));
    match device.sort() {
        Some(Sort::Vlan) if own > of(&device.over) => {
            wrong(format!("at most that of {}, {}", device.over, of(&device.over)))
        }
        Some(Sort::Bridge) => match device.bridge.iter().flatten().find(|port| own > of(port)) {
            Some(port) => wrong(format!("at most that of {port}, {}", of(port))),
            None => Ok(()),
        },
        Some(Sort::Nic) => {
            match masters.get(name).filter(|master| devices.get(**master).is_some_and(|m| m.bond.is_some())) {
                Some(bond) if own != of(bond) => wrong(format!("none, or that of {bond}, {}", of(bond))),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
