//! Where cards go (type 9) and what is on the board already (type 41), with their PCI addresses.

use higuma_proto::agent::{OnboardDevice, Slot};
use smbioslib::{SMBiosData, SMBiosOnboardDevicesExtendedInformation, SMBiosStruct, SMBiosSystemSlot};

use super::text::{named, pci, text};

/// DSP0134 clause 7.10.1, the low numbers.
const KINDS: [&str; 41] = [
    "",
    "",
    "",
    "ISA",
    "MCA",
    "EISA",
    "PCI",
    "PC Card (PCMCIA)",
    "VLB",
    "Proprietary",
    "Processor Card",
    "Proprietary Memory Card",
    "I/O Riser Card",
    "NuBus",
    "PCI-66",
    "AGP",
    "AGP 2x",
    "AGP 4x",
    "PCI-X",
    "AGP 8x",
    "M.2 Socket 1-DP",
    "M.2 Socket 1-SD",
    "M.2 Socket 2",
    "M.2 Socket 3",
    "MXM Type I",
    "MXM Type II",
    "MXM Type III",
    "MXM Type III-HE",
    "MXM Type IV",
    "MXM 3.0 Type A",
    "MXM 3.0 Type B",
    "PCI Express 2 SFF-8639 (U.2)",
    "PCI Express 3 SFF-8639 (U.2)",
    "PCI Express Mini 52-pin with bottom-side keep-outs",
    "PCI Express Mini 52-pin without bottom-side keep-outs",
    "PCI Express Mini 76-pin",
    "PCI Express 4 SFF-8639 (U.2)",
    "PCI Express 5 SFF-8639 (U.2)",
    "OCP NIC 3.0 Small Form Factor (SFF)",
    "OCP NIC 3.0 Large Form Factor (LFF)",
    "OCP NIC Prior to 3.0",
];
/// PCI Express by generation: the first of six numbers, of which the last five have a width.
const GENERATIONS: [(u8, &str); 5] = [
    (0xa5, "PCI Express"),
    (0xab, "PCI Express 2"),
    (0xb1, "PCI Express 3"),
    (0xb8, "PCI Express 4"),
    (0xbe, "PCI Express 5"),
];
const WIDTHS: [&str; 6] = ["", " x1", " x2", " x4", " x8", " x16"];
/// DSP0134 clause 7.10.3.
const USAGES: [&str; 6] = ["", "", "", "available", "in use", "unavailable"];
/// DSP0134 clause 7.42.2; the highest bit says that the device is enabled.
const DEVICES: [&str; 16] = [
    "",
    "other",
    "",
    "Video",
    "SCSI controller",
    "Ethernet",
    "Token ring",
    "Sound",
    "PATA controller",
    "SATA controller",
    "SAS controller",
    "Wireless LAN",
    "Bluetooth",
    "WWAN",
    "eMMC",
    "NVMe controller",
];

pub(super) fn slots(data: &SMBiosData) -> Vec<Slot> {
    data.defined_struct_iter::<SMBiosSystemSlot>()
        .map(|s| Slot {
            designation: text(&s.slot_designation()),
            r#type: kind(s.parts().get_field_byte(0x05).unwrap_or(0), s.parts().get_field_byte(0x06).unwrap_or(0)),
            usage: s.parts().get_field_byte(0x07).map(|raw| named(&USAGES, raw)).unwrap_or_default(),
            pci: pci(s.parts(), 0x0d),
        })
        .collect()
}

pub(super) fn onboard(data: &SMBiosData) -> Vec<OnboardDevice> {
    data.defined_struct_iter::<SMBiosOnboardDevicesExtendedInformation>()
        .map(|d| {
            let raw = d.parts().get_field_byte(0x05).unwrap_or(0);
            OnboardDevice {
                designation: text(&d.reference_designation()),
                r#type: named(&DEVICES, raw & 0x7f),
                enabled: raw & 0x80 != 0,
                pci: pci(d.parts(), 0x07),
            }
        })
        .collect()
}

/// The slot's type with its width: by the type, or where that has none by the width of the bus.
fn kind(raw: u8, bus: u8) -> String {
    for (first, name) in GENERATIONS {
        if let Some(width) = raw.checked_sub(first).and_then(|n| WIDTHS.get(usize::from(n))) {
            let width = if width.is_empty() { bus_width(bus) } else { width };
            return format!("{name}{width}");
        }
    }
    match raw {
        0x30 => "CXL Flexbus 1.0".to_owned(),
        0xc4 => format!("PCI Express 6+{}", bus_width(bus)),
        0xc5 => "EDSFF E1".to_owned(),
        0xc6 => "EDSFF E3".to_owned(),
        low => named(&KINDS, low),
    }
}

/// DSP0134 clause 7.10.2.
fn bus_width(raw: u8) -> &'static str {
    match raw {
        0x08 => " x1",
        0x09 => " x2",
        0x0a => " x4",
        0x0b => " x8",
        0x0c => " x12",
        0x0d => " x16",
        0x0e => " x32",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn slots_are_called_what_people_call_them() {
        assert_eq!(kind(0xbd, 0x0d), "PCI Express 4 x16");
        assert_eq!(kind(0xb1, 0x0b), "PCI Express 3 x8");
        assert_eq!(kind(0xa6, 0), "PCI Express x1");
        assert_eq!(kind(0xa5, 0), "PCI Express");
        assert_eq!(kind(0xc3, 0x0b), "PCI Express 5 x16");
        assert_eq!((kind(2, 0).as_str(), kind(0xb7, 0).as_str()), ("", "type 183"));
    }
}
