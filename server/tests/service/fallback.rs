//! A node whose revision keeps failing gets what it ran last, says so, and goes back when it is told to.

use crate::common::{Lab, lab, power_on};
use higuma::domain::boot::{Boot, Event, EventState};
use higuma::domain::job::{Item, ItemState, Job, JobState};
use higuma::domain::node_event::{Kind, NodeEvent, Severity};
use higuma::domain::{Name, NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::nodes::NodeQuery;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{boots, drift, events, fallback, image_gc, images, nodes, profiles, rollouts, up};
use higuma::store::NodeEventFilter;
use higuma_proto::api::{ImageGc, NewProfile, NewRollout, NodePatch, NodeSummary, RolloutOptions};
use serde_json::json;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";

fn uuid() -> NodeUuid {
    NODE.parse().unwrap()
}

fn web() -> Name {
    "web".parse().unwrap()
}

/// Revision N of `web` has the image `i:N`.
async fn revision(lab: &Lab, n: u32) {
    let blob = Sha256::of("blob").to_string();
    let part = |role: &str| json!({"role": role, "sha256": blob});
    let image =
        json!({"name": "i", "version": n.to_string(), "arch": "x86_64", "parts": [part("kernel"), part("initrd")]});
    if n > 1 {
        images::create(&lab.app, serde_json::from_value(image).unwrap()).await.unwrap();
    }
    let words = json!({"image": format!("i:{n}"), "cmdline": format!("n={n}")}).as_object().unwrap().clone();
    let new = NewProfile { name: "web".into(), words: Some(words), ..NewProfile::default() };
    let saved = match n {
        1 => profiles::create(&lab.app, new).await,
        _ => profiles::update_by(&lab.app, web(), new, false, "person ann").await,
    };
    assert_eq!(saved.unwrap().revision, n);
}

/// The node runs revision 1 of `web`; revision 2 is active.
async fn moved_on(after: u32) -> Lab {
    let lab = lab(|s| s.fallback_after = after).await;
    revision(&lab, 1).await;
    power_on(&lab.app, &uuid()).await;
    assign(&lab, "web").await;
    assert_eq!(comes_up(&lab).await, 1);
    revision(&lab, 2).await;
    lab
}

async fn assign(lab: &Lab, to: &str) {
    nodes::patch(&lab.app, uuid(), NodePatch { profile: Some(to.into()), ..NodePatch::default() }).await.unwrap();
}

/// Power on, and the plan; the revision that it gets.
async fn begins(lab: &Lab) -> (Boot, u32) {
    let boot = power_on(&lab.app, &uuid()).await;
    let answer = plan::boot_plan(&lab.app, &boot, Sha256::of(boot.id.to_string())).await.unwrap();
    let PlanAnswer::Plan(planned) = answer else { panic!("{answer:?}") };
    let revision = planned.plan.revision;
    assert_eq!(
        (planned.boot.revision, planned.plan.image.unwrap().version.to_string()),
        (Some(revision), revision.to_string())
    );
    let again = plan::boot_plan(&lab.app, &boot, Sha256::of(boot.id.to_string())).await.unwrap();
    assert!(matches!(again, PlanAnswer::Plan(again) if again.plan.revision == revision), "asked again");
    (boot, revision)
}

async fn comes_up(lab: &Lab) -> u32 {
    let (boot, revision) = begins(lab).await;
    up::report_up(&lab.app, &boot, up::Up::default()).await.unwrap();
    revision
}

/// It gets so far and no further.
async fn dies(lab: &Lab, steps: &[(&str, EventState)]) -> u32 {
    let (boot, revision) = begins(lab).await;
    let event = |(seq, (step, state)): (u32, &(&str, EventState))| Event {
        seq,
        at: 1,
        step: (*step).into(),
        state: *state,
        message: "why".into(),
    };
    let all = (0..).zip(steps).map(event).collect();
    events::report(&lab.app, &boot, all, None).await.unwrap();
    revision
}

const JUMPED: &[(&str, EventState)] = &[("load", EventState::Ok), ("kexec", EventState::Ok)];

async fn shown(lab: &Lab) -> NodeSummary {
    nodes::show(&lab.app, uuid()).await.unwrap().summary
}

async fn told(lab: &Lab) -> Vec<NodeEvent> {
    let filter = NodeEventFilter { kind: Some(Kind::Boot), ..NodeEventFilter::default() };
    lab.app.store.read(move |tx| tx.node_events(&filter, None, 99)).await.unwrap()
}

#[tokio::test]
async fn what_ran_last_comes_back_and_the_node_says_so() {
    let lab = moved_on(2).await;
    assert_eq!((dies(&lab, JUMPED).await, dies(&lab, &[("load", EventState::Failed)]).await), (2, 2));
    assert!(shown(&lab).await.fallback.is_none() && told(&lab).await.is_empty());
    assert_eq!(comes_up(&lab).await, 1, "what ran last");

    let node = shown(&lab).await;
    let held = node.fallback.clone().unwrap();
    assert_eq!((held.from.as_str(), held.to.as_str()), ("web@2", "web@1"));
    assert_eq!((node.lifecycle.as_str(), node.drift.as_deref()), ("running", Some("unknown")), "not worked out yet");
    assert_eq!(node.reason.as_deref(), Some("web@2 failed to boot: it gets web@1 instead"));
    let drift = drift::show(&lab.app, uuid()).await.unwrap();
    assert_eq!((drift.drift.as_str(), drift.fallback), ("changed", node.reason.clone()));
    assert_eq!((drift.runs.unwrap().revision, drift.would.unwrap().revision), (1, 2));
    let events = told(&lab).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.notice.severity, event.cleared), (Severity::Alarm, None));
    assert!(event.notice.message.contains("(load: why): it gets web@1"), "{}", event.notice.message);
    let found = async |expression: &str| {
        let query = NodeQuery {
            selector: Some(higuma::domain::select::Selector::compile(expression).unwrap()),
            ..NodeQuery::default()
        };
        nodes::list(&lab.app, query).await.unwrap().items
    };
    assert_eq!(found("node.fallback == 'web@1'").await[0].fallback, Some(held));
    assert_eq!((found("node.fallback == ''").await.len(), fallback::count(&lab.app).await.unwrap()), (0, 1));
    let boot = node.uuid.parse().unwrap();
    let newest = boots::list(&lab.app, boot, None, Some(1)).await.unwrap().items.remove(0);
    let detail = boots::show(&lab.app, &newest.id).await.unwrap();
    assert!(detail.events.iter().any(|e| e.step == "plan" && e.message.starts_with("fallback: web@2")), "{detail:?}");

    // Again and again, told once; a boot that fails with what ran last changes nothing.
    assert_eq!((dies(&lab, JUMPED).await, comes_up(&lab).await), (1, 1));
    assert_eq!(told(&lab).await.len(), 1);

    // A person says: again. It fails as often as before.
    let node = fallback::retry(&lab.app, uuid()).await.unwrap().summary;
    assert!(node.fallback.is_none() && told(&lab).await[0].cleared.is_some());
    fallback::retry(&lab.app, uuid()).await.unwrap();
    assert_eq!((dies(&lab, JUMPED).await, dies(&lab, JUMPED).await, comes_up(&lab).await), (2, 2, 1));
    assert_eq!((told(&lab).await.len(), shown(&lab).await.fallback.is_some()), (2, true));

    // A new revision is a new try, and ends it when it comes up.
    revision(&lab, 3).await;
    assert!(shown(&lab).await.fallback.is_none(), "it does not hold for what is wanted now");
    assert_eq!(fallback::count(&lab.app).await.unwrap(), 0);
    assert_eq!((comes_up(&lab).await, fallback::count(&lab.app).await.unwrap()), (3, 0));
    assert!(told(&lab).await.iter().all(|event| event.cleared.is_some()));
    assert!(matches!(fallback::retry(&lab.app, power_on_other()).await, Err(Error::NotFound(_))));
}

