//! The serial console of a server, over the session with its BMC (SOL, 15). Commands may go over the same session between
//! two [`Console::pump`]s. Asks for encryption always; what waits is bounded; characters are never logged.

use std::time::Duration;

use tokio::time::Instant;

use super::error::LanError;
use super::line::{Line, Over};
use super::packet::PayloadKind;
use super::session::Session;
use crate::command::codes::in_words;
use crate::command::{ActivateSol, DeactivateSol, SolActivated};
use crate::{Command, Completion};

/// How often SOL is activated after it was taken away from another session: some BMCs need a moment.
const AFTER_TAKING: u32 = 5;
const MOMENT: Duration = Duration::from_millis(300);

/// A serial console. Dropped without [`Console::close`] it stays active in the BMC until the session ends.
#[derive(Debug)]
pub struct Console {
    line: Line,
    /// Came, and was not given yet: a pump that is dropped half-way loses nothing.
    output: Vec<u8>,
}

/// Why there is no console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsoleError {
    /// The session, or a command in it, failed.
    #[error("the session with the BMC failed")]
    Lan(#[from] LanError),
    /// Another session has it.
    #[error("another session has the serial console: close it there, or take it over")]
    Taken,
    /// The BMC does not give it to us, in words.
    #[error("the BMC refuses the serial console: {0}")]
    Refused(String),
    /// The BMC ended it.
    #[error("the BMC ended the serial console; somebody else may have taken it over: open it again")]
    Ended,
    /// The BMC acknowledged nothing that we sent.
    #[error("the BMC does not acknowledge what is typed: the console is lost, open it again")]
    Silent,
}

impl Console {
    /// Activates SOL in this session. If another one has it, `take` ends it there first. What a user has to have for it is
    /// the BMC's matter: a refusal says so.
    pub async fn open(session: &mut Session, take: bool) -> Result<Self, ConsoleError> {
        let activated = match activate(session).await {
            Err(ConsoleError::Taken) if take => take_over(session).await?,
            other => other?,
        };
        // The port that it names is not looked at: behind a forwarded port or a NAT it is another than ours, and no BMC is known
        // that takes SOL on another than its session's.
        // What came for an earlier console; what is lost of this one is not acknowledged, and comes again.
        session.forget_payloads(PayloadKind::SOL);
        Ok(Self { line: Line::new(activated.to_bmc), output: Vec::new() })
    }

    /// Queues what is typed; returns how many bytes it took. 4 KiB wait at most.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.line.write(bytes)
    }

    /// Queues a break, behind what was typed before; whether there was room for it.
    #[must_use]
    pub fn send_break(&mut self) -> bool {
        self.line.send_break()
    }

    /// Whether all that was queued has arrived.
    pub fn is_idle(&self) -> bool {
        self.line.is_idle()
    }

    /// Sends what is queued and due, acknowledges, and gives what the system wrote: as soon as there is something, or
    /// nothing at `until`; the characters of one packet (255 at most) are enough. To be called again and again: a BMC gives
    /// a console up that does not acknowledge. While nobody types or writes it shows the BMC nothing:
    /// [`Session::keep_alive`] is the caller's matter. May be dropped half-way: nothing is lost.
    pub async fn pump(&mut self, session: &mut Session, until: Instant) -> Result<Vec<u8>, ConsoleError> {
        loop {
            while let Some(packet) = self.line.poll(Instant::now()) {
                session.send_payload(PayloadKind::SOL, &packet).await?;
            }
            if !self.output.is_empty() {
                return Ok(std::mem::take(&mut self.output));
            }
            match self.line.over() {
                Some(Over::Ended) => return Err(ConsoleError::Ended),
                Some(Over::Silent) => return Err(ConsoleError::Silent),
                None => {}
            }
            let wait = self.line.due().map_or(until, |due| due.min(until));
            match session.receive_payload(wait).await? {
                Some((PayloadKind::SOL, payload)) => {
                    self.line.receive(&payload, Instant::now(), &mut self.output);
                }
                Some(_) => {}
                None if Instant::now() >= until => return Ok(Vec::new()),
                None => {}
            }
        }
    }

    /// Deactivates SOL; the session goes on. What was queued and did not arrive is forgotten.
    pub async fn close(self, session: &mut Session) -> Result<(), ConsoleError> {
        let done = deactivate(session).await;
        session.forget_payloads(PayloadKind::SOL);
        done
    }
}

async fn activate(session: &mut Session) -> Result<SolActivated, ConsoleError> {
    match session.call(&ActivateSol).await {
        Err(LanError::Completion { code: Completion(ActivateSol::TAKEN), .. }) => Err(ConsoleError::Taken),
        Err(LanError::Completion { code, .. }) => Err(refused(code)),
        other => Ok(other?),
    }
}

async fn deactivate(session: &mut Session) -> Result<(), ConsoleError> {
    match session.call(&DeactivateSol).await {
        Err(LanError::Completion { code: Completion(DeactivateSol::NOT_ACTIVE), .. }) => Ok(()),
        other => Ok(other?),
    }
}

async fn take_over(session: &mut Session) -> Result<SolActivated, ConsoleError> {
    match session.call(&DeactivateSol).await {
        Err(LanError::Completion { code: Completion(DeactivateSol::NOT_ACTIVE), .. }) => {}
        Err(LanError::Completion { code, .. }) => {
            let words = in_words(DeactivateSol::NETFN, DeactivateSol::CMD, code);
            return Err(ConsoleError::Refused(format!("it cannot be taken from the other session: {words}")));
        }
        other => other?,
    }
    for _ in 1..AFTER_TAKING {
        match activate(session).await {
            Err(ConsoleError::Taken) => tokio::time::sleep(MOMENT).await,
            other => return other,
        }
    }
    activate(session).await
}

fn refused(code: Completion) -> ConsoleError {
    let words = in_words(ActivateSol::NETFN, ActivateSol::CMD, code);
    let todo = match code.0 {
        0x81 => "; turn SOL on in the BMC, for its LAN channel and for the user",
        0x82 => "; close another console of this BMC",
        0x83 => "; update the BMC's firmware: a console without encryption is not used",
        0xc1 => "; it has no SOL",
        0xd4 => "; the user needs the privilege that the BMC wants for SOL",
        _ => "",
    };
    ConsoleError::Refused(format!("{words}{todo}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_to_do() {
        let text = refused(Completion(0x81)).to_string();
        assert_eq!(
            text,
            "the BMC refuses the serial console: payload type disabled in the BMC (81h); turn SOL on in the BMC, for its \
             LAN channel and for the user"
        );
        assert!(refused(Completion(0xd4)).to_string().contains("insufficient privilege"));
        let lost = ConsoleError::from(LanError::SessionLost("closed"));
        let source = std::error::Error::source(&lost).map(ToString::to_string);
        assert!(source.is_some_and(|text| text.contains("closed")) && !lost.to_string().contains("closed"));
    }
}
