//! `higuma boot`: the boots of a node, and the timeline of one. Times of events are by the node's clock, which may be
//! wrong before it was set: those are not shown as if they were right.

use super::Global;
use super::client::{Client, encode};
use super::error::{Failure, Result};
use super::output::{self, Format, answer, typed};
use higuma_proto::agent::Event;
use higuma_proto::api::{BootDetail, BootSummary, Exchange, Page};
use higuma_proto::steps;
use std::collections::BTreeSet;
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

const HOUR_US: i64 = 3_600_000_000;

/// Time zero of the timeline: the first event whose clock agrees with the server's to the hour, else Register.
fn start_of(boot: &BootDetail) -> i64 {
    let started = boot.summary.started_us;
    let near = |at: &i64| (at - started).abs() < HOUR_US;
    let asked = boot.exchanges.iter().map(|e| began(e) + clock_ahead(boot));
    boot.events.iter().map(|e| e.at_us).chain(asked).filter(near).min().unwrap_or(started).min(started)
}

/// How far the node's clock was ahead of the server's at Register, which both saw; 0: it was not set yet.
fn clock_ahead(boot: &BootDetail) -> i64 {
    let registered = boot.events.iter().find(|e| e.step == steps::REGISTER && e.state == "ok");
    let ahead = registered.map(|e| e.at_us.saturating_sub(boot.summary.started_us));
    ahead.filter(|ahead| (-HOUR_US..HOUR_US).contains(ahead)).unwrap_or(0)
}

/// When it was asked, by the server's clock.
fn began(e: &Exchange) -> i64 {
    e.at_us.saturating_sub(e.took_us.clamp(0, HOUR_US))
}

/// Of a timeline.
enum Entry<'a> {
    Event(&'a Event),
    /// When, by the node's clock.
    Asked(i64, &'a Exchange),
}

/// Events in their order, and what was asked of boot services between them, by time.
fn timeline(boot: &BootDetail) -> Vec<Entry<'_>> {
    let ahead = clock_ahead(boot);
    let mut asked: Vec<(i64, &Exchange)> = boot.exchanges.iter().map(|e| (began(e) + ahead, e)).collect();
    asked.sort_by_key(|(at, _)| *at);
    let mut asked = asked.into_iter().peekable();
    let mut all = Vec::new();
    // Before its clock was set the agent was there all the same: what was asked until Register led to it.
    let mut reached = boot.summary.started_us.saturating_add(ahead);
    let set = |at: i64| (at - boot.summary.started_us).abs() < HOUR_US;
    for event in &boot.events {
        reached = if set(event.at_us) { event.at_us } else { reached };
        while let Some((at, exchange)) = asked.next_if(|(at, _)| *at <= reached) {
            all.push(Entry::Asked(at, exchange));
        }
        all.push(Entry::Event(event));
    }
    all.extend(asked.map(|(at, exchange)| Entry::Asked(at, exchange)));
    all
}

/// What of a timeline is on the screen.
#[derive(Default)]
struct Shown {
    seq: Option<u32>,
    asked: BTreeSet<(i64, u64, String)>,
}

impl Shown {
    /// The first time that it is asked about an entry.
    fn is_new(&mut self, entry: &Entry<'_>) -> bool {
        match entry {
            Entry::Event(event) => {
                let new = self.seq.is_none_or(|seq| event.seq > seq);
                self.seq = self.seq.max(Some(event.seq));
                new
            }
            Entry::Asked(_, e) => self.asked.insert((e.at_us, e.number, e.server.clone())),
        }
    }
}

fn line(entry: Entry<'_>, base: i64) -> String {
    match entry {
        Entry::Event(event) => event_line(event, base),
        Entry::Asked(at, e) => {
            let address = if e.address.is_empty() { String::new() } else { format!(" {}", e.address) };
            let text = format!("{}{address}: {}", e.what, super::boot_watch::outcome(e));
            timeline_line(at - base, &e.service, &e.result, &text)
        }
    }
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

fn event_line(event: &Event, base: i64) -> String {
    timeline_line(event.at_us.saturating_sub(base), &event.step, &event.state, &event.message)
}

fn timeline_line(since: i64, step: &str, state: &str, message: &str) -> String {
    // Before the clock was set, or a year away: no time is better than a wrong one.
    let at = match since {
        0..31_536_000_000_000 => format!("{:.1} s", seconds(since)),
        _ => "-".into(),
    };
    let (step, state) = (output::clean(step), output::clean(state));
    format!("{at:>10}  {step:13} {state:8} {}", output::clean(message)).trim_end().to_owned()
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
             \nPhase:     running\nUp after:  31.0 s\nSystem:    Debian\n"
        );
    }
}
