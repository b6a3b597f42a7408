//! TFTP packets (RFC 1350, options by RFC 2347): bytes to values and back. Reads only what a server that only sends reads
//! needs; never panics, whatever came.

use std::fmt;

/// A file name, a mode, an option or a value at most.
const TEXT_MAX: usize = 255;
/// Options of a request at most; the others are not looked at.
const OPTIONS_MAX: usize = 16;

/// Codes of ERROR packets (RFC 1350, 5; RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    /// See the message.
    pub const UNDEFINED: Self = Self(0);
    /// File not found.
    pub const NOT_FOUND: Self = Self(1);
    /// Access violation.
    pub const ACCESS: Self = Self(2);
    /// Illegal operation.
    pub const ILLEGAL: Self = Self(4);
    /// Unknown transfer.
    pub const UNKNOWN_TRANSFER: Self = Self(5);
    /// The client does not want the options that were answered: some ask for the size only, and end so.
    pub const OPTIONS: Self = Self(8);
}

/// How a client wants the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it is.
    Octet,
    /// With the line ends of RFC 764.
    Netascii,
}

/// A read request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the file as it came, no control characters in it.
    pub file: String,
    /// How.
    pub mode: Mode,
    /// Options in the order that they came, names in lower case, each name once.
    pub options: Vec<(String, String)>,
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// RRQ.
    Read(Request),
    /// WRQ: nobody writes here.
    Write,
    /// ACK of this block, modulo 65,536.
    Ack(u16),
    /// ERROR: the client ends the transfer.
    Error(Code, String),
}

/// Why bytes are no packet that a server reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(&'static str);

impl Packet {
    /// Parses a datagram.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let (op, rest) = bytes.split_first_chunk::<2>().ok_or(Unusable("shorter than an opcode"))?;
        match u16::from_be_bytes(*op) {
            1 => request(rest).map(Self::Read),
            2 => Ok(Self::Write),
            4 => {
                let (block, _) = rest.split_first_chunk::<2>().ok_or(Unusable("an ACK without its block"))?;
                Ok(Self::Ack(u16::from_be_bytes(*block)))
            }
            5 => {
                let (code, text) = rest.split_first_chunk::<2>().ok_or(Unusable("an ERROR without its code"))?;
                // Some clients leave the closing zero out.
                let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = text.get(..TEXT_MAX).unwrap_or(text);
                Ok(Self::Error(Code(u16::from_be_bytes(*code)), clean(text)))
            }
            _ => Err(Unusable("an opcode that no client of ours sends")),
        }
    }
}

fn request(bytes: &[u8]) -> Result<Request, Unusable> {
    let mut rest = bytes;
    let file = text(&mut rest).ok_or(Unusable("a file name without an end, or too long"))?;
    let mode = text(&mut rest).ok_or(Unusable("a mode without an end, or too long"))?;
    // Of the text, not of its bytes: U+0080 to U+009F steer terminals too.
    let file = String::from_utf8_lossy(file).into_owned();
    if file.is_empty() || file.chars().any(char::is_control) {
        return Err(Unusable("a file name that is empty or has control characters"));
    }
    let mode = match mode {
        mode if mode.eq_ignore_ascii_case(b"octet") => Mode::Octet,
        mode if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
        _ => return Err(Unusable("a mode other than octet and netascii")),
    };
    let mut options: Vec<(String, String)> = Vec::new();
    while let (Some(name), Some(value)) = (text(&mut rest), text(&mut rest)) {
        let name = clean(name).to_ascii_lowercase();
        if options.len() == OPTIONS_MAX {
            break;
        }
        if !options.iter().any(|(known, _)| *known == name) {
            options.push((name, clean(value)));
        }
    }
    Ok(Request { file, mode, options })
}

/// Up to the next zero, which is taken too.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == 0).filter(|end| *end <= TEXT_MAX)?;
    let (text, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..).unwrap_or_default();
    Some(text)
}

