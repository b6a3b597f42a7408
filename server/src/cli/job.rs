//! `higuma job`: actions on many nodes, listed, looked at, followed and cancelled; and what other commands use to have one
//! done: [`submit_and_watch`]. A job runs on the server: it goes on when this program ends.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::interrupt;
use super::output::{self, Format, answer, typed};
use super::progress::Progress;
use higuma_proto::api::{Job, JobCounts, JobItem, NewJob, Page};
use serde_json::Value;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// How often a job that is followed is asked for.
const ASK: Duration = Duration::from_secs(1);
/// And how often its progress is told, at most.
const TELL: Duration = Duration::from_secs(5);
/// A server that is away (it restarts) is waited for so long.
const AWAY: Duration = Duration::from_secs(300);
/// A request whose answer was lost is sent so often; it is one job all the same.
const SENDS: u32 = 3;
/// Nodes that did not work out, shown at the end.
const SHOWN: usize = 50;

/// Actions on many nodes
#[derive(Debug, clap::Subcommand)]
pub enum JobCommand {
    /// List jobs, newest first
    #[command(after_help = "Example:\n  higuma job list\n  higuma job list --state running -o json")]
    List {
        /// Only this state: queued, running, cancelling, done or cancelled
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Do something to many nodes, and follow it to its end
    #[command(
        after_help = "Example:\n  higuma job run power-on web-17 web-18\n  higuma job run 'boot-device pxe once uefi' --where 'node.product == \"R740\"'\n  higuma job run power-cycle --where 'node.profile == \"hv\"' --stagger 2s --parallel 4 --detach"
    )]
    Run(Box<Run>),
    /// One job, and each node with its result, those that failed first
    #[command(
        after_help = "Example:\n  higuma job show 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3\n  higuma job show 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3 --state failed"
    )]
    Show {
        /// Job id, from `job list`
        job: String,
        /// Only nodes of this state: failed, interrupted, running, skipped, cancelled, waiting or ok
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Follow a job to its end; ends with 0 when every node is ok. Ctrl-C ends the watching, not the job
    #[command(after_help = "Example:\n  higuma job watch 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3")]
    Watch {
        /// Job id, from `job list`
        job: String,
    },
    /// Begin nothing more of a job; what is under way ends
    #[command(after_help = "Example:\n  higuma job cancel 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3")]
    Cancel {
        /// Job id, from `job list`
        job: String,
    },
}

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Run {
    /// power-on, power-off, soft-off, power-cycle, reset, nmi, bmc-reset, clear-log, rotate-password, 'identify SECONDS', or
    /// 'boot-device DEVICE once|persistent [uefi]'
    pub action: String,
    /// UUIDs or host names
    #[arg(group = "which", value_name = "NODE")]
    pub nodes: Vec<String>,
    /// All nodes for which this expression holds (CEL; the fields are on the book's page "Search")
    #[arg(long = "where", group = "which", value_name = "EXPR")]
    pub wanted: Option<String>,
    /// Time between the starts of two nodes, e.g. 2s [default: the server's job-stagger for what powers on, else 0s]
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    pub stagger: Option<u32>,
    /// Nodes at once [default: 16]
    #[arg(long, value_name = "N")]
    pub parallel: Option<u32>,
    /// Do not wait for the end
    #[arg(long)]
    pub detach: bool,
}

fn milliseconds(text: &str) -> std::result::Result<u32, String> {
    let micros = crate::config::duration_or_zero(text);
    let ms = micros.and_then(|micros| u32::try_from(micros / 1_000).ok());
    ms.ok_or_else(|| "expected a number with ms, s or m, e.g. 500ms or 2s".to_owned())
}

