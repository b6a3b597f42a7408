//! Requests with all that belongs around them: a deadline, pacing, 503 with Retry-After, one renewal of the session on
//! 401, redirects of reads on the same service, and errors in words. No knowledge of any resource.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::session::{Login, Session};
use crate::target::Secret;
use crate::wire::Answer;
use reqwest::Method;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How often one request follows a redirect, and how often it waits for a busy service.
const REDIRECTS: usize = 3;
const BUSY: usize = 5;
/// Between two looks at a task.
const TASK_POLL: Duration = Duration::from_secs(1);

/// One request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) link: &'a Link,
    pub(crate) body: Option<&'a Value>,
    pub(crate) if_match: Option<&'a str>,
    /// A secret in the body, besides our own password: no message may repeat it.
    pub(crate) secret: Option<&'a Secret>,
}

impl Client {
    pub(crate) async fn get(&self, link: &Link) -> Result<Answer, RedfishError> {
        self.send(&Ask { method: Method::GET, link, body: None, if_match: None, secret: None }).await
    }

    pub(crate) async fn post(&self, link: &Link, body: &Value) -> Result<Answer, RedfishError> {
        self.send(&Ask { method: Method::POST, link, body: Some(body), if_match: None, secret: None }).await
    }

    /// Changes a resource that was just read. Its ETag goes along (DSP0266, 6.5); when it has changed in between (412),
    /// or only a strong tag is accepted, it is read again and sent once more: a PATCH of values is safe to repeat.
    pub(crate) async fn patch(&self, link: &Link, read: &Answer, body: &Value) -> Result<(), RedfishError> {
        let answer = self.patch_secret(link, read, body, None).await?;
        self.settle(answer).await
    }

    /// The same with a secret in it; a task that it became is left to the caller (`settle`).
    pub(crate) async fn patch_secret(
        &self,
        link: &Link,
        read: &Answer,
        body: &Value,
        secret: Option<&Secret>,
    ) -> Result<Answer, RedfishError> {
        let ask = |if_match| Ask { method: Method::PATCH, link, body: Some(body), if_match, secret };
        match self.send(&ask(read.etag.as_deref())).await {
            Err(RedfishError::Status { status: 412, .. }) => {
                let tag = self.get(link).await?.etag;
                let strong = tag.as_deref().map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
                self.send(&ask(strong)).await
            }
            Err(RedfishError::Status { status: 428, .. }) if read.etag.is_none() => self.send(&ask(Some("*"))).await,
            other => other,
        }
    }

    /// Waits for the task that a change became (202; DSP0266, 12). Without a task to look at, accepted is all there is.
    pub(crate) async fn settle(&self, answer: Answer) -> Result<(), RedfishError> {
        if answer.status != 202 {
            return Ok(());
        }
        let Some(monitor) = answer.location.or_else(|| json::own(&answer.body)) else { return Ok(()) };
        let wait = async {
            loop {
                sleep(answer.retry_after.unwrap_or(TASK_POLL).min(TASK_POLL * 30).max(self.limits.gap)).await;
                // A monitor answers 202 while the task runs and then with what the change itself would have said; a
                // Task resource tells its state.
                let look = match self.get(&monitor).await {
                    // Monitors go when they have been read.
                    Err(RedfishError::NotSupported(_)) => return Ok(()),
                    look => look?,
                };
                match json::raw(&look.body, "TaskState") {
                    Some("Exception" | "Killed" | "Cancelled" | "Interrupted") => {
                        let said: Vec<String> = json::list(&look.body, "Messages")
                            .iter()
                            .take(3)
                            .filter_map(|m| json::text(m, "Message"))
                            .collect();
                        let message = if said.is_empty() { "it gives no reason".into() } else { said.join("; ") };
                        return Err(RedfishError::Status {
                            what: format!("task {monitor}"),
                            status: look.status,
                            message,
                        });
                    }
                    Some("Completed") => return Ok(()),
                    None if look.status != 202 => return Ok(()),
                    _ => {}
                }
            }
        };
        self.within("a task of the service", wait).await
    }

