//! What the texts of a network say: addresses, gateways, routes, name servers. A text that is a template is passed over when
//! words are saved, and read when it is rendered; one that is rendered to nothing says nothing.

use super::super::spec::Wrong;
use super::super::template::has_mark;
use super::place;
use super::words::{Address, Device, Network, at};
use crate::domain::ids::{Mac, Name};
use crate::domain::ipam::Pool;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

/// A default gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// This router.
    Router(IpAddr),
    /// That of the device's pool.
    OfPool,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: IpNet,
    /// The router; none: whoever is on the link.
    pub via: Option<IpAddr>,
    /// The lowest is used; none: 0.
    pub metric: Option<u32>,
}

/// Of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub addresses: Vec<IpNet>,
    pub pools: Vec<Name>,
    pub gateways: Vec<Gateway>,
    pub routes: Vec<Route>,
    pub dns: Vec<IpAddr>,
    pub search: Vec<String>,
    /// Its networks are not all known: by DHCP, by a template.
    open: bool,
}

/// What is said without a template must be right. Errors: where it is not.
pub(super) fn check(network: &Network) -> Result<(), Wrong> {
    read(network, None).map(drop)
}

/// What all devices say. `pools`: those that there are; none: they are not known, nor what comes of them. Errors: the first
/// text that does not fit.
pub(super) fn read<'n>(network: &'n Network, pools: Option<&[Pool]>) -> Result<BTreeMap<&'n str, Values>, Wrong> {
    let mut all = BTreeMap::new();
    for (name, device) in &network.0 {
        if let Some(selector) = &device.selector {
            text::<Mac>(&format!("{}.mac", place(name, "match")), &selector.mac, "a MAC address")?;
        }
        let values = of_device(name, device)?;
        for pool in &values.pools {
            known_pool(name, device, pool, pools)?;
        }
        all.insert(name.as_str(), values);
    }
    let pool = |name: &Name| pools.unwrap_or_default().iter().find(|pool| pool.name == *name);
    for (name, values) in &all {
        reachable(name, values, pools.is_some(), &pool)?;
    }
    no_address_twice(&all)?;
    one_default(network, &all, &pool)?;
    Ok(all)
}

/// Nothing, where it is a template or empty.
fn text<T: FromStr>(place: &str, text: &str, form: &str) -> Result<Option<T>, Wrong> {
    if has_mark(text) || text.trim().is_empty() {
        return Ok(None);
    }
    text.trim().parse().map(Some).map_err(|_| Wrong::new(place, form, format!("{text:?}")))
}

fn of_device(name: &str, device: &Device) -> Result<Values, Wrong> {
    let templates = device.address.iter().any(|address| matches!(address, Address::Text(text) if has_mark(text)));
    let mut values = Values {
        open: templates || device.dhcp4 || device.dhcp6 || device.accept_ra == Some(true),
        ..Values::default()
    };
    for (n, address) in device.address.iter().enumerate() {
        let place = at(name, "address", n);
        match address {
            Address::Pool(of) if values.pools.contains(&of.pool) => {
                return Err(Wrong::new(place, "each pool once", format!("{:?}", of.pool.as_str())));
            }
            Address::Pool(of) => values.pools.push(of.pool.clone()),
            Address::Text(address) => {
                const FORM: &str = "an address of a host with its prefix length, e.g. 10.0.0.7/24";
                let Some(net) = text::<IpNet>(&place, address, FORM)? else { continue };
                if !is_of_host(net) {
                    return Err(Wrong::new(place, FORM, format!("{address:?}")));
                }
                values.addresses.push(net);
            }
        }
    }
    for (n, gateway) in device.gateway.iter().enumerate() {
        let place = at(name, "gateway", n);
        if gateway.trim() == "pool" {
            if values.pools.is_empty() {
                return Err(Wrong::new(place, "pool where address has a pool", "pool"));
            }
            values.gateways.push(Gateway::OfPool);
        } else if let Some(router) = text(&place, gateway, "an IP address, or pool: that of the device's pool")? {
            values.gateways.push(Gateway::Router(router));
        }
    }
    for (n, route) in device.routes.iter().enumerate() {
        let place = |word: &str| format!("{}.{word}", at(name, "routes", n));
        let via: Option<IpAddr> = text(&place("via"), &route.via, "an IP address")?;
        let to = match route.to.trim() {
            "" => return Err(Wrong::new(place("to"), "a network, e.g. 10.1.0.0/16, or default", "none")),
            "default" => match via {
                Some(IpAddr::V4(_)) => "0.0.0.0/0".parse().ok(),
                Some(IpAddr::V6(_)) => "::/0".parse().ok(),
                None if has_mark(&route.via) => None,
                None => return Err(Wrong::new(place("via"), "a router for the route to default", "none")),
            },
            to => text::<IpNet>(&place("to"), to, "a network, e.g. 10.1.0.0/16, or default")?,
        };
        let Some(to) = to else { continue };
        if to.trunc() != to {
            return Err(Wrong::new(place("to"), format!("a network, e.g. {}", to.trunc()), to.to_string()));
        }
        if let Some(via) = via.filter(|via| via.is_ipv4() != to.addr().is_ipv4()) {
            return Err(Wrong::new(place("via"), format!("a router of the family of {to}"), via.to_string()));
        }
        if via.is_some() || !has_mark(&route.via) {
            values.routes.push(Route { to, via, metric: route.metric });
        }
    }
    for (n, server) in device.dns.iter().enumerate() {
        values.dns.extend(text::<IpAddr>(&at(name, "dns", n), server, "an IP address")?);
    }
    for (n, domain) in device.search.iter().enumerate() {
        values.search.extend(domain_name(&at(name, "search", n), domain)?);
    }
    Ok(values)
}

