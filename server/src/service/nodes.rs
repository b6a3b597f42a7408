//! People look at nodes and change what they should be.

use super::profiles::{no_revision, not_found as not_found_profile};
use super::search::{Step, holds, walk};
use super::{
    App, bmc, boots, credentials, drift, exchanges, facts, fallback, history, identity, install, ipam, rules, wire,
};
use crate::domain::drift::Drift;
use crate::domain::identity::CONFLICT;
use crate::domain::lifecycle::Lifecycle;
use crate::domain::node::{Admission, By, Node};
use crate::domain::profile::{Assignment, Wrong};
use crate::domain::rules::{Holder, TAGS_MAX};
use crate::domain::select::Selector;
use crate::domain::{Invalid, Micros, Name, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{NodeFilter, Tx};
use higuma_proto::api::{NodeDetail, NodePatch, NodeSummary, Page};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Items of a page, at most, and when nothing is said.
pub const PAGE_MAX: usize = 500;
/// See [`PAGE_MAX`].
pub const PAGE_DEFAULT: usize = 100;

/// Which nodes a person wants to see.
#[derive(Debug, Default)]
pub struct NodeQuery {
    /// With this lifecycle.
    pub lifecycle: Option<Lifecycle>,
    /// To which a reboot would do this.
    pub drift: Option<Drift>,
    /// With this text in UUID, host name, serial, product or MAC.
    pub text: Option<String>,
    /// With this profile.
    pub profile: Option<Name>,
    /// For which this expression holds.
    pub selector: Option<Selector>,
    /// After this node.
    pub cursor: Option<NodeUuid>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Who acts when nobody is named.
const ADMINISTRATOR: &str = "admin";

/// Limit of a page from what was asked.
pub fn page_limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

/// A page of nodes, in order of UUID.
pub async fn list(app: &App, query: NodeQuery) -> Result<Page<NodeSummary>> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let selector = query.selector;
            let filter = NodeFilter {
                text: query.text.filter(|t| !t.is_empty()),
                profile: query.profile,
                equals: selector.as_ref().map(|s| s.equals().to_vec()).unwrap_or_default(),
            };
            let hardware = selector.as_ref().is_some_and(Selector::needs_hardware);
            let mut items: Vec<NodeSummary> = Vec::new();
            let next = walk(tx, &filter, query.cursor, hardware, |row, hardware| {
                let mut summary = wire::node_summary(&row.node, row.boot.as_ref(), now, timeout);
                wire::tell_fallback(&mut summary, row.fallback.as_ref());
                let drift = Drift::of(row.boot.as_ref(), row.planned.as_deref());
                if query.drift.is_some_and(|wanted| wanted != drift) {
                    return Ok(Step::On);
                }
                summary.drift = Some(drift.to_string());
                if query.lifecycle.is_some_and(|wanted| summary.lifecycle != wanted.as_str()) {
                    return Ok(Step::On);
                }
                if let Some(selector) = &selector {
                    let facts = facts::of_row(&row, hardware, now, timeout);
                    if !holds(selector, &facts)? {
                        return Ok(Step::On);
                    }
                }
                if items.len() == limit {
                    return Ok(Step::Full);
                }
                items.push(summary);
                Ok(Step::On)
            })?;
            let names: Vec<&str> = items.iter().map(|item| item.uuid.as_str()).collect();
            let mut conflicts = tx.open_messages(CONFLICT, &names)?;
            for item in &mut items {
                item.conflict = conflicts.remove(&item.uuid);
            }
            count_events(tx, &mut items)?;
            Ok(Page { items, next: next.map(|uuid| uuid.to_string()) })
        })
        .await
}

/// By its name, or by one that was merged into it.
pub(super) fn find(tx: &mut Tx<'_>, uuid: &NodeUuid) -> Result<Node> {
    if let Some(node) = tx.node(uuid)? {
        return Ok(node);
    }
    let merged = tx.alias(uuid)?.map(|node| tx.node(&node)).transpose()?.flatten();
    merged.ok_or_else(|| not_found(uuid))
}

/// Fill in how many events of each node are open: one query for all.
fn count_events(tx: &mut Tx<'_>, items: &mut [NodeSummary]) -> Result<()> {
    let names: Vec<&str> = items.iter().map(|n| n.uuid.as_str()).collect();
    let counts = tx.open_events_of(&names)?;
    for item in items {
        item.open_events = counts.get(&item.uuid).copied().unwrap_or(0);
    }
    Ok(())
}

