//! The history of what nodes are made of: a report that differs becomes a version, and what a person should know of the
//! difference becomes events of the node, in the transaction of Register.

use super::nodes::{find, page_limit};
use super::{App, node_events};
use crate::domain::inventory::diff::{self, What};
use crate::domain::inventory::{self, Comparable, Unread, notices};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::size::binary_size;
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{KeptVersions, StoredInventory, StoredVersion, Tx};
use higuma_proto::agent::{Inventory, SourceError, Volatile};
use higuma_proto::api::{InventoryChange, InventoryDiff, InventoryVersion, InventoryVersionDetail, Page};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Versions kept of one node.
pub const KEPT: KeptVersions = KeptVersions { count: 100, bytes: 32 * 1024 * 1024 };
/// Changes that a diff tells, at most.
pub const CHANGES_MAX: usize = 2_000;
/// Subject of the event about an inventory that is too large.
const TOO_LARGE: &str = "inventory";

/// A report, prepared outside of any transaction.
#[derive(Debug, Clone)]
pub(super) enum Report {
    /// To be stored.
    Fits {
        /// Canonical.
        content: Value,
        /// What could not be read.
        unread: Unread,
        /// What of it is no content.
        besides: Besides,
    },
    /// Not to be stored, and what to tell.
    TooLarge(String),
    /// It says nothing of the machine: what is known stays.
    Nothing,
}

/// What of a report is no content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Besides {
    volatile: Option<Volatile>,
    errors: Vec<SourceError>,
    /// Boots in a row that a section was kept from the version before.
    held: BTreeMap<String, u32>,
}

/// What was recorded, for the metrics of who commits it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recorded(BTreeMap<(What, &'static str), u64>);

impl Recorded {
    /// Count it; once, after the commit.
    pub(super) fn count(&self) {
        for ((what, component), count) in &self.0 {
            let labels = [("change", what.as_str()), ("component", component)];
            metrics::counter!("higuma_hardware_changes_total", &labels).increment(*count);
        }
    }
}

/// As many boots in a row a device that cannot be read keeps its section as it was; then the report counts.
const HELD_BOOTS: u32 = 2;

/// Prepare a report of at most `limit` bytes as JSON.
pub(super) fn prepare(report: &Inventory, limit: usize) -> Result<Report> {
    let value = serde_json::to_value(report).map_err(Error::internal)?;
    let bytes = value.to_string().len();
    if bytes > limit {
        let mb = |bytes: usize| format!("{:.1} MB", bytes as f64 / 1e6);
        let part = inventory::largest_part(&value);
        let part = part.map(|(name, bytes)| format!("; its largest part is {name} with {}", mb(bytes)));
        let (part, limit) = (part.unwrap_or_default(), binary_size(limit as u64));
        return Ok(Report::TooLarge(format!("inventory of {}: at most {limit} is stored{part}", mb(bytes))));
    }
    if let Some((list, items)) = inventory::too_long(&value) {
        let most = inventory::LIST_MAX;
        return Ok(Report::TooLarge(format!("inventory with {items} items in {list}: at most {most} are stored")));
    }
    if !inventory::says_something(&value) {
        return Ok(Report::Nothing);
    }
    let held = BTreeMap::new();
    let besides = Besides { volatile: report.volatile.clone(), errors: report.errors.clone(), held };
    let errors = report.errors.iter().map(|e| (e.section.as_str(), e.source.as_str()));
    Ok(Report::Fits { content: inventory::canonical(&value), unread: inventory::unread(errors), besides })
}

