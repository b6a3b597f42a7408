//! Which revision nodes boot: the active one, or that of a pin; a draft is neither until somebody says so.

use crate::common::{Lab, lab, power_on};
use higuma::domain::profile::Revision;
use higuma::domain::{Name, NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{nodes, profiles};
use higuma_proto::api::{NewProfile, NodePatch, NodeSummary, Profile};
use serde_json::{Value, json};

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";

fn called(name: &str) -> Name {
    name.parse().unwrap()
}

async fn save(lab: &Lab, name: &str, draft: bool, words: Value) -> Result<Profile, Error> {
    let words = Some(words.as_object().unwrap().clone());
    let new = NewProfile { name: name.into(), words, ..NewProfile::default() };
    profiles::update_by(&lab.app, called(name), new, draft, "person ann").await
}

async fn make(lab: &Lab, name: &str, words: Value) -> Profile {
    let words = Some(words.as_object().unwrap().clone());
    let new = NewProfile { name: name.into(), words, ..NewProfile::default() };
    profiles::create_by(&lab.app, new, "person ann").await.unwrap()
}

async fn assign(lab: &Lab, profile: &str) -> Result<NodeSummary, Error> {
    let uuid: NodeUuid = NODE.parse().unwrap();
    let patch = NodePatch { profile: Some(profile.into()), ..NodePatch::default() };
    Ok(nodes::patch(&lab.app, uuid, patch).await?.summary)
}

/// The command line that a boot of the node gets now.
async fn boots(lab: &Lab) -> String {
    let boot = power_on(&lab.app, &NODE.parse().unwrap()).await;
    match plan::boot_plan(&lab.app, &boot, Sha256::of(boot.id.to_string())).await.unwrap() {
        PlanAnswer::Plan(planned) => planned.plan.cmdline.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn numbers(lab: &Lab, name: &str) -> (u32, u32) {
    let shown = profiles::show(&lab.app, called(name), None).await.unwrap();
    assert_eq!(shown.revision, shown.active);
    (shown.active, shown.newest)
}

#[tokio::test]
async fn a_draft_is_booted_by_those_pinned_to_it() {
    let lab = lab(|_| ()).await;
    power_on(&lab.app, &NODE.parse().unwrap()).await;
    make(&lab, "web", json!({"image": "i:1", "cmdline": "one"})).await;
    assign(&lab, "web").await.unwrap();
    let draft = save(&lab, "web", true, json!({"image": "i:1", "cmdline": "two"})).await.unwrap();
    assert_eq!((draft.revision, draft.active, draft.newest, draft.spec.cmdline.as_str()), (2, 1, 2, "two"));
    let again = save(&lab, "web", true, json!({"image": "i:1", "cmdline": "two"})).await.unwrap();
    assert_eq!((again.revision, again.newest), (2, 2), "nothing new");
    assert!(boots(&lab).await.contains("one"));

    let pinned = assign(&lab, "web@2").await.unwrap();
    assert_eq!((pinned.profile.as_deref(), pinned.profile_revision), (Some("web"), Some(2)));
    assert_eq!(pinned.assignment(), "web@2");
    assert!(boots(&lab).await.contains("two"));
    for (wrong, words) in [("web@3", "no revision 3"), ("web@0", "NAME@REVISION"), ("gone@1", "no profile gone")] {
        let refused = assign(&lab, wrong).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{wrong}: {refused}");
    }
    // A third is active: the pin holds; without it the active one is booted.
    save(&lab, "web", false, json!({"image": "i:1", "cmdline": "three"})).await.unwrap();
    assert_eq!(numbers(&lab, "web").await, (3, 3));
    assert!(boots(&lab).await.contains("two"));
    assert_eq!(assign(&lab, "web").await.unwrap().profile_revision, None);
    assert!(boots(&lab).await.contains("three"));
    // Back to an older one, which is there as it was.
    let back = profiles::activate(&lab.app, called("web"), 1).await.unwrap();
    assert_eq!((back.revision, back.active, back.newest), (1, 1, 3));
    assert!(boots(&lab).await.contains("one"));
    let refused = profiles::activate(&lab.app, called("web"), 4).await.unwrap_err().to_string();
    assert!(refused.contains("no revision 4"), "{refused}");
    let newest = profiles::show(&lab.app, called("web"), Some(Revision::Newest)).await.unwrap();
    assert_eq!(newest.spec.cmdline, "three");
    // What the newest says already, said without draft, becomes active.
    save(&lab, "web", false, json!({"image": "i:1", "cmdline": "three"})).await.unwrap();
    assert_eq!(numbers(&lab, "web").await, (3, 3));

    let page = profiles::revisions(&lab.app, called("web"), None, Some(2)).await.unwrap();
    let told: Vec<_> = page.items.iter().map(|r| (r.revision, r.active, r.image.as_str())).collect();
    assert_eq!((told, page.next.as_deref()), (vec![(3, true, "i:1"), (2, false, "i:1")], Some("2")));
    let page = profiles::revisions(&lab.app, called("web"), Some("2"), Some(2)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
}

#[tokio::test]
async fn heirs_follow_what_is_active() {
    let lab = lab(|_| ()).await;
    make(&lab, "base", json!({"modules": ["kvm"]})).await;
    make(&lab, "web", json!({"parent": "base", "image": "i:1"})).await;
    save(&lab, "base", true, json!({"modules": ["kvm", "tun"]})).await.unwrap();
    assert_eq!(numbers(&lab, "web").await, (1, 1), "a draft makes nothing of others");
    // A draft of the heir is of what its parent is now, and stays so.
    save(&lab, "web", true, json!({"parent": "base", "image": "i:1", "cmdline": "quiet"})).await.unwrap();
    profiles::activate(&lab.app, called("base"), 2).await.unwrap();
    assert_eq!(numbers(&lab, "web").await, (3, 3));
    let web = profiles::show(&lab.app, called("web"), None).await.unwrap();
    assert_eq!(web.resolved.unwrap()["modules"], json!(["kvm", "tun"]));
    assert_eq!((web.spec.cmdline.as_str(), web.made_by.as_str()), ("", "parent base revision 2"));
    profiles::activate(&lab.app, called("base"), 2).await.unwrap();
    assert_eq!(numbers(&lab, "web").await, (3, 3), "again: the same");

    // A draft with another parent is no heir until it is active.
    make(&lab, "other", json!({"sysctl": {"vm.swappiness": "1"}})).await;
    save(&lab, "web", true, json!({"parent": "other", "image": "i:1"})).await.unwrap();
    profiles::delete(&lab.app, called("other")).await.unwrap();
    let refused = profiles::activate(&lab.app, called("web"), 4).await.unwrap_err().to_string();
    assert!(refused.contains("profile other, which does not exist"), "{refused}");
    assert_eq!(numbers(&lab, "web").await, (3, 4));
}

#[tokio::test]
async fn a_change_by_who_does_not_know_of_a_draft_is_without_it() {
    let lab = lab(|_| ()).await;
    power_on(&lab.app, &NODE.parse().unwrap()).await;
    make(&lab, "web", json!({"image": "i:1", "cmdline": "one"})).await;
    save(&lab, "web", true, json!({"image": "i:1", "cmdline": "one", "modules": ["kvm"]})).await.unwrap();
    let old = |cmdline: &str| NewProfile {
        name: "web".into(),
        image: "i:1".into(),
        cmdline: cmdline.into(),
        ..NewProfile::default()
    };
    let web = profiles::update(&lab.app, called("web"), old("two")).await.unwrap();
    assert_eq!((web.revision, web.active, web.resolved.unwrap().get("modules")), (3, 3, None));
    // As a draft, it goes on with the newest.
    save(&lab, "web", true, json!({"image": "i:1", "cmdline": "two", "modules": ["kvm"]})).await.unwrap();
    let draft = profiles::update_by(&lab.app, called("web"), old("three"), true, "").await.unwrap();
    assert_eq!((draft.revision, draft.active, &draft.resolved.unwrap()["modules"]), (5, 3, &json!(["kvm"])));

    // Who is pinned to another revision is not asked whether a new one fits.
    assign(&lab, "web@1").await.unwrap();
    let words = json!({"image": "i:1", "cmdline": "{{ node.nics[7].mac }}"});
    save(&lab, "web", false, words.clone()).await.unwrap();
    assign(&lab, "web@3").await.unwrap();
    assert!(boots(&lab).await.contains("two"));
    profiles::activate(&lab.app, called("web"), 3).await.unwrap();
    assign(&lab, "web").await.unwrap();
    let refused = save(&lab, "web", false, words).await.unwrap_err().to_string();
    assert!(refused.contains("nics"), "{refused}");
}

#[tokio::test]
async fn how_cloud_init_is_said_reaches_a_child() {
    let lab = lab(|_| ()).await;
    let base = json!({"cloud_init": {"template": true}});
    make(&lab, "base", base.clone()).await;
    let again = save(&lab, "base", false, base).await.unwrap();
    assert_eq!(again.revision, 1, "said again: the same");
    let child = json!({"parent": "base", "image": "i:1", "cloud_init": {"user_data": "#cloud-config\n"}});
    let child = make(&lab, "web", child).await;
    assert_eq!(child.resolved.unwrap()["cloud_init"], json!({"user_data": "#cloud-config\n", "template": true}));
}

#[tokio::test]
async fn what_a_pinned_node_that_speaks_json_runs_is_known_whatever_is_activated() {
    let lab = lab(|_| ()).await;
    power_on(&lab.app, &NODE.parse().unwrap()).await;
    make(&lab, "web", json!({"image": "i:1", "cmdline": "one"})).await;
    save(&lab, "web", true, json!({"image": "i:1", "cmdline": "two"})).await.unwrap();
    // Each time another revision is activated between its Register and its "installed".
    for (assigned, activated, known) in [("web@1", 2, true), ("web", 1, false)] {
        assign(&lab, assigned).await.unwrap();
        let boot = power_on(&lab.app, &NODE.parse().unwrap()).await;
        profiles::activate(&lab.app, called("web"), activated).await.unwrap();
        higuma::service::up::report_up(&lab.app, &boot, Default::default()).await.unwrap();
        let boot = lab.app.store.read(move |tx| tx.boot(boot.id)).await.unwrap().unwrap();
        assert_eq!(boot.plan_hash.is_some(), known, "{assigned}");
    }
}
