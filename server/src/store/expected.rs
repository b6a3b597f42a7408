//! Expected cabling as imported, and the names by which its rows mean nodes.

use super::schema::{expected_cabling, node_events, nodes};
use super::tx::{Row, Tx, limit_of};
use crate::domain::NodeUuid;
use crate::domain::cabling::expected::Row as Cable;
use crate::error::Result;
use diesel::prelude::*;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = expected_cabling)]
struct CableRec {
    position: i64,
    node: String,
    serial: String,
    nic: String,
    switch: String,
    port: String,
}

impl From<CableRec> for Cable {
    fn from(rec: CableRec) -> Self {
        let CableRec { node, serial, nic, switch, port, .. } = rec;
        Self { node, serial, nic, switch, port }
    }
}

impl Tx<'_> {
    /// Replace all rows.
    pub fn replace_expected(&mut self, rows: &[Cable]) -> Result<()> {
        self.run("expected cabling", |c| {
            diesel::delete(expected_cabling::table).execute(c)?;
            for (position, row) in (0i64..).zip(rows) {
                let Cable { node, serial, nic, switch, port } = row.clone();
                diesel::insert_into(expected_cabling::table)
                    .values(CableRec { position, node, serial, nic, switch, port })
                    .execute(c)?;
            }
            Ok(())
        })
    }

    /// In the order of the file, from a position on.
    pub fn expected(&mut self, from: i64, limit: usize) -> Result<Vec<Cable>> {
        let recs: Vec<CableRec> = self.run("expected cabling", |c| {
            expected_cabling::table
                .filter(expected_cabling::position.ge(from))
                .order(expected_cabling::position)
                .limit(limit_of(limit))
                .select(CableRec::as_select())
                .load(c)
        })?;
        Ok(recs.into_iter().map(Cable::from).collect())
    }

    /// Rows that name a node by any of its names (indexed).
    pub fn expected_of(&mut self, uuid: &NodeUuid, hostname: &str, serial: &str) -> Result<Vec<Cable>> {
        let recs: Vec<CableRec> = self.run(format_args!("expected cabling of node {uuid}"), |c| {
            let mut recs: Vec<CableRec> = expected_cabling::table
                .filter(expected_cabling::node.eq_any([uuid.as_str(), hostname]))
                .order(expected_cabling::position)
                .select(CableRec::as_select())
                .load(c)?;
            if !serial.is_empty() {
                let by_serial = expected_cabling::table
                    .filter(expected_cabling::serial.eq(serial))
                    .order(expected_cabling::position)
                    .select(CableRec::as_select());
                recs.extend(by_serial.load::<CableRec>(c)?);
            }
            Ok(recs)
        })?;
        Ok(recs.into_iter().map(Cable::from).collect())
    }

    /// Rows that want a switch port, by any of its names (indexed).
    pub fn expected_at(&mut self, switch: [&str; 2], port: [&str; 2]) -> Result<Vec<Cable>> {
        let recs: Vec<CableRec> = self.run("expected cabling of a port", |c| {
            expected_cabling::table
                .filter(expected_cabling::switch.eq_any(switch))
                .filter(expected_cabling::port.eq_any(port))
                .order(expected_cabling::position)
                .limit(16)
                .select(CableRec::as_select())
                .load(c)
        })?;
        Ok(recs.into_iter().map(Cable::from).collect())
    }

    /// Nodes of this host name or, where it is empty, of this serial number; at most two: then nobody is meant.
    pub fn nodes_named(&mut self, hostname: &str, serial: &str) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run("nodes by name", |c| {
            let query = nodes::table.select(nodes::uuid).order(nodes::uuid).limit(2);
            match hostname.is_empty() {
                true => query.filter(nodes::serial.eq(serial)).load(c),
                false => query.filter(nodes::hostname.eq(hostname)).load(c),
            }
        })?;
        let row = Row { table: "nodes", key: &hostname };
        found.iter().map(|uuid| row.parse("uuid", uuid)).collect()
    }

    /// UUID, host name and serial number of all nodes, in order of UUID.
    pub fn node_names(&mut self) -> Result<Vec<(NodeUuid, String, String)>> {
        let found: Vec<(String, String, String)> = self.run("names of nodes", |c| {
            nodes::table.select((nodes::uuid, nodes::hostname, nodes::serial)).order(nodes::uuid).load(c)
        })?;
        let row = Row { table: "nodes", key: &"(all)" };
        found.into_iter().map(|(uuid, name, serial)| Ok((row.parse("uuid", &uuid)?, name, serial))).collect()
    }

    /// Nodes and subjects of open events whose subject begins with `prefix` (letters, `-` and `:` only).
    pub fn nodes_with_subjects(&mut self, prefix: &str) -> Result<Vec<(NodeUuid, String)>> {
        let found: Vec<(String, String)> = self.run("open events", |c| {
            node_events::table
                .filter(node_events::cleared.is_null())
                .filter(node_events::subject.like(format!("{prefix}%")))
                .select((node_events::node, node_events::subject))
                .load(c)
        })?;
        let row = Row { table: "node_events", key: &prefix };
        found.into_iter().map(|(node, subject)| Ok((row.parse("node", &node)?, subject))).collect()
    }
}
