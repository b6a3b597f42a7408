//! What a node tries to boot, when it falls back, and for how long.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::{NodeUuid, Sha256};
use proptest::prelude::*;

fn web(revision: u32) -> Exact {
    Exact { profile: "web".parse().unwrap(), revision }
}

fn wanted(revision: u32, since: Micros) -> Wanted {
    Wanted { what: web(revision), since }
}

/// A boot of a revision that began at `started` and is over: its last step, and where it failed.
fn boot(revision: u32, started: Micros, last: &str, failed: &str) -> Boot {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    let id = uuid::Uuid::from_u128(u128::try_from(started).unwrap());
    Boot {
        phase: Phase::Ended,
        profile: Some("web".parse().unwrap()),
        revision: Some(revision),
        last_step: some(last),
        failed_step: some(failed),
        failed_reason: some(failed),
        ..Boot::new(id, node, Sha256::of("s"), String::new(), started)
    }
}

fn up(revision: u32, started: Micros) -> Boot {
    Boot { up: Some(started + 1), ..boot(revision, started, "up", "") }
}

/// Up with revision 6, and revision 7 is tried since 10.
fn tries() -> Tries {
    Tries { up: Some(web(6)), tried: Some(Tried { what: web(7), since: 10 }), fallback: None }
}

fn next(tries: &Tries, past: &[Boot], stopped: &[Micros], after: u32) -> Next {
    tries.next(&wanted(7, 0), Seen { past, now: 100, stopped }, after)
}

#[test]
fn what_speaks_against_a_revision() {
    // Last step, failed step, stopped by us in the middle: does it count?
    for (last, failed, stopped, counts) in [
        ("kexec", "", false, true),
        ("kexec", "", true, false),
        ("kexec", "kexec", true, true),
        ("load", "load", false, true),
        ("plan", "load", false, true),
        ("second-stage", "", false, true),
        ("memory", "memory", false, true),
        ("pack", "pack", false, true),
        ("pack", "", false, false),
        ("download", "download", false, false),
        ("download", "", false, false),
        ("lldp", "", false, false),
        ("register", "register", false, false),
        ("", "", false, false),
    ] {
        let stops: &[Micros] = if stopped { &[25] } else { &[] };
        let found = next(&tries(), &[boot(7, 20, last, failed)], stops, 1);
        let expected = if counts { Next::Instead(web(6)) } else { Next::Wanted };
        assert_eq!(found, expected, "{last:?} {failed:?} {stopped}");
    }
    // The power action before it, or after it was over, is not its own.
    for at in [19, 100] {
        assert_eq!(next(&tries(), &[boot(7, 20, "kexec", "")], &[at], 1), Next::Instead(web(6)), "{at}");
    }
}

#[test]
fn only_failures_without_a_success_between_them_count() {
    let bad = |started| boot(7, started, "kexec", "");
    assert_eq!(next(&tries(), &[bad(30), bad(20)], &[], 3), Next::Wanted);
    assert_eq!(next(&tries(), &[bad(40), bad(30), bad(20)], &[], 3), Next::Instead(web(6)));
    assert_eq!(next(&tries(), &[bad(40), up(7, 30), bad(20)], &[], 2), Next::Wanted, "it was up between them");
    assert_eq!(next(&tries(), &[bad(40), boot(6, 30, "kexec", ""), bad(20)], &[], 2), Next::Instead(web(6)));
    assert_eq!(next(&tries(), &[bad(40), bad(9)], &[], 2), Next::Wanted, "before it was tried anew");
    assert_eq!(next(&tries(), &[bad(40), bad(30), bad(20)], &[], 0), Next::Wanted, "off");
    // A boot that has not ended tells nothing yet.
    assert_eq!(next(&tries(), &[Boot { phase: Phase::Booting, ..bad(40) }], &[], 1), Next::Wanted);
}

#[test]
fn what_it_ran_last_must_be_another_one() {
    let past = [boot(7, 20, "kexec", "")];
    for up in [None, Some(web(7))] {
        let found = next(&Tries { up, ..tries() }, &past, &[], 1);
        assert!(matches!(&found, Next::NothingElse(why) if why.contains("ran before")), "{found:?}");
    }
    let other = Exact { profile: "db".parse().unwrap(), revision: 7 };
    assert_eq!(next(&Tries { up: Some(other.clone()), ..tries() }, &past, &[], 1), Next::Instead(other));
}

