//! Drift: would a reboot change this node? Told from two plan hashes, the one that runs and the one that it would get now;
//! and what differs, from the contents of the two.

use super::boot::{Boot, Phase};
use super::ids::Invalid;
use super::line_diff::{cut, unified};
use super::node::words;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a reboot would do to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// It runs nothing that a reboot could change.
    None,
    /// It would boot the same.
    Same,
    /// It would boot something else.
    Changed,
    /// It would boot nothing: no profile, or one without its image.
    Unplanned,
    /// Not known yet: it is being worked out, or the node booted with an earlier release.
    Unknown,
}

words!(
    Drift,
    "drift",
    "none, same, changed, unplanned or unknown",
    None = "none",
    Same = "same",
    Changed = "changed",
    Unplanned = "unplanned",
    Unknown = "unknown"
);

impl Drift {
    /// All of them.
    pub const ALL: [Drift; 5] = [Self::None, Self::Same, Self::Changed, Self::Unplanned, Self::Unknown];

    /// `planned`: hash of the plan that the node would get now, empty when it would get none, none when that is being
    /// worked out.
    pub fn of(boot: Option<&Boot>, planned: Option<&str>) -> Self {
        let running = boot.filter(|boot| matches!(boot.phase, Phase::Running | Phase::Booting));
        match (running.map(|boot| boot.plan_hash.as_ref()), planned) {
            (None, _) => Self::None,
            (Some(None), _) | (_, None) => Self::Unknown,
            (_, Some("")) => Self::Unplanned,
            (Some(Some(hash)), Some(planned)) if hash.as_str() == planned => Self::Same,
            _ => Self::Changed,
        }
    }
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `cmdline`, `files /etc/motd content`.
    pub what: String,
    /// In what runs; none: it is not there.
    pub old: Option<String>,
    /// In what a reboot would give.
    pub new: Option<String>,
    /// Of texts of several lines, and of lists: what differs, line by line. None: `old` and `new` say it.
    pub lines: Option<String>,
}

/// Differences told, at most.
pub const DIFFERENCES_MAX: usize = 500;
/// Bytes of a value told, at most; what is cut says so.
pub const VALUE_MAX: usize = 4_096;
/// Bytes of all texts that are compared line by line for one answer.
const COMPARED_MAX: usize = 2 << 20;

/// What differs between the contents of two plans, in order of name; whatever their fields are called, so that a plan of
/// another release is compared, too.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Found { differences: Vec::new(), left: COMPARED_MAX };
    walk("", Some(old), Some(new), 0, &mut found);
    found.differences
}

struct Found {
    differences: Vec<Difference>,
    /// Bytes that may still be compared line by line.
    left: usize,
}

impl Found {
    fn put(&mut self, at: &str, old: Option<&Value>, new: Option<&Value>) {
        let lines = old.zip(new).and_then(|(old, new)| self.lines(old, new));
        self.differences.push(Difference { what: at.to_owned(), old: old.map(text), new: new.map(text), lines });
    }

    fn lines(&mut self, old: &Value, new: &Value) -> Option<String> {
        let (old, new) = match (old, new) {
            (Value::String(old), Value::String(new)) if old.contains('\n') || new.contains('\n') => {
                (Cow::Borrowed(old.as_str()), Cow::Borrowed(new.as_str()))
            }
            (Value::Array(old), Value::Array(new)) => (Cow::Owned(items(old)), Cow::Owned(items(new))),
            _ => return None,
        };
        self.left = self.left.checked_sub(old.len() + new.len())?;
        Some(unified(&old, &new)).filter(|lines| !lines.is_empty())
    }
}

/// One a line.
fn items(list: &[Value]) -> String {
    let item = |value: &Value| match value {
        Value::String(text) if !text.contains('\n') => format!("{text}\n"),
        other => format!("{other}\n"),
    };
    list.iter().map(item).collect()
}

/// Levels of a plan's content.
const DEPTH_MAX: usize = 8;

