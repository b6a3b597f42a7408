//! A rollout is asked for: checked whole, its nodes found, and written in one transaction, or nothing is.

use super::{options, request, show};
use crate::domain::boot::{Boot, clean};
use crate::domain::ids::{Invalid, NodeUuid, Sha256};
use crate::domain::job::SELECTOR_MAX;
use crate::domain::lifecycle::{self, Lifecycle};
use crate::domain::node::{Admission, Node};
use crate::domain::profile::{Assignment, Mode};
use crate::domain::rollout::{Assigned, Member, Record, Rollout, TOTAL_MAX};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::jobs::chosen;
use crate::service::nodes::check_assignable;
use crate::service::profiles::not_found;
use crate::store::{NodeRow, Tx};
use higuma_proto::api::{self, NewRollout, RolloutPlan, RolloutPlanMember};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Rollouts in which something is left to do, at most.
pub const OPEN_MAX: usize = 20;
/// Characters of a client's id of its request.
const REQUEST_ID_MAX: usize = 64;
/// Nodes read at once.
const PIECE: usize = 500;
/// Members that a plan tells one by one.
const TOLD: usize = 1_000;

/// Make a rollout. The second value: it is new; false: this request was made before, and this is its rollout. Errors: what
/// does not fit, nodes that are not known or are in another rollout, `Conflict` when the request id was used for something
/// else, `Unavailable` when too many are open. Nothing is written then.
pub async fn create(app: &App, new: NewRollout, who: &str) -> Result<(api::Rollout, bool)> {
    let hash = Sha256::of(serde_json::json!([new.profile, new.nodes, new.select, new.options, who]).to_string());
    let request = new.request_id.clone();
    if let Some(id) = &request {
        if !(1..=REQUEST_ID_MAX).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Invalid::new("request_id", "1 to 64 printable ASCII characters, e.g. a UUID", id).into());
        }
        let (id, hash) = (id.clone(), hash.clone());
        // Before the nodes are looked for: they may be others by now.
        if let Some(same) = app.store.read(move |tx| same_request(tx, &id, &hash)).await? {
            return Ok((same, false));
        }
    }
    let spec = options::spec(&new.options)?;
    options::check_programs(&spec, app.settings.hook_dir.as_deref())?;
    let secret = request::secret(&spec.hooks, new.hook_secret)?;
    let (secret, vault) = (secret.map(Arc::new), app.vault.clone());
    let asked: Assignment = new.profile.parse()?;
    let (nodes, selector) = chosen(app, new.nodes, new.select, TOTAL_MAX).await?;
    let (now, id, who) = (app.now(), Uuid::now_v7(), clean(who, 100));
    let (made, new) = app
        .store
        .write(move |tx| {
            if let Some(request) = &request
                && let Some(same) = same_request(tx, request, &hash)?
            {
                return Ok((same, false));
            }
            if tx.open_rollouts(OPEN_MAX)?.len() >= OPEN_MAX {
                let message = format!("{OPEN_MAX} rollouts are open: let some end, or abort them");
                return Err(Error::Unavailable(message));
            }
            let revision = wanted(tx, &asked)?;
            if let Some((node, other)) = tx.nodes_in_rollouts(&nodes)?.into_iter().next() {
                return Err(Error::Conflict(format!(
                    "node {node} is in rollout {other}, which has not ended: let it end, or leave such nodes out"
                )));
            }
            let members = members(tx, &nodes, now)?;
            let record = Record {
                id,
                rollout: Rollout::new(asked.profile.clone(), revision, spec.clone()),
                selector: clean(&selector, SELECTOR_MAX),
                who: who.clone(),
                made: now,
                ended: None,
                total: u32::try_from(members.len()).map_err(Error::internal)?,
                request: request.clone(),
                request_hash: hash.clone(),
                sealed: secret.as_ref().map(|secret| request::seal(tx, &vault, id, secret)).transpose()?,
            };
            tx.insert_rollout(&record, &members)?;
            Ok((show::one(tx, &record)?, true))
        })
        .await?;
    if new {
        let api::Rollout { id, profile, revision, total, who, .. } = &made;
        tracing::info!(rollout = %id, %who, "rollout {id}: revision {revision} of profile {profile} to {total} nodes, asked for by {who}");
        metrics::counter!("higuma_rollouts_total", "state" => "begun").increment(1);
    }
    Ok((made, new))
}

