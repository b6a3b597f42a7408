//! Rollouts: a revision of a profile to many nodes, in waves. Made once, carried on step by step by whichever server has
//! its hands free: a step, what is stored of it and what follows of it are one transaction, so that a server may die at
//! any instant. What a step does is decided in `domain::rollout`.

mod act;
mod asked;
mod calls;
mod create;
mod options;
mod request;
mod seen;
mod show;
mod work;

pub use asked::{Asked, Caller, Ran};
pub use calls::call_once;
pub use create::{OPEN_MAX, create, plan};
pub(super) use request::reseal;
pub use show::{MembersQuery, RolloutsQuery, gauges, list, members, show};
pub use work::step_all;

use super::App;
use crate::domain::Invalid;
use crate::domain::boot::clean;
use crate::domain::ids::UUID_FORM;
use crate::domain::rollout::{Record, State};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api;
use uuid::Uuid;

fn parse_id(id: &str) -> Result<Uuid> {
    Ok(id.parse().map_err(|_| Invalid::new("rollout id", UUID_FORM, id))?)
}

fn find(tx: &mut Tx<'_>, id: Uuid) -> Result<Record> {
    tx.rollout(id)?.ok_or_else(|| Error::NotFound(format!("there is no rollout {id}: `higuma rollout list` shows all")))
}

/// What a person wants of a rollout that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Nothing new is begun.
    Pause,
    /// On.
    Resume,
    /// The end: what was done stays, or is undone.
    Abort {
        /// It is undone.
        rollback: bool,
    },
}

/// `by` wants it. Safe to repeat. Errors: no such rollout; it has ended.
pub async fn command(app: &App, id: &str, command: Command, by: &str) -> Result<api::Rollout> {
    let id = parse_id(id)?;
    let by = clean(by, 100);
    app.store
        .write(move |tx| {
            let mut record = find(tx, id)?;
            let state = record.rollout.state;
            if !state.is_open() {
                return Err(Error::Conflict(format!("rollout {id} is {state}: it has ended, and nothing of it can be changed")));
            }
            let changed = match command {
                Command::Pause => record.rollout.pause(&by),
                Command::Resume => record.rollout.resume(),
                Command::Abort { rollback } => record.rollout.abort(&by, rollback),
            };
            if let Command::Abort { rollback: false } = command
                && state == State::RollingBack
            {
                return Err(Error::Conflict(format!(
                    "rollout {id} is rolling back: pause it, or let it end; to stop half-way would leave nodes with two revisions"
                )));
            }
            if changed {
                tx.put_rollout(&record)?;
                tracing::info!(rollout = %id, %by, "rollout {id}: {command:?} by {by}");
            }
            show::one(tx, &record)
        })
        .await
}

/// Drop rollouts that ended long ago: part of the sweep.
pub(super) async fn forget_old(app: &App) -> Result<usize> {
    /// Of one transaction: each may have many members.
    const BATCH: usize = 2;
    let before = app.now() - app.settings.job_keep;
    app.store.write(move |tx| tx.drop_old_rollouts(before, BATCH)).await
}
