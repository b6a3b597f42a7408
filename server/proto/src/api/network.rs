//! A node's network as it would get it.

use serde::{Deserialize, Serialize};

/// What `GET /ipxe/{uuid}/detail` of the plain listener answers: nothing in it is secret, and nothing is given by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeNetwork {
    /// UUID of the node.
    pub node: String,
    /// Host name of its system.
    pub hostname: String,
    /// The profile by which it would boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// And the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Addresses that are reserved for the node itself, which DHCP gives it.
    #[serde(default)]
    pub reserved: Vec<String>,
    /// Devices that the profile says, in order of name; none: every NIC asks by DHCP.
    #[serde(default)]
    pub devices: Vec<NetworkDevice>,
    /// Why it would boot nothing now; absent: it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkDevice {
    /// Its name.
    pub name: String,
    /// nic, bond, vlan or bridge.
    pub kind: String,
    /// MAC address; absent: the system makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Of a NIC: PCI address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pci: Option<String>,
    /// Of a NIC: `SWITCH port PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cable: Option<String>,
    /// The bond or bridge that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Of a bond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Of a bond or a bridge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Of a VLAN: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Of a VLAN: what carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// Bytes of the largest packet, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Asks by DHCP.
    #[serde(default)]
    pub dhcp4: bool,
    /// Asks by DHCPv6.
    #[serde(default)]
    pub dhcp6: bool,
    /// Addresses with their prefix lengths.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Pools that will give it an address when the node boots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<String>,
    /// Default gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Further routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<NetworkRoute>,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains that names are looked for in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRoute {
    /// Network.
    pub to: String,
    /// Router; absent: whoever is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The lowest is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
}
