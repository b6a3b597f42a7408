//! What a node would get of a profile, whether or not it has it: as a person reads it before assigning. It changes
//! nothing and mints nothing, so no secret can be in it.

use super::nodes::find;
use super::plan::Unplanned;
use super::profiles::not_found;
use super::{App, templates, wire};
use crate::domain::plan;
use crate::domain::{Name, NodeUuid};
use crate::error::{Error, Result};
use higuma_proto::api;

/// Of the newest revision of `name` for one node. Errors: there is no such profile or node; what the node could not boot,
/// with the profile, the node, the text and its line.
pub async fn show(app: &App, name: Name, uuid: NodeUuid) -> Result<api::ProfilePreview> {
    app.store
        .read(move |tx| {
            let node = find(tx, &uuid)?;
            let profile = tx.profile(&name)?.ok_or_else(|| not_found(&name))?;
            let refused = |why: String| {
                let (hostname, uuid) = (&node.hostname, &node.uuid);
                Error::BadRequest(format!("profile {name} for node {hostname} ({uuid}): {why}"))
            };
            let profile = templates::rendered(tx, &node, profile)?.map_err(|failed| refused(failed.to_string()))?;
            if let Some(missing) = profile.spec.missing() {
                return Err(refused(missing.to_string()));
            }
            let image = profile.spec.image.as_ref().map(|image| tx.image(image)).transpose()?.flatten();
            if image.is_none() && profile.spec.mode_with(None).needs_image() {
                return Err(refused(Unplanned::ImageGone.to_string()));
            }
            let cmdline = image.as_ref().map(|image| image.cmdline.clone()).unwrap_or_default();
            profile.spec.fits(&cmdline).map_err(|wrong| refused(wrong.to_string()))?;
            let params = profile.spec.params.clone();
            Ok(wire::preview(&node, plan::plan(&node, &profile, image.as_ref()), image.as_ref(), &params))
        })
        .await
}
