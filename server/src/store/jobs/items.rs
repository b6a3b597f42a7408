//! Items of jobs: found, claimed, renewed, ended.

use crate::domain::job::{Item, ItemState};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::store::connection::AnyConnection;
use crate::store::schema::{job_items, nodes};
use crate::store::tx::{Row, Tx, limit_of};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

#[derive(Queryable, QueryableByName, Selectable, AsChangeset)]
#[diesel(table_name = job_items, primary_key(job, n), treat_none_as_null = true)]
struct ItemRec {
    job: String,
    n: i64,
    node: String,
    state: String,
    claimed_by: Option<String>,
    lease_until: Option<i64>,
    attempts: i64,
    message: String,
    started: Option<i64>,
    ended: Option<i64>,
}

impl From<&Item> for ItemRec {
    fn from(item: &Item) -> Self {
        Self {
            job: item.job.to_string(),
            n: i64::from(item.n),
            node: item.node.to_string(),
            state: item.state.to_string(),
            claimed_by: item.claimed_by.clone(),
            lease_until: item.lease_until,
            attempts: i64::from(item.attempts),
            message: item.message.clone(),
            started: item.started,
            ended: item.ended,
        }
    }
}

impl ItemRec {
    fn into_item(self) -> Result<Item> {
        let row = Row { table: "job_items", key: &self.job };
        Ok(Item {
            job: row.parse("job", &self.job)?,
            n: row.number("n", self.n)?,
            node: row.parse("node", &self.node)?,
            state: row.parse("state", &self.state)?,
            attempts: row.number("attempts", self.attempts)?,
            claimed_by: self.claimed_by,
            lease_until: self.lease_until,
            message: self.message,
            started: self.started,
            ended: self.ended,
        })
    }
}

fn all(recs: Vec<ItemRec>) -> Result<Vec<Item>> {
    recs.into_iter().map(ItemRec::into_item).collect()
}

/// Waiting items whose node has nothing else under way and no earlier job that waits for it.
const STARTABLE: &str = "SELECT i.* FROM job_items i WHERE i.job = $1 AND i.state = 'waiting' \
    AND NOT EXISTS (SELECT 1 FROM job_items r WHERE r.node = i.node AND r.state = 'running') \
    AND NOT EXISTS (SELECT 1 FROM job_items e WHERE e.node = i.node AND e.state = 'waiting' AND e.job < i.job) \
    ORDER BY i.n LIMIT $2";

