//! Gets this machine onto the boot network: all links up, then an address on the interface that iPXE booted from, else
//! on the next one that gets one. Changes nothing but links, addresses, routes and /etc/resolv.conf.

mod dhcp;
mod links;
mod resolv;
mod slaac;

use std::path::Path;
use std::time::{Duration, Instant};

pub use links::{Interface, list, ordered};

/// What the stage needs.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// MAC address of the interface to try first.
    pub boot_mac: Option<String>,
    /// The server has an IPv6 address: take one from router advertisements.
    pub ipv6: bool,
}

/// What it got.
#[derive(Debug, Clone)]
pub struct Network {
    /// Name of the interface.
    pub interface: String,
    /// Address and prefix length.
    pub address: String,
    /// "DHCP" or "SLAAC".
    pub how: &'static str,
}

/// How long a link may take to come up: the one we booted from had one a moment ago and gets more patience.
const CARRIER_BOOT: Duration = Duration::from_secs(15);
const CARRIER_OTHER: Duration = Duration::from_secs(4);

/// One attempt over all interfaces. `tell` gets a line about each that did not work.
pub async fn bring_up(wanted: &Wanted, tell: &(dyn Fn(&str) + Sync)) -> Result<Network, String> {
    let root = Path::new("/");
    let interfaces = ordered(list(root), wanted.boot_mac.as_deref());
    if interfaces.is_empty() {
        return Err("no Ethernet interface with a driver was found: is the NIC's driver in the first stage?".to_owned());
    }
    let handle = links::connect()?;
    links::up_loopback(&handle).await;
    for interface in &interfaces {
        if wanted.ipv6 {
            slaac::enable(&interface.name);
        }
        if let Err(e) = links::up(&handle, interface.index).await {
            tell(&format!("{}: cannot be brought up: {e}", interface.name));
        }
    }
    let began = Instant::now();
    let mut problems = Vec::new();
    for (place, interface) in interfaces.iter().enumerate() {
        let patience = if place == 0 { CARRIER_BOOT } else { CARRIER_OTHER };
        let outcome = match links::wait_for_carrier(root, &interface.name, began, patience).await {
            false => Err("no link".to_owned()),
            true if wanted.ipv6 => slaac::wait(root, &interface.name, Duration::from_secs(15))
                .await
                .map(|address| Network { interface: interface.name.clone(), address, how: "SLAAC" }),
            true => dhcp::start(&handle, interface).await.map(|address| Network {
                interface: interface.name.clone(),
                address,
                how: "DHCP",
            }),
        };
        match outcome {
            Ok(network) => return Ok(network),
            Err(why) => {
                let line = format!("{} ({}): {why}", interface.name, interface.mac);
                tell(&line);
                problems.push(line);
            }
        }
    }
    Err(format!("no interface got an address: {}", problems.join("; ")))
}
