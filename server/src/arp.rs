//! Who answers for an address on the networks that this machine is on: by the kernel's ARP table, which anybody may read. Nothing
//! here sends ARP itself: a datagram to the address makes the kernel do so.

use crate::domain::Mac;
use crate::domain::ipam::arp::parse;
use crate::service::ipam::Prober;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

const TABLE: &str = "/proc/net/arp";
/// Bytes of the table: 80 a line, far more lines than a kernel keeps.
const LONGEST: u64 = 16 << 20;
/// An answer comes within milliseconds, or not at all; the kernel asks once a second.
const PATIENCE: Duration = Duration::from_millis(1_200);
const LOOK: Duration = Duration::from_millis(100);
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

/// By the kernel of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl Prober for Kernel {
    fn who_has(&self, address: IpAddr) -> BoxFuture<'_, Option<Mac>> {
        async move {
            // Neighbour discovery of IPv6 has another table, which is not looked at.
            let IpAddr::V4(v4) = address else { return None };
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
        let table = table().await.unwrap();
        assert!(table.iter().any(|(address, _)| address.to_string() == format!("{net}.9")));
        assert_eq!(Kernel.who_has("fd00::1".parse().unwrap()).await, None);
    }
}
