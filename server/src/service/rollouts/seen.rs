//! What was seen of the nodes of a rollout, as a step needs it.

use super::create::assigned;
use crate::domain::bmc::BmcState;
use crate::domain::lifecycle::{self, Lifecycle};
use crate::domain::node::{Admission, Node};
use crate::domain::node_event::{Kind, Severity};
use crate::domain::rollout::{BootFact, CallState, Did, Fact, Member};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::service::fallback;
use crate::store::{NodeEventFilter, Tx};
use uuid::Uuid;

/// Newest notices of a node that are looked at.
const NOTICES: usize = 50;

/// Can it be restarted through its BMC?
pub(super) fn has_bmc(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<bool> {
    Ok(tx.bmc(node)?.is_some_and(|bmc| bmc.state == BmcState::Managed))
}

/// Why it takes part in nothing.
pub(super) fn gone(node: &Node) -> Option<&'static str> {
    match node {
        Node { retired: true, .. } => Some("the node is retired"),
        Node { maintenance: true, .. } => Some("the node is in maintenance"),
        Node { admission: Admission::Admitted, .. } => None,
        _ => Some("the node is not admitted"),
    }
}

/// Of one member; none: its node was deleted.
pub(super) fn fact(
    tx: &mut Tx<'_>,
    rollout: Uuid,
    member: &Member,
    now: Micros,
    timeout: Micros,
) -> Result<Option<Fact>> {
    let Some(node) = tx.node(&member.node)? else { return Ok(None) };
    let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
    let (state, reason) = lifecycle::of_node(&node, boot.as_ref(), now, timeout);
    let done = tx.ended_calls(rollout, member.n)?.into_iter();
    let active_before = match (&member.before.profile, member.before.pin) {
        (Some(profile), None) => tx.active_revision(profile)?.map(|(active, _)| active),
        _ => None,
    };
    Ok(Some(Fact {
        gone: gone(&node).map(str::to_owned),
        assigned: assigned(&node),
        active_before,
        fallback: fallback::of(tx, &node)?.map(|fallback| fallback.to_string()),
        boot: boot.map(|boot| BootFact {
            id: boot.id,
            running: state == Lifecycle::Running,
            told: reason.unwrap_or_else(|| match boot.last_step {
                Some(step) => format!("it is {state}, its last step was {step}"),
                None => format!("it is {state}"),
            }),
            profile: boot.profile,
            revision: boot.revision,
        }),
        bmc: has_bmc(tx, &node.uuid)?,
        lost: lost(tx, member)?,
        done: done.map(|call| (call.id, Did { ok: call.state == CallState::Ok, message: call.message })).collect(),
    }))
}

/// Hardware that is gone since the member was begun.
fn lost(tx: &mut Tx<'_>, member: &Member) -> Result<Vec<String>> {
    let Some(begun) = member.begun else { return Ok(Vec::new()) };
    let filter =
        NodeEventFilter { node: Some(member.node.clone()), kind: Some(Kind::Hardware), ..NodeEventFilter::default() };
    let events = tx.node_events(&filter, None, NOTICES)?.into_iter();
    let bad = events.filter(|e| e.at >= begun && e.cleared.is_none() && e.notice.severity >= Severity::Warning);
    Ok(bad.map(|event| event.notice.message).collect())
}
