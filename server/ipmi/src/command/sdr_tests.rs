//! Tests of sensor records: the formula, names in all four codes, and records that end early.

use super::*;

/// "CPU Temp", 0x30, degrees C, plain; upper limits 80, 90, 100.
fn full() -> Vec<u8> {
    let mut record = vec![0x05, 0x00, 0x51, 0x01, 51, 0x20, 0, 0x30, 3, 1, 0x7f, 0x68, 0x01, 0x01];
    record.extend([0, 0, 0, 0, 0x38, 0x38, 0x80, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, 128]);
    record.extend([100, 90, 80, 0, 0, 0, 2, 2, 0, 0, 0, 0xc8]);
    record.extend(b"CPU Temp");
    record
}

#[test]
fn a_full_record() {
    let sensor = Sensor::parse(&full()).unwrap_or_else(|e| panic!("{e}")).unwrap_or_else(|| panic!("no sensor"));
    assert_eq!((sensor.record, sensor.number, sensor.kind, sensor.name.as_str()), (5, 0x30, 1, "CPU Temp"));
    assert_eq!(sensor.unit, "degrees C");
    assert_eq!(sensor.limits.upper_warning, Some(80.0));
    assert_eq!((sensor.limits.upper_fatal, sensor.limits.lower_fatal), (Some(100.0), None));
    let formula = sensor.formula.unwrap_or_else(|| panic!("no formula"));
    assert_eq!((formula.apply(42), formula.apply(0xff)), (Some(42.0), Some(-1.0)));
}

#[test]
fn a_compact_record_has_a_name_and_no_formula() {
    let mut record = full();
    record[3] = 0x02;
    record.truncate(31);
    record.extend([0xc3]);
    record.extend(b"PSU");
    let sensor = Sensor::parse(&record).unwrap_or_else(|e| panic!("{e}")).unwrap_or_else(|| panic!("no sensor"));
    assert_eq!((sensor.name.as_str(), sensor.formula), ("PSU", None));
    record[3] = 0x11;
    assert_eq!(Sensor::parse(&record), Ok(None));
}

#[test]
fn no_cut_record_is_taken_for_a_sensor_with_limits_it_does_not_have() {
    let whole = full();
    for end in 0..48 {
        assert!(Sensor::parse(&whole[..end]).is_err(), "{end}");
    }
    let cut = Sensor::parse(&whole[..51]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(cut.map(|s| s.name), Some("CPU".to_owned()));
}

#[test]
fn formulas() {
    let plain = Formula { format: 0, m: 1, b: 0, k1: 0, k2: 0, curve: 0 };
    // 12 V rail: 0.06 V a step, 0.1 V offset.
    let volts = Formula { m: 6, b: 10, k2: -2, ..plain };
    assert!(volts.apply(200).is_some_and(|v| (v - 12.1).abs() < 1e-9));
    assert_eq!(Formula { b: -3, k1: 2, ..plain }.apply(0), Some(-300.0));
    assert_eq!(Formula { format: 1, ..plain }.apply(0xfe), Some(-1.0));
    assert_eq!((Formula { curve: 7, ..plain }).apply(4), Some(0.25));
    assert_eq!((Formula { curve: 7, ..plain }).apply(0), None, "no number");
    assert!(Formula { curve: 11, ..plain }.apply(27).is_some_and(|v| (v - 3.0).abs() < 1e-9));
    assert_eq!((Formula { curve: 0x70, ..plain }).apply(1), None);
    for curve in 0..=255 {
        for raw in 0..=255 {
            let all = Formula { format: raw & 3, m: -512, b: 511, k1: -8, k2: 7, curve };
            assert!(all.apply(raw).is_none_or(f64::is_finite));
        }
    }
    assert_eq!((ten_bits(0xff, 0xc0), ten_bits(0, 0x80), ten_bits(0xff, 0x40)), (-1, -512, 511));
    assert_eq!((four_bits(0xf), four_bits(8), four_bits(7)), (-1, -8, 7));
}

#[test]
fn names_in_every_code() {
    assert_eq!(name(0xc3, b"Fan!"), "Fan");
    assert_eq!(name(0xdf, b"cut"), "cut");
    assert_eq!(name(0xc3, &[b'A', 0x07, b'B']), "A?B");
    assert_eq!(name(0x42, &[0x12, 0xbc]), "12-.");
    // "IPMI" packed: 29h 30h 2Dh 29h.
    assert_eq!(name(0x83, &[0x29, 0xdc, 0xa6]), "IPMI");
}

#[test]
fn a_piece_is_as_long_as_asked_for() {
    let ask = GetSdr { reservation: 0x0201, record: 0x0403, offset: 5, length: 4 };
    assert_eq!(ask.data(), [1, 2, 3, 4, 5, 4]);
    assert_eq!(ask.answer(&[7, 0, 1, 2, 3, 4, 5]).map(|p| (p.next, p.bytes)), Ok((7, vec![1, 2, 3, 4])));
    assert!(ask.answer(&[7, 0, 1, 2, 3]).is_err());
}
