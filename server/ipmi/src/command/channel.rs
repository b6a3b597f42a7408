//! Channels (22.15, 22.22-22.24): which there are, who may come in by them, with which cipher suites.

use super::user::Privilege;
use crate::{Command, Malformed, NetFn};

/// Channel numbers that may be a LAN (6.3): 0 is the IPMB, 0Ch to 0Fh mean something else.
pub const NUMBERS: std::ops::RangeInclusive<u8> = 1..=0x0b;

/// Get Channel Info (22.24).
#[derive(Debug, Clone, Copy)]
pub struct GetChannelInfo {
    /// Which.
    pub channel: u8,
}

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its number, as the BMC says it.
    pub number: u8,
    /// Medium, table 6-3.
    pub medium: u8,
    /// Protocol, table 6-2.
    pub protocol: u8,
}

impl ChannelInfo {
    /// 802.3 LAN (04h).
    pub fn is_lan(self) -> bool {
        self.medium == 0x04
    }
}

impl Command for GetChannelInfo {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x42;
    const NAME: &'static str = "Get Channel Info";
    type Answer = ChannelInfo;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f]
    }

    fn answer(&self, data: &[u8]) -> Result<ChannelInfo, Malformed> {
        let [number, medium, protocol, ..] = *data else {
            return Err(Malformed::short(Self::NAME, "at least 3 bytes", data));
        };
        Ok(ChannelInfo { number: number & 0x0f, medium: medium & 0x7f, protocol: protocol & 0x1f })
    }
}

/// Which of the two settings of a channel (22.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// What holds after the BMC's next start.
    NonVolatile,
    /// What holds now.
    Volatile,
}

impl Memory {
    fn bits(self) -> u8 {
        match self {
            Self::NonVolatile => 0x40,
            Self::Volatile => 0x80,
        }
    }
}

/// When a channel may be used (22.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Never.
    Disabled,
    /// Only while the machine is off or in its BIOS.
    PreBoot,
    /// Always.
    Always,
    /// Always, shared with system software.
    Shared,
    /// A reserved code.
    Reserved(u8),
}

impl AccessMode {
    fn code(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::PreBoot => 1,
            Self::Always => 2,
            Self::Shared => 3,
            Self::Reserved(code) => code & 0x07,
        }
    }

    fn of(code: u8) -> Self {
        match code & 0x07 {
            0 => Self::Disabled,
            1 => Self::PreBoot,
            2 => Self::Always,
            3 => Self::Shared,
            code => Self::Reserved(code),
        }
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::PreBoot => "before boot only",
            Self::Always => "always",
            Self::Shared => "shared",
            Self::Reserved(_) => "reserved",
        }
    }
}

/// Who may come in by a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelAccess {
    /// When.
    pub mode: AccessMode,
    /// PEF alerts are off.
    pub alerting_off: bool,
    /// Packets after the log-in need no authentication.
    pub per_message_off: bool,
    /// Requests of privilege User need no authentication.
    pub user_level_off: bool,
    /// The highest that a session may have.
    pub limit: Privilege,
}

/// Get Channel Access (22.23).
#[derive(Debug, Clone, Copy)]
pub struct GetChannelAccess {
    /// Which channel.
    pub channel: u8,
    /// Which of its settings.
    pub memory: Memory,
}

impl Command for GetChannelAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x41;
    const NAME: &'static str = "Get Channel Access";
    type Answer = ChannelAccess;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.memory.bits()]
    }

    fn answer(&self, data: &[u8]) -> Result<ChannelAccess, Malformed> {
        let [access, limit, ..] = *data else { return Err(Malformed::short(Self::NAME, "2 bytes", data)) };
        Ok(ChannelAccess {
            mode: AccessMode::of(access),
            alerting_off: access & 0x20 != 0,
            per_message_off: access & 0x10 != 0,
            user_level_off: access & 0x08 != 0,
            limit: Privilege::of(limit),
        })
    }
}

/// Set Channel Access (22.22): mode, flags and limit together, in one of the two settings.
#[derive(Debug, Clone, Copy)]
pub struct SetChannelAccess {
    /// Which channel.
    pub channel: u8,
    /// Which of its settings.
    pub memory: Memory,
    /// What is written.
    pub access: ChannelAccess,
}

