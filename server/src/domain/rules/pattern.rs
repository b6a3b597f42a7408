//! Host names by pattern: `hv-{n:03}`, `{cluster}-{n}`, `srv-{serial}`.

use crate::domain::ids::{Hostname, Invalid};
use std::fmt;
use std::str::FromStr;

/// What a pattern is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A number that no other node has under this pattern, with at least so many digits.
    Number(usize),
    Serial,
    Cluster,
}

/// A pattern of host names. It has a number or the serial number in it, so that two nodes can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

const FORM: &str = "a host name with {n}, {n:03}, {serial} or {cluster} in it, and at least one of {n} and {serial}";
/// Digits of a number, at most.
const DIGITS: usize = 8;

impl FromStr for Pattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("host name pattern", FORM, text);
        if text.len() > 253 {
            return Err(bad());
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').ok_or_else(bad)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_ascii_lowercase()));
            }
            pieces.push(match word {
                "n" => Piece::Number(1),
                "serial" => Piece::Serial,
                "cluster" => Piece::Cluster,
                _ => match word.strip_prefix("n:0").and_then(|digits| digits.parse().ok()) {
                    Some(digits) if (1..=DIGITS).contains(&digits) => Piece::Number(digits),
                    _ => return Err(bad()),
                },
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_ascii_lowercase()));
        }
        let pattern = Self { text: text.to_owned(), pieces };
        let numbers = pattern.pieces.iter().filter(|piece| matches!(piece, Piece::Number(_))).count();
        let tells_apart = numbers > 0 || pattern.pieces.contains(&Piece::Serial);
        // With plain values in it, it must be a host name.
        let plain = pattern.key("s1", "c1").is_some_and(|key| pattern.name(&key, 1).is_ok());
        if numbers > 1 || !tells_apart || !plain {
            return Err(bad());
        }
        Ok(pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A pattern with all but its number filled in: what numbers are counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    before: String,
    after: String,
    digits: usize,
}

impl Key {
    /// May this name have come of it, with some number?
    pub fn made(&self, name: &Hostname) -> bool {
        let between =
            name.as_str().strip_prefix(self.before.as_str()).and_then(|rest| rest.strip_suffix(self.after.as_str()));
        match (between, self.digits) {
            (Some(between), 0) => between.is_empty(),
            (Some(between), digits) => between.len() >= digits && between.bytes().all(|b| b.is_ascii_digit()),
            (None, _) => false,
        }
    }

    /// None: there is no number in it, and one name alone comes of it.
    pub fn counted(&self) -> Option<String> {
        (self.digits > 0).then(|| format!("{}{{n}}{}", self.before, self.after))
    }
}

impl Pattern {
    /// With a node's serial number and cluster. None: one is needed that the node has not, or that has nothing in it that a
    /// host name may have.
    pub fn key(&self, serial: &str, cluster: &str) -> Option<Key> {
        let mut key = Key { before: String::new(), after: String::new(), digits: 0 };
        for piece in &self.pieces {
            let text = match piece {
                Piece::Number(digits) => {
                    key.digits = *digits;
                    continue;
                }
                Piece::Text(text) => text.clone(),
                Piece::Serial => label(serial)?,
                Piece::Cluster => label(cluster)?,
            };
            match key.digits {
                0 => key.before += &text,
                _ => key.after += &text,
            }
        }
        Some(key)
    }

    /// The name with a number. Errors: it is no host name (too long, ...).
    pub fn name(&self, key: &Key, number: u32) -> Result<Hostname, Invalid> {
        match key.digits {
            0 => key.before.parse(),
            digits => format!("{}{number:0digits$}{}", key.before, key.after).parse(),
        }
    }
}

/// As much of a text as a label of a host name may have.
fn label(text: &str) -> Option<String> {
    let kept: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let kept = kept.trim_matches('-').to_owned();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(pattern: &str, number: u32) -> String {
        let pattern: Pattern = pattern.parse().unwrap();
        let key = pattern.key("AB 12/x", "r1.east").unwrap();
        pattern.name(&key, number).unwrap().to_string()
    }

    #[test]
    fn patterns_make_names() {
        assert_eq!(name("hv-{n}", 7), "hv-7");
        assert_eq!(name("hv-{n:03}.lab", 7), "hv-007.lab");
        assert_eq!(name("hv-{n:03}", 12_345), "hv-12345");
        assert_eq!(name("{cluster}-{n:02}", 1), "r1-east-01");
        assert_eq!(name("S-{serial}", 1), "s-ab-12-x");
        let counted = |pattern: &str| pattern.parse::<Pattern>().unwrap().key("s", "c").unwrap().counted();
        assert_eq!(counted("{cluster}-{n:02}.lab").as_deref(), Some("c-{n}.lab"));
        assert_eq!(counted("{serial}"), None);
        let made = |pattern: &str, name: &str| {
            pattern.parse::<Pattern>().unwrap().key("s", "c").unwrap().made(&name.parse().unwrap())
        };
        assert!(made("hv-{n:02}.x", "hv-07.x") && made("hv-{n:02}.x", "hv-107.x") && made("{serial}", "s"));
        assert!(
            !made("hv-{n:02}.x", "hv-7.x")
                && !made("hv-{n}", "hv-7a")
                && !made("hv-{n}", "node-1")
                && !made("{serial}", "s1")
        );
        assert_eq!("{serial}".parse::<Pattern>().unwrap().key(" / ", "c"), None, "nothing of it is left");
        assert_eq!("{cluster}-{n}".parse::<Pattern>().unwrap().key("s", ""), None);
    }

    #[test]
    fn what_gives_everybody_the_same_name_or_none_is_refused() {
        for bad in
            ["", "hv", "hv-{cluster}", "{n}{n}", "hv-{x}", "hv-{n:0}", "hv-{n:09}", "hv-{n", "hv_{n}", "-{n}", "{n:3}"]
        {
            assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
        }
        assert!(format!("{}{{n}}", "a".repeat(300)).parse::<Pattern>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_and_any_serial_give_a_host_name_or_an_error(text in "[a-z{}n:03.-]{0,20}", serial in "\\PC{0,40}", n in 1u32..) {
            if let Ok(pattern) = text.parse::<Pattern>() && let Some(key) = pattern.key(&serial, &serial) {
                let _either = pattern.name(&key, n);
            }
        }
    }
}
