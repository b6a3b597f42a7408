//! Rollouts as they are kept, what they hold, and what two servers may not do to one at once.

use crate::fixture::*;
use higuma::domain::profile::{Profile, Spec as ProfileSpec, Words};
use higuma::domain::rollout::{Assigned, Call, CallState, Counts, Member, Phase, Record, Rollout, Spec, State, Task};
use higuma::domain::{NodeUuid, Sha256};
use std::collections::BTreeMap;

fn record(n: u128, total: u32) -> Record {
    Record {
        id: id(n),
        rollout: Rollout::new(name("p"), 2, Spec::default()),
        selector: "where node.serial == 'ü'".into(),
        who: "ana".into(),
        made: 5,
        ended: None,
        total,
        request: Some(format!("request {n}")),
        request_hash: Sha256::of("asked"),
        sealed: Some(("ab".into(), format!("key {n}"))),
    }
}

fn members(total: u32) -> Vec<Member> {
    let before = |n: u32| Assigned { profile: Some(name("p")), pin: (n == 1).then_some(3) };
    (0..total).map(|n| Member { switches: vec!["sw".into()], ..Member::new(n, uuid(n), before(n), 7) }).collect()
}

pub async fn round_trip_counts_and_pages(db: Empty) {
    let db = db.open();
    let first = record(1, 1_203); // More than two INSERTs.
    let (put, many) = (first.clone(), members(1_203));
    db.put(move |tx| tx.insert_rollout(&put, &many)).await;
    let second = Record { request: None, sealed: None, ..record(2, 2) };
    let put = second.clone();
    db.put(move |tx| tx.insert_rollout(&put, &members(2))).await;
    let found = db.get(|tx| Ok((tx.rollout(id(1))?, tx.rollout_by_request("request 1")?, tx.rollout(id(9))?))).await;
    assert_eq!(found, (Some(first.clone()), Some(first.clone()), None));
    assert_eq!(db.get(|tx| tx.members(id(1))).await, members(1_203));
    let again = db.store.write(|tx| tx.insert_rollout(&Record { id: id(9), ..record(1, 0) }, &[])).await;
    assert!(again.is_err(), "one rollout for a request");

    db.put(|tx| {
        for (n, phase, wave) in [(4, Phase::Failed, 0), (2, Phase::Up, 1), (3, Phase::Up, 1)] {
            let mut member = members(5).remove(n);
            (member.phase, member.begun, member.wave) = (phase, Some(8), wave);
            tx.put_member(id(1), &member)?;
        }
        Ok(())
    })
    .await;
    let counts = db.get(|tx| tx.rollout_counts(&[id(1), id(2)])).await;
    let of = |counts: &[(Phase, u64)]| Counts(counts.iter().copied().collect());
    let expected = of(&[(Phase::Failed, 1), (Phase::Waiting, 1_200), (Phase::Up, 2)]);
    assert_eq!(counts, BTreeMap::from([(id(1), expected), (id(2), of(&[(Phase::Waiting, 2)]))]));
    let mut waves = db.get(|tx| tx.rollout_waves(id(1))).await;
    waves.sort_unstable();
    assert_eq!(waves, [(0, Phase::Failed, 1), (1, Phase::Up, 2)]);
    let numbers = |members: Vec<Member>| members.iter().map(|m| m.n).collect::<Vec<_>>();
    let page = db.get(|tx| tx.members_by_phase(id(1), &Phase::ALL, None, 3)).await;
    assert_eq!(numbers(page), [4, 0, 1], "what failed comes first");
    let page = db.get(|tx| tx.members_by_phase(id(1), &Phase::ALL, Some((Phase::Waiting, 1_201)), 9)).await;
    assert_eq!(numbers(page), [1_202, 2, 3]);

    let mut ended = first;
    (ended.rollout.state, ended.rollout.why, ended.ended) = (State::Done, "it went well".into(), Some(99));
    let put = ended.clone();
    db.put(move |tx| tx.put_rollout(&put)).await;
    let listed = db.get(|tx| Ok((tx.rollouts(None, None, 9)?, tx.rollouts(Some(State::Done), None, 9)?))).await;
    assert_eq!(listed, (vec![second, ended.clone()], vec![ended.clone()]));
    let open = db.get(|tx| Ok((tx.open_rollouts(9)?, tx.rollouts(None, Some(id(2)), 9)?))).await;
    assert_eq!(open, (vec![id(2)], vec![ended]));
    let nodes: Vec<NodeUuid> = (0..700).map(uuid).collect();
    let busy = db.get(move |tx| tx.nodes_in_rollouts(&nodes)).await;
    assert_eq!(busy, BTreeMap::from([(uuid(0).to_string(), id(2)), (uuid(1).to_string(), id(2))]));
    assert!(db.put(|tx| tx.claim_rollout(id(1))).await.is_none(), "it has ended");
    assert_eq!(db.put(|tx| tx.drop_old_rollouts(100, 9)).await, 1);
    let gone = db.get(|tx| Ok((tx.rollout(id(1))?, tx.members(id(1))?.len(), tx.rollout(id(2))?.is_some()))).await;
    assert_eq!(gone, (None, 0, true));
}

