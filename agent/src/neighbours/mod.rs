//! LLDP neighbours: what is at the other end of each cable. Listens on every Ethernet port with link, in a thread of its
//! own, and asks the other side to speak at once ([`announce`]). Must never delay its caller beyond the budget given,
//! never fail as a whole because one port does, and never keep more than a bounded number of neighbours.

mod announce;
pub mod command;
pub mod convert;
pub mod firmware_agent;
mod listener;
mod port;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use higuma_proto::agent::Neighbour;

pub use listener::Listener;

/// What to listen on, and whether to speak.
#[derive(Debug, Clone)]
pub struct Options {
    /// These interfaces only, of any kind; `None`: every physical Ethernet port, also one that appears later; and
    /// where there is none at all, as in a container, every veth.
    pub interfaces: Option<Vec<String>>,
    /// Send the pair of LLDPDUs that makes most switches answer within a second; else only listen (30 s as a rule).
    pub fast_start: bool,
    /// Where sysfs is mounted: `/sys`, or a captured tree in tests.
    pub sysfs: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { interfaces: None, fast_start: true, sysfs: PathBuf::from("/sys") }
    }
}

/// What is known at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Grows with each change of `neighbours`; give it to [`Listener::changed_since`].
    pub generation: u64,
    /// By interface name, then in the order in which they were first heard.
    pub neighbours: Vec<Neighbour>,
    /// Every port that is watched, by name.
    pub ports: Vec<PortStatus>,
    /// When the first port that has link now was seen to have it; nothing can have been heard before.
    pub since: Option<Instant>,
}

/// One port, for people and for the list of sources that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortStatus {
    /// The interface.
    pub interface: String,
    /// Its address; empty when unknown.
    pub mac: String,
    /// It has carrier.
    pub link: bool,
    /// Why it is not listened on, or what of it was refused last.
    pub error: Option<String>,
    /// From when its link was seen (looked for each half second) to its first neighbour.
    pub heard_after: Option<Duration>,
}
