//! What nodes tried to boot and what they were up with last. What follows from it is decided in the domain.

use super::connection::AnyConnection;
use super::schema::{job_items, jobs, node_tries};
use super::tx::{Row, Tx, limit_of};
use crate::domain::bmc::BmcAction;
use crate::domain::fallback::{Exact, Tried, Tries};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = node_tries, primary_key(node), treat_none_as_null = true)]
pub(super) struct TriesRec {
    node: String,
    up_profile: Option<String>,
    up_revision: Option<i64>,
    tried_profile: Option<String>,
    tried_revision: Option<i64>,
    tried_since: Option<i64>,
    fallback_since: Option<i64>,
}

impl TriesRec {
    fn new(node: &NodeUuid, tries: &Tries) -> Self {
        let columns = |exact: Option<&Exact>| exact.map(|e| (e.profile.to_string(), i64::from(e.revision))).unzip();
        let (up_profile, up_revision) = columns(tries.up.as_ref());
        let (tried_profile, tried_revision) = columns(tries.tried.as_ref().map(|tried| &tried.what));
        Self {
            node: node.to_string(),
            up_profile,
            up_revision,
            tried_profile,
            tried_revision,
            tried_since: tries.tried.as_ref().map(|tried| tried.since),
            fallback_since: tries.fallback,
        }
    }

    pub(super) fn into_tries(self) -> Result<Tries> {
        let row = Row { table: "node_tries", key: &self.node };
        let exact = |profile: Option<String>, revision: Option<i64>| -> Result<Option<Exact>> {
            let Some((profile, revision)) = profile.zip(revision) else { return Ok(None) };
            let revision = row.number("revision", revision)?;
            Ok(Some(Exact { profile: row.parse("profile", &profile)?, revision }))
        };
        let tried = exact(self.tried_profile, self.tried_revision)?.zip(self.tried_since);
        Ok(Tries {
            up: exact(self.up_profile, self.up_revision)?,
            tried: tried.map(|(what, since)| Tried { what, since }),
            fallback: self.fallback_since,
        })
    }
}

#[derive(QueryableByName)]
struct CountRec {
    #[diesel(sql_type = BigInt)]
    nodes: i64,
}

impl Tx<'_> {
    /// Of a node; of one that never booted: nothing.
    pub fn tries(&mut self, node: &NodeUuid) -> Result<Tries> {
        let rec = self.run(format_args!("tries of node {node}"), |c| {
            node_tries::table.find(node.as_str()).select(TriesRec::as_select()).first(c).optional()
        })?;
        rec.map_or_else(|| Ok(Tries::default()), TriesRec::into_tries)
    }

    /// Insert or replace those of a node. A revision that it was up with must be there.
    pub fn put_tries(&mut self, node: &NodeUuid, tries: &Tries) -> Result<()> {
        let rec = TriesRec::new(node, tries);
        self.run(format_args!("tries of node {node}"), |c| {
            if diesel::update(node_tries::table.find(&rec.node)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(node_tries::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// When jobs did something to a node that ended what it was in the middle of, since then; the newest `limit`.
    pub fn stops(&mut self, node: &NodeUuid, since: Micros, limit: usize) -> Result<Vec<Micros>> {
        let found: Vec<(String, Option<i64>)> = self.run(format_args!("power actions on node {node}"), |c| {
            job_items::table
                .inner_join(jobs::table.on(jobs::id.eq(job_items::job)))
                .filter(job_items::node.eq(node.as_str()))
                .filter(job_items::started.ge(since))
                .order(job_items::started.desc())
                .limit(limit_of(limit))
                .select((jobs::action, job_items::started))
                .load(c)
        })?;
        let mut stops = Vec::new();
        for (action, started) in found {
            let action: BmcAction = Row { table: "jobs", key: node }.parse("action", &action)?;
            stops.extend(started.filter(|_| action.stops()));
        }
        Ok(stops)
    }

    /// Nodes in fallback: what failed is still what they are to boot. Retired ones do not count.
    pub fn fallback_count(&mut self) -> Result<u64> {
        // As `Tries::in_force` has it.
        const SQL: &str = "SELECT COUNT(*) AS nodes FROM node_tries t JOIN nodes n ON n.uuid = t.node \
             JOIN profiles p ON p.name = n.profile \
             WHERE t.fallback_since IS NOT NULL AND t.up_profile IS NOT NULL AND n.retired = $1 \
             AND t.tried_profile = n.profile AND t.tried_revision = COALESCE(n.profile_revision, p.active) \
             AND (n.profile_revision IS NOT NULL OR t.tried_since >= p.activated) \
             AND (t.up_profile <> t.tried_profile OR t.up_revision <> t.tried_revision)";
        let query = diesel::sql_query(SQL).bind::<diesel::sql_types::Bool, _>(false);
        let rec: CountRec = self.run("nodes in fallback", |c| match c {
            AnyConnection::Sqlite(c) => query.get_result(c),
            AnyConnection::Postgres(c) => query.get_result(c),
        })?;
        Row { table: "node_tries", key: &"(counted)" }.number("nodes", rec.nodes)
    }
}
