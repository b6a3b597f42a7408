//! Programs that are no system, kept as images and booted by a script: what the script gets of them, what else refuses them,
//! and that they stay while a profile names them.

use crate::common::{lab, power_on, power_on_with};
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::script::{Machine, Script};
use higuma::domain::{NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::scripts::{self, ScriptAnswer};
use higuma::service::{App, blobs, drift, images, nodes, preview, profiles};
use higuma_proto::agent::Inventory;
use higuma_proto::api::{NewProfile, NodePatch, Profile, ProfilePreview};
use serde_json::{Value, json};

const SCRIPT: &str = "#!ipxe\nkernel {{ image.kernel }} {{ image.cmdline }}\nboot\n";

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a{n:04x}").parse().unwrap()
}

/// memtest:VERSION, a program of its own.
async fn program(app: &App, version: &str) -> Sha256 {
    let blob = Sha256::of(version);
    blobs::record(app, blob.clone(), 9).await.unwrap();
    let parts = json!([{"role": "kernel", "sha256": blob.to_string()}]);
    let image =
        json!({"name": "memtest", "version": version, "arch": "x86_64", "cmdline": "console=ttyS0", "parts": parts});
    images::create(app, serde_json::from_value(image).unwrap()).await.unwrap();
    blob
}

fn new(name: &str, words: Value) -> NewProfile {
    NewProfile { name: name.into(), words: words.as_object().cloned(), ..NewProfile::default() }
}

async fn set(app: &App, words: Value) -> Result<Profile, Error> {
    match profiles::create(app, new("mem", words.clone())).await {
        Err(Error::Conflict(_)) => profiles::update(app, "mem".parse().unwrap(), new("mem", words)).await,
        made => made,
    }
}

async fn assign(app: &App, n: u32) {
    let patch = NodePatch { profile: Some("mem".into()), ..NodePatch::default() };
    nodes::patch(app, uuid(n), patch).await.unwrap();
}

async fn script(app: &App, n: u32) -> ScriptAnswer {
    script_on(app, n, Arch::X86_64).await
}

async fn script_on(app: &App, n: u32, arch: Arch) -> ScriptAnswer {
    let told = Told { uuid: Some(uuid(n)), ..Told::default() };
    scripts::script(app, Machine { told, mac: None, arch: Some(arch) }, "10.0.0.1:8080").await.unwrap()
}

async fn shown(app: &App, n: u32) -> ProfilePreview {
    preview::show(app, "mem".parse().unwrap(), None, uuid(n)).await.unwrap()
}

#[tokio::test]
async fn a_script_boots_the_version_that_its_profile_names() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let first = program(app, "1").await;
    program(app, "2").await;
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": SCRIPT})).await.unwrap();
    power_on(app, &uuid(1)).await;
    assign(app, 1).await;
    let answer = script(app, 1).await;
    let Script::Own(text) = &answer.script else { panic!("{answer:?}") };
    assert_eq!(*text, format!("#!ipxe\nkernel http://10.0.0.1:8080/blobs/{first} console=ttyS0\nboot\n"));
    let before = shown(app, 1).await;
    assert_eq!((before.image.as_deref(), before.cmdline.as_str()), (Some("memtest:1"), ""));

    // Another version is another plan, where the script loads it.
    set(app, json!({"mode": "ipxe", "image": "memtest:2", "script": SCRIPT})).await.unwrap();
    let after = shown(app, 1).await;
    assert_ne!(before.plan_hash, after.plan_hash);
    set(app, json!({"mode": "ipxe", "image": "memtest:2", "script": "#!ipxe\nexit\n"})).await.unwrap();
    let silent = shown(app, 1).await.plan_hash;
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": "#!ipxe\nexit\n"})).await.unwrap();
    assert_eq!(shown(app, 1).await.plan_hash, silent);
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": SCRIPT})).await.unwrap();
    assert_eq!(drift::show(app, uuid(1)).await.unwrap().would.unwrap().image, "memtest:1");

    // It is used, so it stays.
    let refused = images::delete(app, "memtest:1".parse().unwrap()).await;
    assert!(matches!(&refused, Err(Error::Conflict(t)) if t.contains("used by profiles: mem")), "{refused:?}");
    images::delete(app, "memtest:2".parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_told_when_it_is_saved() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    program(app, "1").await;
    for mode in [None, Some("diskless"), Some("initramfs"), Some("installer")] {
        let mut words = json!({"image": "memtest:1"});
        if let Some(mode) = mode {
            words["mode"] = json!(mode);
        }
        let refused = set(app, words).await;
        assert!(
            matches!(&refused, Err(Error::BadRequest(t)) if t.contains("a program alone")),
            "{mode:?}: {refused:?}"
        );
    }
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": SCRIPT})).await.unwrap();
    power_on(app, &uuid(1)).await;
    assign(app, 1).await;
    let initrd = "#!ipxe\nkernel {{ image.kernel }}\ninitrd {{ image.initrd }}\nboot\n";
    let refused = set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": initrd})).await;
    let told = "script, line 3: image.initrd is not defined";
    assert!(matches!(&refused, Err(Error::BadRequest(t)) if t.contains(told)), "{refused:?}");
    // An image with an initrd has one.
    set(app, json!({"mode": "ipxe", "image": "i:1", "script": initrd})).await.unwrap();
    let Script::Own(text) = script(app, 1).await.script else { panic!("no script of its own") };
    assert_eq!(text.matches("/blobs/").count(), 2, "{text}");
}

