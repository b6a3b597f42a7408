//! Writes the address of a channel under the BMC's own lock ("set in progress") where it has one, reads it back, and waits
//! for DHCP. The lock is released whatever happens.

use std::net::Ipv4Addr;
use std::time::Duration;

use higuma_ipmi::Completion;
use higuma_ipmi::command::lan::{GetLan, LanAddress, LanParameter, Progress, SetLan};

use super::apply::Apply;
use super::call::{CallError, Talk};
use super::plan::Change;
use super::write;

/// LAN and SOL parameters alike: somebody else holds the lock.
const LOCKED: Completion = Completion(0x81);
/// For whoever holds it to be done.
const FOREIGN_LOCK: Duration = Duration::from_secs(3);
/// For giving the lock back, even when the time is over.
const RELEASE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);

/// Writes all under one lock, then reads each back; what did not get there is written once more by itself, for BMCs that
/// take an address only when the source is in force. Gives errors that are not optional.
pub fn write_all(apply: &mut Apply<'_, '_>, changes: &[Change]) -> Vec<String> {
    if changes.is_empty() {
        return Vec::new();
    }
    let channel = apply.channel;
    // One that is refused here is written again by itself below, which says what is wrong. A BMC that says nothing is not
    // asked for the rest: each would cost half a minute.
    let mut is_silent = false;
    let taken: Vec<bool> = under_lock(apply.talk, channel, |talk| {
        let mut write = |change: &Change| {
            let written = if is_silent { return false } else { write::write(talk, channel, &change.act) };
            is_silent = written.as_ref().is_err_and(CallError::is_silence);
            written.is_ok()
        };
        changes.iter().map(&mut write).collect()
    });
    changes.iter().zip(taken).filter_map(|(change, taken)| apply.settle(change, taken).err()).collect()
}

/// Runs `work` with the lock, or without when the BMC has none.
pub fn under_lock<T>(talk: &mut Talk<'_>, channel: u8, work: impl FnOnce(&mut Talk<'_>) -> T) -> T {
    let set = |progress| SetLan { channel, parameter: LanParameter::SetInProgress(progress) };
    let mut taken = talk.ask(&set(Progress::InProgress));
    if taken.as_ref().is_err_and(|e| e.code() == Some(LOCKED)) {
        // Most likely left behind by a program that died: wait once, then break it.
        talk.pause(FOREIGN_LOCK);
        taken = talk.ask(&set(Progress::InProgress));
        if taken.as_ref().is_err_and(|e| e.code() == Some(LOCKED)) {
            let _ = talk.ask(&set(Progress::Complete));
            taken = talk.ask(&set(Progress::InProgress));
        }
    }
    let outcome = work(talk);
    // Also when taking it was not answered: it may be taken.
    if taken.as_ref().map_or_else(|e| e.is_silence(), |()| true) {
        // A BMC that can roll back takes what was written only now (23.1, parameter 0); others refuse, and have it already.
        // One time for both: a BMC that is silent must not cost it twice.
        let mut last = talk.at_least(RELEASE);
        let _ = last.patient(RELEASE / 2).ask(&set(Progress::Commit));
        let _ = last.ask(&set(Progress::Complete));
    }
    outcome
}

/// Waits until the channel has an address by DHCP. `before` is what it had when its source was another: BMCs keep that until
/// there is a lease, so it is believed only at the end of the wait.
///
/// # Errors
/// In words: none came.
pub fn wait_for_lease(
    talk: &mut Talk<'_>,
    channel: u8,
    before: Option<Ipv4Addr>,
    wait: Duration,
) -> Result<Ipv4Addr, String> {
    let began = talk.now();
    loop {
        let waited = talk.now().saturating_sub(began);
        // A BMC that starts its network anew may say nothing for a while.
        let asked = talk.patient(LOOK.saturating_mul(5)).ask(&GetLan { channel, reading: LanAddress });
        let last = match asked {
            Ok(address) if is_leased(address) && (Some(address) != before || waited >= wait) => {
                return Ok(address);
            }
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        };
        if waited >= wait || talk.left().is_zero() {
            return Err(format!("no address by DHCP within {} s, the last answer was: {last}", waited.as_secs()));
        }
        talk.pause(LOOK);
    }
}

/// An address that a DHCP server gives: a BMC that gets none may make a link-local one up.
pub fn is_leased(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_link_local() && !address.is_broadcast() && !address.is_loopback()
}
