//! SQLite: one writer thread that commits in groups, and a pool of readers beside it. A write is answered only after
//! the COMMIT that holds it; a job that fails or panics must never take another one with it, nor the thread.

use super::connection::{self, AnyConnection, Manager, Purpose};
use super::tx::{self, Tx};
use super::url::Target;
use crate::error::{Error, Result};
use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::r2d2::Pool;
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait at most; more make their callers wait.
const QUEUE: usize = 1024;
/// Jobs in one COMMIT at most, so that the first is not kept waiting for long.
const GROUP: usize = 64;
/// A caller waits so long for a place in the queue.
const QUEUE_WAIT: Duration = Duration::from_secs(5);
const READERS: u32 = 8;

/// A SQLite database.
#[derive(Clone)]
pub(super) struct Sqlite {
    writer: mpsc::Sender<Box<dyn Job>>,
    readers: Pool<Manager>,
}

impl Sqlite {
    /// Open and migrate the file, and start the writer thread; it ends after the last clone of this is dropped.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut conn = connection::sqlite(path, Purpose::Write).map_err(Error::internal)?;
        connection::migrate_sqlite(&mut conn)?;
        let (writer, queue) = mpsc::channel(QUEUE);
        let mut conn = AnyConnection::Sqlite(conn);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(&mut conn, queue))
            .map_err(Error::internal)?;
        let readers = connection::pool(Target::Sqlite(path.to_owned()), READERS)?;
        Ok(Self { writer, readers })
    }

    pub(super) fn readers(&self) -> &Pool<Manager> {
        &self.readers
    }

    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Write { work: Some(f), result: None, answer };
        self.writer.send_timeout(Box::new(job), QUEUE_WAIT).await.map_err(|e| match e {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::Unavailable(format!(
                "the database did not keep up: {QUEUE} writes wait already; try again later, or look at the disk's speed"
            )),
            mpsc::error::SendTimeoutError::Closed(_) => gone(),
        })?;
        answered.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::internal("the database's writer thread has ended: the server must be restarted")
}

/// A write that waits.
trait Job: Send {
    /// Do it within an open savepoint; false: roll the savepoint back.
    fn run(&mut self, conn: &mut AnyConnection) -> bool;
    /// Tell the caller, now that the group was committed (or not, and why).
    fn answer(self: Box<Self>, group: std::result::Result<(), String>);
}

struct Write<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, conn: &mut AnyConnection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let (result, _) = tx::attempt(conn, work);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, group: std::result::Result<(), String>) {
        let result = match (self.result, group) {
            // Its own error says more than that of the group.
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(group)) => Err(Error::internal(group)),
            (None, Ok(())) => Err(Error::internal("a write was not run")),
        };
        // The caller may have gone away: then nobody wants to know.
        let _ = self.answer.send(result);
    }
}

fn serve(conn: &mut AnyConnection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        let outcome = commit(conn, &mut group);
        if let Err(error) = &outcome {
            tracing::error!(error = %error.trim(), writes = group.len(), "SQLite could not commit");
        }
        for job in group {
            job.answer(outcome.clone());
        }
    }
}

/// All of the group in one transaction, each in its own savepoint.
fn commit(conn: &mut AnyConnection, group: &mut [Box<dyn Job>]) -> std::result::Result<(), String> {
    let mut all = |conn: &mut AnyConnection| -> QueryResult<()> {
        // IMMEDIATE: another process that writes is waited for here (busy_timeout), not in the middle.
        conn.batch_execute("BEGIN IMMEDIATE")?;
        for job in group.iter_mut() {
            conn.batch_execute("SAVEPOINT job")?;
            if !job.run(conn) {
                conn.batch_execute("ROLLBACK TO job")?;
            }
            // This fails when SQLite has ended the whole transaction by itself (disk full): then nothing is committed.
            conn.batch_execute("RELEASE job")?;
        }
        conn.batch_execute("COMMIT")
    };
    all(conn).map_err(|error| {
        // An error when there is no transaction (any more), which is what is wanted.
        let _ = conn.batch_execute("ROLLBACK");
        format!("nothing was written: {error}")
    })
}
