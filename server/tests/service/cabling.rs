//! Cabling from Register and reports to alarms, holds and the comparison with what is expected, over SQLite without any
//! listener.

use crate::common::Lab;
use higuma::domain::boot::Boot;
use higuma::domain::cabling::MovedPolicy;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::script::Machine;
use higuma::domain::{NodeUuid, Sha256, node_event::Kind};
use higuma::error::Error;
use higuma::service::expected::CheckQuery;
use higuma::service::node_events::{self, NodeEventQuery};
use higuma::service::plan::PlanAnswer;
use higuma::service::register::{Registered, Registration};
use higuma::service::switches;
use higuma::service::switches::LinkQuery;
use higuma::service::{App, Settings, auth, cabling, events, expected, new_secret, nodes, plan, register, scripts};
use higuma::store::{LinkFilter, NodeEventFilter};
use higuma_proto::agent::{Inventory, Link, Neighbour, Nic, System, Volatile};
use higuma_proto::api::{NewExpected, NodePatch};

const NODE: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const OTHER: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";

async fn lab(change: impl FnOnce(&mut Settings)) -> Lab {
    crate::common::lab(|s| {
        s.admission = AdmissionPolicy::Auto;
        change(s);
    })
    .await
}

/// MAC of a node's NIC: `machine` tells machines apart.
fn mac(machine: u8, nic: u8) -> String {
    format!("52:54:00:00:{machine:02x}:{nic:02x}")
}

fn heard(machine: u8, nic: u8, port: u8) -> Neighbour {
    Neighbour {
        interface: format!("eth{nic}"),
        mac: mac(machine, nic),
        chassis_id: "02:aa".into(),
        chassis_id_type: "mac_address".into(),
        port_id: format!("swp{port}"),
        port_id_type: "interface_name".into(),
        ttl: 120,
        port_description: format!("to rack {port}"),
        system_name: "tor-1".into(),
        ..Neighbour::default()
    }
}

/// A machine with two NICs with link boots under a name, having heard `neighbours` so far.
async fn boot(app: &App, uuid: &str, machine: u8, neighbours: Vec<Neighbour>) -> (Registered, Boot) {
    let asks = Machine {
        told: Told { uuid: Some(uuid.parse().unwrap()), serial: format!("SN{uuid}"), ..Told::default() },
        mac: Some(mac(machine, 0).parse().unwrap()),
        arch: Some(Arch::X86_64),
    };
    let nonce = scripts::script(app, asks, "10.0.0.1:8080").await.unwrap().nonce.unwrap();
    let credential = new_secret().unwrap();
    let nic = |n: u8| Nic { name: format!("eth{n}"), mac: mac(machine, n), ..Nic::default() };
    let link = |n: u8| Link { nic: format!("eth{n}"), up: true, speed_mbps: 0 };
    let volatile = Volatile { links: vec![link(0), link(1)], ..Volatile::default() };
    let request = Registration {
        nonce,
        credential: credential.clone(),
        uuid: Some(uuid.parse().unwrap()),
        node: None,
        boot_mac: Some(mac(machine, 0).parse().unwrap()),
        inventory: Inventory {
            system: Some(System { serial: format!("SN{uuid}"), ..System::default() }),
            nics: vec![nic(0), nic(1)],
            volatile: Some(volatile),
            ..Inventory::default()
        },
        neighbours,
    };
    let registered = register::register(app, request.clone()).await.unwrap();
    let again = register::register(app, request).await.unwrap();
    assert_eq!(again.boot, registered.boot);
    let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(app, registered.node.clone(), patch).await.unwrap();
    (registered, auth::session(app, credential.reveal()).await.unwrap())
}

async fn open_events(app: &App, uuid: &str) -> Vec<(String, String, String)> {
    let (node, kind) = (Some(uuid.parse().unwrap()), Some(Kind::Cabling));
    let filter = NodeEventFilter { node, kind, open: true, ..NodeEventFilter::default() };
    let page = node_events::list(app, NodeEventQuery { filter, ..NodeEventQuery::default() }).await.unwrap();
    page.items.into_iter().map(|e| (e.severity, e.subject, e.message)).collect()
}

