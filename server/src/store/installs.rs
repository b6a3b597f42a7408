//! Installations of nodes' disks, and when nodes were left to what is on them.

use super::schema::{boots, installs, nodes, own_boots};
use super::tx::{Row, Tx, limit_of};
use crate::domain::boot::Phase;
use crate::domain::install::Install;
use crate::domain::profile::Mode;
use crate::domain::{Micros, NodeUuid, Sha256};
use crate::error::Result;
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = installs, primary_key(node), treat_none_as_null = true)]
struct InstallRec {
    node: String,
    profile: String,
    revision: i64,
    attempts: i64,
    boot: String,
    token_hash: String,
    started: i64,
    installed: Option<i64>,
}

impl From<&Install> for InstallRec {
    fn from(install: &Install) -> Self {
        Self {
            node: install.node.to_string(),
            profile: install.profile.to_string(),
            revision: i64::from(install.revision),
            attempts: i64::from(install.attempts),
            boot: install.boot.to_string(),
            token_hash: install.token_hash.to_string(),
            started: install.started,
            installed: install.installed,
        }
    }
}

impl InstallRec {
    fn into_install(self) -> Result<Install> {
        let row = Row { table: "installs", key: &self.node };
        Ok(Install {
            node: row.parse("node", &self.node)?,
            profile: row.parse("profile", &self.profile)?,
            revision: row.number("revision", self.revision)?,
            attempts: row.number("attempts", self.attempts)?,
            boot: row.parse("boot", &self.boot)?,
            token_hash: row.parse("token_hash", &self.token_hash)?,
            started: self.started,
            installed: self.installed,
        })
    }
}

impl Tx<'_> {
    /// The last installation of a node.
    pub fn install(&mut self, node: &NodeUuid) -> Result<Option<Install>> {
        let rec = self.run(format_args!("installation of node {node}"), |c| {
            installs::table.find(node.as_str()).select(InstallRec::as_select()).first(c).optional()
        })?;
        rec.map(InstallRec::into_install).transpose()
    }

    /// By hash of the token in its addresses.
    pub fn install_by_token(&mut self, hash: &Sha256) -> Result<Option<Install>> {
        let rec = self.run("installation of a token", |c| {
            let query = installs::table.filter(installs::token_hash.eq(hash.as_str()));
            query.select(InstallRec::as_select()).first(c).optional()
        })?;
        rec.map(InstallRec::into_install).transpose()
    }

    /// Insert or replace that of its node.
    pub fn put_install(&mut self, install: &Install) -> Result<()> {
        let rec = InstallRec::from(install);
        self.run(format_args!("installation of node {}", install.node), |c| {
            if diesel::update(installs::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(installs::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// As if it never was; false when there was none.
    pub fn delete_install(&mut self, node: &NodeUuid) -> Result<bool> {
        let gone = self.run(format_args!("installation of node {node}"), |c| {
            diesel::delete(installs::table.find(node.as_str())).execute(c)
        })?;
        Ok(gone > 0)
    }

    /// A node is left to its disk or to a script of the operator's.
    pub fn put_own_boot(&mut self, node: &NodeUuid, way: Mode, at: Micros) -> Result<()> {
        self.run(format_args!("own boot of node {node}"), |c| {
            let set = (own_boots::way.eq(way.as_str()), own_boots::at.eq(at));
            if diesel::update(own_boots::table.find(node.as_str())).set(set).execute(c)? == 0 {
                diesel::insert_into(own_boots::table).values((own_boots::node.eq(node.as_str()), set)).execute(c)?;
            }
            Ok(())
        })
    }

    /// When a node was left to itself last.
    pub fn own_boot(&mut self, node: &NodeUuid) -> Result<Option<(Mode, Micros)>> {
        let found: Option<(String, i64)> = self.run(format_args!("own boot of node {node}"), |c| {
            own_boots::table.find(node.as_str()).select((own_boots::way, own_boots::at)).first(c).optional()
        })?;
        let Some((way, at)) = found else { return Ok(None) };
        Ok(Some((Row { table: "own_boots", key: node }.parse("way", &way)?, at)))
    }

    /// Boots that are over because their node was left to itself after its last word in them, which was before `silent`;
    /// at most `limit`.
    pub fn left_boots(&mut self, silent: Micros, limit: usize) -> Result<Vec<Uuid>> {
        let found: Vec<String> = self.run("boots of nodes that were left to themselves", |c| {
            let heard = |at: i64| {
                boots::started
                    .lt(at)
                    .and(boots::up.is_null().or(boots::up.lt(at)))
                    .and(boots::heartbeat.is_null().or(boots::heartbeat.lt(at)))
            };
            let before_left = boots::started
                .lt(own_boots::at)
                .and(boots::up.is_null().or(boots::up.lt(own_boots::at.nullable())))
                .and(boots::heartbeat.is_null().or(boots::heartbeat.lt(own_boots::at.nullable())))
                .and(nodes::last_seen.le(own_boots::at));
            own_boots::table
                .inner_join(nodes::table.on(nodes::uuid.eq(own_boots::node)))
                .inner_join(boots::table.on(boots::id.nullable().eq(nodes::boot)))
                .filter(boots::phase.ne(Phase::Ended.as_str()))
                .filter(heard(silent))
                .filter(nodes::last_seen.lt(silent))
                .filter(before_left)
                .order(boots::id)
                .limit(limit_of(limit))
                .select(boots::id)
                .load(c)
        })?;
        found.iter().map(|id| Row { table: "boots", key: id }.parse("id", id)).collect()
    }
}
