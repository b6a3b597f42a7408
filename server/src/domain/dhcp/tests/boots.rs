//! What machines are told to boot, in both modes.

use super::*;
use crate::domain::dhcp::reply::code;

#[test]
fn a_proxy_answers_boot_clients_and_gives_no_address() {
    let mut world = World::new(Mode::Proxy);
    let answer = world.answer(&pxe(MessageType::Discover, 7));
    assert_eq!((answer.reply.kind, answer.reply.yiaddr, answer.lease), (MessageType::Offer, ip("0.0.0.0"), None));
    assert_eq!((answer.to, answer.reply.siaddr), (Destination::Broadcast, ip("10.0.0.1")));
    assert_eq!(answer.reply.option(code::CLASS), Some(&b"PXEClient"[..]));
    assert_eq!(answer.reply.option(code::VENDOR), Some(&[6, 1, 8, 255][..]));
    for code in [code::LEASE_TIME, code::SUBNET_MASK, code::ROUTERS] {
        assert_eq!(answer.reply.option(code), None);
    }
    for kind in [MessageType::Request, MessageType::Release, MessageType::Decline] {
        assert_eq!(world.silence(&pxe(kind, 7)), Silence::ProxyOnly(kind));
    }
    assert_eq!(world.silence(&request(MessageType::Discover, 1)), Silence::NotABootClient);
    let relayed = Request { giaddr: ip("10.9.0.1"), ..pxe(MessageType::Discover, 7) };
    assert_eq!(world.answer(&relayed).to, Destination::Relay(ip("10.9.0.1")));
}

#[test]
fn port_4011_answers_a_request_where_it_came_from() {
    for mode in [Mode::Proxy, Mode::Server] {
        let mut world = World { port: Port::Pxe, ..World::new(mode) };
        let asked = Request { guid: Some(vec![9; 17]), ..pxe(MessageType::Request, 7) };
        let answer = world.answer(&asked);
        assert_eq!((answer.reply.kind, answer.lease), (MessageType::Ack, None));
        assert_eq!(answer.to, Destination::Unicast("10.0.0.15:4011".parse().unwrap()));
        assert_eq!(answer.reply.option(code::GUID), Some(&[9; 17][..]), "as it came");
        let kind = MessageType::Discover;
        assert_eq!(world.silence(&pxe(kind, 7)), Silence::NotOnPxePort(kind));
        let other = Request { server_id: Some(ip("10.0.0.2")), ..asked };
        assert_eq!(world.silence(&other), Silence::OtherServer(ip("10.0.0.2")));
        assert_eq!(world.silence(&request(MessageType::Request, 1)), Silence::NotABootClient);
    }
}

fn boots(world: &World, request: &Request) -> String {
    boot_file::choose(request, &world.boot).map_or_else(|why| why.word().to_owned(), |file| file.name().to_owned())
}

#[test]
fn files_by_architecture() {
    let mut world = World::new(Mode::Proxy);
    let tftp = |world: &World, arch: u16| boots(world, &pxe(MessageType::Discover, arch));
    let http = |world: &World, arch: u16| {
        boots(world, &Request { class: "HTTPClient:Arch".to_owned(), ..pxe(MessageType::Discover, arch) })
    };
    for (arch, name) in [(0, "undionly.kpxe"), (7, "snponly.efi"), (9, "snponly.efi")] {
        assert_eq!(tftp(&world, arch), name, "{arch}");
    }
    for arch in [6, 10, 11] {
        assert_eq!(tftp(&world, arch), "no_file", "{arch}");
    }
    for arch in [2, 20, 27, 777] {
        assert_eq!(tftp(&world, arch), "no_arch", "{arch}");
    }
    for (arch, name) in [(16, "http://10.0.0.1:8080/boot/snponly.efi"), (17, "http://10.0.0.1:8080/boot/snponly.efi")] {
        assert_eq!(http(&world, arch), name);
    }
    assert_eq!(
        (http(&world, 15), http(&world, 19), http(&world, 20)),
        ("no_file".into(), "no_file".into(), "no_arch".into())
    );
    world.boot.build = Build::Full;
    assert_eq!((tftp(&world, 0).as_str(), tftp(&world, 7).as_str()), ("ipxe.pxe", "ipxe.efi"));
    // The other build, where the wished one is not there.
    world.boot.files = ["undionly.kpxe", "ipxe-arm64.efi"].map(str::to_owned).to_vec();
    world.boot.build = Build::Snponly;
    assert_eq!((tftp(&world, 11), tftp(&world, 7)), ("ipxe-arm64.efi".into(), "no_file".into()));
    assert_eq!(http(&world, 19), "http://10.0.0.1:8080/boot/ipxe-arm64.efi");
    world.boot.boots = false;
    assert_eq!(tftp(&world, 0), "not_booted");
}

