//! What a machine is made of, as JSON of the wire's Inventory: its canonical form and content hash, and what of a new
//! report may be compared with the version before. JSON and not the wire's type, for two reasons: versions that an older
//! release stored stay readable as they are, and a field that a later release adds is compared without a change here (a
//! list of new things needs a line in `parts`).

pub mod diff;
pub mod notices;
mod parts;
#[cfg(test)]
mod tests;

pub use parts::DEVICES;

use super::Sha256;
use parts::{FLAT_LISTS, LISTS, NOT_CONTENT, SHOWN_ONLY, SOURCES, at_mut};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The content alone, in one order: without what changes by itself (`volatile`), what could not be read (`errors`) and
/// names that the server fills in; lists by what names their items, fields by name.
pub fn canonical(inventory: &Value) -> Value {
    let mut content = inventory.clone();
    if let Value::Object(fields) = &mut content {
        fields.retain(|name, _| !NOT_CONTENT.contains(&name.as_str()));
    }
    for list in LISTS {
        let Some(Value::Array(items)) = at_mut(&mut content, list.path) else { continue };
        for item in items.iter_mut() {
            let Value::Object(fields) = item else { continue };
            fields.retain(|name, _| !SHOWN_ONLY.contains(&(list.section, name.as_str())));
            for name in FLAT_LISTS {
                if let Some(Value::Array(words)) = fields.get_mut(*name) {
                    words.sort_by_key(Value::to_string);
                    words.dedup();
                }
            }
        }
        let mut named = list.named(items);
        named.sort_by_cached_key(|(name, item)| (name.clone(), item.to_string()));
        *items = named.into_iter().map(|(_, item)| item.clone()).collect();
    }
    by_name(content)
}

/// Fields by name, at all depths.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<String, Value> = fields.into_iter().map(|(k, v)| (k, by_name(v))).collect();
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(by_name).collect()),
        other => other,
    }
}

/// SHA-256 over the canonical form's text.
pub fn hash(canonical: &Value) -> Sha256 {
    Sha256::of(canonical.to_string())
}

/// A part of the inventory that a source could not tell whole: the wire's section word, and the source.
pub type Unread = BTreeSet<(String, String)>;

/// Sources remembered with a version, at most.
const UNREAD_MAX: usize = 200;

/// What could not be read, as far as it makes a section incomplete. `(section, source)` as reported.
pub fn unread<'a>(errors: impl IntoIterator<Item = (&'a str, &'a str)>) -> Unread {
    let known = |section: &str| SOURCES.iter().any(|(word, _)| *word == section);
    let clean = |text: &str| super::boot::clean(text, 200);
    let all = errors.into_iter().filter(|(section, _)| known(section));
    all.map(|(section, source)| (section.to_owned(), clean(source))).take(UNREAD_MAX).collect()
}

/// A report made comparable with the version before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparable {
    /// Canonical; a section that this time could not be read as well as before is the version's.
    pub content: Value,
    /// What could not be read when each section was taken.
    pub unread: Unread,
    /// Top-level fields that could be read better than before: what appears in them was there already, perhaps.
    pub clearer: BTreeSet<&'static str>,
    /// Sections that are the version's, with a source that failed.
    pub held: BTreeMap<&'static str, String>,
}

/// Put `report` (canonical) and the version before together: an unreadable table must not look like lost hardware.
/// A section is taken from the report when no source failed that had worked for the version, else from the version;
/// and from the report in any case when it is one of `anyway`.
pub fn comparable(
    report: Value,
    unread: Unread,
    before: Option<(&Value, &Unread)>,
    anyway: &BTreeSet<String>,
) -> Comparable {
    let (clearer, held) = (BTreeSet::new(), BTreeMap::new());
    let Some((version, known)) = before else {
        return Comparable { content: report, unread, clearer, held };
    };
    let mut made = Comparable { content: report, unread: Unread::new(), clearer, held };
    for (section, fields) in SOURCES {
        let of = |all: &Unread| -> Unread { all.iter().filter(|(s, _)| s == section).cloned().collect() };
        let (now, then) = (of(&unread), of(known));
        if now.is_subset(&then) || anyway.contains(*section) {
            if now.is_subset(&then) && now != then {
                made.clearer.extend(fields.iter().copied());
            }
            made.unread.extend(now);
            continue;
        }
        let failed = now.difference(&then).map(|(_, source)| source.clone()).next();
        made.held.insert(section, failed.unwrap_or_default());
        made.unread.extend(then);
        for field in *fields {
            if let (Value::Object(content), Some(old)) = (&mut made.content, version.get(*field)) {
                content.insert((*field).to_owned(), old.clone());
            }
        }
    }
    // A field that the version did not have stands at the end, where this map keeps the order of insertion.
    made.content = by_name(made.content);
    made
}

/// Items of one list that are stored, at most: more is no machine, and would cost whoever compares it.
pub const LIST_MAX: usize = 4_096;

/// Where a list is longer than [`LIST_MAX`], and how long it is.
pub fn too_long(inventory: &Value) -> Option<(String, usize)> {
    let under = |name: &str, found: (String, usize)| match found.0.is_empty() {
        true => (name.to_owned(), found.1),
        false => (format!("{name}.{}", found.0), found.1),
    };
    match inventory {
        Value::Array(items) if items.len() > LIST_MAX => Some((String::new(), items.len())),
        Value::Array(items) => items.iter().find_map(too_long),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| Some(under(name, too_long(value)?))),
        _ => None,
    }
}

/// Whether it says what the machine is made of: an agent that could collect nothing, or a script, tells an empty one.
pub fn says_something(inventory: &Value) -> bool {
    let fields = inventory.as_object().into_iter().flatten();
    fields.filter(|(name, _)| !NOT_CONTENT.contains(&name.as_str())).any(|(_, value)| match value {
        Value::Array(items) => !items.is_empty(),
        value => value.is_object(),
    })
}

/// The largest top-level part and its bytes as JSON, for who must make an inventory smaller.
pub fn largest_part(inventory: &Value) -> Option<(String, usize)> {
    let fields = inventory.as_object()?;
    fields.iter().map(|(name, value)| (name.clone(), value.to_string().len())).max_by_key(|(_, bytes)| *bytes)
}
