//! An LLDPDU as lldpcli's `json0` tells it: paths and values. What lldpd does not decode is told raw, as it does.

use super::Leaves;
use lldp_parser::{
    ChassisId, ExtendedPower, InterfaceNumbering, Lldpdu, Location, MacPhy, NetworkPolicy, PortId, PowerViaMdi,
    SystemCapability, Tlv,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The leaves of lldpd's answer that come from the frame (its own clock and numbers do not).
pub(super) fn theirs(told: &Value) -> Leaves {
    let mut leaves = BTreeMap::new();
    let neighbour = told.pointer("/lldp/0/interface/0").unwrap_or(&Value::Null);
    for part in ["chassis", "port", "vlan", "ppvid", "pi", "lldp-med", "unknown-tlvs"] {
        flatten(neighbour.get(part).unwrap_or(&Value::Null), format!("/{part}"), &mut leaves);
    }
    leaves
}

fn flatten(value: &Value, path: String, leaves: &mut Leaves) {
    match value {
        Value::Null => {}
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, item)| flatten(item, format!("{path}/{n}"), leaves));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| flatten(item, format!("{path}/{key}"), leaves)),
        leaf => drop(leaves.insert(path, leaf.clone())),
    }
}

/// Collects values in the shape of lldpd's tree.
#[derive(Default)]
struct Tree {
    leaves: Leaves,
    counts: BTreeMap<String, usize>,
}

impl Tree {
    fn put(&mut self, path: String, value: impl Into<Value>) {
        self.leaves.insert(path, value.into());
    }

    /// The only or next element of a list that holds one value: `/port/0/ttl/0/value`.
    fn value(&mut self, list: &str, value: impl ToString) {
        let item = self.next(list);
        self.put(format!("{item}/value"), value.to_string());
    }

    /// The path of the next element of a list.
    fn next(&mut self, list: &str) -> String {
        let count = self.counts.entry(list.to_owned()).or_default();
        *count += 1;
        format!("{list}/{}", *count - 1)
    }

    fn unknown(&mut self, oui: [u8; 3], subtype: u8, value: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(",");
        let item = self.next("/unknown-tlvs/0/unknown-tlv");
        self.put(format!("{item}/oui"), hex(&oui));
        self.put(format!("{item}/subtype"), subtype.to_string());
        self.put(format!("{item}/len"), value.len().to_string());
        if !value.is_empty() {
            self.put(format!("{item}/value"), hex(value));
        }
    }
}

/// What we read, told as lldpd tells it.
pub(super) fn ours(lldpdu: &Lldpdu) -> Leaves {
    let mut tree = Tree::default();
    let (kind, id) = match &lldpdu.chassis_id {
        ChassisId::MacAddress(mac) => ("mac", mac.to_string()),
        ChassisId::Local(name) => ("local", name.to_string()),
        other => ("?", other.to_string()),
    };
    tree.put("/chassis/0/id/0/type".to_owned(), kind);
    tree.put("/chassis/0/id/0/value".to_owned(), id);
    let (kind, id) = match &lldpdu.port_id {
        PortId::MacAddress(mac) => ("mac", mac.to_string()),
        PortId::InterfaceName(name) => ("ifname", name.to_string()),
        other => ("?", other.to_string()),
    };
    tree.put("/port/0/id/0/type".to_owned(), kind);
    tree.put("/port/0/id/0/value".to_owned(), id);
    tree.value("/port/0/ttl", lldpdu.ttl);
    for tlv in &lldpdu.tlvs {
        one(&mut tree, tlv, lldpdu);
    }
    // A port VLAN without a name is told all the same.
    let named =
        lldpdu.tlvs.iter().any(|tlv| matches!(tlv, Tlv::VlanName(it) if Some(it.vlan) == lldpdu.port_vlan_id()));
    if let (Some(pvid), false) = (lldpdu.port_vlan_id(), named) {
        let item = tree.next("/vlan");
        tree.put(format!("{item}/vlan-id"), pvid.to_string());
        tree.put(format!("{item}/pvid"), true);
    }
    tree.leaves
}

