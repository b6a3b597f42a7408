//! Secrets of people over SQLite, without any listener: who gets a value, what is told instead, what drifts, what is refused.

use crate::common::{Lab, lab, power_on};
use higuma::domain::boot::Boot;
use higuma::domain::{Name, NodeUuid, Sha256};
use higuma::error::{Error, Result};
use higuma::service::drift::Worked;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{App, drift, nodes, preview, profiles, secrets, up, vault, wire};
use higuma_proto::agent::BootPlan;
use higuma_proto::api::{NewProfile, NewSecret, NodePatch, Profile, Secret};
use serde_json::{Value, json};

const HASH: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

async fn set(app: &App, key: &str, value: &str) -> Result<(Secret, bool)> {
    secrets::set(app, name(key), NewSecret { text: Some(value.into()), base64: None }, "ann").await
}

async fn save(app: &App, key: &str, words: Value, draft: bool) -> Result<Profile> {
    let new = NewProfile { name: key.into(), words: words.as_object().cloned(), ..NewProfile::default() };
    match profiles::show(app, name(key), None).await {
        Ok(_) => profiles::update_by(app, name(key), new, draft, "person ann").await,
        Err(_) => profiles::create_by(app, new, "person ann").await,
    }
}

async fn assign(app: &App, n: u32, profile: &str) -> Result<()> {
    nodes::patch(app, uuid(n), NodePatch { profile: Some(profile.into()), ..NodePatch::default() }).await.map(drop)
}

