//! Writes SMBIOS tables as firmware does (DSP0134): structures with their strings, the end marker, and an entry point
//! of either form. Nothing here is shared with the code under test.

/// One structure: its fields behind the header, and its strings.
pub struct Structure {
    kind: u8,
    fields: Vec<u8>,
    strings: Vec<Vec<u8>>,
}

impl Structure {
    pub fn new(kind: u8) -> Self {
        Self { kind, fields: Vec::new(), strings: Vec::new() }
    }

    pub fn byte(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    pub fn word(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn dword(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn qword(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.fields.extend_from_slice(bytes);
        self
    }

    /// A field that names a string; an empty one names none.
    pub fn text(mut self, text: &str) -> Self {
        if text.is_empty() {
            return self.byte(0);
        }
        self.strings.push(text.as_bytes().to_vec());
        let number = u8::try_from(self.strings.len()).unwrap();
        self.byte(number)
    }

    /// Other bytes at an offset (counted with the header).
    pub fn patched(mut self, at: usize, bytes: &[u8]) -> Self {
        self.fields[at - 4..at - 4 + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// As an older version of the standard had it: `length` bytes with the header.
    pub fn cut(mut self, length: usize) -> Self {
        self.fields.truncate(length - 4);
        self
    }
}

/// A table with the version of its entry point.
pub struct Table {
    pub version: (u8, u8),
    /// The entry point of version 3 ("_SM3_"), which counts no structures.
    pub wide: bool,
    pub bytes: Vec<u8>,
    pub count: u16,
}

impl Table {
    pub fn new(major: u8, minor: u8) -> Self {
        Self { version: (major, minor), wide: major >= 3, bytes: Vec::new(), count: 0 }
    }

    /// Appends a structure; its handle.
    pub fn add(&mut self, structure: Structure) -> u16 {
        let handle = 0x100 + self.count;
        let length = u8::try_from(structure.fields.len() + 4).unwrap();
        self.bytes.extend_from_slice(&[structure.kind, length]);
        self.bytes.extend_from_slice(&handle.to_le_bytes());
        self.bytes.extend_from_slice(&structure.fields);
        for string in &structure.strings {
            self.bytes.extend_from_slice(string);
            self.bytes.push(0);
        }
        self.bytes.extend_from_slice(if structure.strings.is_empty() { &[0, 0] } else { &[0] });
        self.count += 1;
        handle
    }

    /// The end marker.
    pub fn end(mut self) -> Self {
        self.add(Structure::new(127));
        self
    }

    /// The entry point, with sums, for a table at offset 32: dmidecode wants that in a dump.
    pub fn entry(&self) -> Vec<u8> {
        let length = self.bytes.len();
        let (major, minor) = self.version;
        if self.wide {
            let mut entry = b"_SM3_\0\x18".to_vec();
            entry.extend_from_slice(&[major, minor, 0, 1, 0]);
            entry.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            entry.extend_from_slice(&32u64.to_le_bytes());
            sum(&mut entry, 0, 5);
            return entry;
        }
        let mut entry = b"_SM_\0\x1f".to_vec();
        entry.extend_from_slice(&[major, minor, 0xff, 0, 0, 0, 0, 0, 0, 0]);
        entry.extend_from_slice(b"_DMI_\0");
        entry.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
        entry.extend_from_slice(&32u32.to_le_bytes());
        entry.extend_from_slice(&self.count.to_le_bytes());
        entry.push(major << 4 | minor);
        sum(&mut entry, 0x10, 0x15);
        sum(&mut entry, 0, 4);
        entry
    }

    /// What `dmidecode --from-dump` reads, and the fuzzer's seed: the entry point, filled up to 32 bytes, and the table.
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = self.entry();
        dump.resize(32, 0);
        dump.extend_from_slice(&self.bytes);
        dump
    }
}

/// Sets the byte at `at` so that the bytes from `from` on add up to 0.
fn sum(bytes: &mut [u8], from: usize, at: usize) {
    bytes[at] = 0;
    let total = bytes[from..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = total.wrapping_neg();
}
