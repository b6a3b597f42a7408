//! Leases: keys, ties, and what may become of one.

use super::*;
use crate::domain::dhcp::lease::Tie;

fn with_id(mac: u8, id: &[u8]) -> Request {
    Request { client_id: Some(id.to_vec()), ..request(MessageType::Discover, mac) }
}

fn uuid(mac: u8, text: &str) -> Request {
    Request { uuid: Some(text.parse().unwrap()), ..request(MessageType::Discover, mac) }
}

fn lease(request: &Request) -> Lease {
    Lease::offer(ip("10.0.0.10"), net("10.0.0.0/24"), request, NOW)
}

#[test]
fn keys() {
    let key = |request: &Request| ClientKey::of(request).to_string();
    assert_eq!(key(&request(MessageType::Discover, 1)), "hw:1:525400000001");
    assert_eq!(key(&with_id(1, &[1, 0x52, 0x54, 0, 0, 0, 1])), "hw:1:525400000001", "the address itself");
    assert_eq!(key(&with_id(1, &[1, 0x52, 0x54, 0, 0, 0, 2])), "id:01525400000002");
    assert_eq!(key(&with_id(1, &[255, 7])), "id:ff07");
    assert_eq!(key(&with_id(1, &[7; 300])).len(), 3 + 2 * 255);
    for text in ["hw:1:525400000001", "id:ff07"] {
        assert_eq!(text.parse::<ClientKey>().unwrap().as_str(), text);
    }
    for text in ["", "id:", "id:f", "hw:525400000001", "mac:00", "id:zz"] {
        assert!(text.parse::<ClientKey>().is_err(), "{text}");
    }
}

#[test]
fn what_ties_a_lease_to_a_client() {
    let known = lease(&uuid(1, UUID));
    assert_eq!(known.tie(&uuid(1, UUID)), Some(Tie::Key));
    assert_eq!(known.tie(&request(MessageType::Discover, 1)), Some(Tie::Key), "the next program tells no UUID");
    assert_eq!(known.tie(&with_id(1, &[255, 1, 2])), Some(Tie::Port), "the operating system has an identifier");
    assert_eq!(known.tie(&uuid(2, UUID)), Some(Tie::Uuid));
    let swapped = "44454c4c-4600-1030-8052-b4c04f4a4d32";
    assert_eq!(known.tie(&uuid(2, swapped)), Some(Tie::Uuid), "bytes the other way round");
    assert_eq!(known.tie(&uuid(1, "4c4c4544-0046-3010-8052-000000000001")), None, "another machine");
    assert_eq!(known.tie(&request(MessageType::Discover, 2)), None);
    // A placeholder names nobody, nor does a port that many have.
    let placeholder = "03000200-0400-0500-0006-000700080009";
    let nameless = lease(&uuid(1, placeholder));
    assert_eq!((nameless.uuid.clone(), nameless.tie(&uuid(2, placeholder))), (None, None));
    let nobody = |id: &[u8]| Request { hardware: Hardware { kind: 1, address: vec![0; 6] }, ..with_id(1, id) };
    assert_eq!(lease(&nobody(&[0, 1])).tie(&nobody(&[0, 2])), None);
}

#[test]
fn the_strongest_tie_and_then_the_newest_is_taken() {
    let client = uuid(1, UUID);
    let by_uuid = Lease { address: ip("10.0.0.11"), seen: NOW + 5, ..lease(&uuid(2, UUID)) };
    let older = lease(&client);
    let newer = Lease { address: ip("10.0.0.9"), seen: NOW + 1, ..older.clone() };
    let stranger = lease(&request(MessageType::Discover, 9));
    let all = [by_uuid.clone(), newer.clone(), older, stranger.clone()];
    assert_eq!(Lease::of(&all, &client), Some(&newer));
    assert_eq!(Lease::of([&stranger, &by_uuid], &client), Some(&by_uuid));
    assert_eq!(Lease::of([&stranger], &client), None);
}

#[test]
fn one_machine_keeps_its_address_through_all_its_programs() {
    let mut world = World { candidate: Candidate::Free(ip("10.0.0.10")), ..World::new(Mode::Server) };
    world.answer(&pxe(MessageType::Discover, 0));
    world.candidate = Candidate::NotAsked;
    let programs = [ipxe(MessageType::Discover), with_id(1, &[255, 9, 9]), pxe(MessageType::Discover, 0)];
    for program in &programs {
        assert_eq!(world.answer(program).reply.yiaddr, ip("10.0.0.10"));
        assert!(world.lease.as_ref().unwrap().uuid.is_some(), "the UUID stays");
    }
    // By its other port: the same machine, if nobody answers at the address.
    let other = uuid(2, UUID);
    assert_eq!(world.decide(&other), Decision::Need(Need::Probe(ip("10.0.0.10"))));
    world.candidate = Candidate::InUse(ip("10.0.0.10"));
    assert!(matches!(world.decide(&other), Decision::Need(Need::Address { .. })), "two machines with one UUID");
    world.candidate = Candidate::Free(ip("10.0.0.11"));
    assert_eq!(
        World { lease: world.lease.clone(), ..World::new(Mode::Server) }.silence(&Request {
            ciaddr: ip("10.0.0.10"),
            kind: Some(MessageType::Release),
            ..other.clone()
        }),
        Silence::NotItsOwn(ip("10.0.0.10")),
        "by the UUID alone nobody gives it back"
    );
    let mut twin = World { lease: world.lease.clone(), candidate: world.candidate, ..World::new(Mode::Server) };
    assert_eq!(twin.answer(&other).reply.yiaddr, ip("10.0.0.11"));
    world.candidate = Candidate::Free(ip("10.0.0.10"));
    assert_eq!(world.answer(&other).reply.yiaddr, ip("10.0.0.10"));
}

#[test]
fn transitions() {
    let client = request(MessageType::Discover, 1);
    let offered = lease(&client);
    assert!(!offered.is_free(NOW) && offered.is_free(NOW + lease::OFFER_HOLD));
    let bound = offered.clone().bound(&client, NOW, 600);
    assert_eq!((bound.state, bound.expires), (LeaseState::Bound, NOW + 600_000_000));
    assert!(!bound.is_free(NOW + 599_999_999) && bound.is_free(NOW + 600_000_000));
    // Asked again by the next program while it is bound: an offer that is not taken must not end it sooner.
    let again = bound.clone().offered(&client, NOW + 1);
    assert_eq!((again.state, again.expires, again.seen), (LeaseState::Bound, bound.expires, NOW + 1));
    let late = bound.clone().offered(&client, bound.expires);
    assert_eq!((late.state, late.expires), (LeaseState::Offered, bound.expires + lease::OFFER_HOLD));
    let released = bound.clone().released(NOW + 5);
    assert!(released.is_free(NOW + 5) && released.is_good(NOW + 5));
    let declined = bound.declined(NOW);
    assert!(!declined.is_free(NOW + 1) && !declined.is_good(NOW + 1));
    let over = NOW + lease::QUARANTINE;
    assert!(declined.is_free(over) && declined.is_good(over));
    // Times at the end of all times.
    let last = Lease::offer(ip("10.0.0.10"), net("10.0.0.0/24"), &client, i64::MAX);
    assert_eq!(last.bound(&client, i64::MAX, u32::MAX).expires, i64::MAX);
}
