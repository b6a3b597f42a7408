//! `/jobs`: actions on many nodes, newest first; and `/jobs/{id}`: how far one is, each node with its result, those that
//! failed first, and a button that cancels it.

use super::listing::Links;
use super::{PageError, Shell, html, human, see_other};
use crate::domain::Micros;
use crate::domain::job::{ItemState, JobState};
use crate::http::State;
use crate::service::auth::Person;
use crate::service::jobs::{self, ItemsQuery, JobsQuery};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use higuma_proto::api::{Job, JobCounts, JobItem, Page};
use serde::Deserialize;

/// Jobs or nodes on one page.
const ON_PAGE: usize = 50;

/// What the addresses say. Unknown keys mean nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobsPageQuery {
    state: String,
    cursor: String,
    done: Option<String>,
    fragment: Option<String>,
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A job, ready.
struct JobRow {
    id: String,
    action: String,
    selector: String,
    who: String,
    state: String,
    made: String,
    ago: String,
    ended: u64,
    total: u64,
    results: String,
    /// Something did not work.
    troubled: bool,
}

impl JobRow {
    fn new(job: &Job, now: Micros) -> Self {
        Self {
            id: job.id.clone(),
            action: job.action.clone(),
            selector: job.selector.clone(),
            who: job.who.clone(),
            state: job.state.clone(),
            made: human::absolute(job.made_us),
            ago: human::ago(job.made_us, now),
            ended: job.counts.ended(),
            total: job.counts.total,
            results: results(&job.counts),
            troubled: job.counts.failed > 0 || job.counts.interrupted > 0,
        }
    }
}

/// "18 ok, 2 failed".
fn results(c: &JobCounts) -> String {
    let words = [
        (c.failed, "failed"),
        (c.interrupted, "interrupted"),
        (c.ok, "ok"),
        (c.skipped, "skipped"),
        (c.cancelled, "cancelled"),
        (c.running, "under way"),
    ];
    let words: Vec<String> = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    words.join(", ")
}

