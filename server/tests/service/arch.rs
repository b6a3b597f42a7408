//! Images for one architecture and nodes of another: no plan, and the reason wherever it is asked for.

use crate::common::{lab, power_on_with};
use higuma::domain::boot::Boot;
use higuma::domain::image::Arch;
use higuma::domain::{NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::plan::{self, PlanAnswer};
use higuma::service::{App, drift, images, nodes, preview, profiles, wire};
use higuma_proto::agent::Inventory;
use higuma_proto::api::NodePatch;
use serde_json::json;

const WHY: &str = "profile arm boots image arm:1, which is for aarch64, and this node is x86_64";

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c04f4a{n:04x}").parse().unwrap()
}

/// A node that says this of its processor, with this profile.
async fn node(app: &App, n: u32, arch: &str, profile: &str) -> Boot {
    let inventory = Inventory { arch: arch.to_owned(), ..Inventory::default() };
    let boot = power_on_with(app, &uuid(n), inventory).await;
    assign(app, n, profile).await;
    boot
}

async fn assign(app: &App, n: u32, profile: &str) {
    let patch = NodePatch { profile: Some(profile.into()), ..NodePatch::default() };
    nodes::patch(app, uuid(n), patch).await.unwrap();
}

async fn ask(app: &App, boot: &Boot) -> PlanAnswer {
    plan::boot_plan(app, boot, Sha256::of(format!("callback of {}", boot.id))).await.unwrap()
}

/// Profile `arm` with an image for aarch64, beside `p`, whose image is for x86_64.
async fn arm(app: &App) {
    let part = |role: &str| json!({"role": role, "sha256": Sha256::of("blob").to_string()});
    let image = json!({"name": "arm", "version": "1", "arch": "aarch64", "parts": [part("kernel"), part("initrd")]});
    images::create(app, serde_json::from_value(image).unwrap()).await.unwrap();
    let profile = json!({"name": "arm", "image": "arm:1"});
    profiles::create(app, serde_json::from_value(profile).unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_image_for_other_machines_is_no_plan() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    arm(app).await;
    let boot = node(app, 1, "x86_64", "arm").await;
    match ask(app, &boot).await {
        PlanAnswer::Wait { reason, .. } => assert!(reason.starts_with(WHY), "{reason}"),
        other => panic!("{other:?}"),
    }
    let told = drift::show(app, uuid(1)).await.unwrap();
    assert!(told.would.is_none() && told.reason.as_ref().is_some_and(|why| why.starts_with(WHY)), "{told:?}");
    let preview = preview::show(app, "arm".parse().unwrap(), None, uuid(1)).await;
    assert!(matches!(&preview, Err(Error::BadRequest(why)) if why.contains(WHY)), "{preview:?}");
    let current = plan::current(app, &boot).await;
    assert!(matches!(&current, Err(Error::NotFound(why)) if why.contains(WHY)), "{current:?}");
    // With an image of its own it boots, and its agent is told for what the image is.
    assign(app, 1, "p").await;
    match ask(app, &boot).await {
        PlanAnswer::Plan(planned) => {
            assert_eq!(planned.plan.arch, Some(Arch::X86_64));
            assert_eq!(wire::boot_plan(app, &planned).unwrap().arch, "x86_64");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_refused() {
    let lab = lab(|_| {}).await;
    let app = &lab.app;
    arm(app).await;
    // Nothing is known; a word of which nothing is known; programs of 32 bits on machines of 64.
    for (n, arch, profile) in
        [(1, "", "arm"), (2, "riscv64", "arm"), (3, "i386", "p"), (4, "i686", "p"), (5, "arm64", "arm")]
    {
        let boot = node(app, n, arch, profile).await;
        let answer = ask(app, &boot).await;
        assert!(matches!(answer, PlanAnswer::Plan(_)), "{arch:?}: {answer:?}");
    }
}
