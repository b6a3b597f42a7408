//! `/rollouts`: revisions on their way to many nodes, newest first; and `/rollouts/{id}`: its waves as bars, each node,
//! those that failed first, and buttons that pause, resume and abort it.

use super::listing::Links;
use super::{PageError, Shell, html, human, see_other};
use crate::domain::Micros;
use crate::domain::rollout::{Phase, State as Standing};
use crate::http::State;
use crate::service::auth::Person;
use crate::service::rollouts::{self, Command, MembersQuery, RolloutsQuery};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Page, Rollout, RolloutMember};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Rollouts or nodes on one page.
const ON_PAGE: usize = 50;

/// What the addresses say. Unknown keys mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RolloutsPageQuery {
    state: String,
    phase: String,
    cursor: String,
    done: Option<String>,
    fragment: Option<String>,
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A rollout, ready.
struct Row {
    id: String,
    revision: String,
    selector: String,
    who: String,
    state: String,
    /// For the style sheet: a word of `j-`.
    class: &'static str,
    why: String,
    made: String,
    ago: String,
    ended: u64,
    total: u64,
    results: String,
    /// Something went wrong.
    troubled: bool,
}

/// Nodes with a result.
fn ended(counts: &BTreeMap<String, u64>) -> u64 {
    const RESULTS: [&str; 5] = ["up", "failed", "skipped", "back", "back-failed"];
    RESULTS.iter().filter_map(|word| counts.get(*word)).sum()
}

/// "3 failed, 17 up".
fn results(counts: &BTreeMap<String, u64>) -> String {
    let words = Phase::ALL.iter().filter(|phase| **phase != Phase::Waiting);
    let words = words.filter_map(|phase| counts.get(phase.as_str()).map(|count| format!("{count} {phase}")));
    words.collect::<Vec<_>>().join(", ")
}

fn failed(counts: &BTreeMap<String, u64>) -> bool {
    counts.contains_key("failed") || counts.contains_key("back-failed")
}

impl Row {
    fn new(r: &Rollout, now: Micros) -> Self {
        let paused = if r.paused_by.is_some() { ", paused" } else { "" };
        Self {
            id: r.id.clone(),
            revision: format!("{}@{}", r.profile, r.revision),
            selector: r.selector.clone(),
            who: r.who.clone(),
            state: format!("{}{paused}", r.state),
            class: match r.state.as_str() {
                "running" => "running",
                "stopping" | "rolling-back" => "cancelling",
                "done" => "done",
                _ => "cancelled",
            },
            why: r.why.clone(),
            made: human::absolute(r.made_us),
            ago: human::ago(r.made_us, now),
            ended: ended(&r.counts),
            total: r.total,
            results: results(&r.counts),
            troubled: failed(&r.counts) || matches!(r.state.as_str(), "rolling-back" | "rolled-back"),
        }
    }
}

