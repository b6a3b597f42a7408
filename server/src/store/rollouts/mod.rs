//! Rollouts: made, found, changed and dropped. What a step makes of them is decided in the domain.

mod calls;
mod members;

use super::connection::AnyConnection;
use super::schema::{nodes, profile_revisions, reboot_requests, rollout_members, rollouts};
use super::tx::{Row, Tx, limit_of};
use crate::domain::rollout::{Counts, Member, Phase, Record, Rollout, State};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rollouts, treat_none_as_null = true)]
struct RolloutRec {
    id: String,
    state: String,
    profile: String,
    revision: i64,
    selector: String,
    who: String,
    made: i64,
    ended: Option<i64>,
    total: i64,
    head: String,
    request: Option<String>,
    request_hash: String,
    sealed: Option<String>,
    master_key: Option<String>,
}

impl RolloutRec {
    fn new(record: &Record) -> Result<Self> {
        Ok(Self {
            id: record.id.to_string(),
            state: record.rollout.state.to_string(),
            profile: record.rollout.profile.to_string(),
            revision: i64::from(record.rollout.revision),
            selector: record.selector.clone(),
            who: record.who.clone(),
            made: record.made,
            ended: record.ended,
            total: i64::from(record.total),
            head: serde_json::to_string(&record.rollout).map_err(Error::internal)?,
            request: record.request.clone(),
            request_hash: record.request_hash.to_string(),
            sealed: record.sealed.as_ref().map(|(sealed, _)| sealed.clone()),
            master_key: record.sealed.as_ref().map(|(_, key)| key.clone()),
        })
    }

    fn into_record(self) -> Result<Record> {
        let row = Row { table: "rollouts", key: &self.id };
        Ok(Record {
            id: row.parse("id", &self.id)?,
            rollout: row.json::<Rollout>("head", &self.head)?,
            total: row.number("total", self.total)?,
            request_hash: row.parse("request_hash", &self.request_hash)?,
            selector: self.selector,
            who: self.who,
            made: self.made,
            ended: self.ended,
            request: self.request,
            sealed: self.sealed.zip(self.master_key),
        })
    }
}

