//! What a rollout does in a world that goes well, and what it never does in one that does not.
#![allow(clippy::unwrap_used)]

use super::sim::{Nature, SECOND, World, name, uuid};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn spec(total: u32) -> Spec {
    Spec {
        limits: Limits { total, ..Limits::default() },
        up_deadline: 300 * SECOND,
        soft_deadline: 60 * SECOND,
        soak: 30 * SECOND,
        ..Spec::default()
    }
}

fn hooked(total: u32) -> Spec {
    let hooks = Hooks {
        drain: Some("https://lb/".into()),
        undrain: Some("https://lb/".into()),
        deadline: 60 * SECOND,
        on_deadline: OnDeadline::GoOn,
    };
    Spec { hooks, check: Some("http://{address}/".into()), ..spec(total) }
}

fn all(nature: Nature, count: usize) -> Vec<(Nature, bool)> {
    vec![(nature, true); count]
}

#[test]
fn the_table_of_steps_is_whole() {
    use State as S;
    let legal = [
        (S::Running, S::Stopping),
        (S::Running, S::RollingBack),
        (S::Running, S::Done),
        (S::Stopping, S::Stopped),
        (S::Stopping, S::RollingBack),
        (S::RollingBack, S::RolledBack),
    ];
    for from in S::ALL {
        assert_eq!(from.as_str().parse::<S>().unwrap(), from);
        assert_eq!(from.is_open(), !from.next().is_empty(), "{from}");
        for to in S::ALL {
            assert_eq!(from.next().contains(&to), legal.contains(&(from, to)), "{from} -> {to}");
        }
    }
    for phase in Phase::ALL {
        assert_eq!(phase.as_str().parse::<Phase>().unwrap(), phase);
    }
}

#[test]
fn all_is_well_in_four_waves() {
    let mut world = World::new(hooked(3), &all(Nature::Good, 40));
    world.run();
    assert_eq!(world.rollout.state, State::Done, "{}", world.rollout.why);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Up, 40)]));
    assert!((0..40).all(|n| world.runs(n) == Some(2)));
    let waves: Vec<usize> = (0..4).map(|w| world.members.iter().filter(|m| m.wave == w).count()).collect();
    assert_eq!(waves, [1, 1, 8, 30], "up to 1, 5 %, 25 % and 100 % of 40");
}

#[test]
fn a_bad_canary_brings_itself_back_and_touches_nobody_else() {
    let mut world = World::new(spec(10), &all(Nature::Bad, 40));
    world.run();
    assert_eq!(world.rollout.state, State::RolledBack);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Back, 1), (Phase::Waiting, 39)]));
    assert_eq!(world.runs(0), Some(1));
    let why = format!("wave 1: 1 failed, 0 allowed; node {}: not up with the revision in 300 s", uuid(0));
    assert!(world.rollout.why.starts_with(&why), "{}", world.rollout.why);
}

#[test]
fn the_newest_goes_back_first_and_everybody_does() {
    let mut natures = all(Nature::Good, 30);
    natures[29].0 = Nature::Sick;
    let mut world = World::new(hooked(1), &natures);
    while world.rollout.state == State::Running {
        world.step(false);
        world.tick();
    }
    assert_eq!(world.rollout.state, State::RollingBack);
    world.run();
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Back, 30)]));
    assert!((0..30).all(|n| world.nodes[n].assigned == world.members[n].before && world.runs(n) == Some(1)));
    let back: Vec<Micros> = world.members.iter().map(|m| m.since).collect();
    assert!(back.is_sorted_by(|a, b| a > b), "{back:?}");
}

#[test]
fn without_rollback_it_only_stops() {
    let mut world = World::new(Spec { rollback: false, ..spec(10) }, &all(Nature::Bad, 10));
    world.run();
    assert_eq!(world.rollout.state, State::Stopped);
    assert_eq!(world.nodes[0].assigned, world.rollout.target());
}

#[test]
fn a_wave_may_lose_as_many_as_was_said() {
    let mut natures = all(Nature::Good, 10);
    (natures[3].0, natures[4].0) = (Nature::Bad, Nature::Bad);
    let mut world = World::new(Spec { failures: 2, ..spec(10) }, &natures);
    world.run();
    assert_eq!((world.rollout.state, world.phases()[&Phase::Failed]), (State::Done, 2));
    let mut world = World::new(Spec { failures: 1, ..spec(10) }, &natures);
    world.run();
    assert_eq!(world.rollout.state, State::RolledBack);
}

