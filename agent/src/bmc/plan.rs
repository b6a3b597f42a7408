//! Compares what was found with what is wanted: a list of changes, in the order that real BMCs need. Pure: nothing is
//! asked here, and a password is no change of this list (see [`super::password`]).

use std::net::Ipv4Addr;

use higuma_ipmi::command::channel::{AccessMode, ChannelAccess, Memory};
use higuma_ipmi::command::lan::{Source, SuitePrivileges};
use higuma_ipmi::command::user::Privilege;

use super::found::{Channel, Found, User};
use super::wanted::{Address, Wanted};

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Give the slot a name.
    Name { slot: u8, name: String },
    /// Let the user log in.
    Enable { slot: u8 },
    /// Give it this privilege on the channel.
    Privilege { slot: u8, privilege: Privilege },
    /// Open the channel itself.
    Access { memory: Memory, access: ChannelAccess },
    /// Let it send IPMI messages by the channel.
    Messaging { slot: u8, privilege: Privilege },
    /// Let it use SOL.
    SolUser { slot: u8 },
    /// Parameter 4.
    Source(Source),
    /// Parameter 3.
    Address(Ipv4Addr),
    /// Parameter 6.
    Netmask(Ipv4Addr),
    /// Parameter 12.
    Gateway(Ipv4Addr),
    /// Parameter 20.
    Vlan(Option<u16>),
    /// Parameter 24 with no level for suite 0.
    Suites(SuitePrivileges),
    /// Nobody can log in with this slot; its name stays.
    Close { slot: u8 },
    /// Nobody can log in with this slot, and it has no name where the BMC allows that.
    Remove { slot: u8 },
    /// SOL on.
    Sol,
    /// The BMC offers no way: why not.
    Impossible(&'static str),
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What differs, for people.
    pub what: String,
    /// What was found.
    pub before: String,
    /// What is wanted.
    pub after: String,
    /// A failure is not fatal.
    pub optional: bool,
    /// How it is written.
    pub act: Act,
}

/// What is read only when a plan asks for it; none: the BMC does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// Channel access after the BMC's next start.
    pub non_volatile: Option<ChannelAccess>,
    /// Channel access now.
    pub volatile: Option<ChannelAccess>,
    /// Whether the user may use SOL.
    pub sol_user: Option<bool>,
}

fn change(what: impl Into<String>, before: impl ToString, after: impl ToString, act: Act) -> Change {
    Change { what: what.into(), before: before.to_string(), after: after.to_string(), optional: false, act }
}

fn optional(change: Change) -> Change {
    Change { optional: true, ..change }
}

/// The channel that the plan means.
///
/// # Errors
/// In words: there is none.
pub fn channel<'a>(found: &'a Found, wanted: &Wanted) -> Result<&'a Channel, String> {
    match wanted.channel {
        None => found.channels.first().ok_or_else(|| "the BMC has no LAN channel".to_owned()),
        Some(number) => found.channels.iter().find(|c| c.number == number).ok_or_else(|| {
            let there: Vec<String> = found.channels.iter().map(|c| c.number.to_string()).collect();
            format!("the plan is for channel {number}; the BMC's LAN channels are: {}", there.join(", "))
        }),
    }
}

/// Slots for the plan's user: the one that has its name, else the empty ones, the first first; never slot 1. Empty: all are
/// taken.
///
/// # Errors
/// In words: the name is where it must not be.
pub fn slots<'a>(channel: &'a Channel, wanted: &Wanted) -> Result<Vec<&'a User>, String> {
    if let Some(user) = channel.users.iter().find(|user| user.slot > 1 && user.name == wanted.user) {
        return Ok(vec![user]);
    }
    if channel.users.iter().any(|user| user.name == wanted.user) {
        return Err(format!(
            "user {:?} is in slot 1, which is never changed: give Higuma's account another name",
            wanted.user
        ));
    }
    Ok(channel.users.iter().filter(|user| user.slot > 1 && user.name.is_empty()).collect())
}

/// The user's name in its slot.
pub fn name(user: &User, wanted: &Wanted) -> Option<Change> {
    let act = Act::Name { slot: user.slot, name: wanted.user.clone() };
    (user.name != wanted.user)
        .then(|| change(format!("name of user {}", user.slot), quoted(&user.name), quoted(&wanted.user), act))
}

