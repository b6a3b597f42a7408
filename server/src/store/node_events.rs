//! What was noticed of nodes, open or put right.

use super::schema::node_events;
use super::tx::{Row, Tx, limit_of};
use crate::domain::node_event::{Kind, NodeEvent, Notice, Severity};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeEventFilter {
    /// Of this node.
    pub node: Option<NodeUuid>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// Only those that are not put right and that nobody has acknowledged.
    pub open: bool,
}

/// How many open events share kind and severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEventCount {
    /// Kind.
    pub kind: Kind,
    /// Severity.
    pub severity: Severity,
    /// Events.
    pub count: u64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = node_events)]
struct EventRec {
    id: String,
    node: String,
    kind: String,
    severity: String,
    subject: String,
    message: String,
    at: i64,
    cleared: Option<i64>,
    acknowledged: Option<i64>,
    acknowledged_by: Option<String>,
}

impl EventRec {
    fn into_event(self) -> Result<NodeEvent> {
        let row = Row { table: "node_events", key: &self.id };
        Ok(NodeEvent {
            id: row.parse("id", &self.id)?,
            node: row.parse("node", &self.node)?,
            notice: Notice {
                kind: row.parse("kind", &self.kind)?,
                severity: row.parse("severity", &self.severity)?,
                subject: self.subject,
                message: self.message,
            },
            at: self.at,
            cleared: self.cleared,
            acknowledged: self.acknowledged.map(|at| (at, self.acknowledged_by.unwrap_or_default())),
        })
    }
}