/// Store a report of a node that is there, and tell what changed.
pub(super) fn record(tx: &mut Tx<'_>, node: &NodeUuid, report: &Report, now: Micros) -> Result<Recorded> {
    let (content, unread, besides) = match report {
        Report::Fits { content, unread, besides } => (content, unread, besides),
        Report::Nothing => return Ok(Recorded::default()),
        Report::TooLarge(message) => {
            let (kind, severity, subject) = (Kind::Hardware, Severity::Warning, TOO_LARGE.to_owned());
            let notice = Notice { kind, severity, subject, message: message.clone() };
            node_events::raise(tx, node, &notice, now)?;
            return Ok(Recorded::default());
        }
    };
    tx.clear_subject(node, TOO_LARGE, now)?;
    let Some(last) = tx.inventory(node)? else {
        put_besides(tx, node, besides, now)?;
        put(tx, node, 1, content, unread, 0, now)?;
        return Ok(Recorded::default());
    };
    let before = inventory::canonical(&parse(&last)?);
    let held = last_besides(tx, node)?.held;
    let tired =
        held.iter().filter(|(section, boots)| **boots >= HELD_BOOTS && inventory::DEVICES.contains(&section.as_str()));
    let anyway: BTreeSet<String> = tired.map(|(section, _)| section.clone()).collect();
    let made = inventory::comparable(content.clone(), unread.clone(), Some((&before, &last.unread)), &anyway);
    let again = |section: &&str| held.get(*section).map_or(1, |boots| boots.saturating_add(1));
    let held = made.held.keys().map(|section| ((*section).to_owned(), again(section))).collect();
    put_besides(tx, node, &Besides { held, ..besides.clone() }, now)?;
    let warned = tx.warned_subjects(node, Kind::Hardware)?;
    tell_held(tx, node, &made, &warned, now)?;
    let hash = inventory::hash(&made.content);
    if hash == last.version.hash && made.unread == last.unread {
        tx.touch_inventory(node, last.version.number, now)?;
        return Ok(Recorded::default());
    }
    if hash == inventory::hash(&before) {
        // The same content: stored by an older release in another form, or read better this time.
        let json = made.content.to_string();
        let version = StoredVersion { hash, size: json.len() as u64, last_seen: now, ..last.version };
        tx.put_inventory(node, &StoredInventory { version, json, unread: made.unread })?;
        return Ok(Recorded::default());
    }
    let changes = diff::diff(&before, &made.content).len();
    put(tx, node, last.version.number.saturating_add(1), &made.content, &made.unread, changes, now)?;
    tx.prune_inventories(node, KEPT)?;
    let told = notices::notices(&before, &made, &warned, now);
    if warned.contains(notices::MORE) {
        tx.clear_subject(node, notices::MORE, now)?;
    }
    for subject in &told.clear {
        tx.clear_subject(node, subject, now)?;
    }
    for notice in &told.raise {
        node_events::raise(tx, node, notice, now)?;
    }
    Ok(Recorded(told.counts))
}

/// A part of the machine that cannot be read any more is told, until it can.
fn tell_held(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    made: &Comparable,
    warned: &BTreeSet<String>,
    now: Micros,
) -> Result<()> {
    const UNREAD: &str = "unread:";
    let readable = |subject: &&String| subject.strip_prefix(UNREAD).is_some_and(|s| !made.held.contains_key(s));
    for subject in warned.iter().filter(readable) {
        tx.clear_subject(node, subject, now)?;
    }
    for (section, source) in &made.held {
        let message = format!("{section} could not be read ({source}): what is shown of it is what was read before");
        let subject = format!("{UNREAD}{section}");
        let notice = Notice { kind: Kind::Hardware, severity: Severity::Warning, subject, message };
        node_events::raise(tx, node, &notice, now)?;
    }
    Ok(())
}

fn put_besides(tx: &mut Tx<'_>, node: &NodeUuid, besides: &Besides, now: Micros) -> Result<()> {
    tx.put_inventory_report(node, &serde_json::to_string(besides).map_err(Error::internal)?, now)
}

