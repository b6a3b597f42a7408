//! Leases: who has an address, and what may become of it. Pure: the store keeps what comes out of here, and sees to it that
//! of two processes one alone gives an address.

use super::request::{Hardware, RelayInfo, Request};
use crate::domain::NodeUuid;
use crate::domain::ids::{Invalid, Micros};
use crate::domain::node::words;
use ipnet::Ipv4Net;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// How long an offer is kept for its client: longer than the slowest firmware takes from OFFER to REQUEST.
pub const OFFER_HOLD: Micros = 60_000_000;
/// How long an address is not given that a client found in use.
pub const QUARANTINE: Micros = 3_600_000_000;

/// Who a client is to DHCP: its identifier (option 61), or its hardware address where it sends none (RFC 2131, 4.2). As a
/// text: `id:ff1234..` or `hw:1:525400123456`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(String);

/// Longest identifier; what is behind is not looked at.
const ID_MAX: usize = 255;

impl ClientKey {
    /// Of a packet. An identifier that is the hardware address itself is the same key as none: firmware sends one, the next
    /// program of the same machine does not.
    pub fn of(request: &Request) -> Self {
        let hardware = &request.hardware;
        match &request.client_id {
            Some(id) if id.split_first() != Some((&hardware.kind, hardware.address.as_slice())) => {
                Self(format!("id:{}", hex::encode(id.get(..ID_MAX).unwrap_or(id))))
            }
            _ => Self(format!("hw:{}:{}", hardware.kind, hex::encode(&hardware.address))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientKey {
    type Err = Invalid;

    /// Of the store's text.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bytes = text.strip_prefix("id:").or_else(|| text.strip_prefix("hw:")?.split_once(':').map(|(_, hex)| hex));
        match bytes {
            Some(hex) if hex::decode(hex).is_ok_and(|bytes| !bytes.is_empty()) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new("DHCP client", "id:HEX or hw:TYPE:HEX", text)),
        }
    }
}

/// What a lease is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseState {
    /// Offered: kept for the client until it takes it.
    Offered,
    /// The client has it.
    Bound,
    /// Given back: the next time it gets the same, unless another needed it.
    Released,
    /// Found in use by a machine that is not ours: given to nobody.
    Declined,
}

words!(
    LeaseState,
    "state of a lease",
    "offered, bound, released or declined",
    Offered = "offered",
    Bound = "bound",
    Released = "released",
    Declined = "declined"
);

/// What ties a lease to a client, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// The UUID that firmware tells. Another port of the same machine, or another machine with the same UUID: whether somebody
    /// answers at the address tells which.
    Uuid,
    /// The port, with another identifier: the next program on the same machine.
    Port,
    /// The client itself.
    Key,
}

/// An address and who has it. One of an address, at most, is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The subnet that it is of.
    pub subnet: Ipv4Net,
    /// The client.
    pub key: ClientKey,
    /// Its port, as it last spoke.
    pub hardware: Hardware,
    /// Its UUID (option 97), where it ever told one that names a machine.
    pub uuid: Option<NodeUuid>,
    /// State.
    pub state: LeaseState,
    /// Until when the state holds.
    pub expires: Micros,
    /// When the client last spoke.
    pub seen: Micros,
    /// What it calls itself (option 12).
    pub hostname: String,
    /// Relay that it came through, and what that said of it (option 82).
    pub relay: Option<(Ipv4Addr, RelayInfo)>,
}

impl Lease {
    /// An offer to this client.
    pub fn offer(address: Ipv4Addr, subnet: Ipv4Net, request: &Request, now: Micros) -> Self {
        let mut lease = Self {
            address,
            subnet,
            key: ClientKey::of(request),
            hardware: request.hardware.clone(),
            uuid: None,
            state: LeaseState::Offered,
            expires: now.saturating_add(OFFER_HOLD),
            seen: now,
            hostname: String::new(),
            relay: None,
        };
        lease.note(request, now);
        lease
    }

    /// The same client again.
    fn note(&mut self, request: &Request, now: Micros) {
        self.key = ClientKey::of(request);
        self.hardware = request.hardware.clone();
        self.seen = now;
        if let Some(uuid) = request.named() {
            self.uuid = Some(uuid.clone());
        }
        if !request.hostname.is_empty() {
            self.hostname.clone_from(&request.hostname);
        }
        // A renewal goes past the relay and says nothing of it: what is known stays.
        if request.relayed() {
            self.relay = Some((request.giaddr, request.relay.clone().unwrap_or_default()));
        }
    }

    /// What ties it to this client; none: it is another's. Firmware, iPXE and the operating system of one machine send
    /// different identifiers, and the operating system sends no UUID: so the port counts too.
    pub fn tie(&self, request: &Request) -> Option<Tie> {
        let uuid = match (&self.uuid, request.named()) {
            // iPXE and firmware do not agree on the order of bytes on some boards.
            (Some(known), Some(told)) => Some(known == told || known.swapped() == *told),
            _ => None,
        };
        match uuid {
            // Two machines with one identifier (cloned images) are two, when their firmware says so.
            Some(false) => None,
            _ if self.key == ClientKey::of(request) => Some(Tie::Key),
            _ if self.hardware == request.hardware && self.hardware.is_of_one_port() => Some(Tie::Port),
            Some(true) => Some(Tie::Uuid),
            None => None,
        }
    }

    /// Of leases, the one that is this client's: by the strongest tie, then the one that was used last.
    pub fn of<'a>(leases: impl IntoIterator<Item = &'a Self>, request: &Request) -> Option<&'a Self> {
        let tied = leases.into_iter().filter_map(|lease| Some((lease.tie(request)?, lease.seen, lease)));
        tied.max_by_key(|(tie, seen, lease)| (*tie, *seen, lease.address)).map(|(_, _, lease)| lease)
    }

    /// Offers it once more: one that is bound stays so, for its client may be asking again from another program. The caller
    /// has seen that there is a [`tie`](Self::tie).
    #[must_use]
    pub fn offered(mut self, request: &Request, now: Micros) -> Self {
        self.note(request, now);
        if self.state != LeaseState::Bound || self.expires <= now {
            self.state = LeaseState::Offered;
            self.expires = now.saturating_add(OFFER_HOLD);
        }
        self
    }

    /// The client takes it, or keeps it, for so many seconds.
    #[must_use]
    pub fn bound(mut self, request: &Request, now: Micros, seconds: u32) -> Self {
        self.note(request, now);
        self.state = LeaseState::Bound;
        self.expires = now.saturating_add(Micros::from(seconds) * 1_000_000);
        self
    }

    /// The client gives it back.
    #[must_use]
    pub fn released(mut self, now: Micros) -> Self {
        self.state = LeaseState::Released;
        self.expires = now;
        self.seen = now;
        self
    }

    /// The client found somebody else at it: it is given to nobody for a while.
    #[must_use]
    pub fn declined(mut self, now: Micros) -> Self {
        self.state = LeaseState::Declined;
        self.expires = now.saturating_add(QUARANTINE);
        self.seen = now;
        self
    }

    /// May the address go to another client?
    pub fn is_free(&self, now: Micros) -> bool {
        self.state == LeaseState::Released || self.expires <= now
    }

    /// May its client have it again? Not when somebody else was found at it.
    pub fn is_good(&self, now: Micros) -> bool {
        self.state != LeaseState::Declined || self.expires <= now
    }
}
