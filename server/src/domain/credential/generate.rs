//! Passwords out of random bytes: shapes that BMCs of every vendor take, without characters that look alike.

use super::Password;
use zeroize::Zeroizing;

const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const LOWER: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";
/// No vendor refuses these, and no shell or URL takes them for something else.
const SYMBOLS: &[u8] = b"-_.+=@";

/// Random bytes that [`password`] gets: enough but once in 2^100.
pub const RANDOM: usize = 1024;

/// What a password looks like. IPMI 2.0 (22.30) has places for 16 and for 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Characters.
    pub length: usize,
    /// With symbols.
    pub symbols: bool,
}

/// In the order to try: some BMCs want a symbol, some refuse it, some have no place for 20 bytes.
pub const SHAPES: [Shape; 3] =
    [Shape { length: 20, symbols: true }, Shape { length: 20, symbols: false }, Shape { length: 16, symbols: false }];

impl Shape {
    fn classes(self) -> &'static [&'static [u8]] {
        const ALL: [&[u8]; 4] = [UPPER, LOWER, DIGITS, SYMBOLS];
        if self.symbols { &ALL } else { &ALL[..3] }
    }
}

/// A password of this shape: all that fit are equally likely. It begins with a letter, and has a character of each class.
/// None: the random bytes did not suffice.
pub fn password(shape: Shape, random: &[u8]) -> Option<Password> {
    let alphabet: Zeroizing<Vec<u8>> = Zeroizing::new(shape.classes().concat());
    let mut draws = random.iter().filter_map(|byte| alphabet.get(usize::from(byte & 63)));
    loop {
        let mut text = Zeroizing::new(String::with_capacity(shape.length));
        for _ in 0..shape.length {
            text.push(char::from(*draws.next()?));
        }
        let whole = shape.classes().iter().all(|class| text.bytes().any(|b| class.contains(&b)));
        if whole && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return text.parse().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_alphabet_is_longer_than_a_draw_and_none_has_characters_that_look_alike() {
        for shape in SHAPES {
            let alphabet = shape.classes().concat();
            let unlike: std::collections::BTreeSet<_> = alphabet.iter().collect();
            assert!(alphabet.len() <= 64 && unlike.len() == alphabet.len());
            assert!(!alphabet.iter().any(|b| b"0Oo1lI|'\"`\\$ ".contains(b)));
            // Passwords that lack a class or begin otherwise are fewer than three in four: two bits.
            let bits = (alphabet.len() as f64).log2() * shape.length as f64 - 2.0;
            assert!(bits >= 80.0, "{shape:?}: {bits}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_password_has_its_shape(random in proptest::collection::vec(proptest::num::u8::ANY, RANDOM)) {
            for shape in SHAPES {
                let password = password(shape, &random).unwrap();
                let text = password.reveal();
                proptest::prop_assert_eq!(text.len(), shape.length);
                proptest::prop_assert!(text.as_bytes()[0].is_ascii_alphabetic());
                proptest::prop_assert!(text.bytes().any(|b| b.is_ascii_uppercase()) && text.bytes().any(|b| b.is_ascii_lowercase()));
                proptest::prop_assert!(text.bytes().any(|b| b.is_ascii_digit()));
                proptest::prop_assert_eq!(text.bytes().any(|b| !b.is_ascii_alphanumeric()), shape.symbols);
                let debug = format!("{password:?}");
                proptest::prop_assert!(!debug.contains(text));
            }
        }
    }

    #[test]
    fn too_few_random_bytes_give_none() {
        assert!(password(SHAPES[0], &[]).is_none() && password(SHAPES[0], &[0; RANDOM]).is_none());
    }
}
