//! Who a machine is, from iPXE's request over Register to what a person sees and does, over SQLite without any listener.

use crate::common::lab;
use higuma::domain::identity::Told;
use higuma::domain::image::Arch;
use higuma::domain::node::AdmissionPolicy;
use higuma::domain::script::Machine;
use higuma::domain::secret::Secret;
use higuma::domain::{Mac, NodeUuid, Sha256};
use higuma::error::Error;
use higuma::service::node_events::NodeEventQuery;
use higuma::service::plan::PlanAnswer;
use higuma::service::register::{Registered, Registration};
use higuma::service::{App, auth, boots, identity, new_secret, node_events, nodes, plan, register, scripts, up};
use higuma::store::NodeEventFilter;
use higuma_proto::agent::{Inventory, Nic, System};
use higuma_proto::api::{NodeDetail, NodePatch};

const U: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";
const V: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d33";
const SWAPPED: &str = "44454c4c-4600-1030-8052-b4c04f4a4d32";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// A machine on a desk: what its firmware tells, and its network ports (the last byte of their addresses).
#[derive(Clone)]
struct Bare {
    uuid: &'static str,
    serial: &'static str,
    ports: Vec<u8>,
    /// iPXE sees no SMBIOS on it.
    blind: bool,
}

fn bare(uuid: &'static str, serial: &'static str, ports: &[u8]) -> Bare {
    Bare { uuid, serial, ports: ports.to_vec(), blind: false }
}

fn mac(port: u8) -> Mac {
    format!("00:25:90:00:00:{port:02x}").parse().unwrap()
}

struct Booted {
    node: NodeUuid,
    /// As the script had it.
    script: Option<NodeUuid>,
    registered: Registered,
    credential: Secret,
}

impl Bare {
    fn machine(&self, port: u8) -> Machine {
        let told = match self.blind {
            true => Told::default(),
            false => Told {
                uuid: Some(self.uuid.parse().unwrap()),
                manufacturer: "Kuma  Systems ".into(),
                product: "One".into(),
                serial: self.serial.into(),
            },
        };
        Machine { told, mac: Some(mac(port)), arch: Some(Arch::X86_64) }
    }

    fn registration(&self, port: u8, nonce: Secret, credential: Secret) -> Registration {
        let nic = |port: &u8| Nic { mac: mac(*port).to_string(), driver: "ixgbe".into(), ..Nic::default() };
        let system = System {
            manufacturer: "Kuma Systems".into(),
            product: "One".into(),
            serial: self.serial.into(),
            uuid: self.uuid.into(),
            ..System::default()
        };
        Registration {
            nonce,
            credential,
            uuid: Some(self.uuid.parse().unwrap()),
            node: None,
            boot_mac: Some(mac(port)),
            inventory: Inventory {
                system: Some(system),
                nics: self.ports.iter().map(nic).collect(),
                ..Inventory::default()
            },
            neighbours: vec![],
        }
    }

    async fn nonce(&self, app: &App, port: u8) -> (Option<NodeUuid>, Secret) {
        let answer = scripts::script(app, self.machine(port), "10.0.0.1:8080").await.unwrap();
        (answer.node, answer.nonce.unwrap())
    }

    async fn boot_from(&self, app: &App, port: u8) -> Booted {
        let (script, nonce) = self.nonce(app, port).await;
        let credential = new_secret().unwrap();
        let registered = register::register(app, self.registration(port, nonce, credential.clone())).await.unwrap();
        Booted { node: registered.node.clone(), script, registered, credential }
    }

    async fn boot(&self, app: &App) -> Booted {
        self.boot_from(app, self.ports[0]).await
    }
}

async fn show(app: &App, node: &NodeUuid) -> NodeDetail {
    nodes::show(app, node.clone()).await.unwrap()
}

async fn assign(app: &App, node: &NodeUuid) {
    let patch = NodePatch { profile: Some("p".into()), ..NodePatch::default() };
    nodes::patch(app, node.clone(), patch).await.unwrap();
}

async fn retire(app: &App, node: &NodeUuid, retired: bool) {
    nodes::patch(app, node.clone(), NodePatch { retired: Some(retired), ..NodePatch::default() }).await.unwrap();
}

/// Messages of open events.
async fn open(app: &App, node: &NodeUuid, subject: &str) -> Vec<String> {
    let filter = NodeEventFilter { node: Some(node.clone()), open: true, ..NodeEventFilter::default() };
    let page = node_events::list(app, NodeEventQuery { filter, ..NodeEventQuery::default() }).await.unwrap();
    page.items.into_iter().filter(|e| e.subject == subject && e.cleared_us.is_none()).map(|e| e.message).collect()
}

