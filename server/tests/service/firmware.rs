//! The firmware policy over SQLite, without any listener: what boots are told, what is counted, what people see.

use crate::common::Lab;
use higuma::domain::firmware::{Attempt, Outcome, State, TRIES};
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::script::Machine;
use higuma::domain::{NodeUuid, Sha256, node_event::Kind};
use higuma::error::Error;
use higuma::service::firmware::{self, FirmwareAnswer, Said};
use higuma::service::node_events::{self, NodeEventQuery};
use higuma::service::plan::PlanAnswer;
use higuma::service::register::{self, Registration};
use higuma::service::{Settings, auth, new_secret, nodes, plan, scripts, sweep};
use higuma::store::NodeEventFilter;
use higuma_proto::agent::{Bios, Inventory, Neighbour, Nic, System};
use higuma_proto::api::{NewFirmwareRule, NodeFirmware, NodePatch};
use serde_json::{Value, json};
use std::sync::Arc;

type Boot = higuma::domain::boot::Boot;

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

async fn lab(admission: AdmissionPolicy) -> Lab {
    let lab = crate::common::lab(|s| s.admission = admission).await;
    higuma::service::blobs::record(&lab.app, Sha256::of("archive"), 7).await.unwrap();
    lab
}

/// A rule for the BIOS, changed by `more`.
fn rule(more: Value) -> NewFirmwareRule {
    let mut rule = json!({"name": "r", "component": "bios", "wanted": "2.0.0"});
    let fields = rule.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    if rule["mode"] == "update" {
        rule["update"] = json!({"blob": Sha256::of("archive").to_string(), "exec": "busybox", "args": ["sh"],
            "deadline_seconds": 60});
    }
    serde_json::from_value(rule).unwrap()
}

/// What node `n` tells when it has this BIOS.
fn inventory(n: u32, bios: &str) -> Inventory {
    Inventory {
        system: Some(System { product: "Higuma One".into(), ..System::default() }),
        bios: Some(Bios { vendor: "Kuma".into(), version: bios.into(), ..Bios::default() }),
        nics: vec![Nic { mac: format!("52:54:00:00:00:{n:02x}"), driver: "virtio_net".into(), ..Nic::default() }],
        ..Inventory::default()
    }
}

impl Lab {
    async fn rule(&self, more: Value) {
        firmware::create(&self.app, rule(more)).await.unwrap();
        firmware::reassess(&self.app).await.unwrap();
    }

    /// Power on: the node registers with this BIOS.
    async fn boot(&self, n: u32, bios: &str) -> Boot {
        self.register(n, inventory(n, bios), vec![]).await
    }

    async fn register(&self, n: u32, inventory: Inventory, neighbours: Vec<Neighbour>) -> Boot {
        let mac = format!("52:54:00:00:00:{n:02x}");
        let told = Told { uuid: Some(uuid(n)), ..Told::default() };
        let machine = Machine { told, mac: Some(mac.parse().unwrap()), arch: Some(Arch::X86_64) };
        let nonce = scripts::script(&self.app, machine, "10.0.0.1:8080").await.unwrap().nonce.unwrap();
        let credential = new_secret().unwrap();
        let registration = Registration {
            nonce,
            credential: credential.clone(),
            uuid: Some(uuid(n)),
            node: None,
            boot_mac: Some(mac.parse().unwrap()),
            inventory,
            neighbours,
        };
        register::register(&self.app, registration).await.unwrap();
        auth::session(&self.app, credential.reveal()).await.unwrap()
    }

    async fn ask(&self, boot: &Boot) -> FirmwareAnswer {
        firmware::ask(&self.app, boot).await.unwrap()
    }

    /// Must get an update.
    async fn update(&self, boot: &Boot) -> Attempt {
        match self.ask(boot).await {
            FirmwareAnswer::Update(handed) => {
                assert_eq!((handed.size, handed.http_base.as_str()), (7, "http://10.0.0.1:8080"));
                handed.attempt
            }
            other => panic!("expected an update, got {other:?}"),
        }
    }

