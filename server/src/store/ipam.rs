//! Who has or had which address of the pools.

use super::schema::{addresses, nodes};
use super::tx::{Row, Tx, limit_of};
use crate::domain::ipam::{Kind, key};
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::net::IpAddr;

/// An address that was given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// Out of which pool.
    pub pool: Name,
    /// Address.
    pub address: IpAddr,
    /// To whom.
    pub node: NodeUuid,
    /// For what.
    pub kind: Kind,
    /// Since when.
    pub since: Micros,
    /// Until when; none: it has it.
    pub released: Option<Micros>,
    /// The device of its profile's network that has it; empty: the node itself, or its BMC.
    pub device: String,
}

/// Which addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressFilter {
    /// Of this pool.
    pub pool: Option<Name>,
    /// Of this node.
    pub node: Option<NodeUuid>,
    /// Only those that somebody has.
    pub live: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = addresses)]
struct AddressRec {
    pool: String,
    key: String,
    address: String,
    node: String,
    kind: String,
    since: i64,
    released: Option<i64>,
    device: String,
}

impl AddressRec {
    fn into_row(self) -> Result<AddressRow> {
        let row = Row { table: "addresses", key: &self.address };
        Ok(AddressRow {
            pool: row.parse("pool", &self.pool)?,
            address: row.parse("address", &self.address)?,
            node: row.parse("node", &self.node)?,
            kind: row.parse("kind", &self.kind)?,
            since: self.since,
            released: self.released,
            device: self.device,
        })
    }
}

