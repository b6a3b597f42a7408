//! `/nodes/{uuid}`: one node. Its state and why, what it should be (with the forms), the present boot as a picture, what
//! it is made of, where it is cabled to, and its earlier boots. `?boot=` shows an earlier one; `?fragment=1` the live part.

use super::asked::AskedRow;
use super::bmc::{self, BmcView};
use super::events::NoticeRow;
use super::history::VersionRow;
use super::identity::IdentityView;
use super::inventory::{self, Fact, Table};
use super::node_cabling::{self, Cabling, CablingData};
use super::node_disk::{self, DiskFact};
use super::timeline::Timeline;
use super::{PageError, Shell, firmware, fleet, html, human};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::State;
use crate::http::failure::Failure;
use crate::service::node_events::{self, NodeEventQuery};
use crate::service::{App, boots, drift, firmware as firmware_cases, history, nodes};
use crate::store::NodeEventFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use higuma_proto::api::{
    BmcDetail, BootDetail, BootSummary, InventoryVersion, NodeDetail, NodeDrift, NodeEvent, NodeFirmware,
    PlanDifference,
};
use serde::Deserialize;

/// Earlier boots on the page.
const EARLIER: usize = 20;

/// Events and inventory versions on the page.
const HISTORY: usize = 10;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodePageQuery {
    boot: String,
    done: Option<String>,
    fragment: Option<String>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<String>,
    query: web::Query<NodePageQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let (app, uuid): (_, NodeUuid) = (&state.app, path.parse()?);
    let mut data = load(app, uuid).await?;
    // A name that was merged into another shows that one.
    let uuid = data.node.summary.uuid.clone();
    if !query.boot.is_empty() {
        let boot = boots::show(app, &query.boot).await?;
        if boot.summary.node != uuid {
            return Err(Error::NotFound(format!("node {uuid} has no boot {}", boot.summary.id)).into());
        }
        data.node.boot = Some(boot);
    }
    let shell = Shell::new(data.node.summary.hostname.clone(), &req, query.done.as_deref());
    let view = NodePage::new(shell, data, app.now(), None);
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

/// The page with the error of a form, and its status.
pub(super) async fn with_error(
    app: &App,
    uuid: NodeUuid,
    req: &HttpRequest,
    error: Error,
) -> std::result::Result<HttpResponse, PageError> {
    let data = load(app, uuid).await?;
    let shell = Shell::new(data.node.summary.hostname.clone(), req, None);
    let view = NodePage::new(shell, data, app.now(), Some(error.to_string()));
    Ok(html(Failure(error).status_code(), &view))
}

/// What the page shows.
pub(super) struct NodeData {
    pub node: NodeDetail,
    pub profiles: Vec<String>,
    pub earlier: Vec<BootSummary>,
    pub firmware: Option<NodeFirmware>,
    pub cabling: CablingData,
    pub events: Vec<NodeEvent>,
    pub versions: Vec<InventoryVersion>,
    pub bmc: Option<BmcDetail>,
    pub drift: Option<NodeDrift>,
}

async fn load(app: &App, uuid: NodeUuid) -> Result<NodeData> {
    let node = nodes::show(app, uuid).await?;
    let uuid: NodeUuid = node.summary.uuid.parse()?;
    let profiles = fleet::profile_names(app).await?;
    let cabling = node_cabling::load(app, &uuid).await?;
    let earlier = boots::list(app, uuid.clone(), None, Some(EARLIER)).await?.items;
    let firmware = Some(firmware_cases::show(app, uuid.clone()).await?);
    let filter = NodeEventFilter { node: Some(uuid.clone()), ..NodeEventFilter::default() };
    let query = NodeEventQuery { filter, cursor: None, limit: Some(HISTORY) };
    let events = node_events::list(app, query).await?.items;
    let bmc = bmc::load(app, &uuid).await?;
    let drift = Some(drift::show(app, uuid.clone()).await?);
    let versions = history::list(app, uuid, None, Some(HISTORY)).await?.items;
    Ok(NodeData { node, profiles, earlier, firmware, cabling, events, versions, bmc, drift })
}

#[derive(Template)]
#[template(path = "node.html", blocks = ["live"])]
struct NodePage {
    shell: Shell,
    error: Option<String>,
    uuid: String,
    hostname: String,
    cluster: String,
    tags: Vec<String>,
    by_rules: String,
    state: String,
    reason: String,
    trouble: bool,
    ago: String,
    seen: String,
    first_seen: String,
    boot_mac: String,
    admission: String,
    admitted_by: Option<String>,
    /// Without a pin; empty: none.
    profile: String,
    profiles: Vec<Choice>,
    maintenance: bool,
    retired: bool,
    identity: IdentityView,
    disk: Vec<DiskFact>,
    facts: Vec<Fact>,
    tables: Vec<Table>,
    neighbours: Table,
    cabling: Cabling,
    inventory: bool,
    boot: Option<BootView>,
    no_boot: Vec<AskedRow>,
    boots: Vec<BootRow>,
    firmware: Option<firmware::NodeView>,
    events: Vec<NoticeRow>,
    versions: Vec<VersionRow>,
    bmc: Option<BmcView>,
    drift: Option<DriftView>,
    fallback: Option<FallbackView>,
}

/// It gets what it ran last.
struct FallbackView {
    from: String,
    to: String,
    since: String,
    ago: String,
}

/// What a reboot would change.
struct DriftView {
    words: &'static str,
    would: String,
    differences: Vec<PlanDifference>,
    more: bool,
}

impl DriftView {
    /// None: it would change nothing.
    fn new(drift: NodeDrift) -> Option<Self> {
        let words = match drift.drift.as_str() {
            "changed" if drift.fallback.is_some() => {
                "It does not run what it should, and a reboot alone does not change that."
            }
            "changed" => "A reboot changes this node.",
            "unplanned" => "A reboot leaves this node without a system.",
            _ => return None,
        };
        let would =
            drift.would.map(|plan| format!("{} revision {}, image {}", plan.profile, plan.revision, plan.image));
        Some(Self {
            words,
            would: would.or(drift.reason).unwrap_or_default(),
            differences: drift.differences,
            more: drift.more,
        })
    }
}

struct Choice {
    name: String,
    selected: bool,
}

struct BootView {
    id: String,
    phase: String,
    what: String,
    os: String,
    started: String,
    took: String,
    failure: String,
    timeline: Option<Timeline>,
    events: Vec<EventRow>,
    asked: Vec<AskedRow>,
}

struct EventRow {
    at: String,
    step: String,
    state: String,
    message: String,
}

struct BootRow {
    id: String,
    shown: bool,
    started: String,
    phase: String,
    what: String,
    took: String,
    reason: String,
}

impl NodePage {
    fn new(shell: Shell, data: NodeData, now: Micros, error: Option<String>) -> Self {
        let NodeData { node, profiles, earlier, firmware, cabling, events, versions, bmc, drift } = data;
        let (summary, stored) = (node.summary, node.inventory.unwrap_or_default());
        let profile = summary.assignment();
        // A pin is kept by a form that is sent as it is.
        let pinned = summary.profile_revision.map(|_| profile.clone());
        let mut boot = node.boot.map(|b| BootView::new(&b, now));
        if let Some(boot) = boot.as_mut().filter(|b| b.phase == "running" && summary.lifecycle == "failed") {
            // It came up; its heartbeat has ended since, as the page's first line says.
            boot.phase = "failed".to_owned();
        }
        let shown = boot.as_ref().map(|b| b.id.clone()).unwrap_or_default();
        Self {
            shell,
            error,
            identity: IdentityView::new(&summary, node.identity),
            uuid: summary.uuid,
            hostname: summary.hostname,
            cluster: summary.cluster.unwrap_or_default(),
            tags: summary.tags,
            by_rules: node
                .by_rules
                .iter()
                .map(|(what, rule)| format!("{what} by {rule}"))
                .collect::<Vec<_>>()
                .join(", "),
            trouble: summary.lifecycle == "failed" || summary.fallback.is_some(),
            fallback: summary.fallback.as_ref().map(|f| FallbackView {
                since: human::absolute(f.since_us),
                ago: human::ago(f.since_us, now),
                from: f.from.clone(),
                to: f.to.clone(),
            }),
            state: summary.lifecycle,
            // Its own box says it with more words.
            reason: summary
                .reason
                .filter(|reason| !summary.fallback.as_ref().is_some_and(|f| reason.starts_with(&f.from)))
                .unwrap_or_default(),
            ago: human::ago(summary.last_seen_us, now),
            seen: human::absolute(summary.last_seen_us),
            first_seen: human::absolute(summary.first_seen_us),
            boot_mac: summary.boot_mac.unwrap_or_default(),
            admission: summary.admission,
            admitted_by: summary.admitted_by,
            profile: summary.profile.unwrap_or_default(),
            profiles: pinned
                .into_iter()
                .chain(profiles)
                .map(|name| Choice { selected: name == profile, name })
                .collect(),
            maintenance: node.maintenance,
            retired: node.retired,
            bmc: bmc.map(|bmc| BmcView::new(&bmc, stored.boot_mode == "uefi", now)),
            disk: node_disk::facts(&node.disk, now),
            facts: inventory::facts(&stored),
            tables: inventory::tables(&stored),
            cabling: Cabling::new(cabling, now),
            neighbours: inventory::neighbours(&node.neighbours),
            inventory: node.inventory_hash.is_some(),
            boot,
            no_boot: node.no_boot.iter().map(AskedRow::new).collect(),
            drift: drift.and_then(DriftView::new),
            firmware: firmware.and_then(firmware::NodeView::new),
            events: events.iter().map(|event| NoticeRow::new(event, now, false)).collect(),
            versions: versions.iter().map(VersionRow::new).collect(),
            boots: earlier.iter().map(|b| BootRow::new(b, b.id == shown)).collect(),
        }
    }

    fn may_approve(&self) -> bool {
        self.admission != "admitted" && !self.retired
    }

    fn may_reject(&self) -> bool {
        self.admission != "rejected" && !self.retired
    }
}

fn what(boot: &BootSummary) -> String {
    match (&boot.profile, boot.revision, &boot.image) {
        (Some(profile), Some(revision), Some(image)) => format!("{profile} revision {revision}, image {image}"),
        (Some(profile), ..) => profile.clone(),
        _ => String::new(),
    }
}

fn took(boot: &BootSummary) -> String {
    boot.up_us.map(|up| human::duration(up.saturating_sub(boot.started_us))).unwrap_or_default()
}

fn failure(boot: &BootSummary) -> String {
    match (&boot.failed_step, &boot.failed_reason) {
        (Some(step), Some(reason)) => format!("{step}: {reason}"),
        (Some(step), None) => step.clone(),
        _ => String::new(),
    }
}

impl BootView {
    fn new(boot: &BootDetail, now: Micros) -> Self {
        Self {
            id: boot.summary.id.clone(),
            phase: boot.summary.phase.clone(),
            what: what(&boot.summary),
            os: boot.summary.os.clone().unwrap_or_default(),
            started: human::absolute(boot.summary.started_us),
            took: took(&boot.summary),
            failure: failure(&boot.summary),
            timeline: Timeline::of(boot, now),
            asked: boot.exchanges.iter().map(AskedRow::new).collect(),
            events: boot
                .events
                .iter()
                .map(|e| EventRow {
                    at: human::clock(e.at_us),
                    step: e.step.clone(),
                    state: e.state.clone(),
                    message: e.message.clone(),
                })
                .collect(),
        }
    }
}

impl BootRow {
    fn new(boot: &BootSummary, shown: bool) -> Self {
        Self {
            id: boot.id.clone(),
            shown,
            started: human::absolute(boot.started_us),
            phase: boot.phase.clone(),
            what: what(boot),
            took: took(boot),
            reason: failure(boot),
        }
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
pub(super) mod tests;
