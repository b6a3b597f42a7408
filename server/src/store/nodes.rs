//! Nodes and the MAC addresses that they reported.

use super::boots::BootRec;
use super::connection::AnyConnection;
use super::schema::{boots, node_macs, node_tries, nodes, profiles};
use super::tries::TriesRec;
use super::tx::{Row, Tx, limit_of};
use crate::domain::boot::{Boot, Phase};
use crate::domain::fallback::{Exact, Fallback, Wanted};
use crate::domain::lifecycle::Desired;
use crate::domain::node::{Admission, Node};
use crate::domain::rules::{Held, Holder};
use crate::domain::select::{Column, Equal};
use crate::domain::{Mac, Micros, Name, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

diesel::define_sql_function! {
    /// Of ASCII letters alone, on SQLite always and on PostgreSQL by the "C" collation.
    fn lower(text: Text) -> Text;
}

/// Nodes given for one MAC address: more have it only when it tells nothing of a machine.
pub const OWNERS_MAX: usize = 16;
/// Nodes of one lookup.
const PIECE: usize = 500;

/// A node with its present boot, as lists need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The node.
    pub node: Node,
    /// Its present or last boot.
    pub boot: Option<Boot>,
    /// Hash of the plan that it would get now; empty: none; none: to be worked out.
    pub planned: Option<String>,
    /// It is in fallback.
    pub fallback: Option<Fallback>,
}

/// Which nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Part of UUID, host name, serial, manufacturer, product or MAC (substring, any case of ASCII letters; `%` and `_`
    /// are plain characters).
    pub text: Option<String>,
    /// With this profile.
    pub profile: Option<Name>,
    /// With exactly these values.
    pub equals: Vec<Equal>,
}

/// How many nodes share what decides their lifecycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCount {
    /// Desired.
    pub desired: Desired,
    /// Phase of the present boot.
    pub phase: Option<Phase>,
    /// Heard from at or after the cut-off.
    pub alive: bool,
    /// Nodes.
    pub count: u64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = nodes, primary_key(uuid), treat_none_as_null = true)]
pub(super) struct NodeRec {
    uuid: String,
    admission: String,
    hostname: String,
    profile: Option<String>,
    maintenance: bool,
    retired: bool,
    manufacturer: String,
    product: String,
    serial: String,
    boot_mac: Option<String>,
    boot: Option<String>,
    inventory_hash: Option<String>,
    first_seen: i64,
    last_seen: i64,
    admitted_by: Option<String>,
    admitted_at: Option<i64>,
    cluster: Option<String>,
    tags: String,
    rule_tags: String,
    held: String,
    profile_revision: Option<i64>,
}

/// One that should run and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDown {
    /// Which.
    pub node: NodeUuid,
    /// Its cluster.
    pub cluster: Option<Name>,
    /// Who holds its profile.
    pub held: Holder,
}

/// Who holds what, as JSON. Fields may be added with a default, never renamed.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct HeldJson {
    #[serde(skip_serializing_if = "String::is_empty")]
    profile: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cluster: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
}

impl From<&Held> for HeldJson {
    fn from(held: &Held) -> Self {
        Self {
            profile: held.profile.to_string(),
            cluster: held.cluster.to_string(),
            hostname: held.hostname.to_string(),
        }
    }
}

/// Texts are always written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn tags_json(tags: &BTreeSet<Name>) -> String {
    json(&tags.iter().map(Name::as_str).collect::<Vec<_>>())
}

impl From<&Node> for NodeRec {
    fn from(node: &Node) -> Self {
        Self {
            uuid: node.uuid.to_string(),
            admission: node.admission.to_string(),
            hostname: node.hostname.to_string(),
            profile: node.profile.as_ref().map(ToString::to_string),
            maintenance: node.maintenance,
            retired: node.retired,
            manufacturer: node.manufacturer.clone(),
            product: node.product.clone(),
            serial: node.serial.clone(),
            boot_mac: node.boot_mac.as_ref().map(ToString::to_string),
            boot: node.boot.as_ref().map(ToString::to_string),
            inventory_hash: node.inventory_hash.as_ref().map(ToString::to_string),
            first_seen: node.first_seen,
            last_seen: node.last_seen,
            admitted_by: node.admitted.as_ref().map(|(by, _)| by.to_string()),
            admitted_at: node.admitted.as_ref().map(|(_, at)| *at),
            cluster: node.cluster.as_ref().map(ToString::to_string),
            tags: tags_json(&node.tags),
            rule_tags: tags_json(&node.rule_tags),
            held: json(&HeldJson::from(&node.held)),
            profile_revision: node.profile_revision.map(i64::from),
        }
    }
}

