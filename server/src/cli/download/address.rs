//! The address of a file on the web: `https://` or `http://`, with the SHA-256 of what must be there in its fragment
//! (`URL#sha256=HEX`). Names, passwords and queries (which carry signatures) are sent, and never shown.

use crate::cli::error::{Failure, Result};
use base64::Engine;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Where to fetch a file, and what it must be.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Without name, password and fragment.
    url: Url,
    /// Value of an Authorization header, for the same server only.
    authorization: Option<Zeroizing<String>>,
    /// 64 hexadecimal digits in lower case.
    pub sha256: Option<String>,
}

impl Address {
    /// Does this mean something on the web, rather than a file?
    pub fn is_one(text: &str) -> bool {
        let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|b| b.eq_ignore_ascii_case(scheme));
        begins("https://") || begins("http://")
    }

    /// # Errors
    /// Usage: it is no address, its fragment is something else, or it is plain http without a SHA-256.
    pub fn parse(text: &str, sha256: Option<&str>) -> Result<Self> {
        // What cannot be read is not shown: a password may be in it.
        let mut url = Url::parse(text.trim()).map_err(|e| {
            Failure::usage(format!("expected an address as https://HOST/PATH, got one that cannot be read: {e}"))
        })?;
        let said = match url.fragment() {
            None => None,
            Some(fragment) => match fragment.strip_prefix("sha256=") {
                Some(hex) => Some(hash(hex)?),
                None => {
                    let text = format!("expected #sha256=HEX after {}, got another fragment", shown(&url));
                    return Err(Failure::usage(text));
                }
            },
        };
        let given = sha256.map(hash).transpose()?;
        if let (Some(said), Some(given)) = (&said, &given)
            && said != given
        {
            return Err(Failure::usage("expected one SHA-256, got two: #sha256= and --sha256 differ"));
        }
        let authorization = authorization(&url);
        url.set_fragment(None);
        let _ = (url.set_username(""), url.set_password(None));
        let address = Self { url, authorization, sha256: said.or(given) };
        if address.is_plain() && address.sha256.is_none() {
            return Err(Failure::usage(format!(
                "expected the SHA-256 of {address}, as anybody on the way can change what plain http carries: add \
                 #sha256=HEX to the address, or use https"
            )));
        }
        Ok(address)
    }

    /// Not encrypted.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() != "https"
    }

    /// What to ask for.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Secret.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|a| a.as_str())
    }

    /// 32 hexadecimal digits, the same for the same address whoever asks.
    pub fn key(&self) -> String {
        let mut digits = hex::encode(Sha256::digest(self.url.as_str()));
        digits.truncate(32);
        digits
    }

    /// Where a redirect of this leads. Name and password go to the same server only.
    ///
    /// # Errors
    /// It leads to no web address, or from https to plain http while no SHA-256 says what must be there.
    pub fn redirected(&self, location: &str) -> Result<Self> {
        let bad = |why: &str| Failure::failed(format!("{self} leads to {why}"));
        let mut url = self.url.join(location).map_err(|_| bad("an address that cannot be read"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(bad("something that is neither https nor http"));
        }
        let own = authorization(&url);
        let same = url.origin() == self.url.origin();
        url.set_fragment(None);
        let _ = (url.set_username(""), url.set_password(None));
        let authorization = own.or_else(|| self.authorization.clone().filter(|_| same));
        let next = Self { url, authorization, sha256: self.sha256.clone() };
        if next.is_plain() && !self.is_plain() && self.sha256.is_none() {
            return Err(bad(&format!(
                "{next}, which is plain http: give the SHA-256 of the file as #sha256=HEX, or its address with https"
            )));
        }
        Ok(next)
    }
}

/// As people may see it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.url))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let query = if url.query().is_some() { "?..." } else { "" };
    format!("{}://{}{port}{}{query}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Basic (RFC 7617), of what was percent-encoded in the address.
fn authorization(url: &Url) -> Option<Zeroizing<String>> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = Zeroizing::new(decoded(url.username()));
    pair.push(b':');
    pair.extend_from_slice(&Zeroizing::new(decoded(url.password().unwrap_or_default())));
    let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*pair));
    Some(Zeroizing::new(format!("Basic {}", *encoded)))
}

/// Without percent-encoding (RFC 3986, 2.1); what is none stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// A SHA-256 as a person writes it.
///
/// # Errors
/// Usage.
pub fn hash(text: &str) -> Result<String> {
    let text = text.trim();
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Failure::usage(format!("expected a SHA-256 of 64 hexadecimal digits, got {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_hash_is_part_of_the_address() {
        let (low, high) = ("ab".repeat(32), "AB".repeat(32));
        let with = format!("http://mirror.example/a.iso#sha256={high}");
        assert_eq!(Address::parse(&with, None).unwrap().sha256, Some(low.clone()));
        assert_eq!(Address::parse(&with, Some(&low)).unwrap().sha256, Some(low.clone()));
        assert_eq!(Address::parse("http://a/b", Some(&high)).unwrap().sha256, Some(low));
        assert_eq!(Address::parse("https://a/b", None).unwrap().sha256, None);
        let other = "cd".repeat(32);
        for (bad, sha256) in [
            ("http://a/b", None),
            ("https://a/b#part", None),
            ("https://a/b#sha256=ab", None),
            ("https://a/b", Some("xy")),
            (&*with, Some(&*other)),
            ("https://", None),
        ] {
            let failed = Address::parse(bad, sha256).unwrap_err();
            assert_eq!(failed.exit, crate::cli::Exit::Usage, "{bad}");
        }
        assert!(Address::is_one("HTTPS://a/b") && !Address::is_one("./https://a") && !Address::is_one("https:/a"));
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let address = Address::parse("https://me:p%40ss@files.example:8443/a%20b?X-Signature=geheim", None).unwrap();
        assert_eq!(format!("{address} {address:?}").matches("https://files.example:8443/a%20b?...").count(), 2);
        for secret in ["p@ss", "p%40ss", "geheim", "bWU6"] {
            assert!(!format!("{address}{address:?}").contains(secret), "{secret}");
        }
        assert_eq!(address.authorization(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(address.url(), "https://files.example:8443/a%20b?X-Signature=geheim");
        let plain = Address::parse("https://files.example:8443/a%20b?X-Signature=geheim", None).unwrap();
        assert_eq!((address.key(), plain.authorization()), (plain.key(), None));
        let bad = Address::parse("https://me:geheim@[::1/a", None).unwrap_err();
        assert!(!bad.message.contains("geheim"), "{bad}");
    }

    #[test]
    fn redirects_keep_secrets_and_encryption() {
        let from = Address::parse("https://me:secret@a.example/x/y", None).unwrap();
        let near = from.redirected("../z").unwrap();
        assert_eq!((near.url(), near.authorization()), ("https://a.example/z", from.authorization()));
        for (far, url) in [("https://b.example/z", "https://b.example/z"), ("//a.example:1/z", "https://a.example:1/z")]
        {
            let far = from.redirected(far).unwrap();
            assert_eq!((far.url(), far.authorization()), (url, None));
        }
        for bad in ["http://a.example/z", "file:///etc/passwd", "https://["] {
            let failed = from.redirected(bad).unwrap_err();
            assert!(failed.message.starts_with("https://a.example/x/y leads to"), "{failed}");
        }
        let known = Address::parse("https://a.example/x", Some(&"0".repeat(64))).unwrap();
        assert!(known.redirected("http://a.example/z").unwrap().is_plain());
    }
}
