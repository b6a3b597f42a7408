//! BMCs that are enrolled. Their passwords are here as they are sealed: nothing here opens them.

use super::schema::{enrolment_uuids as uuids, enrolments as table};
use super::tx::{Row, Tx, limit_of};
use crate::domain::enrol::{Enrolment, State};
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, primary_key(id), treat_none_as_null = true)]
struct EnrolmentRec {
    id: String,
    batch: String,
    who: String,
    address: String,
    port: Option<i64>,
    protocol: String,
    username: String,
    sealed: Option<String>,
    master_key: Option<String>,
    hostname: Option<String>,
    cluster: String,
    profile: Option<String>,
    uefi: i64,
    restart: i64,
    state: String,
    reason: String,
    sent: Option<String>,
    driver: Option<String>,
    certificate: Option<String>,
    mac: Option<String>,
    firmware: String,
    power: String,
    node: Option<String>,
    attempts: i64,
    next: Option<i64>,
    claim: Option<String>,
    made: i64,
    changed: i64,
}

impl EnrolmentRec {
    fn new(e: &Enrolment) -> Self {
        let (sealed, master_key) = e.sealed.clone().unzip();
        Self {
            id: e.id.to_string(),
            batch: e.batch.to_string(),
            who: e.who.clone(),
            address: e.address.to_string(),
            port: e.port.map(i64::from),
            protocol: e.protocol.to_string(),
            username: e.user.clone(),
            sealed,
            master_key,
            hostname: e.name.as_ref().map(ToString::to_string),
            cluster: e.cluster.clone(),
            profile: e.profile.as_ref().map(ToString::to_string),
            uefi: e.uefi.into(),
            restart: e.restart.into(),
            state: e.state.to_string(),
            reason: e.reason.clone(),
            sent: e.sent.map(|order| order.to_string()),
            driver: e.driver.map(|driver| driver.to_string()),
            certificate: e.certificate.clone(),
            mac: e.mac.as_ref().map(ToString::to_string),
            firmware: e.firmware.clone(),
            power: e.power.to_string(),
            node: e.node.as_ref().map(ToString::to_string),
            attempts: e.attempts.into(),
            next: e.next,
            claim: e.claim.map(|id| id.to_string()),
            made: e.made,
            changed: e.changed,
        }
    }

    fn into_enrolment(self, uuids: Vec<NodeUuid>) -> Result<Enrolment> {
        let row = Row { table: "enrolments", key: &self.id };
        Ok(Enrolment {
            id: row.parse("id", &self.id)?,
            batch: row.parse("batch", &self.batch)?,
            address: row.parse("address", &self.address)?,
            port: self.port.map(|port| row.number("port", port)).transpose()?,
            protocol: row.parse("protocol", &self.protocol)?,
            name: row.parse_opt("hostname", self.hostname.as_deref())?,
            profile: row.parse_opt("profile", self.profile.as_deref())?,
            state: row.parse("state", &self.state)?,
            sent: row.parse_opt("sent", self.sent.as_deref())?,
            driver: row.parse_opt("driver", self.driver.as_deref())?,
            mac: row.parse_opt("mac", self.mac.as_deref())?,
            power: row.parse("power", &self.power)?,
            node: row.parse_opt("node", self.node.as_deref())?,
            attempts: row.number("attempts", self.attempts)?,
            claim: row.parse_opt("claim", self.claim.as_deref())?,
            uefi: self.uefi != 0,
            restart: self.restart != 0,
            uuids,
            who: self.who,
            user: self.username,
            sealed: self.sealed.zip(self.master_key),
            cluster: self.cluster,
            reason: self.reason,
            certificate: self.certificate,
            firmware: self.firmware,
            next: self.next,
            made: self.made,
            changed: self.changed,
        })
    }
}

/// Which enrolments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrolmentFilter {
    /// Of one state.
    pub state: Option<State>,
    /// Of one import.
    pub batch: Option<Uuid>,
}

/// Enrolments of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolmentCount {
    /// State.
    pub state: State,
    /// Nothing more is done by itself.
    pub idle: bool,
    /// How many.
    pub count: u64,
}

/// Values of one `IN`.
const MANY: usize = 500;

