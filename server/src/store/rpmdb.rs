//! Headers of packages out of rpm's SQLite database in an image. It is a stranger's file, and no state of ours: it is read here because only
//! the store names diesel. What SQLite runs is ours alone: no view, virtual table or computed column of the file is asked.

use crate::error::{Error, Result};
use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable};
use diesel::sqlite::SqliteConnection;
use std::path::Path;

/// Packages; a distribution with everything has 60,000.
const MOST: usize = 100_000;
/// Bytes of a header; those of kernels and of large documentation have a few MiB.
const LONGEST: usize = 32 << 20;
/// Bytes of all headers. Pages that are named again and again give more than the file has.
const MOST_BYTES: usize = 1 << 30;

/// Nobody else has the file open, so nothing of it is shared through memory, which not every file system can. The rest is what
/// sqlite.org/security.html advises for files of strangers; the limit of memory, 256 MiB, is the whole program's, which is a command's: no
/// server reads such a file.
const SET_UP: &str = "PRAGMA hard_heap_limit = 268435456; PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON; \
                      PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
/// Only what has a page of its own is a table or an index; a virtual table may say that it has one.
const IS_PLAIN: &str = "SELECT EXISTS (SELECT 1 FROM pragma_table_list \
                        WHERE schema = 'main' AND name = 'Packages' AND type = 'table') \
                        AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE typeof(rootpage) <> 'integer' OR rootpage < 1) \
                        AND EXISTS (SELECT 1 FROM pragma_table_xinfo('Packages') WHERE name = 'blob' AND hidden = 0) AS plain";

#[derive(QueryableByName)]
struct Plain {
    #[diesel(sql_type = Bool)]
    plain: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Binary>)]
    header: Option<Vec<u8>>,
}

/// Shows each header in the table `Packages` of `database` to `each`, one after the other, as `lib/backend/sqlite.c` of rpm keeps them. rpm
/// uses a write-ahead log: one that lies beside the file under its name with `-wal` is part of it. Both are changed, so they must be
/// copies. A file that was made to be slow keeps SQLite busy for longer than anyone waits: the caller has a deadline.
///
/// # Errors
/// `BadRequest`: it is damaged, is no such database, or has more than the bounds of this file.
pub fn headers(database: &Path, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let bad = |what: &dyn std::fmt::Display| Error::BadRequest(format!("SQLite: {what}"));
    let name = database.to_str().ok_or_else(|| bad(&"the path is not UTF-8"))?;
    let mut conn = SqliteConnection::establish(name).map_err(|e| bad(&e))?;
    conn.batch_execute(SET_UP).map_err(|e| bad(&e))?;
    let Plain { plain } = diesel::sql_query(IS_PLAIN).get_result(&mut conn).map_err(|e| bad(&e))?;
    if !plain {
        return Err(bad(&"expected tables and indexes only, and in Packages a column blob"));
    }
    // The condition stands in the column: rows that it passes over would not count for LIMIT.
    let rows = diesel::sql_query(format!(
        "SELECT CASE WHEN typeof(blob) = 'blob' AND length(blob) <= {LONGEST} THEN blob END AS header \
         FROM Packages NOT INDEXED LIMIT {}",
        MOST + 1
    ));
    let rows = rows.load_iter::<Row, DefaultLoadingMode>(&mut conn).map_err(|e| bad(&e))?;
    let mut bytes = 0;
    for (number, row) in rows.enumerate() {
        let header = row.map_err(|e| bad(&e))?.header;
        let header = header.ok_or_else(|| bad(&format!("expected headers of at most {LONGEST} bytes")))?;
        bytes += header.len();
        if number >= MOST || bytes > MOST_BYTES {
            return Err(bad(&format!("expected at most {MOST} packages with {MOST_BYTES} bytes of headers")));
        }
        each(&header);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// What rpm makes; as long as the connection lives, all of it is in the log.
    pub(crate) fn database(path: &Path, headers: &[Vec<u8>]) -> SqliteConnection {
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let tables = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
             CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL); \
             CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
             FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum)); CREATE INDEX 'Name_key_idx' ON 'Name'(key ASC)";
        conn.batch_execute(tables).unwrap();
        for header in headers {
            let insert = diesel::sql_query("INSERT INTO Packages (blob) VALUES (?)");
            insert.bind::<Binary, _>(header.clone()).execute(&mut conn).unwrap();
        }
        conn
    }

    fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        headers(path, &mut |header| all.push(header.to_vec()))?;
        Ok(all)
    }

    #[test]
    fn headers_come_from_the_file_and_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // The second one does not fit a page.
        let headers = vec![b"a".to_vec(), vec![7; 100_000], b"c".to_vec()];
        let open = database(&at("rpmdb.sqlite"), &headers);
        std::fs::copy(at("rpmdb.sqlite"), at("copy")).unwrap();
        assert!(read(&at("copy")).is_err(), "the table is in the log only");
        std::fs::copy(at("rpmdb.sqlite-wal"), at("copy-wal")).unwrap();
        assert_eq!(read(&at("copy")).unwrap(), headers);
        drop(open);
        assert!(!at("rpmdb.sqlite-wal").exists());
        let bytes = std::fs::read(at("rpmdb.sqlite")).unwrap();
        assert_eq!(bytes[18..20], [2, 2], "it is in WAL mode");
        assert_eq!(read(&at("rpmdb.sqlite")).unwrap(), headers);
    }

    #[test]
    fn what_rpm_does_not_make_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let table = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob);";
        let many = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {})", MOST + 1);
        for (number, (sql, told)) in [
            ("CREATE TABLE Other (blob)".to_owned(), "tables and indexes only"),
            ("CREATE VIEW Packages AS SELECT 1 AS hnum, x'00' AS blob".to_owned(), "tables and indexes only"),
            ("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(9)))".to_owned(), "a column blob"),
            (
                "CREATE VIRTUAL TABLE Packages USING fts5(blob); PRAGMA writable_schema = ON; \
                 UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'Packages'"
                    .to_owned(),
                "tables and indexes only",
            ),
            (format!("{table} INSERT INTO Packages (blob) VALUES ('text')"), "headers of at most"),
            (format!("{table} INSERT INTO Packages (blob) VALUES (zeroblob({}))", LONGEST + 1), "headers of at most"),
            (format!("{table} {many} INSERT INTO Packages (blob) SELECT x'00' FROM n"), "at most 100000 packages"),
        ]
        .into_iter()
        .enumerate()
        {
            let path = dir.path().join(number.to_string());
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute(&sql).unwrap();
            drop(conn);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(told), "{sql}: {error}");
        }
        for (content, told) in [("", "tables and indexes only"), (&*"x".repeat(5000), "not a database")] {
            let path = dir.path().join("file");
            std::fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rpmdb.sqlite");
        let headers: Vec<Vec<u8>> = (0..60).map(|n| vec![n; 100 * usize::from(n)]).collect();
        drop(database(&path, &headers));
        std::fs::read(path).unwrap()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_it_panic(
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..40),
            cut in any::<Option<usize>>(),
        ) {
            let mut bytes = WHOLE.clone();
            for (at, byte) in changes {
                // What says where things are stands in front.
                let within = if at % 2 == 0 { 4096 } else { bytes.len() };
                bytes[at / 2 % within] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut % bytes.len());
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("rpmdb.sqlite");
            std::fs::write(&path, bytes).unwrap();
            let _ = read(&path);
        }
    }
}
