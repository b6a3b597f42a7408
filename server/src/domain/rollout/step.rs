//! One step of a rollout: what was seen goes in, what is to be stored and done comes out. The same input gives the same
//! output; made twice over what it stored, it asks for nothing twice.

use super::action::What;
use super::room::Room;
use super::{Action, Down, Fact, Member, Phase, Rollout, State, Window, back, forward};
use crate::domain::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Members that are given something else in one step, at most: their nodes are written by heartbeats all the time.
const ASSIGNED_MAX: usize = 20;
/// Members on the way back that are looked at in one step outside of the windows, at most, and how long before others are.
const LOOKED_AT: usize = 1_000;
const LOOK: Micros = 2_000_000;

/// When a look is taken, and who does not run then.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// When.
    pub now: Micros,
    /// Where a cluster or a switch has a limit: who is down there, whatever the reason.
    pub down: &'a Down,
}

/// Of which members the next step needs facts. Those that are not asked for stay as they are.
pub fn wanted(rollout: &Rollout, members: &[Member], look: Look<'_>) -> Vec<u32> {
    if !rollout.state.is_open() {
        return Vec::new();
    }
    let mut wanted: Vec<u32> = members.iter().filter(|m| m.phase.is_down()).map(|m| m.n).collect();
    wanted.extend(candidates(rollout, members, look));
    if rollout.soak_until.is_some_and(|until| until <= look.now) {
        wanted.extend(members.iter().filter(|m| m.phase == Phase::Up && m.wave == rollout.wave).map(|m| m.n));
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Make a step over all members of a rollout, in order of their numbers, with the facts of those that were [`wanted`].
pub fn step(rollout: &mut Rollout, members: &mut [Member], facts: &BTreeMap<u32, Fact>, look: Look<'_>) -> Vec<Action> {
    let now = look.now;
    let mut actions = Vec::new();
    if !rollout.state.is_open() {
        return actions;
    }
    let before = rollout.state;
    // What the caller has looked at: of another member, no fact tells nothing.
    let asked: BTreeSet<u32> = wanted(rollout, members, look).into_iter().collect();
    for member in members.iter_mut().filter(|member| member.phase.is_down()) {
        if assigned(&actions) >= ASSIGNED_MAX {
            // The others at the next step, which comes at once.
            break;
        }
        let fact = facts.get(&member.n);
        let turns = rollout.state == State::RollingBack && matches!(member.phase, Phase::Booting | Phase::Checking);
        actions.extend(match (turns, member.phase.is_back()) {
            (true, _) => back::turn(rollout, member, fact, now),
            (false, true) => back::advance(rollout, member, fact, now),
            (false, false) => forward::advance(rollout, member, fact, now),
        });
    }
    if rollout.state == State::Running {
        soaked(rollout, members, facts, now);
        gate(rollout, members);
    }
    let mut turned = false;
    if rollout.state == State::RollingBack {
        for member in members.iter_mut().filter(|m| m.touched.is_some() && ended_on(m.phase)) {
            member.go(Phase::BackWaiting, now);
            member.verdict = None;
            turned = true;
        }
    }
    // Who goes back from now on is stored so first, and what was asked for its way on is let go with that; the next step
    // comes at once.
    if !turned {
        let room = ASSIGNED_MAX.saturating_sub(assigned(&actions));
        actions.extend(begin(rollout, members, &asked, facts, look, room));
    }
    // One change of its state a step, so that each is stored and seen.
    if rollout.state == before {
        settle(rollout, members, now);
    }
    actions
}

fn assigned(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action.what, What::Assign(_))).count()
}

/// The way on has ended for it.
fn ended_on(phase: Phase) -> bool {
    matches!(phase, Phase::Up | Phase::Failed | Phase::Skipped)
}

