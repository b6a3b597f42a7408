//! What was seen of the nodes of a rollout, as a step needs it.

use super::create::assigned;
use crate::domain::bmc::BmcState;
use crate::domain::lifecycle::{self, Lifecycle};
use crate::domain::node::{Admission, Node};
use crate::domain::node_event::{Kind, Severity};
use crate::domain::rollout::{BootFact, CallState, Did, Down, Fact, Groups, Member, Phase, Rollout, State};
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::Result;
use crate::store::{NodeDown, NodeEventFilter, Tx};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Newest notices of a node that are looked at.
const NOTICES: usize = 50;
/// Members whose facts are in memory at once, but for what comes of them.
const PIECE: usize = 500;
/// Nodes that do not run, at most: of a fleet of which more are down, nothing is to be taken down anyway.
const DOWN: usize = 10_000;

/// Which of these can be restarted through their BMCs.
pub(super) fn with_bmc(tx: &mut Tx<'_>, nodes: &[NodeUuid]) -> Result<BTreeSet<NodeUuid>> {
    let managed = tx.bmcs_of(nodes)?.into_iter().filter(|bmc| bmc.state == BmcState::Managed);
    Ok(managed.map(|bmc| bmc.node).collect())
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

/// Of these members; one whose node was deleted has none. Read a piece at a time, not one by one.
pub(super) fn facts(
    tx: &mut Tx<'_>,
    rollout: Uuid,
    members: &[&Member],
    now: Micros,
    timeout: Micros,
) -> Result<BTreeMap<u32, Fact>> {
    let (mut facts, mut actives) = (BTreeMap::new(), BTreeMap::new());
    for piece in members.chunks(PIECE) {
        let uuids: Vec<NodeUuid> = piece.iter().map(|member| member.node.clone()).collect();
        let mut rows = tx.nodes_of(&uuids)?;
        let bmcs = with_bmc(tx, &uuids)?;
        let mut done: BTreeMap<u32, BTreeMap<String, Did>> = BTreeMap::new();
        let numbers: Vec<u32> = piece.iter().map(|member| member.n).collect();
        for call in tx.ended_calls_of(rollout, &numbers)? {
            let did = Did { ok: call.state == CallState::Ok, message: call.message };
            done.entry(call.n).or_default().insert(call.id, did);
        }
        for member in piece {
            let Some(row) = rows.remove(&member.node) else { continue };
            let (state, reason) = lifecycle::of_node(&row.node, row.boot.as_ref(), now, timeout);
            facts.insert(
                member.n,
                Fact {
                    gone: gone(&row.node).map(str::to_owned),
                    assigned: assigned(&row.node),
                    active_before: active_before(tx, member, &mut actives)?,
                    fallback: row.fallback.map(|fallback| fallback.to_string()),
                    boot: row.boot.map(|boot| BootFact {
                        id: boot.id,
                        running: state == Lifecycle::Running,
                        told: reason.unwrap_or_else(|| match boot.last_step {
                            Some(step) => format!("it is {state}, its last step was {step}"),
                            None => format!("it is {state}"),
                        }),
                        profile: boot.profile,
                        revision: boot.revision,
                    }),
                    bmc: bmcs.contains(&member.node),
                    // No other phase asks.
                    lost: if member.phase == Phase::Checking { lost(tx, member)? } else { Vec::new() },
                    done: done.remove(&member.n).unwrap_or_default(),
                },
            );
        }
    }
    Ok(facts)
}

/// Revisions of profiles that were looked up.
type Actives = BTreeMap<Name, Option<u32>>;

/// What the profile of a member without a pin means now.
fn active_before(tx: &mut Tx<'_>, member: &Member, known: &mut Actives) -> Result<Option<u32>> {
    let (Some(profile), None) = (&member.before.profile, member.before.pin) else { return Ok(None) };
    if let Some(active) = known.get(profile) {
        return Ok(*active);
    }
    let active = tx.active_revision(profile)?.map(|(active, _)| active);
    known.insert(profile.clone(), active);
    Ok(active)
}

/// Who is down, whatever the reason, where the rollout has limits of its own for clusters, switches or rules.
pub(super) fn down(tx: &mut Tx<'_>, rollout: &Rollout, now: Micros, timeout: Micros) -> Result<Down> {
    let limits = &rollout.spec.limits;
    if rollout.state != State::Running || !limits.of_places() {
        return Ok(Down::default());
    }
    let down = tx.nodes_down(now - timeout, DOWN)?;
    let mut switches = match limits.switch {
        None => BTreeMap::new(),
        Some(_) => tx.switches_of(&down.iter().map(|down| down.node.clone()).collect::<Vec<_>>())?,
    };
    let groups = down.into_iter().map(|NodeDown { node, cluster, held }| {
        let switches = switches.remove(&node).unwrap_or_default().into_iter().collect();
        (node, Groups { cluster, switches, rule: held.rule().cloned() })
    });
    Ok(Down(groups.collect()))
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
