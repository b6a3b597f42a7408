//! IEEE 802.3 organisationally specific TLVs, OUI 00-12-0F (802.3-2018 clause 79.3). A value of the wrong length is
//! `None` here: the caller keeps its bytes.

use crate::{Bytes, LinkAggregation, Tlv};

pub(crate) const OUI: [u8; 3] = [0x00, 0x12, 0x0f];

/// MAC/PHY Configuration/Status TLV (clause 79.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MacPhy {
    /// Auto-negotiation is there.
    pub autonegotiation_supported: bool,
    /// It is on.
    pub autonegotiation_enabled: bool,
    /// ifMauAutoNegCapAdvertisedBits (RFC 4836), as on the wire.
    pub advertised: u16,
    /// dot3MauType (RFC 4836 and later): the medium in use.
    pub mau_type: u16,
}

/// Power Via MDI TLV (clause 79.3.2): Power over Ethernet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PowerViaMdi {
    /// This end feeds (PSE); else it is fed (PD).
    pub power_sourcing: bool,
    /// MDI power is supported (PSE only).
    pub supported: bool,
    /// It is on (PSE only).
    pub enabled: bool,
    /// The pairs can be chosen (PSE only).
    pub pair_control: bool,
    /// pethPsePortPowerPairs (RFC 3621): 1 signal, 2 spare.
    pub pairs: u8,
    /// pethPsePortPowerClassifications: 1 is class 0.
    pub class: u8,
    /// What 802.3at added; older devices do not send it.
    pub dll: Option<DllClassification>,
    /// What 802.3bt added, or anything else behind: raw, empty when not sent (only with `dll`).
    pub extension: Bytes,
}

/// The Data Link Layer classification part of [`PowerViaMdi`] (clauses 79.3.2.4 to 79.3.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DllClassification {
    /// Type, source and priority bits as on the wire.
    pub type_source_priority: u8,
    /// Power that the fed end asks for, units of 0.1 W.
    pub requested_deciwatts: u16,
    /// Power that the feeding end grants, units of 0.1 W.
    pub allocated_deciwatts: u16,
}

/// The TLV behind the OUI, or `None` when it is not one of these or has a wrong length.
pub(crate) fn parse(subtype: u8, value: &[u8]) -> Option<Tlv> {
    Some(match (subtype, value) {
        (1, [status, a, b, c, d]) => Tlv::MacPhy(MacPhy {
            autonegotiation_supported: status & 1 != 0,
            autonegotiation_enabled: status & 2 != 0,
            advertised: u16::from_be_bytes([*a, *b]),
            mau_type: u16::from_be_bytes([*c, *d]),
        }),
        (2, [support, pairs, class, rest @ ..]) => {
            let (dll, extension) = match rest {
                [] => (None, rest),
                [type_source_priority, a, b, c, d, extension @ ..] => {
                    let dll = DllClassification {
                        type_source_priority: *type_source_priority,
                        requested_deciwatts: u16::from_be_bytes([*a, *b]),
                        allocated_deciwatts: u16::from_be_bytes([*c, *d]),
                    };
                    (Some(dll), extension)
                }
                _ => return None,
            };
            Tlv::PowerViaMdi(PowerViaMdi {
                power_sourcing: support & 1 != 0,
                supported: support & 2 != 0,
                enabled: support & 4 != 0,
                pair_control: support & 8 != 0,
                pairs: *pairs,
                class: *class,
                dll,
                extension: extension.into(),
            })
        }
        (3, value) => Tlv::LinkAggregation8023(LinkAggregation::parse(value)?),
        (4, [hi, lo]) => Tlv::MaxFrameSize(u16::from_be_bytes([*hi, *lo])),
        _ => return None,
    })
}

pub(crate) fn emit_mac_phy(it: MacPhy) -> Vec<u8> {
    let mut out = vec![u8::from(it.autonegotiation_supported) | u8::from(it.autonegotiation_enabled) << 1];
    out.extend_from_slice(&it.advertised.to_be_bytes());
    out.extend_from_slice(&it.mau_type.to_be_bytes());
    out
}

pub(crate) fn emit_power(it: &PowerViaMdi) -> Vec<u8> {
    let support = u8::from(it.power_sourcing)
        | u8::from(it.supported) << 1
        | u8::from(it.enabled) << 2
        | u8::from(it.pair_control) << 3;
    let mut out = vec![support, it.pairs, it.class];
    if let Some(dll) = it.dll {
        out.push(dll.type_source_priority);
        out.extend_from_slice(&dll.requested_deciwatts.to_be_bytes());
        out.extend_from_slice(&dll.allocated_deciwatts.to_be_bytes());
        out.extend_from_slice(&it.extension.0);
    }
    out
}
