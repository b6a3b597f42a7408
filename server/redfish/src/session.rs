//! Who we are to the service: a session (DSP0266, 13.3.4), or Basic where there are none. A refused login is
//! remembered and never tried again: accounts lock out.

use crate::client::Client;
use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::target::Secret;
use crate::wire::Credential;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::time::Instant;

/// The login as it is now.
pub(crate) enum Login {
    Out,
    Token { token: HeaderValue, session: Option<Link> },
    Basic,
    Refused(RedfishError),
}

/// What one client has with its service. Behind one lock: one request at a time.
pub(crate) struct Session {
    pub(crate) login: Login,
    pub(crate) password: Secret,
    /// Where sessions are made; `None`: Basic.
    pub(crate) sessions: Option<Link>,
    /// When the last request was over.
    pub(crate) last: Option<Instant>,
}

impl Session {
    pub(crate) fn credential<'a>(&'a self, user: &'a str) -> Credential<'a> {
        match &self.login {
            Login::Token { token, .. } => Credential::Token(token),
            Login::Basic => Credential::Basic(user, self.password.reveal()),
            Login::Out | Login::Refused(_) => Credential::None,
        }
    }

    /// What must not be in any message.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        let token = match &self.login {
            Login::Token { token, .. } => token.to_str().ok(),
            _ => None,
        };
        [self.password.reveal()].into_iter().chain(token).collect()
    }
}

impl Client {
    /// Logs in unless that is done. The lock is held by the caller.
    pub(crate) async fn sign_in(&self, session: &mut Session, until: Instant) -> Result<(), RedfishError> {
        match &session.login {
            Login::Token { .. } | Login::Basic => return Ok(()),
            Login::Refused(error) => return Err(error.clone()),
            Login::Out => {}
        }
        let Some(sessions) = session.sessions.clone() else {
            session.login = Login::Basic;
            return Ok(());
        };
        let body = json!({"UserName": self.user, "Password": session.password.reveal()});
        let answer = self.paced(session, &Method::POST, &sessions, Some(&body), None, until).await?;
        let what = format!("POST {sessions}");
        let message = json::message(&answer.body, &session.secrets());
        match answer.status {
            200 | 201 => {
                let token =
                    answer.token.ok_or_else(|| RedfishError::malformed(what, "a session came without X-Auth-Token"))?;
                session.login = Login::Token { token, session: answer.location.or_else(|| json::own(&answer.body)) };
                Ok(())
            }
            // 400 too: some say so of a wrong password. None of them is worth a second failed login.
            400 | 401 | 403 => Err(self.refused(session, message)),
            404 | 405 | 501 => {
                session.sessions = None;
                session.login = Login::Basic;
                Ok(())
            }
            status => Err(RedfishError::Status { what, status, message }),
        }
    }

    /// Remembers that this account is not accepted.
    pub(crate) fn refused(&self, session: &mut Session, message: String) -> RedfishError {
        let error = RedfishError::LoginRefused { user: self.user.clone(), message };
        session.login = Login::Refused(error.clone());
        error
    }

    /// Closes the session on the service, if there is one. A request after this logs in again. A client that is
    /// dropped without this leaves its session to the service's own time-out, and services have few.
    pub async fn close(&self) -> Result<(), RedfishError> {
        let until = self.deadline();
        let close = async {
            let mut session = self.session.lock().await;
            let Login::Token { session: Some(path), .. } = &session.login else {
                session.login = match std::mem::replace(&mut session.login, Login::Out) {
                    Login::Token { .. } => Login::Out,
                    other => other,
                };
                return Ok(());
            };
            let path = path.clone();
            let answer = self.paced(&mut session, &Method::DELETE, &path, None, None, until).await;
            session.login = Login::Out;
            match answer? {
                // 401 and 404: it is gone already.
                answer if matches!(answer.status, 200..=299 | 401 | 404) => Ok(()),
                answer => Err(RedfishError::Status {
                    what: format!("DELETE {path}"),
                    status: answer.status,
                    message: json::message(&answer.body, &session.secrets()),
                }),
            }
        };
        self.timed(until, "closing the session", close).await
    }
}
