//! One optional TLV: which meaning its bytes have, and back. Reading never fails: what has no meaning stays raw.

use crate::wire::push_tlv;
use crate::{
    Bytes, EmitError, ExtendedPower, LinkAggregation, Location, MacPhy, ManagementAddress, MedCapabilities,
    NetworkPolicy, PortProtocolVlan, PowerViaMdi, SystemCapabilities, Text, VlanName, dot1, dot3, med,
};

/// Type of the organisationally specific TLVs (802.1AB-2016 clause 8.6).
const ORGANIZATION: u8 = 127;

/// An optional TLV. The clause is that of IEEE 802.1AB-2016 unless another standard is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Tlv {
    /// Clause 8.5.5.
    PortDescription(Text),
    /// Clause 8.5.6.
    SystemName(Text),
    /// Clause 8.5.7.
    SystemDescription(Text),
    /// Clause 8.5.8.
    SystemCapabilities(SystemCapabilities),
    /// Clause 8.5.9.
    ManagementAddress(ManagementAddress),
    /// 802.1Q D.2.1: VLAN of untagged frames; 0: none.
    PortVlanId(u16),
    /// 802.1Q D.2.2.
    PortProtocolVlan(PortProtocolVlan),
    /// 802.1Q D.2.3.
    VlanName(VlanName),
    /// 802.1Q D.2.4: first bytes of a protocol that the port handles.
    ProtocolIdentity(Bytes),
    /// 802.1Q D.2.5: CRC-32 over the table of VLANs in use.
    VidUsageDigest(u32),
    /// 802.1Q D.2.6: VLAN of management; 0: none.
    ManagementVlanId(u16),
    /// 802.1Q D.2.7 (802.1AX).
    LinkAggregation(LinkAggregation),
    /// 802.3 79.3.1.
    MacPhy(MacPhy),
    /// 802.3 79.3.2.
    PowerViaMdi(PowerViaMdi),
    /// 802.3 79.3.3 (deprecated there, still sent).
    #[cfg_attr(feature = "serde", serde(rename = "link_aggregation_802_3"))]
    LinkAggregation8023(LinkAggregation),
    /// 802.3 79.3.4: bytes, with header and FCS.
    MaxFrameSize(u16),
    /// TIA-1057 10.2.2.
    MedCapabilities(MedCapabilities),
    /// TIA-1057 10.2.3.
    NetworkPolicy(NetworkPolicy),
    /// TIA-1057 10.2.4.
    Location(Location),
    /// TIA-1057 10.2.5.
    ExtendedPower(ExtendedPower),
    /// TIA-1057 10.2.6.1.
    HardwareRevision(Text),
    /// TIA-1057 10.2.6.2.
    FirmwareRevision(Text),
    /// TIA-1057 10.2.6.3.
    SoftwareRevision(Text),
    /// TIA-1057 10.2.6.4.
    SerialNumber(Text),
    /// TIA-1057 10.2.6.5.
    Manufacturer(Text),
    /// TIA-1057 10.2.6.6.
    Model(Text),
    /// TIA-1057 10.2.6.7.
    AssetId(Text),
    /// Clause 8.6, of another organisation or of a subtype or length without meaning here. One that has a meaning is
    /// not equal to itself after a round trip: it comes back as what it is.
    Organization {
        /// Organisationally unique identifier.
        oui: Oui,
        /// The organisation's own subtype.
        subtype: u8,
        /// What follows.
        value: Bytes,
    },
    /// A reserved type (9 to 126), or a known one whose value has no meaning. The same holds as for `Organization`.
    Unknown {
        /// The type, 4 to 127.
        #[cfg_attr(feature = "serde", serde(rename = "type"))]
        kind: u8,
        /// The information string.
        value: Bytes,
    },
}

/// An OUI; `Display` and JSON show it as `00:80:c2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Oui(pub [u8; 3]);

impl std::fmt::Display for Oui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

crate::text::serialize_as_display!(Oui);

impl Tlv {
    /// From a type (not 0 to 3) and its information string.
    pub(crate) fn parse(kind: u8, value: &[u8]) -> Self {
        let known = match kind {
            4 => Some(Self::PortDescription(value.into())),
            5 => Some(Self::SystemName(value.into())),
            6 => Some(Self::SystemDescription(value.into())),
            7 => SystemCapabilities::parse(value).map(Self::SystemCapabilities),
            8 => ManagementAddress::parse(value).map(Self::ManagementAddress),
            ORGANIZATION => Self::parse_organization(value),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Unknown { kind, value: value.into() })
    }

