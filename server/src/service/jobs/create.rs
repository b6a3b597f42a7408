//! A job is asked for: checked whole, its nodes found, and written in one transaction, or nothing is.

use super::show;
use crate::domain::bmc::BmcAction;
use crate::domain::boot::clean;
use crate::domain::ids::{Invalid, Micros, NodeUuid, Sha256};
use crate::domain::job::{Job, JobState, PARALLEL_DEFAULT, PARALLEL_MAX, SELECTOR_MAX, STAGGER_MAX};
use crate::domain::select::Selector;
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::facts;
use crate::service::search::{Step, holds, walk};
use crate::store::{Asker, NodeFilter, Tx};
use higuma_proto::api;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Jobs of people in which something is left to do, at most.
pub const OPEN_MAX: usize = 200;
/// Characters of a client's id of its request.
const REQUEST_ID_MAX: usize = 64;
/// Characters of a name of a node that can be one (RFC 1123).
const NAME_MAX: usize = 253;
/// Names looked up by one query.
const PIECE: usize = 500;
/// Finding the nodes of an expression takes no longer.
const SEARCH_MAX: Duration = Duration::from_secs(20);
/// Names that a message tells.
const TOLD: usize = 10;

/// Which nodes.
enum Asked {
    Named(Vec<String>),
    Where(Selector),
}

/// What came, checked.
struct Request {
    action: BmcAction,
    asked: Asked,
    stagger: Micros,
    parallel: u32,
    id: Option<String>,
    hash: Sha256,
}

/// Make a job. The second value: it is new; false: this request was made before, and this is its job. Errors: what does
/// not fit, all nodes that are not known (the first ten by name), `Conflict` when the request id was used for something
/// else, `Unavailable` when too many jobs are open. Nothing is written then.
pub async fn create(app: &App, new: api::NewJob, who: &str) -> Result<(api::Job, bool)> {
    let request = parse(app, new, who)?;
    if let Some(id) = request.id.clone() {
        let hash = request.hash.clone();
        // Before the nodes are looked for: they may be others by now.
        if let Some(job) = app.store.read(move |tx| same_request(tx, &id, &hash)).await? {
            return Ok((job, false));
        }
    }
    let most = app.settings.job_nodes;
    let selector = told(&request.asked);
    let nodes = match request.asked {
        Asked::Named(names) => app.store.read(move |tx| named(tx, &names)).await?,
        Asked::Where(selector) => matching(app, selector, most).await?,
    };
    if nodes.len() > most {
        return Err(Error::BadRequest(format!(
            "expected at most {most} nodes (the setting job-nodes), got more: make several jobs"
        )));
    }
    let now = app.now();
    let job = Job {
        id: Uuid::now_v7(),
        action: request.action,
        selector,
        who: clean(who, 100),
        made: now,
        stagger: request.stagger,
        parallel: request.parallel,
        total: u32::try_from(nodes.len()).map_err(Error::internal)?,
        state: JobState::Queued,
        request: request.id,
        request_hash: request.hash,
        next_start: now,
        started: None,
        cancelled_by: None,
        ended: None,
    };
    let (made, new) = app
        .store
        .write(move |tx| {
            if let Some(id) = &job.request
                && let Some(same) = same_request(tx, id, &job.request_hash)?
            {
                return Ok((same, false));
            }
            if tx.open_jobs(Asker::Person, OPEN_MAX)? >= OPEN_MAX {
                let message = format!("{OPEN_MAX} jobs are open: wait until some have ended, or cancel some");
                return Err(Error::Unavailable(message));
            }
            tx.insert_job(&job, &nodes)?;
            Ok((show::one(tx, job.clone())?, true))
        })
        .await?;
    if new {
        let api::Job { id, action, who, .. } = &made;
        let total = made.counts.total;
        tracing::info!(job = %id, %action, %who, nodes = total, "job {id}: {action} on {total} nodes, asked for by {who}");
        app.wake.notify_one();
    }
    Ok((made, new))
}

