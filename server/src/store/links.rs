//! Cables of nodes as they were learned: present ones and, bounded, earlier ones; and the nodes' NICs in their order.

use super::schema::{links, node_nics, switch_ports, switches};
use super::tx::{Row, Tx, limit_of};
use crate::domain::cabling::{Link, Place};
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A link with what the switch calls itself and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// The link.
    pub link: Link,
    /// Name of the switch; may be empty.
    pub switch_name: String,
    /// Description of the port; may be empty.
    pub port_description: String,
}

/// Which links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// Of this node.
    pub node: Option<NodeUuid>,
    /// To a switch of this name or chassis id.
    pub switch: Option<String>,
    /// Only those that are there now.
    pub present: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = links)]
struct LinkRec {
    id: String,
    node: String,
    mac: String,
    interface: String,
    chassis_id: String,
    chassis_id_type: String,
    port_id: String,
    port_id_type: String,
    accepted: bool,
    boot: String,
    first_seen: i64,
    last_seen: i64,
    ended: Option<i64>,
}

impl From<&Link> for LinkRec {
    fn from(link: &Link) -> Self {
        let Place { chassis_id, chassis_id_type, port_id, port_id_type } = link.place.clone();
        Self {
            id: link.id.to_string(),
            node: link.node.to_string(),
            mac: link.mac.to_string(),
            interface: link.interface.clone(),
            chassis_id,
            chassis_id_type,
            port_id,
            port_id_type,
            accepted: link.accepted,
            boot: link.boot.to_string(),
            first_seen: link.first_seen,
            last_seen: link.last_seen,
            ended: link.ended,
        }
    }
}

impl LinkRec {
    fn into_link(self) -> Result<Link> {
        let row = Row { table: "links", key: &self.id };
        Ok(Link {
            id: row.parse("id", &self.id)?,
            node: row.parse("node", &self.node)?,
            mac: row.parse("mac", &self.mac)?,
            boot: row.parse("boot", &self.boot)?,
            interface: self.interface,
            place: Place {
                chassis_id: self.chassis_id,
                chassis_id_type: self.chassis_id_type,
                port_id: self.port_id,
                port_id_type: self.port_id_type,
            },
            accepted: self.accepted,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            ended: self.ended,
        })
    }
}

