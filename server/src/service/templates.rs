//! Profiles rendered for nodes: for one when it boots or is looked at, for all that a profile has when it is saved.

use super::{App, facts, network};
use crate::domain::facts::Facts;
use crate::domain::image::Image;
use crate::domain::ipam::Pool;
use crate::domain::node::Node;
use crate::domain::profile::network::{Given, Site};
use crate::domain::profile::template::Urls;
use crate::domain::profile::{Context, Failed, Network, Profile};
use crate::error::{Error, Result};
use crate::store::{NodeFilter, Tx};

/// Nodes rendered in one read.
const BATCH: usize = 200;

/// The profile with its texts as this node gets them; `image`: the profile's; `urls`: the addresses that one boot is told,
/// none: those in place of them. Inside: a template that does not fit the node.
pub(super) fn rendered(
    tx: &mut Tx<'_>,
    node: &Node,
    profile: Profile,
    image: Option<&Image>,
    urls: Option<&Urls>,
) -> Result<std::result::Result<Profile, Failed>> {
    if !profile.spec.is_of_node() {
        return Ok(Ok(profile));
    }
    let hardware = tx.node_facts(&node.uuid)?.unwrap_or_default();
    let facts = facts::of_node(node, None, hardware, 0, 0);
    let (pools, given) = network::addresses(tx, node, &profile.spec.network)?;
    Ok(render(node, &facts, profile, (image, urls), (&pools, &given)))
}

fn render(
    node: &Node,
    facts: &Facts,
    profile: Profile,
    (image, urls): (Option<&Image>, Option<&Urls>),
    (pools, given): (&[Pool], &[Given]),
) -> std::result::Result<Profile, Failed> {
    let context = Context::new(facts, &profile.spec, profile.name.as_str(), profile.revision, image, urls);
    let mut spec = profile.spec.render(&context)?;
    if spec.has_network() {
        let site = Site { hardware: &facts.hardware, boot_mac: node.boot_mac.as_ref(), pools, given };
        spec.setup = Some(spec.network.setup(&site)?);
    }
    Ok(Profile { spec, ..profile })
}

/// Render a revision that is about to be saved for each node that has the profile, some hundred in a read. Errors: the
/// first node that it does not fit, and where.
pub(super) async fn try_all(app: &App, profile: &Profile) -> Result<()> {
    if !profile.spec.is_of_node() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let (profile, last) = (profile.clone(), after.clone());
        let next = app
            .store
            .read(move |tx| {
                let filter = NodeFilter { profile: Some(profile.name.clone()), ..NodeFilter::default() };
                let rows = tx.nodes(&filter, last.as_ref(), BATCH)?;
                let image = profile.spec.image.as_ref().map(|image| tx.image(image)).transpose()?.flatten();
                let cmdline = image.as_ref().map(|image| image.cmdline.clone()).unwrap_or_default();
                let pools = if profile.spec.network.is_empty() { vec![] } else { tx.pools()? };
                let mut known = tx.facts_of(&rows.iter().map(|row| &row.node.uuid).collect::<Vec<_>>())?;
                // One that is pinned to another revision does not get this one.
                let gets = |pin: Option<u32>| pin.is_none_or(|pin| pin == profile.revision);
                for row in rows.iter().filter(|row| gets(row.node.profile_revision)) {
                    let node = &row.node;
                    let hardware = known.remove(node.uuid.as_str()).unwrap_or_default();
                    let facts = facts::of_node(node, None, hardware, 0, 0);
                    let refused = |why: String| {
                        let (profile, hostname, uuid) = (&profile.name, &node.hostname, &node.uuid);
                        Error::BadRequest(format!("profile {profile} for node {hostname} ({uuid}): {why}"))
                    };
                    let mut profile = profile.clone();
                    if facts.hardware.nics.is_empty() {
                        // It was never here: what its NICs are is known when it boots.
                        profile.spec.network = Network::default();
                    }
                    let rendered = render(node, &facts, profile, (image.as_ref(), None), (&pools, &[]))
                        .map_err(|failed| refused(failed.to_string()))?;
                    rendered.spec.fits(&cmdline).map_err(|wrong| refused(wrong.to_string()))?;
                }
                Ok(rows.last().filter(|_| rows.len() == BATCH).map(|row| row.node.uuid.clone()))
            })
            .await?;
        match next {
            Some(uuid) => after = Some(uuid),
            None => return Ok(()),
        }
    }
}