impl Tx<'_> {
    fn with_uuids(&mut self, recs: Vec<EnrolmentRec>) -> Result<Vec<Enrolment>> {
        let mut told: BTreeMap<String, Vec<NodeUuid>> = BTreeMap::new();
        for some in recs.chunks(MANY) {
            let ids: Vec<&str> = some.iter().map(|rec| rec.id.as_str()).collect();
            let rows: Vec<(String, String)> = self.run("UUIDs of enrolments", |c| {
                uuids::table
                    .filter(uuids::enrolment.eq_any(&ids))
                    .order((uuids::enrolment, uuids::uuid))
                    .select((uuids::enrolment, uuids::uuid))
                    .load(c)
            })?;
            for (id, uuid) in rows {
                let uuid = Row { table: "enrolment_uuids", key: &id }.parse("uuid", &uuid)?;
                told.entry(id).or_default().push(uuid);
            }
        }
        recs.into_iter()
            .map(|rec| {
                let uuids = told.remove(&rec.id).unwrap_or_default();
                rec.into_enrolment(uuids)
            })
            .collect()
    }

    /// By id.
    pub fn enrolment(&mut self, id: Uuid) -> Result<Option<Enrolment>> {
        let recs: Vec<EnrolmentRec> = self.run(format_args!("enrolment {id}"), |c| {
            table::table.filter(table::id.eq(id.to_string())).select(EnrolmentRec::as_select()).load(c)
        })?;
        Ok(self.with_uuids(recs)?.pop())
    }

    /// Insert or replace. A second one of an address is a conflict.
    pub fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<()> {
        let rec = EnrolmentRec::new(enrolment);
        self.run(format_args!("enrolment of {}", enrolment.address), |c| {
            if diesel::update(table::table.find(&rec.id)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(table::table).values(&rec).execute(c)?;
            } else {
                diesel::delete(uuids::table.filter(uuids::enrolment.eq(&rec.id))).execute(c)?;
            }
            for uuid in &enrolment.uuids {
                let values = (uuids::enrolment.eq(&rec.id), uuids::uuid.eq(uuid.as_str()));
                diesel::insert_into(uuids::table).values(values).execute(c)?;
            }
            Ok(())
        })
    }

    /// A page by id after `cursor`.
    pub fn enrolments(
        &mut self,
        filter: &EnrolmentFilter,
        cursor: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Enrolment>> {
        let recs: Vec<EnrolmentRec> = self.run("enrolments", |c| {
            let mut query = table::table.into_boxed();
            if let Some(state) = filter.state {
                query = query.filter(table::state.eq(state.as_str()));
            }
            if let Some(batch) = filter.batch {
                query = query.filter(table::batch.eq(batch.to_string()));
            }
            if let Some(cursor) = cursor {
                query = query.filter(table::id.gt(cursor.to_string()));
            }
            query.order(table::id).limit(limit_of(limit)).select(EnrolmentRec::as_select()).load(c)
        })?;
        self.with_uuids(recs)
    }

    /// Those with these addresses.
    pub fn enrolments_at(&mut self, addresses: &[IpAddr]) -> Result<Vec<Enrolment>> {
        let mut recs: Vec<EnrolmentRec> = Vec::new();
        for some in addresses.chunks(MANY) {
            let texts: Vec<String> = some.iter().map(ToString::to_string).collect();
            recs.extend(self.run("enrolments", |c| {
                table::table.filter(table::address.eq_any(&texts)).select(EnrolmentRec::as_select()).load(c)
            })?);
        }
        self.with_uuids(recs)
    }

    /// Open ones that may be these: by name, MAC or IP address. At most `limit` of each.
    pub fn enrolments_like(
        &mut self,
        names: &[NodeUuid],
        macs: &[Mac],
        addresses: &[IpAddr],
        limit: usize,
    ) -> Result<Vec<Enrolment>> {
        let names: Vec<&str> = names.iter().map(NodeUuid::as_str).collect();
        let macs: Vec<&str> = macs.iter().map(Mac::as_str).collect();
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let recs: Vec<EnrolmentRec> = self.run("enrolments of a node", |c| {
            let open = || table::table.filter(table::state.eq_any(OPEN)).limit(limit_of(limit));
            let named = uuids::table.filter(uuids::uuid.eq_any(&names)).select(uuids::enrolment);
            let mut recs: Vec<EnrolmentRec> =
                open().filter(table::id.eq_any(named)).select(EnrolmentRec::as_select()).load(c)?;
            recs.extend::<Vec<EnrolmentRec>>(
                open().filter(table::mac.eq_any(&macs)).select(EnrolmentRec::as_select()).load(c)?,
            );
            recs.extend::<Vec<EnrolmentRec>>(
                open().filter(table::address.eq_any(&addresses)).select(EnrolmentRec::as_select()).load(c)?,
            );
            Ok(recs)
        })?;
        let mut once: BTreeMap<String, EnrolmentRec> = BTreeMap::new();
        once.extend(recs.into_iter().map(|rec| (rec.id.clone(), rec)));
        self.with_uuids(once.into_values().collect())
    }

    /// Those that are due, oldest first; the caller takes them.
    pub fn due_enrolments(&mut self, now: Micros, limit: usize) -> Result<Vec<Enrolment>> {
        let recs: Vec<EnrolmentRec> = self.run("enrolments that are due", |c| {
            table::table
                .filter(table::next.le(now))
                .filter(table::state.eq_any(OPEN))
                .order(table::next)
                .limit(limit_of(limit))
                .select(EnrolmentRec::as_select())
                .load(c)
        })?;
        self.with_uuids(recs)
    }

    /// When the next one is due; one that was given up never is.
    pub fn next_due_enrolment(&mut self) -> Result<Option<Micros>> {
        self.run("enrolments that are due", |c| {
            let open = table::table.filter(table::next.is_not_null()).filter(table::state.eq_any(OPEN));
            open.select(diesel::dsl::min(table::next)).get_result(c)
        })
    }

    /// How many there are, of one import or of all.
    pub fn count_enrolments(&mut self, batch: Option<Uuid>) -> Result<Vec<EnrolmentCount>> {
        let found: Vec<(String, i64, i64)> = self.run("enrolments", |c| {
            let count = (table::state, diesel::dsl::count_star(), diesel::dsl::count(table::next));
            let groups = table::table.group_by(table::state).select(count);
            match batch {
                Some(batch) => groups.filter(table::batch.eq(batch.to_string())).load(c),
                None => groups.load(c),
            }
        })?;
        let row = Row { table: "enrolments", key: &"(counted)" };
        let mut counts = Vec::new();
        for (state, all, due) in found {
            let state = row.parse("state", &state)?;
            counts.push(EnrolmentCount { state, idle: false, count: row.number("count", due)? });
            counts.push(EnrolmentCount { state, idle: true, count: row.number("count", all - due)? });
        }
        Ok(counts)
    }

    /// Some of those that are sealed with this master key.
    pub fn enrolments_sealed_with(&mut self, key: &str, limit: usize) -> Result<Vec<Enrolment>> {
        let recs: Vec<EnrolmentRec> = self.run("sealed enrolments", |c| {
            let with = table::table.filter(table::master_key.eq(key)).order(table::id).limit(limit_of(limit));
            with.select(EnrolmentRec::as_select()).load(c)
        })?;
        self.with_uuids(recs)
    }

    /// How many are sealed with each master key.
    pub(super) fn enrolments_by_key(&mut self) -> Result<Vec<(String, i64)>> {
        let found: Vec<(Option<String>, i64)> = self.run("sealed enrolments", |c| {
            table::table
                .filter(table::master_key.is_not_null())
                .group_by(table::master_key)
                .select((table::master_key, diesel::dsl::count_star()))
                .load(c)
        })?;
        Ok(found.into_iter().filter_map(|(key, count)| Some((key?, count))).collect())
    }

    /// Nodes that read this address in their BMCs, or are reached there.
    pub fn nodes_with_bmc_at(&mut self, address: IpAddr) -> Result<Vec<NodeUuid>> {
        use super::schema::bmcs;
        let found: Vec<String> = self.run(format_args!("BMCs at {address}"), |c| {
            let there = bmcs::table.filter(bmcs::address.eq(address.to_string())).order(bmcs::node);
            there.limit(limit_of(MANY)).select(bmcs::node).load(c)
        })?;
        let row = Row { table: "bmcs", key: &address };
        found.iter().map(|node| row.parse("node", node)).collect()
    }

    /// Whose BMCs have these addresses, among those that are reached over the LAN.
    pub fn bmcs_reached_at(&mut self, addresses: &[IpAddr]) -> Result<Vec<(IpAddr, NodeUuid)>> {
        use super::schema::bmcs;
        let mut found: Vec<(Option<String>, String)> = Vec::new();
        for some in addresses.chunks(MANY) {
            let texts: Vec<String> = some.iter().map(ToString::to_string).collect();
            found.extend::<Vec<(Option<String>, String)>>(self.run("BMCs at addresses", |c| {
                bmcs::table
                    .filter(bmcs::address.eq_any(&texts))
                    .filter(bmcs::state.eq_any(super::bmcs::POLLED))
                    .select((bmcs::address, bmcs::node))
                    .load(c)
            })?);
        }
        let row = Row { table: "bmcs", key: &"(several)" };
        let parsed = found.iter().filter_map(|(address, node)| Some((address.as_deref()?, node)));
        parsed.map(|(address, node)| Ok((row.parse("address", address)?, row.parse("node", node)?))).collect()
    }
}

/// Words of the states that are open.
const OPEN: [&str; 4] = ["waiting", "contacting", "identified", "booting"];
