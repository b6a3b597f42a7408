//! `higuma enrol`: BMCs out of a file, until each has its node. The server reads and checks the file; here it is only sent, and
//! followed. No password is printed.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::interrupt;
use super::output::{self, answer, typed};
use super::progress::Progress;
use crate::domain::enrol::file::BYTES_MAX;
use higuma_proto::api::{Enrolled, Enrolment, EnrolmentCounts, NewEnrolments, Page, RetryEnrolment};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::http::Method;

const ENROLMENTS: &str = "/api/v1/enrolments";
/// How often those that are followed are asked for.
const ASK: Duration = Duration::from_secs(1);
/// A server that is away (it restarts) is waited for so long.
const AWAY: Duration = Duration::from_secs(300);

/// Enrol BMCs from the outside
#[derive(Debug, clap::Subcommand)]
pub enum EnrolCommand {
    /// Enrol the BMCs of a CSV or YAML file: all of it, or nothing when a line does not fit
    #[command(
        after_help = "Columns: address (one, first-last or network/bits), user, password, and where wanted name, cluster, profile, protocol, port, uefi, restart.\nExamples:\n  higuma enrol import --dry-run rack7.csv\n  higuma enrol import --watch rack7.csv"
    )]
    Import(Import),
    /// BMCs that are enrolled, and how far each is
    #[command(after_help = "Example:\n  higuma enrol list --state failed")]
    List {
        /// Only this state: waiting, contacting, identified, booting, matched, failed or cancelled
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Only this import
        #[arg(long, value_name = "ID")]
        batch: Option<String>,
    },
    /// Try one again from the start
    #[command(after_help = "Example:\n  higuma enrol retry 10.0.8.17 --restart")]
    Retry {
        /// Id, or address of the BMC
        which: String,
        /// Restart the machine if it is on
        #[arg(long)]
        restart: bool,
    },
    /// Give one up
    #[command(after_help = "Example:\n  higuma enrol cancel 10.0.8.17")]
    Cancel {
        /// Id, or address of the BMC
        which: String,
    },
    /// Follow all, or one import, until nothing is under way; ends with 0 when each has its node
    #[command(after_help = "Example:\n  higuma enrol watch --for 1h")]
    Watch {
        /// Only this import
        #[arg(long, value_name = "ID")]
        batch: Option<String>,
        /// How long at most; a machine that never comes is waited for as long
        #[arg(long = "for", value_name = "DURATION", default_value = "30m", value_parser = duration)]
        limit: Duration,
    },
}

/// A file to import.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The file; - is standard input (CSV, unless --yaml)
    pub file: PathBuf,
    /// It is YAML, whatever its name
    #[arg(long)]
    pub yaml: bool,
    /// Check the file, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Restart machines that are on; without this they are left alone
    #[arg(long)]
    pub restart: bool,
    /// Follow them until each has its node
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    /// With --watch: how long at most
    #[arg(long = "for", value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub limit: Duration,
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let micros = crate::config::duration_or_zero(text).and_then(|micros| u64::try_from(micros).ok());
    micros.map(Duration::from_micros).ok_or_else(|| "expected a number with s, m or h, e.g. 90s or 1h".to_owned())
}

pub(super) fn run(global: &Global, command: EnrolCommand) -> Result<()> {
    let client = Client::new(global)?;
    let one = |e: Enrolment| table(&[e]);
    match command {
        EnrolCommand::Import(import) => enrol(global, &client, &import),
        EnrolCommand::List { state, batch } => {
            let query = [("state", state.as_deref()), ("batch", batch.as_deref())];
            let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            answer(global.format, client.list(ENROLMENTS, &query)?, |page: Page<Enrolment>| table(&page.items))
        }
        EnrolCommand::Retry { which, restart } => {
            let path = format!("{ENROLMENTS}/{}/retry", encode(&which));
            answer(global.format, client.call(Method::POST, &path, Some(&RetryEnrolment { restart }))?, one)
        }
        EnrolCommand::Cancel { which } => {
            let path = format!("{ENROLMENTS}/{}/cancel", encode(&which));
            answer(global.format, client.call(Method::POST, &path, None::<&()>)?, one)
        }
        EnrolCommand::Watch { batch, limit } => watch(global, &client, batch.as_deref(), limit),
    }
}