#[test]
fn it_holds_until_something_else_is_wanted() {
    let (want, seen) = (wanted(7, 0), Seen { past: &[], now: 100, stopped: &[] });
    let held = tries().planned(&want, true, 50, 60);
    let fallback = held.in_force(&want).unwrap();
    assert_eq!((&fallback.from, &fallback.to, fallback.since), (&web(7), &web(6), 60));
    assert_eq!(fallback.to_string(), "web@7 failed to boot: it gets web@6 instead");
    // The boots that failed are forgotten one day: it holds all the same, since the same time.
    assert_eq!(held.next(&want, seen, 3), Next::Instead(web(6)));
    assert_eq!(held.planned(&want, true, 70, 80), held);
    // Off, another revision, the same one made active again, or a person: over.
    assert_eq!(held.next(&want, seen, 0), Next::Wanted);
    for other in [wanted(8, 0), wanted(7, 11)] {
        assert_eq!((held.in_force(&other), held.next(&other, seen, 1)), (None, Next::Wanted), "{other:?}");
        let after = held.planned(&other, false, 70, 80);
        assert_eq!((after.fallback, after.tried), (None, Some(Tried { what: other.what.clone(), since: 70 })));
    }
    let again = held.clone().forgotten();
    assert_eq!((again.in_force(&want), again.next(&want, seen, 1), again.up), (None, Next::Wanted, Some(web(6))));
    // What it ran last is gone: nothing to fall back to.
    let gone = Tries { up: None, ..held };
    assert_eq!(gone.in_force(&want), None);
}

#[test]
fn it_is_told_loudly_and_once() {
    let last = boot(7, 20, "plan", "load");
    let told = |next: &Next| notice(&web(7), next, Some(&last));
    assert_eq!(told(&Next::Wanted), None);
    let instead = told(&Next::Instead(web(6))).unwrap();
    assert_eq!((instead.severity, instead.kind, instead.subject.as_str()), (Severity::Alarm, Kind::Boot, SUBJECT));
    assert!(instead.message.starts_with("web@7 failed to boot again and again (load: load): it gets web@6"));
    let none = told(&Next::NothingElse("why".into())).unwrap();
    assert_eq!(none.severity, Severity::Warning);
    assert!(none.message.ends_with("gets no other: why"), "{}", none.message);
}

proptest! {
    /// However boots end: a node that falls back has failed at least so often in a row, it never falls back to what
    /// failed, and its next plan says the same.
    #[test]
    fn never_without_failures(
        ends in prop::collection::vec((6u32..9, 0usize..5, any::<bool>()), 0..12),
        after in 1u32..5,
        ran in prop::option::of(5u32..9),
    ) {
        let words = ["download", "load", "kexec", "second-stage", ""];
        let past: Vec<Boot> = ends.iter().enumerate().rev().map(|(n, (revision, word, was_up))| {
            let at = Micros::try_from(n).unwrap() * 5 + 1;
            if *was_up { up(*revision, at) } else { boot(*revision, at, words[*word], "") }
        }).collect();
        let tries = Tries { up: ran.map(web), ..tries() };
        let seen = Seen { past: &past, now: 100, stopped: &[] };
        let found = tries.next(&wanted(7, 0), seen, after);
        prop_assert_eq!(&found, &tries.next(&wanted(7, 0), seen, after));
        if found != Next::Wanted {
            let of = past.iter().filter(|b| b.revision == Some(7) && b.started >= 10);
            let row = of.take_while(|b| b.up.is_none()).filter(|b| b.last_step.as_deref() != Some("download")).count();
            prop_assert!(row >= after as usize);
        }
        if let Next::Instead(to) = &found {
            prop_assert!(*to != web(7) && Some(to) == tries.up.as_ref());
            let kept = tries.planned(&wanted(7, 0), true, 100, 101);
            prop_assert_eq!(kept.next(&wanted(7, 0), Seen { past: &[], now: 200, stopped: &[] }, after), found);
        }
    }
}
