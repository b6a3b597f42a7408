//! SMBIOS structures (DSP0134) as bytes, for `-smbios file=`: one file a structure. QEMU makes none of its own of a type
//! that it is given as a file, and refuses `-smbios type=N,...` beside a file of type N: give all structures of a type.
//! It knows the form of a structure, never whether the values make sense together: tests want wrong ones, too.

use crate::{Context, LabResult};
use std::path::Path;

/// A structure: header, formatted area, strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    kind: u8,
    handle: u16,
    area: Vec<u8>,
    strings: Vec<String>,
}

impl Structure {
    /// An empty one.
    pub fn new(kind: u8, handle: u16) -> Self {
        Self { kind, handle, area: Vec::new(), strings: Vec::new() }
    }

    /// BYTEs as they are.
    pub fn bytes(mut self, values: &[u8]) -> Self {
        self.area.extend_from_slice(values);
        self
    }

    /// A BYTE.
    pub fn byte(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    /// A WORD.
    pub fn word(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A DWORD.
    pub fn dword(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A QWORD.
    pub fn qword(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A STRING: its number goes here, its text behind the formatted area; empty: 0, "no string".
    pub fn string(mut self, text: &str) -> Self {
        if text.is_empty() {
            return self.byte(0);
        }
        self.strings.push(text.to_owned());
        let number = self.strings.len() as u8;
        self.byte(number)
    }

    /// The whole structure, with the two zeros at its end (DSP0134 6.1.3).
    pub fn build(&self) -> Vec<u8> {
        let mut out = vec![self.kind, (self.area.len() + 4) as u8];
        out.extend(self.handle.to_le_bytes());
        out.extend(&self.area);
        for text in &self.strings {
            out.extend(text.as_bytes());
            out.push(0);
        }
        out.extend(if self.strings.is_empty() { &[0, 0][..] } else { &[0] });
        out
    }

    /// Writes it into `dir`; gives the value of `-smbios`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn argument(&self, dir: &Path) -> LabResult<String> {
        let path = dir.join(format!("smbios-{}-{:04x}.bin", self.kind, self.handle));
        std::fs::write(&path, self.build()).context(format!("writing {}", path.display()))?;
        Ok(format!("file={}", path.display()))
    }
}

/// What a memory slot holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dimm {
    /// Name of the slot.
    pub locator: String,
    /// Name of its bank.
    pub bank: String,
    /// MiB; 0: the slot is empty.
    pub size_mib: u32,
    /// Maker.
    pub manufacturer: String,
    /// Serial number.
    pub serial: String,
    /// Part number.
    pub part: String,
}

/// Type 16: system memory on the board with `slots` slots and multi-bit ECC.
pub fn memory_array(handle: u16, slots: u16, max_gib: u32) -> Structure {
    let on_board_system_memory = [3, 3, 6];
    let no_error_information = 0xfffe;
    Structure::new(16, handle)
        .bytes(&on_board_system_memory)
        .dword(max_gib * 1024 * 1024)
        .word(no_error_information)
        .word(slots)
        .qword(0)
}

/// Type 17 in the form of SMBIOS 2.8, 40 bytes: a registered DDR4 DIMM with ECC at 3,200 MT/s, or an empty slot.
pub fn dimm(handle: u16, array: u16, dimm: &Dimm) -> Structure {
    let filled = dimm.size_mib > 0;
    let or_zero = |value: u16| if filled { value } else { 0 };
    let (dimm_form, ddr4, unknown) = (9, 26, 2);
    let registered = 1 << 13;
    // A WORD of MiB with the top bit for KiB; 0x7fff: see the extended size.
    let size = u16::try_from(dimm.size_mib).ok().filter(|mib| *mib < 0x7fff).unwrap_or(0x7fff);
    Structure::new(17, handle)
        .word(array)
        .word(0xfffe)
        .word(or_zero(72))
        .word(or_zero(64))
        .word(size)
        .byte(dimm_form)
        .byte(0)
        .string(&dimm.locator)
        .string(&dimm.bank)
        .byte(if filled { ddr4 } else { unknown })
        .word(or_zero(registered))
        .word(or_zero(3200))
        .string(&dimm.manufacturer)
        .string(&dimm.serial)
        .string("")
        .string(&dimm.part)
        .byte(0)
        .dword(if size == 0x7fff { dimm.size_mib } else { 0 })
        .word(or_zero(3200))
        .bytes(&[0; 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_as_the_standard_lays_it_out() {
        let structure = Structure::new(11, 0x0b00).byte(2).string("one").string("").word(0x1234);
        assert_eq!(structure.build(), b"\x0b\x09\x00\x0b\x02\x01\x00\x34\x12one\0\0");
        assert_eq!(Structure::new(127, 1).build(), [127, 4, 1, 0, 0, 0]);
    }

    #[test]
    fn a_dimm_is_forty_bytes_and_its_strings() {
        let full = Dimm { locator: "P1-A1".into(), size_mib: 32 * 1024, serial: "S1".into(), ..Dimm::default() };
        let bytes = dimm(0x1100, 0x1000, &full).build();
        assert_eq!((bytes[1], bytes.len()), (40, 40 + 6 + 3 + 1));
        assert_eq!(&bytes[0x0c..0x0e], [0xff, 0x7f]);
        assert_eq!(&bytes[0x1c..0x20], (32u32 * 1024).to_le_bytes());
        let empty = dimm(0x1100, 0x1000, &Dimm { locator: "P1-A1".into(), ..Dimm::default() }).build();
        assert_eq!(&empty[0x0c..0x0e], [0, 0]);
        assert_eq!(memory_array(0x1000, 4, 128).build()[1], 0x17);
    }
}
