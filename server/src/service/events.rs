//! Events of the first stage, as the agent reports them; idempotent on (boot, seq).

use super::register::PORTS_MAX;
use super::{App, cabling, facts, rules};
use crate::domain::Micros;
use crate::domain::boot::{Boot, EVENTS_PER_BOOT, Event, EventState, clean};
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
    let (id, now, rules) = (boot.id, app.now(), cabling::Rules::of(app));
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
                    let neighbours = clean_neighbours(neighbours);
                    facts::set_neighbours(tx, &node.uuid, &neighbours, now)?;
                    // Templates may tell of them.
                    tx.stale_node(&node.uuid)?;
                    if rules::evaluate(tx, &mut node, now)? {
                        tx.put_node(&node)?;
                    }
                    tx.put_neighbours(&node.uuid, &neighbours, now)?;
                    if node.boot == Some(boot.id) {
                        cabling::learn(tx, &node, &boot, &neighbours, rules)?;
                    }
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

/// Neighbours as they are stored: bounded in number, each text one line of at most 512 bytes.
pub(super) fn clean_neighbours(neighbours: &[Neighbour]) -> Vec<Neighbour> {
    let line = |text: &str| clean(text, 512);
    let cleaned = neighbours.iter().take(PORTS_MAX).map(|n| Neighbour {
        interface: line(&n.interface),
        mac: line(&n.mac),
        chassis_id: line(&n.chassis_id),
        chassis_id_type: line(&n.chassis_id_type),
        port_id: line(&n.port_id),
        port_id_type: line(&n.port_id_type),
        ttl: n.ttl,
        port_description: line(&n.port_description),
        system_name: line(&n.system_name),
        system_description: line(&n.system_description),
        management_addresses: n.management_addresses.iter().take(16).map(|a| line(a)).collect(),
        pvid: n.pvid,
    });
    cleaned.collect()
}

/// Log and count a boot that has just failed.
pub(super) fn count_failed(boot: &Boot) {
    let (step, reason) = (boot.failed_step.as_deref().unwrap_or(""), boot.failed_reason.as_deref().unwrap_or(""));
    tracing::warn!(node = %boot.node, boot = %boot.id, step, "boot of node {} failed at {step}: {reason}", boot.node);
    metrics::counter!("higuma_boots_total", "outcome" => "failed").increment(1);
}

/// Room kept for the server's own events in a boot whose agent has filled its share.
const SERVER_EVENTS: usize = 100;

/// Store `events` of the agent and let the boot follow the new ones among them. The caller stores the boot.
pub(super) fn apply(tx: &mut Tx<'_>, boot: &mut Boot, events: &[Event], now: Micros) -> Result<u32> {
    let new = tx.add_events(boot.id, events, now, EVENTS_PER_BOOT)?;
    let mut fresh: Vec<&Event> = events.iter().filter(|e| new.contains(&e.seq)).collect();
    fresh.sort_by_key(|e| e.seq);
    for event in fresh {
        boot.last_step = Some(event.step.clone());
        // No neighbours, or a driver that does not load, stop no boot by themselves.
        let optional = [steps::MODULES, steps::CLOCK, steps::INVENTORY, steps::LLDP].contains(&event.step.as_str());
        if event.state == EventState::Failed && !optional {
            let _already_over = !boot.fail(&event.step, &event.message);
        }
    }
    Ok(u32::try_from(new.len()).unwrap_or(u32::MAX))
}

/// Store an event of the server's own; the boot does not follow it.
pub(super) fn note(
    tx: &mut Tx<'_>,
    boot: &Boot,
    step: &str,
    state: EventState,
    message: String,
    now: Micros,
) -> Result<()> {
    let event = Event { seq: boot.server_seq(now), at: now, step: step.to_owned(), state, message };
    tx.add_events(boot.id, &[event], now, EVENTS_PER_BOOT + SERVER_EVENTS)?;
    Ok(())
}
