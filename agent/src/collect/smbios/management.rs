//! Ways to the management controller: the IPMI interface (type 38) and host interfaces (type 42), where the record of a
//! Redfish service (DSP0270 clause 8.6) says at which address it answers this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use higuma_proto::agent::{HostInterface, IpmiInterface};
use smbioslib::{
    ProtocolRecord, SMBiosData, SMBiosIpmiDeviceInformation, SMBiosManagementControllerHostInterface, SMBiosStruct,
};

use super::text::{clean, named};

/// DSP0134 clause 7.39.1.
const IPMI: [&str; 5] = ["", "KCS", "SMIC", "BT", "SSIF"];
/// DSP0239: host interfaces below 0x40.
const INTERFACES: [&str; 16] = [
    "",
    "",
    "KCS",
    "8250 UART",
    "16450 UART",
    "16550 UART",
    "16650 UART",
    "16750 UART",
    "16850 UART",
    "I2C",
    "I3C",
    "PCIe VDM",
    "MMBI",
    "PCC",
    "UCIe",
    "USB",
];
/// DSP0134 clause 7.43.2.
const PROTOCOLS: [&str; 5] = ["", "", "IPMI", "MCTP", "Redfish over IP"];
const OEM: u8 = 0xf0;
const NETWORK: u8 = 0x40;
const REDFISH: u8 = 4;
/// Records kept of one host interface.
const MAX_RECORDS: usize = 16;

pub(super) fn ipmi(data: &SMBiosData) -> Option<IpmiInterface> {
    let device = data.first::<SMBiosIpmiDeviceInformation>()?;
    Some(IpmiInterface {
        r#type: device.parts().get_field_byte(0x04).map(|raw| named(&IPMI, raw)).unwrap_or_default(),
        version: device
            .ipmi_specification_revision()
            .map(|revision| format!("{}.{}", revision >> 4, revision & 0x0f))
            .unwrap_or_default(),
        // The BMC itself is asked elsewhere: collecting opens no device.
        firmware: String::new(),
    })
}

/// One for each protocol of each interface. Before version 3.2 the records cannot be found: a length was missing.
pub(super) fn host_interfaces(data: &SMBiosData, version: (u8, u8)) -> Vec<HostInterface> {
    let mut found = Vec::new();
    for interface in data.defined_struct_iter::<SMBiosManagementControllerHostInterface>() {
        let kind = match interface.parts().get_field_byte(0x04) {
            Some(NETWORK) => "network host interface".to_owned(),
            Some(OEM) => "OEM".to_owned(),
            Some(raw) => named(&INTERFACES, raw),
            None => continue,
        };
        let plain = HostInterface { r#type: kind, ..HostInterface::default() };
        let count = if version >= (3, 2) { MAX_RECORDS } else { 0 };
        let records: Vec<HostInterface> =
            interface.protocol_record_iterator().take(count).map(|record| with_protocol(&plain, &record)).collect();
        if records.is_empty() {
            found.push(plain);
        }
        found.extend(records);
    }
    found
}

fn with_protocol(plain: &HostInterface, record: &ProtocolRecord<'_>) -> HostInterface {
    let raw = record.protocol_type().map_or(0, |kind| kind.raw);
    let protocol = if raw == OEM { "OEM".to_owned() } else { named(&PROTOCOLS, raw) };
    let mut interface = HostInterface { protocol, ..plain.clone() };
    if raw == REDFISH {
        redfish(record.protocol_type_specific_data().unwrap_or_default(), &mut interface);
    }
    interface
}

/// The address is told when it is fixed (static, or configured by the machine itself); else it is found in other ways.
fn redfish(record: &[u8], interface: &mut HostInterface) {
    const STATIC: u8 = 1;
    const AUTOMATIC: u8 = 3;
    if let Some(STATIC | AUTOMATIC) = record.get(50).copied() {
        let address = record.get(52..68).unwrap_or_default();
        interface.address = match (record.get(51), address) {
            (Some(1), [a, b, c, d, ..]) => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
            (Some(2), v6) => <[u8; 16]>::try_from(v6).map(|v6| Ipv6Addr::from(v6).to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        interface.port = match record.get(84..86) {
            Some([low, high]) => u32::from(u16::from_le_bytes([*low, *high])),
            _ => 0,
        };
    }
    let length = usize::from(record.get(90).copied().unwrap_or(0));
    let name = record.get(91..).unwrap_or_default();
    interface.hostname = clean(&String::from_utf8_lossy(name.get(..length.min(name.len())).unwrap_or_default()));
}
