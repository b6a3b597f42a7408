//! Nodes that boot otherwise than from RAM: by a script of the operator's, from their disk, by an installer.

use crate::common::{Lab, lab, power_on};
use higuma::domain::NodeUuid;
use higuma::domain::Sha256;
use higuma::domain::boot::{Boot, Event, EventState};
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::parking::ParkAction;
use higuma::domain::script::{Machine, Script};
use higuma::domain::secret::Secret;
use higuma::error::Error;
use higuma::service::install::{self, Document};
use higuma::service::plan::{self, PlanAnswer, Planned};
use higuma::service::scripts::{self, ScriptAnswer};
use higuma::service::{App, Settings, drift, events, nodes, profiles, sweep, up};
use higuma_proto::api::{NewProfile, NodeDetail, NodePatch};
use serde_json::{Value, json};

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

fn uuid() -> NodeUuid {
    NODE.parse().unwrap()
}

async fn make(app: &App, name: &str, words: Value) {
    let words = Some(words.as_object().unwrap().clone());
    profiles::create(app, NewProfile { name: name.into(), words, ..NewProfile::default() }).await.unwrap();
}

async fn assign(app: &App, profile: &str) {
    let patch = NodePatch { profile: Some(profile.into()), ..NodePatch::default() };
    nodes::patch(app, uuid(), patch).await.unwrap();
}

async fn script(app: &App) -> ScriptAnswer {
    let told = Told { uuid: Some(uuid()), ..Told::default() };
    let machine = Machine { told, mac: None, arch: Some(Arch::X86_64) };
    scripts::script(app, machine, "10.0.0.1:8080").await.unwrap()
}

async fn ask(app: &App, boot: &Boot) -> PlanAnswer {
    plan::boot_plan(app, boot, Sha256::of(format!("callback of {}", boot.id))).await.unwrap()
}

async fn planned(app: &App, boot: &Boot) -> Planned {
    match ask(app, boot).await {
        PlanAnswer::Plan(planned) => *planned,
        other => panic!("{other:?}"),
    }
}

async fn restarts(app: &App, boot: &Boot) -> bool {
    matches!(ask(app, boot).await, PlanAnswer::Park { action: ParkAction::Reboot, after_seconds: 0, .. })
}

async fn node(app: &App) -> NodeDetail {
    nodes::show(app, uuid()).await.unwrap()
}

/// A node, and an installer that tells on its command line where its answer file is and whom to call.
async fn installer(change: impl FnOnce(&mut Settings)) -> Lab {
    let lab = lab(change).await;
    let words = json!({"mode": "installer", "image": "i:1",
        "cmdline": "answer={{ urls.answer }} done={{ urls.installed }}",
        "answer": "host {{ node.hostname }} call {{ urls.installed }}\n"});
    make(&lab.app, "deb", words).await;
    lab
}

