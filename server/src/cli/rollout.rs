//! `higuma rollout`: a revision of a profile to many nodes, in waves. A rollout runs on the server: it goes on when this
//! program ends.

use super::Global;
use super::client::{Client, encode};
use super::error::{Exit, Failure, Result};
use super::interrupt;
use super::output::{self, Format, answer, typed};
use super::progress::Progress;
use super::rollout_compare::{COULD_HAVE_FAILED, compared, did_fail, failed_again};
use super::rollout_words::{line, list_table, members_table, plan_text, show};
use crate::config::duration_or_zero;
use higuma_proto::api::{AbortRollout, NewRollout, Page, Rollout, RolloutMember, RolloutOptions, RolloutPlan};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// How often a rollout that is followed is asked for.
const ASK: Duration = Duration::from_secs(2);
/// A server that is away (it restarts) is waited for so long.
const AWAY: Duration = Duration::from_secs(300);
/// A request whose answer was lost is sent so often; it is one rollout all the same.
const SENDS: u32 = 3;
/// Nodes that did not work out, shown at the end.
const SHOWN: usize = 50;
/// Bytes of a file with a secret.
const SECRET_MAX: u64 = 4096;

/// A revision of a profile to many nodes, in waves
#[derive(Debug, clap::Subcommand)]
pub enum RolloutCommand {
    /// Begin one, and follow it to its end; with --dry-run only tell what it would do
    #[command(
        after_help = "Example:\n  higuma rollout start web@7 --where 'node.profile == \"web\"' --dry-run\n  higuma rollout start web@7 --where 'node.profile == \"web\"' --max-down-per-cluster 2 --check 'http://{address}/healthz'"
    )]
    Start(Box<Start>),
    /// List rollouts, newest first
    #[command(after_help = "Example:\n  higuma rollout list --state running")]
    List {
        /// Only this state: running, stopping, rolling-back, done, stopped or rolled-back
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// One rollout, its waves, and each node, those that failed first
    #[command(after_help = "Example:\n  higuma rollout show 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3 --phase failed")]
    Show {
        /// Rollout id, from `rollout list`
        rollout: String,
        /// Only nodes of this phase
        #[arg(long, value_name = "PHASE")]
        phase: Option<String>,
    },
    /// Follow a rollout to its end; ends with 0 when it is done and no node failed. Ctrl-C ends the watching alone
    #[command(after_help = "Example:\n  higuma rollout watch 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3")]
    Watch {
        /// Rollout id, from `rollout list`
        rollout: String,
    },
    /// Hold rollouts against each other: results, times, and the nodes that failed in more than one
    #[command(
        after_help = "Example:\n  higuma rollout compare 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3 0198d111-7a2b-7e01-9c44-55aa10b0c0de"
    )]
    Compare {
        /// Rollout ids, from `rollout list`
        #[arg(required = true, num_args = 2..=10)]
        rollouts: Vec<String>,
    },
    /// Begin no new node until `resume`
    #[command(after_help = "Example:\n  higuma rollout pause 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3")]
    Pause {
        /// Rollout id, from `rollout list`
        rollout: String,
    },
    /// Go on after a pause
    #[command(after_help = "Example:\n  higuma rollout resume 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3")]
    Resume {
        /// Rollout id, from `rollout list`
        rollout: String,
    },
    /// End a rollout: what was begun ends, what was done stays; with --rollback it is undone
    #[command(after_help = "Example:\n  higuma rollout abort 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3 --rollback")]
    Abort {
        /// Rollout id, from `rollout list`
        rollout: String,
        /// Bring every node that was touched back to what it had
        #[arg(long)]
        rollback: bool,
    },
}

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Start {
    /// NAME@REVISION; NAME: its newest revision
    pub profile: String,
    /// UUIDs or host names
    #[arg(group = "which", value_name = "NODE")]
    pub nodes: Vec<String>,
    /// All nodes for which this expression holds (CEL; the fields are on the book's page "Search")
    #[arg(long = "where", group = "which", value_name = "EXPR")]
    pub wanted: Option<String>,
    /// Numbers or percentages of nodes [default: 1,5%,25%,100%]
    #[arg(long, value_name = "LIST")]
    pub waves: Option<String>,
    /// Nodes down at once [default: 10]
    #[arg(long, value_name = "N")]
    pub max_down: Option<u32>,
    /// Nodes of one cluster down at once
    #[arg(long, value_name = "N")]
    pub max_down_per_cluster: Option<u32>,
    /// Nodes at one switch down at once, as LLDP tells
    #[arg(long, value_name = "N")]
    pub max_down_per_switch: Option<u32>,
    /// Nodes that one rule gave their profile down at once
    #[arg(long, value_name = "N")]
    pub max_down_per_rule: Option<u32>,
    /// A node must be up so long after it was to restart [default: 20m]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub up_within: Option<u32>,
    /// A gentle restart becomes a hard one, by the BMC, after so long [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub hard_after: Option<u32>,
    /// Address that must answer 2xx for a node that is up; {hostname}, {address} and {uuid} are replaced
    #[arg(long, value_name = "URL")]
    pub check: Option<String>,
    /// By when [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub check_within: Option<u32>,
    /// A node that has lost parts is well all the same
    #[arg(long)]
    pub ignore_inventory: bool,
    /// Nodes of one wave that may fail [default: 0]
    #[arg(long, value_name = "K")]
    pub max_failures: Option<u32>,
    /// A wave is watched for so long before the next one [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub soak: Option<u32>,
    /// Begin nodes only then, in UTC, e.g. 'mon-fri 22:00-06:00'; may be given several times
    #[arg(long = "window", value_name = "DAYS TIMES")]
    pub windows: Vec<String>,
    /// Hook that takes the load from a node: an address, or command:NAME, a program in the server's hook-dir
    #[arg(long, value_name = "URL|command:NAME")]
    pub drain: Option<String>,
    /// Hook that gives it back
    #[arg(long, value_name = "URL|command:NAME")]
    pub undrain: Option<String>,
    /// File with the secret that signs what hooks are sent over HTTP
    #[arg(long, value_name = "FILE")]
    pub hook_secret_file: Option<PathBuf>,
    /// For one call of a hook, tries included [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub hook_within: Option<u32>,
    /// What follows then: fail or go-on [default: fail]
    #[arg(long, value_name = "WORD")]
    pub hook_deadline: Option<String>,
    /// A gate that fails only stops the rollout
    #[arg(long)]
    pub no_rollback: bool,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait for the end
    #[arg(long)]
    pub detach: bool,
}

