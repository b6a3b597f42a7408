//! IPv6 by router advertisements: the kernel does the work, this asks for it and waits for the address.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// IFA_F_TENTATIVE | IFA_F_DADFAILED: not usable (yet).
const UNUSABLE: u32 = 0x40 | 0x08;

/// Asks the kernel to accept router advertisements on `interface`, before its link comes up.
pub fn enable(interface: &str) {
    for (key, value) in [("disable_ipv6", "0"), ("accept_ra", "2"), ("autoconf", "1")] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{key}"), value);
    }
}

/// The first usable global address of `interface`, with its prefix length.
pub async fn wait(root: &Path, interface: &str, patience: Duration) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let table = std::fs::read_to_string(root.join("proc/net/if_inet6")).unwrap_or_default();
        if let Some(address) = global_address(&table, interface) {
            return Ok(address);
        }
        if began.elapsed() >= patience {
            return Err(format!("no IPv6 address from a router advertisement within {} s", patience.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A line of /proc/net/if_inet6: address, interface number, prefix length, scope, flags (all hex), name.
fn global_address(table: &str, interface: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, _, length, scope, flags, name] = words.as_slice() else { return None };
        if *name != interface || u8::from_str_radix(scope, 16).ok()? != 0 {
            return None;
        }
        if u32::from_str_radix(flags, 16).ok()? & UNUSABLE != 0 {
            return None;
        }
        let address = Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?);
        Some(format!("{address}/{}", u8::from_str_radix(length, 16).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::global_address;

    #[test]
    fn only_a_usable_global_address_counts() {
        let table = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe80000000000000505400fffe123456 02 40 20 80     eth0\n\
                     fd000000000000000000000000000001 02 40 00 40     eth0\n\
                     fd000000000000000000000000000002 02 40 00 00     eth0\n";
        assert_eq!(global_address(table, "eth0").as_deref(), Some("fd00::2/64"));
        assert_eq!(global_address(table, "eth1"), None);
        assert_eq!(global_address("nonsense", "eth0"), None);
    }
}