/// The nodes of these names, or those for which the expression holds, and what was asked for, for people. Errors: as those
/// of [`create`]; more nodes than `most`.
pub(in crate::service) async fn chosen(
    app: &App,
    names: Vec<String>,
    select: Option<String>,
    most: usize,
) -> Result<(Vec<NodeUuid>, String)> {
    let asked = match (names.is_empty(), select.filter(|text| !text.trim().is_empty())) {
        (false, None) => Asked::Named(names),
        (true, Some(text)) => Asked::Where(text.parse()?),
        (true, None) => {
            return Err(Error::BadRequest("expected nodes, or an expression in select; got neither".into()));
        }
        (false, Some(_)) => return Err(Error::BadRequest("expected nodes or select, got both".into())),
    };
    let text = told(&asked);
    let nodes = match asked {
        Asked::Named(names) if names.len() > most => names.len(),
        Asked::Named(names) => return Ok((app.store.read(move |tx| named(tx, &names)).await?, text)),
        Asked::Where(selector) => {
            let nodes = matching(app, selector, most).await?;
            if nodes.len() <= most {
                return Ok((nodes, text));
            }
            nodes.len()
        }
    };
    Err(Error::BadRequest(format!("expected at most {most} nodes, got {nodes} or more: ask for less")))
}

fn parse(app: &App, new: api::NewJob, who: &str) -> Result<Request> {
    let hash = Sha256::of(
        serde_json::json!([new.action, new.nodes, new.select, new.stagger_ms, new.parallel, who]).to_string(),
    );
    let action: BmcAction = new.action.trim().parse()?;
    let asked = match (new.nodes.is_empty(), new.select.filter(|text| !text.trim().is_empty())) {
        (false, None) => Asked::Named(new.nodes),
        (true, Some(text)) => Asked::Where(text.parse()?),
        (true, None) => {
            return Err(Error::BadRequest("expected nodes, or an expression in select; got neither".into()));
        }
        (false, Some(_)) => return Err(Error::BadRequest("expected nodes or select, got both".into())),
    };
    if let Asked::Named(names) = &asked
        && names.len() > app.settings.job_nodes
    {
        let (most, got) = (app.settings.job_nodes, names.len());
        return Err(Error::BadRequest(format!("nodes: expected at most {most} (the setting job-nodes), got {got}")));
    }
    let stagger = match new.stagger_ms {
        Some(ms) => Micros::from(ms) * 1_000,
        None if action.starts_power() => app.settings.job_stagger,
        None => 0,
    };
    if stagger > STAGGER_MAX {
        return Err(Invalid::new("stagger_ms", "at most 3600000, an hour", &(stagger / 1_000).to_string()).into());
    }
    let parallel = new.parallel.unwrap_or(PARALLEL_DEFAULT);
    if !(1..=PARALLEL_MAX).contains(&parallel) {
        return Err(Invalid::new("parallel", "1 to 256", &parallel.to_string()).into());
    }
    if let Some(id) = &new.request_id
        && !(1..=REQUEST_ID_MAX).contains(&id.len()) | !id.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Invalid::new("request_id", "1 to 64 printable ASCII characters, e.g. a UUID", id).into());
    }
    Ok(Request { action, asked, stagger, parallel, id: new.request_id, hash })
}

fn same_request(tx: &mut Tx<'_>, id: &str, hash: &Sha256) -> Result<Option<api::Job>> {
    match tx.job_by_request(id)? {
        Some(job) if job.request_hash == *hash => show::one(tx, job).map(Some),
        Some(job) => Err(Error::Conflict(format!(
            "the request id {id} was used for job {} ({}), which asked for something else: take a new one",
            job.id, job.action
        ))),
        None => Ok(None),
    }
}

