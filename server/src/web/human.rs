//! How values read for people: sizes, times, durations; and text as a part of a URL.

use crate::domain::Micros;
pub(super) use crate::domain::size::{binary_size, decimal_size};

const SECOND: Micros = 1_000_000;

/// Link speed: `25 Gbit/s`.
pub(super) fn link_speed(mbps: u32) -> String {
    match mbps {
        0 => String::new(),
        m if m >= 1000 && m % 100 == 0 => {
            format!("{} Gbit/s", format!("{}.{}", m / 1000, m % 1000 / 100).trim_end_matches(".0"))
        }
        m => format!("{m} Mbit/s"),
    }
}

/// `2026-11-22 10:19:23 UTC`.
pub(super) fn absolute(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => "not a time".to_owned(),
    }
}

/// `10:19:23.456`, of the day in UTC.
pub(super) fn clock(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(time) => time.strftime("%H:%M:%S.%3f").to_string(),
        Err(_) => "not a time".to_owned(),
    }
}

/// `12 s ago`: in steps of five seconds below a minute, so that a live page does not flicker.
pub(super) fn ago(at: Micros, now: Micros) -> String {
    match now.saturating_sub(at) / SECOND {
        s if s < 5 => "now".to_owned(),
        s if s < 60 => format!("{} s ago", s / 5 * 5),
        s if s < 3600 => format!("{} min ago", s / 60),
        s if s < 48 * 3600 => format!("{} h ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// A duration: `0.4 s`, `12.3 s`, `3 min 12 s`, `5 h 2 min`.
pub(super) fn duration(micros: Micros) -> String {
    let tenths = micros.max(0).saturating_add(SECOND / 20) / (SECOND / 10);
    match tenths / 10 {
        s if s < 100 => format!("{s}.{} s", tenths % 10),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s if s < 86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} days {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// Text as a value in a URL's query.
pub(super) fn url_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_on_the_label() {
        assert_eq!(binary_size(16 << 30), "16 GiB");
        assert_eq!(binary_size(1536 << 20), "1.5 GiB");
        assert_eq!(binary_size(0), "0 B");
        assert_eq!(decimal_size(1_920_383_410_176), "1.92 TB");
        assert_eq!(decimal_size(480_103_981_056), "480 GB");
        assert_eq!(decimal_size(999), "999 B");
        assert_eq!(decimal_size(u64::MAX), "18447 PB");
        assert_eq!(link_speed(25_000), "25 Gbit/s");
        assert_eq!(link_speed(2_500), "2.5 Gbit/s");
        assert_eq!(link_speed(100), "100 Mbit/s");
    }

    #[test]
    fn times_read_at_a_glance() {
        assert_eq!(absolute(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(absolute(i64::MAX), "not a time");
        assert_eq!(clock(1_234_567), "00:00:01.234");
        let now = 1_000_000 * SECOND;
        for (seconds, text) in [
            (-9, "now"),
            (2, "now"),
            (12, "10 s ago"),
            (65, "1 min ago"),
            (7200, "2 h ago"),
            (3 * 86_400, "3 days ago"),
        ] {
            assert_eq!(ago(now - seconds * SECOND, now), text);
        }
        assert_eq!(duration(340_000), "0.3 s");
        assert_eq!(duration(99_970_000), "1 min 40 s");
        assert_eq!(duration(7_260 * SECOND), "2 h 1 min");
    }

    #[test]
    fn a_query_value_cannot_end_itself() {
        assert_eq!(url_value("a b&c=d/ü#"), "a%20b%26c%3Dd%2F%C3%BC%23");
    }
}
