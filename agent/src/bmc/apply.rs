//! Carries a plan out: the account, then the address, then what is optional. Each change is read back; a part that fails
//! does not stop the others, only a BMC that falls silent does. Safe to repeat at any point.

use std::time::Duration;

use higuma_ipmi::command::channel::{GetChannelAccess, Memory};
use higuma_ipmi::command::sol::{GetSol, GetSolAccess, SolEnabled};
use higuma_ipmi::command::user::GetUserAccess;
use higuma_proto::agent::BmcChange;

use super::address::{is_leased, wait_for_lease, write_all};
use super::call::{CallError, Talk};
use super::found::{Channel, Found, State, User};
use super::plan::{self, Act, Change, Details};
use super::wanted::{Address, Wanted};
use super::{address, password, read, write};

/// A change that does not read back by then is not in force.
const READ_BACK: Duration = Duration::from_secs(12);
/// Some BMCs start their network anew, and say nothing meanwhile.
const AWAY: Duration = Duration::from_secs(45);
/// For reading what came of it, even when the time is over.
const AFTERWARDS: Duration = Duration::from_secs(20);
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_LOOK: Duration = Duration::from_secs(3);
/// Times that a change is written which the BMC takes and does not keep.
const WRITES: u32 = 2;
/// Empty slots that are tried: BMCs keep some for themselves and refuse a name there.
const SLOTS: usize = 4;

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Empty: everything that is not optional is as planned.
    pub error: String,
    /// Which of the plan's passwords is in force, from 1; 0: none is known to be.
    pub password: u32,
    /// What differed.
    pub changes: Vec<BmcChange>,
    /// Read afterwards; what was found before when nothing differed.
    pub found: Found,
}

/// Carries it out; `tell` gets lines for people.
pub fn carry_out(talk: &mut Talk<'_>, found: Found, wanted: &Wanted, tell: &mut dyn FnMut(&str)) -> Outcome {
    let failed = |error: String, found: Found| Outcome { error, password: 0, changes: Vec::new(), found };
    if found.state != State::Present {
        let why = format!("nothing was changed, the BMC is {}: {}", found.state.word(), found.error);
        return failed(why, found);
    }
    let channel = match plan::channel(&found, wanted) {
        Ok(channel) => channel.clone(),
        Err(why) => return failed(why, found),
    };
    let mut apply = Apply { talk, channel: channel.number, changes: Vec::new(), tell, is_silent: false };
    let mut errors = Vec::new();
    let account = apply.account(&channel, wanted);
    let (slot, number) = match account {
        Ok(account) => account,
        Err((slot, number, why)) => {
            errors.push(why);
            (slot, number)
        }
    };
    errors.extend(apply.address(&channel, wanted));
    apply.optional(&channel, slot, wanted);
    if apply.is_silent {
        errors.push("the BMC fell silent, the rest was not tried".to_owned());
    }
    let changes = apply.changes;
    let found = if changes.is_empty() { found } else { read::read(&mut talk.at_least(AFTERWARDS), |_| ()) };
    Outcome { error: errors.join("; "), password: number, changes, found }
}

/// A plan being carried out on one channel.
pub(super) struct Apply<'a, 't> {
    pub(super) talk: &'a mut Talk<'t>,
    pub(super) channel: u8,
    changes: Vec<BmcChange>,
    tell: &'a mut dyn FnMut(&str),
    is_silent: bool,
}

/// Slot and password number as far as they are known, and what failed.
type Unfinished = (Option<u8>, u32, String);

impl Apply<'_, '_> {
    fn account(&mut self, channel: &Channel, wanted: &Wanted) -> Result<(Option<u8>, u32), Unfinished> {
        let nothing = |why: String| (None, 0, why);
        let mut slots: Vec<User> = plan::slots(channel, wanted).map_err(nothing)?.into_iter().cloned().collect();
        let mut removals = plan::removals(channel, slots.is_empty(), wanted);
        if slots.is_empty() {
            // Room is made only where the plan removes somebody anyway.
            let Some(freed) = self.make_room(channel, &mut removals) else {
                let taken = channel.users.iter().filter(|u| u.slot > 1).count();
                let why = format!(
                    "no slot is free for user {:?}: all {taken} from 2 on are taken; remove one at the BMC, or name one \
                     for removal in the settings",
                    wanted.user
                );
                return Err(nothing(why));
            };
            slots.push(freed);
        }
        let user = self.named(&slots, wanted).map_err(nothing)?;
        let is_new_user = user.name != wanted.user;
        let slot = user.slot;
        let in_force = password::settle(self.talk, slot, &wanted.passwords, is_new_user);
        let number = self.password(&user, in_force).map_err(|why| (Some(slot), 0, why))?;
        let details = self.details(slot, wanted);
        let mut errors = Vec::new();
        for change in plan::account(&user, &details, wanted) {
            errors.extend(self.settle(&change, false).err());
        }
        // Nobody goes before ours is whole.
        let is_whole = errors.is_empty();
        for change in removals.iter().filter(|_| is_whole) {
            errors.extend(self.settle(change, false).err());
        }
        if errors.is_empty() { Ok((Some(slot), number)) } else { Err((Some(slot), number, errors.join("; "))) }
    }