/// For logs and pages.
fn clean(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// DATA.
pub fn data(block: u16, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + bytes.len());
    out.extend([0, 3]);
    out.extend(block.to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// OACK (RFC 2347).
pub fn oack(options: &[(&str, u64)]) -> Vec<u8> {
    let mut out = vec![0, 6];
    for (name, value) in options {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value.to_string().as_bytes());
        out.push(0);
    }
    out
}

/// ERROR.
pub fn error(code: Code, message: &str) -> Vec<u8> {
    let mut out = vec![0, 5];
    out.extend(code.0.to_be_bytes());
    out.extend_from_slice(message.as_bytes());
    out.push(0);
    out
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.0 {
            0 => "undefined",
            1 => "file not found",
            2 => "access violation",
            3 => "disk full",
            4 => "illegal operation",
            5 => "unknown transfer",
            6 => "file exists",
            7 => "no such user",
            8 => "options refused",
            _ => "unknown",
        };
        write!(f, "{} ({word})", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(request: &[u8]) -> Vec<(String, String)> {
        match Packet::parse(request).unwrap() {
            Packet::Read(request) => request.options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_edk2_asks() {
        let bytes = b"\0\x01boot/snponly.efi\0octet\0tsize\x000\0blksize\x001468\0";
        let Packet::Read(request) = Packet::parse(bytes).unwrap() else { panic!("no read request") };
        assert_eq!((request.file.as_str(), request.mode), ("boot/snponly.efi", Mode::Octet));
        assert_eq!(request.options, [("tsize".into(), "0".into()), ("blksize".into(), "1468".into())]);
    }

    #[test]
    fn options_are_read_as_far_as_they_are_whole() {
        assert_eq!(
            options(b"\0\x01f\0OCTET\0BlkSize\x0099\0blksize\x001\0timeout\0"),
            [("blksize".into(), "99".into())]
        );
        let many = (0..40).fold(b"\0\x01f\0octet\0".to_vec(), |mut all, n| {
            all.extend(format!("o{n}\0v\0").as_bytes());
            all
        });
        assert_eq!(options(&many).len(), OPTIONS_MAX);
    }

    #[test]
    fn what_is_no_request_of_a_client() {
        for (bytes, says) in [
            (&b""[..], "opcode"),
            (b"\0", "opcode"),
            (b"\0\x01file", "file name"),
            (b"\0\x01\0octet\0", "file name"),
            (b"\0\x01a\x01b\0octet\0", "control"),
            (b"\0\x01a\xc2\x90b\0octet\0", "control"),
            (b"\0\x01file\0octet", "mode"),
            (b"\0\x01file\0mail\0", "mode"),
            (b"\0\x04\0", "ACK"),
            (b"\0\x05\0", "ERROR"),
            (b"\0\x03\0\x01x", "opcode"),
            (b"\0\x09", "opcode"),
        ] {
            let error = Packet::parse(bytes).unwrap_err();
            assert!(error.0.contains(says), "{bytes:?}: {error}");
        }
        let long = [b"\0\x01", "n".repeat(TEXT_MAX + 1).as_bytes(), b"\0octet\0"].concat();
        assert!(Packet::parse(&long).is_err());
        let said = Packet::parse(b"\0\x05\0\x08User aborted\x1b[2J").unwrap();
        assert_eq!(said, Packet::Error(Code::OPTIONS, "User aborted.[2J".into()));
    }

    #[test]
    fn what_is_sent() {
        assert_eq!(data(0x0102, b"xy"), b"\0\x03\x01\x02xy");
        assert_eq!(oack(&[("blksize", 1468), ("tsize", 0)]), b"\0\x06blksize\x001468\0tsize\x000\0");
        assert_eq!(error(Code::NOT_FOUND, "no"), b"\0\x05\0\x01no\0");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(op in 0_u8..8, rest in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Packet::parse(&[&[0, op], &rest[..]].concat());
            let _ = Packet::parse(&rest);
        }
    }
}
