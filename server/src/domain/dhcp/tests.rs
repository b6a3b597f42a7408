//! Decisions, on requests as the codec makes them. Whole answers to recorded packets are in `crate::dhcp::explain`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boots;
mod leases;
mod serves;

use super::request::Ipxe;
use super::*;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddrV4};

pub const NOW: i64 = 1_800_000_000_000_000;
const UUID: &str = "4c4c4544-0046-3010-8052-b4c04f4a4d32";

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub fn request(kind: MessageType, mac: u8) -> Request {
    Request {
        op: Op::Request,
        hops: 0,
        xid: 7,
        secs: 0,
        broadcast: false,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        hardware: Hardware { kind: 1, address: vec![0x52, 0x54, 0, 0, 0, mac] },
        kind: Some(kind),
        requested: None,
        server_id: None,
        wanted: Vec::new(),
        max_size: None,
        lease_seconds: None,
        class: String::new(),
        client_id: None,
        user_classes: Vec::new(),
        relay: None,
        archs: Vec::new(),
        undi: None,
        guid: None,
        uuid: None,
        ipxe: None,
        hostname: String::new(),
        odd: Vec::new(),
    }
}

pub fn pxe(kind: MessageType, arch: u16) -> Request {
    let class = format!("PXEClient:Arch:{arch:05}:UNDI:003000");
    Request { class, archs: vec![Arch(arch)], uuid: Some(UUID.parse().unwrap()), ..request(kind, 1) }
}

pub fn ipxe(kind: MessageType) -> Request {
    Request { ipxe: Some(Ipxe { version: None, features: vec![0x13, 0x15] }), ..pxe(kind, 0) }
}

/// All that a situation borrows.
pub struct World {
    pub mode: Mode,
    pub subnets: Vec<Subnet>,
    pub interface: Vec<Ipv4Net>,
    pub own: Vec<Ipv4Addr>,
    pub boot: BootSettings,
    pub reservation: Option<Reservation>,
    pub lease: Option<Lease>,
    pub candidate: Candidate,
    pub authoritative: bool,
    pub unicast: bool,
    pub port: Port,
    pub now: i64,
}

pub fn subnet(text: &str, spans: &[(&str, &str)]) -> Subnet {
    let spans = spans.iter().map(|(first, last)| (ip(first), ip(last))).collect();
    Subnet { net: net(text), spans, options: SubnetOptions::default(), lease_seconds: 3600 }
}

impl World {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            subnets: vec![
                subnet("10.0.0.0/24", &[("10.0.0.10", "10.0.0.19")]),
                subnet("10.9.0.0/24", &[("10.9.0.10", "10.9.0.19")]),
            ],
            interface: vec![net("10.0.0.1/24")],
            own: vec![ip("10.0.0.1"), ip("127.0.0.1")],
            boot: BootSettings {
                boots: true,
                build: Build::Snponly,
                own_ipxe: false,
                fetched: false,
                tftp: ip("10.0.0.1"),
                http: "http://10.0.0.1:8080".to_owned(),
                files: ["undionly.kpxe", "snponly.efi", "ipxe.efi", "ipxe.pxe"].map(str::to_owned).to_vec(),
            },
            reservation: None,
            lease: None,
            candidate: Candidate::NotAsked,
            authoritative: true,
            unicast: false,
            port: Port::Dhcp,
            now: NOW,
        }
    }

    pub fn decide(&self, request: &Request) -> Decision {
        let situation = Situation {
            mode: self.mode,
            port: self.port,
            source: SocketAddrV4::new(ip("10.0.0.15"), 4011),
            unicast: self.unicast,
            here: ip("10.0.0.1"),
            own: &self.own,
            interface: &self.interface,
            authoritative: self.authoritative,
            probe: b"\0higuma-probe:own",
            subnets: &self.subnets,
            reservation: self.reservation.as_ref(),
            lease: self.lease.as_ref(),
            candidate: self.candidate,
            boot: &self.boot,
            now: self.now,
        };
        decide(request, &situation)
    }

    /// The answer, whose lease is then stored.
    pub fn answer(&mut self, request: &Request) -> Answer {
        let answer = match self.decide(request) {
            Decision::Answer(answer) => *answer,
            other => panic!("{other:?}"),
        };
        if answer.lease.is_some() {
            self.lease.clone_from(&answer.lease);
        }
        answer
    }

    /// Why there is none; what is to be stored is.
    pub fn silence(&mut self, request: &Request) -> Silence {
        match self.decide(request) {
            Decision::Silence(why, lease) => {
                self.lease = lease.map(|lease| *lease).or(self.lease.take());
                why
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whom_nobody_answers() {
    for mode in [Mode::Proxy, Mode::Server] {
        let mut world = World::new(mode);
        let good = pxe(MessageType::Discover, 0);
        for (request, why) in [
            (Request { op: Op::Reply, ..good.clone() }, Silence::NotARequest),
            (Request { kind: None, ..good.clone() }, Silence::Bootp),
            (Request { hops: 17, giaddr: ip("10.0.0.9"), ..good.clone() }, Silence::Hops(17)),
            // Two relays that send to each other: the first of them is in the packet.
            (Request { hops: 2, giaddr: ip("10.0.0.1"), ..good.clone() }, Silence::Loop(ip("10.0.0.1"))),
            (pxe(MessageType::Offer, 0), Silence::OfAServer(MessageType::Offer)),
            (pxe(MessageType::Other(10), 0), Silence::Unsupported(MessageType::Other(10))),
            (
                Request { hardware: Hardware { kind: 1, address: vec![0; 6] }, ..good.clone() },
                Silence::Hardware(vec![0; 6]),
            ),
            (
                Request { hardware: Hardware { kind: 1, address: vec![255; 6] }, ..good.clone() },
                Silence::Hardware(vec![255; 6]),
            ),
        ] {
            assert_eq!(world.silence(&request), why, "{mode}");
        }
        assert_eq!(World::new(Mode::Off).silence(&good), Silence::Off);
        world.port = Port::Pxe;
        assert_eq!(World { mode: Mode::Off, ..world }.silence(&good), Silence::Off);
    }
}

#[test]
fn reasons_have_words_of_their_own() {
    let words: std::collections::BTreeSet<&str> =
        [Silence::Off, Silence::Bootp, Silence::NotBooted, Silence::NoAddress].iter().map(Silence::word).collect();
    assert_eq!(words.len(), 4);
    let text = Silence::NoFile { archs: vec![Arch(11), Arch(99)], name: "snponly-arm64.efi" }.to_string();
    assert!(text.contains("11 (UEFI ARM, 64 bits), 99 (unknown)") && text.contains("snponly-arm64.efi"), "{text}");
    assert_eq!(Silence::OtherServer(ip("10.0.0.2")).to_string(), "meant for another server (server id 10.0.0.2)");
}
