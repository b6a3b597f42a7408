//! Would a reboot change this node? The hash of what each node would get now is kept beside it: a change makes it stale,
//! and it is worked out here, a piece at a time; nothing polls the fleet.

use super::nodes::find;
use super::{App, fallback, plan, secrets, wire};
use crate::domain::drift::{DIFFERENCES_MAX, Drift, differences};
use crate::domain::node::Node;
use crate::domain::plan::Plan;
use crate::domain::{Micros, Name, NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::store::{Stale, Tx};
use higuma_proto::api;
use std::collections::BTreeMap;

/// Nodes worked out in one read.
const PIECE: usize = 200;
/// Nodes settled in one write: they are written by heartbeats all the time, and who loses against one starts anew.
const SETTLED: usize = 20;
/// Plans that no boot names are kept for so long: one may be handed out right now.
const KEEP: Micros = 3_600_000_000;
/// Plans forgotten at once.
const FORGET: usize = 500;

/// What was done of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// There may be more.
    On,
    /// There is nothing more to do, but for nodes that cannot be read, which were told.
    Done,
}

/// What came of one node.
struct Found {
    node: NodeUuid,
    epoch: i64,
    by: Option<u32>,
    hash: Option<Sha256>,
}

/// Work out a piece of those that are stale. Rendered while reading, for a writer has no time for that; what changed
/// meanwhile is left stale by its epoch.
pub async fn work_once(app: &App) -> Result<Worked> {
    secrets::spread(app).await?;
    let (found, marked) = app.store.read(piece).await?;
    let more = found.len() == PIECE;
    let settled = !found.is_empty();
    for some in found.chunks(SETTLED) {
        let some: Vec<_> = some.iter().map(|f| (f.node.clone(), f.epoch, f.by, f.hash.clone())).collect();
        app.store
            .write(move |tx| {
                for (node, epoch, by, hash) in &some {
                    tx.settle_planned(node, *epoch, *by, hash.as_ref())?;
                }
                Ok(())
            })
            .await?;
    }
    if !more {
        for profile in marked {
            app.store.write(move |tx| tx.settle_profile(&profile)).await?;
        }
    }
    Ok(if settled { Worked::On } else { Worked::Done })
}

/// Some of the stale nodes with what they would get, and the profiles that have a mark. A node that cannot be read is told
/// and keeps none of the others.
fn piece(tx: &mut Tx<'_>) -> Result<(Vec<Found>, Vec<Name>)> {
    let marked = tx.stale_profiles()?;
    let mut known = plan::Profiles::default();
    let mut found = Vec::new();
    let mut sources: Vec<Option<&Name>> = vec![None];
    sources.extend(marked.iter().map(Some));
    for source in sources {
        let mut after = None;
        while found.len() < PIECE {
            let stale = match source {
                None => tx.stale_nodes(after.as_ref(), PIECE)?,
                Some(profile) => tx.outdated_nodes(profile, after.as_ref(), PIECE)?,
            };
            let Some(last) = stale.last().map(|s| s.node.uuid.clone()) else { break };
            for Stale { node, epoch } in stale {
                match plan::would(tx, &node, &mut known) {
                    Ok(would) => {
                        let by = known.revision(&node);
                        found.push(Found { node: node.uuid, epoch, by, hash: would.ok().map(|plan| plan.hash) });
                    }
                    Err(error) => tracing::error!(
                        node = %node.uuid,
                        "what node {} would boot cannot be worked out, so its drift stays unknown: {error:?}",
                        node.uuid
                    ),
                }
                if found.len() == PIECE {
                    break;
                }
            }
            after = Some(last);
        }
    }
    Ok((found, marked))
}

/// Forget what boots of the past got.
pub async fn forget(app: &App) -> Result<()> {
    let before = app.now() - KEEP;
    while app.store.write(move |tx| tx.forget_plans(before, FORGET)).await? == FORGET {}
    Ok(())
}

/// Keep what a boot gets, so that a difference can be told later.
pub(super) fn keep(tx: &mut Tx<'_>, plan: &Plan, now: Micros) -> Result<()> {
    tx.put_plan_content(&plan.hash, &plan.kept(), now)
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
                    image: plan.image.as_ref().map_or_else(|| format!("none ({})", plan.mode), ToString::to_string),
                }),
                reason: now.as_ref().err().map(ToString::to_string),
                fallback: fallback::of(tx, &node)?.map(|fallback| fallback.to_string()),
                differences: Vec::new(),
                more: false,
            };
            let before = match boot.as_ref().and_then(|boot| boot.plan_hash.as_ref()) {
                Some(hash) if drift == Drift::Changed => tx.plan_content(hash)?,
                _ => None,
            };
            match (drift, before, now) {
                (Drift::Changed, Some(before), Ok(plan)) => {
                    // A release that kept no parameters beside it: nothing is said of them.
                    let after = if before.get("params").is_some() { plan.kept() } else { plan.content() };
                    let after: serde_json::Value = serde_json::from_str(&after).map_err(Error::internal)?;
                    let found = differences(&before, &after);
                    answer.more = found.len() >= DIFFERENCES_MAX;
                    answer.differences = wire::differences(found);
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
