//! The serial line of a node through its BMC (Serial over LAN, IPMI 2.0 section 15). On a BMC that is reached by IPMI it goes on
//! in the one session, between other requests; one that is reached by Redfish gets an IPMI session for it, at the same
//! address with the same account. What is typed and what comes back is nowhere written down here.

use super::{Access, Lent, Talk, ipmi};
use crate::domain::bmc::Protocol;
use higuma_ipmi::command::GetSolActivation;
use higuma_ipmi::lan::{Console, ConsoleError, LanError, Session};
use std::time::Duration;
use tokio::time::Instant;

/// Many BMCs end a session after a minute without a request, and some end a console without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Why there is no line, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Another session has it.
    #[error("somebody else has the serial console of this BMC open")]
    Taken,
    /// The BMC ended it: somebody took it.
    #[error("the BMC ended the serial console: somebody else took it, or switched it off")]
    Ended,
    /// The BMC will not.
    #[error("{0}")]
    Refused(String),
    /// The BMC, or the session, is not there any more; it may come back.
    #[error("{0}")]
    Lost(String),
}

impl From<ConsoleError> for LineError {
    fn from(error: ConsoleError) -> Self {
        match error {
            ConsoleError::Taken => Self::Taken,
            ConsoleError::Ended => Self::Ended,
            ConsoleError::Refused(words) => Self::Refused(words),
            ConsoleError::Lan(error) => Self::Lost(error.to_string()),
            ConsoleError::Silent => Self::Lost(error.to_string()),
        }
    }
}

/// An open serial line.
pub struct Line {
    console: Console,
    on: On,
    asked: Instant,
    /// The BMC has told that it is active: only then it is believed when it tells that it is not any more.
    told_active: bool,
}

/// In which session.
enum On {
    /// The one that all share, by its number.
    Shared(u64),
    /// One of its own.
    Own(Box<ipmi::Talk>),
}

impl Line {
    /// Opens the line. `take`: from whoever has it.
    pub async fn open(lent: &mut Lent, take: bool) -> Result<Self, LineError> {
        let gone = || LineError::Lost("the session was ended".to_owned());
        let (number, access) = (lent.number().ok_or_else(gone)?, lent.access().cloned().ok_or_else(gone)?);
        let talk = lent.talk().map_err(|error| LineError::Lost(error.to_string()))?;
        let (console, on) = match talk {
            Talk::Ipmi(talk) => (Console::open(talk.session(), take).await?, On::Shared(number)),
            Talk::Redfish(_) => {
                let mut own = Box::new(beside(&access).await?);
                (Console::open(own.session(), take).await?, On::Own(own))
            }
        };
        Ok(Self { console, on, asked: Instant::now(), told_active: false })
    }

    /// Whether it needs the shared session to go on.
    pub fn is_shared(&self) -> bool {
        matches!(self.on, On::Shared(_))
    }

    /// Takes characters for the node; how many. What is left has to wait.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.console.write(bytes)
    }

    /// Takes a break (the line held low), as SysRq over a serial line begins; whether it did, or that has to wait.
    #[must_use]
    pub fn send_break(&mut self) -> bool {
        self.console.send_break()
    }

    /// Sends what was taken, and waits for characters of the node until `until`. `lent`: the shared session, if
    /// [`Line::is_shared`].
    pub async fn pump(&mut self, lent: Option<&mut Lent>, until: Instant) -> Result<Vec<u8>, LineError> {
        let session = session(&mut self.on, lent)?;
        if self.asked.elapsed() > KEEP_ALIVE {
            match session.call(&GetSolActivation).await {
                Ok(told) if self.told_active && !told.active => return Err(LineError::Ended),
                Ok(told) => self.told_active = told.active,
                // It knows no such question, and is there.
                Err(LanError::Completion { .. } | LanError::Malformed(_)) => {}
                Err(error) => return Err(LineError::Lost(error.to_string())),
            }
            self.asked = Instant::now();
        }
        Ok(self.console.pump(session, until).await?)
    }

    /// Gives the line back. A BMC that does not answer forgets it with the session.
    pub async fn close(self, lent: Option<&mut Lent>) {
        let Self { console, mut on, .. } = self;
        if let Ok(session) = session(&mut on, lent) {
            let _ = console.close(session).await;
        }
        if let On::Own(talk) = on {
            talk.close().await;
        }
    }
}

fn session<'s>(on: &'s mut On, lent: Option<&'s mut Lent>) -> Result<&'s mut Session, LineError> {
    match (on, lent) {
        (On::Own(talk), _) => Ok(talk.session()),
        (On::Shared(number), Some(lent)) if lent.number() == Some(*number) => match lent.talk() {
            Ok(Talk::Ipmi(talk)) => Ok(talk.session()),
            _ => Err(LineError::Lost("the session is not by IPMI any more".to_owned())),
        },
        (On::Shared(_), _) => Err(LineError::Lost("the session was ended".to_owned())),
    }
}

/// IPMI beside Redfish.
async fn beside(access: &Access) -> Result<ipmi::Talk, LineError> {
    let access = Access { protocol: Protocol::Ipmi, port: None, ..access.clone() };
    let address = access.address;
    ipmi::Talk::open(&access).await.map_err(|error| {
        LineError::Refused(format!(
            "the serial console goes by IPMI, which {address} does not let us in to ({error}): switch IPMI over LAN on in the BMC"
        ))
    })
}