async fn ask(app: &App, session: &Boot) -> Option<String> {
    match plan::boot_plan(app, session, Sha256::of(format!("callback {}", session.id))).await.unwrap() {
        PlanAnswer::Plan(_) => None,
        PlanAnswer::Wait { reason, .. } => Some(reason),
        other => panic!("{other:?}"),
    }
}

async fn report(app: &App, session: &Boot, neighbours: Vec<Neighbour>) {
    events::report(app, session, vec![], Some(neighbours)).await.unwrap();
}

const SECOND: i64 = 1_000_000;

#[tokio::test]
async fn a_boot_waits_only_for_what_is_not_known_yet() {
    let lab = lab(|_| ()).await;
    let both = || vec![heard(1, 0, 1), heard(1, 1, 2)];
    let (first, session) = boot(&lab.app, NODE, 1, vec![]).await;
    assert_eq!(first.lldp_wait, 3 * SECOND);
    report(&lab.app, &session, both()).await;
    assert_eq!(boot(&lab.app, NODE, 1, vec![heard(1, 0, 1)]).await.0.lldp_wait, 3 * SECOND, "one is still silent");
    assert_eq!(boot(&lab.app, NODE, 1, both()).await.0.lldp_wait, 0);
    assert_eq!(boot(&lab.app, NODE, 1, vec![heard(1, 0, 1), heard(1, 1, 9)]).await.0.lldp_wait, 3 * SECOND, "moved");
}

#[tokio::test]
async fn a_moved_cable_is_an_alarm_before_the_plan_and_the_new_place_holds() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    boot(app, NODE, 1, vec![heard(1, 0, 3)]).await;
    assert!(open_events(app, NODE).await.is_empty());
    let (_, session) = boot(app, NODE, 1, vec![heard(1, 0, 7)]).await;
    let alarm = (
        "alarm".to_owned(),
        "cable:52:54:00:00:01:00".to_owned(),
        "eth0 (52:54:00:00:01:00) was at tor-1 port swp3, is at tor-1 port swp7".to_owned(),
    );
    assert_eq!(
        open_events(app, NODE).await,
        std::slice::from_ref(&alarm),
        "it is there before the node asks for a plan"
    );
    assert_eq!(ask(app, &session).await, None, "the default only tells");
    // The same place again is no news; it stays told until somebody has seen it.
    let (again, _) = boot(app, NODE, 1, vec![heard(1, 0, 7)]).await;
    assert_eq!((again.lldp_wait, open_events(app, NODE).await), (0, vec![alarm]));
    let history = LinkQuery { filter: LinkFilter::default(), ..LinkQuery::default() };
    let links = switches::links(app, history).await.unwrap().items;
    let ends: Vec<_> = links.iter().map(|l| (l.port_id.as_str(), l.ended_us.is_some(), l.mark.as_str())).collect();
    assert_eq!(ends, [("swp3", true, ""), ("swp7", false, "moved")]);
    cabling::accept(app, NODE.parse().unwrap(), "ana").await.unwrap();
    assert!(open_events(app, NODE).await.is_empty());
}

