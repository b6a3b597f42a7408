//! Which profiles there are, without what they say.

use super::schema::profiles;
use super::tx::{Row, Tx, limit_of};
use crate::domain::Name;
use crate::error::Result;
use diesel::prelude::*;

/// A profile without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileHead {
    /// Its name.
    pub name: Name,
    /// What it inherits from.
    pub parent: Option<Name>,
    /// The active revision.
    pub active: u32,
    /// The newest one.
    pub newest: u32,
}

impl Tx<'_> {
    /// All of them, in order of name; at most `limit`.
    pub fn profile_heads(&mut self, limit: usize) -> Result<Vec<ProfileHead>> {
        type Rec = (String, Option<String>, i64, i64);
        let recs: Vec<Rec> = self.run("profiles", |c| {
            profiles::table
                .order(profiles::name)
                .limit(limit_of(limit))
                .select((profiles::name, profiles::parent, profiles::active, profiles::revision))
                .load(c)
        })?;
        let head = |(name, parent, active, newest): Rec| {
            let row = Row { table: "profiles", key: &name };
            Ok(ProfileHead {
                name: row.parse("name", &name)?,
                parent: row.parse_opt("parent", parent.as_deref())?,
                active: row.number("active", active)?,
                newest: row.number("revision", newest)?,
            })
        };
        recs.into_iter().map(head).collect()
    }
}
