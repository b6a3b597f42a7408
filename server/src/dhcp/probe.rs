//! Asks a wire whether other servers of DHCP answer: a DISCOVER as firmware sends it, and whatever comes within some seconds.
//! It takes no address: what is offered is let go.

use super::options::Options;
use super::packet;
use crate::domain::dhcp::reply::{CLIENT_PORT, SERVER_PORT, code};
use crate::domain::dhcp::request::MessageType;
use crate::domain::dhcp::rival::{self, Rival};
use nix::sys::socket::sockopt::{BindToDevice, Broadcast, ReuseAddr};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket};
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Servers look for a second whether the address is in use before they offer it.
const PATIENCE: Duration = Duration::from_millis(3_500);
/// The question is sent again, should it get lost.
const AGAIN: Duration = Duration::from_secs(1);
/// Answers that are looked at.
const ANSWERS: usize = 64;
/// Servers that are told.
const SERVERS: usize = 16;
const DATAGRAM: usize = 4096;

/// Who answers on this interface. `installation`: whose servers are silent (see [`rival::mark`]).
///
/// # Errors
/// Of the kernel: no such interface, no right to it, it is down.
pub async fn others(interface: &str, installation: &str) -> io::Result<Vec<Rival>> {
    let socket = open(interface)?;
    let xid: u32 = rand::random();
    let question = question(installation, xid);
    let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
    let until = Instant::now() + PATIENCE;
    let mut found = BTreeSet::new();
    let mut buffer = vec![0; DATAGRAM];
    socket.send_to(&question, to).await?;
    let mut again = Some(Instant::now() + AGAIN);
    let mut answers = 0;
    // What others are answered comes here too, however much that is: it ends with the time.
    while answers < ANSWERS && found.len() < SERVERS && Instant::now() < until {
        let (length, source) = match timeout_at(again.unwrap_or(until), socket.recv_from(&mut buffer)).await {
            Ok(received) => received?,
            Err(_) if again.take().is_some() => {
                socket.send_to(&question, to).await?;
                continue;
            }
            Err(_) => break,
        };
        let SocketAddr::V4(source) = source else { continue };
        let bytes = buffer.get(..length).unwrap_or_default();
        let Ok(reply) = packet::parse(bytes) else { continue };
        answers += usize::from(reply.xid == xid);
        found.extend(rival::rival(&reply, names_a_file(bytes), xid, *source.ip()));
    }
    Ok(found.into_iter().collect())
}

/// Clients' port: together with a DHCP client of this machine, if there is one; each hears all broadcasts.
fn open(interface: &str) -> io::Result<UdpSocket> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, BindToDevice, &interface.into())?;
    setsockopt(&fd, Broadcast, &true)?;
    setsockopt(&fd, ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT)))?;
    UdpSocket::from_std(fd.into())
}

/// A DISCOVER (RFC 2131, 4.4.1) of UEFI firmware (RFC 4578), to be answered by broadcast.
fn question(installation: &str, xid: u32) -> Vec<u8> {
    let hardware = rival::hardware(installation);
    let mut bytes = vec![1, hardware.kind, u8::try_from(hardware.address.len()).unwrap_or(6), 0];
    bytes.extend(xid.to_be_bytes());
    bytes.extend([0, 0, 0x80, 0]);
    bytes.resize(28, 0);
    bytes.extend(&hardware.address);
    bytes.resize(packet::HEADER, 0);
    bytes.extend(packet::COOKIE);
    let mut option = |code: u8, value: &[u8]| {
        bytes.extend([code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
        bytes.extend(value);
    };
    option(code::MESSAGE_TYPE, &[MessageType::Discover.number()]);
    option(code::CLIENT_ID, &rival::mark(installation));
    option(code::CLASS, b"PXEClient:Arch:00007:UNDI:003016");
    option(93, &[0, 7]);
    option(94, &[1, 3, 16]);
    option(55, &[code::SUBNET_MASK, code::ROUTERS, code::SERVER_ID, code::CLASS, code::TFTP_SERVER, code::BOOT_FILE]);
    bytes.push(255);
    bytes.resize(bytes.len().max(300), 0);
    bytes
}

/// Whether an answer says what to boot: in the header's field, or as an option.
fn names_a_file(bytes: &[u8]) -> bool {
    let field = bytes.get(108..packet::HEADER).unwrap_or_default();
    let area = bytes.get(packet::HEADER + packet::COOKIE.len()..).unwrap_or_default();
    let options = Options::scan(area, field, bytes.get(44..108).unwrap_or_default()).unwrap_or_default();
    // With option 52 the field holds options.
    let overloaded = options.get(52).is_some();
    options.get(code::BOOT_FILE).is_some() || !overloaded && field.first().is_some_and(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::dhcp::request::Op;

    #[test]
    fn the_question_is_a_packet_that_we_would_know() {
        let request = packet::parse(&question("here", 7)).unwrap();
        assert_eq!((request.op, request.xid, request.kind), (Op::Request, 7, Some(MessageType::Discover)));
        assert!(request.broadcast && request.class.starts_with("PXEClient"));
        assert_eq!(request.client_id, Some(rival::mark("here")));
        assert_eq!(request.hardware, rival::hardware("here"));
    }

    #[test]
    fn answers_to_us_that_offer_something() {
        let mut bytes = question("here", 7);
        bytes[0] = 2;
        let source = Ipv4Addr::new(10, 0, 0, 3);
        let of = |bytes: &[u8]| rival::rival(&packet::parse(bytes).unwrap(), names_a_file(bytes), 7, source);
        assert_eq!(of(&bytes), None, "a DISCOVER is no offer");
        let kind = packet::HEADER + 4 + 2;
        bytes[kind] = MessageType::Offer.number();
        assert_eq!(of(&bytes), Some(Rival { server: source, offers: None, boots: true }));
        bytes[16..20].copy_from_slice(&[10, 0, 0, 9]);
        let offers = Some(Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(of(&bytes), Some(Rival { server: source, offers, boots: false }));
        bytes[108] = b'x';
        assert_eq!(of(&bytes), Some(Rival { server: source, offers, boots: true }));
        bytes[4] = 1;
        assert_eq!(of(&bytes), None, "another number");
    }
}
