//! People make and change profiles. A change makes a new revision; what a revision says never changes.

use super::nodes::page_limit;
use super::{App, wire};
use crate::domain::Name;
use crate::domain::profile::{File, Profile, Spec, check};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{self, NewProfile, Page};

/// Make a profile. Errors: what does not parse, an image that is not there, a name that is taken.
pub async fn create(app: &App, new: NewProfile) -> Result<api::Profile> {
    let (name, wanted) = parse(new)?;
    let created = app.now();
    app.store
        .write(move |tx| {
            if tx.profile(&name)?.is_some() {
                return Err(Error::Conflict(format!(
                    "there is a profile {name} already: change it with `higuma profile update`"
                )));
            }
            let spec = need_image(tx, &wanted)?;
            let profile = Profile { name: name.clone(), revision: 1, spec, created };
            tx.insert_profile_revision(&profile)?;
            of_wire(tx, &profile, 0)
        })
        .await
}

/// Change a profile: a new revision when it differs, the present one when it does not.
pub async fn update(app: &App, name: Name, new: NewProfile) -> Result<api::Profile> {
    let (body_name, wanted) = parse(new)?;
    if body_name != name {
        return Err(Error::BadRequest(format!("the path names profile {name}, the body {body_name}: they must agree")));
    }
    let created = app.now();
    app.store
        .write(move |tx| {
            let present = tx.profile(&name)?.ok_or_else(|| not_found(&name))?;
            let nodes = tx.nodes_with_profile(&name)?;
            if present.spec == wanted {
                return of_wire(tx, &present, nodes);
            }
            let spec = need_image(tx, &wanted)?;
            if present.spec == spec {
                return of_wire(tx, &present, nodes);
            }
            let revision = present.revision.checked_add(1).ok_or_else(|| Error::internal("revision overflow"))?;
            let profile = Profile { name: name.clone(), revision, spec, created };
            tx.insert_profile_revision(&profile)?;
            tx.stale_profile(&name)?;
            of_wire(tx, &profile, nodes)
        })
        .await
}

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
    app.store
        .read(move |tx| {
            let profile = tx.profile(&name)?.ok_or_else(|| not_found(&name))?;
            let nodes = tx.nodes_with_profile(&name)?;
            of_wire(tx, &profile, nodes)
        })
        .await
}

/// Delete a profile that no node has.
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

fn parse(new: NewProfile) -> Result<(Name, Spec)> {
    let spec = Spec {
        image: new.image.parse()?,
        cmdline: new.cmdline.parse()?,
        files: new.files.into_iter().map(|f| File { path: f.path, mode: f.mode, content: f.content }).collect(),
        ssh_authorized_keys: new.ssh_authorized_keys,
    };
    check(&spec)?;
    Ok((new.name.parse()?, spec))
}

/// Of the whole command line, with room for what the agent adds; Linux 6.1 loads 2,016 bytes at most.
const CMDLINE_MAX: usize = 1_900;

/// The spec with the version that its image means now: a revision never changes, so it names no label.
fn need_image(tx: &mut Tx<'_>, wanted: &Spec) -> Result<Spec> {
    let meant = tx.resolve_image(&wanted.image)?.unwrap_or_else(|| wanted.image.clone());
    let spec = Spec { image: meant, ..wanted.clone() };
    match tx.image(&spec.image)? {
        Some(image) if image.cmdline.join(&spec.cmdline).as_str().len() > CMDLINE_MAX => Err(Error::BadRequest(
            format!("the image's command line and the profile's are over {CMDLINE_MAX} bytes together: shorten one"),
        )),
        Some(_) => Ok(spec),
        None => Err(Error::BadRequest(format!("there is no image {}: see `higuma image list`", spec.image))),
    }
}

/// With the digest of its image.
fn of_wire(tx: &mut Tx<'_>, profile: &Profile, nodes: u64) -> Result<api::Profile> {
    let image_digest = tx.image(&profile.spec.image)?.map(|image| image.digest().to_string());
    Ok(api::Profile { image_digest, ..wire::profile(profile, nodes) })
}

fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no profile {name}: see `higuma profile list`"))
}
