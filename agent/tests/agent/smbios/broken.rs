//! Tables that lie: what is there is told, what is not is said, and nothing takes long.

use crate::smbios::builder::{Structure, Table};
use crate::smbios::machines;
use crate::smbios::records::{Array, Dimm, System};
use higuma_agent::collect::smbios::from_bytes;
use higuma_proto::agent::Inventory;
use std::time::{Duration, Instant};

fn dell() -> Table {
    machines::all().remove(0).1
}

/// The sections that an error leaves incomplete.
fn sections(inventory: &Inventory) -> Vec<&str> {
    inventory.errors.iter().map(|error| error.section.as_str()).filter(|section| !section.is_empty()).collect()
}

fn told(inventory: &Inventory) -> String {
    inventory.errors.iter().map(|error| error.error.as_str()).collect::<Vec<_>>().join("\n")
}

fn small(major: u8, minor: u8) -> Table {
    let mut table = Table::new(major, minor);
    table.add(System { manufacturer: "Kuma", serial: "SN-1", ..System::default() }.write());
    table
}

#[test]
fn a_table_cut_anywhere_says_so() {
    let table = dell();
    let end = table.bytes.len() - 6;
    for length in 0..end {
        let inventory = from_bytes(&table.entry(), &table.bytes[..length]);
        let sections = sections(&inventory);
        for section in ["memory", "cpus", "firmware"] {
            assert!(sections.contains(&section), "cut at {length}: {section} is not in {sections:?}");
        }
        assert_eq!(sections.contains(&"system"), inventory.system.is_none(), "cut at {length}");
    }
    let whole = from_bytes(&table.entry(), &table.bytes);
    for length in end + 1..=table.bytes.len() {
        assert_eq!(from_bytes(&table.entry(), &table.bytes[..length]), whole, "the end marker is there");
    }
}

#[test]
fn a_table_that_is_cut_keeps_what_came_before() {
    let table = dell();
    let inventory = from_bytes(&table.entry(), &table.bytes[..table.bytes.len() / 2]);
    assert_eq!(inventory.system.clone().unwrap().product, "PowerEdge R750");
    assert!(told(&inventory).contains("type 127"), "{}", told(&inventory));
}

#[test]
fn a_structure_that_points_outside_the_table() {
    let mut table = small(2, 8);
    table.add(Structure::new(17).word(0));
    let at = table.bytes.len() - 8;
    table.bytes[at + 1] = 0xfe;
    let inventory = from_bytes(&table.entry(), &table.bytes);
    assert!(told(&inventory).contains("says it has 254 bytes, 8 are there"), "{}", told(&inventory));
    assert_eq!(sections(&inventory), ["cpus", "memory", "firmware"]);
    table.bytes[at + 1] = 3;
    let inventory = from_bytes(&table.entry(), &table.bytes);
    assert!(told(&inventory).contains("at least 4 are needed"), "{}", told(&inventory));
}

#[test]
fn an_entry_point_that_announces_more_than_there_is() {
    let mut table = small(2, 8).end();
    table.count += 3;
    let inventory = from_bytes(&table.entry(), &table.bytes);
    assert_eq!(told(&inventory).lines().next(), Some("5 structures announced, 2 are there"));
    assert_eq!(sections(&inventory), ["cpus", "memory", "firmware"]);
    let whole = dell();
    let mut old = Table::new(2, 8);
    old.bytes.clone_from(&whole.bytes);
    let inventory = from_bytes(&old.entry(), &whole.bytes[..600]);
    assert!(told(&inventory).contains("bytes announced, 600 are there"), "{}", told(&inventory));
}

#[test]
fn without_an_end_marker_the_count_is_as_good() {
    let table = small(2, 1);
    let inventory = from_bytes(&table.entry(), &table.bytes);
    assert_eq!(sections(&inventory), [""; 0]);
    assert!(told(&inventory).contains("all structures that were announced are there"), "{}", told(&inventory));
    let mut wide = small(3, 0);
    wide.wide = true;
    assert_eq!(sections(&from_bytes(&wide.entry(), &wide.bytes)), ["cpus", "memory", "firmware"]);
}