pub async fn calls_step_once_and_secrets_are_found_by_key(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.insert_rollout(&record(1, 1), &members(1))).await;
    let task = Task {
        rollout: id(1),
        id: "0-on-drain".into(),
        n: 0,
        node: uuid(0),
        call: Call::Drain,
        state: CallState::Waiting,
        message: String::new(),
        attempts: 0,
        due: 50,
        deadline: 900,
    };
    let (put, mine) = (task.clone(), Task { attempts: 1, due: 80, ..task.clone() });
    db.put(move |tx| tx.add_call(&put)).await;
    assert_eq!(db.get(|tx| tx.due_calls(49, 9)).await, []);
    let before = task.clone();
    let after = mine.clone();
    assert!(db.put(move |tx| tx.step_call(&before, &after)).await);
    let (before, after) = (task.clone(), Task { attempts: 1, due: 81, ..task.clone() });
    assert!(!db.put(move |tx| tx.step_call(&before, &after)).await, "another server has it");
    // The same action again changes nothing.
    let again = task.clone();
    db.put(move |tx| tx.add_call(&again)).await;
    assert_eq!(
        db.get(|tx| Ok((tx.due_calls(80, 9)?, tx.ended_calls_of(id(1), &[0, 2])?))).await,
        (vec![mine.clone()], vec![])
    );
    let done = Task { state: CallState::Ok, message: "it answered 204".into(), ..mine.clone() };
    let put = done.clone();
    assert!(db.put(move |tx| tx.step_call(&mine, &put)).await);
    let found = db
        .get(|tx| Ok((tx.due_calls(9_999, 9)?, tx.ended_calls_of(id(1), &[0, 2])?, tx.ended_calls_of(id(1), &[1])?)))
        .await;
    assert_eq!(found, (vec![], vec![done], vec![]));
    let sealed = db.get(|tx| Ok((tx.rollouts_sealed_with("key 1", 9)?.len(), tx.sealed_by_key()?))).await;
    assert_eq!(sealed, (1, vec![("key 1".to_owned(), 1)]));
}

pub async fn open_ones_hold_images_and_pins_go(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        for revision in 1_u32..=4 {
            let spec = ProfileSpec { image: Some(format!("i:{revision}").parse()?), ..ProfileSpec::default() };
            let words = Words::of(&spec);
            let profile =
                Profile { name: name("p"), revision, parent: None, words, spec, created: 1, made_by: String::new() };
            tx.insert_profile_revision(&profile)?;
        }
        for n in 0..3 {
            let mut node = node(n);
            (node.profile, node.profile_revision) = (Some(name("p")), Some(2));
            tx.put_node(&node)?;
        }
        tx.insert_rollout(&record(1, 2), &members(2))
    })
    .await;
    let held =
        |tx: &mut higuma::store::Tx<'_>| Ok(tx.image_users(None, 0, None)?.keys().map(ToString::to_string).collect());
    let images: Vec<String> = db.get(held).await;
    assert_eq!(images, ["i:1", "i:2", "i:3", "i:4"], "active, given, to be given back, newest");
    assert_eq!(db.get(|tx| tx.rollout_of_profile(&name("p"))).await, Some(id(1)));
    assert_eq!(db.get(|tx| tx.rollout_of_profile(&name("q"))).await, None);
    assert_eq!(
        db.get(|tx| Ok((tx.nodes_not_pinned_to(&name("p"), 2)?, tx.nodes_not_pinned_to(&name("p"), 1)?))).await,
        (0, 3)
    );
    db.put(|tx| {
        let mut other = node(2);
        other.profile = Some(name("p"));
        tx.put_node(&other)?;
        tx.put_rollout(&Record { ended: Some(9), ..record(1, 2) })
    })
    .await;
    let images: Vec<String> = db.get(held).await;
    assert_eq!(images, ["i:1", "i:2", "i:4"], "revision 3 was only to be given back");
    assert_eq!(db.get(|tx| tx.nodes_not_pinned_to(&name("p"), 2)).await, 1, "one without a pin");
    // Of two nodes with the pin, one was brought there by the rollout.
    db.put(|tx| {
        let up = tx.members(id(1))?.remove(0);
        tx.put_member(id(1), &Member { phase: Phase::Up, ..up })
    })
    .await;
    assert_eq!(db.put(|tx| tx.drop_pins(id(1), &name("p"), 2)).await, 1);
    assert_eq!(db.get(|tx| tx.nodes_not_pinned_to(&name("p"), 2)).await, 2);
}

