//! LAN configuration parameters (23.1-23.2, table 23-4): the address of a channel, and the privilege of its cipher suites.

use std::fmt;
use std::net::Ipv4Addr;

use crate::{Command, Malformed, NetFn};

/// Most cipher suites that one channel lists in its parameters (table 23-4, 22).
pub const MOST_SUITES: usize = 16;

/// A parameter of table 23-4 as it is written. Numbers on the wire: [`LanParameter::number`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanParameter {
    /// 0: whether somebody is setting parameters.
    SetInProgress(Progress),
    /// 3: IP address.
    Address(Ipv4Addr),
    /// 4: where the address comes from.
    Source(Source),
    /// 6: subnet mask.
    Netmask(Ipv4Addr),
    /// 12: address of the default gateway; 0.0.0.0: none.
    Gateway(Ipv4Addr),
    /// 20: VLAN id, 1 to 4094; none: untagged.
    Vlan(Option<u16>),
    /// 24: the highest privilege that each cipher suite of parameter 23 allows, in its order.
    SuitePrivileges(SuitePrivileges),
}

/// State of parameter 0, of the LAN and of SOL alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nobody is setting parameters.
    Complete,
    /// Somebody is; the BMC refuses others.
    InProgress,
    /// Write what was set to non-volatile memory, then as [`Progress::InProgress`]; optional.
    Commit,
}

impl Progress {
    /// As on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::InProgress => 1,
            Self::Commit => 2,
        }
    }
}

/// Where a channel's address comes from (parameter 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Code 0.
    Unspecified,
    /// Set by hand.
    Static,
    /// The BMC asks by itself.
    Dhcp,
    /// The BIOS or system software writes it.
    Bios,
    /// Any other way.
    Other,
}

impl Source {
    /// As on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Static => 1,
            Self::Dhcp => 2,
            Self::Bios => 3,
            Self::Other => 4,
        }
    }

    fn of(code: u8) -> Self {
        match code & 0x0f {
            0 => Self::Unspecified,
            1 => Self::Static,
            2 => Self::Dhcp,
            3 => Self::Bios,
            _ => Self::Other,
        }
    }

    /// "static", "dhcp", "bios", "other" or "unspecified".
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Static => "static",
            Self::Dhcp => "dhcp",
            Self::Bios => "bios",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Parameter 24: the level of the n-th suite of parameter 23; 0: the suite must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuitePrivileges {
    /// First byte, reserved: written back as it was read.
    pub reserved: u8,
    /// One nibble each on the wire.
    pub levels: [u8; MOST_SUITES],
}

impl LanParameter {
    /// Parameter selector.
    pub fn number(&self) -> u8 {
        match self {
            Self::SetInProgress(_) => 0,
            Self::Address(_) => 3,
            Self::Source(_) => 4,
            Self::Netmask(_) => 6,
            Self::Gateway(_) => 12,
            Self::Vlan(_) => 20,
            Self::SuitePrivileges(_) => 24,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::SetInProgress(progress) => vec![progress.code()],
            Self::Address(address) | Self::Netmask(address) | Self::Gateway(address) => address.octets().to_vec(),
            Self::Source(source) => vec![source.code()],
            Self::Vlan(None) => vec![0, 0],
            Self::Vlan(Some(id)) => {
                let [low, high] = (id & 0x0fff).to_le_bytes();
                vec![low, high | 0x80]
            }
            Self::SuitePrivileges(SuitePrivileges { reserved, levels }) => {
                let pairs = levels.chunks_exact(2).map(|pair| match *pair {
                    [first, second] => (first & 0x0f) | (second << 4),
                    _ => 0,
                });
                [*reserved].into_iter().chain(pairs).collect()
            }
        }
    }
}

/// Set LAN Configuration Parameters (23.1).
#[derive(Debug, Clone)]
pub struct SetLan {
    /// LAN channel.
    pub channel: u8,
    /// What is written.
    pub parameter: LanParameter,
}

