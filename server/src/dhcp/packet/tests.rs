//! Packets of real clients, and such as nobody should send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::dhcp::explain::tests::FIXTURES;
use crate::domain::dhcp::arch::Arch;
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let hex = FIXTURES.iter().find(|(known, _)| *known == name).expect(name).1;
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

/// A request of Ethernet with these options and this field `file`.
fn made(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 7, 0x80, 0];
    bytes.resize(28, 0);
    bytes.extend([0x52, 0x54, 0, 0xaa, 0, 1]);
    bytes.resize(44, 0);
    bytes.extend_from_slice(sname);
    bytes.resize(108, 0);
    bytes.extend_from_slice(file);
    bytes.resize(HEADER, 0);
    bytes.extend(COOKIE);
    bytes.extend_from_slice(options);
    bytes
}

fn with(options: &[u8]) -> Result<Request, Unusable> {
    parse(&made(options, &[], &[]))
}

#[test]
fn what_firmware_says() {
    let request = parse(&fixture("seabios-ipxe-rom-discover")).unwrap();
    assert_eq!((request.xid, request.secs, request.broadcast), (0x74e4_e766, 4, false));
    assert_eq!(request.hardware.to_string(), "52:54:00:aa:00:01");
    assert_eq!(request.uuid.as_ref().unwrap().as_str(), "4c4c4544-0046-3010-8052-b4c04f4a4d32");
    assert_eq!((request.archs, request.undi), (vec![Arch(0)], Some([1, 2, 1])));
    assert_eq!((request.user_classes, request.max_size), (vec!["iPXE".to_owned()], Some(1472)));
    assert_eq!(request.ipxe.unwrap().version, Some([1, 0, 0]));
    let request = parse(&fixture("ovmf-pxe-request")).unwrap();
    assert_eq!((request.max_size, request.requested), (Some(65280), Some([10, 77, 0, 186].into())));
    assert_eq!(request.class, "PXEClient:Arch:00007:UNDI:003000");
    assert!(request.wants(67) && !request.wants(119));
    let request = parse(&fixture("relayed-discover")).unwrap();
    assert_eq!((request.hops, request.giaddr), (1, [10, 78, 0, 1].into()));
    assert_eq!(parse(&fixture("dnsmasq-offer")).unwrap().op, Op::Reply);
}

#[test]
fn every_cut_of_every_packet() {
    for (name, _) in FIXTURES {
        let bytes = fixture(name);
        for length in 0..bytes.len() {
            match parse(&bytes[..length]) {
                Err(Unusable::Short(n)) => assert!(n == length && length < HEADER, "{name} {length}"),
                Err(Unusable::TooLong { .. } | Unusable::NoLength { .. }) => {
                    assert!(length > HEADER + 4, "{name} {length}")
                }
                Err(error) => panic!("{name} {length}: {error}"),
                // Between two options, or before the cookie: then it is BOOTP.
                Ok(request) => assert_eq!(request.kind.is_none(), length < HEADER + 7, "{name} {length}"),
            }
        }
    }
}

#[test]
fn what_is_no_packet_is_said() {
    let spoil = |at: usize, with: u8| {
        let mut bytes = fixture("udhcpc-discover");
        bytes[at] = with;
        parse(&bytes).unwrap_err().to_string()
    };
    assert_eq!(spoil(2, 0), "a hardware address of 0 bytes (hlen): expected 1 to 16");
    assert_eq!(spoil(2, 17), "a hardware address of 17 bytes (hlen): expected 1 to 16");
    assert_eq!(spoil(0, 3), "op 3: expected 1 (request) or 2 (reply)");
    for (options, says) in [
        (&[53, 2, 1, 1, 255][..], "option 53 (message type): expected 1 bytes, got 2"),
        (&[53, 1, 1, 53, 1, 3], "option 53 (message type): expected 1 bytes, got 2"),
        (&[50, 3, 10, 0, 0], "option 50 (requested address): expected 4 bytes, got 3"),
        (&[54, 0], "option 54 (server id): expected 4 bytes, got 0"),
        (&[53, 1, 1, 55, 200, 1, 2], "option 55 in the options says 200 bytes, 2 are left"),
        (&[53, 1, 1, 55], "option 55 in the options has no length"),
        (&[52, 1, 4], "option 52 (overload): expected one byte of 1 to 3, got [04]"),
        (&[52, 2, 1, 1], "option 52 (overload): expected one byte of 1 to 3, got [01, 01]"),
    ] {
        assert_eq!(with(options).unwrap_err().to_string(), says);
    }
}

