//! Labels of images, and what people say of images. Whether a label may be is decided in the domain.

use super::schema::{image_labels, images};
use super::tx::{Row, Tx, limit_of};
use crate::domain::image::ImageRef;
use crate::domain::image_kept::{LABELS_MAX, Label};
use crate::domain::{Micros, Name};
use crate::error::Result;
use diesel::prelude::*;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = image_labels)]
struct LabelRec {
    name: String,
    label: String,
    version: String,
    moved_by: String,
    moved: Micros,
}

impl LabelRec {
    fn into_label(self) -> Result<Label> {
        let row = Row { table: "image_labels", key: &format_args!("{}:{}", self.name, self.label) };
        Ok(Label {
            label: ImageRef { name: row.parse("name", &self.name)?, version: row.parse("label", &self.label)? },
            version: row.parse("version", &self.version)?,
            moved_by: self.moved_by,
            moved: self.moved,
        })
    }
}

impl Tx<'_> {
    /// What a label means.
    pub fn label(&mut self, label: &ImageRef) -> Result<Option<Label>> {
        let key = (label.name.as_str(), label.version.as_str());
        let rec = self.run(format_args!("label {label}"), |c| {
            image_labels::table.find(key).select(LabelRec::as_select()).first(c).optional()
        })?;
        rec.map(LabelRec::into_label).transpose()
    }

    /// All labels of images with names from `first` to `last`, in order of name and label; [`LABELS_MAX`] a name.
    pub fn labels(&mut self, first: &Name, last: &Name) -> Result<Vec<Label>> {
        let recs: Vec<LabelRec> = self.run(format_args!("labels of images {first} to {last}"), |c| {
            image_labels::table
                .filter(image_labels::name.between(first.as_str(), last.as_str()))
                .order((image_labels::name, image_labels::label))
                .select(LabelRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(LabelRec::into_label).collect()
    }

    /// Labels of all images, in order of name and label; at most `limit`.
    pub fn all_labels(&mut self, limit: usize) -> Result<Vec<Label>> {
        let recs: Vec<LabelRec> = self.run("labels of images", |c| {
            image_labels::table
                .order((image_labels::name, image_labels::label))
                .limit(limit_of(limit))
                .select(LabelRec::as_select())
                .load(c)
        })?;
        recs.into_iter().map(LabelRec::into_label).collect()
    }

    /// Labels of one version, in order.
    pub fn labels_of(&mut self, image: &ImageRef) -> Result<Vec<Name>> {
        let labels: Vec<String> = self.run(format_args!("labels of image {image}"), |c| {
            image_labels::table
                .filter(image_labels::name.eq(image.name.as_str()))
                .filter(image_labels::version.eq(image.version.as_str()))
                .order(image_labels::label)
                .limit(limit_of(LABELS_MAX))
                .select(image_labels::label)
                .load(c)
        })?;
        let row = Row { table: "image_labels", key: image };
        labels.iter().map(|label| row.parse("label", label)).collect()
    }

    /// Make or move. `Error::Conflict` when there is no such version.
    pub fn put_label(&mut self, label: &Label) -> Result<()> {
        let rec = LabelRec {
            name: label.label.name.to_string(),
            label: label.label.version.to_string(),
            version: label.version.to_string(),
            moved_by: label.moved_by.clone(),
            moved: label.moved,
        };
        self.run(format_args!("label {} of version {}", label.label, label.version), |c| {
            let key = (&rec.name, &rec.label);
            if diesel::update(image_labels::table.find(key)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(image_labels::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// False when there is none.
    pub fn delete_label(&mut self, label: &ImageRef) -> Result<bool> {
        let key = (label.name.as_str(), label.version.as_str());
        let gone =
            self.run(format_args!("label {label}"), |c| diesel::delete(image_labels::table.find(key)).execute(c))?;
        Ok(gone > 0)
    }

    /// The version that a person means by NAME:VERSION or NAME:LABEL; none: neither is there.
    pub fn resolve_image(&mut self, named: &ImageRef) -> Result<Option<ImageRef>> {
        let key = (named.name.as_str(), named.version.as_str());
        let is_version: i64 = self.run(format_args!("image {named}"), |c| {
            let same = images::name.eq(key.0).and(images::version.eq(key.1));
            images::table.filter(same).count().get_result(c)
        })?;
        if is_version > 0 {
            return Ok(Some(named.clone()));
        }
        Ok(self.label(named)?.map(|label| ImageRef { name: label.label.name, version: label.version }))
    }

    /// False when there is no such image.
    pub fn set_image_notes(&mut self, image: &ImageRef, notes: &str) -> Result<bool> {
        let key = (image.name.as_str(), image.version.as_str());
        let set = self.run(format_args!("image {image}"), |c| {
            diesel::update(images::table.find(key)).set(images::notes.eq(notes)).execute(c)
        })?;
        Ok(set > 0)
    }
}
