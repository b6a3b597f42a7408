//! Search, admission rules and parking over SQLite, without any listener.

use crate::common::lab;
use higuma::domain::boot::Boot;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::{Admission, AdmissionPolicy, Node};
use higuma::domain::parking::{ParkAction, Parking};
use higuma::domain::script::Machine;
use higuma::domain::{NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::nodes::NodeQuery;
use higuma::service::plan::PlanAnswer;
use higuma::service::register::Registration;
use higuma::service::{App, auth, events, facts, new_secret, nodes, plan, register, rules, scripts};
use higuma::store::{StoredInventory, StoredVersion};
use higuma_proto::agent::{Inventory, Memory, Neighbour, Nic, System};
use higuma_proto::api::{NodePatch, PutRules, Rule, RuleTest};

fn uuid(n: u32) -> NodeUuid {
    format!("4c4c4544-0046-3010-8052-b4c0{n:08x}").parse().unwrap()
}

/// A machine of `n` GiB with serial number `Sn`.
fn inventory(n: u32, driver: &str) -> Inventory {
    Inventory {
        system: Some(System { serial: format!("S{n}"), manufacturer: "Kuma".into(), ..System::default() }),
        memory: Some(Memory { total_bytes: u64::from(n) << 30, ..Memory::default() }),
        nics: vec![Nic { name: "eth0".into(), driver: driver.into(), ..Nic::default() }],
        ..Inventory::default()
    }
}

async fn try_boot(app: &App, n: u32, driver: &str) -> Result<Boot, Error> {
    let told = Told { uuid: Some(uuid(n)), ..Told::default() };
    let machine = Machine { told, mac: None, arch: Some(Arch::X86_64) };
    let nonce = scripts::script(app, machine, "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let credential = new_secret().unwrap();
    let registration = Registration {
        nonce,
        credential: credential.clone(),
        uuid: Some(uuid(n)),
        node: None,
        boot_mac: None,
        inventory: inventory(n, driver),
        neighbours: vec![],
    };
    register::register(app, registration).await?;
    auth::session(app, credential.reveal()).await
}

async fn boot(app: &App, n: u32) -> Boot {
    try_boot(app, n, "igb").await.unwrap()
}

/// Admission, and who decided it.
async fn admission(app: &App, n: u32) -> (String, String) {
    let node = nodes::show(app, uuid(n)).await.unwrap().summary;
    (node.admission, node.admitted_by.unwrap_or_default())
}

fn admits(name: &str, when: &str, admission: &str) -> Rule {
    Rule { name: name.into(), when: when.into(), admission: Some(admission.into()), ..Rule::default() }
}

fn parks(name: &str, when: &str, park: &str, after: u32) -> Rule {
    Rule {
        name: name.into(),
        when: when.into(),
        park: Some(park.into()),
        park_after_seconds: Some(after),
        ..Rule::default()
    }
}

async fn put(app: &App, list: &[Rule]) -> higuma_proto::api::RuleList {
    rules::replace(app, PutRules { rules: list.to_vec(), expected_hash: None }).await.unwrap()
}

async fn find(app: &App, text: &str) -> Result<Vec<String>, Error> {
    let query = NodeQuery { selector: Some(text.parse()?), ..NodeQuery::default() };
    Ok(nodes::list(app, query).await?.items.into_iter().map(|node| node.serial).collect())
}

fn person(admission: &str) -> NodePatch {
    NodePatch { admission: Some(admission.into()), ..NodePatch::default() }
}

#[tokio::test]
async fn a_search_finds_what_was_registered_and_follows_changes() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    for n in 1..=3 {
        try_boot(app, n, if n == 2 { "mlx5_core" } else { "igb" }).await.unwrap();
    }
    let mlx = "node.memory.total >= 2*GiB && node.nics.exists(n, n.driver == 'mlx5_core')";
    assert_eq!(find(app, mlx).await.unwrap(), ["S2"]);
    assert_eq!(find(app, "node.serial == 'S3' && node.memory.total == 3*GiB").await.unwrap(), ["S3"]);
    assert_eq!(find(app, "node.manufacturer == 'Kuma' && node.admission == 'pending'").await.unwrap().len(), 3);
    assert!(find(app, "node.serial == 'S3' && node.memory.total == 2*GiB").await.unwrap().is_empty());
    // What it should be is looked up when it is asked, not when it registered.
    nodes::patch(app, uuid(1), person("admitted")).await.unwrap();
    assert_eq!(find(app, "node.lifecycle == 'ready'").await.unwrap(), ["S1"]);
    let heard = Neighbour { interface: "eth0".into(), system_name: "leaf-1".into(), pvid: 7, ..Neighbour::default() };
    let again = try_boot(app, 3, "ixgbe").await.unwrap();
    events::report(app, &again, vec![], Some(vec![heard])).await.unwrap();
    let cabled = "node.neighbours.exists(x, x.switch == 'leaf-1' && x.vlan == 7) && node.nics[0].driver == 'ixgbe'";
    assert_eq!(find(app, cabled).await.unwrap(), ["S3"]);
    // With the other filters.
    let query = NodeQuery {
        selector: Some("node.memory.total > 0".parse().unwrap()),
        text: Some("s2".into()),
        ..NodeQuery::default()
    };
    assert_eq!(nodes::list(app, query).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_search_that_cannot_be_worked_out_names_the_node_and_pages_are_whole() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    for n in 1..=7 {
        boot(app, n).await;
    }
    let error = find(app, "node.disks[0].size > 0").await.unwrap_err();
    assert_eq!(error.code(), "bad_request");
    assert!(error.to_string().contains(uuid(1).as_str()) && error.to_string().contains("index"), "{error}");
    let error = find(app, "node.memroy.total > 0").await.unwrap_err().to_string();
    assert!(error.contains("character 6") && error.contains("memory"), "{error}");
    let (mut cursor, mut seen) = (None, vec![]);
    loop {
        let selector = Some("node.memory.total >= 2*GiB && node.memory.total != 5*GiB".parse().unwrap());
        let page =
            nodes::list(app, NodeQuery { selector, cursor, limit: Some(2), ..NodeQuery::default() }).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|node| node.serial));
        match page.next {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, ["S2", "S3", "S4", "S6", "S7"]);
}

#[tokio::test]
async fn nodes_of_an_earlier_release_are_found_after_their_facts_were_made() {
    let lab = lab(|_| ()).await;
    let json = serde_json::to_string(&inventory(5, "igb")).unwrap();
    lab.app
        .store
        .write(move |tx| {
            tx.put_node(&Node { serial: "S5".into(), ..Node::new(uuid(5), Admission::Admitted, 1) })?;
            let version =
                StoredVersion { number: 1, hash: Sha256::of(&json), size: 1, changes: 0, at: 1, last_seen: 1 };
            let unread = Default::default();
            tx.put_inventory(&uuid(5), &StoredInventory { version, json: json.clone(), unread })
        })
        .await
        .unwrap();
    assert!(find(&lab.app, "node.memory.total == 5*GiB").await.unwrap().is_empty());
    assert!(facts::fill_in(&lab.app).await.unwrap());
    assert!(!facts::fill_in(&lab.app).await.unwrap());
    assert_eq!(find(&lab.app, "node.memory.total == 5*GiB").await.unwrap(), ["S5"]);
}

#[tokio::test]
async fn rules_decide_about_machines_that_nobody_decided_about() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    boot(app, 1).await;
    assert_eq!(admission(app, 1).await, ("pending".into(), "policy".into()));
    nodes::patch_by(app, uuid(1), person("pending"), "ana").await.unwrap();
    boot(app, 2).await;
    let list = [
        admits("broken", "node.disks[0].size > 0", "rejected"),
        admits("small", "node.memory.total < 4*GiB", "admitted"),
        admits("nine", "node.serial == 'S9'", "rejected"),
    ];
    put(app, &list).await;
    for n in [1, 2, 3, 8, 9] {
        boot(app, n).await;
    }
    assert_eq!(admission(app, 1).await, ("pending".into(), "person ana".into()), "a person's word stays");
    assert_eq!(admission(app, 2).await, ("admitted".into(), "rule small".into()), "it was pending by policy");
    assert_eq!(admission(app, 3).await, ("admitted".into(), "rule small".into()));
    assert_eq!(admission(app, 8).await, ("pending".into(), "policy".into()));
    assert_eq!(admission(app, 9).await, ("rejected".into(), "rule nine".into()));
    // What is decided is not decided anew; a person may.
    put(app, &[admits("all", "true", "rejected")]).await;
    boot(app, 2).await;
    assert_eq!(admission(app, 2).await.0, "admitted");
    nodes::patch_by(app, uuid(9), person("admitted"), "ben").await.unwrap();
    assert_eq!(admission(app, 9).await, ("admitted".into(), "person ben".into()));
}