#[test]
fn what_only_advises_may_be_wrong() {
    let request = with(&[53, 1, 1, 57, 1, 9, 93, 3, 0, 7, 1, 97, 2, 0, 1, 94, 1, 1, 51, 1, 0]).unwrap();
    assert_eq!((request.max_size, request.uuid, request.archs), (None, None, vec![Arch(7)]));
    assert_eq!(request.odd.len(), 5, "{:?}", request.odd);
    // What is there goes back all the same.
    assert_eq!(request.guid, Some(vec![0, 1]));
}

#[test]
fn nothing_behind_the_end_and_no_end_at_all() {
    let request = with(&[0, 0, 53, 1, 1, 255, 54, 200, 1]).unwrap();
    assert_eq!((request.kind, request.server_id), (Some(MessageType::Discover), None));
    assert_eq!(with(&[53, 1, 8]).unwrap().kind, Some(MessageType::Inform));
    // BOOTP: another cookie, or nothing behind the header.
    let mut bootp = made(&[53, 1, 1], &[], &[]);
    bootp[HEADER] = 1;
    assert_eq!(parse(&bootp).unwrap().kind, None);
    assert_eq!(parse(&bootp[..HEADER]).unwrap().kind, None);
}

#[test]
fn split_options_and_overload_are_put_together() {
    // RFC 3396: 61 in two pieces, with another option between them.
    let request = with(&[61, 2, 1, 2, 53, 1, 1, 61, 2, 3, 4]).unwrap();
    assert_eq!(request.client_id, Some(vec![1, 2, 3, 4]));
    // RFC 2131, 4.1: options go on in file, then in sname.
    let bytes = made(&[52, 1, 3, 61, 1, 1, 255], &[53, 1, 3, 61, 1, 2, 255], &[61, 1, 3, 12, 1, b'h', 255]);
    let request = parse(&bytes).unwrap();
    assert_eq!((request.kind, request.hostname.as_str()), (Some(MessageType::Request), "h"));
    assert_eq!(request.client_id, Some(vec![1, 2, 3]));
    // One that points at itself: read once, and what is then said twice does not fit.
    let error = parse(&made(&[53, 1, 1, 52, 1, 1], &[52, 1, 3, 255], &[54, 4, 9, 9, 9, 9, 255])).unwrap();
    assert_eq!(error.server_id, None, "sname was not named by the options themselves");
    // A field full of zeros, and one without an end.
    assert!(parse(&made(&[53, 1, 1, 52, 1, 3], &[], &[61; 64])).unwrap_err().to_string().contains("sname"));
}

#[test]
fn user_classes_of_both_forms() {
    let classes = |value: &[u8]| values::user_classes(value);
    assert_eq!(classes(b"iPXE"), ["iPXE"]);
    assert_eq!(classes(b"\x04iPXE\x03abc"), ["iPXE", "abc"]);
    assert_eq!(classes(b"\x04iPX"), [".iPX"]);
    assert_eq!(classes(b"\0"), [""]);
    assert!(classes(b"").is_empty());
    assert_eq!(classes(&[1, b'a'].repeat(40)).len(), 16);
}

#[test]
fn a_relays_words() {
    let raw = [1, 3, b'e', b't', b'h', 2, 2, 0xab, 0xcd, 5, 4, 10, 9, 0, 0, 11, 4, 10, 9, 0, 1, 200, 9, 1];
    let mut options = vec![53, 1, 1, 82, u8::try_from(raw.len()).unwrap()];
    options.extend(raw);
    let relay = with(&options).unwrap().relay.unwrap();
    assert_eq!((relay.circuit_id.as_deref(), relay.remote_id.as_deref()), (Some(&b"eth"[..]), Some(&[0xab, 0xcd][..])));
    assert_eq!((relay.link_selection, relay.server_id), (Some([10, 9, 0, 0].into()), Some([10, 9, 0, 1].into())));
    assert_eq!(relay.raw, raw, "byte for byte, with what does not fit");
}

