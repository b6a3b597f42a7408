//! A BMC that has no node yet: how far it has come, and what may follow. Pure: times come in as values, and the password is
//! never here but sealed.

pub mod file;
pub mod matching;

#[cfg(test)]
mod tests;

use super::bmc::{Power, Protocol};
use super::ids::{Hostname, Invalid, Mac, Micros, Name, NodeUuid};
use super::node::words;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use uuid::Uuid;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its turn comes.
    Waiting,
    /// A server logs in just now.
    Contacting,
    /// Logged in, and it told who it is.
    Identified,
    /// Told to boot from the network and powered on, or about to be; its node is waited for.
    Booting,
    /// Its node is known.
    Matched,
    /// It cannot be enrolled as given.
    Failed,
    /// A person gave it up.
    Cancelled,
}

words!(
    State,
    "state of an enrolment",
    "waiting, contacting, identified, booting, matched, failed or cancelled",
    Waiting = "waiting",
    Contacting = "contacting",
    Identified = "identified",
    Booting = "booting",
    Matched = "matched",
    Failed = "failed",
    Cancelled = "cancelled"
);

impl State {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Contacting,
        Self::Identified,
        Self::Booting,
        Self::Matched,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether its node may still come.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Contacting | Self::Identified | Self::Booting)
    }
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A server takes it, to log in.
    Take,
    /// It told who it is.
    Identify,
    /// It is about to be told to boot.
    Order,
    /// Nothing more is to be done: its node is waited for.
    Hold,
    /// It did not answer: again, later.
    Later,
    /// What was about to be done was surely not done: again, later.
    Undone,
    /// No use to go on.
    Fail,
    /// Its node is known.
    Match,
    /// A person gives it up.
    Cancel,
    /// A person wants it tried again from the start.
    Retry,
}

impl State {
    /// The state after a step; none: the step does not fit.
    pub fn after(self, step: Step) -> Option<Self> {
        use State::{Booting, Cancelled, Contacting, Failed, Identified, Matched, Waiting};
        Some(match (self, step) {
            (Waiting | Contacting, Step::Take) => Contacting,
            // What was found or ordered already is not forgotten by a new contact.
            (Identified | Booting, Step::Take) => self,
            (Contacting | Identified, Step::Identify) => Identified,
            (Booting, Step::Identify) => Booting,
            (Identified | Booting, Step::Order) => Booting,
            (Identified | Booting, Step::Hold) => self,
            (Contacting, Step::Later | Step::Undone) => Waiting,
            (Identified, Step::Later | Step::Undone) | (Booting, Step::Undone) => Identified,
            (Booting, Step::Later) => Booting,
            (Contacting | Identified | Booting, Step::Fail) => Failed,
            (open, Step::Match) if open.is_open() => Matched,
            (open, Step::Cancel) if open.is_open() || open == Failed => Cancelled,
            (Waiting | Identified | Booting | Failed | Cancelled, Step::Retry) => Waiting,
            _ => return None,
        })
    }
}

/// What is sent to start the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Power on: it was off.
    On,
    /// Power cycle: it was on, and a person said that it may be restarted.
    Cycle,
}

words!(Order, "order to a machine", "on or cycle", On = "on", Cycle = "cycle");

/// What is to be done with a machine that was identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Tell it to boot from the network once, and then this.
    Send(Order),
    /// It was done before the server stopped.
    Done,
    /// It is on, and nobody said that it may be restarted.
    OnAlready,
    /// A power cycle may have been done before the server stopped: it is not done twice.
    Unclear,
}

