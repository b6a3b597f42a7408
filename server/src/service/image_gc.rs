//! People let unused images go. What is used is read, decided (in `domain`) and deleted in one transaction, so a boot or a
//! profile that names an image meanwhile either comes first, or finds it gone; it never loses one that it has.

use super::images::{self, blobs_of};
use super::{App, fallback};
use crate::domain::Micros;
use crate::domain::image::{Image, ImageRef};
use crate::domain::image_gc::{Candidate, Decision, Policy, RETIRED_SILENCE, Reason, Verdict, decide};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{ImageGc, ImageGcAnswer, ImageGcLine};
use std::collections::BTreeMap;

/// Images that go at once, and lines of an answer of those that stay, at most.
pub const MOST: usize = 1_000;
/// Images that are looked at, at most.
const LOOKED_AT: usize = 100_000;
const PAGE: usize = 1_000;

/// Let unused images go; a dry run only tells. The bytes follow when the grace of their blobs is over.
pub async fn run(app: &App, asked: ImageGc, who: &str) -> Result<ImageGcAnswer> {
    let older_than = i64::try_from(asked.older_than_seconds).ok().and_then(|s| s.checked_mul(1_000_000));
    let older_than = older_than
        .ok_or_else(|| Error::BadRequest("older_than_seconds: expected less than 292,000 years".to_owned()))?;
    let policy = Policy { keep: usize::try_from(asked.keep).unwrap_or(usize::MAX), older_than };
    let (now, dry_run, fallback) = (app.now(), asked.dry_run, fallback::kept_since(app));
    let work = move |tx: &mut Tx<'_>| {
        let images = all(tx)?;
        let decision = decide(&candidates(tx, &images, now, fallback)?, policy, now, MOST);
        for verdict in decision.verdicts.iter().filter(|v| v.stays.is_empty() && !dry_run) {
            if let Some(image) = images.get(&verdict.image) {
                images::remove(tx, image, now)?;
            }
        }
        Ok(decision)
    };
    let decision = if dry_run { app.store.read(work).await? } else { app.store.write(work).await? };
    let answer = answer(decision, dry_run);
    for image in answer.removed.iter().filter(|_| !dry_run) {
        tracing::info!(image = %image.image, by = %who, "image {} was removed by {who}: nothing used it", image.image);
    }
    Ok(answer)
}

fn all(tx: &mut Tx<'_>) -> Result<BTreeMap<ImageRef, Image>> {
    let mut images = BTreeMap::new();
    loop {
        let after = images.last_key_value().map(|(reference, _): (&ImageRef, _)| reference.clone());
        let page = tx.images(after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        images.extend(page.into_iter().map(|image| (image.reference.clone(), image)));
        // What is not looked at would not be known to hold blobs, so nothing may be decided without it.
        if images.len() > LOOKED_AT {
            return Err(Error::Conflict(format!("there are over {LOOKED_AT} images: delete some by name first")));
        }
        if last {
            return Ok(images);
        }
    }
}

fn candidates(
    tx: &mut Tx<'_>,
    images: &BTreeMap<ImageRef, Image>,
    now: Micros,
    fallback: Option<Micros>,
) -> Result<Vec<Candidate>> {
    let mut users = tx.image_users(None, now - RETIRED_SILENCE, fallback)?;
    let candidate = |image: &Image| Candidate {
        image: image.reference.clone(),
        created: image.created,
        blobs: blobs_of(image),
        users: users.remove(&image.reference).unwrap_or_default(),
    };
    Ok(images.values().map(candidate).collect())
}

fn answer(decision: Decision, dry_run: bool) -> ImageGcAnswer {
    let line = |verdict: &Verdict| ImageGcLine {
        image: verdict.image.to_string(),
        size: verdict.size,
        stays: verdict.stays.iter().map(Reason::to_string).collect(),
    };
    let (removed, kept): (Vec<_>, Vec<_>) = decision.verdicts.iter().map(line).partition(|line| line.stays.is_empty());
    ImageGcAnswer {
        dry_run,
        removed,
        freed_bytes: decision.freed,
        more: decision.more,
        kept_more: kept.len().saturating_sub(MOST) as u64,
        kept: kept.into_iter().take(MOST).collect(),
    }
}
