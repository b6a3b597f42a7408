//! One boot: its phase, what may follow it, and what its events mean for it.

use super::ids::{Invalid, Micros, Name, NodeUuid, Sha256};
use super::node::words;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Where a boot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The agent registered; it has no plan yet (waiting or parked).
    Registered,
    /// It has a plan; the deadline runs.
    Booting,
    /// ReportUp came.
    Running,
    /// A step failed for good, or the deadline passed.
    Failed,
    /// A newer boot of the node took its place.
    Ended,
}

words!(
    Phase,
    "boot phase",
    "registered, booting, running, failed or ended",
    Registered = "registered",
    Booting = "booting",
    Running = "running",
    Failed = "failed",
    Ended = "ended"
);

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 5] = [Self::Registered, Self::Booting, Self::Running, Self::Failed, Self::Ended];

    /// The table of legal transitions; staying is always legal.
    pub fn may_become(self, next: Phase) -> bool {
        use Phase::*;
        self == next
            || matches!(
                (self, next),
                // A plan; or a step before it fails; or the machine is restarted.
                (Registered, Booting | Failed | Ended)
                // Up; or a step fails or the deadline passes; or the machine is restarted.
                | (Booting, Running | Failed | Ended)
                | (Running, Ended)
                // The agent tries again; or the deadline was too short and it came up after all; or a restart.
                | (Failed, Booting | Running | Ended)
            )
    }
}

/// One boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Its id.
    pub id: uuid::Uuid,
    /// Of which node.
    pub node: NodeUuid,
    /// Where it is.
    pub phase: Phase,
    /// Hash of the agent's session credential.
    pub session_hash: Sha256,
    /// Hash of the second stage's callback credential.
    pub callback_hash: Option<Sha256>,
    /// Base URL under which this node reaches our plain HTTP listener, e.g. `http://10.0.0.1:8080`.
    pub http_base: String,
    /// What it boots.
    pub profile: Option<Name>,
    /// And its revision.
    pub revision: Option<u32>,
    /// "name:version".
    pub image: Option<String>,
    /// Content hash of the plan.
    pub plan_hash: Option<Sha256>,
    /// Register.
    pub started: Micros,
    /// Given up after this.
    pub deadline: Option<Micros>,
    /// ReportUp.
    pub up: Option<Micros>,
    /// Last sign of life of the second stage.
    pub heartbeat: Option<Micros>,
    /// Step of the newest event.
    pub last_step: Option<String>,
    /// Where it failed.
    pub failed_step: Option<String>,
    /// Why.
    pub failed_reason: Option<String>,
    /// os-release PRETTY_NAME of the second stage.
    pub os: Option<String>,
    /// From where its second stage was heard last.
    pub address: Option<IpAddr>,
}

/// The address of a node, as its connection shows it. None: it says nothing of the node (a proxy or a tunnel on the server's own
/// machine) or is of no use without the interface that it belongs to.
pub fn address_of(peer: IpAddr) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    let link_local = matches!(peer, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80);
    Some(peer).filter(|peer| !(peer.is_loopback() || peer.is_unspecified() || link_local))
}

impl Boot {
    /// A boot that has just registered.
    pub fn new(id: uuid::Uuid, node: NodeUuid, session_hash: Sha256, http_base: String, now: Micros) -> Self {
        Self {
            id,
            node,
            phase: Phase::Registered,
            session_hash,
            callback_hash: None,
            http_base,
            profile: None,
            revision: None,
            image: None,
            plan_hash: None,
            started: now,
            deadline: None,
            up: None,
            heartbeat: None,
            last_step: None,
            failed_step: None,
            failed_reason: None,
            os: None,
            address: None,
        }
    }

    /// Its second stage was heard from here; where nothing is known, what was known before stays.
    pub fn heard_from(&mut self, peer: Option<IpAddr>) {
        self.address = peer.and_then(address_of).or(self.address);
    }

    /// Go to `next` if that is legal; false (and nothing changed) if not.
    #[must_use]
    pub fn advance(&mut self, next: Phase) -> bool {
        let legal = self.phase.may_become(next);
        if legal {
            self.phase = next;
        }
        legal
    }

    /// Mark as failed, with the step where it stopped; false when that is not legal any more.
    #[must_use]
    pub fn fail(&mut self, step: &str, reason: &str) -> bool {
        let legal = self.phase != Phase::Failed && self.advance(Phase::Failed);
        if legal {
            self.failed_step = Some(step.to_owned());
            self.failed_reason = Some(reason.chars().take(500).collect());
        }
        legal
    }

    /// Seq of an event that the server itself writes at `now`: milliseconds of the boot, behind the agent's.
    pub fn server_seq(&self, now: Micros) -> u32 {
        let millis = (now.saturating_sub(self.started) / 1_000).clamp(0, 2_000_000_000);
        SERVER_SEQ.saturating_add(u32::try_from(millis).unwrap_or(u32::MAX))
    }

