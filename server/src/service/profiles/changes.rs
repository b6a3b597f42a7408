//! What a save or an activation of a profile makes: revisions of it and of those that inherit from it, and which become
//! active. Reads only; a draft makes nothing of others.

use super::not_found;
use crate::domain::ipam::Kind;
use crate::domain::profile::inherit::check_parent;
use crate::domain::profile::{DESCENDANTS_MAX, GENERATIONS_MAX, Profile, Spec, Words};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::service::plan::marks;
use crate::service::profile_words::Said;
use crate::store::Tx;
use std::collections::BTreeSet;

/// Revisions to be inserted, and to be activated, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::service) struct Changes {
    /// New ones, parents before children.
    pub made: Vec<Profile>,
    /// Those that are active from then on; made or there already.
    pub active: Vec<Profile>,
    /// The revision that was wanted, made or there already.
    pub wanted: u32,
}

impl Changes {
    /// What some node is perhaps to get.
    pub fn rendered(&self) -> impl Iterator<Item = &Profile> {
        self.made.iter().chain(self.active.iter().filter(|active| !self.made.contains(active)))
    }
}

/// Bytes of files and units of all revisions that one save makes: they are in memory together.
const SAVED_MAX: usize = 64 << 20;

/// What a save makes: nothing when nothing differs. Errors: what does not fit, in whichever of them.
pub(super) fn of_save(
    tx: &mut Tx<'_>,
    name: &Name,
    said: &Said,
    draft: bool,
    (created, made_by): (Micros, &str),
) -> Result<Changes> {
    of_save_but(tx, name, said, draft, (created, made_by), &BTreeSet::new())
}

/// Is this what the active revision says and makes?
pub(in crate::service) fn is_active(tx: &mut Tx<'_>, name: &Name, (parent, words): &Said) -> Result<bool> {
    let Some(active) = tx.active_profile(name)? else { return Ok(false) };
    if (&active.parent, &active.words) != (parent, &exact_image(tx, words)?) {
        return Ok(false);
    }
    let above = match parent {
        None => None,
        Some(parent) => tx.active_profile(parent)?.map(|parent| parent.spec),
    };
    Ok((above.is_some() || parent.is_none()) && Spec::of(above.as_ref(), &active.words)? == active.spec)
}

/// As [`of_save`]; those of `later` that inherit from it are saved by themselves in the same step, so nothing is made of them
/// here.
pub(in crate::service) fn of_save_but(
    tx: &mut Tx<'_>,
    name: &Name,
    (parent, words): &Said,
    draft: bool,
    (created, made_by): (Micros, &str),
    later: &BTreeSet<Name>,
) -> Result<Changes> {
    let newest = tx.profile(name)?;
    check_parents(tx, name, parent.as_ref())?;
    let above = match parent {
        None => None,
        Some(parent) => Some(tx.active_profile(parent)?.ok_or_else(|| not_found(parent))?.spec),
    };
    let words = exact_image(tx, words)?;
    let spec = Spec::of(above.as_ref(), &words)?;
    check(tx, &spec)?;
    let mut changes = Changes::default();
    let profile = match newest {
        Some(newest) if (&newest.parent, &newest.words, &newest.spec) == (parent, &words, &spec) => newest,
        newest => {
            let (parent, made_by) = (parent.clone(), made_by.to_owned());
            let revision = next_revision(newest.as_ref())?;
            let profile = Profile { name: name.clone(), revision, parent, words, spec, created, made_by };
            changes.made.push(profile.clone());
            profile
        }
    };
    changes.wanted = profile.revision;
    let first = profile.revision == 1 && !changes.made.is_empty();
    if draft && !first {
        return Ok(changes);
    }
    activated(tx, profile, changes, created, later)
}

/// What it makes that this revision becomes the active one. Errors: there is none; it, or one that inherits from it, does
/// not fit any more.
pub(super) fn of_activation(tx: &mut Tx<'_>, name: &Name, revision: u32, now: Micros) -> Result<Changes> {
    let profile = tx.profile(name)?.map(|_| tx.profile_revision(name, revision)).ok_or_else(|| not_found(name))??;
    let profile = profile.ok_or_else(|| no_revision(name, revision))?;
    if let Some(parent) = &profile.parent
        && tx.active_revision(parent)?.is_none()
    {
        return Err(Error::BadRequest(format!(
            "revision {revision} of profile {name} inherits from profile {parent}, which does not exist any more: make a new revision of it without"
        )));
    }
    check_parents(tx, name, profile.parent.as_ref())?;
    check(tx, &profile.spec)?;
    activated(tx, profile, Changes { wanted: revision, ..Changes::default() }, now, &BTreeSet::new())
}

