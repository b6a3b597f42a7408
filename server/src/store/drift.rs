//! What a boot of a node would get now, kept beside the node as the hash of its plan, and the contents of plans by hash.
//! A change of what goes into plans makes those of the nodes concerned stale in its own transaction; somebody works them
//! out later.

use super::connection::AnyConnection;
use super::nodes::NodeRec;
use super::schema::{boots, nodes, plans, profiles, stale_profiles};
use super::tx::{Row, Tx, limit_of};
use crate::domain::drift::Drift;
use crate::domain::node::Node;
use crate::domain::{Micros, Name, NodeUuid, Sha256};
use crate::error::{Error, Result};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

/// A node whose plan is to be worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The node.
    pub node: Node,
    /// Of what was read; for [`Tx::settle_planned`].
    pub epoch: i64,
}

#[derive(QueryableByName)]
struct CountRec {
    #[diesel(sql_type = Text)]
    drift: String,
    #[diesel(sql_type = BigInt)]
    nodes: i64,
}

impl Tx<'_> {
    /// What this node would get has perhaps changed.
    pub fn stale_node(&mut self, node: &NodeUuid) -> Result<()> {
        let changed = (nodes::planned.eq(None::<String>), nodes::plan_epoch.eq(nodes::plan_epoch + 1));
        self.run(format_args!("plan of node {node}"), |c| {
            diesel::update(nodes::table.find(node.as_str())).set(changed).execute(c)?;
            Ok(())
        })
    }

    /// A profile has another active revision: a mark, by which its nodes are found. None of them is written, for they are written
    /// all the time.
    pub fn stale_profile(&mut self, profile: &Name) -> Result<()> {
        self.run(format_args!("plans of profile {profile}"), |c| {
            let row = stale_profiles::profile.eq(profile.as_str());
            match c {
                AnyConnection::Sqlite(c) => {
                    diesel::insert_into(stale_profiles::table).values(row).on_conflict_do_nothing().execute(c)?
                }
                AnyConnection::Postgres(c) => {
                    diesel::insert_into(stale_profiles::table).values(row).on_conflict_do_nothing().execute(c)?
                }
            };
            Ok(())
        })
    }

    /// Profiles with a mark.
    pub fn stale_profiles(&mut self) -> Result<Vec<Name>> {
        let found: Vec<String> = self.run("profiles that changed", |c| {
            stale_profiles::table.order(stale_profiles::profile).select(stale_profiles::profile).load(c)
        })?;
        found.iter().map(|name| Row { table: "stale_profiles", key: name }.parse("profile", name)).collect()
    }

    /// Take a profile's mark away, if all of its nodes are worked out by its active revision.
    pub fn settle_profile(&mut self, profile: &Name) -> Result<()> {
        if !self.outdated_nodes(profile, None, 1)?.is_empty() {
            return Ok(());
        }
        self.run(format_args!("plans of profile {profile}"), |c| {
            diesel::delete(stale_profiles::table.find(profile.as_str())).execute(c)?;
            Ok(())
        })
    }

    /// Nodes of a profile, but for those with a pin, that are worked out by another revision than its active one, in order
    /// of UUID.
    pub fn outdated_nodes(&mut self, profile: &Name, after: Option<&NodeUuid>, limit: usize) -> Result<Vec<Stale>> {
        let recs: Vec<(NodeRec, i64)> = self.run(format_args!("nodes of profile {profile} to plan"), |c| {
            let mut query = nodes::table
                .inner_join(profiles::table.on(profiles::name.nullable().eq(nodes::profile)))
                .filter(nodes::profile.eq(profile.as_str()))
                .filter(nodes::planned.is_not_null())
                .filter(nodes::profile_revision.is_null())
                .filter(nodes::planned_by.is_null().or(nodes::planned_by.ne(profiles::active.nullable())))
                .order(nodes::uuid)
                .select((NodeRec::as_select(), nodes::plan_epoch))
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(nodes::uuid.gt(after.as_str()));
            }
            query.load(c)
        })?;
        recs.into_iter().map(|(rec, epoch)| Ok(Stale { node: rec.into_node()?, epoch })).collect()
    }

    /// Nodes whose plans are to be worked out, whatever became of their profiles, in order of UUID.
    pub fn stale_nodes(&mut self, after: Option<&NodeUuid>, limit: usize) -> Result<Vec<Stale>> {
        let recs: Vec<(NodeRec, i64)> = self.run("nodes to plan", |c| {
            let mut query = nodes::table
                .filter(nodes::planned.is_null())
                .order(nodes::uuid)
                .select((NodeRec::as_select(), nodes::plan_epoch))
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(nodes::uuid.gt(after.as_str()));
            }
            query.load(c)
        })?;
        recs.into_iter().map(|(rec, epoch)| Ok(Stale { node: rec.into_node()?, epoch })).collect()
    }

    /// `by`: the revision of its profile that counted; `hash`: none when the node would get nothing. False: it changed since
    /// its epoch was read, and nothing was written.
    pub fn settle_planned(
        &mut self,
        node: &NodeUuid,
        epoch: i64,
        by: Option<u32>,
        hash: Option<&Sha256>,
    ) -> Result<bool> {
        let settled = (nodes::planned.eq(hash.map_or("", Sha256::as_str)), nodes::planned_by.eq(by.map(i64::from)));
        let same = nodes::table.find(node.as_str()).filter(nodes::plan_epoch.eq(epoch));
        let settled =
            self.run(format_args!("plan of node {node}"), |c| diesel::update(same).set(settled).execute(c))?;
        Ok(settled > 0)
    }

    /// Hash of what the node would get: empty: nothing; none: to be worked out.
    pub fn planned(&mut self, node: &NodeUuid) -> Result<Option<String>> {
        type Found = (Option<String>, Option<i64>, Option<i64>, Option<i64>);
        let found: Option<Found> = self.run(format_args!("plan of node {node}"), |c| {
            nodes::table
                .left_join(profiles::table.on(profiles::name.nullable().eq(nodes::profile)))
                .filter(nodes::uuid.eq(node.as_str()))
                .select((nodes::planned, nodes::planned_by, nodes::profile_revision, profiles::active.nullable()))
                .first(c)
                .optional()
        })?;
        Ok(found.and_then(|(planned, by, pin, active)| planned.filter(|_| by == pin.or(active))))
    }

    /// Keep what a boot got, and what is kept beside it; again: the same, with what is beside it now.
    pub fn put_plan_content(&mut self, hash: &Sha256, content: &str, now: Micros) -> Result<()> {
        self.run(format_args!("plan {hash}"), |c| {
            let known: i64 = plans::table.find(hash.as_str()).count().get_result(c)?;
            if known == 0 {
                let row = (plans::hash.eq(hash.as_str()), plans::content.eq(content), plans::made.eq(now));
                match c {
                    AnyConnection::Sqlite(c) => {
                        diesel::insert_into(plans::table).values(row).on_conflict_do_nothing().execute(c)?
                    }
                    AnyConnection::Postgres(c) => {
                        diesel::insert_into(plans::table).values(row).on_conflict_do_nothing().execute(c)?
                    }
                };
            } else {
                let other = plans::table.find(hash.as_str()).filter(plans::content.ne(content));
                diesel::update(other).set(plans::content.eq(content)).execute(c)?;
            }
            Ok(())
        })
    }

    /// JSON; none: it was made by an earlier release, or is forgotten.
    pub fn plan_content(&mut self, hash: &Sha256) -> Result<Option<serde_json::Value>> {
        let found: Option<String> = self.run(format_args!("plan {hash}"), |c| {
            plans::table.find(hash.as_str()).select(plans::content).first(c).optional()
        })?;
        found.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()
    }

    /// Those made before `before` that are of no node's present boot any more; how many.
    pub fn forget_plans(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("plans of the past", |c| {
            let present = nodes::uuid.eq(boots::node).and(nodes::boot.eq(boots::id.nullable()));
            let named =
                boots::table.inner_join(nodes::table.on(present)).filter(boots::plan_hash.eq(plans::hash.nullable()));
            let old: Vec<String> = plans::table
                .filter(plans::made.lt(before))
                .filter(diesel::dsl::not(diesel::dsl::exists(named)))
                .select(plans::hash)
                .limit(limit_of(limit))
                .load(c)?;
            diesel::delete(plans::table.filter(plans::hash.eq_any(old))).execute(c)
        })
    }

    /// Nodes that run or are about to, by what a reboot would do; grouped in the database.
    pub fn drift_counts(&mut self) -> Result<Vec<(Drift, u64)>> {
        const SQL: &str = "SELECT CASE WHEN n.planned IS NULL OR b.plan_hash IS NULL \
             OR n.planned_by IS DISTINCT FROM COALESCE(n.profile_revision, p.active) THEN 'unknown' \
             WHEN n.planned = '' THEN 'unplanned' WHEN n.planned = b.plan_hash THEN 'same' ELSE 'changed' END AS drift, \
             COUNT(*) AS nodes FROM nodes n JOIN boots b ON b.id = n.boot \
             LEFT JOIN profiles p ON p.name = n.profile WHERE b.phase IN ('running', 'booting') GROUP BY 1";
        let query = diesel::sql_query(SQL);
        let recs: Vec<CountRec> = self.run("drift", |c| match c {
            AnyConnection::Sqlite(c) => query.load(c),
            AnyConnection::Postgres(c) => query.load(c),
        })?;
        let row = Row { table: "nodes", key: &"(counted)" };
        recs.iter().map(|rec| Ok((row.parse("drift", &rec.drift)?, row.number("count", rec.nodes)?))).collect()
    }
}
