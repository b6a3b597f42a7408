//! Jobs as they are kept, and what two servers that claim at once may not do.

use crate::fixture::*;
use higuma::domain::Sha256;
use higuma::domain::job::{Item, ItemState, Job, JobState, Left};
use higuma::service::jobs::{self, LEASE};
use higuma::service::{App, Settings};
use higuma::store::{Asker, Tx};
use std::collections::BTreeSet;

fn job(n: u128, total: u32) -> Job {
    Job {
        id: id(n),
        action: "boot-device pxe once uefi".parse().unwrap(),
        selector: "where node.serial == 'ü'".into(),
        who: "ana".into(),
        made: 5,
        stagger: 0,
        parallel: 16,
        total,
        state: JobState::Queued,
        request: Some(format!("request-{n}")),
        request_hash: Sha256::of("asked"),
        next_start: 5,
        started: None,
        cancelled_by: None,
        ended: None,
    }
}

fn nodes(n: u32) -> Vec<higuma::domain::NodeUuid> {
    (0..n).map(uuid).collect()
}

async fn made(db: &Db, job: Job) {
    let total = job.total;
    db.put(move |tx| {
        for n in 0..total {
            tx.put_node(&node(n))?;
        }
        tx.insert_job(&job, &nodes(total))
    })
    .await;
}

fn running(item: &Item, server: &str, until: i64) -> Item {
    Item {
        state: ItemState::Running,
        claimed_by: Some(server.into()),
        lease_until: Some(until),
        attempts: item.attempts + 1,
        started: Some(7),
        ..item.clone()
    }
}

fn startable(tx: &mut Tx<'_>, job: u128) -> Vec<u32> {
    tx.startable_items(id(job), 9).unwrap().iter().map(|item| item.n).collect()
}

/// Restarts of rollouts are no jobs of people, and keep nobody from making one.
pub async fn people_and_rollouts(db: Empty) {
    let db = db.open();
    made(&db, job(1, 1)).await;
    made(&db, Job { request: None, ..job(2, 1) }).await;
    made(&db, Job { request: Some("rollout action".into()), ..job(3, 1) }).await;
    made(&db, Job { request: Some("rollout other".into()), state: JobState::Done, ..job(4, 1) }).await;
    let open = db.get(|tx| Ok((tx.open_jobs(Asker::Person, 9)?, tx.open_jobs(Asker::Rollout, 9)?))).await;
    assert_eq!(open, (2, 1));
    let claimed = db.put(|tx| Ok((tx.claim_jobs(Asker::Person, 9)?, tx.claim_jobs(Asker::Rollout, 9)?))).await;
    let ids = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!((ids(claimed.0), ids(claimed.1)), (vec![id(1), id(2)], vec![id(3)]));
}

