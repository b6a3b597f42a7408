//! The client: one service, one account, one request at a time. What can be asked of it is in the other files.

use crate::error::RedfishError;
use crate::json;
use crate::link::Link;
use crate::session::{Login, Session};
use crate::target::{Limits, Target};
use crate::tls::{Fingerprint, Pin};
use crate::walk::tolerate;
use crate::wire::Wire;
use reqwest::Method;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// A connection to a Redfish service, logged in. Requests of several tasks wait for each other.
pub struct Client {
    pub(crate) wire: Wire,
    pub(crate) user: String,
    pub(crate) limits: Limits,
    /// The service root, as it was at `connect`.
    pub(crate) root: Value,
    /// Whether collections can be had with their members in one answer.
    pub(crate) expands: bool,
    pub(crate) wish: Option<String>,
    pub(crate) chosen: OnceCell<Link>,
    pub(crate) session: Mutex<Session>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.wire.service())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// No bound of time is longer than this, whatever the settings say.
const LONGEST: Duration = Duration::from_secs(3600);

impl Client {
    /// Reads the service root and logs in. When no certificate is pinned yet, the first is accepted: store
    /// [`Client::fingerprint`] before anything else.
    pub async fn connect(target: &Target) -> Result<Self, RedfishError> {
        let mut limits = target.limits;
        for time in [&mut limits.connect, &mut limits.request, &mut limits.operation, &mut limits.gap] {
            *time = (*time).min(LONGEST);
        }
        let wire = Wire::new(target, &limits)?;
        let session = Session { login: Login::Out, password: target.password.clone(), sessions: None, last: None };
        let mut client = Self {
            wire,
            user: target.user.clone(),
            limits,
            root: Value::Null,
            expands: false,
            wish: target.system.clone(),
            chosen: OnceCell::new(),
            session: Mutex::new(session),
        };
        client.read_root().await?;
        client.find_sessions();
        // With a session this is answered by the login itself; with Basic only a request tells whether it is accepted.
        let until = client.deadline();
        client
            .timed(until, "the login", async { client.sign_in(&mut *client.session.lock().await, until).await })
            .await?;
        if let (true, Some(systems)) = (client.is_basic().await, json::link(&client.root, "Systems")) {
            tolerate(client.get(&systems).await, &mut Vec::new())?;
        }
        Ok(client)
    }

    /// The certificate that this service presented; `None` over plain HTTP.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.wire.pin().and_then(Pin::pinned)
    }

    /// The root needs no login (DSP0266, 6.7), so nothing secret is sent before the certificate is known.
    async fn read_root(&mut self) -> Result<(), RedfishError> {
        let until = self.deadline();
        let mut link = Link::root();
        let mut hops = 0;
        let answer = loop {
            let work =
                async { self.paced(&mut *self.session.lock().await, &Method::GET, &link, None, None, until).await };
            let answer = self.timed(until, &format!("GET {link}"), work).await?;
            match (&answer.location, answer.status) {
                (Some(next), 300..=399) if hops < 3 => {
                    hops += 1;
                    link = next.clone();
                }
                _ => break answer,
            }
        };
        let what = format!("GET {link}");
        match answer.status {
            200 if ["RedfishVersion", "Systems", "Links", "Managers"]
                .iter()
                .any(|key| answer.body.get(*key).is_some()) => {}
            200 => {
                return Err(RedfishError::malformed(
                    what,
                    "it is no Redfish service root (no RedfishVersion, Systems, Managers or Links)",
                ));
            }
            404 | 405 | 501 => {
                return Err(RedfishError::NotSupported(format!(
                    "Redfish itself ({what}: HTTP status {})",
                    answer.status
                )));
            }
            status => return Err(RedfishError::Status { what, status, message: json::message(&answer.body, &[]) }),
        }
        self.root = answer.body;
        let expand = json::at(&self.root, &["ProtocolFeaturesSupported", "ExpandQuery"]);
        self.expands = json::flag(expand, "NoLinks").or_else(|| json::flag(expand, "ExpandAll")).unwrap_or(false);
        Ok(())
    }

    /// Where sessions are made: `Links/Sessions` of the root, which needs no login to be read; else in SessionService
    /// at the place that the specification gives it.
    fn find_sessions(&mut self) {
        let mut link = json::link(json::at(&self.root, &["Links"]), "Sessions");
        if let (None, Some(service)) = (&link, json::link(&self.root, "SessionService")) {
            let sessions = format!("{}/Sessions", service.as_str().trim_end_matches('/'));
            link = Link::parse(&sessions);
        }
        self.session.get_mut().sessions = link;
    }

    pub(crate) async fn is_basic(&self) -> bool {
        matches!(self.session.lock().await.login, Login::Basic)
    }
}