impl NodeRec {
    /// Does the same of it go into a boot plan?
    fn plans_as(&self, other: &Self) -> bool {
        let planned = |rec: &'_ Self| {
            (
                rec.hostname.clone(),
                rec.profile.clone(),
                rec.profile_revision,
                rec.cluster.clone(),
                rec.serial.clone(),
                rec.tags.clone(),
                rec.rule_tags.clone(),
            )
        };
        planned(self) == planned(other)
    }

    pub(super) fn into_node(self) -> Result<Node> {
        let row = Row { table: "nodes", key: &self.uuid };
        let tags = |column: &'static str, text: &str| -> Result<BTreeSet<Name>> {
            let words: Vec<String> = row.json(column, text)?;
            words.iter().map(|word| row.parse(column, word)).collect()
        };
        let held: HeldJson = row.json("held", &self.held)?;
        Ok(Node {
            tags: tags("tags", &self.tags)?,
            rule_tags: tags("rule_tags", &self.rule_tags)?,
            held: Held {
                profile: row.parse("held.profile", &held.profile)?,
                cluster: row.parse("held.cluster", &held.cluster)?,
                hostname: row.parse("held.hostname", &held.hostname)?,
            },
            uuid: row.parse("uuid", &self.uuid)?,
            admission: row.parse("admission", &self.admission)?,
            admitted: row.parse_opt("admitted_by", self.admitted_by.as_deref())?.zip(self.admitted_at),
            hostname: row.parse("hostname", &self.hostname)?,
            profile: row.parse_opt("profile", self.profile.as_deref())?,
            profile_revision: self.profile_revision.map(|n| row.number("profile_revision", n)).transpose()?,
            cluster: row.parse_opt("cluster", self.cluster.as_deref())?,
            maintenance: self.maintenance,
            retired: self.retired,
            boot_mac: row.parse_opt("boot_mac", self.boot_mac.as_deref())?,
            boot: row.parse_opt("boot", self.boot.as_deref())?,
            inventory_hash: row.parse_opt("inventory_hash", self.inventory_hash.as_deref())?,
            manufacturer: self.manufacturer,
            product: self.product,
            serial: self.serial,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        })
    }
}

#[derive(QueryableByName)]
struct CountRec {
    #[diesel(sql_type = Text)]
    admission: String,
    #[diesel(sql_type = Bool)]
    assigned: bool,
    #[diesel(sql_type = Bool)]
    maintenance: bool,
    #[diesel(sql_type = Bool)]
    retired: bool,
    #[diesel(sql_type = Nullable<Text>)]
    phase: Option<String>,
    #[diesel(sql_type = Bool)]
    alive: bool,
    #[diesel(sql_type = BigInt)]
    nodes: i64,
}

/// What a node is to boot, by its pin, or by the active revision of its profile and since when it is that.
fn wanted(node: &Node, active: Option<(u32, Micros)>) -> Option<Wanted> {
    let profile = node.profile.clone()?;
    let (revision, since) = match node.profile_revision {
        Some(pin) => (pin, 0),
        None => active?,
    };
    Some(Wanted { what: Exact { profile, revision }, since })
}

/// A node, its boot, what it would get and by which revision, the active revision of its profile and since when, and its
/// tries.
type Joined = (NodeRec, Option<BootRec>, (Option<String>, Option<i64>, Option<i64>, Option<i64>), Option<TriesRec>);

/// The query of [`Joined`].
macro_rules! joined {
    () => {
        nodes::table
            .left_join(boots::table.on(boots::id.nullable().eq(nodes::boot)))
            .left_join(profiles::table.on(profiles::name.nullable().eq(nodes::profile)))
            .left_join(node_tries::table.on(node_tries::node.eq(nodes::uuid)))
            .select((
                NodeRec::as_select(),
                Option::<BootRec>::as_select(),
                (nodes::planned, nodes::planned_by, profiles::active.nullable(), profiles::activated.nullable()),
                Option::<TriesRec>::as_select(),
            ))
    };
}

fn row_of((node, boot, (planned, by, active, activated), tries): Joined) -> Result<NodeRow> {
    let planned = planned.filter(|_| by == node.profile_revision.or(active));
    let node = node.into_node()?;
    let row = Row { table: "profiles", key: &node.uuid };
    let active: Option<u32> = active.map(|n| row.number("active", n)).transpose()?;
    let wanted = wanted(&node, active.zip(activated));
    let tries = tries.map(TriesRec::into_tries).transpose()?;
    let fallback = wanted.zip(tries).and_then(|(wanted, tries)| tries.in_force(&wanted));
    Ok(NodeRow { node, boot: boot.map(BootRec::into_boot).transpose()?, planned, fallback })
}

