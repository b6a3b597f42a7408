//! What a node asked of boot services, on its page: as rows of a boot's picture, and as a table. Words of machines are escaped by
//! the templates.

use super::human;
use crate::domain::Micros;
use higuma_proto::api::Exchange;

/// Rows of one picture; the table below it has all.
const ROWS: usize = 30;

/// A row of the picture: one exchange, or the same one several times in a row.
pub(super) struct Asked {
    pub start: Micros,
    pub end: Micros,
    /// Names it in the page.
    pub id: String,
    pub what: String,
    pub result: String,
    /// How it is drawn: asked, or stopped where nothing came of it.
    pub class: &'static str,
    pub message: String,
}

/// Those of one boot, in order of time. `place`: a time of the server on the picture's axis.
pub(super) fn of(exchanges: &[Exchange], place: impl Fn(Micros) -> Micros) -> Vec<Asked> {
    let mut rows: Vec<(Asked, usize)> = Vec::new();
    for e in exchanges {
        let end = place(e.at_us);
        let start = end.saturating_sub(e.took_us.max(0));
        if let Some((row, times)) = rows.last_mut().filter(|(row, _)| row.what == e.what && row.result == e.result) {
            (row.end, *times) = (end.max(row.end), *times + 1);
            row.message = with_times(message(e), *times);
            continue;
        }
        let id = format!("asked-{}-{}", e.at_us, e.number);
        let (what, result, class) = (e.what.clone(), e.result.clone(), class(e));
        rows.push((Asked { start, end, id, what, result, class, message: message(e) }, 1));
    }
    let more = rows.len().saturating_sub(ROWS);
    rows.drain(..more);
    rows.into_iter().map(|(row, _)| row).collect()
}

fn with_times(message: String, times: usize) -> String {
    match message.is_empty() {
        true => format!("{times} times"),
        false => format!("{message} ({times} times)"),
    }
}

fn class(e: &Exchange) -> &'static str {
    let nothing = e.result.starts_with("silence") || matches!(e.result.as_str(), "nak" | "not_found" | "silent");
    if nothing { "stopped" } else { "asked" }
}

/// What it got; of a file, its size.
fn message(e: &Exchange) -> String {
    let address = Some(&e.address).filter(|address| e.service == "dhcp" && !address.is_empty());
    let text = match (e.bytes, address) {
        (0, Some(address)) => format!("{address}; {}", e.detail),
        (0, None) => e.detail.clone(),
        (bytes, _) if e.service == "blob" => format!("{}: {}", human::decimal_size(bytes), e.detail),
        (bytes, _) => format!("{} by {}", human::decimal_size(bytes), e.service),
    };
    text.trim_end_matches([' ', ';']).to_owned()
}

/// A row of the table.
pub(super) struct AskedRow {
    pub at: String,
    /// With the day.
    pub title: String,
    pub service: String,
    pub what: String,
    pub class: &'static str,
    pub result: String,
    pub address: String,
    pub detail: String,
}

impl AskedRow {
    pub fn new(e: &Exchange) -> Self {
        let took = human::duration(e.took_us);
        let bytes = if e.bytes > 0 { format!(", {} bytes in {took}", e.bytes) } else { String::new() };
        Self {
            at: human::clock(e.at_us),
            title: human::absolute(e.at_us),
            service: e.service.clone(),
            what: e.what.clone(),
            class: class(e),
            result: e.result.clone(),
            address: e.address.clone(),
            detail: format!("{}{bytes}", e.detail),
        }
    }
}