pub async fn changes_count_and_calls_end(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.insert_rollout(&record(1, 2), &members(2))).await;
    assert_eq!(db.get(|tx| Ok((tx.rollout_epoch(id(1))?, tx.rollout_epoch(id(9))?))).await, (Some(0), None));
    db.put(|tx| tx.put_rollout(&record(1, 2))).await;
    db.put(|tx| tx.put_rollout(&record(1, 2))).await;
    assert_eq!(db.get(|tx| tx.rollout_epoch(id(1))).await, Some(2));
    let task = |n: u32, call: Call| Task {
        rollout: id(1),
        id: format!("{n}-on-{call}"),
        n,
        node: uuid(n),
        call,
        state: CallState::Waiting,
        message: String::new(),
        attempts: 0,
        due: 50,
        deadline: 900,
    };
    let under_way = Task { attempts: 1, due: 80, ..task(0, Call::Drain) };
    let after = under_way.clone();
    db.put(move |tx| {
        tx.add_call(&task(0, Call::Drain))?;
        tx.add_call(&Task { state: CallState::Ok, ..task(0, Call::Check) })?;
        tx.add_call(&task(1, Call::Drain))?;
        assert!(tx.step_call(&task(0, Call::Drain), &after)?);
        assert_eq!((tx.end_calls(id(1), 0, "enough")?, tx.end_calls(id(1), 0, "enough")?), (1, 0));
        Ok(())
    })
    .await;
    let answer = Task { state: CallState::Ok, ..under_way.clone() };
    assert!(!db.put(move |tx| tx.step_call(&under_way, &answer)).await, "its answer comes too late");
    let due: Vec<u32> = db.get(|tx| tx.due_calls(999, 9)).await.iter().map(|task| task.n).collect();
    assert_eq!(due, [1]);
    let mut ended = db.get(|tx| tx.ended_calls_of(id(1), &[0, 1])).await;
    ended.sort_by_key(|task| task.call);
    let told: Vec<(CallState, &str)> = ended.iter().map(|task| (task.state, task.message.as_str())).collect();
    assert_eq!(told, [(CallState::Failed, "enough"), (CallState::Ok, "")]);
}

pub async fn a_restart_is_asked_of_one_boot(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        tx.put_node(&node(1))?;
        tx.put_boot(&boot(5, 1, 1))?;
        tx.request_reboot(id(5), "rollout x", 3)?;
        tx.request_reboot(id(5), "rollout y", 4)
    })
    .await;
    let asked = db.get(|tx| Ok((tx.reboot_request(id(5))?, tx.reboot_request(id(6))?))).await;
    assert_eq!(asked, (Some("rollout y".to_owned()), None));
    db.put(|tx| tx.forget_reboot(id(5))).await;
    assert_eq!(db.get(|tx| tx.reboot_request(id(5))).await, None);
}

pub async fn two_servers_never_step_one_at_once(db: Empty) {
    let db = db.open();
    db.put(|tx| tx.insert_rollout(&record(1, 1), &members(1))).await;
    let step = |db: &Db| {
        let store = db.store.clone();
        async move {
            for _ in 0..1_000 {
                let stepped = store
                    .write(|tx| {
                        let Some(mut record) = tx.claim_rollout(id(1))? else { return Ok(false) };
                        record.rollout.touched += 1;
                        tx.put_rollout(&record)?;
                        Ok(true)
                    })
                    .await;
                // Skipped since another has it, or clashed with it: again.
                if matches!(stepped, Ok(true)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("never its turn");
        }
    };
    let all: Vec<_> = (0..8).map(|_| tokio::spawn(step(&db))).collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(db.get(|tx| tx.rollout(id(1))).await.unwrap().rollout.touched, 8);
}
