//! From what the wire said to what the server stores. Every text is escaped by `lldp-parser` (no control character) and
//! cut here, so that a neighbour cannot grow a message, a log or a page.

use higuma_proto::agent::Neighbour;
use lldp_parser::Lldpdu;

/// Characters kept of an id: 255 bytes that are all shown as `\xff` still fit.
const MAX_ID: usize = 1_020;
/// Characters kept of a name or a port description.
const MAX_NAME: usize = 255;
/// Characters kept of a system description.
const MAX_DESCRIPTION: usize = 1_000;
/// Management addresses kept, and characters of each.
const MAX_ADDRESSES: usize = 16;
const MAX_ADDRESS: usize = 80;

/// The neighbour as the server is told, heard by `interface` with address `mac`.
#[must_use]
pub fn neighbour(interface: &str, mac: &str, heard: &Lldpdu) -> Neighbour {
    Neighbour {
        interface: interface.to_owned(),
        mac: mac.to_owned(),
        chassis_id: cut(&heard.chassis_id, MAX_ID),
        chassis_id_type: heard.chassis_id.type_name().to_owned(),
        port_id: cut(&heard.port_id, MAX_ID),
        port_id_type: heard.port_id.type_name().to_owned(),
        ttl: heard.ttl.into(),
        port_description: heard.port_description().map(|text| cut(text, MAX_NAME)).unwrap_or_default(),
        system_name: heard.system_name().map(|text| cut(text, MAX_NAME)).unwrap_or_default(),
        system_description: heard.system_description().map(|text| cut(text, MAX_DESCRIPTION)).unwrap_or_default(),
        management_addresses: heard
            .management_addresses()
            .take(MAX_ADDRESSES)
            .map(|it| cut(&it.address, MAX_ADDRESS))
            .collect(),
        pvid: heard.port_vlan_id().map_or(0, u32::from),
    }
}

fn cut(shown: &impl ToString, max: usize) -> String {
    shown.to_string().chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lldp_parser::{ChassisId, Mac, ManagementAddress, NetworkAddress, Oid, PortId, Text, Tlv};

    #[test]
    fn text_is_clean_and_short() {
        let address = ManagementAddress {
            address: NetworkAddress::V4([192, 0, 2, 1].into()),
            numbering: lldp_parser::InterfaceNumbering::IfIndex,
            interface: 1,
            oid: Oid::default(),
        };
        let mut tlvs = vec![Tlv::ManagementAddress(address); 40];
        tlvs.push(Tlv::SystemName(Text(b"leaf\x1b[31m\r\n".to_vec())));
        tlvs.push(Tlv::SystemDescription(Text(vec![7; 511])));
        tlvs.push(Tlv::PortVlanId(10));
        let heard = Lldpdu {
            chassis_id: ChassisId::MacAddress(Mac([2, 0, 0, 0, 0, 1])),
            port_id: PortId::InterfaceName("swp1".into()),
            ttl: 120,
            tlvs,
        };
        let told = neighbour("eth0", "02:00:00:00:00:02", &heard);
        assert_eq!(told.system_name, "leaf\\u{1b}[31m\\r\\n");
        assert_eq!(told.system_description.len(), MAX_DESCRIPTION);
        assert_eq!(told.management_addresses.len(), MAX_ADDRESSES);
        assert_eq!((told.chassis_id.as_str(), told.chassis_id_type.as_str()), ("02:00:00:00:00:01", "mac_address"));
        assert_eq!((told.port_id.as_str(), told.port_id_type.as_str()), ("swp1", "interface_name"));
        assert_eq!((told.pvid, told.ttl), (10, 120));
    }
}
