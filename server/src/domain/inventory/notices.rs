//! What of a change an operator is told: lost hardware as a warning until it is back, what came or has another version as
//! an information. Not every difference: a renamed interface or a PCI device at another address is in the diff only.

use super::super::Micros;
use super::super::boot::clean;
use super::super::node_event::{Kind, Notice, Severity};
use super::super::size::binary_size;
use super::Comparable;
use super::diff::{self, Thing, What};
use super::parts::{List, MACHINE, ONES, One, word};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Notices of one boot, at most; what is more becomes one that says how many.
pub const NOTICES_MAX: usize = 50;
/// Subject of that one.
pub const MORE: &str = "inventory:more";

/// What is to be told, and which subjects are put right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Warnings first.
    pub raise: Vec<Notice>,
    /// Subjects.
    pub clear: Vec<String>,
    /// How many things of a section went, came or changed; sections that this release does not know are `other`.
    pub counts: BTreeMap<(What, &'static str), u64>,
}

/// Compare a version with the one before. `warned`: subjects of which a warning is open; they clear when what was lost is
/// back. `at`: when it was noticed.
pub fn notices(old: &Value, new: &Comparable, warned: &BTreeSet<String>, at: Micros) -> Told {
    let things = diff::things(old, &new.content);
    let mut told = Told::default();
    let elsewhere = told_elsewhere(&things);
    for thing in &things {
        count(&mut told, thing);
        let clearer = |field: &str| new.clearer.contains(field);
        let notice = match thing.list {
            Some(list) if list.told => {
                let quiet = list.path.first().is_some_and(|field| clearer(field));
                let known = elsewhere.contains(&(list.section, thing.item.clone()));
                of_item(list, thing, at).filter(|n| !known && (!quiet || n.severity == Severity::Warning))
            }
            Some(_) => None,
            None => of_one(thing, at).filter(|n| !clearer(thing.section) || n.severity == Severity::Warning),
        };
        let subject = subject(thing.section, &thing.item);
        let back = thing.old.is_none() && thing.new.is_some();
        if back && warned.contains(&subject) {
            told.clear.push(subject);
        } else {
            told.raise.extend(notice);
        }
    }
    machine(old, new, &mut told);
    memory(&things, new.clearer.contains("memory"), warned, &mut told);
    told.raise.sort_by(|a, b| (b.severity, &a.subject).cmp(&(a.severity, &b.subject)));
    bound(&mut told.raise);
    told
}

fn subject(section: &str, item: &str) -> String {
    if item.is_empty() { section.to_owned() } else { format!("{section}:{item}") }
}

fn notice(severity: Severity, subject: String, message: String) -> Notice {
    Notice { kind: Kind::Hardware, severity, subject, message: clean(&message, 500) }
}

fn count(told: &mut Told, thing: &Thing<'_>) {
    let section = thing.list.map(|l| l.section).or_else(|| one(thing.section).map(|o| o.section)).unwrap_or("other");
    let what = match (thing.old, thing.new) {
        (Some(_), None) => What::Gone,
        (None, _) => What::New,
        (Some(old), Some(new)) if diff::fields(old, new).is_empty() => return,
        _ => What::Changed,
    };
    *told.counts.entry((what, section)).or_default() += 1;
}

fn one(section: &str) -> Option<&'static One> {
    ONES.iter().find(|one| one.section == section)
}

/// "3 March 2026", in UTC.
fn date(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(time) => time.strftime("%-d %B %Y").to_string(),
        Err(_) => "an unknown day".to_owned(),
    }
}

