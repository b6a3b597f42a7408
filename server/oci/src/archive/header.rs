//! One header block of 512 bytes: checksum, numbers in octal or base 256, names. No value of it is trusted further than
//! its field goes.

use super::sparse::{self, Piece};
use crate::error::shown;

pub(super) type Parsed<T> = std::result::Result<T, String>;

/// Linux: 12 bits of major, 20 of minor number.
const MAJORS: u64 = 1 << 12;
const MINORS: u64 = 1 << 20;

/// A block whose checksum is right.
pub(super) struct Header(tar::Header);

impl Header {
    /// Nothing for a block of zeros.
    pub(super) fn parse(block: [u8; 512]) -> Parsed<Option<Self>> {
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let field = &block[148..156];
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum::<u64>()
            - field.iter().map(|b| u64::from(*b)).sum::<u64>()
            + 8 * u64::from(b' ');
        let said = number("checksum", field)?;
        if said != i128::from(sum) {
            return Err(format!(
                "expected a header of a tar with the checksum {sum}, it says {said}: this is no tar, or damaged"
            ));
        }
        let mut header = tar::Header::new_old();
        *header.as_mut_bytes() = block;
        Ok(Some(Self(header)))
    }

    pub(super) fn kind(&self) -> u8 {
        self.0.as_bytes()[156]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.0.as_old().name);
        match self.0.as_ustar().map(|ustar| until_nul(&ustar.prefix)) {
            Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(&self.0.as_old().linkname).to_vec()
    }

    pub(super) fn size(&self) -> Parsed<u64> {
        unsigned("size", &self.0.as_old().size)
    }

    pub(super) fn uid(&self) -> Parsed<u64> {
        unsigned("owner", &self.0.as_old().uid)
    }

    pub(super) fn gid(&self) -> Parsed<u64> {
        unsigned("group", &self.0.as_old().gid)
    }

    pub(super) fn mtime(&self) -> Parsed<i64> {
        let value = number("time", &self.0.as_old().mtime)?;
        i64::try_from(value).map_err(|_| format!("the time {value} is out of range"))
    }

    pub(super) fn mode(&self) -> Parsed<u32> {
        // Old tars keep the file's type in the higher bits.
        let value = unsigned("mode", &self.0.as_old().mode)?;
        Ok((value & 0o7777) as u32)
    }

    pub(super) fn device(&self) -> Parsed<(u32, u32)> {
        let bytes = self.0.as_bytes();
        let (major, minor) = (unsigned("major number", &bytes[329..337])?, unsigned("minor number", &bytes[337..345])?);
        if major >= MAJORS || minor >= MINORS {
            return Err(format!("there is no device {major}:{minor} on Linux"));
        }
        Ok((major as u32, minor as u32))
    }

    /// Pieces, real size, and whether more of them follow in blocks of their own.
    pub(super) fn sparse(&self) -> Parsed<(Vec<Piece>, u64, bool)> {
        let Some(gnu) = self.0.as_gnu() else {
            return Err("a sparse file in a header that is not GNU's".into());
        };
        let mut map = Vec::new();
        let bytes = self.0.as_bytes();
        sparse::table(&bytes[386..482], &mut map)?;
        Ok((map, unsigned("real size", &gnu.realsize)?, gnu.isextended[0] == 1))
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// A field that cannot be negative.
pub(super) fn unsigned(what: &str, field: &[u8]) -> Parsed<u64> {
    let value = number(what, field)?;
    u64::try_from(value).map_err(|_| format!("the {what} {value} is out of range"))
}

/// Octal digits between blanks and NULs, or GNU's base 256 with the first bit set (two's complement).
pub(super) fn number(what: &str, field: &[u8]) -> Parsed<i128> {
    if let Some(first) = field.first().filter(|b| **b & 0x80 != 0) {
        // 11 bytes and 6 bits at most: an i128 has room.
        let negative = first & 0x40 != 0;
        let start = if negative { i128::from(*first) - 0x100 } else { i128::from(first & 0x3f) };
        return Ok(field[1..].iter().fold(start, |value, b| (value << 8) | i128::from(*b)));
    }
    let text = field.trim_ascii_start();
    let end = text.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if !digits.iter().all(|b| (b'0'..=b'7').contains(b)) || rest.iter().any(|b| !matches!(b, 0 | b' ')) {
        return Err(format!("expected octal digits as {what}, got {:?}", shown(field)));
    }
    Ok(digits.iter().fold(0, |value, b| value * 8 + i128::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"77777777777 ", 0o77777777777),
            (b"777777777777", 0o777777777777),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", 256),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", (1_i128 << 88) - 1),
        ] {
            assert_eq!(number("x", field).unwrap(), value, "{field:?}");
        }
        for bad in [&b"0000689\0"[..], b"12 34   ", b"-1      ", b"1\x00007    "] {
            assert!(number("x", bad).is_err(), "{bad:?}");
        }
        assert!(unsigned("size", b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(unsigned("size", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }
}
