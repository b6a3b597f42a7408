//! Profiles that inherit: one save, revisions of all whom it concerns, or of none.

use super::common::lab;
use higuma::domain::Name;
use higuma::domain::profile::Revision;
use higuma::error::Error;
use higuma::service::profiles::diff::{self, Since};
use higuma::service::{App, nodes, profiles};
use higuma_proto::api::{NewProfile, NodePatch, PlanDifference, Profile};
use serde_json::{Value, json};

fn new(name: &str, words: Value) -> NewProfile {
    NewProfile { name: name.into(), words: Some(words.as_object().unwrap().clone()), ..NewProfile::default() }
}

fn called(name: &str) -> Name {
    name.parse().unwrap()
}

async fn make(app: &App, name: &str, words: Value) -> Result<Profile, Error> {
    profiles::create_by(app, new(name, words), "person ann").await
}

async fn set(app: &App, name: &str, words: Value) -> Result<Profile, Error> {
    profiles::update_by(app, called(name), new(name, words), false, "person bob").await
}

async fn revision(app: &App, name: &str) -> (u32, String) {
    let profile = profiles::show(app, called(name), None).await.unwrap();
    (profile.revision, profile.made_by)
}

#[tokio::test]
async fn a_change_of_a_parent_reaches_whom_it_concerns() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    make(app, "base", json!({"params": {"ntp": "a"}, "files": {"/m": {"content": "x"}}})).await.unwrap();
    let rack = make(app, "rack", json!({"parent": "base", "image": "i:1", "modules": ["kvm"]})).await.unwrap();
    assert_eq!((rack.parent.as_deref(), rack.made_by.as_str()), (Some("base"), "person ann"));
    assert_eq!(rack.spec.files[0].content, "x", "what a node gets");
    make(app, "web", json!({"parent": "rack", "files": {"/m": {"content": "mine"}}})).await.unwrap();
    make(app, "db", json!({"parent": "rack", "params": {"ntp": "b"}})).await.unwrap();
    make(app, "other", json!({"image": "i:1"})).await.unwrap();

    // Concerns rack and db; web says its own content.
    set(app, "base", json!({"params": {"ntp": "a"}, "files": {"/m": {"content": "y"}}})).await.unwrap();
    let by = |text: &str| text.to_owned();
    assert_eq!(revision(app, "base").await, (2, by("person bob")));
    assert_eq!(revision(app, "rack").await, (2, by("parent base revision 2")));
    assert_eq!(revision(app, "db").await, (2, by("parent rack revision 2")));
    for same in ["web", "other"] {
        assert_eq!(revision(app, same).await, (1, by("person ann")));
    }
    let db = profiles::show(app, called("db"), None).await.unwrap();
    assert_eq!(Value::Object(db.words.unwrap()), json!({"parent": "rack", "params": {"ntp": "b"}}), "its own words");
    assert_eq!(db.resolved.unwrap()["files"]["/m"]["content"], "y");
    // Said again: nothing.
    set(app, "base", json!({"params": {"ntp": "a"}, "files": {"/m": {"content": "y"}}})).await.unwrap();
    assert_eq!(revision(app, "base").await.0, 2);

    // db says a text: were it a number in base, db would not be valid. Nothing is saved.
    let refused = set(app, "base", json!({"params": {"ntp": 5}})).await;
    let Err(Error::BadRequest(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("profile db, which inherits from it: params.ntp"), "{text}");
    for (name, at) in [("base", 2), ("rack", 2), ("web", 1), ("db", 2)] {
        assert_eq!(revision(app, name).await.0, at, "{name}");
    }

    // An old client reads and writes what it knows.
    let mut spec: NewProfile = profiles::show(app, called("rack"), None).await.unwrap().spec;
    spec.cmdline = "quiet".into();
    let rack = profiles::update(app, called("rack"), spec).await.unwrap();
    let words = json!({"parent": "base", "image": "i:1", "modules": ["kvm"], "cmdline": "quiet"});
    assert_eq!(Value::Object(rack.words.unwrap()), words);
    assert_eq!(profiles::show(app, called("web"), None).await.unwrap().spec.cmdline, "quiet");

    assert!(matches!(profiles::delete(app, called("rack")).await, Err(Error::Conflict(t)) if t.contains("db")));
    profiles::delete(app, called("web")).await.unwrap();
}