    /// The whole of an operation, in its bound.
    pub(crate) async fn within<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, RedfishError>>,
    ) -> Result<T, RedfishError> {
        let within = self.limits.operation;
        let late = |_| Err(RedfishError::Deadline { what: what.to_owned(), within });
        let _counted = self.wire.begin();
        tokio::time::timeout(within, work).await.unwrap_or_else(late)
    }

    /// When a request that starts now must be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limits.request
    }

    pub(crate) async fn timed<T>(
        &self,
        until: Instant,
        what: &str,
        work: impl Future<Output = Result<T, RedfishError>>,
    ) -> Result<T, RedfishError> {
        let within = self.limits.request;
        let late = |_| Err(RedfishError::Deadline { what: format!("{what} on {}", self.wire.service()), within });
        timeout_at(until, work).await.unwrap_or_else(late)
    }

    /// One request, logged in, to its end. A status that is no success is an error.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, RedfishError> {
        let until = self.deadline();
        self.timed(until, &format!("{} {}", ask.method, ask.link), self.talk(ask, until)).await
    }

    async fn talk(&self, ask: &Ask<'_>, until: Instant) -> Result<Answer, RedfishError> {
        let mut session = self.session.lock().await;
        let (mut link, mut renewed, mut hops) = (ask.link.clone(), false, 0);
        loop {
            self.sign_in(&mut session, until).await?;
            let answer = self.paced(&mut session, &ask.method, &link, ask.body, ask.if_match, until).await?;
            match (answer.status, &session.login, &answer.location) {
                (401, Login::Token { .. }, _) if !renewed => {
                    session.login = Login::Out;
                    renewed = true;
                }
                (301 | 302 | 307 | 308, _, Some(next)) if ask.method == Method::GET && hops < REDIRECTS => {
                    hops += 1;
                    link = next.clone();
                }
                _ => return self.verdict(&mut session, ask, answer),
            }
        }
    }

    fn verdict(&self, session: &mut Session, ask: &Ask<'_>, answer: Answer) -> Result<Answer, RedfishError> {
        let status = answer.status;
        let what = format!("{} {}", ask.method, ask.link);
        let secrets: Vec<&str> = ask.secret.into_iter().map(Secret::reveal).chain(session.secrets()).collect();
        let message = || json::message(&answer.body, &secrets);
        match status {
            200..=299 => Ok(answer),
            401 if matches!(session.login, Login::Basic) => {
                let message = message();
                Err(self.refused(session, message))
            }
            401 | 403 => Err(RedfishError::Forbidden { user: self.user.clone(), what, message: message() }),
            404 | 405 | 501 => Err(RedfishError::NotSupported(format!("{what} (HTTP status {status}: {})", message()))),
            300..=399 => {
                let message = "it redirects; only a few redirects of reads, on the same service, are followed".into();
                Err(RedfishError::Status { what, status, message })
            }
            _ => Err(RedfishError::Status { what, status, message: message() }),
        }
    }

    /// One exchange, not sooner than the gap after the one before; while the service says 503 with Retry-After (it has
    /// done nothing then), again after that time, as long as the deadline allows.
    pub(crate) async fn paced(
        &self,
        session: &mut Session,
        method: &Method,
        link: &Link,
        body: Option<&Value>,
        if_match: Option<&str>,
        until: Instant,
    ) -> Result<Answer, RedfishError> {
        let mut busy = 0;
        loop {
            if let Some(last) = session.last {
                sleep_until(last + self.limits.gap).await;
            }
            let answer = self.wire.once(method, link, body, if_match, session.credential(&self.user)).await;
            session.last = Some(Instant::now());
            let answer = answer?;
            let Some(wait) = answer.retry_after.filter(|_| answer.status == 503) else { return Ok(answer) };
            busy += 1;
            let left = until.saturating_duration_since(Instant::now());
            if busy > BUSY || wait >= left {
                let said = json::message(&answer.body, &session.secrets());
                let message = format!("it is busy and asks to wait {} s ({said})", wait.as_secs());
                return Err(RedfishError::Status { what: format!("{method} {link}"), status: 503, message });
            }
            sleep(wait).await;
        }
    }
}
