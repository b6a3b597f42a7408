//! One node of a rollout: what it had before, and how far it is.

use super::super::boot::clean;
use super::super::ids::{Invalid, Micros, Name, NodeUuid};
use super::super::node::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Bytes kept of what happened to a member.
const MESSAGE_MAX: usize = 500;

/// What a node is to boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Profile; none: nothing.
    pub profile: Option<Name>,
    /// Held at this revision; none: the one that is active.
    pub pin: Option<u32>,
}

impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.profile, self.pin) {
            (None, _) => f.write_str("no profile"),
            (Some(profile), None) => write!(f, "{profile}"),
            (Some(profile), Some(pin)) => write!(f, "{profile}@{pin}"),
        }
    }
}

/// How far a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It did not come up, or a gate said no.
    Failed,
    /// On the way back, it did not come up.
    BackFailed,
    /// Its load is taken away.
    Draining,
    /// Has the revision and restarts.
    Booting,
    /// Is up and looked at.
    Checking,
    /// Gets its load again.
    Undraining,
    /// Has to go back; its turn comes.
    BackWaiting,
    /// Its load is taken away, to go back.
    BackDraining,
    /// Has again what it had, and restarts.
    BackBooting,
    /// Gets its load again, with what it had.
    BackUndraining,
    /// Its turn comes.
    Waiting,
    /// It vanished, or somebody took it.
    Skipped,
    /// Has again what it had.
    Back,
    /// Runs the revision.
    Up,
}

words!(
    Phase,
    "phase of a member",
    "the words of docs/src/rollouts.md",
    Failed = "failed",
    BackFailed = "back-failed",
    Draining = "draining",
    Booting = "booting",
    Checking = "checking",
    Undraining = "undraining",
    BackWaiting = "back-waiting",
    BackDraining = "back-draining",
    BackBooting = "back-booting",
    BackUndraining = "back-undraining",
    Waiting = "waiting",
    Skipped = "skipped",
    Back = "back",
    Up = "up"
);

impl Phase {
    /// All of them, in the order in which a person wants to see them.
    pub const ALL: [Self; 14] = [
        Self::Failed,
        Self::BackFailed,
        Self::Draining,
        Self::Booting,
        Self::Checking,
        Self::Undraining,
        Self::BackWaiting,
        Self::BackDraining,
        Self::BackBooting,
        Self::BackUndraining,
        Self::Waiting,
        Self::Skipped,
        Self::Back,
        Self::Up,
    ];

    /// It serves nobody because of this rollout: what the limits count.
    pub fn is_down(self) -> bool {
        matches!(
            self,
            Self::Draining
                | Self::Booting
                | Self::Checking
                | Self::Undraining
                | Self::BackDraining
                | Self::BackBooting
                | Self::BackUndraining
        )
    }

    /// It is on its way back, or there.
    pub fn is_back(self) -> bool {
        matches!(
            self,
            Self::BackWaiting
                | Self::BackDraining
                | Self::BackBooting
                | Self::BackUndraining
                | Self::Back
                | Self::BackFailed
        )
    }
}

/// One of them. Fields may be added with a default, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its place, from 0.
    pub n: u32,
    /// Which node.
    pub node: NodeUuid,
    /// What it had when the rollout was made.
    pub before: Assigned,
    /// Who held that then, as a node keeps it; given back with it.
    #[serde(default)]
    pub held: String,
    /// Its cluster then.
    #[serde(default)]
    pub cluster: Option<Name>,
    /// Switches that it was cabled to then.
    #[serde(default)]
    pub switches: Vec<String>,
    /// The rule that had given it its profile then.
    #[serde(default)]
    pub rule: Option<Name>,
    /// How far it is.
    pub phase: Phase,
    /// Since when.
    pub since: Micros,
    /// The wave in which it was begun.
    #[serde(default)]
    pub wave: u32,
    /// The how manyth it was to be given the revision; none: it never was.
    #[serde(default)]
    pub touched: Option<u32>,
    /// The boot that is to end.
    #[serde(default)]
    pub boot_before: Option<uuid::Uuid>,
    /// Restarts asked for on this way.
    #[serde(default)]
    pub reboots: u32,
    /// The last one.
    #[serde(default)]
    pub asked: Micros,
    /// It was asked without mercy.
    #[serde(default)]
    pub hard: bool,
    /// Its load is away.
    #[serde(default)]
    pub drained: bool,
    /// It fails when its load is back: why.
    #[serde(default)]
    pub verdict: Option<String>,
    /// It was begun.
    #[serde(default)]
    pub begun: Option<Micros>,
    /// It was up with the revision.
    #[serde(default)]
    pub up: Option<Micros>,
    /// What happened, for people.
    #[serde(default)]
    pub message: String,
    /// Why it failed, on the way on or back; kept whatever became of it.
    #[serde(default)]
    pub failure: Option<String>,
}

impl Member {
    /// One whose turn comes.
    pub fn new(n: u32, node: NodeUuid, before: Assigned, now: Micros) -> Self {
        Self {
            n,
            node,
            before,
            held: String::new(),
            cluster: None,
            switches: Vec::new(),
            rule: None,
            phase: Phase::Waiting,
            since: now,
            wave: 0,
            touched: None,
            boot_before: None,
            reboots: 0,
            asked: 0,
            hard: false,
            drained: false,
            verdict: None,
            begun: None,
            up: None,
            message: String::new(),
            failure: None,
        }
    }

    pub(super) fn go(&mut self, phase: Phase, now: Micros) {
        self.phase = phase;
        self.since = now;
    }

    /// Nothing of it is ours any more. Whoever took it is told what they took.
    pub(super) fn leave(&mut self, why: &str, now: Micros) {
        let load = if self.drained { "; its load was taken away, and is for you to give back" } else { "" };
        self.say(Phase::Skipped, &format!("{why}{load}"), now);
    }

    pub(super) fn say(&mut self, phase: Phase, message: &str, now: Micros) {
        self.go(phase, now);
        self.message = clean(message, MESSAGE_MAX);
        if matches!(phase, Phase::Failed | Phase::BackFailed) {
            self.failure = Some(self.message.clone());
        }
    }
}