/// Everything about one node.
pub async fn show(app: &App, uuid: NodeUuid) -> Result<NodeDetail> {
    let (now, timeout) = (app.now(), app.settings.heartbeat_timeout);
    let names = app.settings.pci_names.clone();
    app.store
        .read(move |tx| {
            let node = find(tx, &uuid)?;
            let uuid = node.uuid.clone();
            let boot = node.boot.map(|id| tx.boot(id)).transpose()?.flatten();
            let mut summary = wire::node_summary(&node, boot.as_ref(), now, timeout);
            wire::tell_fallback(&mut summary, fallback::of(tx, &node)?.as_ref());
            summary.drift = Some(drift::word(tx, &node)?);
            summary.conflict = tx.open_messages(CONFLICT, &[uuid.as_str()])?.into_values().next();
            count_events(tx, std::slice::from_mut(&mut summary))?;
            let (mut inventory, inventory_hash) = history::current(tx, &uuid)?.unzip();
            if let Some(inventory) = &mut inventory {
                names.fill(inventory);
            }
            Ok(NodeDetail {
                summary,
                inventory,
                inventory_hash,
                neighbours: tx.neighbours(&uuid)?,
                no_boot: exchanges::kept::without_boot(tx, &uuid, boot.as_ref())?,
                boot: boot.map(|b| boots::detail(tx, &b)).transpose()?,
                maintenance: node.maintenance,
                retired: node.retired,
                rule_tags: node.rule_tags.iter().map(ToString::to_string).collect(),
                by_rules: rules::holders(&node),
                identity: identity::detail(tx, &uuid)?,
                disk: install::detail(tx, &uuid)?,
            })
        })
        .await
}

/// [`add_by`] the administrator.
pub async fn add(app: &App, uuid: NodeUuid, patch: NodePatch) -> Result<NodeDetail> {
    add_by(app, uuid, patch, ADMINISTRATOR).await
}

/// Add a node before it is first seen: admitted, unless the patch says otherwise. Errors: a node that is there already,
/// a placeholder UUID, and those of [`patch`]; nothing is added then. `by`: who does it.
pub async fn add_by(app: &App, uuid: NodeUuid, patch: NodePatch, by: &str) -> Result<NodeDetail> {
    if uuid.is_placeholder() {
        return Err(Error::BadRequest(format!(
            "{uuid} is what firmware tells when it has no UUID: it names no machine"
        )));
    }
    let change = Change::parse(patch)?;
    let (key, now, by) = (uuid.clone(), app.now(), By::Person(by.to_owned()));
    app.store
        .write(move |tx| {
            if tx.node(&key)?.is_some() {
                return Err(Error::Conflict(format!(
                    "there is a node {key} already: change it with `higuma node set`"
                )));
            }
            if let Some(node) = tx.alias(&key)? {
                return Err(Error::Conflict(format!("{key} was merged into node {node}: change that one")));
            }
            let mut node = Node::new(key.clone(), Admission::Admitted, now);
            node.admitted = Some((by.clone(), now));
            change.check(tx)?;
            change.apply(&mut node, &by, now)?;
            change.check_name(tx, &node)?;
            tx.put_node(&node)
        })
        .await?;
    show(app, uuid).await
}

/// [`patch_by`] the administrator.
pub async fn patch(app: &App, uuid: NodeUuid, patch: NodePatch) -> Result<NodeDetail> {
    patch_by(app, uuid, patch, ADMINISTRATOR).await
}

/// Change what a node should be. Assigning a profile admits. Errors: what does not parse, a profile that is not
/// there, a retired node. `by`: who does it; no rule overrules that.
pub async fn patch_by(app: &App, uuid: NodeUuid, patch: NodePatch, by: &str) -> Result<NodeDetail> {
    let change = Change::parse(patch)?;
    let (key, now, by) = (uuid.clone(), app.now(), By::Person(by.to_owned()));
    app.store
        .write(move |tx| {
            let mut node = find(tx, &key)?;
            let was_retired = node.retired;
            change.check(tx)?;
            change.apply(&mut node, &by, now)?;
            change.check_name(tx, &node)?;
            if change.asks_rules() {
                rules::evaluate(tx, &mut node, now)?;
            }
            tx.put_node(&node)?;
            if change.profile.is_some() {
                // Given anew, it is tried anew.
                fallback::forget(tx, &node.uuid, now)?;
            }
            if node.retired != was_retired {
                identity::retired(tx, &node, now)?;
                if !node.retired {
                    bmc::taken_back(tx, &node.uuid, now)?;
                } else {
                    credentials::retire(tx, &node.uuid, now)?;
                    ipam::release_all(tx, &node.uuid, None, now)?;
                }
            }
            Ok(())
        })
        .await?;
    show(app, uuid).await
}

/// It, its revision, its image and its secrets must be there, and say what a node boots.
pub(super) fn check_assignable(tx: &mut Tx<'_>, assigned: &Assignment) -> Result<()> {
    let Assignment { profile, revision } = assigned;
    let Some(found) = tx.profile_at(profile, *revision)? else {
        return Err(match revision {
            Some(revision) if tx.active_revision(profile)?.is_some() => no_revision(profile, *revision),
            _ => not_found_profile(profile),
        });
    };
    if let Some(missing) = found.spec.missing() {
        return Err(Error::BadRequest(format!(
            "profile {profile} is only for others to inherit from: it lacks what a node boots ({missing})"
        )));
    }
    let image = match &found.spec.image {
        None => None,
        Some(image) => Some(tx.image(image)?.ok_or_else(|| {
            Error::BadRequest(format!(
                "there is no image {image}, which profile {assigned} boots: import it again, or assign another revision"
            ))
        })?),
    };
    let wrong = |wrong: Wrong| Error::BadRequest(format!("profile {assigned}: {wrong}"));
    // Deleted, and made again of something else under the same name, it may not go with the mode.
    found.spec.check_mode(image.as_ref()).map_err(wrong)?;
    let secrets = super::plan::marks(tx, &found.spec)?;
    found.spec.check_secrets(&secrets).map_err(wrong)
}

