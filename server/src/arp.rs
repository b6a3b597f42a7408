//! Who answers for an address on the networks that this machine is on: by the kernel's ARP table, which anybody may read. Nothing
//! here sends ARP itself: a datagram to the address makes the kernel do so. What the kernel heard earlier is forgotten first, for
//! that machine may be gone; without the right to that (CAP_NET_ADMIN) it counts.

use crate::domain::Mac;
use crate::domain::ipam::arp::parse;
use crate::service::ipam::Prober;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout};

const TABLE: &str = "/proc/net/arp";
/// Bytes of the table: 80 a line, far more lines than a kernel keeps.
const LONGEST: u64 = 16 << 20;
/// An answer comes within milliseconds, or not at all; the kernel asks once a second.
const PATIENCE: Duration = Duration::from_millis(1_200);
const LOOK: Duration = Duration::from_millis(100);
/// The kernel forgets at once.
const FORGET: Duration = Duration::from_secs(1);
/// RMCP's port, where a BMC would be; anything else that listens there ignores an empty datagram.
const PORT: u16 = 623;

/// All that the kernel knows now.
///
/// # Errors
/// The table cannot be read.
pub async fn table() -> io::Result<Vec<(IpAddr, Mac)>> {
    let mut text = String::new();
    tokio::fs::File::open(TABLE).await?.take(LONGEST).read_to_string(&mut text).await?;
    Ok(parse(&text))
}

/// Takes what the kernel has learnt of an address out of its table, on every interface; what a person put there stays.
async fn forget(address: Ipv4Addr) -> Result<(), String> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| error.to_string())?;
    let serving = tokio::spawn(connection);
    let forgetting = async {
        let wanted = NeighbourAttribute::Destination(NeighbourAddress::Inet(address));
        let mut known = handle.neighbours().get().set_address_family(AddressFamily::Inet).execute();
        let mut gone = Vec::new();
        while let Some(entry) = known.try_next().await? {
            let by_hand = matches!(entry.header.state, NeighbourState::Permanent | NeighbourState::Noarp);
            if !by_hand && entry.attributes.contains(&wanted) {
                gone.push(entry);
            }
        }
        for entry in gone {
            handle.neighbours().del(entry).execute().await?;
        }
        Ok::<(), rtnetlink::Error>(())
    };
    let outcome = timeout(FORGET, forgetting).await;
    serving.abort();
    outcome.map_err(|_| "netlink does not answer".to_owned())?.map_err(|error| error.to_string())
}

/// By the kernel of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl Prober for Kernel {
    fn who_has(&self, address: IpAddr) -> BoxFuture<'_, Option<Mac>> {
        async move {
            // Neighbour discovery of IPv6 has another table, which is not looked at.
            let IpAddr::V4(v4) = address else { return None };
            if let Err(error) = forget(v4).await {
                tracing::debug!(%address, "what the kernel knows of {address} cannot be forgotten, and counts: {error}");
            }
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
            // Without a route there is nobody to ask.
            socket.send_to(&[], (v4, PORT)).await.ok()?;
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                sleep(LOOK).await;
                let known = table().await.ok()?;
                if let Some((_, mac)) = known.into_iter().find(|(known, _)| *known == address) {
                    return Some(mac);
                }
            }
            None
        }
        .boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn ip(words: &str) {
        let done = std::process::Command::new("ip").args(words.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "ip {words} (as root, package iproute2): {said}");
    }

    /// A machine in a network namespace, with a cable to this one; gone when dropped.
    struct Neighbour(String);

    impl Drop for Neighbour {
        fn drop(&mut self) {
            ip(&format!("netns del {}", self.0));
        }
    }

    #[tokio::test]
    async fn a_real_neighbour_answers_and_nobody_does_not() {
        let number = std::process::id() % 250;
        let (space, here, net) = (format!("hgarp{number}"), format!("hgar{number}"), format!("10.89.{number}"));
        ip(&format!("netns add {space}"));
        let there = Neighbour(space);
        let space = &there.0;
        ip(&format!("link add {here} type veth peer name eth0 address 52:54:00:a9:00:01 netns {space}"));
        ip(&format!("-n {space} addr add {net}.9/24 dev eth0"));
        ip(&format!("-n {space} link set eth0 up"));
        ip(&format!("addr add {net}.1/24 dev {here}"));
        ip(&format!("link set {here} up"));
        let who_has = |last: u8| Kernel.who_has(format!("{net}.{last}").parse().unwrap());
        assert_eq!(who_has(9).await.map(|mac| mac.to_string()).as_deref(), Some("52:54:00:a9:00:01"));
        assert_eq!(who_has(10).await, None);
        let listed = table().await.unwrap();
        assert!(listed.iter().any(|(address, _)| address.to_string() == format!("{net}.9")));
        // It is gone; that the kernel remembers it is no answer.
        ip(&format!("-n {space} link set eth0 down"));
        assert_eq!(who_has(9).await, None);
        // What a person wrote down is.
        ip(&format!("neigh replace {net}.11 lladdr 52:54:00:a9:00:02 dev {here} nud permanent"));
        assert_eq!(who_has(11).await.map(|mac| mac.to_string()).as_deref(), Some("52:54:00:a9:00:02"));
        assert_eq!(Kernel.who_has("fd00::1".parse().unwrap()).await, None);
    }
}
