//! DHCP through the use cases, with recorded packets: who gets which address, what is stored before it is sent, what a restart, a
//! second server and a crowd of strangers change.

use crate::common::Lab;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use higuma::dhcp::{capture, packet};
use higuma::domain::dhcp::{Decision, LeaseState, MessageType, Mode, Port, Silence, Why};
use higuma::domain::node::{Admission, Node};
use higuma::domain::{Mac, NodeUuid};
use higuma::service::App;
use higuma::service::dhcp::{self, Heard, Interface, Outcome};
use higuma::service::ipam::{self, Prober};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};

/// Addresses at which a machine answers that is not ours; how often somebody looked.
#[derive(Default)]
struct Wire(Mutex<BTreeSet<IpAddr>>, Mutex<usize>);

impl Prober for Wire {
    fn who_has(&self, address: IpAddr) -> BoxFuture<'_, Option<Mac>> {
        *self.1.lock().unwrap() += 1;
        let answers = self.0.lock().unwrap().contains(&address);
        async move { answers.then(|| "02:00:00:00:00:99".parse().unwrap()) }.boxed()
    }
}

struct Rig {
    lab: Lab,
    wire: Arc<Wire>,
}

/// A pool of these addresses of 10.0.0.0/24.
async fn rig(range: &str) -> Rig {
    let mut lab = crate::common::lab(|_| {}).await;
    let wire = Arc::new(Wire::default());
    lab.app.prober = Some(wire.clone());
    let pool = json!({"name": "lan", "kind": "dhcp", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "ranges": [range]});
    ipam::create_pool(&lab.app, serde_json::from_value(pool).unwrap()).await.unwrap();
    Rig { lab, wire }
}

fn interface(mode: Mode) -> Interface {
    Interface {
        name: "eth1".into(),
        mode,
        authoritative: true,
        nets: vec!["10.0.0.1/24".parse().unwrap()],
        own: vec![Ipv4Addr::new(10, 0, 0, 1)],
        probe: higuma::domain::dhcp::rival::mark("lab"),
        http: "http://10.0.0.1:8080".into(),
        files: vec!["undionly.kpxe".into(), "snponly.efi".into()],
    }
}

/// A recorded packet as machine `n` would send it.
fn heard(hex: &str, n: u8) -> Heard {
    let capture = capture::read(hex.as_bytes()).unwrap();
    let mut request = packet::parse(&capture.datagrams[0].payload).unwrap();
    request.hardware.address = vec![0x52, 0x54, 0, 0, 0, n];
    request.client_id = None;
    request.uuid = None;
    Heard { request, port: Port::Dhcp, source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), unicast: false }
}

fn discover(n: u8) -> Heard {
    heard(include_str!("../../src/dhcp/fixtures/seabios-ipxe-rom-discover.hex"), n)
}

/// It takes the offer.
fn request(n: u8, address: Ipv4Addr) -> Heard {
    let mut heard = heard(include_str!("../../src/dhcp/fixtures/seabios-ipxe-rom-request.hex"), n);
    heard.request.server_id = Some(Ipv4Addr::new(10, 0, 0, 1));
    heard.request.requested = Some(address);
    heard
}

async fn decide(app: &App, heard: &Heard) -> Outcome {
    dhcp::decide(app, &interface(Mode::Server), heard).await.unwrap()
}