#[tokio::test]
async fn a_program_for_other_machines_is_not_started() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    program(app, "1").await;
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": SCRIPT})).await.unwrap();
    let inventory = Inventory { arch: "aarch64".to_owned(), ..Inventory::default() };
    power_on_with(app, &uuid(1), inventory).await;
    assign(app, 1).await;
    let answer = script(app, 1).await;
    assert_eq!(answer.script.name(), "unfit");
    assert!(answer.why.contains("image memtest:1, which is for x86_64, and this node is aarch64"), "{}", answer.why);
}

#[tokio::test]
async fn a_node_that_never_told_its_inventory_is_what_ipxe_says() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    program(app, "1").await;
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": SCRIPT})).await.unwrap();
    power_on_with(app, &uuid(1), Inventory::default()).await;
    assign(app, 1).await;
    assert!(matches!(script(app, 1).await.script, Script::Own(_)));
    let answer = script_on(app, 1, Arch::Aarch64).await;
    assert!(answer.script.name() == "unfit" && answer.why.contains("this node is aarch64"), "{}", answer.why);
    // What its parent has, and its own script does not load, holds nobody up.
    set(app, json!({"mode": "ipxe", "image": "memtest:1", "script": "#!ipxe\nexit\n"})).await.unwrap();
    assert!(matches!(script_on(app, 1, Arch::Aarch64).await.script, Script::Own(_)));
}

#[tokio::test]
async fn an_image_that_became_a_program_under_the_same_name_is_not_assigned() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    let parts: Vec<Value> =
        ["kernel", "initrd"].map(|role| json!({"role": role, "sha256": Sha256::of(role).to_string()})).into();
    for role in ["kernel", "initrd"] {
        blobs::record(app, Sha256::of(role), 9).await.unwrap();
    }
    let image = json!({"name": "memtest", "version": "1", "arch": "x86_64", "parts": parts});
    images::create(app, serde_json::from_value(image).unwrap()).await.unwrap();
    set(app, json!({"image": "memtest:1"})).await.unwrap();
    set(app, json!({"image": "i:1"})).await.unwrap();
    images::delete(app, "memtest:1".parse().unwrap()).await.unwrap();
    program(app, "1").await;
    power_on(app, &uuid(1)).await;
    let pin = NodePatch { profile: Some("mem@1".into()), ..NodePatch::default() };
    let refused = nodes::patch(app, uuid(1), pin).await;
    assert!(matches!(&refused, Err(Error::BadRequest(t)) if t.contains("a program alone")), "{refused:?}");
}
