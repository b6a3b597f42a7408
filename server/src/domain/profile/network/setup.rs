//! The network of one node: its NICs found, every text read, addresses of pools put in as far as they are given.

use super::super::template::Failed;
use super::check::{Sort, mtu};
use super::select::{self, Found};
use super::values::{self, Route, Values};
use super::words::{Device, Network};
use super::{place, unfit};
use crate::domain::facts::Hardware;
use crate::domain::ids::{Mac, Name};
use crate::domain::ipam::Pool;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An address of a pool that a device of the node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The device.
    pub device: String,
    /// Out of which pool.
    pub pool: Name,
    /// Address.
    pub address: IpAddr,
}

/// What is known of a node and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// What it is made of and cabled to.
    pub hardware: &'a Hardware,
    /// The address of the NIC that it boots by.
    pub boot_mac: Option<&'a Mac>,
    /// Pools that there are.
    pub pools: &'a [Pool],
    /// What the node has of them.
    pub given: &'a [Given],
}

/// The whole of it, devices in order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Devices.
    pub devices: Vec<Ready>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its address; none: the system makes one.
    pub mac: Option<Mac>,
    /// The bond or bridge that has it.
    pub master: Option<String>,
    /// VLANs that it carries.
    pub vlans: Vec<String>,
    /// Its words, rendered.
    pub said: Device,
    /// Bytes of the largest packet, where that was said of it or of what is below it.
    pub mtu: Option<u32>,
    /// Addresses, those of pools too.
    pub addresses: Vec<IpNet>,
    /// Pools that will give it one.
    pub wanted: Vec<Name>,
    /// Default gateways.
    pub gateways: Vec<IpAddr>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domains.
    pub search: Vec<String>,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A NIC.
    Nic(Found),
    /// A bond of NICs.
    Bond(Vec<String>),
    /// A VLAN.
    Vlan {
        /// Id.
        id: u16,
        /// What carries it.
        over: String,
    },
    /// A bridge of devices.
    Bridge(Vec<String>),
}

impl Network {
    /// For a node; all texts are rendered. Errors: what does not fit the node, with what was found.
    pub fn setup(&self, site: &Site<'_>) -> Result<Setup, Failed> {
        if self.is_empty() {
            return Ok(Setup::default());
        }
        if site.hardware.nics.is_empty() {
            return Err(unfit(
                "network".to_owned(),
                "the NICs of the node are not known: it tells them when it boots for the first time",
            ));
        }
        let wrong = |wrong: super::Wrong| unfit(wrong.place, format!("expected {}, got {}", wrong.expected, wrong.got));
        let values = values::read(self, Some(site.pools)).map_err(wrong)?;
        let nics = self.nics(site)?;
        let masters = self.masters();
        let mut devices = Vec::with_capacity(self.0.len());
        for (name, said) in &self.0 {
            let values = values.get(name.as_str()).cloned().unwrap_or_default();
            devices.push(self.ready(name, said, values, &nics, &masters, site));
        }
        no_address_twice(&devices)?;
        Ok(Setup { devices })
    }

    /// Each NIC that is meant, once.
    fn nics(&self, site: &Site<'_>) -> Result<BTreeMap<&str, Found>, Failed> {
        let mut found: BTreeMap<&str, Found> = BTreeMap::new();
        for (name, said) in &self.0 {
            let Some(selector) = &said.selector else { continue };
            if select::says_nothing(selector) {
                return Err(unfit(place(name, "match"), "it is rendered to nothing, so it could be any NIC"));
            }
            let nic = select::find(name, selector, site.hardware, site.boot_mac)?;
            if let Some((other, _)) = found.iter().find(|(_, other)| other.mac == nic.mac) {
                let problem = format!("it is NIC {} {}, which is {other} already", nic.nic, nic.mac);
                return Err(unfit(place(name, "match"), problem));
            }
            found.insert(name, nic);
        }
        Ok(found)
    }

    fn masters(&self) -> BTreeMap<&str, &str> {
        let lists = self.0.iter().flat_map(|(name, said)| {
            let members = said.bond.iter().chain(&said.bridge).flatten();
            members.map(move |member| (member.as_str(), name.as_str()))
        });
        lists.collect()
    }

