//! How each node stands with the rules: small rows, so that the fleet page and a change of the rules need no inventories.

use crate::domain::NodeUuid;
use crate::domain::firmware::{Action, Component, Standing, State};
use crate::error::{Error, Result};
use crate::store::connection::AnyConnection;
use crate::store::schema::{node_events, node_firmware, nodes};
use crate::store::tx::{Row, Tx, limit_of};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::{Deserialize, Serialize};

/// What is stored of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFirmware {
    /// How it stands.
    pub standing: Standing,
    /// Its parts, as it told them at its last Register.
    pub components: Vec<Component>,
    /// Number of the rules by which it stands so.
    pub rules: i64,
}

/// A node in a list of those that stand in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareRow {
    /// The node.
    pub node: NodeUuid,
    /// Its host name.
    pub hostname: String,
    /// How it stands.
    pub standing: Standing,
}

/// How many nodes stand in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareCount {
    /// The way.
    pub state: State,
    /// Nodes.
    pub nodes: u64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = node_firmware, primary_key(node))]
struct StandingRec {
    node: String,
    state: String,
    action: String,
    reason: String,
    components: String,
    rules: i64,
}

/// A component as stored. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct ComponentJson {
    kind: String,
    subject: String,
    vendor: String,
    model: String,
    version: String,
}

#[derive(QueryableByName)]
struct NodeRec {
    #[diesel(sql_type = Text)]
    node: String,
}

fn standing(row: Row<'_>, state: &str, action: &str, reason: String) -> Result<Standing> {
    Ok(Standing { state: row.parse("state", state)?, action: row.parse("action", action)?, reason })
}

