//! Serial over LAN: its configuration (26.2-26.3, table 26-5) and which users may use it (24.6-24.7).

use super::lan::Progress;
use super::user::Privilege;
use crate::{Command, Malformed, NetFn};

/// A parameter of table 26-5 as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SolParameter {
    /// 0: whether somebody is setting parameters.
    SetInProgress(Progress),
    /// 1: SOL is on.
    Enabled(bool),
    /// 2: who may use it, and how.
    Authentication(SolAuthentication),
    /// 4: tries, 0 to 7, and the pause between them in steps of 10 ms.
    Retry(u8, u8),
    /// 5: bit rate after the BMC's next start.
    BitRate(BitRate),
    /// 6: bit rate now.
    VolatileBitRate(BitRate),
}

/// Who may use SOL (parameter 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolAuthentication {
    /// Only encrypted.
    pub encrypted: bool,
    /// Only authenticated.
    pub authenticated: bool,
    /// The least that it takes.
    pub privilege: Privilege,
}

/// Bit rate of the serial line (parameters 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitRate {
    /// As the serial channel has it.
    AsSerial,
    /// 9,600 bit/s.
    B9600,
    /// 19,200 bit/s.
    B19200,
    /// 38,400 bit/s.
    B38400,
    /// 57,600 bit/s.
    B57600,
    /// 115,200 bit/s.
    B115200,
    /// A reserved code.
    Reserved(u8),
}

const RATES: [(u8, BitRate); 6] = [
    (0x0, BitRate::AsSerial),
    (0x6, BitRate::B9600),
    (0x7, BitRate::B19200),
    (0x8, BitRate::B38400),
    (0x9, BitRate::B57600),
    (0xa, BitRate::B115200),
];

impl BitRate {
    fn code(self) -> u8 {
        match self {
            Self::Reserved(code) => code & 0x0f,
            rate => RATES.iter().find(|(_, r)| *r == rate).map_or(0, |(code, _)| *code),
        }
    }

    fn of(code: u8) -> Self {
        let code = code & 0x0f;
        RATES.iter().find(|(c, _)| *c == code).map_or(Self::Reserved(code), |(_, rate)| *rate)
    }
}

impl SolParameter {
    fn number_and_bytes(self) -> (u8, Vec<u8>) {
        match self {
            Self::SetInProgress(progress) => (0, vec![progress.code()]),
            Self::Enabled(on) => (1, vec![u8::from(on)]),
            Self::Authentication(SolAuthentication { encrypted, authenticated, privilege }) => {
                (2, vec![(u8::from(encrypted) << 7) | (u8::from(authenticated) << 6) | privilege.code()])
            }
            Self::Retry(tries, pause) => (4, vec![tries & 0x07, pause]),
            Self::BitRate(rate) => (5, vec![rate.code()]),
            Self::VolatileBitRate(rate) => (6, vec![rate.code()]),
        }
    }
}

/// Set SOL Configuration Parameters (26.2).
#[derive(Debug, Clone, Copy)]
pub struct SetSol {
    /// LAN channel.
    pub channel: u8,
    /// What is written.
    pub parameter: SolParameter,
}

impl Command for SetSol {
    const NETFN: NetFn = NetFn::TRANSPORT;
    const CMD: u8 = 0x21;
    const NAME: &'static str = "Set SOL Configuration Parameters";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let (number, bytes) = self.parameter.number_and_bytes();
        [vec![self.channel & 0x0f, number], bytes].concat()
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// One reading of Get SOL Configuration Parameters (26.3): a type for each parameter says what comes back.
pub trait SolReading {
    /// Parameter selector.
    const PARAMETER: u8;
    /// What is asked, for people.
    const WHAT: &'static str;
    /// What it holds.
    type Value;
    /// Reads what follows the revision; none: too short.
    fn value(data: &[u8]) -> Option<Self::Value>;
}

/// Get SOL Configuration Parameters (26.3).
#[derive(Debug, Clone, Copy)]
pub struct GetSol<R> {
    /// LAN channel.
    pub channel: u8,
    /// Which parameter.
    pub reading: R,
}

impl<R: SolReading> Command for GetSol<R> {
    const NETFN: NetFn = NetFn::TRANSPORT;
    const CMD: u8 = 0x22;
    const NAME: &'static str = "Get SOL Configuration Parameters";
    type Answer = R::Value;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, R::PARAMETER, 0, 0]
    }

    fn answer(&self, data: &[u8]) -> Result<R::Value, Malformed> {
        data.get(1..).and_then(R::value).ok_or_else(|| Malformed::short(Self::NAME, R::WHAT, data))
    }
}

/// Parameter 1.
#[derive(Debug, Clone, Copy)]
pub struct SolEnabled;

