//! Members of rollouts.

use crate::domain::NodeUuid;
use crate::domain::rollout::{Member, Phase};
use crate::error::{Error, Result};
use crate::store::connection::AnyConnection;
use crate::store::schema::{rollout_members, rollouts};
use crate::store::tx::{Row, Tx, limit_of};
use diesel::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Rows of one INSERT, and nodes of one lookup.
const BATCH: usize = 500;

#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = rollout_members, primary_key(rollout, n), treat_none_as_null = true)]
struct MemberRec {
    rollout: String,
    n: i64,
    node: String,
    phase: String,
    wave: Option<i64>,
    before_profile: Option<String>,
    before_revision: Option<i64>,
    content: String,
}

impl MemberRec {
    fn new(rollout: Uuid, member: &Member) -> Result<Self> {
        Ok(Self {
            rollout: rollout.to_string(),
            n: i64::from(member.n),
            node: member.node.to_string(),
            phase: member.phase.to_string(),
            wave: member.begun.map(|_| i64::from(member.wave)),
            before_profile: member.before.profile.as_ref().map(ToString::to_string),
            before_revision: member.before.pin.map(i64::from),
            content: serde_json::to_string(member).map_err(Error::internal)?,
        })
    }

    fn into_member(self) -> Result<Member> {
        Row { table: "rollout_members", key: &self.rollout }.json("content", &self.content)
    }
}

fn all(recs: Vec<MemberRec>) -> Result<Vec<Member>> {
    recs.into_iter().map(MemberRec::into_member).collect()
}

impl Tx<'_> {
    pub(super) fn insert_members(&mut self, rollout: Uuid, members: &[Member]) -> Result<()> {
        // Each column by `eq`, null or not: a record with an `Option` would be one statement a row on SQLite.
        let row = |member: &Member| {
            let rec = MemberRec::new(rollout, member)?;
            Ok((
                rollout_members::rollout.eq(rec.rollout),
                rollout_members::n.eq(rec.n),
                rollout_members::node.eq(rec.node),
                rollout_members::phase.eq(rec.phase),
                rollout_members::wave.eq(rec.wave),
                rollout_members::before_profile.eq(rec.before_profile),
                rollout_members::before_revision.eq(rec.before_revision),
                rollout_members::content.eq(rec.content),
            ))
        };
        for piece in members.chunks(BATCH) {
            let rows: Vec<_> = piece.iter().map(row).collect::<Result<_>>()?;
            self.run(format_args!("members of rollout {rollout}"), |c| {
                let insert = diesel::insert_into(rollout_members::table).values(rows);
                match c {
                    AnyConnection::Sqlite(c) => insert.execute(c),
                    AnyConnection::Postgres(c) => insert.execute(c),
                }
            })?;
        }
        Ok(())
    }

    /// Replace one.
    pub fn put_member(&mut self, rollout: Uuid, member: &Member) -> Result<()> {
        let rec = MemberRec::new(rollout, member)?;
        self.run(format_args!("member {} of rollout {rollout}", member.n), |c| {
            diesel::update(rollout_members::table.find((&rec.rollout, rec.n))).set(&rec).execute(c).map(drop)
        })
    }

    /// All of a rollout, in order of their numbers.
    pub fn members(&mut self, rollout: Uuid) -> Result<Vec<Member>> {
        all(self.run(format_args!("members of rollout {rollout}"), |c| {
            rollout_members::table
                .filter(rollout_members::rollout.eq(rollout.to_string()))
                .order(rollout_members::n)
                .select(MemberRec::as_select())
                .load(c)
        })?)
    }

    /// Of these phases in their order, then by number, after the cursor.
    pub fn members_by_phase(
        &mut self,
        rollout: Uuid,
        phases: &[Phase],
        after: Option<(Phase, u32)>,
        limit: usize,
    ) -> Result<Vec<Member>> {
        let begin = after.and_then(|(phase, _)| phases.iter().position(|p| *p == phase)).unwrap_or(0);
        let mut found = Vec::new();
        for phase in phases.iter().skip(begin) {
            let past = after.filter(|(at, _)| at == phase).map_or(-1, |(_, n)| i64::from(n));
            let left = limit.saturating_sub(found.len());
            found.extend(all(self.run(format_args!("members of rollout {rollout}"), |c| {
                rollout_members::table
                    .filter(rollout_members::rollout.eq(rollout.to_string()))
                    .filter(rollout_members::phase.eq(phase.as_str()))
                    .filter(rollout_members::n.gt(past))
                    .order(rollout_members::n)
                    .limit(limit_of(left))
                    .select(MemberRec::as_select())
                    .load(c)
            })?)?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Which of these nodes are in a rollout that is open, and in which.
    pub fn nodes_in_rollouts(&mut self, nodes: &[NodeUuid]) -> Result<BTreeMap<String, Uuid>> {
        let mut found = BTreeMap::new();
        for piece in nodes.chunks(BATCH) {
            let keys: Vec<&str> = piece.iter().map(NodeUuid::as_str).collect();
            let recs: Vec<(String, String)> = self.run("rollouts of nodes", |c| {
                rollout_members::table
                    .inner_join(rollouts::table.on(rollouts::id.eq(rollout_members::rollout)))
                    .filter(rollout_members::node.eq_any(keys))
                    .filter(rollouts::ended.is_null())
                    .select((rollout_members::node, rollouts::id))
                    .load(c)
            })?;
            for (node, id) in recs {
                let id = Row { table: "rollouts", key: &id }.parse("id", &id)?;
                found.insert(node, id);
            }
        }
        Ok(found)
    }
}
