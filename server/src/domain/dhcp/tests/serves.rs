//! The DHCP server: offers, the four states of a REQUEST, and what else clients send.

use super::*;
use crate::domain::dhcp::reply::code;

fn server() -> World {
    World::new(Mode::Server)
}

/// A machine that has been given 10.0.0.10.
fn bound() -> World {
    let mut world = World { candidate: Candidate::Free(ip("10.0.0.10")), ..server() };
    world.answer(&request(MessageType::Discover, 1));
    world.candidate = Candidate::NotAsked;
    let answer = world.answer(&selecting("10.0.0.10"));
    assert_eq!(answer.reply.kind, MessageType::Ack);
    world
}

fn selecting(address: &str) -> Request {
    Request { requested: Some(ip(address)), server_id: Some(ip("10.0.0.1")), ..request(MessageType::Request, 1) }
}

#[test]
fn an_unknown_machine_gets_an_address_of_the_pool() {
    let mut world = server();
    let discover = Request { requested: Some(ip("10.0.0.15")), ..request(MessageType::Discover, 1) };
    let need = Decision::Need(Need::Address { subnets: vec![net("10.0.0.0/24")], wish: Some(ip("10.0.0.15")) });
    assert_eq!(world.decide(&discover), need);
    // What the pool does not give is no wish.
    let greedy = Request { requested: Some(ip("10.0.0.99")), ..discover.clone() };
    assert!(matches!(world.decide(&greedy), Decision::Need(Need::Address { wish: None, .. })));
    world.candidate = Candidate::Free(ip("10.0.0.15"));
    let answer = world.answer(&discover);
    assert_eq!((answer.reply.yiaddr, &answer.why), (ip("10.0.0.15"), &Why::Pool));
    assert_eq!(answer.reply.option(code::LEASE_TIME), Some(&3600_u32.to_be_bytes()[..]));
    assert_eq!(answer.to, Destination::Hardware(ip("10.0.0.15"), discover.hardware.clone()));
    let lease = answer.lease.unwrap();
    assert_eq!((lease.state, lease.expires), (LeaseState::Offered, NOW + lease::OFFER_HOLD));
    world.candidate = Candidate::Exhausted;
    world.lease = None;
    assert_eq!(world.silence(&discover), Silence::Exhausted(vec![net("10.0.0.0/24")]));
    world.subnets[0].spans.clear();
    assert_eq!(world.silence(&discover), Silence::NoPool(vec![net("10.0.0.0/24")]));
}

#[test]
fn who_never_takes_its_offer_gets_the_same_again() {
    let mut world = World { candidate: Candidate::Free(ip("10.0.0.10")), ..server() };
    let discover = request(MessageType::Discover, 1);
    let first = world.answer(&discover);
    world.candidate = Candidate::NotAsked;
    for wait in [1, 4_000_000, lease::OFFER_HOLD, 10 * lease::OFFER_HOLD] {
        world.now = NOW + wait;
        let again = world.answer(&discover);
        assert_eq!((again.reply.yiaddr, again.why), (first.reply.yiaddr, Why::Known));
        assert_eq!(again.lease.unwrap().expires, world.now + lease::OFFER_HOLD);
    }
}

#[test]
fn selecting_takes_our_offer_or_anothers() {
    let mut world = World { candidate: Candidate::Free(ip("10.0.0.10")), ..server() };
    world.answer(&request(MessageType::Discover, 1));
    // Somebody says that we offered what we have not.
    let nak = world.answer(&selecting("10.0.0.11"));
    assert_eq!((nak.reply.kind, nak.to, nak.boot), (MessageType::Nak, Destination::Broadcast, None));
    assert_eq!(nak.reply.option(code::MESSAGE), Some(&b"10.0.0.11 is not this client's"[..]));
    let other = Request { server_id: Some(ip("10.0.0.2")), ..selecting("10.0.0.10") };
    let mut elsewhere = World { lease: world.lease.clone(), ..server() };
    assert_eq!(elsewhere.silence(&other), Silence::OtherServer(ip("10.0.0.2")));
    assert_eq!(elsewhere.lease.unwrap().state, LeaseState::Released, "the offer is free again");
    let ack = world.answer(&selecting("10.0.0.10"));
    assert_eq!((ack.reply.kind, ack.reply.yiaddr), (MessageType::Ack, ip("10.0.0.10")));
    assert_eq!(ack.lease.unwrap().expires, NOW + 3_600_000_000);
    // It is bound now: a REQUEST for another server frees nothing.
    world.silence(&other);
    assert_eq!(world.lease.unwrap().state, LeaseState::Bound);
    assert_eq!(server().silence(&Request { requested: None, ..selecting("10.0.0.10") }), Silence::NoAddress);
}

