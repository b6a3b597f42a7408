//! Profiles and their revisions, which never change.

use super::schema::{nodes, profile_revisions, profiles};
use super::tx::{Row, Tx, limit_of};
use crate::domain::Name;
use crate::domain::image::ImageRef;
use crate::domain::profile::{File, Param, Profile, Spec, Unit, Words};
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
}

#[derive(Serialize, Deserialize)]
struct FileJson {
    path: String,
    mode: u32,
    content: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    owner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    template: bool,
}

impl RevisionRec {
    fn new(profile: &Profile) -> Result<Self> {
        let spec = profile.spec.clone();
        let file = |f: File| {
            let File { path, mode, owner, group, content, template } = f;
            FileJson { path, mode, content, owner, group, template }
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
            let FileJson { path, mode, content, owner, group, template } = f;
            File { path, mode, owner, group, content, template }
        };
        let image = match (self.image_name.as_str(), self.image_version.as_str()) {
            ("", "") => None,
            (name, version) => {
                Some(ImageRef { name: row.parse("image_name", name)?, version: row.parse("image_version", version)? })
            }
        };
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

impl Tx<'_> {
    /// Insert a revision; it is the newest from now on. `Error::Conflict` when that revision, or a newer one, is there.
    pub fn insert_profile_revision(&mut self, profile: &Profile) -> Result<()> {
        let (name, revision) = (&profile.name, profile.revision);
        let rec = RevisionRec::new(profile)?;
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
                    ))
                    .execute(c)?,
                Some(_) => diesel::update(profiles::table.find(name.as_str()))
                    .set((profiles::revision.eq(rec.revision), profiles::parent.eq(&rec.parent)))
                    .execute(c)?,
            };
            diesel::insert_into(profile_revisions::table).values(&rec).execute(c)?;
            Ok(())
        })
    }

    /// The newest revision.
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

    /// Newest revisions, in order of name, each with the number of nodes it is assigned to.
    pub fn profiles(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<(Profile, u64)>> {
        let (recs, counts) = self.run("profiles", |c| {
            let newest =
                profile_revisions::profile.eq(profiles::name).and(profile_revisions::revision.eq(profiles::revision));
            let mut query = profiles::table
                .inner_join(profile_revisions::table.on(newest))
                .order(profiles::name)
                .limit(limit_of(limit))
                .select(RevisionRec::as_select())
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(profiles::name.gt(after.as_str()));
            }
            let recs: Vec<RevisionRec> = query.load(c)?;
            let (Some(first), Some(last)) = (recs.first(), recs.last()) else { return Ok((recs, vec![])) };
            let counts: Vec<(Option<String>, i64)> = nodes::table
                .filter(nodes::profile.between(&first.profile, &last.profile))
                .group_by(nodes::profile)
                .select((nodes::profile, diesel::dsl::count_star()))
                .load(c)?;
            Ok((recs, counts))
        })?;
        recs.into_iter()
            .map(|rec| {
                let count =
                    counts.iter().find(|(name, _)| name.as_deref() == Some(&rec.profile)).map_or(0, |(_, n)| *n);
                let count = Row { table: "nodes", key: &"(counted)" }.number("profile", count)?;
                Ok((rec.into_profile()?, count))
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
        let deleted = self
            .run(format_args!("profile {name}"), |c| diesel::delete(profiles::table.find(name.as_str())).execute(c))?;
        Ok(deleted > 0)
    }
}
