//! Who does what: servers take items of jobs for a time, say that they live, and write down how it turned out. Every step
//! is one transaction, so that two servers never have the same item.

use crate::domain::Micros;
use crate::domain::bmc::BmcAction;
use crate::domain::boot::clean;
use crate::domain::job::{Item, ItemState, Job, MESSAGE_MAX, cut_short, kind_of, notice};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::node_events;
use crate::store::{Asker, Tx};

use super::create::OPEN_MAX;

/// A server that was not heard from for so long is lost, microseconds.
pub const LEASE: Micros = 30 * 1_000_000;

/// Restarts of rollouts, one node each, that are looked at in one go; the others are next.
const RESTARTS: usize = 100;

/// An item that is to be done now, by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// As it is stored: running, claimed by the caller.
    pub item: Item,
    /// What to do.
    pub action: BmcAction,
}

/// What came of asking for work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// To be done now.
    pub work: Vec<Work>,
    /// The next start that only time keeps back.
    pub next: Option<Micros>,
    /// Some items had nothing to be done to: there may be more work at once.
    pub again: bool,
}

/// What was ended, for the metrics.
type Ended = (BmcAction, ItemState);

/// Take up to `room` items for `server`; see to those whose server was lost, and to jobs in which nothing is left to do.
pub async fn claim(app: &App, server: &str, room: u32, now: Micros) -> Result<Claimed> {
    // Most of the time there is no job: nothing is written then.
    let open = |tx: &mut Tx<'_>| Ok(tx.open_jobs(Asker::Person, 1)? + tx.open_jobs(Asker::Rollout, 1)?);
    if app.store.read(open).await? == 0 {
        return Ok(Claimed::default());
    }
    let server = server.to_owned();
    let (claimed, ended) = app
        .store
        .write(move |tx| {
            let (mut claimed, mut ended) = (Claimed::default(), Vec::new());
            let mut jobs = tx.claim_jobs(Asker::Person, OPEN_MAX)?;
            jobs.extend(tx.claim_jobs(Asker::Rollout, RESTARTS)?);
            for job in jobs {
                let room = room.saturating_sub(u32::try_from(claimed.work.len()).unwrap_or(u32::MAX));
                claim_of(tx, job, &server, room, now, &mut claimed, &mut ended)?;
            }
            Ok((claimed, ended))
        })
        .await?;
    count(&ended);
    Ok(claimed)
}

fn claim_of(
    tx: &mut Tx<'_>,
    mut job: Job,
    server: &str,
    room: u32,
    now: Micros,
    claimed: &mut Claimed,
    ended: &mut Vec<Ended>,
) -> Result<()> {
    let before = job.clone();
    for item in tx.lost_items(job.id, now)? {
        let cut = cut_short(job.action, item.attempts, job.cancelled_by.is_some());
        tracing::warn!(job = %job.id, node = %item.node, "{} of node {}: {}", job.action, item.node, cut.message);
        if end(tx, job.action, &item, cut.state, &cut.message, now)? {
            ended.push((job.action, cut.state));
        }
    }
    let mut left = tx.left_of_job(job.id)?;
    let slots = if left.waiting { job.may_start(left.running, room, now) } else { 0 };
    if slots > 0 {
        for item in tx.startable_items(job.id, usize::try_from(slots).unwrap_or(usize::MAX))? {
            let taken = Item {
                state: ItemState::Running,
                claimed_by: Some(server.to_owned()),
                lease_until: Some(now.saturating_add(LEASE)),
                attempts: item.attempts.saturating_add(1),
                started: Some(now),
                message: String::new(),
                ..item.clone()
            };
            if !tx.step_item(&item, &taken)? {
                continue;
            }
            job.started = job.started.or(Some(now));
            if tx.node(&taken.node)?.is_none() {
                end(tx, job.action, &taken, ItemState::Skipped, "the node is not there any more", now)?;
                ended.push((job.action, ItemState::Skipped));
                claimed.again = true;
                continue;
            }
            job.next_start = now.saturating_add(job.stagger);
            claimed.work.push(Work { item: taken, action: job.action });
        }
        left = tx.left_of_job(job.id)?;
    }
    job.settle(left, now);
    if job != before {
        tx.put_job(&job)?;
    }
    if !job.state.is_open() {
        tracing::info!(job = %job.id, "job {} ({}) is {}", job.id, job.action, job.state);
    }
    if let Some(until) = job.held_until(now).filter(|_| left.waiting && left.running < job.parallel) {
        claimed.next = Some(claimed.next.map_or(until, |next| next.min(until)));
    }
    Ok(())
}

