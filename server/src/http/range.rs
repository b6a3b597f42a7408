//! `Range` of a download (RFC 9110, 14): one range of bytes. Several, other units, or what is malformed: the whole.

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// 200.
    Whole,
    /// 206: from, and how many bytes (at least one).
    Part(u64, u64),
    /// 416.
    Beyond,
}

/// Decide on the header's value for `size` bytes.
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
    parse(header, size).unwrap_or(Wanted::Whole)
}

fn parse(header: Option<&str>, size: u64) -> Option<Wanted> {
    let (unit, spec) = header?.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| {
        let text = text.trim();
        // Not `+5`, and digits without end are only large.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    if first.trim().is_empty() {
        let suffix = number(last)?.min(size);
        return Some(if suffix == 0 { Wanted::Beyond } else { Wanted::Part(size - suffix, suffix) });
    }
    let first = number(first)?;
    let last = if last.trim().is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= size {
        return Some(Wanted::Beyond);
    }
    Some(Wanted::Part(first, last.min(size - 1) - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range() {
        let of = |text| wanted(Some(text), 10);
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(of("bytes=0-3"), Wanted::Part(0, 4));
        assert_eq!(of("bytes=4-"), Wanted::Part(4, 6));
        assert_eq!(of("bytes=-3"), Wanted::Part(7, 3));
        assert_eq!(of("bytes=-99"), Wanted::Part(0, 10));
        assert_eq!(of("bytes=9-99999999999999999999999"), Wanted::Part(9, 1));
        assert_eq!(of("bytes=10-"), Wanted::Beyond);
        assert_eq!(of("bytes=-0"), Wanted::Beyond);
        for whole in ["bytes=3-1", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=+1-2", "bytes", "bytes=-"] {
            assert_eq!(of(whole), Wanted::Whole, "{whole}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_never_outside(text in "bytes=[0-9]{0,22}-[0-9]{0,22}|.*", size in 0u64..1000) {
            if let Wanted::Part(from, length) = wanted(Some(&text), size) {
                proptest::prop_assert!(length > 0 && from + length <= size);
            }
        }
    }
}
