//! What only Redfish tells and does: hardware and firmware as the BMC sees them, virtual media. Asked now, nothing is kept; what a
//! person does is written down as an event of the node.

use super::show::{ask, stored};
use crate::bmc::Image;
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::{NodeUuid, ids::Invalid};
use crate::error::Result;
use crate::service::{App, node_events};
use higuma_proto::api::{AttachMedia, BmcFirmwareList, BmcHardware, BmcMedia, Page};

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

/// Put an image into a virtual drive; the drives as they are then. Errors: as [`hardware`]; a URL that no BMC can fetch.
pub async fn attach(app: &App, node: NodeUuid, given: AttachMedia, by: &str) -> Result<Page<BmcMedia>> {
    let image: Image = given.url.parse()?;
    let slot = slot_of(given.slot)?;
    let (wanted, place) = (image.clone(), slot.clone());
    let drive =
        ask(app, node.clone(), move |talk| Box::pin(async move { talk.attach(&wanted, place.as_deref()).await }))
            .await?;
    tell(app, &node, format!("{by} attached {image} as virtual media in {drive}")).await?;
    media(app, node).await
}

/// Empty a virtual drive, or all of them; the drives as they are then. Errors: as [`hardware`].
pub async fn detach(app: &App, node: NodeUuid, slot: Option<String>, by: &str) -> Result<Page<BmcMedia>> {
    let slot = slot_of(slot)?;
    let count = ask(app, node.clone(), move |talk| Box::pin(async move { talk.detach(slot.as_deref()).await })).await?;
    if count > 0 {
        tell(app, &node, format!("{by} detached virtual media from {count} drives")).await?;
    }
    media(app, node).await
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
    let (key, now) = (stored(app, node.clone()).await?.node, app.now());
    let notice = Notice { kind: Kind::Bmc, severity: Severity::Info, subject: "virtual-media".to_owned(), message };
    app.store.write(move |tx| node_events::record(tx, &key, &notice, now)).await
}