#[test]
fn a_reboot_keeps_or_loses_its_address() {
    let reboot = |address: &str| Request { requested: Some(ip(address)), ..request(MessageType::Request, 1) };
    let mut world = bound();
    assert_eq!(world.answer(&reboot("10.0.0.10")).reply.kind, MessageType::Ack);
    assert_eq!(world.answer(&reboot("10.0.0.11")).why, Why::NotItsOwn(ip("10.0.0.11")));
    assert_eq!(world.answer(&reboot("192.168.1.5")).why, Why::Elsewhere(ip("192.168.1.5")));
    world.authoritative = false;
    assert_eq!(world.silence(&reboot("10.0.0.11")), Silence::UnknownAddress(ip("10.0.0.11")));
    // Moved behind a relay: the NAK goes there, to be broadcast.
    world.authoritative = true;
    let moved = Request { giaddr: ip("10.9.0.1"), ..reboot("10.0.0.10") };
    let nak = world.answer(&moved);
    assert_eq!((nak.why, nak.to), (Why::Elsewhere(ip("10.0.0.10")), Destination::Relay(ip("10.9.0.1"))));
    assert!(nak.reply.broadcast);
    assert_eq!(server().silence(&request(MessageType::Request, 1)), Silence::NoAddress);
}

#[test]
fn renewing_and_rebinding() {
    let mut world = bound();
    let keep = |address: &str| Request { ciaddr: ip(address), ..request(MessageType::Request, 1) };
    for unicast in [true, false] {
        world.unicast = unicast;
        world.now += 1_000_000_000;
        let ack = world.answer(&Request { lease_seconds: Some(600), ..keep("10.0.0.10") });
        assert_eq!((ack.reply.kind, ack.reply.ciaddr), (MessageType::Ack, ip("10.0.0.10")));
        assert_eq!(ack.to, Destination::Unicast("10.0.0.10:68".parse().unwrap()));
        assert_eq!(ack.lease.unwrap().expires, world.now + 600_000_000, "as long as it wishes");
    }
    assert_eq!(
        world.answer(&Request { lease_seconds: Some(1), ..keep("10.0.0.10") }).lease.unwrap().expires,
        world.now + 120_000_000
    );
    assert_eq!(
        world.answer(&Request { lease_seconds: Some(u32::MAX), ..keep("10.0.0.10") }).lease.unwrap().expires,
        world.now + 3_600_000_000
    );
    assert_eq!(world.answer(&keep("10.0.0.11")).reply.kind, MessageType::Nak);
    // Another address was reserved meanwhile, and the pool has shrunk: it is not cut off while it runs.
    world.reservation = Some(Reservation { address: Some(ip("10.0.0.50")), ..Default::default() });
    world.subnets[0].spans.clear();
    assert_eq!(world.answer(&keep("10.0.0.10")).reply.kind, MessageType::Ack);
    assert_eq!(world.decide(&request(MessageType::Discover, 1)), Decision::Need(Need::Probe(ip("10.0.0.50"))));
    // From behind a relay, past which a renewal goes: its own address says where it is.
    let mut far = World { unicast: true, candidate: Candidate::Free(ip("10.9.0.10")), ..server() };
    let relay = Some(RelayInfo { circuit_id: Some(b"port7".to_vec()), ..Default::default() });
    far.answer(&Request { giaddr: ip("10.9.0.1"), relay, ..request(MessageType::Discover, 1) });
    let ack = far.answer(&keep("10.9.0.10"));
    assert_eq!((ack.reply.kind, ack.reply.yiaddr), (MessageType::Ack, ip("10.9.0.10")));
    let (giaddr, info) = ack.lease.unwrap().relay.unwrap();
    assert_eq!((giaddr, info.circuit_id), (ip("10.9.0.1"), Some(b"port7".to_vec())), "what the relay said stays");
}

