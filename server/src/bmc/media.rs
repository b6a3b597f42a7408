//! The URL of an image for virtual media: one that a BMC can fetch, and that shows no secret. It is only named here.

use crate::domain::ids::Invalid;
use std::fmt;
use std::str::FromStr;

/// Such a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(String);

/// What BMCs fetch by (DSP2046, VirtualMedia, TransferProtocolType).
const SCHEMES: [&str; 6] = ["http", "https", "nfs", "cifs", "smb", "tftp"];
const LONGEST: usize = 1_000;
/// A query of so few characters lets nobody in, and may stand in any word.
const SECRET: usize = 3;

impl Image {
    /// As the BMC needs it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What a BMC says, without what is in the query of this URL: many repeat a value that they do not like.
    pub(super) fn scrub(&self, words: &str) -> String {
        match self.0.split_once('?') {
            Some((_, query)) if query.len() > SECRET => without_queries(&words.replace(query, "...")),
            _ => without_queries(words),
        }
    }
}

/// For people and logs: without the query, which may be what lets somebody in.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({self})")
    }
}

impl FromStr for Image {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // What came is not repeated: somebody may have put a password into it.
        let bad = |expected: &'static str| Invalid::new("image URL", expected, "something else");
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
            .ok_or_else(|| bad("http, https, nfs, cifs, smb or tftp://HOST/PATH"))?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.contains('@') {
            return Err(bad("a URL without user and password: it would be readable at the BMC and here"));
        }
        let is_plain = text.len() <= LONGEST && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        if host.is_empty() || rest.len() == host.len() || !is_plain {
            return Err(bad("SCHEME://HOST/PATH of at most 1000 printable ASCII characters"));
        }
        Ok(Self(format!("{}://{rest}", scheme.to_ascii_lowercase())))
    }
}

/// A URL without user, password, and what is in its query (a signature, or a token).
pub(super) fn shown(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?..."));
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url}{query}") };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.get(..end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://{}{query}", rest.get(at + 1..).unwrap_or_default()),
        None => format!("{url}{query}"),
    }
}

/// Text in which each URL ends with its `?`.
pub(super) fn without_queries(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, url)) = rest.split_once("://") {
        let end = url.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let (path, query) = url.split_once('?').map_or((url, ""), |(path, _)| (path, "?..."));
        out.extend([before, "://", path, query]);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_bmc_can_fetch() {
        for good in
            ["http://10.0.0.1/a.iso", "HTTPS://[fd00::1]:8443/x?y=1", "nfs://nas/exports/a.iso", "cifs://nas/s/a"]
        {
            assert!(good.parse::<Image>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a.iso",
            "file:///etc/passwd",
            "http://",
            "http://host",
            "http://h/a b",
            "http://h/\u{1f43b}",
            "x://h/a",
        ] {
            assert!(bad.parse::<Image>().is_err(), "{bad}");
        }
        let error = "https://admin:hunter2@nas/a.iso".parse::<Image>().unwrap_err().to_string();
        assert!(error.contains("without user and password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(shown("https://u:p@nas/a@b.iso"), "https://nas/a@b.iso");
        assert_eq!(shown("https://nas/a@b.iso"), "https://nas/a@b.iso");
        assert_eq!(shown("a.iso"), "a.iso");
        let signed: Image = "https://s3/a.iso?X-Amz-Signature=hunter2".parse().unwrap();
        assert_eq!((signed.to_string().as_str(), signed.as_str().len()), ("https://s3/a.iso?...", 40));
        assert_eq!(shown("https://u:p@s3/a.iso?sig=hunter2"), "https://s3/a.iso?...");
    }

    #[test]
    fn what_a_bmc_repeats_of_a_query_is_not_shown() {
        let signed: Image = "https://s3/a.iso?X-Amz-Signature=hunter2".parse().unwrap();
        for (words, shown) in [
            ("the value 'https://s3/a.iso?X-Amz-Signature=hunter2' is bad", "the value 'https://s3/a.iso?...' is bad"),
            // In another way of writing it, cut short, twice, and without the rest.
            ("HTTPS://S3/a.iso?x-amz-signature=hunter2: no", "HTTPS://S3/a.iso?... no"),
            ("no https://s3/a.iso?X-Amz-Signature=hunt", "no https://s3/a.iso?..."),
            ("http://a?x=hunter2 http://b?y=hunter2", "http://a?... http://b?..."),
            ("bad query X-Amz-Signature=hunter2", "bad query ..."),
            ("is it there? http://nas/a.iso is not", "is it there? http://nas/a.iso is not"),
            ("", ""),
        ] {
            assert_eq!(signed.scrub(words), shown);
        }
        let plain: Image = "http://h/a?i".parse().unwrap();
        assert_eq!(plain.scrub("it is in use: ://"), "it is in use: ://");
    }
}
