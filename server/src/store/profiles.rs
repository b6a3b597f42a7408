//! Profiles and their revisions, which never change.

use super::profile_list::{counted, nodes_between};
use super::schema::{installs, nodes, profile_revisions, profile_secrets, profiles};
use super::tx::{Row, Tx, limit_of};
use crate::domain::image::ImageRef;
use crate::domain::profile::{CloudInit, File, Network, Param, Profile, Spec, Unit, User, Words};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = profile_revisions)]
struct RevisionRec {
    profile: String,
    revision: i64,
    image_name: String,
    image_version: String,
    spec: String,
    created: i64,
    parent: Option<String>,
    words: String,
    made_by: String,
}

/// A profile in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRow {
    /// Its active revision.
    pub profile: Profile,
    /// Number of its newest.
    pub newest: u32,
    /// Nodes it is assigned to, pinned or not.
    pub nodes: u64,
}

/// A revision in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// Counts from 1.
    pub revision: u32,
    /// What it boots, with what its parent said then.
    pub image: Option<ImageRef>,
    /// Made.
    pub created: Micros,
    /// By whom, see [`Profile::made_by`].
    pub made_by: String,
    /// Nodes that are pinned to it.
    pub pinned: u64,
}

/// What of a [`Spec`] is stored as JSON: all but the image. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct SpecJson {
    cmdline: String,
    files: Vec<FileJson>,
    ssh_authorized_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    script: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    answer: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, Param>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    modules: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sysctl: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    units: BTreeMap<String, Unit>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<String, User>,
    #[serde(default, skip_serializing_if = "CloudInit::is_unsaid")]
    cloud_init: CloudInit,
    #[serde(default, skip_serializing_if = "Network::is_empty")]
    network: Network,
}

#[derive(Serialize, Deserialize)]
struct FileJson {
    path: String,
    mode: u32,
    content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Name>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    owner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    template: bool,
}

/// Two empty texts: no image.
pub(super) fn image_of(row: &Row<'_>, name: &str, version: &str) -> Result<Option<ImageRef>> {
    match (name, version) {
        ("", "") => Ok(None),
        _ => Ok(Some(ImageRef { name: row.parse("image_name", name)?, version: row.parse("image_version", version)? })),
    }
}

impl RevisionRec {
    fn new(profile: &Profile) -> Result<Self> {
        let spec = profile.spec.clone();
        let file = |f: File| {
            let File { path, mode, owner, group, content, secret, template } = f;
            FileJson { path, mode, content, secret, owner, group, template }
        };
        let json = SpecJson {
            cmdline: spec.cmdline.to_string(),
            files: spec.files.into_iter().map(file).collect(),
            ssh_authorized_keys: spec.ssh_authorized_keys,
            mode: spec.mode.map(|m| m.to_string()),
            script: spec.script,
            answer: spec.answer,
            params: spec.params,
            modules: spec.modules,
            sysctl: spec.sysctl,
            units: spec.units,
            users: spec.users,
            cloud_init: spec.cloud_init,
            network: spec.network,
        };
        // No image: two empty texts, since the columns are older than profiles without one.
        let image = |part: fn(&ImageRef) -> &Name| spec.image.as_ref().map(|i| part(i).to_string()).unwrap_or_default();
        Ok(Self {
            profile: profile.name.to_string(),
            revision: i64::from(profile.revision),
            image_name: image(|i| &i.name),
            image_version: image(|i| &i.version),
            spec: serde_json::to_string(&json).map_err(Error::internal)?,
            created: profile.created,
            parent: profile.parent.as_ref().map(ToString::to_string),
            words: serde_json::to_string(&profile.words).map_err(Error::internal)?,
            made_by: profile.made_by.clone(),
        })
    }

