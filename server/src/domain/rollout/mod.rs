//! A rollout: a revision of a profile to many nodes, in waves, and back again when it goes wrong. Decisions only: [`step`]
//! takes what is stored and what was seen, and gives what is to be stored and done. It never does anything itself, never
//! touches a node that is no member, and never takes more nodes down than it was told.

mod action;
mod back;
mod commands;
mod fact;
mod forward;
mod member;
mod record;
mod room;
mod spec;
mod step;
mod times;
mod wave;
mod window;

pub use action::{Action, What};
pub use fact::{BootFact, Did, Fact};
pub use member::{Assigned, Member, Phase};
pub use record::{Call, CallState, Counts, Record, Task};
pub use room::{Down, Groups};
pub use spec::{Hooks, Limits, OnDeadline, PROGRAMS_MAX, Spec, TOTAL_MAX, command_of};
pub use step::{Look, step, wanted};
pub use times::Times;
pub use wave::{WAVES_MAX, Wave, Waves};
pub use window::{WINDOWS_MAX, Window};

use super::ids::{Invalid, Micros, Name};
use super::node::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Under way, or between two waves.
    Running,
    /// Nothing new is begun; what was begun ends.
    Stopping,
    /// Each member that was touched gets back what it had.
    RollingBack,
    /// Every member was offered the revision, and no gate failed.
    Done,
    /// Ended early; what was done stays.
    Stopped,
    /// Every member that was touched has again what it had.
    RolledBack,
}

words!(
    State,
    "state of a rollout",
    "running, stopping, rolling-back, done, stopped or rolled-back",
    Running = "running",
    Stopping = "stopping",
    RollingBack = "rolling-back",
    Done = "done",
    Stopped = "stopped",
    RolledBack = "rolled-back"
);

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Stopping, Self::RollingBack, Self::Done, Self::Stopped, Self::RolledBack];
    /// Those in which something is left to do.
    pub const OPEN: [Self; 3] = [Self::Running, Self::Stopping, Self::RollingBack];

    /// Something is left to do.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }

    /// The one table: what may follow.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Running => &[Self::Stopping, Self::RollingBack, Self::Done],
            Self::Stopping => &[Self::Stopped, Self::RollingBack],
            Self::RollingBack => &[Self::RolledBack],
            Self::Done | Self::Stopped | Self::RolledBack => &[],
        }
    }
}

/// What of a rollout changes as it goes, beside its members. Fields may be added with a default, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The profile that members get.
    pub profile: Name,
    /// And the revision that they are pinned to.
    pub revision: u32,
    /// How it is to be done.
    pub spec: Spec,
    /// How it stands.
    pub state: State,
    /// Nothing new is begun since this person said so.
    #[serde(default)]
    pub paused_by: Option<String>,
    /// The wave under way, from 0.
    #[serde(default)]
    pub wave: u32,
    /// The wave has gone well and is watched until then.
    #[serde(default)]
    pub soak_until: Option<Micros>,
    /// Members that were given the revision, ever: the next one has this number.
    #[serde(default)]
    pub touched: u32,
    /// All has gone well: the revision is to become active, where no node of the profile has another one.
    #[serde(default)]
    pub activate: bool,
    /// Why it does not simply go on, or how it ended, for people.
    #[serde(default)]
    pub why: String,
    /// How long its nodes took, since it has ended.
    #[serde(default)]
    pub times: Option<Times>,
}

impl Rollout {
    /// One that begins.
    pub fn new(profile: Name, revision: u32, spec: Spec) -> Self {
        Self {
            profile,
            revision,
            spec,
            state: State::Running,
            paused_by: None,
            wave: 0,
            soak_until: None,
            touched: 0,
            activate: false,
            why: String::new(),
            times: None,
        }
    }

    /// What members get.
    pub fn target(&self) -> Assigned {
        Assigned { profile: Some(self.profile.clone()), pin: Some(self.revision) }
    }

    /// Go to `next` if the table has it.
    fn become_(&mut self, next: State) {
        if self.state.next().contains(&next) {
            self.state = next;
            self.soak_until = None;
        }
    }
}

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