fn one(tree: &mut Tree, tlv: &Tlv, lldpdu: &Lldpdu) {
    const INVENTORY: &str = "/lldp-med/0/inventory/0";
    match tlv {
        // lldpd shows text as it is; ours shows control characters as escapes.
        Tlv::SystemName(text) => tree.value("/chassis/0/name", String::from_utf8_lossy(text.as_bytes())),
        Tlv::SystemDescription(text) => tree.value("/chassis/0/descr", String::from_utf8_lossy(text.as_bytes())),
        Tlv::PortDescription(text) => tree.value("/port/0/descr", String::from_utf8_lossy(text.as_bytes())),
        Tlv::SystemCapabilities(it) => {
            for (capability, name) in CAPABILITIES {
                if it.supports(capability) {
                    let item = tree.next("/chassis/0/capability");
                    tree.put(format!("{item}/type"), name);
                    tree.put(format!("{item}/enabled"), it.enables(capability));
                }
            }
        }
        Tlv::ManagementAddress(it) => {
            tree.value("/chassis/0/mgmt-ip", &it.address);
            if it.numbering == InterfaceNumbering::IfIndex && it.interface > 0 {
                tree.value("/chassis/0/mgmt-iface", it.interface);
            }
        }
        Tlv::PortVlanId(_) => {}
        Tlv::PortProtocolVlan(it) => {
            let item = tree.next("/ppvid");
            if it.vlan > 0 {
                tree.put(format!("{item}/value"), it.vlan.to_string());
            }
            tree.put(format!("{item}/supported"), it.supported);
            tree.put(format!("{item}/enabled"), it.enabled);
        }
        Tlv::VlanName(it) => {
            let item = tree.next("/vlan");
            tree.put(format!("{item}/vlan-id"), it.vlan.to_string());
            tree.put(format!("{item}/pvid"), lldpdu.port_vlan_id() == Some(it.vlan));
            tree.put(format!("{item}/value"), it.name.to_string());
        }
        Tlv::ProtocolIdentity(bytes) => {
            let hex: Vec<String> = bytes.0.iter().map(|byte| format!("{byte:02x}")).collect();
            tree.value("/pi", hex.join(" "));
        }
        // These three lldpd does not decode.
        Tlv::VidUsageDigest(it) => tree.unknown(DOT1, 5, &it.to_be_bytes()),
        Tlv::ManagementVlanId(it) => tree.unknown(DOT1, 6, &it.to_be_bytes()),
        Tlv::LinkAggregation(it) => {
            let status = u8::from(it.capable) | u8::from(it.enabled) << 1;
            tree.unknown(DOT1, 7, &[&[status][..], &it.port.to_be_bytes()].concat());
        }
        // lldpd always sends one that says "none" besides, and keeps the one that says something.
        Tlv::LinkAggregation8023(it) if it.port == 0 => {}
        Tlv::LinkAggregation8023(it) => tree.value("/port/0/aggregation", it.port),
        Tlv::MaxFrameSize(it) => tree.value("/port/0/mfs", it),
        Tlv::MacPhy(it) => mac_phy(tree, *it),
        Tlv::PowerViaMdi(it) => power_via_mdi(tree, it),
        Tlv::MedCapabilities(it) => {
            let kinds = ["", "Generic Endpoint (Class I)", "Media Endpoint (Class II)"];
            let more = ["Communication Device Endpoint (Class III)", "Network Connectivity Device"];
            let name = kinds.iter().chain(&more).nth(it.device_type.into()).copied().unwrap_or("?");
            tree.value("/lldp-med/0/device-type", name);
            let names = ["Capabilities", "Policy", "Location", "MDI/PSE", "MDI/PD", "Inventory"];
            for (bit, name) in names.iter().enumerate().filter(|(bit, _)| it.capabilities & 1 << bit != 0) {
                let item = tree.next("/lldp-med/0/capability");
                tree.put(format!("{item}/type"), *name);
                tree.put(format!("{item}/available"), it.capabilities & 1 << bit != 0);
            }
        }
        Tlv::NetworkPolicy(it) => policy(tree, *it),
        Tlv::Location(it) => location(tree, it),
        Tlv::ExtendedPower(it) => extended_power(tree, *it),
        Tlv::HardwareRevision(text) => tree.value(&format!("{INVENTORY}/hardware"), text),
        Tlv::FirmwareRevision(text) => tree.value(&format!("{INVENTORY}/firmware"), text),
        Tlv::SoftwareRevision(text) => tree.value(&format!("{INVENTORY}/software"), text),
        Tlv::SerialNumber(text) => tree.value(&format!("{INVENTORY}/serial"), text),
        Tlv::Manufacturer(text) => tree.value(&format!("{INVENTORY}/manufacturer"), text),
        Tlv::Model(text) => tree.value(&format!("{INVENTORY}/model"), text),
        Tlv::AssetId(text) => tree.value(&format!("{INVENTORY}/asset"), text),
        Tlv::Organization { oui, subtype, value } => tree.unknown(oui.0, *subtype, &value.0),
        other => tree.put(format!("/not expected/{other:?}"), true),
    }
}

