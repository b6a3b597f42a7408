//! What a node would get of a profile, whether or not it has it: as a person reads it before assigning. It changes
//! nothing, mints nothing and opens nothing, so no secret can be in it.

use super::nodes::find;
use super::plan::Unplanned;
use super::profiles::{no_revision, not_found};
use super::{App, templates, wire};
use crate::domain::plan;
use crate::domain::profile::Revision;
use crate::domain::{Name, NodeUuid};
use crate::error::{Error, Result};
use higuma_proto::api;

/// Of a revision of `name` for one node; none: the one that the node has or would have by this name. Errors: there is no such profile or node; what the node could not boot,
/// with the profile, the node, the text and its line.
pub async fn show(app: &App, name: Name, revision: Option<Revision>, uuid: NodeUuid) -> Result<api::ProfilePreview> {
    app.store
        .read(move |tx| {
            let node = find(tx, &uuid)?;
            let pin = node.profile_revision.filter(|_| node.profile.as_ref() == Some(&name));
            let profile = match revision {
                None => tx.profile_at(&name, pin)?.ok_or_else(|| not_found(&name))?,
                Some(Revision::Newest) => tx.profile(&name)?.ok_or_else(|| not_found(&name))?,
                Some(Revision::Number(number)) => {
                    tx.profile_revision(&name, number)?.ok_or_else(|| no_revision(&name, number))?
                }
            };
            let refused = |why: String| {
                let (hostname, uuid) = (&node.hostname, &node.uuid);
                Error::BadRequest(format!("profile {name} for node {hostname} ({uuid}): {why}"))
            };
            let image = profile.spec.image.as_ref().map(|image| tx.image(image)).transpose()?.flatten();
            if image.is_none() && profile.spec.image.is_some() {
                return Err(refused(Unplanned::ImageGone.to_string()));
            }
            let profile = templates::rendered(tx, &node, profile, image.as_ref(), None)?
                .map_err(|failed| refused(failed.to_string()))?;
            if let Some(missing) = profile.spec.missing() {
                return Err(refused(missing.to_string()));
            }
            profile.spec.check_mode(image.as_ref()).map_err(|wrong| refused(wrong.to_string()))?;
            let cmdline = image.as_ref().map(|image| image.cmdline.clone()).unwrap_or_default();
            profile.spec.fits(&cmdline).map_err(|wrong| refused(wrong.to_string()))?;
            let secrets = super::plan::marks(tx, &profile.spec)?;
            profile.spec.check_secrets_with(image.as_ref(), &secrets).map_err(|wrong| refused(wrong.to_string()))?;
            let params = profile.spec.params.clone();
            let plan = plan::plan(&node, &profile, image.as_ref(), &secrets);
            if let Some(other) = super::plan::other_arch(tx, &node, &plan)? {
                return Err(refused(other.to_string()));
            }
            Ok(wire::preview(&node, plan, image.as_ref(), &params))
        })
        .await
}