pub async fn round_trip_counts_and_pages(db: Empty) {
    let db = db.open();
    let first = job(1, 1_203); // More than two INSERTs.
    made(&db, first.clone()).await;
    made(&db, Job { request: None, ..job(2, 1) }).await;
    made(&db, Job { request: None, ..job(3, 1) }).await;
    let found = db.get(|tx| Ok((tx.job(id(1))?, tx.job_by_request("request-1")?, tx.job_by_request("x")?))).await;
    assert_eq!(found, (Some(first.clone()), Some(first.clone()), None));
    let again = db.store.write(|tx| tx.insert_job(&Job { id: id(9), ..job(1, 1) }, &nodes(1))).await;
    assert!(again.is_err(), "one job for a request");

    let ended = Job { state: JobState::Done, started: Some(6), ended: Some(8), ..first };
    let put = ended.clone();
    db.put(move |tx| tx.put_job(&put)).await;
    assert_eq!(db.get(|tx| tx.jobs(Some(JobState::Done), None, 9)).await, [ended]);
    let newest = db
        .get(|tx| Ok((tx.jobs(None, None, 2)?, tx.jobs(None, Some(id(2)), 9)?, tx.open_jobs(Asker::Person, 9)?)))
        .await;
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!((ids(&newest.0), ids(&newest.1), newest.2), (vec![id(3), id(2)], vec![id(1)], 2));

    db.put(|tx| {
        for (n, state) in [(700, ItemState::Failed), (3, ItemState::Ok), (4, ItemState::Failed)] {
            let item = tx.job_item(id(1), n)?.unwrap();
            let taken = running(&item, "a", 9);
            assert!(tx.step_item(&item, &taken)?);
            assert!(tx.step_item(&taken, &Item { state, ended: Some(8), message: "ü".into(), ..taken.clone() })?);
        }
        Ok(())
    })
    .await;
    let counts = db.get(|tx| tx.job_counts(&[id(1), id(2), id(7)])).await;
    let one = &counts[&id(1)];
    assert_eq!([ItemState::Waiting, ItemState::Failed, ItemState::Ok].map(|s| one.of(s)), [1_200, 2, 1]);
    assert_eq!((counts[&id(2)].of(ItemState::Waiting), counts[&id(7)].0.len()), (1, 0));
    // Failed first; page by page without a gap.
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = db.get(move |tx| tx.job_items(id(1), &ItemState::ALL, cursor, 500)).await;
        let Some(last) = page.last() else { break };
        cursor = Some((last.state, last.n));
        seen.extend(page.into_iter().map(|item| (item.state, item.n)));
    }
    assert_eq!(seen[..3], [(ItemState::Failed, 4), (ItemState::Failed, 700), (ItemState::Waiting, 0)]);
    assert_eq!((seen.len(), seen.last()), (1_203, Some(&(ItemState::Ok, 3))));
    assert_eq!(seen.iter().map(|(_, n)| n).collect::<BTreeSet<_>>().len(), 1_203);

    assert_eq!(db.put(|tx| tx.drop_old_jobs(8, 9)).await, 0, "not before it is old");
    assert_eq!(db.put(|tx| tx.drop_old_jobs(9, 9)).await, 1, "open ones stay");
    let left = db.get(|tx| Ok((tx.job(id(1))?, tx.job_items(id(1), &ItemState::ALL, None, 9)?))).await;
    assert_eq!(left, (None, vec![]));
}

pub async fn items_step_once_and_a_node_has_one_at_a_time(db: Empty) {
    let db = db.open();
    made(&db, job(1, 3)).await;
    made(&db, job(2, 3)).await;
    db.put(|tx| {
        assert_eq!((startable(tx, 1), startable(tx, 2)), (vec![0, 1, 2], vec![]), "the later job waits");
        let item = tx.job_item(id(1), 1)?.unwrap();
        let taken = running(&item, "a", 10);
        assert!(tx.step_item(&item, &taken)?);
        assert!(!tx.step_item(&item, &running(&item, "b", 10))?, "it is not waiting any more");
        assert_eq!((startable(tx, 1), startable(tx, 2)), (vec![0, 2], vec![]));
        assert_eq!(tx.left_of_job(id(1))?, Left { waiting: true, running: 1, cancelled: false });
        // Leases: of this server alone.
        assert!(tx.renew_leases("b", 99)?.is_empty() && tx.lost_items(id(1), 10)?.is_empty());
        assert_eq!(tx.lost_items(id(1), 11)?, std::slice::from_ref(&taken));
        assert_eq!(tx.renew_leases("a", 99)?, [Item { lease_until: Some(99), ..taken.clone() }]);
        assert_eq!(tx.lost_items(id(1), 11)?, []);
        // Taken as lost and taken again: the first one's result is not written any more.
        let waits = Item { state: ItemState::Waiting, claimed_by: None, lease_until: None, ..taken.clone() };
        assert!(tx.step_item(&taken, &waits)?);
        let again = running(&waits, "b", 99);
        assert!(tx.step_item(&waits, &again)?);
        assert!(!tx.step_item(&taken, &Item { state: ItemState::Ok, ..taken.clone() })?);
        let done = Item { state: ItemState::Ok, ended: Some(12), ..again.clone() };
        assert!(tx.step_item(&again, &done)?);
        assert_eq!((startable(tx, 1), startable(tx, 2)), (vec![0, 2], vec![1]));
        assert_eq!(tx.cancel_waiting(id(1), "no", 13)?, 2);
        assert_eq!(tx.left_of_job(id(1))?, Left { waiting: false, running: 0, cancelled: true });
        assert_eq!(startable(tx, 2), [0, 1, 2]);
        Ok(())
    })
    .await;
    // Behind the back of what is startable: the database refuses it itself.
    let twice = db.store.write(|tx| {
        for (job, n) in [(2, 0), (3, 0)] {
            if tx.job(id(job))?.is_none() {
                tx.insert_job(&super::jobs::job(job, 1), &nodes(1))?;
            }
            let item = tx.job_item(id(job), n)?.unwrap();
            tx.step_item(&item, &running(&item, "a", 9))?;
        }
        Ok(())
    });
    assert!(twice.await.is_err(), "two running items of one node");
}

