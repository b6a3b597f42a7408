//! BMCs of nodes. Their passwords are not here.

use super::schema::bmcs as table;
use super::tx::{Row, Tx, limit_of};
use crate::domain::bmc::{Bmc, BmcState};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::net::IpAddr;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, primary_key(node), treat_none_as_null = true)]
struct BmcRec {
    node: String,
    state: String,
    reason: String,
    protocol: String,
    driver: Option<String>,
    address: Option<String>,
    port: Option<i64>,
    mac: String,
    guid: String,
    firmware: String,
    found: Option<String>,
    found_at: Option<i64>,
    boot: Option<String>,
    held: i64,
    changes: String,
    reported: Option<i64>,
    certificate: Option<String>,
    proven: Option<i64>,
    power: String,
    power_at: Option<i64>,
    failures: i64,
    next: i64,
    changed: i64,
}

impl BmcRec {
    fn new(bmc: &Bmc) -> Self {
        let found = bmc.found.as_ref();
        Self {
            node: bmc.node.to_string(),
            state: bmc.state.to_string(),
            reason: bmc.reason.clone(),
            protocol: bmc.protocol.to_string(),
            driver: bmc.driver.map(|driver| driver.to_string()),
            address: bmc.address.map(|address| address.to_string()),
            port: bmc.port.map(i64::from),
            mac: bmc.mac.clone(),
            guid: bmc.guid.clone(),
            firmware: bmc.firmware.clone(),
            found: found.map(|(json, _)| json.clone()),
            found_at: found.map(|(_, at)| *at),
            boot: bmc.boot.map(|id| id.to_string()),
            held: i64::from(bmc.held),
            changes: bmc.changes.clone(),
            reported: bmc.reported,
            certificate: bmc.certificate.clone(),
            proven: bmc.proven,
            power: bmc.power.to_string(),
            power_at: bmc.power_at,
            failures: i64::from(bmc.failures),
            next: bmc.next,
            changed: bmc.changed,
        }
    }

    fn into_bmc(self) -> Result<Bmc> {
        let row = Row { table: "bmcs", key: &self.node };
        Ok(Bmc {
            node: row.parse("node", &self.node)?,
            state: row.parse("state", &self.state)?,
            protocol: row.parse("protocol", &self.protocol)?,
            driver: row.parse_opt("driver", self.driver.as_deref())?,
            address: row.parse_opt::<IpAddr>("address", self.address.as_deref())?,
            port: self.port.map(|port| row.number("port", port)).transpose()?,
            boot: row.parse_opt("boot", self.boot.as_deref())?,
            held: self.held != 0,
            power: row.parse("power", &self.power)?,
            failures: row.number("failures", self.failures)?,
            reason: self.reason,
            mac: self.mac,
            guid: self.guid,
            firmware: self.firmware,
            found: self.found.zip(self.found_at),
            changes: self.changes,
            reported: self.reported,
            certificate: self.certificate,
            proven: self.proven,
            power_at: self.power_at,
            next: self.next,
            changed: self.changed,
        })
    }
}

fn all(recs: Vec<BmcRec>) -> Result<Vec<Bmc>> {
    recs.into_iter().map(BmcRec::into_bmc).collect()
}

/// Those that are asked over the LAN ([`Bmc::is_polled`]).
pub(super) const POLLED: [&str; 4] = ["configured", "managed", "unreachable", "login-refused"];

impl Tx<'_> {
    /// Of a node.
    pub fn bmc(&mut self, node: &NodeUuid) -> Result<Option<Bmc>> {
        let rec: Option<BmcRec> = self.run(format_args!("BMC of node {node}"), |c| {
            table::table.find(node.as_str()).select(BmcRec::as_select()).first(c).optional()
        })?;
        rec.map(BmcRec::into_bmc).transpose()
    }

    /// Insert or replace.
    pub fn put_bmc(&mut self, bmc: &Bmc) -> Result<()> {
        let rec = BmcRec::new(bmc);
        self.run(format_args!("BMC of node {}", bmc.node), |c| {
            if diesel::update(table::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(table::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// A page by node after `cursor`, of one state or of all.
    pub fn bmcs(&mut self, state: Option<BmcState>, cursor: Option<&NodeUuid>, limit: usize) -> Result<Vec<Bmc>> {
        let (state, cursor) = (state.map(BmcState::as_str), cursor.map(NodeUuid::as_str));
        all(self.run("BMCs", |c| {
            let mut query = table::table.into_boxed();
            if let Some(state) = state {
                query = query.filter(table::state.eq(state));
            }
            if let Some(cursor) = cursor {
                query = query.filter(table::node.gt(cursor));
            }
            query.order(table::node).limit(limit_of(limit)).select(BmcRec::as_select()).load(c)
        })?)
    }

    /// Of several nodes; those without one are left out.
    pub fn bmcs_of(&mut self, nodes: &[NodeUuid]) -> Result<Vec<Bmc>> {
        let keys: Vec<&str> = nodes.iter().map(NodeUuid::as_str).collect();
        all(self.run("BMCs", |c| table::table.filter(table::node.eq_any(&keys)).select(BmcRec::as_select()).load(c))?)
    }

    /// Takes the BMCs that are due for a poll, as they are then: until `lease`, their `next`, no other server gets them.
    pub fn claim_due_bmcs(&mut self, now: Micros, lease: Micros, limit: usize) -> Result<Vec<Bmc>> {
        let mut due: Vec<BmcRec> = self.run("BMCs that are due", |c| {
            table::table
                .filter(table::next.le(now))
                .filter(table::state.eq_any(POLLED))
                .filter(table::address.is_not_null())
                .order(table::next)
                .limit(limit_of(limit))
                .select(BmcRec::as_select())
                .load(c)
        })?;
        let keys: Vec<&str> = due.iter().map(|rec| rec.node.as_str()).collect();
        self.run("BMCs that are due", |c| {
            diesel::update(table::table.filter(table::node.eq_any(&keys))).set(table::next.eq(lease)).execute(c)
        })?;
        due.iter_mut().for_each(|rec| rec.next = lease);
        all(due)
    }

    /// When the next one is due.
    pub fn next_due_bmc(&mut self) -> Result<Option<Micros>> {
        self.run("BMCs that are due", |c| {
            table::table
                .filter(table::state.eq_any(POLLED))
                .filter(table::address.is_not_null())
                .select(diesel::dsl::min(table::next))
                .get_result(c)
        })
    }

    /// How many there are in each state.
    pub fn count_bmcs(&mut self) -> Result<Vec<(BmcState, i64)>> {
        let found: Vec<(String, i64)> = self.run("BMCs", |c| {
            table::table.group_by(table::state).select((table::state, diesel::dsl::count_star())).load(c)
        })?;
        let row = Row { table: "bmcs", key: &"(count)" };
        found.into_iter().map(|(state, count)| Ok((row.parse("state", &state)?, count))).collect()
    }
}
