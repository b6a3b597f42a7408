//! Who nodes are, for people: conflicts and shared addresses are told as events, boards that were replaced are merged by a
//! person. Nothing here gives a machine a node: that is Register's.

use super::node_events::raise;
use super::nodes::{not_found, show};
use super::{App, credentials, firmware, ipam, register};
use crate::domain::boot::Phase;
use crate::domain::identity::{BOARD_REPLACED, CONFLICT, Identity, Known, Resolution, Source, differs, resolve};
use crate::domain::node::Node;
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::script::Machine;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::vault::Vault;
use higuma_proto::api::{IdentityConflict, NodeDetail, NodeIdentity};
use std::collections::BTreeSet;

/// Nodes of one claim that are compared with each other.
const CLAIMANTS_MAX: usize = 20;
/// Nodes shown that could be merged into one.
const OFFERS_SHOWN: usize = 20;

/// The node that iPXE's words lead to, as far as they go.
pub(super) fn of_machine(tx: &mut Tx<'_>, machine: &Machine) -> Result<Option<Resolution>> {
    let claim = machine.claim();
    let known = tx.known(&claim.names(), &claim.macs)?;
    Ok(resolve(&claim, &known))
}

fn notice(severity: Severity, subject: &str, message: String) -> Notice {
    Notice { kind: Kind::Identity, severity, subject: subject.to_owned(), message }
}

/// Tell all whose machines lay claim to `claimed` of each other, `node` among them; or that there is nobody else any more.
pub(super) fn tell_conflicts(tx: &mut Tx<'_>, claimed: &NodeUuid, node: Option<&NodeUuid>, now: Micros) -> Result<()> {
    let mut names = tx.claimants(claimed, CLAIMANTS_MAX)?;
    if let [one] = &names[..] {
        tx.clear_subject(one, CONFLICT, now)?;
        return Ok(());
    }
    names.extend(node.filter(|node| names.len() == CLAIMANTS_MAX && !names.contains(node)).cloned());
    let all = compared(tx, &names)?;
    for mine in &all {
        let Some(other) = first_other(mine, &all, claimed) else { continue };
        let more = match all.len() {
            0..=2 => String::new(),
            n => format!(" (and with {} more)", n - 2),
        };
        let message = format!("identity conflict with {}: {}{more}", other.name, differs(mine, other));
        raise(tx, &mine.name, &notice(Severity::Alarm, CONFLICT, message), now)?;
    }
    Ok(())
}

fn compared(tx: &mut Tx<'_>, names: &[NodeUuid]) -> Result<Vec<Known>> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        all.extend(tx.known_node(name)?);
    }
    Ok(all)
}

/// The one that has the name comes first.
fn first_other<'a>(mine: &Known, all: &'a [Known], claimed: &NodeUuid) -> Option<&'a Known> {
    let mut others = all.iter().filter(|k| k.name != mine.name);
    others.clone().find(|k| k.answers_to(claimed)).or_else(|| others.next())
}

/// A node was retired or taken back: a retired one is in nobody's way.
pub(super) fn retired(tx: &mut Tx<'_>, node: &Node, now: Micros) -> Result<()> {
    let Some(identity) = tx.identity(&node.uuid)? else { return Ok(()) };
    if node.retired {
        tx.clear_subject(&node.uuid, CONFLICT, now)?;
    }
    tell_conflicts(tx, &identity.claimed, None, now)
}

/// Tell of each address that other nodes have, too, or that they have no more. `before`: what the node had.
pub(super) fn tell_shared_macs(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    before: &BTreeSet<Mac>,
    macs: &BTreeSet<Mac>,
    now: Micros,
) -> Result<()> {
    let open = tx.open_subjects(node, "mac:")?;
    for mac in before.union(macs) {
        let owners = owners(tx, node, mac)?;
        let subject = format!("mac:{mac}");
        if owners.len() < 2 || !macs.contains(mac) {
            if open.contains(&subject) {
                tx.clear_subject(node, &subject, now)?;
            }
            if let ([one], false) = (&owners[..], macs.contains(mac)) {
                tx.clear_subject(one, &subject, now)?;
            }
            continue;
        }
        for owner in &owners {
            let Some(other) = owners.iter().find(|o| *o != owner) else { continue };
            let message = format!("MAC address {mac} is also that of node {other}: it identifies neither of them");
            raise(tx, owner, &notice(Severity::Warning, &subject, message), now)?;
        }
    }
    Ok(())
}

