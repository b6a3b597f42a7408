//! What only Redfish tells and does: hardware and firmware as the BMC sees them, virtual media. Asked now, nothing is kept; what a
//! person does is written down as an event of the node.

use super::show::{Asked, QUESTION, ask, stored, unavailable, within};
use crate::bmc::{BmcError, Image, Talk};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::{NodeUuid, ids::Invalid};
use crate::error::{Error, Result};
use crate::service::{App, node_events};
use higuma_proto::api::{AttachMedia, BmcFirmwareList, BmcHardware, BmcMedia, Page};
use std::time::Duration;

/// To read the drives after a change.
const LOOK: Duration = Duration::from_secs(30);

/// The hardware. Errors: nothing to log in to; the BMC does not answer, or is reached by IPMI.
pub async fn hardware(app: &App, node: NodeUuid) -> Result<BmcHardware> {
    ask(app, node, |talk| Box::pin(talk.hardware())).await
}

/// Firmware versions. Errors: as [`hardware`].
pub async fn firmware(app: &App, node: NodeUuid) -> Result<BmcFirmwareList> {
    ask(app, node, |talk| Box::pin(talk.firmware())).await
}

/// Virtual drives and what is in them. Errors: as [`hardware`].
pub async fn media(app: &App, node: NodeUuid) -> Result<Page<BmcMedia>> {
    let items = ask(app, node, |talk| Box::pin(talk.media())).await?;
    Ok(Page { items, next: None })
}

/// The drives, read after `done` ("attached"): an error says that this was done all the same.
pub async fn media_after(app: &App, node: NodeUuid, done: &str) -> Result<Page<BmcMedia>> {
    let node = stored(app, node).await?.node;
    let items = within(app, &node, (LOOK, BmcError::Silent), |talk| Box::pin(talk.media())).await?;
    let items =
        items.map_err(|why| unavailable(&node, format!("{done}; its drives could not be read after that: {why}")))?;
    Ok(Page { items, next: None })
}

/// Put an image into a virtual drive; which one. Errors: as [`hardware`]; a URL that no BMC can fetch.
pub async fn attach(app: &App, node: NodeUuid, given: AttachMedia, by: &str) -> Result<String> {
    let image: Image = given.url.parse()?;
    let slot = slot_of(given.slot)?;
    let place = slot.as_ref().map(|slot| format!(" in {slot}")).unwrap_or_default();
    let order = Order { by, what: format!("attach {image} as virtual media{place}") };
    let shown = image.to_string();
    let done = |drive: &String| format!("{by} attached {shown} as virtual media in {drive}");
    change(app, node, order, done, move |talk| Box::pin(async move { talk.attach(&image, slot.as_deref()).await }))
        .await
}

/// Empty a virtual drive, or all of them; how many had something in them. Errors: as [`hardware`].
pub async fn detach(app: &App, node: NodeUuid, slot: Option<String>, by: &str) -> Result<usize> {
    let slot = slot_of(slot)?;
    let place = slot.as_ref().map_or_else(|| "all drives".to_owned(), |slot| format!("drive {slot}"));
    let order = Order { by, what: format!("detach virtual media from {place}") };
    let done = |count: &usize| match count {
        0 => format!("{by} found no virtual media to detach"),
        1 => format!("{by} detached virtual media from 1 drive"),
        count => format!("{by} detached virtual media from {count} drives"),
    };
    change(app, node, order, done, move |talk| Box::pin(async move { talk.detach(slot.as_deref()).await })).await
}

/// What a person wants of a BMC.
struct Order<'a> {
    by: &'a str,
    /// "attach ...".
    what: String,
}

/// Change something of virtual media, and write it down as events of the node: before the BMC is asked, so that nothing can
/// happen without a trace, and then how it ended, in the words of `done` or of the error.
async fn change<T>(
    app: &App,
    node: NodeUuid,
    Order { by, what }: Order<'_>,
    done: impl Fn(&T) -> String,
    doing: impl FnOnce(&mut Talk) -> Asked<'_, T>,
) -> Result<T> {
    let node = stored(app, node).await?.node;
    tell(app, &node, format!("{by} asks the BMC to {what}")).await?;
    let (told, outcome) = match within(app, &node, (QUESTION, BmcError::Unclear), doing).await {
        Ok(Ok(answer)) => (done(&answer), Ok(answer)),
        Ok(Err(BmcError::Unclear(words))) => {
            let unclear =
                format!("{words}; it may still be done, and asking again is safe: what is done already stays");
            (
                format!("whether the BMC did {what}, as {by} asked, is not known: {words}"),
                Err(unavailable(&node, unclear)),
            )
        }
        Ok(Err(error)) => (format!("the BMC did not {what}, as {by} asked: {error}"), Err(unavailable(&node, error))),
        Err(error @ Error::Internal(_)) => return Err(error),
        Err(error) => (format!("the BMC was not asked to {what}, as {by} wanted: {error}"), Err(error)),
    };
    tell(app, &node, told).await?;
    outcome
}

fn slot_of(slot: Option<String>) -> Result<Option<String>> {
    let slot = slot.filter(|slot| !slot.is_empty());
    match &slot {
        Some(text) if text.len() > 100 || text.chars().any(char::is_control) => {
            Err(Invalid::new("slot", "the id of a virtual drive, as `higuma bmc media` shows it", text).into())
        }
        _ => Ok(slot),
    }
}

async fn tell(app: &App, node: &NodeUuid, message: String) -> Result<()> {
    let (key, now) = (node.clone(), app.now());
    let notice = Notice { kind: Kind::Bmc, severity: Severity::Info, subject: "virtual-media".to_owned(), message };
    app.store.write(move |tx| node_events::record(tx, &key, &notice, now)).await
}
