//! One HTTP exchange with one service: no redirect, no proxy, a bounded body. No decision about what an answer means,
//! and no deadline of its own (`exchange` sets one around it).

use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::target::{Limits, Target};
use crate::tls::Pin;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, LOCATION, RETRY_AFTER};
use reqwest::{Method, Url};
use serde_json::Value;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a request shows who asks.
pub(crate) enum Credential<'a> {
    None,
    Token(&'a HeaderValue),
    Basic(&'a str, &'a str),
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// An object; a text when it was none; `Null` when there was none.
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
    pub(crate) location: Option<Link>,
    /// Marked as sensitive: its `Debug` shows nothing.
    pub(crate) token: Option<HeaderValue>,
    pub(crate) retry_after: Option<Duration>,
}

/// An operation whose answers are counted together.
pub(crate) struct Counted<'a> {
    wire: &'a Wire,
    is_outer: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.is_outer {
            *self.wire.left.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// The connection to one service.
pub(crate) struct Wire {
    http: reqwest::Client,
    origin: Url,
    pin: Option<Arc<Pin>>,
    body: usize,
    /// Bytes of all answers of one operation, at most; and what is left of them while there is one.
    budget: usize,
    left: Mutex<Option<usize>>,
}

impl Wire {
    /// Checks the URL; sends nothing.
    pub(crate) fn new(target: &Target, limits: &Limits) -> Result<Self, RedfishError> {
        let wrong =
            |why: &str| RedfishError::Setting(format!("the URL of a Redfish service is https://ADDRESS[:PORT]; {why}"));
        // The URL is not repeated: somebody may have put a password into it.
        let origin = Url::parse(&target.url).map_err(|error| wrong(&format!("this one is none: {error}")))?;
        if !origin.username().is_empty() || origin.password().is_some() {
            return Err(wrong("user and password do not belong into it"));
        }
        if origin.host().is_none()
            || !matches!(origin.path(), "" | "/")
            || origin.query().or(origin.fragment()).is_some()
        {
            return Err(wrong("nothing may follow the address"));
        }
        let builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent("higuma")
            .connect_timeout(limits.connect)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(10));
        let tls = |error: rustls::Error| RedfishError::Setting(format!("TLS cannot be set up: {error}"));
        let pin = match origin.scheme() {
            "https" => Some(Pin::new(target.fingerprint)),
            "http" if target.allow_http => None,
            "http" => {
                return Err(wrong("http is not allowed by the settings: a password would be readable on the network"));
            }
            other => return Err(wrong(&format!("the scheme {other:?} is not one of Redfish"))),
        };
        // Without TLS the configuration is never used, and reqwest still wants one.
        let config = pin.clone().unwrap_or_else(|| Pin::new(None)).config().map_err(tls)?;
        let http = builder
            .tls_backend_preconfigured(config)
            .build()
            .map_err(|error| RedfishError::Setting(format!("the HTTP client cannot be set up: {}", chain(&error))))?;
        Ok(Self { http, origin, pin, body: limits.body, budget: limits.operation_bytes, left: Mutex::new(None) })
    }

    /// Scheme, address and port.
    pub(crate) fn service(&self) -> &str {
        self.origin.as_str().trim_end_matches('/')
    }

    pub(crate) fn pin(&self) -> Option<&Pin> {
        self.pin.as_deref()
    }

    /// An operation begins: its answers are counted together until what is given is dropped, also when its future is. One
    /// within another is part of it.
    pub(crate) fn begin(&self) -> Counted<'_> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_outer = left.is_none();
        left.get_or_insert(self.budget);
        Counted { wire: self, is_outer }
    }

    /// Takes so many bytes of the operation's; false: there are not so many left.
    fn take(&self, bytes: usize) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = left.as_mut() else { return true };
        match left.checked_sub(bytes) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn once(
        &self,
        method: &Method,
        link: &Link,
        body: Option<&Value>,
        if_match: Option<&str>,
        credential: Credential<'_>,
    ) -> Result<Answer, RedfishError> {
        let what = || format!("{method} {link}");
        let url =
            link.url(&self.origin).ok_or_else(|| RedfishError::malformed(what(), "this link leaves the service"))?;
        let mut request =
            self.http.request(method.clone(), url).header(ACCEPT, "application/json").header("OData-Version", "4.0");
        request = match credential {
            Credential::None => request,
            Credential::Token(token) => request.header("X-Auth-Token", token.clone()),
            Credential::Basic(user, password) => request.basic_auth(user, Some(password)),
        };
        if let Some(tag) = if_match {
            request = request.header(IF_MATCH, tag);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if bytes.len() + chunk.len() > self.body {
                return Err(RedfishError::malformed(what(), format!("it is longer than {} bytes", self.body)));
            }
            if !self.take(chunk.len()) {
                return Err(RedfishError::TooMuch { what: what(), bytes: self.budget });
            }
            bytes.extend_from_slice(&chunk);
        }
        let body = match serde_json::from_slice(&bytes) {
            Ok(value @ Value::Object(_)) => value,
            Err(error) if *method == Method::GET && status == 200 => {
                return Err(RedfishError::malformed(what(), format!("a JSON object was expected: {error}")));
            }
            Ok(_) if *method == Method::GET && status == 200 => {
                return Err(RedfishError::malformed(what(), "a JSON object was expected, another JSON value came"));
            }
            // An error page of a web server says nothing to people.
            _ if bytes.is_empty() || bytes.trim_ascii_start().starts_with(b"<") => Value::Null,
            _ => Value::String(String::from_utf8_lossy(bytes.get(..4096).unwrap_or(&bytes)).into_owned()),
        };
        Ok(self.answer(status, &headers, body))
    }

    fn answer(&self, status: u16, headers: &HeaderMap, body: Value) -> Answer {
        let header = |name: &reqwest::header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let token = headers.get("X-Auth-Token").filter(|token| !token.is_empty()).cloned().map(|mut token| {
            token.set_sensitive(true);
            token
        });
        Answer {
            status,
            etag: header(&ETAG)
                .or_else(|| json::raw(&body, "@odata.etag"))
                .filter(|tag| usable_tag(tag))
                .map(str::to_owned),
            location: header(&LOCATION).and_then(|text| Link::location(text, &self.origin)),
            token,
            retry_after: header(&RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
            body,
        }
    }

    fn failed(&self, error: reqwest::Error) -> RedfishError {
        let service = self.service().to_owned();
        if let Some((pinned, presented)) = self.pin().and_then(Pin::take_change) {
            return RedfishError::CertificateChanged { service, pinned, presented };
        }
        RedfishError::Unreachable { service, why: json::clean(&chain(&error.without_url()), 400) }
    }
}

fn usable_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.len() <= 256 && HeaderValue::from_str(tag).is_ok()
}

/// An error and what is behind it, each once.
fn chain(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next.filter(|_| words.len() < 8) {
        let text = error.to_string();
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    words.join(": ")
}
