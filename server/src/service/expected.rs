//! Expected cabling: imported whole or not at all, compared with what nodes hear, and differences told on the nodes.

use super::App;
use super::node_events::raise;
use super::nodes::page_limit;
use crate::domain::cabling::expected::{Actual, Expected, Finding, Row, SUBJECT, Verdict, compare, notice};
use crate::domain::cabling::import;
use crate::domain::node::Node;
use crate::domain::node_event::Kind;
use crate::domain::{Invalid, Mac, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{LinkFilter, LinkRow, Tx};
use higuma_proto::api::{CablingFinding, ExpectedCable, Imported, NewExpected, Page};
use std::collections::{BTreeSet, HashMap};

/// Links compared at most.
const LINKS_MAX: usize = 2_000_000;

/// Replace all expected cabling by what a CSV file says; or only say what that would give. Errors: every line that does not
/// fit, and nothing is changed.
pub async fn import(app: &App, new: NewExpected) -> Result<Imported> {
    if new.csv.len() > import::BYTES_MAX {
        return Err(Error::TooLarge(format!("expected a file of at most {} bytes", import::BYTES_MAX)));
    }
    let mut rows = import::parse(&new.csv).map_err(|errors| Error::BadRequest(errors.join("\n")))?;
    for row in &mut rows {
        // As nodes are called here.
        row.node.make_ascii_lowercase();
    }
    let (now, dry_run) = (app.now(), new.dry_run);
    let import = move |tx: &mut Tx<'_>| {
        let mut rows = rows.clone();
        for row in &mut rows {
            // A name that was merged into another node.
            if let Ok(uuid) = row.node.parse::<NodeUuid>()
                && let Some(node) = tx.alias(&uuid)?
            {
                row.node = node.to_string();
            }
        }
        let findings = compare(&resolved(tx, rows.clone())?, &all_links(tx)?);
        if !dry_run {
            tx.replace_expected(&rows)?;
            tell_all(tx, &findings, now)?;
        }
        let differ = findings.iter().filter(|f| f.verdict != Verdict::Ok).count();
        Ok(Imported { rows: count(rows.len()), differ: count(differ), written: !dry_run })
    };
    if dry_run { app.store.read(import).await } else { app.store.write(import).await }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A page of the expected cabling, in the order of the file.
pub async fn list(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<ExpectedCable>> {
    let from = position(cursor)?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut rows = tx.expected(i64::try_from(from).unwrap_or(i64::MAX), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let items = rows
                .into_iter()
                .map(|Row { node, serial, nic, switch, port }| ExpectedCable { node, serial, nic, switch, port })
                .collect();
            Ok(Page { items, next: more.then(|| (from + limit).to_string()) })
        })
        .await
}

fn position(cursor: Option<&str>) -> Result<usize> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    Ok(cursor.map(|c| c.parse().map_err(|_| bad(c))).transpose()?.unwrap_or(0))
}

/// Which findings.
#[derive(Debug, Clone, Default)]
pub struct CheckQuery {
    /// Of this node.
    pub node: Option<NodeUuid>,
    /// Also what is as expected.
    pub all: bool,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Compare the whole fleet (a swap needs both ends), and give a page of what is asked for.
pub async fn check(app: &App, query: CheckQuery) -> Result<Page<CablingFinding>> {
    let from = position(query.cursor.as_deref())?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let findings = match &query.node {
                Some(uuid) => {
                    let node = super::nodes::find(tx, uuid)?;
                    of_node(tx, &node)?
                }
                None => {
                    let rows = tx.expected(0, import::ROWS_MAX)?;
                    compare(&resolved(tx, rows)?, &all_links(tx)?)
                }
            };
            let mut wanted = findings.iter().filter(|f| query.all || f.verdict != Verdict::Ok).skip(from);
            let items = wanted.by_ref().take(limit).map(|f| told(tx, f)).collect::<Result<Vec<CablingFinding>>>()?;
            Ok(Page { items, next: wanted.next().map(|_| (from + limit).to_string()) })
        })
        .await
}

/// With the host name of a node that no row names.
fn told(tx: &mut Tx<'_>, finding: &Finding) -> Result<CablingFinding> {
    let called = match &finding.node {
        Some(node) if finding.called.is_empty() => tx.node(node)?.map(|n| n.hostname.to_string()).unwrap_or_default(),
        _ => finding.called.clone(),
    };
    Ok(CablingFinding {
        verdict: finding.verdict.to_string(),
        node: finding.node.as_ref().map(ToString::to_string),
        called,
        nic: finding.nic.clone(),
        mac: finding.mac.as_ref().map(ToString::to_string),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
        with: finding.with.clone(),
    })
}

fn actual(row: LinkRow) -> Actual {
    Actual {
        node: row.link.node,
        mac: row.link.mac,
        interface: row.link.interface,
        chassis_id: row.link.place.chassis_id,
        switch_name: row.switch_name,
        port_id: row.link.place.port_id,
        port_description: row.port_description,
    }
}

fn all_links(tx: &mut Tx<'_>) -> Result<Vec<Actual>> {
    let filter = LinkFilter { present: true, ..LinkFilter::default() };
    Ok(tx.links(&filter, None, LINKS_MAX)?.into_iter().map(actual).collect())
}