#[test]
fn what_vanished_is_skipped_and_told_and_is_no_canary() {
    let mut world = World::new(spec(10), &all(Nature::Good, 4));
    world.nodes[0].there = false;
    world.nodes[1].retired = true;
    world.run();
    assert_eq!(world.rollout.state, State::Done);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Skipped, 2), (Phase::Up, 2)]));
    let told: Vec<&str> = world.members.iter().map(|m| m.message.as_str()).collect();
    assert_eq!(told, ["the node was deleted", "retired", "", ""]);
    assert_eq!((world.members[2].wave, world.members[3].wave), (0, 1), "the first that is there is the canary");
}

#[test]
fn who_vanishes_while_it_is_watched_is_replaced() {
    let mut world = World::new(Spec { soak: 600 * SECOND, ..spec(10) }, &all(Nature::Good, 4));
    while world.rollout.soak_until.is_none() {
        world.step(false);
        world.tick();
    }
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Up, 1), (Phase::Waiting, 3)]));
    world.nodes[0].retired = true;
    world.run();
    assert_eq!(world.rollout.state, State::Done, "{}", world.rollout.why);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Skipped, 1), (Phase::Up, 3)]));
    assert_eq!(
        (world.members[1].wave, world.members[2].wave),
        (0, 1),
        "the next is the canary, watched as the first was"
    );
}

#[test]
fn one_that_does_not_stay_up_fails_its_wave() {
    let mut world = World::new(Spec { soak: 600 * SECOND, ..spec(10) }, &all(Nature::Good, 4));
    while world.rollout.soak_until.is_none() {
        world.step(false);
        world.tick();
    }
    // It restarts by itself and does not come up any more.
    world.nodes[0].nature = Nature::Bad;
    world.nodes[0].restart();
    world.run();
    assert_eq!(world.rollout.state, State::RolledBack);
    assert!(world.rollout.why.contains("did not stay so"), "{}", world.rollout.why);
}

#[test]
fn outside_of_the_window_nobody_is_begun() {
    let window: Window = "daily 02:00-03:00".parse().unwrap();
    let mut world = World::new(Spec { windows: vec![window], ..spec(10) }, &all(Nature::Good, 6));
    let mut begun = Vec::new();
    while world.rollout.state.is_open() {
        world.step(false);
        begun.extend(world.members.iter().filter_map(|m| m.begun));
        world.tick();
    }
    assert!(!begun.is_empty() && begun.iter().all(|at| window.is_open(*at)));
}

#[test]
fn a_pause_holds_and_an_abort_ends() {
    let mut world = World::new(spec(1), &all(Nature::Good, 8));
    assert!(world.rollout.pause("ana") && !world.rollout.pause("ben"));
    for _ in 0..100 {
        world.step(false);
        world.tick();
    }
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Waiting, 8)]));
    assert!(world.rollout.resume() && !world.rollout.resume());
    world.step(false);
    assert!(world.rollout.abort("ana", false) && !world.rollout.abort("ana", false));
    world.run();
    assert_eq!(world.rollout.state, State::Stopped);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Waiting, 7), (Phase::Up, 1)]));
    assert!(!world.rollout.abort("ana", true), "what has ended stays ended");
}

