//! Connections to either database: how one is opened and set up, and the migrations. Nothing above this module needs
//! to know which database it is.

use super::url::{PgUrl, Target};
use crate::error::{Error, Result};
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool};
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Several servers that start at once migrate one after the other. The number means nothing, it must only never change.
const MIGRATION_LOCK: i64 = 0x6869_6775_6d61;
/// How long a caller waits for a free connection.
pub(super) const POOL_WAIT: Duration = Duration::from_secs(5);

/// A connection to one of the two.
#[derive(diesel::MultiConnection)]
pub(super) enum AnyConnection {
    /// SQLite.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

/// What could not be opened, and why, without secrets.
#[derive(Debug, thiserror::Error)]
#[error("database: {0}")]
pub(super) struct OpenError(pub(super) String);

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The one writer of SQLite.
    Write,
    /// A reader of SQLite: cannot write.
    Read,
}

/// To switch a file to WAL beside others that do.
const SET_UP: std::time::Duration = std::time::Duration::from_secs(5);
const RETRY: std::time::Duration = std::time::Duration::from_millis(20);

/// Open the file, which is made if it is not there, for nobody but us.
pub(super) fn sqlite(path: &Path, purpose: Purpose) -> std::result::Result<SqliteConnection, OpenError> {
    let fail = |what: &str, e: &dyn std::fmt::Display| OpenError(format!("{what} {}: {e}", path.display()));
    let name = path.to_str().ok_or_else(|| fail("the path is not UTF-8:", &""))?;
    if purpose == Purpose::Write {
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(path).map_err(|e| fail("cannot open or make the file (does its folder exist?)", &e))?;
    }
    let mut conn = SqliteConnection::establish(name).map_err(|e| fail("cannot open", &e))?;
    // busy_timeout first: the others may have to wait for another process.
    let common = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;";
    let special = match purpose {
        // FULL: a commit is on the disk when it returns, also in WAL mode.
        Purpose::Write => {
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; \
             PRAGMA cache_size = -32768;"
        }
        // The pool takes the one that was used last, so one or two of them hold what is asked often; 64 MB hold the indexes of
        // 100,000 nodes.
        Purpose::Read => "PRAGMA query_only = ON; PRAGMA cache_size = -65536;",
    };
    conn.batch_execute(common).map_err(|e| fail("cannot set up", &e))?;
    // Two that switch an empty file to WAL at once would wait for each other: SQLite tells one of them at once, whatever
    // busy_timeout says (SQLITE_BUSY where waiting could not help).
    let began = std::time::Instant::now();
    loop {
        match conn.batch_execute(special) {
            Err(error) if error.to_string().contains("locked") && began.elapsed() < SET_UP => std::thread::sleep(RETRY),
            other => break other.map_err(|e| fail("cannot set up", &e))?,
        }
    }
    Ok(conn)
}

/// Connect, with a deadline for everything that is done on the connection.
pub(super) fn postgres(url: &PgUrl) -> std::result::Result<PgConnection, OpenError> {
    let fail =
        |e: &dyn std::fmt::Display| OpenError(format!("cannot connect to PostgreSQL: {}", url.redact(&e.to_string())));
    let mut conn = PgConnection::establish(url.reveal()).map_err(|e| fail(&e))?;
    conn.batch_execute(
        "SET client_min_messages = warning; SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
         SET idle_in_transaction_session_timeout = '60s'",
    )
    .map_err(|e| fail(&e))?;
    Ok(conn)
}

/// Bring the schema to this release. Safe when several processes do it at once; nothing happens when it is there.
pub(super) fn migrate_sqlite(conn: &mut SqliteConnection) -> Result<()> {
    conn.exclusive_transaction(|conn| migrate(conn, SQLITE).map_err(Abort)).map_err(|Abort(e)| e)
}

/// As [`migrate_sqlite`]; `conn` is not for anything else afterwards.
pub(super) fn migrate_postgres(conn: &mut PgConnection) -> Result<()> {
    // A migration of a large table, and waiting for another server's, take their time; five minutes are a hang.
    let lock =
        format!("SET statement_timeout = '300s'; SET lock_timeout = '300s'; SELECT pg_advisory_lock({MIGRATION_LOCK})");
    conn.batch_execute(&lock)
        .map_err(|e| Error::internal(OpenError(format!("cannot lock for the migrations: {e}"))))?;
    let done = migrate(conn, POSTGRES);
    conn.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).map_err(Error::internal)?;
    done
}

/// Carries our error through diesel's transaction.
struct Abort(Error);

impl From<diesel::result::Error> for Abort {
    fn from(e: diesel::result::Error) -> Self {
        Self(Error::internal(e))
    }
}

fn migrate<C, DB>(conn: &mut C, source: EmbeddedMigrations) -> Result<()>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
{
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::internal(OpenError(format!("a migration failed, nothing of it was kept: {e}")))
    };
    let ours: Vec<Box<dyn Migration<DB>>> = source.migrations().map_err(fail)?;
    let known: Vec<String> = ours.iter().map(|m| m.name().version().to_string()).collect();
    let applied: Vec<String> = conn.applied_migrations().map_err(fail)?.iter().map(ToString::to_string).collect();
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(Error::internal(OpenError(format!(
            "it was made by a newer release of Higuma (migration {newer} is not known here): \
             run that release, or restore the backup from before"
        ))));
    }
    for migration in conn.run_pending_migrations(source).map_err(fail)? {
        tracing::info!("database: applied migration {migration}");
    }
    Ok(())
}

/// Makes connections for a pool.
pub(super) struct Manager(pub(super) Target);

impl ManageConnection for Manager {
    type Connection = AnyConnection;
    type Error = OpenError;

    fn connect(&self) -> std::result::Result<AnyConnection, OpenError> {
        Ok(match &self.0 {
            Target::Sqlite(path) => AnyConnection::Sqlite(sqlite(path, Purpose::Read)?),
            Target::Postgres(url) => AnyConnection::Postgres(postgres(url)?),
        })
    }

    fn is_valid(&self, conn: &mut AnyConnection) -> std::result::Result<(), OpenError> {
        conn.batch_execute("SELECT 1").map_err(|e| OpenError(format!("the connection was lost: {e}")))
    }

    fn has_broken(&self, _conn: &mut AnyConnection) -> bool {
        false // is_valid finds out when it is taken again.
    }
}

#[derive(Debug)]
struct Log;

impl diesel::r2d2::HandleError<OpenError> for Log {
    fn handle_error(&self, error: OpenError) {
        tracing::warn!(%error, "a connection to the database could not be opened");
    }
}

/// A pool of at most `size` connections.
pub(super) fn pool(target: Target, size: u32) -> Result<Pool<Manager>> {
    let remote = matches!(target, Target::Postgres(_));
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(POOL_WAIT)
        .test_on_check_out(remote)
        .error_handler(Box::new(Log))
        .build(Manager(target))
        .map_err(|e| Error::internal(OpenError(e.to_string())))
}
