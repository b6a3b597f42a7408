//! What a registry answers without a token, and how one is got (Docker Registry v2 token authentication; RFC 9110 section
//! 11.6.1, RFC 7617). A password goes to a place with TLS, or to a registry that is spoken to without it on purpose.

use super::wire::{Failed, Wire};
use crate::credentials::{Credentials, secret};
use crate::error::shown;
use base64::Engine;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A token is not longer, bytes.
const LONGEST: u64 = 256 * 1024;

/// A `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct Token {
    #[serde(default, deserialize_with = "secret")]
    token: Zeroizing<String>,
    #[serde(default, deserialize_with = "secret")]
    access_token: Zeroizing<String>,
}

impl Challenge {
    /// Nothing for what is neither.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        let realm = parameters.remove("realm")?;
        Some(Self::Bearer { realm, service: parameters.remove("service"), scope: parameters.remove("scope") })
    }
}

/// `key="value", key=value`; a backslash takes the next character as it is.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut rest = text.chars().peekable();
    loop {
        let key: String = std::iter::from_fn(|| rest.next_if(|c| *c != '=')).collect();
        if rest.next().is_none() {
            return all;
        }
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            while let Some(c) = rest.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(rest.next()),
                    c => value.push(c),
                }
            }
        } else {
            value.extend(std::iter::from_fn(|| rest.next_if(|c| *c != ',')));
        }
        all.entry(key.trim().to_ascii_lowercase()).or_insert(value);
        while rest.next_if(|c| matches!(c, ',' | ' ')).is_some() {}
    }
}

/// The value of `Authorization` that answers a challenge.
pub(super) async fn token(wire: &Wire, challenge: Option<Challenge>, what: &str) -> Result<HeaderValue, Failed> {
    let refused = |said: &str| Failed::Finally(wire.unauthorised(what, said.into()));
    let credentials = wire.options.credentials.as_ref();
    match challenge {
        None => Err(refused("401 Unauthorized, and it does not say how to log in")),
        Some(Challenge::Basic) => basic(credentials.ok_or_else(|| refused("it wants a user and a password"))?)
            .ok_or_else(|| refused("bad credentials")),
        Some(Challenge::Bearer { realm, service, scope }) => {
            let mut url = Url::parse(&realm).map_err(|_| {
                wire.error(format!("it sends to {:?} for a token, which is no address", shown(realm.as_bytes())))
            })?;
            // The registry chooses who sees the password: nobody does without TLS.
            let registry = wire.reference.endpoint().split(':').next();
            let plain = wire.plain() && url.scheme() == "http" && url.host_str() == registry;
            if url.scheme() != "https" && !plain {
                let problem = format!(
                    "it sends to {} for a token, which is not TLS; nothing was sent there",
                    shown(realm.as_bytes())
                );
                return Err(Failed::Finally(wire.error(problem)));
            }
            let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", wire.reference.repository));
            url.query_pairs_mut().append_pair("scope", &scope);
            if let Some(service) = &service {
                url.query_pairs_mut().append_pair("service", service);
            }
            let mut request = wire.client.get(url);
            if let Some(value) = credentials.and_then(basic) {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(|e| wire.broken("a token", &e))?;
            if !response.status().is_success() {
                return Err(wire.refused(response, what).await);
            }
            let bytes = Zeroizing::new(wire.body(response, LONGEST, "a token").await?);
            let token: Token = serde_json::from_slice(&bytes)
                .map_err(|_| wire.error("expected a token as JSON, got something else"))?;
            let token = if token.token.is_empty() { token.access_token } else { token.token };
            if token.is_empty() {
                return Err(Failed::Finally(wire.error("it answers without a token")));
            }
            header(&format!("Bearer {}", token.as_str()))
                .ok_or_else(|| Failed::Finally(wire.error("its token cannot be used")))
        }
    }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{}:{}", credentials.user, credentials.password.as_str()));
    header(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes())))
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
                scope: scope.map(Into::into),
            })
        };
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"";
        assert_eq!(
            Challenge::parse(hub),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(Challenge::parse("bearer Realm=\"a\\\"b\", error=x"), bearer("a\"b", None, None));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        for bad in ["", "Bearer", "Bearer service=\"x\"", "Digest realm=\"x\"", "Bearer realm"] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }
}
