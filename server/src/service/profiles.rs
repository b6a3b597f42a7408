//! People make and change profiles. A change makes a new revision of the profile, and of each that inherits from it and
//! gets something else by it, all at once or not at all; what a revision says never changes.

pub(super) mod changes;
pub mod diff;

pub(super) use self::changes::no_revision;
use self::changes::{Changes, of_activation, of_save};
use super::nodes::page_limit;
use super::profile_words::said;
use super::{App, templates, wire};
use crate::domain::Name;
use crate::domain::profile::{Revision, Words};
use crate::error::{Error, Result};
use crate::store::{ProfileBrief, ProfileRow, RevisionRow, Tx};
use higuma_proto::api::{self, NewProfile, Page};

/// Make a profile, by nobody in particular. Errors: what does not fit, an image that is not there, a name that is taken.
pub async fn create(app: &App, new: NewProfile) -> Result<api::Profile> {
    create_by(app, new, "").await
}

/// As [`create`], by `who` ("person NAME").
pub async fn create_by(app: &App, new: NewProfile, who: &str) -> Result<api::Profile> {
    let name: Name = new.name.parse()?;
    let said = said(&new, None)?;
    let (made_by, created, key) = (who.to_owned(), app.now(), name.clone());
    save(app, name, move |tx| {
        if tx.profile(&key)?.is_some() {
            return Err(Error::Conflict(format!(
                "there is a profile {key} already: change it with `higuma profile update`"
            )));
        }
        of_save(tx, &key, &said, false, (created, &made_by))
    })
    .await
}

/// Change a profile, by nobody in particular: a new revision when it differs, the newest when it does not.
pub async fn update(app: &App, name: Name, new: NewProfile) -> Result<api::Profile> {
    update_by(app, name, new, false, "").await
}

/// As [`update`], by `who` ("person NAME"). A draft is not what nodes boot, until it is activated or a node is pinned to it.
pub async fn update_by(app: &App, name: Name, new: NewProfile, draft: bool, who: &str) -> Result<api::Profile> {
    if new.name != name.as_str() {
        let body = new.name;
        return Err(Error::BadRequest(format!("the path names profile {name}, the body {body}: they must agree")));
    }
    let (made_by, created, key) = (who.to_owned(), app.now(), name.clone());
    save(app, name, move |tx| {
        // What a draft says is not said by who does not know of it.
        let present = if draft { tx.profile(&key)? } else { tx.active_profile(&key)? };
        let said = said(&new, Some(&present.ok_or_else(|| not_found(&key))?))?;
        of_save(tx, &key, &said, draft, (created, &made_by))
    })
    .await
}

/// Make a revision the one that nodes without a pin boot; again: the same. What inherits from the profile gets new
/// revisions by it. Errors: no such revision; what does not fit any more.
pub async fn activate(app: &App, name: Name, revision: u32) -> Result<api::Profile> {
    let (now, key) = (app.now(), name.clone());
    save(app, name, move |tx| of_activation(tx, &key, revision, now)).await
}

/// Work out what a save makes, render it for all nodes that have it, and write it, if it is still the same then: rendering
/// a fleet takes longer than a write may.
async fn save<F>(app: &App, name: Name, work_out: F) -> Result<api::Profile>
where
    F: Fn(&mut Tx<'_>) -> Result<Changes> + Clone + Send + Sync + 'static,
{
    for _ in 0..TRIES {
        let changes = app.store.read(work_out.clone()).await?;
        for profile in changes.rendered() {
            templates::try_all(app, profile).await?;
        }
        let (work_out, key, now) = (work_out.clone(), name.clone(), app.now());
        let saved = app
            .store
            .write(move |tx| {
                if work_out(tx)? != changes {
                    return Ok(None);
                }
                for profile in &changes.made {
                    tx.insert_profile_revision(profile)?;
                }
                for profile in &changes.active {
                    tx.activate_profile(&profile.name, profile.revision, now)?;
                }
                stored(tx, &key, Some(changes.wanted)).map(Some)
            })
            .await?;
        if let Some(saved) = saved {
            return Ok(saved);
        }
    }
    Err(Error::Conflict(format!("profile {name} is changed by somebody else at the same time: try again")))
}

/// Saves are tried so often, while others change what they rest on.
const TRIES: usize = 3;

/// A page of profiles, in order of name.
pub async fn list(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<api::Profile>> {
    let after: Option<Name> = cursor.map(str::parse).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut profiles = tx.profiles(after.as_ref(), limit + 1)?;
            let more = profiles.len() > limit;
            profiles.truncate(limit);
            let next = profiles.last().filter(|_| more).map(|row| row.profile.name.to_string());
            let item = |row: &ProfileRow| wire::profile(&row.profile, row.profile.revision, row.newest, row.nodes);
            Ok(Page { items: profiles.iter().map(item).collect(), next })
        })
        .await
}

