//! What is known of a node's BMC, and how that changes with each contact. Times come in as values; nothing here waits.

use crate::domain::ids::{Invalid, Micros, NodeUuid};
use crate::domain::node::words;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use uuid::Uuid;

/// How far Higuma has come with a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BmcState {
    /// The node has no interface to one.
    Absent,
    /// It did not answer in-band.
    Silent,
    /// It refused in-band what must be read or set.
    Refused,
    /// It was read; nothing of it was set.
    Found,
    /// It was set up; nobody has logged in over the LAN yet.
    Configured,
    /// Higuma's credential was proven over the LAN.
    Managed,
    /// It does not answer over the LAN.
    Unreachable,
    /// It answers, and takes none of our credentials.
    LoginRefused,
}

words!(
    BmcState,
    "state of a BMC",
    "absent, silent, refused, found, configured, managed, unreachable or login-refused",
    Absent = "absent",
    Silent = "silent",
    Refused = "refused",
    Found = "found",
    Configured = "configured",
    Managed = "managed",
    Unreachable = "unreachable",
    LoginRefused = "login-refused"
);

/// Which protocol is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Found out.
    Auto,
    /// IPMI over the LAN.
    Ipmi,
    /// Redfish.
    Redfish,
}

words!(Protocol, "BMC protocol", "auto, ipmi or redfish", Auto = "auto", Ipmi = "ipmi", Redfish = "redfish");

/// Power of the node, as its BMC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// On.
    On,
    /// Off.
    Off,
    /// Never told.
    Unknown,
}

words!(Power, "power", "on, off or unknown", On = "on", Off = "off", Unknown = "unknown");

/// The BMC of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bmc {
    /// Whose.
    pub node: NodeUuid,
    /// How far it is.
    pub state: BmcState,
    /// Why it is not managed, one line; may be empty.
    pub reason: String,
    /// What the operator wants.
    pub protocol: Protocol,
    /// What was found to work; never [`Protocol::Auto`].
    pub driver: Option<Protocol>,
    /// On the management network.
    pub address: Option<IpAddr>,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// Of its LAN channel; empty: not told.
    pub mac: String,
    /// System GUID as sent, 32 hex digits; empty: not told.
    pub guid: String,
    /// Firmware version; empty: not told.
    pub firmware: String,
    /// What was read in-band (JSON of the wire's BmcFound), and when.
    pub found: Option<(String, Micros)>,
    /// The boot that asked for a plan last.
    pub boot: Option<Uuid>,
    /// That boot was told to leave the BMC alone, because the node had not been let in yet.
    pub held: bool,
    /// What was changed last (JSON list of the wire's BmcChange), and when it was reported.
    pub changes: String,
    /// See there.
    pub reported: Option<Micros>,
    /// SHA-256 of the certificate that was seen first.
    pub certificate: Option<String>,
    /// Last login over the LAN.
    pub proven: Option<Micros>,
    /// Last told.
    pub power: Power,
    /// When it was told.
    pub power_at: Option<Micros>,
    /// Contacts over the LAN that failed since the last good one.
    pub failures: u32,
    /// Not asked before.
    pub next: Micros,
    /// Record changed.
    pub changed: Micros,
}

/// Why a contact over the LAN failed, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, or none that can be understood.
    Silent,
    /// It refuses our credential.
    Refused,
}

/// Between two polls, microseconds.
pub const POLL_EVERY: Micros = 60_000_000;
/// The longest pause after failures.
pub const POLL_SLOWEST: Micros = 15 * POLL_EVERY;
/// So many failures make a managed one unreachable: a lost packet does not.
const PATIENCE: u32 = 3;

impl Bmc {
    /// Of a node of whose BMC nothing is known.
    pub fn new(node: NodeUuid, now: Micros) -> Self {
        Self {
            node,
            state: BmcState::Found,
            reason: String::new(),
            protocol: Protocol::Auto,
            driver: None,
            address: None,
            port: None,
            mac: String::new(),
            guid: String::new(),
            firmware: String::new(),
            found: None,
            boot: None,
            held: false,
            changes: "[]".to_owned(),
            reported: None,
            certificate: None,
            proven: None,
            power: Power::Unknown,
            power_at: None,
            failures: 0,
            next: now,
            changed: now,
        }
    }