/// `text` as a LIKE pattern for "contains", its own `%`, `_` and `\` being plain characters.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_ascii_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Tx<'_> {
    /// By name.
    pub fn node(&mut self, uuid: &NodeUuid) -> Result<Option<Node>> {
        let rec = self.run(format_args!("node {uuid}"), |c| {
            nodes::table.find(uuid.as_str()).select(NodeRec::as_select()).first(c).optional()
        })?;
        rec.map(NodeRec::into_node).transpose()
    }

    /// What a node is to boot now, whether or not it can; none: nothing.
    pub fn wanted(&mut self, node: &Node) -> Result<Option<Wanted>> {
        let Some(profile) = &node.profile else { return Ok(None) };
        let active = self.active_revision(profile)?;
        Ok(wanted(node, active))
    }

    /// Insert or replace. What goes into its boot plan having changed, that is to be worked out anew. A profile that is not
    /// there is an error.
    pub fn put_node(&mut self, node: &Node) -> Result<()> {
        let rec = NodeRec::from(node);
        let before: Option<NodeRec> = self.run(format_args!("node {}", node.uuid), |c| {
            nodes::table.find(&rec.uuid).select(NodeRec::as_select()).first(c).optional()
        })?;
        self.run(format_args!("node {}", node.uuid), |c| {
            if diesel::update(nodes::table.find(&rec.uuid)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(nodes::table).values(&rec).execute(c)?;
            }
            Ok(())
        })?;
        match before {
            Some(before) if !before.plans_as(&rec) => self.stale_node(&node.uuid),
            _ => Ok(()),
        }
    }

    /// Host names by UUID; a node that is not there is absent.
    pub fn hostnames<'n>(&mut self, uuids: impl Iterator<Item = &'n str>) -> Result<BTreeMap<String, String>> {
        let wanted: BTreeSet<&str> = uuids.collect();
        let found: Vec<(String, String)> = self.run("names of nodes", |c| {
            nodes::table.filter(nodes::uuid.eq_any(wanted)).select((nodes::uuid, nodes::hostname)).load(c)
        })?;
        Ok(found.into_iter().collect())
    }

    /// In order of UUID, after the cursor, with their present boots.
    pub fn nodes(&mut self, filter: &NodeFilter, after: Option<&NodeUuid>, limit: usize) -> Result<Vec<NodeRow>> {
        let rows: Vec<Joined> = self.run("nodes", |c| {
            let mut query = joined!().order(nodes::uuid).limit(limit_of(limit)).into_boxed();
            if let Some(after) = after {
                query = query.filter(nodes::uuid.gt(after.as_str()));
            }
            if let Some(profile) = &filter.profile {
                query = query.filter(nodes::profile.eq(profile.as_str()));
            }
            for Equal { column, value } in &filter.equals {
                query = match column {
                    Column::Uuid => query.filter(nodes::uuid.eq(value)),
                    Column::Serial => query.filter(nodes::serial.eq(value)),
                    Column::Profile => query.filter(nodes::profile.eq(value)),
                    Column::Hostname => query.filter(nodes::hostname.eq(value)),
                    Column::Manufacturer => query.filter(nodes::manufacturer.eq(value)),
                    Column::Product => query.filter(nodes::product.eq(value)),
                };
            }
            if let Some(text) = &filter.text {
                let like = contains(text);
                let reported = node_macs::table
                    .filter(node_macs::node.eq(nodes::uuid))
                    .filter(node_macs::mac.like(like.clone()).escape('\\'));
                // UUIDs, host names and MAC addresses are lower case already.
                query = query.filter(
                    (nodes::uuid.like(like.clone()).escape('\\'))
                        .or(nodes::hostname.like(like.clone()).escape('\\'))
                        .or(lower(nodes::serial).like(like.clone()).escape('\\'))
                        .or(lower(nodes::manufacturer).like(like.clone()).escape('\\'))
                        .or(lower(nodes::product).like(like.clone()).escape('\\'))
                        .or(diesel::dsl::exists(reported))
                        .or(nodes::boot_mac
                            .is_not_null()
                            .and(nodes::boot_mac.assume_not_null().like(like).escape('\\'))),
                );
            }
            query.load(c)
        })?;
        rows.into_iter().map(row_of).collect()
    }

    /// These, with their present boots; those that are not there are absent.
    pub fn nodes_of(&mut self, uuids: &[NodeUuid]) -> Result<BTreeMap<NodeUuid, NodeRow>> {
        let mut found = BTreeMap::new();
        for piece in uuids.chunks(PIECE) {
            let keys: Vec<&str> = piece.iter().map(NodeUuid::as_str).collect();
            let rows: Vec<Joined> = self.run("nodes", |c| joined!().filter(nodes::uuid.eq_any(keys)).load(c))?;
            for row in rows {
                let row = row_of(row)?;
                found.insert(row.node.uuid.clone(), row);
            }
        }
        Ok(found)
    }

    /// Nodes that should run and do not; in order of UUID, at most `limit`: admitted, with a profile,
    /// not retired nor in maintenance, and their boot failed, is on its way, or was not heard from since `alive_since`.
    /// One that never booted, or was left to its disk, is not told.
    pub fn nodes_down(&mut self, alive_since: Micros, limit: usize) -> Result<Vec<NodeDown>> {
        let found: Vec<(String, Option<String>, String)> = self.run("nodes that do not run", |c| {
            let silent = boots::phase
                .eq(Phase::Running.as_str())
                .and(boots::heartbeat.is_null().or(boots::heartbeat.lt(alive_since)).assume_not_null())
                .and(boots::up.is_null().or(boots::up.lt(alive_since)).assume_not_null());
            let on_its_way = [Phase::Registered, Phase::Booting, Phase::Failed].map(Phase::as_str);
            nodes::table
                .inner_join(boots::table.on(boots::id.nullable().eq(nodes::boot)))
                .filter(nodes::admission.eq(Admission::Admitted.as_str()))
                .filter(nodes::profile.is_not_null())
                .filter(nodes::retired.eq(false))
                .filter(nodes::maintenance.eq(false))
                .filter(boots::phase.eq_any(on_its_way).or(silent))
                .order(nodes::uuid)
                .limit(limit_of(limit))
                .select((nodes::uuid, nodes::cluster, nodes::held))
                .load(c)
        })?;
        let node = |(uuid, cluster, held): (String, Option<String>, String)| {
            let row = Row { table: "nodes", key: &uuid };
            let held: HeldJson = row.json("held", &held)?;
            Ok(NodeDown {
                node: row.parse("uuid", &uuid)?,
                cluster: row.parse_opt("cluster", cluster.as_deref())?,
                held: row.parse("held.profile", &held.profile)?,
            })
        };
        found.into_iter().map(node).collect()
    }

    /// For counting by lifecycle: grouped in the database. A node is alive when its boot's heartbeat (or ReportUp, when
    /// there was none yet) is not before `alive_since`.
    pub fn node_counts(&mut self, alive_since: Micros) -> Result<Vec<NodeCount>> {
        const SQL: &str = "SELECT n.admission, n.profile IS NOT NULL AS assigned, n.maintenance, n.retired, b.phase, \
             COALESCE(COALESCE(b.heartbeat, b.up) >= $1, FALSE) AS alive, COUNT(*) AS nodes \
             FROM nodes n LEFT JOIN boots b ON b.id = n.boot GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6";
        let query = diesel::sql_query(SQL).bind::<BigInt, _>(alive_since);
        let recs: Vec<CountRec> = self.run("number of nodes", |c| match c {
            AnyConnection::Sqlite(c) => query.load(c),
            AnyConnection::Postgres(c) => query.load(c),
        })?;
        let row = Row { table: "nodes", key: &"(counted)" };
        recs.into_iter()
            .map(|rec| {
                Ok(NodeCount {
                    desired: Desired {
                        admission: row.parse("admission", &rec.admission)?,
                        assigned: rec.assigned,
                        maintenance: rec.maintenance,
                        retired: rec.retired,
                    },
                    phase: row.parse_opt("phase", rec.phase.as_deref())?,
                    alive: rec.alive,
                    count: row.number("count", rec.nodes)?,
                })
            })
            .collect()
    }

    /// Replace the node's list of MAC addresses.
    pub fn set_macs(&mut self, node: &NodeUuid, macs: &[Mac]) -> Result<()> {
        let wanted: std::collections::BTreeSet<&Mac> = macs.iter().collect();
        self.run(format_args!("MAC addresses of node {node}"), |c| {
            diesel::delete(node_macs::table.filter(node_macs::node.eq(node.as_str()))).execute(c)?;
            for mac in wanted {
                diesel::insert_into(node_macs::table)
                    .values((node_macs::node.eq(node.as_str()), node_macs::mac.eq(mac.as_str())))
                    .execute(c)?;
            }
            Ok(())
        })
    }

    /// Nodes that reported this MAC (indexed), in order of UUID; at most [`OWNERS_MAX`].
    pub fn nodes_by_mac(&mut self, mac: &Mac) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run(format_args!("nodes with MAC address {mac}"), |c| {
            node_macs::table
                .filter(node_macs::mac.eq(mac.as_str()))
                .select(node_macs::node)
                .order(node_macs::node)
                .limit(limit_of(OWNERS_MAX))
                .load(c)
        })?;
        let row = Row { table: "node_macs", key: mac };
        found.iter().map(|uuid| row.parse("node", uuid)).collect()
    }
}
