//! Boards that somebody else puts into a case: placeholders where a vendor would have written something.

use super::others;
use crate::smbios::builder::Table;
use crate::smbios::records::*;

/// A serial of digits, a UUID of zeros and the first NIC's address, a bus of all ones for empty slots.
pub fn supermicro() -> Table {
    let mut t = Table::new(3, 1);
    t.add(Bios { vendor: "American Megatrends Inc.", version: "3.1", date: "04/30/2019", release: (5, 12) }.write());
    let system = System {
        manufacturer: "Supermicro",
        product: "Super Server",
        version: "0123456789",
        serial: "0123456789",
        uuid: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xac, 0x1f, 0x6b, 0x12, 0x34, 0x56],
        sku: "To be filled by O.E.M.",
        family: "To be filled by O.E.M.",
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "Supermicro",
        product: "X11DPi-N",
        version: "1.21",
        serial: "NM18CS004321",
        asset: "To be filled by O.E.M.",
    };
    t.add(board.write());
    let chassis = Chassis {
        manufacturer: "Supermicro",
        kind: 17,
        version: "0123456789",
        serial: "C8250LJ44NH0011",
        asset: "To be filled by O.E.M.",
    };
    t.add(chassis.write());
    others(&mut t);
    for socket in ["CPU1", "CPU2"] {
        let model = "Intel(R) Xeon(R) Gold 5218 CPU @ 2.30GHz";
        let cpu = Cpu {
            socket,
            manufacturer: "Intel(R) Corporation",
            model,
            mhz: 4000,
            cores: 16,
            threads: 32,
            status: 0x41,
        };
        t.add(cpu.write());
    }
    t.add(Slot { name: "CPU1 SLOT2 PCI-E 3.0 X16", kind: 0xb6, width: 0x0d, usage: 3, pci: (0, 0xff, 0) }.write());
    t.add(Slot { name: "CPU2 SLOT6 PCI-E 3.0 X16", kind: 0xb6, width: 0x0d, usage: 4, pci: (0, 0xaf, 0) }.write());
    t.add(oem(&["Intel Skylake/Lewisburg/Purley", "Supermicro motherboard-X11 Series"]));
    for processor in 1..=2 {
        let array = t.add(Array { usage: 3, correction: 5, bytes: 2304 << 30, slots: 8 }.write());
        for (channel, letter) in ["A", "B", "C", "D", "E", "F", "A", "D"].iter().enumerate() {
            let second = if channel < 6 { 1 } else { 2 };
            let locator = format!("P{processor}-DIMM{letter}{second}");
            let bank = format!("P{}_Node0_Channel{}_Dimm{}", processor - 1, channel % 6, second - 1);
            let empty =
                Dimm { locator: &locator, bank: &bank, manufacturer: "NO DIMM", serial: "NO DIMM", ..Dimm::EMPTY };
            let full = Dimm {
                mib: 16_384,
                kind: 0x1a,
                width: (72, 64),
                speed: 2933,
                configured: 2666,
                manufacturer: "Micron Technology",
                serial: "1F2E3D4C",
                part: "18ASF2G72PDZ-2G9E1 ",
                asset: &format!("{locator}_AssetTag (date:19/12)"),
                ..empty
            };
            t.add(if second == 1 { full } else { empty }.write(array));
        }
    }
    t.add(ipmi(1, 0x20));
    t.add(Onboard { name: "ASPEED Video AST2500", kind: 0x83, pci: (0, 0x04, 0) }.write());
    t.add(Onboard { name: "Intel Ethernet X722 #1", kind: 0x85, pci: (0, 0x60, 0) }.write());
    t.end()
}

