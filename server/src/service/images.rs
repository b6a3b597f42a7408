//! People make, look at and delete images. The blobs are uploaded first; an image names them.

use super::nodes::page_limit;
use super::{App, fallback, wire};
use crate::domain::boot::clean;
use crate::domain::image::{Image, ImageRef, Part, check_parts};
use crate::domain::image_gc::{RETIRED_SILENCE, Reason};
use crate::domain::image_kept::{Kept, Listing, check_notes, check_recipe, may_make};
use crate::domain::{Micros, Name, Sha256};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{self, ImagePatch, NewImage, Page};

/// Make an image of nobody: for tests and programs of our own.
pub async fn create(app: &App, new: NewImage) -> Result<api::Image> {
    create_by(app, new, "").await
}

/// Make an image. Errors: parts that make nothing bootable, blobs that are not there, a name and version that is taken, or
/// is a label.
pub async fn create_by(app: &App, new: NewImage, who: &str) -> Result<api::Image> {
    let mut image = Image {
        reference: ImageRef { name: new.name.parse()?, version: new.version.parse()? },
        arch: new.arch.parse()?,
        cmdline: new.cmdline.parse()?,
        kernel_release: clean(&new.kernel_release, 100),
        parts: Vec::new(),
        created: app.now(),
        kept: Kept {
            made_by: who.to_owned(),
            notes: check_notes(&new.notes)?,
            recipe: check_recipe(&new.recipe)?,
            contents: listing(new.contents.as_ref())?,
        },
    };
    for part in new.parts.iter().take(16) {
        image.parts.push(Part { role: part.role.parse()?, sha256: part.sha256.parse()?, size: 0 });
    }
    image.parts = check_parts(image.parts)?;
    app.store
        .write(move |tx| {
            let mut image = image.clone();
            may_make(&image.reference, tx.label(&image.reference)?.as_ref()).map_err(Error::Conflict)?;
            for part in &mut image.parts {
                part.size = tx.blob(&part.sha256)?.ok_or_else(|| {
                    Error::BadRequest(format!("the {} blob {} is not here: upload it first", part.role, part.sha256))
                })?;
            }
            if let Some(listing) = &mut image.kept.contents {
                listing.size = tx.blob(&listing.sha256)?.ok_or_else(|| {
                    Error::BadRequest(format!(
                        "the blob {} of the contents is not here: upload it first",
                        listing.sha256
                    ))
                })?;
            }
            tx.insert_image(&image)?;
            Ok(wire::image(&image, &[]))
        })
        .await
}

fn listing(given: Option<&api::ImagePart>) -> Result<Option<Listing>> {
    let Some(given) = given else { return Ok(None) };
    if given.role != "contents" {
        return Err(Error::BadRequest(format!("contents: expected the role contents, got {:?}", given.role)));
    }
    Ok(Some(Listing { sha256: given.sha256.parse()?, size: 0 }))
}

/// A page of images, in order of name and version.
pub async fn list(app: &App, cursor: Option<&str>, limit: Option<usize>) -> Result<Page<api::Image>> {
    let after: Option<ImageRef> = cursor.map(str::parse).transpose()?;
    let limit = page_limit(limit);
    app.store
        .read(move |tx| {
            let mut images = tx.images(after.as_ref(), limit + 1)?;
            let more = images.len() > limit;
            images.truncate(limit);
            let next = images.last().filter(|_| more).map(|i| i.reference.to_string());
            let (Some(first), Some(last)) = (images.first(), images.last()) else {
                return Ok(Page { items: vec![], next });
            };
            let labels = tx.labels(&first.reference.name, &last.reference.name)?;
            let of = |image: &Image| -> Vec<Name> {
                let reference = &image.reference;
                let mine = labels.iter().filter(|l| l.label.name == reference.name && l.version == reference.version);
                mine.map(|l| l.label.version.clone()).collect()
            };
            Ok(Page { items: images.iter().map(|image| wire::image(image, &of(image))).collect(), next })
        })
        .await
}

/// One image, by version or label.
pub async fn show(app: &App, named: ImageRef) -> Result<api::Image> {
    app.store
        .read(move |tx| {
            let reference = resolve(tx, &named)?;
            let image = tx.image(&reference)?.ok_or_else(|| not_found(&reference))?;
            of_wire(tx, &image)
        })
        .await
}

