//! The head of a request, as far as it is one for a blob that can be sent at once. Whatever is in any way unusual is none: the
//! full HTTP server behind answers it.

use crate::domain::Sha256;
use crate::http::blob_answer::Asked;
use httparse::{Header, Request, Status};

/// Header lines that are looked at.
const LINES: usize = 48;
/// Where blobs are.
const BLOBS: &str = "/blobs/";

/// A request for a blob.
#[derive(Debug, PartialEq, Eq)]
pub struct Wish<'h> {
    /// Which.
    pub sha256: Sha256,
    /// What of it.
    pub asked: Asked<'h>,
    /// Bytes of the head.
    pub length: usize,
    /// The connection ends after the answer.
    pub closes: bool,
}

/// Of the first bytes of a connection, or of what came after the last answer. None: for the full server.
pub fn wish(bytes: &[u8]) -> Option<Wish<'_>> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = Request::new(&mut lines);
    let Ok(Status::Complete(length)) = request.parse(bytes) else { return None };
    let is_head = match request.method? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    // HTTP/1.1 alone, and a plain path.
    let sha256 = request.path?.strip_prefix(BLOBS)?.parse().ok().filter(|_| request.version == Some(1))?;
    let mut asked = Asked { is_head, ..Asked::default() };
    let (mut closes, mut hosts) = (false, 0);
    for Header { name, value } in request.headers.iter() {
        let value = std::str::from_utf8(value).ok()?.trim();
        let slot = match name.to_ascii_lowercase().as_str() {
            "range" => &mut asked.range,
            "if-range" => &mut asked.if_range,
            "if-none-match" => &mut asked.if_none_match,
            "host" => {
                hosts += 1;
                continue;
            }
            "connection" => {
                match value.to_ascii_lowercase().as_str() {
                    "close" => closes = true,
                    "keep-alive" => {}
                    _ => return None,
                }
                continue;
            }
            // A body, another protocol, other conditions.
            "content-length"
            | "transfer-encoding"
            | "expect"
            | "upgrade"
            | "if-match"
            | "if-modified-since"
            | "if-unmodified-since" => return None,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    (hosts == 1).then_some(Wish { sha256, asked, length, closes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: &str, rest: &str) -> Option<(bool, bool, Option<String>)> {
        let head = format!("{first} HTTP/1.1\r\nHost: a\r\n{rest}\r\nnext");
        let found = wish(head.as_bytes())?;
        assert_eq!(head.len() - "next".len(), found.length);
        Some((found.asked.is_head, found.closes, found.asked.range.map(str::to_owned)))
    }

    #[test]
    fn usual_requests_for_blobs_alone() {
        let sha = Sha256::of("x");
        let get = format!("GET /blobs/{sha}");
        assert_eq!(of(&get, ""), Some((false, false, None)));
        assert_eq!(of(&get, "range: bytes=0-1\r\nAccept: */*\r\n"), Some((false, false, Some("bytes=0-1".into()))));
        assert_eq!(of(&format!("HEAD /blobs/{sha}"), "Connection: Close\r\n"), Some((true, true, None)));
        for (first, rest) in [
            (format!("GET /blobs/{sha}?a"), ""),
            (format!("GET /blobs/{sha}/"), ""),
            (format!("GET http://h/blobs/{sha}"), ""),
            (format!("PUT /blobs/{sha}"), ""),
            (format!("GET /blobs/{}", &sha.as_str()[1..]), ""),
            ("GET /boot.ipxe".to_owned(), ""),
            (get.clone(), "Content-Length: 3\r\n"),
            (get.clone(), "Transfer-Encoding: chunked\r\n"),
            (get.clone(), "Connection: upgrade\r\n"),
            (get.clone(), "Host: b\r\n"),
            (get.clone(), "Range: bytes=0-1\r\nRange: bytes=2-3\r\n"),
        ] {
            assert_eq!(of(&first, rest), None, "{first} {rest}");
        }
        for other in [
            format!("{get} HTTP/1.0\r\nHost: a\r\n\r\n"),
            format!("{get} HTTP/1.1\r\n\r\n"),
            format!("{get} HTTP/1.1\r\nHost: a\r\n"),
            format!("{get} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "\u{1}"),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(wish(other.as_bytes()), None, "{other}");
        }
    }
}