pub(super) fn run(global: &Global, command: JobCommand) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        JobCommand::List { state } => {
            let query: Vec<(&str, &str)> = state.as_deref().map(|state| ("state", state)).into_iter().collect();
            let value = client.list("/api/v1/jobs", &query)?;
            answer(global.format, value, |page: Page<Job>| list_table(&page.items, output::now_us()))
        }
        JobCommand::Run(run) => {
            let Run { action, nodes, wanted: select, stagger: stagger_ms, parallel, detach } = *run;
            let new = NewJob { action, nodes, select, stagger_ms, parallel, request_id: None };
            submit_and_watch(global, &client, new, detach)
        }
        JobCommand::Show { job, state } => {
            let query: Vec<(&str, &str)> = state.as_deref().map(|state| ("state", state)).into_iter().collect();
            let found = client.get(&path(&job))?;
            let items = client.list(&format!("{}/items", path(&job)), &query)?;
            if global.format == Format::Json {
                let both = serde_json::json!({ "job": found, "items": items.get("items") });
                return answer(global.format, both, |_: Value| String::new());
            }
            let (job, items): (Job, Page<JobItem>) = (typed(found)?, typed(items)?);
            output::print(&format!("{}\n{}", show(&job, output::now_us()), items_table(&items.items)))
        }
        JobCommand::Watch { job } => watch(global, &client, &job),
        JobCommand::Cancel { job } => {
            let value = client.call(Method::POST, &format!("{}/cancel", path(&job)), None::<&()>)?;
            answer(global.format, value, |job: Job| line(&job) + "\n")
        }
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/jobs/{}", encode(id))
}

/// Have a job made and follow it to its end. A request id is added when there is none, so that a lost answer is asked for
/// again without doing anything twice. `detach`: print the job and do not follow it.
pub(super) fn submit_and_watch(global: &Global, client: &Client, new: NewJob, detach: bool) -> Result<()> {
    let value = submit(client, new)?;
    if detach {
        return answer(global.format, value, |job: Job| line(&job) + "\n");
    }
    let job: Job = typed(value)?;
    watch(global, client, &job.id)
}

fn submit(client: &Client, new: NewJob) -> Result<Value> {
    let request_id = new.request_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let new = NewJob { request_id: Some(request_id), ..new };
    interrupt::last_words("the job may have been made all the same: higuma job list".to_owned());
    let mut sent = 0;
    loop {
        sent += 1;
        match client.call(Method::POST, "/api/v1/jobs", Some(&new)) {
            Err(failure) if failure.exit == Exit::Unavailable && sent < SENDS => std::thread::sleep(ASK),
            other => return other,
        }
    }
}

/// Follow a job to its end. Errors: those of the API; and with exit code 1 when a node is not ok.
pub(super) fn watch(global: &Global, client: &Client, id: &str) -> Result<()> {
    let progress = Progress::new();
    interrupt::last_words(format!("not watched any more; the job goes on: higuma job watch {id}"));
    let done = follow(client, id, &progress);
    interrupt::last_words(String::new());
    let value = done?;
    let job: Job = typed(value.clone())?;
    if global.format == Format::Json {
        answer(global.format, value, |_: Value| String::new())?;
    } else {
        let page = client.get(&format!("{}/items?limit={SHOWN}", path(id)))?;
        let page: Page<JobItem> = typed(page)?;
        let bad: Vec<JobItem> = page.items.into_iter().filter(|item| item.state != "ok").collect();
        let table = if bad.is_empty() { String::new() } else { items_table(&bad) };
        output::print(&format!("{table}{}\n", line(&job)))?;
    }
    match job.counts.ok == job.counts.total {
        true => Ok(()),
        false => Err(Failure::failed(format!("not every node is ok; all results: higuma job show {}", job.id))),
    }
}

/// The job as it ended.
fn follow(client: &Client, id: &str, progress: &Progress) -> Result<Value> {
    let (mut told, mut told_at): (Option<String>, Option<Instant>) = (None, None);
    let mut away: Option<Instant> = None;
    loop {
        match client.get(&path(id)) {
            Ok(value) => {
                away = None;
                let job: Job = typed(value.clone())?;
                let ended = job.ended_us.is_some();
                let text = line(&job);
                let due = told_at.is_none_or(|at| at.elapsed() >= TELL) || ended;
                if due && told.as_ref() != Some(&text) {
                    progress.line(&text);
                    (told, told_at) = (Some(text), Some(Instant::now()));
                }
                if ended {
                    return Ok(value);
                }
            }
            Err(failure) if failure.exit == Exit::Unavailable => {
                let since = *away.get_or_insert_with(|| {
                    progress.line(&format!("{}; the job is not lost; asking again", failure.message));
                    Instant::now()
                });
                if since.elapsed() > AWAY {
                    return Err(failure);
                }
            }
            Err(failure) => return Err(failure),
        }
        std::thread::sleep(ASK);
    }
}