async fn ask(app: &App, booted: &Booted) -> Result<PlanAnswer, Error> {
    let session = auth::session(app, booted.credential.reveal()).await?;
    plan::boot_plan(app, &session, Sha256::of(booted.credential.reveal())).await
}

#[tokio::test]
async fn two_machines_with_one_uuid_stay_apart_in_either_order() {
    for policy in [AdmissionPolicy::Auto, AdmissionPolicy::Approve] {
        let lab = lab(|s| s.admission = policy).await;
        let app = &lab.app;
        let (first, second) = (bare(U, "SN-1", &[1, 2]), bare(U, "SN-2", &[3, 4]));
        let a = first.boot(app).await;
        assign(app, &a.node).await;
        assert_eq!(a.node.as_str(), U);
        assert!(open(app, &a.node, "identity").await.is_empty());
        let b = second.boot(app).await;
        assert_ne!(a.node, b.node);
        assert_eq!(b.script.as_ref(), Some(&b.node), "the script names it as Register does");
        // The second learns nothing but "wait", under any policy; the first has its plan.
        let waits = ask(app, &b).await.unwrap();
        assert!(matches!(&waits, PlanAnswer::Wait { reason, .. } if reason.contains("approval")), "{waits:?}");
        assert!(matches!(ask(app, &a).await.unwrap(), PlanAnswer::Plan(_)));
        let shown = show(app, &b.node).await;
        assert_eq!((shown.summary.admission.as_str(), shown.summary.profile), ("pending", None));
        assert_eq!((shown.identity.source.as_str(), shown.identity.told_uuid.as_deref()), ("conflict", Some(U)));
        // Both tell of it, with what differs.
        let of_a = &open(app, &a.node, "identity").await[0];
        assert!(of_a.starts_with(&format!("identity conflict with {}: serial SN-1 / SN-2, MACs", b.node)), "{of_a}");
        let of_b = &open(app, &b.node, "identity").await[0];
        assert!(of_b.contains(&format!("with {U}: serial SN-2 / SN-1")), "{of_b}");
        assert!(show(app, &a.node).await.identity.conflicts[0].differs.contains("SN-1 / SN-2"));
        let list = nodes::list(app, nodes::NodeQuery::default()).await.unwrap();
        assert!(list.items.iter().all(|n| n.conflict.is_some()), "{list:?}");
        // Each is itself at every later boot, from any port.
        for (machine, node) in [(&second, &b.node), (&first, &a.node)] {
            for port in &machine.ports {
                let again = machine.boot_from(app, *port).await;
                assert_eq!((&again.node, again.script.as_ref()), (node, Some(node)));
            }
        }
        assert_eq!(open(app, &a.node, "identity").await.len(), 1, "told once");
        assert!(ask(app, &b).await.is_err(), "an older boot's credential is good no more");
    }
}

#[tokio::test]
async fn without_serial_numbers_too() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let (first, second) = (bare(U, "To be filled by O.E.M.", &[1, 2]), bare(U, "Default string", &[3, 4]));
    let a = first.boot(app).await;
    let b = second.boot(app).await;
    assert_ne!(a.node, b.node);
    assert_eq!(second.boot_from(app, 4).await.node, b.node);
    assert_eq!(first.boot_from(app, 2).await.node, a.node);
    assert!(open(app, &a.node, "identity").await[0].contains("serial none / none, MACs"));
}

#[tokio::test]
async fn a_conflict_ends_when_one_goes_or_tells_another_uuid() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = bare(U, "SN-1", &[1]).boot(app).await;
    let b = bare(U, "SN-2", &[2]).boot(app).await;
    retire(app, &a.node, true).await;
    assert!(open(app, &b.node, "identity").await.is_empty() && open(app, &a.node, "identity").await.is_empty());
    assert_eq!(bare(U, "SN-2", &[2]).boot(app).await.node, b.node, "its name stays");
    retire(app, &a.node, false).await;
    assert_eq!(open(app, &b.node, "identity").await.len(), 1);
    // The vendor gives the second one a UUID of its own.
    let fixed = bare(V, "SN-2", &[2]).boot(app).await;
    assert_eq!(fixed.node.as_str(), V);
    assert!(open(app, &a.node, "identity").await.is_empty());
    assert!(open(app, &b.node, "identity").await.is_empty());
    assert!(show(app, &a.node).await.summary.conflict.is_none());
    assert_eq!(show(app, &fixed.node).await.identity.merge_candidate, Some(b.node.to_string()));
}