    fn parse_organization(value: &[u8]) -> Option<Self> {
        let [a, b, c, subtype, value @ ..] = value else { return None };
        let oui = [*a, *b, *c];
        let known = match oui {
            dot1::OUI => dot1::parse(*subtype, value),
            dot3::OUI => dot3::parse(*subtype, value),
            med::OUI => med::parse(*subtype, value),
            _ => None,
        };
        Some(known.unwrap_or_else(|| Self::Organization { oui: Oui(oui), subtype: *subtype, value: value.into() }))
    }

    /// Appends the TLV to `out`.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let of = |out: &mut Vec<u8>, oui: [u8; 3], subtype: u8, value: &[u8]| {
            let mut whole = oui.to_vec();
            whole.push(subtype);
            whole.extend_from_slice(value);
            push_tlv(out, ORGANIZATION, "organisationally specific TLV", &whole)
        };
        match self {
            Self::PortDescription(text) => push_tlv(out, 4, "port description", text.as_bytes()),
            Self::SystemName(text) => push_tlv(out, 5, "system name", text.as_bytes()),
            Self::SystemDescription(text) => push_tlv(out, 6, "system description", text.as_bytes()),
            Self::SystemCapabilities(it) => push_tlv(out, 7, "system capabilities", &it.emit()),
            Self::ManagementAddress(it) => push_tlv(out, 8, "management address", &it.emit()?),
            Self::PortVlanId(vlan) => of(out, dot1::OUI, 1, &vlan.to_be_bytes()),
            Self::PortProtocolVlan(it) => of(out, dot1::OUI, 2, &dot1::emit_port_protocol(*it)),
            Self::VlanName(it) => of(out, dot1::OUI, 3, &dot1::emit_vlan_name(it)?),
            Self::ProtocolIdentity(it) => of(out, dot1::OUI, 4, &dot1::emit_protocol_identity(it)?),
            Self::VidUsageDigest(digest) => of(out, dot1::OUI, 5, &digest.to_be_bytes()),
            Self::ManagementVlanId(vlan) => of(out, dot1::OUI, 6, &vlan.to_be_bytes()),
            Self::LinkAggregation(it) => of(out, dot1::OUI, 7, &it.emit()),
            Self::MacPhy(it) => of(out, dot3::OUI, 1, &dot3::emit_mac_phy(*it)),
            Self::PowerViaMdi(it) => of(out, dot3::OUI, 2, &dot3::emit_power(it)),
            Self::LinkAggregation8023(it) => of(out, dot3::OUI, 3, &it.emit()),
            Self::MaxFrameSize(size) => of(out, dot3::OUI, 4, &size.to_be_bytes()),
            Self::MedCapabilities(it) => of(out, med::OUI, 1, &med::emit_capabilities(*it)),
            Self::NetworkPolicy(it) => of(out, med::OUI, 2, &med::emit_policy(*it)?),
            Self::Location(it) => of(out, med::OUI, 3, &med::emit_location(it)),
            Self::ExtendedPower(it) => of(out, med::OUI, 4, &med::emit_power(*it)?),
            Self::HardwareRevision(text) => of(out, med::OUI, 5, text.as_bytes()),
            Self::FirmwareRevision(text) => of(out, med::OUI, 6, text.as_bytes()),
            Self::SoftwareRevision(text) => of(out, med::OUI, 7, text.as_bytes()),
            Self::SerialNumber(text) => of(out, med::OUI, 8, text.as_bytes()),
            Self::Manufacturer(text) => of(out, med::OUI, 9, text.as_bytes()),
            Self::Model(text) => of(out, med::OUI, 10, text.as_bytes()),
            Self::AssetId(text) => of(out, med::OUI, 11, text.as_bytes()),
            Self::Organization { oui, subtype, value } => of(out, oui.0, *subtype, &value.0),
            Self::Unknown { kind: kind @ 0..=3, .. } => Err(EmitError::Reserved { kind: *kind }),
            Self::Unknown { kind, value } => push_tlv(out, *kind, "unknown TLV", &value.0),
        }
    }
}