/// The token on a plan's command line.
fn token(planned: &Planned) -> Secret {
    let cmdline = planned.plan.cmdline.as_str();
    let at = "answer=http://10.0.0.1:8080/install/";
    let rest = cmdline.split(at).nth(1).unwrap_or_else(|| panic!("{cmdline}"));
    rest.split('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_script_of_the_operator_s() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    make(app, "own", json!({"mode": "ipxe", "script": "#!ipxe\n# {{ node.hostname }}\nchain {{ urls.server }}/x\n"}))
        .await;
    let boot = power_on(app, &uuid()).await;
    assign(app, "own").await;
    assert!(restarts(app, &boot).await, "an agent that waits makes way for the script");
    let answer = script(app).await;
    let Script::Own(text) = &answer.script else { panic!("{answer:?}") };
    assert_eq!(text, "#!ipxe\n# node-b4c04f4a4d32\nchain http://10.0.0.1:8080/x\n");
    assert!(answer.nonce.is_none());
    assert_eq!(node(app).await.disk.left.unwrap().way, "ipxe");
    let preview = higuma::service::preview::show(app, "own".parse().unwrap(), None, uuid()).await.unwrap();
    assert!(preview.script.contains("node-b4c04f4a4d32") && preview.image.is_none(), "{preview:?}");
    // What does not fit the node is refused when it is saved; kept aside, a node waits in its first stage.
    let bad = json!({"mode": "ipxe", "script": "#!ipxe\n{{ node.rack }}\n"});
    let new = NewProfile { name: "own".into(), words: bad.as_object().cloned(), ..NewProfile::default() };
    let refused = profiles::update(app, "own".parse().unwrap(), new).await;
    assert!(matches!(&refused, Err(Error::BadRequest(t)) if t.contains("script, line 2: node.rack")), "{refused:?}");
    let aside = NodePatch { maintenance: Some(true), ..NodePatch::default() };
    nodes::patch(app, uuid(), aside).await.unwrap();
    assert_eq!(script(app).await.script.name(), "first-stage");
}

#[tokio::test]
async fn a_node_left_to_its_disk_is_no_failure() {
    let lab = lab(|s| s.heartbeat_timeout = -1).await;
    let app = &lab.app;
    make(app, "disk", json!({"mode": "local-disk"})).await;
    let boot = power_on(app, &uuid()).await;
    assign(app, "p").await;
    planned(app, &boot).await;
    up::report_up(app, &boot, up::Up::default()).await.unwrap();
    assign(app, "disk").await;
    while drift::work_once(app).await.unwrap() == drift::Worked::On {}
    let told = drift::show(app, uuid()).await.unwrap();
    assert_eq!((told.drift.as_str(), told.would.unwrap().image.as_str()), ("changed", "none (local-disk)"));
    assert_eq!(sweep::run_once(app).await.unwrap().left, 0, "it was not left yet");
    assert_eq!(script(app).await.script, Script::LocalDisk);
    let before = node(app).await;
    assert_eq!((before.summary.lifecycle.as_str(), before.disk.left.unwrap().way.as_str()), ("failed", "local-disk"));
    assert_eq!(sweep::run_once(app).await.unwrap().left, 1);
    let after = node(app).await;
    assert_eq!((after.summary.lifecycle.as_str(), after.summary.drift.as_deref()), ("assigned", Some("none")));
    assert_eq!(after.boot.unwrap().summary.phase, "ended");
    // Back in RAM.
    assign(app, "p").await;
    assert_eq!(script(app).await.script.name(), "first-stage");
}

#[tokio::test]
async fn an_installer_runs_once_and_then_the_disk_boots() {
    let lab = installer(|_| {}).await;
    let app = &lab.app;
    let boot = power_on(app, &uuid()).await;
    assign(app, "deb").await;
    assert_eq!(script(app).await.script.name(), "first-stage");
    let first = planned(app, &boot).await;
    // Asked again, the answer was lost: another token, the same attempt, the same plan.
    let again = planned(app, &boot).await;
    assert_eq!(first.plan.hash, again.plan.hash);
    assert!(install::read(app, token(&first), Document::Answer).await.is_err(), "void");
    let token = token(&again);
    let answer = install::read(app, token.clone(), Document::Answer).await.unwrap();
    let expected = format!("host node-b4c04f4a4d32 call http://10.0.0.1:8080/install/{}/installed\n", token.reveal());
    assert_eq!(answer, expected);
    let meta = install::read(app, token.clone(), Document::MetaData).await.unwrap();
    assert_eq!(meta, format!("instance-id: {}\nlocal-hostname: node-b4c04f4a4d32\n", boot.id));
    // Neither a preview nor what is kept of the plan has the token.
    let preview = higuma::service::preview::show(app, "deb".parse().unwrap(), None, uuid()).await.unwrap();
    assert_eq!(preview.plan_hash, again.plan.hash.to_string());
    assert!(!format!("{preview:?}").contains(token.reveal()));
    let hash = again.plan.hash.clone();
    let kept = app.store.read(move |tx| tx.plan_content(&hash)).await.unwrap().unwrap().to_string();
    assert!(kept.contains("/install/") && !kept.contains(token.reveal()), "{kept}");
    let installing = node(app).await;
    assert_eq!(installing.summary.lifecycle, "booting");
    assert_eq!(installing.disk.install.as_ref().map(|i| (i.attempts, i.installed_us)), Some((1, None)));
    assert!(!format!("{installing:?}").contains(token.reveal()));

    install::done(app, token.clone()).await.unwrap();
    install::done(app, token.clone()).await.unwrap();
    assert!(install::read(app, token, Document::Answer).await.is_err(), "it is over");
    let done = node(app).await;
    assert_eq!((done.summary.lifecycle.as_str(), done.summary.drift.as_deref()), ("assigned", Some("none")));
    assert!(done.disk.install.unwrap().installed_us.is_some());
    let told: Vec<String> =
        done.boot.unwrap().events.iter().filter(|e| e.step == "install").map(|e| e.state.clone()).collect();
    assert_eq!(told, ["started", "ok"]);
    assert_eq!(script(app).await.script, Script::LocalDisk);
    // A new revision does not install; nor does another profile in between.
    let words = json!({"mode": "installer", "image": "i:1", "answer": "other"});
    let new = NewProfile { name: "deb".into(), words: words.as_object().cloned(), ..NewProfile::default() };
    profiles::update(app, "deb".parse().unwrap(), new).await.unwrap();
    assert_eq!(script(app).await.script, Script::LocalDisk);
    assign(app, "p").await;
    assert!(matches!(install::again(app, uuid()).await, Err(Error::Conflict(_))), "no installer");
    let rescue = power_on(app, &uuid()).await;
    planned(app, &rescue).await;
    assign(app, "deb").await;
    assert_eq!(script(app).await.script, Script::LocalDisk);
    // Asked for, it does.
    install::again(app, uuid()).await.unwrap();
    let boot = power_on(app, &uuid()).await;
    planned(app, &boot).await;
    assert_eq!(node(app).await.disk.install.unwrap().revision, 2);
}

#[tokio::test]
async fn an_installer_that_never_calls_back_is_given_up() {
    let lab = installer(|s| s.install_deadline = -1).await;
    let app = &lab.app;
    power_on(app, &uuid()).await;
    assign(app, "deb").await;
    for attempt in 1..=3 {
        let boot = power_on(app, &uuid()).await;
        let planned = planned(app, &boot).await;
        assert!(install::read(app, token(&planned), Document::Answer).await.is_err(), "after its deadline");
        assert_eq!(sweep::run_once(app).await.unwrap().failed, 1);
        let failed = node(app).await.summary;
        let reason = format!("install: the deadline passed without the installer's call (attempt {attempt} of 3)");
        assert_eq!((failed.lifecycle.as_str(), failed.reason), ("failed", Some(reason)));
    }
    let boot = power_on(app, &uuid()).await;
    let PlanAnswer::Wait { reason, .. } = ask(app, &boot).await else { panic!("a fourth attempt") };
    assert!(reason.contains("higuma node reinstall"), "{reason}");
    let given_up = node(app).await.summary;
    assert_eq!(given_up.lifecycle, "failed");
    assert!(given_up.reason.unwrap().contains("did not call back in 3 attempts"));
    // Asked for again, the machine that waits goes on by itself.
    install::again(app, uuid()).await.unwrap();
    let planned = planned(app, &boot).await;
    assert_eq!(node(app).await.disk.install.unwrap().attempts, 1);
    // Late, but of the newest boot: what it says is so.
    sweep::run_once(app).await.unwrap();
    install::done(app, token(&planned)).await.unwrap();
    assert_eq!(script(app).await.script, Script::LocalDisk);
}

#[tokio::test]
async fn a_token_of_an_older_boot_ends_nothing() {
    let lab = installer(|_| {}).await;
    let app = &lab.app;
    power_on(app, &uuid()).await;
    assign(app, "deb").await;
    let boot = power_on(app, &uuid()).await;
    let old = token(&planned(app, &boot).await);
    // A first stage that tries again in the same boot is no further attempt.
    let failed = Event { seq: 1, at: 1, step: "download".into(), state: EventState::Failed, message: "cut".into() };
    events::report(app, &boot, vec![failed], None).await.unwrap();
    assert_eq!(node(app).await.summary.lifecycle, "failed");
    let old = [old, token(&planned(app, &boot).await)];
    assert_eq!(node(app).await.disk.install.unwrap().attempts, 1);
    let newer = power_on(app, &uuid()).await;
    assert!(matches!(install::done(app, old[0].clone()).await, Err(Error::NotFound(_))));
    assert!(matches!(install::done(app, old[1].clone()).await, Err(Error::Conflict(_))));
    assert!(install::read(app, old[1].clone(), Document::Answer).await.is_err());
    planned(app, &newer).await;
    assert_eq!(node(app).await.disk.install.unwrap().attempts, 2);
    let unknown = Secret::from_bytes([1; 32]);
    assert!(matches!(install::done(app, unknown).await, Err(Error::NotFound(_))));
}
