#![no_main]
//! Any entry point (the first 32 bytes, as in a dump of dmidecode) and any table are answered, and never at length.

use higuma_agent::collect::smbios::from_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (entry, table) = bytes.split_at(bytes.len().min(32));
    let inventory = from_bytes(entry, table);
    let memory = inventory.memory.unwrap_or_default();
    assert!(inventory.errors.len() <= 64 && inventory.oem_strings.len() <= 256 && memory.dimms.len() <= 1_024);
    // The end marker, somewhere: without one the table is cut, and that must be said.
    assert!(!inventory.errors.is_empty() || table.contains(&127), "cut, and not said");
});
