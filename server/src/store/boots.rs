//! Boots of nodes. Which phase may follow which is decided in the domain.

use super::schema::boots;
use super::tx::{Row, Tx, limit_of};
use crate::domain::boot::{Boot, Phase};
use crate::domain::{Micros, NodeUuid, Sha256};
use crate::error::Result;
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = boots, treat_none_as_null = true)]
pub(super) struct BootRec {
    id: String,
    node: String,
    phase: String,
    session_hash: String,
    callback_hash: Option<String>,
    http_base: String,
    profile: Option<String>,
    revision: Option<i64>,
    image: Option<String>,
    plan_hash: Option<String>,
    started: i64,
    deadline: Option<i64>,
    up: Option<i64>,
    heartbeat: Option<i64>,
    last_step: Option<String>,
    failed_step: Option<String>,
    failed_reason: Option<String>,
    os: Option<String>,
    address: Option<String>,
}

impl From<&Boot> for BootRec {
    fn from(boot: &Boot) -> Self {
        Self {
            id: boot.id.to_string(),
            node: boot.node.to_string(),
            phase: boot.phase.to_string(),
            session_hash: boot.session_hash.to_string(),
            callback_hash: boot.callback_hash.as_ref().map(ToString::to_string),
            http_base: boot.http_base.clone(),
            profile: boot.profile.as_ref().map(ToString::to_string),
            revision: boot.revision.map(i64::from),
            image: boot.image.clone(),
            plan_hash: boot.plan_hash.as_ref().map(ToString::to_string),
            started: boot.started,
            deadline: boot.deadline,
            up: boot.up,
            heartbeat: boot.heartbeat,
            last_step: boot.last_step.clone(),
            failed_step: boot.failed_step.clone(),
            failed_reason: boot.failed_reason.clone(),
            os: boot.os.clone(),
            address: boot.address.map(|address| address.to_string()),
        }
    }
}

impl BootRec {
    pub(super) fn into_boot(self) -> Result<Boot> {
        let row = Row { table: "boots", key: &self.id };
        Ok(Boot {
            id: row.parse("id", &self.id)?,
            node: row.parse("node", &self.node)?,
            phase: row.parse("phase", &self.phase)?,
            session_hash: row.parse("session_hash", &self.session_hash)?,
            callback_hash: row.parse_opt("callback_hash", self.callback_hash.as_deref())?,
            profile: row.parse_opt("profile", self.profile.as_deref())?,
            revision: self.revision.map(|n| row.number("revision", n)).transpose()?,
            plan_hash: row.parse_opt("plan_hash", self.plan_hash.as_deref())?,
            address: row.parse_opt("address", self.address.as_deref())?,
            http_base: self.http_base,
            image: self.image,
            started: self.started,
            deadline: self.deadline,
            up: self.up,
            heartbeat: self.heartbeat,
            last_step: self.last_step,
            failed_step: self.failed_step,
            failed_reason: self.failed_reason,
            os: self.os,
        })
    }
}

fn all(recs: Vec<BootRec>) -> Result<Vec<Boot>> {
    recs.into_iter().map(BootRec::into_boot).collect()
}

impl Tx<'_> {
    /// Insert or replace.
    pub fn put_boot(&mut self, boot: &Boot) -> Result<()> {
        let rec = BootRec::from(boot);
        self.run(format_args!("boot {}", boot.id), |c| {
            if diesel::update(boots::table.find(&rec.id)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(boots::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// By id.
    pub fn boot(&mut self, id: Uuid) -> Result<Option<Boot>> {
        let rec = self.run(format_args!("boot {id}"), |c| {
            boots::table.find(id.to_string()).select(BootRec::as_select()).first(c).optional()
        })?;
        rec.map(BootRec::into_boot).transpose()
    }

    /// By hash of the session credential.
    pub fn boot_by_session(&mut self, hash: &Sha256) -> Result<Option<Boot>> {
        let rec = self.run("boot of a session credential", |c| {
            let query = boots::table.filter(boots::session_hash.eq(hash.as_str()));
            query.select(BootRec::as_select()).first(c).optional()
        })?;
        rec.map(BootRec::into_boot).transpose()
    }

    /// By hash of the callback credential.
    pub fn boot_by_callback(&mut self, hash: &Sha256) -> Result<Option<Boot>> {
        let rec = self.run("boot of a callback credential", |c| {
            let query = boots::table.filter(boots::callback_hash.eq(hash.as_str()));
            query.select(BootRec::as_select()).first(c).optional()
        })?;
        rec.map(BootRec::into_boot).transpose()
    }

    /// Of a node, newest first; `before`: (started, id) of the last one seen.
    pub fn boots(&mut self, node: &NodeUuid, before: Option<(Micros, Uuid)>, limit: usize) -> Result<Vec<Boot>> {
        all(self.run(format_args!("boots of node {node}"), |c| {
            let mut query = boots::table
                .filter(boots::node.eq(node.as_str()))
                .order((boots::started.desc(), boots::id.desc()))
                .limit(limit_of(limit))
                .select(BootRec::as_select())
                .into_boxed();
            if let Some((started, id)) = before {
                let same_instant = boots::started.eq(started).and(boots::id.lt(id.to_string()));
                query = query.filter(boots::started.lt(started).or(same_instant));
            }
            query.load(c)
        })?)
    }

    /// The boot of a node that followed this one.
    pub fn boot_after(&mut self, boot: &Boot) -> Result<Option<Boot>> {
        let rec = self.run(format_args!("boot after {}", boot.id), |c| {
            let same_instant = boots::started.eq(boot.started).and(boots::id.gt(boot.id.to_string()));
            boots::table
                .filter(boots::node.eq(boot.node.as_str()))
                .filter(boots::started.gt(boot.started).or(same_instant))
                .order((boots::started, boots::id))
                .select(BootRec::as_select())
                .first(c)
                .optional()
        })?;
        rec.map(BootRec::into_boot).transpose()
    }

    /// Forget ended boots of a node (with their events) but the newest `keep`.
    pub fn prune_boots(&mut self, node: &NodeUuid, keep: usize) -> Result<()> {
        self.run(format_args!("old boots of node {node}"), |c| {
            let old: Vec<String> = boots::table
                .filter(boots::node.eq(node.as_str()))
                .filter(boots::phase.eq(Phase::Ended.as_str()))
                .order((boots::started.desc(), boots::id.desc()))
                .offset(limit_of(keep))
                .limit(100)
                .select(boots::id)
                .load(c)?;
            for id in &old {
                diesel::delete(boots::table.find(id)).execute(c)?;
            }
            Ok(())
        })
    }

    /// Booting, with a deadline before `now`, the longest overdue first; at most `limit`.
    pub fn overdue_boots(&mut self, now: Micros, limit: usize) -> Result<Vec<Boot>> {
        all(self.run("overdue boots", |c| {
            boots::table
                .filter(boots::phase.eq(Phase::Booting.as_str()))
                .filter(boots::deadline.lt(now))
                .order((boots::deadline, boots::id))
                .limit(limit_of(limit))
                .select(BootRec::as_select())
                .load(c)
        })?)
    }
}
