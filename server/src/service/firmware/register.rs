//! At Register: what became of an update that was handed out, and how the node stands now.

use super::{refresh, rules_now};
use crate::domain::boot::{Boot, EventState};
use crate::domain::firmware::{Attempt, Component, Outcome, components, outcome};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::service::events;
use crate::store::Tx;
use higuma_proto::agent::Inventory;
use higuma_proto::steps;

/// Attempts of one node that keep their program's output.
const OUTPUTS_KEPT: usize = 20;
/// Cleared attempts of one node beyond so many are dropped.
const ATTEMPTS_KEPT: usize = 200;

/// Part of Register's transaction, after the new boot was stored.
pub(in crate::service) fn at_register(tx: &mut Tx<'_>, boot: &Boot, inventory: &Inventory, now: Micros) -> Result<()> {
    let mut found = components(inventory);
    // Who tells of no part at all tells nothing of how an update turned out.
    if !found.is_empty() {
        settle(tx, &boot.node, boot, &found, now)?;
    }
    let rules = rules_now(tx)?;
    if found.is_empty()
        && let Some(before) = tx.node_firmware(&boot.node)?
    {
        // A shell script as an agent tells nothing: saying nothing must not get a node around a rule.
        found = before.components;
    }
    refresh(tx, &boot.node, &rules, found, now)?;
    Ok(())
}

/// End the open attempt, or one that was given up as lost: the version found now says how it turned out.
fn settle(tx: &mut Tx<'_>, node: &NodeUuid, boot: &Boot, found: &[Component], now: Micros) -> Result<()> {
    let unjudged = |attempt: &Attempt| matches!(attempt.ended, None | Some((_, Outcome::Lost)));
    let Some(mut attempt) = tx.firmware_attempts(node, 1)?.pop().filter(unjudged) else { return Ok(()) };
    let key = attempt.component();
    let part = found.iter().find(|part| part.key() == key);
    let after = part.map(|part| part.version.clone());
    let outcome = outcome(&attempt.wanted, &attempt.before, after.as_deref());
    attempt.after = after;
    attempt.ended = Some((now, outcome));
    tx.put_firmware_attempt(&attempt)?;
    tx.prune_firmware_attempts(node, OUTPUTS_KEPT, ATTEMPTS_KEPT)?;
    let label = part.map_or_else(|| key.clone(), Component::label);
    let version = attempt.after.as_deref().filter(|v| !v.is_empty()).unwrap_or("not told");
    let words = format!(
        "update {} of {label} from {} to {}: {outcome}, its version is {version}",
        attempt.n, attempt.before, attempt.wanted
    );
    tracing::info!(%node, attempt = %attempt.id, %outcome, "node {node}: {words}");
    events::note(tx, boot, steps::FIRMWARE, EventState::Info, words, now)
}
