//! `/firmware`: the rules, how many nodes stand in which way, and the nodes of one way. Also the firmware part of a
//! node's page, and the line of the fleet page.

use super::{PageError, Shell, html, human};
use crate::domain::firmware::State as FirmwareState;
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::http::State;
use crate::service::App;
use crate::service::firmware::{self, NodesQuery};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{FirmwareAttempt, FirmwareComponent, FirmwareNode, FirmwareRule, NodeFirmware, Page};
use serde::Deserialize;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FirmwareQuery {
    state: String,
    cursor: String,
    fragment: Option<String>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<FirmwareQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let app = &state.app;
    let wanted: Option<FirmwareState> =
        Some(&query.state).filter(|word| !word.is_empty()).map(|word| word.parse()).transpose()?;
    let cursor: Option<NodeUuid> = Some(&query.cursor).filter(|c| !c.is_empty()).map(|c| c.parse()).transpose()?;
    let rules = firmware::list_rules(app).await?.items;
    let counts = firmware::compliance(app).await?.nodes;
    let nodes = firmware::nodes(app, NodesQuery { state: wanted, cursor, limit: None }).await?;
    let shell = Shell::new("Firmware", &req, None);
    let count = |state: FirmwareState| counts.get(state.as_str()).copied().unwrap_or(0);
    let view = FirmwarePage::new(shell, wanted, rules, count, nodes);
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

#[derive(Template)]
#[template(path = "firmware.html", blocks = ["live"])]
struct FirmwarePage {
    shell: Shell,
    tiles: Vec<Tile>,
    rules: Vec<RuleRow>,
    nodes: Vec<FirmwareNode>,
    next: Option<String>,
}

struct Tile {
    word: &'static str,
    count: u64,
    href: String,
    active: bool,
}

struct RuleRow {
    name: String,
    component: String,
    matches: String,
    wanted: String,
    mode: String,
    runs: String,
}

impl FirmwarePage {
    fn new(
        shell: Shell,
        wanted: Option<FirmwareState>,
        rules: Vec<FirmwareRule>,
        count: impl Fn(FirmwareState) -> u64,
        nodes: Page<FirmwareNode>,
    ) -> Self {
        let tile = |state: FirmwareState| Tile {
            word: state.as_str(),
            count: count(state),
            href: if wanted == Some(state) { "/firmware".to_owned() } else { format!("/firmware?state={state}") },
            active: wanted == Some(state),
        };
        let state = wanted.map(|state| format!("state={state}&")).unwrap_or_default();
        Self {
            shell,
            tiles: FirmwareState::ALL.into_iter().map(tile).collect(),
            rules: rules.into_iter().map(RuleRow::new).collect(),
            nodes: nodes.items,
            next: nodes.next.map(|cursor| format!("/firmware?{state}cursor={}", human::url_value(&cursor))),
        }
    }
}

impl RuleRow {
    fn new(rule: FirmwareRule) -> Self {
        let spec = rule.spec;
        let runs = spec.update.map(|u| format!("{} {}", u.exec, u.args.join(" ")).trim().to_owned());
        let on_failure = if runs.is_some() { format!(", then {}", spec.on_failure) } else { String::new() };
        Self {
            matches: match (spec.vendor.as_str(), spec.model.as_str()) {
                ("*", model) => model.to_owned(),
                (vendor, model) => format!("{vendor}, {model}"),
            },
            wanted: [&[spec.wanted], &spec.allowed[..]].concat().join(" or "),
            name: spec.name,
            component: spec.component,
            mode: format!("{}{on_failure}", spec.mode),
            runs: runs.unwrap_or_default(),
        }
    }
}

/// A piece of the fleet page's line: "3 nodes differ", with where it leads.
pub(super) struct FleetWord {
    pub text: String,
    pub href: String,
    pub bad: bool,
}

/// What the fleet page says of firmware; nothing when no rule is about any node.
pub(super) async fn fleet_words(app: &App) -> Result<Vec<FleetWord>> {
    let counts = firmware::compliance(app).await?.nodes;
    let word = |state: FirmwareState| {
        let count = counts.get(state.as_str()).copied().filter(|count| *count > 0)?;
        let text = match (state, count) {
            (FirmwareState::NoRule, _) => return None,
            (FirmwareState::Differs, 1) => "1 node differs".to_owned(),
            (FirmwareState::Differs, n) => format!("{n} nodes differ"),
            (state, n) => format!("{n} {state}"),
        };
        let bad = matches!(state, FirmwareState::Failed | FirmwareState::Held);
        Some(FleetWord { text, href: format!("/firmware?state={state}"), bad })
    };
    Ok(FirmwareState::ALL.into_iter().filter_map(word).collect())
}

/// The firmware part of a node's page.
pub(super) struct NodeView {
    pub state: String,
    pub reason: String,
    pub trouble: bool,
    /// Something was tried that counts, and did not help.
    pub may_retry: bool,
    pub parts: Vec<PartRow>,
    pub attempts: Vec<AttemptRow>,
}

pub(super) struct PartRow {
    pub part: String,
    pub model: String,
    pub version: String,
    pub verdict: String,
    /// For the style sheet: a word of `w-`.
    pub word: &'static str,
    pub wanted: String,
}

pub(super) struct AttemptRow {
    pub id: String,
    pub what: String,
    pub versions: String,
    pub started: String,
    pub exit: String,
    pub outcome: String,
    /// For the style sheet.
    pub word: &'static str,
    pub output: String,
}

impl NodeView {
    /// `None`: it has told no part with firmware and nothing was tried.
    pub fn new(firmware: NodeFirmware) -> Option<Self> {
        if firmware.components.is_empty() && firmware.attempts.is_empty() {
            return None;
        }
        let counts = |a: &FirmwareAttempt| a.cleared_us.is_none() && a.outcome.as_deref() != Some("succeeded");
        Some(Self {
            trouble: matches!(firmware.node.state.as_str(), "failed" | "held"),
            state: firmware.node.state,
            reason: firmware.node.reason,
            may_retry: firmware.attempts.iter().any(|a| counts(a) && a.ended_us.is_some()),
            parts: firmware.components.into_iter().map(PartRow::new).collect(),
            attempts: firmware.attempts.into_iter().map(AttemptRow::new).collect(),
        })
    }
}

impl PartRow {
    fn new(part: FirmwareComponent) -> Self {
        let wanted = match (part.wanted, part.rule) {
            (Some(wanted), Some(rule)) => format!("{wanted} (rule {rule})"),
            _ => String::new(),
        };
        Self {
            word: match part.verdict.as_str() {
                "compliant" => "ok",
                "differs" => "failed",
                "unknown" => "retry",
                _ => "info",
            },
            part: format!("{} {}", part.component, part.subject).trim().to_owned(),
            model: format!("{} {}", part.vendor, part.model).trim().to_owned(),
            version: if part.version.is_empty() { "not told".to_owned() } else { part.version },
            verdict: if part.verdict == "no-rule" { String::new() } else { part.verdict },
            wanted,
        }
    }
}

impl AttemptRow {
    fn new(attempt: FirmwareAttempt) -> Self {
        let at = |time: Micros| human::absolute(time);
        let found = attempt.after.filter(|v| !v.is_empty()).map(|v| format!(", found {v}")).unwrap_or_default();
        let cleared = if attempt.cleared_us.is_some() { " (counts no more)" } else { "" };
        Self {
            word: match attempt.outcome.as_deref() {
                Some("succeeded") => "ok",
                Some(_) => "failed",
                None => "now",
            },
            outcome: match attempt.outcome {
                Some(outcome) => format!("{outcome}{found}{cleared}"),
                None => format!("under way{cleared}"),
            },
            id: attempt.id,
            what: format!("{} {}, try {}", attempt.component, attempt.subject, attempt.n).replace(" ,", ","),
            versions: format!("{} to {}", attempt.before, attempt.wanted),
            started: at(attempt.started_us),
            exit: if attempt.reported_us.is_some() { attempt.exit } else { "not reported".to_owned() },
            output: attempt.output,
        }
    }
}

#[cfg(test)]
#[path = "firmware_tests.rs"]
mod tests;
