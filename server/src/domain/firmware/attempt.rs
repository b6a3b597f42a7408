//! One try of an update: handed out in one boot, reported in it, judged at the next one by the version found then.

use super::rule::{Kind, Target};
use crate::domain::boot::clean;
use crate::domain::ids::{Invalid, Micros, Name, NodeUuid};
use crate::domain::node::words;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Tries of one (node, rule, component, wanted version), until a person clears the count.
pub const TRIES: u32 = 3;
/// Bytes kept of a program's output: its end.
pub const OUTPUT_MAX: usize = 64 * 1024;
/// Bytes kept of how it ended.
pub const EXIT_MAX: usize = 500;

/// How it turned out, by the version that the node told at its next Register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The wanted version.
    Succeeded,
    /// The version of before.
    Unchanged,
    /// Another one.
    Changed,
    /// The component is not found any more, or tells no version.
    Missing,
    /// The node did not come back in time.
    Lost,
}

words!(
    Outcome,
    "outcome of an update",
    "succeeded, unchanged, changed, missing or lost",
    Succeeded = "succeeded",
    Unchanged = "unchanged",
    Changed = "changed",
    Missing = "missing",
    Lost = "lost"
);

/// What an agent runs: the rule's update as it was when the attempt was handed out, so that the same attempt is the same
/// program.
pub type Program = Target;

/// What the agent said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When.
    pub at: Micros,
    /// How the program ended, for people: "exit code 0", "killed at the deadline of 600 s".
    pub exit: String,
    /// End of its output.
    pub output: String,
}

/// A try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id (UUIDv7: in order of time).
    pub id: Uuid,
    /// Of which node.
    pub node: NodeUuid,
    /// In which boot it was handed out.
    pub boot: Uuid,
    /// By which rule.
    pub rule: Name,
    /// Kind of the component.
    pub kind: Kind,
    /// Which of its kind.
    pub subject: String,
    /// The version that it should bring.
    pub wanted: String,
    /// 1 to [`TRIES`].
    pub n: u32,
    /// The version of before.
    pub before: String,
    /// What is run.
    pub program: Program,
    /// Handed out.
    pub started: Micros,
    /// A node that did not register again by then is lost.
    pub deadline: Micros,
    /// What the agent said of it.
    pub report: Option<Report>,
    /// When and how it turned out; none: open. A node has one open attempt at most.
    pub ended: Option<(Micros, Outcome)>,
    /// The version found afterwards.
    pub after: Option<String>,
    /// A person cleared the count: it counts no more.
    pub cleared: Option<Micros>,
}

impl Attempt {
    /// As [`super::Component::key`].
    pub fn component(&self) -> String {
        match self.subject.as_str() {
            "" => self.kind.to_string(),
            subject => format!("{}:{subject}", self.kind),
        }
    }
}

/// What counts of an attempt that is not cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// By which rule.
    pub rule: Name,
    /// [`super::Component::key`].
    pub component: String,
    /// The version that it should have brought.
    pub wanted: String,
}

impl From<&Attempt> for Tried {
    fn from(attempt: &Attempt) -> Self {
        Self { rule: attempt.rule.clone(), component: attempt.component(), wanted: attempt.wanted.clone() }
    }
}

/// How an attempt turned out: `after` is the version found at the next Register, none when the component is gone.
pub fn outcome(wanted: &str, before: &str, after: Option<&str>) -> Outcome {
    match after {
        Some(after) if after == wanted => Outcome::Succeeded,
        None | Some("") => Outcome::Missing,
        Some(after) if after == before => Outcome::Unchanged,
        Some(_) => Outcome::Changed,
    }
}

/// A program's output as it is stored: its end, lines kept, no other control characters, whatever bytes came.
pub fn clean_output(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(OUTPUT_MAX);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).replace("\r\n", "\n");
    let text: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => '\n',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    // A replaced byte is three: cut again, at a character.
    let mut from = text.len().saturating_sub(OUTPUT_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().to_owned()
}

impl Report {
    /// From what came over the wire.
    pub fn new(at: Micros, exit: &str, output: &[u8]) -> Self {
        Self { at, exit: clean(exit, EXIT_MAX), output: clean_output(output) }
    }
}
