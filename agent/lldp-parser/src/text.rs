//! Bytes that are meant for people, and bytes that are not. What is printed here must never contain a control or
//! direction-changing character: it ends in terminals, logs and pages of those who only own the other end of a cable.

use std::fmt;

/// Text as it came, byte for byte (usually UTF-8, never promised). `Display` and JSON show it escaped: control
/// characters, invisible format characters and bytes that are not UTF-8 as `\n`, `\u{202e}` or `\xff`; NULs at the end,
/// which some switches send, are not shown.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for chunk in self.0.get(..end).unwrap_or_default().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\0' => f.write_str("\\0")?,
                    '\t' | '\r' | '\n' => write!(f, "{}", character.escape_default())?,
                    hidden if hides(hidden) => write!(f, "{}", hidden.escape_unicode())?,
                    plain => write!(f, "{plain}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Control characters (C0, DEL, C1) and those that are invisible or turn the writing direction around.
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Bytes without a known meaning; shown as lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{self}")
    }
}

/// `Serialize` as what `Display` writes.
macro_rules! serialize_as_display {
    ($($type:ty),+) => {$(
        #[cfg(feature = "serde")]
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}
pub(crate) use serialize_as_display;
serialize_as_display!(Text, Bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_harmless() {
        let text = Text(b"leaf\x1b[2J\r\n\xff\xc2\x9b \xe2\x80\xae\xe7\x86\x8a\0x\0\0".to_vec());
        assert_eq!(text.to_string(), "leaf\\u{1b}[2J\\r\\n\\xff\\u{9b} \\u{202e}\u{718a}\\0x");
        assert_eq!(Text(vec![0, 0]).to_string(), "");
    }
}
