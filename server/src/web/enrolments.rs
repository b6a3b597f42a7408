//! `/enrolments`: BMCs that are enrolled from the outside, how far each is and why, and a form that takes a file. What is wrong
//! with a file is told line by line beside the form; what was typed is shown again nowhere, since it holds passwords.
//! `?fragment=1` gives the list alone.

use super::{PageError, Shell, html, human, see_other};
use crate::domain::Micros;
use crate::domain::enrol::State as Stage;
use crate::error::Error;
use crate::http::State;
use crate::http::enrol::id;
use crate::service::auth::Person;
use crate::service::enrol::{self, EnrolmentQuery};
use crate::store::EnrolmentFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Enrolled, Enrolment, EnrolmentCounts, NewEnrolments, Page};
use serde::Deserialize;

/// Enrolments on one page.
const ON_PAGE: usize = 100;
/// Largest form, bytes: a file, with every byte as three of the form.
pub(super) const FORM_LIMIT: usize = 3 * crate::domain::enrol::file::BYTES_MAX;

/// What the address says. Unknown keys mean nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EnrolmentsQuery {
    state: String,
    cursor: String,
    done: Option<String>,
    fragment: Option<String>,
}

/// The form: never shown again, nor logged.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct EnrolForm {
    format: String,
    text: String,
    restart: Option<String>,
    check: Option<String>,
}

/// A button beside one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ActForm {
    action: String,
}

/// What came of a form.
#[derive(Default)]
struct Outcome {
    errors: Vec<String>,
    checked: Option<String>,
    /// What a button did not do. The page has another address then, and is not kept up to date.
    refused: Option<String>,
}

/// The handler.
pub(super) async fn page(
    state: web::Data<State>,
    query: web::Query<EnrolmentsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    show(&state, &query, &req, StatusCode::OK, Outcome::default()).await
}

async fn show(
    state: &State,
    query: &EnrolmentsQuery,
    req: &HttpRequest,
    status: StatusCode,
    outcome: Outcome,
) -> Result<HttpResponse, PageError> {
    let only = Some(&query.state).filter(|word| !word.is_empty()).map(|word| word.parse::<Stage>()).transpose()?;
    let list = EnrolmentQuery {
        filter: EnrolmentFilter { state: only, batch: None },
        cursor: id("cursor", Some(&query.cursor))?,
        limit: Some(ON_PAGE),
    };
    let list = enrol::list(&state.app, list).await?;
    let counts = enrol::counts(&state.app, None).await?;
    let shell = Shell::new("Enrolments", req, query.done.as_deref());
    let view = EnrolmentsPage::new(shell, query, &counts, list, outcome, state.app.now());
    Ok(match query.fragment {
        Some(_) => html(status, &view.as_live()),
        None => html(status, &view),
    })
}

/// `POST /enrolments`: take a file, or only check it.
pub(super) async fn submit(
    state: web::Data<State>,
    form: web::Form<EnrolForm>,
    person: web::ReqData<Person>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let EnrolForm { format, text, restart, check } = form.into_inner();
    let new = NewEnrolments { format, text, dry_run: check.is_some(), restart: restart.is_some() };
    match enrol::import(&state.app, new, &person.name).await {
        Ok(done) if done.written => Ok(see_other("/enrolments?done=enrolled#main")),
        Ok(done) => {
            let checked = Some(checked(&done));
            let outcome = Outcome { checked, ..Outcome::default() };
            show(&state, &EnrolmentsQuery::default(), &req, StatusCode::OK, outcome).await
        }
        Err(Error::BadRequest(errors)) => {
            let outcome = Outcome { errors: errors.lines().map(str::to_owned).collect(), ..Outcome::default() };
            show(&state, &EnrolmentsQuery::default(), &req, StatusCode::BAD_REQUEST, outcome).await
        }
        Err(error) => Err(error.into()),
    }
}

fn checked(done: &Enrolled) -> String {
    let Enrolled { addresses, new, changed, unchanged, .. } = done;
    format!(
        "The file fits: {addresses} BMCs, {new} new, {changed} changed, {unchanged} as they were. Nothing was written."
    )
}

