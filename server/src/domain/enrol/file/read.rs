//! Lines out of CSV and YAML. Errors of the readers are not repeated, for they could show what was read.

use super::{ADDRESSES_MAX, COLUMNS, Sheet};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

pub(super) fn csv(text: &str, sheet: &mut Sheet) {
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let known: Option<Vec<&str>> =
        header.iter().map(|cell| COLUMNS.into_iter().find(|name| cell.eq_ignore_ascii_case(name))).collect();
    let fits = |known: &Vec<&str>| {
        COLUMNS.iter().take(3).all(|name| known.contains(name))
            && known.iter().all(|name| known.iter().filter(|other| *other == name).count() == 1)
    };
    let Some(known) = known.filter(fits) else {
        // Without a header the first line may hold a password.
        return sheet.error(1, &format!("expected the columns {} (the first three must be there)", COLUMNS.join(", ")));
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, ::csv::Position::line);
                return sheet.error(line, "it is not CSV in UTF-8");
            }
        };
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() > known.len() {
            sheet.error(line, &format!("expected at most {} values, got {}", known.len(), record.len()));
            continue;
        }
        let get = |name: &str| known.iter().position(|n| *n == name).and_then(|at| record.get(at)).unwrap_or_default();
        if !sheet.line(line, &get) {
            return;
        }
    }
}

/// A value as it was written (`no` and `007` too are texts), with its line.
type Cell = Spanned<Option<String>>;

pub(super) fn yaml(text: &str, sheet: &mut Sheet) {
    let lines: Vec<Spanned<BTreeMap<String, Cell>>> = match serde_saphyr::from_str(text) {
        Ok(lines) => lines,
        Err(error) => {
            let line = error.location().map_or(1, |at| at.line().max(1));
            let problem = format!(
                "expected a list of BMCs in YAML, each with single values for {} (what came is not shown)",
                COLUMNS.join(", ")
            );
            return sheet.error(line, &problem);
        }
    };
    if lines.len() > ADDRESSES_MAX {
        return sheet.error(1, &format!("expected at most {ADDRESSES_MAX} addresses in one file"));
    }
    for one in &lines {
        let strange = one.value.iter().filter(|(name, _)| !COLUMNS.contains(&name.as_str()));
        let strange: Vec<u64> = strange.map(|(_, cell)| cell.referenced.line()).collect();
        for line in &strange {
            sheet.error(*line, &format!("expected nothing but {}, got another key", COLUMNS.join(", ")));
        }
        let get = |name: &str| one.value.get(name).and_then(|cell| cell.value.as_deref()).unwrap_or_default();
        if strange.is_empty() && !sheet.line(one.referenced.line(), &get) {
            return;
        }
    }
}