#[tokio::test]
async fn with_known_only_a_rule_may_admit() {
    let lab = lab(|s| s.admission = AdmissionPolicy::KnownOnly).await;
    put(&lab.app, &[admits("ours", "node.serial == 'S1'", "admitted")]).await;
    boot(&lab.app, 1).await;
    assert_eq!(admission(&lab.app, 1).await, ("admitted".into(), "rule ours".into()));
    assert!(matches!(try_boot(&lab.app, 2, "igb").await, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn a_list_is_replaced_whole_or_not_at_all() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let first = put(app, &[admits("a", "true", "admitted")]).await;
    let bad = vec![admits("b", "true", "admitted"), admits("c", "node.serail == 'x'", "admitted")];
    let error = rules::replace(app, PutRules { rules: bad, expected_hash: None }).await.unwrap_err().to_string();
    assert!(error.starts_with("rule c: character 6") && error.contains("serial"), "{error}");
    let error = rules::replace(app, PutRules { rules: vec![admits("d", "true", "maybe")], expected_hash: None }).await;
    assert!(error.unwrap_err().to_string().starts_with("rule d: admission: expected"));
    assert_eq!(rules::list(app).await.unwrap(), first);
    let second = PutRules { rules: vec![admits("e", "true", "pending")], expected_hash: Some(first.hash.clone()) };
    let after = rules::replace(app, second.clone()).await.unwrap();
    assert_ne!(after.hash, first.hash);
    assert!(matches!(rules::replace(app, second).await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_why() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    for n in 1..=4 {
        boot(app, n).await;
    }
    nodes::patch(app, uuid(4), person("pending")).await.unwrap();
    let tested = rules::test(app, RuleTest { when: Some("node.memory.total >= 3*GiB".into()), ..RuleTest::default() });
    let tested = tested.await.unwrap();
    assert_eq!((tested.scanned, tested.matching, tested.nodes.len(), tested.next), (4, 2, 2, None));
    let list = vec![
        admits("big", "node.memory.total >= 2*GiB", "admitted"),
        parks("off", "node.serial == 'S1'", "poweroff", 60),
        parks("broken", "node.gpus[3].id == ''", "wait", 0),
    ];
    let wrong = RuleTest { rules: Some(list.clone()), ..RuleTest::default() };
    assert!(rules::test(app, wrong).await.unwrap_err().to_string().contains("park_after needs park"));
    let broken = Rule { park_after_seconds: None, ..list[2].clone() };
    let list = vec![list[0].clone(), list[1].clone(), broken];
    let tested = rules::test(app, RuleTest { rules: Some(list), ..RuleTest::default() }).await.unwrap();
    let changes: Vec<_> =
        tested.changes.iter().map(|c| (c.node.as_str(), c.change.as_str(), c.because.as_str())).collect();
    let because = "rule big: node.memory.total >= 2*GiB";
    assert_eq!(
        changes,
        [
            (uuid(1).as_str(), "parks: as the settings say -> poweroff after 60 s", "rule off: node.serial == 'S1'"),
            (uuid(2).as_str(), "pending -> admitted", because),
            (uuid(3).as_str(), "pending -> admitted", because),
        ]
    );
    assert_eq!(tested.matching, 3);
    assert!(tested.failures[0].starts_with("rule broken, node"), "{:?}", tested.failures);
    assert_eq!(admission(app, 2).await.0, "pending", "nothing was changed");
    // A tag has the rule that says it as its reason.
    let tags = |name: &str, when: &str, tag: &str| Rule {
        name: name.into(),
        when: when.into(),
        tags: vec![tag.into()],
        ..Rule::default()
    };
    let list = vec![tags("all", "true", "here"), tags("one", "node.serial == 'S1'", "gold")];
    put(app, &list[..1]).await;
    while rules::work_once(app).await.unwrap() {}
    let tested = rules::test(app, RuleTest { rules: Some(list), ..RuleTest::default() }).await.unwrap();
    let changes: Vec<_> = tested.changes.iter().map(|c| (c.change.as_str(), c.because.as_str())).collect();
    assert_eq!(changes, [("tags: here -> gold here", "rule one: node.serial == 'S1'")]);
    assert!(rules::test(app, RuleTest::default()).await.is_err());
}

async fn ask(app: &App, boot: &Boot) -> PlanAnswer {
    plan::boot_plan(app, boot, Sha256::of("callback")).await.unwrap()
}

#[tokio::test]
async fn a_node_without_a_profile_is_parked_by_setting_or_rule() {
    const SECOND: i64 = 1_000_000;
    let lab = lab(|s| s.parking = Parking { action: ParkAction::Reboot, after: 300 * SECOND }).await;
    let app = &lab.app;
    let one = boot(app, 1).await;
    // Pending: it waits for a person, whatever the settings say.
    assert!(matches!(ask(app, &one).await, PlanAnswer::Wait { reason, .. } if reason == "the node waits for approval"));
    nodes::patch(app, uuid(1), person("admitted")).await.unwrap();
    match ask(app, &one).await {
        PlanAnswer::Park { reason, action, after_seconds } => {
            assert_eq!((reason.as_str(), action), ("the node has no profile", ParkAction::Reboot));
            assert!((295..=300).contains(&after_seconds), "{after_seconds}");
        }
        other => panic!("{other:?}"),
    }
    // A rule overrides, for pending nodes too; the first that speaks of parking counts.
    let list = [
        admits("later", "true", "pending"),
        parks("two", "node.serial == 'S2'", "poweroff", 0),
        Rule { park_after_seconds: None, ..parks("rest", "true", "wait", 0) },
    ];
    put(app, &list).await;
    assert!(matches!(ask(app, &one).await, PlanAnswer::Wait { reason, .. } if reason.ends_with("(rule rest)")));
    let two = boot(app, 2).await;
    match ask(app, &two).await {
        PlanAnswer::Park { reason, action, after_seconds: 0 } => {
            assert_eq!((reason.as_str(), action), ("the node waits for approval", ParkAction::Poweroff));
        }
        other => panic!("{other:?}"),
    }
    // Who takes a node aside does not want it to go away.
    let aside = NodePatch { maintenance: Some(true), admission: Some("admitted".into()), ..NodePatch::default() };
    nodes::patch(app, uuid(2), aside).await.unwrap();
    assert!(matches!(ask(app, &two).await, PlanAnswer::Wait { .. }));
}