#[tokio::test]
async fn loops_and_what_lacks_an_image_are_refused() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    make(app, "p1", json!({"modules": ["a"]})).await.unwrap();
    for n in 2..=8 {
        make(app, &format!("p{n}"), json!({"parent": format!("p{}", n - 1)})).await.unwrap();
    }
    let bad = |answer: Result<Profile, Error>, word: &str| {
        let Err(Error::BadRequest(text)) = answer else { panic!("{word}: {answer:?}") };
        assert!(text.contains(word), "{text}");
    };
    bad(make(app, "p9", json!({"parent": "p8"})).await, "at most 8 generations");
    bad(set(app, "p1", json!({"parent": "p5"})).await, "p1 < p5 < p4");
    bad(set(app, "p1", json!({"parent": "p1"})).await, "p1 < p1");
    make(app, "top", json!({})).await.unwrap();
    bad(set(app, "p1", json!({"parent": "top"})).await, "at most 8 generations");
    assert!(matches!(make(app, "x", json!({"parent": "none"})).await, Err(Error::NotFound(_))));
    bad(make(app, "x", json!({"mode": "diskless", "image": "i:1"})).await, "say initramfs");
    bad(make(app, "x", json!({"image": "i:7"})).await, "there is no image i:7");
    bad(make(app, "x", json!({"mode": "local-disk", "image": "i:1"})).await, "image");

    let node: higuma::domain::NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    super::common::power_on(app, &node).await;
    let assign = |profile: &str| NodePatch { profile: Some(profile.into()), ..NodePatch::default() };
    let refused = nodes::patch(app, node.clone(), assign("p8")).await;
    assert!(matches!(&refused, Err(Error::BadRequest(t)) if t.contains("image")), "{refused:?}");
    set(app, "p7", json!({"parent": "p6", "image": "i:1"})).await.unwrap();
    nodes::patch(app, node, assign("p8")).await.unwrap();
    bad(set(app, "p7", json!({"parent": "p6"})).await, "profile p8, which inherits from it");
}

#[tokio::test]
async fn templates_are_rendered_for_every_node_before_they_are_saved() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let words = |content: &str| {
        json!({"image": "i:1", "cmdline": "host={{ node.hostname }}",
            "files": {"/etc/x": {"content": content, "template": true}}})
    };
    make(app, "web", words("{{ node.hostname }}")).await.unwrap();
    let node: higuma::domain::NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    let boot = super::common::power_on(app, &node).await;
    let assign = NodePatch { profile: Some("web".into()), ..NodePatch::default() };
    nodes::patch(app, node.clone(), assign).await.unwrap();
    let plan = higuma::service::plan::current(app, &boot).await.unwrap().plan;
    assert_eq!(plan.files[0].content, "node-b4c04f4a4d32");
    assert!(plan.cmdline.as_str().ends_with("host=node-b4c04f4a4d32"), "{}", plan.cmdline);
    let Err(Error::BadRequest(text)) = set(app, "web", words("\n{{ node.rack }}")).await else { panic!() };
    assert!(text.contains("node-b4c04f4a4d32") && text.contains("files./etc/x, line 2: node.rack"), "{text}");
    assert_eq!(revision(app, "web").await.0, 1, "nothing is saved");
    set(app, "web", words("{{ profile.revision }}")).await.unwrap();
    let next = higuma::service::plan::current(app, &boot).await.unwrap().plan;
    assert_eq!(next.files[0].content, "2");
    assert_ne!(next.hash, plan.hash);
}

