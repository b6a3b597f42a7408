//! People look at how nodes stand with the firmware rules, and clear what was tried.

use super::{Judged, judge, reassess, refresh_stored, rules_now};
use crate::domain::NodeUuid;
use crate::domain::firmware::{Assessed, Attempt, Rule, Standing, State, TRIES, Verdict, standing};
use crate::error::Result;
use crate::service::App;
use crate::service::nodes::{not_found, page_limit};
use crate::store::Tx;
use higuma_proto::api::{FirmwareAttempt, FirmwareCompliance, FirmwareComponent, FirmwareNode, NodeFirmware, Page};

/// Attempts shown of one node.
const SHOWN: usize = 50;

/// Which nodes.
#[derive(Debug, Clone, Default)]
pub struct NodesQuery {
    /// That stand so.
    pub state: Option<State>,
    /// After this node.
    pub cursor: Option<NodeUuid>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Nodes by state; every word is there.
pub async fn compliance(app: &App) -> Result<FirmwareCompliance> {
    let counts = app.store.read(|tx| tx.firmware_counts()).await?;
    let count = |state: State| counts.iter().find(|c| c.state == state).map_or(0, |c| c.nodes);
    Ok(FirmwareCompliance { nodes: State::ALL.into_iter().map(|s| (s.to_string(), count(s))).collect() })
}

/// A page of nodes, in order of UUID.
pub async fn nodes(app: &App, query: NodesQuery) -> Result<Page<FirmwareNode>> {
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut rows = tx.nodes_by_firmware(query.state, query.cursor.as_ref(), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|row| row.node.to_string());
            let items = rows.into_iter().map(|row| in_list(&row.node, row.hostname, row.standing)).collect();
            Ok(Page { items, next })
        })
        .await
}

/// One node: its parts by the rules as they are now, and what was tried.
pub async fn show(app: &App, uuid: NodeUuid) -> Result<NodeFirmware> {
    app.store.read(move |tx| of_node(tx, &uuid)).await
}

/// What was tried counts no more: an update that failed is tried again at the next boot, or now if the node is held.
pub async fn retry(app: &App, uuid: NodeUuid) -> Result<NodeFirmware> {
    let now = app.now();
    app.store
        .write(move |tx| {
            tx.node(&uuid)?.ok_or_else(|| not_found(&uuid))?;
            let cleared = tx.clear_firmware_attempts(&uuid, now)?;
            refresh_stored(tx, &uuid, now)?;
            tracing::info!(node = %uuid, cleared, "node {uuid}: {cleared} firmware attempts do not count any more");
            of_node(tx, &uuid)
        })
        .await
}

fn of_node(tx: &mut Tx<'_>, uuid: &NodeUuid) -> Result<NodeFirmware> {
    let node = tx.node(uuid)?.ok_or_else(|| not_found(uuid))?;
    let rules = rules_now(tx)?;
    let components = reassess::stored_components(tx, uuid)?.unwrap_or_default();
    let Judged { assessed, decision, newest } = judge(tx, uuid, &rules, &components)?;
    let is = standing(&rules.list, &assessed, &decision, newest.as_ref());
    let attempts = tx.firmware_attempts(uuid, SHOWN)?;
    Ok(NodeFirmware {
        node: in_list(uuid, node.hostname.to_string(), is),
        components: assessed.iter().map(|one| component(one, &rules.list)).collect(),
        attempts: attempts.into_iter().map(attempt).collect(),
    })
}

fn in_list(uuid: &NodeUuid, hostname: String, standing: Standing) -> FirmwareNode {
    FirmwareNode {
        uuid: uuid.to_string(),
        hostname,
        state: standing.state.to_string(),
        action: standing.action.to_string(),
        reason: standing.reason,
    }
}

fn component(one: &Assessed, rules: &[Rule]) -> FirmwareComponent {
    let (verdict, index, tried) = match one.verdict {
        Verdict::NoRule => ("no-rule", None, 0),
        Verdict::Compliant(index) => ("compliant", Some(index), 0),
        Verdict::Differs(index, tried) => ("differs", Some(index), tried.min(TRIES)),
        Verdict::Unknown(index) => ("unknown", Some(index), 0),
    };
    let rule = index.and_then(|index| rules.get(index));
    FirmwareComponent {
        component: one.component.kind.to_string(),
        subject: one.component.subject.clone(),
        vendor: one.component.vendor.clone(),
        model: one.component.model.clone(),
        version: one.component.version.clone(),
        verdict: verdict.to_owned(),
        rule: rule.map(|rule| rule.name.to_string()),
        wanted: rule.map(|rule| rule.wanted.clone()),
        mode: rule.map(|rule| rule.mode.to_string()),
        tried,
    }
}

fn attempt(attempt: Attempt) -> FirmwareAttempt {
    let (reported_us, exit, output) = match attempt.report {
        Some(report) => (Some(report.at), report.exit, report.output),
        None => (None, String::new(), String::new()),
    };
    FirmwareAttempt {
        id: attempt.id.to_string(),
        boot: attempt.boot.to_string(),
        rule: attempt.rule.to_string(),
        component: attempt.kind.to_string(),
        subject: attempt.subject,
        wanted: attempt.wanted,
        n: attempt.n,
        before: attempt.before,
        after: attempt.after,
        started_us: attempt.started,
        reported_us,
        exit,
        output,
        ended_us: attempt.ended.map(|(at, _)| at),
        outcome: attempt.ended.map(|(_, outcome)| outcome.to_string()),
        cleared_us: attempt.cleared,
    }
}
