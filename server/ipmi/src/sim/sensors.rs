//! The sensors of a simulated BMC: a temperature, a fan, a voltage (full records), a power supply (compact).

use super::hardware::Hardware;

pub(super) const TEMPERATURE: u8 = 0x30;
pub(super) const FAN: u8 = 0x31;
pub(super) const VOLTAGE: u8 = 0x32;
pub(super) const SUPPLY: u8 = 0x51;

/// All records, in order; ids are 1, 2, ..
pub(super) fn records() -> [Vec<u8>; 4] {
    [
        full(1, TEMPERATURE, 0x01, 1, [1, 0, 0], b"CPU Temp"),
        // 50 RPM a step.
        full(2, FAN, 0x04, 18, [50, 0, 0], b"FAN 1"),
        // 60 mV a step.
        full(3, VOLTAGE, 0x02, 4, [6, 0, 0xe0], b"12V"),
        supply(4),
    ]
}

/// Raw reading, flags, and states of a sensor.
pub(super) fn reading(hardware: &Hardware, sensor: u8) -> Option<[u8; 4]> {
    let raw = match sensor {
        TEMPERATURE => hardware.temperature,
        // Turns only while the system is on.
        FAN | VOLTAGE if !hardware.power => return Some([0, 0xe0, 0, 0]),
        FAN => 120,
        VOLTAGE => 201,
        SUPPLY => return Some([0, 0xc0, 0x01, 0x80]),
        _ => return None,
    };
    let passed = match (sensor, raw) {
        (TEMPERATURE, 100..) => 0x38,
        (TEMPERATURE, 90..) => 0x18,
        (TEMPERATURE, 80..) => 0x08,
        _ => 0,
    };
    Some([raw, 0xc0, 0xc0 | passed, 0])
}

/// Readable mask, three lower limits, three upper ones, all raw (35.9).
pub(super) fn limits(sensor: u8) -> [u8; 7] {
    if sensor == TEMPERATURE { [0x38, 0, 0, 0, 80, 90, 100] } else { [0; 7] }
}

/// Record type 01h. `formula`: M, B, and both exponents.
fn full(id: u16, number: u8, kind: u8, unit: u8, formula: [u8; 3], name: &[u8]) -> Vec<u8> {
    let [readable, _, _, _, warning, critical, fatal] = limits(number);
    let [m, b, exponents] = formula;
    let mut record = head(id, 0x01, number, kind, 0x01);
    record.extend([0, 0, 0, 0, readable, 0, 0, unit, 0, 0, m, 0, b, 0, 0, exponents]);
    record.extend([0, 0, 0, 0, 255, 0, fatal, critical, warning, 0, 0, 0, 0, 0, 0, 0, 0]);
    named(record, name)
}

/// Record type 02h: states only.
fn supply(id: u16) -> Vec<u8> {
    let mut record = head(id, 0x02, SUPPLY, 0x08, 0x6f);
    record.extend([0x0f, 0, 0x0f, 0, 0x0f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    named(record, b"PSU 1")
}

/// Record header and key, up to the event masks.
fn head(id: u16, record: u8, number: u8, kind: u8, reading: u8) -> Vec<u8> {
    let [low, high] = id.to_le_bytes();
    vec![low, high, 0x51, record, 0, 0x20, 0, number, 7, 1, 0x7f, 0x68, kind, reading]
}

fn named(mut record: Vec<u8>, name: &[u8]) -> Vec<u8> {
    record.push(0xc0 | u8::try_from(name.len()).unwrap_or(0));
    record.extend(name);
    let rest = u8::try_from(record.len().saturating_sub(5)).unwrap_or(u8::MAX);
    if let Some(length) = record.get_mut(4) {
        *length = rest;
    }
    record
}
