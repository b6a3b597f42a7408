//! What a node is told that has nothing to boot: wait, or park. By the first rule that says something about parking, else
//! by the settings. A node that waits for approval is parked by a rule only; one that a person took aside never is.

use super::plan::{PlanAnswer, retry_after};
use super::{Settings, facts, rules};
use crate::domain::Micros;
use crate::domain::boot::Boot;
use crate::domain::node::{Admission, Node};
use crate::domain::parking::{self, ParkAction, Parked, Parking};
use crate::error::Result;
use crate::store::Tx;

/// Who may park it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parks {
    /// Nobody: a person keeps it waiting, or a mistake of ours does.
    Never,
    /// A rule.
    ByRule,
    /// A rule, or the settings.
    Yes,
    /// It restarts now: iPXE's script does what is to be done.
    Restarts,
}

/// Why there is no plan.
#[derive(Debug)]
pub(super) struct NoPlan {
    pub(super) text: String,
    pub(super) parks: Parks,
    /// The firmware policy comes first.
    pub(super) ask_firmware: bool,
}

/// The answer to a boot without a plan.
pub(super) fn answer(
    tx: &mut Tx<'_>,
    settings: &Settings,
    (boot, node): (&Boot, &Node),
    no_plan: NoPlan,
    now: Micros,
) -> Result<PlanAnswer> {
    let (retry_after, ask_firmware) = (retry_after(settings), no_plan.ask_firmware);
    let mut reason = no_plan.text;
    if no_plan.parks == Parks::Restarts {
        return Ok(PlanAnswer::Park { reason, action: ParkAction::Reboot, after_seconds: 0 });
    }
    let mut parking = match no_plan.parks {
        Parks::Yes => Some(settings.parking),
        _ => None,
    };
    if no_plan.parks != Parks::Never
        && let Some(rules) = rules::that_park(tx)?
    {
        let hardware = tx.node_facts(&node.uuid)?.unwrap_or_default();
        let facts = facts::of_node(node, Some(boot), hardware, now, settings.heartbeat_timeout);
        if let Some((name, action, after)) = rules.decide(&facts).park {
            parking = Some(Parking { action, after: after.unwrap_or(settings.parking.after) });
            // A machine that nobody admitted learns nothing of the rules.
            if node.admission != Admission::Pending {
                reason = format!("{reason} (rule {name})");
            }
        }
    }
    // Whoever admits it gets the whole time to assign a profile.
    let since = node.admitted.as_ref().map_or(boot.started, |(_, at)| boot.started.max(*at));
    Ok(match parking.map(|parking| parking::decide(parking, since, now)) {
        Some(Parked::Act { action, after_seconds }) => PlanAnswer::Park { reason, action, after_seconds },
        Some(Parked::Wait) | None => PlanAnswer::Wait { reason, retry_after, ask_firmware },
    })
}