    /// Its deadline has passed without ReportUp.
    pub fn overdue(&self, now: Micros) -> bool {
        self.phase == Phase::Booting && self.deadline.is_some_and(|deadline| deadline < now)
    }
}

/// State of an event on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// The step began.
    Started,
    /// It ended well.
    Ok,
    /// It ended for good: the boot failed.
    Failed,
    /// It failed and is tried again.
    Retry,
    /// Something worth telling.
    Info,
}

words!(
    EventState,
    "event state",
    "started, ok, failed, retry or info",
    Started = "started",
    Ok = "ok",
    Failed = "failed",
    Retry = "retry",
    Info = "info"
);

/// One event of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counts within the boot.
    pub seq: u32,
    /// By the node's clock.
    pub at: Micros,
    /// Step name.
    pub step: String,
    /// State.
    pub state: EventState,
    /// One line.
    pub message: String,
}

/// Bytes kept of an event's message.
pub const EVENT_MESSAGE_MAX: usize = 2_000;
/// Events from here are the server's own; an agent's count below.
pub const SERVER_SEQ: u32 = 2_000_000_000;
/// Events kept of one boot; more are refused.
pub const EVENTS_PER_BOOT: usize = 2_000;

impl Event {
    /// From the wire: unknown states are refused, text is cut and stripped of control characters.
    pub fn from_wire(seq: u32, at: Micros, step: &str, state: &str, message: &str) -> Result<Self, Invalid> {
        let step_ok = (1..=40).contains(&step.len()) && step.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if seq >= SERVER_SEQ {
            return Err(Invalid::new("event seq", "a number below 2,000,000,000", &seq.to_string()));
        }
        if !step_ok {
            return Err(Invalid::new("event step", "1 to 40 of a-z and '-'", step));
        }
        Ok(Self { seq, at, step: step.to_owned(), state: state.parse()?, message: clean(message, EVENT_MESSAGE_MAX) })
    }
}

/// One line without control characters, of at most `max` bytes.
pub fn clean(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_whole_transition_table() {
        let legal: Vec<String> = Phase::ALL
            .into_iter()
            .flat_map(|from| {
                Phase::ALL
                    .into_iter()
                    .filter(move |to| from != *to && from.may_become(*to))
                    .map(move |to| format!("{from}>{to}"))
            })
            .collect();
        assert_eq!(
            legal,
            [
                "registered>booting",
                "registered>failed",
                "registered>ended",
                "booting>running",
                "booting>failed",
                "booting>ended",
                "running>ended",
                "failed>booting",
                "failed>running",
                "failed>ended"
            ]
        );
    }

    #[test]
    fn an_ended_boot_cannot_fail_and_keeps_its_first_reason() {
        let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
        let mut boot = Boot::new(uuid::Uuid::nil(), node, Sha256::of("x"), String::new(), 1);
        assert!(boot.fail("download", "sha256"));
        assert!(!boot.fail("deadline", "late"));
        assert_eq!(boot.failed_step.as_deref(), Some("download"));
        assert!(boot.advance(Phase::Ended));
        assert!(!boot.fail("x", "y") && !boot.advance(Phase::Running));
    }

    #[test]
    fn a_peer_is_an_address_of_the_node_only_where_it_says_something_of_it() {
        let of = |peer: &str| address_of(peer.parse().unwrap()).map(|address| address.to_string());
        for (peer, expected) in [("10.0.0.7", "10.0.0.7"), ("::ffff:10.0.0.7", "10.0.0.7"), ("fd00::7", "fd00::7")] {
            assert_eq!(of(peer).as_deref(), Some(expected));
        }
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "fe80::1"] {
            assert_eq!(of(peer), None, "{peer}");
        }
        let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
        let mut boot = Boot::new(uuid::Uuid::nil(), node, Sha256::of("x"), String::new(), 1);
        boot.heard_from("10.0.0.7".parse().ok());
        boot.heard_from(None);
        boot.heard_from("127.0.0.1".parse().ok());
        assert_eq!(boot.address, "10.0.0.7".parse().ok());
        boot.heard_from("10.0.0.8".parse().ok());
        assert_eq!(boot.address, "10.0.0.8".parse().ok());
    }

    #[test]
    fn events_are_cleaned_and_bounded() {
        let event = Event::from_wire(1, 2, "download", "ok", &format!("a\x1b[2J\n{}", "ü".repeat(3000))).unwrap();
        assert!(event.message.len() <= EVENT_MESSAGE_MAX && !event.message.contains('\x1b'));
        assert!(Event::from_wire(1, 2, "a b", "ok", "").is_err());
        assert!(Event::from_wire(1, 2, "a", "fine", "").is_err());
        assert!(Event::from_wire(SERVER_SEQ, 2, "a", "ok", "").is_err());
    }
}
