//! Addresses that were seen in use: two machines with one are told as alarms on both, until it is put right.

use super::{notice, pair};
use crate::domain::ipam::conflict::{Sighting, clash};
use crate::domain::node_event::Severity;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use crate::service::App;
use crate::service::node_events::raise;
use crate::service::nodes::{find, page_limit};
use crate::store::{SightingRow, Tx};
use higuma_proto::api::{AddressConflict, Page};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The node (its BMC, from within) told that it has this address. What it told before and does not have any more is forgotten.
pub async fn seen(app: &App, node: NodeUuid, address: IpAddr, mac: Mac) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?.uuid;
            for old in tx.sightings_of(&node)?.iter().filter(|s| s.address != address && s.seen.mac == mac) {
                tx.forget_sighting(old.address, &old.seen.mac)?;
                // Judged without it: those that it was in conflict with are clear of it.
                tx.clear_subject(&node, &subject(old.address), now)?;
                judge(tx, old.address, now)?;
            }
            let seen = Sighting { mac: mac.clone(), node: Some(node) };
            tx.put_sighting(&SightingRow { address, seen, at: now, conflict: false })?;
            judge(tx, address, now)
        })
        .await
}

/// Somebody answered ARP (or neighbour discovery) for an address: `mac`, or nobody. Strangers that do not answer any more are forgotten.
pub async fn seen_arp(app: &App, address: IpAddr, mac: Option<Mac>) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let known = tx.sightings(address)?;
            for old in known.iter().filter(|s| s.seen.node.is_none() && Some(&s.seen.mac) != mac.as_ref()) {
                tx.forget_sighting(address, &old.seen.mac)?;
            }
            if let Some(mac) =
                mac.clone().filter(|mac| !known.iter().any(|s| s.seen.mac == *mac && s.seen.node.is_some()))
            {
                let seen = Sighting { mac, node: None };
                tx.put_sighting(&SightingRow { address, seen, at: now, conflict: false })?;
            }
            judge(tx, address, now)
        })
        .await
}

pub(super) fn subject(address: IpAddr) -> String {
    format!("address:{address}")
}

/// Who of those that hold an address or were seen with it is in whose way: told on all of them, or cleared.
pub(super) fn judge(tx: &mut Tx<'_>, address: IpAddr, now: Micros) -> Result<()> {
    let holders: Vec<NodeUuid> = tx.holders(address)?.into_iter().map(|row| row.node).collect();
    let rows = tx.sightings(address)?;
    let seen: Vec<Sighting> = rows.iter().map(|row| row.seen.clone()).collect();
    let marks = clash(&holders, &seen);
    for (row, conflict) in rows.iter().zip(&marks).filter(|(row, conflict)| row.conflict != **conflict) {
        tx.put_sighting(&SightingRow { conflict: *conflict, ..row.clone() })?;
    }
    let wrong: Vec<&Sighting> = seen.iter().zip(&marks).filter(|(_, mark)| **mark).map(|(s, _)| s).collect();
    let told = seen.iter().filter_map(|s| s.node.as_ref());
    let involved: BTreeSet<&NodeUuid> = holders.iter().chain(told).collect();
    for node in involved {
        let holds = holders.contains(node);
        let mine = wrong.iter().any(|s| s.node.as_ref() == Some(node));
        let other = wrong.iter().find(|s| s.node.as_ref() != Some(node));
        let holder = holders.iter().find(|h| *h != node);
        let message = match (mine, other, holder) {
            (true, _, Some(holder)) => format!("it uses the address {address}, which is given to node {holder}"),
            (true, Some(other), None) => format!("it uses the address {address}, and so does {}", called(other)),
            (false, Some(other), _) if holds => format!("its address {address} is used by {}", called(other)),
            _ => {
                tx.clear_subject(node, &subject(address), now)?;
                continue;
            }
        };
        raise(tx, node, &notice(Severity::Alarm, subject(address), message), now)?;
    }
    Ok(())
}

fn called(seen: &Sighting) -> String {
    match &seen.node {
        Some(node) => format!("node {node} ({})", seen.mac),
        None => format!("a machine that is not known here ({})", seen.mac),
    }
}

/// Addresses with two users, in the order of their texts.
pub async fn conflicts(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<AddressConflict>> {
    let after = cursor.map(pair).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut rows = tx.address_conflicts(after.as_ref(), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|row| format!("{} {}", row.address, row.seen.mac));
            let mut items = Vec::with_capacity(rows.len());
            for row in rows {
                let holder = tx.holders(row.address)?.into_iter().next();
                items.push(AddressConflict {
                    address: row.address.to_string(),
                    holder: holder.map(|h| h.node.to_string()),
                    mac: row.seen.mac.to_string(),
                    node: row.seen.node.map(|n| n.to_string()),
                    at_us: row.at,
                });
            }
            Ok(Page { items, next })
        })
        .await
}