/// The blob that lists what is in an image. Errors: no such image, or it has none.
pub async fn contents(app: &App, named: ImageRef) -> Result<Sha256> {
    app.store
        .read(move |tx| {
            let reference = resolve(tx, &named)?;
            let image = tx.image(&reference)?.ok_or_else(|| not_found(&reference))?;
            let none = || {
                Error::NotFound(format!(
                    "{reference} has no listing of its contents: it was made before there were any, or of files that are taken \
                     as they are; import a folder, a tar file or an OCI image of it under another version"
                ))
            };
            image.kept.contents.map(|listing| listing.sha256).ok_or_else(none)
        })
        .await
}

/// As [`show`], with who names it, in words.
pub async fn with_uses(app: &App, named: ImageRef) -> Result<(api::Image, Vec<String>)> {
    let (silent, fallback) = (app.now() - RETIRED_SILENCE, fallback::kept_since(app));
    app.store
        .read(move |tx| {
            let reference = resolve(tx, &named)?;
            let image = tx.image(&reference)?.ok_or_else(|| not_found(&reference))?;
            let uses = tx.image_users(Some(&reference), silent, fallback)?.remove(&reference).unwrap_or_default();
            Ok((of_wire(tx, &image)?, uses.reasons().iter().map(Reason::to_string).collect()))
        })
        .await
}

/// Change what people say of an image, named by version or label.
pub async fn patch(app: &App, named: ImageRef, patch: ImagePatch) -> Result<api::Image> {
    let notes = patch.notes.as_deref().map(check_notes).transpose()?;
    app.store
        .write(move |tx| {
            let reference = resolve(tx, &named)?;
            if let Some(notes) = &notes {
                tx.set_image_notes(&reference, notes)?;
            }
            let image = tx.image(&reference)?.ok_or_else(|| not_found(&reference))?;
            of_wire(tx, &image)
        })
        .await
}

/// The version that a person means. Errors: neither version nor label is there.
pub(super) fn resolve(tx: &mut Tx<'_>, named: &ImageRef) -> Result<ImageRef> {
    tx.resolve_image(named)?.ok_or_else(|| not_found(named))
}

/// With its labels.
pub(super) fn of_wire(tx: &mut Tx<'_>, image: &Image) -> Result<api::Image> {
    Ok(wire::image(image, &tx.labels_of(&image.reference)?))
}

/// Delete an image that no profile, label or node names; its blobs go later, when nothing else refers to them.
pub async fn delete(app: &App, reference: ImageRef) -> Result<()> {
    let (now, fallback) = (app.now(), fallback::kept_since(app));
    app.store
        .write(move |tx| {
            let Some(image) = tx.image(&reference)? else {
                return Err(match tx.label(&reference)? {
                    Some(label) => Error::Conflict(format!(
                        "{reference} is a label of version {}: `higuma image unlabel {reference}` removes it",
                        label.version
                    )),
                    None => not_found(&reference),
                });
            };
            let mut users = tx.image_users(Some(&reference), now - RETIRED_SILENCE, fallback)?;
            let stays: Vec<_> =
                users.remove(&reference).unwrap_or_default().reasons().iter().map(Reason::to_string).collect();
            if !stays.is_empty() {
                return Err(Error::Conflict(format!("image {reference} cannot go: {}", stays.join("; "))));
            }
            remove(tx, &image, now)
        })
        .await
}

/// The image goes; its blobs stay for their grace, counted from now: a node may be in the middle of downloading them, one
/// that asked for its plan without beginning a boot (a shell script as an agent) too.
pub(super) fn remove(tx: &mut Tx<'_>, image: &Image, now: Micros) -> Result<()> {
    tx.delete_image(&image.reference)?;
    blobs_of(image).iter().try_for_each(|(sha256, size)| tx.put_blob(sha256, *size, now))
}

/// All blobs that an image names, its listing too, with their sizes.
pub(super) fn blobs_of(image: &Image) -> Vec<(Sha256, u64)> {
    let parts = image.parts.iter().map(|part| (part.sha256.clone(), part.size));
    parts.chain(image.kept.contents.iter().map(|listing| (listing.sha256.clone(), listing.size))).collect()
}

pub(super) fn not_found(reference: &ImageRef) -> Error {
    Error::NotFound(format!("there is no image {reference}: see `higuma image list`"))
}
