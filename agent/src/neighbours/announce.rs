//! What the agent says of itself on a port, and when, so that the other side answers at once. It must never speak in the
//! name of another LLDP agent of the same machine: the port id is our own, so a goodbye takes back only what we said.
//!
//! Measured with `lldpd` 1.0.16, `med fast-start` on: an LLDPDU with LLDP-MED Capabilities from a neighbour that is not
//! known yet is answered within a millisecond (TIA-1057 clause 11.2.1), one from a known neighbour is not; a rebooted
//! server is known until its TTL ends. A shutdown LLDPDU makes it unknown, but not at once: `lldpd` forgets in its next
//! turn of work, and a hello right behind the goodbye went unanswered 3 times in 6; 50 ms later it never did.

use std::time::Duration;

use lldp_parser::{
    ChassisId, EmitError, Frame, Lldpdu, Mac, MedCapabilities, NEAREST_BRIDGE, PortId, SystemCapabilities, Tlv,
};

/// Seconds that the other side believes us; it is not refreshed.
const TTL: u16 = 120;
/// TIA-1057 clause 10.2.2.3: endpoint class I.
const ENDPOINT_CLASS_1: u8 = 1;
/// TIA-1057 clause 10.2.2.1: LLDP-MED Capabilities itself.
const MED_CAPABILITIES: u16 = 1;
/// 802.1AB-2016 table 8-4: station only.
const STATION_ONLY: u16 = 1 << 7;

/// One thing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Hello,
    Goodbye,
}

/// What is said after a link came up, each after a pause since the word before, until somebody is heard. The first hello is answered by who does not know us; the
/// goodbye and the second hello by who does; the rest is for a switch whose port did not forward yet.
pub(super) const SCRIPT: [(Duration, Word); 7] = [
    (Duration::ZERO, Word::Hello),
    (Duration::from_millis(100), Word::Goodbye),
    (Duration::from_millis(200), Word::Hello),
    (Duration::from_millis(900), Word::Goodbye),
    (Duration::from_millis(300), Word::Hello),
    (Duration::from_millis(2_500), Word::Goodbye),
    (Duration::from_millis(500), Word::Hello),
];

fn ids(mac: Mac) -> (ChassisId, PortId) {
    (ChassisId::MacAddress(mac), PortId::Local(format!("higuma-{mac}").as_str().into()))
}

fn frame(mac: Mac, lldpdu: Lldpdu) -> Result<Vec<u8>, EmitError> {
    Frame { destination: NEAREST_BRIDGE, source: mac, tag: None, lldpdu }.emit()
}

/// The frame that says it.
pub(super) fn say(word: Word, interface: &str, mac: Mac) -> Result<Vec<u8>, EmitError> {
    match word {
        Word::Hello => hello(interface, mac),
        Word::Goodbye => goodbye(mac),
    }
}

/// "Forget me."
fn goodbye(mac: Mac) -> Result<Vec<u8>, EmitError> {
    let (chassis_id, port_id) = ids(mac);
    frame(mac, Lldpdu::shutdown(chassis_id, port_id))
}

/// "Here I am, and I speak LLDP-MED."
fn hello(interface: &str, mac: Mac) -> Result<Vec<u8>, EmitError> {
    let (chassis_id, port_id) = ids(mac);
    let med = MedCapabilities { capabilities: MED_CAPABILITIES, device_type: ENDPOINT_CLASS_1 };
    let tlvs = vec![
        Tlv::PortDescription(interface.into()),
        Tlv::SystemDescription(concat!("higuma-agent ", env!("CARGO_PKG_VERSION")).into()),
        Tlv::SystemCapabilities(SystemCapabilities { supported: STATION_ONLY, enabled: STATION_ONLY }),
        Tlv::MedCapabilities(med),
    ];
    frame(mac, Lldpdu { chassis_id, port_id, ttl: TTL, tlvs })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn goodbye_takes_back_what_hello_said() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let hello = Frame::parse(&hello("eth0", mac).unwrap()).unwrap().lldpdu;
        let goodbye = Frame::parse(&goodbye(mac).unwrap()).unwrap().lldpdu;
        assert!(goodbye.is_shutdown() && !hello.is_shutdown());
        assert_eq!((goodbye.chassis_id, goodbye.port_id), (hello.chassis_id, hello.port_id));
        assert!(hello.tlvs.iter().any(|tlv| matches!(tlv, Tlv::MedCapabilities(_))));
    }
}
