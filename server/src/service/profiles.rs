//! People make and change profiles. A change makes a new revision of the profile, and of each that inherits from it and
//! gets something else by it, all at once or not at all; what a revision says never changes.

use super::nodes::page_limit;
use super::profile_words::{Said, said};
use super::{App, templates, wire};
use crate::domain::profile::inherit::check_parent;
use crate::domain::profile::{DESCENDANTS_MAX, GENERATIONS_MAX, Profile, Spec, Words};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::store::Tx;
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
        changes(tx, &key, None, &said, (created, &made_by))
    })
    .await
}

/// Change a profile, by nobody in particular: a new revision when it differs, the present one when it does not.
pub async fn update(app: &App, name: Name, new: NewProfile) -> Result<api::Profile> {
    update_by(app, name, new, "").await
}

/// As [`update`], by `who` ("person NAME").
pub async fn update_by(app: &App, name: Name, new: NewProfile, who: &str) -> Result<api::Profile> {
    if new.name != name.as_str() {
        let body = new.name;
        return Err(Error::BadRequest(format!("the path names profile {name}, the body {body}: they must agree")));
    }
    let (made_by, created, key) = (who.to_owned(), app.now(), name.clone());
    save(app, name, move |tx| {
        let present = tx.profile(&key)?.ok_or_else(|| not_found(&key))?;
        let said = said(&new, Some(&present))?;
        changes(tx, &key, Some(&present), &said, (created, &made_by))
    })
    .await
}

