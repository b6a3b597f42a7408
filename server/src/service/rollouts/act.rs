//! What a step asks for, carried out in its own transaction: assignments and restarts are rows, and what is asked of
//! somebody outside is kept until it is answered. Every action has an id, so that none is done twice.

use crate::domain::bmc::{BmcAction, Power};
use crate::domain::job::{Job, JobState};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::rollout::{Action, Assigned, Call, CallState, Member, Phase, Record, Task, What};
use crate::domain::rules::Holder;
use crate::domain::{Micros, Sha256};
use crate::error::Result;
use crate::service::{fallback, node_events};
use crate::store::Tx;
use uuid::Uuid;

/// One action.
pub(super) fn act(
    tx: &mut Tx<'_>,
    record: &Record,
    member: Option<&Member>,
    action: &Action,
    now: Micros,
) -> Result<()> {
    let spec = &record.rollout.spec;
    match &action.what {
        What::Assign(assigned) => assign(tx, member, action, assigned, now),
        What::Reboot { hard: false } => ask_system(tx, record, member, now),
        What::Reboot { hard: true } => ask_bmc(tx, record, action, now),
        What::Drain => call(tx, record, action, Call::Drain, spec.hooks.deadline, now),
        What::Undrain => call(tx, record, action, Call::Undrain, spec.hooks.deadline, now),
        What::Check => call(tx, record, action, Call::Check, spec.check_deadline, now),
    }
}

fn assign(tx: &mut Tx<'_>, member: Option<&Member>, action: &Action, assigned: &Assigned, now: Micros) -> Result<()> {
    let Some(mut node) = tx.node(&action.node)? else { return Ok(()) };
    let back = member.filter(|member| member.before == *assigned && member.phase.is_back());
    if let Some(holder) = back.and_then(|member| member.held.parse().ok()) {
        // A rule that said it before may say it again.
        node.held.profile = holder;
    } else if node.profile != assigned.profile {
        // A person asked for it: no rule takes it back.
        node.held.profile = Holder::Person;
    }
    node.profile.clone_from(&assigned.profile);
    node.profile_revision = assigned.pin;
    tx.put_node(&node)?;
    // What failed before this rollout, or in it, says nothing of what comes now.
    fallback::forget(tx, &node.uuid, now)
}

/// The running system restarts itself when it is heard from next.
fn ask_system(tx: &mut Tx<'_>, record: &Record, member: Option<&Member>, now: Micros) -> Result<()> {
    // The boot that was looked at. Its node is not read: it may say that it lives just now.
    match member.and_then(|member| member.boot_before) {
        Some(boot) => tx.request_reboot(boot, &format!("rollout {}", record.id), now),
        None => Ok(()),
    }
}

/// A job of one node: the BMC cycles its power.
fn ask_bmc(tx: &mut Tx<'_>, record: &Record, action: &Action, now: Micros) -> Result<()> {
    let request = request(record, &action.id);
    if tx.job_by_request(&request)?.is_some() {
        return Ok(());
    }
    let off = tx.bmc(&action.node)?.is_some_and(|bmc| bmc.power == Power::Off);
    let job = Job {
        id: Uuid::now_v7(),
        action: if off { BmcAction::PowerOn } else { BmcAction::PowerCycle },
        selector: format!("rollout {}", record.id),
        who: record.who.clone(),
        made: now,
        stagger: 0,
        parallel: 1,
        total: 1,
        state: JobState::Queued,
        request_hash: Sha256::of(&request),
        request: Some(request),
        next_start: now,
        started: None,
        cancelled_by: None,
        ended: None,
    };
    tx.insert_job(&job, std::slice::from_ref(&action.node))
}

fn call(tx: &mut Tx<'_>, record: &Record, action: &Action, call: Call, time: Micros, now: Micros) -> Result<()> {
    tx.add_call(&Task {
        rollout: record.id,
        id: action.id.clone(),
        n: action.n,
        node: action.node.clone(),
        call,
        state: CallState::Waiting,
        message: String::new(),
        attempts: 0,
        due: now,
        deadline: now.saturating_add(time),
    })
}

/// What is told of a node when its member has come to an end, or is begun.
pub(super) fn tell(tx: &mut Tx<'_>, record: &Record, before: Phase, member: &Member, now: Micros) -> Result<()> {
    let target = record.rollout.target();
    let (severity, what) = match member.phase {
        phase if phase == before => return Ok(()),
        Phase::Booting => (Severity::Info, format!("restarts with {target}")),
        Phase::Up => (Severity::Info, format!("is up with {target}")),
        Phase::BackBooting => (Severity::Info, format!("goes back to {}", member.before)),
        Phase::Back => (Severity::Info, format!("is back with {}", member.before)),
        Phase::Failed => (Severity::Warning, format!("failed with {target}")),
        Phase::BackFailed => (Severity::Warning, "could not be brought back".to_owned()),
        Phase::Skipped => (Severity::Info, "is left out".to_owned()),
        _ => return Ok(()),
    };
    let colon = if member.message.is_empty() { "" } else { ": " };
    let message = format!("rollout {}: {what}{colon}{}", record.id, member.message);
    let notice = Notice { kind: Kind::Rollout, severity, subject: "rollout".to_owned(), message };
    match severity {
        Severity::Info => node_events::record(tx, &member.node, &notice, now),
        Severity::Warning | Severity::Alarm => node_events::raise(tx, &member.node, &notice, now),
    }
}

/// A member has come to its end on this way: what it asked of others and was not done yet is not done any more.
pub(super) fn let_go(tx: &mut Tx<'_>, record: &Record, member: &Member, now: Micros) -> Result<()> {
    tx.end_calls(record.id, member.n, "not asked any more: the node was done with before")?;
    if let Some(boot) = member.boot_before {
        // Its system is left alone, too, whenever it is heard from again.
        tx.forget_reboot(boot)?;
    }
    let asked = member.boot_before.is_some() || member.asked > 0;
    for id in member.restart_ids().into_iter().filter(|_| asked) {
        let request = request(record, &id);
        let Some(mut job) = tx.job_by_request(&request)?.filter(|job| job.state.is_open()) else { continue };
        tx.cancel_waiting(job.id, "the rollout is done with this node", now)?;
        job.cancelled_by = job.cancelled_by.or_else(|| Some(format!("rollout {}", record.id)));
        job.settle(tx.left_of_job(job.id)?, now);
        tx.put_job(&job)?;
    }
    Ok(())
}

/// The id of a job's request. With a space in it, which no person's has: see [`crate::store::Asker`].
fn request(record: &Record, action: &str) -> String {
    format!("{} {action}", record.id)
}
