//! Single requests to a registry, with tokens and tries. What does not come in time, or is too long, is an error.

use super::RegistryOptions;
use super::auth::{Challenge, token};
use crate::error::{Error, Result, shown};
use crate::manifest::LONGEST;
use crate::reference::Reference;
use crate::trust::trusted_tls;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode, Url};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
/// Of a manifest or token, one try.
const SMALL: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const MOST_REDIRECTS: usize = 5;
/// Of an error's text, bytes.
const LONGEST_PROBLEM: u64 = 8192;

/// See the module.
pub(super) struct Wire {
    pub(super) reference: Reference,
    pub(super) options: RegistryOptions,
    pub(super) client: reqwest::Client,
    base: Url,
    authorization: Mutex<Option<HeaderValue>>,
}

/// What became of one try.
pub(super) enum Failed {
    /// It may go better another time; after so long, if the registry said when.
    Again(Error, Option<Duration>),
    /// It will not.
    Finally(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Finally(error)
    }
}

impl Wire {
    pub(super) fn new(reference: &Reference, options: &RegistryOptions) -> Result<Self> {
        let plain = options.insecure_http || reference.is_loopback();
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", reference.endpoint(), reference.repository);
        let base = Url::parse(&base).map_err(|e| Error::Usage(format!("{base} is no address of a registry: {e}")))?;
        let redirects = reqwest::redirect::Policy::custom(move |attempt| {
            let too_many = attempt.previous().len() > MOST_REDIRECTS;
            let downgrade = !plain && attempt.url().scheme() != "https";
            match too_many || downgrade {
                true => attempt.error("too many redirects, or one that leaves TLS"),
                false => attempt.follow(),
            }
        });
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trusted_tls(plain)?)
            .connect_timeout(CONNECT)
            .read_timeout(options.silence)
            .redirect(redirects)
            .user_agent(concat!("higuma/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::Usage(format!("could not set up HTTPS: {}", causes(&e))))?;
        let authorization = Mutex::new(None);
        Ok(Self { reference: reference.clone(), options: options.clone(), client, base, authorization })
    }

    pub(super) fn plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> Error {
        Error::Registry { host: self.reference.host.clone(), problem: problem.into() }
    }

    /// A small document, tried several times.
    pub(super) async fn small(&self, path: &str, accept: &str, what: &str) -> Result<Vec<u8>> {
        let mut tries = 0;
        loop {
            let once = async {
                let mut headers = HeaderMap::new();
                if let Ok(accept) = HeaderValue::from_str(accept) {
                    headers.insert(reqwest::header::ACCEPT, accept);
                }
                let response = self.get(path, headers, what).await?;
                self.body(response, LONGEST, what).await
            };
            let failed = match tokio::time::timeout(SMALL, once).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::Again(self.error(format!("{what} did not come within {} s", SMALL.as_secs())), None),
            };
            tries += 1;
            self.wait(failed, tries).await?;
        }
    }

    /// Wait for the next try, or give up.
    pub(super) async fn wait(&self, failed: Failed, tries: u32) -> Result<()> {
        match failed {
            Failed::Finally(error) => Err(error),
            Failed::Again(error, _) if tries >= self.options.tries => Err(match error {
                Error::Registry { host, problem } => {
                    Error::Registry { host, problem: format!("{problem} ({tries} tries)") }
                }
                other => other,
            }),
            Failed::Again(_, said) => {
                let doubled = self.options.first_wait.saturating_mul(1 << (tries - 1).min(16));
                tokio::time::sleep(said.unwrap_or(doubled).min(LONGEST_WAIT)).await;
                Ok(())
            }
        }
    }

