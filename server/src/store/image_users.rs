//! Who names an image: profiles, labels, and the present boots of nodes. What follows from it is decided in the domain.

use super::schema::{boots, image_labels, node_tries, nodes, profile_revisions, profiles};
use super::tx::{Row, Tx};
use crate::domain::Micros;
use crate::domain::boot::Phase;
use crate::domain::image::ImageRef;
use crate::domain::image_gc::Users;
use crate::error::Result;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// Name and version of an image, how many nodes ran it last, and one of them.
type Ran = (String, String, i64, Option<String>);

impl Tx<'_> {
    /// Who names which image, or only `one`. The newest and the active revision of a profile count, those that nodes
    /// are pinned to, those that an open rollout gives or has to give back, and what a node boots now: its
    /// present boot that did not end; not that of a retired node that was last heard from before `silent`. Also what a node
    /// would fall back to, if it was heard from since `fallback`; none: no node falls back.
    pub fn image_users(
        &mut self,
        one: Option<&ImageRef>,
        silent: Micros,
        fallback: Option<Micros>,
    ) -> Result<BTreeMap<ImageRef, Users>> {
        let mut users = BTreeMap::<ImageRef, Users>::new();
        for (name, version, profile) in self.profiles_of_images(one)? {
            let row = Row { table: "profile_revisions", key: &profile };
            let image =
                ImageRef { name: row.parse("image_name", &name)?, version: row.parse("image_version", &version)? };
            let profiles = &mut users.entry(image).or_default().profiles;
            let profile = row.parse("profile", &profile)?;
            if profiles.last() != Some(&profile) {
                profiles.push(profile);
            }
        }
        for (name, version, profile) in self.images_of_rollouts()? {
            let row = Row { table: "profile_revisions", key: &profile };
            let image =
                ImageRef { name: row.parse("image_name", &name)?, version: row.parse("image_version", &version)? };
            if one.is_some_and(|one| *one != image) {
                continue;
            }
            let (profiles, profile) = (&mut users.entry(image).or_default().profiles, row.parse("profile", &profile)?);
            if !profiles.contains(&profile) {
                profiles.push(profile);
            }
        }
        for (name, version, label) in self.labels_of_images(one)? {
            let row = Row { table: "image_labels", key: &label };
            let image = ImageRef { name: row.parse("name", &name)?, version: row.parse("version", &version)? };
            users.entry(image).or_default().labels.push(row.parse("label", &label)?);
        }
        for (image, count, node) in self.nodes_of_images(one, silent)? {
            let row = Row { table: "boots", key: &image };
            let of = users.entry(row.parse("image", &image)?).or_default();
            of.nodes = row.number("(counted)", count)?;
            of.node = row.parse_opt("node", node.as_deref())?;
        }
        let ran = fallback.map(|since| self.images_that_ran(one, since)).transpose()?.unwrap_or_default();
        for (name, version, count, node) in ran {
            let row = Row { table: "profile_revisions", key: &name };
            let image =
                ImageRef { name: row.parse("image_name", &name)?, version: row.parse("image_version", &version)? };
            let of = users.entry(image).or_default();
            of.ran = row.number("(counted)", count)?;
            of.ran_on = row.parse_opt("node", node.as_deref())?;
        }
        Ok(users)
    }

    /// Images of the revisions that nodes, heard from since then, were up with last.
    fn images_that_ran(&mut self, one: Option<&ImageRef>, since: Micros) -> Result<Vec<Ran>> {
        self.run("images that ran last", |c| {
            let revision = node_tries::up_profile
                .eq(profile_revisions::profile.nullable())
                .and(node_tries::up_revision.eq(profile_revisions::revision.nullable()));
            let image = (profile_revisions::image_name, profile_revisions::image_version);
            let counted = (diesel::dsl::count_star(), diesel::dsl::min(nodes::uuid));
            // Without an image in particular: any.
            let any = one.is_none();
            let (name, version) = one.map(|one| (one.name.to_string(), one.version.to_string())).unwrap_or_default();
            let asked = profile_revisions::image_name
                .eq(name)
                .and(profile_revisions::image_version.eq(version))
                .or(any.into_sql::<diesel::sql_types::Bool>());
            node_tries::table
                .inner_join(nodes::table.on(nodes::uuid.eq(node_tries::node)))
                .inner_join(profile_revisions::table.on(revision))
                .filter(nodes::retired.eq(false))
                .filter(nodes::last_seen.ge(since))
                .filter(profile_revisions::image_name.ne(""))
                .filter(asked)
                .group_by(image)
                .select((profile_revisions::image_name, profile_revisions::image_version, counted.0, counted.1))
                .load(c)
        })
    }

    fn profiles_of_images(&mut self, one: Option<&ImageRef>) -> Result<Vec<(String, String, String)>> {
        self.run("profiles of images", |c| {
            let pinned = nodes::table
                .filter(nodes::profile.eq(profile_revisions::profile.nullable()))
                .filter(nodes::profile_revision.eq(profile_revisions::revision.nullable()));
            let counts = profile_revisions::revision
                .eq(profiles::revision)
                .or(profile_revisions::revision.eq(profiles::active))
                .or(diesel::dsl::exists(pinned));
            let mut query = profiles::table
                .inner_join(profile_revisions::table.on(profile_revisions::profile.eq(profiles::name)))
                .filter(counts)
                .filter(profile_revisions::image_name.ne(""))
                .order(profiles::name)
                .select((profile_revisions::image_name, profile_revisions::image_version, profiles::name))
                .into_boxed();
            if let Some(image) = one {
                query = query
                    .filter(profile_revisions::image_name.eq(image.name.as_str()))
                    .filter(profile_revisions::image_version.eq(image.version.as_str()));
            }
            query.load(c)
        })
    }

    fn labels_of_images(&mut self, one: Option<&ImageRef>) -> Result<Vec<(String, String, String)>> {
        self.run("labels of images", |c| {
            let mut query = image_labels::table
                .order((image_labels::name, image_labels::label))
                .select((image_labels::name, image_labels::version, image_labels::label))
                .into_boxed();
            if let Some(image) = one {
                query = query
                    .filter(image_labels::name.eq(image.name.as_str()))
                    .filter(image_labels::version.eq(image.version.as_str()));
            }
            query.load(c)
        })
    }

    fn nodes_of_images(
        &mut self,
        one: Option<&ImageRef>,
        silent: Micros,
    ) -> Result<Vec<(String, i64, Option<String>)>> {
        let found: Vec<(Option<String>, i64, Option<String>)> = self.run("nodes of images", |c| {
            let present = nodes::boot.eq(boots::id.nullable());
            let heard = nodes::retired
                .eq(false)
                .or(nodes::last_seen.ge(silent))
                .nullable()
                .or(boots::heartbeat.is_not_null().nullable().and(boots::heartbeat.ge(silent)));
            let named = boots::image.is_not_null().and(boots::phase.ne(Phase::Ended.as_str()));
            let columns = (boots::image, diesel::dsl::count_star(), diesel::dsl::min(nodes::uuid));
            match one {
                None => boots::table
                    .inner_join(nodes::table.on(present))
                    .filter(named)
                    .filter(heard)
                    .group_by(boots::image)
                    .select(columns)
                    .load(c),
                Some(image) => boots::table
                    .inner_join(nodes::table.on(present))
                    .filter(named)
                    .filter(heard)
                    .filter(boots::image.eq(image.to_string()))
                    .group_by(boots::image)
                    .select(columns)
                    .load(c),
            }
        })?;
        Ok(found.into_iter().filter_map(|(image, count, node)| Some((image?, count, node))).collect())
    }
}
