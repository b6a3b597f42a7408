//! State, on SQLite or PostgreSQL: the only code that names diesel. It keeps and finds records of `domain`; it decides
//! nothing. Everything that is written goes through [`Store::write`], one transaction a call.

mod tx;

pub use tx::{NodeCount, NodeFilter, NodeRow, StoredInventory, Tx};

use crate::error::Result;

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Open `sqlite:PATH` or `postgres://...`, and migrate it to this release's schema.
    pub fn open(_url: &str) -> Result<Self> {
        todo!()
    }

    /// One transaction: all of `f` or nothing, durable when this returns. Transactions are serializable: SQLite has one
    /// writer thread that commits in groups; on PostgreSQL `f` is run again after a serialization failure, so it must
    /// have no effect outside of `tx`.
    pub async fn write<T, F>(&self, _f: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        todo!()
    }

    /// A consistent read beside the writers.
    pub async fn read<T, F>(&self, _f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        todo!()
    }

    /// "sqlite" or "postgres".
    pub fn backend(&self) -> &'static str {
        todo!()
    }
}