#[tokio::test]
async fn a_preview_is_what_the_node_would_get_and_an_error_names_node_text_and_line() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let words = |content: &str| {
        json!({"image": "i:1", "cmdline": "host={{ node.hostname }}", "params": {"ntp": "10.0.0.1"},
            "sysctl": {"a.b": 1}, "modules": ["kvm"],
            "files": {"/etc/x": {"content": content, "template": true, "mode": "0600", "owner": "www"}},
            "units": {"web.service": {"content": "# {{ params.ntp }}\n", "template": true, "enabled": true}}})
    };
    make(app, "web", words("{{ node.hostname }} {{ params.ntp }}\n")).await.unwrap();
    let node: higuma::domain::NodeUuid = "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap();
    let boot = super::common::power_on(app, &node).await;
    let preview = higuma::service::preview::show(app, called("web"), None, node.clone()).await.unwrap();
    assert_eq!(preview.files[0].content, "node-b4c04f4a4d32 10.0.0.1\n");
    assert_eq!((preview.files[0].mode, preview.files[0].owner.as_str()), (0o600, "www"));
    assert_eq!(preview.units["web.service"].content, "# 10.0.0.1\n");
    assert_eq!((preview.mode.as_str(), preview.image.as_deref()), ("initramfs", Some("i:1")));
    assert_eq!((preview.params["ntp"].as_str(), preview.sysctl["a.b"].as_str()), (Some("10.0.0.1"), "1"));
    assert_eq!(preview.image_digest, profiles::show(app, called("web"), None).await.unwrap().image_digest);
    let assign = NodePatch { profile: Some("web".into()), ..NodePatch::default() };
    nodes::patch(app, node.clone(), assign).await.unwrap();
    let plan = higuma::service::plan::current(app, &boot).await.unwrap().plan;
    assert_eq!((preview.plan_hash, preview.cmdline), (plan.hash.to_string(), plan.cmdline.to_string()));

    make(app, "bad", words("\n\n{{ node.rack }}")).await.unwrap();
    let refused = higuma::service::preview::show(app, called("bad"), None, node.clone()).await;
    let Err(Error::BadRequest(text)) = refused else { panic!("{refused:?}") };
    let place = format!("profile bad for node node-b4c04f4a4d32 ({node}): files./etc/x, line 3: node.rack");
    assert!(text.starts_with(&place), "{text}");
    make(app, "base", json!({"modules": ["kvm"]})).await.unwrap();
    let refused = higuma::service::preview::show(app, called("base"), None, node.clone()).await;
    assert!(matches!(&refused, Err(Error::BadRequest(t)) if t.contains("image")), "{refused:?}");
    assert!(matches!(higuma::service::preview::show(app, called("none"), None, node).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn two_revisions_are_compared_in_their_own_words_and_whole() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let user = |c: &str| json!({"ann": {"uid": 1000, "password_hash": format!("$6$saltsalt${}", c.repeat(86))}});
    let what = |list: Vec<PlanDifference>| list.into_iter().map(|d| d.what).collect::<Vec<String>>();
    make(app, "base", json!({"params": {"ntp": "a"}})).await.unwrap();
    make(app, "web", json!({"parent": "base", "image": "i:1", "users": user("a")})).await.unwrap();
    let second = json!({"parent": "base", "image": "i:1", "cmdline": "debug", "users": user("b")});
    set(app, "web", second.clone()).await.unwrap();
    set(app, "base", json!({"params": {"ntp": "b"}})).await.unwrap();

    let number = |n| Some(Revision::Number(n));
    let said = diff::show(app, called("web"), Since::Of(Revision::Number(1)), number(2)).await.unwrap();
    assert!(said.beyond_words().is_empty(), "the whole differs in its own words alone");
    let told = json!(said).to_string();
    assert!(told.contains("(fingerprint ") && !told.contains("saltsalt"), "{told}");
    assert_eq!(what(said.words), ["cmdline", "users ann password_hash"]);
    assert_eq!(what(said.whole), ["cmdline", "users ann password_hash"]);

    let got = diff::show(app, called("web"), Since::Before, None).await.unwrap();
    assert_eq!((got.from.revision, got.to.revision, got.to.active), (2, 3, true));
    assert_eq!((got.to.made_by.as_str(), got.to.parent.as_deref()), ("parent base revision 2", Some("base")));
    assert_eq!((what(got.words).len(), what(got.whole)), (0, vec!["params ntp".to_owned()]));

    // What is active and what is newest, unless others are named.
    let draft = new("web", json!({"parent": "base", "image": "i:1", "users": user("b")}));
    profiles::update_by(app, called("web"), draft, true, "person bob").await.unwrap();
    let drafted = diff::show(app, called("web"), Since::Active, None).await.unwrap();
    assert_eq!((drafted.from.revision, drafted.to.revision), (3, 4));
    assert_eq!(what(drafted.words), ["cmdline"]);
    let first = diff::show(app, called("web"), Since::Before, number(1)).await.unwrap();
    assert_eq!((first.from.revision, first.to.revision, first.words.len()), (1, 1, 0));
    for (name, to) in [("web", number(9)), ("none", None)] {
        let refused = diff::show(app, called(name), Since::Active, to).await;
        assert!(matches!(&refused, Err(Error::NotFound(_))), "{name}: {refused:?}");
    }
}
