//! Profiles, rules and labels of images as a folder says them: all at once or not at all, and nothing when nothing differs. It is tried first
//! and taken back, so that what comes of it can be rendered for the fleet, which takes longer than a write may; then it is
//! done, if the server is still as it was.

mod labels;

use super::profile_words::{Said, said};
use super::profiles::changes::{is_active, of_save_but};
use super::profiles::diff::spoken;
use super::{App, profiles, rules, templates, wire};
use crate::domain::drift::differences;
use crate::domain::profile::Profile;
use crate::domain::profile::inherit::in_order;
use crate::domain::rules::Rule;
use crate::domain::{Micros, Name, Sha256};
use crate::error::{Error, Result};
use crate::store::{ProfileHead, Tx};
use higuma_proto::api::{self, Applied, Apply, ApplyChange, NewProfile, PlanDifference};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Profiles of one request, at most.
const PROFILES_MAX: usize = 500;
/// Profiles of a server that can be applied to, at most.
const ALL_MAX: usize = 10_000;
/// Bytes of files and units of all revisions that are made at once: they are in memory together.
const MADE_MAX: usize = 64 << 20;

/// What there is to be, understood.
struct Wanted {
    profiles: BTreeMap<Name, Said>,
    labels: Option<labels::Labels>,
    rules: Option<Vec<Rule>>,
    prune: bool,
    expected: Option<String>,
    who: String,
    now: Micros,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Outcome {
    state: String,
    changes: Vec<ApplyChange>,
    unchanged: u64,
    /// What some node is perhaps to get.
    rendered: Vec<Profile>,
}

/// Apply, or tell what it would change, as `who` ("person NAME"). Errors: the first thing that does not fit, with the
/// profile; `Conflict` when somebody else changed something of it meanwhile. Nothing is changed then.
pub async fn apply(app: &App, request: Apply, who: &str) -> Result<Applied> {
    let dry_run = request.dry_run;
    let wanted = Arc::new(understood(request, who, app.now())?);
    let tried = trial(app, &wanted).await?;
    for profile in &tried.rendered {
        templates::try_all(app, profile).await?;
    }
    if !dry_run && !tried.changes.is_empty() {
        let (wanted, tried) = (Arc::clone(&wanted), tried.clone());
        let done = app
            .store
            .write(move |tx| if state(tx)?.0 != tried.state { Ok(false) } else { Ok(run(tx, &wanted)? == tried) });
        if !done.await? {
            return Err(Error::Conflict(
                "profiles, rules or labels were changed by somebody else meanwhile: nothing was applied, try again"
                    .to_owned(),
            ));
        }
    }
    let Outcome { state, changes, unchanged, rendered: _ } = tried;
    Ok(Applied { state, changes, unchanged, dry_run })
}

/// Do it and take it back.
async fn trial(app: &App, wanted: &Arc<Wanted>) -> Result<Outcome> {
    let found: Arc<Mutex<Option<Outcome>>> = Arc::default();
    let (wanted, out) = (Arc::clone(wanted), Arc::clone(&found));
    let put = move |outcome| *out.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    let ended: Result<()> = app
        .store
        .write(move |tx| {
            put(None);
            let outcome = run(tx, &wanted)?;
            put(Some(outcome));
            Err(Error::Conflict("it was tried, and is taken back".to_owned()))
        })
        .await;
    let outcome = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (outcome, ended) {
        (Some(outcome), Err(Error::Conflict(_))) => Ok(outcome),
        (_, Err(error)) => Err(error),
        (_, Ok(())) => Err(Error::internal("a trial was not taken back")),
    }
}

fn understood(request: Apply, who: &str, now: Micros) -> Result<Wanted> {
    let Apply { profiles, rules, labels, prune, dry_run: _, expected_state } = request;
    if profiles.len() > PROFILES_MAX {
        let got = profiles.len();
        return Err(Error::BadRequest(format!("profiles: expected at most {PROFILES_MAX}, got {got}")));
    }
    let mut all: BTreeMap<Name, Said> = BTreeMap::new();
    for profile in profiles {
        let name: Name = profile.name.parse()?;
        let new = NewProfile { name: profile.name, words: Some(profile.words), ..NewProfile::default() };
        let said = said(&new, None).map_err(|e| of(&name, e))?;
        if all.insert(name.clone(), said).is_some() {
            return Err(Error::BadRequest(format!("profile {name}: expected it once, got it twice")));
        }
    }
    Ok(Wanted {
        profiles: all,
        labels: labels.map(labels::parse).transpose()?,
        rules: rules.map(rules::parse).transpose()?,
        prune,
        expected: expected_state,
        who: who.to_owned(),
        now,
    })
}

fn of(name: &Name, error: Error) -> Error {
    match error {
        Error::BadRequest(text) => Error::BadRequest(format!("profile {name}: {text}")),
        Error::NotFound(text) => Error::NotFound(format!("profile {name}: {text}")),
        other => other,
    }
}

/// What is there, labels of images too: its hash, and the profiles.
fn state(tx: &mut Tx<'_>) -> Result<(String, Vec<ProfileHead>)> {
    let heads = tx.profile_heads(ALL_MAX + 1)?;
    if heads.len() > ALL_MAX {
        return Err(Error::BadRequest(format!(
            "there are over {ALL_MAX} profiles: a folder cannot be applied to so many"
        )));
    }
    let plain: Vec<_> = heads.iter().map(|head| (head.name.as_str(), head.active, head.newest)).collect();
    let labels = labels::all(tx)?;
    let hash = Sha256::of(json!([plain, rules::hash(&tx.rules()?), labels::plain(&labels)]).to_string());
    Ok((hash.to_string(), heads))
}

fn run(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<Outcome> {
    let (state, heads) = state(tx)?;
    if wanted.expected.as_ref().is_some_and(|expected| *expected != state) {
        return Err(Error::Conflict(
            "profiles, rules or labels are not as they were when this was compared: compare again with `higuma diff`"
                .to_owned(),
        ));
    }
    let mut outcome = Outcome { state, ..Outcome::default() };
    // First of all: profiles may name them.
    if let Some(list) = &wanted.labels {
        // A profile that names one which goes is refused now, and not when the same folder comes again.
        if wanted.prune {
            labels::prune(tx, list, &mut outcome)?;
        }
        labels::put(tx, list, (&wanted.who, wanted.now), &mut outcome)?;
    }
    let mut later: BTreeSet<Name> = wanted.profiles.keys().cloned().collect();
    let mut bytes = 0;
    let stored = heads.iter().map(|head| (head.name.clone(), head.parent.clone())).collect();
    for name in in_order(&wanted.profiles.iter().map(|(name, said)| (name.clone(), said.0.clone())).collect(), &stored)
    {
        let Some((name, said)) = wanted.profiles.get_key_value(&name) else { continue };
        later.remove(name);
        save(tx, wanted, (name, said), &later, &mut outcome).map_err(|e| of(name, e))?;
        bytes = outcome.rendered.iter().map(|profile| profile.spec.content_bytes()).sum::<usize>().max(bytes);
        if bytes > MADE_MAX {
            return Err(Error::BadRequest(format!(
                "profiles with files and units of over {MADE_MAX} bytes together: apply them in several folders"
            )));
        }
    }
    if let Some(list) = &wanted.rules {
        put_rules(tx, list, &mut outcome)?;
    }
    if wanted.prune {
        for head in children_first(heads.into_iter().filter(|head| !wanted.profiles.contains_key(&head.name)).collect())
        {
            profiles::remove(tx, &head.name)?;
            outcome.changes.push(change("profile", &head.name, "delete", None, vec![]));
        }
    }
    Ok(outcome)
}

fn save(
    tx: &mut Tx<'_>,
    wanted: &Wanted,
    (name, said): (&Name, &Said),
    later: &BTreeSet<Name>,
    outcome: &mut Outcome,
) -> Result<()> {
    if is_active(tx, name, said)? {
        outcome.unchanged += 1;
        return Ok(());
    }
    let before = tx.active_profile(name)?;
    let changes = of_save_but(tx, name, said, false, (wanted.now, &wanted.who), later)?;
    for profile in &changes.made {
        tx.insert_profile_revision(profile)?;
    }
    for profile in &changes.active {
        tx.activate_profile(&profile.name, profile.revision, wanted.now)?;
        let action = match &before {
            _ if profile.name != *name => "inherit",
            None => "create",
            Some(_) => "change",
        };
        let own = (profile.name == *name).then(|| differ(before.as_ref().map(spoken), &spoken(profile)));
        outcome.changes.push(change("profile", &profile.name, action, Some(profile.revision), own.unwrap_or_default()));
    }
    outcome.rendered.extend(changes.rendered().cloned());
    Ok(())
}

fn put_rules(tx: &mut Tx<'_>, list: &[Rule], outcome: &mut Outcome) -> Result<()> {
    let present = tx.rules()?;
    if rules::hash(&present) == rules::hash(list) {
        outcome.unchanged += 1;
        return Ok(());
    }
    rules::put_list(tx, list)?;
    let found = differ(Some(numbered(&present)), &numbered(list));
    outcome.changes.push(change("rules", "", "change", None, found));
    Ok(())
}

/// As a map, in order, so that a difference names its rule.
fn numbered(list: &[Rule]) -> Value {
    let rules = list.iter().enumerate();
    let named = rules.map(|(n, rule)| (format!("{:03} {}", n + 1, rule.name), json!(rules::to_wire(rule))));
    Value::Object(named.collect::<Map<_, _>>())
}

fn differ(before: Option<Value>, after: &Value) -> Vec<PlanDifference> {
    wire::differences(differences(&before.unwrap_or_else(|| json!({})), after))
}

fn change(
    kind: &str,
    name: impl ToString,
    action: &str,
    revision: Option<u32>,
    differences: Vec<PlanDifference>,
) -> ApplyChange {
    api::ApplyChange { kind: kind.to_owned(), name: name.to_string(), action: action.to_owned(), revision, differences }
}

/// Those that nobody left inherits from, first.
fn children_first(mut left: Vec<ProfileHead>) -> Vec<ProfileHead> {
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let parents: BTreeSet<Name> = left.iter().filter_map(|head| head.parent.clone()).collect();
        let (above, leaves): (Vec<_>, Vec<_>) = left.into_iter().partition(|head| parents.contains(&head.name));
        if leaves.is_empty() {
            // No loop is ever saved.
            ordered.extend(above);
            return ordered;
        }
        ordered.extend(leaves);
        left = above;
    }
    ordered
}
