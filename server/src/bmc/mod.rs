//! BMCs over the LAN: one interface, two protocols. Nothing here knows nodes' records or the database, and no password is
//! ever in a message or an error.

mod console;
mod ipmi;
mod media;
mod redfish;
mod sessions;

pub use console::{Line, LineError};
pub use media::Image;
pub use sessions::{Lent, Sessions};

use crate::domain::NodeUuid;
use crate::domain::bmc::{BmcAction, Power, Protocol, Trouble};
use higuma_proto::api::{BmcFirmwareList, BmcHardware, BmcMedia};
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// How a BMC is reached.
#[derive(Clone)]
pub struct Access {
    /// Whose BMC it is; of one that has no node yet the id of its enrolment, which is a UUID too.
    pub node: NodeUuid,
    /// Which protocol; `Auto`: Redfish is tried when IPMI does not answer.
    pub protocol: Protocol,
    /// Its address.
    pub address: IpAddr,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: Zeroizing<String>,
    /// SHA-256 of the certificate seen first; none: this is the first time.
    pub certificate: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { node, protocol, address, port, user, .. } = self;
        write!(f, "Access({node} by {protocol} at {address} port {port:?} as {user:?})")
    }
}

impl Access {
    /// Whether it is the same login to the same BMC.
    fn same_login(&self, other: &Self) -> bool {
        self.address == other.address
            && self.port == other.port
            && self.user == other.user
            && self.password == other.password
    }

    /// Whether a session that was opened with `other` serves this one too: it speaks `protocol`, and showed `certificate`.
    fn served_by(&self, other: &Self, protocol: Protocol, certificate: Option<&str>) -> bool {
        let pinned = self.certificate.as_deref().filter(|_| protocol == Protocol::Redfish);
        self.same_login(other)
            && (self.protocol == Protocol::Auto || self.protocol == protocol)
            && pinned.is_none_or(|pinned| certificate == Some(pinned))
    }
}

/// Why a BMC did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BmcError {
    /// It does not answer: nothing was done.
    #[error("{0}")]
    Silent(String),
    /// It takes none of what we logged in with; or shows another certificate than before.
    #[error("{0}")]
    LoginRefused(String),
    /// The request was sent and no answer came: it may have been done.
    #[error("{0}; whether it was done is not known: look at the node before it is asked again")]
    Unclear(String),
    /// It answers, and cannot or will not do it.
    #[error("{0}")]
    Refused(String),
    /// It is busy for the moment.
    #[error("{0}")]
    Busy(String),
}

impl BmcError {
    /// With other words.
    fn reworded(self, reword: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Silent(words) => Self::Silent(reword(&words)),
            Self::LoginRefused(words) => Self::LoginRefused(reword(&words)),
            Self::Unclear(words) => Self::Unclear(reword(&words)),
            Self::Refused(words) => Self::Refused(reword(&words)),
            Self::Busy(words) => Self::Busy(reword(&words)),
        }
    }

    /// Whether the same may work a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Busy(_))
    }

    /// What it says of the BMC itself; none: it is there and lets us in.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Silent(_) | Self::Unclear(_) => Some(Trouble::Silent),
            Self::LoginRefused(_) => Some(Trouble::Refused),
            Self::Refused(_) | Self::Busy(_) => None,
        }
    }
}

/// What a BMC says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Firmware version.
    pub firmware: String,
    /// UUIDs by which it may call the system, canonical; IPMI's GUID has two orders of bytes.
    pub uuids: Vec<String>,
    /// MAC address of the LAN channel that is used.
    pub mac: Option<String>,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// A reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Name of the sensor.
    pub name: String,
    /// Value; none: no reading now.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// "ok", "warning", "critical", or what the BMC says.
    pub state: String,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The BMC's number or id of it.
    pub id: String,
    /// When, as the BMC tells it; empty: not told.
    pub at: String,
    /// What happened.
    pub message: String,
    /// "ok", "warning", "critical" or empty.
    pub severity: String,
}

/// What was read of an event log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Newest first.
    pub lines: Vec<LogLine>,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

/// Readings, or log lines, at most.
pub const MOST: usize = 1_000;
/// To log in.
const LOGIN: Duration = Duration::from_secs(20);

/// An open session.
pub enum Talk {
    /// RMCP+.
    Ipmi(Box<ipmi::Talk>),
    /// HTTPS.
    Redfish(Box<redfish::Talk>),
}

