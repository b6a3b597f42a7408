//! Jobs: an action on many nodes, asked for once, done one by one, by whichever server has its hands free.

mod claim;
mod create;
mod run;
mod show;

pub use claim::{Claimed, LEASE, Work, claim, finish, recover, renew};
pub(super) use create::chosen;
pub use create::{OPEN_MAX, create};
pub use run::{Clock, Failure, Perform, Runner};
pub use show::{ItemsQuery, JobsQuery, items, list, show};

use super::App;
use crate::domain::Invalid;
use crate::domain::boot::clean;
use crate::domain::ids::UUID_FORM;
use crate::domain::job::Job;
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api;
use uuid::Uuid;

fn parse_id(id: &str) -> Result<Uuid> {
    Ok(id.parse().map_err(|_| Invalid::new("job id", UUID_FORM, id))?)
}

fn find(tx: &mut Tx<'_>, id: Uuid) -> Result<Job> {
    tx.job(id)?.ok_or_else(|| Error::NotFound(format!("there is no job {id}: `higuma job list` shows all")))
}

/// `by` wants no more of it: what waits is cancelled at once, what runs ends. Safe to repeat; a job that ended stays as it
/// is. Errors: no such job.
pub async fn cancel(app: &App, id: &str, by: &str) -> Result<api::Job> {
    let id = parse_id(id)?;
    let (by, now) = (clean(by, 100), app.now());
    let job = app
        .store
        .write(move |tx| {
            let mut job = find(tx, id)?;
            if job.state.is_open() && job.cancelled_by.is_none() {
                job.cancelled_by = Some(by.clone());
                tx.cancel_waiting(id, &format!("cancelled by {by} before its turn"), now)?;
                job.settle(tx.left_of_job(id)?, now);
                tx.put_job(&job)?;
                tracing::info!(job = %id, %by, "job {id} ({}) was cancelled by {by}", job.action);
            }
            show::one(tx, job)
        })
        .await?;
    // Others that waited for its nodes.
    app.wake.notify_one();
    Ok(job)
}

/// Drop jobs that ended long ago: part of the sweep. Open ones stay, however old.
pub(super) async fn forget_old(app: &App) -> Result<usize> {
    /// Of one transaction: each may have thousands of items.
    const BATCH: usize = 5;
    let before = app.now() - app.settings.job_keep;
    app.store.write(move |tx| tx.drop_old_jobs(before, BATCH)).await
}