    async fn report(&self, boot: &Boot, attempt: &Attempt, exit_code: i32, output: &str) {
        let said = Said {
            attempt: attempt.id.to_string(),
            exit_code: Some(exit_code),
            output: output.as_bytes().to_vec(),
            ..Said::default()
        };
        firmware::report(&self.app, boot, said).await.unwrap();
    }

    async fn plan(&self, boot: &Boot) -> PlanAnswer {
        plan::boot_plan(&self.app, boot, Sha256::of(format!("callback {}", boot.id))).await.unwrap()
    }

    async fn show(&self, n: u32) -> NodeFirmware {
        firmware::show(&self.app, uuid(n)).await.unwrap()
    }

    /// Open events of a node about firmware as "severity subject: message".
    async fn events(&self, n: u32) -> Vec<String> {
        let filter = NodeEventFilter { node: Some(uuid(n)), kind: Some(Kind::Firmware), open: true, severity: None };
        let page = node_events::list(&self.app, NodeEventQuery { filter, ..NodeEventQuery::default() }).await.unwrap();
        page.items.into_iter().map(|e| format!("{} {}: {}", e.severity, e.subject, e.message)).collect()
    }

    async fn assign(&self, n: u32) {
        let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
        nodes::patch(&self.app, uuid(n), patch).await.unwrap();
    }

    /// The state in the node's stored row, which the fleet page counts.
    async fn counted(&self) -> Vec<(String, u64)> {
        let all = firmware::compliance(&self.app).await.unwrap().nodes;
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

fn waits_for(answer: &PlanAnswer, words: &str, asks: bool) {
    match answer {
        PlanAnswer::Wait { reason, ask_firmware, .. } => {
            assert!(reason.contains(words) && *ask_firmware == asks, "{reason}, {ask_firmware}");
        }
        other => panic!("expected to wait, got {other:?}"),
    }
}

#[tokio::test]
async fn report_tells_and_stops_nothing() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "report"})).await;
    let boot = lab.boot(1, "1.2.3").await;
    lab.assign(1).await;
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Nothing);
    assert!(matches!(lab.plan(&boot).await, PlanAnswer::Plan(_)));
    assert_eq!(lab.events(1).await, ["warning firmware:bios: BIOS 1.2.3, wanted 2.0.0 (rule r)"]);
    assert_eq!(lab.counted().await, [("differs".to_owned(), 1)]);
    // Again the same: told once.
    lab.boot(1, "1.2.3").await;
    assert_eq!(lab.events(1).await.len(), 1);
    lab.boot(1, "2.0.0").await;
    assert!(lab.events(1).await.is_empty());
    assert_eq!(lab.counted().await, [("compliant".to_owned(), 1)]);
    // The rule goes: nothing to be told any more.
    lab.boot(1, "1.2.3").await;
    assert_eq!(lab.events(1).await.len(), 1);
    firmware::delete(&lab.app, "r".parse().unwrap()).await.unwrap();
    firmware::reassess(&lab.app).await.unwrap();
    assert!(lab.events(1).await.is_empty());
    assert_eq!(lab.counted().await, [("no-rule".to_owned(), 1)]);
}

#[tokio::test]
async fn hold_keeps_the_plan_back_even_from_an_agent_that_does_not_ask() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "hold"})).await;
    let boot = lab.boot(1, "1.2.3").await;
    lab.assign(1).await;
    waits_for(&lab.plan(&boot).await, "BIOS 1.2.3, wanted 2.0.0", false);
    let FirmwareAnswer::Hold { reason, retry_after } = lab.ask(&boot).await else { panic!("not held") };
    assert!(reason.contains("BIOS 1.2.3") && retry_after == 5, "{reason}");
    assert!(matches!(plan::current(&lab.app, &boot).await, Err(Error::NotFound(_))), "nor by JSON");
    assert_eq!(lab.counted().await, [("held".to_owned(), 1)]);
    let good = rule(json!({"mode": "hold", "allowed": ["1.2.3"]}));
    firmware::update(&lab.app, "r".parse().unwrap(), good).await.unwrap();
    firmware::reassess(&lab.app).await.unwrap();
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Nothing);
    assert!(matches!(lab.plan(&boot).await, PlanAnswer::Plan(_)));
}