#[test]
fn a_reserved_address_is_looked_at_first_and_is_nobody_elses() {
    let options = SubnetOptions { mtu: Some(9000), ..Default::default() };
    let hostname = Some("hv-1".parse().unwrap());
    let node = Reservation { address: Some(ip("10.0.0.50")), hostname, options, lease_seconds: None };
    let mut world = World { reservation: Some(node), ..server() };
    world.subnets[0].options = SubnetOptions {
        mtu: Some(1500),
        routers: vec![ip("10.0.0.254")],
        other: [(119, vec![1])].into(),
        ..Default::default()
    };
    let discover = request(MessageType::Discover, 1);
    assert_eq!(world.decide(&discover), Decision::Need(Need::Probe(ip("10.0.0.50"))));
    world.candidate = Candidate::InUse(ip("10.0.0.50"));
    assert_eq!(world.silence(&discover), Silence::InUse(ip("10.0.0.50")));
    world.candidate = Candidate::Free(ip("10.0.0.50"));
    let offer = world.answer(&discover);
    assert_eq!((offer.reply.yiaddr, offer.why), (ip("10.0.0.50"), Why::Reserved));
    assert_eq!(offer.reply.option(code::HOSTNAME), Some(&b"hv-1"[..]));
    assert_eq!(offer.reply.option(code::MTU), Some(&9000_u16.to_be_bytes()[..]), "the node's over the subnet's");
    assert_eq!(offer.reply.option(code::ROUTERS), Some(&[10, 0, 0, 254][..]));
    assert_eq!(offer.reply.option(119), Some(&[1][..]));
    // Asked for something else, it is told only that, and what an operator added.
    let picky = Request { wanted: vec![1, 3], ..discover.clone() };
    let offer = world.answer(&picky);
    assert_eq!((offer.reply.option(code::MTU), offer.reply.option(119)), (None, Some(&[1][..])));
    world.candidate = Candidate::NotAsked;
    assert_eq!(world.answer(&selecting("10.0.0.50")).lease.unwrap().state, LeaseState::Bound);
    // Elsewhere it is a machine like others.
    let moved = Request { giaddr: ip("10.9.0.1"), ..discover };
    assert!(matches!(world.decide(&moved), Decision::Need(Need::Address { .. })));
    // The store lost its lease: what is reserved is its own all the same.
    world.lease = None;
    assert_eq!(
        world.answer(&Request { ciaddr: ip("10.0.0.50"), ..request(MessageType::Request, 1) }).why,
        Why::Reserved
    );
}

#[test]
fn inform_release_and_decline() {
    let mut world = bound();
    let inform = Request { ciaddr: ip("10.0.0.77"), ..request(MessageType::Inform, 9) };
    let ack = world.answer(&inform);
    assert_eq!((ack.reply.kind, ack.reply.yiaddr, ack.lease), (MessageType::Ack, ip("0.0.0.0"), None));
    assert_eq!(ack.reply.option(code::LEASE_TIME), None);
    assert_eq!(ack.to, Destination::Unicast("10.0.0.77:68".parse().unwrap()));
    assert_eq!(world.silence(&Request { ciaddr: ip("0.0.0.0"), ..inform }), Silence::NoAddress);
    let release = Request { ciaddr: ip("10.0.0.10"), ..request(MessageType::Release, 1) };
    let stranger = Request { hardware: request(MessageType::Release, 2).hardware, ..release.clone() };
    assert_eq!(world.silence(&stranger), Silence::NotItsOwn(ip("10.0.0.10")));
    assert_eq!(
        world.silence(&Request { server_id: Some(ip("10.0.0.2")), ..release.clone() }),
        Silence::OtherServer(ip("10.0.0.2"))
    );
    assert_eq!(world.lease.as_ref().unwrap().state, LeaseState::Bound);
    let decline = Request { requested: Some(ip("10.0.0.10")), ..request(MessageType::Decline, 1) };
    let mut declined = World { lease: world.lease.clone(), ..server() };
    assert_eq!(world.silence(&release), Silence::Released(ip("10.0.0.10")));
    assert!(world.lease.as_ref().unwrap().is_free(NOW));
    assert_eq!(declined.silence(&decline), Silence::Declined(ip("10.0.0.10")));
    assert!(!declined.lease.as_ref().unwrap().is_free(NOW + 1));
    // It asks again, and must not get what it has just found taken; nor can it give that back to be given.
    let discover = request(MessageType::Discover, 1);
    assert!(matches!(declined.decide(&discover), Decision::Need(Need::Address { .. })));
    assert_eq!(declined.silence(&release), Silence::NotItsOwn(ip("10.0.0.10")));
    declined.now = NOW + lease::QUARANTINE;
    assert_eq!(declined.answer(&discover).reply.yiaddr, ip("10.0.0.10"));
}