/// The same without what is in them, for people.
pub async fn briefs(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<ProfileBrief>> {
    let after: Option<Name> = cursor.map(str::parse).transpose()?;
    let limit = page_limit(limit);
    let mut items = app.store.read(move |tx| tx.profile_briefs(after.as_ref(), limit + 1)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|brief| brief.name.to_string());
    Ok(Page { items, next })
}

/// One profile: this revision of it, or the active one.
pub async fn show(app: &App, name: Name, revision: Option<Revision>) -> Result<api::Profile> {
    app.store
        .read(move |tx| {
            let revision = match revision {
                None => None,
                Some(Revision::Number(number)) => Some(number),
                Some(Revision::Newest) => Some(tx.profile(&name)?.ok_or_else(|| not_found(&name))?.revision),
            };
            stored(tx, &name, revision)
        })
        .await
}

/// A page of a profile's revisions, the newest first, before the one that the cursor names.
pub async fn revisions(
    app: &App,
    name: Name,
    cursor: Option<&str>,
    limit: Option<usize>,
) -> Result<Page<api::ProfileRevision>> {
    let before: Option<Revision> = cursor.map(str::parse).transpose()?;
    let before = before.and_then(|before| if let Revision::Number(number) = before { Some(number) } else { None });
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let (active, _) = tx.active_revision(&name)?.ok_or_else(|| not_found(&name))?;
            let mut found = tx.profile_revisions(&name, before, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|row| row.revision.to_string());
            let item = |row: RevisionRow| api::ProfileRevision {
                revision: row.revision,
                active: row.revision == active,
                pinned: row.pinned,
                image: row.image.map(|image| image.to_string()).unwrap_or_default(),
                created_us: row.created,
                made_by: row.made_by,
            };
            Ok(Page { items: found.into_iter().map(item).collect(), next })
        })
        .await
}

/// Delete a profile that no node has, and no other inherits from.
pub async fn delete(app: &App, name: Name) -> Result<()> {
    app.store.write(move |tx| remove(tx, &name)).await
}

/// As [`delete`].
pub(super) fn remove(tx: &mut Tx<'_>, name: &Name) -> Result<()> {
    let nodes = tx.nodes_with_profile(name)?;
    if nodes > 0 {
        return Err(Error::Conflict(format!("profile {name} is assigned to {nodes} nodes: assign them another first")));
    }
    if let Some(rule) = tx.rules()?.into_iter().find(|rule| rule.sets.profile.as_ref() == Some(name)) {
        return Err(Error::Conflict(format!("rule {} assigns profile {name}: change the rule first", rule.name)));
    }
    if let Some(rollout) = tx.rollout_of_profile(name)? {
        return Err(Error::Conflict(format!(
            "rollout {rollout} gives profile {name} or may have to give it back: let it end first"
        )));
    }
    if tx.delete_profile(name)? { Ok(()) } else { Err(not_found(name)) }
}

/// As stored, with its words and the digest of its image; the active revision, when none is named.
fn stored(tx: &mut Tx<'_>, name: &Name, revision: Option<u32>) -> Result<api::Profile> {
    let (active, _) = tx.active_revision(name)?.ok_or_else(|| not_found(name))?;
    let newest = tx.profile(name)?.map_or(active, |profile| profile.revision);
    let revision = revision.unwrap_or(active);
    let profile = tx.profile_revision(name, revision)?.ok_or_else(|| no_revision(name, revision))?;
    let nodes = tx.nodes_with_profile(name)?;
    let image = profile.spec.image.as_ref().map(|image| tx.image(image)).transpose()?.flatten();
    let mut words = profile.words.0.clone();
    if let Some(parent) = &profile.parent {
        words.insert("parent".to_owned(), parent.as_str().into());
    }
    Ok(api::Profile {
        image_digest: image.map(|image| image.digest().to_string()),
        words: Some(words),
        resolved: Some(Words::of(&profile.spec).0),
        ..wire::profile(&profile, active, newest, nodes)
    })
}

pub(super) fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no profile {name}: see `higuma profile list`"))
}
