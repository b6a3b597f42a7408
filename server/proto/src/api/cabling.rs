//! Bodies of the API about switches and cables.

use serde::{Deserialize, Serialize};

/// A switch, as nodes heard it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// LLDP chassis id.
    pub chassis_id: String,
    /// `mac_address`, `local`, ...
    pub chassis_id_type: String,
    /// System name; may be empty.
    pub name: String,
    /// System description.
    pub description: String,
    /// Management addresses.
    pub management_addresses: Vec<String>,
    /// Ports that were heard.
    pub ports: u64,
    /// First heard.
    pub first_seen_us: i64,
    /// Last heard.
    pub last_seen_us: i64,
}

/// A port of a switch, and who is behind it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchPort {
    /// LLDP port id.
    pub port_id: String,
    /// `interface_name`, `mac_address`, ...
    pub port_id_type: String,
    /// Port description; may be empty.
    pub description: String,
    /// VLAN; 0: not told.
    pub pvid: u32,
    /// Last heard.
    pub last_seen_us: i64,
    /// NICs behind it; several with an unmanaged switch in between.
    pub links: Vec<CableLink>,
}

/// A cable between a NIC and a switch port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CableLink {
    /// UUID, in order of time.
    pub id: String,
    /// Node.
    pub node: String,
    /// Its host name.
    pub hostname: String,
    /// Its lifecycle.
    pub lifecycle: String,
    /// The NIC.
    pub mac: String,
    /// Its name.
    pub interface: String,
    /// Switch.
    pub chassis_id: String,
    /// The switch's name; may be empty.
    pub switch: String,
    /// Port.
    pub port_id: String,
    /// Its description; may be empty.
    pub port_description: String,
    /// False: it contradicts what was known, and waits for a person (`cabling-moved = "hold"`).
    pub accepted: bool,
    /// `moved` or `wrong port` while an event about this NIC's cable is open; else empty.
    pub mark: String,
    /// First heard.
    pub first_seen_us: i64,
    /// Last heard.
    pub last_seen_us: i64,
    /// Not there any more since; absent: there.
    pub ended_us: Option<i64>,
}

/// A cable as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedCable {
    /// UUID or host name; empty: named by the serial number.
    pub node: String,
    /// System serial number; empty: named by the node.
    pub serial: String,
    /// Name, MAC or number counted from 1.
    pub nic: String,
    /// Name or chassis id.
    pub switch: String,
    /// Id or description.
    pub port: String,
}

/// Expected cabling to put in place of all that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewExpected {
    /// CSV with the columns node (or serial), nic, switch, port.
    pub csv: String,
    /// Check and compare only.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Rows in the file.
    pub rows: u64,
    /// Findings of the comparison that are not `ok`.
    pub differ: u64,
    /// False: it was a dry run.
    pub written: bool,
}

/// One line of the comparison of expected cabling with what was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CablingFinding {
    /// ok, missing, wrong-port, swapped, unexpected or unknown-node.
    pub verdict: String,
    /// The node, where it is known.
    pub node: Option<String>,
    /// What the row calls it; empty: no row is about it.
    pub called: String,
    /// NIC.
    pub nic: String,
    /// The NIC's MAC, where it is known.
    pub mac: Option<String>,
    /// "tor-1 port swp7"; empty: nothing.
    pub expected: String,
    /// The same; empty: nothing heard.
    pub found: String,
    /// The other cable of a swap.
    pub with: String,
}
