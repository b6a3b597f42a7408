//! The way on: one member from its turn to its end. Each function looks at one member and never at the others; whether
//! there is room for it was decided before.

use super::action::{What, id};
use super::fact::Did;
use super::{Action, Fact, Member, OnDeadline, Phase, Rollout, State};
use crate::domain::Micros;

/// Restarts of one member, when it comes up with something else.
pub(super) const REBOOTS_MAX: u32 = 3;
/// Answers of hooks and checks come by their own deadline; so much later nothing comes any more.
const LATE: Micros = 30_000_000;

/// Its turn has come.
pub(super) fn begin(rollout: &mut Rollout, member: &mut Member, fact: Option<&Fact>, now: Micros) -> Vec<Action> {
    let Some(fact) = here(member, fact, now) else { return Vec::new() };
    if fact.assigned != member.before {
        let message = format!("it was assigned {} since the rollout began: left alone", fact.assigned);
        member.say(Phase::Skipped, &message, now);
        return Vec::new();
    }
    member.wave = rollout.wave;
    member.begun = Some(now);
    if fact.runs_target(rollout) {
        touch(rollout, member);
        member.message = "it ran the revision already".to_owned();
        let mut actions = vec![member.action("assign", What::Assign(rollout.target()))];
        actions.extend(look(rollout, member, now));
        return actions;
    }
    if fact.running() && rollout.spec.hooks.drain.is_some() {
        member.go(Phase::Draining, now);
        return vec![member.action("drain", What::Drain)];
    }
    restart(rollout, member, fact, now)
}

/// One that was begun.
pub(super) fn advance(rollout: &mut Rollout, member: &mut Member, fact: Option<&Fact>, now: Micros) -> Vec<Action> {
    let Some(fact) = here(member, fact, now) else { return Vec::new() };
    let taken = fact.assigned != if member.touched.is_some() { rollout.target() } else { member.before.clone() };
    if taken {
        member.touched = None;
        let message = format!("it was assigned {} while it was changed: left alone from then on", fact.assigned);
        member.leave(&message, now);
        return Vec::new();
    }
    match member.phase {
        Phase::Draining => draining(rollout, member, fact, now),
        Phase::Booting => booting(rollout, member, fact, now),
        Phase::Checking => checking(rollout, member, fact, now),
        Phase::Undraining => undraining(rollout, member, fact, now),
        _ => Vec::new(),
    }
}

/// Nothing is known of it, or it takes no part any more: it is skipped.
fn here<'a>(member: &mut Member, fact: Option<&'a Fact>, now: Micros) -> Option<&'a Fact> {
    let gone = match fact {
        None => "the node was deleted",
        Some(Fact { gone: Some(why), .. }) => why,
        Some(fact) => return Some(fact),
    };
    if fact.is_none() {
        member.touched = None;
    }
    member.leave(gone, now);
    None
}

fn touch(rollout: &mut Rollout, member: &mut Member) {
    member.touched = Some(rollout.touched);
    rollout.touched = rollout.touched.saturating_add(1);
}

/// Has a deadline passed? A clock that was set back makes nothing late.
pub(super) fn late(since: Micros, time: Micros, now: Micros) -> bool {
    now.saturating_sub(since) >= time
}

/// What became of a hook that was called when the phase began; none: not known yet.
pub(super) fn hook(rollout: &Rollout, member: &Member, fact: &Fact, kind: &str, now: Micros) -> Option<Did> {
    let deadline = rollout.spec.hooks.deadline.saturating_add(LATE);
    match fact.done.get(&id(member, kind)) {
        Some(did) => Some(did.clone()),
        None if late(member.since, deadline, now) => {
            Some(Did { ok: false, message: "no answer by its deadline".to_owned() })
        }
        None => None,
    }
}

fn draining(rollout: &mut Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    let Some(did) = hook(rollout, member, fact, "drain", now) else { return Vec::new() };
    if !did.ok && rollout.spec.hooks.on_deadline == OnDeadline::Fail {
        // Whether the hook took its load is not known: it gets it back.
        member.verdict = Some(format!("the drain hook did not say yes: {}", did.message));
        return undrain(rollout, member, now);
    }
    member.drained = true;
    if rollout.state != State::Running {
        member.verdict = Some("the rollout ended before it was restarted".to_owned());
        return undrain(rollout, member, now);
    }
    restart(rollout, member, fact, now)
}

