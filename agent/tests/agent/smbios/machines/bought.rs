//! Servers as vendors sell them: Dell, HPE, Lenovo.

use super::others;
use crate::smbios::builder::Table;
use crate::smbios::records::*;

/// Serial numbers everywhere, OEM strings as codes, sizes of 32 GiB that just need the extended field.
pub fn dell() -> Table {
    let mut t = Table::new(3, 3);
    t.add(Bios { vendor: "Dell Inc.", version: "1.6.5", date: "04/15/2022", release: (1, 6) }.write());
    let system = System {
        manufacturer: "Dell Inc.",
        product: "PowerEdge R750",
        serial: "7XQ4ZK3",
        uuid: *b"LLED\x58\x00\x51\x10\x80\x34\xb7\xc0\x4f\x5a\x4b\x33",
        sku: "SKU=090E;ModelName=PowerEdge R750",
        family: "PowerEdge",
        ..System::default()
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "Dell Inc.",
        product: "0J46M7",
        version: "A02",
        serial: ".7XQ4ZK3.CNFCP0022A01JH.",
        ..Board::default()
    };
    t.add(board.write());
    t.add(Chassis { manufacturer: "Dell Inc.", kind: 23, serial: "7XQ4ZK3", ..Chassis::default() }.write());
    others(&mut t);
    for socket in ["CPU1", "CPU2"] {
        let cpu = Cpu {
            socket,
            manufacturer: "Intel",
            model: "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
            mhz: 4000,
            cores: 32,
            threads: 64,
            ..Cpu::default()
        };
        t.add(cpu.write());
    }
    t.add(Slot { name: "PCIe Slot 1", kind: 0xb8, width: 0x0b, usage: 3, pci: (0, 0xff, 0xff) }.write());
    t.add(Slot { name: "PCIe Slot 2", kind: 0xbd, width: 0x0d, usage: 4, pci: (0, 0x3b, 0x00) }.write());
    t.add(Slot { name: "OCP NIC", kind: 0x26, width: 0x0d, usage: 4, pci: (0, 0x31, 0x00) }.write());
    t.add(oem(&["Dell System", "5[0000]", "14[1]", "17[C8B2A1D4E5F60718]", "18[0]", "19[1]"]));
    let array = t.add(Array { usage: 3, correction: 6, bytes: 8 << 40, slots: 32 }.write());
    for channel in ["A", "B"] {
        for number in 1..=16 {
            let locator = format!("{channel}{number}");
            let serial = format!("39A0{number:02X}{:02X}", channel.as_bytes()[0]);
            let empty = Dimm { locator: &locator, kind: 0x1a, ..Dimm::EMPTY };
            let full = Dimm {
                mib: 32_768,
                width: (72, 64),
                speed: 3200,
                configured: 3200,
                manufacturer: "00CE063200CE",
                serial: &serial,
                part: "M393A4K40EB3-CWE",
                asset: "01213361",
                ..empty
            };
            t.add(if number <= 8 { full } else { empty }.write(array));
        }
    }
    t.add(ipmi(1, 0x20));
    t.add(Onboard { name: "Embedded Video Controller 1", kind: 0x83, pci: (0, 0x03, 0x00) }.write());
    t.add(Onboard { name: "Integrated NIC 1", kind: 0x85, pci: (0, 0x31, 0x00) }.write());
    t.add(Onboard { name: "Integrated NIC 1", kind: 0x85, pci: (0, 0x31, 0x01) }.write());
    t.add(Onboard { name: "AHCI Controller 1", kind: 0x89, pci: (0, 0x00, 0x11 << 3 | 5) }.write());
    let idrac = Redfish { discovery: 1, format: 1, address: &[169, 254, 1, 1], port: 443, hostname: "idrac-7XQ4ZK3" };
    t.add(host_interface(&[idrac.record()]));
    t.end()
}

