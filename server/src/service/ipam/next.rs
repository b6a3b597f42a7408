//! Which address a pool gives next: never one that was given, leased, or found in use by a machine that nobody knows.

use super::place::Place;
use super::probe;
use crate::domain::ipam::{Pool, key, number};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::service::nodes::find;
use crate::store::Tx;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Rows that are looked at in one piece.
const WINDOW: usize = 500;

/// What would be given now, and out of which pool; none: it has one, or there is none.
pub(super) fn peek(tx: &mut Tx<'_>, node: &NodeUuid, place: &Place, now: Micros) -> Result<Option<(String, IpAddr)>> {
    let node = find(tx, node)?;
    if node.retired || place.has(tx, &node.uuid)?.is_some() {
        return Ok(None);
    }
    for pool in place.pools(tx, &node)? {
        if let Some(next) = next(tx, &pool, now)? {
            return Ok(Some((pool.name.to_string(), next.address)));
        }
    }
    Ok(None)
}

/// What a pool gives next.
pub(super) struct Next {
    /// The address.
    pub(super) address: IpAddr,
    /// Where to look from then on; none: as before.
    pub(super) hint: Option<IpAddr>,
}

/// The lowest address that was never given, else the one that was released first. Not one that a DHCP client has, nor one that a
/// machine uses that nobody knows: it is looked at again another day, so the hint stays there.
pub(super) fn next(tx: &mut Tx<'_>, pool: &Pool, now: Micros) -> Result<Option<Next>> {
    let mut skipped = None;
    let hint = tx.pool_hint(&pool.name)?;
    let mut from = u128::from_str_radix(hint.get(1..).unwrap_or_default(), 16).unwrap_or(0);
    while let Some(start) = pool.lowest_free(from, &BTreeSet::new()) {
        let given = tx.given_from(&pool.name, &key(pool.address(start)), WINDOW)?;
        let leased = leased_from(tx, pool, start, now)?;
        let end = |list: &[IpAddr]| list.last().map(|address| number(*address)).filter(|_| list.len() == WINDOW);
        let last = end(&given).into_iter().chain(end(&leased)).min();
        let mut taken: BTreeSet<u128> = given.iter().map(|address| number(*address)).collect();
        let never_given = pool.lowest_free(start, &taken);
        taken.extend(leased.iter().map(|address| number(*address)));
        let found = pool.lowest_free(start, &taken);
        // A lease ends: the hint stays there.
        if found != never_given {
            skipped = skipped.or(never_given.map(|number| pool.address(number)));
        }
        match (found, last) {
            // Beyond what was looked at: look there.
            (Some(found), Some(last)) if found > last => from = found,
            (Some(found), _) => {
                let address = pool.address(found);
                if !probe::is_taken(tx, address, now)? {
                    return Ok(Some(Next { address, hint: Some(skipped.unwrap_or(address)) }));
                }
                skipped = skipped.or(Some(address));
                match found.checked_add(1) {
                    Some(after) => from = after,
                    None => break,
                }
            }
            (None, _) => break,
        }
    }
    let mut skip = 0;
    loop {
        let released = tx.released_of(&pool.name, skip, WINDOW)?;
        for address in released.iter().filter(|address| pool.gives(**address)) {
            if !probe::is_taken(tx, *address, now)? && !is_leased(tx, *address, now)? {
                return Ok(Some(Next { address: *address, hint: None }));
            }
        }
        if released.len() < WINDOW {
            return Ok(None);
        }
        skip += WINDOW;
    }
}

/// Addresses of the pool from this one on that DHCP clients have now: they are not given before that is over.
fn leased_from(tx: &mut Tx<'_>, pool: &Pool, start: u128, now: Micros) -> Result<Vec<IpAddr>> {
    match (pool.address(start), pool.cidr) {
        (IpAddr::V4(first), IpNet::V4(net)) => tx.leased_between(first, net.broadcast(), WINDOW, now),
        _ => Ok(Vec::new()),
    }
}

fn is_leased(tx: &mut Tx<'_>, address: IpAddr, now: Micros) -> Result<bool> {
    match address {
        IpAddr::V4(address) => Ok(tx.lease(address)?.is_some_and(|lease| !lease.is_free(now))),
        IpAddr::V6(_) => Ok(false),
    }
}
