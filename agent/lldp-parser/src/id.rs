//! Who speaks: the Chassis ID and Port ID TLVs (802.1AB-2016 clauses 8.5.2 and 8.5.3) and the addresses in them.
//! No subtype may be dropped: an id that is not understood still tells two neighbours apart.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::text::serialize_as_display;
use crate::{Bytes, EmitError, Text, wire};

/// An EUI-48 address, shown as `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An address with its IANA address family number, one byte on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetworkAddress {
    /// Family 1, four bytes.
    V4(Ipv4Addr),
    /// Family 2, sixteen bytes.
    V6(Ipv6Addr),
    /// Family 6 (all 802 media), six bytes.
    Mac(Mac),
    /// Another family, or a length that does not fit the family.
    Other {
        /// IANA address family number.
        family: u8,
        /// The address.
        value: Bytes,
    },
}

impl NetworkAddress {
    /// From the family byte and the address; `None` when there is no family byte or no address.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (family, address) = bytes.split_first()?;
        if address.is_empty() {
            return None;
        }
        let known = match family {
            1 => <[u8; 4]>::try_from(address).ok().map(|v4| Self::V4(v4.into())),
            2 => <[u8; 16]>::try_from(address).ok().map(|v6| Self::V6(v6.into())),
            6 => <[u8; 6]>::try_from(address).ok().map(|mac| Self::Mac(Mac(mac))),
            _ => None,
        };
        Some(known.unwrap_or_else(|| Self::Other { family: *family, value: address.into() }))
    }

    /// The family byte and the address.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let (family, address): (u8, &[u8]) = match self {
            Self::V4(v4) => (1, &v4.octets()),
            Self::V6(v6) => (2, &v6.octets()),
            Self::Mac(mac) => (6, &mac.0),
            Self::Other { family, value } => (*family, &value.0),
        };
        let mut out = vec![family];
        out.extend_from_slice(address);
        out
    }
}

impl fmt::Display for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(v4) => write!(f, "{v4}"),
            Self::V6(v6) => write!(f, "{v6}"),
            Self::Mac(mac) => write!(f, "{mac}"),
            Self::Other { family, value } => write!(f, "family {family} {value}"),
        }
    }
}

serialize_as_display!(Mac, NetworkAddress);

/// Both id TLVs have the same form and differ in what each subtype number means.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $mac:literal, $network:literal,
     { $($(#[$text_doc:meta])* $subtype:literal => $variant:ident $type_name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "serde", serde(tag = "type", content = "value", rename_all = "snake_case"))]
        pub enum $name {
            $($(#[$text_doc])* $variant(Text),)+
            /// A MAC address.
            MacAddress(Mac),
            /// An address of any family.
            NetworkAddress(NetworkAddress),
            /// A reserved subtype, or a value that does not fit its subtype. One that does fit is not equal to
            /// itself after a round trip: it comes back as what it is.
            Other {
                /// The subtype.
                subtype: u8,
                /// What follows it.
                value: Bytes,
            },
        }

        impl $name {
            /// The name of the subtype: `mac_address`, `local`, ...; `other` for one without a meaning.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $type_name,)+
                    Self::MacAddress(_) => "mac_address",
                    Self::NetworkAddress(_) => "network_address",
                    Self::Other { .. } => "other",
                }
            }

            pub(crate) fn parse(subtype: u8, value: &[u8]) -> Self {
                let other = || Self::Other { subtype, value: value.into() };
                match subtype {
                    $($subtype => Self::$variant(value.into()),)+
                    $mac => <[u8; 6]>::try_from(value).map_or_else(|_| other(), |mac| Self::MacAddress(Mac(mac))),
                    $network => NetworkAddress::parse(value).map_or_else(other, Self::NetworkAddress),
                    _ => other(),
                }
            }

            /// The TLV's information string.
            pub(crate) fn emit(&self) -> Result<Vec<u8>, EmitError> {
                let network;
                let (subtype, value): (u8, &[u8]) = match self {
                    $(Self::$variant(text) => ($subtype, text.as_bytes()),)+
                    Self::MacAddress(mac) => ($mac, &mac.0),
                    Self::NetworkAddress(address) => {
                        network = address.emit();
                        ($network, &network)
                    }
                    Self::Other { subtype, value } => (*subtype, &value.0),
                };
                wire::length_between($field, value.len(), 1, 255)?;
                let mut out = vec![subtype];
                out.extend_from_slice(value);
                Ok(out)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(text) => write!(f, "{text}"),)+
                    Self::MacAddress(mac) => write!(f, "{mac}"),
                    Self::NetworkAddress(address) => write!(f, "{address}"),
                    Self::Other { subtype, value } => write!(f, "subtype {subtype} {value}"),
                }
            }
        }
    };
}

id_type!(
    /// Chassis ID (802.1AB-2016 clause 8.5.2; subtypes in table 8-2).
    ChassisId, "chassis id", 4, 5, {
        /// entPhysicalAlias of a chassis (RFC 6933).
        1 => ChassisComponent "chassis_component",
        /// ifAlias (RFC 2863).
        2 => InterfaceAlias "interface_alias",
        /// entPhysicalAlias of a port or backplane.
        3 => PortComponent "port_component",
        /// ifName.
        6 => InterfaceName "interface_name",
        /// Whatever the other side chose.
        7 => Local "local",
    }
);

id_type!(
    /// Port ID (802.1AB-2016 clause 8.5.3; subtypes in table 8-3).
    PortId, "port id", 3, 4, {
        /// ifAlias (RFC 2863).
        1 => InterfaceAlias "interface_alias",
        /// entPhysicalAlias of a port or backplane.
        2 => PortComponent "port_component",
        /// ifName.
        5 => InterfaceName "interface_name",
        /// Agent circuit id (RFC 3046): binary in practice.
        6 => AgentCircuitId "agent_circuit_id",
        /// Whatever the other side chose.
        7 => Local "local",
    }
);
