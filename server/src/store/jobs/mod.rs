//! Jobs: made, found, claimed and ended. What may follow what is decided in the domain.

mod items;

use super::connection::AnyConnection;
use super::schema::{job_items, jobs};
use super::tx::{Row, Tx, limit_of};
use crate::domain::job::{Counts, ItemState, Job, JobState, Left};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows of one INSERT.
const BATCH: usize = 500;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = jobs, treat_none_as_null = true)]
struct JobRec {
    id: String,
    action: String,
    selector: String,
    who: String,
    made: i64,
    stagger: i64,
    parallel: i64,
    total: i64,
    state: String,
    request: Option<String>,
    request_hash: String,
    next_start: i64,
    started: Option<i64>,
    cancelled_by: Option<String>,
    ended: Option<i64>,
}

impl From<&Job> for JobRec {
    fn from(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            action: job.action.to_string(),
            selector: job.selector.clone(),
            who: job.who.clone(),
            made: job.made,
            stagger: job.stagger,
            parallel: i64::from(job.parallel),
            total: i64::from(job.total),
            state: job.state.to_string(),
            request: job.request.clone(),
            request_hash: job.request_hash.to_string(),
            next_start: job.next_start,
            started: job.started,
            cancelled_by: job.cancelled_by.clone(),
            ended: job.ended,
        }
    }
}

impl JobRec {
    fn into_job(self) -> Result<Job> {
        let row = Row { table: "jobs", key: &self.id };
        Ok(Job {
            id: row.parse("id", &self.id)?,
            action: row.parse("action", &self.action)?,
            parallel: row.number("parallel", self.parallel)?,
            total: row.number("total", self.total)?,
            state: row.parse("state", &self.state)?,
            request_hash: row.parse("request_hash", &self.request_hash)?,
            selector: self.selector,
            who: self.who,
            made: self.made,
            stagger: self.stagger,
            request: self.request,
            next_start: self.next_start,
            started: self.started,
            cancelled_by: self.cancelled_by,
            ended: self.ended,
        })
    }
}

/// Who asked for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Somebody.
    Person,
    /// A rollout, to restart one node.
    Rollout,
}

/// Ids of requests that rollouts make have a space in them; those of people cannot.
const ROLLOUT: &str = "% %";

fn open_words() -> Vec<&'static str> {
    JobState::OPEN.iter().map(|state| state.as_str()).collect()
}

