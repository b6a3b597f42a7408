//! Use cases over SQLite, without any listener: what time and repetition do to boots, tokens and names.

use crate::common::lab;
use higuma::domain::boot::{Event, EventState};
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::script::Machine;
use higuma::domain::secret::Secret;
use higuma::domain::{Mac, NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::plan::PlanAnswer;
use higuma::service::register::{BOOTS_KEPT, Registered, Registration};
use higuma::service::{App, auth, events, new_secret, nodes, plan, register, scripts, sweep, up};
use higuma_proto::agent::{Inventory, Nic};
use higuma_proto::api::NodePatch;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const MAC: &str = "52:54:00:12:34:56";

fn machine(uuid: &str) -> Machine {
    let told = Told { uuid: Some(uuid.parse().unwrap()), ..Told::default() };
    Machine { told, mac: Some(MAC.parse().unwrap()), arch: Some(Arch::X86_64) }
}

async fn boot(app: &App, uuid: &str) -> (Registered, Secret) {
    let nonce = scripts::script(app, machine(uuid), "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let credential = new_secret().unwrap();
    (register::register(app, registration(uuid, nonce, credential.clone())).await.unwrap(), credential)
}

fn registration(uuid: &str, nonce: Secret, credential: Secret) -> Registration {
    Registration {
        nonce,
        credential,
        uuid: Some(uuid.parse().unwrap()),
        node: None,
        boot_mac: Some(MAC.parse().unwrap()),
        inventory: Inventory { nics: vec![Nic { mac: MAC.into(), ..Nic::default() }], ..Inventory::default() },
        neighbours: vec![],
    }
}

async fn assign(app: &App, node: &NodeUuid) {
    let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(app, node.clone(), patch).await.unwrap();
}

fn event(seq: u32, step: &str, state: EventState) -> Event {
    Event { seq, at: 1, step: step.into(), state, message: "why".into() }
}

#[tokio::test]
async fn a_boot_that_tries_again_after_its_deadline_is_still_followed() {
    let lab = lab(|s| s.boot_deadline = -1).await;
    let app = &lab.app;
    let (registered, credential) = boot(app, NODE).await;
    assign(app, &registered.node).await;
    let session = auth::session(app, credential.reveal()).await.unwrap();
    let ask = || plan::boot_plan(app, &session, Sha256::of("callback"));
    assert!(matches!(ask().await.unwrap(), PlanAnswer::Plan(_)));
    events::report(app, &session, vec![event(5, "download", EventState::Started)], None).await.unwrap();
    assert_eq!(sweep::run_once(app).await.unwrap().failed, 1);
    let node = nodes::show(app, registered.node.clone()).await.unwrap();
    assert_eq!(node.summary.lifecycle, "failed");
    assert!(node.summary.reason.unwrap().starts_with("download: the deadline passed"));
    // The agent lives after all, asks again, and fails for another reason: that is what is shown.
    assert!(matches!(ask().await.unwrap(), PlanAnswer::Plan(_)));
    let again = vec![event(6, "load", EventState::Failed), event(5, "download", EventState::Failed)];
    assert_eq!(events::report(app, &session, again, None).await.unwrap(), 1);
    let node = nodes::show(app, registered.node.clone()).await.unwrap();
    assert_eq!(node.summary.reason.as_deref(), Some("load: why"));
    // It came up in the end; again is a heartbeat and stores nothing twice.
    let callback = auth::callback(app, "00").await;
    assert!(matches!(callback, Err(Error::Unauthorized(_))));
    let from = |last: u8| Some(std::net::IpAddr::from([10, 0, 0, last]));
    let says = || up::report_up(app, &session, up::Up { os: "Debian".into(), peer: from(7), ..up::Up::default() });
    says().await.unwrap();
    says().await.unwrap();
    let node = nodes::show(app, registered.node.clone()).await.unwrap();
    assert_eq!(node.summary.lifecycle, "running");
    let boot = node.boot.unwrap();
    assert_eq!(boot.summary.address.as_deref(), Some("10.0.0.7"));
    let ups = boot.events.iter().filter(|e| e.step == "up").count();
    assert_eq!(ups, 1);
    // It has another address now; what comes through a proxy of this machine says nothing of it.
    for peer in [from(8), None, Some(std::net::IpAddr::from([127, 0, 0, 1]))] {
        up::heartbeat(app, &session, peer).await.unwrap();
    }
    let boot = nodes::show(app, registered.node).await.unwrap().boot.unwrap();
    assert_eq!(boot.summary.address.as_deref(), Some("10.0.0.8"));
}

#[tokio::test]
async fn an_optional_step_that_fails_fails_no_boot() {
    let lab = lab(|_| ()).await;
    let (registered, credential) = boot(&lab.app, NODE).await;
    let session = auth::session(&lab.app, credential.reveal()).await.unwrap();
    let optional = ["modules", "clock", "inventory", "lldp"];
    let all = optional.iter().zip(0..).map(|(step, seq)| event(seq, step, EventState::Failed)).collect();
    assert_eq!(events::report(&lab.app, &session, all, None).await.unwrap(), 4);
    let node = nodes::show(&lab.app, registered.node).await.unwrap();
    assert_eq!(
        (node.summary.lifecycle.as_str(), node.boot.unwrap().summary.phase.as_str()),
        ("discovered", "registered")
    );
}

#[tokio::test]
async fn a_replaced_token_is_good_no_more() {
    let lab = lab(|_| ()).await;
    let (old, new) = (new_secret().unwrap(), new_secret().unwrap());
    auth::adopt_admin_token(&lab.app, &old).await.unwrap();
    let cookie = auth::login(&lab.app, old.reveal()).await.unwrap();
    auth::adopt_admin_token(&lab.app, &old).await.unwrap();
    assert!(auth::browser(&lab.app, cookie.reveal()).await.is_ok());
    auth::adopt_admin_token(&lab.app, &new).await.unwrap();
    assert!(auth::person(&lab.app, new.reveal()).await.is_ok());
    assert!(matches!(auth::person(&lab.app, old.reveal()).await, Err(Error::Unauthorized(_))));
    assert!(matches!(auth::browser(&lab.app, cookie.reveal()).await, Err(Error::Unauthorized(_))));
}

#[tokio::test]
async fn a_placeholder_uuid_names_nobody() {
    let lab = lab(|_| ()).await;
    let (registered, _) = boot(&lab.app, "00000000-0000-0000-0000-000000000000").await;
    let mac: Mac = MAC.parse().unwrap();
    assert_eq!(registered.node, NodeUuid::from_mac(&mac));
    // The same machine again is the same node.
    let (again, _) = boot(&lab.app, "00000000-0000-0000-0000-000000000000").await;
    assert_eq!(again.node, registered.node);
}

#[tokio::test]
async fn known_only_takes_those_that_were_added() {
    let lab = lab(|s| s.admission = AdmissionPolicy::KnownOnly).await;
    let app = &lab.app;
    let nonce = scripts::script(app, machine(NODE), "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let refused = register::register(app, registration(NODE, nonce, new_secret().unwrap())).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
    let uuid: NodeUuid = NODE.parse().unwrap();
    let patch = NodePatch { profile: Some("p".into()), hostname: Some("hv-1".into()), ..NodePatch::default() };
    let added = nodes::add(app, uuid.clone(), patch.clone()).await.unwrap();
    assert_eq!((added.summary.lifecycle.as_str(), added.summary.hostname.as_str()), ("assigned", "hv-1"));
    assert!(matches!(nodes::add(app, uuid, patch).await, Err(Error::Conflict(_))));
    let (_, credential) = boot(app, NODE).await;
    let session = auth::session(app, credential.reveal()).await.unwrap();
    assert!(matches!(plan::boot_plan(app, &session, Sha256::of("c")).await.unwrap(), PlanAnswer::Plan(_)));
}

#[tokio::test]
async fn old_boots_go_and_the_present_one_stays() {
    let lab = lab(|_| ()).await;
    let mut last = None;
    for _ in 0..BOOTS_KEPT + 5 {
        last = Some(boot(&lab.app, NODE).await);
    }
    let (registered, credential) = last.unwrap();
    let page = higuma::service::boots::list(&lab.app, registered.node, None, Some(500)).await.unwrap();
    assert_eq!(page.items.len(), BOOTS_KEPT + 1);
    assert_eq!(page.items[0].id, registered.boot.to_string());
    assert!(auth::session(&lab.app, credential.reveal()).await.is_ok());
}

#[tokio::test]
async fn a_waiting_node_is_told_to_wait_until_it_has_a_profile() {
    let lab = lab(|_| ()).await;
    let (registered, credential) = boot(&lab.app, NODE).await;
    let session = auth::session(&lab.app, credential.reveal()).await.unwrap();
    let ask = || plan::boot_plan(&lab.app, &session, Sha256::of("callback"));
    match ask().await.unwrap() {
        PlanAnswer::Wait { reason, .. } => assert_eq!(reason, "the node waits for approval"),
        other => panic!("{other:?}"),
    }
    assign(&lab.app, &registered.node).await;
    assert!(matches!(ask().await.unwrap(), PlanAnswer::Plan(_)));
    // A newer boot of the node ends this one.
    boot(&lab.app, NODE).await;
    assert!(matches!(auth::session(&lab.app, credential.reveal()).await, Err(Error::Unauthorized(_))));
    assert!(matches!(ask().await, Err(Error::Unauthorized(_))));
}