    /// One request; a token is fetched when one is asked for. Anything but 2xx is an error. Who asked for a range gets what else
    /// came instead, but for 401, 404 and 429, which say the same of the whole: that one can begin anew.
    pub(super) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
        what: &str,
    ) -> std::result::Result<Response, Failed> {
        let url = self.base.join(path).map_err(|e| self.error(format!("{path} is no address: {e}")))?;
        let mut asked = false;
        loop {
            let mut request = self.client.get(url.clone()).headers(headers.clone());
            let used = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(value) = &used {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let response = request.send().await.map_err(|e| self.broken(what, &e))?;
            match response.status() {
                status if status.is_success() => return Ok(response),
                StatusCode::UNAUTHORIZED if !asked => {
                    asked = true;
                    let challenge = challenge(&response);
                    // Another download may have got one meanwhile.
                    let now = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    if now == used {
                        let value = tokio::time::timeout(SMALL, token(self, challenge, what))
                            .await
                            .map_err(|_| Failed::Again(self.error("no token came in time"), None))??;
                        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                    }
                }
                StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => {
                    return Err(self.refused(response, what).await);
                }
                _ if headers.contains_key(RANGE) => return Ok(response),
                _ => return Err(self.refused(response, what).await),
            }
        }
    }

    /// Why the registry does not give it.
    pub(super) async fn refused(&self, response: Response, what: &str) -> Failed {
        let status = response.status();
        let after =
            response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let text = match tokio::time::timeout(Duration::from_secs(5), self.body(response, LONGEST_PROBLEM, what)).await
        {
            Ok(Ok(bytes)) => message(&bytes),
            _ => String::new(),
        };
        let said = if text.is_empty() { status.to_string() } else { format!("{status}, {text}") };
        match status {
            StatusCode::NOT_FOUND => Failed::Finally(Error::NotFound(format!(
                "{} has no {what}: {said}; check name and tag",
                self.reference.host
            ))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failed::Finally(self.unauthorised(what, said)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Failed::Again(self.error(format!("{what}: {said}")), after)
            }
            status if status.is_server_error() => Failed::Again(self.error(format!("{what}: {said}")), after),
            _ => Failed::Finally(self.error(format!("{what}: {said}"))),
        }
    }

    pub(super) fn unauthorised(&self, what: &str, said: String) -> Error {
        let todo = match &self.options.credentials {
            Some(_) => {
                "the credentials are not those of this registry, or may not read the image (a private image that does \
                        not exist looks the same)"
            }
            None => "give credentials that may read it (a private image that does not exist looks the same)",
        };
        Error::Unauthorised { host: self.reference.host.clone(), what: what.into(), said, todo: todo.into() }
    }

    pub(super) fn broken(&self, what: &str, error: &reqwest::Error) -> Failed {
        // The address may carry a token in its query.
        let text = causes(error);
        match error.is_redirect() || error.is_builder() {
            true => Failed::Finally(self.error(format!("{what}: {text}"))),
            false => Failed::Again(self.error(format!("{what}: {text}")), None),
        }
    }

    /// A whole answer, of at most so many bytes.
    pub(super) async fn body(
        &self,
        mut response: Response,
        longest: u64,
        what: &str,
    ) -> std::result::Result<Vec<u8>, Failed> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.broken(what, &e))? {
            if (bytes.len() + chunk.len()) as u64 > longest {
                let (at, what) = (self.reference.host.clone(), format!("{what}: the answer has more bytes"));
                return Err(Failed::Finally(Error::Limit { at, what, limit: longest }));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// What a registry wants, out of all its headers: a token rather than a password.
fn challenge(response: &Response) -> Option<Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
    let mut all: Vec<Challenge> = headers.filter_map(Challenge::parse).collect();
    let bearer = all.iter().position(|c| matches!(c, Challenge::Bearer { .. }));
    (!all.is_empty()).then(|| all.swap_remove(bearer.unwrap_or(0)))
}

/// `{"errors":[{"code":..,"message":..}]}` of the distribution-spec, else the beginning of the text.
fn message(bytes: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let first = json.as_ref().and_then(|json| json.get("errors")?.get(0));
    let text = |key| first.and_then(|error| error.get(key)?.as_str()).unwrap_or_default();
    match (text("code"), text("message")) {
        ("", "") => shown(bytes.get(..120).unwrap_or(bytes).trim_ascii()),
        (code, message) => shown(format!("{code}: {message}").as_bytes()),
    }
}

/// An error and its causes, without addresses.
fn causes(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "no answer in time".to_owned(),
        (_, true) => "no connection".to_owned(),
        _ => "the exchange broke off".to_owned(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {}", shown(error.to_string().as_bytes()));
        cause = error.source();
    }
    text
}