impl Command for SetChannelAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x40;
    const NAME: &'static str = "Set Channel Access";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let ChannelAccess { mode, alerting_off, per_message_off, user_level_off, limit } = self.access;
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = flag(alerting_off, 0x20) | flag(per_message_off, 0x10) | flag(user_level_off, 0x08);
        vec![
            self.channel & 0x0f,
            self.memory.bits() | flags | mode.code(),
            // A limit of "none" is no limit that can be set: then the one there stays.
            if limit == Privilege::None { 0 } else { self.memory.bits() | limit.code() },
        ]
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get Channel Cipher Suites (22.15), listed by suite, for IPMI messages: one block of at most 16 bytes of records.
#[derive(Debug, Clone, Copy)]
pub struct GetSuites {
    /// Which channel.
    pub channel: u8,
    /// Which block, 0 to 3Fh. A block of less than 16 bytes is the last.
    pub index: u8,
}

impl GetSuites {
    /// Bytes of a block that is not the last.
    pub const BLOCK: usize = 16;
    /// The last block that there can be.
    pub const LAST: u8 = 0x3f;
}

impl Command for GetSuites {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x54;
    const NAME: &'static str = "Get Channel Cipher Suites";
    /// The block, without the channel's number.
    type Answer = Vec<u8>;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, 0, 0x80 | (self.index & 0x3f)]
    }

    fn answer(&self, data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let block = data.get(1..).ok_or_else(|| Malformed::short(Self::NAME, "at least 1 byte", data))?;
        Ok(block.iter().copied().take(Self::BLOCK).collect())
    }
}

/// Ids of the standard suites in records (table 22-18) put together from all blocks; what is not a record is skipped.
pub fn suite_ids(records: &[u8]) -> Vec<u8> {
    let mut ids = Vec::new();
    let mut rest = records.iter();
    while let Some(start) = rest.next() {
        match *start {
            0xc0 => ids.extend(rest.next()),
            // A vendor's own: its id counts within its enterprise number, three bytes.
            0xc1 => {
                rest.nth(3);
            }
            _ => {}
        }
    }
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lan_channel() {
        let get = GetChannelInfo { channel: 8 };
        assert_eq!(get.data(), [8]);
        let info = get.answer(&[0x08, 0x04, 0x01, 0x80, 0xf2, 0x1b, 0, 0, 0]);
        assert_eq!(info, Ok(ChannelInfo { number: 8, medium: 4, protocol: 1 }));
        assert!(info.is_ok_and(ChannelInfo::is_lan) && get.answer(&[8, 4]).is_err());
    }

    #[test]
    fn access_is_written_as_it_is_read() {
        let get = GetChannelAccess { channel: 1, memory: Memory::NonVolatile };
        assert_eq!(get.data(), [1, 0x40]);
        let access = ChannelAccess {
            mode: AccessMode::Always,
            alerting_off: true,
            per_message_off: false,
            user_level_off: true,
            limit: Privilege::Administrator,
        };
        assert_eq!(get.answer(&[0x2a, 0x04]), Ok(access));
        let set = SetChannelAccess { channel: 1, memory: Memory::Volatile, access };
        assert_eq!(set.data(), [1, 0xaa, 0x84]);
        let set = SetChannelAccess { memory: Memory::NonVolatile, ..set };
        assert_eq!(set.data(), [1, 0x6a, 0x44]);
        assert!(get.answer(&[0x2a]).is_err());
    }

    #[test]
    fn records_of_cipher_suites() {
        assert_eq!(GetSuites { channel: 1, index: 2 }.data(), [1, 0, 0x82]);
        // Suite 3, a vendor's suite 80h of enterprise 000157h, suite 17; then one that was cut off.
        let records = [0xc0, 3, 0x01, 0x41, 0x81, 0xc1, 0x80, 0x57, 0x01, 0x00, 0x02, 0xc0, 17, 0x03, 0x44, 0x81, 0xc0];
        assert_eq!(suite_ids(&records), [3, 17]);
        assert_eq!(GetSuites { channel: 1, index: 0 }.answer(&[1, 0xc0, 3]), Ok(vec![0xc0, 3]));
        assert!(GetSuites { channel: 1, index: 0 }.answer(&[]).is_err());
    }
}
