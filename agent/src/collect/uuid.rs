//! The SMBIOS system UUID in canonical form. It is a name, not a secret; whether it is a placeholder is for the server
//! to judge.

/// Canonical text of the 16 raw bytes of a type 1 structure (SMBIOS 7.2.1). From version 2.6 the first three fields
/// are little-endian; before, the kernel and everybody else take the bytes as they are.
pub fn canonical(raw: [u8; 16], version: (u8, u8)) -> String {
    let uuid = if version >= (2, 6) { uuid::Uuid::from_bytes_le(raw) } else { uuid::Uuid::from_bytes(raw) };
    uuid.hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn bytes_are_swapped_only_from_2_6() {
        let raw = [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(canonical(raw, (2, 8)), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(canonical(raw, (3, 0)), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(canonical(raw, (2, 5)), "33221100-5544-7766-8899-aabbccddeeff");
    }
}