/// Kind, address and reason of the answer.
fn answer(outcome: &Outcome) -> (MessageType, Ipv4Addr, Why) {
    match &outcome.decision {
        Decision::Answer(answer) => (answer.reply.kind, answer.reply.yiaddr, answer.why.clone()),
        other => panic!("no answer: {other:?}"),
    }
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

async fn stored(app: &App, address: Ipv4Addr) -> Option<LeaseState> {
    app.store.read(move |tx| tx.lease(address)).await.unwrap().map(|lease| lease.state)
}

#[tokio::test]
async fn what_is_offered_is_stored_and_survives_a_restart() {
    let rig = rig("10.0.0.100-10.0.0.101").await;
    let app = &rig.lab.app;
    let (kind, first, why) = answer(&decide(app, &discover(1)).await);
    assert_eq!((kind, why), (MessageType::Offer, Why::Pool));
    let second = if first == at(100) { at(101) } else { at(100) };
    assert_eq!(stored(app, first).await, Some(LeaseState::Offered));
    // It asks again, and never took the first offer: the same.
    assert_eq!(answer(&decide(app, &discover(1)).await).1, first);
    assert_eq!(answer(&decide(app, &request(1, first)).await).0, MessageType::Ack);
    assert_eq!(stored(app, first).await, Some(LeaseState::Bound));
    // Another server over the same database.
    let mut again = App::new(app.store.clone(), (*app.settings).clone());
    again.prober = app.prober.clone();
    assert_eq!(answer(&decide(&again, &discover(1)).await), (MessageType::Offer, first, Why::Known));
    assert_eq!(answer(&decide(&again, &discover(2)).await).1, second);
    // The pool is used up: strangers get nothing, and who has a lease is answered.
    let third = decide(app, &discover(3)).await;
    assert!(matches!(third.decision, Decision::Silence(Silence::Exhausted(_), None)), "{third:?}");
    assert_eq!(answer(&decide(app, &request(1, first)).await).0, MessageType::Ack);
    // What is another's is refused.
    assert_eq!(answer(&decide(app, &request(2, first)).await).0, MessageType::Nak);
}

#[tokio::test]
async fn an_address_at_which_somebody_answers_is_given_to_nobody() {
    let rig = rig("10.0.0.100-10.0.0.102").await;
    rig.wire.0.lock().unwrap().extend([IpAddr::from(at(100)), IpAddr::from(at(101))]);
    assert_eq!(answer(&decide(&rig.lab.app, &discover(1)).await), (MessageType::Offer, at(102), Why::Pool));
    let next = decide(&rig.lab.app, &discover(2)).await;
    assert!(matches!(next.decision, Decision::Silence(Silence::Exhausted(_), None)), "{next:?}");
    for address in [at(100), at(101)] {
        assert_eq!(stored(&rig.lab.app, address).await, Some(LeaseState::Declined), "{address}");
    }
}

#[tokio::test]
async fn a_node_gets_what_is_reserved_for_it_under_its_name() {
    let rig = rig("10.0.0.100-10.0.0.110").await;
    let app = &rig.lab.app;
    let uuid: NodeUuid = "4c4c4544-0046-3010-8052-b4c000000001".parse().unwrap();
    let mut node = Node::new(uuid.clone(), Admission::Admitted, 1);
    node.hostname = "web-1.lab.example".parse().unwrap();
    app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    let own = json!({"name": "own", "kind": "node", "cidr": "10.0.0.0/24", "ranges": ["10.0.0.10-10.0.0.20"]});
    ipam::create_pool(app, serde_json::from_value::<higuma_proto::api::NewPool>(own).unwrap()).await.unwrap();
    let given = ipam::allocate(app, uuid.clone(), higuma::domain::ipam::Kind::Node).await.unwrap().unwrap();
    let mut asks = discover(9);
    asks.request.uuid = Some(uuid.clone());
    let offer = decide(app, &asks).await;
    assert_eq!(offer.node, Some(uuid));
    let (_, address, why) = answer(&offer);
    assert_eq!((IpAddr::from(address), why), (given.address, Why::Reserved));
    let Decision::Answer(offer) = offer.decision else { panic!() };
    // It found somebody at it: not asked about again at each of its DISCOVERs, until an operator has seen to it.
    let mut refuses = request(9, address);
    (refuses.request.kind, refuses.request.uuid) = (Some(MessageType::Decline), asks.request.uuid.clone());
    let refused = decide(app, &refuses).await;
    assert!(matches!(refused.decision, Decision::Silence(Silence::Declined(_), None)), "{refused:?}");
    *rig.wire.1.lock().unwrap() = 0;
    let again = decide(app, &asks).await;
    assert_eq!(again.decision, Decision::Silence(Silence::InUse(address), None));
    assert_eq!(*rig.wire.1.lock().unwrap(), 0, "nobody is asked");
    dhcp::leases::release(app, address, "ann").await.unwrap();
    assert_eq!(answer(&decide(app, &asks).await).1, address);
    let name: Value = offer.reply.option(12).map(|name| String::from_utf8_lossy(name).into_owned()).into();
    assert_eq!(name, json!("web-1"));
}

#[tokio::test]
async fn two_boards_with_one_uuid_behind_a_relay_have_two_addresses() {
    let rig = rig("10.0.0.100-10.0.0.110").await;
    let uuid: NodeUuid = "4c4c4544-0046-3010-8052-b4c000000055".parse().unwrap();
    let relayed = |mut heard: Heard| {
        heard.request.uuid = Some(uuid.clone());
        heard.request.giaddr = at(2);
        heard
    };
    let (_, first, _) = answer(&decide(&rig.lab.app, &relayed(discover(1))).await);
    assert_eq!(answer(&decide(&rig.lab.app, &relayed(request(1, first))).await).0, MessageType::Ack);
    // Nobody is seen at the first one's address from here, and it is up all the same.
    let (_, second, _) = answer(&decide(&rig.lab.app, &relayed(discover(2))).await);
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_crowd_of_strangers_gets_an_address_each() {
    let rig = rig("10.0.0.50-10.0.0.249").await;
    let other = {
        let mut other = App::new(rig.lab.app.store.clone(), (*rig.lab.app.settings).clone());
        other.prober = rig.lab.app.prober.clone();
        other
    };
    let asking = (1..=20u8).map(|n| {
        let app = if n % 2 == 0 { rig.lab.app.clone() } else { other.clone() };
        async move { answer(&decide(&app, &discover(n)).await).1 }
    });
    let given: BTreeSet<Ipv4Addr> = futures_util::future::join_all(asking).await.into_iter().collect();
    assert_eq!(given.len(), 20);
}

#[tokio::test]
async fn beside_another_server_nothing_is_given_or_stored() {
    let rig = rig("10.0.0.100-10.0.0.110").await;
    let offer = dhcp::decide(&rig.lab.app, &interface(Mode::Proxy), &discover(1)).await.unwrap();
    assert_eq!(answer(&offer), (MessageType::Offer, Ipv4Addr::UNSPECIFIED, Why::Proxy));
    let leases = rig.lab.app.store.read(|tx| tx.leases(&Default::default(), None, 10)).await.unwrap();
    assert!(leases.is_empty(), "{leases:?}");
}

#[tokio::test]
async fn who_never_takes_an_offer_keeps_nothing_for_long() {
    let rig = rig("10.0.0.100-10.0.0.103").await;
    let app = &rig.lab.app;
    for n in 1..=4 {
        assert_eq!(answer(&decide(app, &discover(n)).await).0, MessageType::Offer);
    }
    let fifth = decide(app, &discover(5)).await;
    assert!(matches!(fifth.decision, Decision::Silence(Silence::Exhausted(_), None)), "{fifth:?}");
    // Offers that nobody took are over after a minute.
    let (all, now) = (app.store.read(|tx| tx.leases(&Default::default(), None, 10)).await.unwrap(), app.now());
    assert!(all.len() == 4 && all.iter().all(|lease| lease.is_free(now + 60_000_000)), "{all:?}");
}

#[tokio::test]
async fn a_flood_on_a_pool_that_is_used_up_keeps_nobody_known_waiting() {
    let rig = rig("10.0.0.100-10.0.0.100").await;
    let app = &rig.lab.app;
    let (_, own, _) = answer(&decide(app, &discover(1)).await);
    assert_eq!(answer(&decide(app, &request(1, own)).await).0, MessageType::Ack);
    let stranger = |n: u16| {
        let mut heard = discover(2);
        let [high, low] = n.to_be_bytes();
        heard.request.hardware.address = vec![0x52, 0x54, 0, 1, high, low];
        heard
    };
    let flood = futures_util::future::join_all((0..2_000u16).map(|n| {
        let heard = stranger(n);
        async move { decide(app, &heard).await.decision }
    }));
    let known = async {
        for _ in 0..20 {
            assert_eq!(answer(&decide(app, &request(1, own)).await).0, MessageType::Ack);
        }
    };
    let (flood, ()) = tokio::join!(flood, known);
    let used_up = flood.iter().filter(|it| matches!(it, Decision::Silence(Silence::Exhausted(_), None))).count();
    assert!(used_up > 0, "{:?}", flood.first());
    assert!(flood.iter().all(|it| matches!(it, Decision::Silence(Silence::Exhausted(_) | Silence::Busy, None))));
}

#[tokio::test]
async fn our_own_question_is_not_answered_and_anothers_is() {
    let rig = rig("10.0.0.100-10.0.0.103").await;
    let mut asks = discover(1);
    asks.request.client_id = Some(interface(Mode::Server).probe);
    for mode in [Mode::Server, Mode::Proxy] {
        let outcome = dhcp::decide(&rig.lab.app, &interface(mode), &asks).await.unwrap();
        assert_eq!(outcome.decision, Decision::Silence(Silence::Probe, None));
    }
    asks.request.client_id = Some(higuma::domain::dhcp::rival::mark("another"));
    assert_eq!(answer(&decide(&rig.lab.app, &asks).await).0, MessageType::Offer);
}

#[tokio::test]
async fn a_node_is_told_its_own_options_and_nobody_else_is() {
    let rig = rig("10.0.0.100-10.0.0.110").await;
    let app = &rig.lab.app;
    let uuid: NodeUuid = "4c4c4544-0046-3010-8052-b4c000000002".parse().unwrap();
    let node = Node::new(uuid.clone(), Admission::Admitted, 1);
    app.store.write(move |tx| tx.put_node(&node)).await.unwrap();
    let set = |value: Value| {
        let wanted = serde_json::from_value(value).unwrap();
        dhcp::options::set(app, uuid.clone(), wanted, "ann")
    };
    for (bad, word) in [
        (json!({"dns": ["x"]}), "IPv4"),
        (json!({"options": {"54": "00"}}), "option 54"),
        (json!({"options": {"6": "0a000001"}}), "dns"),
        (json!({"lease_seconds": 5}), "lease"),
        (json!({"mtu": 10}), "mtu"),
        (json!({"routers": vec!["10.0.0.1"; 17]}), "routers"),
    ] {
        let refused = set(bad.clone()).await.unwrap_err();
        assert!(refused.to_string().contains(word), "{bad}: {refused}");
    }
    let own = json!({"routers": ["10.0.0.9"], "mtu": 9000, "lease_seconds": 300, "options": {"150": "0a000001"}});
    let stored = set(own.clone()).await.unwrap();
    assert_eq!(dhcp::options::show(app, uuid.clone()).await.unwrap(), stored);
    let told = |outcome: Outcome, code: u8| match outcome.decision {
        Decision::Answer(answer) => answer.reply.option(code).map(<[u8]>::to_vec),
        other => panic!("{other:?}"),
    };
    let asks = |n: u8, uuid: Option<&NodeUuid>| {
        let mut heard = discover(n);
        heard.request.uuid = uuid.cloned();
        heard.request.wanted = vec![1, 3, 6, 26];
        heard
    };
    let of = |outcome: &Outcome| [3, 26, 51, 150].map(|code| told(outcome.clone(), code));
    let offer = decide(app, &asks(1, Some(&uuid))).await;
    let wanted = [vec![10, 0, 0, 9], vec![0x23, 0x28], vec![0, 0, 1, 44], vec![10, 0, 0, 1]].map(Some);
    assert_eq!(of(&offer), wanted);
    let other = decide(app, &asks(2, None)).await;
    let [routers, mtu, _, other] = of(&other);
    assert_eq!((routers, mtu, other), (Some(vec![10, 0, 0, 1]), None, None), "as the pool says");
    // Taken away again; setting the same again is no news.
    set(own).await.unwrap();
    set(json!({})).await.unwrap();
    assert_eq!(of(&decide(app, &asks(1, Some(&uuid))).await)[1], None);
    let events = higuma::service::node_events::list(app, Default::default()).await.unwrap();
    let said = events.items.iter().filter(|event| event.message.contains("DHCP options")).count();
    assert_eq!(said, 2);
}
