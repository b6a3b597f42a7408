//! Carries rollouts on: each step reads what is stored and seen, thinks, and stores what follows in one transaction, if the
//! rollout and the nodes that it acts on are still as they were read. So no transaction that writes reads a fleet that is
//! written by heartbeats all the time. Any number of servers may do it at once, and any of them may die at any instant.

use super::act::{act, let_go, tell};
use super::create::assigned;
use super::seen::{down, facts, gone};
use crate::domain::Micros;
use crate::domain::rollout::{Action, Fact, Look, Member, Phase, Record, State, Times, What, step, wanted};
use crate::error::{Error, Result};
use crate::service::{App, profiles};
use crate::store::Tx;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

use super::create::OPEN_MAX;

/// One step of each open rollout; true: something has changed, and there may be more to do at once.
pub async fn step_all(app: &App) -> Result<bool> {
    let open = app.store.read(|tx| tx.open_rollouts(OPEN_MAX)).await?;
    let mut changed = false;
    for id in open {
        // One that cannot be carried on does not keep the others.
        match step_one(app, id).await {
            Ok(moved) => changed |= moved,
            Err(error) => {
                tracing::error!(rollout = %id, error = ?error, "rollout {id} cannot be carried on: {error}; trying again")
            }
        }
    }
    Ok(changed)
}

/// What a step makes of a rollout.
struct Stepped {
    record: Record,
    /// Of the rollout as it was read.
    epoch: i64,
    state_before: State,
    /// Those that changed.
    members: Vec<Changed>,
    actions: Vec<Action>,
    facts: BTreeMap<u32, Fact>,
    changed: bool,
    now: Micros,
}

/// A member with its phase before; `there`: its node is.
struct Changed {
    before: Phase,
    member: Member,
    there: bool,
}

async fn step_one(app: &App, id: Uuid) -> Result<bool> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    let would = app
        .store
        .read(move |tx| match (tx.rollout(id)?.filter(|record| record.ended.is_none()), tx.rollout_epoch(id)?) {
            (Some(record), Some(epoch)) => stepped(tx, record, epoch, now, timeout).map(Some),
            _ => Ok(None),
        })
        .await?;
    let Some(would) = would else { return Ok(false) };
    // By what is stored: an end that this step would make is to be stored first.
    if !would.state_before.is_open() {
        return finish(app, would.record).await;
    }
    // Most of the time nothing has happened: nothing is written then.
    if !would.changed {
        return Ok(false);
    }
    let would = Arc::new(would);
    let step = Arc::clone(&would);
    match app.store.write(move |tx| store(tx, &step)).await? {
        Stored::Done => told(&would),
        // Thought out anew, at once.
        Stored::Stale => {}
        Stored::Busy => return Ok(false),
    }
    Ok(true)
}

/// What became of a step.
enum Stored {
    Done,
    /// Something that it was thought out over is not so any more.
    Stale,
    /// Another server has the rollout in hand.
    Busy,
}

fn store(tx: &mut Tx<'_>, step: &Stepped) -> Result<Stored> {
    let (id, now) = (step.record.id, step.now);
    if tx.claim_rollout(id)?.is_none() {
        return Ok(Stored::Busy);
    }
    if tx.rollout_epoch(id)? != Some(step.epoch) || !still_so(tx, step)? {
        return Ok(Stored::Stale);
    }
    for Changed { before, member, there } in &step.members {
        tx.put_member(id, member)?;
        if *there {
            tell(tx, &step.record, *before, member, now)?;
        }
        // One that failed may go back in the same step.
        if (has_ended(member.phase) || member.phase == Phase::BackWaiting) && member.phase != *before {
            let_go(tx, &step.record, member, now)?;
        }
    }
    for action in &step.actions {
        let member = step.members.iter().map(|changed| &changed.member).find(|member| member.n == action.n);
        act(tx, &step.record, member, action, now)?;
    }
    tx.put_rollout(&step.record)?;
    Ok(Stored::Done)
}

