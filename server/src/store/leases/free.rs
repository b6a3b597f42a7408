//! The next free address of a subnet. Pools are up to 65,000 addresses, and strangers ask: a few queries for each, however
//! full the pool is, and never one for each address.

use super::{key_of, table};
use crate::domain::dhcp::lease::Tie;
use crate::domain::dhcp::subnet::Span;
use crate::domain::dhcp::{ClientKey, Lease, Request, Subnet};
use crate::domain::{Micros, Sha256};
use crate::error::Result;
use crate::store::schema::addresses;
use crate::store::tx::{Row, Tx, limit_of};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Addresses that are looked at in the first piece.
const LOOK: u64 = 1024;
/// Leases that are looked at in one piece.
const PIECE: usize = 256;

impl Tx<'_> {
    /// An address for this client, kept for it as an offer: its own, if another server gave it one meanwhile; else the one that
    /// it wishes; else one that was never used, of the first subnet that has any; else the one that is free for longest. Only
    /// of the subnets' spans, and never one that IPAM has given to a node. None: there is none.
    pub fn free_address(
        &mut self,
        subnets: &[Subnet],
        wish: Option<Ipv4Addr>,
        request: &Request,
        now: Micros,
    ) -> Result<Option<Lease>> {
        let lease = match self.own_lease(subnets, request, now)? {
            Some(lease) => Some(lease),
            None => self.free(subnets, wish, request, now)?,
        };
        if let Some(lease) = &lease {
            self.write_lease(lease, now)?;
        }
        Ok(lease)
    }

    fn own_lease(&mut self, subnets: &[Subnet], request: &Request, now: Micros) -> Result<Option<Lease>> {
        let mut mine = self.leases_of(&ClientKey::of(request), &request.hardware, request.named())?;
        mine.retain(|lease| {
            let tied = lease.tie(request).is_some_and(|tie| tie > Tie::Uuid);
            tied && lease.is_good(now) && subnets.iter().any(|subnet| subnet.gives(lease.address))
        });
        let Some(lease) = Lease::of(&mine, request) else { return Ok(None) };
        let is_given = !self.holders(lease.address.into())?.is_empty();
        Ok((!is_given).then(|| lease.clone().offered(request, now)))
    }

    fn free(
        &mut self,
        subnets: &[Subnet],
        wish: Option<Ipv4Addr>,
        request: &Request,
        now: Micros,
    ) -> Result<Option<Lease>> {
        let offer = |address, subnet: &Subnet| Some(Lease::offer(address, subnet.net, request, now));
        let wished = wish.and_then(|wish| Some((wish, subnets.iter().find(|subnet| subnet.gives(wish))?)));
        if let Some((wish, subnet)) = wished {
            let free = self.lease(wish)?.is_none_or(|lease| lease.is_free(now));
            if free && self.holders(wish.into())?.is_empty() {
                return Ok(offer(wish, subnet));
            }
        }
        for subnet in subnets {
            if let Some(address) = self.never_used(&subnet.spans, &ClientKey::of(request))? {
                return Ok(offer(address, subnet));
            }
        }
        for subnet in subnets {
            if let Some(address) = self.longest_free(subnet, now)? {
                return Ok(offer(address, subnet));
            }
        }
        Ok(None)
    }

    /// An address without a lease and without a node. Looked for from a place on that the client's key names, so that a client
    /// tends to get the same one when leases are lost, and servers that give at the same time do not all want the lowest.
    fn never_used(&mut self, spans: &[Span], client: &ClientKey) -> Result<Option<Ipv4Addr>> {
        let size = |(first, last): &(u32, u32)| u64::from(*last) - u64::from(*first) + 1;
        let spans: Vec<(u32, u32)> =
            spans.iter().map(|(a, b)| (u32::from(*a), u32::from(*b))).filter(|(a, b)| a <= b).collect();
        let total: u64 = spans.iter().map(size).sum();
        if total == 0 {
            return Ok(None);
        }
        if let Some(found) = self.first_gap(&from_place(&spans, place(client) % total, LOOK))? {
            return Ok(Some(found));
        }
        if total <= LOOK || self.count_used(&spans)? >= total {
            return Ok(None);
        }
        self.first_gap(&spans)
    }

    fn first_gap(&mut self, spans: &[(u32, u32)]) -> Result<Option<Ipv4Addr>> {
        for (first, last) in spans {
            let used = self.used(Ipv4Addr::from(*first), Ipv4Addr::from(*last))?;
            if let Some(free) = (*first..=*last).find(|number| !used.contains(number)) {
                return Ok(Some(free.into()));
            }
        }
        Ok(None)
    }

    /// Addresses from one to another, both included, that have a lease of whatever state, or a node.
    fn used(&mut self, first: Ipv4Addr, last: Ipv4Addr) -> Result<BTreeSet<u32>> {
        let keys: Vec<String> = self.run(format_args!("addresses from {first} to {last}"), |c| {
            let mut keys: Vec<String> =
                table::table.filter(table::key.between(key_of(first), key_of(last))).select(table::key).load(c)?;
            let given = addresses::table
                .filter(addresses::key.between(key_of(first), key_of(last)))
                .filter(addresses::released.is_null());
            keys.extend(given.select(addresses::key).load::<String>(c)?);
            Ok(keys)
        })?;
        let row = Row { table: "dhcp_leases", key: &"(keys)" };
        let number = |key: &String| {
            u32::from_str_radix(key.get(1..).unwrap_or_default(), 16)
                .map_err(|e| row.bad(format!("column key holds {key:?}: {e}")))
        };
        keys.iter().map(number).collect()
    }

    fn count_used(&mut self, spans: &[(u32, u32)]) -> Result<u64> {
        let mut count = 0;
        for (first, last) in spans {
            let (first, last) = (key_of((*first).into()), key_of((*last).into()));
            count += self.run("leases of a pool", |c| {
                let leases: i64 = table::table.filter(table::key.between(&first, &last)).count().get_result(c)?;
                let lease = table::table.filter(table::key.eq(addresses::key));
                let given: i64 = addresses::table
                    .filter(addresses::key.between(&first, &last))
                    .filter(addresses::released.is_null())
                    .filter(not(exists(lease)))
                    .select(diesel::dsl::count(addresses::key).aggregate_distinct())
                    .get_result(c)?;
                Ok(leases.saturating_add(given))
            })?;
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Of the leases of a subnet that are over, the one that is so for longest.
    fn longest_free(&mut self, subnet: &Subnet, now: Micros) -> Result<Option<Ipv4Addr>> {
        let mut skip = 0;
        loop {
            let found: Vec<String> = self.run(format_args!("leases of {} that are over", subnet.net), |c| {
                let given =
                    addresses::table.filter(addresses::key.eq(table::key)).filter(addresses::released.is_null());
                table::table
                    .filter(table::subnet.eq(subnet.net.to_string()))
                    .filter(table::expires.le(now))
                    .filter(not(exists(given)))
                    .order((table::expires, table::key))
                    .offset(limit_of(skip))
                    .limit(limit_of(PIECE))
                    .select(table::address)
                    .load(c)
            })?;
            let row = Row { table: "dhcp_leases", key: &subnet.net };
            for text in &found {
                let address = row.parse("address", text)?;
                // Others are addresses that were reserved once.
                if subnet.gives(address) {
                    return Ok(Some(address));
                }
            }
            if found.len() < PIECE {
                return Ok(None);
            }
            skip += PIECE;
        }
    }
}

/// A number of the client's own, the same in every process.
fn place(client: &ClientKey) -> u64 {
    let digest = Sha256::of(client.as_str());
    digest.as_str().get(..15).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// The `count` addresses from the `start`th on, beginning again at the end; all, when there are fewer.
fn from_place(spans: &[(u32, u32)], start: u64, count: u64) -> Vec<(u32, u32)> {
    let (mut skip, mut left) = (start, count);
    let mut found = Vec::new();
    let total: u64 = spans.iter().map(|(a, b)| u64::from(*b) - u64::from(*a) + 1).sum();
    left = left.min(total);
    for (first, last) in spans.iter().chain(spans) {
        let size = u64::from(*last) - u64::from(*first) + 1;
        if skip >= size {
            skip -= size;
            continue;
        }
        let take = (size - skip).min(left);
        if take == 0 {
            break;
        }
        let from = u64::from(*first) + skip;
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        found.push((narrow(from), narrow(from + take - 1)));
        (skip, left) = (0, left - take);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_begins_anywhere_and_comes_round() {
        let spans = [(10, 12), (20, 20), (30, 34)];
        for (start, count, expected) in [
            (0, 99, vec![(10, 12), (20, 20), (30, 34)]),
            (1, 99, vec![(11, 12), (20, 20), (30, 34), (10, 10)]),
            (3, 2, vec![(20, 20), (30, 30)]),
            (8, 3, vec![(34, 34), (10, 11)]),
            (4, 9, vec![(30, 34), (10, 12), (20, 20)]),
        ] {
            assert_eq!(from_place(&spans, start, count), expected, "{start} {count}");
        }
        assert_eq!(from_place(&[(0, u32::MAX)], 1 << 31, 2), [(1 << 31, (1 << 31) + 1)]);
    }
}
