//! Why a packet gets no answer: for the log, the metrics and `higuma dhcp explain`.

use super::arch::Arch;
use super::request::{MessageType, colons};
use ipnet::Ipv4Net;
use std::fmt;
use std::net::Ipv4Addr;

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The service is off on this interface.
    Off,
    /// It is a reply, of us or of another server.
    NotARequest,
    /// Its relay is ourselves: it went round in a circle.
    Loop(Ipv4Addr),
    /// It went through too many relays.
    Hops(u8),
    /// BOOTP has no leases and no PXE.
    Bootp,
    /// Only servers send this.
    OfAServer(MessageType),
    /// Nothing that we serve.
    Unsupported(MessageType),
    /// It names another server.
    OtherServer(Ipv4Addr),
    /// Neither PXE nor HTTP boot nor iPXE.
    NotABootClient,
    /// A setting says that this node does not boot from us.
    NotBooted,
    /// No program for these machines exists here.
    NoArch(Vec<Arch>),
    /// The program for these machines is not in the folder.
    NoFile {
        /// What it said that it is.
        archs: Vec<Arch>,
        /// What is missing.
        name: &'static str,
    },
    /// In proxy mode, addresses are another server's.
    ProxyOnly(MessageType),
    /// Port 4011 is for PXE's requests.
    NotOnPxePort(MessageType),
    /// None of our subnets has this relay or this interface.
    NoSubnet(Option<Ipv4Addr>),
    /// Its subnets have no addresses for a machine that none is reserved for.
    NoPool(Vec<Ipv4Net>),
    /// All addresses are taken.
    Exhausted(Vec<Ipv4Net>),
    /// The address that is reserved for it answers already.
    InUse(Ipv4Addr),
    /// It keeps an address that we know nothing of, and we are not authoritative.
    UnknownAddress(Ipv4Addr),
    /// A REQUEST that names no address.
    NoAddress,
    /// It speaks of an address that is not its own.
    NotItsOwn(Ipv4Addr),
    /// It gave its address back: that has no answer.
    Released(Ipv4Addr),
    /// It found its address with somebody else: that has no answer.
    Declined(Ipv4Addr),
    /// A server of this installation asks whether others answer.
    Probe,
    /// More is looked for than is good.
    Busy,
    /// The hardware address is one of many.
    Hardware(Vec<u8>),
}

impl Silence {
    /// Word for metrics and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NotARequest => "not_a_request",
            Self::Loop(_) => "loop",
            Self::Hops(_) => "hops",
            Self::Bootp => "bootp",
            Self::OfAServer(_) => "of_a_server",
            Self::Unsupported(_) => "unsupported",
            Self::OtherServer(_) => "other_server",
            Self::NotABootClient => "not_a_boot_client",
            Self::NotBooted => "not_booted",
            Self::NoArch(_) => "no_arch",
            Self::NoFile { .. } => "no_file",
            Self::ProxyOnly(_) => "proxy_only",
            Self::NotOnPxePort(_) => "not_on_pxe_port",
            Self::NoSubnet(_) => "no_subnet",
            Self::NoPool(_) => "no_pool",
            Self::Exhausted(_) => "exhausted",
            Self::InUse(_) => "in_use",
            Self::UnknownAddress(_) => "unknown_address",
            Self::NoAddress => "no_address",
            Self::NotItsOwn(_) => "not_its_own",
            Self::Released(_) => "released",
            Self::Declined(_) => "declined",
            Self::Probe => "probe",
            Self::Busy => "busy",
            Self::Hardware(_) => "hardware",
        }
    }

    /// Is it something that an operator has to see to?
    pub fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Loop(_) | Self::Hops(_) | Self::NoFile { .. } | Self::NoArch(_) | Self::Exhausted(_) | Self::InUse(_)
        ) || matches!(self, Self::Declined(_) | Self::NoSubnet(Some(_)))
    }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("the service is off on this interface"),
            Self::NotARequest => f.write_str("a reply: only requests are answered"),
            Self::Loop(relay) => write!(f, "its relay {relay} is this server: it goes round in a circle"),
            Self::Hops(hops) => {
                write!(f, "it went through {hops} relays: at most {} are taken for no loop", super::HOPS_MAX)
            }
            Self::Bootp => f.write_str("BOOTP without a DHCP message type (option 53): nothing here is for BOOTP"),
            Self::OfAServer(kind) => write!(f, "{kind} is for servers to send, and this came as a request"),
            Self::Unsupported(kind) => write!(f, "{kind} is not served"),
            Self::OtherServer(server) => write!(f, "meant for another server (server id {server})"),
            Self::NotABootClient => {
                f.write_str("not a PXE client: neither option 60 PXEClient or HTTPClient, nor iPXE's options 77 or 175")
            }
            Self::NotBooted => f.write_str("a setting says that this node does not boot from here"),
            Self::NoArch(archs) => write!(f, "no iPXE exists for architecture {}", list(archs)),
            Self::NoFile { archs, name } => write!(
                f,
                "architecture {} needs {name}, which is not in ipxe-dir: put it there (Debian's package ipxe has the \
                 x86 ones)",
                list(archs)
            ),
            Self::ProxyOnly(kind) => write!(f, "in proxy mode a {kind} is for the server that gives addresses"),
            Self::NotOnPxePort(kind) => {
                write!(f, "{kind} on port 4011: only PXE's REQUEST and INFORM are answered there")
            }
            Self::NoSubnet(Some(address)) => {
                write!(f, "no subnet of ours contains {address}: add one, or take us off its relay")
            }
            Self::NoSubnet(None) => f.write_str("no subnet of ours is on this interface"),
            Self::NoPool(nets) => {
                write!(
                    f,
                    "no pool in {}: no address is reserved for this machine, and none is for the unknown",
                    list(nets)
                )
            }
            Self::Exhausted(nets) => write!(f, "pool exhausted: {} has no free address", list(nets)),
            Self::InUse(address) => {
                write!(f, "the address {address} is reserved for it, and another machine answers there")
            }
            Self::UnknownAddress(address) => {
                write!(f, "it keeps {address}, which we have not given: we are not authoritative")
            }
            Self::NoAddress => f.write_str("a REQUEST without an address: neither option 50 nor ciaddr"),
            Self::NotItsOwn(address) => write!(f, "{address} is not this client's"),
            Self::Released(address) => write!(f, "{address} was given back, which has no answer"),
            Self::Declined(address) => {
                write!(f, "{address} was declined: another machine has it; it is not given for a while")
            }
            Self::Probe => f.write_str("a server of this installation asks whether other DHCP servers answer"),
            Self::Busy => f.write_str("free addresses are looked for by many others at this moment: it asks again"),
            Self::Hardware(address) => write!(f, "the hardware address {} is nobody's own", colons(address)),
        }
    }
}