/// Are the nodes that get something else as they were seen? A person may have taken one meanwhile. No other node is read.
fn still_so(tx: &mut Tx<'_>, step: &Stepped) -> Result<bool> {
    for action in step.actions.iter().filter(|action| matches!(action.what, What::Assign(_))) {
        let seen = step.facts.get(&action.n);
        let same = match (tx.node(&action.node)?, seen) {
            (Some(node), Some(fact)) => {
                let boot = fact.boot.as_ref().map(|boot| boot.id);
                fact.assigned == assigned(&node) && fact.gone.as_deref() == gone(&node) && node.boot == boot
            }
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stepped(tx: &mut Tx<'_>, mut record: Record, epoch: i64, now: Micros, timeout: Micros) -> Result<Stepped> {
    let before = tx.members(record.id)?;
    let down = down(tx, &record.rollout, now, timeout)?;
    let look = Look { now, down: &down };
    let mut asked = Vec::new();
    for n in wanted(&record.rollout, &before, look) {
        let member = usize::try_from(n).ok().and_then(|n| before.get(n)).filter(|member| member.n == n);
        asked.push(member.ok_or_else(|| Error::internal(format!("rollout {} has no member {n}", record.id)))?);
    }
    let facts = facts(tx, record.id, &asked, now, timeout)?;
    let (mut members, old) = (before.clone(), record.rollout.clone());
    let actions = step(&mut record.rollout, &mut members, &facts, look);
    let changed = old != record.rollout || members != before;
    let members = before.iter().zip(members).filter(|(old, new)| *old != new).map(|(old, member)| Changed {
        before: old.phase,
        there: facts.contains_key(&member.n),
        member,
    });
    Ok(Stepped { members: members.collect(), epoch, state_before: old.state, actions, facts, changed, record, now })
}

/// Nothing more is done with it, as far as this way goes.
fn has_ended(phase: Phase) -> bool {
    matches!(phase, Phase::Up | Phase::Failed | Phase::Skipped | Phase::Back | Phase::BackFailed)
}

/// For the log and the metrics.
fn told(done: &Stepped) {
    let Record { id, rollout, .. } = &done.record;
    for Changed { before, member, .. } in &done.members {
        if has_ended(member.phase) && member.phase != *before {
            metrics::counter!("higuma_rollout_nodes_total", "result" => member.phase.as_str()).increment(1);
        }
    }
    if rollout.state != done.state_before {
        let state = rollout.state;
        metrics::counter!("higuma_rollouts_total", "state" => state.as_str()).increment(1);
        if rollout.why.is_empty() {
            tracing::info!(rollout = %id, %state, "rollout {id} is {state}");
        } else {
            tracing::warn!(rollout = %id, %state, "rollout {id} is {state}: {}", rollout.why);
        }
    }
}

/// It has come to its end: the revision becomes active where every node of the profile has it, and the pins go. Safe to
/// repeat.
async fn finish(app: &App, record: Record) -> Result<bool> {
    let (id, now) = (record.id, app.now());
    let (profile, revision) = (record.rollout.profile.clone(), record.rollout.revision);
    let key = profile.clone();
    let (others, times) =
        app.store.read(move |tx| Ok((tx.nodes_not_pinned_to(&key, revision)?, Times::of(&tx.members(id)?)))).await?;
    let (drop, why) = match (record.rollout.activate, others) {
        (false, _) => (false, String::new()),
        (true, 0) => match profiles::activate(app, profile, revision).await {
            Ok(_) => (true, format!("revision {revision} is active, and its pins are gone")),
            Err(Error::Unavailable(why)) => return Err(Error::Unavailable(why)),
            Err(error) => (false, format!("revision {revision} could not be made active, and the pins stay: {error}")),
        },
        (true, others) => (
            false,
            format!(
                "the pins stay: {others} nodes of the profile have another revision; `higuma profile activate` ends that"
            ),
        ),
    };
    app.store
        .write(move |tx| {
            let Some(mut record) = tx.claim_rollout(id)?.filter(|record| !record.rollout.state.is_open()) else {
                return Ok(false);
            };
            if drop {
                tx.drop_pins(id, &record.rollout.profile, revision)?;
            }
            if !why.is_empty() {
                record.rollout.why.clone_from(&why);
            }
            record.rollout.times = times;
            record.ended = Some(now);
            tx.put_rollout(&record)?;
            Ok(true)
        })
        .await
}
