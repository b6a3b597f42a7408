//! Labels of images in a folder: what each is to mean. A label that is not named stays, unless it is asked for that it goes.

use super::{Outcome, change};
use crate::domain::image::ImageRef;
use crate::domain::image_kept::Label;
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::service::image_labels;
use crate::store::Tx;
use higuma_proto::api::PlanDifference;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Labels of a server that can be applied to, at most.
const ALL_MAX: usize = 10_000;

/// NAME:LABEL, and the version that it is to mean.
pub(super) type Labels = BTreeMap<ImageRef, Name>;

/// Of a request.
pub(super) fn parse(labels: BTreeMap<String, String>) -> Result<Labels> {
    if labels.len() > ALL_MAX {
        return Err(Error::BadRequest(format!("labels: expected at most {ALL_MAX}, got {}", labels.len())));
    }
    let one = |(label, version): (String, String)| {
        let wrong = |e: crate::domain::Invalid| Error::BadRequest(format!("labels.{label}: {e}"));
        Ok((label.parse().map_err(wrong)?, version.parse().map_err(wrong)?))
    };
    labels.into_iter().map(one).collect()
}

/// Those that are there.
pub(super) fn all(tx: &mut Tx<'_>) -> Result<Vec<Label>> {
    let labels = tx.all_labels(ALL_MAX + 1)?;
    if labels.len() > ALL_MAX {
        return Err(Error::BadRequest(format!(
            "there are over {ALL_MAX} labels of images: a folder cannot be applied to so many"
        )));
    }
    Ok(labels)
}

/// What counts of them.
pub(super) fn plain(labels: &[Label]) -> Value {
    labels.iter().map(|label| json!([label.label.to_string(), label.version.as_str()])).collect()
}

/// Make and move what is named, by `who` ("person NAME"). Errors: no such version, a label that is the name of a version.
pub(super) fn put(tx: &mut Tx<'_>, wanted: &Labels, (who, now): (&str, Micros), outcome: &mut Outcome) -> Result<()> {
    for (label, version) in wanted {
        let before = tx.label(label)?.map(|label| label.version);
        if before.as_ref() == Some(version) {
            outcome.unchanged += 1;
            continue;
        }
        let who = who.strip_prefix("person ").unwrap_or(who);
        let meant = image_labels::put(tx, label, version, (who, now)).map_err(|e| of(label, e))?;
        if meant.version != *version {
            let named = format!("{}:{version}", label.name);
            return Err(Error::BadRequest(format!(
                "label {label}: expected a version, got another label: {named} is {meant}"
            )));
        }
        let action = if before.is_some() { "change" } else { "create" };
        let difference = PlanDifference {
            what: "version".to_owned(),
            old: before.map(|version| version.to_string()),
            new: Some(version.to_string()),
            lines: None,
        };
        outcome.changes.push(change("label", label, action, None, vec![difference]));
    }
    Ok(())
}

/// Take away what is not named.
pub(super) fn prune(tx: &mut Tx<'_>, wanted: &Labels, outcome: &mut Outcome) -> Result<()> {
    for label in all(tx)?.into_iter().filter(|label| !wanted.contains_key(&label.label)) {
        tx.delete_label(&label.label)?;
        outcome.changes.push(change("label", &label.label, "delete", None, vec![]));
    }
    Ok(())
}

fn of(label: &ImageRef, error: Error) -> Error {
    match error {
        Error::BadRequest(text) => Error::BadRequest(format!("label {label}: {text}")),
        Error::NotFound(text) => Error::NotFound(format!("label {label}: {text}")),
        Error::Conflict(text) => Error::Conflict(format!("label {label}: {text}")),
        other => other,
    }
}
