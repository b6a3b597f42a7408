//! Who nodes are: how they came by their names, the names that were merged into them, and the facts that a machine's claim is
//! compared with. What follows from them is decided in the domain.

use super::schema::{node_aliases, node_events, node_identities, node_macs, nodes};
use super::tx::{Row, Tx, limit_of};
use crate::domain::identity::{Identity, Known, Source};
use crate::domain::placeholder::usable;
use crate::domain::{Mac, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Aliases of one node.
const ALIASES_MAX: usize = 32;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = node_identities, primary_key(node), treat_none_as_null = true)]
struct IdentityRec {
    node: String,
    source: String,
    claimed: String,
    told: Option<String>,
    merge_candidate: Option<String>,
}

impl IdentityRec {
    fn into_identity(self) -> Result<Identity> {
        let row = Row { table: "node_identities", key: &self.node };
        Ok(Identity {
            node: row.parse("node", &self.node)?,
            source: row.parse("source", &self.source)?,
            claimed: row.parse("claimed", &self.claimed)?,
            told: row.parse_opt("told", self.told.as_deref())?,
            merge_candidate: row.parse_opt("merge_candidate", self.merge_candidate.as_deref())?,
        })
    }
}

/// Machines of one name that are compared with the next one.
const CLAIMANTS: usize = 100;

