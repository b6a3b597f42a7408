//! Cabling as nodes hear it: each report confirms links, adds new ones, or tells that a cable moved, before the node gets
//! anything to boot. What follows is decided in [`crate::domain::cabling`].

use super::expected;
use super::node_events::raise;
use super::{App, switches};
use crate::domain::boot::Boot;
use crate::domain::cabling::{self, Heard, Known, Link, MovedPolicy, Place};
use crate::domain::node::Node;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use crate::store::{PortRow, SwitchRow, Tx};
use higuma_proto::agent::{Inventory, Neighbour};
use higuma_proto::api::CableLink;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Earlier links kept of one NIC.
const KEPT: usize = 10;
/// Present links of one node; a machine has not more cables.
const PRESENT_MAX: usize = 1_024;

/// What the operator chose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// What follows from a moved cable.
    policy: MovedPolicy,
    /// How long a boot waits for neighbours.
    wait: Micros,
    /// Now.
    now: Micros,
}

impl Rules {
    /// Now, with the settings.
    pub(super) fn of(app: &App) -> Self {
        Self { policy: app.settings.cabling_moved, wait: app.settings.lldp_wait, now: app.now() }
    }
}

/// A boot begins with `neighbours` (cleaned) heard so far; how long it may wait for more.
pub(super) fn begin(
    tx: &mut Tx<'_>,
    node: &Node,
    boot: &Boot,
    inventory: &Inventory,
    neighbours: &[Neighbour],
    rules: Rules,
) -> Result<Micros> {
    let nics: Vec<(String, String)> = inventory
        .nics
        .iter()
        .take(super::register::PORTS_MAX)
        .map(|nic| (crate::domain::boot::clean(&nic.name, 64), crate::domain::boot::clean(&nic.mac, 64)))
        .collect();
    if !nics.is_empty() {
        tx.set_nics(&node.uuid, &nics)?;
    }
    let present = tx.present_links(&node.uuid)?;
    end(tx, &present, &cabling::settle(&present), rules.now)?;
    let known = tx.present_links(&node.uuid)?;
    let wait = cabling::lldp_wait(&known, &heard(neighbours), &linked(inventory), rules.wait);
    learn(tx, node, boot, neighbours, rules)?;
    Ok(wait)
}

/// The answer of [`begin`] again, for a Register whose reply was lost.
pub(super) fn wait_again(tx: &mut Tx<'_>, node: &NodeUuid, inventory: &Inventory, rules: Rules) -> Result<Micros> {
    let heard = heard(&tx.neighbours(node)?);
    Ok(cabling::lldp_wait(&tx.present_links(node)?, &heard, &linked(inventory), rules.wait))
}

/// MACs of the NICs with link; empty: the inventory does not say.
fn linked(inventory: &Inventory) -> Vec<Mac> {
    let links = inventory.volatile.as_ref().map(|v| v.links.as_slice()).unwrap_or_default();
    let up = |name: &str| links.iter().any(|link| link.up && link.nic == name);
    inventory.nics.iter().filter(|nic| up(&nic.name)).filter_map(|nic| nic.mac.parse().ok()).collect()
}

fn heard(neighbours: &[Neighbour]) -> Vec<Heard> {
    let whole = neighbours.iter().filter(|n| !n.chassis_id.is_empty() && !n.port_id.is_empty());
    whole
        .filter_map(|n| {
            Some(Heard {
                mac: n.mac.parse().ok()?,
                interface: n.interface.clone(),
                place: place(n),
                switch_name: n.system_name.clone(),
            })
        })
        .collect()
}

fn place(n: &Neighbour) -> Place {
    Place {
        chassis_id: n.chassis_id.clone(),
        chassis_id_type: n.chassis_id_type.clone(),
        port_id: n.port_id.clone(),
        port_id_type: n.port_id_type.clone(),
    }
}