impl Tx<'_> {
    /// A new job with its items, all of them waiting. A request id that is there already is a conflict.
    pub fn insert_job(&mut self, job: &Job, nodes: &[NodeUuid]) -> Result<()> {
        let rec = JobRec::from(job);
        let state = ItemState::Waiting.as_str();
        let row = |(n, node): (i64, &'_ NodeUuid)| {
            (
                job_items::job.eq(rec.id.clone()),
                job_items::n.eq(n),
                job_items::node.eq(node.to_string()),
                job_items::state.eq(state),
                job_items::attempts.eq(0_i64),
                job_items::message.eq(""),
            )
        };
        self.run(format_args!("job {}", job.id), |c| {
            diesel::insert_into(jobs::table).values(&rec).execute(c)?;
            for (first, nodes) in (0_i64..).step_by(BATCH).zip(nodes.chunks(BATCH)) {
                let rows: Vec<_> = (first..).zip(nodes).map(row).collect();
                let insert = diesel::insert_into(job_items::table).values(rows);
                match c {
                    AnyConnection::Sqlite(c) => insert.execute(c)?,
                    AnyConnection::Postgres(c) => insert.execute(c)?,
                };
            }
            Ok(())
        })
    }

    /// Replace what changes of a job.
    pub fn put_job(&mut self, job: &Job) -> Result<()> {
        let rec = JobRec::from(job);
        self.run(format_args!("job {}", job.id), |c| {
            diesel::update(jobs::table.find(&rec.id)).set(&rec).execute(c).map(drop)
        })
    }

    /// By id.
    pub fn job(&mut self, id: Uuid) -> Result<Option<Job>> {
        let rec: Option<JobRec> = self.run(format_args!("job {id}"), |c| {
            jobs::table.find(id.to_string()).select(JobRec::as_select()).first(c).optional()
        })?;
        rec.map(JobRec::into_job).transpose()
    }

    /// By the client's id of its request.
    pub fn job_by_request(&mut self, request: &str) -> Result<Option<Job>> {
        let rec: Option<JobRec> = self.run("job of a request", |c| {
            jobs::table.filter(jobs::request.eq(request)).select(JobRec::as_select()).first(c).optional()
        })?;
        rec.map(JobRec::into_job).transpose()
    }

    /// Newest first, before the cursor.
    pub fn jobs(&mut self, state: Option<JobState>, before: Option<Uuid>, limit: usize) -> Result<Vec<Job>> {
        let recs: Vec<JobRec> = self.run("jobs", |c| {
            let mut query =
                jobs::table.select(JobRec::as_select()).order(jobs::id.desc()).limit(limit_of(limit)).into_boxed();
            if let Some(state) = state {
                query = query.filter(jobs::state.eq(state.as_str()));
            }
            if let Some(before) = before {
                query = query.filter(jobs::id.lt(before.to_string()));
            }
            query.load(c)
        })?;
        recs.into_iter().map(JobRec::into_job).collect()
    }

    /// Jobs in which something is left to do; stops counting at `limit`.
    pub fn open_jobs(&mut self, of: Asker, limit: usize) -> Result<usize> {
        let found: Vec<String> = self.run("number of jobs", |c| {
            let asked = jobs::request.is_not_null().and(jobs::request.assume_not_null().like(ROLLOUT));
            jobs::table
                .filter(jobs::state.eq_any(open_words()))
                .filter(asked.eq(of == Asker::Rollout))
                .select(jobs::id)
                .limit(limit_of(limit))
                .load(c)
        })?;
        Ok(found.len())
    }

    /// Jobs in which something is left to do, oldest first, none of which another transaction has in hand: until this one
    /// ends, nobody else claims of them.
    pub fn claim_jobs(&mut self, of: Asker, limit: usize) -> Result<Vec<Job>> {
        let recs: Vec<JobRec> = self.run("open jobs", |c| {
            let asked = jobs::request.is_not_null().and(jobs::request.assume_not_null().like(ROLLOUT));
            let open = jobs::table
                .filter(jobs::state.eq_any(open_words()))
                .filter(asked.eq(of == Asker::Rollout))
                .order(jobs::id)
                .limit(limit_of(limit))
                .select(jobs::all_columns);
            match c {
                // One writer: nobody else is at it.
                AnyConnection::Sqlite(c) => open.load(c),
                AnyConnection::Postgres(c) => open.for_update().skip_locked().load(c),
            }
        })?;
        recs.into_iter().map(JobRec::into_job).collect()
    }

    /// What is left to do in a job.
    pub fn left_of_job(&mut self, job: Uuid) -> Result<Left> {
        let key = job.to_string();
        let of_state = |state: ItemState| {
            job_items::table.filter(job_items::job.eq(key.clone())).filter(job_items::state.eq(state.as_str()))
        };
        let running: i64 =
            self.run(format_args!("items of job {job}"), |c| of_state(ItemState::Running).count().get_result(c))?;
        let mut any = |state: ItemState| -> Result<bool> {
            let first: Option<i64> = self.run(format_args!("items of job {job}"), |c| {
                of_state(state).select(job_items::n).first(c).optional()
            })?;
            Ok(first.is_some())
        };
        let (waiting, cancelled) = (any(ItemState::Waiting)?, any(ItemState::Cancelled)?);
        let running = Row { table: "job_items", key: &key }.number("(counted)", running)?;
        Ok(Left { waiting, running, cancelled })
    }

    /// Items by state, for each of these jobs.
    pub fn job_counts(&mut self, jobs: &[Uuid]) -> Result<BTreeMap<Uuid, Counts>> {
        let keys: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        let recs: Vec<(String, String, i64)> = self.run("items of jobs", |c| {
            job_items::table
                .filter(job_items::job.eq_any(&keys))
                .group_by((job_items::job, job_items::state))
                .select((job_items::job, job_items::state, diesel::dsl::count_star()))
                .load(c)
        })?;
        let mut all: BTreeMap<Uuid, Counts> = jobs.iter().map(|id| (*id, Counts::default())).collect();
        for (job, state, count) in recs {
            let row = Row { table: "job_items", key: &job };
            let counts = all.entry(row.parse("job", &job)?).or_default();
            counts.0.insert(row.parse("state", &state)?, row.number("(counted)", count)?);
        }
        Ok(all)
    }

    /// Drop jobs that ended before `before`, the oldest first, with their items; how many, at most `limit`.
    pub fn drop_old_jobs(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("old jobs", |c| {
            let old: Vec<String> = jobs::table
                .filter(jobs::ended.lt(before))
                .order(jobs::ended)
                .limit(limit_of(limit))
                .select(jobs::id)
                .load(c)?;
            diesel::delete(jobs::table.filter(jobs::id.eq_any(&old))).execute(c)
        })
    }
}
