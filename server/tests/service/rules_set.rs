//! Rules that say what nodes are: at registration, when cables and tags change, and for the fleet when the list changes.

use crate::common::{Lab, lab, power_on};
use higuma::domain::NodeUuid;
use higuma::domain::identity::CONFLICT;
use higuma::domain::node_event::{Kind, Notice, Severity};
use higuma::error::Error;
use higuma::service::{events, nodes, profiles, rules};
use higuma_proto::agent::Neighbour;
use higuma_proto::api::{NewProfile, NodeDetail, NodePatch, PutRules, Rule, RuleList, RuleTest};

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

fn rule(name: &str, when: &str) -> Rule {
    Rule { name: name.into(), when: when.into(), ..Rule::default() }
}

async fn put(lab: &Lab, rules: Vec<Rule>) -> RuleList {
    rules::replace(&lab.app, PutRules { rules, expected_hash: None }).await.unwrap()
}

async fn evaluate(lab: &Lab) {
    while rules::work_once(&lab.app).await.unwrap() {}
}

async fn node(lab: &Lab, n: u32) -> NodeDetail {
    nodes::show(&lab.app, uuid(n)).await.unwrap()
}

async fn patch(lab: &Lab, n: u32, patch: NodePatch) -> NodeDetail {
    nodes::patch(&lab.app, uuid(n), patch).await.unwrap()
}

fn named(pattern: &str) -> Rule {
    Rule {
        hostname: Some(pattern.into()),
        cluster: Some("east".into()),
        tags: vec!["all".into()],
        ..rule("name", "true")
    }
}

#[tokio::test]
async fn a_new_list_is_asked_about_nodes_that_are_there_and_a_person_is_not_overruled() {
    let lab = lab(|_| ()).await;
    for n in 1..=3 {
        power_on(&lab.app, &uuid(n)).await;
    }
    patch(&lab, 2, NodePatch { hostname: Some("mine".into()), cluster: Some("west".into()), ..NodePatch::default() })
        .await;
    let web = Rule { profile: Some("p".into()), ..rule("web", "true") };
    let tested = RuleTest { rules: Some(vec![web.clone(), named("hv-{n:02}")]), ..RuleTest::default() };
    let tested = rules::test(&lab.app, tested).await.unwrap();
    assert_eq!(tested.matching, 3);
    let first: Vec<&str> =
        tested.changes.iter().filter(|c| c.node == uuid(1).as_str()).map(|c| c.change.as_str()).collect();
    assert_eq!(first[0], "profile: none -> p");
    assert!(first.contains(&"cluster: none -> east") && first.contains(&"tags: none -> all"), "{first:?}");
    assert!(first.iter().any(|change| change.ends_with("-> hv-{n:02}")), "{first:?}");
    let list = put(&lab, vec![web.clone(), named("hv-{n:02}")]).await;
    assert_eq!(list.evaluating.as_deref(), Some(""));
    assert_eq!(node(&lab, 1).await.summary.profile, None, "not yet");
    evaluate(&lab).await;
    assert_eq!(rules::list(&lab.app).await.unwrap().evaluating, None);
    let one = node(&lab, 1).await;
    assert_eq!((one.summary.profile.as_deref(), one.summary.cluster.as_deref()), (Some("p"), Some("east")));
    assert_eq!((one.summary.hostname.as_str(), one.summary.tags.clone()), ("hv-01", vec!["all".to_owned()]));
    assert_eq!(one.summary.admission, "pending", "a rule that speaks of a profile admits nobody");
    assert_eq!(one.by_rules["profile"], "web");
    let two = node(&lab, 2).await;
    assert_eq!((two.summary.hostname.as_str(), two.summary.cluster.as_deref()), ("mine", Some("west")));
    assert_eq!((two.by_rules.len(), two.rule_tags.len()), (1, 1));
    assert_eq!(node(&lab, 3).await.summary.hostname, "hv-02", "the person's node took no number");

    // The same list again, and the fleet as it is: nothing would change, nothing does.
    let again = RuleTest { rules: Some(vec![web.clone(), named("hv-{n:02}")]), ..RuleTest::default() };
    assert_eq!(rules::test(&lab.app, again).await.unwrap().changes, []);
    // Without rules, tags go; the rest stays until somebody says otherwise.
    put(&lab, vec![]).await;
    evaluate(&lab).await;
    let one = node(&lab, 1).await;
    assert_eq!((one.summary.profile.as_deref(), one.summary.tags.len()), (Some("p"), 0));
    // A name once given stays the node's: the same number, whoever came meanwhile.
    put(&lab, vec![named("{cluster}-{n}")]).await;
    evaluate(&lab).await;
    assert_eq!(node(&lab, 3).await.summary.hostname, "east-2");
    put(&lab, vec![named("hv-{n:02}")]).await;
    evaluate(&lab).await;
    assert_eq!(node(&lab, 3).await.summary.hostname, "hv-02");
    // Handed over, the person's node is the rules' as well.
    let two = patch(&lab, 2, NodePatch { by_rules: Some(true), ..NodePatch::default() }).await;
    assert_eq!((two.summary.hostname.as_str(), two.summary.cluster.as_deref()), ("hv-03", Some("east")));
}