fn last_besides(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<Besides> {
    let json = tx.inventory_report(node)?;
    Ok(json.map(|json| serde_json::from_str(&json)).transpose().map_err(Error::internal)?.unwrap_or_default())
}

fn put(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    number: u32,
    content: &Value,
    unread: &Unread,
    changes: usize,
    now: Micros,
) -> Result<()> {
    let json = content.to_string();
    let version = StoredVersion {
        number,
        hash: inventory::hash(content),
        size: json.len() as u64,
        changes: u32::try_from(changes).unwrap_or(u32::MAX),
        at: now,
        last_seen: now,
    };
    tx.put_inventory(node, &StoredInventory { version, json, unread: unread.clone() })
}

fn parse<T: serde::de::DeserializeOwned>(stored: &StoredInventory) -> Result<T> {
    serde_json::from_str(&stored.json).map_err(Error::internal)
}

/// The node's inventory as last reported, with its hash: the newest version and what the last report told besides.
pub(super) fn current(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<Option<(Inventory, String)>> {
    let Some(stored) = tx.inventory(node)? else { return Ok(None) };
    let mut inventory: Inventory = parse(&stored)?;
    let besides = last_besides(tx, node)?;
    (inventory.volatile, inventory.errors) = (besides.volatile, besides.errors);
    Ok(Some((inventory, stored.version.hash.to_string())))
}

fn version(stored: &StoredVersion) -> InventoryVersion {
    InventoryVersion {
        version: stored.number,
        hash: stored.hash.to_string(),
        bytes: stored.size,
        changes: stored.changes,
        at_us: stored.at,
        last_seen_us: stored.last_seen,
    }
}

/// Versions, newest first. Errors: no such node, a cursor that is none.
pub async fn list(
    app: &App,
    node: NodeUuid,
    cursor: Option<&str>,
    limit: Option<usize>,
) -> Result<Page<InventoryVersion>> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    let before = cursor.map(|c| c.parse::<u32>().map_err(|_| bad(c))).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            let mut found = tx.inventory_versions(&node, before, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|v| v.number.to_string());
            Ok(Page { items: found.iter().map(version).collect(), next })
        })
        .await
}

/// One version whole. Errors: no such node or version.
pub async fn show(app: &App, node: NodeUuid, number: u32) -> Result<InventoryVersionDetail> {
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            let stored = of_node(tx, &node, number)?;
            Ok(InventoryVersionDetail { version: version(&stored.version), inventory: parse(&stored)? })
        })
        .await
}

fn of_node(tx: &mut Tx<'_>, node: &NodeUuid, number: u32) -> Result<StoredInventory> {
    tx.inventory_version(node, number)?.ok_or_else(|| {
        Error::NotFound(format!("node {node} has no inventory version {number}: see `higuma node history {node}`"))
    })
}

/// What differs between two versions; absent: the newest, and the one before it. Errors: no such node or version.
pub async fn compare(app: &App, node: NodeUuid, from: Option<u32>, to: Option<u32>) -> Result<InventoryDiff> {
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            let newest = |tx: &mut Tx<'_>, before| tx.inventory_versions(&node, before, 1);
            let to = match (to, newest(tx, None)?.first()) {
                (Some(to), _) => to,
                (None, Some(last)) => last.number,
                (None, None) => return Err(Error::NotFound(format!("node {node} has reported no inventory yet"))),
            };
            let from = match from {
                Some(from) => from,
                None => newest(tx, Some(to))?.first().map_or(to, |v| v.number),
            };
            let (old, new) = (of_node(tx, &node, from)?, of_node(tx, &node, to)?);
            let canonical = |stored: &StoredInventory| Ok::<_, Error>(inventory::canonical(&parse(stored)?));
            let changes = diff::diff(&canonical(&old)?, &canonical(&new)?);
            Ok(InventoryDiff {
                node: node.to_string(),
                from: version(&old.version),
                to: version(&new.version),
                more: changes.len().saturating_sub(CHANGES_MAX) as u64,
                changes: changes.into_iter().take(CHANGES_MAX).map(change).collect(),
            })
        })
        .await
}

fn change(change: diff::Change) -> InventoryChange {
    InventoryChange {
        section: change.section,
        item: change.item,
        change: change.what.as_str().to_owned(),
        field: change.field,
        old: change.old,
        new: change.new,
    }
}
