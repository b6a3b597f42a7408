//! `higuma boot`: the boots of a node, and the timeline of one. Times of events are by the node's clock, which may be
//! wrong before it was set: those are not shown as if they were right.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, Format, answer, typed};
use higuma_proto::agent::Event;
use higuma_proto::api::{BootDetail, BootSummary, Page};
use std::fmt::Write as _;
use std::time::Duration;

/// Boots
#[derive(Debug, clap::Subcommand)]
pub enum Boot {
    /// Boots of a node, newest first
    #[command(after_help = "Example:\n  higuma boot list web-17")]
    List {
        /// UUID, a unique beginning of it, or host name
        node: String,
    },
    /// One boot and the timeline of its events
    #[command(after_help = "Example:\n  higuma boot show 0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3 --follow")]
    Show {
        /// Boot id, from `boot list`
        boot: String,
        /// Print events as they come, until the boot runs, fails or ends
        #[arg(long, short)]
        follow: bool,
    },
    /// What machines ask of DHCP, TFTP, HTTP boot and scripts, live: why one does not boot
    #[command(
        after_help = "Examples:\n  higuma boot watch\n  higuma boot watch 52:54:00:12:34:56\n  higuma boot watch 10.0.0.0/24 --for 60 -o json"
    )]
    Watch(super::boot_watch::Watch),
}

/// How often `--follow` asks.
const FOLLOW: Duration = Duration::from_secs(1);

pub(super) fn run(global: &Global, command: Boot) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        Boot::List { node } => {
            let uuid = super::node::resolve(&client, &node)?;
            let value = client.list(&format!("/api/v1/nodes/{}/boots", encode(&uuid)), &[])?;
            answer(global.format, value, |page: Page<BootSummary>| list_table(&page.items, output::now_us()))
        }
        Boot::Show { boot, follow: false } => {
            let value = client.get(&format!("/api/v1/boots/{}", encode(&boot)))?;
            answer(global.format, value, |detail| show(&detail, output::now_us()))
        }
        Boot::Watch(watch) => super::boot_watch::run(global, &client, &watch),
        Boot::Show { boot, follow: true } => follow(global, &client, &boot),
    }
}

/// Prints what is new once a second; as JSON, one event a line.
fn follow(global: &Global, client: &Client, boot: &str) -> Result<()> {
    let mut after: Option<u32> = None;
    let mut base = None;
    loop {
        let detail: BootDetail = typed(client.get(&format!("/api/v1/boots/{}", encode(boot)))?)?;
        let base = *base.get_or_insert_with(|| {
            if global.format == Format::Table {
                let _ = output::print(&(facts(&detail.summary, output::now_us()) + "\n"));
            }
            start_of(&detail)
        });
        for event in detail.events.iter().filter(|e| after.is_none_or(|seq| e.seq > seq)) {
            match global.format {
                Format::Table => output::print(&(event_line(event, base) + "\n"))?,
                Format::Json => {
                    let line = serde_json::to_string(event).map_err(|e| Failure::because("JSON", &e))?;
                    output::print(&(line + "\n"))?;
                }
            }
        }
        after = detail.events.iter().map(|e| e.seq).max().or(after);
        match detail.summary.phase.as_str() {
            "registered" | "booting" => std::thread::sleep(FOLLOW),
            _ => {
                if global.format == Format::Table {
                    output::print(&format!("\n{}", end(&detail.summary)))?;
                }
                return Ok(());
            }
        }
    }
}

fn list_table(boots: &[BootSummary], now: i64) -> String {
    let rows: Vec<[String; 6]> = boots
        .iter()
        .map(|b| {
            let up = b.up_us.map(|up| format!("{:.1} s", seconds(up - b.started_us))).unwrap_or_default();
            [
                b.id.clone(),
                b.phase.clone(),
                profile(b),
                b.image.clone().unwrap_or_default(),
                output::ago(b.started_us, now),
                b.failed_step.clone().map_or(up, |step| format!("failed: {step}")),
            ]
        })
        .collect();
    output::table(["BOOT", "PHASE", "PROFILE", "IMAGE", "STARTED", "UP AFTER"], &rows)
}