/// A BMC to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// UUIDv7.
    pub id: Uuid,
    /// The import that made or changed it.
    pub batch: Uuid,
    /// Who imported it.
    pub who: String,
    /// Of the BMC.
    pub address: IpAddr,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// What the operator wants.
    pub protocol: Protocol,
    /// Account that the BMC has.
    pub user: String,
    /// Its password, and the id of the master key that it is sealed with; none: it is matched, and the node's credential.
    pub sealed: Option<(String, String)>,
    /// Host name that the node gets.
    pub name: Option<Hostname>,
    /// Cluster; may be empty.
    pub cluster: String,
    /// Profile that the node gets.
    pub profile: Option<Name>,
    /// Boots in UEFI mode.
    pub uefi: bool,
    /// A machine that is on may be restarted.
    pub restart: bool,
    /// How far it is.
    pub state: State,
    /// Why it is there, for people; may be empty.
    pub reason: String,
    /// What was sent, or was about to be.
    pub sent: Option<Order>,
    /// Protocol that worked; never [`Protocol::Auto`].
    pub driver: Option<Protocol>,
    /// SHA-256 of the certificate that was seen first.
    pub certificate: Option<String>,
    /// UUIDs by which it may call its system; no placeholders.
    pub uuids: Vec<NodeUuid>,
    /// Of the LAN channel that was used.
    pub mac: Option<Mac>,
    /// Firmware version; empty: not told.
    pub firmware: String,
    /// Last told.
    pub power: Power,
    /// Its node, when matched.
    pub node: Option<NodeUuid>,
    /// Contacts that failed since the last good one.
    pub attempts: u32,
    /// Not asked before; none: nothing is to be done.
    pub next: Option<Micros>,
    /// The claim of the server that works on it; its lease is `next`.
    pub claim: Option<Uuid>,
    /// When it was made.
    pub made: Micros,
    /// Last change.
    pub changed: Micros,
}

/// What a contact found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Protocol that worked.
    pub driver: Protocol,
    /// Certificate that was presented.
    pub certificate: Option<String>,
    /// UUIDs by which it may call its system.
    pub uuids: Vec<NodeUuid>,
    /// Of the LAN channel that was used.
    pub mac: Option<Mac>,
    /// Firmware version.
    pub firmware: String,
    /// Power of its machine.
    pub power: Power,
}

/// The first pause after a contact that failed, microseconds; it doubles.
pub const PAUSE: Micros = 10_000_000;
/// The longest.
pub const PAUSE_MAX: Micros = 600_000_000;
/// So many contacts that fail one after the other, about a day, and it is given up.
pub const PATIENCE: u32 = 150;

impl Enrolment {
    /// Make a step; false, and nothing changed, when it does not fit.
    fn step(&mut self, step: Step, now: Micros) -> bool {
        let Some(state) = self.state.after(step) else { return false };
        self.state = state;
        self.changed = now;
        true
    }

    fn rest(&mut self) {
        (self.next, self.claim) = (None, None);
    }

    /// A server takes it until `lease`; whoever finds the lease over takes it anew.
    pub fn take(&mut self, claim: Uuid, lease: Micros, now: Micros) -> bool {
        let done = self.step(Step::Take, now);
        if done {
            (self.claim, self.next) = (Some(claim), Some(lease));
        }
        done
    }

    /// It told who it is.
    pub fn identified(&mut self, found: Found, now: Micros) -> bool {
        let done = self.step(Step::Identify, now);
        if done {
            let Found { driver, certificate, mut uuids, mac, firmware, power } = found;
            uuids.retain(|uuid| !uuid.is_placeholder());
            uuids.sort();
            uuids.dedup();
            (self.driver, self.uuids, self.firmware, self.power) = (Some(driver), uuids, firmware, power);
            self.mac = mac.filter(Mac::is_of_one_port);
            self.certificate = self.certificate.take().or(certificate);
            self.attempts = 0;
            self.reason.clear();
        }
        done
    }

    /// What is to be done now that it is identified.
    pub fn next_order(&self) -> Next {
        match (self.state, self.power, self.sent) {
            (State::Booting, Power::On, Some(Order::On)) => Next::Done,
            (State::Booting, Power::On, Some(Order::Cycle)) => Next::Unclear,
            (_, Power::On, _) if self.restart => Next::Send(Order::Cycle),
            (_, Power::On, _) => Next::OnAlready,
            // What does not tell its power is powered on: that does nothing to one that is on.
            _ => Next::Send(Order::On),
        }
    }