    /// Removes the first user that is to be removed; gives its slot, empty.
    fn make_room(&mut self, channel: &Channel, removals: &mut Vec<Change>) -> Option<User> {
        while !removals.is_empty() {
            let change = removals.remove(0);
            let Act::Remove { slot } = change.act else { continue };
            if self.settle(&change, false).is_err() {
                continue;
            }
            let access = self.talk.ask(&GetUserAccess { channel: channel.number, user: slot }).ok()?;
            return Some(User { slot, name: String::new(), access });
        }
        None
    }

    /// The first slot that has, or takes, the name.
    fn named(&mut self, slots: &[User], wanted: &Wanted) -> Result<User, String> {
        let mut refusals = Vec::new();
        for user in slots.iter().take(SLOTS) {
            let Some(change) = plan::name(user, wanted) else { return Ok(user.clone()) };
            let kept = self.changes.len();
            match self.settle(&change, false) {
                Ok(()) => return Ok(user.clone()),
                Err(why) => refusals.push(why),
            }
            if self.is_silent {
                break;
            }
            // Only the slot that takes it, or the last that did not, is a change to report.
            if refusals.len() < slots.len().min(SLOTS) {
                self.changes.truncate(kept);
            }
        }
        Err(refusals.join("; "))
    }

    /// Reports what became of the password, and lets the user log in.
    fn password(
        &mut self,
        user: &User,
        settled: Result<password::InForce, password::Unsettled>,
    ) -> Result<u32, String> {
        let slot = user.slot;
        let what = format!("password of user {slot}");
        let mut report = |after: String, error: String| {
            let line = if error.is_empty() { format!("{what}: {after}") } else { format!("{what}: {error}") };
            (self.tell)(&line);
            let before = String::new();
            self.changes.push(BmcChange { what: what.clone(), before, after, error, optional: false });
        };
        match settled {
            Ok(in_force) if in_force.is_new => {
                let how = if in_force.is_tested { "tested" } else { "this BMC does not test passwords" };
                report(format!("set, number {} of the plan ({how})", in_force.number), String::new());
                // Where the BMC tells whether the user is enabled, that is a change of its own.
                if user.access.enabled.is_none() {
                    let _ = write::write(self.talk, self.channel, &Act::Enable { slot });
                }
                Ok(in_force.number)
            }
            Ok(in_force) => Ok(in_force.number),
            Err(unsettled) => {
                report(String::new(), unsettled.why.clone());
                self.is_silent |= unsettled.is_silent;
                Err(format!("{what}: {}", unsettled.why))
            }
        }
    }

    fn details(&mut self, slot: u8, wanted: &Wanted) -> Details {
        let channel = self.channel;
        let access = |talk: &mut Talk<'_>, memory| talk.ask(&GetChannelAccess { channel, memory }).ok();
        Details {
            non_volatile: access(self.talk, Memory::NonVolatile),
            volatile: access(self.talk, Memory::Volatile),
            sol_user: if wanted.sol { self.talk.ask(&GetSolAccess { channel, user: slot }).ok() } else { None },
        }
    }

    fn address(&mut self, channel: &Channel, wanted: &Wanted) -> Vec<String> {
        let changes = plan::address(channel, wanted);
        let mut errors = write_all(self, &changes);
        let Address::Dhcp { wait, .. } = wanted.address else { return errors };
        let has_one = channel.address.is_some_and(is_leased);
        if self.is_silent || !errors.is_empty() || (changes.is_empty() && has_one) {
            return errors;
        }
        let before = channel.address;
        let leased = wait_for_lease(self.talk, self.channel, before, wait);
        let text = |ip: std::net::Ipv4Addr| ip.to_string();
        let (after, error) = match leased {
            Ok(address) => (text(address), String::new()),
            Err(why) => (String::new(), why),
        };
        if !error.is_empty() {
            errors.push(error.clone());
        }
        let change = BmcChange {
            what: "address by DHCP".to_owned(),
            before: before.map(text).unwrap_or_default(),
            after,
            error,
            optional: false,
        };
        self.report(change);
        errors
    }

