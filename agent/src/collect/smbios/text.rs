//! What firmware says in words and numbers, made fit to be shown and compared: no control or invisible characters, no
//! padding, no endless strings; numbers by the names of the standard.

use smbioslib::{SMBiosString, UndefinedStruct};

/// Characters kept of one string.
const MAX_TEXT: usize = 256;

/// A string of a structure; empty where there is none.
pub(super) fn text(value: &SMBiosString) -> String {
    clean(&value.to_utf8_lossy().unwrap_or_default())
}

/// Without what cannot be seen, without spaces around it, and short.
pub(super) fn clean(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !hidden(*c)).collect();
    let short: String = visible.trim().chars().take(MAX_TEXT).collect();
    short.trim_end().to_owned()
}

/// Control characters, and those that are invisible or turn the writing direction around.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The name of a number. `names` starts at 0, an empty one is a number that says nothing ("other", "unknown"); a number
/// behind them is newer than this list and is told as it is.
pub(super) fn named(names: &[&str], raw: u8) -> String {
    match names.get(usize::from(raw)) {
        Some(name) => (*name).to_owned(),
        None => format!("type {raw}"),
    }
}

/// The PCI function at `segment` (word), `segment + 2` (bus) and `segment + 3` (device and function): "0000:3b:00.0".
/// Empty when it is not told: a field is all ones (not applicable), or all are 0 (the host bridge, which is in no slot).
pub(super) fn pci(structure: &UndefinedStruct, segment: usize) -> String {
    let group = structure.get_field_word(segment);
    let bus = structure.get_field_byte(segment + 2);
    let function = structure.get_field_byte(segment + 3);
    match (group, bus, function) {
        (Some(0xffff), ..) | (_, Some(0xff), _) | (.., Some(0xff)) | (Some(0), Some(0), Some(0)) => String::new(),
        (Some(group), Some(bus), Some(function)) => {
            format!("{group:04x}:{bus:02x}:{:02x}.{}", function >> 3, function & 7)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, named};

    #[test]
    fn text_is_clean_and_short() {
        assert_eq!(clean("  Dell\u{1b}[31m Inc.\r\n "), "Dell[31m Inc.");
        assert_eq!(clean("\u{202e}SN\u{200b}1\u{7f}"), "SN1");
        assert_eq!(clean(&"x".repeat(10_000)).len(), 256);
        assert_eq!(clean("Grüße"), "Grüße");
        assert_eq!(clean(" \t "), "");
    }

    #[test]
    fn numbers_have_names() {
        assert_eq!(named(&["", "other", "KCS"], 2), "KCS");
        assert_eq!(named(&["", "other", "KCS"], 9), "type 9");
    }
}
