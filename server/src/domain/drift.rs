//! Drift: would a reboot change this node? Told from two plan hashes, the one that runs and the one that it would get now;
//! and what differs, from the contents of the two.

use super::boot::{Boot, Phase};
use super::ids::Invalid;
use super::node::words;
use serde_json::Value;
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
}

/// Differences told, at most.
pub const DIFFERENCES_MAX: usize = 500;
/// Bytes of a value told, at most.
pub const VALUE_MAX: usize = 4_096;

/// What differs between the contents of two plans, in order of name; whatever their fields are called, so that a plan of
/// another release is compared, too.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(old), Some(new), 0, &mut found);
    found
}

/// Levels of a plan's content.
const DEPTH_MAX: usize = 8;

fn walk(at: &str, old: Option<&Value>, new: Option<&Value>, depth: usize, found: &mut Vec<Difference>) {
    if old == new || found.len() >= DIFFERENCES_MAX {
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
    found.push(Difference { what: at.to_owned(), old: old.map(text), new: new.map(text) });
}

fn text(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() > VALUE_MAX {
        let end = (0..=VALUE_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
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
        assert!(differences(&json!({}), &long)[0].new.as_ref().unwrap().len() <= VALUE_MAX + 3);
    }
}
