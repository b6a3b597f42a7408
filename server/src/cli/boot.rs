//! `higuma boot`: the boots of a node, and the timeline of one. Times of events are by the node's clock, which may be
//! wrong before it was set: those are not shown as if they were right.

use super::Global;
use super::boot_timeline::{Entry, Shown, line, seconds, start_of, timeline};
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, Format, answer, typed};
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
    /// What one node asked of DHCP, TFTP, HTTP boot and scripts of any server in the last 30 days: its last 500
    #[command(after_help = "Example:\n  higuma boot exchanges web-17")]
    Exchanges {
        /// UUID, a unique beginning of it, or host name
        node: String,
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
        Boot::Exchanges { node } => super::boot_watch::of_node(global, &client, &node),
        Boot::Watch(watch) => super::boot_watch::run(global, &client, &watch),
        Boot::Show { boot, follow: true } => follow(global, &client, &boot),
    }
}

/// Prints what is new once a second; as JSON, one event a line.
fn follow(global: &Global, client: &Client, boot: &str) -> Result<()> {
    let mut shown = Shown::default();
    let mut base = None;
    loop {
        let detail: BootDetail = typed(client.get(&format!("/api/v1/boots/{}", encode(boot)))?)?;
        let base = *base.get_or_insert_with(|| {
            if global.format == Format::Table {
                let _ = output::print(&(facts(&detail.summary, output::now_us()) + "\n"));
            }
            start_of(&detail)
        });
        for entry in timeline(&detail).into_iter().filter(|entry| shown.is_new(entry)) {
            let json = match (global.format, &entry) {
                (Format::Table, _) => Ok(line(entry, base)),
                (Format::Json, Entry::Event(event)) => serde_json::to_string(event),
                (Format::Json, Entry::Asked(_, exchange)) => serde_json::to_string(exchange),
            };
            output::print(&(json.map_err(|e| Failure::because("JSON", &e))? + "\n"))?;
        }
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
    if let Some(address) = &b.address {
        lines.push(("Address", address.clone()));
    }
    output::fields(&lines)
}

/// Facts, timeline, end.
pub(super) fn show(boot: &BootDetail, now: i64) -> String {
    let base = start_of(boot);
    let mut text = facts(&boot.summary, now) + "\n";
    for entry in timeline(boot) {
        let _ = writeln!(text, "{}", line(entry, base));
    }
    if boot.events.is_empty() {
        text.push_str("  no events yet\n");
    }
    let _ = write!(text, "\n{}", end(&boot.summary));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use higuma_proto::agent::Event;
    use higuma_proto::api::Exchange;

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
        let asked = |at_us, took_us, service: &str, what: &str, result: &str, bytes| Exchange {
            at_us,
            took_us,
            service: service.into(),
            what: what.into(),
            result: result.into(),
            detail: "why".into(),
            address: "10.0.2.15".into(),
            bytes,
            ..Exchange::default()
        };
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
                address: Some("10.0.2.15".into()),
            },
            events: vec![
                event(0, 5, "mounts", "ok", ""),
                event(1, start - 2 * second, "network", "ok", "eth0 10.0.2.15"),
                event(2, start + second / 2, "register", "ok", "\u{1b}[2J"),
            ],
            exchanges: vec![
                asked(start - 12 * second, 300_000, "dhcp", "DISCOVER", "offer", 0),
                asked(start - 10 * second, second, "tftp", "snponly.efi", "complete", 265_728),
                asked(start - second, 0, "dhcp", "REQUEST", "ack", 0),
            ],
        };
        assert_eq!(
            show(&boot, start + 60 * second),
            "Boot:     b1\nNode:     n1\nStarted:  2026-09-21T14:13:20Z (60 s ago)\nProfile:  web r2\n\
             Image:    debian:12\n\n\
             \x20    0.0 s  dhcp          offer    DISCOVER 10.0.2.15: why\n\
             \x20    1.3 s  tftp          complete snponly.efi 10.0.2.15: why, 265728 bytes in 1000 ms\n\
             \x20   11.3 s  dhcp          ack      REQUEST 10.0.2.15: why\n\
             \x20        -  mounts        ok\n\
             \x20    9.8 s  network       ok       eth0 10.0.2.15\n\
             \x20   12.3 s  register      ok       ?[2J\n\
             \nPhase:     running\nUp after:  31.0 s\nSystem:    Debian\nAddress:   10.0.2.15\n"
        );
    }
}
