//! State, on SQLite or PostgreSQL: the only code that names diesel. It keeps and finds records of `domain`; it decides
//! nothing. Everything that is written goes through [`Store::write`], one transaction a call.

mod blob_claims;
mod blobs;
mod bmcs;
mod boots;
mod connection;
mod credentials;
mod drift;
mod enrolments;
mod events;
mod exchanges;
mod expected;
mod facts;
mod firmware;
mod identity;
mod image_labels;
mod image_users;
mod images;
mod installs;
mod inventory;
mod ipam;
mod jobs;
mod leases;
mod links;
mod merge;
mod neighbours;
mod node_dhcp;
mod node_events;
mod nodes;
mod offers;
mod people;
mod pools;
mod postgres;
mod profile_heads;
mod profile_list;
mod profiles;
mod rollouts;
pub mod rpmdb;
mod rules;
mod schema;
mod secrets;
mod sightings;
mod sqlite;
mod switches;
mod tries;
mod tx;
mod url;

pub use drift::Stale;
pub use enrolments::{EnrolmentCount, EnrolmentFilter};
pub use exchanges::{ExchangeAt, ExchangeFilter};
pub use firmware::{FirmwareCount, FirmwareRow, NodeFirmware};
pub use inventory::{KeptVersions, StoredInventory, StoredVersion};
pub use ipam::{AddressFilter, AddressRow};
pub use jobs::Asker;
pub use leases::{LeaseClient, LeaseCounts, LeaseFilter, LeaseIs, SpanUse};
pub use links::{LinkFilter, LinkRow};
pub use node_events::{NodeEventCount, NodeEventFilter};
pub use nodes::{NodeCount, NodeDown, NodeFilter, NodeRow};
pub use profile_heads::ProfileHead;
pub use profile_list::ProfileBrief;
pub use profiles::{ProfileRow, RevisionRow};
pub use secrets::SecretUsers;
pub use sightings::SightingRow;
pub use switches::{PortRow, SwitchRow};
pub use tx::Tx;

use crate::error::{Error, Result};
use connection::Manager;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{Pool, PooledConnection};

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Open `sqlite:PATH` (made when it is not there) or `postgres://...`, and migrate it to this release's schema.
    /// Blocks; no runtime is needed. Errors: `BadRequest` for another form of URL, otherwise why it could not be
    /// opened, in `Internal`; a password is in none of them.
    pub fn open(url: &str) -> Result<Self> {
        let backend = match url::parse(url)? {
            url::Target::Sqlite(path) => Backend::Sqlite(sqlite::Sqlite::open(&path)?),
            url::Target::Postgres(url) => Backend::Postgres(postgres::Postgres::open(&url)?),
        };
        Ok(Self { backend })
    }

    /// One transaction: all of `f` or nothing, durable when this returns. Transactions are serializable: SQLite has one
    /// writer thread that commits in groups; on PostgreSQL `f` is run again after a serialization failure, so it must
    /// have no effect outside of `tx`. An error from `f` rolls back, and so does a statement that failed, even when `f`
    /// drops its error. Errors: `Unavailable` when the database is lost or busy for longer than some seconds.
    /// It runs to its end also when the caller goes away.
    pub async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(f).await,
            Backend::Postgres(postgres) => postgres.write(f).await,
        }
    }

    /// A consistent read beside the writers: one snapshot for all of `f`, which cannot write.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (pool, begin) = match &self.backend {
            Backend::Sqlite(sqlite) => (sqlite.readers(), "BEGIN"),
            Backend::Postgres(postgres) => (postgres.pool(), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        };
        let pool = pool.clone();
        blocking(move || {
            let mut conn = connection_of(&pool)?;
            conn.batch_execute(begin).map_err(|e| tx::statement_error(&"begin of a read", e).0)?;
            let (result, _) = tx::attempt(&mut conn, f);
            // If this fails, the pool finds the connection broken before it is used again.
            let _ = conn.batch_execute("ROLLBACK");
            result
        })
        .await
    }

    /// "sqlite" or "postgres".
    pub fn backend(&self) -> &'static str {
        match &self.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }

    /// For people: "SQLite 3.50.4" or "PostgreSQL 15.14 (Debian ...)". Asks the database: good as a check that it is
    /// there.
    pub async fn version(&self) -> Result<String> {
        self.read(|tx| tx.version()).await
    }
}

/// A connection from the pool; waits some seconds at most.
fn connection_of(pool: &Pool<Manager>) -> Result<PooledConnection<Manager>> {
    pool.get().map_err(|error| {
        tracing::warn!(%error, "no connection to the database");
        Error::Unavailable(
            "the database cannot be reached or is busy (the server's log says more): try again".to_owned(),
        )
    })
}

/// Run `f` where it may block.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(Error::internal)?
}
