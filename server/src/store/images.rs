//! Images: immutable rows, and their parts, which refer to blobs.

use super::schema::{blobs, image_parts, images};
use super::tx::{Row, Tx, limit_of, to_i64};
use crate::domain::Sha256;
use crate::domain::image::{Image, ImageRef, Part};
use crate::domain::image_kept::{Kept, Listing};
use crate::error::{Error, Result};
use diesel::prelude::*;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = images)]
struct ImageRec {
    name: String,
    version: String,
    arch: String,
    cmdline: String,
    kernel_release: String,
    created: i64,
    made_by: String,
    notes: String,
    contents: Option<String>,
}

/// With the size of its listing.
type Loaded = (ImageRec, Option<i64>);

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = image_parts)]
struct PartRec {
    name: String,
    version: String,
    role: String,
    sha256: String,
    size: i64,
}

impl ImageRec {
    fn into_image(self, listed: Option<i64>, parts: Vec<PartRec>) -> Result<Image> {
        let key = format!("{}:{}", self.name, self.version);
        let row = Row { table: "images", key: &key };
        let part_row = Row { table: "image_parts", key: &key };
        let mut parts: Vec<Part> = parts
            .iter()
            .map(|part| {
                Ok(Part {
                    role: part_row.parse("role", &part.role)?,
                    sha256: part_row.parse("sha256", &part.sha256)?,
                    size: part_row.number("size", part.size)?,
                })
            })
            .collect::<Result<_>>()?;
        parts.sort_by_key(|part| part.role);
        let contents = match (row.parse_opt("contents", self.contents.as_deref())?, listed) {
            (Some(sha256), Some(size)) => Some(Listing { sha256, size: row.number("size of contents", size)? }),
            _ => None,
        };
        Ok(Image {
            reference: ImageRef { name: row.parse("name", &self.name)?, version: row.parse("version", &self.version)? },
            arch: row.parse("arch", &self.arch)?,
            cmdline: row.parse("cmdline", &self.cmdline)?,
            kernel_release: self.kernel_release,
            parts,
            created: self.created,
            kept: Kept { made_by: self.made_by, notes: self.notes, recipe: String::new(), contents },
        })
    }
}

