//! The Ethernet frame around an LLDPDU (802.1AB-2016 clauses 7 and 8.1). Must not judge addresses: the caller knows
//! which groups it joined.

use crate::{EmitError, Error, Lldpdu, Mac};

/// The ethertype of LLDP (clause 7.3).
pub const ETHERTYPE: u16 = 0x88cc;
/// Group address that no bridge forwards (clause 7.1, table 7-1): the one nearly everybody uses.
pub const NEAREST_BRIDGE: Mac = Mac([0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e]);
/// Group address that two-port relays pass.
pub const NEAREST_NON_TPMR_BRIDGE: Mac = Mac([0x01, 0x80, 0xc2, 0x00, 0x00, 0x03]);
/// Group address that provider bridges pass.
pub const NEAREST_CUSTOMER_BRIDGE: Mac = Mac([0x01, 0x80, 0xc2, 0x00, 0x00, 0x00]);

const TAG_8021Q: u16 = 0x8100;

/// An LLDPDU with its Ethernet header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Frame {
    /// Destination address, a group as a rule.
    pub destination: Mac,
    /// Source address: of the sending port.
    pub source: Mac,
    /// The tag control information of one 802.1Q tag, if there is one. LLDP should not be tagged; some switches tag
    /// with priority only (VLAN 0) or with the native VLAN.
    pub tag: Option<u16>,
    /// What it carries.
    pub lldpdu: Lldpdu,
}

impl Frame {
    /// From a whole frame without its FCS; padding is fine.
    ///
    /// # Errors
    /// When it is no LLDP frame, or its LLDPDU must be discarded.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let truncated = |need| Error::Truncated { offset: 0, need, have: bytes.len() };
        let (destination, rest) = bytes.split_first_chunk::<6>().ok_or_else(|| truncated(14))?;
        let (source, rest) = rest.split_first_chunk::<6>().ok_or_else(|| truncated(14))?;
        let (ethertype, rest) = rest.split_first_chunk::<2>().ok_or_else(|| truncated(14))?;
        let (tag, ethertype, rest) = match (u16::from_be_bytes(*ethertype), rest) {
            (TAG_8021Q, [a, b, c, d, rest @ ..]) => {
                (Some(u16::from_be_bytes([*a, *b])), u16::from_be_bytes([*c, *d]), rest)
            }
            (TAG_8021Q, _) => return Err(truncated(18)),
            (other, rest) => (None, other, rest),
        };
        if ethertype != ETHERTYPE {
            return Err(Error::NotLldp { found: ethertype });
        }
        Ok(Self { destination: Mac(*destination), source: Mac(*source), tag, lldpdu: Lldpdu::parse(rest)? })
    }

    /// The whole frame, without padding (drivers pad) and without FCS.
    ///
    /// # Errors
    /// Those of [`Lldpdu::emit`].
    pub fn emit(&self) -> Result<Vec<u8>, EmitError> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.destination.0);
        out.extend_from_slice(&self.source.0);
        if let Some(tag) = self.tag {
            out.extend_from_slice(&TAG_8021Q.to_be_bytes());
            out.extend_from_slice(&tag.to_be_bytes());
        }
        out.extend_from_slice(&ETHERTYPE.to_be_bytes());
        out.extend_from_slice(&self.lldpdu.emit()?);
        Ok(out)
    }
}
