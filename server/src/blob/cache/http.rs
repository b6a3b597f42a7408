//! An upstream that is another server's plain HTTP: `GET /blobs/{sha256}`, resumed by Range. No redirect, no proxy, no
//! credential: blobs are public, and what comes is verified. It never answers for a size that the upstream did not say.

use super::upstream::{Body, Failure, Reason, Upstream};
use crate::domain::Sha256;
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, RANGE};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);

/// One server.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
    /// `http://HOST:PORT`.
    base: String,
}

impl Http {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(base: &str) -> Result<Self> {
        // Never used over plain HTTP, but the client wants one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(Error::internal)?;
        Ok(Self { client, base: base.to_owned() })
    }

    async fn send(&self, method: Method, path: &str, from: u64) -> std::result::Result<reqwest::Response, Failure> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| broken(&self.base, Reason::Unreachable, error))?;
        let base = &self.base;
        match response.status() {
            StatusCode::OK if from == 0 => Ok(response),
            StatusCode::PARTIAL_CONTENT if from > 0 => Ok(response),
            StatusCode::NOT_FOUND => Err(Failure::new(Reason::NotFound, format!("{base} has no {path}"))),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Failure::new(
                Reason::WrongSize,
                format!("{base}: expected more than {from} bytes in {path}, and it has no more"),
            )),
            status => {
                let expected = if from == 0 { "200" } else { "206 (the rest of a blob, by Range)" };
                Err(Failure::new(Reason::Refused, format!("{base}: expected {expected} for {path}, got {status}")))
            }
        }
    }

    /// What the whole blob has, by the header that says so.
    fn told(&self, size: Option<u64>) -> std::result::Result<u64, Failure> {
        size.ok_or_else(|| Failure::new(Reason::Refused, format!("{}: expected the blob's size, got none", self.base)))
    }
}

impl Upstream for Http {
    fn name(&self) -> &str {
        &self.base
    }

    fn size<'a>(&'a self, sha256: &'a Sha256) -> BoxFuture<'a, std::result::Result<u64, Failure>> {
        Box::pin(async move {
            let response = self.send(Method::HEAD, &format!("/blobs/{sha256}"), 0).await?;
            self.told(text(response.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok()))
        })
    }

    fn read<'a>(&'a self, sha256: &'a Sha256, from: u64) -> BoxFuture<'a, std::result::Result<Body, Failure>> {
        Box::pin(async move {
            let response = self.send(Method::GET, &format!("/blobs/{sha256}"), from).await?;
            let headers = response.headers();
            let size = match from {
                0 => text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
                _ => text(headers, &CONTENT_RANGE).and_then(|range| whole(range, from)),
            };
            let size = self.told(size)?;
            let base = self.base.clone();
            let bytes = futures_util::stream::unfold(Some(response), move |response| {
                let base = base.clone();
                async move {
                    let mut response = response?;
                    match response.chunk().await {
                        Ok(Some(bytes)) => Some((Ok(bytes), Some(response))),
                        Ok(None) => None,
                        Err(error) => Some((Err(broken(&base, Reason::BrokeOff, error)), None)),
                    }
                }
            });
            Ok(Body { size, bytes: bytes.boxed() })
        })
    }

    fn check(&self) -> BoxFuture<'_, std::result::Result<(), Failure>> {
        Box::pin(async move { self.send(Method::GET, "/healthz", 0).await.map(drop) })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The size in `bytes FROM-LAST/SIZE` (RFC 9110, 14.4), when it is the rest from `from`.
fn whole(range: &str, from: u64) -> Option<u64> {
    let (part, size) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let size: u64 = size.parse().ok()?;
    (first.parse() == Ok(from) && last.parse::<u64>().ok()?.checked_add(1)? == size).then_some(size)
}

/// An error of the client, with what is behind it.
fn broken(base: &str, reason: Reason, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    Failure::new(reason, format!("{base}: {words}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn the_rest_and_nothing_else() {
        assert_eq!(whole("bytes 5-9/10", 5), Some(10));
        for wrong in ["bytes 4-9/10", "bytes 5-8/10", "bytes 5-9/*", "bytes */10", "items 5-9/10", "bytes 5-9", ""] {
            assert_eq!(whole(wrong, 5), None, "{wrong}");
        }
        assert_eq!(whole("bytes 5-18446744073709551615/10", 5), None);
    }

    /// A server that gives these answers, one a connection, and then the heads of what it was asked.
    async fn server(answers: &'static [&'static str]) -> (Http, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut heads = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                heads.push(String::from_utf8(head).unwrap().to_ascii_lowercase());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heads
        });
        (Http::new(&base).unwrap(), asked)
    }

    /// What came, and how it ended.
    async fn read(http: &Http, from: u64) -> (Vec<u8>, Option<Reason>) {
        let mut body = match http.read(&Sha256::of("x"), from).await {
            Ok(body) => body,
            Err(failure) => return (vec![], Some(failure.reason)),
        };
        assert_eq!(body.size, 10);
        let mut got = Vec::new();
        while let Some(piece) = body.bytes.next().await {
            match piece {
                Ok(bytes) => got.extend_from_slice(&bytes),
                Err(failure) => return (got, Some(failure.reason)),
            }
        }
        (got, None)
    }

    #[tokio::test]
    async fn answers_are_taken_as_what_they_are() {
        let (http, asked) = server(&[
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123",
            "HTTP/1.1 206 Partial Content\r\ncontent-length: 6\r\ncontent-range: bytes 4-9/10\r\n\r\n456789",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n0123456789",
            "HTTP/1.1 206 Partial Content\r\ncontent-length: 6\r\ncontent-range: bytes 3-8/10\r\n\r\n345678",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "not HTTP at all\r\n\r\n",
        ])
        .await;
        assert_eq!(read(&http, 0).await, (b"0123".to_vec(), Some(Reason::BrokeOff)));
        assert_eq!(read(&http, 4).await, (b"456789".to_vec(), None));
        assert_eq!(read(&http, 4).await, (vec![], Some(Reason::Refused)), "the whole instead of the rest");
        assert_eq!(read(&http, 4).await, (vec![], Some(Reason::Refused)), "another rest");
        assert_eq!(read(&http, 0).await, (vec![], Some(Reason::Refused)), "no redirect is followed");
        assert_eq!(read(&http, 0).await, (vec![], Some(Reason::NotFound)));
        assert_eq!(read(&http, 99).await, (vec![], Some(Reason::WrongSize)));
        assert_eq!(read(&http, 0).await, (vec![], Some(Reason::Refused)), "no size");
        assert_eq!(read(&http, 0).await, (vec![], Some(Reason::Unreachable)));
        let heads = asked.await.unwrap();
        assert!(
            heads[0].starts_with(&format!("get /blobs/{} http/1.1", Sha256::of("x"))) && !heads[0].contains("range:")
        );
        assert!(heads[1].contains("range: bytes=4-\r\n"), "{}", heads[1]);
        assert_eq!(read(&http, 0).await.1, Some(Reason::Unreachable), "nobody listens");
    }
}
