//! The HTTPS client: one certificate authority (never the system's), the token of a file, a deadline on every wait.
//! The token goes nowhere but into the Authorization header; errors never carry it.

use super::Global;
use super::error::{Exit, Failure, Result, chain};
use higuma_proto::api::ApiError;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Method, Request, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{AsSendBody, SendBody};

/// The server's usual address on the same machine.
pub const DEFAULT_SERVER: &str = "https://localhost:8443";
const CONNECT: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for so long is given up.
const IDLE: Duration = Duration::from_secs(60);
/// The answer to one call; the server may be hashing or committing a large upload before it, or asking a BMC: that takes
/// 150 s at most, and then the server knows better than we how it ended.
const ANSWER: Duration = Duration::from_secs(180);
/// No answer of the API is larger.
const ANSWER_LIMIT: u64 = 64 << 20;
const FILE_LIMIT: u64 = 1 << 20;
/// A list that does not end is a fault of the server.
const MOST_PAGES: usize = 100_000;

/// A connection pool to one server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    shown: String,
    authorization: String,
    token_file: String,
}

impl Client {
    /// Reads CA and token; connects when first used.
    pub fn new(global: &Global) -> Result<Self> {
        let data = global.data_dir();
        let server = match &global.server {
            Some(url) => url.clone(),
            None => read_text(&data.join("url"))?.unwrap_or_else(|| DEFAULT_SERVER.into()),
        };
        let (host, port) = parse_server(&server)?;

        let ca = global.ca.clone().unwrap_or_else(|| data.join("ca.pem"));
        let pem = read_needed(&ca, "the certificate authority", "--ca FILE or --data-dir DIR")?;
        let ca = Certificate::from_pem(pem.as_bytes()).map_err(|e| {
            Failure::usage(format!("expected a PEM certificate in {}: {e}; give the server's ca.pem", ca.display()))
        })?;

        let token_path = global.token_file.clone().unwrap_or_else(|| data.join("admin.token"));
        let token = read_needed(&token_path, "the token", "--token-file FILE or --data-dir DIR")
            .map_err(|f| Failure { exit: Exit::Unauthorised, ..f })?;
        if token.len() < 16 || !token.bytes().all(|b| b.is_ascii_graphic()) {
            let path = token_path.display();
            return Err(Failure {
                exit: Exit::Unauthorised,
                message: format!("expected one line of 64 hexadecimal digits in {path}: copy the server's admin.token"),
            });
        }

        let name = match &global.tls_name {
            Some(name) => Some(name.clone()),
            // The data folder's name belongs to the data folder's CA, not to one given by hand.
            None if global.ca.is_none() => read_text(&data.join("server-name"))?,
            None => None,
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::new_with_certs(&[ca]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(ANSWER))
            .timeout_per_write(Some(IDLE))
            .timeout_recv_response(Some(ANSWER))
            .tls_config(tls)
            .build();
        let reached = format!("https://{host}:{port}");
        let base = name.map_or_else(|| reached.clone(), |n| format!("https://{n}:{port}"));
        if base.parse::<Uri>().is_err() {
            return Err(Failure::usage(format!("expected a DNS name for --tls-name: {base} is no address")));
        }
        let resolver = ReachedHost(
            reached.parse().map_err(|e| Failure::usage(format!("expected an address as {DEFAULT_SERVER}: {e}")))?,
        );
        Ok(Self {
            agent: ureq::Agent::with_parts(config, DefaultConnector::default(), resolver),
            base,
            shown: reached,
            authorization: format!("Bearer {token}"),
            token_file: token_path.display().to_string(),
        })
    }

    /// GET as JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None::<&()>)
    }

