//! A node's standing, for the fleet page and for whoever asks whether it may boot; and what is told about it.

use super::assess::{Assessed, Decision, Verdict, says};
use super::attempt::{Attempt, Outcome, TRIES};
use super::rule::{Mode, OnFailure, Rule};
use crate::domain::ids::Invalid;
use crate::domain::node::words;
use crate::domain::node_event::{Kind as EventKind, Notice, Severity};
use std::fmt;
use std::str::FromStr;

/// How a node stands with the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No rule is about it.
    NoRule,
    /// All that the rules are about has a good version.
    Compliant,
    /// Something does not tell its version; the rest is good.
    Unknown,
    /// Something has another version.
    Differs,
    /// For that it does not boot.
    Held,
    /// An update is handed out.
    Updating,
    /// The tries of an update are used up.
    Failed,
}

words!(
    State,
    "firmware state",
    "no-rule, compliant, unknown, differs, held, updating or failed",
    NoRule = "no-rule",
    Compliant = "compliant",
    Unknown = "unknown",
    Differs = "differs",
    Held = "held",
    Updating = "updating",
    Failed = "failed"
);

impl State {
    /// All of them, the worst first.
    pub const ALL: [State; 7] =
        [Self::Failed, Self::Updating, Self::Held, Self::Differs, Self::Unknown, Self::Compliant, Self::NoRule];
}

/// What the next boot may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Boot.
    Boot,
    /// Wait for a person.
    Hold,
    /// Ask for the update first.
    Update,
}

words!(Action, "firmware action", "boot, hold or update", Boot = "boot", Hold = "hold", Update = "update");

/// A node's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// In a word.
    pub state: State,
    /// What the next boot may do.
    pub action: Action,
    /// What is wrong, one line; empty when nothing is.
    pub reason: String,
}

/// The standing; `newest`: the node's newest attempt.
pub fn standing(rules: &[Rule], assessed: &[Assessed], decision: &Decision, newest: Option<&Attempt>) -> Standing {
    let open = newest.is_some_and(|attempt| attempt.ended.is_none());
    let lost = newest.is_some_and(is_lost);
    let differing: Vec<(&Assessed, &Rule, u32)> =
        assessed.iter().filter_map(|a| a.differs(rules).map(|(rule, tried)| (a, rule, tried))).collect();
    let used_up = |rule: &Rule, tried: u32| rule.mode == Mode::Update && tried >= TRIES;
    let failed = differing.iter().find(|(_, rule, tried)| used_up(rule, *tried));
    let any = |wanted: fn(&Verdict) -> bool| assessed.iter().any(|a| wanted(&a.verdict));
    let state = match decision {
        _ if open => State::Updating,
        _ if failed.is_some() || lost => State::Failed,
        Decision::Hold(_) => State::Held,
        _ if !differing.is_empty() => State::Differs,
        _ if any(|v| matches!(v, Verdict::Unknown(_))) => State::Unknown,
        _ if any(|v| matches!(v, Verdict::Compliant(_))) => State::Compliant,
        _ => State::NoRule,
    };
    let action = match decision {
        _ if open => Action::Update,
        Decision::Boot => Action::Boot,
        Decision::Hold(_) => Action::Hold,
        Decision::Update { .. } => Action::Update,
    };
    let first = failed.or_else(|| differing.first()).map(|(a, rule, _)| says(&a.component, rule));
    let unknown = || {
        let one = assessed.iter().find(|a| matches!(a.verdict, Verdict::Unknown(_)))?;
        Some(format!("{} does not tell its version", one.component.label()))
    };
    let more = differing.len().saturating_sub(1);
    let reason = match first.or_else(unknown) {
        Some(first) if more > 0 => format!("{first}, and {more} more"),
        Some(first) => first,
        None => String::new(),
    };
    Standing { state, action, reason }
}

/// The subject of a component's events.
pub fn subject(key: &str) -> String {
    format!("firmware:{key}")
}

/// Its node did not come back, and nobody has looked at it since.
fn is_lost(attempt: &Attempt) -> bool {
    attempt.cleared.is_none() && matches!(attempt.ended, Some((_, Outcome::Lost)))
}

/// What is to be told of a machine: one notice for each component that is not as it should be. `newest`: the node's
/// newest attempt.
pub fn notices(rules: &[Rule], assessed: &[Assessed], newest: Option<&Attempt>) -> Vec<Notice> {
    let notice = |one: &Assessed| {
        let newest = newest.filter(|attempt| attempt.component() == one.component.key());
        let (severity, message) = match (one.verdict, newest) {
            (Verdict::Differs(index, _), Some(attempt)) if attempt.ended.is_none() => {
                let found = says(&one.component, rules.get(index)?);
                (Severity::Warning, format!("{found}: update {} of {TRIES} is handed out", attempt.n))
            }
            (Verdict::Differs(index, _), Some(attempt)) if is_lost(attempt) => {
                let found = says(&one.component, rules.get(index)?);
                (Severity::Alarm, format!("{found}: the node did not come back from update {} of {TRIES}", attempt.n))
            }
            (Verdict::NoRule | Verdict::Compliant(_), _) => return None,
            (Verdict::Unknown(index), _) => {
                let rule = rules.get(index)?;
                let (label, wanted, name) = (one.component.label(), &rule.wanted, &rule.name);
                (Severity::Info, format!("{label} does not tell its version, wanted {wanted} (rule {name})"))
            }
            (Verdict::Differs(index, tried), _) => differs(rules.get(index)?, one, tried),
        };
        Some(Notice { kind: EventKind::Firmware, severity, subject: subject(&one.component.key()), message })
    };
    assessed.iter().filter_map(notice).collect()
}

fn differs(rule: &Rule, one: &Assessed, tried: u32) -> (Severity, String) {
    let found = says(&one.component, rule);
    match (rule.mode, rule.on_failure) {
        (Mode::Report, _) => (Severity::Warning, found),
        (Mode::Hold, _) => (Severity::Warning, format!("{found}: the node does not boot with it")),
        (Mode::Update, _) if tried == 0 => (Severity::Warning, format!("{found}: updated at its next boot")),
        (Mode::Update, _) if tried < TRIES => {
            (Severity::Warning, format!("{found}: update tried {tried} of {TRIES} times"))
        }
        (Mode::Update, OnFailure::Hold) => (
            Severity::Alarm,
            format!("{found}: {TRIES} updates did not help, the node is held (`higuma firmware retry` tries again)"),
        ),
        (Mode::Update, OnFailure::Boot) => (
            Severity::Alarm,
            format!(
                "{found}: {TRIES} updates did not help, the node boots with it (`higuma firmware retry` tries again)"
            ),
        ),
    }
}
