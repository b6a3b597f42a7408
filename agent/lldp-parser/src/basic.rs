//! The basic optional TLVs that are more than text: system capabilities and management addresses (802.1AB-2016 clauses
//! 8.5.8 and 8.5.9). A value of the wrong length is `None` here, never a guess: the caller keeps its bytes.

use std::fmt;

use crate::text::serialize_as_display;
use crate::{Bytes, EmitError, NetworkAddress, wire};

/// What a system can be (clause 8.5.8.1, table 8-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[repr(u8)]
pub enum SystemCapability {
    /// Something else.
    Other = 0,
    /// Repeater.
    Repeater = 1,
    /// MAC bridge: a switch.
    Bridge = 2,
    /// WLAN access point.
    WlanAccessPoint = 3,
    /// Router.
    Router = 4,
    /// Telephone.
    Telephone = 5,
    /// DOCSIS cable device.
    Docsis = 6,
    /// Station only: a host that forwards nothing.
    StationOnly = 7,
    /// C-VLAN component of a bridge.
    CustomerVlan = 8,
    /// S-VLAN component of a bridge.
    ServiceVlan = 9,
    /// Two-port MAC relay.
    TwoPortMacRelay = 10,
}

impl SystemCapability {
    /// All of them, lowest bit first.
    pub const ALL: [Self; 11] = [
        Self::Other,
        Self::Repeater,
        Self::Bridge,
        Self::WlanAccessPoint,
        Self::Router,
        Self::Telephone,
        Self::Docsis,
        Self::StationOnly,
        Self::CustomerVlan,
        Self::ServiceVlan,
        Self::TwoPortMacRelay,
    ];

    fn is_in(self, bits: u16) -> bool {
        bits & (1_u16 << (self as u8)) != 0
    }
}

/// System Capabilities TLV (clause 8.5.8): two bit fields, lowest bit first in table 8-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SystemCapabilities {
    /// What the system can do.
    pub supported: u16,
    /// What of it is switched on.
    pub enabled: u16,
}

impl SystemCapabilities {
    /// Whether it can do this.
    #[must_use]
    pub fn supports(self, capability: SystemCapability) -> bool {
        capability.is_in(self.supported)
    }

    /// Whether it does this now.
    #[must_use]
    pub fn enables(self, capability: SystemCapability) -> bool {
        capability.is_in(self.enabled)
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let [a, b, c, d] = *value else { return None };
        Some(Self { supported: u16::from_be_bytes([a, b]), enabled: u16::from_be_bytes([c, d]) })
    }

    pub(crate) fn emit(self) -> Vec<u8> {
        [self.supported.to_be_bytes(), self.enabled.to_be_bytes()].concat()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SystemCapabilities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let names = |bits| SystemCapability::ALL.into_iter().filter(|one| one.is_in(bits)).collect::<Vec<_>>();
        let mut shape = serializer.serialize_struct("SystemCapabilities", 2)?;
        shape.serialize_field("supported", &names(self.supported))?;
        shape.serialize_field("enabled", &names(self.enabled))?;
        shape.end()
    }
}

/// How `ManagementAddress::interface` counts (clause 8.5.9.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum InterfaceNumbering {
    /// 1: not known.
    Unknown,
    /// 2: ifIndex (RFC 2863).
    IfIndex,
    /// 3: system port number.
    SystemPort,
    /// A reserved number.
    Other(u8),
}

/// An object identifier in the form of ITU-T X.690 without its tag and length; shown as `1.3.6.1`, or as hex digits
/// where the bytes are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Oid(pub Bytes);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arcs() {
            Some(arcs) => {
                for (position, arc) in arcs.iter().enumerate() {
                    write!(f, "{}{arc}", if position == 0 { "" } else { "." })?;
                }
                Ok(())
            }
            None => write!(f, "0x{}", self.0),
        }
    }
}

impl Oid {
    fn arcs(&self) -> Option<Vec<u64>> {
        let mut arcs = Vec::new();
        let mut arc = 0_u64;
        for byte in &self.0.0 {
            arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
            if byte & 0x80 != 0 {
                continue;
            }
            if arcs.is_empty() {
                // The first byte holds two arcs: 40 times the first (0 to 2) plus the second.
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc = arc.checked_sub(first * 40)?;
            }
            arcs.push(arc);
            arc = 0;
        }
        let ends_whole = self.0.0.last().is_none_or(|last| last & 0x80 == 0);
        ends_whole.then_some(arcs)
    }
}

serialize_as_display!(Oid);

/// Management Address TLV (clause 8.5.9): where the neighbour can be managed. May come several times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ManagementAddress {
    /// The address (at most 31 bytes).
    pub address: NetworkAddress,
    /// What `interface` counts.
    pub numbering: InterfaceNumbering,
    /// The interface that the address belongs to.
    pub interface: u32,
    /// The kind of hardware or protocol, empty when not told (at most 128 bytes).
    pub oid: Oid,
}

impl ManagementAddress {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (length, rest) = value.split_first()?;
        let (address, rest) = rest.split_at_checked(usize::from(*length)).filter(|(it, _)| it.len() <= 32)?;
        let [kind, a, b, c, d, oid_length, oid @ ..] = rest else { return None };
        if oid.len() != usize::from(*oid_length) || oid.len() > 128 {
            return None;
        }
        Some(Self {
            address: NetworkAddress::parse(address)?,
            numbering: match kind {
                1 => InterfaceNumbering::Unknown,
                2 => InterfaceNumbering::IfIndex,
                3 => InterfaceNumbering::SystemPort,
                other => InterfaceNumbering::Other(*other),
            },
            interface: u32::from_be_bytes([*a, *b, *c, *d]),
            oid: Oid(oid.into()),
        })
    }

    pub(crate) fn emit(&self) -> Result<Vec<u8>, EmitError> {
        let address = self.address.emit();
        wire::length_between("management address", address.len(), 2, 32)?;
        wire::length_between("object identifier", self.oid.0.0.len(), 0, 128)?;
        let mut out = vec![wire::length_byte("management address", address.len(), 2)?];
        out.extend_from_slice(&address);
        out.push(match self.numbering {
            InterfaceNumbering::Unknown => 1,
            InterfaceNumbering::IfIndex => 2,
            InterfaceNumbering::SystemPort => 3,
            InterfaceNumbering::Other(other) => other,
        });
        out.extend_from_slice(&self.interface.to_be_bytes());
        out.push(wire::length_byte("object identifier", self.oid.0.0.len(), 0)?);
        out.extend_from_slice(&self.oid.0.0);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_read_as_people_write_them() {
        let shown = |bytes: &[u8]| Oid(bytes.into()).to_string();
        assert_eq!(shown(&[0x2b, 6, 1, 4, 1, 0x82, 0x37]), "1.3.6.1.4.1.311");
        assert_eq!(shown(&[0x88, 0x37]), "2.999");
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[0x2b, 0x86]), "0x2b86");
        assert_eq!(shown(&[0xff; 12]), "0xffffffffffffffffffffffff");
    }
}
