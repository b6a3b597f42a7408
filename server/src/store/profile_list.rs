//! Profiles in a list for people: what they are, without what is in them, which may be megabytes.

use super::connection::AnyConnection;
use super::profiles::image_of;
use super::schema::{nodes, profile_revisions, profiles};
use super::tx::{Row, Tx, limit_of};
use crate::domain::image::ImageRef;
use crate::domain::{Micros, Name};
use crate::error::Result;
use diesel::prelude::*;

/// A profile's active revision, without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileBrief {
    /// Of the profile.
    pub name: Name,
    /// Number of the active revision.
    pub active: u32,
    /// Number of the newest.
    pub newest: u32,
    /// Of the active one: its own or its parent's.
    pub image: Option<ImageRef>,
    /// What it inherits from.
    pub parent: Option<Name>,
    /// When it was made.
    pub created: Micros,
    /// Who made it.
    pub made_by: String,
    /// Nodes it is assigned to, pinned or not.
    pub nodes: u64,
}

/// Name, active, newest, image's name and version, parent, created, made by.
type Light = (String, i64, i64, String, String, Option<String>, i64, String);

impl Tx<'_> {
    /// In order of name.
    pub fn profile_briefs(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<ProfileBrief>> {
        let (recs, counts) = self.run("profiles", |c| {
            use profile_revisions::{created, image_name, image_version, made_by, parent};
            let active =
                profile_revisions::profile.eq(profiles::name).and(profile_revisions::revision.eq(profiles::active));
            let mut query = profiles::table
                .inner_join(profile_revisions::table.on(active))
                .order(profiles::name)
                .limit(limit_of(limit))
                .select((
                    profiles::name,
                    profiles::active,
                    profiles::revision,
                    image_name,
                    image_version,
                    parent,
                    created,
                    made_by,
                ))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(profiles::name.gt(after.as_str()));
            }
            let recs: Vec<Light> = query.load(c)?;
            let (Some(first), Some(last)) = (recs.first(), recs.last()) else { return Ok((recs, vec![])) };
            let counts = nodes_between(c, &first.0, &last.0)?;
            Ok((recs, counts))
        })?;
        let brief = |(name, active, newest, image_name, image_version, parent, created, made_by): Light| {
            let row = Row { table: "profiles", key: &name };
            Ok(ProfileBrief {
                active: row.number("active", active)?,
                newest: row.number("revision", newest)?,
                image: image_of(&row, &image_name, &image_version)?,
                parent: row.parse_opt("parent", parent.as_deref())?,
                nodes: counted(&counts, &name)?,
                name: row.parse("name", &name)?,
                created,
                made_by,
            })
        };
        recs.into_iter().map(brief).collect()
    }
}

/// How many nodes have each profile between these two names.
pub(super) fn nodes_between(c: &mut AnyConnection, first: &str, last: &str) -> QueryResult<Vec<(Option<String>, i64)>> {
    nodes::table
        .filter(nodes::profile.between(first, last))
        .group_by(nodes::profile)
        .select((nodes::profile, diesel::dsl::count_star()))
        .load(c)
}

/// How many have this one.
pub(super) fn counted(counts: &[(Option<String>, i64)], profile: &str) -> Result<u64> {
    let count = counts.iter().find(|(name, _)| name.as_deref() == Some(profile)).map_or(0, |(_, count)| *count);
    Row { table: "nodes", key: &"(counted)" }.number("profile", count)
}