impl SolReading for SolEnabled {
    const PARAMETER: u8 = 1;
    const WHAT: &'static str = "1 byte of SOL enable";
    type Value = bool;
    fn value(data: &[u8]) -> Option<bool> {
        data.first().map(|byte| byte & 1 != 0)
    }
}

/// Parameter 2.
#[derive(Debug, Clone, Copy)]
pub struct SolAuthenticationNow;

impl SolReading for SolAuthenticationNow {
    const PARAMETER: u8 = 2;
    const WHAT: &'static str = "1 byte of SOL authentication";
    type Value = SolAuthentication;
    fn value(data: &[u8]) -> Option<SolAuthentication> {
        data.first().map(|byte| SolAuthentication {
            encrypted: byte & 0x80 != 0,
            authenticated: byte & 0x40 != 0,
            privilege: Privilege::of(*byte),
        })
    }
}

/// Parameter 5: bit rate after the BMC's next start.
#[derive(Debug, Clone, Copy)]
pub struct SolBitRate;

impl SolReading for SolBitRate {
    const PARAMETER: u8 = 5;
    const WHAT: &'static str = "1 byte of a bit rate";
    type Value = BitRate;
    fn value(data: &[u8]) -> Option<BitRate> {
        data.first().map(|code| BitRate::of(*code))
    }
}

/// Get User Payload Access (24.7): whether SOL (standard payload 1) is on.
#[derive(Debug, Clone, Copy)]
pub struct GetSolAccess {
    /// LAN channel.
    pub channel: u8,
    /// User id, from 1.
    pub user: u8,
}

impl Command for GetSolAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x4d;
    const NAME: &'static str = "Get User Payload Access";
    type Answer = bool;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.user & 0x3f]
    }

    fn answer(&self, data: &[u8]) -> Result<bool, Malformed> {
        data.first().map(|byte| byte & 0x02 != 0).ok_or_else(|| Malformed::short(Self::NAME, "4 bytes", data))
    }
}

/// Set User Payload Access (24.6): SOL (standard payload 1), other payloads stay.
#[derive(Debug, Clone, Copy)]
pub struct SetSolAccess {
    /// LAN channel.
    pub channel: u8,
    /// User id, from 1.
    pub user: u8,
    /// On or off.
    pub on: bool,
}

impl Command for SetSolAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x4c;
    const NAME: &'static str = "Set User Payload Access";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let operation = if self.on { 0x00 } else { 0x40 };
        vec![self.channel & 0x0f, operation | (self.user & 0x3f), 0x02, 0, 0, 0]
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_table_26_5_has_them() {
        let set = |parameter| SetSol { channel: 1, parameter }.data();
        assert_eq!(set(SolParameter::SetInProgress(Progress::Complete)), [1, 0, 0]);
        assert_eq!(set(SolParameter::Enabled(true)), [1, 1, 1]);
        let authentication =
            SolAuthentication { encrypted: true, authenticated: true, privilege: Privilege::Administrator };
        assert_eq!(set(SolParameter::Authentication(authentication)), [1, 2, 0xc4]);
        assert_eq!(set(SolParameter::Retry(7, 50)), [1, 4, 7, 50]);
        assert_eq!(set(SolParameter::BitRate(BitRate::B115200)), [1, 5, 0x0a]);
        assert_eq!(set(SolParameter::VolatileBitRate(BitRate::B9600)), [1, 6, 0x06]);
        let get = GetSol { channel: 1, reading: SolAuthenticationNow };
        assert_eq!((get.data(), get.answer(&[0x11, 0xc4])), (vec![1, 2, 0, 0], Ok(authentication)));
        assert_eq!(GetSol { channel: 1, reading: SolEnabled }.answer(&[0x11, 0x01]), Ok(true));
        assert!(GetSol { channel: 1, reading: SolEnabled }.answer(&[0x11]).is_err());
        let rate = GetSol { channel: 1, reading: SolBitRate };
        assert_eq!(
            (rate.answer(&[0x11, 0x0a]), rate.answer(&[0x11, 0x03])),
            (Ok(BitRate::B115200), Ok(BitRate::Reserved(3)))
        );
    }

    #[test]
    fn sol_of_a_user() {
        assert_eq!(SetSolAccess { channel: 1, user: 3, on: true }.data(), [1, 3, 2, 0, 0, 0]);
        assert_eq!(SetSolAccess { channel: 1, user: 3, on: false }.data(), [1, 0x43, 2, 0, 0, 0]);
        let get = GetSolAccess { channel: 1, user: 3 };
        assert_eq!(
            (get.data(), get.answer(&[2, 0, 0, 0]), get.answer(&[0, 0, 0, 0])),
            (vec![1, 3], Ok(true), Ok(false))
        );
        assert!(get.answer(&[]).is_err());
    }
}
