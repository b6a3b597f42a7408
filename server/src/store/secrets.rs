//! Secrets that people name, as they are sealed, and which profiles name them: nothing here opens one.

use super::connection::AnyConnection;
use super::schema::{node_tries, nodes, profile_secrets, profiles, secrets, stale_secrets};
use super::tx::{Row, Tx, limit_of};
use crate::domain::sealed::{Head, Mark, Marks, Sealed};
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = secrets, primary_key(name))]
struct HeadRec {
    name: String,
    revision: i64,
    fingerprint: String,
    is_hash: bool,
    size: i64,
    created: Micros,
    changed: Micros,
    changed_by: String,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = secrets, primary_key(name))]
struct SealedRec {
    #[diesel(embed)]
    head: HeadRec,
    id: String,
    sealed: String,
    master_key: String,
}

impl HeadRec {
    fn new(head: &Head) -> Self {
        let Mark { revision, fingerprint, is_hash } = head.mark.clone();
        Self {
            name: head.name.to_string(),
            revision: i64::from(revision),
            fingerprint,
            is_hash,
            size: i64::from(head.size),
            created: head.created,
            changed: head.changed,
            changed_by: head.changed_by.clone(),
        }
    }

    fn into_head(self) -> Result<Head> {
        let row = Row { table: "secrets", key: &self.name };
        let revision = row.number("revision", self.revision)?;
        Ok(Head {
            name: row.parse("name", &self.name)?,
            mark: Mark { revision, fingerprint: self.fingerprint, is_hash: self.is_hash },
            size: row.number("size", self.size)?,
            created: self.created,
            changed: self.changed,
            changed_by: self.changed_by,
        })
    }
}

impl SealedRec {
    fn into_sealed(self) -> Result<Sealed> {
        let head = self.head.into_head()?;
        let id = Row { table: "secrets", key: &head.name }.parse("id", &self.id)?;
        Ok(Sealed { head, id, sealed: self.sealed, master_key: self.master_key })
    }
}

/// Who names a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretUsers {
    /// Profiles whose active, newest or pinned revisions do, or one that an open rollout gives or may have to give back; in order.
    pub profiles: BTreeSet<Name>,
    /// Those of them in which it stands for a password.
    pub passwords: BTreeSet<Name>,
}

