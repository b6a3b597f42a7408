//! Frames that Debian 12's `lldpd` 1.0.16 sent over a veth pair (see `data/README.md`), and the rules of clause 8.2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lldp_parser::*;

/// The frames of a little-endian classic pcap file.
fn frames(pcap: &[u8]) -> Vec<&[u8]> {
    let mut rest = &pcap[24..];
    let mut frames = Vec::new();
    while let Some((record, after)) = rest.split_first_chunk::<16>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize);
        frames.push(frame);
        rest = after;
    }
    frames
}

const SWITCH: &[u8] = include_bytes!("data/lldpd-vlan.pcap");
const PLAIN: &[u8] = include_bytes!("data/lldpd-plain.pcap");

#[test]
fn real_frames_come_back_byte_for_byte() {
    for bytes in [frames(SWITCH), frames(PLAIN)].concat() {
        assert_eq!(Frame::parse(bytes).unwrap().emit().unwrap(), bytes);
    }
}

#[test]
fn a_switch_with_everything() {
    let frame = Frame::parse(frames(SWITCH)[0]).unwrap();
    assert_eq!(frame.destination, NEAREST_BRIDGE);
    let lldpdu = &frame.lldpdu;
    assert_eq!(lldpdu.chassis_id.type_name(), "mac_address");
    assert_eq!(lldpdu.port_id, PortId::Local("Ethernet1/7".into()));
    assert_eq!(lldpdu.port_vlan_id(), Some(10));
    let addresses: Vec<_> = lldpdu.management_addresses().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1", "2001:db8::1"]);
    assert!(lldpdu.system_capabilities().unwrap().supports(SystemCapability::Bridge));
    #[cfg(feature = "serde")]
    {
        let expected: serde_json::Value = serde_json::from_str(include_str!("data/lldpd-vlan.json")).unwrap();
        assert_eq!(serde_json::to_value(&frame).unwrap(), expected);
    }
}

#[test]
fn a_plain_host() {
    let frame = Frame::parse(frames(PLAIN)[0]).unwrap().lldpdu;
    assert_eq!((frame.chassis_id.type_name(), frame.chassis_id.to_string().as_str()), ("local", "chassis-0815"));
    assert_eq!((frame.port_id.type_name(), frame.port_id.to_string().as_str()), ("interface_name", "swp1"));
    assert_eq!(frame.system_name().unwrap().to_string(), "web-1");
    assert_eq!(frame.system_description().unwrap().to_string(), "plain");
    assert_eq!(frame.port_description().unwrap().to_string(), "swp1");
}

#[test]
fn lldpd_says_goodbye() {
    for file in [SWITCH, PLAIN] {
        let heard = Frame::parse(frames(file).last().unwrap()).unwrap().lldpdu;
        assert!(heard.is_shutdown());
        assert_eq!(heard, Lldpdu::shutdown(heard.chassis_id.clone(), heard.port_id.clone()));
    }
}

#[test]
fn a_tagged_frame_is_understood() {
    let plain = frames(PLAIN)[0];
    let tagged = [&plain[..12], &[0x81, 0x00, 0xe0, 0x00], &plain[12..]].concat();
    let frame = Frame::parse(&tagged).unwrap();
    assert_eq!(frame.tag, Some(0xe000));
    assert_eq!(frame.lldpdu, Frame::parse(plain).unwrap().lldpdu);
    assert_eq!(frame.emit().unwrap(), tagged);
    assert!(matches!(Frame::parse(&tagged[..17]), Err(Error::Truncated { need: 18, have: 17, .. })));
    assert!(matches!(Frame::parse(&plain[..13]), Err(Error::Truncated { need: 14, have: 13, .. })));
    assert_eq!(Frame::parse(&[0; 60]), Err(Error::NotLldp { found: 0 }));
}

const CHASSIS: &[u8] = &[0x02, 0x03, 7, b'c', b'1'];
const PORT: &[u8] = &[0x04, 0x03, 5, b'p', b'1'];
const TTL: &[u8] = &[0x06, 0x02, 0, 120];
const END: &[u8] = &[0, 0];
const NAME: &[u8] = &[0x0a, 0x01, b'n'];

fn parse(parts: &[&[u8]]) -> Result<Lldpdu, Error> {
    Lldpdu::parse(&parts.concat())
}

