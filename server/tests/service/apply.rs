//! Profiles and rules out of a folder: all at once or not at all, and nothing the second time.

use crate::common::{lab, power_on};
use higuma::domain::{Name, NodeUuid};
use higuma::error::{Error, Result};
use higuma::service::{App, apply, images, nodes, profiles, rules};
use higuma_proto::api::{Applied, Apply, ApplyProfile, NewProfile, NodePatch, Profile, Rule};
use serde_json::{Value, json};

fn folder(profiles: Value) -> Apply {
    let profiles = profiles.as_object().unwrap().iter();
    let profiles = profiles
        .map(|(name, words)| ApplyProfile { name: name.clone(), words: words.as_object().unwrap().clone() })
        .collect();
    Apply { profiles, ..Apply::default() }
}

async fn run(app: &App, what: &Apply) -> Result<Applied> {
    apply::apply(app, what.clone(), "person ann").await
}

fn told(applied: &Applied) -> Vec<String> {
    let line = |c: &higuma_proto::api::ApplyChange| {
        format!("{} {} {}", c.action, if c.name.is_empty() { &c.kind } else { &c.name }, c.revision.unwrap_or(0))
    };
    applied.changes.iter().map(line).collect()
}

async fn show(app: &App, name: &str) -> Result<Profile> {
    profiles::show(app, name.parse::<Name>().unwrap(), None).await
}

fn refused<T: std::fmt::Debug>(answer: Result<T>, word: &str) {
    let Err(Error::BadRequest(text) | Error::Conflict(text)) = answer else { panic!("{word}: {answer:?}") };
    assert!(text.contains(word), "{word}: {text}");
}

#[tokio::test]
async fn a_second_apply_changes_nothing() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    // In order of name the child comes before its parent.
    let mut what = folder(json!({
        "a-web": {"parent": "z-base", "image": "i:1", "files": {"/m": {"content": "x"}}},
        "z-base": {"params": {"ntp": "a"}, "cmdline": "ntp={{ params.ntp }}"},
    }));
    what.rules =
        Some(vec![Rule { name: "lab".into(), when: "true".into(), profile: Some("a-web".into()), ..Rule::default() }]);
    let dry = Apply { dry_run: true, ..what.clone() };
    let would = run(app, &dry).await.unwrap();
    assert_eq!(told(&would), ["create z-base 1", "create a-web 1", "change rules 0"]);
    assert!(show(app, "a-web").await.is_err(), "a dry run");
    let done = run(app, &what).await.unwrap();
    assert_eq!((told(&done), &done.state), (told(&would), &would.state));
    let web = show(app, "a-web").await.unwrap();
    assert_eq!(
        (web.revision, web.made_by.as_str(), web.spec.cmdline.as_str()),
        (1, "person ann", "ntp={{ params.ntp }}")
    );
    assert_eq!(rules::list(app).await.unwrap().rules.len(), 1);

    let again = run(app, &what).await.unwrap();
    assert_eq!((again.changes.len(), again.unchanged), (0, 3));
    assert_eq!(show(app, "a-web").await.unwrap().revision, 1);
    // Who compared before all that is told.
    let late = Apply { expected_state: Some(would.state), ..what.clone() };
    refused(run(app, &late).await, "compare again");
    let same = Apply { expected_state: Some(again.state), ..what.clone() };
    assert!(run(app, &same).await.unwrap().changes.is_empty());

    // Of a parent alone: its child follows, and what differs is told.
    let base = folder(json!({"z-base": {"params": {"ntp": "b"}, "cmdline": "ntp={{ params.ntp }}"}}));
    let changed = run(app, &base).await.unwrap();
    assert_eq!(told(&changed), ["change z-base 2", "inherit a-web 2"]);
    let difference = &changed.changes[0].differences[0];
    assert_eq!((difference.what.as_str(), difference.new.as_deref()), ("params ntp", Some("b")));
}