impl Command for SetLan {
    const NETFN: NetFn = NetFn::TRANSPORT;
    const CMD: u8 = 0x01;
    const NAME: &'static str = "Set LAN Configuration Parameters";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let mut data = vec![self.channel & 0x0f, self.parameter.number()];
        data.extend(self.parameter.bytes());
        data
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// One reading of Get LAN Configuration Parameters (23.2): a type for each parameter says what comes back.
pub trait LanReading {
    /// Parameter selector.
    const PARAMETER: u8;
    /// What is asked, for people.
    const WHAT: &'static str;
    /// What it holds.
    type Value;
    /// Reads what follows the revision; none: too short.
    fn value(data: &[u8]) -> Option<Self::Value>;
}

/// Get LAN Configuration Parameters (23.2) of one channel.
#[derive(Debug, Clone, Copy)]
pub struct GetLan<R> {
    /// LAN channel.
    pub channel: u8,
    /// Which parameter.
    pub reading: R,
}

impl<R: LanReading> Command for GetLan<R> {
    const NETFN: NetFn = NetFn::TRANSPORT;
    const CMD: u8 = 0x02;
    const NAME: &'static str = "Get LAN Configuration Parameters";
    type Answer = R::Value;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, R::PARAMETER, 0, 0]
    }

    fn answer(&self, data: &[u8]) -> Result<R::Value, Malformed> {
        // The first byte is the parameter's revision.
        data.get(1..).and_then(R::value).ok_or_else(|| Malformed::short(Self::NAME, R::WHAT, data))
    }
}

macro_rules! readings {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $what:literal, $value:ty, $read:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl LanReading for $name {
            const PARAMETER: u8 = $number;
            const WHAT: &'static str = $what;
            type Value = $value;
            fn value(data: &[u8]) -> Option<$value> {
                let read: fn(&[u8]) -> Option<$value> = $read;
                read(data)
            }
        }
    )+};
}

readings! {
    /// Parameter 0.
    LanProgress = 0, "1 byte of set in progress", Progress, |data| Some(match data.first()? & 0x03 {
        0 => Progress::Complete,
        2 => Progress::Commit,
        _ => Progress::InProgress,
    });
    /// Parameter 3.
    LanAddress = 3, "4 bytes of an address", Ipv4Addr, ipv4;
    /// Parameter 4.
    LanSource = 4, "1 byte of the address's source", Source, |data| data.first().map(|code| Source::of(*code));
    /// Parameter 5.
    LanMac = 5, "6 bytes of a MAC", [u8; 6], |data| data.get(..6)?.try_into().ok();
    /// Parameter 6.
    LanNetmask = 6, "4 bytes of a netmask", Ipv4Addr, ipv4;
    /// Parameter 12.
    LanGateway = 12, "4 bytes of a gateway", Ipv4Addr, ipv4;
    /// Parameter 20; none: untagged.
    LanVlan = 20, "2 bytes of a VLAN", Option<u16>, |data| match *data {
        [low, high, ..] => Some((high & 0x80 != 0).then(|| u16::from_le_bytes([low, high & 0x0f]))),
        _ => None,
    };
    /// Parameter 22: how many suites parameters 23 and 24 have, at most [`MOST_SUITES`].
    LanSuiteCount = 22, "1 byte of the number of cipher suites", usize,
        |data| data.first().map(|count| usize::from(count & 0x1f).min(MOST_SUITES));
    /// Parameter 23: ids; only the first so many of parameter 22 mean something.
    LanSuites = 23, "a byte for each cipher suite", Vec<u8>,
        |data| data.get(1..).map(|ids| ids.iter().copied().take(MOST_SUITES).collect());
    /// Parameter 24.
    LanSuitePrivileges = 24, "9 bytes of the cipher suites' privileges", SuitePrivileges, |data| {
        let (reserved, pairs) = data.get(..9)?.split_first()?;
        let mut levels = [0; MOST_SUITES];
        for (two, pair) in levels.chunks_exact_mut(2).zip(pairs) {
            two.copy_from_slice(&[pair & 0x0f, pair >> 4]);
        }
        Some(SuitePrivileges { reserved: *reserved, levels })
    };
}

