//! For all inputs: nothing panics, what is written is read back the same, and nothing hostile is shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lldp_parser::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn text(min: usize, max: usize) -> impl Strategy<Value = Text> {
    prop_oneof![
        vec(any::<u8>(), min..=max).prop_map(Text),
        "[a-zA-Z0-9/ .:-]{1,40}".prop_map(|readable| Text(readable.into_bytes()))
    ]
}

fn bytes(min: usize, max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), min..=max).prop_map(Bytes)
}

fn address() -> impl Strategy<Value = NetworkAddress> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|v4| NetworkAddress::V4(v4.into())),
        any::<[u8; 16]>().prop_map(|v6| NetworkAddress::V6(v6.into())),
        any::<[u8; 6]>().prop_map(|mac| NetworkAddress::Mac(Mac(mac))),
        (7_u8.., bytes(1, 31)).prop_map(|(family, value)| NetworkAddress::Other { family, value }),
        bytes(5, 15).prop_map(|value| NetworkAddress::Other { family: 1, value }),
    ]
}

fn chassis_id() -> impl Strategy<Value = ChassisId> {
    prop_oneof![
        text(1, 255).prop_map(ChassisId::ChassisComponent),
        text(1, 255).prop_map(ChassisId::InterfaceAlias),
        text(1, 255).prop_map(ChassisId::PortComponent),
        any::<[u8; 6]>().prop_map(|mac| ChassisId::MacAddress(Mac(mac))),
        address().prop_map(ChassisId::NetworkAddress),
        text(1, 255).prop_map(ChassisId::InterfaceName),
        text(1, 255).prop_map(ChassisId::Local),
        (8_u8.., bytes(1, 255)).prop_map(|(subtype, value)| ChassisId::Other { subtype, value }),
        bytes(7, 255).prop_map(|value| ChassisId::Other { subtype: 4, value }),
    ]
}

fn port_id() -> impl Strategy<Value = PortId> {
    prop_oneof![
        text(1, 255).prop_map(PortId::InterfaceAlias),
        text(1, 255).prop_map(PortId::PortComponent),
        any::<[u8; 6]>().prop_map(|mac| PortId::MacAddress(Mac(mac))),
        address().prop_map(PortId::NetworkAddress),
        text(1, 255).prop_map(PortId::InterfaceName),
        text(1, 255).prop_map(PortId::AgentCircuitId),
        text(1, 255).prop_map(PortId::Local),
        (8_u8.., bytes(1, 255)).prop_map(|(subtype, value)| PortId::Other { subtype, value }),
    ]
}

fn link_aggregation() -> impl Strategy<Value = LinkAggregation> {
    any::<(bool, bool, u32)>().prop_map(|(capable, enabled, port)| LinkAggregation { capable, enabled, port })
}

fn management_address() -> impl Strategy<Value = Tlv> {
    let numbering = prop_oneof![
        Just(InterfaceNumbering::Unknown),
        Just(InterfaceNumbering::IfIndex),
        Just(InterfaceNumbering::SystemPort),
        (4_u8..).prop_map(InterfaceNumbering::Other),
    ];
    (address(), numbering, any::<u32>(), bytes(0, 128)).prop_map(|(address, numbering, interface, oid)| {
        Tlv::ManagementAddress(ManagementAddress { address, numbering, interface, oid: Oid(oid) })
    })
}

fn basic() -> impl Strategy<Value = Tlv> {
    prop_oneof![
        text(0, 511).prop_map(Tlv::PortDescription),
        text(0, 511).prop_map(Tlv::SystemName),
        text(0, 511).prop_map(Tlv::SystemDescription),
        any::<(u16, u16)>()
            .prop_map(|(supported, enabled)| { Tlv::SystemCapabilities(SystemCapabilities { supported, enabled }) }),
        management_address(),
        (9_u8..=126, bytes(0, 511)).prop_map(|(kind, value)| Tlv::Unknown { kind, value }),
        bytes(5, 511).prop_map(|value| Tlv::Unknown { kind: 7, value }),
        bytes(0, 3).prop_map(|value| Tlv::Unknown { kind: 127, value }),
    ]
}

fn dot1() -> impl Strategy<Value = Tlv> {
    prop_oneof![
        any::<u16>().prop_map(Tlv::PortVlanId),
        any::<(bool, bool, u16)>().prop_map(|(supported, enabled, vlan)| {
            Tlv::PortProtocolVlan(PortProtocolVlan { supported, enabled, vlan })
        }),
        (any::<u16>(), text(0, 255)).prop_map(|(vlan, name)| Tlv::VlanName(VlanName { vlan, name })),
        bytes(0, 255).prop_map(Tlv::ProtocolIdentity),
        any::<u32>().prop_map(Tlv::VidUsageDigest),
        any::<u16>().prop_map(Tlv::ManagementVlanId),
        link_aggregation().prop_map(Tlv::LinkAggregation),
    ]
}

fn dot3() -> impl Strategy<Value = Tlv> {
    let dll = any::<(u8, u16, u16)>().prop_map(|(bits, requested, allocated)| DllClassification {
        type_source_priority: bits,
        requested_deciwatts: requested,
        allocated_deciwatts: allocated,
    });
    let power = (any::<[bool; 4]>(), any::<u8>(), any::<u8>(), proptest::option::of((dll, bytes(0, 40))));
    prop_oneof![
        any::<(bool, bool, u16, u16)>().prop_map(|(supported, enabled, advertised, mau_type)| {
            Tlv::MacPhy(MacPhy {
                autonegotiation_supported: supported,
                autonegotiation_enabled: enabled,
                advertised,
                mau_type,
            })
        }),
        power.prop_map(|(flags, pairs, class, rest)| {
            let (dll, extension) = rest.map_or((None, Bytes::default()), |(dll, extension)| (Some(dll), extension));
            let [power_sourcing, supported, enabled, pair_control] = flags;
            Tlv::PowerViaMdi(PowerViaMdi {
                power_sourcing,
                supported,
                enabled,
                pair_control,
                pairs,
                class,
                dll,
                extension,
            })
        }),
        link_aggregation().prop_map(Tlv::LinkAggregation8023),
        any::<u16>().prop_map(Tlv::MaxFrameSize),
    ]
}

