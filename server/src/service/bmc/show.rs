//! BMCs as people see them: what is stored, with its age; and what one is asked for now.

use super::contact::{self, contact_and_store, no_address};
use crate::bmc::{BmcError, Talk};
use crate::domain::NodeUuid;
use crate::domain::bmc::{Bmc, BmcState};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::nodes::{self, page_limit};
use higuma_proto::api::{BmcDetail, BmcInfo, BmcLog, BmcLogLine, BmcReading, BmcSummary, Page};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Which BMCs.
#[derive(Debug, Clone, Default)]
pub struct BmcQuery {
    /// Of one state.
    pub state: Option<BmcState>,
    /// `next` of the page before.
    pub cursor: Option<NodeUuid>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A question to a BMC, whole.
pub(super) const QUESTION: Duration = Duration::from_secs(120);

fn summary(bmc: &Bmc, hostname: &str) -> BmcSummary {
    BmcSummary {
        node: bmc.node.to_string(),
        hostname: hostname.to_owned(),
        state: bmc.state.to_string(),
        reason: bmc.reason.clone(),
        protocol: bmc.protocol.to_string(),
        driver: bmc.driver.map(|driver| driver.to_string()),
        address: bmc.address.map(|address| address.to_string()),
        port: bmc.port,
        mac: bmc.mac.clone(),
        firmware: bmc.firmware.clone(),
        power: bmc.power.to_string(),
        power_us: bmc.power_at,
        proven_us: bmc.proven,
        failures: bmc.failures,
    }
}

/// A page by node.
pub async fn list(app: &App, query: BmcQuery) -> Result<Page<BmcSummary>> {
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut bmcs = tx.bmcs(query.state, query.cursor.as_ref(), limit + 1)?;
            let more = bmcs.len() > limit;
            bmcs.truncate(limit);
            let next = bmcs.last().filter(|_| more).map(|bmc| bmc.node.to_string());
            let names = tx.hostnames(bmcs.iter().map(|bmc| bmc.node.as_str()))?;
            let name = |bmc: &Bmc| names.get(bmc.node.as_str()).map(String::as_str).unwrap_or_default();
            Ok(Page { items: bmcs.iter().map(|bmc| summary(bmc, name(bmc))).collect(), next })
        })
        .await
}

/// The record of one. Errors: no such node; nothing is known of its BMC.
pub async fn show(app: &App, node: NodeUuid) -> Result<BmcDetail> {
    detail(app, &stored(app, node).await?).await
}

pub(super) async fn stored(app: &App, node: NodeUuid) -> Result<Bmc> {
    app.store
        .read(move |tx| {
            let node = nodes::find(tx, &node)?.uuid;
            tx.bmc(&node)?.ok_or_else(|| {
                Error::NotFound(format!(
                    "nothing is known of the BMC of node {node}: boot the node once, or set its address"
                ))
            })
        })
        .await
}

pub(super) async fn detail(app: &App, bmc: &Bmc) -> Result<BmcDetail> {
    let key = bmc.node.to_string();
    let names = app.store.read(move |tx| tx.hostnames([key.as_str()].into_iter())).await?;
    let found = bmc.found.as_ref().map(|(json, _)| serde_json::from_str(json)).transpose().map_err(Error::internal)?;
    Ok(BmcDetail {
        summary: summary(bmc, names.values().next().map(String::as_str).unwrap_or_default()),
        guid: bmc.guid.clone(),
        certificate: bmc.certificate.clone(),
        found,
        found_us: bmc.found.as_ref().map(|(_, at)| *at),
        changes: serde_json::from_str(&bmc.changes).map_err(Error::internal)?,
        reported_us: bmc.reported,
        next_us: bmc.is_polled().then_some(bmc.next),
    })
}

/// Log in now. Errors: nothing to log in to.
pub async fn check(app: &App, node: NodeUuid) -> Result<BmcDetail> {
    let bmc = stored(app, node).await?;
    if bmc.address.is_none() {
        return Err(no_address(&bmc.node));
    }
    let (bmc, _) = contact_and_store(app, bmc, None).await?;
    detail(app, &bmc).await
}

pub(super) type Asked<'t, T> = Pin<Box<dyn Future<Output = std::result::Result<T, BmcError>> + Send + 't>>;

/// Ask the BMC itself, in its one session.
pub(super) async fn ask<T>(app: &App, node: NodeUuid, question: impl FnOnce(&mut Talk) -> Asked<'_, T>) -> Result<T> {
    let node = stored(app, node).await?.node;
    let answer = within(app, &node, (QUESTION, BmcError::Silent), question).await?;
    answer.map_err(|error| unavailable(&node, error))
}

/// A BMC that did not do what was asked, with its words.
pub(super) fn unavailable(node: &NodeUuid, why: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("the BMC of node {node}: {why}"))
}

/// As [`ask`], of the record with the key `node`, with the time that it may take, login included, and what it is when the
/// time is over: `Silent` for a question, `Unclear` for what changes something.
pub(super) async fn within<T>(
    app: &App,
    node: &NodeUuid,
    (limit, late): (Duration, fn(String) -> BmcError),
    question: impl FnOnce(&mut Talk) -> Asked<'_, T>,
) -> Result<std::result::Result<T, BmcError>> {
    let asking = async {
        let mut lent = match contact::open(app, node).await? {
            Ok(lent) => lent,
            Err(error) => return Ok(Err(error)),
        };
        let answer = match lent.talk() {
            Ok(talk) => question(talk).await,
            Err(error) => Err(error),
        };
        if matches!(answer, Err(BmcError::Silent(_) | BmcError::Unclear(_))) {
            lent.discard().await;
        }
        Ok::<_, Error>(answer)
    };
    let over = |_| Ok(Err(late(format!("the BMC did not answer within {} s", limit.as_secs()))));
    tokio::time::timeout(limit, asking).await.unwrap_or_else(over)
}

/// What it says of itself, now.
pub async fn info(app: &App, node: NodeUuid) -> Result<BmcInfo> {
    ask(app, node, |talk| {
        Box::pin(async move {
            let (info, power) = (talk.info().await?, talk.power().await?);
            Ok(BmcInfo {
                driver: talk.protocol().to_string(),
                firmware: info.firmware,
                system_uuids: info.uuids,
                power: power.to_string(),
                notes: info.notes,
            })
        })
    })
    .await
}

/// Its sensors, now.
pub async fn sensors(app: &App, node: NodeUuid) -> Result<Page<BmcReading>> {
    let readings = ask(app, node, |talk| Box::pin(talk.sensors())).await?;
    let item = |r: crate::bmc::Reading| BmcReading { name: r.name, value: r.value, unit: r.unit, state: r.state };
    Ok(Page { items: readings.into_iter().map(item).collect(), next: None })
}

/// The newest lines of its event log, now.
pub async fn log(app: &App, node: NodeUuid, limit: Option<usize>) -> Result<BmcLog> {
    let limit = page_limit(limit);
    let log = ask(app, node, move |talk| Box::pin(talk.log(limit))).await?;
    let item = |l: crate::bmc::LogLine| BmcLogLine { id: l.id, at: l.at, message: l.message, severity: l.severity };
    Ok(BmcLog { items: log.lines.into_iter().map(item).collect(), problems: log.problems })
}