fn walk(at: &str, old: Option<&Value>, new: Option<&Value>, depth: usize, found: &mut Found) {
    if old == new || found.differences.len() >= DIFFERENCES_MAX {
        return;
    }
    let object = |value: Option<&Value>| value.is_none_or(Value::is_object);
    if depth < DEPTH_MAX && object(old) && object(new) {
        let keys = |value: Option<&'_ Value>| -> Vec<String> {
            value.and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
        };
        let all: BTreeSet<String> = keys(old).into_iter().chain(keys(new)).collect();
        for key in all {
            let path = if at.is_empty() { key.clone() } else { format!("{at} {key}") };
            walk(&path, old.and_then(|v| v.get(&key)), new.and_then(|v| v.get(&key)), depth + 1, found);
        }
        return;
    }
    found.put(at, old, new);
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text, VALUE_MAX).into_owned(),
        other => cut(&other.to_string(), VALUE_MAX).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::Sha256;
    use serde_json::json;

    #[test]
    fn drift_is_of_what_runs() {
        let mut boot = Boot::new(
            uuid::Uuid::nil(),
            "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(),
            Sha256::of("s"),
            String::new(),
            0,
        );
        let (one, two) = (Sha256::of("1"), Sha256::of("2"));
        assert_eq!(Drift::of(None, Some(one.as_str())), Drift::None);
        assert_eq!(Drift::of(Some(&boot), Some(one.as_str())), Drift::None, "registered, not booted");
        boot.phase = Phase::Running;
        assert_eq!(Drift::of(Some(&boot), Some(one.as_str())), Drift::Unknown, "no plan hash");
        boot.plan_hash = Some(one.clone());
        assert_eq!(Drift::of(Some(&boot), None), Drift::Unknown);
        assert_eq!(Drift::of(Some(&boot), Some("")), Drift::Unplanned);
        assert_eq!(Drift::of(Some(&boot), Some(one.as_str())), Drift::Same);
        assert_eq!(Drift::of(Some(&boot), Some(two.as_str())), Drift::Changed);
        boot.phase = Phase::Failed;
        assert_eq!(Drift::of(Some(&boot), Some(two.as_str())), Drift::None);
        for word in Drift::ALL {
            assert_eq!(word.to_string().parse::<Drift>().unwrap(), word);
        }
    }

    #[test]
    fn differences_are_named() {
        let old = json!({"cmdline": "quiet", "files": {"/a": {"mode": 420, "content": "x"}, "/b": {"mode": 420, "content": "y"}}, "keys": ["k"]});
        let new = json!({"cmdline": "quiet", "files": {"/a": {"mode": 420, "content": "z"}, "/c": {"mode": 384, "content": "w"}}, "keys": ["k", "l"]});
        let found = differences(&old, &new);
        let words: Vec<String> = found
            .iter()
            .map(|d| format!("{}: {} -> {}", d.what, d.old.as_deref().unwrap_or("-"), d.new.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            words,
            [
                "files /a content: x -> z",
                "files /b content: y -> -",
                "files /b mode: 420 -> -",
                "files /c content: - -> w",
                "files /c mode: - -> 384",
                "keys: [\"k\"] -> [\"k\",\"l\"]",
            ]
        );
        assert!(differences(&old, &old).is_empty());
        let long = json!({"a": "ä".repeat(5_000)});
        let told = differences(&json!({}), &long).remove(0);
        assert!(told.new.unwrap().ends_with("ä… (cut: 5904 bytes more)"));
        assert_eq!(told.lines, None, "there is nothing to compare it with");
    }

    #[test]
    fn texts_and_lists_are_compared_line_by_line() {
        let many: String = (0..1_000).map(|n| format!("{n}\n")).collect();
        let old = json!({"a": many, "b": "x", "c": ["k"], "d": "one"});
        let new = json!({"a": format!("{many}more\n"), "b": "y", "c": ["k", "l\nm"], "d": ["one"]});
        let lines: Vec<Option<String>> = differences(&old, &new).into_iter().map(|d| d.lines).collect();
        let line = |text: &str| Some(text.to_owned());
        let expected =
            [line("@@ -999,2 +999,3 @@\n 998\n 999\n+more\n"), None, line("@@ -1 +1,2 @@\n k\n+\"l\\nm\"\n"), None];
        assert_eq!(lines, expected);
        // Too much for one answer: the first are compared, of the others it is told that they differ.
        let large = |word: &str| format!("{word}\n{}", "z\n".repeat(COMPARED_MAX / 5));
        let (old, new) = (json!({"a": large("1"), "b": large("1")}), json!({"a": large("2"), "b": large("2")}));
        let found = differences(&old, &new);
        assert_eq!(found[0].lines.as_deref(), Some("@@ -1,3 +1,3 @@\n-1\n+2\n z\n z\n"));
        assert!(found[1].lines.is_none() && found[1].old.as_ref().unwrap().contains("… (cut: "));
    }
}
