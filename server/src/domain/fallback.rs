//! Fallback: a revision that a node tried often and never came up with is replaced, on this node alone, by the one that it
//! was up with last. Decided from what is kept of its boots; a boot that tells nothing of the revision (a download of the
//! first stage that broke off, a power action in the middle of it) never counts against it.

use super::boot::{Boot, Phase};
use super::ids::{Micros, Name};
use super::node_event::{Kind, Notice, Severity};
use higuma_proto::steps;
use std::fmt;

/// Failures that may be asked for, at most: so many boots of a node are kept for sure.
pub const AFTER_MAX: u32 = 20;
/// What is open of a node in fallback.
pub const SUBJECT: &str = "fallback";

/// One revision of a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact {
    /// Of this profile.
    pub profile: Name,
    /// Its number.
    pub revision: u32,
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.profile, self.revision)
    }
}

/// What a node is to boot now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its pin, or the active revision of its profile.
    pub what: Exact,
    /// When that revision became active, for a node without a pin; else 0. What was before does not count.
    pub since: Micros,
}

/// What a node tried to boot when it got its last plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What.
    pub what: Exact,
    /// Since when: failures of boots that began before do not count.
    pub since: Micros,
}

/// What is kept of a node's tries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tries {
    /// It was up with this last.
    pub up: Option<Exact>,
    /// What it was to boot last; none: nothing counts yet.
    pub tried: Option<Tried>,
    /// Since then it gets `up` in place of `tried`.
    pub fallback: Option<Micros>,
}

/// A node in fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// It failed.
    pub from: Exact,
    /// What it gets instead.
    pub to: Exact,
    /// Since when.
    pub since: Micros,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed to boot: it gets {} instead", self.from, self.to)
    }
}

/// What a boot gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// What is wanted.
    Wanted,
    /// That failed: what it was up with last.
    Instead(Exact),
    /// That failed, and there is nothing else: why.
    NothingElse(String),
}

/// What the decision is made of.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Boots of the node, newest first; the present one is not among them.
    pub past: &'a [Boot],
    /// When the present one began.
    pub now: Micros,
    /// When something was done to its power, in any order.
    pub stopped: &'a [Micros],
}

impl Tries {
    /// Since when what is wanted was tried without a break; none: it is new.
    fn since(&self, wanted: &Wanted) -> Option<Micros> {
        let tried = self.tried.as_ref().filter(|tried| tried.what == wanted.what)?;
        // It was active before, was not, and is again: a new try.
        (tried.since >= wanted.since).then_some(tried.since)
    }

    /// The fallback, as long as what failed is still wanted.
    pub fn in_force(&self, wanted: &Wanted) -> Option<Fallback> {
        self.since(wanted)?;
        let (to, since) = (self.up.clone()?, self.fallback?);
        (to != wanted.what).then(|| Fallback { from: wanted.what.clone(), to, since })
    }

    /// What a boot gets; `after`: failures; 0: fallback is off.
    pub fn next(&self, wanted: &Wanted, seen: Seen<'_>, after: u32) -> Next {
        let Some(since) = self.since(wanted).filter(|_| after > 0) else { return Next::Wanted };
        if let Some(fallback) = self.in_force(wanted) {
            return Next::Instead(fallback.to);
        }
        if failures(&wanted.what, since, seen) < after {
            return Next::Wanted;
        }
        match self.up.as_ref().filter(|up| **up != wanted.what) {
            Some(up) => Next::Instead(up.clone()),
            None => Next::NothingElse("there is no other revision that it ran before".to_owned()),
        }
    }

    /// After a boot that began at `began` got its plan at `now`. `instead`: not what is wanted.
    pub fn planned(&self, wanted: &Wanted, instead: bool, began: Micros, now: Micros) -> Self {
        let tried = match self.since(wanted) {
            Some(since) => Tried { what: wanted.what.clone(), since },
            None => Tried { what: wanted.what.clone(), since: began },
        };
        let fallback = instead.then(|| self.fallback.filter(|_| self.in_force(wanted).is_some()).unwrap_or(now));
        Self { up: self.up.clone(), tried: Some(tried), fallback }
    }

    /// As if it had never failed.
    pub fn forgotten(self) -> Self {
        Self { tried: None, fallback: None, ..self }
    }
}

/// How often a revision failed since then and since it was up last.
fn failures(what: &Exact, since: Micros, seen: Seen<'_>) -> u32 {
    let mut count = 0;
    let mut end = seen.now;
    for boot in seen.past {
        if boot.started < since {
            break;
        }
        if boot.profile.as_ref() == Some(&what.profile) && boot.revision == Some(what.revision) {
            if boot.up.is_some() {
                break;
            }
            let stopped = seen.stopped.iter().any(|at| (boot.started..end).contains(at));
            count += u32::from(counts(boot, stopped));
        }
        end = boot.started;
    }
    count
}

/// Does this boot, which was never up, speak against its revision? `stopped`: its machine was switched off or restarted
/// by us in the middle of it.
fn counts(boot: &Boot, stopped: bool) -> bool {
    /// Its kernel was about to run, or ran.
    const STARTED: [&str; 4] = [steps::LOAD, steps::KEXEC, steps::SECOND_STAGE, steps::UP];
    /// What goes wrong here lies in what is booted; before, in the network or on a server.
    const OWN: [&str; 2] = [steps::MEMORY, steps::PACK];
    match (boot.phase, boot.failed_step.as_deref()) {
        (Phase::Failed | Phase::Ended, Some(step)) => STARTED.contains(&step) || OWN.contains(&step),
        // It came again without a word: a panic, or somebody at its power button.
        (Phase::Ended, None) => !stopped && boot.last_step.as_deref().is_some_and(|step| STARTED.contains(&step)),
        _ => false,
    }
}

/// What is told of a node whose revision failed so often.
pub fn notice(wanted: &Exact, next: &Next, last: Option<&Boot>) -> Option<Notice> {
    let why =
        last.and_then(|boot| Some(format!(" ({}: {})", boot.failed_step.as_ref()?, boot.failed_reason.as_ref()?)));
    let why = why.unwrap_or_default();
    let (severity, message) = match next {
        Next::Wanted => return None,
        Next::Instead(to) => (
            Severity::Alarm,
            format!(
                "{wanted} failed to boot again and again{why}: it gets {to}, which ran last, until it is given another \
                 revision, or `higuma node retry`"
            ),
        ),
        // The same words each time: it is one event.
        Next::NothingElse(none) => {
            (Severity::Warning, format!("{wanted} failed to boot again and again, and gets no other: {none}"))
        }
    };
    Some(Notice {
        kind: Kind::Boot,
        severity,
        subject: SUBJECT.to_owned(),
        message: super::boot::clean(&message, MESSAGE_MAX),
    })
}

/// Bytes of a notice.
const MESSAGE_MAX: usize = 500;

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
