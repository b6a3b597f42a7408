//! Pools of addresses: what a pool may give, and which address comes next. Pure: who has what comes in as values.

pub mod arp;
pub mod conflict;
pub mod dhcp;
pub mod import;

use super::ids::{Invalid, Name};
use super::node::words;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What addresses are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// BMCs.
    Bmc,
    /// Nodes themselves.
    Node,
    /// Machines that nothing is reserved for: the DHCP server gives them, for a time.
    Dhcp,
}

words!(Kind, "kind of pool", "bmc, node or dhcp", Bmc = "bmc", Node = "node", Dhcp = "dhcp");

/// How a BMC gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is set.
    Static,
    /// By DHCP.
    Dhcp,
}

words!(Source, "source of addresses", "static or dhcp", Static = "static", Dhcp = "dhcp");

/// From an address to another, both included: `10.0.0.10-10.0.0.99`; also one address, or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First.
    pub first: IpAddr,
    /// Last.
    pub last: IpAddr,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl FromStr for Range {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("range", "FIRST-LAST, an address, or a network, e.g. 10.0.0.10-10.0.0.99", text);
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self { first: net.network(), last: net.broadcast() });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first: IpAddr = first.trim().parse().map_err(|_| bad())?;
        let last: IpAddr = last.trim().parse().map_err(|_| bad())?;
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(bad());
        }
        Ok(Self { first, last })
    }
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// For what.
    pub kind: Kind,
    /// For nodes of this cluster; empty: of any.
    pub cluster: String,
    /// The network.
    pub cidr: IpNet,
    /// Gateway.
    pub gateway: Option<IpAddr>,
    /// 802.1Q tag, 1 to 4094; 0: untagged.
    pub vlan: u16,
    /// What it gives; empty: the whole network.
    pub ranges: Vec<Range>,
    /// But never these.
    pub exclusions: Vec<Range>,
    /// How BMCs get their addresses.
    pub source: Source,
    /// What DHCP clients are told: of kind dhcp and node.
    pub dhcp: dhcp::Dhcp,
}

/// Ranges and exclusions of a pool, each at most.
pub const RANGES_MAX: usize = 100;

/// An address as a number: addresses of one family have the order of their numbers.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A text that sorts as addresses do.
pub fn key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("4{:08x}", number(address)),
        IpAddr::V6(_) => format!("6{:032x}", number(address)),
    }
}

impl Pool {
    /// Whether it is consistent in itself.
    ///
    /// # Errors
    /// What does not fit, and what was expected.
    pub fn check(&self) -> Result<(), String> {
        let cidr = self.cidr;
        if cidr.addr() != cidr.network() {
            return Err(format!("cidr: expected a network, e.g. {}, got the address {cidr}", cidr.trunc()));
        }
        if self.vlan > 4094 {
            return Err(format!("vlan: expected 1 to 4094, or 0 for none, got {}", self.vlan));
        }
        // As nodes have it: another one would serve nobody.
        if !self.cluster.is_empty() && self.cluster.parse::<Name>().is_err() {
            let got = self.cluster.chars().take(63).collect::<String>();
            return Err(format!("cluster: expected 1 to 63 of a-z, 0-9, '.', '_', '-', got {got:?}"));
        }
        if let Some(gateway) = self.gateway.filter(|gateway| !self.is_host(*gateway)) {
            return Err(format!("gateway: expected an address of a host within {cidr}, got {gateway}"));
        }
        if self.kind != Kind::Bmc && self.source == Source::Dhcp {
            return Err(format!("source: expected static for a pool of kind {}: dhcp is for BMCs", self.kind));
        }
        dhcp::check(self)?;
        for (what, ranges) in [("ranges", &self.ranges), ("exclusions", &self.exclusions)] {
            if ranges.len() > RANGES_MAX {
                return Err(format!("{what}: expected at most {RANGES_MAX}, got {}", ranges.len()));
            }
            if let Some(range) = ranges.iter().find(|r| !cidr.contains(&r.first) || !cidr.contains(&r.last)) {
                return Err(format!("{what}: expected addresses within {cidr}, got {range}"));
            }
        }
        if self.spans().is_empty() {
            return Err(format!("the pool gives no address: {cidr} has none left after gateway and exclusions"));
        }
        Ok(())
    }

