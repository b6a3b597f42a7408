//! What nodes tried and were up with last: it comes back, says the same in a list as in a count, and goes with what it names.

use crate::fixture::*;
use higuma::domain::bmc::BmcAction;
use higuma::domain::fallback::{Exact, Tried, Tries};
use higuma::domain::job::{Item, ItemState, Job, JobState};
use higuma::domain::node::Node;
use higuma::domain::profile::{Profile, Spec, Words};
use higuma::domain::{Name, Sha256};
use higuma::error::Result;
use higuma::store::{NodeFilter, Tx};

fn exact(profile: &str, revision: u32) -> Exact {
    Exact { profile: name(profile), revision }
}

/// Tried: revision 2 of `p`, since 10.
fn tries(up: Option<Exact>, fallback: Option<i64>) -> Tries {
    Tries { up, tried: Some(Tried { what: exact("p", 2), since: 10 }), fallback }
}

/// Revisions 1 to 3 of a profile; revision N has the image `i:N`.
fn profile(tx: &mut Tx<'_>, of: &Name) -> Result<()> {
    for revision in 1_u32..=3 {
        let spec = Spec { image: Some(format!("i:{revision}").parse()?), ..Spec::default() };
        let words = Words::of(&spec);
        let profile =
            Profile { name: of.clone(), revision, parent: None, words, spec, created: 1, made_by: String::new() };
        tx.insert_profile_revision(&profile)?;
    }
    Ok(())
}

pub async fn they_come_back_and_go_with_what_they_name(db: Empty) {
    let db = db.open();
    let full = tries(Some(exact("p", 1)), Some(20));
    let put = full.clone();
    db.put(move |tx| {
        profile(tx, &name("p"))?;
        profile(tx, &name("q"))?;
        (1..=3).try_for_each(|n| tx.put_node(&node(n)))?;
        tx.put_tries(&uuid(1), &Tries { up: Some(exact("q", 3)), ..Tries::default() })?;
        tx.put_tries(&uuid(1), &put)?;
        tx.put_tries(&uuid(2), &Tries { up: Some(exact("q", 3)), ..Tries::default() })
    })
    .await;
    assert_eq!(db.get(|tx| tx.tries(&uuid(1))).await, full);
    assert_eq!(db.get(|tx| tx.tries(&uuid(3))).await, Tries::default());
    let wrong = db.store.write(|tx| tx.put_tries(&uuid(3), &tries(Some(exact("p", 9)), None))).await;
    assert!(wrong.is_err(), "a revision that is not there");
    // Another profile of this name is another one.
    db.put(|tx| tx.delete_profile(&name("q")).map(drop)).await;
    assert_eq!(db.get(|tx| tx.tries(&uuid(2))).await, Tries::default());
    // Node 1 goes into node 3, what it ran with it; one that was never up takes nothing away.
    db.put(|tx| {
        tx.move_children(&uuid(1), &uuid(3), 50)?;
        tx.delete_node(&uuid(1))?;
        tx.move_children(&uuid(2), &uuid(3), 51)?;
        tx.delete_node(&uuid(2))
    })
    .await;
    assert_eq!(db.get(|tx| tx.tries(&uuid(3))).await, full);
    assert_eq!(db.get(|tx| tx.tries(&uuid(1))).await, Tries::default());
}