impl Tx<'_> {
    /// A new one with its members. A request id that is there already is a conflict.
    pub fn insert_rollout(&mut self, record: &Record, members: &[Member]) -> Result<()> {
        let rec = RolloutRec::new(record)?;
        self.run(format_args!("rollout {}", record.id), |c| {
            diesel::insert_into(rollouts::table).values(&rec).execute(c).map(drop)
        })?;
        self.insert_members(record.id, members)
    }

    /// Replace what changes of it. Its epoch counts up.
    pub fn put_rollout(&mut self, record: &Record) -> Result<()> {
        let rec = RolloutRec::new(record)?;
        self.run(format_args!("rollout {}", record.id), |c| {
            let set = (&rec, rollouts::epoch.eq(rollouts::epoch + 1));
            diesel::update(rollouts::table.find(&rec.id)).set(set).execute(c).map(drop)
        })
    }

    /// Counts its changes: what was read of it holds as long as this is the same.
    pub fn rollout_epoch(&mut self, id: Uuid) -> Result<Option<i64>> {
        self.run(format_args!("rollout {id}"), |c| {
            rollouts::table.find(id.to_string()).select(rollouts::epoch).first(c).optional()
        })
    }

    /// By id.
    pub fn rollout(&mut self, id: Uuid) -> Result<Option<Record>> {
        let rec: Option<RolloutRec> = self.run(format_args!("rollout {id}"), |c| {
            rollouts::table.find(id.to_string()).select(RolloutRec::as_select()).first(c).optional()
        })?;
        rec.map(RolloutRec::into_record).transpose()
    }

    /// By id, if it is open and no other transaction has it in hand: until this one ends, nobody else takes it so.
    pub fn claim_rollout(&mut self, id: Uuid) -> Result<Option<Record>> {
        let claimed: Option<String> = self.run(format_args!("rollout {id}"), |c| {
            let open = rollouts::table
                .filter(rollouts::id.eq(id.to_string()))
                .filter(rollouts::ended.is_null())
                .select(rollouts::id);
            match c {
                // One writer: nobody else is at it.
                AnyConnection::Sqlite(c) => open.first(c).optional(),
                AnyConnection::Postgres(c) => open.for_update().skip_locked().first(c).optional(),
            }
        })?;
        claimed.map_or(Ok(None), |_| self.rollout(id))
    }

    /// By the client's id of its request.
    pub fn rollout_by_request(&mut self, request: &str) -> Result<Option<Record>> {
        let rec: Option<RolloutRec> = self.run("rollout of a request", |c| {
            rollouts::table.filter(rollouts::request.eq(request)).select(RolloutRec::as_select()).first(c).optional()
        })?;
        rec.map(RolloutRec::into_record).transpose()
    }

    /// Newest first, before the cursor.
    pub fn rollouts(&mut self, state: Option<State>, before: Option<Uuid>, limit: usize) -> Result<Vec<Record>> {
        let recs: Vec<RolloutRec> = self.run("rollouts", |c| {
            let mut query = rollouts::table
                .select(RolloutRec::as_select())
                .order(rollouts::id.desc())
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(state) = state {
                query = query.filter(rollouts::state.eq(state.as_str()));
            }
            if let Some(before) = before {
                query = query.filter(rollouts::id.lt(before.to_string()));
            }
            query.load(c)
        })?;
        recs.into_iter().map(RolloutRec::into_record).collect()
    }

    /// Some of those whose secret is sealed with this master key.
    pub fn rollouts_sealed_with(&mut self, key: &str, limit: usize) -> Result<Vec<Record>> {
        let recs: Vec<RolloutRec> = self.run("sealed rollouts", |c| {
            let with = rollouts::table.filter(rollouts::master_key.eq(key)).order(rollouts::id).limit(limit_of(limit));
            with.select(RolloutRec::as_select()).load(c)
        })?;
        recs.into_iter().map(RolloutRec::into_record).collect()
    }

    /// How many are sealed with each master key.
    pub(super) fn rollouts_by_key(&mut self) -> Result<Vec<(String, i64)>> {
        let found: Vec<(Option<String>, i64)> = self.run("sealed rollouts", |c| {
            rollouts::table
                .filter(rollouts::master_key.is_not_null())
                .group_by(rollouts::master_key)
                .select((rollouts::master_key, diesel::dsl::count_star()))
                .load(c)
        })?;
        Ok(found.into_iter().filter_map(|(key, count)| Some((key?, count))).collect())
    }

    /// Those in which something is left to do, oldest first.
    pub fn open_rollouts(&mut self, limit: usize) -> Result<Vec<Uuid>> {
        let ids: Vec<String> = self.run("open rollouts", |c| {
            rollouts::table
                .filter(rollouts::ended.is_null())
                .order(rollouts::id)
                .limit(limit_of(limit))
                .select(rollouts::id)
                .load(c)
        })?;
        let row = Row { table: "rollouts", key: &"(open)" };
        ids.iter().map(|id| row.parse("id", id)).collect()
    }

    /// Members by phase, for each of these rollouts.
    pub fn rollout_counts(&mut self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Counts>> {
        let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let recs: Vec<(String, String, i64)> = self.run("members of rollouts", |c| {
            rollout_members::table
                .filter(rollout_members::rollout.eq_any(&keys))
                .group_by((rollout_members::rollout, rollout_members::phase))
                .select((rollout_members::rollout, rollout_members::phase, diesel::dsl::count_star()))
                .load(c)
        })?;
        let mut all: BTreeMap<Uuid, Counts> = ids.iter().map(|id| (*id, Counts::default())).collect();
        for (rollout, phase, count) in recs {
            let row = Row { table: "rollout_members", key: &rollout };
            let counts = all.entry(row.parse("rollout", &rollout)?).or_default();
            counts.0.insert(row.parse("phase", &phase)?, row.number("(counted)", count)?);
        }
        Ok(all)
    }

    /// Members that were begun, by wave and phase.
    pub fn rollout_waves(&mut self, id: Uuid) -> Result<Vec<(u32, Phase, u64)>> {
        let recs: Vec<(Option<i64>, String, i64)> = self.run(format_args!("waves of rollout {id}"), |c| {
            rollout_members::table
                .filter(rollout_members::rollout.eq(id.to_string()))
                .filter(rollout_members::wave.is_not_null())
                .group_by((rollout_members::wave, rollout_members::phase))
                .select((rollout_members::wave, rollout_members::phase, diesel::dsl::count_star()))
                .load(c)
        })?;
        let row = Row { table: "rollout_members", key: &id };
        let line = |(wave, phase, count): (Option<i64>, String, i64)| {
            let wave = row.number("wave", wave.unwrap_or_default())?;
            Ok((wave, row.parse("phase", &phase)?, row.number("(counted)", count)?))
        };
        recs.into_iter().map(line).collect()
    }

    /// Nodes of a profile, but retired ones, that are not pinned to this revision of it.
    pub fn nodes_not_pinned_to(&mut self, profile: &Name, revision: u32) -> Result<u64> {
        let count: i64 = self.run(format_args!("nodes with profile {profile}"), |c| {
            let other =
                nodes::profile_revision.is_null().or(nodes::profile_revision.ne(i64::from(revision)).assume_not_null());
            nodes::table
                .filter(nodes::profile.eq(profile.as_str()))
                .filter(nodes::retired.eq(false))
                .filter(other)
                .count()
                .get_result(c)
        })?;
        Row { table: "nodes", key: &"(counted)" }.number("profile", count)
    }

    /// No node that this rollout brought to this revision is pinned to it any more; other pins are other people's.
    pub fn drop_pins(&mut self, id: Uuid, profile: &Name, revision: u32) -> Result<usize> {
        self.run(format_args!("pins to revision {revision} of profile {profile}"), |c| {
            let up = rollout_members::table
                .filter(rollout_members::rollout.eq(id.to_string()))
                .filter(rollout_members::phase.eq(Phase::Up.as_str()))
                .select(rollout_members::node);
            let pinned = nodes::table
                .filter(nodes::uuid.eq_any(up))
                .filter(nodes::profile.eq(profile.as_str()))
                .filter(nodes::profile_revision.eq(i64::from(revision)));
            diesel::update(pinned).set(nodes::profile_revision.eq(None::<i64>)).execute(c)
        })
    }

    /// Drop those that ended before `before`, the oldest first, with their members; how many, at most `limit`.
    pub fn drop_old_rollouts(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("old rollouts", |c| {
            let old: Vec<String> = rollouts::table
                .filter(rollouts::ended.lt(before))
                .order(rollouts::ended)
                .limit(limit_of(limit))
                .select(rollouts::id)
                .load(c)?;
            diesel::delete(rollouts::table.filter(rollouts::id.eq_any(&old))).execute(c)
        })
    }

    /// Images (name, version, profile) of revisions that an open rollout gives, or has to give back.
    pub(super) fn images_of_rollouts(&mut self) -> Result<Vec<(String, String, String)>> {
        let mut images = Vec::new();
        for (profile, revision) in self.revisions_of_rollouts()? {
            let found: Option<(String, String)> = self.run("image of a revision", |c| {
                profile_revisions::table
                    .find((&profile, revision))
                    .filter(profile_revisions::image_name.ne(""))
                    .select((profile_revisions::image_name, profile_revisions::image_version))
                    .first(c)
                    .optional()
            })?;
            images.extend(found.map(|(name, version)| (name, version, profile)));
        }
        Ok(images)
    }

    /// Revisions of profiles that open rollouts give, and those that they may have to give back.
    pub(super) fn revisions_of_rollouts(&mut self) -> Result<BTreeSet<(String, i64)>> {
        let revisions: Vec<(String, i64)> = self.run("revisions of rollouts", |c| {
            let open = rollouts::ended.is_null();
            let given: Vec<(String, i64)> =
                rollouts::table.filter(open).select((rollouts::profile, rollouts::revision)).load(c)?;
            let before: Vec<(Option<String>, Option<i64>)> = rollout_members::table
                .inner_join(rollouts::table.on(rollouts::id.eq(rollout_members::rollout)))
                .filter(rollouts::ended.is_null())
                .filter(rollout_members::before_revision.is_not_null())
                .select((rollout_members::before_profile, rollout_members::before_revision))
                .distinct()
                .load(c)?;
            let before = before.into_iter().filter_map(|(profile, revision)| profile.zip(revision));
            Ok(given.into_iter().chain(before).collect())
        })?;
        Ok(revisions.into_iter().collect())
    }

    /// An open rollout that gives a revision of this profile, or has to give it back.
    pub fn rollout_of_profile(&mut self, profile: &Name) -> Result<Option<Uuid>> {
        let found: Option<String> = self.run(format_args!("rollouts of profile {profile}"), |c| {
            let open = || rollouts::table.filter(rollouts::ended.is_null());
            let given =
                open().filter(rollouts::profile.eq(profile.as_str())).select(rollouts::id).first(c).optional()?;
            if given.is_some() {
                return Ok(given);
            }
            rollout_members::table
                .inner_join(rollouts::table.on(rollouts::id.eq(rollout_members::rollout)))
                .filter(rollouts::ended.is_null())
                .filter(rollout_members::before_profile.eq(profile.as_str()))
                .select(rollouts::id)
                .first(c)
                .optional()
        })?;
        Row { table: "rollouts", key: profile }.parse_opt("id", found.as_deref())
    }

    /// The running system of this boot is to restart itself. Asked again: the newer reason.
    pub fn request_reboot(&mut self, boot: Uuid, reason: &str, now: Micros) -> Result<()> {
        self.run(format_args!("restart of boot {boot}"), |c| {
            let key = boot.to_string();
            let set = (reboot_requests::reason.eq(reason), reboot_requests::made.eq(now));
            if diesel::update(reboot_requests::table.find(&key)).set(set).execute(c)? == 0 {
                diesel::insert_into(reboot_requests::table).values((reboot_requests::boot.eq(&key), set)).execute(c)?;
            }
            Ok(())
        })
    }

    /// Why the system of this boot is to restart itself, if it is.
    pub fn reboot_request(&mut self, boot: Uuid) -> Result<Option<String>> {
        self.run(format_args!("restart of boot {boot}"), |c| {
            reboot_requests::table.find(boot.to_string()).select(reboot_requests::reason).first(c).optional()
        })
    }

    /// It is not to restart itself any more.
    pub fn forget_reboot(&mut self, boot: Uuid) -> Result<()> {
        self.run(format_args!("restart of boot {boot}"), |c| {
            diesel::delete(reboot_requests::table.find(boot.to_string())).execute(c).map(drop)
        })
    }
}