/// An address of one host: not the network's own, nor broadcast, multicast, loopback or nobody's.
fn is_of_host(net: IpNet) -> bool {
    let address = net.addr();
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() || net.prefix_len() == 0 {
        return false;
    }
    match net {
        IpNet::V4(v4) => v4.prefix_len() >= 31 || (v4.addr() != v4.network() && v4.addr() != v4.broadcast()),
        IpNet::V6(_) => true,
    }
}

/// As resolved.conf(5) has them: `~lan.example` is for routing alone.
fn domain_name(place: &str, domain: &str) -> Result<Option<String>, Wrong> {
    if has_mark(domain) || domain.trim().is_empty() {
        return Ok(None);
    }
    let domain = domain.trim();
    let name = domain.strip_prefix('~').unwrap_or(domain);
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let good = (domain == "~.") || (name.len() <= 253 && name.trim_end_matches('.').split('.').all(label));
    match good {
        true => Ok(Some(domain.to_owned())),
        false => Err(Wrong::new(place, "a domain, e.g. lab.example", format!("{domain:?}"))),
    }
}

fn known_pool(name: &str, device: &Device, pool: &Name, pools: Option<&[Pool]>) -> Result<(), Wrong> {
    use crate::domain::ipam::Kind;
    let Some(pools) = pools else { return Ok(()) };
    let wrong = |expected: &str, got: String| Err(Wrong::new(place(name, "address"), expected, got));
    match pools.iter().find(|known| known.name == *pool) {
        None => wrong("a pool that is there (`higuma pool list`)", format!("{:?}", pool.as_str())),
        Some(known) if known.kind != Kind::Node => {
            wrong("a pool of kind node", format!("{pool}, which is of kind {}", known.kind))
        }
        Some(known) if known.vlan != 0 && device.vlan.is_some_and(|id| id != i64::from(known.vlan)) => {
            wrong("a pool of the same VLAN", format!("{pool}, which is of VLAN {}", known.vlan))
        }
        Some(_) => Ok(()),
    }
}

/// Routers are on one of the device's networks, or have a link-local address.
fn reachable<'p>(
    name: &str,
    values: &Values,
    pools_known: bool,
    pool: &impl Fn(&Name) -> Option<&'p Pool>,
) -> Result<(), Wrong> {
    if values.open || (!values.pools.is_empty() && !pools_known) {
        return Ok(());
    }
    let networks: Vec<IpNet> = values
        .addresses
        .iter()
        .map(|net| net.trunc())
        .chain(values.pools.iter().filter_map(|name| pool(name).map(|pool| pool.cidr)))
        .collect();
    let on_link = |router: IpAddr| match router {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => true,
        router => networks.iter().any(|net| net.contains(&router)),
    };
    let told = || match networks.is_empty() {
        true => "an address of the device first".to_owned(),
        false => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            format!("a router within {}", networks.join(", "))
        }
    };
    for gateway in &values.gateways {
        match gateway {
            Gateway::Router(router) if !on_link(*router) => {
                return Err(Wrong::new(place(name, "gateway"), told(), router.to_string()));
            }
            Gateway::OfPool if values.pools.iter().all(|name| pool(name).is_none_or(|p| p.gateway.is_none())) => {
                return Err(Wrong::new(place(name, "gateway"), "a pool with a gateway", "one without"));
            }
            _ => {}
        }
    }
    match values.routes.iter().filter_map(|route| route.via).find(|via| !on_link(*via)) {
        Some(via) => Err(Wrong::new(place(name, "routes"), told(), via.to_string())),
        None => Ok(()),
    }
}

fn no_address_twice(all: &BTreeMap<&str, Values>) -> Result<(), Wrong> {
    let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, values) in all {
        for net in &values.addresses {
            if let Some(other) = seen.insert(net.addr(), name) {
                let form = format!("an address that {other} has not");
                return Err(Wrong::new(place(name, "address"), form, net.addr().to_string()));
            }
        }
    }
    Ok(())
}

/// One default route of a family and metric.
fn one_default<'p>(
    network: &Network,
    all: &BTreeMap<&str, Values>,
    pool: &impl Fn(&Name) -> Option<&'p Pool>,
) -> Result<(), Wrong> {
    let mut seen: BTreeMap<(bool, u32), &str> = BTreeMap::new();
    for (name, values) in all {
        let metric = network.0.get(*name).and_then(|device| device.metric).unwrap_or(0);
        let gateways = values.routers(pool).into_iter().map(|router| ("gateway", router.is_ipv4(), metric));
        let routes = values.routes.iter().filter(|route| route.to.prefix_len() == 0);
        let routes = routes.map(|route| ("routes", route.to.addr().is_ipv4(), route.metric.unwrap_or(0)));
        for (word, v4, metric) in gateways.chain(routes) {
            if let Some(other) = seen.insert((v4, metric), name) {
                let family = if v4 { "IPv4" } else { "IPv6" };
                let form = format!("one default gateway of {family}, or another metric for each");
                return Err(Wrong::new(place(name, word), form, format!("one at {other}, too")));
            }
        }
    }
    Ok(())
}

impl Values {
    /// Its default gateways, as far as they are known.
    pub(super) fn routers<'p>(&self, pool: &impl Fn(&Name) -> Option<&'p Pool>) -> Vec<IpAddr> {
        let of = |gateway: &Gateway| match gateway {
            Gateway::Router(router) => vec![*router],
            Gateway::OfPool => self.pools.iter().filter_map(|name| pool(name)?.gateway).collect(),
        };
        self.gateways.iter().flat_map(of).collect()
    }
}