/// Empty: nothing from now on.
fn or_none<T: FromStr<Err = Invalid>>(given: Option<&str>) -> std::result::Result<Option<Option<T>>, Invalid> {
    match given {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(name) => name.parse().map(|name| Some(Some(name))),
    }
}

struct Change {
    admission: Option<Admission>,
    profile: Option<Option<Assignment>>,
    cluster: Option<Option<Name>>,
    hostname: Option<crate::domain::ids::Hostname>,
    tags: Option<BTreeSet<Name>>,
    by_rules: bool,
    maintenance: Option<bool>,
    retired: Option<bool>,
}

impl Change {
    fn parse(patch: NodePatch) -> std::result::Result<Self, Invalid> {
        let profile = or_none(patch.profile.as_deref())?;
        let cluster = or_none(patch.cluster.as_deref())?;
        Ok(Self {
            admission: patch.admission.map(|word| word.parse()).transpose()?,
            profile,
            cluster,
            hostname: patch.hostname.map(|name| name.parse()).transpose()?,
            tags: patch.tags.map(parse_tags).transpose()?,
            by_rules: patch.by_rules.unwrap_or(false),
            maintenance: patch.maintenance,
            retired: patch.retired,
        })
    }

    /// What it names must be there.
    fn check(&self, tx: &mut Tx<'_>) -> Result<()> {
        match &self.profile {
            Some(Some(assigned)) => check_assignable(tx, assigned),
            _ => Ok(()),
        }
    }

    /// Two nodes of one name are one too many in any list.
    fn check_name(&self, tx: &mut Tx<'_>, node: &Node) -> Result<()> {
        let Some(hostname) = &self.hostname else { return Ok(()) };
        match tx.nodes_named(hostname.as_str(), "")?.into_iter().find(|other| *other != node.uuid) {
            None => Ok(()),
            Some(other) => Err(Error::Conflict(format!(
                "the host name {hostname} is that of node {other}: choose another, or rename that one first"
            ))),
        }
    }

    /// May rules say something else now?
    fn asks_rules(&self) -> bool {
        self.by_rules
            || self.tags.is_some()
            || self.cluster.is_some()
            || self.profile.is_some()
            || self.hostname.is_some()
    }

    fn apply(&self, node: &mut Node, by: &By, now: Micros) -> Result<()> {
        if let Some(retired) = self.retired {
            node.retired = retired;
        }
        let wants_boot = matches!(self.profile, Some(Some(_))) || self.admission == Some(Admission::Admitted);
        if node.retired && wants_boot {
            return Err(Error::Conflict(format!("node {} is retired: take it back first (retired: false)", node.uuid)));
        }
        let before = node.admission;
        if let Some(profile) = &self.profile {
            node.profile = profile.as_ref().map(|assigned| assigned.profile.clone());
            node.profile_revision = profile.as_ref().and_then(|assigned| assigned.revision);
            node.held.profile = Holder::Person;
            if profile.is_some() {
                node.admission = Admission::Admitted;
            }
        }
        if let Some(admission) = self.admission {
            node.admission = admission;
        }
        let decided = self.admission.is_some() || (node.admission != before);
        if decided {
            node.admitted = Some((by.clone(), now));
        }
        if let Some(cluster) = &self.cluster {
            node.cluster.clone_from(cluster);
            node.held.cluster = Holder::Person;
        }
        if let Some(hostname) = &self.hostname {
            node.hostname = hostname.clone();
            node.held.hostname = Holder::Person;
        }
        if let Some(tags) = &self.tags {
            node.tags.clone_from(tags);
        }
        if self.by_rules {
            // What is set stays until a rule says otherwise.
            rules::hand_over(node);
        }
        if let Some(maintenance) = self.maintenance {
            node.maintenance = maintenance;
        }
        Ok(())
    }
}

fn parse_tags(tags: Vec<String>) -> std::result::Result<BTreeSet<Name>, Invalid> {
    let tags: BTreeSet<Name> = tags.iter().map(|tag| tag.parse()).collect::<std::result::Result<_, _>>()?;
    match tags.len() {
        0..=TAGS_MAX => Ok(tags),
        many => Err(Invalid::new("tags", "at most 64", &many.to_string())),
    }
}

pub(super) fn not_found(uuid: &NodeUuid) -> Error {
    Error::NotFound(format!("there is no node {uuid}: see `higuma node list`"))
}
