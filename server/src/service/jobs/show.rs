//! Jobs as people see them.

use super::{find, parse_id};
use crate::domain::Invalid;
use crate::domain::job::{Counts, ItemState, Job, JobState};
use crate::error::Result;
use crate::service::App;
use crate::service::nodes::page_limit;
use crate::store::Tx;
use higuma_proto::api::{self, JobCounts, Page};
use uuid::Uuid;

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobsQuery {
    /// Only these.
    pub state: Option<JobState>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Which items of a job.
#[derive(Debug, Clone, Default)]
pub struct ItemsQuery {
    /// Only these.
    pub state: Option<ItemState>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Newest first.
pub async fn list(app: &App, query: JobsQuery) -> Result<Page<api::Job>> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    let before = query.cursor.map(|c| c.parse::<Uuid>().map_err(|_| bad(&c))).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut jobs = tx.jobs(query.state, before, limit + 1)?;
            let more = jobs.len() > limit;
            jobs.truncate(limit);
            let next = jobs.last().filter(|_| more).map(|job| job.id.to_string());
            let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
            let mut counts = tx.job_counts(&ids)?;
            let items = jobs.into_iter().map(|job| to_wire(&job, &counts.remove(&job.id).unwrap_or_default()));
            Ok(Page { items: items.collect(), next })
        })
        .await
}

/// One. Errors: no such job.
pub async fn show(app: &App, id: &str) -> Result<api::Job> {
    let id = parse_id(id)?;
    app.store
        .read(move |tx| {
            let job = find(tx, id)?;
            one(tx, job)
        })
        .await
}

/// Its nodes with their results: what needs a look first.
pub async fn items(app: &App, id: &str, query: ItemsQuery) -> Result<Page<api::JobItem>> {
    let id = parse_id(id)?;
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            find(tx, id)?;
            let states = query.state.map_or_else(|| ItemState::ALL.to_vec(), |state| vec![state]);
            let mut items = tx.job_items(id, &states, after, limit + 1)?;
            let more = items.len() > limit;
            items.truncate(limit);
            let next = items.last().filter(|_| more).map(|item| format!("{}:{}", item.state, item.n));
            let names = tx.hostnames(items.iter().map(|item| item.node.as_str()))?;
            let items = items.into_iter().map(|item| api::JobItem {
                n: item.n,
                hostname: names.get(item.node.as_str()).cloned().unwrap_or_default(),
                node: item.node.to_string(),
                state: item.state.to_string(),
                attempts: item.attempts,
                message: item.message,
                started_us: item.started,
                ended_us: item.ended,
            });
            Ok(Page { items: items.collect(), next })
        })
        .await
}

fn parse_cursor(text: &str) -> Result<(ItemState, u32)> {
    let parts = text.split_once(':').and_then(|(state, n)| Some((state.parse().ok()?, n.parse().ok()?)));
    Ok(parts.ok_or_else(|| Invalid::new("cursor", "the `next` of the page before", text))?)
}

pub(super) fn one(tx: &mut Tx<'_>, job: Job) -> Result<api::Job> {
    let counts = tx.job_counts(&[job.id])?.remove(&job.id).unwrap_or_default();
    Ok(to_wire(&job, &counts))
}

fn to_wire(job: &Job, counts: &Counts) -> api::Job {
    let counts = JobCounts {
        total: u64::from(job.total),
        waiting: counts.of(ItemState::Waiting),
        running: counts.of(ItemState::Running),
        ok: counts.of(ItemState::Ok),
        failed: counts.of(ItemState::Failed),
        skipped: counts.of(ItemState::Skipped),
        cancelled: counts.of(ItemState::Cancelled),
        interrupted: counts.of(ItemState::Interrupted),
    };
    api::Job {
        id: job.id.to_string(),
        action: job.action.to_string(),
        selector: job.selector.clone(),
        who: job.who.clone(),
        made_us: job.made,
        stagger_ms: u64::try_from(job.stagger / 1_000).unwrap_or_default(),
        parallel: job.parallel,
        state: job.state.to_string(),
        cancelled_by: job.cancelled_by.clone(),
        started_us: job.started,
        ended_us: job.ended,
        counts,
    }
}
