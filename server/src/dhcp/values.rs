//! Values of single options: texts, user classes, architectures, the UUID, iPXE's features. Bytes in, values out; what cannot
//! be used is said in `odd`, for people.

use super::options::sub_options;
use crate::domain::NodeUuid;
use crate::domain::dhcp::arch::Arch;
use crate::domain::dhcp::request::Ipxe;

/// Characters of a text, and user classes, at most.
const TEXT_MAX: usize = 255;
const CLASSES_MAX: usize = 16;
/// Architectures of one client at most: none has been seen with more than three.
const ARCHS_MAX: usize = 16;

/// For logs and pages: no control characters, and none of the zeros that some clients put at the end.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let value = value.get(..end).unwrap_or_default();
    String::from_utf8_lossy(value).chars().map(|c| if c.is_control() { '.' } else { c }).take(TEXT_MAX).collect()
}

/// Option 77: RFC 3004 says a list of length and text; iPXE and others send one text as it is.
pub fn user_classes(value: &[u8]) -> Vec<String> {
    let mut classes = Vec::new();
    let mut rest = value;
    while let [length, after @ ..] = rest {
        match after.split_at_checked(usize::from(*length)) {
            Some((class, after)) if *length > 0 => {
                if classes.len() < CLASSES_MAX {
                    classes.push(text(class));
                }
                rest = after;
            }
            // Not the RFC's form to its end, so not that form.
            _ => return vec![text(value)],
        }
    }
    classes
}

/// Option 93: 16-bit numbers, one or more (RFC 4578, 2.1).
pub fn archs(value: &[u8], odd: &mut Vec<String>) -> Vec<Arch> {
    let (pairs, rest) = value.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        odd.push(format!("option 93: expected pairs of bytes, got {}", value.len()));
    }
    pairs.iter().take(ARCHS_MAX).map(|pair| Arch(u16::from_be_bytes(*pair))).collect()
}

/// Option 97: a type of 0 and the 16 bytes of SMBIOS, whose first three fields are little-endian (RFC 4578, 2.3; PXE 2.1
/// sends what is in the table).
pub fn uuid(value: &[u8], odd: &mut Vec<String>) -> Option<NodeUuid> {
    let named = match value {
        [0, bytes @ ..] => <[u8; 16]>::try_from(bytes).ok(),
        _ => None,
    };
    let Some(bytes) = named else {
        odd.push(format!("option 97: expected a zero and 16 bytes, got {} bytes", value.len()));
        return None;
    };
    uuid::Uuid::from_bytes_le(bytes).to_string().parse().ok()
}

/// Option 175: sub-options; 235 is the version, the small ones are features.
pub fn ipxe(value: &[u8]) -> Ipxe {
    let mut ipxe = Ipxe::default();
    for (tag, value) in sub_options(value) {
        match (tag, value) {
            (235, [major, minor, patch]) => ipxe.version = Some([*major, *minor, *patch]),
            (0x10..=0x4f, value) if value.iter().any(|byte| *byte != 0) && !ipxe.features.contains(&tag) => {
                ipxe.features.push(tag);
            }
            _ => {}
        }
    }
    ipxe
}