impl Tx<'_> {
    /// Insert; `Error::Conflict` when one of that name and version is there, or a part's blob is not (nothing changed).
    pub fn insert_image(&mut self, image: &Image) -> Result<()> {
        let reference = &image.reference;
        if self.image(reference)?.is_some() {
            return Err(Error::Conflict(format!("image {reference} is there already: use another version")));
        }
        let rec = ImageRec {
            name: reference.name.to_string(),
            version: reference.version.to_string(),
            arch: image.arch.to_string(),
            cmdline: image.cmdline.to_string(),
            kernel_release: image.kernel_release.clone(),
            created: image.created,
            made_by: image.kept.made_by.clone(),
            notes: image.kept.notes.clone(),
            contents: image.kept.contents.as_ref().map(|listing| listing.sha256.to_string()),
        };
        if let Some(listing) = &image.kept.contents
            && self.blob(&listing.sha256)?.is_none()
        {
            let sha256 = &listing.sha256;
            return Err(Error::Conflict(format!(
                "image {reference}: its listing, blob {sha256}, is not here: upload it"
            )));
        }
        let mut parts = vec![];
        for part in &image.parts {
            if self.blob(&part.sha256)?.is_none() {
                let (role, sha256) = (part.role, &part.sha256);
                return Err(Error::Conflict(format!(
                    "image {reference}: its {role}, blob {sha256}, is not here: upload it"
                )));
            }
            parts.push(PartRec {
                name: rec.name.clone(),
                version: rec.version.clone(),
                role: part.role.to_string(),
                sha256: part.sha256.to_string(),
                size: to_i64("size of a part", part.size)?,
            });
        }
        self.run(format_args!("image {reference}"), |c| {
            diesel::insert_into(images::table).values((&rec, images::recipe.eq(&image.kept.recipe))).execute(c)?;
            for part in &parts {
                diesel::insert_into(image_parts::table).values(part).execute(c)?;
            }
            Ok(())
        })
    }

    /// By reference.
    pub fn image(&mut self, image: &ImageRef) -> Result<Option<Image>> {
        let key = (image.name.as_str(), image.version.as_str());
        let (rec, parts) = self.run(format_args!("image {image}"), |c| {
            let query = images::table
                .left_join(blobs::table.on(images::contents.eq(blobs::sha256.nullable())))
                .filter(images::name.eq(key.0))
                .filter(images::version.eq(key.1))
                .select((ImageRec::as_select(), blobs::size.nullable(), images::recipe));
            let rec: Option<(ImageRec, Option<i64>, String)> = query.first(c).optional()?;
            let parts: Vec<PartRec> = image_parts::table
                .filter(image_parts::name.eq(key.0))
                .filter(image_parts::version.eq(key.1))
                .select(PartRec::as_select())
                .load(c)?;
            Ok((rec, parts))
        })?;
        let Some((rec, listed, recipe)) = rec else { return Ok(None) };
        let image = rec.into_image(listed, parts)?;
        Ok(Some(Image { kept: Kept { recipe, ..image.kept }, ..image }))
    }

    /// In order of (name, version), without their recipes.
    pub fn images(&mut self, after: Option<&ImageRef>, limit: usize) -> Result<Vec<Image>> {
        let (recs, parts) = self.run("images", |c| {
            let mut query = images::table
                .left_join(blobs::table.on(images::contents.eq(blobs::sha256.nullable())))
                .order((images::name, images::version))
                .limit(limit_of(limit))
                .select((ImageRec::as_select(), blobs::size.nullable()))
                .into_boxed();
            if let Some(after) = after {
                let same_name = images::name.eq(after.name.as_str()).and(images::version.gt(after.version.as_str()));
                query = query.filter(images::name.gt(after.name.as_str()).or(same_name));
            }
            let recs: Vec<Loaded> = query.load(c)?;
            let (Some((first, _)), Some((last, _))) = (recs.first(), recs.last()) else { return Ok((recs, vec![])) };
            // Parts of the images between the two.
            let behind = image_parts::name.gt(&first.name).or(image_parts::version.ge(&first.version));
            let before = image_parts::name.lt(&last.name).or(image_parts::version.le(&last.version));
            let parts: Vec<PartRec> = image_parts::table
                .filter(image_parts::name.between(&first.name, &last.name))
                .filter(behind)
                .filter(before)
                .select(PartRec::as_select())
                .load(c)?;
            Ok((recs, parts))
        })?;
        let mut by_image = std::collections::BTreeMap::<(String, String), Vec<PartRec>>::new();
        for part in parts {
            by_image.entry((part.name.clone(), part.version.clone())).or_default().push(part);
        }
        recs.into_iter()
            .map(|(rec, listed)| {
                let parts = by_image.remove(&(rec.name.clone(), rec.version.clone())).unwrap_or_default();
                rec.into_image(listed, parts)
            })
            .collect()
    }

    /// Images of which it is a part, or the listing, in order; at most `limit`.
    pub fn images_with_blob(&mut self, sha256: &Sha256, limit: usize) -> Result<Vec<ImageRef>> {
        let found: Vec<(String, String)> = self.run(format_args!("images with blob {sha256}"), |c| {
            let part = image_parts::table
                .filter(image_parts::sha256.eq(sha256.as_str()))
                .filter(image_parts::name.eq(images::name))
                .filter(image_parts::version.eq(images::version));
            images::table
                .filter(images::contents.eq(sha256.as_str()).or(diesel::dsl::exists(part).nullable()))
                .order((images::name, images::version))
                .limit(limit_of(limit))
                .select((images::name, images::version))
                .load(c)
        })?;
        let row = Row { table: "images", key: sha256 };
        let reference = |(name, version): &(String, String)| {
            Ok(ImageRef { name: row.parse("name", name)?, version: row.parse("version", version)? })
        };
        found.iter().map(reference).collect()
    }

    /// False when there is none. Its blobs stay until they are forgotten.
    pub fn delete_image(&mut self, image: &ImageRef) -> Result<bool> {
        let key = (image.name.as_str(), image.version.as_str());
        let deleted =
            self.run(format_args!("image {image}"), |c| diesel::delete(images::table.find(key)).execute(c))?;
        Ok(deleted > 0)
    }
}
