//! What can go wrong with a BMC on the LAN, told apart as far as a caller has to act differently. No secrets in it.

use super::packet::Unusable;
use super::rakp::RakpStatus;
use crate::{Completion, Malformed};

/// Where a conversation with a BMC was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Making the socket.
    Socket,
    /// Asking what the channel accepts: the first packet of all.
    Capabilities,
    /// Asking for the cipher suites.
    CipherSuites,
    /// Open Session.
    Open,
    /// RAKP 1 and 2: user name, the BMC's proof.
    Rakp1,
    /// RAKP 3 and 4: our proof.
    Rakp3,
    /// Asking for the privilege.
    Privilege,
    /// A command within the session, by its name.
    Command(&'static str),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Socket => "the socket",
            Self::Capabilities => "the first packet (authentication capabilities)",
            Self::CipherSuites => "the list of cipher suites",
            Self::Open => "Open Session",
            Self::Rakp1 => "the user name (RAKP 1)",
            Self::Rakp3 => "the proof of the password (RAKP 3)",
            Self::Privilege => "the privilege",
            Self::Command(name) => name,
        })
    }
}

/// Why a BMC on the LAN did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LanError {
    /// Nothing that could be used came back. The session, if there was one, is gone: open anew.
    #[error("no answer to {step} ({tries} tries){}: check address, network and whether IPMI over LAN is on",
        because(*.noticed))]
    NoAnswer {
        /// To what.
        step: Step,
        /// Datagrams sent.
        tries: u32,
        /// What came instead, or what the network said.
        noticed: Option<Unusable>,
    },
    /// The BMC has only IPMI 1.5, whose log-in is not safe.
    #[error(
        "the BMC does not offer IPMI 2.0 (RMCP+) on its LAN channel: enable it there, or update the BMC's firmware"
    )]
    NotRmcpPlus,
    /// There is no cipher suite that both sides accept.
    #[error(
        "no common cipher suite: we accept {accepted:?}, the BMC offers {offered:?}; enable one of ours in the BMC"
    )]
    NoSuite {
        /// Ours.
        accepted: Vec<u8>,
        /// Of the BMC; empty if it only refused ours.
        offered: Vec<u8>,
    },
    /// The BMC does not know the user, or not with this privilege.
    #[error("the BMC refuses the user: {0}; check name, privilege and channel access of the user")]
    User(RakpStatus),
    /// The two sides have different passwords.
    #[error("wrong password: {0}")]
    Password(&'static str),
    /// The log-in was refused for another reason.
    #[error("log-in refused at {step}: {status}{}", free(*.status))]
    Refused {
        /// Where.
        step: Step,
        /// The BMC's reason.
        status: RakpStatus,
    },
    /// The command was answered, with a completion code that is not 00h.
    #[error("{command}: {code}")]
    Completion {
        /// Name of the command.
        command: &'static str,
        /// What the BMC said.
        code: Completion,
    },
    /// The command was answered with data that is not what the specification says.
    #[error(transparent)]
    Malformed(Malformed),
    /// The session is gone, the BMC is there. Open anew, then look at the state before asking again: what was under way
    /// may have been done.
    #[error("the session is lost ({0}): open a new one")]
    SessionLost(&'static str),
    /// The target itself cannot be right: nothing was sent.
    #[error("{0}")]
    Target(&'static str),
    /// The BMC said yes, and did something else.
    #[error("{what}: asked for {asked}, the BMC has {has}; its firmware does not take this")]
    NotTaken {
        /// "boot device".
        what: &'static str,
        /// What was wanted.
        asked: String,
        /// What was read back.
        has: String,
    },
    /// A list that does not come to its end.
    #[error("{what}: still not at the end after {bound}; the BMC sends it in circles, or it is larger than we read")]
    Endless {
        /// "event log".
        what: &'static str,
        /// What was read.
        bound: usize,
    },
}

impl LanError {
    /// Whether the request may have been done although there is no answer: look before asking again.
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::NoAnswer { step, .. } => matches!(step, Step::Command(_)),
            Self::SessionLost(_) | Self::Malformed(_) => true,
            Self::Completion { code, .. } => matches!(code.0, 0xc3 | 0xce | 0xcf),
            _ => false,
        }
    }

    /// Whether the session is gone: drop it and open a new one.
    pub fn ends_session(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::SessionLost(_))
    }

    /// Whether asking again later, with the same credential, makes sense.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::SessionLost(_) => true,
            Self::Refused { status, .. } => {
                matches!(*status, RakpStatus::NO_RESOURCES | RakpStatus::NO_RESOURCES_FOR_ROLE)
            }
            Self::Completion { code, .. } => code.is_transient(),
            _ => false,
        }
    }
}

impl From<Malformed> for LanError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

fn because(noticed: Option<Unusable>) -> String {
    noticed.map(|why| format!("; what came was {why}")).unwrap_or_default()
}

fn free(status: RakpStatus) -> &'static str {
    match status {
        RakpStatus::NO_RESOURCES | RakpStatus::NO_RESOURCES_FOR_ROLE => "; wait until another session ends",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_done_is_told_from_what_is_not() {
        let silent = |step| LanError::NoAnswer { step, tries: 4, noticed: None };
        assert!(silent(Step::Command("Chassis Control")).may_be_done() && !silent(Step::Rakp1).may_be_done());
        let code = |code| LanError::Completion { command: "x", code: Completion(code) };
        assert!(code(0xc3).may_be_done() && !code(0xc0).may_be_done() && code(0xc0).may_pass());
        let noticed = Some(Unusable("a wrong authentication code"));
        let text = LanError::NoAnswer { step: Step::Open, tries: 2, noticed }.to_string();
        assert!(text.starts_with("no answer to Open Session (2 tries); what came was a wrong auth"), "{text}");
    }
}