/// Up to which member the wave under way goes: so many as it has, not counting those that were skipped.
fn end_of_wave(rollout: &Rollout, members: &[Member]) -> usize {
    let total = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let ends = rollout.spec.waves.ends(total);
    let last = ends.len().saturating_sub(1);
    let wave = usize::try_from(rollout.wave).unwrap_or(last).min(last);
    let Some(wanted) = ends.get(wave).filter(|_| wave < last) else { return members.len() };
    let mut left = *wanted;
    for (n, member) in members.iter().enumerate() {
        if member.phase != Phase::Skipped {
            if left == 0 {
                return n;
            }
            left -= 1;
        }
    }
    members.len()
}

fn is_last_wave(rollout: &Rollout, members: &[Member]) -> bool {
    let total = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let ends = rollout.spec.waves.ends(total);
    usize::try_from(rollout.wave).unwrap_or(usize::MAX).saturating_add(1) >= ends.len()
        || end_of_wave(rollout, members) == members.len()
}

/// Who could be begun now, in order, by all that needs no facts.
fn candidates(rollout: &Rollout, members: &[Member], look: Look<'_>) -> Vec<u32> {
    if rollout.paused_by.is_some() || rollout.soak_until.is_some() {
        return Vec::new();
    }
    let open = Window::any_open(&rollout.spec.windows, look.now);
    let down = down_of(rollout, look.down);
    let room = Room::of(&rollout.spec.limits, members, &down);
    match rollout.state {
        State::Running if open => members
            .iter()
            .take(end_of_wave(rollout, members))
            .filter(|member| member.phase == Phase::Waiting && room.fits(member))
            .take(ASSIGNED_MAX)
            .map(|member| member.n)
            .collect(),
        State::RollingBack => {
            // Newest touched first; those that are only now known to go back are asked for at the next step.
            let mut waiting: Vec<&Member> =
                members.iter().filter(|m| m.phase == Phase::BackWaiting && room.fits(m)).collect();
            waiting.sort_by_key(|member| std::cmp::Reverse(member.touched));
            let (from, most) = match open {
                true => (0, ASSIGNED_MAX),
                // Only those that do not run may begin, and nobody knows which before a look: in turn.
                false => (turn(waiting.len(), look.now), LOOKED_AT),
            };
            waiting.into_iter().skip(from).take(most).map(|member| member.n).collect()
        }
        _ => Vec::new(),
    }
}

/// Where the piece of so many members begins that is looked at now.
fn turn(count: usize, now: Micros) -> usize {
    let pieces = i64::try_from(count.div_ceil(LOOKED_AT).max(1)).unwrap_or(i64::MAX);
    usize::try_from(now.div_euclid(LOOK).rem_euclid(pieces)).unwrap_or(0).saturating_mul(LOOKED_AT)
}

/// Who counts besides our own: on the way back nobody, or what is broken elsewhere would keep it from being mended.
fn down_of(rollout: &Rollout, down: &Down) -> Down {
    if rollout.state == State::Running { down.clone() } else { Down::default() }
}

fn begin(
    rollout: &mut Rollout,
    members: &mut [Member],
    asked: &BTreeSet<u32>,
    facts: &BTreeMap<u32, Fact>,
    look: Look<'_>,
    most: usize,
) -> Vec<Action> {
    let now = look.now;
    let open = Window::any_open(&rollout.spec.windows, now);
    let (limits, down) = (rollout.spec.limits.clone(), down_of(rollout, look.down));
    let mut room = Room::of(&limits, members, &down);
    let mut actions = Vec::new();
    let candidates = candidates(rollout, members, look);
    if open && rollout.state == State::Running {
        waits(rollout, members, &room, candidates.is_empty());
    }
    for n in candidates.into_iter().filter(|n| asked.contains(n)) {
        if assigned(&actions) >= most {
            break;
        }
        let Some(member) = usize::try_from(n).ok().and_then(|n| members.get_mut(n)) else { continue };
        if !room.fits(member) {
            continue;
        }
        let fact = facts.get(&n);
        if rollout.state == State::RollingBack {
            // What serves is not taken down outside of the window; what does not, has nothing to lose.
            if open || !fact.is_some_and(Fact::running) {
                actions.extend(back::begin(rollout, member, fact, now));
            }
        } else {
            actions.extend(forward::begin(rollout, member, fact, now));
        }
        if member.phase.is_down() {
            room.take(member);
        }
    }
    actions
}

