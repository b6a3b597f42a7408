//! Reads what there is: who the BMC is, its LAN channels wherever they are, their parameters, users and cipher suites.
//! Changes nothing. What a BMC refuses of it is left out; one that falls silent ends the reading.

use std::time::Duration;

use higuma_ipmi::command::channel::{GetChannelInfo, GetSuites, NUMBERS, suite_ids};
use higuma_ipmi::command::lan::{
    GetLan, LanAddress, LanGateway, LanMac, LanNetmask, LanSource, LanSuiteCount, LanSuitePrivileges, LanSuites,
    LanVlan,
};
use higuma_ipmi::command::user::{GetUserAccess, GetUserName, Privilege, USERS_MAX, UserAccess};
use higuma_ipmi::command::{DeviceId, GetDeviceId, GetSystemGuid};

use super::call::{CallError, Talk};
use super::found::{Channel, Found, State, User, is_usable};

/// For the first answer: a BMC that says nothing holds the boot up no longer than this.
const HELLO: Duration = Duration::from_secs(40);

/// Reads all; `met` is told who the BMC is as soon as that is known.
pub fn read(talk: &mut Talk<'_>, met: impl FnOnce(&DeviceId)) -> Found {
    let mut found =
        Found { state: State::Present, error: String::new(), device: None, guid: None, channels: Vec::new() };
    let outcome = read_into(talk, &mut found, met);
    if let Err(error) = outcome {
        found.state = if error.is_silence() { State::Silent } else { State::Refused };
        found.error = error.to_string();
    }
    found
}

fn read_into(talk: &mut Talk<'_>, found: &mut Found, met: impl FnOnce(&DeviceId)) -> Result<(), CallError> {
    let device = talk.patient(HELLO).ask(&GetDeviceId)?;
    met(&device);
    found.device = Some(device);
    found.guid = told(talk.ask(&GetSystemGuid))?;
    let mut refused = None;
    let mut known = 0;
    for number in NUMBERS {
        let info = match talk.ask(&GetChannelInfo { channel: number }) {
            Ok(info) => info,
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => {
                refused.get_or_insert(error);
                continue;
            }
        };
        known += 1;
        // A BMC may answer for the channel of the request itself instead.
        if info.is_lan() && info.number == number {
            found.channels.push(Channel { number, ..Channel::default() });
            if let Some(channel) = found.channels.last_mut() {
                read_channel(talk, channel)?;
            }
        }
    }
    match refused {
        Some(error) if known == 0 => Err(error),
        _ => Ok(()),
    }
}

/// A refusal, or nonsense, is "not told"; silence is an error.
fn told<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_silence() => Err(error),
        Err(_) => Ok(None),
    }
}

fn read_channel(talk: &mut Talk<'_>, into: &mut Channel) -> Result<(), CallError> {
    let channel = into.number;
    into.mac = told(talk.ask(&GetLan { channel, reading: LanMac }))?;
    into.source = told(talk.ask(&GetLan { channel, reading: LanSource }))?;
    into.address = told(talk.ask(&GetLan { channel, reading: LanAddress }))?;
    into.netmask = told(talk.ask(&GetLan { channel, reading: LanNetmask }))?;
    into.gateway = told(talk.ask(&GetLan { channel, reading: LanGateway }))?;
    into.vlan = told(talk.ask(&GetLan { channel, reading: LanVlan }))?.flatten();
    read_suites(talk, into)?;
    read_users(talk, into)
}

/// The cipher suites and their levels; also read back after a level was written.
pub(super) fn read_suites(talk: &mut Talk<'_>, into: &mut Channel) -> Result<(), CallError> {
    let channel = into.number;
    let count = told(talk.ask(&GetLan { channel, reading: LanSuiteCount }))?.unwrap_or(0);
    if count > 0 {
        into.entries = told(talk.ask(&GetLan { channel, reading: LanSuites }))?.unwrap_or_default();
        into.entries.truncate(count);
        into.levels = told(talk.ask(&GetLan { channel, reading: LanSuitePrivileges }))?;
    }
    let mut records = Vec::new();
    for index in 0..=GetSuites::LAST {
        let Some(block) = told(talk.ask(&GetSuites { channel, index }))? else { break };
        records.extend_from_slice(&block);
        if block.len() < GetSuites::BLOCK {
            break;
        }
    }
    into.suites = suite_ids(&records);
    if into.suites.is_empty() {
        into.suites = into.entries.clone();
    }
    Ok(())
}

/// Name of a user whose name the BMC refuses to tell: longer than any (16 bytes), so no plan means it.
const NOT_TOLD: &str = "(the BMC does not tell)";

/// Of a slot whose access the BMC refuses to tell: what the plan wants is written there, and read back.
const NOTHING_TOLD: UserAccess = UserAccess {
    slots: USERS_MAX,
    enabled: None,
    messaging: false,
    link: false,
    callback_only: false,
    privilege: Privilege::None,
};

fn read_users(talk: &mut Talk<'_>, into: &mut Channel) -> Result<(), CallError> {
    let channel = into.number;
    let mut slots = USERS_MAX;
    for slot in 1..=USERS_MAX {
        if slot > slots {
            break;
        }
        let access = told(talk.ask(&GetUserAccess { channel, user: slot }))?;
        let Some(access) = access else {
            // Slot 1 may be nobody's; a second refusal is the end of a BMC that says wrong how many it has.
            if slot > 1 && into.users.is_empty() {
                break;
            }
            // Somebody's all the same when it has a name: without it, an account of ours would get a second slot.
            let name = if slot > 1 { told(talk.ask(&GetUserName { user: slot }))? } else { None };
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                into.users.push(User { slot, name, access: NOTHING_TOLD });
            }
            continue;
        };
        slots = access.slots.min(USERS_MAX);
        // Many refuse to tell the name of an empty slot. One that somebody can log in by is not empty.
        let name = match told(talk.ask(&GetUserName { user: slot }))? {
            Some(name) => name,
            None if slot > 1 && is_usable(&access) => NOT_TOLD.to_owned(),
            None => String::new(),
        };
        into.users.push(User { slot, name, access });
    }
    Ok(())
}