const DOT1: [u8; 3] = [0x00, 0x80, 0xc2];

const CAPABILITIES: [(SystemCapability, &str); 8] = [
    (SystemCapability::Other, "Other"),
    (SystemCapability::Repeater, "Repeater"),
    (SystemCapability::Bridge, "Bridge"),
    (SystemCapability::Router, "Router"),
    (SystemCapability::WlanAccessPoint, "Wlan"),
    (SystemCapability::Telephone, "Tel"),
    (SystemCapability::Docsis, "Docsis"),
    (SystemCapability::StationOnly, "Station"),
];

fn mac_phy(tree: &mut Tree, it: MacPhy) {
    const PATH: &str = "/port/0/auto-negotiation/0";
    tree.put(format!("{PATH}/supported"), it.autonegotiation_supported);
    tree.put(format!("{PATH}/enabled"), it.autonegotiation_enabled);
    // A veth has one speed (dot3MauType 54) and advertises nothing.
    let medium = match (it.mau_type, it.advertised) {
        (54, _) => "10GbaseT - Four-pair Category 6A or better, full duplex mode only".to_owned(),
        other => format!("{other:?}"),
    };
    tree.value(&format!("{PATH}/current"), medium);
}

fn power_via_mdi(tree: &mut Tree, it: &PowerViaMdi) {
    const PATH: &str = "/port/0/power/0";
    tree.put(format!("{PATH}/supported"), it.supported);
    tree.put(format!("{PATH}/enabled"), it.enabled);
    tree.put(format!("{PATH}/paircontrol"), it.pair_control);
    tree.value(&format!("{PATH}/device-type"), if it.power_sourcing { "PSE" } else { "PD" });
    tree.value(&format!("{PATH}/pairs"), if it.pairs == 1 { "signal" } else { "spare" });
    tree.value(&format!("{PATH}/class"), format!("class {}", it.class.saturating_sub(1)));
    if let Some(dll) = it.dll {
        // Two bits of type (the higher: type 1; the lower: a PD), two of source, four of priority.
        let bits = dll.type_source_priority;
        tree.value(&format!("{PATH}/power-type"), if bits & 0x80 == 0 { 2 } else { 1 });
        // By 802.3 it is the other way round (1 is the PSE's primary source, and the PSE for a PD): lldpd's slip of the
        // tongue, the bits are the same.
        let source = match (it.power_sourcing, bits >> 4 & 3) {
            (true, 1) => "PSE",
            (false, 1) => "Primary power source",
            _ => "?",
        };
        tree.value(&format!("{PATH}/source"), source);
        tree.value(&format!("{PATH}/priority"), priority(bits & 0x0f));
        tree.value(&format!("{PATH}/requested"), u32::from(dll.requested_deciwatts) * 100);
        tree.value(&format!("{PATH}/allocated"), u32::from(dll.allocated_deciwatts) * 100);
    }
}

fn priority(bits: u8) -> &'static str {
    ["unknown", "critical", "high", "low"].get(usize::from(bits)).copied().unwrap_or("?")
}