/// Where nothing goes on since others are down, people are told.
fn waits(rollout: &mut Rollout, members: &[Member], room: &Room<'_>, nobody: bool) {
    const WAITS: &str = "it waits: ";
    let still = rollout.paused_by.is_some() || rollout.soak_until.is_some() || !nobody;
    let end = end_of_wave(rollout, members);
    let next = members.iter().take(end).find(|member| member.phase == Phase::Waiting).filter(|_| !still);
    let idle = !members.iter().any(|member| member.phase.is_down());
    match next.filter(|_| idle).and_then(|member| room.full(member)) {
        Some(full) => rollout.why = format!("{WAITS}{full}"),
        None if rollout.why.starts_with(WAITS) => rollout.why.clear(),
        None => {}
    }
}

/// The time of watching is over: does each of the wave still run?
fn soaked(rollout: &mut Rollout, members: &mut [Member], facts: &BTreeMap<u32, Fact>, now: Micros) {
    if rollout.soak_until.is_none_or(|until| now < until) {
        return;
    }
    let wave = rollout.wave;
    for member in members.iter_mut().filter(|m| m.phase == Phase::Up && m.wave == wave) {
        match facts.get(&member.n) {
            None => {
                member.touched = None;
                member.say(Phase::Skipped, "the node was deleted after it was up", now);
            }
            Some(Fact { gone: Some(why), .. }) => member.say(Phase::Skipped, &format!("{why}, after it was up"), now),
            Some(fact) if fact.assigned != rollout.target() => {
                member.touched = None;
                let message = format!("it was assigned {} after it was up", fact.assigned);
                member.say(Phase::Skipped, &message, now);
            }
            Some(fact) if !fact.runs_target(rollout) => {
                member.say(Phase::Failed, &format!("it was up and did not stay so: {}", fact.told()), now);
            }
            Some(_) => {}
        }
    }
}

/// More failures than a wave may have end the rollout.
fn gate(rollout: &mut Rollout, members: &[Member]) {
    let failed: Vec<&Member> = members.iter().filter(|m| m.phase == Phase::Failed && m.wave == rollout.wave).collect();
    let Some(last) = failed.iter().max_by_key(|m| (m.since, m.n)) else { return };
    if failed.len() <= usize::try_from(rollout.spec.failures).unwrap_or(usize::MAX) {
        return;
    }
    rollout.why = format!(
        "wave {}: {} failed, {} allowed; node {}: {}",
        rollout.wave.saturating_add(1),
        failed.len(),
        rollout.spec.failures,
        last.node,
        last.message
    );
    rollout.become_(if rollout.spec.rollback { State::RollingBack } else { State::Stopping });
}

/// Between two waves, and at the end.
fn settle(rollout: &mut Rollout, members: &[Member], now: Micros) {
    let down = members.iter().any(|member| member.phase.is_down());
    match rollout.state {
        State::Running if !down => {
            let end = end_of_wave(rollout, members);
            if members.iter().take(end).any(|member| member.phase == Phase::Waiting) {
                // One that vanished while it was watched has its place taken by the next, who is watched then.
                rollout.soak_until = None;
                return;
            }
            match rollout.soak_until {
                None => rollout.soak_until = Some(now.saturating_add(rollout.spec.soak)),
                Some(until) if now < until => {}
                Some(_) if is_last_wave(rollout, members) => {
                    rollout.become_(State::Done);
                    rollout.activate = !members.iter().any(|member| member.phase == Phase::Failed);
                }
                Some(_) => {
                    rollout.soak_until = None;
                    rollout.wave = rollout.wave.saturating_add(1);
                }
            }
        }
        State::Stopping if !down => rollout.become_(State::Stopped),
        State::RollingBack if !down && !members.iter().any(|m| m.phase == Phase::BackWaiting) => {
            rollout.become_(State::RolledBack);
        }
        _ => {}
    }
}
