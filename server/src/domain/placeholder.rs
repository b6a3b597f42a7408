//! What firmware tells when nobody told it better. The values are data, in `server/data`: a new one needs a line there and
//! no code.

use super::ids::NodeUuid;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static UUIDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| lines(include_str!("../../data/placeholder-uuids.txt")));
static TEXTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| lines(include_str!("../../data/placeholder-texts.txt")));
static PORTABLE: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| lines(include_str!("../../data/portable-nic-drivers.txt")));

/// Characters of a serial number, manufacturer or product that are looked at.
const TEXT_MAX: usize = 100;

fn lines(text: &str) -> BTreeSet<String> {
    let values = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    values.map(str::to_ascii_lowercase).collect()
}

/// Does `uuid` name no machine? All 00 is "not present", all FF "not settable" (DSP0134 7.2.1); the rest is a list.
pub fn is_uuid(uuid: &NodeUuid) -> bool {
    all_equal(uuid.as_str().chars().filter(|c| *c != '-')) || UUIDS.contains(uuid.as_str())
}

/// Is the driver one of ports that move from machine to machine?
pub fn is_portable_driver(driver: &str) -> bool {
    PORTABLE.contains(&driver.to_ascii_lowercase())
}

/// A text of firmware's in the form in which it is compared, or none when it says nothing. iPXE and Linux show odd bytes and
/// blanks differently: only printable ASCII counts, blanks in a row are one.
pub fn usable(text: &str) -> Option<String> {
    let ascii: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(4 * TEXT_MAX).collect();
    let tidy = ascii.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let tidy = tidy.chars().take(TEXT_MAX).collect::<String>().trim_end().to_owned();
    let says_nothing = all_equal(tidy.chars().filter(|c| *c != ' ')) || TEXTS.contains(&tidy.to_ascii_lowercase());
    (!says_nothing).then_some(tidy)
}

/// Also when there are none.
fn all_equal(mut chars: impl Iterator<Item = char>) -> bool {
    match chars.next() {
        Some(first) => chars.all(|c| c == first),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_files_hold_what_they_say() {
        assert!(UUIDS.len() > 5 && TEXTS.len() > 30 && PORTABLE.len() > 10);
        for uuid in UUIDS.iter() {
            assert_eq!(&uuid.parse::<NodeUuid>().unwrap().to_string(), uuid);
        }
    }

    #[test]
    fn placeholder_texts_are_none() {
        let none = ["", "  ", "To Be Filled By O.E.M.", "to be filled  by o.e.m. ", "Default string", "0123456789"];
        for text in none.into_iter().chain(["None", "N/A", "00000000", "xxxxx", "-- --", "...", "0", "Not Specified\0"])
        {
            assert_eq!(usable(text), None, "{text:?}");
        }
        for (text, expected) in [(" CZ12  345\n", "CZ12 345"), ("S1", "S1"), ("é00012", "00012"), ("None-1", "None-1")]
        {
            assert_eq!(usable(text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(usable("ab".repeat(500).as_str()).unwrap().len(), TEXT_MAX);
    }

    #[test]
    fn placeholder_uuids_are_known_in_any_case() {
        for text in [
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
            "77777777-7777-7777-7777-777777777777",
        ] {
            assert!(is_uuid(&text.parse().unwrap()), "{text}");
        }
        assert!(!is_uuid(&"4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap()));
        assert!(is_portable_driver("r8152") && !is_portable_driver("ixgbe"));
    }

    proptest::proptest! {
        #[test]
        fn usable_is_stable_and_printable(text in "\\PC*|[\\x00-\\xff]*") {
            if let Some(once) = usable(&text) {
                proptest::prop_assert!(once.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
                proptest::prop_assert_eq!(usable(&once), Some(once));
            }
        }
    }
}