fn power_on_other() -> NodeUuid {
    "4c4c4544-0046-3010-8052-b4c04f4a4d34".parse().unwrap()
}

#[tokio::test]
async fn what_is_no_fault_of_the_revision_does_not_count() {
    let lab = moved_on(2).await;
    assert_eq!(dies(&lab, JUMPED).await, 2);
    // A download that broke off, a boot without a word, one that a person ended by its BMC.
    assert_eq!(dies(&lab, &[("download", EventState::Failed)]).await, 2);
    assert_eq!(dies(&lab, &[]).await, 2);
    assert_eq!(dies(&lab, JUMPED).await, 2);
    let now = lab.app.now();
    let job = Job {
        id: uuid::Uuid::now_v7(),
        action: higuma::domain::bmc::BmcAction::PowerCycle,
        selector: String::new(),
        who: "ann".into(),
        made: now,
        stagger: 0,
        parallel: 1,
        total: 1,
        state: JobState::Running,
        request_hash: Sha256::of("x"),
        request: None,
        next_start: now,
        started: Some(now),
        cancelled_by: None,
        ended: None,
    };
    lab.app
        .store
        .write(move |tx| {
            tx.insert_job(&job, &[uuid()])?;
            let item = tx.job_items(job.id, &[ItemState::Waiting], None, 1)?.remove(0);
            let done = Item { state: ItemState::Ok, started: Some(now), ended: Some(now), ..item.clone() };
            assert!(tx.step_item(&item, &done)?);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(dies(&lab, JUMPED).await, 2, "one failure until now");
    assert_eq!(comes_up(&lab).await, 1, "two");
}

#[tokio::test]
async fn it_can_be_switched_off_and_assigned_anew() {
    let lab = moved_on(0).await;
    for _ in 0..5 {
        assert_eq!(dies(&lab, JUMPED).await, 2);
    }
    let lab = moved_on(1).await;
    assert_eq!((dies(&lab, JUMPED).await, begins(&lab).await.1), (2, 1));
    // The same again by a person, a pin, and back: each is a new try.
    for to in ["web", "web@2", "web"] {
        assign(&lab, to).await;
        assert_eq!((dies(&lab, JUMPED).await, begins(&lab).await.1), (2, 1), "{to}");
    }
    // What ran last may be of another profile.
    assign(&lab, "p").await;
    let (boot, _) = begins(&lab).await;
    up::report_up(&lab.app, &boot, up::Up::default()).await.unwrap();
    assign(&lab, "web").await;
    assert_eq!(dies(&lab, JUMPED).await, 2);
    power_on(&lab.app, &uuid()).await;
    let again = power_on(&lab.app, &uuid()).await;
    let answer = plan::boot_plan(&lab.app, &again, Sha256::of("c")).await.unwrap();
    assert!(matches!(&answer, PlanAnswer::Plan(p) if p.plan.profile.as_str() == "p"), "{answer:?}");
    assert_eq!(shown(&lab).await.fallback.unwrap().to, "p@1");
}

#[tokio::test]
async fn the_image_to_fall_back_to_is_kept_and_missed_when_it_is_not_there() {
    let lab = moved_on(1).await;
    assert_eq!(dies(&lab, JUMPED).await, 2);
    profiles::update_by(
        &lab.app,
        "p".parse().unwrap(),
        NewProfile { name: "p".into(), words: json!({"image": "i:2"}).as_object().cloned(), ..NewProfile::default() },
        false,
        "person ann",
    )
    .await
    .unwrap();
    let gc = |app: higuma::service::App| async move { image_gc::run(&app, ImageGc::default(), "me").await.unwrap() };
    let kept = gc(lab.app.clone()).await;
    let line = kept.kept.iter().find(|line| line.image == "i:1").unwrap_or_else(|| panic!("{kept:?}"));
    assert_eq!(line.stays, [format!("node {NODE} ran it last and may fall back to it")]);
    assert!(matches!(images::delete(&lab.app, "i:1".parse().unwrap()).await, Err(Error::Conflict(_))));

    // Where no node falls back, nothing is kept for it.
    let mut app = lab.app.clone();
    app.settings =
        std::sync::Arc::new(higuma::service::Settings { fallback_after: 0, ..higuma::service::Settings::default() });
    assert_eq!(gc(app).await.removed.len(), 1);
    assert_eq!(dies(&lab, JUMPED).await, 2, "there is nothing else");
    let events = told(&lab).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.notice.severity, Severity::Warning);
    assert!(event.notice.message.contains("web@1, which ran last, cannot be booted"), "{}", event.notice.message);
    assert_eq!((dies(&lab, JUMPED).await, told(&lab).await.len()), (2, 1), "told once");
    assert_eq!(comes_up(&lab).await, 2);
    assert!(told(&lab).await[0].cleared.is_some(), "it is well");
}

#[tokio::test]
async fn a_rollout_sees_a_node_in_fallback_as_failed() {
    let lab = moved_on(1).await;
    let app = &lab.app;
    assert_eq!(profiles::activate(app, web(), 1).await.unwrap().active, 1);
    assert_eq!(comes_up(&lab).await, 1);
    let new = NewRollout {
        profile: "web@2".into(),
        nodes: vec![NODE.into()],
        options: RolloutOptions { soak: Some(0), rollback: Some(true), ..RolloutOptions::default() },
        ..NewRollout::default()
    };
    let rollout = rollouts::create(app, new, "ann").await.unwrap().0;
    rollouts::step_all(app).await.unwrap();
    assert_eq!((dies(&lab, JUMPED).await, comes_up(&lab).await), (2, 1), "it restarts, fails, and falls back");
    for _ in 0..20 {
        rollouts::step_all(app).await.unwrap();
    }
    let ended = rollouts::show(app, &rollout.id).await.unwrap();
    assert_eq!(
        (ended.state.as_str(), ended.counts.keys().next().unwrap().as_str()),
        ("rolled-back", "back"),
        "{ended:?}"
    );
    assert!(ended.why.contains("web@2 failed to boot: it gets web@1 instead"), "{}", ended.why);
    let node = shown(&lab).await;
    assert_eq!((node.assignment(), node.fallback, node.lifecycle.as_str()), ("web".to_owned(), None, "running"));
    assert!(told(&lab).await.iter().all(|event| event.cleared.is_some()));
}