#[tokio::test]
async fn an_update_that_works() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update"})).await;
    let boot = lab.boot(1, "1.2.3").await;
    lab.assign(1).await;
    waits_for(&lab.plan(&boot).await, "to be updated first", true);
    let attempt = lab.update(&boot).await;
    assert_eq!((attempt.n, attempt.wanted.as_str(), attempt.before.as_str()), (1, "2.0.0", "1.2.3"));
    assert_eq!(lab.update(&boot).await, attempt, "a lost answer costs nothing");
    waits_for(&lab.plan(&boot).await, "to be updated first", true);
    assert_eq!(lab.counted().await, [("updating".to_owned(), 1)]);
    // The rule changes meanwhile: the attempt stays what it was.
    let other = rule(json!({"mode": "update", "wanted": "3.0.0"}));
    firmware::update(&lab.app, "r".parse().unwrap(), other).await.unwrap();
    assert_eq!(lab.update(&boot).await, attempt);
    firmware::update(&lab.app, "r".parse().unwrap(), rule(json!({"mode": "update"}))).await.unwrap();

    lab.report(&boot, &attempt, 0, "flashing\x1b[2J\n<b>done</b>").await;
    lab.report(&boot, &attempt, 1, "again").await;
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Restart);
    waits_for(&lab.plan(&boot).await, "to be updated first", true);
    let next = lab.boot(1, "2.0.0").await;
    assert_eq!(lab.ask(&next).await, FirmwareAnswer::Nothing);
    assert!(matches!(lab.plan(&next).await, PlanAnswer::Plan(_)));
    let shown = lab.show(1).await;
    assert_eq!((shown.node.state.as_str(), shown.attempts.len()), ("compliant", 1));
    let tried = &shown.attempts[0];
    assert_eq!((tried.exit.as_str(), tried.output.as_str()), ("exit code 0", "flashing [2J\n<b>done</b>"));
    assert_eq!((tried.outcome.as_deref(), tried.after.as_deref()), (Some("succeeded"), Some("2.0.0")));
    assert!(lab.events(1).await.is_empty());
    let detail = nodes::show(&lab.app, uuid(1)).await.unwrap();
    let told = detail.boot.unwrap().events.into_iter().find(|e| e.step == "firmware").unwrap().message;
    assert!(told.contains("update 1 of BIOS from 1.2.3 to 2.0.0: succeeded"), "{told}");
}

#[tokio::test]
async fn three_tries_then_a_person() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update"})).await;
    for n in 1..=TRIES {
        let boot = lab.boot(1, "1.2.3").await;
        let attempt = lab.update(&boot).await;
        assert_eq!(attempt.n, n);
        // The second is not even reported: it counts all the same.
        if n != 2 {
            lab.report(&boot, &attempt, 1, "no").await;
        }
    }
    let boot = lab.boot(1, "1.2.3").await;
    lab.assign(1).await;
    for _ in 0..3 {
        assert!(
            matches!(lab.ask(&boot).await, FirmwareAnswer::Hold { reason, .. } if reason.contains("after all tries"))
        );
    }
    waits_for(&lab.plan(&boot).await, "firmware: BIOS 1.2.3", false);
    let events = lab.events(1).await;
    assert!(events.len() == 1 && events[0].starts_with("alarm firmware:bios: BIOS 1.2.3, wanted"), "{events:?}");
    assert!(events[0].contains("3 updates did not help, the node is held"), "{events:?}");
    assert_eq!(lab.counted().await, [("failed".to_owned(), 1)]);
    let shown = lab.show(1).await;
    assert_eq!(shown.components.iter().find(|c| c.component == "bios").unwrap().tried, 3);
    let outcomes: Vec<_> = shown.attempts.iter().map(|a| (a.n, a.outcome.clone().unwrap(), a.exit.clone())).collect();
    let unchanged = |n, exit: &str| (n, "unchanged".to_owned(), exit.to_owned());
    assert_eq!(outcomes, [unchanged(3, "exit code 1"), unchanged(2, ""), unchanged(1, "exit code 1")]);

    let again = firmware::retry(&lab.app, uuid(1)).await.unwrap();
    assert_eq!((again.node.action.as_str(), again.attempts.len()), ("update", 3));
    assert_eq!(lab.update(&boot).await.n, 1, "the held node goes on without a restart");
    assert!(matches!(firmware::retry(&lab.app, uuid(9)).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn after_the_last_try_it_boots_when_the_rule_says_so() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update", "on_failure": "boot"})).await;
    for _ in 0..TRIES {
        let boot = lab.boot(1, "1.2.3").await;
        lab.update(&boot).await;
    }
    let boot = lab.boot(1, "1.2.3").await;
    lab.assign(1).await;
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Nothing);
    assert!(matches!(lab.plan(&boot).await, PlanAnswer::Plan(_)));
    assert!(lab.events(1).await[0].contains("boots with it"));
    // Another wanted version is another matter.
    let newer = rule(json!({"mode": "update", "on_failure": "boot", "wanted": "2.1.0"}));
    firmware::update(&lab.app, "r".parse().unwrap(), newer).await.unwrap();
    assert_eq!(lab.update(&lab.boot(1, "1.2.3").await).await.n, 1);
}

