//! Who was seen with which address.

use super::schema::address_sightings;
use super::tx::{Row, Tx, limit_of};
use crate::domain::ipam::conflict::Sighting;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::net::IpAddr;

/// A sighting as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SightingRow {
    /// With this address.
    pub address: IpAddr,
    /// Who.
    pub seen: Sighting,
    /// Last.
    pub at: Micros,
    /// It contradicts the holder, or another sighting.
    pub conflict: bool,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = address_sightings, primary_key(address, mac), treat_none_as_null = true)]
struct SightingRec {
    address: String,
    mac: String,
    node: Option<String>,
    at: i64,
    conflict: bool,
}

impl SightingRec {
    fn into_row(self) -> Result<SightingRow> {
        let row = Row { table: "address_sightings", key: &self.address };
        let seen = Sighting { mac: row.parse("mac", &self.mac)?, node: row.parse_opt("node", self.node.as_deref())? };
        Ok(SightingRow { address: row.parse("address", &self.address)?, seen, at: self.at, conflict: self.conflict })
    }
}

/// Sightings of one address that are looked at.
const SEEN_MAX: usize = 50;

impl Tx<'_> {
    /// Insert or replace.
    pub fn put_sighting(&mut self, row: &SightingRow) -> Result<()> {
        let rec = SightingRec {
            address: row.address.to_string(),
            mac: row.seen.mac.to_string(),
            node: row.seen.node.as_ref().map(ToString::to_string),
            at: row.at,
            conflict: row.conflict,
        };
        self.run(format_args!("sighting of {}", row.address), |c| {
            if diesel::update(address_sightings::table.find((&rec.address, &rec.mac))).set(&rec).execute(c)? == 0 {
                diesel::insert_into(address_sightings::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// It is not there any more.
    pub fn forget_sighting(&mut self, address: IpAddr, mac: &Mac) -> Result<()> {
        self.run(format_args!("sighting of {address}"), |c| {
            diesel::delete(address_sightings::table.find((address.to_string(), mac.as_str()))).execute(c)
        })?;
        Ok(())
    }

    /// Of one address; the newest, at most some.
    pub fn sightings(&mut self, address: IpAddr) -> Result<Vec<SightingRow>> {
        let recs: Vec<SightingRec> = self.run(format_args!("sightings of {address}"), |c| {
            address_sightings::table
                .filter(address_sightings::address.eq(address.to_string()))
                .order((address_sightings::at.desc(), address_sightings::mac))
                .limit(limit_of(SEEN_MAX))
                .select(SightingRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(SightingRec::into_row).collect()
    }

    /// What a node told.
    pub fn sightings_of(&mut self, node: &NodeUuid) -> Result<Vec<SightingRow>> {
        let recs: Vec<SightingRec> = self.run(format_args!("sightings of node {node}"), |c| {
            address_sightings::table
                .filter(address_sightings::node.eq(node.as_str()))
                .order(address_sightings::address)
                .limit(limit_of(SEEN_MAX))
                .select(SightingRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(SightingRec::into_row).collect()
    }

    /// Those that are conflicts, in order of address and MAC, after the cursor.
    pub fn address_conflicts(&mut self, after: Option<&(String, String)>, limit: usize) -> Result<Vec<SightingRow>> {
        let recs: Vec<SightingRec> = self.run("conflicts of addresses", |c| {
            let mut query = address_sightings::table
                .filter(address_sightings::conflict.eq(true))
                .select(SightingRec::as_select())
                .order((address_sightings::address, address_sightings::mac))
                .limit(limit_of(limit))
                .into_boxed();
            if let Some((address, mac)) = after {
                let later = address_sightings::address.eq(address).and(address_sightings::mac.gt(mac));
                query = query.filter(address_sightings::address.gt(address).or(later));
            }
            query.load(c)
        })?;
        recs.into_iter().map(SightingRec::into_row).collect()
    }
}
