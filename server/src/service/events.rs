//! Events of the first stage, as the agent reports them; idempotent on (boot, seq).

use super::App;
use super::register::PORTS_MAX;
use crate::domain::boot::{Boot, EVENTS_PER_BOOT, Event, EventState};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::agent::Neighbour;
use higuma_proto::steps;

/// Events taken in one report.
pub const REPORT_MAX: usize = 500;

/// Store events (and the present neighbours, when given) of a session's boot; returns how many events were new.
pub async fn report(app: &App, boot: &Boot, events: Vec<Event>, neighbours: Option<Vec<Neighbour>>) -> Result<u32> {
    if events.len() > REPORT_MAX {
        return Err(Error::TooLarge(format!("at most {REPORT_MAX} events a report, got {}", events.len())));
    }
    let (id, now) = (boot.id, app.now());
    let (stored, failed) = app
        .store
        .write(move |tx| {
            let mut boot = tx.boot(id)?.ok_or_else(|| Error::Unauthorized("this boot is not known any more".into()))?;
            let failed_before = boot.failed_step.clone();
            let stored = apply(tx, &mut boot, &events, now)?;
            tx.put_boot(&boot)?;
            if let Some(mut node) = tx.node(&boot.node)? {
                node.last_seen = now;
                tx.put_node(&node)?;
                if let Some(neighbours) = &neighbours {
                    tx.put_neighbours(&node.uuid, &neighbours[..neighbours.len().min(PORTS_MAX)], now)?;
                }
            }
            let failed = (failed_before != boot.failed_step).then_some(boot);
            Ok((stored, failed))
        })
        .await?;
    if let Some(boot) = failed {
        count_failed(&boot);
    }
    Ok(stored)
}

/// Log and count a boot that has just failed.
pub(super) fn count_failed(boot: &Boot) {
    let (step, reason) = (boot.failed_step.as_deref().unwrap_or(""), boot.failed_reason.as_deref().unwrap_or(""));
    tracing::warn!(node = %boot.node, boot = %boot.id, step, "boot of node {} failed at {step}: {reason}", boot.node);
    metrics::counter!("higuma_boots_total", "outcome" => "failed").increment(1);
}

/// Store `events` and let the boot follow the new ones among them. The caller stores the boot.
pub(super) fn apply(tx: &mut Tx<'_>, boot: &mut Boot, events: &[Event], now: i64) -> Result<u32> {
    let known = tx.events(boot.id, EVENTS_PER_BOOT)?.last().map(|e| e.seq);
    let stored = tx.add_events(boot.id, events, now, EVENTS_PER_BOOT)?;
    let mut new: Vec<&Event> = events.iter().filter(|e| known.is_none_or(|k| e.seq > k)).collect();
    new.sort_by_key(|e| e.seq);
    for event in new {
        boot.last_step = Some(event.step.clone());
        // Half an inventory, or no neighbours, stops no boot.
        let optional = [steps::CLOCK, steps::INVENTORY, steps::LLDP].contains(&event.step.as_str());
        if event.state == EventState::Failed && !optional {
            let _already_over = !boot.fail(&event.step, &event.message);
        }
    }
    Ok(stored)
}