#[test]
fn subnets_by_link_relay_and_interface() {
    let mut world = server();
    let at = |giaddr: &str, link: Option<&str>| Request {
        giaddr: ip(giaddr),
        relay: Some(RelayInfo { raw: vec![5, 4], link_selection: link.map(ip), ..Default::default() }),
        ..request(MessageType::Discover, 1)
    };
    let nets = |world: &World, request: &Request| match world.decide(request) {
        Decision::Need(Need::Address { subnets, .. }) => subnets,
        Decision::Silence(why, _) => panic!("{why}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(nets(&world, &at("10.9.0.1", None)), [net("10.9.0.0/24")]);
    assert_eq!(nets(&world, &at("172.16.0.1", Some("10.9.0.0"))), [net("10.9.0.0/24")]);
    assert_eq!(world.silence(&at("172.16.0.1", None)), Silence::NoSubnet(Some(ip("172.16.0.1"))));
    world.interface = vec![net("10.0.0.1/24"), net("10.9.0.1/24")];
    let direct = request(MessageType::Discover, 1);
    assert_eq!(nets(&world, &direct), [net("10.0.0.0/24"), net("10.9.0.0/24")], "several of one interface");
    world.candidate = Candidate::Free(ip("10.9.0.12"));
    let offer = world.answer(&direct);
    assert_eq!(offer.lease.unwrap().subnet, net("10.9.0.0/24"));
    world.interface = vec![net("192.168.0.1/24")];
    assert_eq!(world.silence(&direct), Silence::NoSubnet(None));
    // Option 82 goes back, and a relay that hides the server is the server to its clients (RFC 5107).
    let mut world = World { candidate: Candidate::Free(ip("10.9.0.10")), ..server() };
    let mut hidden = at("10.9.0.1", None);
    hidden.relay.as_mut().unwrap().server_id = Some(ip("10.9.0.1"));
    let offer = world.answer(&hidden);
    assert_eq!((&offer.reply.relay, &offer.to), (&Some(vec![5, 4]), &Destination::Relay(ip("10.9.0.1"))));
    assert_eq!(offer.reply.option(code::SERVER_ID), Some(&[10, 9, 0, 1][..]));
    let take = Request {
        kind: Some(MessageType::Request),
        requested: Some(ip("10.9.0.10")),
        server_id: Some(ip("10.9.0.1")),
        ..hidden
    };
    assert_eq!(world.answer(&take).reply.kind, MessageType::Ack);
}

#[test]
fn a_boot_client_gets_address_and_file_and_others_no_file() {
    let mut world = World { candidate: Candidate::Free(ip("10.0.0.10")), ..server() };
    let offer = world.answer(&ipxe(MessageType::Discover));
    assert_eq!(offer.reply.file, "http://10.0.0.1:8080/boot.ipxe");
    assert_eq!(offer.reply.option(code::IPXE), Some(&[176, 1, 1][..]), "do not wait for a proxy");
    // Nothing to boot is no reason to have no address.
    world.lease = None;
    let offer = world.answer(&pxe(MessageType::Discover, 11));
    assert_eq!((offer.reply.yiaddr, offer.reply.file.as_str()), (ip("10.0.0.10"), ""));
    assert!(matches!(offer.boot, Some(Err(Silence::NoFile { .. }))));
    assert_eq!(offer.reply.option(code::CLASS), None, "no promise of a file");
}

#[test]
fn options_that_an_operator_may_not_set() {
    let with = |code: u8, value: Vec<u8>| SubnetOptions { other: [(code, value)].into(), ..Default::default() };
    assert!(with(119, vec![0; 255]).check().is_ok());
    assert!(with(54, vec![1, 2, 3, 4]).check().unwrap_err().contains("option 54"));
    assert!(with(119, vec![0; 256]).check().unwrap_err().contains("at most 255"));
    let small = SubnetOptions { mtu: Some(60), ..Default::default() };
    assert!(small.check().unwrap_err().contains("at least 68, got 60"));
}