    fn ready(
        &self,
        name: &str,
        said: &Device,
        values: Values,
        nics: &BTreeMap<&str, Found>,
        masters: &BTreeMap<&str, &str>,
        site: &Site<'_>,
    ) -> Ready {
        let pool = |name: &Name| site.pools.iter().find(|pool| pool.name == *name);
        let gateways = values.routers(&pool);
        let mut addresses = values.addresses;
        let mut wanted = Vec::new();
        for of in values.pools {
            let given = site.given.iter().find(|given| given.device == name && given.pool == of);
            let net = given.and_then(|given| IpNet::new(given.address, pool(&of)?.cidr.prefix_len()).ok());
            match net {
                Some(net) => addresses.push(net),
                None => wanted.push(of),
            }
        }
        let vlans = self.0.iter().filter(|(_, other)| other.vlan.is_some() && other.over == name);
        let own_mtu = said.mtu.or_else(|| self.is_sized(said).then(|| mtu(&self.0, said)));
        let bond_mtu = masters.get(name).and_then(|master| self.0.get(*master)).filter(|m| m.bond.is_some());
        Ready {
            name: name.to_owned(),
            kind: kind(name, said, nics),
            mac: self.mac(name, nics, site, 0),
            master: masters.get(name).map(|master| (*master).to_owned()),
            vlans: vlans.map(|(name, _)| name.clone()).collect(),
            said: said.clone(),
            mtu: own_mtu.or(bond_mtu.and_then(|bond| bond.mtu)),
            addresses,
            wanted,
            gateways,
            routes: values.routes,
            dns: values.dns,
            search: values.search,
        }
    }

    /// Somebody said a size of it or below it.
    fn is_sized(&self, said: &Device) -> bool {
        let lower = |name: &str| self.0.get(name).is_some_and(|device| device.mtu.is_some() || self.is_sized(device));
        match said.sort() {
            Some(Sort::Vlan) => lower(&said.over),
            Some(Sort::Bridge) => said.bridge.iter().flatten().any(|port| lower(port)),
            _ => false,
        }
    }

    /// Of a bond the address of the NIC that the node boots by, else of its first: so its machine is known by it. Of a bridge
    /// that of its first port.
    fn mac(&self, name: &str, nics: &BTreeMap<&str, Found>, site: &Site<'_>, depth: usize) -> Option<Mac> {
        if let Some(nic) = nics.get(name) {
            return Some(nic.mac.clone());
        }
        let device = self.0.get(name).filter(|_| depth < super::DEVICES_MAX)?;
        let of = |name: &str| self.mac(name, nics, site, depth + 1);
        if let Some(members) = &device.bond {
            let macs: Vec<Mac> = members.iter().filter_map(|member| of(member)).collect();
            let boots = macs.iter().find(|mac| site.boot_mac == Some(mac)).cloned();
            return boots.or_else(|| macs.into_iter().next());
        }
        match &device.bridge {
            Some(ports) => ports.iter().find_map(|port| of(port)),
            None => of(&device.over),
        }
    }
}

fn kind(name: &str, said: &Device, nics: &BTreeMap<&str, Found>) -> Kind {
    match (nics.get(name), &said.bond, &said.bridge) {
        (Some(nic), _, _) => Kind::Nic(nic.clone()),
        (None, Some(members), _) => Kind::Bond(members.clone()),
        (None, None, Some(ports)) => Kind::Bridge(ports.clone()),
        // Checked: 1 to 4094.
        (None, None, None) => Kind::Vlan {
            id: said.vlan.and_then(|id| u16::try_from(id).ok()).unwrap_or_default(),
            over: said.over.clone(),
        },
    }
}

/// A pool may have given what another device says by itself.
fn no_address_twice(devices: &[Ready]) -> Result<(), Failed> {
    let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for device in devices {
        for net in &device.addresses {
            if let Some(other) = seen.insert(net.addr(), &device.name) {
                let problem = format!("{} is an address of {other} already", net.addr());
                return Err(unfit(place(&device.name, "address"), problem));
            }
        }
    }
    Ok(())
}

impl Setup {
    /// Which devices still want an address of which pool.
    pub fn wanted(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.devices.iter().flat_map(|device| device.wanted.iter().map(move |pool| (device.name.as_str(), pool)))
    }

    /// Name servers of all devices, each once.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        each_once(self.devices.iter().flat_map(|device| device.dns.iter().copied()))
    }

    /// Domains of all devices, each once; those for routing alone are not for resolv.conf(5).
    pub fn search(&self) -> Vec<String> {
        let all = self.devices.iter().flat_map(|device| device.search.iter());
        each_once(all.filter(|domain| !domain.starts_with('~')).cloned())
    }
}

fn each_once<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for item in items {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}
