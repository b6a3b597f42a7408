//! What is asked for: checked whole, found, and made once.

use super::hands::{Fleet, Hands, How, node};
use higuma::domain::node::{Admission, Node};
use higuma::error::Error;
use higuma::service::jobs::{self, ItemsQuery, JobsQuery};
use higuma::service::sweep;
use higuma_proto::api::NewJob;

fn named(action: &str, nodes: &[&str]) -> NewJob {
    NewJob { action: action.into(), nodes: nodes.iter().map(|n| (*n).to_owned()).collect(), ..NewJob::default() }
}

fn matching(select: &str) -> NewJob {
    NewJob { action: "power-off".into(), select: Some(select.into()), ..NewJob::default() }
}

#[tokio::test]
async fn the_same_request_is_one_job() {
    let fleet = Fleet::new(4).await;
    let cycle = || NewJob { request_id: Some("r-1".into()), ..named("power-cycle", &["node-b4c000000000"]) };
    let all = futures_util::future::join_all((0..6).map(|_| jobs::create(&fleet.app, cycle(), "ana"))).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|(_, new)| *new).count(), 1, "{all:?}");
    assert!(all.iter().all(|(job, _)| job.id == all[0].0.id));
    let hands = Hands::new(|_, _| How::Ok);
    let runner = fleet.run(&hands);
    fleet.until(&all[0].0.id, |job| job.state == "done").await;
    let (again, new) = jobs::create(&fleet.app, cycle(), "ana").await.unwrap();
    assert_eq!((again.id, again.state.as_str(), new), (all[0].0.id.clone(), "done", false));
    assert_eq!(hands.calls(0), 1, "never a second power cycle");
    let other = NewJob { action: "reset".into(), ..cycle() };
    let error = jobs::create(&fleet.app, other, "ana").await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(m) if m.contains("take a new one")), "{error}");
    assert_eq!(jobs::list(&fleet.app, JobsQuery::default()).await.unwrap().items.len(), 1);
    runner.stop().await;
}

#[tokio::test]
async fn nodes_are_found_or_named_in_the_error() {
    let fleet = Fleet::new(4).await;
    let uuid = node(2).to_string().to_uppercase();
    let (job, _) = jobs::create(&fleet.app, named("nmi", &["node-b4c000000001", &uuid, &uuid]), "ana").await.unwrap();
    assert_eq!((job.counts.total, job.parallel, job.stagger_ms), (2, 16, 0));
    let items = jobs::items(&fleet.app, &job.id, ItemsQuery::default()).await.unwrap().items;
    assert_eq!([&items[0].node, &items[1].node], [&node(1).to_string(), &node(2).to_string()]);
    assert_eq!(items[0].hostname, "node-b4c000000001");

    let two = Node { hostname: "node-b4c000000001".parse().unwrap(), ..Node::new(node(9), Admission::Pending, 1) };
    fleet.app.store.write(move |tx| tx.put_node(&two)).await.unwrap();
    let bad = ["node-b4c000000000", "nobody", "node-b4c000000001", "4c4c4544-0046-3010-8052-b4c0000000ff"];
    let error = jobs::create(&fleet.app, named("nmi", &bad), "ana").await.unwrap_err();
    let Error::NotFound(message) = error else { panic!("{error}") };
    assert!(message.contains("nobody") && message.contains("b4c0000000ff"), "{message}");
    assert!(message.contains("the name of 2 nodes") && !message.contains("node-b4c000000000"), "{message}");
    let many: Vec<String> = (0..700).map(|n| format!("no-{n}")).collect();
    let many = NewJob { action: "nmi".into(), nodes: many, ..NewJob::default() };
    let error = jobs::create(&fleet.app, many, "ana").await.unwrap_err().to_string();
    assert!(error.contains("no-9 and 690 more"), "{error}");

    let (job, _) = jobs::create(&fleet.app, matching("node.admission == 'admitted'"), "ana").await.unwrap();
    assert_eq!((job.counts.total, job.selector.as_str()), (4, "where node.admission == 'admitted'"));
    assert!(matches!(jobs::create(&fleet.app, matching("node.retired"), "ana").await, Err(Error::NotFound(_))));
    assert_eq!(jobs::list(&fleet.app, JobsQuery::default()).await.unwrap().items.len(), 2, "nothing else was written");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let mut fleet = Fleet::new(4).await;
    let good = || named("power-on", &["node-b4c000000000"]);
    for (bad, word) in [
        (NewJob { action: "explode".into(), ..good() }, "power-on"),
        (NewJob { nodes: vec![], ..good() }, "neither"),
        (NewJob { select: Some("true".into()), ..good() }, "both"),
        (matching("node.x"), "no field"),
        (NewJob { stagger_ms: Some(3_600_001), ..good() }, "an hour"),
        (NewJob { parallel: Some(0), ..good() }, "1 to 256"),
        (NewJob { parallel: Some(257), ..good() }, "1 to 256"),
        (NewJob { request_id: Some(String::new()), ..good() }, "printable"),
        (NewJob { request_id: Some("a b".into()), ..good() }, "printable"),
        (NewJob { request_id: Some("x".repeat(65)), ..good() }, "printable"),
    ] {
        let error = jobs::create(&fleet.app, bad.clone(), "ana").await.unwrap_err();
        assert!(matches!(&error, Error::BadRequest(m) if m.contains(word)), "{bad:?}: {error}");
    }
    let settings = higuma::service::Settings { job_nodes: 3, ..(*fleet.app.settings).clone() };
    fleet.app.settings = settings.into();
    for bad in [matching("true"), named("nmi", &["a", "b", "c", "d"])] {
        let error = jobs::create(&fleet.app, bad, "ana").await.unwrap_err().to_string();
        assert!(error.contains("job-nodes"), "{error}");
    }
    assert_eq!(jobs::list(&fleet.app, JobsQuery::default()).await.unwrap().items, []);
    for _ in 0..jobs::OPEN_MAX {
        jobs::create(&fleet.app, good(), "ana").await.unwrap();
    }
    assert!(matches!(jobs::create(&fleet.app, good(), "ana").await, Err(Error::Unavailable(_))));
    for id in ["x", "0198c2ab-5f0e-7cc2-8a30-1be0ffd4c1a3"] {
        assert!(jobs::show(&fleet.app, id).await.is_err() && jobs::cancel(&fleet.app, id, "ana").await.is_err());
    }
    let cursor = ItemsQuery { cursor: Some("ok".into()), ..ItemsQuery::default() };
    let id = jobs::list(&fleet.app, JobsQuery::default()).await.unwrap().items[0].id.clone();
    assert!(matches!(jobs::items(&fleet.app, &id, cursor).await, Err(Error::BadRequest(_))));
}

#[tokio::test]
async fn old_jobs_are_swept_and_open_ones_stay() {
    let mut fleet = Fleet::new(2).await;
    let (old, open) = (fleet.one("nmi", 0).await, fleet.one("nmi", 1).await);
    jobs::cancel(&fleet.app, &old.id, "ana").await.unwrap();
    assert_eq!(sweep::run_once(&fleet.app).await.unwrap().old_jobs, 0);
    // A time to keep that is over already: the clock of the app cannot be moved.
    let settings = higuma::service::Settings { job_keep: -60_000_000, ..(*fleet.app.settings).clone() };
    fleet.app.settings = settings.into();
    assert_eq!(sweep::run_once(&fleet.app).await.unwrap().old_jobs, 1);
    let left = jobs::list(&fleet.app, JobsQuery::default()).await.unwrap().items;
    assert_eq!(left.iter().map(|job| &job.id).collect::<Vec<_>>(), [&open.id]);
}