impl Talk {
    /// Log in.
    pub async fn open(access: &Access) -> Result<Self, BmcError> {
        let opening = async {
            match access.protocol {
                Protocol::Ipmi => ipmi::Talk::open(access).await.map(|talk| Self::Ipmi(Box::new(talk))),
                Protocol::Redfish => redfish::Talk::open(access).await.map(|talk| Self::Redfish(Box::new(talk))),
                Protocol::Auto => match ipmi::Talk::open(access).await {
                    Ok(talk) => Ok(Self::Ipmi(Box::new(talk))),
                    // A wrong password by one protocol is one by the other: a second try would only lock the account.
                    Err(refused @ BmcError::LoginRefused(_)) => Err(refused),
                    Err(silent) => match redfish::Talk::open(access).await {
                        Ok(talk) => Ok(Self::Redfish(Box::new(talk))),
                        Err(refused @ BmcError::LoginRefused(_)) => Err(refused),
                        Err(other) => Err(BmcError::Silent(format!("IPMI: {silent}; Redfish: {other}"))),
                    },
                },
            }
        };
        let limit = if access.protocol == Protocol::Auto { 2 * LOGIN } else { LOGIN };
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| {
            Err(BmcError::Silent(format!("{} did not finish a login within {} s", access.address, limit.as_secs())))
        })
    }

    /// Which protocol it is.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Ipmi(_) => Protocol::Ipmi,
            Self::Redfish(_) => Protocol::Redfish,
        }
    }

    /// SHA-256 of the certificate that was presented.
    pub fn certificate(&self) -> Option<String> {
        match self {
            Self::Ipmi(_) => None,
            Self::Redfish(talk) => talk.certificate(),
        }
    }

    /// Whether the session is known to be over; nothing is asked.
    fn is_over(&self) -> bool {
        match self {
            Self::Ipmi(talk) => talk.is_over(),
            Self::Redfish(_) => false,
        }
    }

    /// Whether the session still lives; cheap.
    async fn is_alive(&mut self) -> bool {
        match self {
            Self::Ipmi(talk) => talk.power().await.is_ok(),
            // Its client logs in anew by itself.
            Self::Redfish(_) => true,
        }
    }

    /// Power of the node.
    pub async fn power(&mut self) -> Result<Power, BmcError> {
        match self {
            Self::Ipmi(talk) => talk.power().await,
            Self::Redfish(talk) => talk.power().await,
        }
    }

    /// Do it; what happened, for people. [`BmcAction::RotatePassword`] is no single request: it is refused here.
    pub async fn act(&mut self, action: BmcAction) -> Result<String, BmcError> {
        match self {
            Self::Ipmi(talk) => talk.act(action).await,
            Self::Redfish(talk) => talk.act(action).await,
        }
    }

    /// Who it is.
    pub async fn info(&mut self) -> Result<Info, BmcError> {
        match self {
            Self::Ipmi(talk) => talk.info().await,
            Self::Redfish(talk) => talk.info().await,
        }
    }

    /// All sensors, at most [`MOST`].
    pub async fn sensors(&mut self) -> Result<Vec<Reading>, BmcError> {
        match self {
            Self::Ipmi(talk) => talk.sensors().await,
            Self::Redfish(talk) => talk.sensors().await,
        }
    }

    /// The newest lines of the event log, newest first, at most [`MOST`].
    pub async fn log(&mut self, most: usize) -> Result<Log, BmcError> {
        let most = most.min(MOST);
        match self {
            // All of it, or an error.
            Self::Ipmi(talk) => talk.log(most).await.map(|lines| Log { lines, problems: Vec::new() }),
            Self::Redfish(talk) => talk.log(most).await,
        }
    }

    /// The hardware as it sees it. Errors: it is not reached by Redfish.
    pub async fn hardware(&mut self) -> Result<BmcHardware, BmcError> {
        match self {
            Self::Ipmi(_) => Err(only_redfish("the hardware")),
            Self::Redfish(talk) => talk.hardware().await,
        }
    }

    /// Firmware versions. Errors: it is not reached by Redfish.
    pub async fn firmware(&mut self) -> Result<BmcFirmwareList, BmcError> {
        match self {
            Self::Ipmi(_) => Err(only_redfish("firmware versions")),
            Self::Redfish(talk) => talk.firmware().await,
        }
    }

    /// Virtual drives. Errors: it is not reached by Redfish.
    pub async fn media(&mut self) -> Result<Vec<BmcMedia>, BmcError> {
        match self {
            Self::Ipmi(_) => Err(only_redfish("virtual media")),
            Self::Redfish(talk) => talk.media().await,
        }
    }

    /// Put an image into a virtual drive (none: the first for CDs); which one, for people. Again is no change.
    pub async fn attach(&mut self, image: &Image, slot: Option<&str>) -> Result<String, BmcError> {
        match self {
            Self::Ipmi(_) => Err(only_redfish("virtual media")),
            Self::Redfish(talk) => talk.attach(image, slot).await,
        }
    }

    /// Empty a virtual drive, or all; how many had something in them.
    pub async fn detach(&mut self, slot: Option<&str>) -> Result<usize, BmcError> {
        match self {
            Self::Ipmi(_) => Err(only_redfish("virtual media")),
            Self::Redfish(talk) => talk.detach(slot).await,
        }
    }

    /// Give an account that is there another password. It is proven by a new login, not by this.
    pub async fn set_password(&mut self, user: &str, password: &str) -> Result<(), BmcError> {
        match self {
            Self::Ipmi(talk) => talk.set_password(user, password).await,
            Self::Redfish(talk) => talk.set_password(user, password).await,
        }
    }

    /// Log out; a BMC that does not answer keeps the session until its own time-out.
    pub async fn close(self) {
        match self {
            Self::Ipmi(talk) => talk.close().await,
            Self::Redfish(talk) => talk.close().await,
        }
    }
}

fn only_redfish(what: &str) -> BmcError {
    BmcError::Refused(format!(
        "{what}: only Redfish has that, and this BMC is reached by IPMI: `higuma bmc set NODE --protocol redfish` if it can both"
    ))
}

/// A rotation is several requests and a proof: a use case, not an action of a session.
fn not_one_request() -> BmcError {
    BmcError::Refused("a password is rotated by the credentials' use case, not by one request".to_owned())
}
