//! What we answer to packets that were recorded (fixtures/README.md), compared whole. After a change that is meant:
//! `BLESS=1 cargo test -p higuma --lib dhcp::`, and read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::dhcp::capture;
use crate::domain::dhcp::{Build, SubnetOptions};

macro_rules! fixtures {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("../fixtures/", $name, ".hex")))),+] };
}

/// Name and text.
pub(crate) const FIXTURES: &[(&str, &str)] = fixtures!(
    "seabios-ipxe-rom-discover",
    "seabios-ipxe-rom-request",
    "undionly-discover",
    "undionly-request",
    "ovmf-pxe-discover",
    "ovmf-pxe-request",
    "snponly-discover",
    "snponly-request",
    "ovmf-http-discover",
    "ovmf-http-request",
    "ovmf-4011-request",
    "ipxe-4011-request",
    "udhcpc-discover",
    "udhcpc-request",
    "relayed-discover",
    "relayed-request",
    "dnsmasq-offer",
    "dnsmasq-proxy-offer",
);

pub(crate) fn setup(mode: Mode) -> Setup {
    let subnet = |net: &str, first: &str, last: &str, router: &str| Subnet {
        net: net.parse().unwrap(),
        spans: vec![(first.parse().unwrap(), last.parse().unwrap())],
        options: SubnetOptions {
            routers: vec![router.parse().unwrap()],
            dns: vec!["10.77.0.53".parse().unwrap(), "10.77.0.54".parse().unwrap()],
            domain: Some("lab.example".parse().unwrap()),
            ..Default::default()
        },
        lease_seconds: 3600,
    };
    Setup {
        mode,
        here: "10.77.0.1/24".parse().unwrap(),
        subnets: vec![
            subnet("10.77.0.0/24", "10.77.0.100", "10.77.0.199", "10.77.0.254"),
            subnet("10.78.0.0/24", "10.78.0.100", "10.78.0.199", "10.78.0.254"),
        ],
        authoritative: true,
        boot: BootSettings {
            boots: true,
            build: Build::Snponly,
            own_ipxe: false,
            fetched: false,
            tftp: "10.77.0.1".parse().unwrap(),
            http: "http://10.77.0.1:8080".to_owned(),
            files: ["undionly.kpxe", "snponly.efi", "ipxe.efi", "ipxe.pxe"].map(str::to_owned).to_vec(),
        },
        reservation: None,
        port: 67,
    }
}

/// One fixture, as if nothing else had come; a REQUEST finds its address reserved.
fn of(name: &str, hex: &str, mut setup: Setup) -> String {
    let mut capture = capture::read(hex.as_bytes()).unwrap();
    let request = packet::parse(&capture.datagrams[0].payload).unwrap();
    setup.reservation = request.requested.map(|address| Reservation { address: Some(address), ..Default::default() });
    if name.contains("4011") {
        // Captured addresses: see the pcap file.
        let from = if name.starts_with("ipxe") { "10.77.0.190:68" } else { "10.77.0.189:4011" };
        // iPXE names the one who offered.
        setup.here = if name.starts_with("ipxe") { "10.77.0.2/24" } else { "10.77.0.1/24" }.parse().unwrap();
        capture.datagrams[0].ends = Some((from.parse().unwrap(), SocketAddrV4::new(setup.here.addr(), 4011)));
    }
    text(&explain(&capture, &setup))
}

fn golden(file: &str, all: &str) {
    let path = format!("{}/src/dhcp/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, all).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (new, old)) in (1..).zip(all.lines().zip(expected.lines())) {
        assert_eq!(new, old, "{path}:{line}");
    }
    assert_eq!(all.lines().count(), expected.lines().count(), "{path}");
}

fn all(mode: Mode) -> String {
    FIXTURES.iter().map(|(name, hex)| format!("== {name}\n{}\n", of(name, hex, setup(mode)))).collect()
}

#[test]
fn recorded_packets_in_proxy_mode() {
    golden("proxy.txt", &all(Mode::Proxy));
}

#[test]
fn recorded_packets_in_server_mode() {
    golden("server.txt", &all(Mode::Server));
}

#[test]
fn a_whole_capture() {
    let capture = capture::read(include_bytes!("../fixtures/pxe-4011.pcap")).unwrap();
    assert_eq!((capture.datagrams.len(), capture.others, &capture.cut), (21, 0, &None));
    // The second server of the capture, which gave no addresses.
    let mut second = setup(Mode::Proxy);
    second.here = "10.77.0.2/24".parse().unwrap();
    second.boot.tftp = second.here.addr();
    golden("pxe-4011.txt", &text(&explain(&capture, &second)));
}

#[test]
fn addresses_of_a_capture_are_given_once() {
    let two = format!("0000: {}0000: {}", line(FIXTURES[0].1), line(FIXTURES[4].1));
    let explained = explain(&capture::read(two.as_bytes()).unwrap(), &setup(Mode::Server));
    let given: Vec<String> = explained.iter().map(|e| e.answer.as_ref().unwrap().yiaddr.to_string()).collect();
    // Two ports with one UUID, and the first has not taken its address: another machine, for all that is known.
    assert_eq!(given, ["10.77.0.100", "10.77.0.101"]);
    let mut full = setup(Mode::Server);
    full.subnets[0].spans = vec![("10.77.0.1".parse().unwrap(), "10.77.0.2".parse().unwrap())];
    let explained = explain(&capture::read(two.as_bytes()).unwrap(), &full);
    assert_eq!(explained[0].answer.as_ref().unwrap().yiaddr.to_string(), "10.77.0.2");
    assert_eq!((explained[1].result.as_str(), &explained[1].answer), ("exhausted", &None));
    assert_eq!(explained[1].reason, "pool exhausted: 10.77.0.0/24 has no free address");
}

fn line(hex: &str) -> String {
    hex.lines().collect::<String>() + "\n"
}

#[test]
fn what_is_not_for_us() {
    let mut capture = capture::read(FIXTURES[0].1.as_bytes()).unwrap();
    for (to, result) in [
        ("10.77.0.9:67", "other_machine"),
        ("10.77.0.255:67", "answer"),
        ("10.77.0.1:67", "answer"),
        ("255.255.255.255:68", "other_port"),
    ] {
        capture.datagrams[0].ends = Some(("10.77.0.8:68".parse().unwrap(), to.parse().unwrap()));
        assert_eq!(explain(&capture, &setup(Mode::Server))[0].result, result, "{to}");
    }
    capture.datagrams[0].payload.truncate(200);
    let explained = explain(&capture, &setup(Mode::Server));
    assert_eq!(explained[0].reason, "200 bytes: expected at least the 236 of the header");
    assert!(text(&explained).contains("no answer (unusable)"));
}

#[test]
fn off_answers_nobody() {
    for (name, hex) in FIXTURES {
        let text = of(name, hex, setup(Mode::Off));
        assert!(text.contains("no answer"), "{name}: {text}");
    }
}
