//! One boot as lines: its events in their order, and between them what its node asked of boot services. The node's clock and the
//! server's may differ: Register, which both saw, says by how much.

use super::output;
use higuma_proto::agent::Event;
use higuma_proto::api::{BootDetail, Exchange};
use higuma_proto::steps;
use std::collections::BTreeSet;

const HOUR_US: i64 = 3_600_000_000;

/// Time zero of the timeline: the first event whose clock agrees with the server's to the hour, else Register.
pub(super) fn start_of(boot: &BootDetail) -> i64 {
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
pub(super) enum Entry<'a> {
    Event(&'a Event),
    /// When, by the node's clock.
    Asked(i64, &'a Exchange),
}

/// Events in their order, and what was asked of boot services between them, by time.
pub(super) fn timeline(boot: &BootDetail) -> Vec<Entry<'_>> {
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
pub(super) struct Shown {
    seq: Option<u32>,
    asked: BTreeSet<(i64, u64, String)>,
}

impl Shown {
    /// The first time that it is asked about an entry.
    pub(super) fn is_new(&mut self, entry: &Entry<'_>) -> bool {
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

pub(super) fn line(entry: Entry<'_>, base: i64) -> String {
    match entry {
        Entry::Event(event) => event_line(event, base),
        Entry::Asked(at, e) => {
            let address = if e.address.is_empty() { String::new() } else { format!(" {}", e.address) };
            let text = format!("{}{address}: {}", e.what, super::boot_watch::outcome(e));
            timeline_line(at - base, &e.service, &e.result, &text)
        }
    }
}

pub(super) fn seconds(us: i64) -> f64 {
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