#[test]
fn who_is_down_by_itself_counts_at_its_cluster_and_switch() {
    // Cluster a has two nodes that broke, and two may be down: it waits until one is well, and says so.
    let limits = Limits { cluster: Some(2), ..Limits::default() };
    let mut world = World::new(Spec { limits, ..spec(10) }, &all(Nature::Good, 6));
    let groups = Groups { cluster: Some(name("a")), switches: vec!["sw9".into()], rule: Some(name("r2")) };
    world.strangers = (100..102).map(|n| (n, groups.clone())).collect();
    for _ in 0..50 {
        world.step(false);
        world.tick();
    }
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Waiting, 6)]), "the canary is in cluster a");
    assert_eq!(world.rollout.why, "it waits: cluster a: 2 nodes do not run, 2 may");
    world.strangers.remove(&100);
    world.step(false);
    assert_eq!((world.members[0].phase, world.rollout.why.as_str()), (Phase::Booting, ""));
    world.run();
    assert_eq!(world.rollout.state, State::Done, "{}", world.rollout.why);
    // The same of a rule; who has none is not counted by it.
    let limits = Limits { rule: Some(2), ..Limits::default() };
    let mut world = World::new(Spec { limits, waves: "100%".parse().unwrap(), ..spec(10) }, &all(Nature::Good, 8));
    world.strangers = (100..102).map(|n| (n, groups.clone())).collect();
    for _ in 0..50 {
        world.step(false);
        world.tick();
    }
    let waiting =
        |world: &World| world.members.iter().filter(|m| m.phase == Phase::Waiting).map(|m| m.n).collect::<Vec<_>>();
    assert_eq!(
        (waiting(&world), world.rollout.why.as_str()),
        (vec![2, 3, 7], "it waits: rule r2: 2 nodes do not run, 2 may")
    );
    world.strangers.remove(&100);
    world.run();
    assert_eq!(world.rollout.state, State::Done, "{}", world.rollout.why);
    // A member that does not run itself takes nothing away; and on the way back nobody waits for others.
    let limits = Limits { cluster: Some(1), switch: Some(1), ..Limits::default() };
    let mut world = World::new(Spec { limits, ..spec(10) }, &all(Nature::Bad, 1));
    world.nodes[0].power_off();
    world.step(false);
    assert_eq!(world.members[0].phase, Phase::Booting);
    world.strangers = (100..102).map(|n| (n, groups.clone())).collect();
    world.run();
    assert_eq!(world.rollout.state, State::RolledBack);
}

#[test]
fn what_fell_back_by_itself_has_failed_at_once() {
    let mut world = World::new(spec(10), &all(Nature::Bad, 3));
    world.nodes[0].falls_back = true;
    let began = world.now;
    while world.rollout.state == State::Running {
        world.step(false);
        world.tick();
    }
    assert!(world.now - began < 200 * SECOND, "it does not wait for the deadline of 300 s");
    assert!(world.rollout.why.ends_with("p@2 failed to boot"), "{}", world.rollout.why);
    let restarts = world.ids.iter().filter(|id| id.contains("reboot")).count();
    world.run();
    assert_eq!((restarts, world.phases()), (1, BTreeMap::from([(Phase::Back, 1), (Phase::Waiting, 2)])));
}

#[test]
fn outside_of_its_window_what_is_down_comes_back_however_many_run() {
    let windows = vec!["daily 00:00-01:00".parse().unwrap()];
    let mut world = World::new(Spec { windows, ..spec(1_000) }, &all(Nature::Good, 2_500));
    world.now = 600 * SECOND;
    for member in &mut world.members {
        (member.phase, member.touched, member.begun) = (Phase::Up, Some(member.n), Some(world.now));
        world.nodes[member.n as usize].assigned = world.rollout.target();
        world.nodes[member.n as usize].runs(2);
    }
    assert!(world.rollout.abort("ana", true));
    // It is the last in the order: all the others run, and stay so until the window opens.
    world.nodes[0].power_off();
    world.now = 7_200 * SECOND;
    for _ in 0..20 {
        world.step(false);
        world.tick();
    }
    assert_eq!(world.members[0].phase, Phase::Back);
    assert_eq!(world.phases(), BTreeMap::from([(Phase::Back, 1), (Phase::BackWaiting, 2_499)]));
}

#[test]
fn a_step_changes_few_nodes_at_once() {
    let mut world = World::new(spec(500), &all(Nature::Good, 400));
    world.rollout.spec.waves = "100%".parse().unwrap();
    let mut most = 0;
    while world.rollout.state.is_open() {
        let before = world.ids.len();
        world.step(false);
        let assigned = world.ids.iter().filter(|id| id.contains("assign")).count();
        most = most.max(world.ids.len() - before);
        if assigned.is_multiple_of(20) {
            world.tick();
        }
    }
    assert!(most <= 41 && world.phases()[&Phase::Up] == 400, "{most}");
}

#[test]
fn who_was_given_something_else_meanwhile_is_left_alone() {
    let mut world = World::new(spec(10), &all(Nature::Good, 5));
    world.nodes[2].assigned.profile = Some(name("other"));
    world.nodes[2].taken = true;
    world.run();
    assert_eq!(world.members[2].phase, Phase::Skipped);
    assert_eq!(world.nodes[2].assigned.profile, Some(name("other")));
}

