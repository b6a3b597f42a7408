//! Machines that outgrow the fields of the first versions.

use super::others;
use crate::smbios::builder::Table;
use crate::smbios::records::*;

/// 384 cores a socket, modules of 256 GiB, arrays beyond 2 TiB, slots in a second PCI segment.
pub fn amd() -> Table {
    let mut t = Table::new(3, 5);
    t.add(
        Bios {
            vendor: "American Megatrends International, LLC.",
            version: "R11_F21",
            date: "05/14/2025",
            release: (5, 35),
        }
        .write(),
    );
    let system = System {
        manufacturer: "Giga Computing",
        product: "R283-ZF0-AAL1-000",
        version: "0100",
        serial: "GMG5P1212A0001",
        uuid: [0x00, 0xe1, 0xa2, 0xd8, 0x21, 0x4b, 0xef, 0x11, 0xbd, 1, 0x74, 0x56, 0x3c, 0xaa, 0xbb, 0xcc],
        sku: "01234567890123456789AB",
        family: "Server",
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "Giga Computing",
        product: "MZF3-LP0-000",
        version: "01000100",
        serial: "OMG5P1200123",
        asset: "Default string",
    };
    t.add(board.write());
    let chassis = Chassis {
        manufacturer: "Giga Computing",
        kind: 23,
        version: "0100",
        serial: "01234567",
        asset: "Default string",
    };
    t.add(chassis.write());
    others(&mut t);
    for socket in ["P0", "P1"] {
        let cpu = Cpu {
            socket,
            manufacturer: "Advanced Micro Devices, Inc.",
            model: "AMD EPYC 9965 192-Core Processor",
            mhz: 5000,
            cores: 384,
            threads: 768,
            ..Cpu::default()
        };
        t.add(cpu.write());
    }
    for (number, segment) in [(1, 0), (2, 1), (3, 2)] {
        let name = format!("SLOT{number}");
        t.add(Slot { name: &name, kind: 0xc3, width: 0x0d, usage: 4, pci: (segment, 0x81, 1 << 3) }.write());
    }
    t.add(Slot { name: "E1S_1", kind: 0xc5, width: 0x0a, usage: 3, pci: (0xffff, 0xff, 0xff) }.write());
    t.add(Slot { name: "CXL_1", kind: 0x30, width: 0x0d, usage: 3, pci: (0xffff, 0xff, 0xff) }.write());
    for processor in 0..2 {
        let array = t.add(Array { usage: 3, correction: 6, bytes: 6 << 40, slots: 24 }.write());
        for number in 0..24 {
            let letter = char::from(b'A' + number / 2);
            let locator = format!("DIMM_P{processor}_{letter}{}", number % 2);
            let bank = format!("P{processor} CHANNEL {letter}");
            let serial = format!("80CE0124{processor:02}{number:06X}");
            let empty = Dimm { locator: &locator, bank: &bank, manufacturer: "Unknown", ..Dimm::EMPTY };
            let full = Dimm {
                mib: 262_144,
                kind: 0x22,
                width: (80, 64),
                speed: 6400,
                configured: 5200,
                manufacturer: "Samsung",
                serial: &serial,
                part: "M321RBGA0B40-CWKZJ",
                asset: "Not Specified",
                ..empty
            };
            t.add(if number == 23 { empty } else { full }.write(array));
        }
    }
    t.add(ipmi(1, 0x20));
    t.add(Onboard { name: "Onboard VGA", kind: 0x83, pci: (0, 0xc3, 0) }.write());
    t.add(Onboard { name: "Onboard NVMe", kind: 0x8f, pci: (1, 0x02, 0) }.write());
    let link_local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x76, 0x56, 0x3c, 0xff, 0xfe, 0xaa, 0xbb, 0xcd];
    let bmc = Redfish { discovery: 3, format: 2, address: &link_local, port: 8443, hostname: "" };
    t.add(host_interface(&[bmc.record()]));
    t.end()
}

/// One socket of 128 cores without threads, an IPMI interface on the SMBus, speeds beyond 65,535 nowhere.
pub fn ampere() -> Table {
    let mut t = Table::new(3, 3);
    t.add(Bios { vendor: "Ampere(R)", version: "2.10.20230517", date: "2023/05/17", release: (5, 15) }.write());
    let system = System {
        manufacturer: "WIWYNN",
        product: "Mt.Jade",
        version: "PVT",
        serial: "B81.0A2001.0007",
        uuid: [0x1c, 0x2d, 0x3e, 0x4f, 0xa0, 0xb1, 0xc2, 0xd3, 0x80, 1, 0x00, 0x0a, 0xcd, 0x11, 0x22, 0x33],
        sku: "B81.0A201.0001",
        family: "Altra",
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "WIWYNN",
        product: "Mt.Jade Motherboard",
        version: "PVT",
        serial: "BQ1M5",
        asset: "Not Set",
    };
    t.add(board.write());
    t.add(Chassis { manufacturer: "WIWYNN", kind: 17, version: "PVT", serial: "B81", asset: "Not Set" }.write());
    let cpu = Cpu {
        socket: "CPU 0",
        manufacturer: "Ampere(R)",
        model: "Ampere(R) Altra(R) Max Processor",
        mhz: 3000,
        cores: 128,
        threads: 128,
        ..Cpu::default()
    };
    t.add(cpu.write());
    t.add(Slot { name: "PCIe SLOT 0", kind: 0xb8, width: 0x0e, usage: 4, pci: (0x000d, 0x01, 0) }.write());
    let array = t.add(Array { usage: 3, correction: 6, bytes: 4 << 40, slots: 16 }.write());
    for number in 1..=16 {
        let (locator, bank) = (format!("Socket 0 DIMM {number}"), format!("Bank {number}"));
        let empty = Dimm { locator: &locator, bank: &bank, kind: 0x1a, width: (72, 64), ..Dimm::EMPTY };
        let full = Dimm {
            mib: 32_768,
            speed: 3200,
            configured: 3200,
            manufacturer: "Micron",
            serial: "E0C1D2B3",
            part: "36ASF4G72PZ-3G2R1",
            asset: "Array 1 Asset Tag 1",
            ..empty
        };
        t.add(if number % 2 == 1 { full } else { empty }.write(array));
    }
    t.add(ipmi(4, 0x20));
    t.end()
}
