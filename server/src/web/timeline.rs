//! One boot as a picture: a row a step with start, duration and outcome, on one time axis. The times are the node's own;
//! its clock may jump while it boots (a flat battery, kexec reading the hardware clock), so what counts is the time from
//! event to event, in the order of their numbers. What the node asked of boot services is there, too: its times are the server's,
//! and Register, which both saw, says where that is on the node's axis.

use super::asked::{self, Asked};
use super::human;
use crate::domain::Micros;
use higuma_proto::agent::Event;
use higuma_proto::api::BootDetail;
use higuma_proto::steps;

/// Width of the axis in units of the picture.
const AXIS: i64 = 1000;
/// A step back of the clock up to this is two tasks that report at once; more is a jump.
const JITTER: Micros = 60 * 1_000_000;
/// A step ahead of more than this is a jump.
const LONG: Micros = 24 * 3600 * 1_000_000;

/// A boot, ready to be drawn.
pub(super) struct Timeline {
    pub rows: Vec<Row>,
    /// Of the whole boot.
    pub total: String,
    /// Where the axis is labelled: quarter, half, three quarters.
    pub ticks: [String; 3],
}

/// A step, or something that was asked of a boot service.
pub(super) struct Row {
    /// Names it in the page.
    pub id: String,
    pub step: String,
    /// Since the first row.
    pub start: String,
    pub took: String,
    /// ok, failed, now, stopped, done (went on without saying so) or asked: how it is drawn.
    pub class: &'static str,
    /// How it ended: the same word, or the boot service's own.
    pub word: String,
    pub x: i64,
    pub width: i64,
    pub message: String,
}

struct Step<'a> {
    name: &'a str,
    start: Micros,
    last: Micros,
    end: Option<(Micros, bool)>,
    retries: usize,
    message: &'a str,
}

impl Timeline {
    /// Of a boot that has said anything.
    pub fn of(boot: &BootDetail, now: Micros) -> Option<Self> {
        let times = steady_times(&boot.events);
        let register = register(boot, &times);
        let asked =
            asked::of(&boot.exchanges, |at| at.saturating_sub(boot.summary.started_us).saturating_add(register));
        let begins = times.iter().copied().chain(asked.iter().map(|a| a.start));
        let ends = times.iter().copied().chain(asked.iter().map(|a| a.end));
        let (first, mut last) = (begins.min()?, ends.max()?);
        let steps = steps_of(&boot.events, &times);
        let open = matches!(boot.summary.phase.as_str(), "registered" | "booting");
        if open && let Some(event) = boot.events.last() {
            // Only where the node's clock agrees with ours.
            let since = now.saturating_sub(event.at_us);
            last += if (0..LONG).contains(&since) { since } else { 0 };
        }
        let all = (last - first).max(1);
        let scale = |time: Micros| i64::try_from(i128::from(time) * i128::from(AXIS) / i128::from(all)).unwrap_or(AXIS);
        let place = |start: Micros, end: Micros| {
            let width = scale(end - start).max(4);
            (scale(start - first).min(AXIS - width).max(0), width)
        };
        let of_steps = steps.iter().enumerate().map(|(index, step)| {
            let later = steps.get(index + 1..).and_then(|rest| rest.iter().map(|s| s.start).min());
            let (end, word) = match (step.end, later) {
                (Some((end, true)), _) => (end, "ok"),
                (Some((end, false)), _) => (end, "failed"),
                (None, _) if open => (last, "now"),
                (None, Some(later)) => (later.max(step.last), "done"),
                (None, None) if boot.summary.up_us.is_some() => (step.last, "done"),
                (None, None) => (step.last, "stopped"),
            };
            let (x, width) = place(step.start, end);
            let row = Row {
                id: format!("step-{}", step.name),
                step: step.name.to_owned(),
                start: human::duration(step.start - first),
                took: human::duration(end - step.start),
                class: word,
                word: word.to_owned(),
                x,
                width,
                message: match step.retries {
                    0 => step.message.to_owned(),
                    1 => format!("{} (1 retry)", step.message),
                    n => format!("{} ({n} retries)", step.message),
                },
            };
            (step.start, row)
        });
        let mut rows: Vec<(Micros, Row)> = of_steps.collect();
        for Asked { start, end, id, what, result, class, message } in asked {
            let (x, width) = place(start, end);
            let (since, took) = (human::duration(start - first), human::duration(end - start));
            // Before the first step that began later: steps stay in the order of their events.
            let index = rows.iter().position(|(at, _)| *at > start).unwrap_or(rows.len());
            rows.insert(
                index,
                (start, Row { id, step: what, start: since, took, class, word: result, x, width, message }),
            );
        }
        let rows = rows.into_iter().map(|(_, row)| row);
        let tick = |quarter: Micros| human::duration(all * quarter / 4);
        Some(Self { rows: rows.collect(), total: human::duration(all), ticks: [tick(1), tick(2), tick(3)] })
    }
}

