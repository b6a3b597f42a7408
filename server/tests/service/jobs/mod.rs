//! Jobs over SQLite with hands that are made up: what is done to whom, how often, and what a server that is killed in the
//! middle leaves to the next one.

mod asked;
mod hands;

use hands::{Fleet, Hands, How, node};
use higuma::domain::bmc::BmcAction;
use higuma::domain::job::ItemState;
use higuma::domain::node_event::Severity;
use higuma::service::jobs::{self, ItemsQuery};
use higuma::service::node_events::{self, NodeEventQuery};
use higuma::store::NodeEventFilter;
use higuma_proto::api::{JobItem, NewJob};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Killed in the middle of fifty nodes: twenty are done, eight under way.
async fn killed_in_the_middle(action: &str) -> (Fleet, higuma_proto::api::Job, Arc<Hands>) {
    let mut fleet = Fleet::new(50).await;
    let first = Hands::new(|n, _| if n < 20 { How::Ok } else { How::Hangs });
    let runner = fleet.run(&first);
    let job = fleet.job(action, NewJob { parallel: Some(8), ..NewJob::default() }).await;
    first.begun(28).await;
    fleet.until(&job.id, |job| job.counts.ok == 20).await;
    let seen = jobs::show(&fleet.app, &job.id).await.unwrap();
    assert_eq!((seen.state.as_str(), seen.counts.running, seen.counts.waiting), ("running", 8, 22));
    // Nothing is told, nothing is tidied up: as by kill -9.
    runner.task.abort();
    assert!(runner.task.await.unwrap_err().is_cancelled());
    fleet.reopen();
    let second = Hands::new(|_, _| How::Ok);
    let runner = fleet.run(&second);
    let job = fleet.until(&job.id, |job| job.state == "done").await;
    runner.stop().await;
    // Those that were done are not done again.
    for n in 0..20 {
        assert_eq!((first.calls(n), second.calls(n)), (1, 0), "node {n}");
    }
    for n in 28..50 {
        assert_eq!((first.calls(n), second.calls(n)), (0, 1), "node {n}");
    }
    (fleet, job, second)
}

#[tokio::test]
async fn what_may_be_repeated_is_done_again_after_a_kill() {
    let (_fleet, job, second) = killed_in_the_middle("boot-device pxe once").await;
    assert_eq!((job.counts.ok, job.counts.total), (50, 50));
    assert!((20..28).all(|n| second.calls(n) == 1));
}

#[tokio::test]
async fn what_may_not_be_repeated_is_interrupted_and_said_so() {
    let (fleet, job, second) = killed_in_the_middle("reset").await;
    assert_eq!((job.counts.ok, job.counts.interrupted), (42, 8));
    assert!((20..28).all(|n| second.calls(n) == 0), "no second reset");
    let items = fleet.items(&job.id).await;
    for item in &items[..8] {
        assert_eq!(item.state, "interrupted", "they come first");
        assert!(item.message.contains("not known") && item.message.contains("run it again"), "{}", item.message);
    }
    let filter = NodeEventFilter { severity: Some(Severity::Warning), open: true, ..NodeEventFilter::default() };
    let events = node_events::list(&fleet.app, NodeEventQuery { filter, ..NodeEventQuery::default() }).await.unwrap();
    assert_eq!(events.items.len(), 8, "an event for each");
    assert!(events.items.iter().all(|e| e.kind == "bmc" && e.subject == "action:reset"), "{events:?}");
}

#[tokio::test]
async fn a_cancelled_job_ends_what_runs_and_begins_nothing() {
    let fleet = Fleet::new(50).await;
    let hands = Hands::new(|_, _| How::Hangs);
    let runner = fleet.run(&hands);
    let job = fleet.job("power-off", NewJob { parallel: Some(4), ..NewJob::default() }).await;
    hands.begun(4).await;
    let cancelled = jobs::cancel(&fleet.app, &job.id, "ana").await.unwrap();
    assert_eq!((cancelled.state.as_str(), cancelled.cancelled_by.as_deref()), ("cancelling", Some("ana")));
    assert_eq!((cancelled.counts.cancelled, cancelled.counts.running), (46, 4));
    let again = jobs::cancel(&fleet.app, &job.id, "bob").await.unwrap();
    assert_eq!(again, cancelled, "the first one counts");
    // A later job on the same nodes goes on with those that are free.
    let later = fleet.job("power-on", NewJob { stagger_ms: Some(0), ..NewJob::default() }).await;
    hands.begun(4 + 16).await;
    hands.release();
    let job = fleet.until(&job.id, |job| job.state == "cancelled").await;
    assert_eq!((job.counts.ok, job.counts.cancelled), (4, 46));
    assert!(job.ended_us.is_some());
    let later = fleet.until(&later.id, |job| job.state == "done").await;
    assert_eq!(later.counts.ok, 50);
    assert_eq!(jobs::cancel(&fleet.app, &later.id, "ana").await.unwrap(), later, "it has ended already");
    assert!((0..50).all(|n| hands.calls(n) == if n < 4 { 2 } else { 1 }));
    assert_eq!(hands.most_at_once_on_a_node.load(Ordering::SeqCst), 1);
    let queued = NewJob { parallel: Some(1), ..NewJob::default() };
    runner.stop().await;
    let waiting = fleet.job("reset", queued).await;
    let cancelled = jobs::cancel(&fleet.app, &waiting.id, "ana").await.unwrap();
    assert_eq!((cancelled.state.as_str(), cancelled.counts.cancelled), ("cancelled", 50), "nobody had begun");
}