/// Keep what a boot hears now, and tell what moved.
pub(super) fn learn(tx: &mut Tx<'_>, node: &Node, boot: &Boot, neighbours: &[Neighbour], rules: Rules) -> Result<()> {
    let (uuid, now) = (&node.uuid, rules.now);
    put_switches(tx, neighbours, now)?;
    let heard = heard(neighbours);
    let present = tx.present_links(uuid)?;
    let just_ended = tx.links_ended_since(uuid, boot.started)?;
    let machine: Vec<Mac> = tx.macs(uuid)?.into_iter().collect();
    let known = Known { present: &present, just_ended: &just_ended, machine: &machine };
    let changes = cabling::merge(known, &heard, rules.policy);
    for (id, interface) in &changes.confirmed {
        tx.confirm_link(*id, interface, boot.id, now)?;
    }
    for id in &changes.accepted {
        tx.accept_link(*id)?;
    }
    end(tx, &present, &changes.ended, now)?;
    let room = PRESENT_MAX.saturating_sub(present.len());
    for (heard, accepted) in changes.added.iter().take(room) {
        tx.add_link(&Link {
            id: Uuid::now_v7(),
            node: uuid.clone(),
            mac: heard.mac.clone(),
            interface: heard.interface.clone(),
            place: heard.place.clone(),
            accepted: *accepted,
            boot: boot.id,
            first_seen: now,
            last_seen: now,
            ended: None,
        })?;
    }
    for mac in &changes.back {
        tx.clear_subject(uuid, &cabling::subject(mac), now)?;
    }
    for moved in &changes.moved {
        let (from, to) = (switches::place_text(tx, &moved.from)?, switches::place_text(tx, &moved.to)?);
        raise(tx, uuid, &cabling::notice(moved, &from, &to), now)?;
    }
    for mac in heard.iter().map(|h| &h.mac).collect::<BTreeSet<_>>() {
        tx.clear_subject(uuid, &cabling::silent_subject(mac), now)?;
    }
    expected::check_node(tx, node, now)
}

fn end(tx: &mut Tx<'_>, present: &[Link], ended: &[Uuid], now: Micros) -> Result<()> {
    let mut macs = BTreeSet::new();
    for link in present.iter().filter(|l| ended.contains(&l.id)) {
        tx.end_link(link.id, now)?;
        tx.clear_subject(&link.node, &cabling::silent_subject(&link.mac), now)?;
        macs.insert((&link.node, &link.mac));
    }
    macs.into_iter().try_for_each(|(node, mac)| tx.prune_links(node, mac, KEPT))
}

fn put_switches(tx: &mut Tx<'_>, neighbours: &[Neighbour], now: Micros) -> Result<()> {
    for n in neighbours.iter().filter(|n| !n.chassis_id.is_empty() && !n.port_id.is_empty()) {
        tx.put_switch(&SwitchRow {
            chassis_id: n.chassis_id.clone(),
            chassis_id_type: n.chassis_id_type.clone(),
            name: n.system_name.clone(),
            description: n.system_description.clone(),
            addresses: n.management_addresses.clone(),
            first_seen: now,
            last_seen: now,
        })?;
        tx.put_switch_port(&PortRow {
            place: place(n),
            description: n.port_description.clone(),
            pvid: n.pvid,
            first_seen: now,
            last_seen: now,
        })?;
    }
    Ok(())
}

/// Why cabling keeps a boot from its plan now.
pub(super) fn hold(tx: &mut Tx<'_>, boot: &Boot, rules: Rules) -> Result<Option<&'static str>> {
    if rules.policy == MovedPolicy::Log {
        return Ok(None);
    }
    let present = tx.present_links(&boot.node)?;
    Ok(cabling::hold(&present, boot.id, rules.now, boot.started.saturating_add(rules.wait)))
}

/// The boot goes on: tell of known neighbours that it has not heard.
pub(super) fn tell_silence(tx: &mut Tx<'_>, boot: &Boot, rules: Rules) -> Result<()> {
    let present = tx.present_links(&boot.node)?;
    for link in cabling::silent(&present, boot.id) {
        let at = switches::place_text(tx, &link.place)?;
        raise(tx, &boot.node, &cabling::silence(link, &at), rules.now)?;
    }
    Ok(())
}

/// `by` says that the cables are right as they are heard now; gives the links that hold from now on.
pub async fn accept(app: &App, uuid: NodeUuid, by: &str) -> Result<Vec<CableLink>> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    let key = uuid.clone();
    let links = app
        .store
        .write(move |tx| {
            let key = super::nodes::find(tx, &key)?.uuid;
            let present = tx.present_links(&key)?;
            let machine: Vec<Mac> = tx.macs(&key)?.into_iter().collect();
            let (accepted, ended) = cabling::accept(&present, &machine);
            for id in accepted {
                tx.accept_link(id)?;
            }
            end(tx, &present, &ended, now)?;
            for mac in present.iter().map(|l| &l.mac).collect::<BTreeSet<_>>() {
                tx.clear_subject(&key, &cabling::subject(mac), now)?;
            }
            switches::links_of(tx, &key, now, timeout)
        })
        .await?;
    tracing::info!(node = %uuid, by, "cabling of node {uuid} accepted by {by}");
    Ok(links)
}