fn profile(boot: &BootSummary) -> String {
    match (&boot.profile, boot.revision) {
        (Some(profile), Some(revision)) => format!("{profile} r{revision}"),
        (Some(profile), None) => profile.clone(),
        (None, _) => String::new(),
    }
}

fn facts(b: &BootSummary, now: i64) -> String {
    output::fields(&[
        ("Boot", b.id.clone()),
        ("Node", b.node.clone()),
        ("Started", output::time_ago(b.started_us, now)),
        ("Profile", profile(b)),
        ("Image", b.image.clone().unwrap_or_default()),
    ])
}

fn end(b: &BootSummary) -> String {
    let mut lines = vec![("Phase", b.phase.clone())];
    if let Some(step) = &b.failed_step {
        lines.push(("Failed", format!("{step}: {}", b.failed_reason.as_deref().unwrap_or("no reason given"))));
    }
    if let Some(up) = b.up_us {
        lines.push(("Up after", format!("{:.1} s", seconds(up - b.started_us))));
    }
    if let Some(os) = &b.os {
        lines.push(("System", os.clone()));
    }
    output::fields(&lines)
}

/// Facts, timeline, end.
pub(super) fn show(boot: &BootDetail, now: i64) -> String {
    let base = start_of(boot);
    let mut text = facts(&boot.summary, now) + "\n";
    for event in &boot.events {
        let _ = writeln!(text, "{}", event_line(event, base));
    }
    if boot.events.is_empty() {
        text.push_str("  no events yet\n");
    }
    let _ = write!(text, "\n{}", end(&boot.summary));
    text
}

const HOUR_US: i64 = 3_600_000_000;

/// Time zero of the timeline: the first event whose clock agrees with the server's to the hour, else Register.
fn start_of(boot: &BootDetail) -> i64 {
    let started = boot.summary.started_us;
    let near = |at: &i64| (at - started).abs() < HOUR_US;
    boot.events.iter().map(|e| e.at_us).filter(near).min().unwrap_or(started).min(started)
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

fn event_line(event: &Event, base: i64) -> String {
    let since = event.at_us.saturating_sub(base);
    // Before the clock was set, or a year away: no time is better than a wrong one.
    let at = match since {
        0..31_536_000_000_000 => format!("{:.1} s", seconds(since)),
        _ => "-".into(),
    };
    let (step, state) = (output::clean(&event.step), output::clean(&event.state));
    format!("{at:>10}  {step:13} {state:8} {}", output::clean(&event.message)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline() {
        let event = |seq, at_us, step: &str, state: &str, message: &str| Event {
            seq,
            at_us,
            step: step.into(),
            state: state.into(),
            message: message.into(),
        };
        let second = 1_000_000;
        let start = 1_790_000_000 * second;
        let boot = BootDetail {
            summary: BootSummary {
                id: "b1".into(),
                node: "n1".into(),
                phase: "running".into(),
                profile: Some("web".into()),
                revision: Some(2),
                image: Some("debian:12".into()),
                plan_hash: None,
                started_us: start,
                deadline_us: None,
                up_us: Some(start + 31 * second),
                heartbeat_us: None,
                failed_step: None,
                failed_reason: None,
                os: Some("Debian".into()),
            },
            events: vec![
                event(0, 5, "mounts", "ok", ""),
                event(1, start - 2 * second, "network", "ok", "eth0 10.0.2.15"),
                event(2, start + second / 2, "register", "ok", "\u{1b}[2J"),
            ],
        };
        assert_eq!(
            show(&boot, start + 60 * second),
            "Boot:     b1\nNode:     n1\nStarted:  2026-09-21T14:13:20Z (60 s ago)\nProfile:  web r2\n\
             Image:    debian:12\n\n\
             \x20        -  mounts        ok\n\
             \x20    0.0 s  network       ok       eth0 10.0.2.15\n\
             \x20    2.5 s  register      ok       ?[2J\n\
             \nPhase:     running\nUp after:  31.0 s\nSystem:    Debian\n"
        );
    }
}
