//! One change on the wire: how it is written, and what reads back afterwards.

use higuma_ipmi::Completion;
use higuma_ipmi::command::channel::{GetChannelAccess, SetChannelAccess};
use higuma_ipmi::command::lan::{
    GetLan, LanAddress, LanGateway, LanNetmask, LanParameter, LanSource, LanSuitePrivileges, LanVlan, SetLan,
};
use higuma_ipmi::command::sol::{GetSol, GetSolAccess, SetSol, SetSolAccess, SolEnabled, SolParameter};
use higuma_ipmi::command::user::{
    GetUserAccess, GetUserName, PasswordAction, Privilege, SetUserAccess, SetUserName, SetUserPassword,
};

use super::call::{CallError, Talk};
use super::found::is_usable;
use super::plan::Act;

/// Writes one change.
///
/// # Errors
/// The refusal or silence of the command that matters.
pub fn write(talk: &mut Talk<'_>, channel: u8, act: &Act) -> Result<(), CallError> {
    match act.clone() {
        Act::Name { slot, name } => talk.ask(&SetUserName { user: slot, name }),
        Act::Enable { slot } => talk.ask(&SetUserPassword { user: slot, action: PasswordAction::Enable }),
        Act::Privilege { slot, privilege } => talk.ask(&SetUserAccess { channel, user: slot, access: None, privilege }),
        Act::Access { memory, access } => talk.ask(&SetChannelAccess { channel, memory, access }),
        Act::Messaging { slot, privilege } => {
            // Link authentication has no meaning on a LAN, and some BMCs want both together.
            let on = |link| SetUserAccess { channel, user: slot, access: Some((true, link)), privilege };
            or_else(talk.ask(&on(true)), || talk.ask(&on(false)))
        }
        Act::SolUser { slot } => talk.ask(&SetSolAccess { channel, user: slot, on: true }),
        Act::Source(source) => parameter(talk, channel, LanParameter::Source(source)),
        Act::Address(address) => parameter(talk, channel, LanParameter::Address(address)),
        Act::Netmask(netmask) => parameter(talk, channel, LanParameter::Netmask(netmask)),
        Act::Gateway(gateway) => parameter(talk, channel, LanParameter::Gateway(gateway)),
        Act::Vlan(vlan) => parameter(talk, channel, LanParameter::Vlan(vlan)),
        Act::Suites(levels) => parameter(talk, channel, LanParameter::SuitePrivileges(levels)),
        Act::Close { slot } => close(talk, channel, slot),
        Act::Remove { slot } => {
            close(talk, channel, slot)?;
            // Names that are fixed stay: the user cannot log in all the same.
            let _ = talk.ask(&SetUserName { user: slot, name: String::new() });
            Ok(())
        }
        Act::Sol => talk.ask(&SetSol { channel, parameter: SolParameter::Enabled(true) }),
        // Never asked: see `apply`.
        Act::Impossible(_) => Ok(()),
    }
}

fn parameter(talk: &mut Talk<'_>, channel: u8, parameter: LanParameter) -> Result<(), CallError> {
    talk.ask(&SetLan { channel, parameter })
}

/// The second way when the first is refused (not when the BMC is silent). The error is that of the first.
fn or_else(first: Result<(), CallError>, second: impl FnOnce() -> Result<(), CallError>) -> Result<(), CallError> {
    match first {
        Err(error) if !error.is_silence() => second().map_err(|_| error),
        outcome => outcome,
    }
}

/// No messages by the channel, no privilege, disabled: BMCs refuse one or the other, and each is enough.
fn close(talk: &mut Talk<'_>, channel: u8, slot: u8) -> Result<(), CallError> {
    let disabled = talk.ask(&SetUserPassword { user: slot, action: PasswordAction::Disable });
    let off = |privilege| SetUserAccess { channel, user: slot, access: Some((false, false)), privilege };
    let closed = or_else(talk.ask(&off(Privilege::None)), || talk.ask(&off(Privilege::User)));
    if disabled.is_ok() { Ok(()) } else { closed }
}

/// Whether the change is in force; else what reads back instead.
///
/// # Errors
/// The BMC does not tell now.
pub fn reads_back(talk: &mut Talk<'_>, channel: u8, act: &Act) -> Result<Option<String>, CallError> {
    let differs = |same: bool, text: String| if same { Ok(None) } else { Ok(Some(text)) };
    match act {
        Act::Name { slot, name } => {
            let found = talk.ask(&GetUserName { user: *slot })?;
            differs(found == *name, format!("{found:?}"))
        }
        Act::Enable { slot } => {
            let found = talk.ask(&GetUserAccess { channel, user: *slot })?;
            differs(found.enabled != Some(false), "disabled".to_owned())
        }
        Act::Privilege { slot, privilege } => {
            let found = talk.ask(&GetUserAccess { channel, user: *slot })?.privilege;
            differs(found == *privilege, found.word().to_owned())
        }
        Act::Messaging { slot, privilege } => {
            let found = talk.ask(&GetUserAccess { channel, user: *slot })?;
            let text = format!("{}, {}", if found.messaging { "on" } else { "off" }, found.privilege.word());
            differs(found.messaging && found.privilege == *privilege, text)
        }
        Act::Access { memory, access } => {
            let found = talk.ask(&GetChannelAccess { channel, memory: *memory })?;
            let text = format!("{}, at most {}", found.mode.word(), found.limit.word());
            differs(found.mode == access.mode && found.limit == access.limit, text)
        }
        Act::SolUser { slot } => differs(talk.ask(&GetSolAccess { channel, user: *slot })?, "off".to_owned()),
        Act::Source(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanSource })?;
            differs(found == *wanted, found.to_string())
        }
        Act::Address(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanAddress })?;
            differs(found == *wanted, found.to_string())
        }
        Act::Netmask(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanNetmask })?;
            differs(found == *wanted, found.to_string())
        }
        Act::Gateway(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanGateway })?;
            differs(found == *wanted, found.to_string())
        }
        Act::Vlan(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanVlan })?;
            differs(found == *wanted, found.map_or("untagged".to_owned(), |id| id.to_string()))
        }
        Act::Suites(wanted) => {
            let found = talk.ask(&GetLan { channel, reading: LanSuitePrivileges })?;
            differs(found.levels == wanted.levels, "other privilege levels".to_owned())
        }
        Act::Close { slot } | Act::Remove { slot } => {
            let found = talk.ask(&GetUserAccess { channel, user: *slot })?;
            differs(!is_usable(&found), "usable".to_owned())
        }
        Act::Sol => differs(talk.ask(&GetSol { channel, reading: SolEnabled })?, "off".to_owned()),
        Act::Impossible(why) => Ok(Some((*why).to_owned())),
    }
}

/// Whether a refusal to read means that the BMC has no such setting.
pub fn has_no_such(error: &CallError) -> bool {
    error.code().is_some_and(|code| matches!(code, Completion(0x80 | 0x82) | Completion::INVALID_COMMAND))
}
