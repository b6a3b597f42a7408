//! `/events`: what was noticed of nodes, by kind and state, with a button that says "seen"; and such lists as parts of
//! other pages.

use super::{PageError, Shell, fleet, html, human, see_other};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::http::State;
use crate::service::auth::Person;
use crate::service::node_events::{self, NodeEventQuery};
use crate::store::NodeEventFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{NodeEvent, Page};
use serde::Deserialize;

/// Events on one page.
const ON_PAGE: usize = 50;

/// An event, ready.
pub(super) struct NoticeRow {
    pub id: String,
    pub severity: String,
    pub node: String,
    /// Empty on the node's own page.
    pub hostname: String,
    pub message: String,
    pub at: String,
    pub ago: String,
    /// Why it is not open; empty: it is.
    pub state: String,
    pub open: bool,
}

impl NoticeRow {
    pub(super) fn new(event: &NodeEvent, now: Micros, with_node: bool) -> Self {
        let by = event.acknowledged_by.as_deref().unwrap_or_default();
        let state = match (event.cleared_us, event.acknowledged_us) {
            (Some(at), _) => format!("over since {}", human::absolute(at)),
            (None, Some(_)) => format!("seen by {by}"),
            (None, None) => String::new(),
        };
        Self {
            id: event.id.clone(),
            severity: event.severity.clone(),
            node: event.node.clone(),
            hostname: if with_node { event.hostname.clone() } else { String::new() },
            message: event.message.clone(),
            at: human::absolute(event.at_us),
            ago: human::ago(event.at_us, now),
            open: state.is_empty(),
            state,
        }
    }
}

/// What the address says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventsQuery {
    kind: String,
    /// "" (open) or "all".
    state: String,
    node: String,
    cursor: String,
    done: Option<String>,
}

impl EventsQuery {
    fn of(query: &str) -> Self {
        web::Query::<Self>::from_query(query).map(web::Query::into_inner).unwrap_or_default()
    }

    fn with(&self, cursor: &str) -> String {
        [("kind", self.kind.as_str()), ("state", self.state.as_str()), ("node", self.node.as_str()), ("cursor", cursor)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}={}", human::url_value(value)))
            .collect::<Vec<_>>()
            .join("&")
    }

    fn parsed(&self) -> Result<NodeEventQuery> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let filter = NodeEventFilter {
            node: some(&self.node).map(|uuid| uuid.parse()).transpose()?,
            kind: some(&self.kind).map(|word| word.parse()).transpose()?,
            severity: None,
            open: self.state != "all",
        };
        Ok(NodeEventQuery { filter, cursor: some(&self.cursor), limit: Some(ON_PAGE) })
    }
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    shell: Shell,
    node: String,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    events: Vec<NoticeRow>,
    newest: Option<String>,
    back: String,
    first: Option<String>,
    next: Option<String>,
}

struct Choice {
    value: &'static str,
    name: &'static str,
    selected: bool,
}

impl EventsPage {
    fn new(shell: Shell, query: &EventsQuery, page: Page<NodeEvent>, now: Micros) -> Self {
        let choices = |all: &[(&'static str, &'static str)], chosen: &str| {
            all.iter().map(|&(value, name)| Choice { value, name, selected: value == chosen }).collect()
        };
        let kinds = [
            ("", "all"),
            ("hardware", "hardware"),
            ("cabling", "cabling"),
            ("identity", "identity"),
            ("firmware", "firmware"),
            ("bmc", "BMC"),
        ];
        Self {
            shell,
            node: query.node.clone(),
            kinds: choices(&kinds, &query.kind),
            states: choices(&[("", "open"), ("all", "open and over")], &query.state),
            events: page.items.iter().map(|event| NoticeRow::new(event, now, true)).collect(),
            newest: page
                .items
                .iter()
                .find(|e| e.cleared_us.is_none() && e.acknowledged_us.is_none())
                .map(|e| e.id.clone()),
            back: format!("events?{}", query.with(&query.cursor)),
            first: (!query.cursor.is_empty()).then(|| format!("/events?{}", query.with(""))),
            next: page.next.map(|cursor| format!("/events?{}", query.with(&cursor))),
        }
    }
}