    /// Kept before the order is sent: a server that dies then leaves word of it.
    pub fn ordering(&mut self, order: Order, now: Micros) -> bool {
        let done = self.step(Step::Order, now);
        if done {
            self.sent = Some(order);
        }
        done
    }

    /// Nothing more is to be done but to wait for its node. `reason`: what happened.
    pub fn hold(&mut self, reason: String, now: Micros) -> bool {
        let done = self.step(Step::Hold, now);
        if done {
            self.reason = reason;
            self.rest();
        }
        done
    }

    /// It did not answer. `undone`: what was about to be done was surely not done. `jitter` in 0..=1000.
    pub fn later(&mut self, undone: bool, reason: String, jitter: u16, now: Micros) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts >= PATIENCE && self.state != State::Waiting {
            return self.fail(format!("{} contacts failed: {reason}", self.attempts), now);
        }
        let done = self.step(if undone { Step::Undone } else { Step::Later }, now);
        if done {
            let pause = PAUSE.saturating_mul(1 << self.attempts.saturating_sub(1).min(10)).min(PAUSE_MAX);
            let spread = pause / 5 * Micros::from(jitter.min(1_000)) / 1_000;
            (self.next, self.claim, self.reason) = (Some(now + pause - pause / 10 + spread), None, reason);
        }
        done
    }

    /// No use to go on by itself.
    pub fn fail(&mut self, reason: String, now: Micros) -> bool {
        let done = self.step(Step::Fail, now);
        if done {
            self.reason = reason;
            self.rest();
        }
        done
    }

    /// Its node is known: the password is the node's from now on.
    pub fn matched(&mut self, node: NodeUuid, reason: String, now: Micros) -> bool {
        let done = self.step(Step::Match, now);
        if done {
            (self.node, self.reason, self.sealed) = (Some(node), reason, None);
            self.rest();
        }
        done
    }

    /// Who works on it and until when, for people; none: nobody does. A server that died does not any more once its lease is
    /// over.
    pub fn busy(&self, now: Micros) -> Option<String> {
        let (claim, lease) = (self.claim?, self.next.filter(|lease| *lease > now)?);
        let until = jiff::Timestamp::from_microsecond(lease).map(|at| at.strftime("%H:%M:%S UTC").to_string());
        let until = until.unwrap_or_else(|_| format!("{lease} us"));
        Some(format!("a server works on it now, until {until} at the latest (claim {claim})"))
    }

    /// A person gives it up. A server that works on it stops before its next step, and keeps its claim until it has.
    pub fn cancel(&mut self, by: &str, now: Micros) -> bool {
        let done = self.step(Step::Cancel, now);
        if done {
            self.reason = format!("cancelled by {by}");
            if self.busy(now).is_none() {
                self.rest();
            }
        }
        done
    }

    /// The server that worked on it when it was given up has stopped.
    pub fn stopped(&mut self) {
        if !self.state.is_open() {
            self.rest();
        }
    }

    /// A person wants it tried again, now. `restart`: a machine that is on may be restarted. False while a server works on it:
    /// that one may be about to start the machine, and it would be started twice.
    pub fn retry(&mut self, restart: bool, now: Micros) -> bool {
        let done = self.busy(now).is_none() && self.step(Step::Retry, now);
        if done {
            self.reason.clear();
            (self.attempts, self.sent, self.claim, self.next) = (0, None, None, Some(now));
            self.restart = restart;
        }
        done
    }

    /// Nothing more is done by itself, and a person is needed: the machine is not on its way.
    pub fn is_held(&self) -> bool {
        self.state == State::Identified && self.next.is_none()
    }
}
