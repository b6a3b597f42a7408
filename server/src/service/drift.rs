//! Would a reboot change this node? The hash of what each node would get now is kept beside it: a change makes it stale,
//! and it is worked out here, a piece at a time; nothing polls the fleet.

use super::nodes::find;
use super::{App, plan};
use crate::domain::drift::{DIFFERENCES_MAX, Drift, differences};
use crate::domain::node::Node;
use crate::domain::plan::Plan;
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::store::Tx;
use higuma_proto::api;
use std::collections::BTreeMap;

/// Nodes worked out in one transaction.
const PIECE: usize = 200;
/// Plans that no boot names are kept for so long: one may be handed out right now.
const KEEP: Micros = 3_600_000_000;
/// Plans forgotten at once.
const FORGET: usize = 500;

/// Work out some of those that are stale, after a node. Gives the last one; none: that was all.
pub async fn work_once(app: &App, after: Option<NodeUuid>) -> Result<Option<NodeUuid>> {
    let stale = app.store.read(move |tx| tx.stale_nodes(after.as_ref(), PIECE)).await?;
    if stale.is_empty() {
        return Ok(None);
    }
    let last = stale.last().filter(|_| stale.len() == PIECE).map(|s| s.node.uuid.clone());
    app.store
        .write(move |tx| {
            let mut profiles = plan::Profiles::default();
            for found in &stale {
                let hash = plan::would(tx, &found.node, &mut profiles)?.ok().map(|plan| plan.hash);
                tx.settle_planned(&found.node.uuid, found.epoch, hash.as_ref())?;
            }
            Ok(())
        })
        .await?;
    Ok(last)
}

/// Forget what boots of the past got.
pub async fn forget(app: &App) -> Result<()> {
    let before = app.now() - KEEP;
    while app.store.write(move |tx| tx.forget_plans(before, FORGET)).await? == FORGET {}
    Ok(())
}

/// Keep what a boot gets, so that a difference can be told later.
pub(super) fn keep(tx: &mut Tx<'_>, plan: &Plan, now: Micros) -> Result<()> {
    tx.put_plan_content(&plan.hash, &plan.content(), now)
}

/// Of one node: what a reboot would do, and what differs.
pub async fn show(app: &App, uuid: NodeUuid) -> Result<api::NodeDrift> {
    app.store
        .read(move |tx| {
            let node = find(tx, &uuid)?;
            let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
            let now = plan::would(tx, &node, &mut plan::Profiles::default())?;
            let planned = now.as_ref().map_or("", |plan| plan.hash.as_str());
            let drift = Drift::of(boot.as_ref(), Some(planned));
            let mut answer = api::NodeDrift {
                node: node.uuid.to_string(),
                drift: drift.to_string(),
                runs: boot.as_ref().filter(|_| drift != Drift::None).and_then(|boot| {
                    let (profile, image) = (boot.profile.as_ref()?, boot.image.clone()?);
                    Some(api::PlanName { profile: profile.to_string(), revision: boot.revision?, image })
                }),
                would: now.as_ref().ok().map(|plan| api::PlanName {
                    profile: plan.profile.to_string(),
                    revision: plan.revision,
                    image: plan.image.to_string(),
                }),
                reason: now.as_ref().err().map(ToString::to_string),
                differences: Vec::new(),
                more: false,
            };
            let before = match boot.as_ref().and_then(|boot| boot.plan_hash.as_ref()) {
                Some(hash) if drift == Drift::Changed => tx.plan_content(hash)?,
                _ => None,
            };
            match (drift, before, now) {
                (Drift::Changed, Some(before), Ok(plan)) => {
                    let after: serde_json::Value =
                        serde_json::from_str(&plan.content()).map_err(crate::error::Error::internal)?;
                    let found = differences(&before, &after);
                    answer.more = found.len() >= DIFFERENCES_MAX;
                    let difference = |d: crate::domain::drift::Difference| api::PlanDifference {
                        what: d.what,
                        old: d.old,
                        new: d.new,
                    };
                    answer.differences = found.into_iter().map(difference).collect();
                }
                // It booted with a release that did not keep what it got.
                (Drift::Changed, None, _) => answer.drift = Drift::Unknown.to_string(),
                _ => {}
            }
            Ok(answer)
        })
        .await
}

/// Of a node as it is kept.
pub(super) fn word(tx: &mut Tx<'_>, node: &Node) -> Result<String> {
    let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
    Ok(Drift::of(boot.as_ref(), tx.planned(&node.uuid)?.as_deref()).to_string())
}

/// Nodes that run, by what a reboot would do; every word but `none` is there.
pub async fn counts(app: &App) -> Result<BTreeMap<&'static str, u64>> {
    let found = app.store.read(|tx| tx.drift_counts()).await?;
    let words = [Drift::Same, Drift::Changed, Drift::Unplanned, Drift::Unknown];
    let mut counts: BTreeMap<&'static str, u64> = words.iter().map(|word| (word.as_str(), 0)).collect();
    counts.extend(found.into_iter().map(|(word, count)| (word.as_str(), count)));
    Ok(counts)
}
