//! The account's password: which of the plan's is in force, else the first that the BMC takes. A password is never cut off
//! to fit: one of more than 16 bytes goes into 20-byte storage or not at all, and the next of the plan is tried.

use std::time::Duration;

use higuma_ipmi::Password;
use higuma_ipmi::command::user::{PasswordAction, SetUserPassword, Storage, Tested};

use super::call::{CallError, Talk};

/// A BMC that stores slowly may still test against the old one for a moment.
const SETTLE: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// A password in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// Which of the plan's, from 1.
    pub number: u32,
    /// It was set just now.
    pub is_new: bool,
    /// The BMC's own test says so (else only a log-in can tell).
    pub is_tested: bool,
}

/// Why none is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// In words, with each refusal; never a password.
    pub why: String,
    /// The BMC does not answer.
    pub is_silent: bool,
}

impl From<CallError> for Unsettled {
    fn from(error: CallError) -> Self {
        Self { why: error.to_string(), is_silent: error.is_silence() }
    }
}

/// Finds or makes one of `passwords` the password of `slot`.
///
/// # Errors
/// [`Unsettled`]: all were refused, or the BMC fell silent.
pub fn settle(talk: &mut Talk<'_>, slot: u8, passwords: &[Password], is_new_user: bool) -> Result<InForce, Unsettled> {
    let numbered = || (1..).zip(passwords);
    // An account that was made just now has none of them, and an odd BMC takes any for the right one.
    if !is_new_user {
        for (number, password) in numbered() {
            match test(talk, slot, password)? {
                Some(true) => return Ok(InForce { number, is_new: false, is_tested: true }),
                Some(false) => {}
                // This BMC does not test.
                None => break,
            }
        }
    }
    let mut refusals = Vec::new();
    for (number, password) in numbered() {
        match set(talk, slot, password) {
            Ok(()) => {}
            Err(error) if error.is_silence() => return Err(error.into()),
            Err(error) => {
                refusals.push(format!("{number}: {error}"));
                continue;
            }
        }
        match confirm(talk, slot, password)? {
            Some(true) => return Ok(InForce { number, is_new: true, is_tested: true }),
            None => return Ok(InForce { number, is_new: true, is_tested: false }),
            Some(false) => refusals.push(format!("{number}: taken, but the BMC's test says that another is in force")),
        }
    }
    let why = format!("the BMC takes none of {} password(s): {}", passwords.len(), refusals.join("; "));
    Err(Unsettled { why, is_silent: false })
}

fn storages(password: &Password) -> &'static [Storage] {
    if password.reveal().len() > Password::SHORT { &[Storage::Bytes20] } else { &[Storage::Bytes16, Storage::Bytes20] }
}

/// Whether it is in force; none: the BMC does not test.
fn test(talk: &mut Talk<'_>, slot: u8, password: &Password) -> Result<Option<bool>, CallError> {
    let mut told = None;
    for storage in storages(password) {
        let action = PasswordAction::Test(password.clone(), *storage);
        let tested = match talk.ask(&SetUserPassword { user: slot, action }) {
            Ok(()) => Some(Tested::Same),
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => error.code().and_then(Tested::of),
        };
        match tested {
            Some(Tested::Same) => return Ok(Some(true)),
            // Stored in the other size, or a BMC that mixes the two up: the next size tells.
            Some(Tested::Other | Tested::OtherSize) => told = Some(false),
            None => {}
        }
    }
    Ok(told)
}

fn confirm(talk: &mut Talk<'_>, slot: u8, password: &Password) -> Result<Option<bool>, CallError> {
    for pause in SETTLE {
        match test(talk, slot, password)? {
            Some(false) => talk.pause(pause),
            told => return Ok(told),
        }
    }
    test(talk, slot, password)
}

fn set(talk: &mut Talk<'_>, slot: u8, password: &Password) -> Result<(), CallError> {
    let mut first = None;
    for storage in storages(password) {
        let action = PasswordAction::Set(password.clone(), *storage);
        match talk.ask(&SetUserPassword { user: slot, action }) {
            Ok(()) => return Ok(()),
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    // There is always a storage.
    first.map_or(Ok(()), Err)
}
