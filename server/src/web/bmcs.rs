//! `/bmcs`: how many BMCs are in which state, as a bar, and a page of them by node. What is shown is what is stored; no BMC
//! is asked here.

use super::bmc::{PowerView, link, meaning, protocol};
use super::{PageError, Shell, html, human};
use crate::domain::bmc::BmcState;
use crate::domain::{Micros, NodeUuid};
use crate::http::State;
use crate::service::bmc::{self as cases, BmcQuery};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{BmcSummary, Page};
use serde::Deserialize;

/// BMCs on one page.
const ON_PAGE: usize = 50;
/// In the order of the bar: from good to bad.
const STATES: [BmcState; 8] = [
    BmcState::Managed,
    BmcState::Configured,
    BmcState::Found,
    BmcState::Unreachable,
    BmcState::LoginRefused,
    BmcState::Refused,
    BmcState::Silent,
    BmcState::Absent,
];

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BmcsQuery {
    state: String,
    cursor: String,
    fragment: Option<String>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<BmcsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let app = &state.app;
    let wanted: Option<BmcState> = Some(&query.state).filter(|s| !s.is_empty()).map(|s| s.parse()).transpose()?;
    let cursor: Option<NodeUuid> = Some(&query.cursor).filter(|c| !c.is_empty()).map(|c| c.parse()).transpose()?;
    let counts = app.store.read(|tx| tx.count_bmcs()).await?;
    let page = cases::list(app, BmcQuery { state: wanted, cursor, limit: Some(ON_PAGE) }).await?;
    let view = BmcsPage::new(Shell::new("BMCs", &req, None), &query, &counts, page, app.now());
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

#[derive(Template)]
#[template(path = "bmcs.html", blocks = ["live"])]
struct BmcsPage {
    shell: Shell,
    total: u64,
    /// Width of the bar, in its own measure.
    wide: u64,
    parts: Vec<Part>,
    filtered: bool,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// The BMCs of one state.
struct Part {
    state: &'static str,
    count: u64,
    href: String,
    active: bool,
    x: u64,
    width: u64,
    meaning: &'static str,
}

struct Row {
    node: String,
    hostname: String,
    state: String,
    /// Why; or what the state means.
    why: String,
    address: String,
    link: String,
    protocol: String,
    power: PowerView,
    login: String,
    login_at: String,
}

fn href(state: &str, cursor: &str) -> String {
    let query: Vec<String> = [("state", state), ("cursor", cursor)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", human::url_value(value)))
        .collect();
    if query.is_empty() { "/bmcs".to_owned() } else { format!("/bmcs?{}", query.join("&")) }
}

impl BmcsPage {
    fn new(shell: Shell, query: &BmcsQuery, counts: &[(BmcState, i64)], page: Page<BmcSummary>, now: Micros) -> Self {
        let of = |state| {
            counts.iter().find(|(s, _)| *s == state).and_then(|(_, n)| u64::try_from(*n).ok()).unwrap_or_default()
        };
        let total = STATES.into_iter().map(of).fold(0, u64::saturating_add);
        let mut wide = 0_u64;
        let mut parts = Vec::with_capacity(STATES.len());
        for state in STATES {
            let count = of(state);
            let active = query.state == state.as_str();
            // One of thousands is to be seen too.
            let width = match u128::from(count) * 1000 / u128::from(total.max(1)) {
                _ if count == 0 => 0,
                share => u64::try_from(share).unwrap_or(1000).max(12),
            };
            let href = if active { href("", "") } else { href(state.as_str(), "") };
            let word = state.as_str();
            parts.push(Part { state: word, count, href, active, x: wide, width, meaning: meaning(word) });
            wide = wide.saturating_add(width);
        }
        Self {
            shell,
            total,
            wide: wide.max(1),
            parts,
            filtered: !query.state.is_empty(),
            rows: page.items.into_iter().map(|bmc| Row::new(bmc, now)).collect(),
            first: (!query.cursor.is_empty()).then(|| href(&query.state, "")),
            next: page.next.map(|cursor| href(&query.state, &cursor)),
        }
    }
}

impl Row {
    fn new(bmc: BmcSummary, now: Micros) -> Self {
        let address = bmc.address.clone().unwrap_or_default();
        Self {
            protocol: protocol(&bmc),
            power: PowerView::new(&bmc.power, bmc.power_us, now),
            why: match (bmc.reason.is_empty(), bmc.state.as_str()) {
                (false, _) => bmc.reason,
                (true, "managed") => String::new(),
                (true, state) => meaning(state).to_owned(),
            },
            link: link(&address),
            address,
            login: bmc.proven_us.map_or_else(|| "never".to_owned(), |at| human::ago(at, now)),
            login_at: bmc.proven_us.map(human::absolute).unwrap_or_default(),
            hostname: if bmc.hostname.is_empty() { bmc.node.clone() } else { bmc.hostname },
            node: bmc.node,
            state: bmc.state,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::bmc::tests::{NOW, bmc};
    use super::*;

    #[test]
    fn the_bar_has_every_state_that_is_there() {
        let counts = [(BmcState::Managed, 9_990), (BmcState::Silent, 1), (BmcState::LoginRefused, 9)];
        let page = Page { items: vec![bmc("silent").summary], next: Some("4c".into()) };
        let query = BmcsQuery { state: "silent".into(), cursor: "3c".into(), fragment: None };
        let view = BmcsPage::new(Shell::bare("BMCs"), &query, &counts, page, NOW);
        assert_eq!(view.total, 10_000);
        let drawn: Vec<_> = view.parts.iter().filter(|p| p.width > 0).map(|p| (p.state, p.x, p.width)).collect();
        assert_eq!(drawn, [("managed", 0, 999), ("login-refused", 999, 12), ("silent", 1011, 12)]);
        assert_eq!(view.wide, 1023);
        let body = view.render().unwrap();
        assert!(body.contains("hv-&#60;12&#62;") && !body.contains("hv-<12>") && !body.contains("81h <b>"), "{body}");
        assert!(
            body.contains("href=\"/bmcs?state=silent&#38;cursor=4c\"") && body.contains("https://10.9.0.17/"),
            "{body}"
        );
        assert!(!body.contains("style="), "the policy forbids it: {body}");
        let none = Page { items: vec![], next: None };
        let view = BmcsPage::new(Shell::bare("BMCs"), &BmcsQuery::default(), &[], none, NOW);
        assert!(view.render().unwrap().contains("id=\"no-bmcs\""));
    }
}
