//! What nodes asked of boot services, stored: in batches, behind the answers and never before them. What cannot be stored is
//! counted and lost; it is there for people, and decides nothing.

use super::Journal;
use super::pending::count_lost;
use crate::domain::boot::Boot;
use crate::domain::boot_window;
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::nodes::{find, page_limit};
use crate::store::{ExchangeAt, ExchangeFilter, Tx};
use higuma_proto::api::{Exchange, Page};
use std::collections::{BTreeMap, BTreeSet};

/// Exchanges kept of one node.
pub const OF_A_NODE: usize = 500;
/// And for so long, microseconds.
pub const KEEP: Micros = 30 * 86_400 * 1_000_000;
/// Of one boot, for people.
const OF_A_BOOT: usize = 200;
/// Without a boot, for people.
const WITHOUT: usize = 50;
/// Stored in one transaction.
const BATCH: usize = 500;
/// Forgotten in one transaction, and transactions of one run, at most.
const FORGET: usize = 1_000;
/// See [`FORGET`].
const FORGETS: usize = 20;

/// Store all that waits; returns how many were new. Errors: the database; what is unavailable for now is kept for the next time.
pub async fn store_waiting(app: &App) -> Result<usize> {
    let mut stored = 0;
    loop {
        let batch = app.exchanges.waiting(BATCH);
        if batch.is_empty() {
            return Ok(stored);
        }
        let mut written = write(app, &batch).await;
        if let Err(Error::Conflict(_)) = written {
            // A node was merged into another meanwhile: its rows are the other's.
            written = write(app, &batch).await;
        }
        match written {
            Ok((new, unknown)) => {
                stored += new;
                app.exchanges.not_stored(&unknown);
            }
            Err(Error::Unavailable(why)) => {
                app.exchanges.wait_again(batch);
                return Err(Error::Unavailable(why));
            }
            Err(error) => {
                count_lost("database", batch.len());
                return Err(error);
            }
        }
    }
}

async fn write(app: &App, batch: &[Exchange]) -> Result<(usize, Vec<u64>)> {
    let batch = batch.to_vec();
    app.store.write(move |tx| store(tx, &batch)).await
}

/// Returns how many were new, and the numbers of those whose nodes are not known.
fn store(tx: &mut Tx<'_>, batch: &[Exchange]) -> Result<(usize, Vec<u64>)> {
    let mut nodes: BTreeMap<&str, Option<NodeUuid>> = BTreeMap::new();
    let (mut known, mut unknown) = (Vec::with_capacity(batch.len()), Vec::new());
    for exchange in batch {
        let node = match nodes.get(exchange.node.as_str()) {
            Some(node) => node.clone(),
            None => {
                let node = node_of(tx, &exchange.node)?;
                nodes.insert(&exchange.node, node.clone());
                node
            }
        };
        match node {
            Some(node) => known.push((node, exchange.clone())),
            None => unknown.push(exchange.number),
        }
    }
    let new = tx.add_exchanges(&known)?;
    for node in nodes.into_values().flatten().collect::<BTreeSet<_>>() {
        tx.trim_exchanges(&node, OF_A_NODE)?;
    }
    Ok((new, unknown))
}

/// The node that has this name, or had it before it was merged.
fn node_of(tx: &mut Tx<'_>, name: &str) -> Result<Option<NodeUuid>> {
    let Ok(name) = name.parse::<NodeUuid>() else { return Ok(None) };
    match tx.node(&name)? {
        Some(node) => Ok(Some(node.uuid)),
        None => tx.alias(&name),
    }
}

impl Journal {
    fn waiting(&self, most: usize) -> Vec<Exchange> {
        self.kept().pending.next(most)
    }

    fn wait_again(&self, batch: Vec<Exchange>) {
        self.kept().pending.put_back(batch);
    }

    /// Their nodes may be known one day.
    fn not_stored(&self, numbers: &[u64]) {
        let mut kept = self.kept();
        for number in numbers {
            let place = Self::place(&kept, *number);
            if let Some(line) = kept.exchanges.get_mut(place).filter(|line| line.exchange.number == *number) {
                line.stored = false;
            }
        }
    }
}

/// Of a node, newest first. The cursor is `TIME.NUMBER.SERVER` of the last one seen.
pub async fn list(app: &App, node: NodeUuid, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<Exchange>> {
    let filter = ExchangeFilter { before: cursor.map(parse_cursor).transpose()?, ..ExchangeFilter::default() };
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            let mut items = tx.exchanges(&node, &filter, limit + 1)?;
            let more = items.len() > limit;
            items.truncate(limit);
            let next = items.last().filter(|_| more).map(|e| format!("{}.{}.{}", e.at_us, e.number, e.server));
            Ok(Page { items, next })
        })
        .await
}

fn parse_cursor(text: &str) -> std::result::Result<ExchangeAt, Invalid> {
    let bad = || Invalid::new("cursor", "the `next` of the page before", text);
    let mut parts = text.splitn(3, '.');
    let mut part = || parts.next().ok_or_else(bad);
    let (at, number, server) = (part()?, part()?, part()?);
    Ok(ExchangeAt(at.parse().map_err(|_| bad())?, number.parse().map_err(|_| bad())?, server.to_owned()))
}

/// Those that belong to a boot, oldest first.
pub(in crate::service) fn of_boot(tx: &mut Tx<'_>, boot: &Boot) -> Result<Vec<Exchange>> {
    let next = match tx.boot_after(boot)? {
        Some(next) => {
            let sign = boot_window::last_sign(boot, tx.last_report(boot.id)?);
            Some(boot_window::begin(&next, Some(sign)))
        }
        None => None,
    };
    let before = match tx.boots(&boot.node, Some((boot.started, boot.id)), 1)?.first() {
        Some(before) => Some(boot_window::last_sign(before, tx.last_report(before.id)?)),
        None => None,
    };
    let until = boot_window::end(boot, tx.last_report(boot.id)?, next);
    let filter = ExchangeFilter { from: Some(boot_window::begin(boot, before)), until, before: None };
    oldest_first(tx, &boot.node, &filter, OF_A_BOOT)
}

/// What a node asked since its newest boot ended, oldest first, when it asked as a machine does that starts.
pub(in crate::service) fn without_boot(tx: &mut Tx<'_>, node: &NodeUuid, boot: Option<&Boot>) -> Result<Vec<Exchange>> {
    let from = match boot {
        Some(boot) => match boot_window::over(boot, tx.last_report(boot.id)?) {
            Some(over) => Some(over),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let asked = oldest_first(tx, node, &ExchangeFilter { from, ..ExchangeFilter::default() }, WITHOUT)?;
    // Else it is a system that runs and renews its lease.
    let starts = asked.iter().any(|e| !matches!(e.service.as_str(), "dhcp" | "blob") || e.what == "DISCOVER");
    Ok(if starts { asked } else { Vec::new() })
}

fn oldest_first(tx: &mut Tx<'_>, node: &NodeUuid, filter: &ExchangeFilter, most: usize) -> Result<Vec<Exchange>> {
    let mut found = tx.exchanges(node, filter, most)?;
    found.reverse();
    Ok(found)
}

/// Forget old ones; how many.
pub(in crate::service) async fn forget_old(app: &App) -> Result<usize> {
    let (now, mut gone) = (app.now(), 0);
    for _ in 0..FORGETS {
        let some = app.store.write(move |tx| tx.forget_exchanges(now - KEEP, FORGET)).await?;
        gone += some;
        if some < FORGET {
            break;
        }
    }
    Ok(gone)
}
