//! What goes back, and where to: a description, which the codec writes. Nothing here knows of sockets.

use super::request::{Hardware, MessageType, Request};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Ports (RFC 2131, 4.1; PXE 2.1, 2.2.3).
pub const SERVER_PORT: u16 = 67;
/// Of clients.
pub const CLIENT_PORT: u16 = 68;
/// Of PXE boot servers.
pub const PXE_PORT: u16 = 4011;

/// Codes of options that we write (RFC 2132 unless said).
pub mod code {
    #![allow(missing_docs)]
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTERS: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOSTNAME: u8 = 12;
    pub const DOMAIN: u8 = 15;
    pub const MTU: u8 = 26;
    pub const BROADCAST: u8 = 28;
    pub const NTP: u8 = 42;
    pub const VENDOR: u8 = 43;
    pub const LEASE_TIME: u8 = 51;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const MESSAGE: u8 = 56;
    pub const RENEWAL: u8 = 58;
    pub const REBINDING: u8 = 59;
    pub const CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const TFTP_SERVER: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    /// RFC 4578.
    pub const GUID: u8 = 97;
    /// iPXE's own.
    pub const IPXE: u8 = 175;
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Message type.
    pub kind: MessageType,
    /// The client's number.
    pub xid: u32,
    /// As the client had it; set for a NAK through a relay (RFC 2131, 4.3.2).
    pub broadcast: bool,
    /// The client's address, in an ACK to one that has it.
    pub ciaddr: Ipv4Addr,
    /// The address that it is given; 0.0.0.0: none.
    pub yiaddr: Ipv4Addr,
    /// Next server.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The client's port.
    pub hardware: Hardware,
    /// The header's field `file`: 127 bytes at most, longer names go into the options only.
    pub file: String,
    /// Options in the order in which they are written; the codec leaves the last out first when the client takes no more.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Option 82 as it came, written last (RFC 3046, 2.1).
    pub relay: Option<Vec<u8>>,
    /// What the client takes (option 57).
    pub max_size: Option<u16>,
}

impl Reply {
    /// To this request, with nothing in it yet.
    pub fn to(request: &Request, kind: MessageType, server_id: Ipv4Addr) -> Self {
        Self {
            kind,
            xid: request.xid,
            broadcast: request.broadcast,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: request.giaddr,
            hardware: request.hardware.clone(),
            file: String::new(),
            options: vec![(code::MESSAGE_TYPE, vec![kind.number()]), (code::SERVER_ID, server_id.octets().to_vec())],
            relay: request.relay.as_ref().map(|relay| relay.raw.clone()),
            max_size: request.max_size,
        }
    }

    /// Adds an option; one of this code that is there is replaced, in its place.
    pub fn set(&mut self, code: u8, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self.options.iter_mut().find(|(known, _)| *known == code) {
            Some((_, old)) => *old = value,
            None => self.options.push((code, value)),
        }
    }

    /// An option's value.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice())
    }
}

/// Where a reply goes (RFC 2131, 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To 255.255.255.255, port 68, out of the interface that the request came in by.
    Broadcast,
    /// To this relay, port 67.
    Relay(Ipv4Addr),
    /// To an address that works already.
    Unicast(SocketAddrV4),
    /// To this address, port 68, which the client does not answer ARP for yet: the frame names its hardware address.
    /// Where that cannot be done, a broadcast is as good (RFC 2131, 4.1).
    Hardware(Ipv4Addr, Hardware),
}

impl Destination {
    /// Of a reply to a client on port 67.
    pub fn of(request: &Request, reply: &Reply) -> Self {
        if request.relayed() {
            Self::Relay(request.giaddr)
        } else if reply.kind == MessageType::Nak {
            Self::Broadcast
        } else if !request.ciaddr.is_unspecified() {
            Self::Unicast(SocketAddrV4::new(request.ciaddr, CLIENT_PORT))
        } else if request.broadcast || reply.yiaddr.is_unspecified() {
            Self::Broadcast
        } else {
            Self::Hardware(reply.yiaddr, request.hardware.clone())
        }
    }

    /// The address and port to send to.
    pub fn address(&self) -> SocketAddrV4 {
        match self {
            Self::Broadcast => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
            Self::Relay(relay) => SocketAddrV4::new(*relay, SERVER_PORT),
            Self::Unicast(address) => *address,
            Self::Hardware(address, _) => SocketAddrV4::new(*address, CLIENT_PORT),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broadcast => f.write_str("broadcast"),
            Self::Relay(relay) => write!(f, "relay {relay}:{SERVER_PORT}"),
            Self::Unicast(address) => write!(f, "{address}"),
            Self::Hardware(address, hardware) => write!(f, "{address}:{CLIENT_PORT} at {hardware}"),
        }
    }
}