#[tokio::test]
async fn under_hold_the_node_waits_until_it_is_accepted_or_back() {
    let lab = lab(|s| (s.cabling_moved, s.lldp_wait) = (MovedPolicy::Hold, 0)).await;
    let app = &lab.app;
    let (_, session) = boot(app, NODE, 1, vec![heard(1, 0, 3)]).await;
    assert_eq!(ask(app, &session).await, None);
    // Heard after Register, before the plan.
    let (_, session) = boot(app, NODE, 1, vec![]).await;
    report(app, &session, vec![heard(1, 0, 7)]).await;
    assert!(ask(app, &session).await.unwrap().starts_with("cabling changed"));
    assert!(matches!(plan::current(app, &session).await, Err(Error::NotFound(_))), "nor by JSON");
    // A restart does not help, nor does silence.
    let (_, session) = boot(app, NODE, 1, vec![]).await;
    assert!(ask(app, &session).await.is_some());
    // The cable is back.
    report(app, &session, vec![heard(1, 0, 3)]).await;
    assert!(open_events(app, NODE).await.is_empty());
    assert_eq!(ask(app, &session).await, None);
    // Moved again, and right this time.
    let (_, session) = boot(app, NODE, 1, vec![heard(1, 0, 9)]).await;
    assert!(ask(app, &session).await.is_some());
    let links = cabling::accept(app, NODE.parse().unwrap(), "ana").await.unwrap();
    assert_eq!((links.len(), links[0].port_id.as_str(), links[0].accepted), (1, "swp9", true));
    assert_eq!(ask(app, &session).await, None);
    let nobody: NodeUuid = OTHER.parse().unwrap();
    assert!(matches!(cabling::accept(app, nobody, "ana").await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn silence_holds_no_longer_than_the_wait_and_is_told() {
    let held = lab(|s| (s.cabling_moved, s.lldp_wait) = (MovedPolicy::Hold, 3600 * SECOND)).await;
    boot(&held.app, NODE, 1, vec![heard(1, 0, 3)]).await;
    let (_, session) = boot(&held.app, NODE, 1, vec![]).await;
    assert!(ask(&held.app, &session).await.unwrap().contains("not been heard yet"));
    report(&held.app, &session, vec![heard(1, 0, 3)]).await;
    assert_eq!(ask(&held.app, &session).await, None);

    let lab = lab(|s| (s.cabling_moved, s.lldp_wait) = (MovedPolicy::Hold, 0)).await;
    boot(&lab.app, NODE, 1, vec![heard(1, 0, 3)]).await;
    let (_, session) = boot(&lab.app, NODE, 1, vec![]).await;
    assert_eq!(ask(&lab.app, &session).await, None);
    let told = open_events(&lab.app, NODE).await;
    assert_eq!((told.len(), told[0].0.as_str()), (1, "info"));
    assert!(told[0].2.contains("it was at tor-1 port swp3"), "{told:?}");
    report(&lab.app, &session, vec![heard(1, 0, 3)]).await;
    assert!(open_events(&lab.app, NODE).await.is_empty(), "heard after all");
}

#[tokio::test]
async fn another_machine_under_a_known_name_is_told() {
    let lab = lab(|s| (s.cabling_moved, s.heartbeat_timeout) = (MovedPolicy::Hold, 0)).await;
    boot(&lab.app, NODE, 1, vec![heard(1, 0, 3)]).await;
    let (_, session) = boot(&lab.app, NODE, 2, vec![heard(2, 0, 8)]).await;
    let told = open_events(&lab.app, NODE).await;
    assert!(told[0].2.contains("is new and at tor-1 port swp8; the node was at tor-1 port swp3"), "{told:?}");
    assert!(ask(&lab.app, &session).await.is_some());
    cabling::accept(&lab.app, NODE.parse().unwrap(), "ana").await.unwrap();
    assert_eq!(ask(&lab.app, &session).await, None);
    let (again, _) = boot(&lab.app, NODE, 2, vec![heard(2, 0, 8)]).await;
    assert_eq!((again.lldp_wait, open_events(&lab.app, NODE).await.len()), (0, 0));
}

#[tokio::test]
async fn what_a_switch_does_not_say_whole_is_no_cable() {
    let lab = lab(|_| ()).await;
    let nameless = Neighbour { chassis_id: String::new(), ..heard(1, 0, 1) };
    let macless = Neighbour { mac: "eth0".into(), ..heard(1, 0, 1) };
    let (_, session) = boot(&lab.app, NODE, 1, vec![nameless, macless]).await;
    assert!(switches::links(&lab.app, LinkQuery::default()).await.unwrap().items.is_empty());
    // Several neighbours of one NIC: an unmanaged switch in between.
    report(&lab.app, &session, vec![heard(1, 0, 10), heard(1, 0, 2)]).await;
    let (switch, ports) = switches::show(&lab.app, "tor-1").await.unwrap();
    assert_eq!((switch.chassis_id.as_str(), switch.ports), ("02:aa", 3));
    let behind: Vec<_> = ports.iter().map(|p| (p.port_id.as_str(), p.links.len())).collect();
    assert_eq!(behind, [("swp1", 0), ("swp2", 1), ("swp10", 1)], "as people count");
    assert!(matches!(switches::show(&lab.app, "tor-9").await, Err(Error::NotFound(_))));
}

async fn import(app: &App, csv: &str, dry_run: bool) -> higuma::error::Result<higuma_proto::api::Imported> {
    expected::import(app, NewExpected { csv: csv.into(), dry_run }).await
}

async fn verdicts(app: &App, all: bool) -> Vec<String> {
    let page = expected::check(app, CheckQuery { all, ..CheckQuery::default() }).await.unwrap();
    page.items.into_iter().map(|f| f.verdict).collect()
}

#[tokio::test]
async fn expected_cabling_is_replaced_whole_or_not_at_all() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    boot(app, NODE, 1, vec![heard(1, 0, 1), heard(1, 1, 2)]).await;
    let good = format!("node,nic,switch,port\n{},eth0,tor-1,swp1\n{NODE},2,02:AA,to rack 2\n", NODE.to_uppercase());
    let dry = import(app, &good, true).await.unwrap();
    assert_eq!((dry.rows, dry.differ, dry.written), (2, 0, false));
    assert!(expected::list(app, None, None).await.unwrap().items.is_empty());
    import(app, &good, false).await.unwrap();
    assert_eq!(verdicts(app, true).await, ["ok", "ok"]);
    let bad = import(app, "node,nic,switch,port\na,1,t,1\nb,,t,2\nc,1,t,1\n", false).await;
    match bad {
        Err(Error::BadRequest(text)) => {
            assert_eq!(text, "line 3: expected a nic\nline 4: the same switch port as in line 2");
        }
        other => panic!("{other:?}"),
    }
    let page = expected::list(app, None, Some(1)).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].node.as_str(), page.next.as_deref()), (1, NODE, Some("1")));
    let rest = expected::list(app, Some("1"), Some(1)).await.unwrap();
    assert_eq!((rest.items[0].nic.as_str(), rest.next), ("2", None));
    assert!(expected::list(app, Some("x"), None).await.is_err());
}