/// The UUID that thousands of boards have, text that nobody filled in, memory without ECC.
pub fn asrock() -> Table {
    let mut t = Table::new(3, 2);
    t.add(Bios { vendor: "American Megatrends Inc.", version: "P3.20", date: "12/07/2020", release: (5, 14) }.write());
    let fill = "To Be Filled By O.E.M.";
    let system = System {
        manufacturer: fill,
        product: "X470D4U",
        version: fill,
        serial: fill,
        uuid: [0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9],
        sku: fill,
        family: fill,
    };
    t.add(system.write());
    let board =
        Board { manufacturer: "ASRockRack", product: "X470D4U", version: "", serial: "M80-DB0123456", asset: "" };
    t.add(board.write());
    t.add(Chassis { manufacturer: fill, kind: 3, version: fill, serial: fill, asset: fill }.write());
    let cpu = Cpu {
        socket: "AM4",
        manufacturer: "Advanced Micro Devices, Inc.",
        model: "AMD Ryzen 5 3600 6-Core Processor              ",
        mhz: 4200,
        cores: 6,
        threads: 12,
        ..Cpu::default()
    };
    t.add(cpu.write());
    t.add(Slot { name: "PCIE6", kind: 0xa5, width: 0x0d, usage: 4, pci: (0, 0x00, 3 << 3 | 1) }.write());
    t.add(Slot { name: "M2_1", kind: 0xa5, width: 0x0a, usage: 3, pci: (0, 0x00, 1 << 3 | 3) }.write());
    t.add(oem(&[fill]));
    let array = t.add(Array { usage: 3, correction: 3, bytes: 128 << 30, slots: 4 }.write());
    for (number, channel) in ["A1", "A2", "B1", "B2"].iter().enumerate() {
        let locator = format!("DIMM {}", number % 2);
        let bank = format!("P0 CHANNEL {}", &channel[..1]);
        let empty = Dimm { locator: &locator, bank: &bank, serial: "Unknown", ..Dimm::EMPTY };
        let full = Dimm {
            mib: 8_192,
            kind: 0x1a,
            width: (64, 64),
            speed: 2400,
            configured: 2400,
            manufacturer: "Kingston",
            serial: "2A14B9F0",
            part: "KHX2400C15/8G",
            ..empty
        };
        t.add(if number % 2 == 1 { full } else { empty }.write(array));
    }
    t.add(Onboard { name: "Onboard LAN", kind: 0x05, pci: (0, 0x25, 0) }.write());
    others(&mut t);
    t.end()
}

/// A processor socket left empty, persistent memory beside DRAM, an IPMI interface by block transfer.
pub fn intel() -> Table {
    let mut t = Table::new(3, 2);
    t.add(
        Bios {
            vendor: "Intel Corporation",
            version: "SE5C620.86B.02.01.0008.031920191559",
            date: "03/19/2019",
            release: (0xff, 0xff),
        }
        .write(),
    );
    let system = System {
        manufacturer: "Intel Corporation",
        product: "S2600WFT",
        version: "....................",
        serial: "BQWL94512345",
        uuid: [0x80, 0x7e, 0xf3, 0x3c, 0x00, 0xd2, 0xe8, 0x11, 0x90, 0x6e, 0x00, 0x16, 0x35, 0x66, 0x5c, 0x15],
        sku: "SKU Number",
        family: "Family",
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "Intel Corporation",
        product: "S2600WFT",
        version: "H48104-853",
        serial: "BQWL94512345",
        asset: "....................",
    };
    t.add(board.write());
    let dots = "..................";
    t.add(Chassis { manufacturer: dots, kind: 23, version: dots, serial: dots, asset: "...................." }.write());
    let cpu = Cpu {
        socket: "CPU0",
        manufacturer: "Intel(R) Corporation",
        model: "Intel(R) Xeon(R) Gold 6252 CPU @ 2.10GHz",
        mhz: 4000,
        cores: 24,
        threads: 48,
        ..Cpu::default()
    };
    t.add(cpu.write());
    t.add(Cpu { socket: "CPU1", status: 0, ..Cpu::default() }.write());
    t.add(Slot { name: "Riser 1, Slot 1", kind: 0xb5, width: 0x0b, usage: 5, pci: (0, 0, 0) }.write());
    t.add(Slot { name: "U.2 SSD 1", kind: 0x20, width: 0x0a, usage: 4, pci: (0, 0xd8, 0) }.write());
    let array = t.add(Array { usage: 3, correction: 6, bytes: 1152 << 30, slots: 4 }.write());
    for (number, kind) in [0x1a, 0x1f, 0x1a, 0x02].into_iter().enumerate() {
        let locator = format!("CPU1_DIMM_{}1", ["A", "B", "C", "D"][number]);
        let empty = Dimm { locator: &locator, bank: "NODE 1", manufacturer: "NO DIMM", ..Dimm::EMPTY };
        let mib = if kind == 0x1f { 129_408 } else { 32_768 };
        let manufacturer = if kind == 0x1f { "Intel" } else { "Hynix" };
        let full =
            Dimm { mib, kind, width: (72, 64), speed: 2666, configured: 2666, manufacturer, serial: "2C1A3B", ..empty };
        t.add(if kind == 2 { empty } else { full }.write(array));
    }
    t.add(ipmi(3, 0x20));
    t.add(Onboard { name: "Onboard RAID", kind: 0x8a, pci: (0, 0x18, 0) }.write());
    others(&mut t);
    t.end()
}
