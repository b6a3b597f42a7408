//! Which BMC, as whom, how patiently. Values only.

use std::net::SocketAddr;
use std::time::Duration;

use super::crypto::Suite;
use super::error::LanError;
use crate::Password;
use crate::command::Privilege;

/// A BMC to log in to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Address (IPv4 or IPv6) and UDP port, 623 as a rule.
    pub address: SocketAddr,
    /// User name, at most 16 bytes.
    pub user: String,
    /// At most 20 bytes; some BMCs take only 16.
    pub password: Password,
    /// Key of the BMC (KG), if somebody set one there; at most 20 bytes.
    pub bmc_key: Option<Password>,
    /// What the session may do.
    pub privilege: Privilege,
    /// Cipher suites that are accepted, the best first. Whatever else a BMC offers is refused.
    pub suites: Vec<Suite>,
    /// How long to wait, how often to ask.
    pub timing: Timing,
}

impl Target {
    /// UDP port of IPMI.
    pub const PORT: u16 = 623;

    /// As administrator, with suites 17 and 3, and patience for a BMC on a usual LAN.
    pub fn new(address: SocketAddr, user: String, password: Password) -> Self {
        Self {
            address,
            user,
            password,
            bmc_key: None,
            privilege: Privilege::Administrator,
            suites: vec![Suite::Seventeen, Suite::Three],
            timing: Timing::default(),
        }
    }

    /// Whether a BMC could know this at all.
    pub(super) fn check(&self) -> Result<(), LanError> {
        if self.user.len() > 16 {
            return Err(LanError::Target("the user name is longer than the 16 bytes of IPMI: shorten it"));
        }
        if self.password.reveal().len() > Password::MAX {
            return Err(LanError::Target("the password is longer than the 20 bytes of IPMI: shorten it"));
        }
        if self.bmc_key.as_ref().is_some_and(|key| key.reveal().len() > Password::MAX) {
            return Err(LanError::Target("the BMC key is longer than the 20 bytes of IPMI: shorten it"));
        }
        if self.suites.is_empty() {
            return Err(LanError::Target("no cipher suite is accepted: allow 17 or 3"));
        }
        Ok(())
    }
}

/// Patience with a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For the first answer; doubled with every further try, up to [`Timing::PATIENCE`] times this.
    pub answer: Duration,
    /// Datagrams for one request, the first included; at least 1.
    pub tries: u32,
    /// For a whole log-in.
    pub open: Duration,
    /// Between two datagrams to this BMC: frequent requests crash real ones.
    pub pace: Duration,
    /// How often a request that was answered with "busy" is sent as a new one.
    pub busy: u32,
}

impl Timing {
    /// The longest wait for an answer, as a multiple of the first.
    pub const PATIENCE: u32 = 4;

    /// How long to wait after the datagram with this number, 0 the first.
    pub(super) fn wait(&self, number: u32) -> Duration {
        self.answer.saturating_mul(2u32.saturating_pow(number).min(Self::PATIENCE))
    }
}

impl Default for Timing {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { answer: millis(1_000), tries: 4, open: millis(30_000), pace: millis(5), busy: 5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_bmc_can_know_is_not_sent() {
        let password = |text: &str| Password::new(text.to_owned());
        let good = Target::new(([127, 0, 0, 1], Target::PORT).into(), "admin".into(), password(&"p".repeat(20)));
        assert_eq!(good.check(), Ok(()));
        let long = Target { password: password(&"p".repeat(21)), ..good.clone() };
        assert!(long.check().is_err_and(|e| !e.to_string().contains("pp")));
        assert!(Target { user: "u".repeat(17), ..good.clone() }.check().is_err());
        assert!(Target { suites: Vec::new(), ..good.clone() }.check().is_err());
        assert!(!format!("{good:?}").contains("pp"));
    }

    #[test]
    fn waits_grow_and_stop_growing() {
        let timing = Timing::default();
        let waits: Vec<u128> = (0..40).map(|n| timing.wait(n).as_millis()).collect();
        assert_eq!((waits[0], waits[1], waits[2], waits[39]), (1_000, 2_000, 4_000, 4_000));
    }
}
