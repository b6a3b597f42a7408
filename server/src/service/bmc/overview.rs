//! All that only Redfish tells of one BMC, for a page: a part that cannot be read leaves the others. One that does not answer
//! is not asked on and on.

use super::show::{Asked, QUESTION, stored, unavailable, within};
use crate::bmc::{BmcError, Talk};
use crate::domain::NodeUuid;
use crate::domain::bmc::Protocol;
use crate::error::Result;
use crate::service::App;
use higuma_proto::api::{BmcFirmwareList, BmcHardware, BmcMedia};
use std::time::Duration;

/// What came, or why it did not, in words.
pub type Told<T> = std::result::Result<T, String>;

/// What it tells.
pub struct Overview {
    /// Virtual drives and what is in them.
    pub media: Told<Vec<BmcMedia>>,
    /// The hardware.
    pub hardware: Told<BmcHardware>,
    /// Firmware versions.
    pub firmware: Told<BmcFirmwareList>,
}

/// For media, and for firmware; hardware is many requests, and gets as long as any question.
const PART: Duration = Duration::from_secs(60);

/// Ask for all of it, one part after the other. Errors: nothing to log in to; the BMC does not answer or let us in, or is
/// reached by IPMI.
pub async fn overview(app: &App, node: NodeUuid) -> Result<Overview> {
    let node = stored(app, node).await?.node;
    let mut by = None;
    let first = within(app, &node, (PART, BmcError::Silent), |talk| {
        by = Some(talk.protocol());
        Box::pin(talk.media())
    });
    let media = match first.await? {
        Err(error) if error.trouble().is_some() || by == Some(Protocol::Ipmi) => return Err(unavailable(&node, error)),
        other => other.map_err(|error| error.to_string()),
    };
    let mut lost = false;
    let firmware = part(app, &node, PART, &mut lost, |talk| Box::pin(talk.firmware())).await?;
    let hardware = part(app, &node, QUESTION, &mut lost, |talk| Box::pin(talk.hardware())).await?;
    Ok(Overview { media, hardware, firmware })
}

async fn part<T>(
    app: &App,
    node: &NodeUuid,
    limit: Duration,
    lost: &mut bool,
    question: impl FnOnce(&mut Talk) -> Asked<'_, T>,
) -> Result<Told<T>> {
    if *lost {
        return Ok(Err("not asked: the BMC did not answer the question before".to_owned()));
    }
    let answer = within(app, node, (limit, BmcError::Silent), question).await?;
    *lost = answer.as_ref().is_err_and(|error| error.trouble().is_some());
    Ok(answer.map_err(|error| error.to_string()))
}