    fn optional(&mut self, channel: &Channel, slot: Option<u8>, wanted: &Wanted) {
        for change in plan::closing(channel, slot, wanted) {
            let _ = self.settle(&change, false);
        }
        if wanted.sol && !self.is_silent {
            let reason = match self.talk.ask(&GetSol { channel: self.channel, reading: SolEnabled }) {
                Ok(true) => return,
                Ok(false) => Act::Sol,
                Err(error) if write::has_no_such(&error) => Act::Impossible("this BMC has no SOL on this channel"),
                // Writing it will say what is wrong.
                Err(_) => Act::Sol,
            };
            let (what, before, after) = ("serial over LAN".to_owned(), "off".to_owned(), "on".to_owned());
            let _ = self.settle(&Change { what, before, after, optional: true, act: reason }, false);
        }
    }

    /// Makes one change (`is_written`: the BMC took it just now), reads it back and reports it.
    ///
    /// # Errors
    /// In words, when it is not in force and not optional.
    pub(super) fn settle(&mut self, change: &Change, is_written: bool) -> Result<(), String> {
        let error = match self.is_silent {
            true => "not tried, the BMC does not answer".to_owned(),
            false => self.made(&change.act, is_written),
        };
        self.report(BmcChange {
            what: change.what.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            error: error.clone(),
            optional: change.optional,
        });
        if error.is_empty() || change.optional { Ok(()) } else { Err(format!("{}: {error}", change.what)) }
    }

    fn report(&mut self, change: BmcChange) {
        let after = if change.error.is_empty() { String::new() } else { format!(": {}", change.error) };
        let kind = if change.error.is_empty() || !change.optional { "" } else { " (optional)" };
        (self.tell)(&format!(
            "{}: {} -> {}{kind}{after}",
            change.what,
            or_none(&change.before),
            or_none(&change.after)
        ));
        self.changes.push(change);
    }

    /// Empty: it is in force; else why not.
    fn made(&mut self, act: &Act, is_written: bool) -> String {
        if let Act::Impossible(why) = act {
            return (*why).to_owned();
        }
        let has_lock = matches!(
            act,
            Act::Source(_) | Act::Address(_) | Act::Netmask(_) | Act::Gateway(_) | Act::Vlan(_) | Act::Suites(_)
        );
        let mut last = String::new();
        for round in 0..WRITES {
            if (round > 0 || !is_written)
                && let Err(error) = self.write(act, has_lock)
            {
                self.is_silent |= error.is_silence();
                return error.to_string();
            }
            match self.seen(act) {
                Ok(None) => return String::new(),
                Ok(Some(found)) => last = format!("written, but {found} reads back"),
                Err(error) => {
                    self.is_silent |= error.is_silence();
                    last = format!("written, but not read back: {error}");
                    if self.is_silent {
                        break;
                    }
                }
            }
        }
        last
    }

    fn write(&mut self, act: &Act, has_lock: bool) -> Result<(), CallError> {
        let channel = self.channel;
        if has_lock {
            address::under_lock(self.talk, channel, |talk| write::write(talk, channel, act))
        } else {
            write::write(self.talk, channel, act)
        }
    }

    /// Looks until it is in force or the time for it is over.
    fn seen(&mut self, act: &Act) -> Result<Option<String>, CallError> {
        let began = self.talk.now();
        let mut pause = FIRST_LOOK;
        loop {
            let seen = write::reads_back(&mut self.talk.patient(READ_BACK), self.channel, act);
            let allowed = if seen.is_ok() { READ_BACK } else { AWAY };
            let is_over = self.talk.now().saturating_sub(began) >= allowed || self.talk.left().is_zero();
            match &seen {
                Ok(None) => return seen,
                // A refusal to tell is final.
                Err(error) if !error.is_silence() => return seen,
                _ if is_over => return seen,
                _ => {}
            }
            self.talk.pause(pause);
            pause = pause.saturating_mul(2).min(LONGEST_LOOK);
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}
