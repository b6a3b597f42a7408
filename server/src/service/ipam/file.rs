//! Pools and addresses from CSV files: all of a file or nothing, and again is no change.

use super::{assign, pools};
use crate::domain::ipam::import::{self, AddressLine};
use crate::domain::{NodeUuid, select::Column, select::Equal};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::nodes::find;
use crate::store::{NodeFilter, Tx};
use higuma_proto::api::{CsvImport, CsvImported};

/// Errors told at most.
const ERRORS_MAX: usize = 50;

fn check_size(csv: &str) -> Result<()> {
    if csv.len() > import::BYTES_MAX {
        return Err(Error::TooLarge(format!("expected a file of at most {} bytes", import::BYTES_MAX)));
    }
    Ok(())
}

/// What a transaction came to. A dry run ends in an error of its own, so that nothing stays.
fn answer(rows: usize, changed: usize, written: bool) -> CsvImported {
    CsvImported { rows: rows as u64, changed: changed as u64, written }
}

async fn all_or_nothing(
    app: &App,
    rows: usize,
    dry_run: bool,
    work: impl Fn(&mut Tx<'_>) -> Result<(usize, Vec<String>)> + Send + Sync + 'static,
) -> Result<CsvImported> {
    const DRY: &str = "a dry run";
    let changed = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = changed.clone();
    let done = app
        .store
        .write(move |tx| {
            let (changed, mut errors) = work(tx)?;
            if !errors.is_empty() {
                errors.truncate(ERRORS_MAX);
                return Err(Error::BadRequest(errors.join("\n")));
            }
            count.store(changed, std::sync::atomic::Ordering::Relaxed);
            if dry_run { Err(Error::BadRequest(DRY.to_owned())) } else { Ok(()) }
        })
        .await;
    let changed = changed.load(std::sync::atomic::Ordering::Relaxed);
    match done {
        Err(Error::BadRequest(text)) if dry_run && text == DRY => Ok(answer(rows, changed, false)),
        other => other.map(|()| answer(rows, changed, true)),
    }
}

/// An error of one line, or a failure of the whole.
fn of_line(line: u64, error: Error) -> Result<String> {
    match error {
        Error::BadRequest(text) | Error::Conflict(text) | Error::NotFound(text) => Ok(format!("line {line}: {text}")),
        other => Err(other),
    }
}

/// Make or change the pools of a file; others stay. Errors: every line that does not fit, and nothing is changed.
pub async fn import_pools(app: &App, new: CsvImport) -> Result<CsvImported> {
    check_size(&new.csv)?;
    let rows = import::pools(&new.csv).map_err(|errors| Error::BadRequest(errors.join("\n")))?;
    let now = app.now();
    all_or_nothing(app, rows.len(), new.dry_run, move |tx| {
        let (mut changed, mut errors) = (0, Vec::new());
        for (line, pool) in &rows {
            let same = tx.pool(&pool.name)?.as_ref() == Some(pool);
            match pools::put(tx, pool, now) {
                Ok(()) => changed += usize::from(!same),
                Err(error) => errors.push(of_line(*line, error)?),
            }
        }
        Ok((changed, errors))
    })
    .await
}

/// Give the addresses of a file to its nodes, as [`super::reserve`] does. Errors: every line that does not fit, and nothing is
/// changed.
pub async fn import_addresses(app: &App, new: CsvImport) -> Result<CsvImported> {
    check_size(&new.csv)?;
    let rows = import::addresses(&new.csv).map_err(|errors| Error::BadRequest(errors.join("\n")))?;
    let now = app.now();
    all_or_nothing(app, rows.len(), new.dry_run, move |tx| {
        let pools = tx.pools()?;
        let (mut changed, mut errors) = (0, Vec::new());
        for row in &rows {
            let done =
                named(tx, row).and_then(|node| assign(tx, &pools, (&node, &row.device), row.address, row.kind, now));
            match done {
                Ok((_, true)) => changed += 1,
                Ok((_, false)) => {}
                Err(error) => errors.push(of_line(row.line, error)?),
            }
            if errors.len() >= ERRORS_MAX {
                break;
            }
        }
        Ok((changed, errors))
    })
    .await
}

/// By UUID or host name.
fn named(tx: &mut Tx<'_>, row: &AddressLine) -> Result<NodeUuid> {
    let node = match row.node.parse::<NodeUuid>() {
        Ok(uuid) => find(tx, &uuid)?,
        Err(_) => {
            let equals = vec![Equal { column: Column::Hostname, value: row.node.clone() }];
            let mut found = tx.nodes(&NodeFilter { equals, ..NodeFilter::default() }, None, 2)?;
            match (found.pop(), found.pop()) {
                (Some(one), None) => one.node,
                (None, _) => return Err(Error::NotFound(format!("no node is called {}", row.node))),
                _ => return Err(Error::BadRequest(format!("several nodes are called {}: give a UUID", row.node))),
            }
        }
    };
    match node.retired {
        true => Err(Error::Conflict(format!("node {} is retired: it gets no address", node.uuid))),
        false => Ok(node.uuid),
    }
}