/// Work out what a save makes, render it for all nodes that have it, and write it, if it is still the same then: rendering
/// a fleet takes longer than a write may.
async fn save<F>(app: &App, name: Name, work_out: F) -> Result<api::Profile>
where
    F: Fn(&mut Tx<'_>) -> Result<Vec<Profile>> + Clone + Send + Sync + 'static,
{
    for _ in 0..TRIES {
        let made = app.store.read(work_out.clone()).await?;
        for profile in &made {
            templates::try_all(app, profile).await?;
        }
        let (work_out, key) = (work_out.clone(), name.clone());
        let saved = app
            .store
            .write(move |tx| {
                if work_out(tx)? != made {
                    return Ok(None);
                }
                for profile in &made {
                    tx.insert_profile_revision(profile)?;
                    tx.stale_profile(&profile.name)?;
                }
                newest(tx, &key).map(Some)
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
            let next = profiles.last().filter(|_| more).map(|(p, _)| p.name.to_string());
            Ok(Page { items: profiles.iter().map(|(p, nodes)| wire::profile(p, *nodes)).collect(), next })
        })
        .await
}

/// One profile: its newest revision.
pub async fn show(app: &App, name: Name) -> Result<api::Profile> {
    app.store.read(move |tx| newest(tx, &name)).await
}

/// Delete a profile that no node has, and no other inherits from.
pub async fn delete(app: &App, name: Name) -> Result<()> {
    app.store
        .write(move |tx| {
            let nodes = tx.nodes_with_profile(&name)?;
            if nodes > 0 {
                return Err(Error::Conflict(format!(
                    "profile {name} is assigned to {nodes} nodes: assign them another first"
                )));
            }
            if let Some(rule) = tx.rules()?.into_iter().find(|rule| rule.sets.profile.as_ref() == Some(&name)) {
                return Err(Error::Conflict(format!(
                    "rule {} assigns profile {name}: change the rule first",
                    rule.name
                )));
            }
            if tx.delete_profile(&name)? { Ok(()) } else { Err(not_found(&name)) }
        })
        .await
}

/// Bytes of files and units of all revisions that one save makes: they are in memory together.
const SAVED_MAX: usize = 64 << 20;

/// The revisions that a save makes: of the profile itself first, then of those that inherit from it, parents before
/// children; none when nothing differs. Reads only. Errors: what does not fit, in whichever of them.
fn changes(
    tx: &mut Tx<'_>,
    name: &Name,
    present: Option<&Profile>,
    (parent, words): &Said,
    (created, made_by): (Micros, &str),
) -> Result<Vec<Profile>> {
    let heirs = match present {
        Some(_) => descendants(tx, name)?,
        None => vec![],
    };
    let below = heirs.iter().map(|(generation, _)| *generation).max().unwrap_or(0);
    check_parent(name, parent.as_ref(), below, |above| tx.parent_of_profile(above))??;
    let above = match parent {
        None => None,
        Some(parent) => Some(tx.profile(parent)?.ok_or_else(|| not_found(parent))?.spec),
    };
    let words = exact_image(tx, words)?;
    let spec = checked(tx, name, above.as_ref(), &words)?;
    if let Some(p) = present
        && (&p.parent, &p.words, &p.spec) == (parent, &words, &spec)
    {
        return Ok(vec![]);
    }
    let (parent, made_by) = (parent.clone(), made_by.to_owned());
    let revision = next_revision(present)?;
    let mut bytes = spec.content_bytes();
    let mut made = vec![Profile { name: name.clone(), revision, parent, words, spec, created, made_by }];
    for (_, heir) in heirs {
        // Parents come before their children: what is not among the made has not changed, nor what inherits from it.
        let Some(above) = made.iter().find(|p| Some(&p.name) == heir.parent.as_ref()) else { continue };
        let made_by = format!("parent {} revision {}", above.name, above.revision);
        let spec = checked(tx, &heir.name, Some(&above.spec), &heir.words).map_err(|e| in_heir(&heir.name, e))?;
        if spec == heir.spec {
            continue;
        }
        let revision = next_revision(Some(&heir))?;
        bytes += spec.content_bytes();
        if bytes > SAVED_MAX {
            return Err(Error::BadRequest(format!(
                "profile {name} and those that inherit from it have files and units of over {SAVED_MAX} bytes together: give some of them another parent, or smaller files"
            )));
        }
        made.push(Profile { revision, spec, created, made_by, ..heir });
    }
    Ok(made)
}

/// Those that inherit from `name`, each with its generation, children before grandchildren. Errors: too many.
fn descendants(tx: &mut Tx<'_>, name: &Name) -> Result<Vec<(usize, Profile)>> {
    let mut found: Vec<(usize, Profile)> = vec![];
    let mut parents = vec![name.clone()];
    for generation in 1..=GENERATIONS_MAX {
        let mut children = vec![];
        for parent in &parents {
            children.extend(tx.children_of_profile(parent, DESCENDANTS_MAX + 1)?);
            if found.len() + children.len() > DESCENDANTS_MAX {
                return Err(Error::BadRequest(format!(
                    "over {DESCENDANTS_MAX} profiles inherit from profile {name}: give some of them another parent"
                )));
            }
        }
        for child in &children {
            let child =
                tx.profile(child)?.ok_or_else(|| Error::internal(format!("profile {child} has no revision")))?;
            found.push((generation, child));
        }
        parents = children;
    }
    Ok(found)
}

fn next_revision(present: Option<&Profile>) -> Result<u32> {
    present.map_or(0, |p| p.revision).checked_add(1).ok_or_else(|| Error::internal("revision overflow"))
}

/// With the version that its image means now: a revision never changes, so it names no label.
fn exact_image(tx: &mut Tx<'_>, words: &Words) -> Result<Words> {
    let mut words = words.clone();
    if let Some(serde_json::Value::String(image)) = words.0.get_mut("image")
        && let Ok(named) = image.parse()
        && let Some(meant) = tx.resolve_image(&named)?
    {
        *image = meant.to_string();
    }
    Ok(words)
}

/// The whole that words make, checked against the image.
fn checked(tx: &mut Tx<'_>, name: &Name, parent: Option<&Spec>, words: &Words) -> Result<Spec> {
    let spec = Spec::of(parent, words)?;
    let image = match &spec.image {
        None => None,
        Some(image) => Some(
            tx.image(image)?
                .ok_or_else(|| Error::BadRequest(format!("there is no image {image}: see `higuma image list`")))?,
        ),
    };
    spec.check_mode(image.as_ref())?;
    if let Some(image) = image {
        spec.fits_unrendered(&image.cmdline)?;
    }
    if let Some(missing) = spec.missing() {
        let nodes = tx.nodes_with_profile(name)?;
        if nodes > 0 {
            return Err(Error::BadRequest(format!("{missing}, and profile {name} is assigned to {nodes} nodes")));
        }
        if let Some(rule) = tx.rules()?.into_iter().find(|rule| rule.sets.profile.as_ref() == Some(name)) {
            let rule = rule.name;
            return Err(Error::BadRequest(format!("{missing}, and rule {rule} assigns profile {name}")));
        }
    }
    Ok(spec)
}

fn in_heir(heir: &Name, error: Error) -> Error {
    match error {
        Error::BadRequest(text) => Error::BadRequest(format!("profile {heir}, which inherits from it: {text}")),
        other => other,
    }
}

/// As stored, with its words and the digest of its image.
fn newest(tx: &mut Tx<'_>, name: &Name) -> Result<api::Profile> {
    let profile = tx.profile(name)?.ok_or_else(|| not_found(name))?;
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
        ..wire::profile(&profile, nodes)
    })
}

pub(super) fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no profile {name}: see `higuma profile list`"))
}