/// Nodes with this address, but retired ones and those that may be the same machine as `node`.
fn owners(tx: &mut Tx<'_>, node: &NodeUuid, mac: &Mac) -> Result<Vec<NodeUuid>> {
    let all = tx.nodes_by_mac(mac)?;
    if all.len() < 2 {
        return Ok(all);
    }
    let candidate = tx.identity(node)?.and_then(|i| i.merge_candidate);
    let mut owners = Vec::with_capacity(all.len());
    for owner in all {
        let retired = tx.node(&owner)?.is_none_or(|n| n.retired);
        let offered = tx.identity(&owner)?.and_then(|i| i.merge_candidate).as_ref() == Some(node);
        if !retired && !offered && candidate.as_ref() != Some(&owner) {
            owners.push(owner);
        }
    }
    Ok(owners)
}

/// Tell a node which others may be it, and each of those; or that there is none any more.
pub(super) fn tell_candidates(tx: &mut Tx<'_>, candidate: &NodeUuid, now: Micros) -> Result<()> {
    let offers = tx.merge_offers(candidate, OFFERS_SHOWN)?;
    let Some(first) = offers.first() else {
        tx.clear_subject(candidate, BOARD_REPLACED, now)?;
        return Ok(());
    };
    let todo = |new: &NodeUuid| format!("`higuma node merge {new} {candidate}` or `higuma node not-same {new}`");
    let message = format!("node {first} may be this one with another board or serial number: {}", todo(first));
    raise(tx, candidate, &notice(Severity::Warning, BOARD_REPLACED, message), now)?;
    for new in &offers {
        let message = format!("may be node {candidate} with another board or serial number: {}", todo(new));
        raise(tx, new, &notice(Severity::Warning, BOARD_REPLACED, message), now)?;
    }
    Ok(())
}

