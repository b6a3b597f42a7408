//! Garbage collection of images: what is named never goes, at whatever moment it runs.

use crate::fixture::*;
use higuma::domain::boot::Phase;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::{Admission, AdmissionPolicy, Node};
use higuma::domain::script::Machine;
use higuma::domain::{NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::register::{self, Registration};
use higuma::service::{
    App, Settings, auth, blobs, first_stage, image_gc, image_labels, images, new_secret, nodes, profiles, scripts,
};
use higuma_proto::api::{ImageGc, ImageGcAnswer, NodePatch, SetLabel};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

fn app(db: &Db, grace: i64) -> App {
    let settings = Settings { blob_grace: grace, admission: AdmissionPolicy::Auto, ..Settings::default() };
    App::new(db.store.clone(), settings)
}

/// Two at the same rows at once: one is told to try again.
async fn again<T, F: Future<Output = Result<T, Error>>>(what: impl Fn() -> F) -> Result<T, Error> {
    for _ in 0..1_000 {
        match what().await {
            Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
            done => return done,
        }
    }
    panic!("still busy after 1,000 tries")
}

async fn make(app: &App, version: &str) {
    let mut parts = vec![];
    for role in ["kernel", "initrd"] {
        // The initrd is shared by all versions.
        let of = if role == "kernel" { format!("kernel {version}") } else { "initrd".to_owned() };
        again(|| blobs::record(app, Sha256::of(&of), of.len() as u64)).await.unwrap();
        parts.push(json!({"role": role, "sha256": Sha256::of(&of).to_string()}));
        tokio::task::yield_now().await;
    }
    let image = json!({"name": "d", "version": version, "arch": "x86_64", "parts": parts});
    again(|| images::create(app, serde_json::from_value(image.clone()).unwrap())).await.unwrap();
}

async fn gc(app: &App, dry_run: bool) -> ImageGcAnswer {
    again(|| image_gc::run(app, ImageGc { dry_run, ..ImageGc::default() }, "me")).await.unwrap()
}

fn removed(answer: &ImageGcAnswer) -> Vec<&str> {
    answer.removed.iter().map(|line| line.image.as_str()).collect()
}

fn why<'a>(answer: &'a ImageGcAnswer, image: &str) -> &'a [String] {
    &answer.kept.iter().find(|line| line.image == image).unwrap().stays
}

async fn profile(app: &App, image: &str) {
    let spec = || serde_json::from_value(json!({"name": "p", "image": image})).unwrap();
    if profiles::create(app, spec()).await.is_err() {
        profiles::update(app, name("p"), spec()).await.unwrap();
    }
}

pub async fn what_is_named_stays(db: Empty) {
    let db = db.open();
    let app = app(&db, 3_600_000_000);
    for version in ["1", "2", "3", "4", "5", "6"] {
        make(&app, version).await;
    }
    profile(&app, "d:1").await;
    // A new revision: nodes that boot or run the old one still need its image.
    profile(&app, "d:2").await;
    let to = SetLabel { version: "3".into() };
    image_labels::set(&app, "d:stable".parse().unwrap(), to, "me").await.unwrap();
    let put = async |n: u32, image: &str, phase: Phase, present: bool, retired: bool| {
        let image = image.to_owned();
        db.put(move |tx| {
            let mut boot = boot(n, n, 5);
            (boot.phase, boot.image) = (phase, Some(image.clone()));
            let mut node = Node::new(uuid(n), Admission::Admitted, i64::from(n));
            (node.boot, node.retired) = (present.then_some(boot.id), retired);
            tx.put_node(&node)?;
            tx.put_boot(&boot)
        })
        .await;
    };
    put(1, "d:1", Phase::Booting, true, false).await;
    put(2, "d:1", Phase::Running, true, false).await;
    put(3, "d:4", Phase::Failed, true, false).await;
    // History, and a machine that is gone, hold nothing.
    put(4, "d:5", Phase::Failed, false, false).await;
    put(5, "d:5", Phase::Ended, true, false).await;
    put(6, "d:6", Phase::Running, true, true).await;

    let dry = gc(&app, true).await;
    assert_eq!(removed(&dry), ["d:5", "d:6"], "{dry:?}");
    assert_eq!(dry.freed_bytes, 2 * "kernel 5".len() as u64, "the initrd is shared");
    assert_eq!(why(&dry, "d:1"), [format!("2 nodes boot or run it, e.g. {}", uuid(1))]);
    assert_eq!(why(&dry, "d:2"), ["used by profiles: p"]);
    assert_eq!(why(&dry, "d:3"), ["has labels: stable"]);
    assert_eq!(why(&dry, "d:4"), [format!("node {} boots or runs it", uuid(3))]);
    assert!(images::show(&app, "d:5".parse().unwrap()).await.is_ok(), "a dry run");
    // A person cannot delete them by name either.
    for used in ["d:1", "d:2", "d:3", "d:4"] {
        let refused = images::delete(&app, used.parse().unwrap()).await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{used}: {refused:?}");
    }
    let keep = ImageGc { keep: 2, ..ImageGc::default() };
    assert_eq!(removed(&image_gc::run(&app, keep, "me").await.unwrap()), [] as [&str; 0], "the newest two");
    let young = ImageGc { older_than_seconds: 60, ..ImageGc::default() };
    assert_eq!(removed(&image_gc::run(&app, young, "me").await.unwrap()), [] as [&str; 0], "just made");

    assert_eq!(removed(&gc(&app, false).await), ["d:5", "d:6"]);
    assert_eq!(removed(&gc(&app, false).await), [] as [&str; 0]);
    // The blobs go after their grace, counted from now; not those that are named.
    assert_eq!(blobs::forget_unused(&app).await.unwrap(), []);
    let later = app.now() + 1;
    let mut gone = db.put(move |tx| tx.forget_unused_blobs(later, 100)).await;
    let mut expected = vec![Sha256::of("kernel 5"), Sha256::of("kernel 6")];
    gone.sort();
    expected.sort();
    assert_eq!(gone, expected);
}