fn seconds(text: &str) -> std::result::Result<u32, String> {
    let seconds = duration_or_zero(text).and_then(|micros| u32::try_from(micros / 1_000_000).ok());
    seconds.ok_or_else(|| "expected a number with s, m or h, e.g. 90s or 20m".to_owned())
}

impl Start {
    fn request(self) -> Result<NewRollout> {
        let hook_secret = self.hook_secret_file.map(|file| secret(&file)).transpose()?;
        Ok(NewRollout {
            profile: self.profile,
            nodes: self.nodes,
            select: self.wanted,
            options: RolloutOptions {
                waves: self.waves,
                max_down: self.max_down,
                max_down_per_cluster: self.max_down_per_cluster,
                max_down_per_switch: self.max_down_per_switch,
                max_down_per_rule: self.max_down_per_rule,
                up_within: self.up_within,
                hard_after: self.hard_after,
                check: self.check,
                check_within: self.check_within,
                inventory: self.ignore_inventory.then_some(false),
                max_failures: self.max_failures,
                soak: self.soak,
                windows: self.windows,
                drain: self.drain,
                undrain: self.undrain,
                hook_within: self.hook_within,
                hook_deadline: self.hook_deadline,
                rollback: self.no_rollback.then_some(false),
            },
            hook_secret,
            request_id: None,
        })
    }
}

/// The first line of a file.
fn secret(file: &std::path::Path) -> Result<String> {
    use std::io::Read;
    let bad = |why: String| Failure { exit: Exit::Usage, message: format!("{}: {why}", file.display()) };
    let mut text = String::new();
    let open = std::fs::File::open(file).map_err(|e| bad(e.to_string()))?;
    open.take(SECRET_MAX).read_to_string(&mut text).map_err(|e| bad(e.to_string()))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

pub(super) fn run(global: &Global, command: RolloutCommand) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        RolloutCommand::Start(start) => begin(global, &client, *start),
        RolloutCommand::List { state } => {
            let query: Vec<(&str, &str)> = state.as_deref().map(|state| ("state", state)).into_iter().collect();
            let value = client.list("/api/v1/rollouts", &query)?;
            answer(global.format, value, |page: Page<Rollout>| list_table(&page.items, output::now_us()))
        }
        RolloutCommand::Show { rollout, phase } => {
            let query: Vec<(&str, &str)> = phase.as_deref().map(|phase| ("phase", phase)).into_iter().collect();
            let found = client.get(&path(&rollout))?;
            let members = client.list(&format!("{}/members", path(&rollout)), &query)?;
            if global.format == Format::Json {
                let both = serde_json::json!({ "rollout": found, "members": members.get("items") });
                return answer(global.format, both, |_: Value| String::new());
            }
            let (rollout, members): (Rollout, Page<RolloutMember>) = (typed(found)?, typed(members)?);
            output::print(&format!("{}\n{}", show(&rollout, output::now_us()), members_table(&members.items)))
        }
        RolloutCommand::Compare { rollouts } => compare(global, &client, &rollouts),
        RolloutCommand::Watch { rollout } => watch(global, &client, &rollout),
        RolloutCommand::Pause { rollout } => tell(global, &client, &rollout, "pause", None),
        RolloutCommand::Resume { rollout } => tell(global, &client, &rollout, "resume", None),
        RolloutCommand::Abort { rollout, rollback } => {
            tell(global, &client, &rollout, "abort", Some(AbortRollout { rollback }))
        }
    }
}