#[derive(Template)]
#[template(path = "rollouts.html", blocks = ["live"])]
struct RolloutsPage {
    shell: Shell,
    states: Vec<(&'static str, String, bool)>,
    rollouts: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

impl RolloutsPage {
    fn new(shell: Shell, query: &RolloutsPageQuery, page: Page<Rollout>, now: Micros) -> Self {
        let states = Standing::ALL.iter().map(|state| state.as_str());
        let Links { states, first, next } = Links::new("/rollouts", states, (&query.state, &query.cursor), &page);
        Self { shell, states, rollouts: page.items.iter().map(|rollout| Row::new(rollout, now)).collect(), first, next }
    }
}

/// The list.
pub(super) async fn list(
    state: web::Data<State>,
    query: web::Query<RolloutsPageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let wanted: Option<Standing> = some(&query.state).map(|word| word.parse()).transpose()?;
    let asked = RolloutsQuery { state: wanted, cursor: some(&query.cursor), limit: Some(ON_PAGE) };
    let page = rollouts::list(&state.app, asked).await?;
    let view = RolloutsPage::new(Shell::new("Rollouts", &req, None), &query, page, state.app.now());
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

struct WaveRow {
    n: usize,
    now: bool,
    ended: u64,
    total: u64,
    results: String,
    troubled: bool,
}

struct Button {
    word: &'static str,
    label: &'static str,
    told: &'static str,
    danger: bool,
}

struct Tile {
    word: &'static str,
    class: &'static str,
    count: u64,
    href: String,
    active: bool,
}

struct MemberRow {
    n: u32,
    node: String,
    name: String,
    gone: bool,
    phase: String,
    /// For the style sheet: a word of `w-`.
    word: &'static str,
    wave: String,
    before: String,
    when: String,
    message: String,
}

impl MemberRow {
    fn new(m: RolloutMember) -> Self {
        Self {
            n: m.n,
            gone: m.hostname.is_empty(),
            name: if m.hostname.is_empty() { m.node.clone() } else { m.hostname },
            node: m.node,
            word: match m.phase.as_str() {
                "up" => "ok",
                "failed" | "back-failed" => "failed",
                "back" | "back-waiting" => "retry",
                "waiting" | "skipped" => "info",
                _ => "now",
            },
            wave: m.wave.map(|wave| wave.to_string()).unwrap_or_default(),
            before: m.before,
            when: human::clock(m.since_us),
            message: m.message,
            phase: m.phase,
        }
    }
}

#[derive(Template)]
#[template(path = "rollout.html", blocks = ["live"])]
struct RolloutPage {
    shell: Shell,
    rollout: Row,
    waves: Vec<WaveRow>,
    facts: Vec<(&'static str, String)>,
    buttons: Vec<Button>,
    tiles: Vec<Tile>,
    members: Vec<MemberRow>,
    first: Option<String>,
    next: Option<String>,
}

impl RolloutPage {
    fn new(shell: Shell, query: &RolloutsPageQuery, r: &Rollout, members: Page<RolloutMember>, now: Micros) -> Self {
        let at = |phase: &str| match phase {
            "" => format!("/rollouts/{}", r.id),
            phase => format!("/rollouts/{}?phase={phase}", r.id),
        };
        let next = |cursor: &str| {
            let phase = if query.phase.is_empty() { String::new() } else { format!("phase={}&", query.phase) };
            format!("/rollouts/{}?{phase}cursor={}", r.id, human::url_value(cursor))
        };
        let tile = |phase: Phase| {
            let active = query.phase == phase.as_str();
            let count = r.counts.get(phase.as_str()).copied().unwrap_or_default();
            let href = if active { at("") } else { at(phase.as_str()) };
            (count > 0 || active).then(|| Tile { word: phase.as_str(), class: class_of(phase), count, href, active })
        };
        let wave = |(n, wave): (usize, &higuma_proto::api::RolloutWave)| WaveRow {
            n: n + 1,
            now: r.ended_us.is_none() && r.state == "running" && usize::try_from(r.wave).is_ok_and(|at| at == n + 1),
            ended: ended(&wave.counts),
            total: wave.nodes,
            results: results(&wave.counts),
            troubled: failed(&wave.counts),
        };
        Self {
            shell,
            rollout: Row::new(r, now),
            waves: r.waves.iter().enumerate().map(wave).collect(),
            facts: facts(r),
            buttons: buttons(r),
            tiles: Phase::ALL.into_iter().filter_map(tile).collect(),
            members: members.items.into_iter().map(MemberRow::new).collect(),
            first: some(&query.cursor).map(|_| at(&query.phase)),
            next: members.next.map(|cursor| next(&cursor)),
        }
    }
}

fn class_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Up => "f-compliant",
        Phase::Failed | Phase::BackFailed => "f-failed",
        Phase::Back | Phase::BackWaiting => "f-held",
        Phase::Waiting | Phase::Skipped => "f-unknown",
        _ => "f-updating",
    }
}

fn buttons(r: &Rollout) -> Vec<Button> {
    let button = |word, label, told, danger| Button { word, label, told, danger };
    if !matches!(r.state.as_str(), "running" | "stopping" | "rolling-back") {
        return Vec::new();
    }
    let mut buttons = vec![match &r.paused_by {
        None => button("pause", "Pause", "no new node is begun; what was begun ends", false),
        Some(_) => button("resume", "Resume", "nodes are begun again", false),
    }];
    if r.state == "running" {
        buttons.push(button("abort", "Abort", "what was begun ends, and what was done stays", true));
    }
    if r.state != "rolling-back" {
        buttons.push(button(
            "rollback",
            "Abort and roll back",
            "every node that was touched gets back what it had",
            true,
        ));
    }
    buttons
}

fn facts(r: &Rollout) -> Vec<(&'static str, String)> {
    let o = &r.options;
    let seconds = |time: Option<u32>| time.map(|s| format!("{s} s")).unwrap_or_default();
    let number = |n: Option<u32>| n.map(|n| n.to_string());
    let asked = format!("{}, {}", r.who, human::absolute(r.made_us));
    let mut facts = vec![("For", r.selector.clone()), ("Asked for by", asked), ("Down now", r.down.to_string())];
    facts.extend(r.paused_by.clone().map(|by| ("Paused by", by)));
    facts.extend(r.soak_until_us.map(|at| ("Watched until", human::absolute(at))));
    facts.extend(number(o.max_down).map(|n| ("Down at once", n)));
    facts.extend(number(o.max_down_per_cluster).map(|n| ("Of a cluster", n)));
    facts.extend(number(o.max_down_per_switch).map(|n| ("At a switch", n)));
    facts.extend(number(o.max_down_per_rule).map(|n| ("Of a rule", n)));
    facts.push(("Up within", seconds(o.up_within)));
    facts.extend(number(o.max_failures).map(|n| ("Failures of a wave", n)));
    facts.extend(o.check.clone().map(|url| ("Check", url)));
    facts.extend(o.drain.clone().map(|url| ("Drain", url)));
    facts.extend(o.undrain.clone().map(|url| ("Undrain", url)));
    if !o.windows.is_empty() {
        facts.push(("Only (UTC)", o.windows.join("; ")));
    }
    facts.extend(r.ended_us.map(|at| ("Ended", human::absolute(at))));
    facts.extend(r.ended_us.map(|at| ("Took", human::duration(at.saturating_sub(r.made_us)))));
    facts.extend(r.times.map(|t| {
        let [median, p95, longest] = [t.median_us, t.p95_us, t.longest_us].map(human::duration);
        ("A node took", format!("{median} (median), {p95} (95 of 100), {longest} (longest)"))
    }));
    facts
}

/// One.
pub(super) async fn page(
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<RolloutsPageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let wanted: Option<Phase> = some(&query.phase).map(|word| word.parse()).transpose()?;
    let rollout = rollouts::show(&state.app, &id).await?;
    let asked = MembersQuery { phase: wanted, cursor: some(&query.cursor), limit: Some(ON_PAGE) };
    let members = rollouts::members(&state.app, &id, asked).await?;
    let shell = Shell::new("Rollout", &req, query.done.as_deref());
    let view = RolloutPage::new(shell, &query, &rollout, members, state.app.now());
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

/// A button.
pub(super) async fn act(
    state: web::Data<State>,
    path: web::Path<(String, String)>,
    person: web::ReqData<Person>,
) -> Result<HttpResponse, PageError> {
    let (id, word) = path.into_inner();
    let (command, done) = match word.as_str() {
        "pause" => (Command::Pause, "rollout-paused"),
        "resume" => (Command::Resume, "rollout-resumed"),
        "abort" => (Command::Abort { rollback: false }, "rollout-aborted"),
        "rollback" => (Command::Abort { rollback: true }, "rollout-rollback"),
        _ => {
            let message = "expected pause, resume, abort or rollback".to_owned();
            return Err(crate::error::Error::BadRequest(message).into());
        }
    };
    let rollout = rollouts::command(&state.app, &id, command, &person.name).await?;
    Ok(see_other(&format!("/rollouts/{}?done={done}", rollout.id)))
}

#[cfg(test)]
#[path = "rollouts_tests.rs"]
mod tests;