impl Tx<'_> {
    /// Of a node; none when it was never seen.
    pub fn identity(&mut self, node: &NodeUuid) -> Result<Option<Identity>> {
        let rec = self.run(format_args!("identity of node {node}"), |c| {
            node_identities::table.find(node.as_str()).select(IdentityRec::as_select()).first(c).optional()
        })?;
        rec.map(IdentityRec::into_identity).transpose()
    }

    /// Insert or replace.
    pub fn put_identity(&mut self, identity: &Identity) -> Result<()> {
        let rec = IdentityRec {
            node: identity.node.to_string(),
            source: identity.source.to_string(),
            claimed: identity.claimed.to_string(),
            told: identity.told.as_ref().map(ToString::to_string),
            merge_candidate: identity.merge_candidate.as_ref().map(ToString::to_string),
        };
        self.run(format_args!("identity of node {}", identity.node), |c| {
            if diesel::update(node_identities::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(node_identities::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// The node that a name was merged into.
    pub fn alias(&mut self, uuid: &NodeUuid) -> Result<Option<NodeUuid>> {
        let node: Option<String> = self.run(format_args!("alias {uuid}"), |c| {
            node_aliases::table.find(uuid.as_str()).select(node_aliases::node).first(c).optional()
        })?;
        Row { table: "node_aliases", key: uuid }.parse_opt("node", node.as_deref())
    }

    /// Names that were merged into a node, in order.
    pub fn aliases(&mut self, node: &NodeUuid) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run(format_args!("aliases of node {node}"), |c| {
            node_aliases::table
                .filter(node_aliases::node.eq(node.as_str()))
                .select(node_aliases::uuid)
                .order(node_aliases::uuid)
                .limit(limit_of(ALIASES_MAX))
                .load(c)
        })?;
        let row = Row { table: "node_aliases", key: node };
        found.iter().map(|uuid| row.parse("uuid", uuid)).collect()
    }

    /// Insert.
    pub fn put_alias(&mut self, uuid: &NodeUuid, node: &NodeUuid) -> Result<()> {
        self.run(format_args!("alias {uuid}"), |c| {
            diesel::insert_into(node_aliases::table)
                .values((node_aliases::uuid.eq(uuid.as_str()), node_aliases::node.eq(node.as_str())))
                .execute(c)
        })?;
        Ok(())
    }

    /// All nodes of these names (aliases too) and with these MAC addresses, each once.
    pub fn known(&mut self, names: &[NodeUuid], macs: &BTreeSet<Mac>) -> Result<Vec<Known>> {
        let wanted: Vec<&str> = names.iter().map(NodeUuid::as_str).collect();
        let all: Vec<String> = self.run("nodes of these names", |c| {
            let mut all: Vec<String> = nodes::table.filter(nodes::uuid.eq_any(&wanted)).select(nodes::uuid).load(c)?;
            let aliases = node_aliases::table.filter(node_aliases::uuid.eq_any(&wanted));
            all.extend(aliases.select(node_aliases::node).load::<String>(c)?);
            let claimants = node_identities::table.filter(node_identities::claimed.eq_any(&wanted));
            let claimants = claimants.order(node_identities::node).limit(limit_of(CLAIMANTS));
            all.extend(claimants.select(node_identities::node).load::<String>(c)?);
            Ok(all)
        })?;
        let row = Row { table: "node_aliases", key: &"(several)" };
        let parsed = all.iter().map(|uuid| row.parse("node", uuid));
        let mut found: BTreeSet<NodeUuid> = parsed.collect::<Result<_>>()?;
        for mac in macs {
            found.extend(self.nodes_by_mac(mac)?);
        }
        let mut known = Vec::with_capacity(found.len());
        for name in &found {
            known.extend(self.known_node(name)?);
        }
        Ok(known)
    }

    /// One of them.
    pub fn known_node(&mut self, name: &NodeUuid) -> Result<Option<Known>> {
        let rec: Option<(String, String, String)> = self.run(format_args!("node {name}"), |c| {
            let columns = (nodes::manufacturer, nodes::product, nodes::serial);
            nodes::table.find(name.as_str()).select(columns).first(c).optional()
        })?;
        let Some((manufacturer, product, serial)) = rec else { return Ok(None) };
        let identity = self.identity(name)?;
        Ok(Some(Known {
            name: name.clone(),
            aliases: self.aliases(name)?,
            source: identity.as_ref().map_or(Source::Smbios, |i| i.source),
            claimed: identity.map_or_else(|| name.clone(), |i| i.claimed),
            manufacturer: usable(&manufacturer).unwrap_or_default(),
            product: usable(&product).unwrap_or_default(),
            serial: usable(&serial),
            macs: self.macs(name)?,
            alive: false,
        }))
    }

    /// Nodes whose machines laid claim to `claimed`, but retired ones, in order; at most `limit`.
    pub fn claimants(&mut self, claimed: &NodeUuid, limit: usize) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run(format_args!("nodes that claim {claimed}"), |c| {
            node_identities::table
                .inner_join(nodes::table.on(nodes::uuid.eq(node_identities::node)))
                .filter(node_identities::claimed.eq(claimed.as_str()))
                .filter(nodes::retired.eq(false))
                .order(node_identities::node)
                .limit(limit_of(limit))
                .select(node_identities::node)
                .load(c)
        })?;
        let row = Row { table: "node_identities", key: claimed };
        found.iter().map(|uuid| row.parse("node", uuid)).collect()
    }

    /// Nodes that are offered to be merged into `node`, in order; at most `limit`.
    pub fn merge_offers(&mut self, node: &NodeUuid, limit: usize) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run(format_args!("nodes to merge into {node}"), |c| {
            node_identities::table
                .filter(node_identities::merge_candidate.eq(node.as_str()))
                .order(node_identities::node)
                .limit(limit_of(limit))
                .select(node_identities::node)
                .load(c)
        })?;
        let row = Row { table: "node_identities", key: node };
        found.iter().map(|uuid| row.parse("node", uuid)).collect()
    }

    /// MAC addresses that a node reported.
    pub fn macs(&mut self, node: &NodeUuid) -> Result<BTreeSet<Mac>> {
        let found: Vec<String> = self.run(format_args!("MAC addresses of node {node}"), |c| {
            node_macs::table.filter(node_macs::node.eq(node.as_str())).select(node_macs::mac).load(c)
        })?;
        let row = Row { table: "node_macs", key: node };
        found.iter().map(|mac| row.parse("mac", mac)).collect()
    }

    /// Open events of this subject of `nodes`: their messages.
    pub fn open_messages(&mut self, subject: &str, nodes: &[&str]) -> Result<BTreeMap<String, String>> {
        let found: Vec<(String, String)> = self.run("open events of nodes", |c| {
            node_events::table
                .filter(node_events::node.eq_any(nodes))
                .filter(node_events::subject.eq(subject))
                .filter(node_events::cleared.is_null())
                .select((node_events::node, node_events::message))
                .load(c)
        })?;
        Ok(found.into_iter().collect())
    }

    /// Subjects of a node's open events that begin so.
    pub fn open_subjects(&mut self, node: &NodeUuid, beginning: &str) -> Result<Vec<String>> {
        let found: Vec<String> = self.run(format_args!("open events of node {node}"), |c| {
            node_events::table
                .filter(node_events::node.eq(node.as_str()))
                .filter(node_events::cleared.is_null())
                .select(node_events::subject)
                .load(c)
        })?;
        Ok(found.into_iter().filter(|subject| subject.starts_with(beginning)).collect())
    }
}
