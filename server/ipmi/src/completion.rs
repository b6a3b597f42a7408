//! Completion codes in words (table 5-2). Codes 80h-BEh mean something else with each command.

use std::fmt;

/// What a BMC says of a request; 00h is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion(pub u8);

impl Completion {
    /// Done.
    pub const OK: Self = Self(0x00);
    /// Node busy: try again after a while.
    pub const BUSY: Self = Self(0xc0);
    /// Not a command of this BMC.
    pub const INVALID_COMMAND: Self = Self(0xc1);
    /// Timeout while processing; the answer is not known.
    pub const TIMEOUT: Self = Self(0xc3);
    /// Privilege is not enough.
    pub const PRIVILEGE: Self = Self(0xd4);

    /// Whether it worked.
    pub fn is_ok(self) -> bool {
        self == Self::OK
    }

    /// Whether the same request may work a little later: busy, timeout, out of space for now, initialising.
    pub fn is_transient(self) -> bool {
        matches!(self.0, 0xc0 | 0xc3 | 0xcf | 0xd0..=0xd2)
    }

    fn words(self) -> &'static str {
        match self.0 {
            0x00 => "completed normally",
            0xc0 => "node busy",
            0xc1 => "invalid command",
            0xc2 => "command invalid for the given LUN",
            0xc3 => "timeout while processing the command",
            0xc4 => "out of space",
            0xc5 => "reservation cancelled or invalid",
            0xc6 => "request data truncated",
            0xc7 => "request data length invalid",
            0xc8 => "request data field length limit exceeded",
            0xc9 => "parameter out of range",
            0xca => "cannot return that number of bytes",
            0xcb => "requested sensor, data or record not present",
            0xcc => "invalid data field in the request",
            0xcd => "command illegal for the sensor or record type",
            0xce => "response could not be provided",
            0xcf => "cannot execute a duplicated request",
            0xd0 => "SDR repository in update mode",
            0xd1 => "device in firmware update mode",
            0xd2 => "BMC initialisation in progress",
            0xd3 => "destination unavailable",
            0xd4 => "insufficient privilege",
            0xd5 => "not supported in the present state",
            0xd6 => "sub-function disabled or unavailable",
            0xff => "unspecified error",
            0x01..=0x7e => "device-specific code",
            0x80..=0xbe => "code of this command",
            _ => "reserved code",
        }
    }
}

impl fmt::Display for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:02X}h)", self.words(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_words_and_its_number() {
        for code in 0..=255 {
            let text = Completion(code).to_string();
            assert!(text.ends_with(&format!("({code:02X}h)")) && text.len() > 8, "{text}");
        }
        assert!(Completion::BUSY.is_transient() && !Completion::PRIVILEGE.is_transient());
    }
}
