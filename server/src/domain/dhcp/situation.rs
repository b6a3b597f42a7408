//! What is known when a packet is decided on, and what comes of it.

use super::boot_file::{BootFile, BootSettings};
use super::lease::Lease;
use super::reply::{Destination, Reply};
use super::silence::Silence;
use super::subnet::{Subnet, SubnetOptions};
use crate::domain::ids::{Hostname, Invalid, Micros};
use crate::domain::node::words;
use ipnet::Ipv4Net;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// What we are on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Off,
    /// Beside a DHCP server that may not be touched: we tell what to boot, and give no addresses.
    Proxy,
    /// The DHCP server.
    Server,
}

words!(Mode, "DHCP mode", "off, proxy or server", Off = "off", Proxy = "proxy", Server = "server");

/// The port that a packet came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// 67.
    Dhcp,
    /// 4011.
    Pxe,
}

/// What a person set for the node of this packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reservation {
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Its name, without a domain.
    pub hostname: Option<Hostname>,
    /// Stronger than those of the subnet.
    pub options: SubnetOptions,
    /// The same of its lease time, seconds.
    pub lease_seconds: Option<u32>,
}

/// An answer to [`Need`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Candidate {
    /// Nobody was asked yet.
    #[default]
    NotAsked,
    /// This one: kept for the client, and nobody answered at it.
    Free(Ipv4Addr),
    /// The one that was to be probed: somebody answered.
    InUse(Ipv4Addr),
    /// There is none.
    Exhausted,
}

/// All that a decision depends on beside the packet.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// What we are here.
    pub mode: Mode,
    /// Where it came to.
    pub port: Port,
    /// Who sent it.
    pub source: SocketAddrV4,
    /// It was sent to an address of ours, and not to all.
    pub unicast: bool,
    /// Our address for these clients: the server id.
    pub here: Ipv4Addr,
    /// All addresses of this machine: whoever relays from one of them is ourselves.
    pub own: &'a [Ipv4Addr],
    /// Addresses and networks of the interface.
    pub interface: &'a [Ipv4Net],
    /// Whoever uses an address that we did not give is told so.
    pub authoritative: bool,
    /// The client identifier that servers of this installation ask with ([`rival::mark`](super::rival::mark)).
    pub probe: &'a [u8],
    /// All subnets.
    pub subnets: &'a [Subnet],
    /// The node's record, when one is found by UUID, hardware address or client.
    pub reservation: Option<&'a Reservation>,
    /// Of the leases of the subnets that it is about, that of this client, as [`Lease::of`] finds it.
    pub lease: Option<&'a Lease>,
    /// What came of the need that an earlier decision on this packet had.
    pub candidate: Candidate,
    /// What it may boot.
    pub boot: &'a BootSettings,
    /// Now.
    pub now: Micros,
}

/// What comes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Store the lease, then send this. When it cannot be stored (another has the address by now), nothing is sent.
    Answer(Box<Answer>),
    /// Find this out, and decide again with the result as [`Situation::candidate`].
    Need(Need),
    /// Store the lease, if there is one; send nothing.
    Silence(Silence, Option<Box<Lease>>),
}

/// What is missing for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A free address of one of these subnets (those of its `spans`; never one that is reserved), the wished one if it can
    /// be; keep it, and see that nobody answers at it.
    Address {
        /// Networks, in the order to try.
        subnets: Vec<Ipv4Net>,
        /// What the client wishes.
        wish: Option<Ipv4Addr>,
    },
    /// Whether somebody answers at this one.
    Probe(Ipv4Addr),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What is sent.
    pub reply: Reply,
    /// Where to.
    pub to: Destination,
    /// The lease as it is from now on.
    pub lease: Option<Lease>,
    /// What the client was told to boot, or why nothing; none in a NAK.
    pub boot: Option<Result<BootFile, Silence>>,
    /// Why this answer.
    pub why: Why,
}

/// Why an answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A PXE client beside another server.
    Proxy,
    /// A PXE client asked on port 4011.
    Pxe,
    /// The address is reserved for the node.
    Reserved,
    /// The client had it before.
    Known,
    /// From the pool.
    Pool,
    /// It has an address, and asked for the rest.
    Inform,
    /// NAK: it asked for an address that is not its own.
    NotItsOwn(Ipv4Addr),
    /// NAK: it is on another network now.
    Elsewhere(Ipv4Addr),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy => f.write_str("a boot client; its address is another server's matter"),
            Self::Pxe => f.write_str("a boot client that asks for its file on port 4011"),
            Self::Reserved => f.write_str("the address is reserved for this node"),
            Self::Known => f.write_str("this client had the address before"),
            Self::Pool => f.write_str("an address of the pool"),
            Self::Inform => f.write_str("it has an address and asks for the rest"),
            Self::NotItsOwn(address) => write!(f, "{address} is not this client's"),
            Self::Elsewhere(address) => write!(f, "{address} is of another network than the client is on"),
        }
    }
}
