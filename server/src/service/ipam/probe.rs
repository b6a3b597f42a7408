//! Looking before giving: an address that is given for the first time may be in use by a machine that nobody told us of. And the
//! look at what the kernel knows anyway, once a minute.

use super::place::Place;
use super::{notice, seen_arp};
use crate::domain::ipam::conflict::Sighting;
use crate::domain::node_event::Severity;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use crate::service::App;
use crate::service::node_events::raise;
use crate::service::nodes::find;
use crate::store::{SightingRow, Tx};
use futures_util::future::BoxFuture;
use std::net::IpAddr;

/// Who answers for an address, on the wire. Takes a second at most.
pub trait Prober: Send + Sync {
    /// The hardware address that answers; none: nobody does, or nobody can be asked.
    fn who_has(&self, address: IpAddr) -> BoxFuture<'_, Option<Mac>>;
}

/// Addresses that are found taken, one after the other, before the next one is given unseen: somebody's whole network may be in the pool.
const TRIES: usize = 8;
/// A free address that was in use is looked at again after a day.
const TAKEN_FOR: Micros = 24 * 3600 * 1_000_000;

/// Looks at what the node would get, until it is an address that nobody uses.
pub(in crate::service) async fn before_giving(app: &App, node: &NodeUuid, place: &Place) -> Result<()> {
    let Some(prober) = &app.prober else { return Ok(()) };
    for _ in 0..TRIES {
        let (key, place, now) = (node.clone(), place.clone(), app.now());
        let next = app.store.read(move |tx| super::next::peek(tx, &key, &place, now)).await?;
        let Some((pool, address)) = next else { return Ok(()) };
        let Some(mac) = prober.who_has(address).await else { return Ok(()) };
        let key = node.clone();
        let is_its_own = app
            .store
            .write(move |tx| {
                let node = find(tx, &key)?.uuid;
                // Its BMC has it already: set by hand, or by us before the database was lost.
                if tx.sightings_of(&node)?.iter().any(|row| row.seen.mac == mac) {
                    return Ok(true);
                }
                let message = format!(
                    "the address {address} of pool {pool} was not given to it: {mac} answers for it, and nobody was given it"
                );
                tx.put_sighting(&SightingRow { address, seen: Sighting { mac: mac.clone(), node: None }, at: now, conflict: true })?;
                raise(tx, &node, &notice(Severity::Alarm, format!("address-taken:{address}"), message), now)?;
                Ok(false)
            })
            .await?;
        if is_its_own {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a machine that nobody knows was seen with it lately.
pub(super) fn is_taken(tx: &mut Tx<'_>, address: IpAddr, now: Micros) -> Result<bool> {
    let fresh = |row: &SightingRow| row.seen.node.is_none() && row.at.saturating_add(TAKEN_FOR) > now;
    Ok(tx.sightings(address)?.iter().any(fresh))
}

/// The address is given to a node now: who used it long ago is not in its way.
pub(super) fn forget(tx: &mut Tx<'_>, address: IpAddr) -> Result<()> {
    for row in tx.sightings(address)?.iter().filter(|row| row.seen.node.is_none()) {
        tx.forget_sighting(address, &row.seen.mac)?;
    }
    Ok(())
}

/// Judges what was seen on the wire: only addresses that are given, or that a BMC told, and only what is news. How many were.
pub async fn watch(app: &App, table: Vec<(IpAddr, Mac)>) -> Result<usize> {
    /// Of one transaction.
    const TOGETHER: usize = 500;
    let mut told = 0;
    for some in table.chunks(TOGETHER) {
        let some = some.to_vec();
        let news = app
            .store
            .read(move |tx| {
                let mut news = Vec::new();
                for (address, mac) in some.clone() {
                    let known = tx.sightings(address)?;
                    if known.is_empty() && tx.holders(address)?.is_empty() {
                        continue;
                    }
                    let is_known = known.iter().any(|row| row.seen.mac == mac);
                    let others = known.iter().any(|row| row.seen.node.is_none() && row.seen.mac != mac);
                    if !is_known || others {
                        news.push((address, mac));
                    }
                }
                Ok(news)
            })
            .await?;
        for (address, mac) in news {
            seen_arp(app, address, Some(mac)).await?;
            told += 1;
        }
    }
    Ok(told)
}
