//! Lifecycle: one word for a person, a pure function of what a node should be and what was observed of it. It is
//! never stored, so it can never disagree with the two.

use super::Invalid;
use super::boot::{Boot, Phase};
use super::ids::Micros;
use super::node::{Admission, Node, words};
use std::fmt;
use std::str::FromStr;

/// What a person sees first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// Seen; not admitted.
    Discovered,
    /// Admitted, without a profile.
    Ready,
    /// Has a profile; not booting now.
    Assigned,
    /// On its way.
    Booting,
    /// Up, and heard from.
    Running,
    /// A step failed, the deadline passed, or the heartbeat ended.
    Failed,
    /// Kept out by a person.
    Maintenance,
    /// Gone.
    Retired,
}

words!(
    Lifecycle,
    "lifecycle",
    "discovered, ready, assigned, booting, running, failed, maintenance or retired",
    Discovered = "discovered",
    Ready = "ready",
    Assigned = "assigned",
    Booting = "booting",
    Running = "running",
    Failed = "failed",
    Maintenance = "maintenance",
    Retired = "retired"
);

impl Lifecycle {
    /// All of them, in the order in which people want them listed.
    pub const ALL: [Lifecycle; 8] = [
        Self::Discovered,
        Self::Ready,
        Self::Assigned,
        Self::Booting,
        Self::Running,
        Self::Failed,
        Self::Maintenance,
        Self::Retired,
    ];

    /// The table of legal transitions of one step (one change of one desired value, or one observed fact).
    pub fn may_become(self, next: Lifecycle) -> bool {
        use Lifecycle::*;
        match (self, next) {
            _ if self == next => true,
            // A person may take any node aside, retire it, reject it, and bring it back to whatever is observed.
            (_, Maintenance | Retired | Discovered) | (Maintenance | Retired | Discovered, _) => true,
            (Ready, Assigned | Booting | Failed) => true,
            (Assigned, Ready | Booting | Failed) => true,
            (Booting, Running | Failed | Assigned | Ready) => true,
            (Running, Failed | Assigned | Ready) => true,
            (Failed, Running | Booting | Assigned | Ready) => true,
            _ => false,
        }
    }
}

/// What a node should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Desired {
    /// May it boot?
    pub admission: Admission,
    /// Has it a profile?
    pub assigned: bool,
    /// Kept out?
    pub maintenance: bool,
    /// Gone?
    pub retired: bool,
}

/// What was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observed {
    /// Phase of the present or last boot.
    pub phase: Option<Phase>,
    /// The second stage was heard from within the heartbeat timeout.
    pub alive: bool,
}

/// The one place that decides.
pub fn lifecycle(desired: Desired, observed: Observed) -> Lifecycle {
    if desired.retired {
        return Lifecycle::Retired;
    }
    if desired.maintenance {
        return Lifecycle::Maintenance;
    }
    if desired.admission != Admission::Admitted {
        return Lifecycle::Discovered;
    }
    match observed.phase {
        Some(Phase::Booting) => Lifecycle::Booting,
        Some(Phase::Running) if observed.alive => Lifecycle::Running,
        Some(Phase::Running | Phase::Failed) => Lifecycle::Failed,
        Some(Phase::Registered | Phase::Ended) | None if desired.assigned => Lifecycle::Assigned,
        Some(Phase::Registered | Phase::Ended) | None => Lifecycle::Ready,
    }
}

/// Lifecycle of a node with its boot, and the reason where there is more to say.
/// `heartbeat_timeout` in microseconds.
pub fn of_node(
    node: &Node,
    boot: Option<&Boot>,
    now: Micros,
    heartbeat_timeout: Micros,
) -> (Lifecycle, Option<String>) {
    let alive = boot.is_some_and(|b| b.heartbeat.or(b.up).is_some_and(|t| now - t <= heartbeat_timeout));
    let desired = Desired {
        admission: node.admission,
        assigned: node.profile.is_some(),
        maintenance: node.maintenance,
        retired: node.retired,
    };
    let state = lifecycle(desired, Observed { phase: boot.map(|b| b.phase), alive });
    let reason = match (state, boot) {
        (Lifecycle::Failed, Some(boot)) if boot.phase == Phase::Failed => Some(format!(
            "{}: {}",
            boot.failed_step.as_deref().unwrap_or("unknown step"),
            boot.failed_reason.as_deref().unwrap_or("no reason given")
        )),
        (Lifecycle::Failed, Some(boot)) => {
            let last = boot.heartbeat.or(boot.up).unwrap_or(boot.started);
            Some(format!("no heartbeat for {} s", (now - last) / 1_000_000))
        }
        (Lifecycle::Ready | Lifecycle::Assigned, Some(boot))
            if boot.phase == Phase::Registered && now - node.last_seen > heartbeat_timeout =>
        {
            Some(format!("its agent was last heard {} s ago", (now - node.last_seen) / 1_000_000))
        }
        (Lifecycle::Discovered, _) if node.admission == Admission::Rejected => Some("rejected".to_owned()),
        (Lifecycle::Discovered, _) => Some("waits for approval".to_owned()),
        _ => None,
    };
    (state, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(Desired, Observed)> {
        let mut out = vec![];
        for admission in [Admission::Pending, Admission::Admitted, Admission::Rejected] {
            for bits in 0..16u8 {
                for phase in Phase::ALL.into_iter().map(Some).chain([None]) {
                    out.push((
                        Desired {
                            admission,
                            assigned: bits & 1 != 0,
                            maintenance: bits & 2 != 0,
                            retired: bits & 4 != 0,
                        },
                        Observed { phase, alive: bits & 8 != 0 },
                    ));
                }
            }
        }
        out
    }

    fn one_change(a: &(Desired, Observed), b: &(Desired, Observed)) -> bool {
        let changes = [
            a.0.admission != b.0.admission,
            a.0.assigned != b.0.assigned,
            a.0.maintenance != b.0.maintenance,
            a.0.retired != b.0.retired,
            a.1.phase != b.1.phase,
            a.1.alive != b.1.alive,
        ];
        // A phase moves by its own table, or a new boot (Registered) takes the place of any.
        let phase_ok = match (a.1.phase, b.1.phase) {
            (_, Some(Phase::Registered)) => true,
            (Some(from), Some(to)) => from.may_become(to),
            (None, None) => true,
            _ => false,
        };
        changes.iter().filter(|c| **c).count() == 1 && phase_ok
    }

    #[test]
    fn every_single_change_is_a_legal_transition_and_every_legal_one_happens() {
        let states = all();
        let mut seen = std::collections::BTreeSet::new();
        for a in &states {
            for b in states.iter().filter(|b| one_change(a, b)) {
                let (from, to) = (lifecycle(a.0, a.1), lifecycle(b.0, b.1));
                assert!(from.may_become(to), "{from} -> {to} by {a:?} -> {b:?}");
                seen.insert((from, to));
            }
        }
        for from in Lifecycle::ALL {
            for to in Lifecycle::ALL.into_iter().filter(|to| from != *to && from.may_become(*to)) {
                assert!(seen.contains(&(from, to)), "{from} -> {to} is in the table but never happens");
            }
        }
    }
}