/// `POST /enrolments/{id}`: try one again, or give it up. What is refused is said above the list.
pub(super) async fn act(
    state: web::Data<State>,
    which: web::Path<String>,
    form: web::Form<ActForm>,
    person: web::ReqData<Person>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let app = &state.app;
    let done = match form.action.as_str() {
        "retry" => enrol::retry(app, &which, false, &person.name).await.map(|_| "enrol-retry"),
        "restart" => enrol::retry(app, &which, true, &person.name).await.map(|_| "enrol-retry"),
        "cancel" => enrol::cancel(app, &which, &person.name).await.map(|_| "enrol-cancelled"),
        _ => Err(Error::BadRequest("action: expected one of the page's buttons".to_owned())),
    };
    match done {
        Ok(word) => Ok(see_other(&format!("/enrolments?done={word}"))),
        Err(Error::Conflict(why)) => {
            let outcome = Outcome { refused: Some(why), ..Outcome::default() };
            show(&state, &EnrolmentsQuery::default(), &req, StatusCode::CONFLICT, outcome).await
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "enrolments.html", blocks = ["live"])]
struct EnrolmentsPage {
    shell: Shell,
    states: Vec<(String, String, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
    errors: Vec<String>,
    checked: Option<String>,
    refused: Option<String>,
}

struct Row {
    id: String,
    address: String,
    state: String,
    word: &'static str,
    reason: String,
    about: String,
    node: Option<String>,
    changed: String,
    ago: String,
    retry: bool,
    restart: bool,
    cancel: bool,
}

impl Row {
    fn new(e: Enrolment, now: Micros) -> Self {
        let about = [e.name, e.profile, e.cluster, e.driver.unwrap_or_default(), e.mac, e.firmware];
        let about: Vec<String> = about.into_iter().filter(|text| !text.is_empty()).collect();
        let state = e.state.as_str();
        Self {
            word: match state {
                "matched" => "ok",
                "failed" => "failed",
                _ if e.held => "retry",
                _ => "info",
            },
            retry: matches!(state, "failed" | "cancelled" | "identified" | "booting" | "waiting"),
            restart: e.power == "on" && matches!(state, "identified" | "booting"),
            cancel: !matches!(state, "matched" | "cancelled"),
            id: e.id,
            address: e.address,
            state: if e.held { format!("{}, for a person", e.state) } else { e.state },
            reason: e.reason,
            about: about.join(" · "),
            node: e.node,
            changed: human::absolute(e.changed_us),
            ago: human::ago(e.changed_us, now),
        }
    }
}

impl Row {
    fn acts(&self) -> bool {
        self.retry || self.restart || self.cancel
    }
}

impl EnrolmentsPage {
    fn new(
        shell: Shell,
        query: &EnrolmentsQuery,
        counts: &EnrolmentCounts,
        list: Page<Enrolment>,
        outcome: Outcome,
        now: Micros,
    ) -> Self {
        let link = |(word, count): (&str, u64)| {
            let href = if word == "all" { "/enrolments".to_owned() } else { format!("/enrolments?state={word}") };
            let active = query.state == word || (word == "all" && query.state.is_empty());
            let held = if word == "identified" { counts.held } else { 0 };
            let text =
                if held > 0 { format!("{word} {count} ({held} for a person)") } else { format!("{word} {count}") };
            (text, href, active)
        };
        let states = [
            ("all", counts.total),
            ("waiting", counts.waiting),
            ("contacting", counts.contacting),
            ("identified", counts.identified + counts.held),
            ("booting", counts.booting),
            ("matched", counts.matched),
            ("failed", counts.failed),
            ("cancelled", counts.cancelled),
        ];
        let next = |cursor: String| {
            format!("/enrolments?state={}&cursor={}", human::url_value(&query.state), human::url_value(&cursor))
        };
        Self {
            shell,
            states: states.map(link).into(),
            next: list.next.map(next),
            rows: list.items.into_iter().map(|e| Row::new(e, now)).collect(),
            errors: outcome.errors,
            checked: outcome.checked,
            refused: outcome.refused,
        }
    }
}

#[cfg(test)]
#[path = "enrolments_tests.rs"]
mod tests;
