//! PostgreSQL: a pool, and SERIALIZABLE transactions that are run again when they clash. Several servers may use the
//! same database at once, so nothing here may assume to be alone.

use super::connection::{self, Manager};
use super::tx::{self, Failure, Tx};
use super::url::{PgUrl, Target};
use super::{blocking, connection_of};
use crate::error::{Error, Result};
use diesel::connection::SimpleConnection;
use diesel::r2d2::Pool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a transaction that clashed is run again.
const RETRIES: u32 = 5;
const CONNECTIONS: u32 = 16;
/// A sequential scan, which the planner likes for small tables, clashes with every writer of the table; an index scan
/// only with those nearby.
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off";

/// A PostgreSQL database.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool<Manager>,
    /// Held by transactions of this process that clashed more than once, so that they do not clash with each other.
    queue: Arc<Mutex<()>>,
}

impl Postgres {
    /// Connect and migrate.
    pub(super) fn open(url: &PgUrl) -> Result<Self> {
        // A connection of its own, which is closed afterwards: so its lock cannot outlive the migrations.
        let mut conn = connection::postgres(url).map_err(Error::internal)?;
        connection::migrate_postgres(&mut conn)?;
        let pool = connection::pool(Target::Postgres(url.clone()), CONNECTIONS)?;
        Ok(Self { pool, queue: Arc::default() })
    }

    pub(super) fn pool(&self) -> &Pool<Manager> {
        &self.pool
    }

    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (pool, queue) = (self.pool.clone(), self.queue.clone());
        blocking(move || {
            let mut again = 0;
            loop {
                // A panic within cannot poison it (`attempt` catches it), and there is nothing in it to be broken.
                let turn = (again > 1).then(|| queue.lock().unwrap_or_else(PoisonError::into_inner));
                let (result, failure) = once(&pool, &f);
                drop(turn);
                if failure != Some(Failure::Clash) || again == RETRIES {
                    return result;
                }
                // Those that clashed must not meet again: 5 to 10 ms, then twice that, ... 160 ms at most.
                let base = 5 << again;
                std::thread::sleep(Duration::from_millis(rand::random_range(base..=2 * base)));
                again += 1;
            }
        })
        .await
    }
}

/// One run of `f` and its COMMIT.
fn once<T>(pool: &Pool<Manager>, f: &impl Fn(&mut Tx<'_>) -> Result<T>) -> (Result<T>, Option<Failure>) {
    let mut conn = match connection_of(pool) {
        Ok(conn) => conn,
        Err(e) => return (Err(e), None),
    };
    if let Err(e) = conn.batch_execute(BEGIN) {
        return (Err(tx::statement_error(&"begin of a write", e).0), None);
    }
    let (result, failure) = tx::attempt(&mut conn, f);
    let value = match result {
        Ok(value) => value,
        Err(e) => {
            // If this fails, the pool finds the connection broken before it is used again.
            let _ = conn.batch_execute("ROLLBACK");
            return (Err(e), failure);
        }
    };
    match conn.batch_execute("COMMIT") {
        Ok(()) => (Ok(value), None),
        Err(e) => {
            let _ = conn.batch_execute("ROLLBACK");
            let (error, failure) = tx::statement_error(&"commit", e);
            (Err(error), Some(failure))
        }
    }
}
