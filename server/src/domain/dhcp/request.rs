//! What a client or a relay sent, as values. The codec (`crate::dhcp::packet`) makes these out of bytes; nothing here has
//! seen a byte that was not checked.

use super::arch::Arch;
use crate::domain::{Mac, NodeUuid};
use std::fmt;
use std::net::Ipv4Addr;

/// BOOTP's direction (RFC 951).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// From a client.
    Request,
    /// From a server.
    Reply,
}

/// DHCP's message type (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageType {
    /// Who serves here?
    Discover,
    /// You may have this.
    Offer,
    /// I take it, or keep it.
    Request,
    /// Somebody else has it.
    Decline,
    /// It is yours.
    Ack,
    /// It is not.
    Nak,
    /// I need it no more.
    Release,
    /// I have an address; the rest, please.
    Inform,
    /// Others, of leasequery and reconfiguration: nothing that we answer.
    Other(u8),
}

/// Numbers and words of the types that have names.
const TYPES: &[(u8, MessageType, &str)] = &[
    (1, MessageType::Discover, "DISCOVER"),
    (2, MessageType::Offer, "OFFER"),
    (3, MessageType::Request, "REQUEST"),
    (4, MessageType::Decline, "DECLINE"),
    (5, MessageType::Ack, "ACK"),
    (6, MessageType::Nak, "NAK"),
    (7, MessageType::Release, "RELEASE"),
    (8, MessageType::Inform, "INFORM"),
];

impl MessageType {
    /// Of option 53's number.
    pub fn from_number(number: u8) -> Self {
        TYPES.iter().find(|(n, _, _)| *n == number).map_or(Self::Other(number), |(_, kind, _)| *kind)
    }

    /// For option 53.
    pub fn number(self) -> u8 {
        match self {
            Self::Other(number) => number,
            named => TYPES.iter().find(|(_, kind, _)| *kind == named).map_or(0, |(n, _, _)| *n),
        }
    }

    /// For metrics: a few words only.
    pub fn word(self) -> &'static str {
        TYPES.iter().find(|(_, kind, _)| *kind == self).map_or("OTHER", |(_, _, word)| word)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "message type {number}"),
            named => f.write_str(named.word()),
        }
    }
}

/// Hardware type and address of the client's port (`htype`, `chaddr`): 1 to 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hardware {
    /// IANA's hardware type; 1: Ethernet.
    pub kind: u8,
    /// Its bytes.
    pub address: Vec<u8>,
}

impl Hardware {
    /// As a MAC address, when it is Ethernet's.
    pub fn mac(&self) -> Option<Mac> {
        (self.kind == 1 && self.address.len() == 6).then(|| colons(&self.address).parse().ok()).flatten()
    }

    /// Does it name one port? Neither zeros nor a group address: those many may send.
    pub fn is_of_one_port(&self) -> bool {
        match self.mac() {
            Some(mac) => mac.is_of_one_port(),
            None => self.address.iter().any(|byte| *byte != 0),
        }
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            1 => f.write_str(&colons(&self.address)),
            kind => write!(f, "{} (hardware type {kind})", colons(&self.address)),
        }
    }
}

/// `52:54:00:12:34:56`.
pub fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// What a relay added (option 82, RFC 3046).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayInfo {
    /// The whole option as it came: it goes back as it is.
    pub raw: Vec<u8>,
    /// Sub-option 1: which port.
    pub circuit_id: Option<Vec<u8>>,
    /// Sub-option 2: which relay or client.
    pub remote_id: Option<Vec<u8>>,
    /// Sub-option 5 (RFC 3527): the subnet to take the address from, where it is not that of giaddr.
    pub link_selection: Option<Ipv4Addr>,
    /// Sub-option 11 (RFC 5107): the server id that the client is to see, so that its renewals go through the relay.
    pub server_id: Option<Ipv4Addr>,
}

/// What iPXE says of itself (option 175).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ipxe {
    /// Version, where it is told.
    pub version: Option<[u8; 3]>,
    /// Tags of features that are built in and not zero.
    pub features: Vec<u8>,
}

/// Features of iPXE that have names here.
const FEATURES: &[(u8, &str)] = &[
    (0x10, "pxeext"),
    (0x11, "iscsi"),
    (0x12, "aoe"),
    (0x13, "http"),
    (0x14, "https"),
    (0x15, "tftp"),
    (0x16, "ftp"),
    (0x17, "dns"),
    (0x18, "bzimage"),
    (0x19, "multiboot"),
    (0x20, "nbi"),
    (0x21, "pxe"),
    (0x22, "elf"),
    (0x23, "comboot"),
    (0x24, "efi"),
    (0x25, "fcoe"),
    (0x26, "vlan"),
    (0x27, "menu"),
    (0x28, "sdi"),
    (0x29, "nfs"),
];