/// Give it the revision and restart it. One that is off and has no BMC is waited for.
fn restart(rollout: &mut Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    touch(rollout, member);
    member.go(Phase::Booting, now);
    let mut actions = vec![member.action("assign", What::Assign(rollout.target()))];
    actions.extend(ask_reboot(member, fact, false, now));
    actions
}

/// Ask for a restart, where something can be asked.
pub(super) fn ask_reboot(member: &mut Member, fact: &Fact, hard: bool, now: Micros) -> Option<Action> {
    member.boot_before = fact.boot_id();
    member.asked = now;
    // What does not run cannot be asked gently.
    member.hard = hard || !fact.running();
    if !fact.running() && !fact.bmc {
        return None;
    }
    member.reboots = member.reboots.saturating_add(1);
    Some(member.reboot(member.hard))
}

/// It does not come back: once more without mercy; or it came up with something else: once more.
pub(super) fn ask_again(rollout: &Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Option<Action> {
    let same = fact.boot_id() == member.boot_before;
    let stuck = same && !member.hard && fact.bmc && late(member.asked, rollout.spec.soft_deadline, now);
    // One that was on its way when its turn came was not asked then.
    let wrong = fact.running() && (!same || member.reboots == 0);
    if (stuck || wrong) && member.reboots < REBOOTS_MAX {
        return ask_reboot(member, fact, stuck, now);
    }
    None
}

fn booting(rollout: &mut Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    if fact.runs_target(rollout) {
        member.up = Some(now);
        return look(rollout, member, now);
    }
    if let Some(fallback) = &fact.fallback {
        // It had its tries: another restart gives the same.
        member.say(Phase::Failed, fallback, now);
        return Vec::new();
    }
    if late(member.since, rollout.spec.up_deadline, now) {
        let seconds = rollout.spec.up_deadline / 1_000_000;
        member.say(Phase::Failed, &format!("not up with the revision in {seconds} s: {}", fact.told()), now);
        return Vec::new();
    }
    ask_again(rollout, member, fact, now).into_iter().collect()
}

/// It is up: the gates.
fn look(rollout: &Rollout, member: &mut Member, now: Micros) -> Vec<Action> {
    member.go(Phase::Checking, now);
    match &rollout.spec.check {
        Some(_) => vec![member.action("check", What::Check)],
        None => Vec::new(),
    }
}

fn checking(rollout: &mut Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    if rollout.spec.inventory && !fact.lost.is_empty() {
        let message = format!("its inventory lost parts: {}", fact.lost.join("; "));
        member.say(Phase::Failed, &message, now);
        return Vec::new();
    }
    let over = late(member.since, rollout.spec.check_deadline.saturating_add(LATE), now);
    let did = match (&rollout.spec.check, fact.done.get(&id(member, "check"))) {
        (None, _) => Did { ok: true, message: String::new() },
        (Some(_), Some(did)) => did.clone(),
        (Some(_), None) if over => Did { ok: false, message: "no answer by its deadline".to_owned() },
        (Some(_), None) => return Vec::new(),
    };
    if !did.ok {
        member.say(Phase::Failed, &format!("the health check did not say yes: {}", did.message), now);
        return Vec::new();
    }
    if !fact.runs_target(rollout) {
        if over {
            member.say(Phase::Failed, &format!("it was up and is not any more: {}", fact.told()), now);
        }
        return Vec::new();
    }
    if member.drained {
        return undrain(rollout, member, now);
    }
    member.go(Phase::Up, now);
    Vec::new()
}

fn undrain(rollout: &Rollout, member: &mut Member, now: Micros) -> Vec<Action> {
    member.go(Phase::Undraining, now);
    match &rollout.spec.hooks.undrain {
        Some(_) => vec![member.action("undrain", What::Undrain)],
        None => Vec::new(),
    }
}

fn undraining(rollout: &mut Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    let did = match &rollout.spec.hooks.undrain {
        None => Did { ok: true, message: String::new() },
        Some(_) => match hook(rollout, member, fact, "undrain", now) {
            None => return Vec::new(),
            Some(did) => did,
        },
    };
    member.drained = !did.ok;
    if let Some(verdict) = member.verdict.take() {
        let failed = rollout.state == State::Running || member.touched.is_some();
        member.say(if failed { Phase::Failed } else { Phase::Back }, &verdict, now);
    } else if did.ok {
        member.go(Phase::Up, now);
    } else {
        let message = format!("the undrain hook did not say yes: {}", did.message);
        let phase = if rollout.spec.hooks.on_deadline == OnDeadline::Fail { Phase::Failed } else { Phase::Up };
        member.say(phase, &message, now);
    }
    Vec::new()
}
