//! People look at boots and their events.

use super::exchanges::kept;
use super::nodes::{not_found, page_limit};
use super::{App, wire};
use crate::domain::boot::{Boot, EVENTS_PER_BOOT};
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{BootDetail, BootSummary, Page};
use uuid::Uuid;

/// Boots of a node, newest first. The cursor is `STARTED.ID` of the last one seen.
pub async fn list(app: &App, node: NodeUuid, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<BootSummary>> {
    let before = cursor.map(parse_cursor).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            tx.node(&node)?.ok_or_else(|| not_found(&node))?;
            let mut boots = tx.boots(&node, before, limit + 1)?;
            let more = boots.len() > limit;
            boots.truncate(limit);
            let next = boots.last().filter(|_| more).map(|b| format!("{}.{}", b.started, b.id));
            Ok(Page { items: boots.iter().map(wire::boot_summary).collect(), next })
        })
        .await
}

/// One boot with its events.
pub async fn show(app: &App, id: &str) -> Result<BootDetail> {
    let id: Uuid = id.parse().map_err(|_| Invalid::new("boot id", crate::domain::ids::UUID_FORM, id))?;
    app.store
        .read(move |tx| {
            let boot = tx.boot(id)?.ok_or_else(|| Error::NotFound(format!("there is no boot {id}")))?;
            detail(tx, &boot)
        })
        .await
}

pub(super) fn detail(tx: &mut Tx<'_>, boot: &Boot) -> Result<BootDetail> {
    let events = tx.events(boot.id, EVENTS_PER_BOOT)?;
    Ok(BootDetail {
        summary: wire::boot_summary(boot),
        events: events.iter().map(wire::event).collect(),
        exchanges: kept::of_boot(tx, boot)?,
    })
}

fn parse_cursor(text: &str) -> std::result::Result<(Micros, Uuid), Invalid> {
    let bad = || Invalid::new("cursor", "the `next` of the page before", text);
    let (started, id) = text.split_once('.').ok_or_else(bad)?;
    Ok((started.parse().map_err(|_| bad())?, id.parse().map_err(|_| bad())?))
}