#[tokio::test]
async fn only_admitted_nodes_learn_anything() {
    let lab = lab(AdmissionPolicy::Approve).await;
    lab.rule(json!({"mode": "update"})).await;
    let boot = lab.boot(1, "1.2.3").await;
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Nothing);
    waits_for(&lab.plan(&boot).await, "waits for approval", false);
    let patch = |patch: NodePatch| nodes::patch(&lab.app, uuid(1), patch);
    patch(NodePatch { admission: Some("admitted".into()), maintenance: Some(true), ..NodePatch::default() })
        .await
        .unwrap();
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Nothing);
    waits_for(&lab.plan(&boot).await, "in maintenance", false);
    assert!(lab.show(1).await.attempts.is_empty());
    patch(NodePatch { maintenance: Some(false), ..NodePatch::default() }).await.unwrap();
    waits_for(&lab.plan(&boot).await, "to be updated first", true);
    assert_eq!(lab.update(&boot).await.n, 1);
    // A boot that was ended by a newer one is told nothing, whatever it was.
    lab.boot(1, "1.2.3").await;
    assert!(matches!(firmware::ask(&lab.app, &boot).await, Err(Error::Unauthorized(_))));
}

#[tokio::test]
async fn a_node_that_is_held_for_its_cables_learns_nothing() {
    let mut lab = lab(AdmissionPolicy::Auto).await;
    let settings =
        Settings { cabling_moved: higuma::domain::cabling::MovedPolicy::Hold, ..(*lab.app.settings).clone() };
    lab.app.settings = Arc::new(settings);
    lab.rule(json!({"mode": "update"})).await;
    let at = |port: &str| Neighbour {
        interface: "eth0".into(),
        mac: "52:54:00:00:00:01".into(),
        chassis_id: "52:54:00:aa:00:01".into(),
        chassis_id_type: "mac".into(),
        port_id: port.into(),
        system_name: "leaf-1".into(),
        ttl: 120,
        ..Neighbour::default()
    };
    lab.register(1, inventory(1, "1.2.3"), vec![at("swp1")]).await;
    let moved = lab.register(1, inventory(1, "1.2.3"), vec![at("swp2")]).await;
    assert!(matches!(lab.plan(&moved).await, PlanAnswer::Wait { ask_firmware: false, .. }));
    assert_eq!(lab.ask(&moved).await, FirmwareAnswer::Nothing);
    assert!(lab.show(1).await.attempts.is_empty());
    let back = lab.register(1, inventory(1, "1.2.3"), vec![at("swp1")]).await;
    assert_eq!(lab.update(&back).await.n, 1);
}