/// How an item that the caller has turned out; false: it is not the caller's any more, and nothing was written.
pub async fn finish(app: &App, work: &Work, state: ItemState, message: &str, now: Micros) -> Result<bool> {
    let (Work { item, action }, message) = (work.clone(), message.to_owned());
    let written = app.store.write(move |tx| end(tx, action, &item, state, &message, now)).await?;
    if written {
        count(&[(work.action, state)]);
        app.wake.notify_one();
    }
    Ok(written)
}

/// What `server` had under way is not under way any more: it has just started, or stops. How many items there were.
pub async fn recover(app: &App, server: &str, now: Micros) -> Result<usize> {
    let server = server.to_owned();
    let ended = app
        .store
        .write(move |tx| {
            let items = tx.items_of_server(&server)?;
            cut_all(tx, &items, now)
        })
        .await?;
    count(&ended);
    if !ended.is_empty() {
        app.wake.notify_one();
    }
    Ok(ended.len())
}

/// `server` lives. `busy`: what it is at. Gives what it still has of that; what the database holds for it besides is lost.
pub async fn renew(app: &App, server: &str, busy: &[(uuid::Uuid, u32)], now: Micros) -> Result<Vec<(uuid::Uuid, u32)>> {
    let (server, busy) = (server.to_owned(), busy.to_vec());
    let (held, ended) = app
        .store
        .write(move |tx| {
            let items = tx.renew_leases(&server, now.saturating_add(LEASE))?;
            let (held, lost): (Vec<Item>, Vec<Item>) =
                items.into_iter().partition(|item| busy.contains(&(item.job, item.n)));
            let ended = cut_all(tx, &lost, now)?;
            Ok((held.iter().map(|item| (item.job, item.n)).collect(), ended))
        })
        .await?;
    count(&ended);
    Ok(held)
}

fn cut_all(tx: &mut Tx<'_>, items: &[Item], now: Micros) -> Result<Vec<Ended>> {
    let mut ended = Vec::new();
    for item in items {
        let Some(job) = tx.job(item.job)? else { continue };
        let cut = cut_short(job.action, item.attempts, job.cancelled_by.is_some());
        if end(tx, job.action, item, cut.state, &cut.message, now)? {
            ended.push((job.action, cut.state));
        }
    }
    Ok(ended)
}

/// Write a result (or that it waits again) and tell it of the node.
fn end(tx: &mut Tx<'_>, action: BmcAction, item: &Item, state: ItemState, message: &str, now: Micros) -> Result<bool> {
    if !item.state.next().contains(&state) {
        return Err(Error::internal(format!("an item cannot become {state} from {}", item.state)));
    }
    let again = state == ItemState::Waiting;
    let after = Item {
        state,
        claimed_by: item.claimed_by.clone().filter(|_| !again),
        lease_until: None,
        message: clean(message, MESSAGE_MAX),
        ended: (!again).then_some(now),
        ..item.clone()
    };
    if !tx.step_item(item, &after)? {
        return Ok(false);
    }
    if let Some(notice) = notice(action, state, &after.message)
        && tx.node(&item.node)?.is_some()
    {
        match state {
            ItemState::Ok => node_events::record(tx, &item.node, &notice, now)?,
            _ => node_events::raise(tx, &item.node, &notice, now)?,
        }
    }
    Ok(true)
}

fn count(ended: &[Ended]) {
    for (action, state) in ended {
        let labels = [("action", kind_of(*action)), ("result", state.to_string())];
        metrics::counter!("higuma_job_items_total", &labels).increment(1);
    }
}
