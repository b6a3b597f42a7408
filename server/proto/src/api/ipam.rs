//! Pools of addresses, and who has which.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn is_static() -> String {
    "static".to_owned()
}

/// A pool to make or change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// Same alphabet as an image name.
    pub name: String,
    /// bmc, node or dhcp.
    pub kind: String,
    /// For nodes of this cluster; empty: of any.
    #[serde(default)]
    pub cluster: String,
    /// The network, e.g. `10.0.0.0/24` or `fd00::/64`.
    pub cidr: String,
    /// Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// 802.1Q tag; 0: untagged.
    #[serde(default)]
    pub vlan: u16,
    /// What it gives, e.g. `10.0.0.10-10.0.0.99`; empty: the whole network.
    #[serde(default)]
    pub ranges: Vec<String>,
    /// But never these.
    #[serde(default)]
    pub exclusions: Vec<String>,
    /// static or dhcp (BMCs alone).
    #[serde(default = "is_static")]
    pub source: String,
    /// DNS servers that DHCP clients are told (IPv4; this and what follows: kinds dhcp and node).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// NTP servers that they are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ntp: Vec<String>,
    /// Domain that they are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// MTU that they are told, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// How long they have an address, seconds; absent: 12 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u32>,
    /// Any other DHCP options: number -> bytes in hexadecimal, e.g. `{"150": "0a000001"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// As given.
    #[serde(flatten)]
    pub spec: NewPool,
    /// Addresses that it gives.
    pub capacity: u64,
    /// In use; of kind dhcp: leased, or given to nodes by hand.
    pub used: u64,
    /// Were in use, and are given again last.
    pub released: u64,
}

/// An address that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Pool.
    pub pool: String,
    /// Address.
    pub address: String,
    /// UUID of who has or had it.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// bmc or node.
    pub kind: String,
    /// Since when.
    pub since_us: i64,
    /// Until when; absent: in use.
    pub released_us: Option<i64>,
    /// The device of its profile's network that has it; empty: the node itself, or its BMC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
}

/// An address for a node, by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveAddress {
    /// UUID.
    pub node: String,
    /// Address, of a pool.
    pub address: String,
    /// bmc or node; needed when pools of both kinds have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// For this device of its profile's network; absent: for the node itself, or its BMC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Addresses to give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseAddress {
    /// UUID.
    pub node: String,
    /// bmc or node; absent: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of this device alone; absent: of all, and of the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// How many were given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Addresses.
    pub released: u64,
}

/// An address that two machines use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressConflict {
    /// Address.
    pub address: String,
    /// UUID of who it is given to.
    pub holder: Option<String>,
    /// Who uses it, too.
    pub mac: String,
    /// The UUID of that one; absent: not known here.
    pub node: Option<String>,
    /// Last seen.
    pub at_us: i64,
}

/// A CSV file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvImport {
    /// Its text, UTF-8.
    pub csv: String,
    /// Check only.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvImported {
    /// Rows in the file.
    pub rows: u64,
    /// Rows that change something.
    pub changed: u64,
    /// False: it was a dry run.
    pub written: bool,
}
