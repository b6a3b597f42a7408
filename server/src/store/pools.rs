//! Pools of addresses.

use super::schema::pools;
use super::tx::{Row, Tx};
use crate::domain::ipam::dhcp::{Dhcp, Texts};
use crate::domain::ipam::{Pool, Range};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What of a pool is stored as JSON. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct SpecJson {
    cidr: String,
    gateway: Option<String>,
    vlan: u16,
    ranges: Vec<String>,
    exclusions: Vec<String>,
    source: String,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    ntp: Vec<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    mtu: Option<u16>,
    #[serde(default)]
    lease_seconds: Option<u32>,
    #[serde(default)]
    options: BTreeMap<String, String>,
}

fn into_pool((name, kind, cluster, spec): (String, String, String, String)) -> Result<Pool> {
    let row = Row { table: "pools", key: &name };
    let spec: SpecJson = row.json("spec", &spec)?;
    let ranges =
        |column: &str, list: &[String]| -> Result<Vec<Range>> { list.iter().map(|r| row.parse(column, r)).collect() };
    let dhcp = Dhcp::try_from(Texts {
        dns: spec.dns,
        ntp: spec.ntp,
        domain: spec.domain,
        mtu: spec.mtu,
        lease_seconds: spec.lease_seconds,
        options: spec.options,
    });
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
        dhcp: dhcp.map_err(|e| row.bad(format!("column spec holds DHCP options that do not fit: {e}")))?,
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
        let Texts { dns, ntp, domain, mtu, lease_seconds, options } = Texts::from(&pool.dhcp);
        let spec = SpecJson {
            cidr: pool.cidr.to_string(),
            gateway: pool.gateway.map(|g| g.to_string()),
            vlan: pool.vlan,
            ranges: texts(&pool.ranges),
            exclusions: texts(&pool.exclusions),
            source: pool.source.to_string(),
            dns,
            ntp,
            domain,
            mtu,
            lease_seconds,
            options,
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
}
