//! Attempts of updates: handed out, reported, ended, cleared.

use super::{program, program_json};
use crate::domain::firmware::{Attempt, Outcome, Report, Tried};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::store::schema::firmware_attempts as table;
use crate::store::tx::{Row, Tx, limit_of};
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, primary_key(id), treat_none_as_null = true)]
struct AttemptRec {
    id: String,
    node: String,
    boot: String,
    rule: String,
    component: String,
    subject: String,
    wanted: String,
    n: i64,
    found_before: String,
    found_after: Option<String>,
    blob: String,
    program: String,
    started: i64,
    deadline: i64,
    reported: Option<i64>,
    exit_status: String,
    output: String,
    ended: Option<i64>,
    outcome: Option<String>,
    cleared: Option<i64>,
}

impl AttemptRec {
    fn new(attempt: &Attempt) -> Result<Self> {
        let report = attempt.report.as_ref();
        Ok(Self {
            id: attempt.id.to_string(),
            node: attempt.node.to_string(),
            boot: attempt.boot.to_string(),
            rule: attempt.rule.to_string(),
            component: attempt.kind.to_string(),
            subject: attempt.subject.clone(),
            wanted: attempt.wanted.clone(),
            n: i64::from(attempt.n),
            found_before: attempt.before.clone(),
            found_after: attempt.after.clone(),
            blob: attempt.program.blob.to_string(),
            program: program_json(&attempt.program)?,
            started: attempt.started,
            deadline: attempt.deadline,
            reported: report.map(|r| r.at),
            exit_status: report.map(|r| r.exit.clone()).unwrap_or_default(),
            output: report.map(|r| r.output.clone()).unwrap_or_default(),
            ended: attempt.ended.map(|(at, _)| at),
            outcome: attempt.ended.map(|(_, outcome)| outcome.to_string()),
            cleared: attempt.cleared,
        })
    }

    fn into_attempt(self) -> Result<Attempt> {
        let row = Row { table: "firmware_attempts", key: &self.id };
        let outcome: Option<Outcome> = row.parse_opt("outcome", self.outcome.as_deref())?;
        Ok(Attempt {
            id: row.parse("id", &self.id)?,
            node: row.parse("node", &self.node)?,
            boot: row.parse("boot", &self.boot)?,
            rule: row.parse("rule", &self.rule)?,
            kind: row.parse("component", &self.component)?,
            n: row.number("n", self.n)?,
            program: program(row, &self.blob, &self.program)?,
            subject: self.subject,
            wanted: self.wanted,
            before: self.found_before,
            after: self.found_after,
            started: self.started,
            deadline: self.deadline,
            report: self.reported.map(|at| Report { at, exit: self.exit_status, output: self.output }),
            ended: self.ended.zip(outcome),
            cleared: self.cleared,
        })
    }
}

fn all(recs: Vec<AttemptRec>) -> Result<Vec<Attempt>> {
    recs.into_iter().map(AttemptRec::into_attempt).collect()
}