impl Tx<'_> {
    /// Open an event; false when the same one (subject, severity, message) is open already, since when it was first
    /// noticed. An open one of this subject that says something else is cleared.
    pub fn raise(&mut self, id: Uuid, node: &NodeUuid, notice: &Notice, at: Micros) -> Result<bool> {
        let rec = EventRec {
            id: id.to_string(),
            node: node.to_string(),
            kind: notice.kind.to_string(),
            severity: notice.severity.to_string(),
            subject: notice.subject.clone(),
            message: crate::domain::boot::clean(&notice.message, 500),
            at,
            cleared: None,
            acknowledged: None,
            acknowledged_by: None,
        };
        let open = node_events::table
            .filter(node_events::node.eq(node.as_str()))
            .filter(node_events::subject.eq(&notice.subject))
            .filter(node_events::cleared.is_null());
        self.run(format_args!("event of node {node}"), |c| {
            let same =
                open.filter(node_events::severity.eq(&rec.severity)).filter(node_events::message.eq(&rec.message));
            if same.count().get_result::<i64>(c)? > 0 {
                return Ok(false);
            }
            diesel::update(open).set(node_events::cleared.eq(at)).execute(c)?;
            diesel::insert_into(node_events::table).values(&rec).execute(c)?;
            Ok(true)
        })
    }

    /// What was noticed of `subject` is put right; returns whether anything was open.
    pub fn clear_subject(&mut self, node: &NodeUuid, subject: &str, at: Micros) -> Result<bool> {
        let open = node_events::table
            .filter(node_events::node.eq(node.as_str()))
            .filter(node_events::subject.eq(subject))
            .filter(node_events::cleared.is_null());
        let cleared = self.run(format_args!("events of node {node}"), |c| {
            diesel::update(open).set(node_events::cleared.eq(at)).execute(c)
        })?;
        Ok(cleared > 0)
    }

    /// Newest first, before the cursor.
    pub fn node_events(
        &mut self,
        filter: &NodeEventFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<NodeEvent>> {
        let recs: Vec<EventRec> = self.run("events of nodes", |c| {
            let mut query = node_events::table
                .select(EventRec::as_select())
                .order(node_events::id.desc())
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(node_events::id.lt(before.to_string()));
            }
            if let Some(node) = &filter.node {
                query = query.filter(node_events::node.eq(node.as_str()));
            }
            if let Some(kind) = filter.kind {
                query = query.filter(node_events::kind.eq(kind.as_str()));
            }
            if let Some(severity) = filter.severity {
                query = query.filter(node_events::severity.eq(severity.as_str()));
            }
            if filter.open {
                query = query.filter(node_events::cleared.is_null()).filter(node_events::acknowledged.is_null());
            }
            query.load(c)
        })?;
        recs.into_iter().map(EventRec::into_event).collect()
    }

    /// How many events of each of these nodes are open; nodes without any are absent.
    pub fn open_events_of(&mut self, nodes: &[&str]) -> Result<BTreeMap<String, u32>> {
        let open = node_events::table
            .filter(node_events::node.eq_any(nodes))
            .filter(node_events::cleared.is_null())
            .filter(node_events::acknowledged.is_null())
            .group_by(node_events::node)
            .select((node_events::node, diesel::dsl::count_star()));
        let recs: Vec<(String, i64)> = self.run("number of node events", |c| open.load(c))?;
        let row = Row { table: "node_events", key: &"(counted)" };
        recs.into_iter().map(|(node, count)| Ok((node, row.number("count", count)?))).collect()
    }

    /// Subjects of a node's warnings and alarms that are not put right, seen or not.
    pub fn warned_subjects(&mut self, node: &NodeUuid, kind: Kind) -> Result<BTreeSet<String>> {
        let bad = [Severity::Warning.as_str(), Severity::Alarm.as_str()];
        let found: Vec<String> = self.run(format_args!("events of node {node}"), |c| {
            node_events::table
                .filter(node_events::node.eq(node.as_str()))
                .filter(node_events::kind.eq(kind.as_str()))
                .filter(node_events::cleared.is_null())
                .filter(node_events::severity.eq_any(bad))
                .select(node_events::subject)
                .load(c)
        })?;
        Ok(found.into_iter().collect())
    }

    /// A person has seen it. `None`: there is no such event. A first acknowledgement stays.
    pub fn acknowledge(&mut self, id: Uuid, by: &str, at: Micros) -> Result<Option<NodeEvent>> {
        let key = id.to_string();
        let rec: Option<EventRec> = self.run(format_args!("node event {id}"), |c| {
            diesel::update(node_events::table.find(&key).filter(node_events::acknowledged.is_null()))
                .set((node_events::acknowledged.eq(at), node_events::acknowledged_by.eq(by)))
                .execute(c)?;
            node_events::table.find(&key).select(EventRec::as_select()).first(c).optional()
        })?;
        rec.map(EventRec::into_event).transpose()
    }

    /// A person has seen all open ones of the filter up to `newest`; how many, at most `limit`.
    pub fn acknowledge_all(
        &mut self,
        filter: &NodeEventFilter,
        newest: Uuid,
        by: &str,
        at: Micros,
        limit: usize,
    ) -> Result<usize> {
        let open = NodeEventFilter { open: true, ..filter.clone() };
        // The cursor is exclusive; ids are in order of time.
        let before = Uuid::from_u128(newest.as_u128().saturating_add(1));
        let found = self.node_events(&open, Some(before), limit)?;
        let ids: Vec<String> = found.iter().map(|event| event.id.to_string()).collect();
        self.run("node events", |c| {
            diesel::update(node_events::table.filter(node_events::id.eq_any(&ids)))
                .set((node_events::acknowledged.eq(at), node_events::acknowledged_by.eq(by)))
                .execute(c)
        })
    }

    /// Take as over what was an information only, or was seen by a person, before `before`; how many, at most `limit`.
    pub fn clear_stale_events(&mut self, before: Micros, at: Micros, limit: usize) -> Result<usize> {
        self.run("old node events", |c| {
            let stale = node_events::severity
                .eq(Severity::Info.as_str())
                .and(node_events::at.lt(before))
                .or(node_events::acknowledged.lt(before).assume_not_null());
            let ids: Vec<String> = node_events::table
                .filter(node_events::cleared.is_null())
                .filter(stale)
                .order(node_events::id)
                .limit(limit_of(limit))
                .select(node_events::id)
                .load(c)?;
            diesel::update(node_events::table.filter(node_events::id.eq_any(&ids)))
                .set(node_events::cleared.eq(at))
                .execute(c)
        })
    }

    /// Open events by kind and severity.
    pub fn open_node_events(&mut self) -> Result<Vec<NodeEventCount>> {
        let open = node_events::table
            .filter(node_events::cleared.is_null())
            .filter(node_events::acknowledged.is_null())
            .group_by((node_events::kind, node_events::severity))
            .select((node_events::kind, node_events::severity, diesel::dsl::count_star()));
        let recs: Vec<(String, String, i64)> = self.run("number of node events", |c| open.load(c))?;
        let row = Row { table: "node_events", key: &"(counted)" };
        recs.into_iter()
            .map(|(kind, severity, count)| {
                Ok(NodeEventCount {
                    kind: row.parse("kind", &kind)?,
                    severity: row.parse("severity", &severity)?,
                    count: row.number("count", count)?,
                })
            })
            .collect()
    }

    /// Drop the oldest cleared events of a node beyond `keep`.
    pub fn prune_node_events(&mut self, node: &NodeUuid, keep: usize) -> Result<()> {
        self.run(format_args!("events of node {node}"), |c| {
            let oldest_kept: Option<String> = node_events::table
                .filter(node_events::node.eq(node.as_str()))
                .filter(node_events::cleared.is_not_null())
                .order(node_events::id.desc())
                .offset(limit_of(keep))
                .select(node_events::id)
                .first(c)
                .optional()?;
            if let Some(last) = oldest_kept {
                diesel::delete(
                    node_events::table
                        .filter(node_events::node.eq(node.as_str()))
                        .filter(node_events::cleared.is_not_null())
                        .filter(node_events::id.le(last)),
                )
                .execute(c)?;
            }
            Ok(())
        })
    }
}
