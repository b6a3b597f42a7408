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
    /// First byte.
    pub from: u64,
    /// Bytes that the body has, or would have (HEAD); none: 304 has no length.
    pub length: Option<u64>,
    /// Whether the bytes come.
    pub has_body: bool,
}

/// Headers of every answer about a blob, but [`busy`].
pub const ALWAYS: [(&str, &str); 3] = [
    ("accept-ranges", "bytes"),
    ("cache-control", "public, max-age=31536000, immutable"),
    ("content-type", "application/octet-stream"),
];

/// Decides (RFC 9110, 13 and 14).
pub fn answer(asked: &Asked<'_>, sha256: &Sha256, size: u64) -> BlobAnswer {
    let etag = format!("\"{sha256}\"");
    let same = |list: &str| list.split(',').any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag);
    let mut headers = vec![("etag", etag.clone())];
    if asked.if_none_match.is_some_and(same) {
        return BlobAnswer { status: 304, headers, from: 0, length: None, has_body: false };
    }
    // If-Range compares strongly; another tag (or a date): the whole.
    let range = asked.range.filter(|_| !asked.is_head && asked.if_range.is_none_or(|tag| tag == etag));
    let (status, from, length) = match wanted(range, size) {
        Wanted::Whole => (200, 0, size),
        Wanted::Part(from, length) => {
            headers.push(("content-range", format!("bytes {from}-{}/{size}", from + length - 1)));
            (206, from, length)
        }
        Wanted::Beyond => {
            headers.push(("content-range", format!("bytes */{size}")));
            return BlobAnswer { status: 416, headers, from: 0, length: Some(0), has_body: false };
        }
    };
    BlobAnswer { status, headers, from, length: Some(length), has_body: !asked.is_head }
}

/// There is no room for another download now.
pub fn busy(retry_after: u64) -> BlobAnswer {
    let headers = vec![("retry-after", retry_after.to_string()), ("cache-control", "no-store".to_owned())];
    BlobAnswer { status: 503, headers, from: 0, length: Some(0), has_body: false }
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
            (answer.status, answer.from, answer.length, answer.has_body)
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
}