#[tokio::test]
async fn all_or_nothing() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    run(
        app,
        &folder(
            json!({"base": {"params": {"n": "1"}}, "web": {"parent": "base", "image": "i:1", "params": {"n": "2"}}}),
        ),
    )
    .await
    .unwrap();
    let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    power_on(app, &node).await;
    nodes::patch(app, node, NodePatch { profile: Some("web".into()), ..NodePatch::default() }).await.unwrap();
    let web = |line: &str| json!({"parent": "base", "image": "i:1", "params": {"n": "2"}, "cmdline": line});
    for (bad, word) in [
        (json!({"new": {"image": "i:1"}, "web": {"image": "i:9"}}), "profile web: there is no image i:9"),
        (json!({"new": {"image": "i:1"}, "web": {"imgae": "i:1"}}), "profile web: profile"),
        (json!({"new": {"image": "i:1"}, "web": web("{{ node.rack }}")}), "cmdline, line 1: node.rack"),
        (json!({"new": {"parent": "other"}, "other": {"parent": "new"}}), "there is no profile"),
        (json!({"new": {"image": "i:1"}, "base": {"params": {"n": 1}}}), "params.n"),
    ] {
        let answer = run(app, &folder(bad)).await;
        match answer {
            Err(Error::NotFound(text)) => assert!(text.contains(word), "{text}"),
            other => refused(other, word),
        }
        assert!(show(app, "new").await.is_err(), "{word}");
        assert_eq!(show(app, "web").await.unwrap().revision, 1, "{word}");
    }
    let mut rules = folder(json!({"new": {"image": "i:1"}}));
    rules.rules =
        Some(vec![Rule { name: "r".into(), when: "true".into(), profile: Some("none".into()), ..Rule::default() }]);
    refused(run(app, &rules).await, "rule r");
    assert!(show(app, "new").await.is_err());
    // A child that is in the folder, too, may follow its parent in a way that it could not by itself.
    let both = json!({"base": {"params": {"n": 1}}, "web": {"parent": "base", "image": "i:1", "params": {"n": 2}}});
    assert_eq!(told(&run(app, &folder(both)).await.unwrap()), ["change base 2", "change web 2"]);
    let mut twice = folder(json!({"new": {"image": "i:1"}}));
    twice.profiles.push(twice.profiles[0].clone());
    refused(run(app, &twice).await, "got it twice");
}

#[tokio::test]
async fn deletion_is_asked_for() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    run(app, &folder(json!({"old": {"image": "i:1"}, "old-child": {"parent": "old"}, "web": {"image": "i:1"}})))
        .await
        .unwrap();
    let keep = folder(json!({"web": {"image": "i:1"}, "p": {"image": "i:1"}}));
    assert!(run(app, &keep).await.unwrap().changes.is_empty(), "not without the flag");
    let prune = Apply { prune: true, ..keep };
    assert_eq!(told(&run(app, &prune).await.unwrap()), ["delete old-child 0", "delete old 0"]);
    assert!(show(app, "old").await.is_err());
    // What a node has is kept, and so is all else.
    let node: NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    power_on(app, &node).await;
    nodes::patch(app, node, NodePatch { profile: Some("p".into()), ..NodePatch::default() }).await.unwrap();
    let prune = Apply { prune: true, ..folder(json!({"new": {"image": "i:1"}})) };
    refused(run(app, &prune).await, "assigned to 1 nodes");
    assert!(show(app, "new").await.is_err());
}

#[tokio::test]
async fn two_at_once_have_one_winner() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let (one, two) = (folder(json!({"web": {"cmdline": "one"}})), folder(json!({"web": {"cmdline": "two"}})));
    let (one, two) = tokio::join!(run(app, &one), run(app, &two));
    let winner = if one.is_ok() { "one" } else { "two" };
    let loser = if one.is_ok() { two } else { one };
    assert!(matches!(&loser, Err(Error::Conflict(text)) if text.contains("by somebody else")), "{loser:?}");
    let web = show(app, "web").await.unwrap();
    assert_eq!((web.revision, web.spec.cmdline.as_str()), (1, winner));
}

#[tokio::test]
async fn a_draft_is_left_alone() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let what = folder(json!({"web": {"image": "i:1"}}));
    run(app, &what).await.unwrap();
    let words = json!({"image": "i:1", "cmdline": "draft"}).as_object().cloned();
    let draft = NewProfile { name: "web".into(), words, ..NewProfile::default() };
    profiles::update_by(app, "web".parse().unwrap(), draft, true, "person bob").await.unwrap();
    assert!(run(app, &what).await.unwrap().changes.is_empty());
    let draft = folder(json!({"web": {"image": "i:1", "cmdline": "draft"}}));
    assert_eq!(told(&run(app, &draft).await.unwrap()), ["change web 2"], "it becomes the active one");
}

