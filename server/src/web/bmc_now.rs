//! `/nodes/{uuid}/bmc`: a node's sensors and its BMC's event log, read from the BMC when the page is opened. A BMC that
//! does not answer gives a page that says so. It is never refreshed by itself: BMCs are slow, and some break when asked often.

use super::bmc::{link, may_be_redfish};
use super::{PageError, Shell, html, human};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::http::State;
use crate::service::{App, bmc as cases};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{BmcDetail, BmcLog, BmcLogLine, BmcReading};
use serde::Deserialize;
use std::future::Future;
use std::time::Duration;

/// Lines of the event log, and at most.
const LINES: usize = 100;
const LINES_MAX: usize = 500;
/// A page waits so long for each of the two.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BmcNowQuery {
    lines: Option<usize>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    path: web::Path<String>,
    query: web::Query<BmcNowQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let (app, uuid): (&App, NodeUuid) = (&state.app, path.parse()?);
    let bmc = cases::show(app, uuid.clone()).await?;
    let began = app.now();
    let sensors = told(cases::sensors(app, uuid.clone())).await?.map(|page| page.items);
    let lines = query.lines.unwrap_or(LINES).clamp(1, LINES_MAX);
    let log = match &sensors {
        // It would be asked in vain once more.
        Err(_) => None,
        Ok(_) => Some(told(cases::log(app, uuid, Some(lines))).await?),
    };
    let shell = Shell::new(format!("BMC of {}", bmc.summary.hostname), &req, None);
    Ok(html(StatusCode::OK, &BmcNowPage::new(shell, bmc, Read { sensors, log, lines, began, ended: app.now() })))
}

/// What came, or why nothing did.
type Told<T> = std::result::Result<T, String>;

async fn told<T>(question: impl Future<Output = Result<T>>) -> Result<Told<T>> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => Ok(Ok(answer)),
        Ok(Err(error @ (Error::Unavailable(_) | Error::Conflict(_)))) => Ok(Err(error.to_string())),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Err(format!("the BMC did not answer within {} s", PATIENCE.as_secs()))),
    }
}

/// A reading of both.
struct Read {
    sensors: Told<Vec<BmcReading>>,
    /// None: it was not asked.
    log: Option<Told<BmcLog>>,
    lines: usize,
    began: Micros,
    ended: Micros,
}

#[derive(Template)]
#[template(path = "bmc.html")]
struct BmcNowPage {
    shell: Shell,
    uuid: String,
    hostname: String,
    address: String,
    link: String,
    read: String,
    trouble: Option<String>,
    state: String,
    reason: String,
    /// It has more to tell.
    redfish: bool,
    summary: Vec<(&'static str, String)>,
    groups: Vec<Group>,
    has_log: bool,
    log_trouble: Option<String>,
    /// What of it could not be read.
    log_problems: Vec<String>,
    log: Vec<Line>,
    newest: Option<usize>,
    more: Option<String>,
}

struct Group {
    title: &'static str,
    rows: Vec<SensorRow>,
}

struct SensorRow {
    name: String,
    value: String,
    state: String,
    word: &'static str,
    rank: usize,
}

struct Line {
    at: String,
    severity: String,
    word: &'static str,
    message: String,
}

/// For the style sheet, a word of `w-`; and worst first.
pub(super) fn health(state: &str) -> (&'static str, usize) {
    match state {
        "critical" | "fatal" => ("failed", 0),
        "warning" => ("retry", 1),
        "ok" => ("ok", 3),
        "" | "no reading" | "absent" | "disabled" => ("info", 4),
        _ => ("info", 2),
    }
}

/// By what is measured.
fn group_of(reading: &BmcReading) -> usize {
    let unit = reading.unit.to_ascii_lowercase();
    let name = reading.name.to_ascii_lowercase();
    match unit.as_str() {
        "cel" | "c" | "kelvins" => 0,
        _ if unit.starts_with("degrees") => 0,
        "rpm" | "cfm" => 1,
        "%" | "percent" if name.contains("fan") => 1,
        _ if unit.starts_with("percent rpm") => 1,
        "w" | "watts" | "va" | "joules" | "a" | "amps" => 2,
        "v" | "volts" => 3,
        _ => 4,
    }
}

const GROUPS: [&str; 5] = ["Temperatures", "Fans", "Power and current", "Voltages", "Other"];

/// `38`, `1.05`, `12.096`.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn unit(unit: &str) -> &str {
    match unit {
        "degrees C" | "Cel" | "C" => "°C",
        "degrees F" => "°F",
        "volts" => "V",
        "watts" => "W",
        "amps" => "A",
        other => other,
    }
}

