//! LLDP (IEEE 802.1AB) in bytes to values, and back: [`Lldpdu::parse`], [`Lldpdu::emit`], [`Frame::parse`].
//!
//! The crate does no I/O, holds no state, has no `unsafe`, and must never panic or reserve memory beyond a small
//! multiple of its input: the bytes come from whoever is at the other end of a cable.
//!
//! What is decoded: all basic TLVs (802.1AB-2016 clause 8.5), the 802.1 set (802.1Q annex D.2), the 802.3 set (802.3
//! clause 79.3) and LLDP-MED (ANSI/TIA-1057 clause 10.2). Everything else is kept raw, in its place.
//!
//! ```
//! use lldp_parser::{ChassisId, Lldpdu, Mac, PortId, Tlv};
//! let sent = Lldpdu {
//!     chassis_id: ChassisId::MacAddress(Mac([2, 0, 0, 0, 0, 1])),
//!     port_id: PortId::InterfaceName("eth0".into()),
//!     ttl: 120,
//!     tlvs: vec![Tlv::SystemName("node-1".into()), Tlv::PortVlanId(10)],
//! };
//! let bytes = sent.emit().unwrap();
//! let heard = Lldpdu::parse(&bytes).unwrap();
//! assert_eq!(heard, sent);
//! assert_eq!(heard.chassis_id.to_string(), "02:00:00:00:00:01");
//! assert_eq!(heard.port_vlan_id(), Some(10));
//! ```
//!
//! # How strict it is
//! As 802.1AB-2009 clause 9.2.7.7 asks, an LLDPDU is refused as a whole when its first three TLVs are not Chassis ID,
//! Port ID and Time To Live in this order, when one of them comes twice, when an id is empty or longer than 255 bytes,
//! when the TTL has less than two bytes, or when a TLV runs past the end of the data. It is lenient where switches
//! in the field are:
//! - the End Of LLDPDU TLV may be missing (the data's end ends the LLDPDU) or carry bytes; what follows it is ignored;
//! - an optional TLV that cannot be decoded (wrong length, impossible value) is kept raw instead of dropped, so one
//!   bad TLV never costs a neighbour;
//! - an optional TLV that must come once and comes twice stays in the list; the accessors answer with the first;
//! - an id of a numeric subtype with a wrong length (a "MAC address" of eight bytes) is kept as `Other`;
//! - text may have up to 511 bytes where the standard allows 255 or 32, may not be UTF-8 and may end in NULs;
//! - reserved bits are ignored; a TTL TLV longer than two bytes is cut;
//! - after TTL 0 (shutdown) nothing further is read.
#![forbid(unsafe_code)]

mod basic;
mod dot1;
mod dot3;
mod error;
mod frame;
mod id;
mod med;
mod pdu;
mod text;
mod tlv;
mod wire;

pub use basic::{InterfaceNumbering, ManagementAddress, Oid, SystemCapabilities, SystemCapability};
pub use dot1::{LinkAggregation, PortProtocolVlan, VlanName};
pub use dot3::{DllClassification, MacPhy, PowerViaMdi};
pub use error::{EmitError, Error};
pub use frame::{ETHERTYPE, Frame, NEAREST_BRIDGE, NEAREST_CUSTOMER_BRIDGE, NEAREST_NON_TPMR_BRIDGE};
pub use id::{ChassisId, Mac, NetworkAddress, PortId};
pub use med::{ExtendedPower, Location, MedCapabilities, NetworkPolicy};
pub use pdu::{Lldpdu, MAX_LLDPDU_BYTES};
pub use text::{Bytes, Text};
pub use tlv::{Oui, Tlv};