/// What befalls the world.
#[derive(Debug, Clone)]
enum Blow {
    Crash,
    Delete(usize),
    Retire(usize),
    Take(usize),
    Restart(usize),
    Pause,
    Resume,
    Abort(bool),
}

fn blow() -> impl Strategy<Value = Option<Blow>> {
    prop_oneof![
        20 => Just(None),
        4 => Just(Some(Blow::Crash)),
        1 => any::<usize>().prop_map(|n| Some(Blow::Delete(n))),
        1 => any::<usize>().prop_map(|n| Some(Blow::Retire(n))),
        1 => any::<usize>().prop_map(|n| Some(Blow::Take(n))),
        1 => any::<usize>().prop_map(|n| Some(Blow::Restart(n))),
        1 => Just(Some(Blow::Pause)),
        1 => Just(Some(Blow::Resume)),
        1 => prop::bool::weighted(0.5).prop_map(|back| Some(Blow::Abort(back))),
    ]
}

fn nature() -> impl Strategy<Value = (Nature, bool)> {
    let nature = prop_oneof![
        12 => Just(Nature::Good),
        1 => Just(Nature::Bad),
        1 => Just(Nature::Sick),
        1 => Just(Nature::Mute),
        1 => Just(Nature::Deaf),
    ];
    (nature, prop::bool::weighted(0.7))
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let limits = (1u32..6, prop::option::of(1u32..4), prop::option::of(1u32..3), prop::option::of(1u32..3));
    (limits, any::<(bool, bool, bool)>(), 0u32..3, 0i64..100).prop_map(
        |(limits, (hooks, fail, windows), failures, soak)| {
            let (total, cluster, switch, rule) = limits;
            let mut spec = if hooks { hooked(total) } else { spec(total) };
            spec.limits = Limits { total, cluster, switch, rule };
            spec.hooks.on_deadline = if fail { OnDeadline::Fail } else { OnDeadline::GoOn };
            spec.failures = failures;
            spec.soak = soak * SECOND;
            spec.windows = if windows { vec!["daily 00:30-24:00".parse().unwrap()] } else { Vec::new() };
            spec
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever happens: the limits hold at every step (the world looks), no action comes twice, it ends, and a rollback
    /// leaves nobody with the revision but whom a person took or who vanished.
    #[test]
    fn limits_hold_it_ends_and_everybody_comes_back(
        spec in any_spec(),
        natures in prop::collection::vec(nature(), 1..24),
        blows in prop::collection::vec(blow(), 0..200),
    ) {
        let mut world = World::new(spec, &natures);
        let count = natures.len();
        for blow in blows {
            match blow {
                Some(Blow::Crash) => world.step(true),
                Some(Blow::Delete(n)) => world.nodes[n % count].there = false,
                Some(Blow::Retire(n)) => world.nodes[n % count].retired = true,
                Some(Blow::Take(n)) => {
                    world.nodes[n % count].assigned = Assigned { profile: Some(name("mine")), pin: None };
                    world.nodes[n % count].taken = true;
                }
                Some(Blow::Restart(n)) if world.members[n % count].begun.is_none() => world.nodes[n % count].restart(),
                Some(Blow::Pause) => drop(world.rollout.pause("ana")),
                Some(Blow::Resume) => drop(world.rollout.resume()),
                Some(Blow::Abort(back)) => drop(world.rollout.abort("ana", back)),
                Some(Blow::Restart(_)) | None => {}
            }
            world.step(false);
            world.tick();
        }
        world.rollout.resume();
        world.run();
        let target = world.rollout.target();
        for (member, node) in world.members.iter().zip(&world.nodes).filter(|(_, node)| node.there && !node.taken) {
            match world.rollout.state {
                State::RolledBack => prop_assert_eq!(&node.assigned, &member.before, "{:?}", member),
                _ if member.touched.is_some() => prop_assert_eq!(&node.assigned, &target),
                _ => prop_assert_eq!(&node.assigned, &member.before),
            }
            prop_assert!(member.phase != Phase::Up || world.rollout.state != State::RolledBack);
        }
        let open = world.members.iter().filter(|m| m.phase.is_down() || m.phase == Phase::BackWaiting).count();
        prop_assert_eq!(open, 0);
    }
}
