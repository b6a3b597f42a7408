//! pax records (`LENGTH KEY=VALUE\n`): the length counts, not the newline, as a value may have any bytes in it.
//! Keys that nobody needs here are passed over, those that would change the meaning of an entry are not.

use super::header::Parsed;
use super::sparse::{PaxSparse, Piece};
use crate::error::shown;
use std::collections::BTreeMap;

/// What the records of one entry say.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<i64>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) sparse: Option<PaxSparse>,
}

impl Pax {
    pub(super) fn parse(mut bytes: &[u8]) -> Parsed<Self> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            // Some writers fill the block up.
            if bytes.iter().all(|b| *b == 0) {
                break;
            }
            let (record, rest) = record(bytes)?;
            let Some(equals) = record.iter().position(|b| *b == b'=') else {
                return Err("a pax record without `=`".into());
            };
            pax.take(&record[..equals], &record[equals + 1..])?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Parsed<()> {
        match key {
            // An empty value takes back what a global record said; there are none that count.
            b"path" => self.path = some(value),
            b"linkpath" => self.link = some(value),
            b"size" => self.size = decimal("size", value)?,
            b"uid" => self.uid = decimal("uid", value)?,
            b"gid" => self.gid = decimal("gid", value)?,
            b"mtime" => self.mtime = seconds(value)?,
            _ if key.starts_with(b"SCHILY.xattr.") => {
                let name = &key[b"SCHILY.xattr.".len()..];
                if name.is_empty() || name.len() > 255 || name.contains(&0) || value.len() > 65536 {
                    return Err(format!(
                        "Linux has no such extended attribute: {:?}, {} bytes",
                        shown(name),
                        value.len()
                    ));
                }
                self.xattrs.insert(name.to_vec(), value.to_vec());
            }
            _ if key.starts_with(b"GNU.sparse.") => {
                self.sparse.get_or_insert_default().take(&key[b"GNU.sparse.".len()..], value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Global records hold for every entry that follows: only comments are taken.
    pub(super) fn must_change_nothing(self) -> Parsed<()> {
        let Self { path, link, size, uid, gid, mtime, xattrs, sparse } = self;
        let changes = path.is_some() || link.is_some() || size.is_some() || uid.is_some() || gid.is_some();
        if changes || mtime.is_some() || !xattrs.is_empty() || sparse.is_some() {
            return Err("a global pax header that changes names, sizes or owners of all entries is refused".into());
        }
        Ok(())
    }
}

/// The first record without its length and newline, and the rest.
fn record(bytes: &[u8]) -> Parsed<(&[u8], &[u8])> {
    let bad = || format!("expected a pax record, got {:?}", shown(&bytes[..bytes.len().min(40)]));
    let blank = bytes.iter().take(12).position(|b| *b == b' ').ok_or_else(bad)?;
    let length = decimal("length", &bytes[..blank])?.and_then(|n| usize::try_from(n).ok()).ok_or_else(bad)?;
    if length < blank + 2 || length > bytes.len() || bytes[length - 1] != b'\n' {
        return Err(bad());
    }
    Ok((&bytes[blank + 1..length - 1], &bytes[length..]))
}

fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// Nothing when it is empty.
pub(super) fn decimal(what: &str, value: &[u8]) -> Parsed<Option<u64>> {
    if value.is_empty() {
        return Ok(None);
    }
    let digits = value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()).flatten();
    match digits.and_then(|text| text.parse().ok()) {
        Some(value) => Ok(Some(value)),
        None => Err(format!("expected a number as {what} of a pax record, got {:?}", shown(value))),
    }
}

/// Seconds with a fraction, which is cut off (towards the past, as times are).
fn seconds(value: &[u8]) -> Parsed<Option<i64>> {
    if value.is_empty() {
        return Ok(None);
    }
    let bad = || format!("expected seconds as mtime of a pax record, got {:?}", shown(value));
    let text = std::str::from_utf8(value).map_err(|_| bad())?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    let before = whole.starts_with('-') && fraction.bytes().any(|b| b != b'0');
    Ok(Some(if before { seconds.saturating_sub(1) } else { seconds }))
}

impl PaxSparse {
    /// A record `GNU.sparse.KEY`.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Parsed<()> {
        match key {
            b"name" => self.name = some(value),
            b"size" | b"realsize" => self.size = decimal("GNU.sparse.size", value)?,
            b"map" => {
                let mut numbers = Vec::new();
                for part in value.split(|b| *b == b',').filter(|part| !part.is_empty()) {
                    numbers.push(decimal("GNU.sparse.map", part)?.unwrap_or_default());
                }
                if numbers.len() % 2 != 0 {
                    return Err("GNU.sparse.map has an offset without a size".into());
                }
                self.map = Some(numbers.chunks_exact(2).map(|p| Piece { offset: p[0], size: p[1] }).collect());
            }
            // Format 0.0: one record for each number.
            b"offset" => {
                let offset = decimal("GNU.sparse.offset", value)?.unwrap_or_default();
                self.map.get_or_insert_default().push(Piece { offset, size: 0 });
            }
            b"numbytes" => match self.map.as_mut().and_then(|map| map.last_mut()) {
                Some(piece) => piece.size = decimal("GNU.sparse.numbytes", value)?.unwrap_or_default(),
                None => return Err("GNU.sparse.numbytes without an offset".into()),
            },
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_may_hold_anything() {
        let pax = Pax::parse(b"12 path=a\nb\n33 SCHILY.xattr.security.x=\0\n9 =\n20 mtime=-1.5000000\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"a\nb");
        assert_eq!(pax.xattrs[&b"security.x"[..]], b"\0\n9 =");
        assert_eq!(pax.mtime, Some(-2));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in [
            &b"path=a\n"[..],
            b"9 path=ab\n",
            b"99 path=a\n",
            b"0 path=a\n",
            b"2 \n",
            b"7 path\n\n",
            b"18446744073709551616 path=a\n",
            b"11 size=-1\n",
            b"11 uid=abc\n",
            b"21 SCHILY.xattr.=ab\n",
            b"25 GNU.sparse.numbytes=1\n",
            b"22 GNU.sparse.map=1,2,3\n",
        ] {
            assert!(Pax::parse(bad).is_err(), "{}", shown(bad));
        }
        let global = |bytes| Pax::parse(bytes).unwrap().must_change_nothing();
        assert!(global(b"13 comment=x\n").is_ok());
        assert!(global(b"9 path=a\n").is_err() && global(b"9 size=1\n").is_err());
    }
}