#[tokio::test]
async fn two_jobs_on_one_node_take_turns() {
    let fleet = Fleet::new(3).await;
    let hands = Hands::new(|n, _| if n == 0 { How::Hangs } else { How::Ok });
    let runner = fleet.run(&hands);
    let first = fleet.job("power-off", NewJob::default()).await;
    let second = fleet.job("boot-device pxe once", NewJob::default()).await;
    let job = fleet.until(&second.id, |job| job.counts.ok == 2).await;
    assert_eq!((job.counts.waiting, hands.calls(0)), (1, 1), "node 0 is busy with the first");
    hands.release();
    fleet.until(&second.id, |job| job.state == "done").await;
    let first = fleet.until(&first.id, |job| job.state == "done").await;
    assert_eq!((first.counts.ok, hands.calls(0)), (3, 2));
    assert_eq!(hands.most_at_once_on_a_node.load(Ordering::SeqCst), 1);
    runner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn starts_are_staggered() {
    let fleet = Fleet::new(12).await;
    let hands = Hands::new(|_, _| How::Ok);
    let runner = fleet.run(&hands);
    let job = fleet.job("power-on", NewJob::default()).await;
    assert_eq!(job.stagger_ms, 500, "by the setting");
    fleet.until(&job.id, |job| job.state == "done").await;
    let mut starts: Vec<i64> = fleet.items(&job.id).await.iter().map(|item| item.started_us.unwrap()).collect();
    starts.sort_unstable();
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] >= 500_000, "{starts:?}");
    }
    assert_eq!(starts.len(), 12);
    runner.stop().await;
}

fn of(items: &[JobItem], n: u32) -> (&str, &str) {
    let uuid = node(n).to_string();
    items.iter().find(|item| item.node == uuid).map(|item| (item.state.as_str(), item.message.as_str())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_only_where_that_helps() {
    let fleet = Fleet::new(6).await;
    let hands = Hands::new(|n, call| match n {
        0 if call < 3 => How::Busy,
        1 => How::Busy,
        2 => How::Refused,
        3 => How::Hangs,
        4 => How::Panics,
        _ => How::Ok,
    });
    let runner = fleet.run(&hands);
    let job = fleet.job("power-off", NewJob::default()).await;
    let job = fleet.until(&job.id, |job| job.state == "done").await;
    runner.stop().await;
    assert_eq!((job.counts.ok, job.counts.failed), (2, 4));
    let items = fleet.items(&job.id).await;
    assert_eq!((of(&items, 0), hands.calls(0)), (("ok", "off; was on"), 3));
    assert_eq!((of(&items, 1), hands.calls(1)), (("failed", "the BMC is busy (tried 5 times)"), 5));
    assert_eq!((of(&items, 2), hands.calls(2)), (("failed", "the BMC refused it"), 1));
    assert!(of(&items, 3).1.contains("no result within 120 s") && of(&items, 3).1.contains("not known"));
    assert!(of(&items, 4).1.contains("server's log"));
    // A success puts the failure before it right.
    let fixed = Hands::new(|_, _| How::Ok);
    let runner = fleet.run(&fixed);
    let open = async || {
        let filter = NodeEventFilter { open: true, ..NodeEventFilter::default() };
        node_events::list(&fleet.app, NodeEventQuery { filter, ..NodeEventQuery::default() }).await.unwrap().items
    };
    assert_eq!(open().await.len(), 4);
    let again = fleet.job("power-off", NewJob::default()).await;
    fleet.until(&again.id, |job| job.state == "done").await;
    assert_eq!(open().await, []);
    let all = node_events::list(&fleet.app, NodeEventQuery::default()).await.unwrap().items;
    assert_eq!(all.len(), 6 + 6, "each result is on record");
    runner.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_hands_over() {
    let fleet = Fleet::new(2).await;
    let hands = Hands::new(|_, _| How::Hangs);
    let runner = fleet.run(&hands);
    let (on, reset) = (fleet.one("clear-log", 0).await, fleet.one("reset", 1).await);
    hands.begun(2).await;
    runner.stop().await;
    let state = async |id: &str| fleet.items(id).await[0].state.clone();
    assert_eq!((state(&on.id).await.as_str(), state(&reset.id).await.as_str()), ("waiting", "interrupted"));
}

#[tokio::test]
async fn a_node_that_is_gone_is_skipped() {
    let fleet = Fleet::new(3).await;
    let job = fleet.job("power-off", NewJob::default()).await;
    fleet.app.store.write(|tx| tx.delete_node(&node(1))).await.unwrap();
    let hands = Hands::new(|_, _| How::Ok);
    let runner = fleet.run(&hands);
    let job = fleet.until(&job.id, |job| job.state == "done").await;
    assert_eq!((job.counts.ok, job.counts.skipped, hands.calls(1)), (2, 1, 0));
    let query = ItemsQuery { state: Some(ItemState::Skipped), ..ItemsQuery::default() };
    let items = jobs::items(&fleet.app, &job.id, query).await.unwrap().items;
    assert_eq!((items.len(), items[0].hostname.as_str()), (1, ""));
    runner.stop().await;
    let _: BmcAction = job.action.parse().unwrap();
}
