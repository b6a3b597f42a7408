//! IPv4 by DHCP: asks with the MAC address as client id (as iPXE did, so the lease is the same one), applies the lease
//! and keeps it alive in the background for as long as the stage runs.

use std::net::Ipv4Addr;
use std::time::Duration;

use mozim::{DhcpV4Client, DhcpV4Config, DhcpV4Lease, DhcpV4State};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, RouteMessageBuilder};

use super::{Interface, links, resolv};
use crate::console::say;

/// A server that does not answer in this time is not there (retransmissions come after about 4 and 12 s).
const PATIENCE_SECONDS: u32 = 15;

/// Gets and applies a lease; gives the address with its prefix length. The lease is renewed by a task from then on.
pub async fn start(handle: &Handle, interface: &Interface) -> Result<String, String> {
    let mut config = DhcpV4Config::new(&interface.name);
    config.set_iface_index(interface.index);
    config.set_iface_mac(&interface.mac).map_err(|e| e.to_string())?;
    config.use_mac_as_client_id();
    config.set_timeout_sec(PATIENCE_SECONDS);
    let mut client = DhcpV4Client::init(config, None).await.map_err(|e| e.to_string())?;
    let lease = loop {
        // The client's own timer counts only while it waits for something.
        let limit = Duration::from_secs(u64::from(PATIENCE_SECONDS) + 5);
        match tokio::time::timeout(limit, client.run()).await {
            Ok(Ok(DhcpV4State::Done(lease))) => break lease,
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return Err(e.to_string()),
            Err(_) => return Err("no DHCP answer".to_owned()),
        }
    };
    apply(handle, interface, &lease).await?;
    let address = format!("{}/{}", lease.yiaddr, lease.prefix_length());
    tokio::spawn(keep(client, handle.clone(), interface.clone(), *lease));
    Ok(address)
}

/// Runs for ever.
async fn keep(mut client: DhcpV4Client, handle: Handle, interface: Interface, mut lease: DhcpV4Lease) {
    loop {
        match client.run().await {
            Ok(DhcpV4State::Done(new)) => {
                if new.yiaddr != lease.yiaddr {
                    say(
                        "network",
                        &format!("{}: the address changed from {} to {}", interface.name, lease.yiaddr, new.yiaddr),
                    );
                }
                if let Err(e) = apply(&handle, &interface, &new).await {
                    say("network", &format!("{}: the renewed lease cannot be applied: {e}", interface.name));
                }
                lease = *new;
            }
            Ok(_) => {}
            Err(e) => {
                say(
                    "network",
                    &format!("{}: the lease of {} cannot be renewed: {e}; asking anew", interface.name, lease.yiaddr),
                );
                client.clean_up();
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        }
    }
}

async fn apply(handle: &Handle, interface: &Interface, lease: &DhcpV4Lease) -> Result<(), String> {
    if let Some(mtu) = lease.mtu.filter(|mtu| (576..=9_216).contains(mtu)) {
        // A driver that cannot do it keeps its own size, which works as well.
        let _ = links::set_mtu(handle, interface.index, mtu).await;
    }
    handle
        .address()
        .add(interface.index, lease.yiaddr.into(), lease.prefix_length())
        .replace()
        .execute()
        .await
        .map_err(|e| format!("cannot set the address {}: {e}", lease.yiaddr))?;
    for (destination, length, gateway) in routes(lease) {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(destination, length)
            .output_interface(interface.index);
        route = if gateway.is_unspecified() { route.scope(RouteScope::Link) } else { route.gateway(gateway) };
        if let Err(e) = handle.route().add(route.build()).replace().execute().await {
            say("network", &format!("{}: no route to {destination}/{length} by {gateway}: {e}", interface.name));
        }
    }
    let servers = lease.dns_srvs.clone().unwrap_or_default();
    let mut search = lease.domain_search.clone().unwrap_or_default();
    if search.is_empty() {
        search.extend(lease.domain_name.clone());
    }
    resolv::write(&servers, &search);
    Ok(())
}

/// Destination, prefix length, gateway. Classless routes replace the router option where they are given (RFC 3442).
fn routes(lease: &DhcpV4Lease) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    match &lease.classless_routes {
        Some(routes) => routes.iter().map(|r| (r.destination, r.prefix_length, r.router)).collect(),
        None => lease.gateways.iter().flatten().take(1).map(|gateway| (Ipv4Addr::UNSPECIFIED, 0, *gateway)).collect(),
    }
}