#[tokio::test]
async fn an_attempt_belongs_to_its_boot() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update"})).await;
    let (mine, other) = (lab.boot(1, "1.2.3").await, lab.boot(2, "1.2.3").await);
    let attempt = lab.update(&mine).await;
    assert_ne!(lab.update(&other).await.id, attempt.id);
    for id in [attempt.id.to_string(), "nonsense".to_owned(), uuid::Uuid::nil().to_string()] {
        let said = Said { attempt: id, exit_code: Some(0), ..Said::default() };
        assert!(matches!(firmware::report(&lab.app, &other, said).await, Err(Error::NotFound(_))));
    }
    assert!(lab.show(1).await.attempts[0].reported_us.is_none());
    let said = |said: Said| async { firmware::report(&lab.app, &mine, said).await.unwrap() };
    said(Said {
        attempt: attempt.id.to_string(),
        timed_out: true,
        signal: 9,
        error: "odd\nline".into(),
        ..Said::default()
    })
    .await;
    assert_eq!(lab.show(1).await.attempts[0].exit, "killed at its deadline of 60 s; odd line");
}

#[tokio::test]
async fn a_node_that_does_not_come_back_is_an_alarm_until_it_does() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update"})).await;
    let boot = lab.boot(1, "1.2.3").await;
    let attempt = lab.update(&boot).await;
    assert_eq!(sweep::run_once(&lab.app).await.unwrap().lost_updates, 0);
    let overdue = Attempt { deadline: 1, ..attempt };
    lab.app.store.write(move |tx| tx.put_firmware_attempt(&overdue)).await.unwrap();
    assert_eq!(sweep::run_once(&lab.app).await.unwrap().lost_updates, 1);
    let events = lab.events(1).await;
    assert!(events[0].starts_with("alarm") && events[0].contains("did not come back from update 1 of 3"), "{events:?}");
    assert_eq!(lab.counted().await, [(State::Failed.to_string(), 1)]);
    assert_eq!(lab.ask(&boot).await, FirmwareAnswer::Restart, "the same boot runs nothing more");
    let next = lab.boot(1, "2.0.0").await;
    assert_eq!(lab.ask(&next).await, FirmwareAnswer::Nothing);
    assert!(lab.events(1).await.is_empty());
    let attempt = lab.show(1).await.attempts.remove(0);
    assert_eq!(attempt.outcome.as_deref(), Some(Outcome::Succeeded.as_str()), "it came back late, and updated");
    assert_eq!(lab.counted().await, [(State::Compliant.to_string(), 1)]);
}

#[tokio::test]
async fn all_nodes_are_judged_anew_when_rules_change() {
    let lab = lab(AdmissionPolicy::Auto).await;
    for n in 1..=120 {
        lab.boot(n, if n % 3 == 0 { "2.0.0" } else { "1.0" }).await;
    }
    // As if these had registered before firmware was looked at.
    assert_eq!(lab.counted().await, [("no-rule".to_owned(), 120)]);
    firmware::create(&lab.app, rule(json!({"mode": "hold"}))).await.unwrap();
    let begun = std::time::Instant::now();
    while lab.counted().await != [("compliant".to_owned(), 40), ("held".to_owned(), 80)] {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", lab.counted().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(firmware::reassess(&lab.app).await.unwrap(), 0, "once each");
    let held = firmware::NodesQuery { state: Some(State::Held), cursor: None, limit: Some(50) };
    let first = firmware::nodes(&lab.app, held.clone()).await.unwrap();
    let cursor = first.next.map(|next| next.parse().unwrap());
    let second = firmware::nodes(&lab.app, firmware::NodesQuery { cursor, ..held }).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (50, 30, None));
    assert!(first.items[0].reason.contains("BIOS 1.0, wanted 2.0.0"), "{:?}", first.items[0]);
}

#[tokio::test]
async fn a_node_that_tells_nothing_does_not_get_around_a_rule() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "hold"})).await;
    lab.boot(1, "1.2.3").await;
    let boot = lab.register(1, Inventory::default(), vec![]).await;
    lab.assign(1).await;
    waits_for(&lab.plan(&boot).await, "BIOS 1.2.3", false);
}

