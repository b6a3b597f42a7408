//! The kinds of structures that machines are made of, as values with names: what is left out is as firmware writes it
//! when it has nothing to say.

use super::builder::Structure;

#[derive(Default)]
pub struct Bios<'a> {
    pub vendor: &'a str,
    pub version: &'a str,
    pub date: &'a str,
    /// Both 0xff: none.
    pub release: (u8, u8),
}

impl Bios<'_> {
    pub fn write(&self) -> Structure {
        let start = Structure::new(0).text(self.vendor).text(self.version).word(0xf000).text(self.date);
        let flags = start.byte(0xff).qword(0x0b_9884).bytes(&[0x03, 0x0d]);
        flags.bytes(&[self.release.0, self.release.1, 0xff, 0xff])
    }
}

#[derive(Default)]
pub struct System<'a> {
    pub manufacturer: &'a str,
    pub product: &'a str,
    pub version: &'a str,
    pub serial: &'a str,
    /// As the bytes stand in the table.
    pub uuid: [u8; 16],
    pub sku: &'a str,
    pub family: &'a str,
}

impl System<'_> {
    pub fn write(&self) -> Structure {
        let names = Structure::new(1).text(self.manufacturer).text(self.product).text(self.version).text(self.serial);
        names.bytes(&self.uuid).byte(6).text(self.sku).text(self.family)
    }
}

#[derive(Default)]
pub struct Board<'a> {
    pub manufacturer: &'a str,
    pub product: &'a str,
    pub version: &'a str,
    pub serial: &'a str,
    pub asset: &'a str,
}

impl Board<'_> {
    pub fn write(&self) -> Structure {
        let names = Structure::new(2).text(self.manufacturer).text(self.product).text(self.version).text(self.serial);
        names.text(self.asset).byte(9).byte(0).word(0x300).byte(10).byte(0)
    }
}

#[derive(Default)]
pub struct Chassis<'a> {
    pub manufacturer: &'a str,
    pub kind: u8,
    pub version: &'a str,
    pub serial: &'a str,
    pub asset: &'a str,
}

impl Chassis<'_> {
    pub fn write(&self) -> Structure {
        let names = Structure::new(3).text(self.manufacturer).byte(self.kind).text(self.version).text(self.serial);
        names.text(self.asset).bytes(&[3, 3, 3, 2]).dword(0).bytes(&[2, 2, 0, 0]).byte(0)
    }
}

pub struct Cpu<'a> {
    pub socket: &'a str,
    pub manufacturer: &'a str,
    pub model: &'a str,
    pub mhz: u16,
    pub cores: u16,
    pub threads: u16,
    /// 0x41: a processor is there and enabled.
    pub status: u8,
}

impl Default for Cpu<'_> {
    fn default() -> Self {
        Self { socket: "CPU0", manufacturer: "", model: "", mhz: 0, cores: 0, threads: 0, status: 0x41 }
    }
}

impl Cpu<'_> {
    /// As version 3 has it.
    pub fn write(&self) -> Structure {
        let short = |count: u16| u8::try_from(count).unwrap_or(0xff);
        Structure::new(4)
            .text(self.socket)
            .bytes(&[3, 0xb3])
            .text(self.manufacturer)
            .qword(0xbfeb_fbff_0006_06a6)
            .text(self.model)
            .byte(0x90)
            .word(100)
            .word(self.mhz)
            .word(self.mhz / 2)
            .bytes(&[self.status, 0x2b])
            .bytes(&[0xff; 6])
            .bytes(&[0, 0, 0])
            .bytes(&[short(self.cores), short(self.cores), short(self.threads)])
            .word(0x00fc)
            .word(0xb3)
            .word(self.cores)
            .word(self.cores)
            .word(self.threads)
    }
}

pub struct Slot<'a> {
    pub name: &'a str,
    pub kind: u8,
    pub width: u8,
    /// 3 available, 4 in use.
    pub usage: u8,
    /// Segment, bus, device and function.
    pub pci: (u16, u8, u8),
}

impl Slot<'_> {
    pub fn write(&self) -> Structure {
        let start = Structure::new(9).text(self.name).bytes(&[self.kind, self.width, self.usage, 4]).word(1);
        start.bytes(&[0x0c, 1]).word(self.pci.0).bytes(&[self.pci.1, self.pci.2])
    }
}

pub fn oem(strings: &[&str]) -> Structure {
    let mut structure = Structure::new(11).byte(u8::try_from(strings.len()).unwrap());
    for string in strings {
        // The field that `text` appends is none of this structure's.
        structure = structure.text(string);
    }
    structure.cut(5)
}

pub struct Array {
    pub usage: u8,
    pub correction: u8,
    pub bytes: u64,
    pub slots: u16,
}