/// What its account needs after the password.
pub fn account(user: &User, details: &Details, wanted: &Wanted) -> Vec<Change> {
    let (slot, access, privilege) = (user.slot, &user.access, wanted.privilege);
    let mut changes = Vec::new();
    if access.enabled == Some(false) {
        changes.push(change(format!("user {slot}"), "disabled", "enabled", Act::Enable { slot }));
    }
    if access.privilege != privilege {
        let what = format!("privilege of user {slot}");
        changes.push(change(what, access.privilege.word(), privilege.word(), Act::Privilege { slot, privilege }));
    }
    let memories = [
        (Memory::NonVolatile, "channel access", &details.non_volatile),
        (Memory::Volatile, "channel access now", &details.volatile),
    ];
    for (memory, what, found) in memories {
        let Some(found) = *found else { continue };
        let needed = opened(found, privilege);
        if needed != found {
            let text = |a: ChannelAccess| format!("{}, at most {}", a.mode.word(), a.limit.word());
            changes.push(change(what, text(found), text(needed), Act::Access { memory, access: needed }));
        }
    }
    if !access.messaging {
        let what = format!("LAN messaging of user {slot}");
        changes.push(change(what, "off", "on", Act::Messaging { slot, privilege }));
    }
    if wanted.sol && details.sol_user == Some(false) {
        changes.push(optional(change(format!("SOL of user {slot}"), "off", "on", Act::SolUser { slot })));
    }
    changes
}

/// A channel that takes sessions of this privilege; all else stays.
fn opened(found: ChannelAccess, privilege: Privilege) -> ChannelAccess {
    let mode = match found.mode {
        AccessMode::Always | AccessMode::Shared => found.mode,
        AccessMode::Disabled | AccessMode::PreBoot | AccessMode::Reserved(_) => AccessMode::Always,
    };
    ChannelAccess { mode, limit: found.limit.max(privilege), ..found }
}

/// Users that the plan names for removal and that can still be used; those too that cannot, where their slot is needed.
pub fn removals(channel: &Channel, needs_slot: bool, wanted: &Wanted) -> Vec<Change> {
    let is_there = |user: &User| user.is_usable() || needs_slot;
    let named = |user: &&User| user.slot > 1 && is_there(user) && wanted.remove_users.contains(&user.name);
    let users = channel.users.iter().filter(named);
    users
        .map(|user| {
            let what = format!("user {}", user.slot);
            change(what, quoted(&user.name), "removed", Act::Remove { slot: user.slot })
        })
        .collect()
}

/// The address, in the order source, address, netmask, gateway, VLAN.
pub fn address(channel: &Channel, wanted: &Wanted) -> Vec<Change> {
    let mut changes = Vec::new();
    let source = |changes: &mut Vec<Change>, source: Source| {
        if channel.source != Some(source) {
            let before = channel.source.map(Source::word).unwrap_or_default();
            changes.push(change("address source", before, source, Act::Source(source)));
        }
    };
    let vlan = match wanted.address {
        Address::Keep => return changes,
        Address::Dhcp { vlan, .. } => {
            source(&mut changes, Source::Dhcp);
            vlan
        }
        Address::Static { address, netmask, gateway, vlan } => {
            source(&mut changes, Source::Static);
            if channel.address != Some(address) {
                changes.push(change("address", known(channel.address), address, Act::Address(address)));
            }
            if channel.netmask != Some(netmask) {
                changes.push(change("netmask", known(channel.netmask), netmask, Act::Netmask(netmask)));
            }
            let wants = gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
            if channel.gateway.unwrap_or(Ipv4Addr::UNSPECIFIED) != wants {
                let change = change("gateway", known(channel.gateway), wants, Act::Gateway(wants));
                // Some BMCs keep an old gateway for ever: harmless.
                changes.push(Change { optional: gateway.is_none(), ..change });
            }
            vlan
        }
    };
    if channel.vlan != vlan {
        let text = |vlan: Option<u16>| vlan.map_or("untagged".to_owned(), |id| id.to_string());
        changes.push(change("VLAN", text(channel.vlan), text(vlan), Act::Vlan(vlan)));
    }
    changes
}

/// Cipher suite 0 and users without a name; `slot` is that of the plan's user.
pub fn closing(channel: &Channel, slot: Option<u8>, wanted: &Wanted) -> Vec<Change> {
    let mut changes = Vec::new();
    if wanted.close_cipher_zero && channel.open_suites().contains(&0) {
        let place = channel.entries.iter().position(|id| *id == 0);
        let act = match (channel.levels, place) {
            (Some(mut levels), Some(place)) => {
                if let Some(level) = levels.levels.get_mut(place) {
                    *level = 0;
                }
                Act::Suites(levels)
            }
            _ => Act::Impossible("the BMC has no privilege level for it in its LAN parameters 22 to 24"),
        };
        changes.push(optional(change("cipher suite 0", "open", "closed", act)));
    }
    if wanted.close_anonymous {
        let nameless = |user: &&User| user.name.is_empty() && Some(user.slot) != slot && user.is_usable();
        changes.extend(channel.users.iter().filter(nameless).map(|user| {
            let what = format!("user {} without a name", user.slot);
            optional(change(what, "usable", "closed", Act::Close { slot: user.slot }))
        }));
    }
    changes
}

fn quoted(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name:?}") }
}

fn known(address: Option<Ipv4Addr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}
