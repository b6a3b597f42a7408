//! `Range` of a download (RFC 9110, 14): up to [`MOST`] ranges of bytes, those that overlap or touch merged. More, other units, or
//! what is malformed: the whole.

/// Ranges of one request.
pub const MOST: usize = 16;

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// 200.
    Whole,
    /// 206: from, and how many bytes (at least one), of each; at least one, in the order asked for, never over each other.
    Parts(Vec<(u64, u64)>),
    /// 416.
    Beyond,
}

/// Decide on the header's value for `size` bytes.
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
    parse(header, size).unwrap_or(Wanted::Whole)
}

fn parse(header: Option<&str>, size: u64) -> Option<Wanted> {
    let (unit, set) = header?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty elements of a list are passed over (RFC 9110, 5.6.1).
    let specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let mut count = 0;
    for spec in specs {
        count += 1;
        if count > MOST {
            return None;
        }
        if let Some((from, to)) = one(spec, size)? {
            merge(&mut parts, from, to);
        }
    }
    if count == 0 {
        return None;
    }
    Some(match parts.is_empty() {
        true => Wanted::Beyond,
        false => Wanted::Parts(parts.into_iter().map(|(from, to)| (from, to - from)).collect()),
    })
}

/// First byte and the one behind the last; inner none: there is nothing of it.
fn one(spec: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = spec.split_once('-')?;
    let number = |text: &str| {
        let text = text.trim();
        // Not `+5`, and digits without end are only large.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    if first.trim().is_empty() {
        let suffix = number(last)?.min(size);
        return Some((suffix > 0).then(|| (size - suffix, size)));
    }
    let first = number(first)?;
    let last = if last.trim().is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some((first < size).then(|| (first, last.min(size - 1) + 1)))
}

/// Puts a range at the end, or into the place of the first one that it overlaps or touches, with all such.
fn merge(parts: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    let (mut from, mut to, mut place) = (from, to, parts.len());
    // What it grows by may touch others that it did not touch before.
    while let Some(found) = parts.iter().position(|(begin, end)| *begin <= to && from <= *end) {
        let (begin, end) = parts.remove(found);
        (from, to, place) = (from.min(begin), to.max(end), place.min(found));
    }
    parts.insert(place.min(parts.len()), (from, to));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range() {
        let of = |text| wanted(Some(text), 10);
        let part = |from, length| Wanted::Parts(vec![(from, length)]);
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(of("bytes=0-3"), part(0, 4));
        assert_eq!(of("bytes=4-"), part(4, 6));
        assert_eq!(of("bytes=-3"), part(7, 3));
        assert_eq!(of("bytes=-99"), part(0, 10));
        assert_eq!(of("bytes=9-99999999999999999999999"), part(9, 1));
        assert_eq!(of("bytes=10-"), Wanted::Beyond);
        assert_eq!(of("bytes=-0"), Wanted::Beyond);
        for whole in
            ["bytes=3-1", "lines=0-1", "bytes=a-b", "bytes=+1-2", "bytes", "bytes=-", "bytes=", "bytes=,", "bytes=1"]
        {
            assert_eq!(of(whole), Wanted::Whole, "{whole}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
    }

    #[test]
    fn several_ranges() {
        let of = |text: &str| wanted(Some(text), 100);
        let parts = |all: &[(u64, u64)]| Wanted::Parts(all.to_vec());
        assert_eq!(of("bytes=0-1,3-4"), parts(&[(0, 2), (3, 2)]));
        assert_eq!(of("bytes= 90-95 , 0-1 ,, -2"), parts(&[(90, 6), (0, 2), (98, 2)]), "in the order asked for");
        assert_eq!(of("bytes=0-10,5-20"), parts(&[(0, 21)]), "over each other");
        assert_eq!(of("bytes=0-10,11-20"), parts(&[(0, 21)]), "side by side");
        assert_eq!(of("bytes=0-9,20-29,50-59,10-19"), parts(&[(0, 30), (50, 10)]), "one joins two");
        assert_eq!(of("bytes=0-1,200-300"), parts(&[(0, 2)]), "what is beyond is left out");
        assert_eq!(of("bytes=100-,-0"), Wanted::Beyond);
        assert_eq!(of("bytes=0-1,x"), Wanted::Whole, "one that is malformed makes all of it so");
        let many = |count: usize| (0..count).map(|n| format!("{}-{}", n * 3, n * 3)).collect::<Vec<_>>().join(",");
        assert!(matches!(of(&format!("bytes={}", many(16))), Wanted::Parts(all) if all.len() == 16));
        assert_eq!(of(&format!("bytes={}", many(17))), Wanted::Whole);
    }

    proptest::proptest! {
        #[test]
        fn parts_are_never_outside_nor_over_each_other(
            text in "bytes=([0-9]{0,3}-[0-9]{0,3},){0,18}[0-9]{0,22}-[0-9]{0,22}|.*",
            size in 0u64..1000,
        ) {
            if let Wanted::Parts(parts) = wanted(Some(&text), size) {
                proptest::prop_assert!(!parts.is_empty() && parts.len() <= MOST);
                let mut sorted = parts;
                sorted.sort_unstable();
                proptest::prop_assert!(sorted.iter().all(|(from, length)| *length > 0 && from + length <= size));
                proptest::prop_assert!(sorted.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0), "{sorted:?}");
            }
        }

        #[test]
        fn each_byte_that_was_asked_for_comes_and_no_other(
            ranges in proptest::collection::vec((0u64..70, 0u64..70), 1..16),
        ) {
            let ranges: Vec<(u64, u64)> = ranges.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
            let text: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            let parts = match wanted(Some(&format!("bytes={}", text.join(","))), 60) {
                Wanted::Parts(parts) => parts,
                other => {
                    proptest::prop_assert!(other == Wanted::Beyond);
                    Vec::new()
                }
            };
            for byte in 0..60 {
                let asked = ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte));
                let given = parts.iter().filter(|(from, length)| (*from..from + length).contains(&byte)).count();
                proptest::prop_assert_eq!(given, usize::from(asked), "byte {}", byte);
            }
        }
    }
}