#[tokio::test]
async fn they_are_asked_at_registration_and_when_tags_and_cables_change() {
    let lab = lab(|_| ()).await;
    let gpu = Rule { profile: Some("p".into()), hostname: Some("gpu-{n}".into()), ..rule("gpu", "'gpu' in node.tags") };
    let rack = Rule { tags: vec!["rack-7".into()], ..rule("rack", "node.neighbours.exists(n, n.switch == 'leaf-7')") };
    let everybody = Rule { admission: Some("admitted".into()), tags: vec!["new".into()], ..rule("all", "true") };
    let list = put(&lab, vec![gpu, rack, everybody]).await;
    assert_eq!(list.warnings, ["rule all admits every machine that reaches this network"]);
    evaluate(&lab).await;
    let boot = power_on(&lab.app, &uuid(1)).await;
    let one = node(&lab, 1).await;
    assert_eq!((one.summary.admission.as_str(), one.summary.tags.join(" ")), ("admitted", "new".to_owned()));
    assert_eq!(one.summary.profile, None);
    let one = patch(&lab, 1, NodePatch { tags: Some(vec!["gpu".into()]), ..NodePatch::default() }).await;
    assert_eq!((one.summary.profile.as_deref(), one.summary.hostname.as_str()), (Some("p"), "gpu-1"));
    assert_eq!(one.summary.tags.join(" "), "gpu new");
    let heard = Neighbour { interface: "eth0".into(), system_name: "leaf-7".into(), ..Neighbour::default() };
    events::report(&lab.app, &boot, vec![], Some(vec![heard])).await.unwrap();
    assert_eq!(node(&lab, 1).await.summary.tags.join(" "), "gpu new rack-7");
    // A rule's profile cannot be deleted under it, nor a rule name one that is not there.
    let refused = profiles::delete(&lab.app, "p".parse().unwrap()).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let wrong = Rule { profile: Some("nope".into()), ..rule("w", "true") };
    let refused = rules::replace(&lab.app, PutRules { rules: vec![wrong], expected_hash: None }).await;
    assert!(
        matches!(&refused, Err(Error::BadRequest(why)) if why.contains("rule w: there is no profile nope")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_nodes_never_share_a_name() {
    let lab = lab(|_| ()).await;
    for n in 1..=3 {
        power_on(&lab.app, &uuid(n)).await;
    }
    patch(&lab, 1, NodePatch { hostname: Some("hv-1".into()), ..NodePatch::default() }).await;
    let twice =
        nodes::patch(&lab.app, uuid(2), NodePatch { hostname: Some("hv-1".into()), ..NodePatch::default() }).await;
    assert!(matches!(&twice, Err(Error::Conflict(why)) if why.contains(uuid(1).as_str())), "{twice:?}");
    // The number whose name a person has given is left out.
    put(&lab, vec![named("hv-{n}")]).await;
    evaluate(&lab).await;
    let mut names = vec![node(&lab, 2).await.summary.hostname, node(&lab, 3).await.summary.hostname];
    names.sort();
    assert_eq!(names, ["hv-2", "hv-3"]);
    // One that is the same for two is told, and the second keeps its own.
    let serial = Rule { hostname: Some("same-{serial}".into()), ..rule("serial", "true") };
    put(&lab, vec![serial]).await;
    evaluate(&lab).await;
    let filter = higuma::store::NodeEventFilter { node: Some(uuid(2)), ..Default::default() };
    let query = higuma::service::node_events::NodeEventQuery { filter, cursor: None, limit: None };
    let told = higuma::service::node_events::list(&lab.app, query).await.unwrap().items;
    assert!(told.iter().any(|event| event.message.contains("no serial number")), "{told:?}");
}

#[tokio::test]
async fn a_switch_that_has_not_spoken_yet_takes_nothing_away() {
    let lab = lab(|_| ()).await;
    let sets = |name: &str, when: &str, cluster: &str| Rule { cluster: Some(cluster.into()), ..rule(name, when) };
    let row = sets("row", "node.neighbours.exists(n, n.switch == 'leaf-7')", "row-7");
    put(&lab, vec![row, sets("rest", "true", "rest")]).await;
    evaluate(&lab).await;
    let cluster = async || node(&lab, 1).await.summary.cluster.unwrap();
    let boot = power_on(&lab.app, &uuid(1)).await;
    assert_eq!(cluster().await, "rest");
    let heard = Neighbour { interface: "eth0".into(), system_name: "leaf-7".into(), ..Neighbour::default() };
    events::report(&lab.app, &boot, vec![], Some(vec![heard])).await.unwrap();
    assert_eq!(cluster().await, "row-7");
    // The next boot registers before any switch has spoken.
    let boot = power_on(&lab.app, &uuid(1)).await;
    assert_eq!(cluster().await, "row-7");
    let other = Neighbour { interface: "eth0".into(), system_name: "leaf-8".into(), ..Neighbour::default() };
    events::report(&lab.app, &boot, vec![], Some(vec![other])).await.unwrap();
    assert_eq!(cluster().await, "rest", "it is cabled elsewhere now");
}

#[tokio::test]
async fn a_node_whose_identity_is_in_conflict_is_left_alone() {
    let lab = lab(|_| ()).await;
    power_on(&lab.app, &uuid(1)).await;
    let notice = Notice {
        kind: Kind::Identity,
        severity: Severity::Alarm,
        subject: CONFLICT.into(),
        message: "another machine".into(),
    };
    lab.app.store.write(move |tx| tx.raise(uuid::Uuid::nil(), &uuid(1), &notice, 1)).await.unwrap();
    put(&lab, vec![named("hv-{n}")]).await;
    evaluate(&lab).await;
    assert_eq!(node(&lab, 1).await.summary.cluster, None);
    lab.app.store.write(|tx| tx.clear_subject(&uuid(1), CONFLICT, 2)).await.unwrap();
    put(&lab, vec![named("hv-{n}")]).await;
    evaluate(&lab).await;
    assert_eq!(node(&lab, 1).await.summary.hostname, "hv-1");
}

#[tokio::test]
async fn only_what_can_be_booted_is_assigned_and_a_dry_run_sees_what_rules_see() {
    let lab = lab(|_| ()).await;
    let words = |value: serde_json::Value| value.as_object().cloned();
    let base = NewProfile { name: "base".into(), words: words(serde_json::json!({})), ..NewProfile::default() };
    profiles::create(&lab.app, base).await.unwrap();
    let wrong = Rule { profile: Some("base".into()), ..rule("w", "true") };
    let refused = rules::replace(&lab.app, PutRules { rules: vec![wrong], expected_hash: None }).await;
    assert!(matches!(&refused, Err(Error::BadRequest(why)) if why.contains("cannot be assigned")), "{refused:?}");
    put(&lab, vec![Rule { profile: Some("p".into()), ..rule("ok", "node.serial == 'none'") }]).await;
    let bare = NewProfile { name: "p".into(), words: words(serde_json::json!({})), ..NewProfile::default() };
    let refused = profiles::update(&lab.app, "p".parse().unwrap(), bare).await;
    assert!(matches!(&refused, Err(Error::BadRequest(why)) if why.contains("rule ok")), "{refused:?}");
    // No rule sees a tag that a rule gave: nor does the dry run.
    power_on(&lab.app, &uuid(1)).await;
    nodes::add(&lab.app, uuid(2), NodePatch::default()).await.unwrap();
    let tag = Rule { tags: vec!["gpu".into()], ..rule("tag", "true") };
    put(&lab, vec![tag.clone()]).await;
    evaluate(&lab).await;
    let admit = Rule { admission: Some("admitted".into()), ..rule("admit", "'gpu' in node.tags") };
    let cluster = Rule { cluster: Some("east".into()), ..rule("east", "true") };
    let test = RuleTest { rules: Some(vec![tag, admit, cluster]), ..RuleTest::default() };
    let changes = rules::test(&lab.app, test).await.unwrap().changes;
    let told: Vec<&str> = changes.iter().map(|change| change.change.as_str()).collect();
    assert_eq!(told, ["cluster: none -> east"], "one node registered: {changes:?}");
}
