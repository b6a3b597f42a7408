//! Switches and their ports, as nodes heard them.

use super::schema::{links, switch_ports, switches};
use super::tx::{Row, Tx, limit_of};
use crate::domain::Micros;
use crate::domain::cabling::Place;
use crate::error::{Error, Result};
use diesel::prelude::*;

/// A switch as it described itself last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchRow {
    /// Chassis id.
    pub chassis_id: String,
    /// What kind of id that is.
    pub chassis_id_type: String,
    /// System name; may be empty.
    pub name: String,
    /// System description.
    pub description: String,
    /// Management addresses.
    pub addresses: Vec<String>,
    /// First heard.
    pub first_seen: Micros,
    /// Last heard.
    pub last_seen: Micros,
}

/// A port of a switch as it was described last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRow {
    /// Where.
    pub place: Place,
    /// Description; may be empty.
    pub description: String,
    /// VLAN; 0: not told.
    pub pvid: u32,
    /// First heard.
    pub first_seen: Micros,
    /// Last heard.
    pub last_seen: Micros,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = switches)]
struct SwitchRec {
    chassis_id: String,
    chassis_id_type: String,
    name: String,
    description: String,
    addresses: String,
    first_seen: i64,
    last_seen: i64,
}

impl SwitchRec {
    fn into_row(self) -> Result<SwitchRow> {
        let row = Row { table: "switches", key: &self.chassis_id };
        Ok(SwitchRow {
            addresses: row.json("addresses", &self.addresses)?,
            chassis_id: self.chassis_id,
            chassis_id_type: self.chassis_id_type,
            name: self.name,
            description: self.description,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = switch_ports)]
struct PortRec {
    chassis_id: String,
    chassis_id_type: String,
    port_id: String,
    port_id_type: String,
    description: String,
    pvid: i64,
    first_seen: i64,
    last_seen: i64,
}

impl PortRec {
    fn into_row(self) -> Result<PortRow> {
        let row = Row { table: "switch_ports", key: &self.port_id };
        Ok(PortRow {
            pvid: row.number("pvid", self.pvid)?,
            place: Place {
                chassis_id: self.chassis_id,
                chassis_id_type: self.chassis_id_type,
                port_id: self.port_id,
                port_id_type: self.port_id_type,
            },
            description: self.description,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        })
    }
}

impl Tx<'_> {
    /// A switch was heard: insert, or replace all but `first_seen`.
    pub fn put_switch(&mut self, switch: &SwitchRow) -> Result<()> {
        let addresses = serde_json::to_string(&switch.addresses).map_err(Error::internal)?;
        let key = (switch.chassis_id.as_str(), switch.chassis_id_type.as_str());
        self.run(format_args!("switch {}", switch.chassis_id), |c| {
            let set = (
                switches::name.eq(&switch.name),
                switches::description.eq(&switch.description),
                switches::addresses.eq(&addresses),
                switches::last_seen.eq(switch.last_seen),
            );
            if diesel::update(switches::table.find(key)).set(set).execute(c)? == 0 {
                let rec = SwitchRec {
                    chassis_id: switch.chassis_id.clone(),
                    chassis_id_type: switch.chassis_id_type.clone(),
                    name: switch.name.clone(),
                    description: switch.description.clone(),
                    addresses: addresses.clone(),
                    first_seen: switch.first_seen,
                    last_seen: switch.last_seen,
                };
                diesel::insert_into(switches::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// A port was heard: insert, or replace all but `first_seen`. Its switch must be there.
    pub fn put_switch_port(&mut self, port: &PortRow) -> Result<()> {
        let place = port.place.clone();
        let pvid = i64::from(port.pvid);
        self.run(format_args!("switch port {}", place.port_id), |c| {
            let key = (&place.chassis_id, &place.chassis_id_type, &place.port_id, &place.port_id_type);
            let set = (
                switch_ports::description.eq(&port.description),
                switch_ports::pvid.eq(pvid),
                switch_ports::last_seen.eq(port.last_seen),
            );
            if diesel::update(switch_ports::table.find(key)).set(set).execute(c)? == 0 {
                let rec = PortRec {
                    chassis_id: place.chassis_id.clone(),
                    chassis_id_type: place.chassis_id_type.clone(),
                    port_id: place.port_id.clone(),
                    port_id_type: place.port_id_type.clone(),
                    description: port.description.clone(),
                    pvid,
                    first_seen: port.first_seen,
                    last_seen: port.last_seen,
                };
                diesel::insert_into(switch_ports::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// In order of chassis id and its type, after the cursor.
    pub fn switches(&mut self, after: Option<&(String, String)>, limit: usize) -> Result<Vec<SwitchRow>> {
        let recs: Vec<SwitchRec> = self.run("switches", |c| {
            let mut query = switches::table
                .select(SwitchRec::as_select())
                .order((switches::chassis_id, switches::chassis_id_type))
                .limit(limit_of(limit))
                .into_boxed();
            if let Some((id, kind)) = after {
                let later = switches::chassis_id.eq(id).and(switches::chassis_id_type.gt(kind));
                query = query.filter(switches::chassis_id.gt(id).or(later));
            }
            query.load(c)
        })?;
        recs.into_iter().map(SwitchRec::into_row).collect()
    }

    /// Those with this name or chassis id; at most a few are told.
    pub fn switches_called(&mut self, name: &str) -> Result<Vec<SwitchRow>> {
        let recs: Vec<SwitchRec> = self.run("switch by name", |c| {
            switches::table
                .filter(switches::name.eq(name).or(switches::chassis_id.eq(name)))
                .order((switches::chassis_id, switches::chassis_id_type))
                .limit(10)
                .select(SwitchRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(SwitchRec::into_row).collect()
    }

    /// Ports of a switch, in no order that means anything; at most `limit`.
    pub fn switch_ports(&mut self, chassis_id: &str, chassis_id_type: &str, limit: usize) -> Result<Vec<PortRow>> {
        let recs: Vec<PortRec> = self.run(format_args!("ports of switch {chassis_id}"), |c| {
            switch_ports::table
                .filter(switch_ports::chassis_id.eq(chassis_id))
                .filter(switch_ports::chassis_id_type.eq(chassis_id_type))
                .order((switch_ports::port_id, switch_ports::port_id_type))
                .limit(limit_of(limit))
                .select(PortRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(PortRec::into_row).collect()
    }

    /// One port.
    pub fn switch_port(&mut self, place: &Place) -> Result<Option<PortRow>> {
        let key = (&place.chassis_id, &place.chassis_id_type, &place.port_id, &place.port_id_type);
        let rec: Option<PortRec> = self.run(format_args!("switch port {}", place.port_id), |c| {
            switch_ports::table.find(key).select(PortRec::as_select()).first(c).optional()
        })?;
        rec.map(PortRec::into_row).transpose()
    }

    /// Forget ports and switches that no link, present or earlier, leads to, and that were not heard since `before`.
    pub fn prune_switches(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("switches nobody is behind", |c| {
            let used = links::table.filter(
                links::chassis_id
                    .eq(switch_ports::chassis_id)
                    .and(links::chassis_id_type.eq(switch_ports::chassis_id_type))
                    .and(links::port_id.eq(switch_ports::port_id))
                    .and(links::port_id_type.eq(switch_ports::port_id_type)),
            );
            let ports: Vec<(String, String, String, String)> = switch_ports::table
                .filter(switch_ports::last_seen.lt(before))
                .filter(diesel::dsl::not(diesel::dsl::exists(used)))
                .limit(limit_of(limit))
                .select((
                    switch_ports::chassis_id,
                    switch_ports::chassis_id_type,
                    switch_ports::port_id,
                    switch_ports::port_id_type,
                ))
                .load(c)?;
            for (chassis, chassis_type, port, port_type) in &ports {
                diesel::delete(switch_ports::table.find((chassis, chassis_type, port, port_type))).execute(c)?;
                let left = switch_ports::table
                    .filter(switch_ports::chassis_id.eq(chassis))
                    .filter(switch_ports::chassis_id_type.eq(chassis_type))
                    .count()
                    .get_result::<i64>(c)?;
                if left == 0 {
                    diesel::delete(switches::table.find((chassis, chassis_type))).execute(c)?;
                }
            }
            Ok(ports.len())
        })
    }
}
