//! What can be asked of nodes, kept ready as compact JSON, so that a search reads no whole inventory.

use super::connection::AnyConnection;
use super::schema::{node_facts, nodes};
use super::tx::{Row, Tx, limit_of};
use crate::domain::facts::{Hardware, VERSION};
use crate::domain::image::Arch;
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use diesel::prelude::*;
use std::collections::BTreeMap;

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = node_facts, primary_key(node))]
struct FactsRec {
    node: String,
    version: i64,
    json: String,
    at: i64,
}

/// One word of [`Hardware`]: who plans thousands of nodes reads no more of it.
#[derive(serde::Deserialize)]
struct ArchAlone {
    #[serde(default)]
    arch: String,
}

fn hardware(node: &str, json: &str) -> Result<Hardware> {
    Row { table: "node_facts", key: &node }.json("json", json)
}

impl Tx<'_> {
    /// Replace them.
    pub fn put_node_facts(&mut self, node: &NodeUuid, hardware: &Hardware, at: Micros) -> Result<()> {
        let json = serde_json::to_string(hardware).map_err(Error::internal)?;
        let rec = FactsRec { node: node.to_string(), version: i64::from(VERSION), json, at };
        self.run(format_args!("facts of node {node}"), |c| {
            if diesel::update(node_facts::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(node_facts::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Of one node; none: it never registered.
    pub fn node_facts(&mut self, node: &NodeUuid) -> Result<Option<Hardware>> {
        let json: Option<String> = self.run(format_args!("facts of node {node}"), |c| {
            node_facts::table.find(node.as_str()).select(node_facts::json).first(c).optional()
        })?;
        json.map(|json| hardware(node.as_str(), &json)).transpose()
    }

    /// The architecture of one node's processor, as far as its last inventory told it.
    pub fn node_arch(&mut self, node: &NodeUuid) -> Result<Option<Arch>> {
        let json: Option<String> = self.run(format_args!("architecture of node {node}"), |c| {
            node_facts::table.find(node.as_str()).select(node_facts::json).first(c).optional()
        })?;
        let Some(json) = json else { return Ok(None) };
        let told: ArchAlone = Row { table: "node_facts", key: node }.json("json", &json)?;
        Ok(Arch::of_machine(&told.arch))
    }

    /// Of many nodes at once; those without any are not in it.
    pub fn facts_of(&mut self, nodes: &[&NodeUuid]) -> Result<BTreeMap<String, Hardware>> {
        let wanted: Vec<&str> = nodes.iter().map(|uuid| uuid.as_str()).collect();
        let query =
            node_facts::table.filter(node_facts::node.eq_any(wanted)).select((node_facts::node, node_facts::json));
        let found: Vec<(String, String)> = self.run("facts of nodes", |c| match c {
            AnyConnection::Sqlite(c) => query.load(c),
            AnyConnection::Postgres(c) => query.load(c),
        })?;
        found
            .into_iter()
            .map(|(node, json)| {
                let facts = hardware(&node, &json)?;
                Ok((node, facts))
            })
            .collect()
    }

    /// Nodes with an inventory whose facts are missing, or of another version.
    pub fn nodes_without_facts(&mut self, limit: usize) -> Result<Vec<NodeUuid>> {
        let current = node_facts::node.eq(nodes::uuid).and(node_facts::version.eq(i64::from(VERSION)));
        let found: Vec<String> = self.run("nodes without facts", |c| {
            nodes::table
                .left_join(node_facts::table.on(current))
                .filter(nodes::inventory_hash.is_not_null())
                .filter(node_facts::node.nullable().is_null())
                .order(nodes::uuid)
                .select(nodes::uuid)
                .limit(limit_of(limit))
                .load(c)
        })?;
        found.iter().map(|uuid| Row { table: "nodes", key: uuid }.parse("uuid", uuid)).collect()
    }

    /// Are this node's facts there, in the present form?
    pub fn has_facts(&mut self, node: &NodeUuid) -> Result<bool> {
        let current = node_facts::table.find(node.as_str()).filter(node_facts::version.eq(i64::from(VERSION)));
        let count: i64 = self.run(format_args!("facts of node {node}"), |c| current.count().get_result(c))?;
        Ok(count > 0)
    }
}