fn reply(max_size: Option<u16>, relay: Option<Vec<u8>>) -> Reply {
    let mut request = with(&[53, 1, 1]).unwrap();
    request.max_size = max_size;
    let mut reply = Reply::to(&request, MessageType::Offer, [10, 0, 0, 1].into());
    reply.relay = relay;
    reply
}

#[test]
fn what_is_written_is_read_back() {
    let mut short = reply(Some(1472), Some(vec![1, 1, 9]));
    (short.yiaddr, short.file) = ([10, 0, 0, 9].into(), "undionly.kpxe".into());
    short.set(67, "a".repeat(300));
    let written = emit(&short);
    assert!(written.left_out.is_empty());
    let read = parse(&written.bytes).unwrap();
    assert_eq!((read.op, read.xid, read.broadcast, read.yiaddr), (Op::Reply, 0xdead_beef, true, short.yiaddr));
    assert_eq!((read.kind, read.server_id), (Some(MessageType::Offer), Some([10, 0, 0, 1].into())));
    assert_eq!(&written.bytes[108..122], b"undionly.kpxe\0");
    let options = Options::scan(&written.bytes[240..], &[], &[]).unwrap();
    assert_eq!(options.codes().collect::<Vec<_>>(), [53, 54, 67, 82], "option 82 is the last");
    assert_eq!(options.get(67).unwrap(), "a".repeat(300).as_bytes());
    // Relays drop what is shorter.
    assert_eq!(emit(&reply(None, None)).bytes.len(), 300);
}

#[test]
fn a_reply_is_as_long_as_the_client_takes_it() {
    for (max, longest) in [(None, 548), (Some(0), 548), (Some(576), 548), (Some(1000), 972), (Some(65280), 1472)] {
        let mut long = reply(max, Some(vec![7; 100]));
        (0..20).for_each(|n| long.set(200 + n, vec![n; 90]));
        long.set(240, vec![1]);
        let written = emit(&long);
        assert!(
            written.bytes.len() <= longest && written.bytes.len() > longest - 93,
            "{max:?}: {}",
            written.bytes.len()
        );
        let options = Options::scan(&written.bytes[240..], &[], &[]).unwrap();
        assert_eq!(options.get(82), Some(&[7; 100][..]), "{max:?}");
        assert_eq!(options.get(53), Some(&[2][..]));
        assert_eq!(written.left_out.iter().filter(|code| options.get(**code).is_some()).count(), 0);
        assert_eq!(options.codes().count() + written.left_out.len(), 24, "{max:?}");
    }
    // What a relay says at more length than a packet has room for.
    let written = emit(&reply(None, Some(vec![1; 400])));
    assert_eq!((written.left_out, written.bytes.len()), (vec![82], 300));
    // A name that does not fit the field is not cut.
    let mut long = reply(None, None);
    long.file = "x".repeat(128);
    assert_eq!(emit(&long).bytes[108], 0);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        options in proptest::collection::vec(any::<u8>(), 0..700),
        hlen in 0_u8..20,
        overload in proptest::option::of(0_u8..5),
    ) {
        let _ = parse(&options);
        let mut bytes = made(&[], &options[..options.len().min(128)], &options[..options.len().min(64)]);
        bytes[2] = hlen;
        bytes.extend(overload.into_iter().flat_map(|which| [52, 1, which]));
        bytes.extend(&options);
        let _ = parse(&bytes);
    }

    #[test]
    fn options_are_written_as_they_are_read(all in proptest::collection::vec((1_u8..255, proptest::collection::vec(any::<u8>(), 0..600)), 0..6)) {
        let mut bytes = Vec::new();
        let mut expected: Vec<(u8, Vec<u8>)> = Vec::new();
        for (code, value) in all {
            if code == 52 || expected.iter().any(|(known, _)| *known == code) {
                continue;
            }
            prop_assert!(options::write(&mut bytes, code, &value, usize::MAX));
            expected.push((code, value));
        }
        options::end(&mut bytes);
        let read = Options::scan(&bytes, &[], &[]).unwrap();
        prop_assert_eq!(read.codes().count(), expected.len());
        for (code, value) in expected {
            prop_assert_eq!(read.get(code), Some(value.as_slice()));
        }
    }
}
