//! The words themselves, as they are written and kept. Their form is in docs/src/network.md.

use super::super::spec::Wrong;
use super::place;
use crate::domain::ids::Name;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Devices by their names. None: Higuma says nothing of the network, and every NIC asks by DHCP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Network(pub BTreeMap<String, Device>);

/// One device. Which kind it is, is said by the one of `match`, `bond`, `vlan` and `bridge` that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// A NIC: which.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// A bond of these NICs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Vec<String>>,
    /// A VLAN (IEEE 802.1Q) of this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<i64>,
    /// A bridge of these devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Vec<String>>,
    /// Of a VLAN: the device that carries it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub over: String,
    /// Of a bond: as the kernel calls it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// Of a bond by LACP: `slow` (30 s) or `fast` (1 s).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lacp_rate: String,
    /// Of a bond: what a member is chosen by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Of a bond: how often links are looked at, milliseconds; absent: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miimon: Option<u32>,
    /// Of a bond: a member counts this long after its link is up, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_delay: Option<u32>,
    /// Of a bond: and this long after it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_delay: Option<u32>,
    /// Of a bond by LACP: members that must be up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_links: Option<u32>,
    /// Of a bond: the member to be used while it is up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub primary: String,
    /// Of a bridge: spanning tree.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stp: bool,
    /// Ask for an address by DHCP.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dhcp4: bool,
    /// And by DHCPv6.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dhcp6: bool,
    /// Listen to IPv6 routers; absent: where `dhcp4` or `dhcp6` is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_ra: Option<bool>,
    /// Addresses of its own.
    #[serde(deserialize_with = "addresses", skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<Address>,
    /// Default gateways: one of IPv4, one of IPv6.
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub gateway: Vec<String>,
    /// Of its default routes, those by DHCP too: the lowest is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Further routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteWords>,
    /// Name servers.
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains that names are looked for in.
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Bytes of the largest packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The system does not wait for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// Which NIC: all that is said must hold, and of one NIC alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// The one that the node boots by.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub boot: bool,
    /// Its MAC address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its PCI address: `0000:3b:00.0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pci: String,
    /// Its driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The switch that it is cabled to, as LLDP tells it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub switch: String,
    /// The port there: its id or its description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected an address with its prefix length, e.g. 10.0.0.7/24, or {pool: NAME}")]
pub enum Address {
    /// The node's own of this pool.
    Pool(OfPool),
    /// With its prefix length.
    Text(String),
}

/// See [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfPool {
    /// Of kind node.
    pub pool: Name,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteWords {
    /// A network, or `default`.
    pub to: String,
    /// The router; empty: whoever is on the link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub via: String,
    /// The lowest is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
}

fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Address>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected an address with its prefix length, e.g. 10.0.0.7/24, {pool: NAME}, or a list of them"
    )]
    enum OneOrMany {
        One(Address),
        Many(Vec<Address>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

impl Network {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Something is said, and no device would have an address.
    pub fn is_unreachable(&self) -> bool {
        !self.is_empty() && !self.0.values().any(Device::is_addressed)
    }

    /// From words in which no `null` is left. Errors: what has not the form, and where.
    pub(in crate::domain::profile) fn of(words: Value) -> Result<Self, Wrong> {
        let Value::Object(devices) = words else {
            return Err(Wrong::new("network", "devices by their names", words.to_string()));
        };
        let typed = |(name, said): (String, Value)| device(&name, said).map(|device| (name, device));
        devices.into_iter().map(typed).collect::<Result<_, _>>().map(Self)
    }

    /// As words.
    pub(in crate::domain::profile) fn words(&self) -> Value {
        json!(self.0)
    }

    /// The pools whose addresses its devices want, with the devices.
    pub fn pools(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.0.iter().flat_map(|(device, said)| {
            said.address.iter().filter_map(move |address| match address {
                Address::Pool(of) => Some((device.as_str(), &of.pool)),
                Address::Text(_) => None,
            })
        })
    }

    /// Every text that may be a template, with its place.
    pub(in crate::domain::profile) fn texts(&self) -> Vec<(String, String)> {
        let mut copy = self.clone();
        copy.texts_mut().into_iter().map(|(place, text)| (place, std::mem::take(text))).collect()
    }

    /// The same, to be rendered.
    pub(in crate::domain::profile) fn texts_mut(&mut self) -> Vec<(String, &mut String)> {
        let mut all = Vec::new();
        for (name, device) in &mut self.0 {
            let Device { selector, address, gateway, routes, dns, search, .. } = device;
            if let Some(Selector { boot: _, mac, pci, driver, switch, port }) = selector {
                let words = [("mac", mac), ("pci", pci), ("driver", driver), ("switch", switch), ("port", port)];
                all.extend(words.map(|(word, text)| (place(name, &format!("match.{word}")), text)));
            }
            for (n, address) in address.iter_mut().enumerate() {
                if let Address::Text(text) = address {
                    all.push((at(name, "address", n), text));
                }
            }
            for (word, list) in [("gateway", gateway), ("dns", dns), ("search", search)] {
                all.extend(list.iter_mut().enumerate().map(|(n, text)| (at(name, word, n), text)));
            }
            for (n, RouteWords { to, via, metric: _ }) in routes.iter_mut().enumerate() {
                let route = at(name, "routes", n);
                all.extend([(format!("{route}.to"), to), (format!("{route}.via"), via)]);
            }
        }
        all
    }
}

/// The place of one of a list, counting from 0 as templates do.
pub(super) fn at(device: &str, word: &str, n: usize) -> String {
    format!("network.{device}.{word}[{n}]")
}

/// Word by word, so that an error names the word.
fn device(name: &str, said: Value) -> Result<Device, Wrong> {
    const FORM: &str = "the form in docs/src/network.md";
    let Value::Object(words) = said else {
        return Err(Wrong::new(format!("network.{name}"), "the words of a device", said.to_string()));
    };
    for (word, value) in &words {
        let alone: Map<String, Value> = [(word.clone(), value.clone())].into_iter().collect();
        if let Err(e) = serde_json::from_value::<Device>(Value::Object(alone)) {
            return Err(Wrong::new(place(name, word), FORM, e.to_string()));
        }
    }
    serde_json::from_value(Value::Object(words)).map_err(|e| Wrong::new(format!("network.{name}"), FORM, e.to_string()))
}