/// How it came about, for people.
pub(super) fn detail(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<NodeIdentity> {
    let identity = tx.identity(node)?;
    let source = identity.as_ref().map_or(Source::Smbios, |i| i.source);
    let mut detail = NodeIdentity {
        source: source.to_string(),
        seen: identity.is_some(),
        aliases: tx.aliases(node)?.iter().map(ToString::to_string).collect(),
        merge_offers: tx.merge_offers(node, OFFERS_SHOWN)?.iter().map(ToString::to_string).collect(),
        ..NodeIdentity::default()
    };
    let Some(Identity { claimed, told, merge_candidate, .. }) = identity else { return Ok(detail) };
    detail.told_uuid = told.map(|t| t.to_string());
    detail.merge_candidate = merge_candidate.map(|c| c.to_string());
    let names = tx.claimants(&claimed, CLAIMANTS_MAX)?;
    let all = compared(tx, &names)?;
    if let Some(mine) = all.iter().find(|k| k.name == *node) {
        detail.conflicts = all
            .iter()
            .filter(|k| k.name != *node)
            .map(|other| IdentityConflict { node: other.name.to_string(), differs: differs(mine, other) })
            .collect();
    }
    Ok(detail)
}

/// The new node is the old one with another board: the old one keeps name, desired state and history, and gets what the new
/// one reported; the new name leads to it from now on. Errors: no such node; an old one that is retired, or that was heard
/// from while the new one ran: then they are two machines.
pub async fn merge(app: &App, new: NodeUuid, old: NodeUuid) -> Result<NodeDetail> {
    if new == old {
        return Err(Error::BadRequest(format!("{new} cannot be merged into itself: expected two nodes")));
    }
    let (key, now) = (old.clone(), app.now());
    let vault = app.vault.clone();
    app.store.write(move |tx| merged(tx, &vault, &new, &key, now)).await?;
    show(app, old).await
}

fn merged(tx: &mut Tx<'_>, vault: &Vault, new: &NodeUuid, old: &NodeUuid, now: Micros) -> Result<()> {
    let into = tx.node(old)?.ok_or_else(|| not_found(old))?;
    let Some(from) = tx.node(new)? else {
        // A second click finds it done.
        return if tx.alias(new)?.as_ref() == Some(old) { Ok(()) } else { Err(not_found(new)) };
    };
    refuse_merge(tx, &from, &into)?;
    if let Some(mut boot) = into.boot.map(|id| tx.boot(id)).transpose()?.flatten()
        && from.boot.is_some()
        && boot.advance(Phase::Ended)
    {
        tx.put_boot(&boot)?;
    }
    let (theirs, mine) = (tx.identity(new)?, tx.identity(old)?);
    credentials::merged(tx, vault, new, old, now)?;
    ipam::merged(tx, new, old, now)?;
    tx.move_children(new, old, now)?;
    tx.put_node(&into.with_machine_of(from))?;
    // Templates may tell of its hardware.
    tx.stale_node(old)?;
    tx.delete_node(new)?;
    tx.put_alias(new, old)?;
    tx.prune_boots(old, register::BOOTS_KEPT)?;
    let claims: Vec<NodeUuid> = theirs.iter().chain(&mine).map(|i| i.claimed.clone()).collect();
    if let Some(theirs) = theirs {
        let source = mine.map_or(Source::Smbios, |i| i.source);
        tx.put_identity(&Identity { node: old.clone(), source, merge_candidate: None, ..theirs })?;
    }
    tx.clear_subject(old, CONFLICT, now)?;
    tx.clear_subject(old, BOARD_REPLACED, now)?;
    for claimed in &claims {
        tell_conflicts(tx, claimed, None, now)?;
    }
    tell_candidates(tx, old, now)?;
    firmware::after_merge(tx, old, now)?;
    tracing::info!(node = %old, merged = %new, "node {new} was merged into node {old}");
    Ok(())
}

fn refuse_merge(tx: &mut Tx<'_>, from: &Node, into: &Node) -> Result<()> {
    if into.retired {
        return Err(Error::Conflict(format!("node {} is retired: take it back first", into.uuid)));
    }
    let boot = |tx: &mut Tx<'_>, node: &Node| Ok::<_, Error>(node.boot.map(|id| tx.boot(id)).transpose()?.flatten());
    let (Some(theirs), mine) = (boot(tx, from)?, boot(tx, into)?) else { return Ok(()) };
    let heard = mine.and_then(|b| b.heartbeat).map_or(into.last_seen, |at| at.max(into.last_seen));
    if heard > theirs.started {
        return Err(Error::Conflict(format!(
            "node {} was heard from after node {} had started: they are two machines. If it was switched off since, start \
             {} once more and merge then",
            into.uuid, from.uuid, from.uuid
        )));
    }
    Ok(())
}

/// A person says that the node is not its merge candidate: it is not offered again. Errors: no such node, nothing offered.
pub async fn not_same(app: &App, node: NodeUuid) -> Result<NodeDetail> {
    let (key, now) = (node.clone(), app.now());
    app.store
        .write(move |tx| {
            tx.node(&key)?.ok_or_else(|| not_found(&key))?;
            let identity = tx.identity(&key)?.filter(|i| i.merge_candidate.is_some());
            let Some(mut identity) = identity else {
                return Err(Error::Conflict(format!("node {key} is not offered to be merged into another")));
            };
            let candidate = identity.merge_candidate.take();
            tx.put_identity(&identity)?;
            tx.clear_subject(&key, BOARD_REPLACED, now)?;
            candidate.map_or(Ok(()), |candidate| tell_candidates(tx, &candidate, now))
        })
        .await?;
    show(app, node).await
}

/// Is `name` another name of `node`: merged into it, or what its firmware tells?
pub async fn is_also_called(app: &App, node: NodeUuid, name: NodeUuid) -> Result<bool> {
    app.store
        .read(move |tx| {
            let told = tx.identity(&node)?.and_then(|i| i.told);
            Ok(told.as_ref() == Some(&name) || tx.alias(&name)?.as_ref() == Some(&node))
        })
        .await
}