/// What the node's own agent is given.
async fn asks(app: &App, boot: &Boot) -> BootPlan {
    match plan::boot_plan(app, boot, Sha256::of(boot.id.to_string())).await.unwrap() {
        PlanAnswer::Plan(planned) => wire::boot_plan(app, &planned).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn runs(app: &App, n: u32, profile: &str) -> BootPlan {
    let boot = power_on(app, &uuid(n)).await;
    assign(app, n, profile).await.unwrap();
    let plan = asks(app, &boot).await;
    let boot = app.store.read(move |tx| tx.boot(boot.id)).await.unwrap().unwrap();
    up::report_up(app, &boot, up::Up::default()).await.unwrap();
    plan
}

async fn listed(app: &App, n: u32) -> String {
    while drift::work_once(app).await.unwrap() == Worked::On {}
    nodes::show(app, uuid(n)).await.unwrap().summary.drift.unwrap()
}

fn refused<T: std::fmt::Debug>(answer: Result<T>, word: &str) {
    let Err(Error::BadRequest(text) | Error::Conflict(text) | Error::NotFound(text)) = answer else {
        panic!("{word}: {answer:?}")
    };
    assert!(text.contains(word), "{word}: {text}");
}

fn words() -> Value {
    json!({"image": "i:1", "files": {"/etc/key": {"secret": "web-key", "owner": "www"}},
        "users": {"ann": {"uid": 1000, "password_hash": {"secret": "ann-hash"}}, "bo": {"uid": 1001, "password_hash": HASH}}})
}

async fn with_secrets() -> Lab {
    let lab = lab(|_| {}).await;
    set(&lab.app, "web-key", "canary-one").await.unwrap();
    set(&lab.app, "ann-hash", &format!("{HASH}\n")).await.unwrap();
    save(&lab.app, "web", words(), false).await.unwrap();
    lab
}

#[tokio::test]
async fn the_nodes_own_agent_gets_the_value_and_nobody_else_does() {
    let lab = with_secrets().await;
    let app = &lab.app;
    let plan = runs(app, 1, "web").await;
    let file = plan.files.iter().find(|f| f.path == "/etc/key").unwrap();
    assert_eq!((file.content.as_slice(), file.mode, file.owner.as_str()), (&b"canary-one"[..], 0o600, "www"));
    let hashes: Vec<&str> = plan.users.iter().map(|user| user.password_hash.as_str()).collect();
    assert_eq!(hashes, [HASH, HASH], "without the end of its line");
    assert!(!format!("{plan:?}").contains("canary") && !format!("{plan:?}").contains("j9T"));

    let seen = preview::show(app, name("web"), None, uuid(1)).await.unwrap();
    assert_eq!((seen.files[0].secret.as_deref(), seen.files[0].content.as_str()), (Some("web-key"), ""));
    assert_eq!(
        (seen.users["ann"].password.as_str(), seen.users["bo"].password.as_str()),
        ("secret ann-hash", "hash in the profile")
    );
    assert_eq!((seen.secrets.len(), seen.secrets[1].revision), (2, 1));
    assert_eq!(seen.plan_hash, plan.hash);
    let secret = secrets::show(app, name("web-key")).await.unwrap();
    assert_eq!((secret.size, secret.changed_by.as_str(), &secret.profiles[..]), (10, "ann", &["web".to_owned()][..]));
    assert_eq!(secret.fingerprint, seen.secrets[1].fingerprint);
    let page = secrets::list(app, Some("ann-hash"), Some(1)).await.unwrap();
    assert_eq!((page.items, page.next), (vec![secret], None));
    let shown = profiles::show(app, name("web"), None).await.unwrap();
    for told in
        [json!(seen).to_string(), json!(shown).to_string(), json!(drift::show(app, uuid(1)).await.unwrap()).to_string()]
    {
        assert!(!told.contains("canary"), "{told}");
    }
    assert!(!json!(seen).to_string().contains("j9T"), "nor a hash in a preview");

    // Nor is any of it in the database, the contents of plans among it.
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(lab.path("")).unwrap().flatten().filter(|f| f.file_name() != "master.key") {
        bytes.extend(std::fs::read(file.path()).unwrap());
    }
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has("web-key (fingerprint"), "what is looked for would be found");
    for text in ["canary-one".to_owned(), hex::encode("canary-one")] {
        assert!(!has(&text), "{text}");
    }
}

#[tokio::test]
async fn another_value_is_drift_wherever_it_is_and_the_same_one_is_none() {
    let lab = with_secrets().await;
    let app = &lab.app;
    let first = runs(app, 1, "web").await;
    save(app, "web", json!({"image": "i:1"}), false).await.unwrap();
    let pinned = runs(app, 2, "web@1").await;
    assert_eq!(pinned.files[0].content, b"canary-one");
    save(app, "web", words(), false).await.unwrap();
    runs(app, 3, "p").await;
    for n in 1..=3 {
        assert_eq!(listed(app, n).await, "same", "node {n}");
    }
    let (same, made) = set(app, "web-key", "canary-one").await.unwrap();
    assert_eq!((same.revision, made, listed(app, 1).await.as_str()), (1, false, "same"));

    let (next, made) = set(app, "web-key", "canary-two").await.unwrap();
    assert_eq!((next.revision, made), (2, false));
    assert_eq!((listed(app, 1).await.as_str(), listed(app, 2).await.as_str()), ("changed", "changed"));
    assert_eq!(listed(app, 3).await, "same", "it has none");
    let shown = drift::show(app, uuid(1)).await.unwrap();
    let what: Vec<&str> = shown.differences.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(what, ["files /etc/key secret"]);
    let new = shown.differences[0].new.clone().unwrap();
    assert!(new == format!("web-key (fingerprint {})", next.fingerprint), "{new}");

    // Back to the value that runs: no reboot would change anything.
    assert_eq!(set(app, "web-key", "canary-one").await.unwrap().0.revision, 3);
    assert_eq!((listed(app, 1).await.as_str(), listed(app, 2).await.as_str()), ("same", "same"));
    set(app, "web-key", "canary-two").await.unwrap();
    let boot = power_on(app, &uuid(1)).await;
    let second = asks(app, &boot).await;
    assert_eq!(second.files[0].content, b"canary-two");
    assert_ne!(second.hash, first.hash);
}

#[tokio::test]
async fn what_is_not_there_or_not_good_for_it_is_refused() {
    let lab = with_secrets().await;
    let app = &lab.app;
    let file = |secret: &str| json!({"image": "i:1", "files": {"/k": {"secret": secret}}});
    refused(save(app, "other", file("none"), false).await, "files./k.secret: expected a secret that is there");
    let user = json!({"image": "i:1", "users": {"ann": {"uid": 1000, "password_hash": {"secret": "web-key"}}}});
    refused(
        save(app, "other", user, false).await,
        "users.ann.password_hash: expected a secret that is a password hash",
    );
    refused(set(app, "ann-hash", "hunter2").await, "the password hash of a user in profile web");
    for (words, place) in [
        (json!({"files": {"/k": {"secret": "web-key", "mode": "0644"}}}), "files./k.mode"),
        (json!({"files": {"/k": {"secret": "web-key", "content": "x"}}}), "files./k.secret"),
        (json!({"files": {"/k": {"secret": "web-key", "template": true}}}), "files./k.template"),
        (json!({"files": {"/k": {"secret": "WEB KEY"}}}), "files./k.secret"),
    ] {
        refused(save(app, "other", words, false).await, place);
    }
    // A parent's file keeps its mode: that of a file for all is not good for a secret.
    save(app, "base", json!({"files": {"/k": {"content": "x"}}}), false).await.unwrap();
    let child = |mode: Option<&str>| json!({"parent": "base", "image": "i:1", "files": {"/k": {"content": null, "secret": "web-key", "mode": mode}}});
    refused(
        save(app, "child", json!({"parent": "base", "files": {"/k": {"content": null, "secret": "web-key"}}}), false)
            .await,
        "files./k.mode",
    );
    save(app, "child", child(Some("0400")), false).await.unwrap();

    for (value, word) in [
        (NewSecret::default(), "text or base64"),
        (NewSecret { text: Some("a".into()), base64: Some("YQ==".into()) }, "text or base64"),
        (NewSecret { text: Some(String::new()), base64: None }, "at least one byte"),
        (NewSecret { text: Some("x".repeat(65_537)), base64: None }, "at most 65536"),
        (NewSecret { text: None, base64: Some("canary!".into()) }, "base64"),
    ] {
        let answer = secrets::set(app, name("new"), value, "ann").await;
        assert!(!format!("{answer:?}").contains("canary"));
        refused(answer, word);
    }
    let bytes = NewSecret { text: None, base64: Some("AP8K".into()) };
    let (secret, made) = secrets::set(app, name("bytes"), bytes, "ann").await.unwrap();
    assert_eq!((secret.size, made, secret.password_hash), (3, true, false));
    save(app, "bin", file("bytes"), false).await.unwrap();
    assert_eq!(runs(app, 1, "bin").await.files[0].content, [0, 255, 10]);
}

#[tokio::test]
async fn one_that_is_in_use_is_deleted_by_force_alone() {
    let lab = with_secrets().await;
    let app = &lab.app;
    runs(app, 1, "web").await;
    let delete = async |force: Option<&str>| secrets::delete(app, name("web-key"), force, "ann").await;
    refused(delete(None).await, "used by profile web");
    refused(delete(Some("web")).await, "expected web-key");
    // Also by a draft, and by a pin.
    save(app, "web", json!({"image": "i:1"}), false).await.unwrap();
    save(app, "web", words(), true).await.unwrap();
    refused(delete(None).await, "used by profile web");
    save(app, "web", json!({"image": "i:1", "cmdline": "x"}), false).await.unwrap();
    assign(app, 1, "web@1").await.unwrap();
    refused(delete(None).await, "used by profile web");
    assign(app, 1, "web").await.unwrap();
    // The node ran web@1 last: it is what it would fall back to.
    refused(delete(None).await, "ran last");
    delete(Some("web-key")).await.unwrap();
    refused(delete(None).await, "there is no secret web-key");
    // A revision that names it can be neither activated nor assigned.
    refused(profiles::activate(app, name("web"), 1).await, "files./etc/key.secret");
    refused(assign(app, 1, "web@1").await, "files./etc/key.secret");

    set(app, "web-key", "canary-three").await.unwrap();
    save(app, "web", words(), false).await.unwrap();
    runs(app, 1, "web").await;
    assert_eq!(listed(app, 1).await, "same");
    delete(Some("web-key")).await.unwrap();
    assert_eq!(listed(app, 1).await, "unplanned");
    let boot = power_on(app, &uuid(1)).await;
    let answer = plan::boot_plan(app, &boot, Sha256::of("c")).await.unwrap();
    assert!(
        matches!(&answer, PlanAnswer::Wait { reason, .. } if reason.contains("a secret that is there")),
        "{answer:?}"
    );
    refused(preview::show(app, name("web"), None, uuid(1)).await, "a secret that is there");
    set(app, "web-key", "canary-four").await.unwrap();
    assert_eq!(asks(app, &boot).await.files[0].content, b"canary-four");
}

#[tokio::test]
async fn a_node_that_speaks_json_gets_no_plan_with_secrets() {
    let lab = with_secrets().await;
    let app = &lab.app;
    let boot = power_on(app, &uuid(1)).await;
    assign(app, 1, "web").await.unwrap();
    let planned = plan::current(app, &boot).await.unwrap();
    refused(planned.without_secrets(), "over gRPC");
    refused(up::report_up(app, &boot, up::Up::default()).await, "over gRPC");
    assign(app, 1, "p").await.unwrap();
    plan::current(app, &boot).await.unwrap().without_secrets().unwrap();
}

#[tokio::test]
async fn they_are_sealed_anew_and_open_under_their_own_name_alone() {
    let lab = with_secrets().await;
    let app = &lab.app;
    set(app, "web-key", "canary-two").await.unwrap();
    let before = runs(app, 1, "web").await;
    vault::begin(app).await.unwrap();
    assert_eq!(vault::status(app).await.unwrap().waiting, 2);
    vault::resume(app).await.unwrap();
    let status = vault::status(app).await.unwrap();
    assert_eq!((status.sealed, status.waiting, status.rotating), (2, 0, false));
    let boot = power_on(app, &uuid(1)).await;
    let after = asks(app, &boot).await;
    assert_eq!((&after.files, &after.hash), (&before.files, &before.hash), "another master key is no drift");

    // A row that was put in the place of another, or of an earlier revision, does not open.
    let other = set(app, "other", "canary-other").await.unwrap().0;
    assert_ne!(other.fingerprint, set(app, "same", "canary-other").await.unwrap().0.fingerprint);
    app.store
        .write(|tx| {
            let (mut mine, theirs) = (tx.secret(&name("web-key"))?.unwrap(), tx.secret(&name("other"))?.unwrap());
            (mine.id, mine.sealed) = (uuid::Uuid::now_v7(), theirs.sealed);
            tx.put_secret(&mine)
        })
        .await
        .unwrap();
    let PlanAnswer::Plan(planned) = plan::boot_plan(app, &boot, Sha256::of("c")).await.unwrap() else { panic!() };
    let error = wire::boot_plan(app, &planned).unwrap_err();
    assert!(matches!(error, Error::Internal(_)) && format!("{error:?}").contains("Closed"), "{error:?}");
    // Such a row stops a rotation by its name, and is mended by setting it.
    vault::begin(app).await.unwrap();
    let error = vault::resume(app).await.unwrap_err();
    assert!(format!("{error:?}").contains("secret web-key cannot be sealed anew"), "{error:?}");
    let revision = secrets::show(app, name("web-key")).await.unwrap().revision;
    let (mended, made) = set(app, "web-key", "canary-two").await.unwrap();
    assert_eq!((mended.revision, made), (revision + 1, false));
    vault::resume(app).await.unwrap();
    assert_eq!(vault::status(app).await.unwrap().waiting, 0);
    asks(app, &power_on(app, &uuid(1)).await).await;
}

#[tokio::test]
async fn heirs_get_them_and_an_old_client_does_not_undo_them() {
    let lab = with_secrets().await;
    let app = &lab.app;
    save(app, "heir", json!({"parent": "web", "files": {"/etc/key": {"mode": "0400"}}}), false).await.unwrap();
    assert_eq!(secrets::show(app, name("web-key")).await.unwrap().profiles, ["heir", "web"]);
    let plan = runs(app, 1, "heir").await;
    assert_eq!((plan.files[0].content.as_slice(), plan.files[0].mode), (&b"canary-one"[..], 0o400));
    // Image, command line and files alone, as a client of before secrets sends them back.
    let mut spec = profiles::show(app, name("heir"), None).await.unwrap().spec;
    spec.files.iter_mut().for_each(|file| file.secret = None);
    spec.cmdline = "quiet".into();
    let next = profiles::update(app, name("heir"), NewProfile { words: None, ..spec.clone() }).await.unwrap();
    assert_eq!(next.spec.files[0].secret.as_deref(), Some("web-key"));
    spec.files[0].content = "plain".into();
    let next = profiles::update(app, name("heir"), NewProfile { words: None, ..spec }).await.unwrap();
    assert_eq!((next.spec.files[0].secret.as_deref(), next.spec.files[0].content.as_str()), (None, "plain"));
}