impl Tx<'_> {
    /// Addresses of the pool from this key on that are or were given, in their order.
    pub fn given_from(&mut self, pool: &Name, from: &str, limit: usize) -> Result<Vec<IpAddr>> {
        let found: Vec<String> = self.run(format_args!("addresses of pool {pool}"), |c| {
            addresses::table
                .filter(addresses::pool.eq(pool.as_str()))
                .filter(addresses::key.ge(from))
                .order(addresses::key)
                .limit(limit_of(limit))
                .select(addresses::address)
                .load(c)
        })?;
        let row = Row { table: "addresses", key: pool };
        found.iter().map(|text| row.parse("address", text)).collect()
    }

    /// Released addresses of the pool, the oldest first, after the first `skip`.
    pub fn released_of(&mut self, pool: &Name, skip: usize, limit: usize) -> Result<Vec<IpAddr>> {
        let found: Vec<String> = self.run(format_args!("addresses of pool {pool}"), |c| {
            addresses::table
                .filter(addresses::pool.eq(pool.as_str()))
                .filter(addresses::released.is_not_null())
                .order((addresses::released, addresses::key))
                .offset(limit_of(skip))
                .limit(limit_of(limit))
                .select(addresses::address)
                .load(c)
        })?;
        let row = Row { table: "addresses", key: pool };
        found.iter().map(|text| row.parse("address", text)).collect()
    }

    /// Give it: insert, or replace the row of who had it. Errors: `Conflict` when the node has another one of the kind, or its
    /// device another one of the pool.
    pub fn put_address(&mut self, row: &AddressRow) -> Result<()> {
        let rec = AddressRec {
            pool: row.pool.to_string(),
            key: key(row.address),
            address: row.address.to_string(),
            node: row.node.to_string(),
            kind: row.kind.to_string(),
            since: row.since,
            released: row.released,
            device: row.device.clone(),
        };
        self.run(format_args!("address {}", row.address), |c| {
            let set = (
                addresses::node.eq(&rec.node),
                // A pool may be of another kind than when it gave this one before.
                addresses::kind.eq(&rec.kind),
                addresses::since.eq(rec.since),
                addresses::released.eq(rec.released),
                addresses::device.eq(&rec.device),
            );
            let there = addresses::table.find((&rec.pool, &rec.key));
            if diesel::update(there).set(set).execute(c)? == 0 {
                diesel::insert_into(addresses::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Its row in a pool.
    pub fn address_in(&mut self, pool: &Name, address: IpAddr) -> Result<Option<AddressRow>> {
        let rec: Option<AddressRec> = self.run(format_args!("address {address}"), |c| {
            addresses::table.find((pool.as_str(), key(address))).select(AddressRec::as_select()).first(c).optional()
        })?;
        rec.map(AddressRec::into_row).transpose()
    }

    /// What a node has: at most one of a kind, and one of a device and pool.
    pub fn addresses_of(&mut self, node: &NodeUuid) -> Result<Vec<AddressRow>> {
        let recs: Vec<AddressRec> = self.run(format_args!("addresses of node {node}"), |c| {
            addresses::table
                .filter(addresses::node.eq(node.as_str()))
                .filter(addresses::released.is_null())
                .order((addresses::kind, addresses::device, addresses::pool))
                .select(AddressRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(AddressRec::into_row).collect()
    }

    /// Who has this address: at most one of a kind.
    pub fn holders(&mut self, address: IpAddr) -> Result<Vec<AddressRow>> {
        let recs: Vec<AddressRec> = self.run(format_args!("address {address}"), |c| {
            addresses::table
                .filter(addresses::address.eq(address.to_string()))
                .filter(addresses::released.is_null())
                .order(addresses::kind)
                .limit(10)
                .select(AddressRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(AddressRec::into_row).collect()
    }

    /// In order of pool and address, after the cursor.
    pub fn addresses(
        &mut self,
        filter: &AddressFilter,
        after: Option<&(String, String)>,
        limit: usize,
    ) -> Result<Vec<AddressRow>> {
        let recs: Vec<AddressRec> = self.run("addresses", |c| {
            let mut query = addresses::table
                .select(AddressRec::as_select())
                .order((addresses::pool, addresses::key))
                .limit(limit_of(limit))
                .into_boxed();
            if let Some((pool, key)) = after {
                query = query.filter(addresses::pool.gt(pool).or(addresses::pool.eq(pool).and(addresses::key.gt(key))));
            }
            if let Some(pool) = &filter.pool {
                query = query.filter(addresses::pool.eq(pool.as_str()));
            }
            if let Some(node) = &filter.node {
                query = query.filter(addresses::node.eq(node.as_str()));
            }
            if filter.live {
                query = query.filter(addresses::released.is_null());
            }
            query.load(c)
        })?;
        recs.into_iter().map(AddressRec::into_row).collect()
    }

    /// Addresses by pool: the name, whether they are released, how many.
    pub fn address_counts(&mut self) -> Result<Vec<(String, bool, u64)>> {
        let mut all = Vec::new();
        for released in [false, true] {
            let found: Vec<(String, i64)> = self.run("number of addresses", |c| {
                let mut query = addresses::table
                    .group_by(addresses::pool)
                    .select((addresses::pool, diesel::dsl::count_star()))
                    .into_boxed();
                query = match released {
                    true => query.filter(addresses::released.is_not_null()),
                    false => query.filter(addresses::released.is_null()),
                };
                query.load(c)
            })?;
            let row = Row { table: "addresses", key: &"(counted)" };
            for (pool, count) in found {
                all.push((pool, released, row.number("count", count)?));
            }
        }
        Ok(all)
    }

    /// What the devices of nodes get of this pool has perhaps changed: its gateway, its prefix.
    pub fn stale_pool(&mut self, pool: &Name) -> Result<()> {
        let changed = (nodes::planned.eq(None::<String>), nodes::plan_epoch.eq(nodes::plan_epoch + 1));
        let has = addresses::table
            .filter(addresses::pool.eq(pool.as_str()))
            .filter(addresses::released.is_null())
            .filter(addresses::device.ne(""))
            .select(addresses::node);
        self.run(format_args!("plans by pool {pool}"), |c| {
            diesel::update(nodes::table.filter(nodes::uuid.eq_any(has))).set(changed).execute(c)?;
            Ok(())
        })
    }

    /// How many live addresses of the pool are outside of these keys.
    pub fn live_outside(&mut self, pool: &Name, first: &str, last: &str) -> Result<i64> {
        self.run(format_args!("addresses of pool {pool}"), |c| {
            addresses::table
                .filter(addresses::pool.eq(pool.as_str()))
                .filter(addresses::released.is_null())
                .filter(addresses::key.lt(first).or(addresses::key.gt(last)))
                .count()
                .get_result(c)
        })
    }
}
