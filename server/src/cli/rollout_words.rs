//! Rollouts in words, for a terminal. Nothing is asked or decided here.

use super::output;
use higuma_proto::api::{Rollout, RolloutMember, RolloutOptions, RolloutPlan, RolloutWave};
use std::collections::BTreeMap;

/// "rollout 0198...: web@7, running, wave 2 of 4: 5 of 50 (5 up), 2 down"
pub(super) fn line(rollout: &Rollout) -> String {
    let Rollout { id, profile, revision, total, down, .. } = rollout;
    let waiting = rollout.counts.get("waiting").copied().unwrap_or_default();
    let words = counts(&rollout.counts);
    let down = if *down > 0 { format!(", {down} down") } else { String::new() };
    let why = if rollout.why.is_empty() { String::new() } else { format!(": {}", rollout.why) };
    format!(
        "rollout {id}: {profile}@{revision}, {}: {} of {total} begun{words}{down}{why}",
        state(rollout),
        total.saturating_sub(waiting)
    )
}

fn state(rollout: &Rollout) -> String {
    let wave = match rollout.state.as_str() {
        "running" => format!(", wave {} of {}", rollout.wave, rollout.waves.len()),
        _ => String::new(),
    };
    let soak = if rollout.soak_until_us.is_some() { ", watching it" } else { "" };
    let paused = rollout.paused_by.as_ref().map(|by| format!(", paused by {by}")).unwrap_or_default();
    format!("{}{wave}{soak}{paused}", rollout.state)
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> =
        counts.iter().filter(|(word, _)| *word != "waiting").map(|(word, n)| format!("{n} {word}")).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

pub(super) fn list_table(rollouts: &[Rollout], now: i64) -> String {
    let rows: Vec<[String; 6]> = rollouts
        .iter()
        .map(|rollout| {
            [
                rollout.id.clone(),
                output::ago(rollout.made_us, now),
                format!("{}@{}", rollout.profile, rollout.revision),
                state(rollout),
                format!("{}{}", rollout.total, counts(&rollout.counts)),
                rollout.who.clone(),
            ]
        })
        .collect();
    output::table(["ID", "MADE", "REVISION", "STATE", "NODES", "BY"], &rows)
}

pub(super) fn show(rollout: &Rollout, now: i64) -> String {
    let time = |at: Option<i64>| at.map(|at| output::time_ago(at, now)).unwrap_or_default();
    let mut text = output::fields(&[
        ("Rollout", rollout.id.clone()),
        ("Revision", format!("{}@{}", rollout.profile, rollout.revision)),
        ("For", rollout.selector.clone()),
        ("By", rollout.who.clone()),
        ("State", state(rollout)),
        ("Why", rollout.why.clone()),
        ("Nodes", format!("{}{}, {} down", rollout.total, counts(&rollout.counts), rollout.down)),
        ("How", options(&rollout.options)),
        ("Made", output::time_ago(rollout.made_us, now)),
        ("Watched until", time(rollout.soak_until_us)),
        ("Ended", time(rollout.ended_us)),
    ]);
    let wave = |(n, wave): (usize, &RolloutWave)| {
        let begun: u64 = wave.counts.values().sum();
        [format!("{}", n + 1), wave.nodes.to_string(), format!("{begun}{}", counts(&wave.counts))]
    };
    let rows: Vec<[String; 3]> = rollout.waves.iter().enumerate().map(wave).collect();
    text.push('\n');
    text.push_str(&output::table(["WAVE", "NODES", "BEGUN"], &rows));
    text
}

fn options(o: &RolloutOptions) -> String {
    let number = |n: Option<u32>| n.unwrap_or_default();
    let mut words =
        vec![format!("waves {}", o.waves.clone().unwrap_or_default()), format!("{} down at once", number(o.max_down))];
    words.extend(o.max_down_per_cluster.map(|n| format!("{n} of a cluster")));
    words.extend(o.max_down_per_switch.map(|n| format!("{n} at a switch")));
    words.extend(o.max_down_per_rule.map(|n| format!("{n} of a rule")));
    words.push(format!("up within {} s", number(o.up_within)));
    words.push(format!("{} failures of a wave", number(o.max_failures)));
    words.push(format!("{} s between waves", number(o.soak)));
    words.extend(o.check.iter().map(|url| format!("check {url}")));
    words.extend(o.windows.iter().map(|window| format!("window {window}")));
    words.extend(o.drain.iter().map(|url| format!("drain {url}")));
    words.extend(o.undrain.iter().map(|url| format!("undrain {url}")));
    if o.rollback == Some(false) {
        words.push("no rollback".to_owned());
    }
    words.join(", ")
}

pub(super) fn members_table(members: &[RolloutMember]) -> String {
    let rows: Vec<[String; 6]> = members
        .iter()
        .map(|m| {
            let name = if m.hostname.is_empty() { &m.node } else { &m.hostname };
            [
                name.clone(),
                m.phase.clone(),
                m.wave.map(|wave| wave.to_string()).unwrap_or_default(),
                m.before.clone(),
                took(m),
                m.message.clone(),
            ]
        })
        .collect();
    output::table(["NODE", "PHASE", "WAVE", "BEFORE", "UP AFTER", "WHAT HAPPENED"], &rows)
}

/// From its begin until it was up.
fn took(member: &RolloutMember) -> String {
    let time = member.begun_us.zip(member.up_us).map(|(begun, up)| up.saturating_sub(begun) / 1_000_000);
    time.map(|seconds| format!("{seconds} s")).unwrap_or_default()
}

pub(super) fn plan_text(plan: &RolloutPlan) -> String {
    let waves: Vec<String> = plan.waves.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{}@{} to {} nodes in waves of {}: {}\n",
        plan.profile,
        plan.revision,
        plan.total,
        waves.join(", "),
        options(&plan.options)
    );
    let changes: Vec<String> = plan.changes.iter().map(|(change, count)| format!("{count} {change}")).collect();
    text.push_str(&format!("{}\n\n", changes.join(", ")));
    let rows: Vec<[String; 5]> = plan
        .members
        .iter()
        .map(|m| [m.hostname.clone(), m.wave.to_string(), m.before.clone(), m.change.clone(), m.told.clone()])
        .collect();
    text.push_str(&output::table(["NODE", "WAVE", "NOW", "CHANGE", "WHY"], &rows));
    let more = plan.total.saturating_sub(plan.members.len() as u64);
    if more > 0 {
        text.push_str(&format!("and {more} more\n"));
    }
    text.push_str("Nothing was done.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_in_one_line() {
        let rollout = Rollout {
            id: "r1".into(),
            profile: "web".into(),
            revision: 7,
            state: "running".into(),
            total: 50,
            down: 2,
            wave: 2,
            waves: vec![RolloutWave::default(); 4],
            counts: BTreeMap::from([("up".into(), 3), ("booting".into(), 2), ("waiting".into(), 45)]),
            ..Rollout::default()
        };
        assert_eq!(line(&rollout), "rollout r1: web@7, running, wave 2 of 4: 5 of 50 begun (2 booting, 3 up), 2 down");
        let ended = Rollout { state: "rolled-back".into(), why: "wave 1: \u{1b}no".into(), down: 0, ..rollout };
        assert!(line(&ended).ends_with("rolled-back: 5 of 50 begun (2 booting, 3 up): wave 1: \u{1b}no"));
        assert!(!show(&ended, 0).contains('\u{1b}'), "no page steers a terminal");
    }
}
