//! Old, virtual and small machines: short structures, few of them.

use crate::smbios::builder::{Structure, Table};
use crate::smbios::records::*;

/// SMBIOS 2.4: the UUID's bytes are not swapped, no core counts, no PCI addresses, and a flash chip that is a "memory
/// device" of an array of its own.
pub fn old() -> Table {
    let mut t = Table::new(2, 4);
    t.add(Bios { vendor: "Phoenix Technologies LTD", version: "6.00", date: "10/15/2007", ..Bios::default() }.write());
    let system = System {
        manufacturer: "Tyan Computer Corporation",
        product: "S5397",
        version: "TYAN-Tempest-i5400PW",
        serial: "0",
        uuid: [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff],
        ..System::default()
    };
    t.add(system.write());
    let board = Board { manufacturer: "Tyan", product: "S5397", serial: "empty", ..Board::default() };
    t.add(board.write().cut(8));
    t.add(Chassis { manufacturer: "Tyan", kind: 7, serial: "empty", ..Chassis::default() }.write().cut(0x11));
    for socket in ["CPU 1", "CPU 2"] {
        let model = "Intel(R) Xeon(R) CPU           E5430  @ 2.66GHz";
        let cpu = Cpu { socket, manufacturer: "Intel", model, mhz: 4000, ..Cpu::default() };
        t.add(cpu.write().cut(0x23));
    }
    t.add(Slot { name: "PCI-X1 100MHz", kind: 0x12, width: 6, usage: 4, pci: (0, 0, 0) }.write().cut(0x0d));
    t.add(Slot { name: "PCIE2 x16", kind: 0xa5, width: 0x0d, usage: 3, pci: (0, 0, 0) }.write().cut(0x0d));
    let memory = t.add(Array { usage: 3, correction: 6, bytes: 64 << 30, slots: 4 }.write().cut(0x0f));
    let flash = t.add(Array { usage: 5, correction: 3, bytes: 2 << 20, slots: 1 }.write().cut(0x0f));
    for number in 0..4 {
        let (locator, bank) = (format!("DIMM{number}"), format!("Bank{}", number / 2));
        let empty = Dimm { locator: &locator, bank: &bank, kind: 0x14, width: (72, 64), ..Dimm::EMPTY };
        let full = Dimm { mib: 2_048, speed: 667, ..empty };
        t.add(if number < 2 { full } else { empty }.write(memory).cut(0x1b));
    }
    let chip = Dimm { locator: "SYSTEM ROM", kind: 9, mib: 2, width: (8, 8), ..Dimm::EMPTY };
    t.add(chip.write(flash).cut(0x1b));
    t.end()
}

/// As QEMU writes it: one module of plain "RAM" with error correction and no speed.
pub fn qemu() -> Table {
    let mut t = Table::new(2, 8);
    t.add(Bios { vendor: "SeaBIOS", version: "1.16.2-debian-1.16.2-1", date: "04/01/2014", ..Bios::default() }.write());
    let system = System {
        manufacturer: "QEMU",
        product: "Standard PC (i440FX + PIIX, 1996)",
        version: "pc-i440fx-7.2",
        uuid: [0x5c, 0x1d, 0x4f, 0x0e, 0x0a, 0x6b, 0x3c, 0x4d, 0x9e, 1, 2, 3, 4, 5, 6, 7],
        ..System::default()
    };
    t.add(system.write());
    t.add(Chassis { manufacturer: "QEMU", kind: 1, version: "pc-i440fx-7.2", ..Chassis::default() }.write());
    let cpu = Cpu { manufacturer: "QEMU", model: "pc-i440fx-7.2", mhz: 2000, cores: 4, threads: 8, ..Cpu::default() };
    t.add(cpu.write().cut(0x2a));
    let array = t.add(Array { usage: 3, correction: 6, bytes: 24 << 30, slots: 2 }.write());
    for (locator, mib) in [("DIMM 0", 16_384), ("DIMM 1", 8_192)] {
        let dimm = Dimm { locator, mib, kind: 7, manufacturer: "QEMU", ..Dimm::EMPTY };
        t.add(dimm.write(array).cut(0x28));
    }
    t.add(Structure::new(19).dword(0).dword(0xffff).word(array).byte(1));
    t.add(Structure::new(32).bytes(&[0; 7]));
    t.end()
}

/// A small appliance: no ECC on one module, a size in KiB on another, an IPMI interface on the SMBus.
pub fn atom() -> Table {
    let mut t = Table::new(2, 7);
    t.add(Bios { vendor: "INSYDE Corp.", version: "1.04", date: "2014-03-05", release: (1, 4) }.write());
    let system = System { manufacturer: "ACME", product: "Edge-4", serial: "E4-000017", ..System::default() };
    t.add(System { uuid: [0xff; 16], ..system }.write());
    t.add(Chassis { manufacturer: "ACME", kind: 33, asset: "store 4711", ..Chassis::default() }.write());
    let model = "Intel(R) Atom(TM) CPU  C2758  @ 2.40GHz";
    let cpu = Cpu { socket: "SOCKET 0", manufacturer: "Intel", model, mhz: 2600, cores: 8, threads: 8, status: 0x44 };
    t.add(cpu.write().cut(0x2a));
    let array = t.add(Array { usage: 3, correction: 3, bytes: 64 << 30, slots: 2 }.write());
    let dimm = Dimm { locator: "SODIMM 0", mib: 4_096, kind: 0x18, width: (72, 64), speed: 1600, ..Dimm::EMPTY };
    t.add(dimm.write(array).cut(0x22));
    // 0x8000 says KiB: 512 of them.
    let small = Dimm { locator: "SODIMM 1", mib: 512, kind: 0x0f, width: (32, 32), ..Dimm::EMPTY };
    t.add(small.write(array).cut(0x22).patched(0x0c, &[0x00, 0x82]));
    t.add(ipmi(4, 0x15));
    t.add(Onboard { name: "eth0", kind: 0x85, pci: (0, 0x00, 0x14 << 3) }.write());
    t.end()
}
