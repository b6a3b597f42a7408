//! Carries rollouts on: each step reads what is stored and seen, and stores what follows, in one transaction. Any number of
//! servers may do it at once, and any of them may die at any instant.

use super::act::{act, tell};
use super::seen::fact;
use crate::domain::Micros;
use crate::domain::rollout::{Action, Fact, Member, Phase, Record, State, step, wanted};
use crate::error::{Error, Result};
use crate::service::{App, profiles};
use crate::store::Tx;
use std::collections::BTreeMap;
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
    state_before: State,
    /// Those that changed, each with its phase before.
    members: Vec<(Phase, Member)>,
    actions: Vec<Action>,
    changed: bool,
}

async fn step_one(app: &App, id: Uuid) -> Result<bool> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    // Most of the time nothing has happened: nothing is written then.
    let would = app
        .store
        .read(move |tx| match tx.rollout(id)?.filter(|record| record.ended.is_none()) {
            None => Ok(None),
            Some(record) => stepped(tx, record, now, timeout).map(Some),
        })
        .await?;
    let Some(would) = would else { return Ok(false) };
    // By what is stored: an end that this step would make is to be stored first.
    if !would.state_before.is_open() {
        return finish(app, would.record).await;
    }
    if !would.changed {
        return Ok(false);
    }
    let done = app
        .store
        .write(move |tx| {
            let Some(record) = tx.claim_rollout(id)? else { return Ok(None) };
            let done = stepped(tx, record, now, timeout)?;
            for (before, member) in &done.members {
                tx.put_member(id, member)?;
                tell(tx, &done.record, *before, member, now)?;
            }
            for action in &done.actions {
                let member = done.members.iter().map(|(_, member)| member).find(|member| member.n == action.n);
                act(tx, &done.record, member, action, now)?;
            }
            tx.put_rollout(&done.record)?;
            Ok(Some(done))
        })
        .await?;
    let Some(done) = done else { return Ok(false) };
    told(&done);
    Ok(true)
}

fn stepped(tx: &mut Tx<'_>, mut record: Record, now: Micros, timeout: Micros) -> Result<Stepped> {
    let before = tx.members(record.id)?;
    let mut facts: BTreeMap<u32, Fact> = BTreeMap::new();
    for n in wanted(&record.rollout, &before, now) {
        let member = usize::try_from(n).ok().and_then(|n| before.get(n)).filter(|member| member.n == n);
        let member = member.ok_or_else(|| Error::internal(format!("rollout {} has no member {n}", record.id)))?;
        if let Some(fact) = fact(tx, record.id, member, now, timeout)? {
            facts.insert(n, fact);
        }
    }
    let (mut members, old) = (before.clone(), record.rollout.clone());
    let actions = step(&mut record.rollout, &mut members, &facts, now);
    let changed = old != record.rollout || members != before;
    let members = before.iter().zip(members).filter(|(old, new)| *old != new).map(|(old, new)| (old.phase, new));
    Ok(Stepped { members: members.collect(), state_before: old.state, actions, changed, record })
}

/// For the log and the metrics.
fn told(done: &Stepped) {
    let Record { id, rollout, .. } = &done.record;
    for (before, member) in &done.members {
        let ended =
            matches!(member.phase, Phase::Up | Phase::Failed | Phase::Skipped | Phase::Back | Phase::BackFailed);
        if ended && member.phase != *before {
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
    let others = app.store.read(move |tx| tx.nodes_not_pinned_to(&key, revision)).await?;
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
            record.ended = Some(now);
            tx.put_rollout(&record)?;
            Ok(true)
        })
        .await
}
