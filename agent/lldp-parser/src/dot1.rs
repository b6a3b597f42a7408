//! IEEE 802.1 organisationally specific TLVs, OUI 00-80-C2 (802.1Q-2018 annex D.2; 802.1AB-2005 annex F). A value of
//! the wrong length is `None` here: the caller keeps its bytes.

use crate::{Bytes, EmitError, Text, Tlv, wire};

pub(crate) const OUI: [u8; 3] = [0x00, 0x80, 0xc2];

/// Port And Protocol VLAN ID TLV (annex D.2.2). May come several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortProtocolVlan {
    /// The port can do protocol VLANs.
    pub supported: bool,
    /// It does.
    pub enabled: bool,
    /// The VLAN; 0: none.
    pub vlan: u16,
}

/// VLAN Name TLV (annex D.2.3). May come several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VlanName {
    /// The VLAN.
    pub vlan: u16,
    /// Its name: at most 32 bytes by the standard, up to 255 are read.
    pub name: Text,
}

/// Link Aggregation TLV, of 802.1 (annex D.2.7; subtype 7 of its OUI) or, in older switches, of 802.3 (802.3-2015
/// clause 79.3.3, deprecated): the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LinkAggregation {
    /// The link can be aggregated.
    pub capable: bool,
    /// It is.
    pub enabled: bool,
    /// ifIndex of the aggregate; 0: none.
    pub port: u32,
}

impl LinkAggregation {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let [status, a, b, c, d] = *value else { return None };
        Some(Self { capable: status & 1 != 0, enabled: status & 2 != 0, port: u32::from_be_bytes([a, b, c, d]) })
    }

    pub(crate) fn emit(self) -> Vec<u8> {
        let mut out = vec![u8::from(self.capable) | u8::from(self.enabled) << 1];
        out.extend_from_slice(&self.port.to_be_bytes());
        out
    }
}

/// The TLV behind the OUI, or `None` when it is not one of these or has a wrong length.
pub(crate) fn parse(subtype: u8, value: &[u8]) -> Option<Tlv> {
    Some(match (subtype, value) {
        (1, [hi, lo]) => Tlv::PortVlanId(u16::from_be_bytes([*hi, *lo])),
        (2, [flags, hi, lo]) => Tlv::PortProtocolVlan(PortProtocolVlan {
            // The lowest bit is reserved.
            supported: flags & 2 != 0,
            enabled: flags & 4 != 0,
            vlan: u16::from_be_bytes([*hi, *lo]),
        }),
        (3, [hi, lo, length, name @ ..]) if name.len() == usize::from(*length) => {
            Tlv::VlanName(VlanName { vlan: u16::from_be_bytes([*hi, *lo]), name: name.into() })
        }
        (4, [length, identity @ ..]) if identity.len() == usize::from(*length) => {
            Tlv::ProtocolIdentity(identity.into())
        }
        (5, [a, b, c, d]) => Tlv::VidUsageDigest(u32::from_be_bytes([*a, *b, *c, *d])),
        (6, [hi, lo]) => Tlv::ManagementVlanId(u16::from_be_bytes([*hi, *lo])),
        (7, value) => Tlv::LinkAggregation(LinkAggregation::parse(value)?),
        _ => return None,
    })
}

pub(crate) fn emit_port_protocol(it: PortProtocolVlan) -> Vec<u8> {
    let [hi, lo] = it.vlan.to_be_bytes();
    vec![u8::from(it.supported) << 1 | u8::from(it.enabled) << 2, hi, lo]
}

pub(crate) fn emit_vlan_name(it: &VlanName) -> Result<Vec<u8>, EmitError> {
    let [hi, lo] = it.vlan.to_be_bytes();
    let mut out = vec![hi, lo, wire::length_byte("VLAN name", it.name.0.len(), 0)?];
    out.extend_from_slice(it.name.as_bytes());
    Ok(out)
}

pub(crate) fn emit_protocol_identity(identity: &Bytes) -> Result<Vec<u8>, EmitError> {
    let mut out = vec![wire::length_byte("protocol identity", identity.0.len(), 0)?];
    out.extend_from_slice(&identity.0);
    Ok(out)
}
