//! What differs between two versions of an inventory: things that went or came, and fields of things that stayed.

use super::parts::{DIMM_SLOT, LISTS, List, MACHINE, at, word};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It was there.
    Gone,
    /// It was not there.
    New,
    /// One field of it.
    Changed,
}

impl What {
    /// The word used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::New => "new",
            Self::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of thing: `dimm`, `disk`, `bios`, ...
    pub section: String,
    /// Which one: slot, serial number, address; empty where there is one only.
    pub item: String,
    /// What happened.
    pub what: What,
    /// Which field; none when the thing itself went or came.
    pub field: Option<String>,
    /// Before: the field's value, or a description of the thing; none: not known, not there.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

/// A thing of either version.
pub(super) struct Thing<'a> {
    pub list: Option<&'static List>,
    pub section: &'a str,
    pub item: String,
    pub old: Option<&'a Value>,
    pub new: Option<&'a Value>,
}

/// Everything of both, by section and name. What one of the two does not have a field for (another release stored it)
/// cannot be compared and is left out.
pub(super) fn things<'a>(old: &'a Value, new: &'a Value) -> Vec<Thing<'a>> {
    let mut things = Vec::new();
    for list in LISTS {
        let (Some(before), Some(after)) = (items(old, list), items(new, list)) else { continue };
        if list.section == "dimm" {
            // A slot is compared by its being there, not by what is in it.
            let slots = pairs(&before, &after, |_| true).filter(|(_, old, new)| old.is_some() != new.is_some());
            things.extend(slots.map(|(item, old, new)| Thing { list: None, section: DIMM_SLOT, item, old, new }));
        }
        things.extend(pairs(&before, &after, |item| list.is_there(item)).map(|(item, old, new)| Thing {
            list: Some(list),
            section: list.section,
            item,
            old,
            new,
        }));
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else { return things };
    for (field, new) in after {
        let Some(old) = before.get(field) else { continue };
        if is_list(field, old) || is_list(field, new) {
            continue;
        }
        if old.is_object() || new.is_object() {
            let there = |value: &'a Value| Some(value).filter(|v| v.is_object());
            things.push(Thing { list: None, section: field, item: String::new(), old: there(old), new: there(new) });
        }
    }
    things.retain(|t| t.old != t.new);
    things
}

/// A top-level list that the table knows.
fn is_list(field: &str, value: &Value) -> bool {
    value.is_array() && LISTS.iter().any(|l| l.path == [field])
}

/// A list's items by name; none when this version has no such list. The parent of a list being null is an empty list.
fn items<'a>(version: &'a Value, list: &List) -> Option<BTreeMap<String, &'a Value>> {
    let parent = list.path.split_last().map(|(_, parent)| parent).unwrap_or_default();
    match (at(version, list.path), at(version, parent)) {
        (Some(Value::Array(items)), _) => Some(list.named(items).into_iter().collect()),
        (_, Some(Value::Null)) => Some(BTreeMap::new()),
        _ => None,
    }
}

type Pair<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn pairs<'a>(
    old: &BTreeMap<String, &'a Value>,
    new: &BTreeMap<String, &'a Value>,
    there: impl Fn(&Value) -> bool,
) -> impl Iterator<Item = Pair<'a>> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = |all: &BTreeMap<String, &'a Value>, name: &String| all.get(name).copied().filter(|i| there(i));
    let all: Vec<Pair<'a>> = names.into_iter().map(|name| (name.clone(), of(old, name), of(new, name))).collect();
    all.into_iter()
}

/// All differences, by section, thing and field. Of a version with itself: none.
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for thing in things(old, new) {
        let change = |what, old, new| Change {
            section: thing.section.to_owned(),
            item: thing.item.clone(),
            what,
            field: None,
            old,
            new,
        };
        let about = |value| thing.list.map(|l| l.describe(value)).filter(|text| !text.is_empty());
        match (thing.old, thing.new) {
            (Some(old), Some(new)) => changes.extend(
                fields(old, new)
                    .into_iter()
                    .map(|(field, old, new)| Change { field: Some(field), ..change(What::Changed, old, new) }),
            ),
            (Some(old), None) => changes.push(change(What::Gone, about(old), None)),
            (None, Some(new)) => changes.push(change(What::New, None, about(new))),
            (None, None) => {}
        }
    }
    changes.extend(machine(old, new));
    changes.sort_by(|a, b| (&a.section, &a.item, &a.field).cmp(&(&b.section, &b.item, &b.field)));
    changes
}

/// The top-level fields that are single values or plain lists of such.
pub(super) fn machine(old: &Value, new: &Value) -> Vec<Change> {
    let of = |version: &Value| -> Value {
        let fields = version.as_object().into_iter().flatten();
        let single = fields.filter(|(name, v)| !v.is_object() && !v.is_null() && !is_list(name, v));
        Value::Object(single.map(|(name, v)| (name.clone(), v.clone())).collect())
    };
    let change = |(field, old, new)| Change {
        section: MACHINE.to_owned(),
        item: String::new(),
        what: What::Changed,
        field: Some(field),
        old,
        new,
    };
    fields(&of(old), &of(new)).into_iter().map(change).collect()
}

/// Fields that both have and that differ, with both values.
pub(super) fn fields(old: &Value, new: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return if old == new { Vec::new() } else { vec![("value".to_owned(), text(old), text(new))] };
    };
    let mut found = Vec::new();
    for (name, new) in after {
        let Some(old) = before.get(name).filter(|old| *old != new) else { continue };
        match (old, new) {
            // A list of its own (memory's modules) is compared as one; words of a set: those that went, those that came.
            (Value::Array(old), Value::Array(new)) if plain(old) && plain(new) => {
                let words = |items: &[Value]| -> Vec<String> { items.iter().filter_map(|w| word(Some(w))).collect() };
                let only = |these: &[Value], others: &[Value]| {
                    let others: BTreeSet<String> = words(others).into_iter().collect();
                    let mut these = words(these);
                    these.retain(|w| !others.contains(w));
                    Some(these.join(" ")).filter(|text| !text.is_empty())
                };
                found.push((name.clone(), only(old, new), only(new, old)));
            }
            (Value::Array(_), _) | (_, Value::Array(_)) => {}
            (old, new) => found.push((name.clone(), text(old), text(new))),
        }
    }
    found
}

fn plain(items: &[Value]) -> bool {
    items.iter().all(|item| !item.is_object() && !item.is_array())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Object(_) => Some(value.to_string()),
        plain => word(Some(plain)),
    }
}
