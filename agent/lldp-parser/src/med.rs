//! LLDP-MED TLVs, OUI 00-12-BB (ANSI/TIA-1057 clause 10.2). A value of the wrong length is `None` here: the caller
//! keeps its bytes.

use crate::{Bytes, EmitError, Tlv, wire};

pub(crate) const OUI: [u8; 3] = [0x00, 0x12, 0xbb];

/// LLDP-MED Capabilities TLV (clause 10.2.2). A switch with fast start answers it at once when it comes from a
/// neighbour that it does not know yet (clause 11.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MedCapabilities {
    /// Bit 0 capabilities, 1 network policy, 2 location, 3 power (PSE), 4 power (PD), 5 inventory.
    pub capabilities: u16,
    /// 0 not defined, 1 to 3 endpoint class I to III, 4 network connectivity (a switch).
    pub device_type: u8,
}

/// Network Policy TLV (clause 10.2.3). May come several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NetworkPolicy {
    /// 1 voice, 2 voice signalling, 3 guest voice, ... (table 12).
    pub application: u8,
    /// The policy is required but not known yet.
    pub unknown: bool,
    /// Frames carry the VLAN tag.
    pub tagged: bool,
    /// The VLAN (12 bits).
    pub vlan: u16,
    /// Layer-2 priority (3 bits).
    pub priority: u8,
    /// DiffServ code point (6 bits).
    pub dscp: u8,
}

/// Location Identification TLV (clause 10.2.4), its data kept raw.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Location {
    /// 1 coordinates (RFC 6225), 2 civic address (RFC 4776), 3 ECS ELIN (a telephone number in ASCII).
    pub format: u8,
    /// The location.
    pub data: Bytes,
}

/// Extended Power-Via-MDI TLV (clause 10.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExtendedPower {
    /// 0 feeds (PSE), 1 is fed (PD) (2 bits).
    pub power_type: u8,
    /// 0 unknown, 1 primary, 2 backup (of a PD: 1 PSE, 2 local, 3 both) (2 bits).
    pub source: u8,
    /// 0 unknown, 1 critical, 2 high, 3 low (4 bits).
    pub priority: u8,
    /// Units of 0.1 W.
    pub deciwatts: u16,
}

/// The TLV behind the OUI, or `None` when it is not one of these or has a wrong length.
pub(crate) fn parse(subtype: u8, value: &[u8]) -> Option<Tlv> {
    Some(match (subtype, value) {
        (1, [hi, lo, device_type]) => Tlv::MedCapabilities(MedCapabilities {
            capabilities: u16::from_be_bytes([*hi, *lo]),
            device_type: *device_type,
        }),
        (2, [application, a, b, c]) => {
            // U, T, X, 12 bits VLAN, 3 bits priority, 6 bits DSCP.
            let bits = u32::from_be_bytes([0, *a, *b, *c]);
            Tlv::NetworkPolicy(NetworkPolicy {
                application: *application,
                unknown: bits & 1 << 23 != 0,
                tagged: bits & 1 << 22 != 0,
                vlan: ((bits >> 9) & 0x0fff) as u16,
                priority: ((bits >> 6) & 0x07) as u8,
                dscp: (bits & 0x3f) as u8,
            })
        }
        (3, [format, data @ ..]) => Tlv::Location(Location { format: *format, data: data.into() }),
        (4, [bits, hi, lo]) => Tlv::ExtendedPower(ExtendedPower {
            power_type: bits >> 6,
            source: (bits >> 4) & 0x03,
            priority: bits & 0x0f,
            deciwatts: u16::from_be_bytes([*hi, *lo]),
        }),
        (5, text) => Tlv::HardwareRevision(text.into()),
        (6, text) => Tlv::FirmwareRevision(text.into()),
        (7, text) => Tlv::SoftwareRevision(text.into()),
        (8, text) => Tlv::SerialNumber(text.into()),
        (9, text) => Tlv::Manufacturer(text.into()),
        (10, text) => Tlv::Model(text.into()),
        (11, text) => Tlv::AssetId(text.into()),
        _ => return None,
    })
}

pub(crate) fn emit_capabilities(it: MedCapabilities) -> Vec<u8> {
    let [hi, lo] = it.capabilities.to_be_bytes();
    vec![hi, lo, it.device_type]
}

pub(crate) fn emit_policy(it: NetworkPolicy) -> Result<Vec<u8>, EmitError> {
    let vlan = wire::at_most("network policy VLAN", it.vlan, 0x0fff)?;
    let priority = wire::at_most("network policy priority", it.priority.into(), 0x07)?;
    let dscp = wire::at_most("network policy DSCP", it.dscp.into(), 0x3f)?;
    let bits = u32::from(it.unknown) << 23
        | u32::from(it.tagged) << 22
        | u32::from(vlan) << 9
        | u32::from(priority) << 6
        | u32::from(dscp);
    let [_, a, b, c] = bits.to_be_bytes();
    Ok(vec![it.application, a, b, c])
}

pub(crate) fn emit_location(it: &Location) -> Vec<u8> {
    let mut out = vec![it.format];
    out.extend_from_slice(&it.data.0);
    out
}

pub(crate) fn emit_power(it: ExtendedPower) -> Result<Vec<u8>, EmitError> {
    wire::at_most("power type", it.power_type.into(), 0x03)?;
    wire::at_most("power source", it.source.into(), 0x03)?;
    wire::at_most("power priority", it.priority.into(), 0x0f)?;
    let [hi, lo] = it.deciwatts.to_be_bytes();
    Ok(vec![it.power_type << 6 | it.source << 4 | it.priority, hi, lo])
}
