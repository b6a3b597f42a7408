//! `/`: the fleet. How many nodes are in which state, why the server is not ready, and the nodes with what they do now;
//! a node that waits for a person has its form in its row. `?fragment=1` gives the live part alone.

use super::bmc::PowerView;
use super::events::NoticeRow;
use super::firmware::{self, FleetWord};
use super::{PageError, Shell, html, human};
use crate::domain::bmc::Bmc;
use crate::domain::drift::Drift;
use crate::domain::select::Selector;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::{State, degraded, own_reasons};
use crate::service::nodes::NodeQuery;
use crate::service::{App, drift, fallback, node_events, nodes, profiles, status};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{NodeEvent, NodeSummary, Page, Status};
use serde::Deserialize;

/// Open events on the page.
const EVENTS: usize = 5;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct FleetQuery {
    lifecycle: String,
    drift: String,
    q: String,
    #[serde(rename = "where")]
    wanted: String,
    cursor: String,
    done: Option<String>,
    fragment: Option<String>,
}

impl FleetQuery {
    /// Query string of this view with another lifecycle and cursor.
    fn with(&self, lifecycle: &str, cursor: &str) -> String {
        self.with_drift(&self.drift, lifecycle, cursor)
    }

    fn with_drift(&self, drift: &str, lifecycle: &str, cursor: &str) -> String {
        [
            ("lifecycle", lifecycle),
            ("drift", drift),
            ("q", self.q.as_str()),
            ("where", self.wanted.as_str()),
            ("cursor", cursor),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", human::url_value(value)))
        .collect::<Vec<_>>()
        .join("&")
    }

    /// A job for what this view shows; with a search text there is no expression for that.
    fn act(&self, shown: usize, more: bool) -> Option<(String, String)> {
        let wanted = self.wanted.trim();
        if wanted.is_empty() || !self.q.trim().is_empty() || (shown == 0 && !more) {
            return None;
        }
        let wanted = match self.lifecycle.as_str() {
            "" => wanted.to_owned(),
            state => format!("({wanted}) && node.lifecycle == \"{state}\""),
        };
        let words = match (shown, more) {
            (_, true) => "Power… all nodes that match".to_owned(),
            (1, false) => "Power… this node".to_owned(),
            (n, false) => format!("Power… these {n} nodes"),
        };
        Some((format!("/jobs/new?where={}", human::url_value(&wanted)), words))
    }

    fn parsed(&self) -> Result<NodeQuery> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(NodeQuery {
            lifecycle: some(&self.lifecycle).map(|word| word.parse()).transpose()?,
            drift: some(&self.drift).map(|word| word.parse()).transpose()?,
            text: some(self.q.trim()),
            profile: None,
            selector: None,
            cursor: some(&self.cursor).map(|uuid| uuid.parse()).transpose()?,
            limit: None,
        })
    }
}