    /// Why both cannot be, if so: two pools of a kind must not give the same address, nor may one of nodes and one of kind
    /// dhcp, which share a network's subnet.
    pub fn clash(&self, other: &Self) -> Option<String> {
        let meet = self.cidr.contains(&other.cidr) || other.cidr.contains(&self.cidr);
        match (self.kind, other.kind) {
            _ if self.name == other.name || !meet => None,
            (mine, theirs) if mine == theirs => Some(format!(
                "its network {} overlaps {} of pool {}, which has the same kind: expected networks apart from each other",
                self.cidr, other.cidr, other.name
            )),
            (Kind::Node, Kind::Dhcp) | (Kind::Dhcp, Kind::Node) => dhcp::clash(self, other),
            _ => None,
        }
    }

    /// Whether a host may have it: within the network, and not the network's own or broadcast address.
    pub fn is_host(&self, address: IpAddr) -> bool {
        let (first, last) = self.hosts();
        self.cidr.contains(&address) && (first..=last).contains(&number(address))
    }

    /// First and last host: all of a /31, /32, /127, /128 (RFC 3021, RFC 6164).
    fn hosts(&self) -> (u128, u128) {
        let (first, last) = (number(self.cidr.network()), number(self.cidr.broadcast()));
        match self.cidr {
            _ if self.cidr.max_prefix_len() - self.cidr.prefix_len() <= 1 => (first, last),
            IpNet::V4(_) => (first + 1, last - 1),
            // The first is the routers' anycast address (RFC 4291, 2.6.1); there is no broadcast.
            IpNet::V6(_) => (first + 1, last),
        }
    }

    /// What it gives, as numbers: sorted, apart from each other, both ends included.
    pub fn spans(&self) -> Vec<(u128, u128)> {
        let (low, high) = self.hosts();
        let as_numbers = |r: &Range| (number(r.first), number(r.last));
        let mut given: Vec<(u128, u128)> = match self.ranges.is_empty() {
            true => vec![(low, high)],
            false => self.ranges.iter().map(as_numbers).map(|(a, b)| (a.max(low), b.min(high))).collect(),
        };
        given.retain(|(a, b)| a <= b);
        given.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (a, b) in given {
            match merged.last_mut() {
                Some(last) if a <= last.1.saturating_add(1) => last.1 = last.1.max(b),
                _ => merged.push((a, b)),
            }
        }
        let gateway = self.gateway.map(|g| (number(g), number(g)));
        for (from, to) in self.exclusions.iter().map(as_numbers).chain(gateway) {
            merged = merged.into_iter().flat_map(|span| without(span, from, to)).collect();
        }
        merged
    }

    /// Whether it gives this address.
    pub fn gives(&self, address: IpAddr) -> bool {
        let n = number(address);
        self.cidr.contains(&address) && self.spans().iter().any(|(a, b)| (*a..=*b).contains(&n))
    }

    /// How many addresses it gives.
    pub fn capacity(&self) -> u128 {
        self.spans().iter().fold(0_u128, |sum, (a, b)| sum.saturating_add((b - a).saturating_add(1)))
    }

    /// The lowest address from `from` on that it gives and that is not in `taken`.
    pub fn lowest_free(&self, from: u128, taken: &BTreeSet<u128>) -> Option<u128> {
        for (first, last) in self.spans() {
            let mut next = first.max(from);
            while next <= last {
                if !taken.contains(&next) {
                    return Some(next);
                }
                next = next.checked_add(1)?;
            }
        }
        None
    }

    /// The address of a number.
    pub fn address(&self, number: u128) -> IpAddr {
        match self.cidr {
            // Within the network, so it fits.
            IpNet::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
            IpNet::V6(_) => IpAddr::V6(number.into()),
        }
    }
}

fn without((a, b): (u128, u128), from: u128, to: u128) -> Vec<(u128, u128)> {
    if to < a || from > b {
        return vec![(a, b)];
    }
    let mut left = Vec::new();
    if from > a {
        left.push((a, from - 1));
    }
    if to < b {
        left.push((to + 1, b));
    }
    left
}

/// Pools that serve a node of this cluster, in the order to try: its own before those for any, by name.
pub fn serving<'a>(pools: &'a [Pool], kind: Kind, cluster: &str) -> Vec<&'a Pool> {
    let fits = |p: &&Pool| p.kind == kind && (p.cluster.is_empty() || p.cluster == cluster);
    let mut all: Vec<&Pool> = pools.iter().filter(fits).collect();
    all.sort_by_key(|p| (p.cluster.is_empty(), p.name.clone()));
    all
}

#[cfg(test)]
mod tests;
