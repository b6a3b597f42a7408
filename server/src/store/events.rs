//! Events of boots: idempotent on (boot, seq), and bounded in number.

use super::schema::boot_events;
use super::tx::{Row, Tx, limit_of};
use crate::domain::Micros;
use crate::domain::boot::{Event, SERVER_SEQ};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = boot_events)]
struct EventRec {
    boot: String,
    seq: i64,
    at: i64,
    step: String,
    state: String,
    message: String,
    received: i64,
}

impl EventRec {
    fn into_event(self) -> Result<Event> {
        let row = Row { table: "boot_events", key: &format_args!("{} {}", self.boot, self.seq) };
        Ok(Event {
            seq: row.number("seq", self.seq)?,
            state: row.parse("state", &self.state)?,
            at: self.at,
            step: self.step,
            message: self.message,
        })
    }
}

impl Tx<'_> {
    /// Store those with a new seq, as long as the boot has fewer than `max`; returns the new ones' seqs. What was stored
    /// under a seq first stays.
    pub fn add_events(&mut self, boot: Uuid, events: &[Event], received: Micros, max: usize) -> Result<BTreeSet<u32>> {
        let (Some(first), Some(last)) = (events.iter().map(|e| e.seq).min(), events.iter().map(|e| e.seq).max()) else {
            return Ok(BTreeSet::new());
        };
        let id = boot.to_string();
        let of_boot = boot_events::table.filter(boot_events::boot.eq(&id));
        self.run(format_args!("events of boot {boot}"), |c| {
            let present: i64 = of_boot.count().get_result(c)?;
            let known: Vec<i64> = of_boot
                .filter(boot_events::seq.between(i64::from(first), i64::from(last)))
                .select(boot_events::seq)
                .load(c)?;
            let mut known: BTreeSet<i64> = known.into_iter().collect();
            let room = limit_of(max).saturating_sub(present);
            let mut new = BTreeSet::new();
            for event in events {
                if limit_of(new.len()) >= room || !known.insert(i64::from(event.seq)) {
                    continue;
                }
                let rec = EventRec {
                    boot: id.clone(),
                    seq: i64::from(event.seq),
                    at: event.at,
                    step: event.step.clone(),
                    state: event.state.to_string(),
                    message: event.message.clone(),
                    received,
                };
                diesel::insert_into(boot_events::table).values(&rec).execute(c)?;
                new.insert(event.seq);
            }
            Ok(new)
        })
    }

    /// When the agent (not the server) last reported an event of the boot, by the server's clock.
    pub fn last_report(&mut self, boot: Uuid) -> Result<Option<Micros>> {
        self.run(format_args!("events of boot {boot}"), |c| {
            boot_events::table
                .filter(boot_events::boot.eq(boot.to_string()))
                .filter(boot_events::seq.lt(i64::from(SERVER_SEQ)))
                .select(diesel::dsl::max(boot_events::received))
                .get_result(c)
        })
    }

    /// In order of seq.
    pub fn events(&mut self, boot: Uuid, limit: usize) -> Result<Vec<Event>> {
        let recs: Vec<EventRec> = self.run(format_args!("events of boot {boot}"), |c| {
            boot_events::table
                .filter(boot_events::boot.eq(boot.to_string()))
                .order(boot_events::seq)
                .limit(limit_of(limit))
                .select(EventRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(EventRec::into_event).collect()
    }
}
