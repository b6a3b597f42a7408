//! Which node the registering machine is, by all that the agent and iPXE told of it, and what is kept and told of that.

use super::super::identity::{tell_candidates, tell_conflicts, tell_shared_macs};
use super::Registration;
use crate::domain::identity::{CONFLICT, Claim, Identity, Resolution, Teller, Told, Why, resolve};
use crate::domain::node::Node;
use crate::domain::offer::Offer;
use crate::domain::placeholder::is_portable_driver;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use crate::store::Tx;
use std::collections::BTreeSet;

/// Addresses that are compared.
const MACS_MAX: usize = 64;

/// Who it is.
pub(super) struct Found {
    pub(super) who: Resolution,
    pub(super) claim: Claim,
    /// Addresses of the node until now.
    before: BTreeSet<Mac>,
}

/// What the agent says of itself. Ports that are carried from machine to machine identify it only if it has no other.
pub(super) fn claim(request: &Registration) -> Claim {
    let system = request.inventory.system.clone().unwrap_or_default();
    let told = Told {
        uuid: request.uuid.clone(),
        manufacturer: system.manufacturer,
        product: system.product,
        serial: system.serial,
    };
    let fixed = request.inventory.nics.iter().filter(|nic| !is_portable_driver(&nic.driver));
    let own = fixed.filter_map(|nic| nic.mac.parse().ok()).filter(Mac::is_of_one_port);
    let mut macs: BTreeSet<Mac> = own.take(MACS_MAX).collect();
    if macs.is_empty() {
        macs.extend(request.boot_mac.clone());
    }
    Claim::new(Teller::Agent, &told, request.boot_mac.clone(), macs)
}

/// The node; `None` when the offer is not for it.
pub(super) fn find(tx: &mut Tx<'_>, offer: &Offer, claim: &Claim, alive_since: Micros) -> Result<Option<Found>> {
    let claim = offer.complete(claim.clone());
    let mut known = tx.known(&claim.names(), &claim.macs)?;
    for known in &mut known {
        known.alive = is_alive(tx, &known.name, alive_since)?;
    }
    let Some(who) = resolve(&claim, &known) else { return Ok(None) };
    let node = tx.known_node(&who.name)?;
    let new = !matches!(who.why, Why::Known | Why::SwappedTwin);
    if !offer.is_for(&claim, &who, node.as_ref()) || (new && node.is_some()) {
        return Ok(None);
    }
    let before = node.map(|k| k.macs).unwrap_or_default();
    Ok(Some(Found { who, claim, before }))
}

/// Was its machine heard since?
fn is_alive(tx: &mut Tx<'_>, name: &NodeUuid, since: Micros) -> Result<bool> {
    let Some(node) = tx.node(name)? else { return Ok(false) };
    let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
    Ok(boot.is_some_and(|b| node.last_seen.max(b.heartbeat.unwrap_or(0)).max(b.up.unwrap_or(0)) >= since))
}

/// Whether it may be another node's machine, or another machine claims its name: then neither policy nor rule admits it.
pub(super) fn in_question(tx: &mut Tx<'_>, found: &Found) -> Result<bool> {
    let name = &found.who.name;
    Ok(matches!(found.who.why, Why::Conflict { .. } | Why::BoardReplaced)
        || !tx.open_messages(CONFLICT, &[name.as_str()])?.is_empty()
        || tx.identity(name)?.is_some_and(|identity| identity.merge_candidate.is_some()))
}

/// What the firmware does not tell the agent, iPXE may have read.
pub(super) fn complete_node(node: &mut Node, found: &Found) {
    let Claim { manufacturer, product, serial, .. } = &found.claim;
    let serial = serial.clone().unwrap_or_default();
    for (mine, told) in
        [(&mut node.manufacturer, manufacturer), (&mut node.product, product), (&mut node.serial, &serial)]
    {
        if mine.is_empty() {
            mine.clone_from(told);
        }
    }
}

/// Keep who it is, and tell what follows. `told`: the UUID as it came, a placeholder too.
pub(super) fn record(tx: &mut Tx<'_>, found: &Found, told: Option<NodeUuid>, now: Micros) -> Result<()> {
    let Found { who, claim, before } = found;
    let old = tx.identity(&who.name)?;
    let identity = Identity {
        node: who.name.clone(),
        source: old.as_ref().map_or(who.source, |i| i.source),
        claimed: who.claimed.clone(),
        told: told.or_else(|| claim.uuid.clone()),
        merge_candidate: old.as_ref().map_or(who.candidate.clone(), |i| i.merge_candidate.clone()),
    };
    if old.as_ref() != Some(&identity) {
        tx.put_identity(&identity)?;
    }
    if let Some(old) = old.as_ref().filter(|i| i.claimed != identity.claimed) {
        tx.clear_subject(&who.name, CONFLICT, now)?;
        tell_conflicts(tx, &old.claimed, None, now)?;
    }
    tell_conflicts(tx, &identity.claimed, Some(&who.name), now)?;
    if let (None, Some(candidate)) = (&old, &who.candidate) {
        tell_candidates(tx, candidate, now)?;
        if who.why == Why::BoardReplaced {
            claims_no_more(tx, candidate, now)?;
        }
    }
    tell_shared_macs(tx, &who.name, before, &claim.macs, now)
}

/// The candidate's machine tells another UUID now: who was in conflict with it is so no more, until it comes back.
fn claims_no_more(tx: &mut Tx<'_>, candidate: &NodeUuid, now: Micros) -> Result<()> {
    let Some(mut identity) = tx.identity(candidate)? else { return Ok(()) };
    let claimed = std::mem::replace(&mut identity.claimed, candidate.clone());
    if claimed == *candidate {
        return Ok(());
    }
    tx.put_identity(&identity)?;
    tx.clear_subject(candidate, CONFLICT, now)?;
    tell_conflicts(tx, &claimed, None, now)
}
