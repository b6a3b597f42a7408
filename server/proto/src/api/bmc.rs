//! BMCs in the API. No password is ever answered here.

use crate::agent::{BmcChange, BmcFound};
use serde::{Deserialize, Serialize};

/// A BMC in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcSummary {
    /// UUID of its node.
    pub node: String,
    /// Host name of its node.
    pub hostname: String,
    /// absent, silent, refused, found, configured, managed, unreachable or login-refused.
    pub state: String,
    /// Why it is not managed, one line; may be empty.
    pub reason: String,
    /// What the operator wants: auto, ipmi or redfish.
    pub protocol: String,
    /// What was found to work: ipmi or redfish.
    pub driver: Option<String>,
    /// On the management network.
    pub address: Option<String>,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// Of its LAN channel; empty: not told.
    pub mac: String,
    /// Firmware version; empty: not told.
    pub firmware: String,
    /// Power of the node: on, off or unknown.
    pub power: String,
    /// When it said so.
    pub power_us: Option<i64>,
    /// Last login over the LAN.
    pub proven_us: Option<i64>,
    /// Contacts that failed since then.
    pub failures: u32,
}

/// One BMC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BmcDetail {
    /// As in lists.
    #[serde(flatten)]
    pub summary: BmcSummary,
    /// System GUID as the BMC sent it, 32 hex digits; empty: not told.
    pub guid: String,
    /// SHA-256 of the certificate that was seen first (Redfish).
    pub certificate: Option<String>,
    /// What the node's agent read in-band last.
    pub found: Option<BmcFound>,
    /// When.
    pub found_us: Option<i64>,
    /// What the agent changed last.
    pub changes: Vec<BmcChange>,
    /// When it reported that.
    pub reported_us: Option<i64>,
    /// The next contact, when there is one.
    pub next_us: Option<i64>,
}

/// What is set by hand; what is absent stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetBmc {
    /// IP address; empty: none.
    pub address: Option<String>,
    /// Port; 0: the protocol's own.
    pub port: Option<u16>,
    /// auto, ipmi or redfish.
    pub protocol: Option<String>,
    /// Account that is there already; with `password`.
    pub user: Option<String>,
    /// Its password; kept sealed, never answered.
    pub password: Option<String>,
    /// The pinned certificate is forgotten: the next one that is seen counts.
    pub forget_certificate: bool,
}

impl std::fmt::Debug for SetBmc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, port, protocol, user, .. } = self;
        write!(f, "SetBmc({address:?} {port:?} {protocol:?} {user:?})")
    }
}

/// What a BMC says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcInfo {
    /// ipmi or redfish.
    pub driver: String,
    /// Firmware version.
    pub firmware: String,
    /// UUIDs by which it may call the system.
    pub system_uuids: Vec<String>,
    /// Power of the node: on or off.
    pub power: String,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// A sensor's reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BmcReading {
    /// Name of the sensor.
    pub name: String,
    /// Value; absent: no reading now.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// ok, warning, critical, or what the BMC says.
    pub state: String,
}

/// The newest lines of the event log, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcLog {
    /// The lines.
    pub items: Vec<BmcLogLine>,
    /// What could not be read; then lines may be missing, new ones too.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcLogLine {
    /// The BMC's number or id of it.
    pub id: String,
    /// When, as the BMC tells it; empty: not told.
    pub at: String,
    /// What happened.
    pub message: String,
    /// ok, warning, critical or empty.
    pub severity: String,
}