#[test]
fn what_is_there_twice_is_told_once() {
    let mut table = small(3, 3);
    let array = table.add(Array { usage: 3, correction: 6, bytes: 64 << 30, slots: 2 }.write());
    table.add(Dimm { locator: "A1", mib: 8_192, ..Dimm::EMPTY }.write(array));
    let twice = table.bytes.clone();
    table.bytes.extend_from_slice(&twice);
    let table = table.end();
    let inventory = from_bytes(&table.entry(), &table.bytes);
    let memory = inventory.memory.clone().unwrap();
    assert_eq!((memory.dimms.len(), memory.arrays.len()), (1, 1));
    assert!(told(&inventory).contains("3 structures are there twice"), "{}", told(&inventory));
    assert!(sections(&inventory).is_empty());
    // Two modules that differ in nothing but their handle are two modules.
    let mut table = small(3, 3);
    for _ in 0..2 {
        table.add(Dimm { locator: "A1", mib: 8_192, ..Dimm::EMPTY }.write(0xfffe));
    }
    let table = table.end();
    assert_eq!(from_bytes(&table.entry(), &table.bytes).memory.unwrap().dimms.len(), 2);
}

#[test]
fn a_size_that_the_firmware_does_not_know_is_no_empty_slot() {
    let mut table = small(3, 3);
    table.add(Dimm { locator: "A1", ..Dimm::EMPTY }.write(0xfffe).patched(0x0c, &[0xff, 0xff]));
    let table = table.end();
    let inventory = from_bytes(&table.entry(), &table.bytes);
    assert!(told(&inventory).contains("\"A1\"") && sections(&inventory) == ["memory"], "{}", told(&inventory));
}

#[test]
fn text_is_harmless() {
    let mut table = Table::new(2, 8);
    let long = "x".repeat(3_000);
    table.add(System { manufacturer: "Ku\u{1b}[2Jma\u{202e}\r\n", product: &long, ..System::default() }.write());
    let mut table = table.end();
    let at = table.bytes.windows(2).position(|pair| pair == b"Ku").unwrap();
    table.bytes[at] = 0xff;
    let system = from_bytes(&table.entry(), &table.bytes).system.unwrap();
    assert_eq!(system.manufacturer, "\u{fffd}u[2Jma");
    assert_eq!(system.product.len(), 256);
}

#[test]
fn the_largest_and_oddest_tables_take_no_time() {
    let tiny: Vec<u8> = [17u8, 4, 0, 0, 0, 0].repeat(174_000);
    let mut strings = vec![11u8, 5, 0, 0, 255];
    strings.extend(b"a\0".repeat(520_000));
    let handles: Vec<u8> = (0..50_000u16).flat_map(|n| [17, 4, n as u8, (n >> 8) as u8, 0, 0]).collect();
    let named: Vec<u8> = (0..2_000u16)
        .flat_map(|n| {
            let mut one = vec![11, 5, n as u8, (n >> 8) as u8, 255];
            one.extend(b"b\0".repeat(255));
            one.push(0);
            one
        })
        .collect();
    for (name, bytes) in [("tiny", tiny), ("strings", strings), ("handles", handles), ("named", named)] {
        let start = Instant::now();
        let inventory = from_bytes(b"", &bytes);
        assert!(start.elapsed() < Duration::from_secs(5), "{name} took {:?}", start.elapsed());
        assert!(!inventory.errors.is_empty() && inventory.errors.len() <= 64, "{name}");
        assert!(inventory.memory.unwrap().dimms.len() <= 1_024 && inventory.oem_strings.len() <= 256, "{name}");
    }
    let inventory = from_bytes(b"", &vec![0; (1 << 20) + 1]);
    assert!(told(&inventory).contains("not believed") && sections(&inventory).len() == 4);
}