#[test]
fn several_architectures_or_none() {
    let world = World::new(Mode::Proxy);
    let client = pxe(MessageType::Discover, 0);
    let with = |archs: &[u16], class: &str| {
        let archs = archs.iter().copied().map(Arch).collect();
        boots(&world, &Request { archs, class: class.to_owned(), ..client.clone() })
    };
    assert_eq!(with(&[11, 7], "PXEClient"), "snponly.efi", "the first that there is a file for");
    assert_eq!(with(&[], "PXEClient:Arch:00007:UNDI:003016"), "snponly.efi");
    assert_eq!(with(&[], "PXEClient"), "undionly.kpxe");
    assert_eq!(with(&[], "HTTPClient:Arch:00016"), "http://10.0.0.1:8080/boot/snponly.efi");
}

#[test]
fn ipxe_gets_the_script_and_ours_once_first_where_that_is_set() {
    let mut world = World::new(Mode::Proxy);
    let script = "http://10.0.0.1:8080/boot.ipxe";
    let rom = ipxe(MessageType::Discover);
    let by_class = Request { ipxe: None, user_classes: vec!["iPXE".to_owned()], ..rom.clone() };
    assert_eq!((boots(&world, &rom), boots(&world, &by_class)), (script.into(), script.into()));
    world.boot.own_ipxe = true;
    assert_eq!(boots(&world, &rom), "undionly.kpxe");
    world.boot.fetched = true;
    assert_eq!(boots(&world, &rom), script, "the loop ends");
    // A build that cannot load it gets ours, once.
    let old = Request { ipxe: Some(Ipxe { version: None, features: vec![0x15] }), ..rom.clone() };
    world.boot.own_ipxe = false;
    world.boot.fetched = false;
    assert_eq!(boots(&world, &old), "undionly.kpxe");
    world.boot.fetched = true;
    assert_eq!(boots(&world, &old), script);
    // Ours is not there: better iPXE of another than none.
    world.boot = BootSettings { own_ipxe: true, fetched: false, files: Vec::new(), ..world.boot };
    assert_eq!((boots(&world, &rom).as_str(), boots(&world, &old).as_str()), (script, "no_file"));
}

#[test]
fn where_firmware_looks_for_the_file() {
    let mut world = World::new(Mode::Proxy);
    let bios = world.answer(&pxe(MessageType::Discover, 0)).reply;
    assert_eq!((bios.file.as_str(), bios.option(code::BOOT_FILE)), ("undionly.kpxe", None));
    let uefi = world.answer(&pxe(MessageType::Discover, 7)).reply;
    assert_eq!(uefi.option(code::BOOT_FILE), Some(&b"snponly.efi"[..]));
    assert_eq!((uefi.file.as_str(), uefi.option(code::TFTP_SERVER)), ("snponly.efi", Some(&b"10.0.0.1"[..])));
    let unasked = Request { wanted: vec![1, 3], ..pxe(MessageType::Discover, 7) };
    assert_eq!(world.answer(&unasked).reply.option(code::BOOT_FILE), None);
    let http = Request { class: "HTTPClient".to_owned(), wanted: vec![1], ..pxe(MessageType::Discover, 16) };
    let http = world.answer(&http).reply;
    assert_eq!(http.option(code::CLASS), Some(&b"HTTPClient"[..]));
    assert_eq!((http.option(code::VENDOR), http.option(code::BOOT_FILE).is_some()), (None, true));
    // A URL that is longer than the header's field.
    world.boot.http = format!("http://{}:8080", "a".repeat(200));
    let long = world.answer(&ipxe(MessageType::Discover)).reply;
    assert_eq!((long.file.as_str(), long.option(code::BOOT_FILE).unwrap().len()), ("", 222));
}
