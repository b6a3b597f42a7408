//! What a request for a blob is answered, headers and piece, from what it asks and the blob's name and size. Pure; the same for
//! both ways that blobs are sent.

use super::range::{Wanted, wanted};
use crate::domain::Sha256;

/// What a request says that matters; header values as they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// HEAD: the same headers, no bytes.
    pub is_head: bool,
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobAnswer {
    /// 200, 206, 304, 416 or 503.
    pub status: u16,
    /// Beside those of every answer ([`ALWAYS`]): names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, in order.
    pub pieces: Vec<Piece>,
    /// Bytes that the body has, or would have (HEAD); none: 304 has no length.
    pub length: Option<u64>,
    /// Whether the bytes come.
    pub has_body: bool,
}

/// Of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What stands between ranges.
    Text(String),
    /// Bytes of the blob: from, and how many.
    Blob(u64, u64),
}

impl BlobAnswer {
    /// Bytes of the blob that are sent.
    pub fn blob_bytes(&self) -> u64 {
        let of = |piece: &Piece| if let Piece::Blob(_, length) = piece { *length } else { 0 };
        self.pieces.iter().map(of).sum()
    }

    fn without_body(status: u16, headers: Vec<(&'static str, String)>, length: Option<u64>) -> Self {
        Self { status, headers, pieces: Vec::new(), length, has_body: false }
    }
}

/// Headers of every answer about a blob, but [`busy`].
pub const ALWAYS: [(&str, &str); 2] =
    [("accept-ranges", "bytes"), ("cache-control", "public, max-age=31536000, immutable")];
const BYTES: &str = "application/octet-stream";

/// Decides (RFC 9110, 13 and 14).
pub fn answer(asked: &Asked<'_>, sha256: &Sha256, size: u64) -> BlobAnswer {
    let etag = format!("\"{sha256}\"");
    let same = |list: &str| list.split(',').any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag);
    let mut headers = vec![("etag", etag.clone())];
    if asked.if_none_match.is_some_and(same) {
        return BlobAnswer::without_body(304, headers, None);
    }
    let mut kind = BYTES.to_owned();
    // If-Range compares strongly; another tag (or a date): the whole.
    let range = asked.range.filter(|_| !asked.is_head && asked.if_range.is_none_or(|tag| tag == etag));
    let (status, pieces) = match wanted(range, size) {
        Wanted::Whole => (200, vec![Piece::Blob(0, size)]),
        Wanted::Parts(parts) => match parts[..] {
            // One is never sent as several are (RFC 9110, 15.3.7.2).
            [(from, length)] => {
                headers.push(("content-range", content_range(from, length, size)));
                (206, vec![Piece::Blob(from, length)])
            }
            _ => {
                let boundary = boundary(sha256);
                kind = format!("multipart/byteranges; boundary={boundary}");
                (206, multipart(&parts, &boundary, size))
            }
        },
        Wanted::Beyond => {
            headers.push(("content-range", format!("bytes */{size}")));
            return BlobAnswer::without_body(416, headers, Some(0));
        }
    };
    headers.push(("content-type", kind));
    let length = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.len() as u64,
        Piece::Blob(_, length) => *length,
    });
    BlobAnswer { status, headers, length: Some(length.sum()), pieces, has_body: !asked.is_head }
}

fn content_range(from: u64, length: u64, size: u64) -> String {
    format!("bytes {from}-{}/{size}", from + length - 1)
}

/// In no blob: it would have to hold half of its own hash.
fn boundary(sha256: &Sha256) -> String {
    format!("higuma-{}", sha256.as_str().get(..32).unwrap_or_default())
}

/// RFC 9110, 14.6.
fn multipart(parts: &[(u64, u64)], boundary: &str, size: u64) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    let mut before = "";
    for (from, length) in parts {
        let range = content_range(*from, *length, size);
        pieces.push(Piece::Text(format!(
            "{before}--{boundary}\r\ncontent-type: {BYTES}\r\ncontent-range: {range}\r\n\r\n"
        )));
        pieces.push(Piece::Blob(*from, *length));
        before = "\r\n";
    }
    pieces.push(Piece::Text(format!("{before}--{boundary}--\r\n")));
    pieces
}

