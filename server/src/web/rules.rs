//! `/rules`: the admission rules in their order, and a form that tries an expression on the fleet. It changes nothing: rules
//! are changed by the command line or the API.

use super::{PageError, Shell, html};
use crate::error::Error;
use crate::http::State;
use crate::service::rules;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Rule, RuleList, RuleTest, RuleTestAnswer};
use serde::Deserialize;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RulesQuery {
    when: String,
    cursor: String,
}

/// The handler. An expression that does not fit is told beside its field; the page stays.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<RulesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = query.into_inner();
    let list = rules::list(&state.app).await?;
    let tested = match query.when.trim() {
        "" => None,
        when => {
            let cursor = (!query.cursor.is_empty()).then(|| query.cursor.clone());
            let test = RuleTest { when: Some(when.to_owned()), rules: None, cursor };
            match rules::test(&state.app, test).await {
                Err(Error::BadRequest(message)) => Some(Err(message)),
                other => Some(Ok(other?)),
            }
        }
    };
    Ok(html(StatusCode::OK, &RulesPage::new(Shell::new("Rules", &req, None), &query, &list, tested)))
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    shell: Shell,
    rows: Vec<Row>,
    warnings: Vec<String>,
    evaluating: bool,
    when: String,
    error: Option<String>,
    found: Option<Found>,
}

struct Row {
    place: usize,
    name: String,
    admission: String,
    park: String,
    sets: String,
    when: String,
}

struct Found {
    text: String,
    nodes: Vec<(String, String, String)>,
    next: Option<String>,
}

impl RulesPage {
    fn new(shell: Shell, query: &RulesQuery, list: &RuleList, tested: Option<Result<RuleTestAnswer, String>>) -> Self {
        let (found, error) = match tested {
            None => (None, None),
            Some(Ok(answer)) => (Some(Found::new(query, answer)), None),
            Some(Err(message)) => (None, Some(message)),
        };
        let rows = (1..).zip(&list.rules).map(|(place, rule)| Row::new(place, rule)).collect();
        Self {
            shell,
            rows,
            warnings: list.warnings.clone(),
            evaluating: list.evaluating.is_some(),
            when: query.when.clone(),
            error,
            found,
        }
    }
}

impl Row {
    fn new(place: usize, rule: &Rule) -> Self {
        let after = rule.park_after_seconds.map(|s| format!(" after {s} s")).unwrap_or_default();
        Self {
            place,
            name: rule.name.clone(),
            admission: rule.admission.clone().unwrap_or_default(),
            park: rule.park.as_ref().map(|park| format!("{park}{after}")).unwrap_or_default(),
            sets: rule.sets().join(", "),
            when: rule.when.clone(),
        }
    }
}

impl Found {
    fn new(query: &RulesQuery, answer: RuleTestAnswer) -> Self {
        let part = if answer.next.is_some() || !query.cursor.is_empty() { " in this part of the fleet" } else { "" };
        let nodes = if answer.matching == 1 { "node matches" } else { "nodes match" };
        let shown = match answer.nodes.len() as u64 {
            all if all == answer.matching => String::new(),
            some => format!(", the first {some} are shown"),
        };
        let hardware = |m: &str, p: &str| format!("{m} {p}").trim().to_owned();
        Self {
            text: format!("{} {nodes}{part}{shown}.", answer.matching),
            nodes: answer
                .nodes
                .iter()
                .map(|n| (n.uuid.clone(), n.hostname.clone(), hardware(&n.manufacturer, &n.product)))
                .collect(),
            next: answer.next.map(|cursor| {
                let value = super::human::url_value;
                format!("/rules?when={}&cursor={}", value(&query.when), value(&cursor))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn view(query: &RulesQuery, rules: Vec<Rule>, tested: Option<Result<RuleTestAnswer, String>>) -> String {
        let list = RuleList {
            rules,
            hash: String::new(),
            warnings: vec!["it <b>admits all".into()],
            evaluating: Some(String::new()),
        };
        RulesPage::new(Shell::bare("Rules"), query, &list, tested).render().unwrap()
    }

    #[test]
    fn rules_are_listed_in_order_and_escaped() {
        let rule = |name: &str| Rule {
            name: name.into(),
            when: "node.serial == '<script>'".into(),
            admission: Some("admitted".into()),
            park: Some("reboot".into()),
            park_after_seconds: Some(300),
            profile: Some("web".into()),
            cluster: None,
            hostname: None,
            tags: vec![],
        };
        let body = view(&RulesQuery::default(), vec![rule("b"), rule("a")], None);
        assert!(
            body.contains("profile web")
                && body.contains("&#60;b&#62;admits")
                && body.contains("reboot after 300 s")
                && !body.contains("'<script>'"),
            "{body}"
        );
        assert!(body.find("id=\"rule-b\"").unwrap() < body.find("id=\"rule-a\"").unwrap(), "{body}");
        assert!(view(&RulesQuery::default(), vec![], None).contains("higuma rule add"));
    }

    #[test]
    fn an_error_stands_beside_the_field_and_what_matches_below_it() {
        let query = RulesQuery { when: "node.x & \"<b>\"".into(), cursor: String::new() };
        let body = view(&query, vec![], Some(Err("character 6: no field <i>".into())));
        assert!(
            body.contains("character 6: no field &#60;i&#62;") && body.contains("node.x &#38; &#34;&#60;b&#62;"),
            "{body}"
        );
        let node = super::super::fleet::tests::node("ready", "admitted");
        let answer = RuleTestAnswer {
            scanned: 9,
            matching: 2,
            nodes: vec![node],
            next: Some("4c".into()),
            ..RuleTestAnswer::default()
        };
        let body = view(&query, vec![], Some(Ok(answer)));
        assert!(body.contains("2 nodes match in this part of the fleet, the first 1 are shown."), "{body}");
        assert!(body.contains("/rules?when=node.x%20%26%20%22%3Cb%3E%22&#38;cursor=4c"), "{body}");
    }
}
