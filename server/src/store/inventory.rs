//! Inventories of nodes: each content once, as numbered versions, and what the last report told besides.

use super::schema::{inventory_reports, inventory_versions, nodes};
use super::tx::{Row, Tx, limit_of, to_i64};
use crate::domain::inventory::Unread;
use crate::domain::{Micros, NodeUuid, Sha256};
use crate::error::{Error, Result};
use diesel::prelude::*;

/// An inventory as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInventory {
    /// Which of the node's, and since when.
    pub version: StoredVersion,
    /// The canonical content as JSON; of an older release: the whole message as it stored it.
    pub json: String,
    /// What could not be read for it.
    pub unread: Unread,
}

/// A version without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// Counts from 1 within a node.
    pub number: u32,
    /// SHA-256 over the content.
    pub hash: Sha256,
    /// Bytes of the content.
    pub size: u64,
    /// Differences from the version before.
    pub changes: u32,
    /// First reported.
    pub at: Micros,
    /// Last reported.
    pub last_seen: Micros,
}

/// Versions kept of one node: so many, and so many bytes. The first (what was delivered) and the newest always stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptVersions {
    /// At most so many.
    pub count: usize,
    /// Of all that are kept between the first and the newest, and of these two.
    pub bytes: u64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = inventory_versions, primary_key(node, version))]
struct VersionRec {
    node: String,
    version: i64,
    hash: String,
    size: i64,
    changes: i64,
    at: i64,
    last_seen: i64,
}

impl VersionRec {
    fn of(node: &NodeUuid, version: &StoredVersion) -> Result<Self> {
        Ok(Self {
            node: node.to_string(),
            version: version.number.into(),
            hash: version.hash.to_string(),
            size: to_i64("size of an inventory", version.size)?,
            changes: version.changes.into(),
            at: version.at,
            last_seen: version.last_seen,
        })
    }

    fn into_version(self) -> Result<StoredVersion> {
        let row = Row { table: "inventory_versions", key: &self.node };
        Ok(StoredVersion {
            number: row.number("version", self.version)?,
            hash: row.parse("hash", &self.hash)?,
            size: row.number("size", self.size)?,
            changes: row.number("changes", self.changes)?,
            at: self.at,
            last_seen: self.last_seen,
        })
    }
}