/// There is no room for another download now.
pub fn busy(retry_after: u64) -> BlobAnswer {
    let headers = vec![("retry-after", retry_after.to_string()), ("cache-control", "no-store".to_owned())];
    BlobAnswer::without_body(503, headers, Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_part_unchanged_and_beyond() {
        let sha = Sha256::of("x");
        let tag = format!("\"{sha}\"");
        let of = |asked: Asked<'_>| {
            let answer = answer(&asked, &sha, 10);
            let from = match answer.pieces.first() {
                Some(Piece::Blob(from, _)) => *from,
                _ => 0,
            };
            (answer.status, from, answer.length, answer.has_body)
        };
        let plain = Asked::default();
        assert_eq!(of(plain), (200, 0, Some(10), true));
        assert_eq!(of(Asked { is_head: true, range: Some("bytes=2-3"), ..plain }), (200, 0, Some(10), false));
        assert_eq!(of(Asked { range: Some("bytes=2-3"), ..plain }), (206, 2, Some(2), true));
        assert_eq!(of(Asked { range: Some("bytes=2-3"), if_range: Some(&tag), ..plain }), (206, 2, Some(2), true));
        assert_eq!(of(Asked { range: Some("bytes=2-3"), if_range: Some("\"y\""), ..plain }), (200, 0, Some(10), true));
        assert_eq!(of(Asked { range: Some("bytes=10-"), ..plain }), (416, 0, Some(0), false));
        for same in [tag.clone(), format!("\"y\", W/{tag}"), "*".to_owned()] {
            assert_eq!(of(Asked { if_none_match: Some(&same), ..plain }), (304, 0, None, false));
        }
        assert_eq!(of(Asked { if_none_match: Some("\"y\""), ..plain }), (200, 0, Some(10), true));
        let part = answer(&Asked { range: Some("bytes=-1"), ..plain }, &sha, 10);
        assert!(part.headers.contains(&("content-range", "bytes 9-9/10".to_owned())));
    }
    #[test]
    fn several_ranges_are_parts_of_one_body() {
        let sha = Sha256::of("x");
        let asked = Asked { range: Some("bytes=2-3,8-"), ..Asked::default() };
        let several = answer(&asked, &sha, 10);
        let boundary = format!("higuma-{}", &sha.as_str()[..32]);
        let text = |text: String| Piece::Text(text);
        let kind = "content-type: application/octet-stream";
        assert_eq!(
            several.pieces,
            [
                text(format!("--{boundary}\r\n{kind}\r\ncontent-range: bytes 2-3/10\r\n\r\n")),
                Piece::Blob(2, 2),
                text(format!("\r\n--{boundary}\r\n{kind}\r\ncontent-range: bytes 8-9/10\r\n\r\n")),
                Piece::Blob(8, 2),
                text(format!("\r\n--{boundary}--\r\n")),
            ]
        );
        let texts = several.pieces.iter().map(|p| if let Piece::Text(text) = p { text.len() as u64 } else { 0 });
        assert_eq!((several.status, several.blob_bytes(), several.length), (206, 4, Some(4 + texts.sum::<u64>())));
        let named = ("content-type", format!("multipart/byteranges; boundary={boundary}"));
        assert!(several.headers.contains(&named) && several.headers.iter().all(|(name, _)| *name != "content-range"));
        // Merged into one, or of another blob: as ever.
        let one = answer(&Asked { range: Some("bytes=2-3,4-5"), ..Asked::default() }, &sha, 10);
        assert_eq!((one.status, one.pieces.as_slice()), (206, &[Piece::Blob(2, 4)][..]));
        let other = answer(&Asked { if_range: Some("\"y\""), ..asked }, &sha, 10);
        assert_eq!((other.status, other.pieces.as_slice()), (200, &[Piece::Blob(0, 10)][..]));
        let head = answer(&Asked { is_head: true, ..asked }, &sha, 10);
        assert_eq!((head.status, head.length, head.has_body), (200, Some(10), false));
    }
}