#[tokio::test]
async fn a_nonce_is_no_way_to_another_node() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    let (first, second) = (bare(U, "SN-1", &[1]), bare(U, "SN-2", &[2]));
    let a = first.boot(app).await;
    second.boot(app).await;
    let other = bare(V, "SN-3", &[3]);
    other.boot(app).await;
    let foreign = |machine: Bare, nonce: Secret| async move {
        let port = machine.ports[0];
        register::register(app, machine.registration(port, nonce, new_secret().unwrap())).await
    };
    // Another UUID; the same UUID with other ports; no UUID at iPXE and another port.
    for (asks, comes) in [(&first, &other), (&first, &second), (&second, &first)] {
        let (_, nonce) = asks.nonce(app, asks.ports[0]).await;
        assert!(matches!(foreign(comes.clone(), nonce).await, Err(Error::Forbidden(_))));
    }
    let blind = Bare { blind: true, ..bare(V, "", &[9]) };
    let (_, nonce) = blind.nonce(app, 9).await;
    assert!(matches!(foreign(first.clone(), nonce).await, Err(Error::Forbidden(_))));
    // It says that it is a known node, of which its port was never: iPXE told nothing that says so.
    let (_, nonce) = blind.nonce(app, 9).await;
    let mut lies = first.registration(9, nonce, new_secret().unwrap());
    lies.inventory.system = None;
    let answer = register::register(app, lies).await;
    assert!(answer.as_ref().map_or(true, |r| r.node != a.node), "{answer:?}");
}

#[tokio::test]
async fn a_swapped_uuid_is_the_node_only_if_something_agrees() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = bare(U, "SN-1", &[1, 2]).boot(app).await;
    let twin = bare(SWAPPED, "SN-1", &[2]);
    assert_eq!(twin.boot(app).await.node, a.node);
    assert_eq!(show(app, &a.node).await.identity.told_uuid.as_deref(), Some(SWAPPED));
    // iPXE in one order, the agent in the other.
    let (script, nonce) = twin.nonce(app, 2).await;
    assert_eq!(script.as_ref(), Some(&a.node));
    let registered =
        register::register(app, bare(U, "SN-1", &[1, 2]).registration(2, nonce, new_secret().unwrap())).await;
    assert_eq!(registered.unwrap().node, a.node);
    let other = bare(SWAPPED, "SN-9", &[9]).boot(app).await;
    assert_eq!(other.node.as_str(), SWAPPED);
    assert!(show(app, &other.node).await.identity.conflicts.is_empty());
}

#[tokio::test]
async fn boards_that_are_alike_in_all_but_their_ports_are_two() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    let (one, two) = (bare(U, "SN-1", &[1, 2]), bare(U, "SN-1", &[8, 9]));
    let a = one.boot(app).await;
    let b = two.boot(app).await;
    assert_ne!(a.node, b.node);
    let shown = show(app, &b.node).await;
    assert_eq!((shown.summary.admission.as_str(), shown.identity.conflicts.len()), ("pending", 1));
    assert_eq!(shown.identity.merge_candidate.as_deref(), Some(a.node.as_str()), "one click if only its ports are new");
    assert_eq!(show(app, &a.node).await.identity.conflicts.len(), 1);
    for _ in 0..2 {
        assert_eq!((one.boot(app).await.node, two.boot(app).await.node), (a.node.clone(), b.node.clone()));
    }
}

#[tokio::test]
async fn names_of_machines_without_a_uuid_are_stable() {
    let lab = lab(|s| s.heartbeat_timeout = 0).await;
    let app = &lab.app;
    let serial = bare(ZERO, "SN-1", &[1, 2]);
    let a = serial.boot(app).await;
    assert_eq!(a.script.as_ref(), Some(&a.node));
    for changed in [bare(ZERO, "SN-1", &[2]), bare(ZERO, "SN-1", &[7])] {
        assert_eq!(changed.boot(app).await.node, a.node);
    }
    let plain = bare(ZERO, "None", &[11, 12]);
    let m = plain.boot(app).await;
    assert_eq!(m.node, NodeUuid::from_mac(&mac(11)));
    let other_port = plain.boot_from(app, 12).await;
    assert_eq!((&other_port.node, other_port.script.as_ref()), (&m.node, Some(&m.node)));
    let identity = show(app, &m.node).await.identity;
    assert_eq!((identity.source.as_str(), identity.told_uuid.as_deref()), ("macs", Some(ZERO)));
    assert_eq!(show(app, &a.node).await.identity.source, "serial");
    assert_ne!(bare(ZERO, "None", &[13]).boot(app).await.node, m.node);
}