impl Tx<'_> {
    /// Insert or replace a version; it is the node's inventory from now on.
    pub fn put_inventory(&mut self, node: &NodeUuid, inventory: &StoredInventory) -> Result<()> {
        let rec = VersionRec::of(node, &inventory.version)?;
        let unread = serde_json::to_string(&inventory.unread).map_err(Error::internal)?;
        self.run(format_args!("inventory of node {node}"), |c| {
            let content = (inventory_versions::json.eq(&inventory.json), inventory_versions::unread.eq(&unread));
            let row = inventory_versions::table.find((&rec.node, rec.version));
            if diesel::update(row).set((&rec, content)).execute(c)? == 0 {
                diesel::insert_into(inventory_versions::table).values((&rec, content)).execute(c)?;
            }
            let hash = nodes::inventory_hash.eq(&rec.hash);
            diesel::update(nodes::table.find(node.as_str())).set(hash).execute(c)?;
            Ok(())
        })
    }

    /// The newest version.
    pub fn inventory(&mut self, node: &NodeUuid) -> Result<Option<StoredInventory>> {
        self.version_of(node, None)
    }

    /// One version.
    pub fn inventory_version(&mut self, node: &NodeUuid, number: u32) -> Result<Option<StoredInventory>> {
        self.version_of(node, Some(number))
    }

    fn version_of(&mut self, node: &NodeUuid, number: Option<u32>) -> Result<Option<StoredInventory>> {
        let found: Option<(VersionRec, String, String)> = self.run(format_args!("inventory of node {node}"), |c| {
            let mut query = inventory_versions::table
                .filter(inventory_versions::node.eq(node.as_str()))
                .order(inventory_versions::version.desc())
                .select((VersionRec::as_select(), inventory_versions::json, inventory_versions::unread))
                .limit(1)
                .into_boxed();
            if let Some(number) = number {
                query = query.filter(inventory_versions::version.eq(i64::from(number)));
            }
            query.first(c).optional()
        })?;
        let row = Row { table: "inventory_versions", key: node };
        found
            .map(|(rec, json, unread)| {
                let unread = row.json("unread", &unread)?;
                Ok(StoredInventory { version: rec.into_version()?, json, unread })
            })
            .transpose()
    }

    /// Versions, newest first, older than `before`.
    pub fn inventory_versions(
        &mut self,
        node: &NodeUuid,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>> {
        let recs: Vec<VersionRec> = self.run(format_args!("inventories of node {node}"), |c| {
            let mut query = inventory_versions::table
                .filter(inventory_versions::node.eq(node.as_str()))
                .order(inventory_versions::version.desc())
                .select(VersionRec::as_select())
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(inventory_versions::version.lt(i64::from(before)));
            }
            query.load(c)
        })?;
        recs.into_iter().map(VersionRec::into_version).collect()
    }

    /// The newest version was reported again.
    pub fn touch_inventory(&mut self, node: &NodeUuid, number: u32, at: Micros) -> Result<()> {
        let row = inventory_versions::table.find((node.as_str(), i64::from(number)));
        self.run(format_args!("inventory of node {node}"), |c| {
            diesel::update(row).set(inventory_versions::last_seen.eq(at)).execute(c)?;
            Ok(())
        })
    }

    /// Drop the oldest versions beyond `keep`, but never the first or the newest of those that are there.
    pub fn prune_inventories(&mut self, node: &NodeUuid, keep: KeptVersions) -> Result<()> {
        let mut versions = self.inventory_versions(node, None, keep.count.saturating_add(PRUNED_AT_ONCE))?;
        // Where more were there than one page, the first is not in it, and is not dropped.
        let first = versions.pop();
        let newest = versions.first().map(|v| v.size).unwrap_or_default();
        let mut bytes = newest.saturating_add(first.map(|v| v.size).unwrap_or_default());
        let (mut kept, mut full, mut gone) = (2, false, Vec::new());
        for version in versions.iter().skip(1) {
            // A gap in the history would be told as one change: from the first that goes, all older ones go.
            full = full || kept >= keep.count || bytes.saturating_add(version.size) > keep.bytes;
            if full {
                gone.push(i64::from(version.number));
                continue;
            }
            kept += 1;
            bytes = bytes.saturating_add(version.size);
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.run(format_args!("inventories of node {node}"), |c| {
            let of_node = inventory_versions::table.filter(inventory_versions::node.eq(node.as_str()));
            diesel::delete(of_node.filter(inventory_versions::version.eq_any(&gone))).execute(c)?;
            Ok(())
        })
    }

    /// Replace what the last report told that is no content.
    pub fn put_inventory_report(&mut self, node: &NodeUuid, json: &str, at: Micros) -> Result<()> {
        self.run(format_args!("inventory report of node {node}"), |c| {
            let values = (inventory_reports::json.eq(json), inventory_reports::at.eq(at));
            if diesel::update(inventory_reports::table.find(node.as_str())).set(values).execute(c)? == 0 {
                let row = (inventory_reports::node.eq(node.as_str()), values);
                diesel::insert_into(inventory_reports::table).values(row).execute(c)?;
            }
            Ok(())
        })
    }

    /// What the last report told that is no content, as JSON.
    pub fn inventory_report(&mut self, node: &NodeUuid) -> Result<Option<String>> {
        self.run(format_args!("inventory report of node {node}"), |c| {
            inventory_reports::table.find(node.as_str()).select(inventory_reports::json).first(c).optional()
        })
    }
}

/// Versions looked at beyond those that are kept: they are pruned with each new one.
const PRUNED_AT_ONCE: usize = 100;