pub async fn a_merge_takes_waiting_items_along(db: Empty) {
    let db = db.open();
    made(&db, job(1, 3)).await;
    db.put(|tx| {
        tx.insert_job(&job(2, 1), &[uuid(1)])?;
        tx.move_children(&uuid(1), &uuid(2), 5)?;
        tx.delete_node(&uuid(1))?;
        let node = |tx: &mut Tx<'_>, job, n| tx.job_item(id(job), n).unwrap().unwrap().node;
        assert_eq!(node(tx, 2, 0), uuid(2));
        assert_eq!(node(tx, 1, 1), uuid(1), "its job has the other one already: not twice to one machine");
        assert_eq!(tx.nodes_by_hostname(&["node-b4c000000000", "nobody"])?.len(), 1);
        Ok(())
    })
    .await;
}

/// Claimants of several servers at once, over two jobs with the same nodes: every item goes to one of them, and no node
/// has two at a time.
pub async fn racing_claimants_never_share_an_item(db: Empty) {
    let db = db.open();
    let total: u32 = 40;
    made(&db, job(1, total)).await;
    made(&db, job(2, total)).await;
    let work = |name: &'static str| {
        let app = App::new(db.store.clone(), Settings::default());
        async move {
            let mut mine = Vec::new();
            // Waiting for one another's nodes, they go round; but not for ever.
            for round in 0..2_000_i64 {
                let claimed = jobs::claim(&app, name, 5, 10 + round % 2).await;
                let Ok(claimed) = claimed else { continue }; // Busy: tried again.
                for work in claimed.work {
                    mine.push((work.item.job, work.item.n));
                    while jobs::finish(&app, &work, ItemState::Ok, "done", 11).await.is_err() {}
                }
                if app.store.read(|tx| tx.open_jobs(Asker::Person, 1)).await.unwrap() == 0 {
                    break;
                }
            }
            mine
        }
    };
    let (a, b, c) = tokio::join!(tokio::spawn(work("a")), tokio::spawn(work("b")), tokio::spawn(work("c")));
    let all = [a.unwrap(), b.unwrap(), c.unwrap()].concat();
    let once: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), once.len()), (2 * total as usize, 2 * total as usize));
    let jobs = db.get(|tx| tx.jobs(None, None, 9)).await;
    assert!(jobs.iter().all(|job| job.state == JobState::Done && job.ended.is_some()), "{jobs:?}");
    let items = db.get(|tx| tx.job_items(id(1), &[ItemState::Ok], None, 99)).await;
    assert!(items.iter().all(|item| item.attempts == 1), "{items:?}");
}

/// A server that is not heard from any more: what it had is taken over by another, when its lease is over.
pub async fn a_lost_lease_is_taken_over(db: Empty) {
    let db = db.open();
    made(&db, job(1, 2)).await;
    made(&db, Job { action: "reset".parse().unwrap(), ..job(2, 3) }).await;
    let app = App::new(db.store.clone(), Settings::default());
    assert_eq!(jobs::claim(&app, "a", 9, 10).await.unwrap().work.len(), 3, "job 2 has one node of its own");
    assert_eq!(jobs::claim(&app, "b", 9, 10 + LEASE).await.unwrap().work, [], "it may still live");
    let taken = jobs::claim(&app, "b", 9, 11 + LEASE).await.unwrap().work;
    let keys: Vec<_> = taken.iter().map(|work| (work.item.job, work.item.n, work.item.attempts)).collect();
    assert_eq!(keys, [(id(1), 0, 2), (id(1), 1, 2)]);
    let cut = db.get(|tx| tx.job_item(id(2), 2)).await.unwrap();
    assert_eq!((cut.state, cut.ended), (ItemState::Interrupted, Some(11 + LEASE)));
    assert!(cut.message.contains("reset") && cut.message.contains("not known"), "{}", cut.message);
    // `b` lives and has lost the thread of one of the two.
    let held = jobs::renew(&app, "b", &[(id(1), 1), (id(9), 9)], 12 + LEASE).await.unwrap();
    assert_eq!(held, [(id(1), 1)]);
    let dropped = db.get(|tx| tx.job_item(id(1), 0)).await.unwrap();
    assert_eq!((dropped.state, dropped.claimed_by), (ItemState::Waiting, None));
}