#[tokio::test]
async fn where_ipxe_sees_no_smbios_the_agent_tells() {
    let lab = lab(|s| (s.admission, s.heartbeat_timeout) = (AdmissionPolicy::KnownOnly, 0)).await;
    let app = &lab.app;
    nodes::add(app, U.parse().unwrap(), NodePatch::default()).await.unwrap();
    assert!(!show(app, &U.parse().unwrap()).await.identity.seen);
    let blind = Bare { blind: true, ..bare(U, "SN-1", &[1, 2]) };
    let first = blind.boot(app).await;
    assert_eq!(first.node.as_str(), U);
    let again = blind.boot_from(app, 2).await;
    assert_eq!((again.node.as_str(), again.script), (U, Some(first.node.clone())));
    // A new card: known by its serial number.
    let changed = Bare { ports: vec![8], ..blind.clone() };
    assert_eq!(changed.boot(app).await.node, first.node);
    // Nobody else gets in; a second machine with its UUID waits for a person.
    let (_, nonce) = bare(V, "SN-7", &[7]).nonce(app, 7).await;
    let refused = register::register(app, bare(V, "SN-7", &[7]).registration(7, nonce, new_secret().unwrap())).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    let second = Bare { blind: true, ..bare(U, "SN-2", &[5]) }.boot(app).await;
    assert_ne!(second.node, first.node);
    assert_eq!(show(app, &second.node).await.summary.admission, "pending");
}

#[tokio::test]
async fn a_replaced_board_is_merged_with_history_and_session() {
    let lab = lab(|s| s.admission = AdmissionPolicy::Auto).await;
    let app = &lab.app;
    let old = bare(U, "SN-1", &[1, 2]).boot(app).await;
    let patch = NodePatch { profile: Some("p".into()), hostname: Some("hv-1".into()), ..NodePatch::default() };
    nodes::patch(app, old.node.clone(), patch).await.unwrap();
    let replaced = bare(V, "SN-1", &[2, 9]);
    let new = replaced.boot(app).await;
    assert_eq!(new.node.as_str(), V);
    let shown = show(app, &new.node).await;
    assert_eq!((shown.summary.admission.as_str(), shown.identity.merge_candidate.as_deref()), ("pending", Some(U)));
    assert_eq!(show(app, &old.node).await.identity.merge_offers, [V]);
    for (node, words) in [(&new.node, "may be node"), (&old.node, "may be this one")] {
        assert!(open(app, node, "board-replaced").await[0].contains(words));
    }
    assert!(open(app, &new.node, &format!("mac:{}", mac(2))).await.is_empty(), "no shared address of one machine");
    assert!(matches!(ask(app, &new).await.unwrap(), PlanAnswer::Wait { .. }));

    let merged = identity::merge(app, new.node.clone(), old.node.clone()).await.unwrap();
    assert_eq!((merged.summary.uuid.as_str(), merged.summary.hostname.as_str()), (U, "hv-1"));
    assert_eq!((merged.identity.aliases.len(), merged.identity.told_uuid.as_deref()), (1, Some(V)));
    assert!(open(app, &old.node, "board-replaced").await.is_empty());
    assert_eq!(boots::list(app, old.node.clone(), None, None).await.unwrap().items.len(), 2);
    assert_eq!(merged.inventory.unwrap().nics.len(), 2);
    // The session of the new board goes on, as the old node's; that of the old board is over.
    assert!(matches!(ask(app, &new).await.unwrap(), PlanAnswer::Plan(_)));
    assert!(matches!(ask(app, &old).await, Err(Error::Unauthorized(_))));
    let session = auth::session(app, new.credential.reveal()).await.unwrap();
    up::report_up(app, &session, up::Up::default()).await.unwrap();
    // Once more is no error, and the old name leads to the node; from now on the board is this node.
    identity::merge(app, new.node.clone(), old.node.clone()).await.unwrap();
    assert_eq!(show(app, &new.node).await.summary.uuid, U);
    let again = replaced.boot_from(app, 9).await;
    assert_eq!((again.node.as_str(), again.script), (U, Some(old.node.clone())));
    assert!(matches!(nodes::add(app, new.node.clone(), NodePatch::default()).await, Err(Error::Conflict(_))));
    // Another machine that tells the alias is nobody's twin.
    let stranger = bare(V, "SN-5", &[5]).boot(app).await;
    assert!(stranger.node != old.node && stranger.node.as_str() != V);
    assert_eq!(show(app, &stranger.node).await.summary.admission, "pending");
}