fn links_of(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<Vec<Actual>> {
    let filter = LinkFilter { node: Some(node.clone()), present: true, ..LinkFilter::default() };
    Ok(tx.links(&filter, None, LINKS_MAX)?.into_iter().map(actual).collect())
}

/// All rows with the nodes and NICs that they mean; a name that two nodes have means none.
fn resolved(tx: &mut Tx<'_>, rows: Vec<Row>) -> Result<Vec<Expected>> {
    let (mut by_name, mut by_serial, mut uuids) = (HashMap::new(), HashMap::new(), BTreeSet::new());
    for (uuid, name, serial) in tx.node_names()? {
        by_name.entry(name).and_modify(|n| *n = None).or_insert(Some(uuid.clone()));
        by_serial.entry(serial).and_modify(|n| *n = None).or_insert(Some(uuid.clone()));
        uuids.insert(uuid);
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let named = row.node.parse::<NodeUuid>().ok().filter(|uuid| uuids.contains(uuid));
        let node = match row.node.is_empty() {
            true => by_serial.get(&row.serial).cloned().flatten(),
            false => named.or_else(|| by_name.get(&row.node).cloned().flatten()),
        };
        found.push(with_nic(tx, row, node)?);
    }
    Ok(found)
}

fn with_nic(tx: &mut Tx<'_>, row: Row, node: Option<NodeUuid>) -> Result<Expected> {
    let numbered: Option<Mac> = match (&node, row.nic.parse::<usize>()) {
        (Some(node), Ok(number)) if number > 0 => tx.nics(node)?.get(number - 1).and_then(|(_, mac)| mac.parse().ok()),
        _ => None,
    };
    Ok(Expected { row, node, numbered })
}

/// What concerns one node: its own rows, and those of the nodes that it may be exchanged with.
fn of_node(tx: &mut Tx<'_>, node: &Node) -> Result<Vec<Finding>> {
    let own = tx.expected_of(&node.uuid, node.hostname.as_str(), &node.serial)?;
    let mut links = links_of(tx, &node.uuid)?;
    let mut rows = Vec::new();
    for row in own {
        // A host name or serial number of two nodes means neither.
        let alone = row.node == node.uuid.as_str() || tx.nodes_named(&row.node, &row.serial)?.len() == 1;
        rows.push(with_nic(tx, row, alone.then(|| node.uuid.clone()))?);
    }
    let mut others = BTreeSet::new();
    for link in links.clone() {
        let wanting = tx.expected_at([&link.switch_name, &link.chassis_id], [&link.port_id, &link.port_description])?;
        for row in wanting {
            if rows.iter().any(|own: &Expected| own.row == row) {
                continue;
            }
            let other = match row.node.parse::<NodeUuid>() {
                Ok(uuid) => Some(uuid),
                Err(_) => match &tx.nodes_named(&row.node, &row.serial)?[..] {
                    [one] => Some(one.clone()),
                    _ => None,
                },
            };
            if let Some(other) = other.filter(|other| *other != node.uuid) {
                rows.push(with_nic(tx, row, Some(other.clone()))?);
                others.insert(other);
            }
        }
    }
    for other in &others {
        links.extend(links_of(tx, other)?);
    }
    if rows.is_empty() && !tx.expected(0, 1)?.is_empty() {
        // Nothing is said about this node, but about others: what it hears is unexpected.
        rows.extend(tx.expected(0, 1)?.into_iter().map(|row| Expected { row, node: None, numbered: None }));
    }
    let mut findings = compare(&rows, &links);
    findings.retain(|f| f.node.as_ref() == Some(&node.uuid));
    Ok(findings)
}

/// Tell what is wrong with a node's cables, and what is right again.
pub(super) fn check_node(tx: &mut Tx<'_>, node: &Node, now: Micros) -> Result<()> {
    let wrong: Vec<_> = of_node(tx, node)?.iter().filter_map(notice).collect();
    for subject in tx.warned_subjects(&node.uuid, Kind::Cabling)? {
        if subject.starts_with(SUBJECT) && !wrong.iter().any(|notice| notice.subject == subject) {
            tx.clear_subject(&node.uuid, &subject, now)?;
        }
    }
    wrong.iter().try_for_each(|notice| raise(tx, &node.uuid, notice, now))
}

/// The same for all nodes, after an import.
fn tell_all(tx: &mut Tx<'_>, findings: &[Finding], now: Micros) -> Result<()> {
    let wrong: Vec<_> = findings.iter().filter_map(|f| Some((f.node.clone()?, notice(f)?))).collect();
    let still: BTreeSet<(&NodeUuid, &str)> = wrong.iter().map(|(node, n)| (node, n.subject.as_str())).collect();
    for (node, subject) in tx.nodes_with_subjects(SUBJECT)? {
        if !still.contains(&(&node, subject.as_str())) {
            tx.clear_subject(&node, &subject, now)?;
        }
    }
    wrong.iter().try_for_each(|(node, notice)| raise(tx, node, notice, now))
}
