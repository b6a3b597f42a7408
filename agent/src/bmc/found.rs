//! What a BMC was found to be, as values, and as the message that tells it. Never a password.

use std::net::Ipv4Addr;

use higuma_ipmi::command::DeviceId;
use higuma_ipmi::command::lan::{Source, SuitePrivileges};
use higuma_ipmi::command::user::{Privilege, UserAccess};
use higuma_proto::agent::{BmcChannel, BmcDevice, BmcFound, BmcUser};

/// Whether there is one, and whether it talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Present,
    /// The kernel has no interface to one.
    Absent,
    /// It did not answer in time.
    Silent,
    /// It refuses what must be read.
    Refused,
}

impl State {
    /// As on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Silent => "silent",
            Self::Refused => "refused",
        }
    }
}

/// All that was read, up to where it broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whether it talks.
    pub state: State,
    /// Why it does not, for people; empty when present.
    pub error: String,
    /// Get Device ID.
    pub device: Option<DeviceId>,
    /// Get System GUID, as it was sent.
    pub guid: Option<[u8; 16]>,
    /// LAN channels, by number.
    pub channels: Vec<Channel>,
}

/// One LAN channel; none: the BMC does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its number.
    pub number: u8,
    /// Parameter 5.
    pub mac: Option<[u8; 6]>,
    /// Parameter 4.
    pub source: Option<Source>,
    /// Parameter 3.
    pub address: Option<Ipv4Addr>,
    /// Parameter 6.
    pub netmask: Option<Ipv4Addr>,
    /// Parameter 12.
    pub gateway: Option<Ipv4Addr>,
    /// Parameter 20.
    pub vlan: Option<u16>,
    /// Slots that there are, by number.
    pub users: Vec<User>,
    /// Cipher suites that it offers.
    pub suites: Vec<u8>,
    /// Parameter 23: the suites that parameter 24 has a level for, in its order.
    pub entries: Vec<u8>,
    /// Parameter 24.
    pub levels: Option<SuitePrivileges>,
}

/// One slot for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// From 1.
    pub slot: u8,
    /// Empty: the null user, or an empty slot.
    pub name: String,
    /// On this channel.
    pub access: UserAccess,
}

impl User {
    /// Whether somebody can log in with it.
    pub fn is_usable(&self) -> bool {
        is_usable(&self.access)
    }
}

/// Whether somebody can log in with this access. A BMC that does not tell of "enabled" is believed to have it so.
pub fn is_usable(access: &UserAccess) -> bool {
    access.enabled != Some(false) && access.messaging && access.privilege > Privilege::None
}

impl Channel {
    /// The suites of [`Channel::suites`] that may be used: all for which the BMC tells no level.
    pub fn open_suites(&self) -> Vec<u8> {
        let is_closed = |id: u8| {
            let place = self.entries.iter().position(|entry| *entry == id);
            let level = place.and_then(|place| self.levels.as_ref()?.levels.get(place));
            level.is_some_and(|level| *level == 0)
        };
        self.suites.iter().copied().filter(|id| !is_closed(*id)).collect()
    }
}

impl Found {
    /// No interface to one.
    pub fn absent(why: String) -> Self {
        Self { state: State::Absent, error: why, device: None, guid: None, channels: Vec::new() }
    }

    /// As it is told to the server.
    pub fn to_wire(&self) -> BmcFound {
        let device = self.device.as_ref().map(|device| BmcDevice {
            guid: self.guid.map(hex::encode).unwrap_or_default(),
            firmware: device.firmware.clone(),
            ipmi_version: device.ipmi.clone(),
            manufacturer_id: device.manufacturer,
            product_id: u32::from(device.product),
        });
        BmcFound {
            state: self.state.word().to_owned(),
            error: self.error.clone(),
            device,
            channels: self.channels.iter().map(channel_to_wire).collect(),
        }
    }

    /// One line for a person.
    pub fn summary(&self) -> String {
        let Some(device) = &self.device else { return format!("{}: {}", self.state.word(), self.error) };
        let address = |channel: &Channel| {
            let address = channel.address.unwrap_or(Ipv4Addr::UNSPECIFIED);
            let source = channel.source.map(Source::word).unwrap_or("unknown");
            format!(", channel {}: {address} ({source})", channel.number)
        };
        let channels: String = self.channels.iter().map(address).collect();
        let error =
            if self.error.is_empty() { String::new() } else { format!(", {}: {}", self.state.word(), self.error) };
        format!("firmware {}, IPMI {}{channels}{error}", device.firmware, device.ipmi)
    }
}

fn channel_to_wire(channel: &Channel) -> BmcChannel {
    let ipv4 = |address: Option<Ipv4Addr>| address.map(|a| a.to_string()).unwrap_or_default();
    let mac = channel.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")).unwrap_or_default();
    let ids = |ids: &[u8]| ids.iter().map(|id| u32::from(*id)).collect();
    let users = channel.users.iter().map(|user| BmcUser {
        slot: u32::from(user.slot),
        name: user.name.clone(),
        privilege: user.access.privilege.word().to_owned(),
        enabled: user.access.enabled.unwrap_or_else(|| user.is_usable()),
        messaging: user.access.messaging,
    });
    BmcChannel {
        number: u32::from(channel.number),
        mac,
        source: channel.source.map(|source| source.word().to_owned()).unwrap_or_default(),
        address: ipv4(channel.address),
        netmask: ipv4(channel.netmask),
        gateway: ipv4(channel.gateway),
        vlan: u32::from(channel.vlan.unwrap_or(0)),
        users: users.collect(),
        cipher_suites: ids(&channel.suites),
        open_suites: ids(&channel.open_suites()),
    }
}
