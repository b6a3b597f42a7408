//! What differs between two revisions of a profile: in its own words, and in the whole that they made with its parents'.
//! Reads only; of password hashes it tells fingerprints, of secrets names.

use super::{no_revision, not_found};
use crate::domain::Name;
use crate::domain::drift::{DIFFERENCES_MAX, differences};
use crate::domain::profile::user::hide_hashes;
use crate::domain::profile::{Profile, Revision, Words};
use crate::error::Result;
use crate::service::{App, wire};
use higuma_proto::api::{DiffedRevision, ProfileDiff};
use serde_json::Value;

/// What a revision is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// What nodes without a pin boot.
    Active,
    /// The one before it; of the first: itself.
    Before,
    /// This one.
    Of(Revision),
}

/// From `since` to `to`; none: the newest. Errors: no such profile, or no such revision of it.
pub async fn show(app: &App, name: Name, since: Since, to: Option<Revision>) -> Result<ProfileDiff> {
    app.store
        .read(move |tx| {
            let (active, _) = tx.active_revision(&name)?.ok_or_else(|| not_found(&name))?;
            let newest = tx.profile(&name)?.map_or(active, |profile| profile.revision);
            let number = |revision: Revision| match revision {
                Revision::Number(number) => number,
                Revision::Newest => newest,
            };
            let to = to.map_or(newest, number);
            let from = match since {
                Since::Active => active,
                Since::Before => to.saturating_sub(1).max(1),
                Since::Of(revision) => number(revision),
            };
            let from = tx.profile_revision(&name, from)?.ok_or_else(|| no_revision(&name, from))?;
            let to = tx.profile_revision(&name, to)?.ok_or_else(|| no_revision(&name, to))?;
            let (words, whole) = (differences(&spoken(&from), &spoken(&to)), differences(&whole(&from), &whole(&to)));
            Ok(ProfileDiff {
                profile: name.to_string(),
                from: told(&from, active),
                to: told(&to, active),
                more: words.len().max(whole.len()) >= DIFFERENCES_MAX,
                words: wire::differences(words),
                whole: wire::differences(whole),
            })
        })
        .await
}

fn told(profile: &Profile, active: u32) -> DiffedRevision {
    DiffedRevision {
        revision: profile.revision,
        active: profile.revision == active,
        image: profile.spec.image.as_ref().map(ToString::to_string).unwrap_or_default(),
        parent: profile.parent.as_ref().map(ToString::to_string),
        created_us: profile.created,
        made_by: profile.made_by.clone(),
    }
}

/// A profile's own words, its parent's name among them, without password hashes.
pub(in crate::service) fn spoken(profile: &Profile) -> Value {
    let mut words = profile.words.0.clone();
    hide_hashes(&mut words);
    if let Some(parent) = &profile.parent {
        words.insert("parent".to_owned(), parent.as_str().into());
    }
    Value::Object(words)
}

/// What they made with its parent's, in the same form, without password hashes.
fn whole(profile: &Profile) -> Value {
    let mut words = Words::of(&profile.spec).0;
    hide_hashes(&mut words);
    Value::Object(words)
}