pub async fn who_is_in_fallback(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        profile(tx, &name("p"))?;
        assert!(tx.activate_profile(&name("p"), 2, 5)?);
        profile(tx, &name("q"))?;
        assert!(tx.activate_profile(&name("q"), 2, 11)?);
        let held = || tries(Some(exact("p", 1)), Some(20));
        let p = |n: u32, pin| Node { profile: Some(name("p")), profile_revision: pin, ..node(n) };
        let all = [
            (p(1, None), held()),
            (p(2, Some(2)), held()),
            // Something else is wanted; nothing is; it is not in fallback; it ran just that; nothing that it ran is there.
            (p(3, Some(3)), held()),
            (node(4), held()),
            (p(5, None), tries(Some(exact("p", 1)), None)),
            (p(6, None), tries(Some(exact("p", 2)), Some(20))),
            (p(7, None), tries(None, Some(20))),
            // Retired: in a list as it is, but counted by nobody.
            (Node { retired: true, ..p(8, None) }, held()),
        ];
        for (node, tries) in all {
            tx.put_node(&node)?;
            tx.put_tries(&node.uuid, &tries)?;
        }
        // Made active again after it was tried.
        let tried = Tried { what: exact("q", 2), since: 10 };
        tx.put_node(&Node { profile: Some(name("q")), ..node(9) })?;
        tx.put_tries(&uuid(9), &Tries { tried: Some(tried), ..held() })
    })
    .await;
    let listed = async || -> Vec<u32> {
        let rows = db.get(|tx| tx.nodes(&NodeFilter::default(), None, 100)).await;
        let held = rows.into_iter().filter(|row| row.fallback.is_some());
        held.map(|row| u32::from_str_radix(&row.node.uuid.as_str()[28..], 16).unwrap()).collect()
    };
    assert_eq!((listed().await, db.get(|tx| tx.fallback_count()).await), (vec![1, 2, 8], 2));
    let of_one = db.get(|tx| tx.nodes(&NodeFilter::default(), None, 1)).await.remove(0).fallback.unwrap();
    assert_eq!((of_one.from, of_one.to, of_one.since), (exact("p", 2), exact("p", 1), 20));
    db.put(|tx| tx.activate_profile(&name("p"), 3, 30).map(drop)).await;
    assert_eq!((listed().await, db.get(|tx| tx.fallback_count()).await), (vec![2], 1));
}

pub async fn what_they_ran_last_holds_its_image(db: Empty) {
    let db = db.open();
    db.put(|tx| {
        profile(tx, &name("p"))?;
        assert!(tx.activate_profile(&name("p"), 3, 5)?);
        for (n, revision) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            tx.put_node(&Node { last_seen: 100 - i64::from(n), retired: n == 4, ..node(n) })?;
            tx.put_tries(&uuid(n), &Tries { up: Some(exact("p", revision)), ..Tries::default() })?;
        }
        Ok(())
    })
    .await;
    let ran = async |since: Option<i64>| {
        let users = db.get(move |tx| tx.image_users(None, 0, since)).await;
        let ran = users.into_iter().filter(|(_, users)| users.ran > 0);
        ran.map(|(image, users)| (image.to_string(), users.ran, users.ran_on)).collect::<Vec<_>>()
    };
    let (one, two) = (("i:1".to_owned(), 2, Some(uuid(1))), ("i:2".to_owned(), 1, Some(uuid(3))));
    assert_eq!(ran(Some(0)).await, [one.clone(), two]);
    assert_eq!(ran(Some(98)).await, [one], "what was not heard from for long holds nothing");
    assert_eq!(ran(None).await, []);
    let of = db.get(|tx| tx.image_users(Some(&"i:2".parse().unwrap()), 0, Some(0))).await;
    assert_eq!(
        of.into_iter().map(|(image, users)| (image.to_string(), users.ran)).collect::<Vec<_>>(),
        [("i:2".into(), 1)]
    );
}

pub async fn power_actions_are_found(db: Empty) {
    let db = db.open();
    let acted = [
        (BmcAction::PowerCycle, 1, Some(10)),
        (BmcAction::Identify(5), 1, Some(20)),
        (BmcAction::PowerOn, 1, Some(25)),
        (BmcAction::SoftOff, 1, Some(30)),
        (BmcAction::Reset, 2, Some(40)),
        (BmcAction::Reset, 1, None),
    ];
    db.put(move |tx| {
        for (n, (action, of, started)) in (1_u128..).zip(acted) {
            let job = Job {
                id: id(n),
                action,
                selector: String::new(),
                who: String::new(),
                made: 1,
                stagger: 0,
                parallel: 1,
                total: 1,
                state: JobState::Running,
                request_hash: Sha256::of("x"),
                request: None,
                next_start: 1,
                started: None,
                cancelled_by: None,
                ended: None,
            };
            tx.insert_job(&job, &[uuid(of)])?;
            let item = tx.job_items(job.id, &[ItemState::Waiting], None, 1)?.remove(0);
            let state = if started.is_some() { ItemState::Ok } else { ItemState::Waiting };
            assert!(tx.step_item(&item.clone(), &Item { state, started, ..item })?);
        }
        Ok(())
    })
    .await;
    assert_eq!(db.get(|tx| tx.stops(&uuid(1), 0, 9)).await, [30, 10]);
    assert_eq!(db.get(|tx| tx.stops(&uuid(1), 11, 9)).await, [30]);
    assert_eq!(db.get(|tx| tx.stops(&uuid(3), 0, 9)).await, [] as [i64; 0]);
}