/// Where Register is among the steady times: its step's end; else, with a clock that agrees with ours, by that; else at the end of
/// what was told.
fn register(boot: &BootDetail, times: &[Micros]) -> Micros {
    let started = boot.summary.started_us;
    let with = || boot.events.iter().zip(times.iter().copied());
    let near = |e: &Event| e.at_us.saturating_sub(started).saturating_abs() < LONG;
    let told = with().find(|(e, _)| e.step == steps::REGISTER && e.state == "ok").map(|(_, time)| time);
    let by_clock = || with().find(|(e, _)| near(e)).map(|(e, time)| time + started - e.at_us);
    told.or_else(by_clock).or_else(|| times.last().copied()).unwrap_or(0)
}

/// The events' times without the jumps of the clock.
fn steady_times(events: &[Event]) -> Vec<Micros> {
    let mut before: Option<(Micros, Micros)> = None;
    events
        .iter()
        .map(|event| {
            let time = match before {
                None => 0,
                Some((at, steady)) => {
                    let step = event.at_us.saturating_sub(at);
                    steady + if (-JITTER..LONG).contains(&step) { step } else { 0 }
                }
            };
            before = Some((event.at_us, time));
            time
        })
        .collect()
}

fn steps_of<'a>(events: &'a [Event], times: &[Micros]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    for (event, at) in events.iter().zip(times.iter().copied()) {
        let index = steps.iter().position(|s| s.name == event.step).unwrap_or_else(|| {
            let (name, message) = (event.step.as_str(), "");
            steps.push(Step { name, start: at, last: at, end: None, retries: 0, message });
            steps.len() - 1
        });
        let Some(step) = steps.get_mut(index) else { continue };
        step.last = at;
        match event.state.as_str() {
            "ok" => step.end = Some((at, true)),
            "failed" => step.end = Some((at, false)),
            "retry" => step.retries += 1,
            // Again after a failure: the step is open again.
            "started" => step.end = None,
            _ => {}
        }
        if !event.message.is_empty() {
            step.message = &event.message;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::node::tests::{NOW as NOW_US, boot, event};
    use super::*;
    use higuma_proto::api::Exchange;

    const S: i64 = 1_000_000;

    fn words(timeline: &Timeline) -> Vec<String> {
        timeline.rows.iter().map(|r| format!("{} +{} {} {}", r.step, r.start, r.took, r.word)).collect()
    }

    #[test]
    fn steps_have_start_duration_and_outcome() {
        let events = vec![
            event(0, 100 * S, "mounts", "started", ""),
            event(1, 101 * S, "mounts", "ok", "4 mounts"),
            event(2, 101 * S, "download", "started", ""),
            event(3, 103 * S, "download", "retry", "connection reset"),
            event(4, 109 * S, "download", "ok", "300 MB"),
            event(5, 109 * S, "kexec", "started", ""),
            event(1_000_000, 120 * S, "up", "ok", "Debian"),
        ];
        let timeline = Timeline::of(&boot("running", events), 500 * S).unwrap();
        assert_eq!(
            words(&timeline),
            ["mounts +0.0 s 1.0 s ok", "download +1.0 s 8.0 s ok", "kexec +9.0 s 11.0 s done", "up +20.0 s 0.0 s ok"]
        );
        assert_eq!(timeline.total, "20.0 s");
        assert_eq!(timeline.rows.get(1).unwrap().message, "300 MB (1 retry)");
        assert!(timeline.rows.iter().all(|r| r.x >= 0 && r.width >= 4 && r.x + r.width <= AXIS));
    }

    #[test]
    fn a_clock_that_jumps_does_not_stretch_the_picture() {
        let events = vec![
            event(0, 5 * S, "mounts", "started", ""),
            event(1, 6 * S, "clock", "started", ""),
            event(2, 1_790_000_000 * S, "clock", "ok", "stepped"),
            event(3, 1_790_000_002 * S, "plan", "started", ""),
            event(4, 9 * S, "up", "ok", "hardware clock again"),
        ];
        let timeline = Timeline::of(&boot("running", events), 500 * S).unwrap();
        assert_eq!(timeline.total, "3.0 s");
    }

    #[test]
    fn an_open_step_runs_until_now_and_a_dead_one_does_not() {
        let events = || vec![event(0, 100 * S, "plan", "started", ""), event(1, 101 * S, "plan", "info", "waits")];
        let open = Timeline::of(&boot("registered", events()), 130 * S).unwrap();
        assert_eq!(words(&open), ["plan +0.0 s 30.0 s now"]);
        let dead = Timeline::of(&boot("ended", events()), 130 * S).unwrap();
        assert_eq!(words(&dead), ["plan +0.0 s 1.0 s stopped"]);
        assert!(Timeline::of(&boot("registered", vec![]), 130 * S).is_none());
    }

    #[test]
    fn what_was_asked_of_boot_services_comes_where_it_was() {
        // The node's clock is 1,000 s behind and is set on the way.
        let start = NOW_US - 90 * S;
        let events = vec![
            event(0, start - 1005 * S, "mounts", "ok", ""),
            event(1, start - 1004 * S, "network", "started", ""),
            event(2, start - 1002 * S, "network", "ok", ""),
            event(3, start - 1000 * S, "register", "ok", ""),
        ];
        let mut boot = boot("running", events);
        let asked = |at, service: &str, what: &str, result: &str, took_us| Exchange {
            number: 7,
            at_us: start + at,
            service: service.into(),
            what: what.into(),
            result: result.into(),
            took_us,
            bytes: if took_us > 0 { 265_728 } else { 0 },
            ..Exchange::default()
        };
        boot.exchanges = vec![
            asked(-20 * S, "dhcp", "DISCOVER", "offer", 0),
            asked(-19 * S, "dhcp", "DISCOVER", "offer", 0),
            asked(-15 * S, "tftp", "snponly.efi", "complete", 2 * S),
            asked(-3 * S, "dhcp", "DISCOVER", "silence:busy", 0),
        ];
        let timeline = Timeline::of(&boot, NOW_US).unwrap();
        assert_eq!(
            words(&timeline),
            [
                "DISCOVER +0.0 s 1.0 s offer",
                "snponly.efi +3.0 s 2.0 s complete",
                "mounts +15.0 s 0.0 s ok",
                "network +16.0 s 2.0 s ok",
                "DISCOVER +17.0 s 0.0 s silence:busy",
                "register +20.0 s 0.0 s ok",
            ]
        );
        assert_eq!(timeline.rows[0].message, "2 times");
        assert_eq!((timeline.rows[1].message.as_str(), timeline.rows[1].class), ("266 kB by tftp", "asked"));
        // Nothing told yet: what it asked is a picture all the same.
        boot.events.clear();
        assert_eq!(Timeline::of(&boot, NOW_US).unwrap().rows.len(), 3);
    }

    #[test]
    fn hostile_times_do_no_harm() {
        let events = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN];
        let events = events.iter().enumerate().map(|(i, at)| event(i as u32, *at, "a", "info", "")).collect();
        let timeline = Timeline::of(&boot("booting", events), 0).unwrap();
        assert_eq!(timeline.rows.len(), 1);
    }
}
