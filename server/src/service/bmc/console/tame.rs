//! What a node writes, as the screen may have it: numbers in control sequences have three digits at most, so that a few bytes
//! never mean tens of thousands of characters ("repeat the last one 65,535 times"). What is kept of the line is not changed.

/// Digits of a number: no screen has a row, a column or a run of a thousand.
const DIGITS: usize = 3;
const ESCAPE: u8 = 0x1b;

/// Where in a control sequence (ECMA-48, 5.4) the line is.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Text,
    Escape,
    /// Behind so many digits of a number.
    Number(usize),
}

/// One line's filter; sequences may come in pieces.
#[derive(Debug, Default)]
pub(super) struct Tame(At);

impl Tame {
    /// These bytes without what is too much.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().copied().filter(|byte| self.takes(*byte)).collect()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let (at, takes) = match (self.0, byte) {
            (_, ESCAPE) => (At::Escape, true),
            (At::Escape, b'[') => (At::Number(0), true),
            (At::Number(digits), b'0'..=b'9') => (At::Number(digits.saturating_add(1)), digits < DIGITS),
            // CAN and SUB end it (ECMA-48; as terminals have it).
            (_, 0x18 | 0x1a) => (At::Text, true),
            // Other parameters, intermediate bytes, and controls, which terminals obey within a sequence.
            (At::Number(_), 0x20..=0x3f) => (At::Number(0), true),
            // What terminals pass over, within a sequence.
            (at @ (At::Escape | At::Number(_)), 0x00..=0x1f | 0x7f..=0xff) => (at, true),
            _ => (At::Text, true),
        };
        self.0 = at;
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_cut_within_sequences_alone() {
        let whole = b"\x1b[65535b 65535 \x1b[1;31m\x1b[0012;12345H\x1b[?25l\x1b]0;12345\x07".as_slice();
        let tamed = b"\x1b[655b 65535 \x1b[1;31m\x1b[001;123H\x1b[?25l\x1b]0;12345\x07".as_slice();
        assert_eq!(Tame::default().bytes(whole), tamed);
        // In pieces it is the same, and controls in between do not help.
        let mut one_by_one = Tame::default();
        let pieces: Vec<u8> = whole.iter().flat_map(|byte| one_by_one.bytes(&[*byte])).collect();
        assert_eq!(pieces, tamed);
        for between in [b'\r', b'\n', 0x7f, 0xff, 0x80] {
            let within = [b"\x1b[6".as_slice(), &[between], b"5535b"].concat();
            assert_eq!(Tame::default().bytes(&within), [b"\x1b[6".as_slice(), &[between], b"55b"].concat());
            let before = [b"\x1b".as_slice(), &[between], b"[65535b"].concat();
            assert_eq!(Tame::default().bytes(&before), [b"\x1b".as_slice(), &[between], b"[655b"].concat());
        }
        assert_eq!(Tame::default().bytes(b"\x1b[6\x1865535b"), b"\x1b[6\x1865535b", "cancelled: text");
    }
}
