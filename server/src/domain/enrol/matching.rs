//! Which enrolment a node's BMC is. Never guessed: what fits two, or contradicts itself, fits none.

use super::Enrolment;
use crate::domain::ids::{Mac, NodeUuid};
use std::fmt;
use std::net::IpAddr;

/// What is known of a node and its BMC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// UUIDs that are the node's.
    pub names: Vec<NodeUuid>,
    /// Addresses of its BMC's LAN channels, as read in-band.
    pub macs: Vec<Mac>,
    /// IP addresses of them.
    pub addresses: Vec<IpAddr>,
}

/// By what it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The BMC's GUID of the system is the node's UUID.
    Guid,
    /// The BMC's MAC address is what the node read in-band.
    Mac,
    /// Its IP address is.
    Address,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guid => "the BMC calls its system by the node's UUID",
            Self::Mac => "the node read the BMC's MAC address in-band",
            Self::Address => "the node read the BMC's address in-band",
        })
    }
}

/// Whether an enrolment is that of the node's BMC, and by what. A MAC address that is told by both sides and differs is a
/// contradiction: another BMC has the address now, or two boards have one GUID.
pub fn fits(enrolment: &Enrolment, seen: &Seen) -> Option<Why> {
    let told = enrolment.mac.as_ref().map(|mac| seen.macs.contains(mac));
    if told == Some(false) && !seen.macs.is_empty() {
        return None;
    }
    if enrolment.uuids.iter().any(|uuid| seen.names.contains(uuid)) {
        return Some(Why::Guid);
    }
    if told == Some(true) {
        return Some(Why::Mac);
    }
    seen.addresses.contains(&enrolment.address).then_some(Why::Address)
}

/// What follows of all that fit.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// None does.
    None,
    /// This one.
    One(&'a Enrolment, Why),
    /// Several do: nobody can tell.
    Several(Vec<&'a Enrolment>),
}

/// Choose among enrolments.
pub fn choose<'a>(enrolments: &'a [Enrolment], seen: &Seen) -> Choice<'a> {
    let fitting: Vec<(&Enrolment, Why)> =
        enrolments.iter().filter(|e| e.state.is_open()).filter_map(|e| Some((e, fits(e, seen)?))).collect();
    match fitting.as_slice() {
        [] => Choice::None,
        [(one, why)] => Choice::One(one, *why),
        several => Choice::Several(several.iter().map(|(e, _)| *e).collect()),
    }
}
