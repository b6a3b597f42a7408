//! How many addresses of a subnet are leased, and which of a span: for people, for metrics, and for IPAM, which gives none that
//! is leased.

use super::{key_of, table};
use crate::domain::Micros;
use crate::domain::dhcp::subnet::Span;
use crate::domain::dhcp::{LeaseState, Subnet};
use crate::error::Result;
use crate::store::schema::addresses;
use crate::store::tx::{Row, Tx, limit_of};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr};

/// How much of some spans is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanUse {
    /// Leased, or given to a node.
    pub taken: u64,
    /// Were leased, and may be again.
    pub over: u64,
}

/// Leases of a subnet that are in force, and addresses that it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseCounts {
    /// The subnet.
    pub net: Ipv4Net,
    /// Taken by clients, those of reserved addresses included.
    pub bound: u64,
    /// Kept for clients.
    pub offered: u64,
    /// Found in use by machines that are not ours.
    pub declined: u64,
    /// Of its spans: what can be given now.
    pub free: u64,
}

impl Tx<'_> {
    /// How much of these spans is in use.
    pub fn span_use(&mut self, spans: &[Span], now: Micros) -> Result<SpanUse> {
        let mut all = SpanUse::default();
        for (first, last) in spans {
            let (first, last) = (key_of(*first), key_of(*last));
            let (leased, given, over): (i64, i64, i64) = self.run("leases of a pool", |c| {
                let within = || table::table.filter(table::key.between(&first, &last));
                let lease = table::table.filter(table::key.eq(addresses::key)).filter(table::expires.gt(now));
                let given = addresses::table
                    .filter(addresses::key.between(&first, &last))
                    .filter(addresses::released.is_null())
                    .filter(not(exists(lease)))
                    .select(diesel::dsl::count(addresses::key).aggregate_distinct());
                let node = addresses::table.filter(addresses::key.eq(table::key)).filter(addresses::released.is_null());
                Ok((
                    within().filter(table::expires.gt(now)).count().get_result(c)?,
                    given.get_result(c)?,
                    within().filter(table::expires.le(now)).filter(not(exists(node))).count().get_result(c)?,
                ))
            })?;
            let row = Row { table: "dhcp_leases", key: &"(counted)" };
            all.taken += row.number::<u64>("count", leased.saturating_add(given))?;
            all.over += row.number::<u64>("count", over)?;
        }
        Ok(all)
    }

    /// How the subnets stand, in their order.
    pub fn lease_counts(&mut self, subnets: &[Subnet], now: Micros) -> Result<Vec<LeaseCounts>> {
        let found: Vec<(String, String, i64)> = self.run("number of leases", |c| {
            table::table
                .filter(table::expires.gt(now))
                .group_by((table::subnet, table::state))
                .select((table::subnet, table::state, diesel::dsl::count_star()))
                .load(c)
        })?;
        let mut all = Vec::with_capacity(subnets.len());
        for subnet in subnets {
            let row = Row { table: "dhcp_leases", key: &subnet.net };
            let net = subnet.net.to_string();
            let count = |state: LeaseState| {
                let of = found.iter().find(|(of, is, _)| *of == net && is == state.as_str());
                row.number::<u64>("count", of.map_or(0, |(_, _, count)| *count))
            };
            let size = |(first, last): &Span| u64::from(u32::from(*last).saturating_sub(u32::from(*first))) + 1;
            let capacity: u64 = subnet.spans.iter().map(size).sum();
            let taken = self.span_use(&subnet.spans, now)?.taken;
            all.push(LeaseCounts {
                net: subnet.net,
                bound: count(LeaseState::Bound)?,
                offered: count(LeaseState::Offered)?,
                declined: count(LeaseState::Declined)?,
                free: capacity.saturating_sub(taken),
            });
        }
        Ok(all)
    }

    /// Addresses from one to another, both included, that are leased now, in their order.
    pub fn leased_between(
        &mut self,
        first: Ipv4Addr,
        last: Ipv4Addr,
        limit: usize,
        now: Micros,
    ) -> Result<Vec<IpAddr>> {
        let found: Vec<String> = self.run(format_args!("leases from {first} to {last}"), |c| {
            table::table
                .filter(table::key.between(key_of(first), key_of(last)))
                .filter(table::expires.gt(now))
                .order(table::key)
                .limit(limit_of(limit))
                .select(table::address)
                .load(c)
        })?;
        let row = Row { table: "dhcp_leases", key: &"(addresses)" };
        found.iter().map(|text| row.parse("address", text)).collect()
    }
}
