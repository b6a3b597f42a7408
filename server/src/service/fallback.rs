//! A node whose revision keeps failing gets the one that it ran last: looked up when a plan is written, kept with it, told
//! as an event of the node, and over as soon as something else is wanted or a person says so.

use super::nodes::{self, find};
use super::plan::{self, Profiles};
use super::register::BOOTS_KEPT;
use super::{App, events, node_events};
use crate::domain::boot::{Boot, EventState};
use crate::domain::fallback::{Exact, Fallback, Next, SUBJECT, Seen, Tries, Wanted, notice};
use crate::domain::image_gc::FALLBACK_SILENCE;
use crate::domain::node::Node;
use crate::domain::plan::Plan;
use crate::domain::profile::Mode;
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::store::Tx;
use higuma_proto::{api, steps};

/// Power actions of one node that are looked at.
const STOPS: usize = 100;

/// The plan that a boot gets, and what is to be kept of why.
pub(super) struct Choice {
    /// That plan.
    pub(super) plan: Plan,
    why: Option<Why>,
}

struct Why {
    wanted: Wanted,
    before: Tries,
    next: Next,
    last: Option<Boot>,
}

impl Choice {
    /// What is wanted, in a mode in which nothing is heard of what comes of it.
    pub(super) fn plain(plan: Plan) -> Self {
        Self { plan, why: None }
    }
}

/// What `boot` gets where `plan` is wanted; nothing is written. `after`: failures.
pub(super) fn choose(tx: &mut Tx<'_>, node: &Node, boot: &Boot, plan: Plan, after: u32) -> Result<Choice> {
    let Some(wanted) = tx.wanted(node)? else { return Ok(Choice::plain(plan)) };
    let before = tx.tries(&node.uuid)?;
    let mut past = match before.tried {
        Some(_) if after > 0 => tx.boots(&node.uuid, None, BOOTS_KEPT + 2)?,
        _ => Vec::new(),
    };
    past.retain(|other| other.id != boot.id);
    let mut seen = Seen { past: &past, now: boot.started, stopped: &[] };
    let mut next = before.next(&wanted, seen, after);
    let oldest = past.last().map(|boot| boot.started);
    let stops = match (&next, oldest) {
        (Next::Wanted, _) | (_, None) => Vec::new(),
        (_, Some(oldest)) => tx.stops(&node.uuid, oldest, STOPS)?,
    };
    if !stops.is_empty() {
        seen.stopped = &stops;
        next = before.next(&wanted, seen, after);
    }
    let mut chosen = None;
    if let Next::Instead(to) = &next {
        match instead(tx, node, to, &plan)? {
            Ok(other) => chosen = Some(other),
            Err(why) => next = Next::NothingElse(format!("{to}, which ran last, {why}")),
        }
    }
    let of_it = |b: &Boot| b.profile.as_ref() == Some(&wanted.what.profile) && b.revision == Some(wanted.what.revision);
    let last = past.into_iter().find(|boot| of_it(boot) && boot.failed_step.is_some());
    Ok(Choice { plan: chosen.unwrap_or(plan), why: Some(Why { wanted, before, next, last }) })
}

/// The plan by what ran last; inside: why it is none.
fn instead(tx: &mut Tx<'_>, node: &Node, to: &Exact, wanted: &Plan) -> Result<std::result::Result<Plan, String>> {
    let as_if = Node { profile: Some(to.profile.clone()), profile_revision: Some(to.revision), ..node.clone() };
    Ok(match plan::would(tx, &as_if, &mut Profiles::default())? {
        Ok(plan) if plan.hash == wanted.hash => Err("boots just the same".to_owned()),
        Ok(plan) if matches!(plan.mode, Mode::Diskless | Mode::Initramfs) => Ok(plan),
        Ok(plan) => Err(format!("has the mode {} now", plan.mode)),
        Err(why) => Err(format!("cannot be booted: {why}")),
    })
}

/// The choice is handed out: keep it, and tell what is new. `fresh`: this boot had no plan before.
pub(super) fn keep(tx: &mut Tx<'_>, boot: &Boot, choice: &Choice, fresh: bool, now: Micros) -> Result<()> {
    let Some(Why { wanted, before, next, last }) = &choice.why else { return Ok(()) };
    let instead = matches!(next, Next::Instead(_));
    let after = before.planned(wanted, instead, boot.started, now);
    if after != *before {
        tx.put_tries(&boot.node, &after)?;
    }
    let held = before.in_force(wanted).is_some();
    match notice(&wanted.what, next, last.as_ref()) {
        Some(notice) if !(instead && held) => node_events::raise(tx, &boot.node, &notice, now)?,
        Some(_) => {}
        None if before.tried != after.tried => {
            tx.clear_subject(&boot.node, SUBJECT, now)?;
        }
        None => {}
    }
    if instead && !held {
        metrics::counter!("higuma_fallbacks_total").increment(1);
    }
    if let Some(fallback) = after.in_force(wanted).filter(|_| fresh) {
        events::note(tx, boot, steps::PLAN, EventState::Info, format!("fallback: {fallback}"), now)?;
    }
    Ok(())
}

/// A boot is up for the first time.
pub(super) fn came_up(tx: &mut Tx<'_>, boot: &Boot, now: Micros) -> Result<()> {
    let Some((profile, revision)) = boot.profile.clone().zip(boot.revision) else { return Ok(()) };
    let before = tx.tries(&boot.node)?;
    let up = Exact { profile, revision };
    // One that was deleted meanwhile is nothing to fall back to.
    if before.up.as_ref() != Some(&up) && tx.profile_revision(&up.profile, up.revision)?.is_some() {
        tx.put_tries(&boot.node, &Tries { up: Some(up), ..before.clone() })?;
    }
    if before.fallback.is_none() {
        tx.clear_subject(&boot.node, SUBJECT, now)?;
    }
    Ok(())
}

/// What failed before does not count any more: the node is given something, or tries again.
pub(super) fn forget(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<()> {
    let before = tx.tries(node)?;
    let after = before.clone().forgotten();
    if after != before {
        tx.put_tries(node, &after)?;
    }
    tx.clear_subject(node, SUBJECT, now)?;
    Ok(())
}

/// At its next boot the node gets what it is to boot, whatever failed before. Safe to repeat. Errors: no such node.
pub async fn retry(app: &App, uuid: NodeUuid) -> Result<api::NodeDetail> {
    let (key, now) = (uuid.clone(), app.now());
    app.store
        .write(move |tx| {
            let node = find(tx, &key)?;
            forget(tx, &node.uuid, now)
        })
        .await?;
    nodes::show(app, uuid).await
}

/// Of a node, as long as what failed is what it is to boot.
pub(super) fn of(tx: &mut Tx<'_>, node: &Node) -> Result<Option<Fallback>> {
    let Some(wanted) = tx.wanted(node)? else { return Ok(None) };
    Ok(tx.tries(&node.uuid)?.in_force(&wanted))
}

/// Nodes in fallback.
pub async fn count(app: &App) -> Result<u64> {
    app.store.read(|tx| tx.fallback_count()).await
}

/// What a node ran last is kept for it when it was heard from since then; none: no node falls back.
pub(super) fn kept_since(app: &App) -> Option<Micros> {
    (app.settings.fallback_after > 0).then(|| app.now() - FALLBACK_SILENCE)
}