/// Nothing when it is active already.
fn activated(
    tx: &mut Tx<'_>,
    profile: Profile,
    mut changes: Changes,
    created: Micros,
    later: &BTreeSet<Name>,
) -> Result<Changes> {
    check_bootable(tx, &profile.name, &profile.spec)?;
    if tx.active_revision(&profile.name)?.is_some_and(|(active, _)| active == profile.revision) {
        return Ok(changes);
    }
    let mut bytes = profile.spec.content_bytes();
    let name = profile.name.clone();
    let heirs = descendants(tx, &name)?;
    changes.active.push(profile);
    for (_, heir) in heirs.into_iter().filter(|(_, heir)| !later.contains(&heir.name)) {
        // Parents come before their children: what is not among these has not changed, nor what inherits from it.
        let Some(above) = changes.active.iter().find(|p| Some(&p.name) == heir.parent.as_ref()) else { continue };
        let made_by = format!("parent {} revision {}", above.name, above.revision);
        let spec = Spec::of(Some(&above.spec), &heir.words).map_err(Error::from);
        let spec = spec.and_then(|spec| {
            check(tx, &spec)?;
            check_bootable(tx, &heir.name, &spec)?;
            Ok(spec)
        });
        let spec = spec.map_err(|e| in_heir(&heir.name, e))?;
        if spec == heir.spec {
            continue;
        }
        let newest = tx.profile(&heir.name)?;
        let revision = next_revision(newest.as_ref())?;
        bytes += spec.content_bytes();
        if bytes > SAVED_MAX {
            return Err(Error::BadRequest(format!(
                "profile {name} and those that inherit from it have files and units of over {SAVED_MAX} bytes together: give some of them another parent, or smaller files"
            )));
        }
        let heir = Profile { revision, spec, created, made_by, ..heir };
        changes.made.push(heir.clone());
        changes.active.push(heir);
    }
    Ok(changes)
}

/// No loop, not too many generations.
fn check_parents(tx: &mut Tx<'_>, name: &Name, parent: Option<&Name>) -> Result<()> {
    let below = descendants(tx, name)?.iter().map(|(generation, _)| *generation).max().unwrap_or(0);
    Ok(check_parent(name, parent, below, |above| tx.parent_of_profile(above))??)
}

/// The active revisions of those that inherit from `name`, each with its generation, children before grandchildren. Errors: too many.
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
                tx.active_profile(child)?.ok_or_else(|| Error::internal(format!("profile {child} has no revision")))?;
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

/// Against its image and its secrets, which must be there.
fn check(tx: &mut Tx<'_>, spec: &Spec) -> Result<()> {
    let image = match &spec.image {
        None => None,
        Some(image) => Some(
            tx.image(image)?
                .ok_or_else(|| Error::BadRequest(format!("there is no image {image}: see `higuma image list`")))?,
        ),
    };
    spec.check_mode(image.as_ref())?;
    check_pools(tx, spec)?;
    if let Some(image) = image {
        spec.fits_unrendered(&image.cmdline)?;
    }
    Ok(spec.check_secrets(&marks(tx, spec)?)?)
}

/// Pools that devices want addresses of.
fn check_pools(tx: &mut Tx<'_>, spec: &Spec) -> Result<()> {
    for (device, name) in spec.network.pools() {
        let got = match tx.pool(name)? {
            Some(pool) if pool.kind == Kind::Node => continue,
            Some(pool) => format!("{name}, which is of kind {}", pool.kind),
            None => format!("{name}, which is not there: see `higuma pool list`"),
        };
        return Err(Error::BadRequest(format!("network.{device}.address: expected a pool of kind node, got {got}")));
    }
    Ok(())
}

/// Who is assigned to nodes must say all that they boot.
fn check_bootable(tx: &mut Tx<'_>, name: &Name, spec: &Spec) -> Result<()> {
    let Some(missing) = spec.missing() else { return Ok(()) };
    let nodes = tx.nodes_with_profile(name)?;
    if nodes > 0 {
        return Err(Error::BadRequest(format!("{missing}, and profile {name} is assigned to {nodes} nodes")));
    }
    if let Some(rule) = tx.rules()?.into_iter().find(|rule| rule.sets.profile.as_ref() == Some(name)) {
        let rule = rule.name;
        return Err(Error::BadRequest(format!("{missing}, and rule {rule} assigns profile {name}")));
    }
    Ok(())
}

fn in_heir(heir: &Name, error: Error) -> Error {
    match error {
        Error::BadRequest(text) => Error::BadRequest(format!("profile {heir}, which inherits from it: {text}")),
        other => other,
    }
}

pub(in crate::service) fn no_revision(name: &Name, revision: u32) -> Error {
    Error::NotFound(format!("profile {name} has no revision {revision}: see `higuma profile revisions {name}`"))
}
