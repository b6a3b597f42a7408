//! One boot as a picture: a row a step with start, duration and outcome, on one time axis. The times are the node's own;
//! its clock may jump while it boots (a flat battery, kexec reading the hardware clock), so what counts is the time from
//! event to event, in the order of their numbers.

use super::human;
use crate::domain::Micros;
use higuma_proto::agent::Event;
use higuma_proto::api::BootDetail;

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

/// A step.
pub(super) struct Row {
    pub step: String,
    /// Since the first event.
    pub start: String,
    pub took: String,
    /// ok, failed, now, stopped or done (went on without saying so).
    pub word: &'static str,
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
        let (first, mut last) = (*times.iter().min()?, *times.iter().max()?);
        let steps = steps(&boot.events, &times);
        let open = matches!(boot.summary.phase.as_str(), "registered" | "booting");
        if open && let Some(event) = boot.events.last() {
            // Only where the node's clock agrees with ours.
            let since = now.saturating_sub(event.at_us);
            last += if (0..LONG).contains(&since) { since } else { 0 };
        }
        let all = (last - first).max(1);
        let scale = |time: Micros| i64::try_from(i128::from(time) * i128::from(AXIS) / i128::from(all)).unwrap_or(AXIS);
        let rows = steps.iter().enumerate().map(|(index, step)| {
            let later = steps.get(index + 1..).and_then(|rest| rest.iter().map(|s| s.start).min());
            let (end, word) = match (step.end, later) {
                (Some((end, true)), _) => (end, "ok"),
                (Some((end, false)), _) => (end, "failed"),
                (None, _) if open => (last, "now"),
                (None, Some(later)) => (later.max(step.last), "done"),
                (None, None) if boot.summary.up_us.is_some() => (step.last, "done"),
                (None, None) => (step.last, "stopped"),
            };
            let width = scale(end - step.start).max(4);
            Row {
                step: step.name.to_owned(),
                start: human::duration(step.start - first),
                took: human::duration(end - step.start),
                word,
                x: scale(step.start - first).min(AXIS - width).max(0),
                width,
                message: match step.retries {
                    0 => step.message.to_owned(),
                    1 => format!("{} (1 retry)", step.message),
                    n => format!("{} ({n} retries)", step.message),
                },
            }
        });
        let tick = |quarter: Micros| human::duration(all * quarter / 4);
        Some(Self { rows: rows.collect(), total: human::duration(all), ticks: [tick(1), tick(2), tick(3)] })
    }
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

fn steps<'a>(events: &'a [Event], times: &[Micros]) -> Vec<Step<'a>> {
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
    use super::super::node::tests::{boot, event};
    use super::*;

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
    fn hostile_times_do_no_harm() {
        let events = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN];
        let events = events.iter().enumerate().map(|(i, at)| event(i as u32, *at, "a", "info", "")).collect();
        let timeline = Timeline::of(&boot("booting", events), 0).unwrap();
        assert_eq!(timeline.rows.len(), 1);
    }
}