#[tokio::test]
async fn what_is_not_the_same_is_not_offered_again() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let old = bare(U, "SN-1", &[1]).boot(app).await;
    let machine = bare(V, "SN-1", &[1]);
    let new = machine.boot(app).await;
    identity::not_same(app, new.node.clone()).await.unwrap();
    machine.boot(app).await;
    for node in [&old.node, &new.node] {
        assert!(open(app, node, "board-replaced").await.is_empty());
    }
    assert!(matches!(identity::not_same(app, new.node.clone()).await, Err(Error::Conflict(_))));
    // Now the address that both have is worth telling.
    assert_eq!(open(app, &old.node, &format!("mac:{}", mac(1))).await.len(), 1);
}

#[tokio::test]
async fn two_machines_that_live_are_not_merged() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let old = bare(U, "SN-1", &[1]).boot(app).await;
    let machine = bare(V, "SN-1", &[1]);
    let new = machine.boot(app).await;
    let session = auth::session(app, old.credential.reveal()).await.unwrap();
    higuma::service::events::report(app, &session, vec![], None).await.unwrap();
    let refused = identity::merge(app, new.node.clone(), old.node.clone()).await;
    assert!(matches!(&refused, Err(Error::Conflict(words)) if words.contains("two machines")), "{refused:?}");
    assert!(matches!(identity::merge(app, old.node.clone(), old.node.clone()).await, Err(Error::BadRequest(_))));
    assert!(matches!(identity::merge(app, new.node.clone(), ZERO.parse().unwrap()).await, Err(Error::NotFound(_))));
    machine.boot(app).await;
    retire(app, &old.node, true).await;
    assert!(matches!(identity::merge(app, new.node.clone(), old.node.clone()).await, Err(Error::Conflict(_))));
    retire(app, &old.node, false).await;
    identity::merge(app, new.node, old.node).await.unwrap();
}

#[tokio::test]
async fn the_same_registration_again_gets_the_same_answer_whatever_happened_since() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let old = bare(U, "SN-1", &[1]).boot(app).await;
    let machine = bare(V, "SN-1", &[1]);
    let (_, nonce) = machine.nonce(app, 1).await;
    let request = machine.registration(1, nonce, new_secret().unwrap());
    let first = register::register(app, request.clone()).await.unwrap();
    assert_eq!(register::register(app, request.clone()).await.unwrap(), first);
    identity::merge(app, first.node.clone(), old.node.clone()).await.unwrap();
    let replayed = register::register(app, request.clone()).await.unwrap();
    assert_eq!((&replayed.node, replayed.boot), (&old.node, first.boot));
    let other = Registration { credential: new_secret().unwrap(), ..request };
    assert!(matches!(register::register(app, other).await, Err(Error::Forbidden(_))));
    assert_eq!(old.registered.node, old.node);
}

#[tokio::test]
async fn an_address_of_two_nodes_is_told_on_both_until_one_gives_it_up() {
    let lab = lab(|_| ()).await;
    let app = &lab.app;
    let a = bare(U, "SN-1", &[1, 5]).boot(app).await;
    let b = bare(V, "SN-2", &[2, 5]).boot(app).await;
    let subject = format!("mac:{}", mac(5));
    assert!(open(app, &a.node, &subject).await[0].contains(V));
    assert!(open(app, &b.node, &subject).await[0].contains(U));
    bare(U, "SN-1", &[1]).boot(app).await;
    assert!(open(app, &a.node, &subject).await.is_empty() && open(app, &b.node, &subject).await.is_empty());
    // A port that people carry around is nobody's.
    let request = |machine: Bare, nonce| {
        let mut request = machine.registration(machine.ports[0], nonce, new_secret().unwrap());
        request.inventory.nics[1].driver = "r8152".into();
        request
    };
    for machine in [bare(U, "SN-1", &[1, 6]), bare(V, "SN-2", &[2, 6])] {
        let (_, nonce) = machine.nonce(app, machine.ports[0]).await;
        register::register(app, request(machine, nonce)).await.unwrap();
    }
    assert!(open(app, &a.node, &format!("mac:{}", mac(6))).await.is_empty());
}
