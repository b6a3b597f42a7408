//! Leases of DHCP, and what single nodes are told.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An address that the DHCP server gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpLease {
    /// Address.
    pub address: String,
    /// The subnet that it is of.
    pub subnet: String,
    /// offered, bound, declined (somebody else was found at it), released or expired.
    pub state: String,
    /// Who has or had it, as DHCP knows it: `id:HEX` (option 61) or `hw:TYPE:HEX`.
    pub client: String,
    /// Its port: a MAC address, or bytes and the hardware type.
    pub hardware: String,
    /// UUID that its firmware told (option 97).
    pub uuid: Option<String>,
    /// The node that it is, by port or UUID; absent: none that is known.
    pub node: Option<String>,
    /// Host name of the node.
    pub node_hostname: Option<String>,
    /// What it calls itself (option 12).
    pub hostname: String,
    /// Until when the state holds, or held.
    pub expires_us: i64,
    /// When it last spoke.
    pub seen_us: i64,
    /// The relay's address on its side; absent: it asked without one.
    pub relay: Option<String>,
    /// Which port of the relay (option 82, sub-option 1), hexadecimal.
    pub circuit_id: Option<String>,
    /// Which relay or subscriber (option 82, sub-option 2), hexadecimal.
    pub remote_id: Option<String>,
}

/// What DHCP tells one node instead of what its subnet says; what is left out, or empty, is as the subnet says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeDhcp {
    /// Routers: IPv4 addresses.
    pub routers: Vec<String>,
    /// DNS servers: IPv4 addresses.
    pub dns: Vec<String>,
    /// NTP servers: IPv4 addresses.
    pub ntp: Vec<String>,
    /// Domain.
    pub domain: Option<String>,
    /// MTU, bytes.
    pub mtu: Option<u16>,
    /// How long it is given its address for, seconds.
    pub lease_seconds: Option<u32>,
    /// Others: number of the option -> its bytes in hexadecimal.
    pub options: BTreeMap<String, String>,
}