/// `label name description`, without what is empty.
fn sentence(parts: &[&str]) -> String {
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn of_item(list: &List, thing: &Thing<'_>, at: Micros) -> Option<Notice> {
    let subject = subject(list.section, &thing.item);
    match (thing.old, thing.new) {
        (Some(old), None) => {
            let what = sentence(&[list.label, &thing.item, &list.describe(old)]);
            Some(notice(Severity::Warning, subject, format!("{what} is gone since {}", date(at))))
        }
        (None, Some(new)) => {
            let what = sentence(&[list.label, &thing.item, &list.describe(new)]);
            Some(notice(Severity::Info, subject, format!("{what} is new since {}", date(at))))
        }
        (Some(old), Some(new)) => {
            let changes = watched(old, new, list.watched, list.size);
            let name = sentence(&[list.label, &thing.item]);
            (!changes.is_empty()).then(|| notice(Severity::Info, subject, format!("{name}: {}", changes.join(", "))))
        }
        (None, None) => None,
    }
}

fn of_one(thing: &Thing<'_>, at: Micros) -> Option<Notice> {
    let one = one(thing.section)?;
    match (thing.old, thing.new) {
        (Some(_), None) if one.told => {
            let message = format!("{} is gone since {}", one.label, date(at));
            Some(notice(Severity::Warning, one.section.to_owned(), message))
        }
        (None, Some(_)) if one.told => {
            let message = format!("{} is new since {}", one.label, date(at));
            Some(notice(Severity::Info, one.section.to_owned(), message))
        }
        (Some(old), Some(new)) => {
            let changes = watched(old, new, one.watched, None);
            let message = format!("{} {}", one.label, changes.join(", "));
            (!changes.is_empty()).then(|| notice(Severity::Info, one.section.to_owned(), message))
        }
        _ => None,
    }
}

/// "1.9.2 -> 2.1.0" of a version, "serial A -> B" of another field.
fn watched(old: &Value, new: &Value, fields: &[&str], size: super::parts::Size) -> Vec<String> {
    let mut found = Vec::new();
    for (field, old, new) in diff::fields(old, new) {
        if !fields.contains(&field.as_str()) {
            continue;
        }
        let sized = |text: Option<String>| match (size, text.as_deref().map(str::parse::<u64>)) {
            (Some(show), Some(Ok(bytes))) if field == "size_bytes" => show(bytes),
            _ => text.unwrap_or_else(|| "unknown".to_owned()),
        };
        let name = match field.as_str() {
            "version" => String::new(),
            "size_bytes" => "size ".to_owned(),
            other => format!("{} ", other.replace('_', " ")),
        };
        found.push(format!("{name}{} -> {}", sized(old), sized(new)));
    }
    found
}

/// Boot mode, Secure Boot, architecture: a subject each.
fn machine(old: &Value, new: &Comparable, told: &mut Told) {
    let watched = one(MACHINE).map(|o| o.watched).unwrap_or_default();
    for change in diff::machine(old, &new.content) {
        *told.counts.entry((What::Changed, MACHINE)).or_default() += 1;
        let Some(field) = change.field.filter(|f| watched.contains(&f.as_str()) && !new.clearer.contains(f.as_str()))
        else {
            continue;
        };
        let value = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        let message = format!("{} {} -> {}", field.replace('_', " "), value(change.old), value(change.new));
        told.raise.push(notice(Severity::Info, field, message));
    }
}

/// Less memory is a warning, which more memory clears. `clearer`: it can be read again, so what appears is no news.
fn memory(things: &[Thing<'_>], clearer: bool, warned: &BTreeSet<String>, told: &mut Told) {
    let total = |value: Option<&Value>| value?.get("total_bytes")?.as_u64().filter(|bytes| *bytes > 0);
    let Some(thing) = things.iter().find(|t| t.section == "memory") else { return };
    let (Some(old), Some(new)) = (total(thing.old), total(thing.new)) else { return };
    let message = format!("memory is {}, was {}", binary_size(new), binary_size(old));
    let subject = "memory".to_owned();
    match new.cmp(&old) {
        std::cmp::Ordering::Less => told.raise.push(notice(Severity::Warning, subject, message)),
        std::cmp::Ordering::Greater if warned.contains("memory") => told.clear.push(subject),
        std::cmp::Ordering::Greater if clearer => {}
        std::cmp::Ordering::Greater => told.raise.push(notice(Severity::Info, subject, message)),
        std::cmp::Ordering::Equal => {}
    }
}

/// The list a thing is in, and what makes two things of that list the same kind.
type SameKind = (&'static str, Vec<Option<String>>);

/// PCI devices that are told as what they are (the same address is in the name of a disk, NIC or GPU that went or came),
/// and things that only moved: another address, the same kind.
fn told_elsewhere(things: &[Thing<'_>]) -> BTreeSet<(&'static str, String)> {
    let mut known = BTreeSet::new();
    let mut addresses: BTreeSet<String> = BTreeSet::new();
    let mut kinds: BTreeMap<SameKind, [Vec<&str>; 2]> = BTreeMap::new();
    for thing in things {
        let (Some(list), Some(value)) = (thing.list, thing.old.xor(thing.new)) else { continue };
        if list.section != "pci" && list.told {
            addresses.extend(word(value.get("pci")));
        }
        if !list.kind.is_empty() {
            let kind = list.kind.iter().map(|field| word(value.get(*field))).collect();
            let [gone, new] = kinds.entry((list.section, kind)).or_default();
            if thing.old.is_some() { gone.push(&thing.item) } else { new.push(&thing.item) }
        }
    }
    for ((section, _), [gone, new]) in kinds {
        for (old, new) in gone.into_iter().zip(new) {
            known.insert((section, old.to_owned()));
            known.insert((section, new.to_owned()));
        }
    }
    known.extend(addresses.into_iter().map(|address| ("pci", address)));
    known
}

fn bound(raise: &mut Vec<Notice>) {
    if raise.len() <= NOTICES_MAX {
        return;
    }
    let rest = raise.split_off(NOTICES_MAX - 1);
    let severity = rest.iter().map(|n| n.severity).max().unwrap_or(Severity::Info);
    let message = format!("{} more changes of the hardware: see the inventory's history", rest.len());
    raise.push(notice(severity, MORE.to_owned(), message));
}
