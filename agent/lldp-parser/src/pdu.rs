//! The whole LLDPDU: three mandatory TLVs in their order, then the optional ones. Rules of 802.1AB-2016 clause 8.2 and
//! of reception, clause 9.2.7.7 in the 2009 edition. Nothing here may read beyond the slice it was given.

use crate::wire::push_tlv;
use crate::{ChassisId, EmitError, Error, ManagementAddress, PortId, SystemCapabilities, Text, Tlv};

/// More than a jumbo frame carries. Longer input is refused, so that memory is bounded for any caller.
pub const MAX_LLDPDU_BYTES: usize = 9_216;

const END: u8 = 0;
const CHASSIS_ID: u8 = 1;
const PORT_ID: u8 = 2;
const TIME_TO_LIVE: u8 = 3;

/// One LLDPDU: what one port says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Lldpdu {
    /// Clause 8.5.2.
    pub chassis_id: ChassisId,
    /// Clause 8.5.3.
    pub port_id: PortId,
    /// Clause 8.5.4: seconds that this is valid; 0: the neighbour goes away (shutdown LLDPDU).
    pub ttl: u16,
    /// The optional TLVs, in the order in which they came.
    pub tlvs: Vec<Tlv>,
}

impl Lldpdu {
    /// From the bytes behind the ethertype; padding behind the End TLV is fine.
    ///
    /// # Errors
    /// When the LLDPDU must be discarded as a whole; see the crate's documentation for what is tolerated.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_LLDPDU_BYTES {
            return Err(Error::TooLong { length: bytes.len(), max: MAX_LLDPDU_BYTES });
        }
        let mut reader = Reader { bytes, offset: 0 };
        let (subtype, value) = identifier("Chassis ID", reader.mandatory(1, "Chassis ID", CHASSIS_ID)?)?;
        let chassis_id = ChassisId::parse(subtype, value);
        let (subtype, value) = identifier("Port ID", reader.mandatory(2, "Port ID", PORT_ID)?)?;
        let port_id = PortId::parse(subtype, value);
        let ttl = match reader.mandatory(3, "Time To Live", TIME_TO_LIVE)? {
            [hi, lo, ..] => u16::from_be_bytes([*hi, *lo]),
            short => return Err(Error::Length { tlv: "Time To Live", length: short.len(), expected: "2" }),
        };
        let mut tlvs = Vec::new();
        if ttl > 0 {
            loop {
                let offset = reader.offset;
                let tlv = match reader.next()? {
                    None | Some((END, _)) => break,
                    Some((CHASSIS_ID, _)) => return Err(Error::Duplicate { tlv: "Chassis ID", offset }),
                    Some((PORT_ID, _)) => return Err(Error::Duplicate { tlv: "Port ID", offset }),
                    Some((TIME_TO_LIVE, _)) => return Err(Error::Duplicate { tlv: "Time To Live", offset }),
                    Some((kind, value)) => Tlv::parse(kind, value),
                };
                tlvs.push(tlv);
            }
        }
        Ok(Self { chassis_id, port_id, ttl, tlvs })
    }

    /// The bytes behind the ethertype, with the End TLV.
    ///
    /// # Errors
    /// When a field does not fit the wire, or a shutdown LLDPDU has optional TLVs.
    pub fn emit(&self) -> Result<Vec<u8>, EmitError> {
        if self.is_shutdown() && !self.tlvs.is_empty() {
            return Err(EmitError::ShutdownWithTlvs { count: self.tlvs.len() });
        }
        let mut out = Vec::new();
        push_tlv(&mut out, CHASSIS_ID, "chassis id", &self.chassis_id.emit()?)?;
        push_tlv(&mut out, PORT_ID, "port id", &self.port_id.emit()?)?;
        push_tlv(&mut out, TIME_TO_LIVE, "time to live", &self.ttl.to_be_bytes())?;
        for tlv in &self.tlvs {
            tlv.emit(&mut out)?;
        }
        push_tlv(&mut out, END, "end", &[])?;
        if out.len() > MAX_LLDPDU_BYTES {
            return Err(EmitError::Length { field: "LLDPDU", length: out.len(), min: 0, max: MAX_LLDPDU_BYTES });
        }
        Ok(out)
    }

    /// The LLDPDU by which this port takes back what it said (TTL 0, clause 8.2).
    #[must_use]
    pub fn shutdown(chassis_id: ChassisId, port_id: PortId) -> Self {
        Self { chassis_id, port_id, ttl: 0, tlvs: Vec::new() }
    }

    /// Whether the neighbour goes away: forget what it said before.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        self.ttl == 0
    }

    /// The first Port Description TLV.
    #[must_use]
    pub fn port_description(&self) -> Option<&Text> {
        self.tlvs.iter().find_map(|tlv| if let Tlv::PortDescription(text) = tlv { Some(text) } else { None })
    }

    /// The first System Name TLV.
    #[must_use]
    pub fn system_name(&self) -> Option<&Text> {
        self.tlvs.iter().find_map(|tlv| if let Tlv::SystemName(text) = tlv { Some(text) } else { None })
    }

    /// The first System Description TLV.
    #[must_use]
    pub fn system_description(&self) -> Option<&Text> {
        self.tlvs.iter().find_map(|tlv| if let Tlv::SystemDescription(text) = tlv { Some(text) } else { None })
    }

    /// The first System Capabilities TLV.
    #[must_use]
    pub fn system_capabilities(&self) -> Option<SystemCapabilities> {
        self.tlvs.iter().find_map(|tlv| if let Tlv::SystemCapabilities(it) = tlv { Some(*it) } else { None })
    }

    /// All Management Address TLVs, in their order.
    pub fn management_addresses(&self) -> impl Iterator<Item = &ManagementAddress> {
        self.tlvs.iter().filter_map(|tlv| if let Tlv::ManagementAddress(it) = tlv { Some(it) } else { None })
    }

    /// The first 802.1 Port VLAN ID; `None` when not sent or 0 (the port has none).
    #[must_use]
    pub fn port_vlan_id(&self) -> Option<u16> {
        let first = self.tlvs.iter().find_map(|tlv| if let Tlv::PortVlanId(vlan) = tlv { Some(*vlan) } else { None });
        first.filter(|vlan| *vlan != 0)
    }
}

