//! `/cabling`: switches as pictures with the nodes behind their ports, the same as tables, and what differs from the
//! expected cabling. A few switches a page.

use super::rack::Rack;
use super::{PageError, Shell, html, human};
use crate::domain::Micros;
use crate::http::State;
use crate::service::expected::{self, CheckQuery};
use crate::service::switches;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{CablingFinding, Page, Switch, SwitchPort};
use serde::Deserialize;

/// Switches of one page.
const SWITCHES: usize = 6;
/// Differences told on the page; the command line has all.
const DIFFER: usize = 20;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CablingQuery {
    cursor: String,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<CablingQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let cursor = Some(query.cursor.as_str()).filter(|c| !c.is_empty());
    let app = &state.app;
    let (all, next) = switches::picture(app, cursor, SWITCHES).await?;
    let differ = expected::check(app, CheckQuery { limit: Some(DIFFER), ..CheckQuery::default() }).await?;
    let shell = Shell::new("Cabling", &req, None);
    Ok(html(StatusCode::OK, &CablingPage::new(shell, all, cursor.is_some(), next, differ, app.now())))
}

#[derive(Template)]
#[template(path = "cabling.html")]
struct CablingPage {
    shell: Shell,
    found: String,
    differ_title: String,
    differ: Vec<Line>,
    unexpected_title: String,
    unexpected: Vec<Line>,
    racks: Vec<Rack>,
    first: Option<&'static str>,
    next: Option<String>,
}

/// A difference.
struct Line {
    node: Option<String>,
    called: String,
    text: String,
}

impl CablingPage {
    fn new(
        shell: Shell,
        all: Vec<(Switch, Vec<SwitchPort>)>,
        later: bool,
        next: Option<String>,
        differ: Page<CablingFinding>,
        now: Micros,
    ) -> Self {
        let racks: Vec<Rack> =
            all.into_iter().enumerate().map(|(n, (switch, ports))| Rack::new(n, switch, &ports, now)).collect();
        let count = racks.len();
        let (unexpected, wrong): (Vec<_>, Vec<_>) = differ.items.iter().partition(|f| f.verdict == "unexpected");
        let here = if later || next.is_some() { " on this page" } else { "" };
        Self {
            shell,
            found: if count == 1 { format!("1 switch{here}") } else { format!("{count} switches{here}") },
            differ_title: match differ.next {
                Some(_) => {
                    format!("The first {DIFFER} differences from the expected cabling (`higuma cabling check` has all)")
                }
                None => "Different from the expected cabling".to_owned(),
            },
            differ: wrong.into_iter().map(Line::new).collect(),
            unexpected_title: match unexpected.len() {
                1 => "1 cable where nothing is expected".to_owned(),
                n => format!("{n} cables where nothing is expected"),
            },
            unexpected: unexpected.into_iter().map(Line::new).collect(),
            racks,
            first: later.then_some("/cabling"),
            next: next.map(|cursor| format!("/cabling?cursor={}", human::url_value(&cursor))),
        }
    }
}

impl Line {
    fn new(finding: &CablingFinding) -> Self {
        let CablingFinding { node, called, nic, .. } = finding;
        let called = if called.is_empty() { node.clone().unwrap_or_default() } else { called.clone() };
        Self { node: node.clone(), called, text: format!("{nic}: {}", says(finding)) }
    }
}

/// A finding as a sentence's end.
pub(super) fn says(finding: &CablingFinding) -> String {
    let CablingFinding { expected, found, with, .. } = finding;
    match finding.verdict.as_str() {
        "ok" => format!("at {found}, as expected"),
        "missing" => format!("expected at {expected}, nothing heard"),
        "swapped" => format!("expected at {expected}, is at {found}: exchanged with {with}"),
        "unexpected" => format!("at {found}, where nothing is expected"),
        "unknown-node" => format!("expected at {expected}, but no node (or more than one) is called so"),
        _ => format!("expected at {expected}, is at {found}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::rack::tests::{link, port, switch};
    use super::*;

    fn finding(verdict: &str) -> CablingFinding {
        CablingFinding {
            verdict: verdict.into(),
            node: Some("4c4c4544-0046-3010-8052-b4c04f4a4d32".into()),
            called: "<b>web</b>".into(),
            nic: "eth0".into(),
            mac: None,
            expected: "tor-1 port swp1".into(),
            found: "tor-1 port swp2".into(),
            with: "web-2 eth0".into(),
        }
    }

    fn render(all: Vec<(Switch, Vec<SwitchPort>)>, next: Option<String>, differ: Vec<CablingFinding>) -> String {
        let differ = Page { items: differ, next: None };
        CablingPage::new(Shell::bare("Cabling"), all, false, next, differ, 10).render().unwrap()
    }

    #[test]
    fn the_picture_and_the_table_say_the_same_and_escape() {
        let ports = vec![
            port("swp2", vec![link("web-17", "eth0", "moved"), link("<i>x</i>", "eth1", "")]),
            port("swp\"10", vec![]),
        ];
        let page = render(vec![(switch("tor<1>"), ports)], None, vec![finding("swapped")]);
        assert_eq!(page.matches("web-17").count(), 3, "in the picture, its title and the table: {page}");
        assert!(!page.contains("<i>x") && !page.contains("tor<1>") && !page.contains("<b>web"), "{page}");
        assert!(page.contains("s-running") && page.contains("moved · eth0"), "{page}");
        assert!(page.contains("exchanged with web-2 eth0") && page.contains("nobody behind it now"), "{page}");
        assert!(!page.contains("style=") && !page.contains("<script>"), "the policy allows none inline");
    }

    #[test]
    fn an_empty_installation_says_what_to_do_and_pages_follow_each_other() {
        let page = render(vec![], None, vec![]);
        assert!(page.contains("Turn LLDP on") && !page.contains("id=\"differ\""), "{page}");
        let page = render(vec![(switch("a"), vec![])], Some("local a&b".into()), vec![]);
        assert!(page.contains("/cabling?cursor=local%20a%26b") && page.contains("1 switch on this page"), "{page}");
    }

    #[test]
    fn each_verdict_has_its_words() {
        for (verdict, words) in [
            ("ok", "as expected"),
            ("missing", "nothing heard"),
            ("wrong-port", "is at tor-1 port swp2"),
            ("unexpected", "where nothing is expected"),
            ("unknown-node", "no node"),
        ] {
            assert!(says(&finding(verdict)).contains(words), "{verdict}");
        }
    }
}
