//! What pools mean to DHCP: the options that they have clients told, and the subnets that they make together. Pure; who has
//! which lease is not known here.

use super::{Kind, Pool, without};
use crate::domain::dhcp::subnet::Span;
use crate::domain::dhcp::{Subnet, SubnetOptions};
use crate::domain::ids::Invalid;
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Seconds of a lease where no pool says otherwise: 12 hours.
pub const LEASE_SECONDS: u32 = 12 * 3600;
/// Shortest and longest lease, seconds: two minutes, 30 days.
pub const LEASE_BOUNDS: (u32, u32) = (120, 30 * 24 * 3600);
/// DNS servers, NTP servers and other options of a pool, each at most. A message has little more than 500 bytes for all.
pub const OPTIONS_MAX: usize = 16;
/// Options that have a setting of their own here: routers (the gateway), DNS, domain, MTU, NTP.
const NAMED: [(u8, &str); 5] = [(3, "gateway"), (6, "dns"), (15, "domain"), (26, "mtu"), (42, "ntp")];

/// What a pool has DHCP clients told, beside its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dhcp {
    /// Options; routers are never in here, they are the pool's gateway.
    pub options: SubnetOptions,
    /// How long an address is given for, seconds; none: [`LEASE_SECONDS`].
    pub lease_seconds: Option<u32>,
}

/// The same as texts: as the API, files and the store have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// IPv4 addresses.
    pub dns: Vec<String>,
    /// IPv4 addresses.
    pub ntp: Vec<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Bytes.
    pub mtu: Option<u16>,
    /// Seconds.
    pub lease_seconds: Option<u32>,
    /// Number of an option -> its bytes in hexadecimal.
    pub options: BTreeMap<String, String>,
}

impl TryFrom<Texts> for Dhcp {
    type Error = Invalid;

    fn try_from(texts: Texts) -> Result<Self, Invalid> {
        let mut other = BTreeMap::new();
        for (code, bytes) in &texts.options {
            let bad = || Invalid::new("option", "NUMBER=HEX, e.g. 150=0a000001", &format!("{code}={bytes}"));
            let number: u8 = code.parse().map_err(|_| bad())?;
            let value = hex::decode(bytes).ok().filter(|value| !value.is_empty()).ok_or_else(bad)?;
            // "6" and "06" are one.
            if other.insert(number, value).is_some() {
                return Err(Invalid::new("option", "each number once", code));
            }
        }
        let domain = texts.domain.as_deref().filter(|domain| !domain.is_empty());
        Ok(Self {
            options: SubnetOptions {
                routers: Vec::new(),
                dns: addresses("dns", &texts.dns)?,
                ntp: addresses("ntp", &texts.ntp)?,
                domain: domain.map(str::parse).transpose()?,
                mtu: texts.mtu,
                other,
            },
            lease_seconds: texts.lease_seconds,
        })
    }
}

/// What one node is told instead of what its subnet says; with routers, which a pool has as its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeDhcp(pub Dhcp);

impl NodeDhcp {
    /// Of texts.
    ///
    /// # Errors
    /// Which text is not what it should be.
    pub fn of(routers: &[String], texts: Texts) -> Result<Self, Invalid> {
        let mut dhcp = Dhcp::try_from(texts)?;
        dhcp.options.routers = addresses("routers", routers)?;
        Ok(Self(dhcp))
    }

    /// Routers, and the rest.
    pub fn texts(&self) -> (Vec<String>, Texts) {
        (self.0.options.routers.iter().map(ToString::to_string).collect(), Texts::from(&self.0))
    }

    /// Whether a node may have this.
    ///
    /// # Errors
    /// What does not fit, and what was expected.
    pub fn check(&self) -> Result<(), String> {
        let routers = self.0.options.routers.len();
        if routers > OPTIONS_MAX {
            return Err(format!("routers: expected at most {OPTIONS_MAX}, got {routers}"));
        }
        check_options(&self.0)
    }
}

fn addresses(what: &'static str, list: &[String]) -> Result<Vec<Ipv4Addr>, Invalid> {
    list.iter().map(|text| text.parse().map_err(|_| Invalid::new(what, "an IPv4 address", text))).collect()
}

impl From<&Dhcp> for Texts {
    fn from(dhcp: &Dhcp) -> Self {
        let texts = |list: &[Ipv4Addr]| list.iter().map(ToString::to_string).collect();
        let Dhcp { options, lease_seconds } = dhcp;
        Self {
            dns: texts(&options.dns),
            ntp: texts(&options.ntp),
            domain: options.domain.as_ref().map(ToString::to_string),
            mtu: options.mtu,
            lease_seconds: *lease_seconds,
            options: options.other.iter().map(|(code, value)| (code.to_string(), hex::encode(value))).collect(),
        }
    }
}

