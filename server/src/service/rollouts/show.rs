//! Rollouts as people see them.

use super::create::{OPEN_MAX, words};
use super::{find, options, parse_id};
use crate::domain::Invalid;
use crate::domain::rollout::{Counts, Phase, Record, State};
use crate::error::Result;
use crate::service::App;
use crate::service::nodes::page_limit;
use crate::store::Tx;
use higuma_proto::api::{self, Page, RolloutTimes, RolloutWave};
use uuid::Uuid;

/// Which rollouts.
#[derive(Debug, Clone, Default)]
pub struct RolloutsQuery {
    /// Only these.
    pub state: Option<State>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Which members of a rollout.
#[derive(Debug, Clone, Default)]
pub struct MembersQuery {
    /// Only these.
    pub phase: Option<Phase>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Newest first.
pub async fn list(app: &App, query: RolloutsQuery) -> Result<Page<api::Rollout>> {
    let bad = |text: &str| Invalid::new("cursor", "the `next` of the page before", text);
    let before = query.cursor.map(|c| c.parse::<Uuid>().map_err(|_| bad(&c))).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut found = tx.rollouts(query.state, before, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|record| record.id.to_string());
            let ids: Vec<Uuid> = found.iter().map(|record| record.id).collect();
            let mut counts = tx.rollout_counts(&ids)?;
            let items = found.iter().map(|record| to_wire(record, &counts.remove(&record.id).unwrap_or_default()));
            Ok(Page { items: items.collect(), next })
        })
        .await
}

/// One, with its waves. Errors: no such rollout.
pub async fn show(app: &App, id: &str) -> Result<api::Rollout> {
    let id = parse_id(id)?;
    app.store
        .read(move |tx| {
            let record = find(tx, id)?;
            one(tx, &record)
        })
        .await
}

/// Its nodes: what needs a look first.
pub async fn members(app: &App, id: &str, query: MembersQuery) -> Result<Page<api::RolloutMember>> {
    let id = parse_id(id)?;
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            find(tx, id)?;
            let phases = query.phase.map_or_else(|| Phase::ALL.to_vec(), |phase| vec![phase]);
            let mut found = tx.members_by_phase(id, &phases, after, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|member| format!("{}:{}", member.phase, member.n));
            let names = tx.hostnames(found.iter().map(|member| member.node.as_str()))?;
            let items = found.into_iter().map(|member| api::RolloutMember {
                n: member.n,
                hostname: names.get(member.node.as_str()).cloned().unwrap_or_default(),
                node: member.node.to_string(),
                before: member.before.to_string(),
                phase: member.phase.to_string(),
                wave: member.begun.map(|_| member.wave.saturating_add(1)),
                since_us: member.since,
                begun_us: member.begun,
                up_us: member.up,
                message: member.message,
                failure: member.failure,
            });
            Ok(Page { items: items.collect(), next })
        })
        .await
}

/// Open rollouts, and nodes down because of them.
pub async fn gauges(app: &App) -> Result<(usize, u64)> {
    app.store
        .read(|tx| {
            let open = tx.open_rollouts(OPEN_MAX)?;
            let down = tx.rollout_counts(&open)?.values().map(Counts::down).sum();
            Ok((open.len(), down))
        })
        .await
}

fn parse_cursor(text: &str) -> Result<(Phase, u32)> {
    let parts = text.split_once(':').and_then(|(phase, n)| Some((phase.parse().ok()?, n.parse().ok()?)));
    Ok(parts.ok_or_else(|| Invalid::new("cursor", "the `next` of the page before", text))?)
}

pub(super) fn one(tx: &mut Tx<'_>, record: &Record) -> Result<api::Rollout> {
    let counts = tx.rollout_counts(&[record.id])?.remove(&record.id).unwrap_or_default();
    let mut shown = to_wire(record, &counts);
    for (wave, phase, count) in tx.rollout_waves(record.id)? {
        // One whose members were skipped may reach past its own end.
        let last = shown.waves.len().saturating_sub(1);
        let at = usize::try_from(wave).unwrap_or(last).min(last);
        if let Some(wave) = shown.waves.get_mut(at) {
            *wave.counts.entry(phase.to_string()).or_default() += count;
        }
    }
    Ok(shown)
}

fn to_wire(record: &Record, counts: &Counts) -> api::Rollout {
    let rollout = &record.rollout;
    let mut last = 0;
    let wave =
        |end: u32| RolloutWave { nodes: u64::from(end - std::mem::replace(&mut last, end)), ..RolloutWave::default() };
    api::Rollout {
        id: record.id.to_string(),
        profile: rollout.profile.to_string(),
        revision: rollout.revision,
        state: rollout.state.to_string(),
        paused_by: rollout.paused_by.clone(),
        why: rollout.why.clone(),
        selector: record.selector.clone(),
        who: record.who.clone(),
        made_us: record.made,
        ended_us: record.ended,
        total: u64::from(record.total),
        down: counts.down(),
        counts: words(counts.0.iter().map(|(phase, count)| (*phase, *count))),
        wave: rollout.wave.saturating_add(1),
        soak_until_us: rollout.soak_until,
        waves: rollout.spec.waves.ends(record.total).into_iter().map(wave).collect(),
        options: options::to_wire(&rollout.spec),
        times: rollout.times.map(|times| RolloutTimes {
            nodes: times.nodes,
            median_us: times.median,
            p95_us: times.p95,
            longest_us: times.longest,
        }),
    }
}
