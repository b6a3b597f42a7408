//! The kernel's ARP table (proc_net(5), `/proc/net/arp`) as values: who answers for which IPv4 address of the networks that this
//! machine is on. Lines that make no sense are left out.

use crate::domain::Mac;
use std::net::{IpAddr, Ipv4Addr};

/// The hardware address is known (ATF_COM, if_arp.h).
const COMPLETE: u32 = 0x02;
/// Ethernet (ARPHRD_ETHER).
const ETHERNET: u32 = 0x01;

/// Addresses with the hardware address that answered for them.
pub fn parse(table: &str) -> Vec<(IpAddr, Mac)> {
    table.lines().skip(1).filter_map(entry).collect()
}

/// `IP address, HW type, Flags, HW address, Mask, Device`.
fn entry(line: &str) -> Option<(IpAddr, Mac)> {
    let mut words = line.split_ascii_whitespace();
    let address: Ipv4Addr = words.next()?.parse().ok()?;
    let mut number = || u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let (kind, flags) = (number()?, number()?);
    let mac: Mac = words.next()?.parse().ok()?;
    let is_known = kind == ETHERNET && flags & COMPLETE != 0 && mac.as_str() != "00:00:00:00:00:00";
    is_known.then_some((address.into(), mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_shows() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
            10.0.0.9         0x1         0x2         52:54:00:AA:bb:01     *        eth1\n\
            10.0.0.10        0x1         0x0         00:00:00:00:00:00     *        eth1\n\
            10.0.0.11        0x1         0x6         52:54:00:aa:bb:02     *        eth1\n\
            10.0.0.12        0x20        0x2         80:00:00:48:fe:80     *        ib0\n\
            10.0.0.13        0x1         0x2         00:00:00:00:00:00     *        eth1\n\
            nonsense\n\n10.0.0.14 0x1 2\n";
        let found: Vec<String> = parse(table).into_iter().map(|(ip, mac)| format!("{ip} {mac}")).collect();
        assert_eq!(found, ["10.0.0.9 52:54:00:aa:bb:01", "10.0.0.11 52:54:00:aa:bb:02"]);
        assert!(parse("").is_empty());
    }
}
