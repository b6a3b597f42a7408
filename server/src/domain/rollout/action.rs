//! What is to be done to the world. Each action has an id that is the same whenever the same step is made again, so that
//! doing it twice is doing it once.

use super::super::ids::NodeUuid;
use super::forward::REBOOTS_MAX;
use super::{Assigned, Member};

/// What.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Ask the hook to take the load from it.
    Drain,
    /// Tell the hook that it is back.
    Undrain,
    /// Give it this profile and pin.
    Assign(Assigned),
    /// Restart it; `hard`: asked gently before, and it did not.
    Reboot {
        /// Without asking its system.
        hard: bool,
    },
    /// Ask the operator's address whether it is well.
    Check,
}

/// One action on one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Unique in its rollout.
    pub id: String,
    /// The member's number.
    pub n: u32,
    /// And its node.
    pub node: NodeUuid,
    /// What.
    pub what: What,
}

/// Ids of what a member was asked to do. On the way back they are others.
pub(super) fn id(member: &Member, kind: &str) -> String {
    let way = if member.phase.is_back() { "back" } else { "on" };
    format!("{}-{way}-{kind}", member.n)
}

impl Member {
    /// To be done to this member.
    pub(super) fn action(&self, kind: &str, what: What) -> Action {
        Action { id: id(self, kind), n: self.n, node: self.node.clone(), what }
    }

    /// To be restarted: each try has its own id.
    pub(super) fn reboot(&self, hard: bool) -> Action {
        self.action(&format!("reboot-{}", self.reboots), What::Reboot { hard })
    }

    /// Ids of all restarts that it may have been asked for, on the way on and back.
    pub fn restart_ids(&self) -> Vec<String> {
        let ids = |way: &'static str| (1..=REBOOTS_MAX).map(move |n| format!("{}-{way}-reboot-{n}", self.n));
        ids("on").chain(ids("back")).collect()
    }
}