    /// Whether there is anything to contact: an address, and a credential that was set once.
    pub fn is_polled(&self) -> bool {
        use BmcState::{Configured, LoginRefused, Managed, Unreachable};
        self.address.is_some() && matches!(self.state, Configured | Managed | Unreachable | LoginRefused)
    }

    /// Whether what was learnt of `before` still is about this: reached the same way, and not set anew since (that moves the next
    /// contact to the front).
    pub fn follows(&self, before: &Self) -> bool {
        (self.address, self.port, self.protocol) == (before.address, before.port, before.protocol)
            && self.certificate == before.certificate
            && self.next >= before.next
    }

    /// A contact that worked: logged in, and the power told. `jitter` in 0..=1000: thousandths of a fifth of the pause.
    pub fn reached(&mut self, driver: Protocol, power: Power, jitter: u16, now: Micros) {
        self.state = BmcState::Managed;
        self.reason.clear();
        self.driver = Some(driver);
        self.proven = Some(now);
        (self.power, self.power_at) = (power, Some(now));
        self.failures = 0;
        self.next = now + spread(POLL_EVERY, jitter);
        self.changed = now;
    }

    /// One that did not.
    pub fn missed(&mut self, trouble: Trouble, reason: &str, jitter: u16, now: Micros) {
        self.failures = self.failures.saturating_add(1);
        self.reason = reason.to_owned();
        match trouble {
            // An account is locked by too many wrong logins: slowly, from the first.
            Trouble::Refused => self.state = BmcState::LoginRefused,
            Trouble::Silent if self.failures >= PATIENCE => self.state = BmcState::Unreachable,
            Trouble::Silent => {}
        }
        let pause = match trouble {
            Trouble::Refused => POLL_SLOWEST,
            Trouble::Silent => POLL_EVERY.saturating_mul(1 << self.failures.saturating_sub(1).min(8)).min(POLL_SLOWEST),
        };
        self.next = now + spread(pause, jitter);
        self.changed = now;
    }
}

/// 90 % to 110 % of a pause, so that a fleet is not asked all at once.
fn spread(pause: Micros, jitter: u16) -> Micros {
    let part = pause / 5 * Micros::from(jitter.min(1_000)) / 1_000;
    pause - pause / 10 + part
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn managed() -> Bmc {
        let mut bmc = Bmc::new("8f2b7c1e-4d3a-4b6f-9a51-0c2d3e4f5a6b".parse().unwrap(), 0);
        bmc.address = Some("10.0.0.9".parse().unwrap());
        bmc.state = BmcState::Configured;
        bmc.reached(Protocol::Ipmi, Power::On, 500, 1_000);
        bmc
    }

    #[test]
    fn a_lost_packet_makes_nobody_unreachable() {
        let mut bmc = managed();
        assert!(bmc.is_polled() && bmc.state == BmcState::Managed && bmc.next == 1_000 + POLL_EVERY);
        let mut states = Vec::new();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            bmc.missed(Trouble::Silent, "no answer", 500, 5_000);
            states.push(bmc.state);
            pauses.push((bmc.next - 5_000) / POLL_EVERY);
        }
        assert_eq!(states[..3], [BmcState::Managed, BmcState::Managed, BmcState::Unreachable]);
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 15, 15]);
        assert_eq!((bmc.power, bmc.power_at), (Power::On, Some(1_000)), "what was told last stays, with its age");
        bmc.reached(Protocol::Ipmi, Power::Off, 0, 9_000);
        assert_eq!((bmc.state, bmc.failures, bmc.reason.as_str()), (BmcState::Managed, 0, ""));
    }

    #[test]
    fn a_refused_login_is_tried_again_slowly() {
        let mut bmc = managed();
        bmc.missed(Trouble::Refused, "wrong password", 1_000, 0);
        assert_eq!(bmc.state, BmcState::LoginRefused);
        assert!(bmc.is_polled() && bmc.next > POLL_SLOWEST);
    }

    #[test]
    fn the_fleet_is_spread() {
        assert_eq!((spread(100, 0), spread(100, 500), spread(100, 1_000), spread(100, 9_999)), (90, 100, 110, 110));
    }
}