impl Tx<'_> {
    /// Insert or replace. A second open one of its node is a conflict.
    pub fn put_firmware_attempt(&mut self, attempt: &Attempt) -> Result<()> {
        let rec = AttemptRec::new(attempt)?;
        self.run(format_args!("firmware attempt {} of node {}", attempt.id, attempt.node), |c| {
            if diesel::update(table::table.find(&rec.id)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(table::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// By id.
    pub fn firmware_attempt(&mut self, id: Uuid) -> Result<Option<Attempt>> {
        let rec: Option<AttemptRec> = self.run(format_args!("firmware attempt {id}"), |c| {
            table::table.find(id.to_string()).select(AttemptRec::as_select()).first(c).optional()
        })?;
        rec.map(AttemptRec::into_attempt).transpose()
    }

    /// Of a node, newest first.
    pub fn firmware_attempts(&mut self, node: &NodeUuid, limit: usize) -> Result<Vec<Attempt>> {
        all(self.run(format_args!("firmware attempts of node {node}"), |c| {
            let of_node = table::table.filter(table::node.eq(node.as_str())).order(table::id.desc());
            of_node.limit(limit_of(limit)).select(AttemptRec::as_select()).load(c)
        })?)
    }

    /// The one of a node that is open, or the newest that was handed out in `boot`.
    pub fn last_firmware_attempt(&mut self, node: &NodeUuid, boot: Uuid) -> Result<Option<Attempt>> {
        let rec: Option<AttemptRec> = self.run(format_args!("firmware attempts of node {node}"), |c| {
            table::table
                .filter(table::node.eq(node.as_str()))
                .filter(table::ended.is_null().or(table::boot.eq(boot.to_string())))
                .order((table::ended.is_null().desc(), table::id.desc()))
                .select(AttemptRec::as_select())
                .first(c)
                .optional()
        })?;
        rec.map(AttemptRec::into_attempt).transpose()
    }

    /// The attempts of a node that count: those that no person cleared.
    pub fn firmware_tried(&mut self, node: &NodeUuid) -> Result<Vec<Tried>> {
        let found: Vec<(String, String, String, String)> =
            self.run(format_args!("firmware attempts of node {node}"), |c| {
                table::table
                    .filter(table::node.eq(node.as_str()))
                    .filter(table::cleared.is_null())
                    .select((table::rule, table::component, table::subject, table::wanted))
                    .load(c)
            })?;
        let row = Row { table: "firmware_attempts", key: node };
        let key = |kind: String, subject: String| if subject.is_empty() { kind } else { format!("{kind}:{subject}") };
        found
            .into_iter()
            .map(|(rule, kind, subject, wanted)| {
                Ok(Tried { rule: row.parse("rule", &rule)?, component: key(kind, subject), wanted })
            })
            .collect()
    }

    /// Open attempts whose nodes should have come back before `now`, the longest overdue first.
    pub fn overdue_firmware_attempts(&mut self, now: Micros, limit: usize) -> Result<Vec<Attempt>> {
        all(self.run("overdue firmware attempts", |c| {
            let overdue = table::table.filter(table::ended.is_null()).filter(table::deadline.lt(now));
            overdue.order(table::deadline).limit(limit_of(limit)).select(AttemptRec::as_select()).load(c)
        })?)
    }

    /// What was tried counts no more; returns how many did.
    pub fn clear_firmware_attempts(&mut self, node: &NodeUuid, at: Micros) -> Result<usize> {
        self.run(format_args!("firmware attempts of node {node}"), |c| {
            let counting = table::table.filter(table::node.eq(node.as_str())).filter(table::cleared.is_null());
            diesel::update(counting).set(table::cleared.eq(at)).execute(c)
        })
    }

    /// Empty the output of all but the newest `outputs`, and drop the oldest cleared ones beyond `keep`. Those that count
    /// are never dropped.
    pub fn prune_firmware_attempts(&mut self, node: &NodeUuid, outputs: usize, keep: usize) -> Result<()> {
        let of_node = || table::table.filter(table::node.eq(node.as_str())).order(table::id.desc()).select(table::id);
        self.run(format_args!("firmware attempts of node {node}"), |c| {
            let oldest: Option<String> = of_node().offset(limit_of(outputs)).first(c).optional()?;
            if let Some(id) = oldest {
                let quiet = table::table.filter(table::node.eq(node.as_str())).filter(table::id.le(id));
                diesel::update(quiet.filter(table::output.ne(""))).set(table::output.eq("")).execute(c)?;
            }
            let oldest: Option<String> = of_node().offset(limit_of(keep)).first(c).optional()?;
            if let Some(id) = oldest {
                let gone = table::table.filter(table::node.eq(node.as_str())).filter(table::id.le(id));
                diesel::delete(gone.filter(table::cleared.is_not_null()).filter(table::ended.is_not_null()))
                    .execute(c)?;
            }
            Ok(())
        })
    }
}
