//! Addresses of one line: one, a range of them, or a network.

use super::ADDRESSES_MAX;
use crate::domain::ids::Invalid;
use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};
use std::net::{IpAddr, Ipv4Addr};

const EXPECTED: &str =
    "an IP address, a range (10.0.8.10-10.0.8.40) or a network (10.0.8.0/28) of at most 20000 addresses";

/// All of them, in order; of an IPv4 network those that machines can have.
///
/// # Errors
/// What is none of that; more than [`ADDRESSES_MAX`].
pub(super) fn expand(text: &str) -> Result<Vec<IpAddr>, Invalid> {
    let wrong = || Invalid::new("BMC address", EXPECTED, text);
    let range = if let Some((first, last)) = text.split_once('-') {
        between(first.trim(), last.trim()).ok_or_else(wrong)?
    } else if text.contains('/') {
        text.parse::<IpNet>().map_err(|_| wrong())?.hosts()
    } else {
        between(text, text).ok_or_else(wrong)?
    };
    let all: Vec<IpAddr> = range.take(ADDRESSES_MAX + 1).collect();
    let usable = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast() && *a != IpAddr::V4(Ipv4Addr::BROADCAST);
    if all.is_empty() || all.len() > ADDRESSES_MAX || !all.iter().all(usable) { Err(wrong()) } else { Ok(all) }
}

fn between(first: &str, last: &str) -> Option<IpAddrRange> {
    match (first.parse().ok()?, last.parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => Some(Ipv4AddrRange::new(first, last).into()),
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => Some(Ipv6AddrRange::new(first, last).into()),
        _ => None,
    }
}
