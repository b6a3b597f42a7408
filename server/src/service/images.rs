//! People make, look at and delete images. The blobs are uploaded first; an image names them.

use super::nodes::page_limit;
use super::{App, wire};
use crate::domain::boot::clean;
use crate::domain::image::{Image, ImageRef, Part, check_parts};
use crate::error::{Error, Result};
use higuma_proto::api::{self, NewImage, Page};

/// Make an image. Errors: parts that make nothing bootable, blobs that are not there, a name and version that is taken.
pub async fn create(app: &App, new: NewImage) -> Result<api::Image> {
    let mut image = Image {
        reference: ImageRef { name: new.name.parse()?, version: new.version.parse()? },
        arch: new.arch.parse()?,
        cmdline: new.cmdline.parse()?,
        kernel_release: clean(&new.kernel_release, 100),
        parts: Vec::new(),
        created: app.now(),
    };
    for part in new.parts.iter().take(16) {
        image.parts.push(Part { role: part.role.parse()?, sha256: part.sha256.parse()?, size: 0 });
    }
    image.parts = check_parts(image.parts)?;
    app.store
        .write(move |tx| {
            let mut image = image.clone();
            for part in &mut image.parts {
                part.size = tx.blob(&part.sha256)?.ok_or_else(|| {
                    Error::BadRequest(format!("the {} blob {} is not here: upload it first", part.role, part.sha256))
                })?;
            }
            tx.insert_image(&image)?;
            Ok(wire::image(&image))
        })
        .await
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
            Ok(Page { items: images.iter().map(wire::image).collect(), next })
        })
        .await
}

/// One image.
pub async fn show(app: &App, reference: ImageRef) -> Result<api::Image> {
    app.store.read(move |tx| Ok(wire::image(&tx.image(&reference)?.ok_or_else(|| not_found(&reference))?))).await
}

/// Delete an image that no profile uses; its blobs go later, when nothing else refers to them.
pub async fn delete(app: &App, reference: ImageRef) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let users = tx.profiles_with_image(&reference)?;
            if !users.is_empty() {
                let names: Vec<_> = users.iter().map(|n| n.as_str()).collect();
                return Err(Error::Conflict(format!("image {reference} is used by profiles: {}", names.join(", "))));
            }
            let image = tx.image(&reference)?.ok_or_else(|| not_found(&reference))?;
            tx.delete_image(&reference)?;
            // A node may be in the middle of downloading them: the grace counts from now.
            for part in &image.parts {
                tx.put_blob(&part.sha256, part.size, now)?;
            }
            Ok(())
        })
        .await
}

fn not_found(reference: &ImageRef) -> Error {
    Error::NotFound(format!("there is no image {reference}: see `higuma image list`"))
}