/// Splits the subtype from an id and checks its length.
fn identifier<'a>(tlv: &'static str, value: &'a [u8]) -> Result<(u8, &'a [u8]), Error> {
    match value.split_first() {
        Some((subtype, id)) if (1..=255).contains(&id.len()) => Ok((*subtype, id)),
        _ => Err(Error::Length { tlv, length: value.len(), expected: "2 to 256" }),
    }
}

/// Walks the TLVs of one LLDPDU.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// The next TLV's type and information string; `None` at the end of the data.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Error> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let Some((header, rest)) = rest.split_first_chunk::<2>() else {
            return Err(Error::Truncated { offset: self.offset, need: 2, have: rest.len() });
        };
        let header = u16::from_be_bytes(*header);
        let length = usize::from(header & 0x01ff);
        let Some(value) = rest.get(..length) else {
            return Err(Error::Truncated { offset: self.offset.saturating_add(2), need: length, have: rest.len() });
        };
        self.offset = self.offset.saturating_add(2).saturating_add(length);
        Ok(Some(((header >> 9) as u8, value)))
    }

    /// The TLV that must come now.
    fn mandatory(&mut self, position: u8, expected: &'static str, kind: u8) -> Result<&'a [u8], Error> {
        match self.next()? {
            None | Some((END, _)) => Err(Error::Missing { expected }),
            Some((found, value)) if found == kind => Ok(value),
            Some((found, _)) => Err(Error::Order { position, expected, expected_type: kind, found }),
        }
    }
}