/// "job 0198...: power-on, running: 20 of 50 (18 ok, 2 failed), 4 under way"
fn line(job: &Job) -> String {
    format!("job {}: {}, {}: {}", job.id, job.action, job.state, counts(&job.counts))
}

fn counts(c: &JobCounts) -> String {
    let words = [
        (c.ok, "ok"),
        (c.failed, "failed"),
        (c.interrupted, "interrupted"),
        (c.skipped, "skipped"),
        (c.cancelled, "cancelled"),
    ];
    let words: Vec<String> = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let results = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
    let running = if c.running > 0 { format!(", {} under way", c.running) } else { String::new() };
    format!("{} of {}{results}{running}", c.ended(), c.total)
}

fn list_table(jobs: &[Job], now: i64) -> String {
    let rows: Vec<[String; 7]> = jobs
        .iter()
        .map(|job| {
            [
                job.id.clone(),
                output::ago(job.made_us, now),
                job.action.clone(),
                job.state.clone(),
                counts(&job.counts),
                job.who.clone(),
                job.selector.clone(),
            ]
        })
        .collect();
    output::table(["ID", "MADE", "ACTION", "STATE", "NODES", "BY", "FOR"], &rows)
}

fn show(job: &Job, now: i64) -> String {
    let time = |at: Option<i64>| at.map(|at| output::time_ago(at, now)).unwrap_or_default();
    let cancelled = job.cancelled_by.as_ref().map(|by| format!(", cancelled by {by}")).unwrap_or_default();
    let pace = match job.stagger_ms {
        0 => format!("{} nodes at once", job.parallel),
        ms => format!("{} nodes at once, a start every {ms} ms", job.parallel),
    };
    output::fields(&[
        ("Job", job.id.clone()),
        ("Action", job.action.clone()),
        ("For", job.selector.clone()),
        ("By", job.who.clone()),
        ("State", format!("{}{cancelled}", job.state)),
        ("Nodes", counts(&job.counts)),
        ("Pace", pace),
        ("Made", output::time_ago(job.made_us, now)),
        ("Started", time(job.started_us)),
        ("Ended", time(job.ended_us)),
    ])
}

fn items_table(items: &[JobItem]) -> String {
    let rows: Vec<[String; 4]> = items
        .iter()
        .map(|item| {
            let name = if item.hostname.is_empty() { &item.node } else { &item.hostname };
            let ended = item.ended_us.map(output::time).unwrap_or_default();
            [name.clone(), item.state.clone(), ended, item.message.clone()]
        })
        .collect();
    output::table(["NODE", "STATE", "ENDED", "WHAT HAPPENED"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            id: "j1".into(),
            action: "power-on".into(),
            selector: "where true".into(),
            who: "ana".into(),
            made_us: 0,
            stagger_ms: 500,
            parallel: 16,
            state: "running".into(),
            cancelled_by: None,
            started_us: Some(0),
            ended_us: None,
            counts: JobCounts { total: 50, waiting: 26, running: 4, ok: 18, failed: 2, ..JobCounts::default() },
        }
    }

    #[test]
    fn a_job_in_one_line_and_in_a_list() {
        assert_eq!(line(&job()), "job j1: power-on, running: 20 of 50 (18 ok, 2 failed), 4 under way");
        assert_eq!(
            list_table(&[job()], 120_000_000),
            "ID  MADE       ACTION    STATE    NODES                                    BY   FOR\n\
             j1  2 min ago  power-on  running  20 of 50 (18 ok, 2 failed), 4 under way  ana  where true\n"
        );
        let shown = show(&job(), 0);
        assert!(shown.contains("16 nodes at once, a start every 500 ms") && shown.contains("Ended:    -"), "{shown}");
    }

    #[test]
    fn results_cannot_steer_a_terminal() {
        let item = JobItem {
            n: 0,
            node: "n1".into(),
            hostname: String::new(),
            state: "failed".into(),
            attempts: 1,
            message: "\u{1b}[31mno".into(),
            started_us: None,
            ended_us: Some(0),
        };
        let table = items_table(&[item]);
        assert!(table.contains("n1    failed  1970-01-01T00:00:00Z  ?[31mno"), "{table}");
    }
}
