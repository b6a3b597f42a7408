//! The way back: a member that was touched gets again what it had before the rollout, and is restarted with it. A way back
//! asks no gate but the one that counts: is it up again?

use super::action::What;
use super::forward::{ask_again, ask_reboot, hook, late};
use super::{Action, Fact, Member, Phase, Rollout};
use crate::domain::Micros;

/// The rollout goes back, and this member is in the middle of the way on. One whose load moves just now ends that first.
pub(super) fn turn(rollout: &mut Rollout, member: &mut Member, fact: Option<&Fact>, now: Micros) -> Vec<Action> {
    let Some(fact) = here(rollout, member, fact, now) else { return Vec::new() };
    let fact = match fact {
        Ok(fact) => fact,
        Err(restored) => return restored,
    };
    if member.reboots == 0 || fact.boot_id() != member.boot_before {
        return restart(member, fact, now);
    }
    // It was asked to restart and has not yet: it comes back with what it is assigned then, and is not asked twice.
    member.go(Phase::BackBooting, now);
    vec![member.action("assign", What::Assign(member.before.clone()))]
}

/// Its turn has come.
pub(super) fn begin(rollout: &mut Rollout, member: &mut Member, fact: Option<&Fact>, now: Micros) -> Vec<Action> {
    let Some(fact) = here(rollout, member, fact, now) else { return Vec::new() };
    let fact = match fact {
        Ok(fact) => fact,
        Err(restored) => return restored,
    };
    if fact.runs_before(member) {
        let actions = vec![member.action("assign", What::Assign(member.before.clone()))];
        member.say(Phase::Back, "it runs what it ran before", now);
        return actions;
    }
    if fact.running() && !member.drained && rollout.spec.hooks.drain.is_some() {
        member.go(Phase::BackDraining, now);
        return vec![member.action("drain", What::Drain)];
    }
    restart(member, fact, now)
}

/// One that was begun.
pub(super) fn advance(rollout: &mut Rollout, member: &mut Member, fact: Option<&Fact>, now: Micros) -> Vec<Action> {
    let restored = member.phase == Phase::BackBooting || member.phase == Phase::BackUndraining;
    let due = if restored { member.before.clone() } else { rollout.target() };
    match fact {
        None => {
            skip(member, "the node was deleted", now);
            Vec::new()
        }
        Some(fact) if fact.assigned != due => {
            skip(member, &format!("it was assigned {} while it was brought back", fact.assigned), now);
            Vec::new()
        }
        Some(Fact { gone: Some(why), .. }) => {
            let assign = member.action("assign", What::Assign(member.before.clone()));
            let message = format!("{why}; it is assigned what it had");
            member.say(Phase::Back, &message, now);
            if restored { Vec::new() } else { vec![assign] }
        }
        Some(fact) => match member.phase {
            Phase::BackDraining => match hook(rollout, member, fact, "drain", now) {
                None => Vec::new(),
                // It goes back in any case.
                Some(did) => {
                    member.drained = true;
                    if !did.ok {
                        member.message = format!("the drain hook did not say yes: {}", did.message);
                    }
                    restart(member, fact, now)
                }
            },
            Phase::BackBooting => booting(rollout, member, fact, now),
            Phase::BackUndraining => undraining(rollout, member, fact, now),
            _ => Vec::new(),
        },
    }
}

/// Nothing to bring back, or nothing but the assignment (`Err`).
fn here<'a>(
    rollout: &Rollout,
    member: &mut Member,
    fact: Option<&'a Fact>,
    now: Micros,
) -> Option<Result<&'a Fact, Vec<Action>>> {
    let Some(fact) = fact else {
        skip(member, "the node was deleted", now);
        return None;
    };
    if fact.assigned != rollout.target() {
        skip(member, &format!("it was assigned {} since: left alone", fact.assigned), now);
        return None;
    }
    member.phase = Phase::BackWaiting;
    match &fact.gone {
        None => Some(Ok(fact)),
        Some(why) => {
            let assign = member.action("assign", What::Assign(member.before.clone()));
            let message = format!("{why}; it is assigned what it had");
            member.say(Phase::Back, &message, now);
            Some(Err(vec![assign]))
        }
    }
}

/// Nothing of it is ours any more.
fn skip(member: &mut Member, why: &str, now: Micros) {
    member.touched = None;
    member.say(Phase::Skipped, why, now);
}

fn restart(member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    member.go(Phase::BackBooting, now);
    member.reboots = 0;
    let mut actions = vec![member.action("assign", What::Assign(member.before.clone()))];
    actions.extend(ask_reboot(member, fact, false, now));
    actions
}

fn booting(rollout: &Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    let another = member.boot_before.is_none() || fact.boot_id() != member.boot_before;
    // What had no profile waits somewhere, or is off: that it went down is all.
    let back = match member.before.profile {
        None => !fact.running() || another,
        Some(_) => fact.runs_before(member) && (another || member.reboots == 0),
    };
    if back {
        if member.drained {
            member.go(Phase::BackUndraining, now);
            return match &rollout.spec.hooks.undrain {
                Some(_) => vec![member.action("undrain", What::Undrain)],
                None => Vec::new(),
            };
        }
        member.go(Phase::Back, now);
        return Vec::new();
    }
    if late(member.since, rollout.spec.up_deadline, now) {
        let seconds = rollout.spec.up_deadline / 1_000_000;
        let message = format!("assigned {} again, and not up with it in {seconds} s: {}", member.before, fact.told());
        member.say(Phase::BackFailed, &message, now);
        return Vec::new();
    }
    ask_again(rollout, member, fact, now).into_iter().collect()
}

fn undraining(rollout: &Rollout, member: &mut Member, fact: &Fact, now: Micros) -> Vec<Action> {
    if rollout.spec.hooks.undrain.is_some() {
        let Some(did) = hook(rollout, member, fact, "undrain", now) else { return Vec::new() };
        if !did.ok {
            let message = format!("it is back, and the undrain hook did not say yes: {}", did.message);
            member.say(Phase::Back, &message, now);
            return Vec::new();
        }
    }
    member.drained = false;
    member.go(Phase::Back, now);
    Vec::new()
}