pub async fn a_blob_that_is_wanted_again_is_young(db: Empty) {
    let db = db.open();
    let app = app(&db, 3_600_000_000);
    let blob = Sha256::of("old");
    assert_eq!(blobs::wanted(&app, blob.clone()).await.unwrap(), None);
    let old = app.now() - 2 * app.settings.blob_grace;
    let put = blob.clone();
    db.put(move |tx| tx.put_blob(&put, 3, old)).await;
    assert_eq!(blobs::wanted(&app, blob.clone()).await.unwrap(), Some(3));
    assert_eq!(blobs::forget_unused(&app).await.unwrap(), [], "an import was told that it is here");
    assert_eq!(blobs::size(&app, blob).await.unwrap(), Some(3));
}

async fn power_on(app: &App, uuid: &NodeUuid) -> higuma::domain::boot::Boot {
    let told = Told { uuid: Some(uuid.clone()), ..Told::default() };
    let machine = || Machine { told: told.clone(), mac: None, arch: Some(Arch::X86_64) };
    let nonce = again(|| scripts::script(app, machine(), "10.0.0.1:8080")).await.unwrap().nonce.unwrap();
    let credential = new_secret().unwrap();
    let registration = || Registration {
        nonce: nonce.clone(),
        credential: credential.clone(),
        uuid: Some(uuid.clone()),
        node: None,
        boot_mac: None,
        inventory: Default::default(),
        neighbours: vec![],
    };
    again(|| register::register(app, registration())).await.unwrap();
    auth::session(app, credential.reveal()).await.unwrap()
}

/// Nodes boot again and again, the profile moves on, images are imported, and the collector runs all the time: every
/// image that a node was told to boot is there for as long as its boot is the present one.
pub async fn it_runs_at_every_moment(db: Empty) {
    const NODES: u32 = 3;
    const ROUNDS: usize = 12;
    let db = db.open();
    let app = app(&db, 3_600_000_000);
    blobs::record(&app, Sha256::of("initrd"), 6).await.unwrap();
    let stage = Sha256::of("initrd").to_string();
    let stage = json!({"arch": "x86_64", "kernel": stage, "initramfs": stage, "kernel_package": "", "agent_version": "",
        "drivers": "lab"});
    first_stage::put(&app, serde_json::from_value(stage).unwrap()).await.unwrap();
    make(&app, "0").await;
    profile(&app, "d:0").await;
    for n in 1..=NODES {
        let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
        nodes::add_by(&app, uuid(n), patch, "me").await.unwrap();
    }
    let done = AtomicBool::new(false);
    let importing = async {
        for round in 1..=ROUNDS {
            // Not in use between the two lines: the collector may take it, then the person is told.
            make(&app, &round.to_string()).await;
            let spec = json!({"name": "p", "image": format!("d:{round}")});
            match again(|| profiles::update(&app, name("p"), serde_json::from_value(spec.clone()).unwrap())).await {
                Ok(_) | Err(Error::BadRequest(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    let booting = async |n: u32| {
        let mut boots = 0;
        while !done.load(Ordering::SeqCst) {
            let session = power_on(&app, &uuid(n)).await;
            let callback = Sha256::of(format!("callback {n} {boots}"));
            let ask = || again(|| plan::boot_plan(&app, &session, callback.clone()));
            let mut planned = ask().await.unwrap();
            if let PlanAnswer::SetUpBmc { .. } = planned {
                planned = ask().await.unwrap();
            }
            let PlanAnswer::Plan(planned) = planned else { panic!("{planned:?}") };
            for _ in 0..3 {
                let image = planned.plan.image.clone().unwrap();
                let (name, found) = (image.clone(), db.get(move |tx| tx.image(&image)).await);
                assert!(found.is_some(), "{name} went");
                tokio::task::yield_now().await;
            }
            for part in planned.plan.parts {
                assert!(blobs::size(&app, part.sha256.clone()).await.unwrap().is_some(), "{part:?}");
            }
            boots += 1;
        }
        boots
    };
    let collecting = async {
        let mut gone = 0;
        while !done.load(Ordering::SeqCst) {
            gone += gc(&app, false).await.removed.len();
            again(|| blobs::forget_unused(&app)).await.unwrap();
        }
        gone
    };
    let ((), a, b, c, gone) = tokio::join!(importing, booting(1), booting(2), booting(3), collecting);
    println!("{} boots, {gone} images went while {ROUNDS} were imported", a + b + c);
    assert!(a > 0 && b > 0 && c > 0);
    gc(&app, false).await;
    // What is left is what is used: the profile's, and at most one more for each node.
    let left = images::list(&app, None, None).await.unwrap().items.len();
    assert!((1..=1 + NODES as usize).contains(&left), "{left}");
    assert!(gone > 0 || left < ROUNDS, "nothing ever went");
}