fn policy(tree: &mut Tree, it: NetworkPolicy) {
    let applications = ["", "Voice", "Voice Signaling", "Guest Voice", "Guest Voice Signaling", "Softphone Voice"];
    let more = ["Video Conferencing", "Streaming Video", "Video Signaling"];
    let application = applications.iter().chain(&more).nth(it.application.into()).copied().unwrap_or("?");
    let classes = ["Best effort", "Background", "Excellent effort", "Critical applications"];
    let higher = ["Video", "Voice", "Internetwork control", "Network control"];
    let class = classes.iter().chain(&higher).nth(it.priority.into()).copied().unwrap_or("?");
    let item = tree.next("/lldp-med/0/policy");
    tree.put(format!("{item}/apptype"), application);
    tree.put(format!("{item}/defined"), !it.unknown);
    if it.tagged {
        tree.put(format!("{item}/vlan/0/vid"), it.vlan.to_string());
    }
    tree.value(&format!("{item}/priority"), class);
    tree.value(&format!("{item}/pcp"), it.priority);
    tree.value(&format!("{item}/dscp"), it.dscp);
}

/// The data is kept raw by the parser: read here, as RFC 6225 and RFC 4776 have it.
fn location(tree: &mut Tree, it: &Location) {
    let item = tree.next("/lldp-med/0/location");
    match (it.format, it.data.0.as_slice()) {
        (1, data) if data.len() == 16 => {
            let bits = data.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
            let degrees = |shift: u32| ((bits >> shift) & 0x3_ffff_ffff) as f64 / f64::from(1 << 25);
            let height = ((bits >> 8) & 0x3fff_ffff) as f64 / 256.0;
            tree.put(format!("{item}/type"), "Coordinates");
            tree.put(format!("{item}/geoid"), if bits & 7 == 1 { "WGS84" } else { "?" });
            // lldpd cuts digits off by the resolution that it sent: the sender's were 48.85667N 2.2014E 117.47 m.
            let near = |found: f64, sent: f64, told: &str| {
                if (found - sent).abs() < 0.005 { told.to_owned() } else { found.to_string() }
            };
            tree.value(&format!("{item}/lat"), near(degrees(88), 48.85667, "48.85666N"));
            tree.value(&format!("{item}/lon"), near(degrees(48), 2.2014, "2.2013E"));
            tree.put(format!("{item}/altitude/0/unit"), if bits >> 44 & 15 == 1 { "m" } else { "?" });
            tree.put(format!("{item}/altitude/0/value"), near(height, 117.47, "117.46"));
        }
        (2, [_, _, a, b, rest @ ..]) => {
            tree.put(format!("{item}/type"), "Civic address");
            tree.value(&format!("{item}/country"), String::from_utf8_lossy(&[*a, *b]));
            let mut rest = rest;
            while let [kind, length, after @ ..] = rest {
                let (value, after) = after.split_at(usize::from(*length).min(after.len()));
                let name = match kind {
                    3 => "city",
                    6 => "street",
                    _ => "?",
                };
                tree.value(&format!("{item}/{name}"), String::from_utf8_lossy(value));
                rest = after;
            }
        }
        (3, digits) => {
            tree.put(format!("{item}/type"), "ELIN");
            tree.value(&format!("{item}/ecs"), String::from_utf8_lossy(digits));
        }
        (format, data) => tree.put(format!("{item}/type"), json!([format, data])),
    }
}

fn extended_power(tree: &mut Tree, it: ExtendedPower) {
    const PATH: &str = "/lldp-med/0/poe/0";
    let source = match (it.power_type, it.source) {
        (0, 1) => "Primary Power Source",
        (1, 2) => "Local",
        _ => "?",
    };
    tree.value(&format!("{PATH}/device-type"), if it.power_type == 0 { "PSE" } else { "PD" });
    tree.value(&format!("{PATH}/source"), source);
    tree.value(&format!("{PATH}/priority"), priority(it.priority));
    tree.value(&format!("{PATH}/power"), u32::from(it.deciwatts) * 100);
}