/// Side by side, in the order in which they were named.
fn compare(global: &Global, client: &Client, ids: &[String]) -> Result<()> {
    let (mut rollouts, mut failed) = (Vec::new(), Vec::new());
    if let Some(twice) = ids.iter().enumerate().find_map(|(n, id)| ids.iter().take(n).find(|other| *other == id)) {
        return Err(Failure::usage(format!("expected different rollouts, got {twice} twice")));
    }
    for id in ids {
        rollouts.push(typed::<Rollout>(client.get(&path(id))?)?);
        let mut members = Vec::new();
        for phase in COULD_HAVE_FAILED {
            let page: Page<RolloutMember> = typed(client.list(&format!("{}/members", path(id)), &[("phase", phase)])?)?;
            members.extend(page.items.into_iter().filter(did_fail));
        }
        failed.push(members);
    }
    let again = failed_again(&rollouts, &failed);
    if global.format == Format::Json {
        let value = serde_json::json!({ "rollouts": rollouts, "failed_in_several": again });
        return answer(global.format, value, |_: Value| String::new());
    }
    let failed: Vec<usize> = failed.iter().map(Vec::len).collect();
    output::print(&compared(&rollouts, &failed, &again))
}

fn path(id: &str) -> String {
    format!("/api/v1/rollouts/{}", encode(id))
}

fn tell(global: &Global, client: &Client, id: &str, word: &str, body: Option<AbortRollout>) -> Result<()> {
    let value = client.call(Method::POST, &format!("{}/{word}", path(id)), body.as_ref())?;
    answer(global.format, value, |rollout: Rollout| line(&rollout) + "\n")
}

fn begin(global: &Global, client: &Client, start: Start) -> Result<()> {
    let (dry_run, detach) = (start.dry_run, start.detach);
    let new = start.request()?;
    if dry_run {
        let value = client.call(Method::POST, "/api/v1/rollouts/plan", Some(&new))?;
        return answer(global.format, value, |plan: RolloutPlan| plan_text(&plan));
    }
    let new = NewRollout { request_id: Some(uuid::Uuid::now_v7().to_string()), ..new };
    interrupt::last_words("the rollout may have been made all the same: higuma rollout list".to_owned());
    let mut sent = 0;
    let value = loop {
        sent += 1;
        match client.call(Method::POST, "/api/v1/rollouts", Some(&new)) {
            Err(failure) if failure.exit == Exit::Unavailable && sent < SENDS => std::thread::sleep(ASK),
            other => break other?,
        }
    };
    if detach {
        return answer(global.format, value, |rollout: Rollout| line(&rollout) + "\n");
    }
    let rollout: Rollout = typed(value)?;
    watch(global, client, &rollout.id)
}

/// Follow a rollout to its end. Errors: those of the API; and with exit code 1 when it is not done, or a node failed.
fn watch(global: &Global, client: &Client, id: &str) -> Result<()> {
    let progress = Progress::new();
    interrupt::last_words(format!("not watched any more; the rollout goes on: higuma rollout watch {id}"));
    let done = follow(client, id, &progress);
    interrupt::last_words(String::new());
    let value = done?;
    let rollout: Rollout = typed(value.clone())?;
    if global.format == Format::Json {
        answer(global.format, value, |_: Value| String::new())?;
    } else {
        let page = client.get(&format!("{}/members?limit={SHOWN}", path(id)))?;
        let page: Page<RolloutMember> = typed(page)?;
        let good = ["up", "waiting", "back"];
        let bad: Vec<RolloutMember> =
            page.items.into_iter().filter(|m| !good.contains(&m.phase.as_str()) || !m.message.is_empty()).collect();
        let table = if bad.is_empty() { String::new() } else { members_table(&bad) };
        output::print(&format!("{table}{}\n", line(&rollout)))?;
    }
    let failed = rollout.counts.get("failed").copied().unwrap_or_default();
    match rollout.state == "done" && failed == 0 {
        true => Ok(()),
        false => Err(Failure::failed(format!(
            "the rollout is {}; all nodes: higuma rollout show {}",
            rollout.state, rollout.id
        ))),
    }
}

/// The rollout as it ended.
fn follow(client: &Client, id: &str, progress: &Progress) -> Result<Value> {
    let mut told: Option<String> = None;
    let mut away: Option<Instant> = None;
    loop {
        match client.get(&path(id)) {
            Ok(value) => {
                away = None;
                let rollout: Rollout = typed(value.clone())?;
                let text = line(&rollout);
                if told.as_ref() != Some(&text) {
                    progress.line(&text);
                    told = Some(text);
                }
                if rollout.ended_us.is_some() {
                    return Ok(value);
                }
            }
            Err(failure) if failure.exit == Exit::Unavailable => {
                let since = *away.get_or_insert_with(|| {
                    progress.line(&format!("{}; the rollout is not lost; asking again", failure.message));
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
