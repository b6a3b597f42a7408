//! Rollouts side by side, for a terminal. Nothing is asked or decided here.

use super::output;
use higuma_proto::api::{Rollout, RolloutMember};
use serde::Serialize;
use std::collections::BTreeMap;

/// Phases of members that may have failed.
pub(super) const COULD_HAVE_FAILED: [&str; 8] =
    ["failed", "back-failed", "back", "back-waiting", "back-draining", "back-booting", "back-undraining", "skipped"];

/// Did it, whatever became of it?
pub(super) fn did_fail(member: &RolloutMember) -> bool {
    member.failure.is_some() || matches!(member.phase.as_str(), "failed" | "back-failed")
}

/// A node that failed in more than one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FailedAgain {
    node: String,
    hostname: String,
    /// Rollout and reason, in the order of the rollouts.
    failures: Vec<Failure>,
}

/// Why, in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Failure {
    rollout: String,
    why: String,
}

/// Of the members that failed in each.
pub(super) fn failed_again(rollouts: &[Rollout], failed: &[Vec<RolloutMember>]) -> Vec<FailedAgain> {
    let mut nodes: BTreeMap<&str, FailedAgain> = BTreeMap::new();
    for (rollout, member) in rollouts.iter().zip(failed).flat_map(|(r, members)| members.iter().map(move |m| (r, m))) {
        let entry = nodes.entry(&member.node).or_insert_with(|| FailedAgain {
            node: member.node.clone(),
            hostname: member.hostname.clone(),
            failures: Vec::new(),
        });
        let why = member.failure.clone().unwrap_or_else(|| member.message.clone());
        entry.failures.push(Failure { rollout: rollout.id.clone(), why });
    }
    nodes.into_values().filter(|node| node.failures.len() > 1).collect()
}

/// A line for each; `failed`: nodes that failed in each, also those that are back.
pub(super) fn compared(rollouts: &[Rollout], failed: &[usize], again: &[FailedAgain]) -> String {
    let rows: Vec<[String; 9]> = rollouts.iter().zip(failed).map(|(rollout, failed)| row(rollout, *failed)).collect();
    let head = ["ID", "REVISION", "STATE", "NODES", "FAILED", "TOOK", "A NODE: MEDIAN", "95 OF 100", "LONGEST"];
    let mut text = output::table(head, &rows);
    if again.is_empty() {
        return text;
    }
    text.push('\n');
    let rows: Vec<[String; 3]> = again
        .iter()
        .flat_map(|node| {
            let name = if node.hostname.is_empty() { &node.node } else { &node.hostname };
            node.failures.iter().map(|failure| [name.clone(), failure.rollout.clone(), failure.why.clone()])
        })
        .collect();
    text.push_str(&output::table(["FAILED AGAIN", "IN", "WHY"], &rows));
    text
}

fn row(rollout: &Rollout, failed: usize) -> [String; 9] {
    let seconds = |micros: i64| format!("{} s", micros / 1_000_000);
    let took = rollout.ended_us.map(|ended| seconds(ended.saturating_sub(rollout.made_us)));
    let time = |of: fn(&higuma_proto::api::RolloutTimes) -> i64| {
        rollout.times.as_ref().map(|times| seconds(of(times))).unwrap_or_default()
    };
    [
        rollout.id.clone(),
        format!("{}@{}", rollout.profile, rollout.revision),
        rollout.state.clone(),
        rollout.total.to_string(),
        failed.to_string(),
        took.unwrap_or_default(),
        time(|times| times.median_us),
        time(|times| times.p95_us),
        time(|times| times.longest_us),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use higuma_proto::api::RolloutTimes;

    fn rollout(id: &str, times: Option<RolloutTimes>) -> Rollout {
        Rollout {
            id: id.into(),
            profile: "web".into(),
            revision: 7,
            state: "done".into(),
            total: 50,
            made_us: 1_000_000,
            ended_us: Some(601_000_000),
            times,
            ..Rollout::default()
        }
    }

    fn member(node: &str, why: &str) -> RolloutMember {
        RolloutMember {
            n: 0,
            node: node.into(),
            hostname: format!("{node}-name"),
            before: "web".into(),
            phase: "back".into(),
            wave: Some(1),
            since_us: 0,
            begun_us: None,
            up_us: None,
            message: String::new(),
            failure: Some(why.into()),
        }
    }

    #[test]
    fn what_failed_before_reasons_were_kept_has_failed() {
        let old = RolloutMember { phase: "failed".into(), failure: None, message: "not up".into(), ..member("n1", "") };
        assert!(did_fail(&old) && did_fail(&member("n1", "why")));
        assert!(!did_fail(&RolloutMember { failure: None, ..member("n1", "") }));
        let again = failed_again(&[rollout("r1", None), rollout("r2", None)], &[vec![old], vec![member("n1", "why")]]);
        let whys =
            again.first().map(|node| node.failures.iter().map(|failure| failure.why.as_str()).collect::<Vec<_>>());
        assert_eq!(whys, Some(vec!["not up", "why"]));
    }

    #[test]
    fn times_results_and_who_failed_again() {
        let times = RolloutTimes { nodes: 49, median_us: 74_900_000, p95_us: 90_000_000, longest_us: 130_000_000 };
        let rollouts = [rollout("r1", Some(times)), rollout("r2", None)];
        let failed = [vec![member("n1", "not up"), member("n2", "not up")], vec![member("n2", "no \u{1b}disk")]];
        let again = failed_again(&rollouts, &failed);
        assert_eq!((again.len(), again.first().map(|node| node.failures.len())), (1, Some(2)));
        let text = compared(&rollouts, &[2, 1], &again);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let line = |n: usize| words.get(n).cloned().unwrap_or_default();
        assert_eq!(line(1), ["r1", "web@7", "done", "50", "2", "600", "s", "74", "s", "90", "s", "130", "s"]);
        assert_eq!(line(2), ["r2", "web@7", "done", "50", "1", "600", "s", "-", "-", "-"]);
        assert_eq!(line(5), ["n2-name", "r1", "not", "up"]);
        assert!(!text.contains('\u{1b}') && text.contains("disk"), "no message steers a terminal");
        assert!(!compared(&rollouts, &[0, 0], &[]).contains("AGAIN"));
    }
}