impl Ipxe {
    /// Can it load by HTTP? One that names no features (another build's option 175, or only option 77) is taken to.
    pub fn has_http(&self) -> bool {
        self.features.is_empty() || self.features.contains(&0x13)
    }

    /// Names of its features, in the order that they came.
    pub fn words(&self) -> Vec<&'static str> {
        let word = |tag: &u8| FEATURES.iter().find(|(number, _)| number == tag).map(|(_, word)| *word);
        self.features.iter().filter_map(word).collect()
    }
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Direction.
    pub op: Op,
    /// Relays that it went through, as they counted.
    pub hops: u8,
    /// The client's number of this exchange.
    pub xid: u32,
    /// Seconds since the client began, as it says.
    pub secs: u16,
    /// It cannot take a unicast before it has an address.
    pub broadcast: bool,
    /// Its address, when it has one that works.
    pub ciaddr: Ipv4Addr,
    /// In replies: the address for the client.
    pub yiaddr: Ipv4Addr,
    /// In replies: the next server.
    pub siaddr: Ipv4Addr,
    /// The relay's address on the client's side.
    pub giaddr: Ipv4Addr,
    /// The client's port.
    pub hardware: Hardware,
    /// Option 53; none: plain BOOTP.
    pub kind: Option<MessageType>,
    /// Option 50: the address that it wishes.
    pub requested: Option<Ipv4Addr>,
    /// Option 54: the server that is meant.
    pub server_id: Option<Ipv4Addr>,
    /// Option 55: options that it wishes, in its order; empty: it does not say.
    pub wanted: Vec<u8>,
    /// Option 57: bytes of a message at most, IP and UDP headers included.
    pub max_size: Option<u16>,
    /// Option 51: seconds that it wishes.
    pub lease_seconds: Option<u32>,
    /// Option 60, cleaned; empty: none.
    pub class: String,
    /// Option 61, as it came.
    pub client_id: Option<Vec<u8>>,
    /// Option 77, cleaned: RFC 3004's list, or the one text that iPXE sends without lengths.
    pub user_classes: Vec<String>,
    /// Option 82.
    pub relay: Option<RelayInfo>,
    /// Option 93, all of it.
    pub archs: Vec<Arch>,
    /// Option 94: kind and version of the firmware's network driver interface.
    pub undi: Option<[u8; 3]>,
    /// Option 97 as it came, to be sent back.
    pub guid: Option<Vec<u8>>,
    /// What option 97 names, in the text form of SMBIOS; placeholders included.
    pub uuid: Option<NodeUuid>,
    /// Option 175.
    pub ipxe: Option<Ipxe>,
    /// Option 12, cleaned; empty: none.
    pub hostname: String,
    /// Options that came and were not used, and why: for people.
    pub odd: Vec<String>,
}

impl Request {
    /// Is it iPXE? By its user class, or by the option that only it sends.
    pub fn is_ipxe(&self) -> bool {
        self.ipxe.is_some() || self.user_classes.iter().any(|class| class == "iPXE")
    }

    /// Does it ask for a program by TFTP? iPXE says so too.
    pub fn is_pxe(&self) -> bool {
        self.class.starts_with("PXEClient")
    }

    /// Is it UEFI's HTTP boot (UEFI specification, 24.7)?
    pub fn is_http_boot(&self) -> bool {
        self.class.starts_with("HTTPClient")
    }

    /// Its architectures: option 93, else the number in the class (`PXEClient:Arch:00007:UNDI:003016`), else BIOS, which is
    /// what PXE clients were before there was the option.
    pub fn architectures(&self) -> Vec<Arch> {
        if !self.archs.is_empty() {
            return self.archs.clone();
        }
        let number = self.class.split(':').nth(2).and_then(|text| text.parse().ok());
        vec![number.map_or(Arch::BIOS, Arch)]
    }

    /// The UUID, when it names a machine.
    pub fn named(&self) -> Option<&NodeUuid> {
        self.uuid.as_ref().filter(|uuid| !uuid.is_placeholder())
    }

    /// Did it come through a relay?
    pub fn relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }

    /// Did it ask for this option? One that does not say what it wishes gets all.
    pub fn wants(&self, code: u8) -> bool {
        self.wanted.is_empty() || self.wanted.contains(&code)
    }

    /// Message type for people and metrics.
    pub fn kind_word(&self) -> &'static str {
        self.kind.map_or("BOOTP", MessageType::word)
    }
}