#[tokio::test]
async fn wrong_and_exchanged_cables_are_told_and_cleared_when_right() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    boot(app, NODE, 1, vec![heard(1, 0, 2)]).await;
    boot(app, OTHER, 2, vec![heard(2, 0, 1)]).await;
    let (a, b) = (NODE, OTHER);
    let csv = format!("node,nic,switch,port\n{a},1,tor-1,swp1\n{b},eth0,tor-1,swp2\nnobody,eth0,tor-1,swp5\n");
    import(app, &csv, false).await.unwrap();
    assert_eq!(verdicts(app, false).await, ["swapped", "swapped", "unknown-node"]);
    let told = open_events(app, NODE).await;
    assert!(told[0].2.contains("should be at tor-1 port swp1, is at tor-1 port swp2: exchanged with"), "{told:?}");
    // One is put right: each boot tells of its own node.
    boot(app, NODE, 1, vec![heard(1, 0, 1)]).await;
    let left: Vec<String> = open_events(app, NODE).await.into_iter().map(|e| e.1).collect();
    assert_eq!(left, ["cable:52:54:00:00:01:00"], "it moved, and is where it should be");
    assert_eq!(verdicts(app, false).await, ["wrong-port", "unknown-node"]);
    boot(app, OTHER, 2, vec![heard(2, 0, 2), heard(2, 1, 8)]).await;
    assert_eq!(verdicts(app, false).await, ["unknown-node", "unexpected"]);
    // Told at a boot, not only by an import.
    boot(app, OTHER, 2, vec![heard(2, 0, 9)]).await;
    assert!(open_events(app, OTHER).await.iter().any(|e| e.1.starts_with("expected-cable:") && e.0 == "warning"));
    // Another plan for the racks: what was wrong by the old one is not any more.
    import(app, &format!("node,nic,switch,port\n{b},eth0,tor-1,swp9\n"), false).await.unwrap();
    assert!(!open_events(app, OTHER).await.iter().any(|e| e.1.starts_with("expected-cable:")));
    let of_node = CheckQuery { node: Some(NODE.parse().unwrap()), all: true, ..CheckQuery::default() };
    let found = expected::check(app, of_node).await.unwrap().items;
    assert_eq!(found.iter().map(|f| f.verdict.as_str()).collect::<Vec<_>>(), ["unexpected"]);
}
