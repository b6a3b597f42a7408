//! The walk over the table (DSP0134 clause 6.1.2), before the parser sees any of it: only whole structures of the
//! kinds that are read here pass, each once, and a table that ends early says so.

use std::collections::HashSet;

use super::super::Errors;
use super::entry::Entry;
use super::{MAX_RECORDS, SECTIONS, TABLE, incomplete};

/// The kinds that are read. Never 40: its entries can make the parser panic.
const WANTED: [u8; 12] = [0, 1, 2, 3, 4, 9, 11, 16, 17, 38, 41, 42];
const SYSTEM: u8 = 1;
const END: u8 = 127;
/// A larger structure, with its strings, is not believed, bytes.
const MAX_STRUCTURE: usize = 64 << 10;

/// The structures to read, one after the other, each whole.
pub(super) fn believed(entry: &Entry, table: &[u8], errors: &mut Errors) -> Vec<u8> {
    let mut walk = Walk { rest: table, seen: 0 };
    let mut kept = Vec::new();
    let mut known = HashSet::new();
    let mut counts = [0usize; 256];
    let mut repeated = 0usize;
    let end = loop {
        match walk.next() {
            Step::Structure(kind, bytes) if WANTED.contains(&kind) => {
                let Some(count) = counts.get_mut(usize::from(kind)) else { continue };
                let mut refuse = |why: &str| {
                    incomplete(errors, &[section(kind)], format!("structure {} (type {kind}) {why}", walk.seen));
                };
                if bytes.len() > MAX_STRUCTURE {
                    refuse("is too large to be believed");
                } else if *count > MAX_RECORDS {
                    continue;
                } else if !known.insert(bytes) {
                    repeated += 1;
                } else if *count == MAX_RECORDS {
                    *count += 1;
                    refuse("and those after it are too many to be believed");
                } else {
                    *count += 1;
                    kept.extend_from_slice(bytes);
                }
            }
            Step::Structure(..) => {}
            Step::End(end) => break end,
        }
    };
    if repeated > 0 {
        errors.add("", TABLE, format!("{repeated} structures are there twice, handle and all; each is taken once"));
    }
    let whole_count = entry.count.is_none_or(|count| walk.seen >= count);
    let error = match end {
        End::Marker if whole_count => None,
        End::Marker => Some(format!("{} structures announced, {} are there", entry.count.unwrap_or(0), walk.seen)),
        // Before version 2.2 there was no end marker, and some newer tables lack it: the count is as good.
        End::Data if entry.count.is_some() && whole_count => {
            errors.add("", TABLE, "the end marker (type 127) is missing; all structures that were announced are there");
            None
        }
        End::Data => Some("the end marker (type 127) is missing: the table may be cut off".to_owned()),
        End::Broken(why) => {
            let number = walk.seen + 1;
            Some(format!("structure {number} {why}, and no end marker (type 127) came before: the table is cut off"))
        }
    };
    let announced = entry.length.filter(|length| *length > table.len());
    let error = match (error, announced) {
        (Some(error), Some(length)) => Some(format!("{error}; {length} bytes announced, {} are there", table.len())),
        (error, _) => error,
    };
    if let Some(error) = error {
        let known_system = counts.get(usize::from(SYSTEM)).is_some_and(|count| *count > 0);
        // Types 1 to 3 stand together: with type 1 read, the system is known.
        let sections: &[&str] = if known_system { SECTIONS.get(1..).unwrap_or_default() } else { &SECTIONS };
        incomplete(errors, sections, error);
    }
    kept
}

/// The part of the inventory that structures of a kind fill.
fn section(kind: u8) -> &'static str {
    match kind {
        1..=3 => "system",
        4 => "cpus",
        16 | 17 => "memory",
        _ => "firmware",
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    /// Structures passed, the end marker included.
    seen: usize,
}

enum Step<'a> {
    Structure(u8, &'a [u8]),
    End(End),
}

enum End {
    /// Type 127.
    Marker,
    /// The data ends where a structure does.
    Data,
    /// The next structure runs past the data, or cannot be one.
    Broken(String),
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Step<'a> {
        let (kind, length) = match self.rest {
            [] => return Step::End(End::Data),
            [END, ..] => {
                self.seen += 1;
                return Step::End(End::Marker);
            }
            [kind, length, _, _, ..] => (*kind, usize::from(*length)),
            short => return broken(format!("has {} bytes, a header has 4", short.len())),
        };
        if length < 4 {
            return broken(format!("(type {kind}) says it has {length} bytes, at least 4 are needed"));
        }
        let Some(strings) = self.rest.get(length..) else {
            return broken(format!("(type {kind}) says it has {length} bytes, {} are there", self.rest.len()));
        };
        let Some(end) = strings.windows(2).position(|pair| pair == [0, 0]) else {
            return broken(format!("(type {kind}) has strings without an end"));
        };
        let Some((structure, rest)) = self.rest.split_at_checked(length + end + 2) else {
            return broken(format!("(type {kind}) ends behind the table"));
        };
        self.rest = rest;
        self.seen += 1;
        Step::Structure(kind, structure)
    }
}

fn broken<'a>(why: String) -> Step<'a> {
    Step::End(End::Broken(why))
}