/// What a rollout would do; nothing is written. Errors: as those of [`create`].
pub async fn plan(app: &App, new: NewRollout) -> Result<RolloutPlan> {
    let spec = options::spec(&new.options)?;
    options::check_programs(&spec, app.settings.hook_dir.as_deref())?;
    request::secret(&spec.hooks, new.hook_secret)?;
    let asked: Assignment = new.profile.parse()?;
    let (nodes, _) = chosen(app, new.nodes, new.select, TOTAL_MAX).await?;
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    app.store
        .read(move |tx| {
            let revision = wanted(tx, &asked)?;
            let total = u32::try_from(nodes.len()).map_err(Error::internal)?;
            let ends = spec.waves.ends(total);
            let mut plan = RolloutPlan {
                profile: asked.profile.to_string(),
                revision,
                total: u64::from(total),
                waves: ends.iter().scan(0, |last, end| Some(u64::from(end - std::mem::replace(last, *end)))).collect(),
                options: options::to_wire(&spec),
                ..RolloutPlan::default()
            };
            let target = (asked.profile.clone(), revision);
            let in_others = tx.nodes_in_rollouts(&nodes)?;
            let mut modes = Modes::new();
            for (first, piece) in (0usize..).step_by(PIECE).zip(nodes.chunks(PIECE)) {
                let (mut rows, bmcs) = (tx.nodes_of(piece)?, super::seen::with_bmc(tx, piece)?);
                for (n, uuid) in (first..).zip(piece) {
                    let Some(row) = rows.remove(uuid) else { continue };
                    let mode = mute(tx, &row.node, &mut modes)?;
                    let (change, told, lifecycle) = match (in_others.get(uuid.as_str()), mode) {
                        (Some(other), _) => {
                            ("refused", format!("it is in rollout {other}, which has not ended"), String::new())
                        }
                        (None, Some(mode)) => {
                            ("refused", format!("in its mode {mode} no node says that it is up"), String::new())
                        }
                        (None, None) => would(&row, bmcs.contains(uuid), &target, (now, timeout)),
                    };
                    *plan.changes.entry(change.to_owned()).or_default() += 1;
                    if plan.members.len() < TOLD {
                        let n = u32::try_from(n).map_err(Error::internal)?;
                        let wave = ends.iter().position(|end| n < *end).unwrap_or_default() + 1;
                        plan.members.push(RolloutPlanMember {
                            node: uuid.to_string(),
                            hostname: row.node.hostname.to_string(),
                            wave: u32::try_from(wave).unwrap_or(u32::MAX),
                            before: assigned(&row.node).to_string(),
                            lifecycle,
                            change: change.to_owned(),
                            told,
                        });
                    }
                }
            }
            Ok(plan)
        })
        .await
}

/// What would become of a node.
fn would(
    row: &NodeRow,
    bmc: bool,
    (profile, revision): &(Name, u32),
    (now, timeout): (Micros, Micros),
) -> (&'static str, String, String) {
    let (state, _) = lifecycle::of_node(&row.node, row.boot.as_ref(), now, timeout);
    let runs = |boot: &Boot| boot.profile.as_ref() == Some(profile) && boot.revision == Some(*revision);
    let (change, told) = match (super::seen::gone(&row.node), state) {
        (Some(why), _) => ("skip", why.to_owned()),
        (None, Lifecycle::Running) if row.boot.as_ref().is_some_and(runs) => {
            ("pin", "it runs the revision already".to_owned())
        }
        (None, Lifecycle::Running) => ("restart", "it is restarted".to_owned()),
        (None, _) if bmc => ("start", format!("it is {state}: its power is cycled")),
        (None, _) => {
            ("wait", format!("it is {state} and has no BMC: it is waited for, and fails when it does not come"))
        }
    };
    (change, told, state.to_string())
}