#[tokio::test]
async fn one_that_is_not_in_the_folder_may_stand_between() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    run(app, &folder(json!({"a-leaf": {"parent": "mid", "image": "i:1"}, "mid": {"parent": "z-base"}, "z-base": {}})))
        .await
        .unwrap();
    // a-leaf is saved once, after what stands between has got its own by z-base.
    let both = folder(
        json!({"a-leaf": {"parent": "mid", "image": "i:1", "modules": ["kvm"]}, "z-base": {"cmdline": "quiet"}}),
    );
    let done = run(app, &both).await.unwrap();
    assert_eq!(told(&done), ["change z-base 2", "inherit mid 2", "change a-leaf 2"]);
    assert_eq!(show(app, "a-leaf").await.unwrap().spec.cmdline, "quiet");
    assert!(run(app, &both).await.unwrap().changes.is_empty());
    // Together they fit, one after the other in another order they would not.
    let both = folder(
        json!({"a-leaf": {"parent": "mid", "image": "i:1", "params": {"n": 1}}, "z-base": {"params": {"n": 2}}}),
    );
    run(app, &folder(json!({"z-base": {"params": {"n": "text"}}}))).await.unwrap();
    assert_eq!(told(&run(app, &both).await.unwrap()), ["change z-base 4", "inherit mid 4", "change a-leaf 4"]);
}

#[tokio::test]
async fn labels_of_images_are_moved_with_the_profiles() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let part = |role: &str| json!({"role": role, "sha256": higuma::domain::Sha256::of("blob").to_string()});
    let image = json!({"name": "i", "version": "2", "arch": "x86_64", "parts": [part("kernel"), part("initrd")]});
    images::create(app, serde_json::from_value(image).unwrap()).await.unwrap();
    let with = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(label, version)| ((*label).to_owned(), (*version).to_owned()));
        Apply { labels: Some(labels.collect()), ..folder(json!({"web": {"image": "i:stable"}})) }
    };
    let first = with(&[("i:stable", "1"), ("i:old", "1")]);
    let dry = run(app, &Apply { dry_run: true, ..first.clone() }).await.unwrap();
    assert_eq!(told(&dry), ["create i:old 0", "create i:stable 0", "create web 1"]);
    refused(run(app, &folder(json!({"web": {"image": "i:stable"}}))).await, "there is no image i:stable");
    assert_eq!(told(&run(app, &first).await.unwrap()), told(&dry));
    assert_eq!(show(app, "web").await.unwrap().spec.image, "i:1");
    let again = run(app, &first).await.unwrap();
    assert_eq!((again.changes.len(), again.unchanged), (0, 3));
    // The label is moved, and what names it gets the version that it means now, in one step.
    let next = run(app, &with(&[("i:stable", "2")])).await.unwrap();
    assert_eq!(told(&next), ["change i:stable 0", "change web 2"]);
    let difference = &next.changes[0].differences[0];
    assert_eq!((difference.old.as_deref(), difference.new.as_deref()), (Some("1"), Some("2")));
    assert_eq!(show(app, "web").await.unwrap().spec.image, "i:2");
    let shown = images::show(app, "i:2".parse().unwrap()).await.unwrap();
    assert_eq!(shown.labels, ["stable"]);
    // All or nothing, and only what is asked for goes.
    for (bad, word) in [
        (with(&[("i:new", "2"), ("i:stable", "9")]), "label i:stable: there is no image i:9"),
        (with(&[("i:new", "2"), ("i:1", "2")]), "label i:1: i:1 is an image"),
        (with(&[("i:new", "2"), ("i:other", "stable")]), "another label"),
        (with(&[("i:new", "2"), ("none", "2")]), "labels.none"),
        (Apply { profiles: folder(json!({"x": {"image": "i:9"}})).profiles, ..with(&[("i:new", "2")]) }, "i:9"),
        (Apply { expected_state: Some(dry.state.clone()), ..with(&[("i:new", "2")]) }, "labels are not as they were"),
    ] {
        match run(app, &bad).await {
            Err(Error::NotFound(text)) => assert!(text.contains(word), "{text}"),
            other => refused(other, word),
        }
        assert_eq!(images::show(app, "i:2".parse().unwrap()).await.unwrap().labels, ["stable"], "{word}");
    }
    let prune = Apply { prune: true, ..folder(json!({"web": {"image": "i:2"}, "p": {"image": "i:1"}})) };
    assert!(run(app, &prune).await.unwrap().changes.is_empty(), "labels that are not spoken of stay");
    let prune = Apply { labels: Some([("i:stable".to_owned(), "2".to_owned())].into()), ..prune };
    assert_eq!(told(&run(app, &prune).await.unwrap()), ["delete i:old 0"]);
}
