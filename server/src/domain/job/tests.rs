//! The tables whole, and what follows of them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::node_event::Severity;
use std::collections::BTreeSet;

fn job(state: JobState) -> Job {
    Job {
        id: uuid::Uuid::from_u128(1),
        action: BmcAction::PowerOn,
        selector: String::new(),
        who: "ana".into(),
        made: 0,
        stagger: 500_000,
        parallel: 4,
        total: 9,
        state,
        request: None,
        request_hash: super::super::Sha256::of(""),
        next_start: 100,
        started: None,
        cancelled_by: None,
        ended: None,
    }
}

#[test]
fn words_come_back() {
    for state in JobState::ALL {
        assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
    }
    for state in ItemState::ALL {
        assert_eq!(state.as_str().parse::<ItemState>().unwrap(), state);
    }
    assert!("paused".parse::<JobState>().unwrap_err().to_string().contains("cancelling"));
}

/// Every pair of states: what is not listed here must not be.
#[test]
fn the_tables_of_steps_are_whole() {
    use ItemState as I;
    let legal = [
        (I::Waiting, I::Running),
        (I::Waiting, I::Cancelled),
        (I::Running, I::Ok),
        (I::Running, I::Failed),
        (I::Running, I::Skipped),
        (I::Running, I::Interrupted),
        (I::Running, I::Waiting),
    ];
    for from in I::ALL {
        for to in I::ALL {
            assert_eq!(from.next().contains(&to), legal.contains(&(from, to)), "{from} -> {to}");
        }
    }
    use JobState as J;
    let legal = [
        (J::Queued, J::Running),
        (J::Queued, J::Cancelling),
        (J::Queued, J::Done),
        (J::Queued, J::Cancelled),
        (J::Running, J::Cancelling),
        (J::Running, J::Done),
        (J::Running, J::Cancelled),
        (J::Cancelling, J::Cancelled),
        (J::Cancelling, J::Done),
    ];
    for from in J::ALL {
        for to in J::ALL {
            assert_eq!(from.next().contains(&to), legal.contains(&(from, to)), "{from} -> {to}");
        }
        assert_eq!(from.is_open(), !from.next().is_empty(), "{from}");
    }
    let order: BTreeSet<I> = I::ALL.into_iter().collect();
    assert!(order.into_iter().eq(I::ALL), "people see them in this order: failed first");
}

#[test]
fn a_job_stands_as_its_items_do() {
    let left = |waiting, running, cancelled| Left { waiting, running, cancelled };
    let (queued, running) = (job(JobState::Queued), Job { started: Some(1), ..job(JobState::Running) });
    let cancelled = Job { cancelled_by: Some("ana".into()), ..running.clone() };
    for (job, left, state) in [
        (&queued, left(true, 0, false), JobState::Queued),
        (&running, left(true, 0, false), JobState::Running),
        (&running, left(false, 1, false), JobState::Running),
        (&running, left(false, 0, false), JobState::Done),
        (&cancelled, left(false, 2, true), JobState::Cancelling),
        (&cancelled, left(false, 0, true), JobState::Cancelled),
        // Cancelled when nothing waited any more: nothing of it was left out.
        (&cancelled, left(false, 0, false), JobState::Done),
    ] {
        assert_eq!(job.state_by(left), state, "{job:?} {left:?}");
    }
    let mut done = running.clone();
    assert!(done.settle(left(false, 0, false), 77) && done.ended == Some(77) && done.state == JobState::Done);
    assert!(!done.settle(left(true, 1, false), 78) && done.ended == Some(77), "what has ended stays ended");
    let mut same = running;
    assert!(!same.settle(left(true, 3, false), 5) && same.ended.is_none());
}

#[test]
fn starts_are_staggered_and_bounded() {
    let job = job(JobState::Queued);
    assert_eq!(job.may_start(0, 256, 99), 0, "not yet");
    assert_eq!(job.may_start(0, 256, 100), 1, "one at a time");
    assert_eq!((job.held_until(99), job.held_until(100)), (Some(100), None));
    assert_eq!(job.may_start(0, 256, 100 - 500_001), 1, "a clock that was set back stops nothing");
    let quick = Job { stagger: 0, ..job.clone() };
    assert_eq!([0, 3, 4, 9].map(|running| quick.may_start(running, 256, 100)), [4, 1, 0, 0]);
    assert_eq!(quick.may_start(0, 2, 100), 2, "no more than the caller can do");
    let cancelled = Job { cancelled_by: Some("ana".into()), ..quick.clone() };
    assert_eq!(cancelled.may_start(0, 256, 100), 0);
    assert_eq!(Job { state: JobState::Done, ..quick }.may_start(0, 256, 100), 0);
}

const ACTIONS: [&str; 11] = [
    "power-on",
    "power-off",
    "soft-off",
    "power-cycle",
    "reset",
    "nmi",
    "bmc-reset",
    "clear-log",
    "rotate-password",
    "identify 15",
    "boot-device pxe once uefi",
];

#[test]
fn what_a_dead_server_leaves_behind() {
    for text in ACTIONS {
        let action: BmcAction = text.parse().unwrap();
        let cut = cut_short(action, 1, false);
        match action.is_repeatable() {
            true => assert_eq!(cut.state, ItemState::Waiting, "{text}"),
            false => {
                assert_eq!(cut.state, ItemState::Interrupted, "{text}");
                assert!(cut.message.contains(text) && cut.message.contains("not known"), "{}", cut.message);
                assert!(cut.message.contains("run it again"), "what to do: {}", cut.message);
            }
        }
        assert_eq!(cut_short(action, 1, true).state, ItemState::Interrupted, "a cancelled one does not begin again");
        let often = cut_short(action, TAKEN_MAX, false);
        assert_ne!(often.state, ItemState::Waiting, "it does not go round for ever");
        for cut in [cut, often] {
            assert!(ItemState::Running.next().contains(&cut.state));
        }
        assert!(time_for(action) >= 120 * SECOND);
        assert!(!kind_of(action).contains(' ') && text.starts_with(&kind_of(action)));
    }
}

#[test]
fn what_is_told_of_a_node() {
    let action: BmcAction = "boot-device pxe once".parse().unwrap();
    let told = notice(action, ItemState::Failed, "no answer").unwrap();
    assert_eq!((told.severity, told.subject.as_str()), (Severity::Warning, "action:boot-device"));
    assert_eq!(told.message, "boot-device pxe once: no answer");
    assert_eq!(notice(action, ItemState::Ok, "set").unwrap().severity, Severity::Info);
    assert_eq!(notice(action, ItemState::Interrupted, "").unwrap().severity, Severity::Warning);
    for nothing in [ItemState::Waiting, ItemState::Running, ItemState::Skipped, ItemState::Cancelled] {
        assert_eq!(notice(action, nothing, ""), None, "{nothing}");
    }
}

#[test]
fn pauses_grow_and_are_bounded() {
    assert_eq!([1, 2, 3, 4, 5].map(|n| backoff(n) / SECOND), [1, 2, 4, 8, 16]);
    assert_eq!([0, 6, 7, u32::MAX].map(|n| backoff(n) / SECOND), [1, 30, 30, 30]);
}