/// The page.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<EventsQuery>,
    req: HttpRequest,
) -> std::result::Result<HttpResponse, PageError> {
    let events = node_events::list(&state.app, query.parsed()?).await?;
    let shell = Shell::new("Events", &req, query.done.as_deref());
    Ok(html(StatusCode::OK, &EventsPage::new(shell, &query, events, state.app.now())))
}

/// The button.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SeenForm {
    id: String,
    /// Not empty: all open ones of the events page as it is filtered, from that one on.
    all: String,
    /// Where the form stands: a node's UUID, `events?` and its query, or the fleet page's query.
    back: String,
}

/// Say "seen".
pub(super) async fn submit(
    state: web::Data<State>,
    form: web::Form<SeenForm>,
    person: web::ReqData<Person>,
) -> std::result::Result<HttpResponse, PageError> {
    match form.back.strip_prefix("events?").filter(|_| !form.all.is_empty()) {
        Some(query) => {
            let filter = EventsQuery::of(query).parsed()?.filter;
            node_events::acknowledge_all(&state.app, filter, Some(&form.id), &person.name).await?;
        }
        None => {
            node_events::acknowledge(&state.app, &form.id, &person.name).await?;
        }
    }
    Ok(see_other(&location(&form.back)))
}

/// `back` is read and written anew, so it can only be a page of ours.
fn location(back: &str) -> String {
    if let Ok(uuid) = back.parse::<NodeUuid>() {
        return format!("/nodes/{uuid}?done=seen#noticed");
    }
    let Some(query) = back.strip_prefix("events?") else { return fleet::location(back, "seen") };
    let query = EventsQuery::of(query);
    match query.with(&query.cursor) {
        same if same.is_empty() => "/events?done=seen".to_owned(),
        same => format!("/events?{same}&done=seen"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Micros = 1_790_000_000_000_000;

    pub(in super::super) fn event(severity: &str, message: &str) -> NodeEvent {
        NodeEvent {
            id: "0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3".into(),
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            hostname: "hv-12".into(),
            kind: "hardware".into(),
            severity: severity.into(),
            subject: "dimm:P1-B2".into(),
            message: message.into(),
            at_us: NOW - 60_000_000,
            cleared_us: None,
            acknowledged_us: None,
            acknowledged_by: None,
        }
    }

    #[test]
    fn open_ones_have_a_button_and_others_say_why_not() {
        let open = event("warning", "DIMM <b>P1-B2</b> is gone");
        let seen = NodeEvent { acknowledged_us: Some(NOW), acknowledged_by: Some("ana".into()), ..event("info", "x") };
        let over = NodeEvent { cleared_us: Some(NOW), ..event("alarm", "y") };
        let query = EventsQuery { state: "all".into(), kind: "hardware".into(), ..EventsQuery::default() };
        let page = Page { items: vec![open, seen, over], next: Some("c".into()) };
        let body = EventsPage::new(Shell::bare("Events"), &query, page, NOW).render().unwrap();
        assert!(!body.contains("<b>P1") && body.contains("&#60;b&#62;P1-B2"), "{body}");
        assert_eq!(body.matches("action=\"/events\"").count(), 3, "one of each, one for all, one filter: {body}");
        assert!(body.contains("seen by ana") && body.contains("over since 2026-09-21"), "{body}");
        assert!(body.contains("/events?kind=hardware&#38;state=all&#38;cursor=c"), "{body}");
        assert!(body.contains("<option value=\"hardware\" selected>"), "{body}");
    }

    #[test]
    fn the_way_back_is_always_a_page_of_ours() {
        for (back, expected) in [
            ("4c4c4544-0046-3010-8052-b4c04f4a4d32", "/nodes/4c4c4544-0046-3010-8052-b4c04f4a4d32?done=seen#noticed"),
            ("events?kind=hardware&state=all", "/events?kind=hardware&state=all&done=seen"),
            ("events?", "/events?done=seen"),
            ("events?kind=%0d%0aX", "/events?kind=%0D%0AX&done=seen"),
            ("q=hv", "/?q=hv&done=seen"),
            ("//evil.example/", "/?done=seen"),
        ] {
            assert_eq!(location(back), expected);
        }
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let query = EventsQuery { kind: "weather".into(), ..EventsQuery::default() };
        assert_eq!(query.parsed().unwrap_err().code(), "bad_request");
    }
}