/// Whether a pool may say this.
///
/// # Errors
/// What does not fit, and what was expected.
pub(super) fn check(pool: &Pool) -> Result<(), String> {
    let (dhcp, is_v4) = (&pool.dhcp, matches!(pool.cidr, IpNet::V4(_)));
    if pool.kind == Kind::Dhcp {
        if !is_v4 {
            return Err(format!("cidr: expected an IPv4 network for a pool of kind dhcp, got {}", pool.cidr));
        }
        if pool.ranges.is_empty() {
            return Err("ranges: expected one at least for a pool of kind dhcp: what is not in them stays with people"
                .to_owned());
        }
        if !pool.cluster.is_empty() {
            return Err(
                "cluster: expected none for a pool of kind dhcp: the machines that it serves are in no cluster"
                    .to_owned(),
            );
        }
    }
    if *dhcp == Dhcp::default() {
        return Ok(());
    }
    if pool.kind == Kind::Bmc || !is_v4 {
        return Err(format!(
            "dns, ntp, domain, mtu, lease and options: expected none of them, they are for IPv4 pools of kind dhcp or node, and this is one of kind {} in {}",
            pool.kind, pool.cidr
        ));
    }
    check_options(dhcp)
}

/// Whether clients may be told this.
fn check_options(dhcp: &Dhcp) -> Result<(), String> {
    let SubnetOptions { dns, ntp, other, .. } = &dhcp.options;
    for (what, count) in [("dns", dns.len()), ("ntp", ntp.len()), ("options", other.len())] {
        if count > OPTIONS_MAX {
            return Err(format!("{what}: expected at most {OPTIONS_MAX}, got {count}"));
        }
    }
    if let Some((code, name)) = NAMED.iter().find(|(code, _)| other.contains_key(code)) {
        return Err(format!("option {code}: expected it as {name}, which it is"));
    }
    let (shortest, longest) = LEASE_BOUNDS;
    if let Some(seconds) = dhcp.lease_seconds.filter(|seconds| !(shortest..=longest).contains(seconds)) {
        return Err(format!("lease: expected {shortest} seconds to 30 days, got {seconds} seconds"));
    }
    dhcp.options.check()
}

/// Two pools out of which nodes and unknown machines of one network get addresses: whether they fit each other.
pub(super) fn clash(pool: &Pool, other: &Pool) -> Option<String> {
    if pool.cidr != other.cidr {
        return Some(format!(
            "its network {} overlaps {} of pool {}: expected the same network, or networks apart from each other",
            pool.cidr, other.cidr, other.name
        ));
    }
    let theirs = other.spans();
    let meet = pool.spans().into_iter().any(|(a, b)| theirs.iter().any(|(c, d)| a <= *d && *c <= b));
    meet.then(|| {
        format!(
            "it gives addresses that pool {} gives, too: expected ranges apart from each other (a pool without ranges gives its whole network)",
            other.name
        )
    })
}

/// The subnets that DHCP serves, in their order: pools of kind dhcp and node with one network are one subnet. What both say,
/// the one of kind dhcp says. Spans are those of kind dhcp alone; BMC pools are no subnets.
pub fn subnets(pools: &[Pool]) -> Vec<Subnet> {
    let mut found: BTreeMap<Ipv4Net, (Subnet, Option<u32>)> = BTreeMap::new();
    for kind in [Kind::Dhcp, Kind::Node] {
        for pool in pools.iter().filter(|pool| pool.kind == kind) {
            let IpNet::V4(net) = pool.cidr else { continue };
            let (subnet, seconds) = found.entry(net).or_insert_with(|| (empty(net), None));
            let routers = pool.gateway.iter().filter_map(|gateway| match gateway {
                std::net::IpAddr::V4(gateway) => Some(*gateway),
                std::net::IpAddr::V6(_) => None,
            });
            let own = SubnetOptions { routers: routers.collect(), ..pool.dhcp.options.clone() };
            subnet.options = subnet.options.over(&own);
            *seconds = seconds.or(pool.dhcp.lease_seconds);
            if kind == Kind::Dhcp {
                subnet.spans.extend(spans(pool));
            }
        }
    }
    let finish = |(mut subnet, seconds): (Subnet, Option<u32>)| {
        subnet.lease_seconds = seconds.unwrap_or(LEASE_SECONDS);
        // The gateway may be known from the other pool alone.
        for router in &subnet.options.routers {
            let router = u128::from(u32::from(*router));
            let numbers = subnet.spans.iter().flat_map(|(a, b)| without((wide(*a), wide(*b)), router, router));
            subnet.spans = numbers.filter_map(narrow).collect();
        }
        subnet
    };
    found.into_values().map(finish).collect()
}

fn empty(net: Ipv4Net) -> Subnet {
    Subnet { net, spans: Vec::new(), options: SubnetOptions::default(), lease_seconds: LEASE_SECONDS }
}

fn wide(address: Ipv4Addr) -> u128 {
    u32::from(address).into()
}

fn narrow((first, last): (u128, u128)) -> Option<Span> {
    let address = |number: u128| u32::try_from(number).ok().map(Ipv4Addr::from);
    Some((address(first)?, address(last)?))
}

/// What a pool gives, as IPv4 addresses; none of an IPv6 pool.
pub fn spans(pool: &Pool) -> Vec<Span> {
    match pool.cidr {
        IpNet::V4(_) => pool.spans().into_iter().filter_map(narrow).collect(),
        IpNet::V6(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