    fn into_profile(self) -> Result<Profile> {
        let row = Row { table: "profile_revisions", key: &format_args!("{} {}", self.profile, self.revision) };
        let json: SpecJson = row.json("spec", &self.spec)?;
        let file = |f: FileJson| {
            let FileJson { path, mode, content, secret, owner, group, template } = f;
            File { path, mode, owner, group, content, secret, template }
        };
        let image = image_of(&row, &self.image_name, &self.image_version)?;
        let spec = Spec {
            image,
            mode: row.parse_opt("spec.mode", json.mode.as_deref())?,
            cmdline: row.parse("spec.cmdline", &json.cmdline)?,
            script: json.script,
            answer: json.answer,
            params: json.params,
            files: json.files.into_iter().map(file).collect(),
            ssh_authorized_keys: json.ssh_authorized_keys,
            modules: json.modules,
            sysctl: json.sysctl,
            units: json.units,
            users: json.users,
            cloud_init: json.cloud_init,
            network: json.network,
            setup: None,
        };
        // A revision from before there were parents says all that it makes.
        let words = if self.words.is_empty() { Words::of(&spec) } else { row.json("words", &self.words)? };
        Ok(Profile {
            name: row.parse("profile", &self.profile)?,
            revision: row.number("revision", self.revision)?,
            parent: row.parse_opt("parent", self.parent.as_deref())?,
            words,
            spec,
            created: self.created,
            made_by: self.made_by,
        })
    }
}

/// Each once, and whether it stands for a password.
fn secrets_of(profile: &Profile) -> BTreeMap<Name, bool> {
    let mut secrets = BTreeMap::new();
    for (secret, password) in profile.spec.secrets() {
        *secrets.entry(secret.clone()).or_default() |= password;
    }
    secrets
}