/// The revision that is meant; it must be one that nodes can boot.
fn wanted(tx: &mut Tx<'_>, asked: &Assignment) -> Result<u32> {
    let revision = match asked.revision {
        Some(revision) => revision,
        None => tx.profile(&asked.profile)?.ok_or_else(|| not_found(&asked.profile))?.revision,
    };
    check_assignable(tx, &Assignment { profile: asked.profile.clone(), revision: Some(revision) })?;
    let mode = tx.profile_revision(&asked.profile, revision)?.and_then(|profile| profile.spec.mode);
    match mode.filter(|mode| !matches!(mode, Mode::Diskless | Mode::Initramfs)) {
        None => Ok(revision),
        Some(mode) => Err(Error::BadRequest(format!(
            "revision {revision} of profile {} has the mode {mode}, in which no node says that it is up: assign it instead",
            asked.profile
        ))),
    }
}

pub(super) fn assigned(node: &Node) -> Assigned {
    Assigned { profile: node.profile.clone(), pin: node.profile_revision }
}

/// Modes of what nodes are assigned, as far as they were read.
type Modes = BTreeMap<(Name, Option<u32>), Option<Mode>>;

/// The mode of what a node has now, when no node says in it that it is up: what serves in it cannot be told from what is off.
fn mute(tx: &mut Tx<'_>, node: &Node, modes: &mut Modes) -> Result<Option<Mode>> {
    let Some(profile) = &node.profile else { return Ok(None) };
    let key = (profile.clone(), node.profile_revision);
    let mode = match modes.get(&key) {
        Some(mode) => *mode,
        None => {
            let mode = tx.profile_at(profile, node.profile_revision)?.and_then(|profile| profile.spec.mode);
            modes.insert(key, mode);
            mode
        }
    };
    Ok(mode.filter(|mode| !matches!(mode, Mode::Diskless | Mode::Initramfs)))
}

/// With what each has now.
fn members(tx: &mut Tx<'_>, nodes: &[NodeUuid], now: Micros) -> Result<Vec<Member>> {
    let mut members = Vec::with_capacity(nodes.len());
    let mut modes = Modes::new();
    for piece in nodes.chunks(PIECE) {
        let (mut rows, mut switches) = (tx.nodes_of(piece)?, tx.switches_of(piece)?);
        for uuid in piece {
            let Some(NodeRow { node, .. }) = rows.remove(uuid) else {
                return Err(Error::Conflict(format!("node {uuid} was deleted meanwhile: try again")));
            };
            if node.admission == Admission::Rejected {
                return Err(Error::Conflict(format!("node {uuid} is rejected: leave it out, or admit it first")));
            }
            if let Some(mode) = mute(tx, &node, &mut modes)? {
                return Err(Error::Conflict(format!(
                    "node {uuid} has {} of the mode {mode}, in which no node says that it is up: leave it out",
                    assigned(&node)
                )));
            }
            let n = u32::try_from(members.len()).map_err(Error::internal)?;
            members.push(Member {
                cluster: node.cluster.clone(),
                switches: switches.remove(uuid).unwrap_or_default().into_iter().collect(),
                rule: node.held.profile.rule().cloned(),
                held: node.held.profile.to_string(),
                ..Member::new(n, uuid.clone(), assigned(&node), now)
            });
        }
    }
    Ok(members)
}

fn same_request(tx: &mut Tx<'_>, id: &str, hash: &Sha256) -> Result<Option<api::Rollout>> {
    match tx.rollout_by_request(id)? {
        Some(record) if record.request_hash == *hash => show::one(tx, &record).map(Some),
        Some(record) => Err(Error::Conflict(format!(
            "the request id {id} was used for rollout {}, which asked for something else: take a new one",
            record.id
        ))),
        None => Ok(None),
    }
}

/// Counts by word, for people.
pub(super) fn words<K: std::fmt::Display>(counts: impl IntoIterator<Item = (K, u64)>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(word, count)| (word.to_string(), count)).collect()
}