#[derive(Template)]
#[template(path = "jobs.html", blocks = ["live"])]
struct JobsPage {
    shell: Shell,
    states: Vec<(&'static str, String, bool)>,
    jobs: Vec<JobRow>,
    first: Option<String>,
    next: Option<String>,
}

impl JobsPage {
    fn new(shell: Shell, query: &JobsPageQuery, page: Page<Job>, now: Micros) -> Self {
        let states = JobState::ALL.iter().map(|state| state.as_str());
        let Links { states, first, next } = Links::new("/jobs", states, (&query.state, &query.cursor), &page);
        Self { shell, states, jobs: page.items.iter().map(|job| JobRow::new(job, now)).collect(), first, next }
    }
}

/// The list.
pub(super) async fn list(
    state: web::Data<State>,
    query: web::Query<JobsPageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let wanted: Option<JobState> = some(&query.state).map(|word| word.parse()).transpose()?;
    let asked = JobsQuery { state: wanted, cursor: some(&query.cursor), limit: Some(ON_PAGE) };
    let page = jobs::list(&state.app, asked).await?;
    let view = JobsPage::new(Shell::new("Jobs", &req, None), &query, page, state.app.now());
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

struct ItemRow {
    n: u32,
    node: String,
    name: String,
    gone: bool,
    state: String,
    /// For the style sheet: a word of `w-`.
    word: &'static str,
    when: String,
    message: String,
}

impl ItemRow {
    fn new(item: JobItem) -> Self {
        Self {
            n: item.n,
            gone: item.hostname.is_empty(),
            name: if item.hostname.is_empty() { item.node.clone() } else { item.hostname },
            node: item.node,
            word: match item.state.as_str() {
                "ok" => "ok",
                "failed" => "failed",
                "interrupted" => "retry",
                "running" => "now",
                _ => "info",
            },
            when: item.ended_us.or(item.started_us).map(human::clock).unwrap_or_default(),
            message: item.message,
            state: item.state,
        }
    }
}

#[derive(Template)]
#[template(path = "job.html", blocks = ["live"])]
struct JobPage {
    shell: Shell,
    job: JobRow,
    facts: Vec<(&'static str, String)>,
    may_cancel: bool,
    tiles: Vec<Tile>,
    items: Vec<ItemRow>,
    first: Option<String>,
    next: Option<String>,
}

struct Tile {
    word: &'static str,
    class: &'static str,
    count: u64,
    href: String,
    active: bool,
}

impl JobPage {
    fn new(shell: Shell, query: &JobsPageQuery, job: &Job, items: Page<JobItem>, now: Micros) -> Self {
        let id = &job.id;
        let at =
            |state: &str| if state.is_empty() { format!("/jobs/{id}") } else { format!("/jobs/{id}?state={state}") };
        let next = |cursor: &str| {
            let state = if query.state.is_empty() { String::new() } else { format!("state={}&", query.state) };
            format!("/jobs/{id}?{state}cursor={}", human::url_value(cursor))
        };
        let tile = |state: ItemState| {
            let active = query.state == state.as_str();
            Tile {
                word: state.as_str(),
                class: class_of(state),
                count: count_of(&job.counts, state),
                href: if active { at("") } else { at(state.as_str()) },
                active,
            }
        };
        Self {
            shell,
            job: JobRow::new(job, now),
            facts: facts(job),
            may_cancel: job.ended_us.is_none() && job.cancelled_by.is_none(),
            tiles: ItemState::ALL.into_iter().map(tile).collect(),
            items: items.items.into_iter().map(ItemRow::new).collect(),
            first: some(&query.cursor).map(|_| at(&query.state)),
            next: items.next.map(|cursor| next(&cursor)),
        }
    }
}

fn facts(job: &Job) -> Vec<(&'static str, String)> {
    let pace = match job.stagger_ms {
        0 => format!("{} nodes at once", job.parallel),
        ms => format!("{} nodes at once, a start every {ms} ms", job.parallel),
    };
    let time = |name, at: Option<i64>| at.map(|at| (name, human::absolute(at)));
    let asked = format!("{}, {}", job.who, human::absolute(job.made_us));
    let mut facts = vec![("For", job.selector.clone()), ("Asked for by", asked), ("Pace", pace)];
    facts.extend(time("Started", job.started_us));
    facts.extend(time("Ended", job.ended_us));
    facts.extend(job.cancelled_by.clone().map(|by| ("Cancelled by", by)));
    facts
}

fn class_of(state: ItemState) -> &'static str {
    match state {
        ItemState::Ok => "f-compliant",
        ItemState::Failed => "f-failed",
        ItemState::Interrupted => "f-held",
        ItemState::Running => "f-updating",
        ItemState::Skipped | ItemState::Cancelled | ItemState::Waiting => "f-unknown",
    }
}

fn count_of(c: &JobCounts, state: ItemState) -> u64 {
    match state {
        ItemState::Ok => c.ok,
        ItemState::Failed => c.failed,
        ItemState::Interrupted => c.interrupted,
        ItemState::Running => c.running,
        ItemState::Skipped => c.skipped,
        ItemState::Cancelled => c.cancelled,
        ItemState::Waiting => c.waiting,
    }
}

/// One.
pub(super) async fn page(
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<JobsPageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let wanted: Option<ItemState> = some(&query.state).map(|word| word.parse()).transpose()?;
    let job = jobs::show(&state.app, &id).await?;
    let asked = ItemsQuery { state: wanted, cursor: some(&query.cursor), limit: Some(ON_PAGE) };
    let items = jobs::items(&state.app, &id, asked).await?;
    let view = JobPage::new(Shell::new("Job", &req, query.done.as_deref()), &query, &job, items, state.app.now());
    Ok(match query.fragment {
        Some(_) => html(StatusCode::OK, &view.as_live()),
        None => html(StatusCode::OK, &view),
    })
}

/// The button.
pub(super) async fn cancel(
    state: web::Data<State>,
    id: web::Path<String>,
    person: web::ReqData<Person>,
) -> Result<HttpResponse, PageError> {
    let job = jobs::cancel(&state.app, &id, &person.name).await?;
    Ok(see_other(&format!("/jobs/{}?done=job-cancelled", job.id)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Micros = 1_790_000_000_000_000;

    fn job() -> Job {
        Job {
            id: "0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3".into(),
            action: "power-on".into(),
            selector: "where node.serial == '<b>'".into(),
            who: "ana".into(),
            made_us: NOW - 60_000_000,
            stagger_ms: 500,
            parallel: 16,
            state: "running".into(),
            cancelled_by: None,
            started_us: Some(NOW),
            ended_us: None,
            counts: JobCounts { total: 50, waiting: 28, running: 2, ok: 17, failed: 3, ..JobCounts::default() },
        }
    }

    fn item(state: &str, hostname: &str) -> JobItem {
        JobItem {
            n: 7,
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".into(),
            hostname: hostname.into(),
            state: state.into(),
            attempts: 1,
            message: "<script>".into(),
            started_us: Some(NOW),
            ended_us: None,
        }
    }

    #[test]
    fn the_list_has_progress_and_pages() {
        let query = JobsPageQuery { state: "running".into(), cursor: "x".into(), ..JobsPageQuery::default() };
        let page = Page { items: vec![job()], next: Some("c".into()) };
        let body = JobsPage::new(Shell::bare("Jobs"), &query, page, NOW).render().unwrap();
        assert!(
            body.contains("<progress value=\"20\" max=\"50\"") && body.contains("3 failed, 17 ok, 2 under way"),
            "{body}"
        );
        assert!(body.contains("&#60;b&#62;") && !body.contains("'<b>'"), "{body}");
        assert!(body.contains("href=\"/jobs?state=running&#38;cursor=c\""), "{body}");
        assert!(body.contains("href=\"/jobs?state=running\" aria-current"), "{body}");
        let none = JobsPage::new(Shell::bare("Jobs"), &query, Page { items: vec![], next: None }, NOW);
        assert!(none.render().unwrap().contains("id=\"no-jobs\""));
    }

    #[test]
    fn one_job_can_be_cancelled_while_it_is_open() {
        let query = JobsPageQuery { state: "failed".into(), ..JobsPageQuery::default() };
        let page = |job: &Job| {
            let items =
                Page { items: vec![item("failed", "hv-12"), item("skipped", "")], next: Some("failed:9".into()) };
            JobPage::new(Shell::bare("Job"), &query, job, items, NOW).render().unwrap()
        };
        let body = page(&job());
        assert!(body.contains("action=\"/jobs/0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3/cancel\""), "{body}");
        assert!(body.contains("&#60;script&#62;") && !body.contains("<script>"), "{body}");
        assert!(body.contains("href=\"/nodes/4c4c4544-0046-3010-8052-b4c04f4a4d32\">hv-12"), "{body}");
        assert_eq!(body.matches("href=\"/nodes/").count(), 1, "a node that is gone has no page: {body}");
        assert!(body.contains("state=failed&#38;cursor=failed%3A9") && body.contains("a start every 500 ms"), "{body}");
        let ended = Job { state: "cancelled".into(), cancelled_by: Some("bob".into()), ended_us: Some(NOW), ..job() };
        let body = page(&ended);
        assert!(!body.contains("/cancel\"") && body.contains("bob"), "{body}");
    }
}
