//! People move labels of images. Whether a label may be is decided in `domain`; who used it before keeps the version
//! that it meant then.

use super::App;
use super::images::{not_found, of_wire, resolve};
use crate::domain::image::ImageRef;
use crate::domain::image_kept::{Label, may_label};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{self, SetLabel};

/// Make a label of a version, or move it there. Errors: no such version, the label is the name of a version.
pub async fn set(app: &App, label: ImageRef, to: SetLabel, who: &str) -> Result<api::Image> {
    let (version, who, now) = (to.version.parse::<Name>()?, who.to_owned(), app.now());
    app.store
        .write(move |tx| {
            let image = put(tx, &label, &version, (&who, now))?;
            let stored = tx.image(&image)?.ok_or_else(|| not_found(&image))?;
            of_wire(tx, &stored)
        })
        .await
}

/// As [`set`]; gives the version that was meant, for `version` may be a label, too.
pub(super) fn put(tx: &mut Tx<'_>, label: &ImageRef, version: &Name, (who, now): (&str, Micros)) -> Result<ImageRef> {
    let image = resolve(tx, &ImageRef { name: label.name.clone(), version: version.clone() })?;
    let is_version = tx.image(label)?.is_some();
    let others = tx.labels(&label.name, &label.name)?.iter().filter(|other| other.label != *label).count();
    may_label(label, is_version, others).map_err(Error::Conflict)?;
    let (version, moved_by) = (image.version.clone(), who.to_owned());
    tx.put_label(&Label { label: label.clone(), version, moved_by, moved: now })?;
    Ok(image)
}

/// Take a label away; what it means stays.
pub async fn remove(app: &App, label: ImageRef) -> Result<()> {
    app.store
        .write(move |tx| match tx.delete_label(&label)? {
            true => Ok(()),
            false => Err(Error::NotFound(format!("there is no label {label}: `higuma image list` shows them"))),
        })
        .await
}