impl Tx<'_> {
    /// Insert a revision; it is the newest from now on, and the first of a profile is active at once. `Error::Conflict` when
    /// that revision, or a newer one, is there.
    pub fn insert_profile_revision(&mut self, profile: &Profile) -> Result<()> {
        let (name, revision) = (&profile.name, profile.revision);
        let rec = RevisionRec::new(profile)?;
        let secrets = secrets_of(profile);
        let newest: Option<i64> = self.run(format_args!("profile {name}"), |c| {
            profiles::table.find(name.as_str()).select(profiles::revision).first(c).optional()
        })?;
        if let Some(newest) = newest.filter(|newest| *newest >= rec.revision) {
            return Err(Error::Conflict(format!(
                "revision {revision} of profile {name} is there already (the newest is {newest}): read it, and try again"
            )));
        }
        self.run(format_args!("revision {revision} of profile {name}"), |c| {
            match newest {
                None => diesel::insert_into(profiles::table)
                    .values((
                        profiles::name.eq(name.as_str()),
                        profiles::revision.eq(rec.revision),
                        profiles::parent.eq(&rec.parent),
                        profiles::active.eq(rec.revision),
                        profiles::activated.eq(rec.created),
                    ))
                    .execute(c)?,
                Some(_) => diesel::update(profiles::table.find(name.as_str()))
                    .set(profiles::revision.eq(rec.revision))
                    .execute(c)?,
            };
            diesel::insert_into(profile_revisions::table).values(&rec).execute(c)?;
            for (secret, password) in &secrets {
                let row = (
                    profile_secrets::profile.eq(name.as_str()),
                    profile_secrets::revision.eq(rec.revision),
                    profile_secrets::secret.eq(secret.as_str()),
                    profile_secrets::password.eq(password),
                );
                diesel::insert_into(profile_secrets::table).values(row).execute(c)?;
            }
            Ok(())
        })
    }

    /// From now on nodes without a pin boot this revision, and the profile inherits from that one's parent. False: there is
    /// no such revision.
    pub fn activate_profile(&mut self, name: &Name, revision: u32, now: Micros) -> Result<bool> {
        let active = self.run(format_args!("revision {revision} of profile {name}"), |c| {
            let parent: Option<Option<String>> = profile_revisions::table
                .find((name.as_str(), i64::from(revision)))
                .select(profile_revisions::parent)
                .first(c)
                .optional()?;
            let Some(parent) = parent else { return Ok(false) };
            let active =
                (profiles::active.eq(i64::from(revision)), profiles::activated.eq(now), profiles::parent.eq(parent));
            diesel::update(profiles::table.find(name.as_str())).set(active).execute(c)?;
            Ok(true)
        })?;
        if active {
            self.stale_profile(name)?;
        }
        Ok(active)
    }

    /// Number of the active revision, and since when, microseconds since 1970.
    pub fn active_revision(&mut self, name: &Name) -> Result<Option<(u32, Micros)>> {
        let found: Option<(i64, i64)> = self.run(format_args!("profile {name}"), |c| {
            profiles::table.find(name.as_str()).select((profiles::active, profiles::activated)).first(c).optional()
        })?;
        let row = Row { table: "profiles", key: name };
        found.map(|(active, since)| Ok((row.number("active", active)?, since))).transpose()
    }

    /// The revision that nodes without a pin boot.
    pub fn active_profile(&mut self, name: &Name) -> Result<Option<Profile>> {
        self.profile_at(name, None)
    }

    /// What a node with this pin boots; without one: the active revision.
    pub fn profile_at(&mut self, name: &Name, pin: Option<u32>) -> Result<Option<Profile>> {
        let revision = match pin {
            Some(pin) => Some(pin),
            None => self.active_revision(name)?.map(|(active, _)| active),
        };
        match revision {
            Some(revision) => self.profile_revision(name, revision),
            None => Ok(None),
        }
    }

    /// The newest revision, active or draft.
    pub fn profile(&mut self, name: &Name) -> Result<Option<Profile>> {
        let rec = self.run(format_args!("profile {name}"), |c| {
            profile_revisions::table
                .filter(profile_revisions::profile.eq(name.as_str()))
                .order(profile_revisions::revision.desc())
                .select(RevisionRec::as_select())
                .first(c)
                .optional()
        })?;
        rec.map(RevisionRec::into_profile).transpose()
    }

    /// One revision.
    pub fn profile_revision(&mut self, name: &Name, revision: u32) -> Result<Option<Profile>> {
        let rec = self.run(format_args!("revision {revision} of profile {name}"), |c| {
            profile_revisions::table
                .find((name.as_str(), i64::from(revision)))
                .select(RevisionRec::as_select())
                .first(c)
                .optional()
        })?;
        rec.map(RevisionRec::into_profile).transpose()
    }

    /// Revisions before this one, the newest first, each with the number of nodes that are pinned to it.
    pub fn profile_revisions(&mut self, name: &Name, before: Option<u32>, limit: usize) -> Result<Vec<RevisionRow>> {
        type Light = (i64, String, String, i64, String);
        let (recs, pins) = self.run(format_args!("revisions of profile {name}"), |c| {
            use profile_revisions::{created, image_name, image_version, made_by, revision};
            let mut query = profile_revisions::table
                .filter(profile_revisions::profile.eq(name.as_str()))
                .order(revision.desc())
                .limit(limit_of(limit))
                .select((revision, image_name, image_version, created, made_by))
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(revision.lt(i64::from(before)));
            }
            let recs: Vec<Light> = query.load(c)?;
            let pins: Vec<(Option<i64>, i64)> = nodes::table
                .filter(nodes::profile.eq(name.as_str()))
                .filter(nodes::profile_revision.is_not_null())
                .group_by(nodes::profile_revision)
                .select((nodes::profile_revision, diesel::dsl::count_star()))
                .load(c)?;
            Ok((recs, pins))
        })?;
        let row = Row { table: "profile_revisions", key: name };
        let revision = |(revision, image_name, image_version, created, made_by): Light| {
            let pinned = pins.iter().find(|(pin, _)| *pin == Some(revision)).map_or(0, |(_, count)| *count);
            Ok(RevisionRow {
                revision: row.number("revision", revision)?,
                image: image_of(&row, &image_name, &image_version)?,
                created,
                made_by,
                pinned: row.number("(counted)", pinned)?,
            })
        };
        recs.into_iter().map(revision).collect()
    }

    /// What a profile inherits from; none, too, when there is no such profile.
    pub fn parent_of_profile(&mut self, name: &Name) -> Result<Option<Name>> {
        let parent: Option<Option<String>> = self.run(format_args!("parent of profile {name}"), |c| {
            profiles::table.find(name.as_str()).select(profiles::parent).first(c).optional()
        })?;
        Row { table: "profiles", key: name }.parse_opt("parent", parent.flatten().as_deref())
    }

    /// Profiles that inherit from this one directly, in order of name.
    pub fn children_of_profile(&mut self, name: &Name, limit: usize) -> Result<Vec<Name>> {
        let names: Vec<String> = self.run(format_args!("children of profile {name}"), |c| {
            profiles::table
                .filter(profiles::parent.eq(name.as_str()))
                .order(profiles::name)
                .limit(limit_of(limit))
                .select(profiles::name)
                .load(c)
        })?;
        names.iter().map(|child| Row { table: "profiles", key: child }.parse("name", child)).collect()
    }

    /// Active revisions, in order of name, each with the number of nodes it is assigned to.
    pub fn profiles(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<ProfileRow>> {
        let (recs, counts) = self.run("profiles", |c| {
            let active =
                profile_revisions::profile.eq(profiles::name).and(profile_revisions::revision.eq(profiles::active));
            let mut query = profiles::table
                .inner_join(profile_revisions::table.on(active))
                .order(profiles::name)
                .limit(limit_of(limit))
                .select((RevisionRec::as_select(), profiles::revision))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(profiles::name.gt(after.as_str()));
            }
            let recs: Vec<(RevisionRec, i64)> = query.load(c)?;
            let (Some((first, _)), Some((last, _))) = (recs.first(), recs.last()) else { return Ok((recs, vec![])) };
            let counts = nodes_between(c, &first.profile, &last.profile)?;
            Ok((recs, counts))
        })?;
        recs.into_iter()
            .map(|(rec, newest)| {
                let nodes = counted(&counts, &rec.profile)?;
                let newest = Row { table: "profiles", key: &rec.profile }.number("revision", newest)?;
                Ok(ProfileRow { profile: rec.into_profile()?, newest, nodes })
            })
            .collect()
    }

    /// Nodes it is assigned to.
    pub fn nodes_with_profile(&mut self, name: &Name) -> Result<u64> {
        let count: i64 = self.run(format_args!("nodes with profile {name}"), |c| {
            nodes::table.filter(nodes::profile.eq(name.as_str())).count().get_result(c)
        })?;
        Row { table: "nodes", key: &"(counted)" }.number("profile", count)
    }

    /// With all revisions; false when there is none. `Error::Conflict` when it is assigned to nodes.
    pub fn delete_profile(&mut self, name: &Name) -> Result<bool> {
        let assigned = self.nodes_with_profile(name)?;
        if assigned > 0 {
            return Err(Error::Conflict(format!(
                "profile {name} is assigned to {assigned} nodes: assign another one to them first"
            )));
        }
        if let Some(child) = self.children_of_profile(name, 1)?.first() {
            return Err(Error::Conflict(format!(
                "profile {child} inherits from profile {name}: give it another parent first"
            )));
        }
        let deleted = self.run(format_args!("profile {name}"), |c| {
            // Another profile of this name is another installation.
            diesel::delete(installs::table.filter(installs::profile.eq(name.as_str()))).execute(c)?;
            diesel::delete(profiles::table.find(name.as_str())).execute(c)
        })?;
        Ok(deleted > 0)
    }
}