/// Which nodes were asked for, for people.
fn told(asked: &Asked) -> String {
    let text = match asked {
        Asked::Where(selector) => format!("where {}", selector.text()),
        Asked::Named(names) => match names.split_at_checked(5) {
            Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
            _ => names.join(", "),
        },
    };
    clean(&text, SELECTOR_MAX)
}

/// The nodes of these names, in their order, each once. Errors: those that are not known or not unique.
fn named(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<NodeUuid>> {
    let (mut nodes, mut seen, mut bad) = (Vec::with_capacity(names.len()), BTreeSet::new(), Vec::new());
    for piece in names.chunks(PIECE) {
        let piece: Vec<String> = piece.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let uuids: Vec<NodeUuid> = piece.iter().filter_map(|name| name.parse().ok()).collect();
        let there = tx.hostnames(uuids.iter().map(NodeUuid::as_str))?;
        let hosts: Vec<&str> = piece.iter().map(String::as_str).filter(|n| n.len() <= NAME_MAX).collect();
        let mut by_host: BTreeMap<String, Vec<NodeUuid>> = BTreeMap::new();
        for (host, uuid) in tx.nodes_by_hostname(&hosts)? {
            by_host.entry(host).or_default().push(uuid);
        }
        for name in piece {
            let found = match name.parse::<NodeUuid>() {
                Ok(uuid) if there.contains_key(uuid.as_str()) => Some(uuid),
                // One query each: not for a list that is wrong altogether.
                Ok(uuid) if bad.len() < PIECE => tx.alias(&uuid)?,
                Ok(_) => None,
                Err(_) => match by_host.get(&name).map(Vec::as_slice) {
                    Some([one]) => Some(one.clone()),
                    Some(several) => {
                        bad.push(format!("{name} (the name of {} nodes: give a UUID)", several.len()));
                        continue;
                    }
                    None => None,
                },
            };
            match found {
                Some(uuid) if seen.insert(uuid.clone()) => nodes.push(uuid),
                Some(_) => {}
                None => bad.push(clean(&name, NAME_MAX)),
            }
        }
    }
    if bad.is_empty() {
        return Ok(nodes);
    }
    let more = bad.len().saturating_sub(TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    bad.truncate(TOLD);
    Err(Error::NotFound(format!(
        "no node has this UUID or host name: {}{more}; nothing was done. `higuma node list` shows all",
        bad.join(", ")
    )))
}

/// All nodes for which it holds, in order of UUID; at most one more than `most`.
async fn matching(app: &App, selector: Selector, most: usize) -> Result<Vec<NodeUuid>> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    let (selector, started) = (std::sync::Arc::new(selector), Instant::now());
    let mut nodes: Vec<NodeUuid> = Vec::new();
    let mut cursor = None;
    loop {
        let (selector, after, room) = (selector.clone(), cursor.take(), (most + 1).saturating_sub(nodes.len()));
        let (found, next) = app
            .store
            .read(move |tx| {
                let filter = NodeFilter { equals: selector.equals().to_vec(), ..NodeFilter::default() };
                let mut found = Vec::new();
                let next = walk(tx, &filter, after, selector.needs_hardware(), |row, hardware| {
                    let facts = facts::of_row(&row, hardware, now, timeout);
                    if holds(&selector, &facts)? {
                        if found.len() == room {
                            return Ok(Step::Full);
                        }
                        found.push(row.node.uuid);
                    }
                    Ok(Step::On)
                })?;
                Ok((found, next))
            })
            .await?;
        nodes.extend(found);
        match next {
            Some(next) if nodes.len() <= most => cursor = Some(next),
            _ => break,
        }
        if started.elapsed() > SEARCH_MAX {
            return Err(Error::Unavailable("the search took too long: ask for less, or name the nodes".to_owned()));
        }
    }
    match nodes.is_empty() {
        true => Err(Error::NotFound("the expression holds for no node: try it with `higuma node list --where`".into())),
        false => Ok(nodes),
    }
}