/// Where a form of the fleet page leads back to. `back` is read and written anew, so it can only be a view of ours.
pub(super) fn location(back: &str, done: &str) -> String {
    let query = web::Query::<FleetQuery>::from_query(back).map(web::Query::into_inner).unwrap_or_default();
    match query.with(&query.lifecycle, &query.cursor) {
        same if same.is_empty() => format!("/?done={done}"),
        same => format!("/?{same}&done={done}"),
    }
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<FleetQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let query = query.into_inner();
    let app = &state.app;
    let (page, wrong) = match found(app, &query).await {
        Ok(page) => (page, None),
        // Told beside the field; the page stays.
        Err(Error::BadRequest(message)) if !query.wanted.trim().is_empty() => {
            (Page { items: Vec::new(), next: None }, Some(message))
        }
        Err(error) => return Err(error.into()),
    };
    let bmcs = bmcs_of(app, &page).await?;
    let status = status::status(app, own_reasons(&state).await, degraded(&state)).await?;
    let profiles = profile_names(app).await?;
    let shell = Shell::new("Fleet", &req, query.done.as_deref());
    let events = node_events::foremost(app, EVENTS).await?;
    let mut view = FleetPage::new(shell, &query, status, page, profiles, events, app.now());
    view.powered(&bmcs, app.now());
    view.firmware = firmware::fleet_words(app).await?;
    view.drift = drift_words(app, &query).await?;
    view.fallback = fallback_word(app).await?;
    view.wrong = wrong;
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

/// How many nodes a reboot would change, or leave without a system.
async fn drift_words(app: &App, query: &FleetQuery) -> Result<Vec<FleetWord>> {
    let counts = drift::counts(app).await?;
    let word = |drift: Drift, what: &str, bad| {
        let count = counts.get(drift.as_str()).copied().filter(|count| *count > 0)?;
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        let href = format!("/?{}", query.with_drift(drift.as_str(), "", ""));
        Some(FleetWord { text: format!("{what} {nodes}"), href, bad })
    };
    let words =
        [word(Drift::Changed, "would change", false), word(Drift::Unplanned, "would leave without a system", true)];
    Ok(words.into_iter().flatten().collect())
}

/// How many nodes get what they ran last, since what they should run failed.
async fn fallback_word(app: &App) -> Result<Option<FleetWord>> {
    let text = match fallback::count(app).await? {
        0 => return Ok(None),
        1 => "1 node, whose revision failed to boot".to_owned(),
        count => format!("{count} nodes, whose revisions failed to boot"),
    };
    let href = format!("/?where={}", human::url_value("node.fallback != \"\""));
    Ok(Some(FleetWord { text, href, bad: true }))
}

async fn found(app: &App, query: &FleetQuery) -> Result<Page<NodeSummary>> {
    let mut parsed = query.parsed()?;
    parsed.selector = match query.wanted.trim() {
        "" => None,
        text => Some(Selector::compile(text)?),
    };
    nodes::list(app, parsed).await
}

/// The BMCs of a page's nodes.
async fn bmcs_of(app: &App, page: &Page<NodeSummary>) -> Result<Vec<Bmc>> {
    let nodes: Vec<NodeUuid> =
        page.items.iter().map(|node| node.uuid.parse()).collect::<std::result::Result<_, _>>()?;
    app.store.read(move |tx| tx.bmcs_of(&nodes)).await
}

/// Names for the select boxes: the first 500.
pub(super) async fn profile_names(app: &App) -> Result<Vec<String>> {
    let page = profiles::list(app, None, Some(nodes::PAGE_MAX)).await?;
    Ok(page.items.into_iter().map(|p| p.spec.name).collect())
}

#[derive(Template)]
#[template(path = "fleet.html", blocks = ["live"])]
struct FleetPage {
    shell: Shell,
    reasons: Vec<String>,
    degraded: Vec<String>,
    tiles: Vec<Tile>,
    firmware: Vec<FleetWord>,
    /// Nodes that a reboot would change.
    drift: Vec<FleetWord>,
    /// Nodes that get what they ran last.
    fallback: Option<FleetWord>,
    lifecycle: String,
    drifted: String,
    q: String,
    wanted: String,
    /// What does not fit in the expression.
    wrong: Option<String>,
    back: String,
    /// A job for all that the expression holds for: its address and its words.
    act: Option<(String, String)>,
    events: Vec<NoticeRow>,
    more_events: bool,
    rows: Vec<Row>,
    profiles: Vec<String>,
    found: String,
    empty: bool,
    /// Nodes exist, but none that matches.
    no_match: bool,
    first: Option<String>,
    next: Option<String>,
}

struct Tile {
    word: String,
    count: u64,
    href: String,
    active: bool,
}

struct Row {
    uuid: String,
    short: String,
    hostname: String,
    state: String,
    hardware: String,
    serial: String,
    profile: String,
    /// A reboot would change it: in words; empty: it would not.
    drift: &'static str,
    doing: String,
    trouble: bool,
    conflict: String,
    /// It gets what it ran last: why; empty: it does not.
    fallback: String,
    /// "2 events", or nothing.
    events: String,
    ago: String,
    seen: String,
    /// None: no BMC is known.
    power: Option<PowerView>,
    form: RowForm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RowForm {
    None,
    Approve,
    Assign,
}

impl FleetPage {
    fn new(
        shell: Shell,
        query: &FleetQuery,
        status: Status,
        page: Page<NodeSummary>,
        profiles: Vec<String>,
        (events, more_events): (Vec<NodeEvent>, bool),
        now: Micros,
    ) -> Self {
        let total: u64 = status.nodes.values().sum();
        let tile = |word: &str, count| Tile {
            word: if word.is_empty() { "all".to_owned() } else { word.to_owned() },
            count,
            href: format!("/?{}", query.with(word, "")),
            active: word == query.lifecycle,
        };
        let words = crate::domain::lifecycle::Lifecycle::ALL.map(|l| l.as_str());
        let tiles = std::iter::once(tile("", total))
            .chain(words.map(|word| tile(word, status.nodes.get(word).copied().unwrap_or(0))))
            .collect();
        let shown = page.items.len();
        let more = page.next.is_some() || !query.cursor.is_empty();
        Self {
            shell,
            reasons: status.reasons,
            degraded: status.degraded,
            tiles,
            firmware: Vec::new(),
            drift: Vec::new(),
            fallback: None,
            lifecycle: query.lifecycle.clone(),
            drifted: query.drift.clone(),
            q: query.q.clone(),
            wanted: query.wanted.clone(),
            wrong: None,
            act: query.act(shown, more),
            back: query.with(&query.lifecycle, &query.cursor),
            events: events.iter().map(|event| NoticeRow::new(event, now, true)).collect(),
            more_events,
            rows: page.items.iter().map(|node| Row::new(node, now)).collect(),
            profiles,
            found: match (shown, more) {
                (1, false) => "1 node".to_owned(),
                (n, false) => format!("{n} nodes"),
                (n, true) => format!("{n} nodes on this page"),
            },
            empty: total == 0,
            no_match: total > 0 && shown == 0 && page.next.is_none(),
            first: (!query.cursor.is_empty()).then(|| format!("/?{}", query.with(&query.lifecycle, ""))),
            next: page.next.map(|cursor| format!("/?{}", query.with(&query.lifecycle, &cursor))),
        }
    }
}

impl FleetPage {
    fn powered(&mut self, bmcs: &[Bmc], now: Micros) {
        for row in &mut self.rows {
            let bmc = bmcs.iter().find(|bmc| bmc.node.as_str() == row.uuid);
            row.power = bmc.map(|bmc| PowerView::new(bmc.power.as_str(), bmc.power_at, now));
        }
    }
}

impl Row {
    fn new(node: &NodeSummary, now: Micros) -> Self {
        let form = match (node.admission.as_str(), node.lifecycle.as_str()) {
            ("pending", "discovered") => RowForm::Approve,
            (_, "ready") => RowForm::Assign,
            _ => RowForm::None,
        };
        Self {
            short: format!("…{}", node.uuid.rsplit('-').next().unwrap_or(&node.uuid)),
            uuid: node.uuid.clone(),
            hostname: node.hostname.clone(),
            state: node.lifecycle.clone(),
            hardware: format!("{} {}", node.manufacturer, node.product).trim().to_owned(),
            serial: node.serial.clone(),
            profile: node.assignment(),
            drift: match node.drift.as_deref() {
                Some("changed") => "changes at reboot",
                Some("unplanned") => "nothing to boot again",
                _ => "",
            },
            doing: match (&node.reason, &node.step) {
                (Some(reason), _) => reason.clone(),
                (None, Some(step)) if node.lifecycle == "booting" => format!("step {step}"),
                _ => String::new(),
            },
            trouble: node.lifecycle == "failed" || node.fallback.is_some(),
            fallback: node.fallback.as_ref().map(|f| format!("{} failed to boot", f.from)).unwrap_or_default(),
            conflict: node.conflict.clone().unwrap_or_default(),
            events: match node.open_events {
                0 => String::new(),
                1 => "1 event".to_owned(),
                n => format!("{n} events"),
            },
            ago: human::ago(node.last_seen_us, now),
            seen: human::absolute(node.last_seen_us),
            power: None,
            form,
        }
    }

    fn approves(&self) -> bool {
        self.form == RowForm::Approve
    }

    fn assigns(&self) -> bool {
        self.form == RowForm::Assign
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
pub(in crate::web) mod tests;