#[tokio::test]
async fn rules_are_made_changed_ordered_and_deleted() {
    let lab = lab(AdmissionPolicy::Auto).await;
    let app = &lab.app;
    let names = async || -> Vec<String> {
        firmware::list_rules(app)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|r| format!("{} {}", r.position, r.spec.name))
            .collect()
    };
    for name in ["a", "b", "c"] {
        firmware::create(app, rule(json!({ "name": name }))).await.unwrap();
    }
    assert!(matches!(firmware::create(app, rule(json!({"name": "b"}))).await, Err(Error::Conflict(_))));
    let missing = json!({"name": "d", "mode": "update"});
    let mut missing = rule(missing);
    missing.update.as_mut().unwrap().blob = "0".repeat(64);
    let error = firmware::create(app, missing).await.unwrap_err();
    assert!(error.to_string().contains("upload it first"), "{error}");
    let large = Sha256::of("large");
    higuma::service::blobs::record(app, large.clone(), 3 << 30).await.unwrap();
    let mut too_large = rule(json!({"name": "d", "mode": "update"}));
    too_large.update.as_mut().unwrap().blob = large.to_string();
    let error = firmware::create(app, too_large).await.unwrap_err();
    assert!(error.to_string().contains("2 GiB at most"), "{error}");
    let name = |text: &str| text.parse().unwrap();
    firmware::move_before(app, name("c"), Some(name("a"))).await.unwrap();
    assert_eq!(names().await, ["1 c", "2 a", "3 b"]);
    firmware::move_before(app, name("c"), None).await.unwrap();
    firmware::move_before(app, name("a"), Some(name("a"))).await.unwrap();
    assert_eq!(names().await, ["1 a", "2 b", "3 c"]);
    assert!(matches!(firmware::move_before(app, name("a"), Some(name("x"))).await, Err(Error::NotFound(_))));
    let changed = firmware::update(app, name("b"), rule(json!({"name": "b", "mode": "update"}))).await.unwrap();
    assert_eq!((changed.position, changed.spec.mode.as_str()), (2, "update"));
    assert_eq!(changed.spec, rule(json!({"name": "b", "mode": "update"})), "what was given is what is shown");
    assert!(matches!(firmware::update(app, name("a"), rule(json!({"name": "b"}))).await, Err(Error::BadRequest(_))));
    assert!(matches!(firmware::update(app, name("x"), rule(json!({"name": "x"}))).await, Err(Error::NotFound(_))));
    firmware::delete(app, name("b")).await.unwrap();
    assert!(matches!(firmware::delete(app, name("b")).await, Err(Error::NotFound(_))));
    assert_eq!(names().await, ["1 a", "2 c"]);
}

#[tokio::test]
async fn never_a_fourth_whatever_the_order_of_things() {
    let lab = lab(AdmissionPolicy::Auto).await;
    lab.rule(json!({"mode": "update"})).await;
    let mut boot = lab.boot(1, "1.0").await;
    let mut last = None;
    // A fixed sequence that looks like none: a linear congruential generator.
    let mut seed = 12_345u32;
    for _ in 0..150 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match seed >> 29 {
            0 => boot = lab.boot(1, ["1.0", "1.9", "2.0.0", ""][(seed >> 20) as usize % 4]).await,
            1 => _ = sweep::run_once(&lab.app).await.unwrap(),
            2 => {
                if let Some(attempt) = &last {
                    let said = Said { attempt: Attempt::clone(attempt).id.to_string(), ..Said::default() };
                    let _ = firmware::report(&lab.app, &boot, said).await;
                }
            }
            _ => {
                if let FirmwareAnswer::Update(handed) = lab.ask(&boot).await {
                    last = Some(handed.attempt);
                }
            }
        }
        assert!(lab.show(1).await.attempts.len() <= 3);
    }
    assert_eq!(lab.show(1).await.attempts.len(), 3, "the sequence is long enough to try them all");
}