impl Tx<'_> {
    /// Insert or replace.
    pub fn put_node_firmware(&mut self, node: &NodeUuid, firmware: &NodeFirmware) -> Result<()> {
        let component = |c: &Component| ComponentJson {
            kind: c.kind.to_string(),
            subject: c.subject.clone(),
            vendor: c.vendor.clone(),
            model: c.model.clone(),
            version: c.version.clone(),
        };
        let components: Vec<ComponentJson> = firmware.components.iter().map(component).collect();
        let rec = StandingRec {
            node: node.to_string(),
            state: firmware.standing.state.to_string(),
            action: firmware.standing.action.to_string(),
            reason: firmware.standing.reason.clone(),
            components: serde_json::to_string(&components).map_err(Error::internal)?,
            rules: firmware.rules,
        };
        self.run(format_args!("firmware of node {node}"), |c| {
            if diesel::update(node_firmware::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(node_firmware::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Of one node; none when it did not register since firmware is looked at.
    pub fn node_firmware(&mut self, node: &NodeUuid) -> Result<Option<NodeFirmware>> {
        let rec: Option<StandingRec> = self.run(format_args!("firmware of node {node}"), |c| {
            node_firmware::table.find(node.as_str()).select(StandingRec::as_select()).first(c).optional()
        })?;
        let row = Row { table: "node_firmware", key: node };
        rec.map(|rec| {
            let parts: Vec<ComponentJson> = row.json("components", &rec.components)?;
            let component = |c: ComponentJson| {
                let kind = row.parse("components", &c.kind)?;
                Ok(Component { kind, subject: c.subject, vendor: c.vendor, model: c.model, version: c.version })
            };
            Ok(NodeFirmware {
                standing: standing(row, &rec.state, &rec.action, rec.reason)?,
                components: parts.into_iter().map(component).collect::<Result<_>>()?,
                rules: rec.rules,
            })
        })
        .transpose()
    }

    /// What the next boot of a node may do, and why: all that a request for a plan needs.
    pub fn firmware_action(&mut self, node: &NodeUuid) -> Result<Option<(Action, String)>> {
        let found: Option<(String, String)> = self.run(format_args!("firmware of node {node}"), |c| {
            let columns = (node_firmware::action, node_firmware::reason);
            node_firmware::table.find(node.as_str()).select(columns).first(c).optional()
        })?;
        let row = Row { table: "node_firmware", key: node };
        found.map(|(action, reason)| Ok((row.parse("action", &action)?, reason))).transpose()
    }

    /// Nodes that stand so (or in any way), in order of UUID, after the cursor.
    pub fn nodes_by_firmware(
        &mut self,
        state: Option<State>,
        after: Option<&NodeUuid>,
        limit: usize,
    ) -> Result<Vec<FirmwareRow>> {
        let found: Vec<(String, String, String, String, String)> = self.run("firmware of nodes", |c| {
            let mut query = node_firmware::table
                .inner_join(nodes::table.on(nodes::uuid.eq(node_firmware::node)))
                .select((
                    node_firmware::node,
                    nodes::hostname,
                    node_firmware::state,
                    node_firmware::action,
                    node_firmware::reason,
                ))
                .filter(nodes::retired.eq(false))
                .order(node_firmware::node)
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(state) = state {
                query = query.filter(node_firmware::state.eq(state.as_str()));
            }
            if let Some(after) = after {
                query = query.filter(node_firmware::node.gt(after.as_str()));
            }
            query.load(c)
        })?;
        found
            .into_iter()
            .map(|(node, hostname, state, action, reason)| {
                let row = Row { table: "node_firmware", key: &node };
                let standing = standing(row, &state, &action, reason)?;
                Ok(FirmwareRow { node: row.parse("node", &node)?, hostname, standing })
            })
            .collect()
    }

    /// Nodes by the way they stand; retired ones do not count.
    pub fn firmware_counts(&mut self) -> Result<Vec<FirmwareCount>> {
        let found: Vec<(String, i64)> = self.run("number of nodes by firmware", |c| {
            node_firmware::table
                .inner_join(nodes::table.on(nodes::uuid.eq(node_firmware::node)))
                .filter(nodes::retired.eq(false))
                .group_by(node_firmware::state)
                .select((node_firmware::state, diesel::dsl::count_star()))
                .load(c)
        })?;
        let row = Row { table: "node_firmware", key: &"(counted)" };
        found
            .into_iter()
            .map(|(state, count)| {
                Ok(FirmwareCount { state: row.parse("state", &state)?, nodes: row.number("count", count)? })
            })
            .collect()
    }

    /// Nodes that stand by older rules than number `rules`, or that have an inventory and no standing.
    pub fn firmware_outdated(&mut self, rules: i64, limit: usize) -> Result<Vec<NodeUuid>> {
        // Two queries in one: each by an index of its own.
        const SQL: &str = "SELECT node FROM node_firmware WHERE rules < $1 UNION ALL \
             SELECT n.uuid AS node FROM nodes n LEFT JOIN node_firmware f ON f.node = n.uuid \
             WHERE f.node IS NULL AND n.inventory_hash IS NOT NULL LIMIT $2";
        let query = diesel::sql_query(SQL).bind::<BigInt, _>(rules).bind::<BigInt, _>(limit_of(limit));
        let found: Vec<NodeRec> = self.run("nodes with outdated firmware standing", |c| match c {
            AnyConnection::Sqlite(c) => query.load(c),
            AnyConnection::Postgres(c) => query.load(c),
        })?;
        let row = Row { table: "node_firmware", key: &"(outdated)" };
        found.iter().map(|rec| row.parse("node", &rec.node)).collect()
    }

    /// Subjects of a node's firmware events that are not put right, whether a person has seen them or not.
    pub fn open_firmware_subjects(&mut self, node: &NodeUuid) -> Result<Vec<String>> {
        self.run(format_args!("events of node {node}"), |c| {
            node_events::table
                .filter(node_events::node.eq(node.as_str()))
                .filter(node_events::kind.eq("firmware"))
                .filter(node_events::cleared.is_null())
                .select(node_events::subject)
                .load(c)
        })
    }
}
