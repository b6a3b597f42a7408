//! Several servers in one enclosure.

use super::others;
use crate::smbios::builder::{Structure, Table};
use crate::smbios::records::*;

/// Two chassis (the blade, and the enclosure around it), and a host interface with several protocols.
pub fn blade() -> Table {
    let mut t = Table::new(3, 3);
    t.add(Bios { vendor: "Dell Inc.", version: "2.12.2", date: "07/12/2021", release: (2, 12) }.write());
    let system = System {
        manufacturer: "Dell Inc.",
        product: "PowerEdge MX740c",
        serial: "1A2B3C4",
        uuid: *b"LLED\x41\x00\x32\x10\x80\x42\xb1\xc0\x4f\x33\x43\x34",
        sku: "SKU=0819;ModelName=PowerEdge MX740c",
        ..System::default()
    };
    t.add(system.write());
    let board = Board {
        manufacturer: "Dell Inc.",
        product: "00RD3C",
        version: "A01",
        serial: ".1A2B3C4.CNIVC0089A0123.",
        asset: "blade-07",
    };
    t.add(board.write());
    t.add(Chassis { manufacturer: "Dell Inc.", kind: 28, serial: "1A2B3C4", ..Chassis::default() }.write());
    t.add(Chassis { manufacturer: "Dell Inc.", kind: 29, serial: "9Z8Y7X6", ..Chassis::default() }.write());
    let cpu = Cpu {
        socket: "CPU1",
        manufacturer: "Intel",
        model: "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz",
        mhz: 4000,
        cores: 20,
        threads: 40,
        status: 0x41,
    };
    t.add(cpu.write());
    t.add(Slot { name: "Mezzanine 1 (Fabric A)", kind: 0x09, width: 0x0d, usage: 4, pci: (0, 0x3b, 0) }.write());
    let array = t.add(Array { usage: 3, correction: 6, bytes: 3 << 40, slots: 2 }.write());
    let dimm = Dimm {
        locator: "A1",
        mib: 65_536,
        kind: 0x1a,
        width: (72, 64),
        speed: 2933,
        configured: 2933,
        manufacturer: "00AD00B300AD",
        serial: "83A1B2C3",
        part: "HMAA8GR7CJR4N-WM",
        asset: "02203311",
        ..Dimm::EMPTY
    };
    t.add(dimm.write(array));
    t.add(Dimm { locator: "A2", kind: 0x1a, ..Dimm::EMPTY }.write(array));
    others(&mut t);
    t.add(ipmi(1, 0x20));
    let unique = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01];
    let redfish = Redfish { discovery: 1, format: 2, address: &unique, port: 443, hostname: "mx-sled-7.chassis.local" };
    // IPMI (protocol 2) with a record of four bytes.
    t.add(host_interface(&[redfish.record(), vec![2, 4, 0, 0, 0, 0]]));
    // A KCS interface (type 2) that tells no protocol.
    t.add(Structure::new(42).bytes(&[2, 4, 0, 0, 0, 0, 0]));
    t.end()
}