/// Padding behind serial numbers, a UUID made of product and serial, modules by processor, widths in the slot's bus.
pub fn hpe() -> Table {
    let mut t = Table::new(3, 2);
    t.add(Bios { vendor: "HPE", version: "U30", date: "07/20/2023", release: (2, 84) }.write());
    let system = System {
        manufacturer: "HPE",
        product: "ProLiant DL380 Gen10",
        serial: "CZJ8450XYZ      ",
        uuid: *b"7918-38MCZJ8450X",
        sku: "868703-B21      ",
        family: "ProLiant",
        ..System::default()
    };
    t.add(system.write());
    let board =
        Board { manufacturer: "HPE", product: "ProLiant DL380 Gen10", serial: "PXRXK0ARHBJ2AB  ", ..Board::default() };
    t.add(board.write());
    let chassis = Chassis {
        manufacturer: "HPE",
        kind: 23,
        serial: "CZJ8450XYZ      ",
        asset: "rack 12 / 07",
        ..Chassis::default()
    };
    t.add(chassis.write());
    for (socket, status) in [("Proc 1", 0x41), ("Proc 2", 0x00)] {
        let cpu = Cpu {
            socket,
            manufacturer: "Intel(R) Corporation",
            model: "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz   ",
            mhz: 4000,
            cores: 10,
            threads: 20,
            status,
        };
        t.add(cpu.write());
    }
    t.add(Slot { name: "PCI-E Slot 1", kind: 0xb5, width: 0x0b, usage: 3, pci: (0, 0, 0) }.write());
    t.add(Slot { name: "PCI-E Slot 2", kind: 0xb6, width: 0x0d, usage: 4, pci: (0, 0x12, 0x00) }.write());
    t.add(oem(&["PSF:                                                            ", "Product ID: 868703-B21"]));
    others(&mut t);
    let array = t.add(Array { usage: 3, correction: 6, bytes: 1536 << 30, slots: 12 }.write());
    let second = t.add(Array { usage: 3, correction: 6, bytes: 1536 << 30, slots: 12 }.write());
    for processor in 1..=2 {
        for number in 1..=12 {
            let locator = format!("PROC {processor} DIMM {number}");
            let empty = Dimm { locator: &locator, width: (72, 64), kind: 2, ..Dimm::EMPTY };
            let full = Dimm {
                mib: 16_384,
                kind: 0x1a,
                speed: 2666,
                configured: 2400,
                manufacturer: "HPE",
                serial: "Not Specified",
                part: "840756-091",
                ..empty
            };
            let full_here = processor == 1 && number % 2 == 0;
            t.add(if full_here { full } else { empty }.write(if processor == 1 { array } else { second }));
        }
    }
    t.add(ipmi(1, 0x20));
    t.add(Onboard { name: "Embedded LOM 1 Port 1", kind: 0x85, pci: (0, 0x02, 0x00) }.write());
    t.add(Onboard { name: "Embedded SATA Controller #1", kind: 0x09, pci: (0, 0x00, 0x17 << 3) }.write());
    let ilo = Redfish { discovery: 3, format: 1, address: &[16, 1, 15, 1], port: 443, hostname: "iLOCZJ8450XYZ" };
    t.add(host_interface(&[ilo.record()]));
    t.end()
}

/// Versions in brackets, LRDIMMs slower than they could be, a service whose address DHCP gives.
pub fn lenovo() -> Table {
    let mut t = Table::new(3, 2);
    t.add(Bios { vendor: "Lenovo", version: "-[IVE148L-2.30]-", date: "07/01/2019", release: (2, 30) }.write());
    let system = System {
        manufacturer: "Lenovo",
        product: "ThinkSystem SR650 -[7X06CTO1WW]-",
        version: "07",
        serial: "J300A1B2",
        uuid: [0x6a, 0x5c, 0x2b, 0x1f, 0x9e, 0x11, 0xe9, 0x11, 0x8b, 1, 0xe8, 0x6a, 0x64, 0x11, 0x22, 0x33],
        sku: "7X06CTO1WW",
        family: "ThinkSystem",
    };
    t.add(system.write());
    let board =
        Board { manufacturer: "Lenovo", product: "-[7X06CTO1WW]-", version: "07", serial: "A3KJ123456", asset: "none" };
    t.add(board.write());
    let chassis = Chassis { manufacturer: "Lenovo", kind: 0x80 | 23, version: "07", serial: "J300A1B2", asset: "none" };
    t.add(chassis.write());
    others(&mut t);
    for socket in ["CPU 1", "CPU 2"] {
        let model = "Intel(R) Xeon(R) Platinum 8268 CPU @ 2.90GHz";
        let cpu = Cpu {
            socket,
            manufacturer: "Intel(R) Corporation",
            model,
            mhz: 4500,
            cores: 24,
            threads: 48,
            status: 0x41,
        };
        t.add(cpu.write());
    }
    t.add(Slot { name: "SLOT 1", kind: 0xa5, width: 0x0d, usage: 4, pci: (0, 0x5e, 0x00) }.write());
    t.add(Slot { name: "M.2 SLOT", kind: 0x17, width: 0x0a, usage: 4, pci: (0, 0x01, 0x00) }.write());
    t.add(Slot { name: "SLOT 3", kind: 2, width: 2, usage: 2, pci: (0xffff, 0xff, 0xff) }.write());
    let array = t.add(Array { usage: 3, correction: 5, bytes: 3 << 40, slots: 24 }.write());
    for number in 1..=24 {
        let (locator, bank) = (format!("DIMM {number}"), format!("Bank {number}"));
        let empty = Dimm { locator: &locator, bank: &bank, ..Dimm::EMPTY };
        let full = Dimm {
            mib: 65_536,
            kind: 0x1a,
            width: (72, 64),
            speed: 2933,
            configured: 2666,
            manufacturer: "Samsung",
            serial: "03E5D6A1",
            part: "M386A8K40CM2-CVF",
            ..empty
        };
        t.add(if number % 2 == 1 { full } else { empty }.write(array));
    }
    t.add(ipmi(1, 0x20));
    let xcc = Redfish { discovery: 2, format: 1, address: &[0, 0, 0, 0], port: 443, hostname: "XCC-7X06-J300A1B2" };
    t.add(host_interface(&[xcc.record()]));
    t.end()
}