impl Tx<'_> {
    /// By name.
    pub fn secret(&mut self, name: &Name) -> Result<Option<Sealed>> {
        let rec: Option<SealedRec> = self.run(format_args!("secret {name}"), |c| {
            secrets::table.find(name.as_str()).select(SealedRec::as_select()).first(c).optional()
        })?;
        rec.map(SealedRec::into_sealed).transpose()
    }

    /// In order of name, without their values.
    pub fn secrets(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Head>> {
        let recs: Vec<HeadRec> = self.run("secrets", |c| {
            let mut query =
                secrets::table.order(secrets::name).limit(limit_of(limit)).select(HeadRec::as_select()).into_boxed();
            if let Some(after) = after {
                query = query.filter(secrets::name.gt(after.as_str()));
            }
            query.load(c)
        })?;
        recs.into_iter().map(HeadRec::into_head).collect()
    }

    /// How many there are.
    pub fn count_secrets(&mut self) -> Result<u64> {
        let count: i64 = self.run("secrets", |c| secrets::table.count().get_result(c))?;
        Row { table: "secrets", key: &"(counted)" }.number("name", count)
    }

    /// What a plan says of these; one that is not there is absent.
    pub fn secret_marks(&mut self, names: &BTreeSet<&Name>) -> Result<Marks> {
        let mut marks = Marks::new();
        if names.is_empty() {
            return Ok(marks);
        }
        let recs: Vec<HeadRec> = self.run("secrets of a profile", |c| {
            let these = names.iter().map(|name| name.as_str());
            secrets::table.filter(secrets::name.eq_any(these)).select(HeadRec::as_select()).load(c)
        })?;
        for rec in recs {
            let head = rec.into_head()?;
            marks.insert(head.name, head.mark);
        }
        Ok(marks)
    }

    /// Insert or replace. What nodes get of it may be another from now on: see [`Tx::stale_secret`].
    pub fn put_secret(&mut self, secret: &Sealed) -> Result<()> {
        let rec = SealedRec {
            head: HeadRec::new(&secret.head),
            id: secret.id.to_string(),
            sealed: secret.sealed.clone(),
            master_key: secret.master_key.clone(),
        };
        self.run(format_args!("secret {}", secret.head.name), |c| {
            if diesel::update(secrets::table.find(&rec.head.name)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(secrets::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// False when there is none.
    pub fn delete_secret(&mut self, name: &Name) -> Result<bool> {
        let gone =
            self.run(format_args!("secret {name}"), |c| diesel::delete(secrets::table.find(name.as_str())).execute(c))?;
        Ok(gone > 0)
    }

    /// How many are sealed with each master key.
    pub(super) fn secrets_by_key(&mut self) -> Result<Vec<(String, i64)>> {
        self.run("sealed secrets", |c| {
            secrets::table
                .group_by(secrets::master_key)
                .select((secrets::master_key, diesel::dsl::count_star()))
                .load(c)
        })
    }

    /// Some of those that are sealed with this master key.
    pub fn secrets_sealed_with(&mut self, key: &str, limit: usize) -> Result<Vec<Sealed>> {
        let recs: Vec<SealedRec> = self.run("sealed secrets", |c| {
            let with = secrets::table.filter(secrets::master_key.eq(key)).order(secrets::name).limit(limit_of(limit));
            with.select(SealedRec::as_select()).load(c)
        })?;
        recs.into_iter().map(SealedRec::into_sealed).collect()
    }

    /// Who names which secret, of those from `first` to `last`; nobody: absent.
    pub fn secret_users(&mut self, first: &Name, last: &Name) -> Result<BTreeMap<Name, SecretUsers>> {
        type Found = Vec<(String, String, bool)>;
        let span = profile_secrets::secret.between(first.as_str(), last.as_str());
        let columns = (profile_secrets::secret, profile_secrets::profile, profile_secrets::password);
        let mut found: Found = self.run("profiles of secrets", |c| {
            let pinned = nodes::table
                .filter(nodes::profile.eq(profile_secrets::profile.nullable()))
                .filter(nodes::profile_revision.eq(profile_secrets::revision.nullable()));
            let ran_last = node_tries::table
                .filter(node_tries::up_profile.eq(profile_secrets::profile.nullable()))
                .filter(node_tries::up_revision.eq(profile_secrets::revision.nullable()));
            let counts = profile_secrets::revision
                .eq(profiles::revision)
                .or(profile_secrets::revision.eq(profiles::active))
                .or(diesel::dsl::exists(pinned))
                .or(diesel::dsl::exists(ran_last));
            profiles::table
                .inner_join(profile_secrets::table.on(profile_secrets::profile.eq(profiles::name)))
                .filter(span)
                .filter(counts)
                .select(columns)
                .load(c)
        })?;
        for (profile, revision) in self.revisions_of_rollouts()? {
            let more: Found = self.run("secrets of a revision", |c| {
                profile_secrets::table
                    .filter(profile_secrets::profile.eq(&profile))
                    .filter(profile_secrets::revision.eq(revision))
                    .filter(span)
                    .select(columns)
                    .load(c)
            })?;
            found.extend(more);
        }
        let mut users = BTreeMap::<Name, SecretUsers>::new();
        for (secret, profile, password) in found {
            let row = Row { table: "profile_secrets", key: &profile };
            let name: Name = row.parse("profile", &profile)?;
            let of = users.entry(row.parse("secret", &secret)?).or_default();
            if password {
                of.passwords.insert(name.clone());
            }
            of.profiles.insert(name);
        }
        Ok(users)
    }

    /// What nodes would get of this secret has changed: a mark, by which they are found. None of them is written, for they are
    /// written all the time. Counted from `now`, so that no later mark has the count of an earlier one.
    pub fn stale_secret(&mut self, name: &Name, now: Micros) -> Result<()> {
        self.run(format_args!("plans with secret {name}"), |c| {
            let row = (stale_secrets::secret.eq(name.as_str()), stale_secrets::epoch.eq(now));
            match c {
                AnyConnection::Sqlite(c) => {
                    diesel::insert_into(stale_secrets::table).values(row).on_conflict_do_nothing().execute(c)?
                }
                AnyConnection::Postgres(c) => {
                    diesel::insert_into(stale_secrets::table).values(row).on_conflict_do_nothing().execute(c)?
                }
            };
            diesel::update(stale_secrets::table.find(name.as_str()))
                .set(stale_secrets::epoch.eq(stale_secrets::epoch + 1))
                .execute(c)?;
            Ok(())
        })
    }

    /// Secrets with a mark, each with the mark's count.
    pub fn stale_secrets(&mut self) -> Result<Vec<(Name, i64)>> {
        let found: Vec<(String, i64)> = self.run("secrets that changed", |c| {
            stale_secrets::table
                .order(stale_secrets::secret)
                .select((stale_secrets::secret, stale_secrets::epoch))
                .load(c)
        })?;
        let name = |name: &String| Row { table: "stale_secrets", key: name }.parse("secret", name);
        found.iter().map(|(secret, epoch)| Ok((name(secret)?, *epoch))).collect()
    }

    /// Take a mark away, if it was not set again meanwhile.
    pub fn settle_secret(&mut self, name: &Name, epoch: i64) -> Result<()> {
        self.run(format_args!("plans with secret {name}"), |c| {
            let same = stale_secrets::table.find(name.as_str()).filter(stale_secrets::epoch.eq(epoch));
            diesel::delete(same).execute(c)?;
            Ok(())
        })
    }

    /// Nodes that would get this secret by what they are assigned to, in order of UUID.
    pub fn nodes_with_secret(&mut self, name: &Name, after: Option<&NodeUuid>, limit: usize) -> Result<Vec<NodeUuid>> {
        let found: Vec<String> = self.run(format_args!("nodes with secret {name}"), |c| {
            let active = nodes::profile_revision
                .is_null()
                .and(profile_secrets::revision.nullable().eq(profiles::active.nullable()));
            let pinned = nodes::profile_revision
                .is_not_null()
                .and(nodes::profile_revision.eq(profile_secrets::revision.nullable()));
            let mut query = nodes::table
                .inner_join(profiles::table.on(profiles::name.nullable().eq(nodes::profile)))
                .inner_join(profile_secrets::table.on(profile_secrets::profile.eq(profiles::name)))
                .filter(profile_secrets::secret.eq(name.as_str()))
                .filter(active.or(pinned))
                .order(nodes::uuid)
                .select(nodes::uuid)
                .limit(limit_of(limit))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(nodes::uuid.gt(after.as_str()));
            }
            query.load(c)
        })?;
        found.iter().map(|uuid| Row { table: "nodes", key: uuid }.parse("uuid", uuid)).collect()
    }
}