fn med() -> impl Strategy<Value = Tlv> {
    prop_oneof![
        any::<(u16, u8)>().prop_map(|(capabilities, device_type)| {
            Tlv::MedCapabilities(MedCapabilities { capabilities, device_type })
        }),
        (any::<(u8, bool, bool)>(), 0_u16..4096, 0_u8..8, 0_u8..64).prop_map(|(first, vlan, priority, dscp)| {
            let (application, unknown, tagged) = first;
            Tlv::NetworkPolicy(NetworkPolicy { application, unknown, tagged, vlan, priority, dscp })
        }),
        (any::<u8>(), bytes(0, 506)).prop_map(|(format, data)| Tlv::Location(Location { format, data })),
        (0_u8..4, 0_u8..4, 0_u8..16, any::<u16>()).prop_map(|(power_type, source, priority, deciwatts)| {
            Tlv::ExtendedPower(ExtendedPower { power_type, source, priority, deciwatts })
        }),
        text(0, 507).prop_map(Tlv::HardwareRevision),
        text(0, 507).prop_map(Tlv::FirmwareRevision),
        text(0, 507).prop_map(Tlv::SoftwareRevision),
        text(0, 507).prop_map(Tlv::SerialNumber),
        text(0, 507).prop_map(Tlv::Manufacturer),
        text(0, 507).prop_map(Tlv::Model),
        text(0, 507).prop_map(Tlv::AssetId),
        (any::<[u8; 2]>(), any::<u8>(), bytes(0, 507)).prop_map(|(oui, subtype, value)| {
            // No standard body: those with a meaning come back as what they are.
            Tlv::Organization { oui: Oui([0x33, oui[0], oui[1]]), subtype, value }
        }),
    ]
}

fn lldpdu() -> impl Strategy<Value = Lldpdu> {
    let tlvs = vec(prop_oneof![basic(), dot1(), dot3(), med()], 0..12);
    (chassis_id(), port_id(), any::<u16>(), tlvs).prop_map(|(chassis_id, port_id, ttl, tlvs)| Lldpdu {
        chassis_id,
        port_id,
        ttl,
        tlvs: if ttl == 0 { Vec::new() } else { tlvs },
    })
}

/// What a terminal or a page is shown must be harmless.
fn harmless(shown: &str) -> bool {
    !shown.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_is_read_back(value in lldpdu()) {
        let bytes = value.emit().unwrap();
        prop_assert_eq!(Lldpdu::parse(&bytes).unwrap(), value);
    }

    #[test]
    fn frames_too(value in lldpdu(), header in any::<([u8; 6], [u8; 6], Option<u16>)>(), padding in 0_usize..50) {
        let frame = Frame { destination: Mac(header.0), source: Mac(header.1), tag: header.2, lldpdu: value };
        let mut bytes = frame.emit().unwrap();
        bytes.resize(bytes.len() + padding, 0);
        prop_assert_eq!(Frame::parse(&bytes).unwrap(), frame);
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = Lldpdu::parse(&bytes);
        let _ = Frame::parse(&bytes);
    }

    // Bytes that get past the mandatory TLVs, so that every optional parser sees anything.
    #[test]
    fn any_tlvs_are_answered_and_shown(
        tlvs in vec((prop_oneof![4_u8..=8, Just(127), 0_u8..=127], any::<u16>(), 0_u8..12, vec(any::<u8>(), 0..60)), 0..20)
    ) {
        let mut bytes = vec![2, 3, 7, b'c', b'1', 4, 3, 5, b'p', b'1', 6, 2, 0, 120];
        for (kind, oui, subtype, value) in tlvs {
            let mut whole = value;
            if kind == 127 {
                let ouis = [[0, 0x80, 0xc2], [0, 0x12, 0x0f], [0, 0x12, 0xbb], [1, 2, 3]];
                let mut prefix = ouis[usize::from(oui) % 4].to_vec();
                prefix.push(subtype);
                whole.splice(0..0, prefix);
            }
            bytes.extend_from_slice(&(u16::from(kind) << 9 | whole.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&whole);
        }
        if let Ok(read) = Lldpdu::parse(&bytes) {
            prop_assert_eq!(&Lldpdu::parse(&read.emit().unwrap()).unwrap(), &read);
            #[cfg(feature = "serde")]
            {
                let shown = serde_json::to_string(&read).unwrap();
                prop_assert!(harmless(&shown));
            }
        }
    }

    #[test]
    fn what_is_shown_is_harmless(chassis in chassis_id(), port in port_id()) {
        prop_assert!(harmless(&chassis.to_string()) && harmless(&port.to_string()));
        let debug = format!("{chassis:?} {port:?}");
        prop_assert!(harmless(&debug));
    }

    #[test]
    fn real_frames_with_flipped_bytes(at in vec((0_usize..354, any::<u8>()), 1..8)) {
        let mut frame = include_bytes!("data/lldpd-vlan.pcap")[40..394].to_vec();
        for (position, byte) in at {
            frame[position] = byte;
        }
        if let Ok(read) = Frame::parse(&frame) {
            prop_assert_eq!(Frame::parse(&read.emit().unwrap()).unwrap(), read);
        }
    }
}
