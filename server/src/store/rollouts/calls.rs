//! What rollouts ask of the world outside: kept from the transaction that decided it until its answer is known.

use crate::domain::Micros;
use crate::domain::rollout::{CallState, Task};
use crate::error::Result;
use crate::store::schema::rollout_actions;
use crate::store::tx::{Row, Tx, limit_of};
use diesel::prelude::*;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rollout_actions, primary_key(rollout, id))]
struct TaskRec {
    rollout: String,
    id: String,
    n: i64,
    node: String,
    kind: String,
    state: String,
    message: String,
    attempts: i64,
    due: i64,
    deadline: i64,
}

impl From<&Task> for TaskRec {
    fn from(task: &Task) -> Self {
        Self {
            rollout: task.rollout.to_string(),
            id: task.id.clone(),
            n: i64::from(task.n),
            node: task.node.to_string(),
            kind: task.call.to_string(),
            state: task.state.to_string(),
            message: task.message.clone(),
            attempts: i64::from(task.attempts),
            due: task.due,
            deadline: task.deadline,
        }
    }
}

impl TaskRec {
    fn into_task(self) -> Result<Task> {
        let row = Row { table: "rollout_actions", key: &self.id };
        Ok(Task {
            rollout: row.parse("rollout", &self.rollout)?,
            n: row.number("n", self.n)?,
            node: row.parse("node", &self.node)?,
            call: row.parse("kind", &self.kind)?,
            state: row.parse("state", &self.state)?,
            attempts: row.number("attempts", self.attempts)?,
            id: self.id,
            message: self.message,
            due: self.due,
            deadline: self.deadline,
        })
    }
}

fn all(recs: Vec<TaskRec>) -> Result<Vec<Task>> {
    recs.into_iter().map(TaskRec::into_task).collect()
}

impl Tx<'_> {
    /// To be done. One that is there already stays as it is.
    pub fn add_call(&mut self, task: &Task) -> Result<()> {
        let rec = TaskRec::from(task);
        self.run(format_args!("call {} of rollout {}", task.id, task.rollout), |c| {
            let there = rollout_actions::table.find((&rec.rollout, &rec.id)).count().get_result::<i64>(c)? > 0;
            if !there {
                diesel::insert_into(rollout_actions::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Calls of these members that have their answer.
    pub fn ended_calls_of(&mut self, rollout: Uuid, members: &[u32]) -> Result<Vec<Task>> {
        let members: Vec<i64> = members.iter().map(|n| i64::from(*n)).collect();
        all(self.run(format_args!("calls of rollout {rollout}"), |c| {
            rollout_actions::table
                .filter(rollout_actions::rollout.eq(rollout.to_string()))
                .filter(rollout_actions::n.eq_any(members))
                .filter(rollout_actions::state.ne(CallState::Waiting.as_str()))
                .select(TaskRec::as_select())
                .load(c)
        })?)
    }

    /// What a member still waits for is not asked any more; how many calls there were. One that is under way ends, and
    /// nobody looks at its answer.
    pub fn end_calls(&mut self, rollout: Uuid, n: u32, message: &str) -> Result<usize> {
        self.run(format_args!("calls of rollout {rollout}"), |c| {
            let waiting = rollout_actions::table
                .filter(rollout_actions::rollout.eq(rollout.to_string()))
                .filter(rollout_actions::n.eq(i64::from(n)))
                .filter(rollout_actions::state.eq(CallState::Waiting.as_str()));
            let ended = (rollout_actions::state.eq(CallState::Failed.as_str()), rollout_actions::message.eq(message));
            diesel::update(waiting).set(ended).execute(c)
        })
    }

    /// Waiting calls whose time has come, the longest due first.
    pub fn due_calls(&mut self, now: Micros, limit: usize) -> Result<Vec<Task>> {
        all(self.run("calls of rollouts", |c| {
            rollout_actions::table
                .filter(rollout_actions::state.eq(CallState::Waiting.as_str()))
                .filter(rollout_actions::due.le(now))
                .order((rollout_actions::due, rollout_actions::id))
                .limit(limit_of(limit))
                .select(TaskRec::as_select())
                .load(c)
        })?)
    }

    /// Replace `before` by `after`; false: it is not as it was, and nothing was changed.
    pub fn step_call(&mut self, before: &Task, after: &Task) -> Result<bool> {
        let rec = TaskRec::from(after);
        let changed = self.run(format_args!("call {} of rollout {}", after.id, after.rollout), |c| {
            let same = rollout_actions::table
                .find((&rec.rollout, &rec.id))
                .filter(rollout_actions::state.eq(before.state.as_str()))
                .filter(rollout_actions::attempts.eq(i64::from(before.attempts)));
            diesel::update(same).set(&rec).execute(c)
        })?;
        Ok(changed > 0)
    }
}
