//! A transaction: runs statements and turns their errors into ours. What can be done within one is in the files named
//! after the subjects (nodes.rs, boots.rs, ...). A transaction in which a statement failed is never committed.

use super::connection::AnyConnection;
use crate::error::{Error, Result};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind as Kind;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

/// A transaction.
pub struct Tx<'a> {
    conn: &'a mut AnyConnection,
    failure: Option<Failure>,
}

/// How the first statement that failed did so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// By other transactions at the same time: again, it may succeed.
    Clash,
    /// Otherwise.
    Other,
}

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
#[error("database, {doing}")]
struct StatementError {
    doing: String,
    source: diesel::result::Error,
}

/// A stored value that this release does not understand.
#[derive(Debug, thiserror::Error)]
#[error("database, table {table}, row {key}: {problem}")]
struct StoredValueError {
    table: &'static str,
    key: String,
    problem: String,
}

/// Our error for a failed statement, and what kind of failure it was. `what`: the thing it was about.
pub(super) fn statement_error(what: &dyn Display, error: diesel::result::Error) -> (Error, Failure) {
    let busy =
        || Error::Unavailable("the database is busy with other changes of the same things: try again".to_owned());
    let lost = || Error::Unavailable("the connection to the database was lost: try again".to_owned());
    if let diesel::result::Error::DatabaseError(kind, info) = &error {
        let message = info.message();
        match kind {
            Kind::UniqueViolation => return (Error::Conflict(format!("{what} is there already")), Failure::Clash),
            Kind::ForeignKeyViolation | Kind::RestrictViolation => {
                let problem = "it refers to something that is not there, or something there still refers to it";
                return (Error::Conflict(format!("{what}: {problem}")), Failure::Other);
            }
            Kind::SerializationFailure => return (busy(), Failure::Clash),
            _ if message.starts_with("deadlock detected") => return (busy(), Failure::Clash),
            Kind::ClosedConnection | Kind::UnableToSendCommand => {
                tracing::warn!(error = %message.trim(), "the connection to the database was lost");
                return (lost(), Failure::Other);
            }
            _ if message.contains("terminating connection") || message.contains("server closed the connection") => {
                tracing::warn!(error = %message.trim(), "the connection to the database was lost");
                return (lost(), Failure::Other);
            }
            _ if message.contains("database is locked") || message.starts_with("canceling statement due to") => {
                return (busy(), Failure::Other);
            }
            _ if message.contains("disk is full") => {
                let words = "the database's disk is full: make room on it".to_owned();
                return (Error::Unavailable(words), Failure::Other);
            }
            _ => {}
        }
    }
    (Error::internal(StatementError { doing: what.to_string(), source: error }), Failure::Other)
}

/// Run `f` within the transaction that is open on `conn`; a panic becomes an error. `Some`: the transaction must be
/// rolled back because of a statement, whatever `f` made of it (the result is an error then, too).
pub(super) fn attempt<T>(
    conn: &mut AnyConnection,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> (Result<T>, Option<Failure>) {
    let mut tx = Tx { conn, failure: None };
    let result = catch_unwind(AssertUnwindSafe(|| f(&mut tx)));
    let result = result.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::internal(format!("a transaction panicked and was rolled back: {words}")))
    });
    let result = match (result, tx.failure) {
        (Ok(_), Some(_)) => Err(Error::internal("a statement of the transaction failed and its error was dropped")),
        (result, _) => result,
    };
    (result, tx.failure)
}

impl Tx<'_> {
    /// Run one statement. `what` names the thing it is about: "node 4c4c...".
    pub(super) fn run<T>(
        &mut self,
        what: impl Display,
        statement: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T> {
        statement(self.conn).map_err(|error| {
            let (error, failure) = statement_error(&what, error);
            self.failure.get_or_insert(failure);
            error
        })
    }

    pub(super) fn version(&mut self) -> Result<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            version: String,
        }
        let row: Row = self.run("version", |conn| match conn {
            AnyConnection::Sqlite(c) => {
                diesel::sql_query("SELECT 'SQLite ' || sqlite_version() AS version").get_result(c)
            }
            AnyConnection::Postgres(c) => {
                let sql = "SELECT 'PostgreSQL ' || current_setting('server_version') AS version";
                diesel::sql_query(sql).get_result(c)
            }
        })?;
        Ok(row.version)
    }
}

/// A row of a table, for errors about what is in it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) table: &'static str,
    pub(super) key: &'a dyn Display,
}

impl Row<'_> {
    /// A stored text as what it stands for.
    pub(super) fn parse<T>(self, column: &str, text: &str) -> Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.parse().map_err(|e| self.bad(format!("column {column} holds {text:?}: {e}")))
    }

    /// As [`Row::parse`], for a column that may be null.
    pub(super) fn parse_opt<T>(self, column: &str, text: Option<&str>) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.map(|text| self.parse(column, text)).transpose()
    }

    /// A stored number as a narrower one.
    pub(super) fn number<T: TryFrom<i64>>(self, column: &str, number: i64) -> Result<T> {
        T::try_from(number).map_err(|_| self.bad(format!("column {column} holds {number}, which is out of range")))
    }

    /// A stored JSON text.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, column: &str, text: &str) -> Result<T> {
        serde_json::from_str(text)
            .map_err(|e| self.bad(format!("column {column} holds JSON that is not of its form: {e}")))
    }

    /// A stored value that this release does not understand.
    pub(super) fn bad(self, problem: String) -> Error {
        Error::internal(StoredValueError { table: self.table, key: self.key.to_string(), problem })
    }
}

/// A count or size for a BigInt column.
pub(super) fn to_i64(what: &str, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::BadRequest(format!("{what}: expected less than 2^63, got {number}")))
}

/// `LIMIT` of a page.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
