//! What was noticed of nodes: told once, shown until it is put right or a person has seen it.

use super::nodes::page_limit;
use super::{App, wire};
use crate::domain::node_event::{self as domain, Kind, Notice, Severity};
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{NodeEventCount, NodeEventFilter, Tx};
use higuma_proto::api::{NodeEvent, Page};
use uuid::Uuid;

/// Cleared events kept of one node.
const KEPT: usize = 200;

/// Which events a person wants to see.
#[derive(Debug, Clone, Default)]
pub struct NodeEventQuery {
    /// Which.
    pub filter: NodeEventFilter,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Newest first.
pub async fn list(app: &App, query: NodeEventQuery) -> Result<Page<NodeEvent>> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    let before = query.cursor.map(|c| c.parse::<Uuid>().map_err(|_| bad(&c))).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut events = tx.node_events(&query.filter, before, limit + 1)?;
            let more = events.len() > limit;
            events.truncate(limit);
            let next = events.last().filter(|_| more).map(|e| e.id.to_string());
            Ok(Page { items: shown(tx, &events)?, next })
        })
        .await
}

/// With the names of the nodes.
fn shown(tx: &mut Tx<'_>, events: &[domain::NodeEvent]) -> Result<Vec<NodeEvent>> {
    let names = tx.hostnames(events.iter().map(|e| e.node.as_str()))?;
    let name = |event: &domain::NodeEvent| names.get(event.node.as_str()).map(String::as_str).unwrap_or_default();
    Ok(events.iter().map(|event| wire::node_event(event, name(event))).collect())
}

/// The open events that matter most: alarms, then warnings, then the rest, each newest first; and whether there are more.
pub async fn foremost(app: &App, limit: usize) -> Result<(Vec<NodeEvent>, bool)> {
    app.store
        .read(move |tx| {
            let mut found = Vec::new();
            for severity in [Severity::Alarm, Severity::Warning, Severity::Info] {
                let filter = NodeEventFilter { severity: Some(severity), open: true, ..NodeEventFilter::default() };
                found.extend(tx.node_events(&filter, None, (limit + 1).saturating_sub(found.len()))?);
            }
            let more = found.len() > limit;
            found.truncate(limit);
            Ok((shown(tx, &found)?, more))
        })
        .await
}

fn parse_id(id: &str) -> Result<Uuid> {
    Ok(id.parse().map_err(|_| Invalid::new("event id", crate::domain::ids::UUID_FORM, id))?)
}

/// `by` has seen it. Errors: no such event.
pub async fn acknowledge(app: &App, id: &str, by: &str) -> Result<NodeEvent> {
    let id = parse_id(id)?;
    let (by, now) = (by.to_owned(), app.now());
    let acknowledge = move |tx: &mut Tx<'_>| match tx.acknowledge(id, &by, now)? {
        Some(event) => Ok(shown(tx, &[event])?.pop()),
        None => Ok(None),
    };
    app.store.write(acknowledge).await?.ok_or_else(|| Error::NotFound(format!("there is no node event {id}")))
}

/// `by` has seen all open events of the filter up to `newest` (none: up to now); how many. Errors: an id that is none.
pub async fn acknowledge_all(app: &App, filter: NodeEventFilter, newest: Option<&str>, by: &str) -> Result<u64> {
    /// Events of one transaction: nobody must wait long for the writer.
    const BATCH: usize = 500;
    let newest = newest.map_or_else(|| Ok(Uuid::now_v7()), parse_id)?;
    let now = app.now();
    let mut all = 0_u64;
    loop {
        let (filter, person) = (filter.clone(), by.to_owned());
        let seen = app.store.write(move |tx| tx.acknowledge_all(&filter, newest, &person, now, BATCH)).await?;
        all = all.saturating_add(seen as u64);
        if seen < BATCH {
            tracing::info!(by, count = all, "{by} has seen {all} events");
            return Ok(all);
        }
    }
}

/// Informations, and what a person has seen, are over after this time; what is wrong all the same is told anew.
const STALE: Micros = 30 * 24 * 3600 * 1_000_000;

/// Let go of stale events: part of the sweep.
pub(super) async fn forget_stale(app: &App) -> Result<usize> {
    const BATCH: usize = 500;
    let now = app.now();
    app.store.write(move |tx| tx.clear_stale_events(now - STALE, now, BATCH)).await
}

/// Open events by kind and severity, zeros included.
pub async fn counts(app: &App) -> Result<Vec<NodeEventCount>> {
    let open = app.store.read(|tx| tx.open_node_events()).await?;
    let kinds = [
        Kind::Hardware,
        Kind::Cabling,
        Kind::Identity,
        Kind::Firmware,
        Kind::Bmc,
        Kind::Address,
        Kind::Rollout,
        Kind::Boot,
    ];
    let severities = [Severity::Info, Severity::Warning, Severity::Alarm];
    let all = kinds.into_iter().flat_map(|kind| severities.map(|severity| (kind, severity)));
    let count = |(kind, severity)| {
        let found = open.iter().find(|c| c.kind == kind && c.severity == severity);
        NodeEventCount { kind, severity, count: found.map_or(0, |c| c.count) }
    };
    Ok(all.map(count).collect())
}

/// Tell `notice` of `node`, as part of a use case's transaction. Nothing happens when it is open already.
pub(super) fn raise(tx: &mut Tx<'_>, node: &NodeUuid, notice: &Notice, now: Micros) -> Result<()> {
    if !tx.raise(Uuid::now_v7(), node, notice, now)? {
        return Ok(());
    }
    tx.prune_node_events(node, KEPT)?;
    let Notice { kind, severity, message, .. } = notice;
    tracing::warn!(%node, %kind, %severity, "node {node}: {message}");
    Ok(())
}

/// Write `notice` of `node` down as over: what is good to know later and asks nothing of anybody. What was open of its
/// subject is over, too.
pub(super) fn record(tx: &mut Tx<'_>, node: &NodeUuid, notice: &Notice, now: Micros) -> Result<()> {
    tx.raise(Uuid::now_v7(), node, notice, now)?;
    tx.clear_subject(node, &notice.subject, now)?;
    tx.prune_node_events(node, KEPT)
}