#[test]
fn the_mandatory_three_come_first_once_and_in_order() {
    assert!(parse(&[CHASSIS, PORT, TTL, END]).is_ok());
    assert!(matches!(parse(&[PORT, CHASSIS, TTL, END]), Err(Error::Order { position: 1, found: 2, .. })));
    assert!(matches!(parse(&[CHASSIS, TTL, PORT, END]), Err(Error::Order { position: 2, found: 3, .. })));
    assert!(matches!(parse(&[CHASSIS, PORT, NAME, TTL]), Err(Error::Order { position: 3, found: 5, .. })));
    assert_eq!(parse(&[CHASSIS, PORT, END]), Err(Error::Missing { expected: "Time To Live" }));
    assert_eq!(parse(&[]), Err(Error::Missing { expected: "Chassis ID" }));
    let cases = [(CHASSIS, "Chassis ID"), (PORT, "Port ID"), (TTL, "Time To Live")];
    for (second, tlv) in cases {
        assert_eq!(parse(&[CHASSIS, PORT, TTL, NAME, second]), Err(Error::Duplicate { tlv, offset: 17 }));
    }
}

#[test]
fn lengths_are_checked() {
    let long = [&[0x03, 0x01, 7][..], &[b'x'; 256]].concat();
    assert!(matches!(parse(&[&long, PORT, TTL]), Err(Error::Length { tlv: "Chassis ID", length: 257, .. })));
    assert!(matches!(parse(&[CHASSIS, &[0x04, 1, 5], TTL]), Err(Error::Length { tlv: "Port ID", length: 1, .. })));
    assert!(matches!(parse(&[CHASSIS, PORT, &[6, 1, 9]]), Err(Error::Length { tlv: "Time To Live", length: 1, .. })));
    assert_eq!(parse(&[CHASSIS, PORT, TTL, &[0x0a, 9, b'n']]), Err(Error::Truncated { offset: 16, need: 9, have: 1 }));
    assert!(matches!(Lldpdu::parse(&[0; MAX_LLDPDU_BYTES + 1]), Err(Error::TooLong { .. })));
}

#[test]
fn what_switches_in_the_field_do_is_tolerated() {
    let whole = parse(&[CHASSIS, PORT, TTL, NAME, END]).unwrap();
    assert_eq!(parse(&[CHASSIS, PORT, TTL, NAME]).unwrap(), whole, "no End TLV");
    assert_eq!(parse(&[CHASSIS, PORT, TTL, NAME, END, &[0xff; 30]]).unwrap(), whole, "padding that is not zero");
    assert_eq!(parse(&[CHASSIS, PORT, &[6, 4, 0, 120, 1, 2], NAME]).unwrap(), whole, "a TTL with more behind it");
    let twice = parse(&[CHASSIS, PORT, TTL, NAME, &[0x0a, 1, b'm']]).unwrap();
    assert_eq!((twice.system_name(), twice.tlvs.len()), (Some(&"n".into()), 2));
    let bad = parse(&[CHASSIS, PORT, TTL, &[0xfe, 5, 0, 0x80, 0xc2, 1, 9], NAME]).unwrap();
    let raw = Tlv::Organization { oui: Oui([0, 0x80, 0xc2]), subtype: 1, value: Bytes(vec![9]) };
    assert_eq!(bad.tlvs[0], raw, "a PVID of one byte stays raw");
    let short_mac = parse(&[&[0x02, 0x03, 4, 1, 2], PORT, TTL]).unwrap().chassis_id;
    assert_eq!(short_mac, ChassisId::Other { subtype: 4, value: Bytes(vec![1, 2]) });
    let gone = parse(&[CHASSIS, PORT, &[6, 2, 0, 0], &[0x0a, 99]]).unwrap();
    assert!(gone.is_shutdown() && gone.tlvs.is_empty(), "nothing is read behind TTL 0");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let good = parse(&[CHASSIS, PORT, TTL]).unwrap();
    let with = |tlv| Lldpdu { tlvs: vec![tlv], ..good.clone() }.emit();
    assert!(matches!(with(Tlv::SystemName(Text(vec![b'x'; 512]))), Err(EmitError::Length { max: 511, .. })));
    let raw = |kind| Tlv::Unknown { kind, value: Bytes::default() };
    assert_eq!(with(raw(3)), Err(EmitError::Reserved { kind: 3 }));
    assert!(matches!(with(raw(128)), Err(EmitError::Range { .. })));
    let policy = NetworkPolicy { application: 1, unknown: false, tagged: true, vlan: 4096, priority: 0, dscp: 0 };
    assert!(matches!(with(Tlv::NetworkPolicy(policy)), Err(EmitError::Range { value: 4096, .. })));
    assert!(matches!(
        Lldpdu { chassis_id: ChassisId::Local("".into()), ..good.clone() }.emit(),
        Err(EmitError::Length { length: 0, .. })
    ));
    assert_eq!(Lldpdu { ttl: 0, tlvs: vec![raw(9)], ..good }.emit(), Err(EmitError::ShutdownWithTlvs { count: 1 }));
}
