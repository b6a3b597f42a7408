//! What was noticed of a node and matters until it is put right or a person has seen it. Not the log of a boot: that is
//! [`super::boot::Event`].

use super::ids::{Invalid, Micros, NodeUuid};
use super::node::words;
use std::fmt;
use std::str::FromStr;

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the machine is made of.
    Hardware,
    /// Where it is cabled to.
    Cabling,
    /// Who it is.
    Identity,
    /// Versions of firmware.
    Firmware,
    /// Its BMC.
    Bmc,
    /// Addresses given to it.
    Address,
    /// Changes of what it boots, that came in a rollout.
    Rollout,
    /// What it boots, and that it does not.
    Boot,
}

words!(
    Kind,
    "kind of node event",
    "hardware, cabling, identity, firmware, bmc, address, rollout or boot",
    Hardware = "hardware",
    Cabling = "cabling",
    Identity = "identity",
    Firmware = "firmware",
    Bmc = "bmc",
    Address = "address",
    Rollout = "rollout",
    Boot = "boot"
);

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Alarm,
}

words!(Severity, "severity", "info, warning or alarm", Info = "info", Warning = "warning", Alarm = "alarm");

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// About what.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// The thing, stable from boot to boot: `dimm:P1-B2`, `cable:eth0`. One event of a subject is open at a time.
    pub subject: String,
    /// One line for a person, at most 500 bytes.
    pub message: String,
}

/// A notice as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEvent {
    /// UUIDv7 (RFC 9562 5.7): in order of time.
    pub id: uuid::Uuid,
    /// Of which node.
    pub node: NodeUuid,
    /// What.
    pub notice: Notice,
    /// When it was noticed.
    pub at: Micros,
    /// When it was put right, or replaced by a newer event of its subject; none: open.
    pub cleared: Option<Micros>,
    /// When a person said "seen", and who.
    pub acknowledged: Option<(Micros, String)>,
}