impl SensorRow {
    fn new(reading: &BmcReading) -> Self {
        let (word, rank) = health(&reading.state);
        Self {
            name: reading.name.clone(),
            value: reading
                .value
                .map(|v| format!("{} {}", number(v), unit(&reading.unit)).trim().to_owned())
                .unwrap_or_default(),
            state: if reading.state.is_empty() { "not told".to_owned() } else { reading.state.clone() },
            word,
            rank,
        }
    }
}

/// Those with something first to be looked at, and so within each.
fn groups(readings: &[BmcReading]) -> Vec<Group> {
    let mut groups: Vec<Group> = GROUPS.map(|title| Group { title, rows: Vec::new() }).into();
    for reading in readings {
        if let Some(group) = groups.get_mut(group_of(reading)) {
            group.rows.push(SensorRow::new(reading));
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    groups.iter_mut().for_each(|group| group.rows.sort_by_key(|row| row.rank));
    groups.sort_by_key(|group| group.rows.first().map_or(4, |row| row.rank).min(2));
    groups
}

/// "1 critical", "30 ok".
fn summary(groups: &[Group]) -> Vec<(&'static str, String)> {
    let count = |rank| groups.iter().flat_map(|g| &g.rows).filter(|row| row.rank == rank).count();
    [
        ("failed", 0, "critical"),
        ("retry", 1, "warning"),
        ("info", 2, "otherwise"),
        ("ok", 3, "ok"),
        ("info", 4, "without a reading"),
    ]
    .into_iter()
    .map(|(word, rank, text)| (word, count(rank), text))
    .filter(|(_, n, _)| *n > 0)
    .map(|(word, n, text)| (word, format!("{n} {text}")))
    .collect()
}

impl BmcNowPage {
    fn new(shell: Shell, bmc: BmcDetail, read: Read) -> Self {
        let (redfish, bmc) = (may_be_redfish(&bmc.summary), bmc.summary);
        let took = human::duration(read.ended.saturating_sub(read.began));
        let (readings, trouble) = match read.sensors {
            Ok(readings) => (readings, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let groups = groups(&readings);
        let has_log = read.log.is_some();
        let (log, log_trouble) = match read.log {
            Some(Ok(log)) => (log, None),
            Some(Err(why)) => (BmcLog::default(), Some(why)),
            None => (BmcLog::default(), None),
        };
        let full = log.items.len() >= read.lines;
        let more = (full && read.lines < LINES_MAX).then(|| format!("/nodes/{}/bmc?lines={LINES_MAX}#log", bmc.node));
        let address = bmc.address.unwrap_or_default();
        Self {
            shell,
            link: link(&address),
            address,
            read: format!(
                "{} {}, in {took}",
                if trouble.is_none() { "Read" } else { "Asked" },
                human::absolute(read.ended)
            ),
            trouble,
            reason: bmc.reason,
            state: bmc.state,
            redfish,
            summary: summary(&groups),
            groups,
            has_log,
            log_trouble,
            newest: full.then_some(log.items.len()),
            log: log.items.into_iter().map(Line::new).collect(),
            log_problems: log.problems,
            more,
            hostname: if bmc.hostname.is_empty() { bmc.node.clone() } else { bmc.hostname },
            uuid: bmc.node,
        }
    }
}

impl Line {
    fn new(line: BmcLogLine) -> Self {
        Self { word: health(&line.severity).0, severity: line.severity, at: line.at, message: line.message }
    }
}

#[cfg(test)]
#[path = "bmc_now_tests.rs"]
mod tests;