impl Array {
    /// As version 2.7 has it.
    pub fn write(&self) -> Structure {
        let (short, long) = match u32::try_from(self.bytes >> 10) {
            Ok(kib) if kib < 0x8000_0000 => (kib, 0),
            _ => (0x8000_0000, self.bytes),
        };
        let start = Structure::new(16).bytes(&[3, self.usage, self.correction]).dword(short);
        start.word(0xfffe).word(self.slots).qword(long)
    }
}

#[derive(Clone, Copy)]
pub struct Dimm<'a> {
    pub locator: &'a str,
    pub bank: &'a str,
    /// 0: an empty slot.
    pub mib: u32,
    pub kind: u8,
    /// Total and data width, bits.
    pub width: (u16, u16),
    pub speed: u16,
    pub configured: u16,
    pub manufacturer: &'a str,
    pub serial: &'a str,
    pub part: &'a str,
    pub asset: &'a str,
}

impl Dimm<'_> {
    pub const EMPTY: Dimm<'static> = Dimm {
        locator: "",
        bank: "",
        mib: 0,
        kind: 2,
        width: (0xffff, 0xffff),
        speed: 0,
        configured: 0,
        manufacturer: "",
        serial: "",
        part: "",
        asset: "",
    };

    /// As version 3.3 has it.
    pub fn write(&self, array: u16) -> Structure {
        let (short, long) = if self.mib < 0x7fff { (self.mib as u16, 0) } else { (0x7fff, self.mib) };
        Structure::new(17)
            .word(array)
            .word(0xfffe)
            .word(self.width.0)
            .word(self.width.1)
            .word(short)
            .bytes(&[9, 0])
            .text(self.locator)
            .text(self.bank)
            .byte(self.kind)
            .word(0x2080)
            .word(self.speed)
            .text(self.manufacturer)
            .text(self.serial)
            .text(self.asset)
            .text(self.part)
            .byte(2)
            .dword(long)
            .word(self.configured)
            .word(1200)
            .word(1200)
            .word(1200)
            .byte(3)
            .word(8)
            .byte(0)
            .bytes(&[0; 8])
            .qword(0)
            .qword(u64::from(self.mib) << 20)
            .qword(0)
            .qword(0)
            .dword(0)
            .dword(0)
    }
}

pub fn ipmi(interface: u8, revision: u8) -> Structure {
    Structure::new(38).bytes(&[interface, revision, 0x20, 0xff]).qword(0xca3).bytes(&[0, 0])
}

pub struct Onboard<'a> {
    pub name: &'a str,
    /// With the highest bit: enabled.
    pub kind: u8,
    pub pci: (u16, u8, u8),
}

impl Onboard<'_> {
    pub fn write(&self) -> Structure {
        Structure::new(41).text(self.name).bytes(&[self.kind, 1]).word(self.pci.0).bytes(&[self.pci.1, self.pci.2])
    }
}

/// A Redfish service as DSP0270 has it in a protocol record.
pub struct Redfish<'a> {
    /// 1 static, 2 DHCP, 3 automatic.
    pub discovery: u8,
    /// 1: four bytes, 2: sixteen.
    pub format: u8,
    pub address: &'a [u8],
    pub port: u16,
    pub hostname: &'a str,
}

impl Redfish<'_> {
    pub fn record(&self) -> Vec<u8> {
        let mut sixteen = self.address.to_vec();
        sixteen.resize(16, 0);
        let mut record = vec![0x5a; 16];
        record.extend_from_slice(&[self.discovery, self.format]);
        // This machine's own address and mask, then those of the service.
        record.extend_from_slice(&sixteen);
        record.extend_from_slice(&[0; 16]);
        record.extend_from_slice(&[self.discovery, self.format]);
        record.extend_from_slice(&sixteen);
        record.extend_from_slice(&[0; 16]);
        record.extend_from_slice(&self.port.to_le_bytes());
        record.extend_from_slice(&[0; 4]);
        record.push(u8::try_from(self.hostname.len()).unwrap());
        record.extend_from_slice(self.hostname.as_bytes());
        let mut whole = vec![4, u8::try_from(record.len()).unwrap()];
        whole.extend_from_slice(&record);
        whole
    }
}

/// A network host interface on USB with these protocol records.
pub fn host_interface(records: &[Vec<u8>]) -> Structure {
    // Device type 2: USB, with vendor, product and a serial number of two bytes.
    let device = [2, 0x6b, 0x04, 0xb0, 0xff, 4, 3, b'1', b'0'];
    let start = Structure::new(42).byte(0x40).byte(u8::try_from(device.len()).unwrap()).bytes(&device);
    start.byte(u8::try_from(records.len()).unwrap()).bytes(&records.concat())
}