impl Tx<'_> {
    /// A new link.
    pub fn add_link(&mut self, link: &Link) -> Result<()> {
        let rec = LinkRec::from(link);
        self.run(format_args!("link of node {}", link.node), |c| {
            diesel::insert_into(links::table).values(&rec).execute(c).map(drop)
        })
    }

    /// Heard again in `boot`.
    pub fn confirm_link(&mut self, id: Uuid, interface: &str, boot: Uuid, at: Micros) -> Result<()> {
        let set = (links::interface.eq(interface), links::boot.eq(boot.to_string()), links::last_seen.eq(at));
        self.run(format_args!("link {id}"), |c| {
            diesel::update(links::table.find(id.to_string())).set(set).execute(c).map(drop)
        })
    }

    /// A link that was not accepted is right after all.
    pub fn accept_link(&mut self, id: Uuid) -> Result<()> {
        self.run(format_args!("link {id}"), |c| {
            diesel::update(links::table.find(id.to_string())).set(links::accepted.eq(true)).execute(c).map(drop)
        })
    }

    /// Not there any more.
    pub fn end_link(&mut self, id: Uuid, at: Micros) -> Result<()> {
        self.run(format_args!("link {id}"), |c| {
            diesel::update(links::table.find(id.to_string())).set(links::ended.eq(at)).execute(c).map(drop)
        })
    }

    /// A node's links that are there now, oldest first.
    pub fn present_links(&mut self, node: &NodeUuid) -> Result<Vec<Link>> {
        let recs: Vec<LinkRec> = self.run(format_args!("links of node {node}"), |c| {
            links::table
                .filter(links::node.eq(node.as_str()))
                .filter(links::ended.is_null())
                .order(links::id)
                .select(LinkRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(LinkRec::into_link).collect()
    }

    /// Chassis ids of the switches that these nodes are cabled to now; a node without any is absent.
    pub fn switches_of(&mut self, nodes: &[NodeUuid]) -> Result<BTreeMap<NodeUuid, BTreeSet<String>>> {
        const PIECE: usize = 500;
        let mut found: BTreeMap<NodeUuid, BTreeSet<String>> = BTreeMap::new();
        for piece in nodes.chunks(PIECE) {
            let keys: Vec<&str> = piece.iter().map(NodeUuid::as_str).collect();
            let recs: Vec<(String, String)> = self.run("switches of nodes", |c| {
                links::table
                    .filter(links::node.eq_any(keys))
                    .filter(links::ended.is_null())
                    .select((links::node, links::chassis_id))
                    .load(c)
            })?;
            for (node, switch) in recs {
                let node = Row { table: "links", key: &switch }.parse("node", &node)?;
                found.entry(node).or_default().insert(switch);
            }
        }
        Ok(found)
    }

    /// A node's links that ended at `since` or later, oldest first.
    pub fn links_ended_since(&mut self, node: &NodeUuid, since: Micros) -> Result<Vec<Link>> {
        let recs: Vec<LinkRec> = self.run(format_args!("links of node {node}"), |c| {
            links::table
                .filter(links::node.eq(node.as_str()))
                .filter(links::ended.ge(since))
                .order(links::id)
                .select(LinkRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(LinkRec::into_link).collect()
    }

    /// Who is behind a port now: one lookup by index.
    pub fn links_at(&mut self, place: &Place) -> Result<Vec<Link>> {
        let recs: Vec<LinkRec> = self.run("links of a switch port", |c| {
            links::table
                .filter(links::chassis_id.eq(&place.chassis_id))
                .filter(links::chassis_id_type.eq(&place.chassis_id_type))
                .filter(links::port_id.eq(&place.port_id))
                .filter(links::port_id_type.eq(&place.port_id_type))
                .filter(links::ended.is_null())
                .order(links::id)
                .select(LinkRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(LinkRec::into_link).collect()
    }

    /// In order of id, after the cursor.
    pub fn links(&mut self, filter: &LinkFilter, after: Option<Uuid>, limit: usize) -> Result<Vec<LinkRow>> {
        // Through the index of links, not by a join from names.
        let chassis: Option<Vec<String>> = match &filter.switch {
            Some(name) => Some(self.switches_called(name)?.into_iter().map(|s| s.chassis_id).collect()),
            None => None,
        };
        let recs: Vec<(LinkRec, String, String)> = self.run("links", |c| {
            let port = switch_ports::chassis_id
                .eq(links::chassis_id)
                .and(switch_ports::chassis_id_type.eq(links::chassis_id_type))
                .and(switch_ports::port_id.eq(links::port_id))
                .and(switch_ports::port_id_type.eq(links::port_id_type));
            let switch =
                switches::chassis_id.eq(links::chassis_id).and(switches::chassis_id_type.eq(links::chassis_id_type));
            let mut query = links::table
                .inner_join(switches::table.on(switch))
                .inner_join(switch_ports::table.on(port))
                .select((LinkRec::as_select(), switches::name, switch_ports::description))
                .order(links::id)
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(links::id.gt(after.to_string()));
            }
            if let Some(node) = &filter.node {
                query = query.filter(links::node.eq(node.as_str()));
            }
            if let Some(chassis) = chassis {
                query = query.filter(links::chassis_id.eq_any(chassis));
            }
            if filter.present {
                query = query.filter(links::ended.is_null());
            }
            query.load(c)
        })?;
        recs.into_iter()
            .map(|(link, switch_name, port_description)| {
                Ok(LinkRow { link: link.into_link()?, switch_name, port_description })
            })
            .collect()
    }

    /// Drop the oldest ended links of a NIC beyond `keep`.
    pub fn prune_links(&mut self, node: &NodeUuid, mac: &Mac, keep: usize) -> Result<()> {
        self.run(format_args!("links of node {node}"), |c| {
            let old: Vec<String> = links::table
                .filter(links::node.eq(node.as_str()))
                .filter(links::mac.eq(mac.as_str()))
                .filter(links::ended.is_not_null())
                .order((links::ended.desc(), links::id.desc()))
                .offset(limit_of(keep))
                .limit(1_000)
                .select(links::id)
                .load(c)?;
            diesel::delete(links::table.filter(links::id.eq_any(old))).execute(c).map(drop)
        })
    }

    /// Replace the node's list of NICs (name and MAC as reported); nothing is written when it is the same.
    pub fn set_nics(&mut self, node: &NodeUuid, nics: &[(String, String)]) -> Result<()> {
        if self.nics(node)? == nics {
            return Ok(());
        }
        self.run(format_args!("NICs of node {node}"), |c| {
            diesel::delete(node_nics::table.filter(node_nics::node.eq(node.as_str()))).execute(c)?;
            for (position, (name, mac)) in (0i64..).zip(nics) {
                let values = (
                    node_nics::node.eq(node.as_str()),
                    node_nics::position.eq(position),
                    node_nics::name.eq(name),
                    node_nics::mac.eq(mac),
                );
                diesel::insert_into(node_nics::table).values(values).execute(c)?;
            }
            Ok(())
        })
    }

    /// Its NICs in order.
    pub fn nics(&mut self, node: &NodeUuid) -> Result<Vec<(String, String)>> {
        self.run(format_args!("NICs of node {node}"), |c| {
            node_nics::table
                .filter(node_nics::node.eq(node.as_str()))
                .order(node_nics::position)
                .select((node_nics::name, node_nics::mac))
                .load(c)
        })
    }
}
