//! Databases for the cases, and values to put into them.

use crate::pg;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use higuma::domain::boot::Boot;
use higuma::domain::node::{Admission, Node};
use higuma::domain::{Mac, Name, NodeUuid, Sha256};
use higuma::error::Result;
use higuma::store::{Store, Tx};
use uuid::Uuid;

/// Where databases come from.
pub enum Databases {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

/// A database of one case.
pub struct Db {
    pub store: Store,
    pub url: String,
}

/// An empty one, not opened yet.
pub struct Empty {
    pub url: String,
}

impl Databases {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn postgres(server: &pg::Server) -> Self {
        Self::Postgres(server.url("postgres"))
    }

    pub fn backend(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// A new, empty database.
    pub fn fresh(&self, case: &str) -> Empty {
        let name = case.replace("::", "_");
        match self {
            Self::Sqlite(dir) => Empty { url: format!("sqlite:{}/{name}.db", dir.path().display()) },
            Self::Postgres(url) => {
                sql(url, &format!("CREATE DATABASE \"{name}\""));
                Empty { url: url.replace("/postgres?", &format!("/{name}?")) }
            }
        }
    }
}

impl Empty {
    pub fn open(self) -> Db {
        let store = Store::open(&self.url).unwrap();
        assert!(self.url.starts_with(store.backend()));
        Db { store, url: self.url }
    }
}

impl Db {
    /// A write that succeeds.
    pub async fn put<T, F>(&self, f: F) -> T
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        self.store.write(f).await.unwrap()
    }

    /// A read that succeeds.
    pub async fn get<T, F>(&self, f: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.store.read(f).await.unwrap()
    }
}

/// Behind the store's back.
pub fn sql(url: &str, sql: &str) {
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).unwrap();
            // A store that was dropped just now closes its connections in its own time.
            conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
            conn.batch_execute(sql).unwrap()
        }
        None => PgConnection::establish(url).unwrap().batch_execute(sql).unwrap(),
    }
}

pub fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

pub fn mac(n: u8) -> Mac {
    format!("52:54:00:00:00:{n:02x}").parse().unwrap()
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn node(n: u32) -> Node {
    Node::new(uuid(n), Admission::Pending, i64::from(n))
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn boot(n: u32, of: u32, started: i64) -> Boot {
    Boot::new(id(n.into()), uuid(of), Sha256::of(format!("session {n}")), "http://10.0.0.1:8080".to_owned(), started)
}