fn ipv4(data: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = data.get(..4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(parameter: LanParameter) -> Vec<u8> {
        SetLan { channel: 8, parameter }.data()
    }

    #[test]
    fn parameters_as_table_23_4_has_them() {
        assert_eq!(set(LanParameter::SetInProgress(Progress::InProgress)), [8, 0, 1]);
        assert_eq!(set(LanParameter::Address(Ipv4Addr::new(10, 0, 2, 15))), [8, 3, 10, 0, 2, 15]);
        assert_eq!(set(LanParameter::Source(Source::Dhcp)), [8, 4, 2]);
        assert_eq!(set(LanParameter::Netmask(Ipv4Addr::new(255, 255, 240, 0))), [8, 6, 255, 255, 240, 0]);
        assert_eq!(set(LanParameter::Gateway(Ipv4Addr::UNSPECIFIED)), [8, 12, 0, 0, 0, 0]);
        assert_eq!(set(LanParameter::Vlan(Some(0x123))), [8, 20, 0x23, 0x81]);
        assert_eq!(set(LanParameter::Vlan(None)), [8, 20, 0, 0]);
        let mut levels = [0; MOST_SUITES];
        levels[1] = 4;
        levels[2] = 3;
        let privileges = SuitePrivileges { reserved: 0, levels };
        assert_eq!(set(LanParameter::SuitePrivileges(privileges)), [8, 24, 0, 0x40, 0x03, 0, 0, 0, 0, 0, 0]);
        assert_eq!(LanSuitePrivileges::value(&[0, 0x40, 0x03, 0, 0, 0, 0, 0, 0]), Some(privileges));
    }

    #[test]
    fn answers_come_behind_the_revision() {
        let get = GetLan { channel: 1, reading: LanVlan };
        assert_eq!(get.data(), [1, 20, 0, 0]);
        assert_eq!(get.answer(&[0x11, 0x23, 0x81]), Ok(Some(0x123)));
        assert_eq!(get.answer(&[0x11, 0x23, 0x01]), Ok(None));
        let wrong = get.answer(&[0x11, 0x23]).map_err(|e| e.to_string());
        assert_eq!(
            wrong,
            Err("Get LAN Configuration Parameters: expected 2 bytes of a VLAN, the BMC sent 2 bytes".to_owned())
        );
        let suites = GetLan { channel: 1, reading: LanSuites };
        assert_eq!(suites.answer(&[0x11, 0, 0, 3, 17]), Ok(vec![0, 3, 17]));
        assert_eq!(GetLan { channel: 1, reading: LanSuiteCount }.answer(&[0x11, 0x1f]), Ok(MOST_SUITES));
        let source = GetLan { channel: 1, reading: LanSource };
        assert_eq!((source.answer(&[0x11, 2]), source.answer(&[0x11, 9])), (Ok(Source::Dhcp), Ok(Source::Other)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(id in 1_u16..4095, levels: [u8; 8], octets: [u8; 4]) {
            let back = |parameter: LanParameter| [vec![0x11], parameter.bytes()].concat();
            let vlan = GetLan { channel: 1, reading: LanVlan }.answer(&back(LanParameter::Vlan(Some(id))));
            prop_assert_eq!(vlan, Ok(Some(id)));
            let address = Ipv4Addr::from(octets);
            let read = GetLan { channel: 1, reading: LanAddress }.answer(&back(LanParameter::Address(address)));
            prop_assert_eq!(read, Ok(address));
            let mut all = [0; MOST_SUITES];
            for (to, from) in all.iter_mut().zip(levels) {
                *to = from & 0x0f;
            }
            let privileges = SuitePrivileges { reserved: 0, levels: all };
            let get = GetLan { channel: 1, reading: LanSuitePrivileges };
            prop_assert_eq!(get.answer(&back(LanParameter::SuitePrivileges(privileges))), Ok(privileges));
        }
    }
}
