//! A request as a value, and what a command has to tell of itself. No framing: that is the carrier's.

use std::fmt;

use zeroize::Zeroizing;

/// Network function of a request (5.1), the even numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetFn(pub u8);

impl NetFn {
    /// Power, boot device, identify (28).
    pub const CHASSIS: Self = Self(0x00);
    /// Sensors (35).
    pub const SENSOR: Self = Self(0x04);
    /// The BMC itself, sessions, channels, users (20-22).
    pub const APP: Self = Self(0x06);
    /// SDR and SEL (31, 33).
    pub const STORAGE: Self = Self(0x0a);
    /// LAN and SOL configuration (23, 26).
    pub const TRANSPORT: Self = Self(0x0c);
}

/// One request. `data` may hold a password: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Network function.
    pub netfn: NetFn,
    /// Command number within it.
    pub cmd: u8,
    /// What follows the command number.
    pub data: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({:02x}h/{:02x}h, {} bytes)", self.netfn.0, self.cmd, self.data.len())
    }
}

/// A command: how it is asked and how its answer is read.
pub trait Command {
    /// Network function of the request.
    const NETFN: NetFn;
    /// Command number.
    const CMD: u8;
    /// For people: "Get Device ID".
    const NAME: &'static str;
    /// What a good answer says.
    type Answer;

    /// The request's data.
    fn data(&self) -> Vec<u8>;

    /// Reads the data behind a completion code of 00h.
    fn answer(&self, data: &[u8]) -> Result<Self::Answer, Malformed>;

    /// The whole request.
    fn request(&self) -> Request {
        Request { netfn: Self::NETFN, cmd: Self::CMD, data: Zeroizing::new(self.data()) }
    }
}

/// An answer that is not what the specification says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command}: expected {expected}, the BMC sent {came}")]
pub struct Malformed {
    /// Name of the command.
    pub command: &'static str,
    /// What the specification has there.
    pub expected: &'static str,
    /// What came, for a person: a length, a number; never a secret.
    pub came: String,
}

impl Malformed {
    /// For an answer that is too short.
    pub fn short(command: &'static str, expected: &'static str, data: &[u8]) -> Self {
        Self { command, expected, came: format!("{} bytes", data.len()) }
    }
}

/// A password: wiped when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Longest of IPMI 2.0 (22.30), bytes.
    pub const MAX: usize = 20;
    /// Longest of IPMI 1.5, bytes.
    pub const SHORT: usize = 16;

    /// Takes it over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