    /// All pages of a list in one: `{"items": [...]}`. `query` is without `cursor`, and may be empty.
    pub fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let mut page = self.get(&with_query(path, &query))?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => {
                    return Err(Failure::failed(format!(
                        "expected a list from {}{path}, got something else",
                        self.shown
                    )));
                }
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
                Some(_) => break,
                None => return Ok(json!({ "items": items })),
            }
        }
        Err(Failure::failed(format!("the list {}{path} does not end: report this as a fault", self.shown)))
    }

    /// Any method, with a JSON body or none.
    pub fn call<B: Serialize>(&self, method: Method, path: &str, body: Option<&B>) -> Result<Value> {
        let request = self.request(method, path);
        let (status, bytes) = match body {
            None => self.exchange(request, ()),
            Some(body) => {
                let json = serde_json::to_vec(body).map_err(|e| Failure::because("JSON", &e))?;
                self.exchange(request.header("content-type", "application/json"), &json[..])
            }
        }?;
        if !status.is_success() {
            return Err(self.refused(status, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes)
            .map_err(|e| Failure::failed(format!("expected JSON from {}{path}, got something else: {e}", self.shown)))
    }

    /// Does the server have this blob?
    pub fn has_blob(&self, sha256: &str) -> Result<bool> {
        let (status, bytes) = self.exchange(self.request(Method::HEAD, &format!("/api/v1/blobs/{sha256}")), ())?;
        match status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            status => Err(self.refused(status, &bytes)),
        }
    }

    /// Stream a blob up; the server checks the hash and keeps it only whole.
    pub fn put_blob(&self, sha256: &str, size: u64, mut body: impl Read) -> Result<()> {
        let request = self
            .request(Method::PUT, &format!("/api/v1/blobs/{sha256}"))
            .header("content-type", "application/octet-stream")
            .header("content-length", size)
            .header("expect", "100-continue");
        let (status, bytes) = self.exchange(request, SendBody::from_reader(&mut body))?;
        if status.is_success() { Ok(()) } else { Err(self.refused(status, &bytes)) }
    }

    /// Download so many bytes to a new file. The caller checks what they are.
    pub fn fetch(&self, path: &str, size: u64, to: &Path) -> Result<()> {
        let request = self.request(Method::GET, path);
        let request = request.body(()).map_err(|e| Failure::because("could not make the request", &e))?;
        let mut response = self.agent.run(request).map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if !status.is_success() {
            let read = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec();
            return Err(self.refused(status, &read.unwrap_or_default()));
        }
        let mut file = std::fs::File::create_new(to).map_err(Failure::io("make", to))?;
        // One byte more, so that a longer one is seen.
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader().take(size.saturating_add(1));
        let got = std::io::copy(&mut body, &mut file)
            .map_err(|e| Failure::failed(format!("could not fetch {}{path}: {e}", self.shown)))?;
        match got == size {
            true => Ok(()),
            false => Err(Failure::failed(format!("expected {size} bytes of {}{path}, got {got}", self.shown))),
        }
    }

    fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            // The address as people and nodes use it; the URI carries the name that TLS checks.
            .header("host", self.shown.trim_start_matches("https://"))
            .header("authorization", &self.authorization)
            .header("accept", "application/json")
    }

    fn exchange(&self, request: ureq::http::request::Builder, body: impl AsSendBody) -> Result<(StatusCode, Vec<u8>)> {
        let request = request.body(body).map_err(|e| Failure::because("could not make the request", &e))?;
        let mut response = self.agent.run(request).map_err(|e| self.unreachable(&e))?;
        let bytes =
            response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec().map_err(|e| self.unreachable(&e))?;
        Ok((response.status(), bytes))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let text = chain(error);
        let hint = if text.contains("UnknownIssuer") || text.contains("BadSignature") {
            "the certificate is not of this certificate authority: give the ca.pem of that server with --ca"
        } else if text.contains("not valid for name") || text.contains("NotValidForName") {
            "the certificate does not carry that name: give the content of the server's `server-name` file with --tls-name"
        } else {
            "is `higuma serve` running there? Give another address with --server or HIGUMA_SERVER"
        };
        Failure { exit: Exit::Unavailable, message: format!("could not talk to {}: {text}; {hint}", self.shown) }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let message = match serde_json::from_slice::<ApiError>(body) {
            Ok(error) => error.message,
            Err(_) if status == StatusCode::NOT_FOUND => "there is no such thing".into(),
            Err(_) => format!("the server {} answered {status}", self.shown),
        };
        let exit = exit_for(status);
        let hint = match exit {
            Exit::Unauthorised => format!(" (the token came from {})", self.token_file),
            _ => String::new(),
        };
        Failure { exit, message: format!("{message}{hint}") }
    }
}

/// The exit code for a refusal.
fn exit_for(status: StatusCode) -> Exit {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Unauthorised,
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::CONFLICT => Exit::Conflict,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

/// Reaches the address that the person named, while TLS checks the fixed name of the installation: a server cannot
/// know by which of its addresses, NATs and VIPs it is called.
#[derive(Debug)]
struct ReachedHost(Uri);

impl Resolver for ReachedHost {
    fn resolve(
        &self,
        _: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(&self.0, config, timeout)
    }
}

/// Host (IPv6 in brackets) and port.
fn parse_server(url: &str) -> Result<(String, u16)> {
    let bad = || Failure::usage(format!("expected the server as https://HOST[:PORT], got {url:?}; see --server"));
    let uri: Uri = url.trim().trim_end_matches('/').parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    let plain = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    if !plain || authority.as_str().contains('@') {
        return Err(bad());
    }
    Ok((authority.host().to_owned(), authority.port_u16().unwrap_or(443)))
}

/// Percent-encode one segment of a path or one value of a query (RFC 3986, 2.3: all but unreserved characters).
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<String> = query.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// A small text file, trimmed; none when it is not there.
fn read_text(path: &Path) -> Result<Option<String>> {
    let mut text = String::new();
    match std::fs::File::open(path).and_then(|f| f.take(FILE_LIMIT).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::failed(format!("could not read {}: {e}", path.display()))),
    }
}

fn read_needed(path: &Path, what: &str, flags: &str) -> Result<String> {
    match read_text(path) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(Failure::usage(format!(
            "expected {what} in {}, which is missing or empty: start `higuma serve` on this machine once, or copy the \
             file from the server and give {flags}",
            path.display()
        ))),
        Err(failure) => Err(Failure::usage(format!("{failure}; run as the server's user, or give {flags}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_are_https_addresses() {
        assert_eq!(parse_server("https://localhost:8443/").unwrap(), ("localhost".into(), 8443));
        assert_eq!(parse_server("https://[::1]:8443").unwrap(), ("[::1]".into(), 8443));
        assert_eq!(parse_server("https://boot.example").unwrap(), ("boot.example".into(), 443));
        for bad in ["http://localhost:8443", "localhost:8443", "https://a/b", "https://u:p@a", "", "https://a?x=1"] {
            assert_eq!(parse_server(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn queries_cannot_be_broken_out_of() {
        assert_eq!(with_query("/n", &[("q", "a b&c=%d/ü"), ("x", "1")]), "/n?q=a%20b%26c%3D%25d%2F%C3%BC&x=1");
        assert_eq!(with_query("/n", &[]), "/n");
    }

    #[test]
    fn statuses_become_exit_codes() {
        for (status, exit) in [(400, 2), (401, 5), (403, 5), (404, 3), (409, 4), (413, 1), (500, 1), (502, 6), (503, 6)]
        {
            assert_eq!(exit_for(StatusCode::from_u16(status).unwrap()) as u8, exit, "{status}");
        }
    }
}
