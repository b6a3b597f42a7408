//! The whole event log, read and cleared.

use std::time::Duration;

use super::{Carrier, ask};
use crate::Completion;
use crate::command::{ClearSel, GetSelEntry, GetSelInfo, ReserveSel, SelRecord};
use crate::lan::LanError;

/// How often a clear is asked whether it is done, and the pause between.
const CLEAR_POLLS: usize = 60;
const CLEAR_PAUSE: Duration = Duration::from_millis(500);

/// A page of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelPage {
    /// In the order of the log, oldest first.
    pub records: Vec<SelRecord>,
    /// Where the next page begins; none: that was the end.
    pub next: Option<u16>,
}

/// Reads at most `limit` records, from the one with the id `from` (0: the oldest) on.
pub async fn read_sel(carrier: &mut impl Carrier, from: u16, limit: usize) -> Result<SelPage, LanError> {
    let mut page = SelPage { records: Vec::new(), next: None };
    if from == GetSelEntry::FIRST && ask(carrier, &GetSelInfo).await?.entries == 0 {
        return Ok(page);
    }
    let mut id = from;
    while page.records.len() < limit {
        let entry = match ask(carrier, &GetSelEntry(id)).await {
            // Cleared by somebody since we asked.
            Err(LanError::Completion { code: Completion(0xcb), .. }) => return Ok(page),
            other => other?,
        };
        page.records.push(entry.record);
        if entry.next == GetSelEntry::END {
            return Ok(page);
        }
        // A BMC that sends the same record again would do so until the limit of whoever turns the pages.
        if entry.next == id || entry.next == GetSelEntry::FIRST {
            return Err(LanError::Endless { what: "event log", bound: page.records.len() });
        }
        id = entry.next;
    }
    page.next = Some(id);
    Ok(page)
}

/// Clears the event log and waits until it is clear. May be repeated.
pub async fn clear_sel(carrier: &mut impl Carrier) -> Result<(), LanError> {
    let reservation = ask(carrier, &ReserveSel).await?;
    let mut begin = true;
    for _ in 0..CLEAR_POLLS {
        if ask(carrier, &ClearSel { reservation, begin }).await? {
            return Ok(());
        }
        begin = false;
        tokio::time::sleep(CLEAR_PAUSE).await;
    }
    Err(LanError::Endless { what: "clearing the event log", bound: CLEAR_POLLS })
}
