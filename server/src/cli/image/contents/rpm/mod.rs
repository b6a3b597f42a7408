//! Which packages rpm says are installed, out of the database that it keeps in an image: SQLite (Fedora, RHEL since 9), or ndb
//! (openSUSE, SLE). The Berkeley DB of rpm before 4.16 (RHEL up to 8) is not read. A list with holes would make a difference of two images
//! lie, so a damaged database gives none, and the import goes on.

mod header;
mod ndb;

use super::super::root::Root;
use super::format::Package;
use crate::cli::error::{Failure, Result};
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use crate::store::rpmdb;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Where it lies: since Fedora 36 and in openSUSE, before that, and of rpm-ostree. They are mostly links to each other.
const FOLDERS: [&str; 3] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];
/// Bytes of a database, and of its log: a desktop with 2,000 packages has 150 MiB. One of both is in memory at a time.
const LONGEST: u64 = 512 << 20;
/// For SQLite, which takes seconds.
const DEADLINE: Duration = Duration::from_secs(120);

/// The packages, or why there are none.
type Read = std::result::Result<Vec<Package>, String>;
/// None: there is no such file.
type Reader = fn(&dyn Root, &str) -> Result<Option<Read>>;

/// What the first database says; none when there is none that can be read, and then people are told why.
///
/// # Errors
/// The root's and the scratch folder's, nothing about what the database says.
pub fn of(root: &dyn Root, progress: &Progress) -> Result<Option<Vec<Package>>> {
    let left_out = |why: &str| progress.line(&format!("the packages are not in the listing: {why}"));
    for folder in FOLDERS {
        for (name, read) in [("rpmdb.sqlite", of_sqlite as Reader), ("Packages.db", of_ndb)] {
            let path = format!("{folder}/{name}");
            match read(root, &path)? {
                None => {}
                Some(Ok(packages)) => return Ok(Some(packages)),
                Some(Err(why)) => {
                    left_out(&format!("could not read {path}: {why}"));
                    return Ok(None);
                }
            }
        }
    }
    if let Some(folder) = FOLDERS.iter().find(|folder| root.node(&format!("{folder}/Packages")).is_some()) {
        left_out(&format!("{folder}/Packages is a Berkeley DB, of rpm before 4.16"));
    }
    Ok(None)
}

fn of_ndb(root: &dyn Root, path: &str) -> Result<Option<Read>> {
    let bytes = root.head(path, LONGEST + 1)?;
    Ok(bytes.map(|bytes| -> Read {
        fits(bytes.len() as u64)?;
        let headers = ndb::headers(&bytes).ok_or("it is damaged")?;
        all(headers.into_iter().map(header::package))
    }))
}

/// SQLite reads copies: what rpm did not move from its log to the database is known to it alone.
fn of_sqlite(root: &dyn Root, path: &str) -> Result<Option<Read>> {
    if root.node(path).is_none() {
        return Ok(None);
    }
    let scratch = Scratch::new()?;
    let database = scratch.path().join("rpmdb.sqlite");
    let Some(size) = copy(root, path, &database)? else { return Ok(None) };
    let log = copy(root, &format!("{path}-wal"), &scratch.path().join("rpmdb.sqlite-wal"))?;
    if let Err(why) = fits(size).and(fits(log.unwrap_or_default())) {
        return Ok(Some(Err(why)));
    }
    // A thread that is late ends with the program.
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || drop(tell.send(sqlite(&database))));
    Ok(Some(match told.recv_timeout(DEADLINE) {
        Ok(read) => read,
        Err(RecvTimeoutError::Timeout) => Err(format!("SQLite: it takes longer than {} s", DEADLINE.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("SQLite: it could not go on".to_owned()),
    }))
}

fn sqlite(database: &Path) -> Read {
    let mut read = Vec::new();
    rpmdb::headers(database, &mut |header| read.push(header::package(header))).map_err(|e| e.to_string())?;
    all(read.into_iter())
}

/// Its size, unless there is no such file.
fn copy(root: &dyn Root, path: &str, to: &Path) -> Result<Option<u64>> {
    let Some(bytes) = root.head(path, LONGEST + 1)? else { return Ok(None) };
    std::fs::write(to, &bytes).map_err(Failure::io("write", to))?;
    Ok(Some(bytes.len() as u64))
}

fn fits(size: u64) -> std::result::Result<(), String> {
    match size > LONGEST {
        true => Err(format!("expected at most {}, it has more", output::size(LONGEST))),
        false => Ok(()),
    }
}

/// The packages of all headers, unless one is damaged.
fn all(read: impl Iterator<Item = std::result::Result<Option<Package>, &'static str>>) -> Read {
    let packages: std::result::Result<Vec<Package>, &'static str> = read.filter_map(|read| read.transpose()).collect();
    packages.map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::root::Folder;
    use super::header::tests::named;
    use super::*;

    /// A root with these files; the packages found in it, as text.
    fn found(files: &[(&str, &[u8])]) -> Option<Vec<String>> {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let packages = of(&Folder::open(root.path()).unwrap(), &Progress::quiet()).unwrap();
        packages.map(|all| all.iter().map(|p| format!("{} {} {}", p.name, p.arch, p.version)).collect())
    }

    #[test]
    fn a_database_of_sqlite_with_and_without_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rpmdb.sqlite");
        let open = rpmdb::tests::database(&path, &[named("gpg-pubkey"), named("vim"), named("bash")]);
        let read = |end: &str| std::fs::read(dir.path().join(format!("rpmdb.sqlite{end}"))).unwrap();
        let (database, log) = (read(""), read("-wal"));
        let place = "usr/lib/sysimage/rpm/rpmdb.sqlite";
        let packages = Some(vec!["vim x86_64 2:9.0-1.el9".to_owned(), "bash x86_64 2:9.0-1.el9".to_owned()]);
        assert_eq!(found(&[(place, &database), ("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", &log)]), packages);
        assert_eq!(found(&[(place, &database)]), None, "the table is in the log only");
        drop(open);
        for place in [place, "var/lib/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite"] {
            assert_eq!(found(&[(place, &read(""))]), packages, "{place}");
        }
    }

    #[test]
    fn a_database_of_ndb() {
        let database = ndb::tests::database(&[named("vim"), named("gpg-pubkey")]);
        let packages = Some(vec!["vim x86_64 2:9.0-1.el9".to_owned()]);
        assert_eq!(found(&[("var/lib/rpm/Packages.db", &database)]), packages);
        assert_eq!(found(&[("var/lib/rpm/Packages.db", &ndb::tests::database(&[]))]), Some(Vec::new()));
    }

    #[test]
    fn what_is_damaged_or_of_another_kind_gives_no_list() {
        assert_eq!(found(&[("etc/os-release", b"ID=fedora\n")]), None);
        assert_eq!(found(&[("var/lib/rpm/Packages", b"\0\0\x06\x15\x61")]), None);
        for path in ["var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db"] {
            assert_eq!(found(&[(path, b"")]), None, "{path}");
            assert_eq!(found(&[(path, &[b'x'; 5000])]), None, "{path}");
        }
        let one_is_damaged = ndb::tests::database(&[named("vim"), b"no header".to_vec()]);
        assert_eq!(found(&[("var/lib/rpm/Packages.db", &one_is_damaged)]), None);
        assert!(fits(LONGEST).is_ok() && fits(LONGEST + 1).unwrap_err().contains("at most 512.0 MiB"));
    }
}