impl Tx<'_> {
    /// Items of a job in these states, state by state as listed, after the cursor.
    pub fn job_items(
        &mut self,
        job: Uuid,
        states: &[ItemState],
        after: Option<(ItemState, u32)>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        let from = after.and_then(|(state, _)| states.iter().position(|s| *s == state)).unwrap_or(0);
        for state in states.iter().skip(from) {
            let past = after.filter(|(of, _)| of == state).map_or(-1, |(_, n)| i64::from(n));
            let left = limit.saturating_sub(found.len());
            found.extend(all(self.run(format_args!("items of job {job}"), |c| {
                job_items::table
                    .filter(job_items::job.eq(job.to_string()))
                    .filter(job_items::state.eq(state.as_str()))
                    .filter(job_items::n.gt(past))
                    .order(job_items::n)
                    .limit(limit_of(left))
                    .select(ItemRec::as_select())
                    .load(c)
            })?)?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// One item.
    pub fn job_item(&mut self, job: Uuid, n: u32) -> Result<Option<Item>> {
        let rec: Option<ItemRec> = self.run(format_args!("item {n} of job {job}"), |c| {
            job_items::table.find((job.to_string(), i64::from(n))).select(ItemRec::as_select()).first(c).optional()
        })?;
        rec.map(ItemRec::into_item).transpose()
    }

    /// Items of a job that could be started now, in order.
    pub fn startable_items(&mut self, job: Uuid, limit: usize) -> Result<Vec<Item>> {
        let query = diesel::sql_query(STARTABLE).bind::<Text, _>(job.to_string()).bind::<BigInt, _>(limit_of(limit));
        all(self.run(format_args!("items of job {job}"), |c| match c {
            AnyConnection::Sqlite(c) => query.load(c),
            AnyConnection::Postgres(c) => query.load(c),
        })?)
    }

    /// Items of a job that are under way and whose server was not heard from in time.
    pub fn lost_items(&mut self, job: Uuid, now: Micros) -> Result<Vec<Item>> {
        all(self.run(format_args!("items of job {job}"), |c| {
            job_items::table
                .filter(job_items::job.eq(job.to_string()))
                .filter(job_items::state.eq(ItemState::Running.as_str()))
                .filter(job_items::lease_until.lt(now))
                .order(job_items::n)
                .select(ItemRec::as_select())
                .load(c)
        })?)
    }

    /// Items that this server does.
    pub fn items_of_server(&mut self, server: &str) -> Result<Vec<Item>> {
        all(self.run("items of a server", |c| {
            job_items::table
                .filter(job_items::claimed_by.eq(server))
                .filter(job_items::state.eq(ItemState::Running.as_str()))
                .select(ItemRec::as_select())
                .load(c)
        })?)
    }

    /// Replace `before` by `after`; false: it is not as it was, and nothing was changed.
    pub fn step_item(&mut self, before: &Item, after: &Item) -> Result<bool> {
        let rec = ItemRec::from(after);
        let changed = self.run(format_args!("item {} of job {}", after.n, after.job), |c| {
            // Each claim counts up, so that the one of a server that was lost is another one.
            let same = job_items::table
                .find((&rec.job, rec.n))
                .filter(job_items::state.eq(before.state.as_str()))
                .filter(job_items::attempts.eq(i64::from(before.attempts)));
            diesel::update(same).set(&rec).execute(c)
        })?;
        Ok(changed > 0)
    }

    /// No waiting item of a job will be done any more; how many there were.
    pub fn cancel_waiting(&mut self, job: Uuid, message: &str, now: Micros) -> Result<usize> {
        self.run(format_args!("items of job {job}"), |c| {
            let waiting = job_items::table
                .filter(job_items::job.eq(job.to_string()))
                .filter(job_items::state.eq(ItemState::Waiting.as_str()));
            diesel::update(waiting)
                .set((
                    job_items::state.eq(ItemState::Cancelled.as_str()),
                    job_items::message.eq(message),
                    job_items::ended.eq(now),
                ))
                .execute(c)
        })
    }

    /// This server lives; gives what it still has.
    pub fn renew_leases(&mut self, server: &str, until: Micros) -> Result<Vec<Item>> {
        self.run("leases", |c| {
            let mine = job_items::table
                .filter(job_items::claimed_by.eq(server))
                .filter(job_items::state.eq(ItemState::Running.as_str()));
            diesel::update(mine).set(job_items::lease_until.eq(until)).execute(c)
        })?;
        self.items_of_server(server)
    }

    /// UUIDs of nodes by host name; a name may have several, or none.
    pub fn nodes_by_hostname(&mut self, names: &[&str]) -> Result<Vec<(String, NodeUuid)>> {
        let found: Vec<(String, String)> = self.run("nodes by name", |c| {
            nodes::table
                .filter(nodes::hostname.eq_any(names))
                .order(nodes::uuid)
                .select((nodes::hostname, nodes::uuid))
                .load(c)
        })?;
        let row = Row { table: "nodes", key: &"(by name)" };
        found.into_iter().map(|(name, uuid)| Ok((name, row.parse("uuid", &uuid)?))).collect()
    }

    /// Waiting items of `from` are for `to` from now on, but in jobs that have `to` already.
    pub(in crate::store) fn move_waiting_items(&mut self, from: &NodeUuid, to: &NodeUuid) -> Result<()> {
        let of = |node: &NodeUuid| job_items::table.filter(job_items::node.eq(node.to_string()));
        let waiting = job_items::state.eq(ItemState::Waiting.as_str());
        self.run(format_args!("jobs of node {from}"), |c| {
            let wanted: Vec<String> = of(from).filter(waiting).select(job_items::job).load(c)?;
            let both: Vec<String> = of(to).filter(job_items::job.eq_any(&wanted)).select(job_items::job).load(c)?;
            diesel::update(of(from).filter(waiting).filter(job_items::job.ne_all(&both)))
                .set(job_items::node.eq(to.as_str()))
                .execute(c)
        })?;
        Ok(())
    }
}
