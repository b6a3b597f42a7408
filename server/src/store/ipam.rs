//! Pools of addresses, and who has or had which.

use super::schema::{addresses, pools};
use super::tx::{Row, Tx, limit_of};
use crate::domain::ipam::{Kind, Pool, Range, key};
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::{Error, Result};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
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

/// What of a pool is stored as JSON. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct SpecJson {
    cidr: String,
    gateway: Option<String>,
    vlan: u16,
    ranges: Vec<String>,
    exclusions: Vec<String>,
    source: String,
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
        })
    }
}

fn into_pool((name, kind, cluster, spec): (String, String, String, String)) -> Result<Pool> {
    let row = Row { table: "pools", key: &name };
    let spec: SpecJson = row.json("spec", &spec)?;
    let ranges =
        |column: &str, list: &[String]| -> Result<Vec<Range>> { list.iter().map(|r| row.parse(column, r)).collect() };
    Ok(Pool {
        name: row.parse("name", &name)?,
        kind: row.parse("kind", &kind)?,
        cluster,
        cidr: row.parse("spec.cidr", &spec.cidr)?,
        gateway: row.parse_opt("spec.gateway", spec.gateway.as_deref())?,
        vlan: spec.vlan,
        ranges: ranges("spec.ranges", &spec.ranges)?,
        exclusions: ranges("spec.exclusions", &spec.exclusions)?,
        source: row.parse("spec.source", &spec.source)?,
    })
}

impl Tx<'_> {
    /// All, in order of name. They are few: the service bounds them.
    pub fn pools(&mut self) -> Result<Vec<Pool>> {
        let found: Vec<(String, String, String, String)> = self.run("pools", |c| {
            let columns = (pools::name, pools::kind, pools::cluster, pools::spec);
            pools::table.order(pools::name).select(columns).load(c)
        })?;
        found.into_iter().map(into_pool).collect()
    }

    /// By name.
    pub fn pool(&mut self, name: &Name) -> Result<Option<Pool>> {
        let found: Option<(String, String, String, String)> = self.run(format_args!("pool {name}"), |c| {
            let columns = (pools::name, pools::kind, pools::cluster, pools::spec);
            pools::table.find(name.as_str()).select(columns).first(c).optional()
        })?;
        found.map(into_pool).transpose()
    }

    /// Insert or replace; its hint is forgotten, for it may give other addresses now.
    pub fn put_pool(&mut self, pool: &Pool, at: Micros) -> Result<()> {
        let texts = |list: &[Range]| list.iter().map(ToString::to_string).collect();
        let spec = SpecJson {
            cidr: pool.cidr.to_string(),
            gateway: pool.gateway.map(|g| g.to_string()),
            vlan: pool.vlan,
            ranges: texts(&pool.ranges),
            exclusions: texts(&pool.exclusions),
            source: pool.source.to_string(),
        };
        let spec = serde_json::to_string(&spec).map_err(Error::internal)?;
        self.run(format_args!("pool {}", pool.name), |c| {
            let set = (
                pools::kind.eq(pool.kind.as_str()),
                pools::cluster.eq(&pool.cluster),
                pools::spec.eq(&spec),
                pools::hint.eq(""),
                pools::changed.eq(at),
            );
            if diesel::update(pools::table.find(pool.name.as_str())).set(set).execute(c)? == 0 {
                diesel::insert_into(pools::table).values((pools::name.eq(pool.name.as_str()), set)).execute(c)?;
            }
            Ok(())
        })
    }

    /// Delete it with its addresses.
    pub fn delete_pool(&mut self, name: &Name) -> Result<()> {
        self.run(format_args!("pool {name}"), |c| diesel::delete(pools::table.find(name.as_str())).execute(c))?;
        Ok(())
    }

    /// Below this key no address is free that was never given; empty: not known.
    pub fn pool_hint(&mut self, name: &Name) -> Result<String> {
        let hint: Option<String> = self.run(format_args!("pool {name}"), |c| {
            pools::table.find(name.as_str()).select(pools::hint).first(c).optional()
        })?;
        Ok(hint.unwrap_or_default())
    }

    /// See [`Tx::pool_hint`].
    pub fn set_pool_hint(&mut self, name: &Name, hint: &str) -> Result<()> {
        self.run(format_args!("pool {name}"), |c| {
            diesel::update(pools::table.find(name.as_str())).set(pools::hint.eq(hint)).execute(c)
        })?;
        Ok(())
    }

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

    /// Give it: insert, or replace the row of who had it. Errors: `Conflict` when the node has another one of the kind.
    pub fn put_address(&mut self, row: &AddressRow) -> Result<()> {
        let rec = AddressRec {
            pool: row.pool.to_string(),
            key: key(row.address),
            address: row.address.to_string(),
            node: row.node.to_string(),
            kind: row.kind.to_string(),
            since: row.since,
            released: row.released,
        };
        self.run(format_args!("address {}", row.address), |c| {
            let set =
                (addresses::node.eq(&rec.node), addresses::since.eq(rec.since), addresses::released.eq(rec.released));
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

    /// What a node has: at most one of a kind.
    pub fn addresses_of(&mut self, node: &NodeUuid) -> Result<Vec<AddressRow>> {
        let recs: Vec<AddressRec> = self.run(format_args!("addresses of node {node}"), |c| {
            addresses::table
                .filter(addresses::node.eq(node.as_str()))
                .filter(addresses::released.is_null())
                .order(addresses::kind)
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