fn enrol(global: &Global, client: &Client, import: &Import) -> Result<()> {
    let suffix = import.file.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
    let yaml = import.yaml || matches!(suffix.to_ascii_lowercase().as_str(), "yaml" | "yml");
    let body = NewEnrolments {
        format: if yaml { "yaml" } else { "csv" }.to_owned(),
        text: read(&import.file)?,
        dry_run: import.dry_run,
        restart: import.restart,
    };
    // The same file again changes nothing: a lost answer is no loss.
    let value = client.call(Method::POST, ENROLMENTS, Some(&body))?;
    let done: Enrolled = typed(value.clone())?;
    if !import.watch {
        return answer(global.format, value, |done: Enrolled| told(&done) + "\n");
    }
    eprintln!("{}", told(&done));
    // Those of the file that were known before belong to earlier imports.
    let batch = (done.unchanged == 0).then_some(done.batch.as_str());
    watch(global, client, batch, import.limit)
}

fn told(done: &Enrolled) -> String {
    let Enrolled { addresses, new, changed, unchanged, .. } = done;
    let what = if done.written { format!("import {}", done.batch) } else { "dry run, nothing written".to_owned() };
    format!("{addresses} BMC(s): {new} new, {changed} changed, {unchanged} as they were; {what}")
}

fn read(file: &Path) -> Result<String> {
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let fail = Failure::io("read", file);
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(fail)?,
        false => std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(fail)?,
    };
    if bytes.len() > BYTES_MAX {
        return Err(Failure::usage(format!("expected a file of at most {BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{}: expected UTF-8", file.display())))
}

/// Follow them until nothing is under way. Errors: with exit code 1 when one has no node then.
fn watch(global: &Global, client: &Client, batch: Option<&str>, limit: Duration) -> Result<()> {
    let progress = Progress::new();
    interrupt::last_words("not watched any more; the server goes on: higuma enrol watch".to_owned());
    let done = follow(client, batch, limit, &progress);
    interrupt::last_words(String::new());
    let value = done?;
    let counts: EnrolmentCounts = typed(value.clone())?;
    answer(global.format, value, |counts: EnrolmentCounts| line(&counts) + "\n")?;
    match counts.matched + counts.cancelled == counts.total {
        true => Ok(()),
        false => Err(Failure::failed("not every BMC has its node; why: higuma enrol list")),
    }
}

fn follow(client: &Client, batch: Option<&str>, limit: Duration, progress: &Progress) -> Result<Value> {
    let path = match batch {
        Some(batch) => format!("{ENROLMENTS}/counts?batch={}", encode(batch)),
        None => format!("{ENROLMENTS}/counts"),
    };
    let (begun, mut told, mut away): (Instant, String, Option<Instant>) = (Instant::now(), String::new(), None);
    loop {
        match client.get(&path) {
            Ok(value) => {
                away = None;
                let counts: EnrolmentCounts = typed(value.clone())?;
                let text = line(&counts);
                if text != told {
                    progress.line(&text);
                    told = text;
                }
                if counts.under_way() == 0 || begun.elapsed() >= limit {
                    return Ok(value);
                }
            }
            Err(failure) if failure.exit == Exit::Unavailable => {
                let since = *away.get_or_insert_with(|| {
                    progress.line(&format!("{}; nothing is lost; asking again", failure.message));
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

/// "3 BMCs: 1 matched, 2 booting"
fn line(c: &EnrolmentCounts) -> String {
    let words = [
        (c.matched, "matched"),
        (c.failed, "failed"),
        (c.held, "need a person"),
        (c.booting, "booting"),
        (c.identified, "identified"),
        (c.contacting, "contacted now"),
        (c.waiting, "waiting"),
        (c.cancelled, "cancelled"),
    ];
    let words: Vec<String> = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    format!("{} BMC(s): {words}", c.total)
}

fn table(all: &[Enrolment]) -> String {
    let row = |e: &Enrolment| {
        let by = e.driver.clone().unwrap_or_else(|| e.protocol.clone());
        let node = e.node.clone().unwrap_or_default();
        [
            e.address.clone(),
            e.state.clone(),
            by,
            e.power.clone(),
            e.name.clone(),
            e.profile.clone(),
            node,
            e.reason.clone(),
        ]
    };
    let head = ["ADDRESS", "STATE", "BY", "POWER", "NAME", "PROFILE", "NODE", "WHY"];
    output::table(head, &all.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_in_one_line() {
        let counts =
            EnrolmentCounts { total: 5, matched: 2, booting: 1, held: 1, failed: 1, ..EnrolmentCounts::default() };
        assert_eq!(line(&counts), "5 BMC(s): 2 matched, 1 failed, 1 need a person, 1 booting");
        assert_eq!((counts.under_way(), line(&EnrolmentCounts::default())), (1, "0 BMC(s): none".to_owned()));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    }
}
