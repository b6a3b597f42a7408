//! Subnets that we give addresses of, their options, and which of them a packet is about.

use super::reply::{Reply, code};
use super::request::Request;
use super::silence::Silence;
use crate::domain::ids::Hostname;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// First and last of a span of addresses, both included.
pub type Span = (Ipv4Addr, Ipv4Addr);

/// A network with addresses to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The network.
    pub net: Ipv4Net,
    /// What it gives to machines that nothing is reserved for; empty: to none.
    pub spans: Vec<Span>,
    /// What its clients are told.
    pub options: SubnetOptions,
    /// Seconds that an address is given for.
    pub lease_seconds: u32,
}

/// What clients are told beside their address; of a subnet, or of a node (which is stronger, value by value).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubnetOptions {
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<Hostname>,
    /// Option 26.
    pub mtu: Option<u16>,
    /// Any others, sent whether asked for or not: [`check`](Self::check) says which may not be here.
    pub other: BTreeMap<u8, Vec<u8>>,
}

/// Options that are ours to set, or that mean something else than a setting.
const OURS: &[u8] = &[0, 1, 12, 28, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82, 255];
/// Smallest MTU of IPv4 (RFC 2132, 5.1).
const MTU_MIN: u16 = 68;

impl SubnetOptions {
    /// Whether they can be sent.
    ///
    /// # Errors
    /// Which cannot, and what was expected.
    pub fn check(&self) -> Result<(), String> {
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu < MTU_MIN) {
            return Err(format!("mtu: expected at least {MTU_MIN}, got {mtu}"));
        }
        for (code, value) in &self.other {
            if OURS.contains(code) {
                return Err(format!("option {code}: expected another, the server sets this one itself"));
            }
            if value.len() > 255 {
                return Err(format!("option {code}: expected at most 255 bytes, got {}", value.len()));
            }
        }
        Ok(())
    }

    /// These over those of the subnet.
    #[must_use]
    pub fn over(&self, subnet: &Self) -> Self {
        let first =
            |mine: &Vec<Ipv4Addr>, its: &Vec<Ipv4Addr>| if mine.is_empty() { its.clone() } else { mine.clone() };
        let mut other = subnet.other.clone();
        other.extend(self.other.clone());
        Self {
            routers: first(&self.routers, &subnet.routers),
            dns: first(&self.dns, &subnet.dns),
            ntp: first(&self.ntp, &subnet.ntp),
            domain: self.domain.clone().or_else(|| subnet.domain.clone()),
            mtu: self.mtu.or(subnet.mtu),
            other,
        }
    }

    /// Writes those that the client asked for.
    pub fn put(&self, reply: &mut Reply, request: &Request) {
        for (code, addresses) in [(code::ROUTERS, &self.routers), (code::DNS, &self.dns), (code::NTP, &self.ntp)] {
            if !addresses.is_empty() && request.wants(code) {
                reply.set(code, addresses.iter().flat_map(Ipv4Addr::octets).collect::<Vec<u8>>());
            }
        }
        if let Some(domain) = self.domain.as_ref().filter(|_| request.wants(code::DOMAIN)) {
            reply.set(code::DOMAIN, domain.as_str());
        }
        if let Some(mtu) = self.mtu.filter(|_| request.wants(code::MTU)) {
            reply.set(code::MTU, mtu.to_be_bytes());
        }
        for (code, value) in &self.other {
            reply.set(*code, value.clone());
        }
    }
}

impl Subnet {
    /// May a host have it: within, and neither the network's own address nor its broadcast address?
    pub fn is_host(&self, address: Ipv4Addr) -> bool {
        let ends = self.net.prefix_len() < 31 && (address == self.net.network() || address == self.net.broadcast());
        self.net.contains(&address) && !ends
    }

    /// Is it given to machines that nothing is reserved for?
    pub fn gives(&self, address: Ipv4Addr) -> bool {
        self.is_host(address) && self.spans.iter().any(|(first, last)| (*first..=*last).contains(&address))
    }
}

/// Subnets that a packet may be about, in the order of `subnets`: where the relay says (RFC 3527, then giaddr), else where the
/// client's working address is when it wrote to us alone, else all of the interface.
///
/// # Errors
/// That there is none.
pub fn of<'a>(
    request: &Request,
    unicast: bool,
    interface: &[Ipv4Net],
    subnets: &'a [Subnet],
) -> Result<Vec<&'a Subnet>, Silence> {
    let link = request.relay.as_ref().and_then(|relay| relay.link_selection);
    let known = match () {
        () if link.is_some() && request.relayed() => link,
        () if request.relayed() => Some(request.giaddr),
        // A renewal goes past the relay, so only its own address says where it is (RFC 2131, 4.3.2).
        () if unicast && !request.ciaddr.is_unspecified() => Some(request.ciaddr),
        () => None,
    };
    let found: Vec<&Subnet> = match known {
        Some(address) => subnets.iter().filter(|subnet| subnet.net.contains(&address)).collect(),
        None => {
            let meets = |subnet: &&Subnet| {
                interface.iter().any(|net| net.contains(&subnet.net.network()) || subnet.net.contains(&net.addr()))
            };
            subnets.iter().filter(meets).collect()
        }
    };
    if found.is_empty() { Err(Silence::NoSubnet(known)) } else { Ok(found) }
}
