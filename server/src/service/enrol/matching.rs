//! A node and its BMC find each other: when the BMC was identified, when the node registers, and when it tells what it read
//! in-band. All of it is within the transaction of whoever calls; what cannot be told for sure is left alone, and said.

use super::open;
use crate::domain::bmc::{Bmc, BmcState};
use crate::domain::credential::Via;
use crate::domain::enrol::Enrolment;
use crate::domain::enrol::matching::{Choice, Seen, Why, choose, fits};
use crate::domain::identity::CONFLICT;
use crate::domain::node::{Admission, By, Node};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::rules::Holder;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use crate::service::{credentials, node_events};
use crate::store::Tx;
use crate::vault::Vault;
use higuma_proto::agent::BmcFound;
use std::net::IpAddr;

/// Enrolments that are looked at for one node.
const LIKE: usize = 1_000;
/// Names in a reason.
const NAMED: usize = 8;

/// When the login of an enrolment was tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    /// It worked, in the contact that goes on now.
    Now,
    /// It worked at some time before, if ever: it may be another by now.
    Before,
}

/// The enrolment that a machine belongs to.
pub(in crate::service) struct Expected(Enrolment, Why);

/// Names of a node: its own, that which its firmware tells, each in both orders of bytes, and those that became part of it.
fn names(tx: &mut Tx<'_>, node: &NodeUuid, told: Option<&NodeUuid>) -> Result<Vec<NodeUuid>> {
    let mut names: Vec<NodeUuid> = tx.aliases(node)?;
    names.extend([Some(node), told].into_iter().flatten().cloned());
    names.extend(tx.identity(node)?.map(|identity| identity.claimed));
    names.retain(|name| !name.is_placeholder());
    names.extend(names.clone().iter().map(NodeUuid::swapped));
    names.sort();
    names.dedup();
    Ok(names)
}

fn channels(found: &BmcFound) -> (Vec<Mac>, Vec<IpAddr>) {
    let macs = found.channels.iter().filter_map(|c| c.mac.parse().ok()).filter(Mac::is_of_one_port).collect();
    let addresses = found.channels.iter().filter_map(|c| c.address.parse().ok());
    (macs, addresses.filter(|a: &IpAddr| !a.is_unspecified()).collect())
}

/// What is known of a node, with what it read in-band at its last boot.
fn seen(tx: &mut Tx<'_>, node: &NodeUuid, told: Option<&NodeUuid>) -> Result<(Seen, Option<Bmc>)> {
    let names = names(tx, node, told)?;
    let bmc = tx.bmc(node)?;
    let found = bmc.as_ref().and_then(|bmc| serde_json::from_str(&bmc.found.as_ref()?.0).ok());
    let (macs, addresses) = found.as_ref().map(channels).unwrap_or_default();
    Ok((Seen { names, macs, addresses }, bmc))
}

/// A BMC that is there and lets us in: a node has one.
fn has_its_bmc(bmc: Option<&Bmc>) -> bool {
    bmc.is_some_and(|bmc| bmc.is_polled() && matches!(bmc.state, BmcState::Configured | BmcState::Managed))
}

fn note(tx: &mut Tx<'_>, enrolment: &Enrolment, reason: String, now: Micros) -> Result<()> {
    if enrolment.reason == reason {
        return Ok(());
    }
    tracing::warn!(enrolment = %enrolment.id, "enrolment of {}: {reason}", enrolment.address);
    tx.put_enrolment(&Enrolment { reason, changed: now, ..enrolment.clone() })
}

/// The one enrolment of a node; why there is none is written to those that could be.
fn only(tx: &mut Tx<'_>, node: &NodeUuid, seen: &Seen, bmc: Option<&Bmc>, now: Micros) -> Result<Option<Expected>> {
    let like = tx.enrolments_like(&seen.names, &seen.macs, &seen.addresses, LIKE)?;
    if has_its_bmc(bmc) {
        let address = bmc.and_then(|bmc| bmc.address).map(|a| a.to_string()).unwrap_or_default();
        for e in like.iter().filter(|e| fits(e, seen) == Some(Why::Guid)) {
            let reason =
                format!("not matched: it calls its system node {node}, which has its BMC at {address} already");
            note(tx, e, reason, now)?;
        }
        return Ok(None);
    }
    match choose(&like, seen) {
        Choice::None => Ok(None),
        Choice::Several(several) => {
            let addresses: Vec<String> = several.iter().take(NAMED).map(|e| e.address.to_string()).collect();
            let reason = format!("not matched: node {node} could belong to {}", addresses.join(" or "));
            for e in several {
                note(tx, e, reason.clone(), now)?;
            }
            Ok(None)
        }
        Choice::One(one, why) => {
            let others = nodes_of(tx, one)?.into_iter().filter(|other| other != node);
            let others: Vec<String> = others.map(|other| other.to_string()).collect();
            if others.is_empty() {
                return Ok(Some(Expected(one.clone(), why)));
            }
            let reason = format!("not matched: it could belong to node {node} or to {}", others.join(" or "));
            note(tx, one, reason, now)?;
            Ok(None)
        }
    }
}

/// Nodes whose BMC it may be, by all that is known of them.
fn nodes_of(tx: &mut Tx<'_>, enrolment: &Enrolment) -> Result<Vec<NodeUuid>> {
    let known = tx.known(&enrolment.uuids, &std::collections::BTreeSet::new())?;
    let mut nodes: Vec<NodeUuid> = known.into_iter().map(|known| known.name).collect();
    nodes.extend(tx.nodes_with_bmc_at(enrolment.address)?);
    nodes.sort();
    nodes.dedup();
    let mut fitting = Vec::new();
    for node in nodes {
        let retired = tx.node(&node)?.is_none_or(|node| node.retired || node.admission == Admission::Rejected);
        let (seen, _) = seen(tx, &node, None)?;
        if !retired && fits(enrolment, &seen).is_some() {
            fitting.push(node);
        }
    }
    Ok(fitting)
}

/// A machine is about to register as `node`: the enrolment that it surely belongs to. `told`: the UUID that its firmware tells.
pub(in crate::service) fn expected(
    tx: &mut Tx<'_>,
    node: &NodeUuid,
    told: Option<&NodeUuid>,
    now: Micros,
) -> Result<Option<Expected>> {
    let (mut seen, bmc) = seen(tx, node, told)?;
    // Of an earlier boot: another BMC may have it now.
    seen.addresses.clear();
    only(tx, node, &seen, bmc.as_ref(), now)
}

/// Its record as it is received: who enrolled the BMC let the machine in.
pub(in crate::service) fn admit(known: Option<Node>, node: &NodeUuid, expected: &Expected, now: Micros) -> Node {
    let mut node = known.unwrap_or_else(|| Node::new(node.clone(), Admission::Admitted, now));
    let_in(&mut node, &expected.0, now);
    node
}

fn let_in(node: &mut Node, enrolment: &Enrolment, now: Micros) {
    if node.admission != Admission::Admitted || node.admitted.is_none() {
        node.admission = Admission::Admitted;
        node.admitted = Some((By::Person(enrolment.who.clone()), now));
    }
}

/// The machine has registered.
pub(in crate::service) fn arrived(
    tx: &mut Tx<'_>,
    vault: &Vault,
    node: &NodeUuid,
    expected: Expected,
    now: Micros,
) -> Result<()> {
    bind(tx, vault, (expected, Login::Before), node, now)
}

/// A node told what it read of its BMC in-band, and that is in its record already. True: a BMC was matched just now.
pub(in crate::service) fn told(
    tx: &mut Tx<'_>,
    vault: &Vault,
    node: &NodeUuid,
    found: &BmcFound,
    now: Micros,
) -> Result<bool> {
    if found.state != "present" || in_question(tx, node)? {
        return Ok(false);
    }
    let (seen, bmc) = seen(tx, node, None)?;
    match only(tx, node, &seen, bmc.as_ref(), now)? {
        Some(expected) => bind(tx, vault, (expected, Login::Before), node, now).map(|()| true),
        None => Ok(false),
    }
}

/// Whether another machine claims the node's name, or it may be another node's machine.
fn in_question(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<bool> {
    Ok(!tx.open_messages(CONFLICT, &[node.as_str()])?.is_empty()
        || tx.identity(node)?.is_some_and(|identity| identity.merge_candidate.is_some()))
}

/// A BMC was identified, in a contact that goes on now: the node that is known already is its. `booted`: only one that was
/// booted once.
pub(super) fn known(tx: &mut Tx<'_>, vault: &Vault, enrolment: &Enrolment, booted: bool, now: Micros) -> Result<bool> {
    let nodes = nodes_of(tx, enrolment)?;
    let [node] = nodes.as_slice() else {
        if nodes.len() > 1 {
            let names: Vec<String> = nodes.iter().take(NAMED).map(ToString::to_string).collect();
            note(tx, enrolment, format!("not matched: it could belong to node {}", names.join(" or ")), now)?;
        }
        return Ok(false);
    };
    let was_booted = tx.node(node)?.is_some_and(|node| node.boot.is_some());
    if (booted && !was_booted) || in_question(tx, node)? {
        return Ok(false);
    }
    let (seen, bmc) = seen(tx, node, None)?;
    match only(tx, node, &seen, bmc.as_ref(), now)? {
        Some(expected) if expected.0.id == enrolment.id => {
            bind(tx, vault, (expected, Login::Now), node, now).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Node and BMC belong together from now on.
fn bind(
    tx: &mut Tx<'_>,
    vault: &Vault,
    (expected, login): (Expected, Login),
    uuid: &NodeUuid,
    now: Micros,
) -> Result<()> {
    let Expected(mut enrolment, why) = expected;
    let Some(mut node) = tx.node(uuid)? else { return Ok(()) };
    let password = open(vault, &enrolment)?;
    let account = (enrolment.user.as_str(), &password);
    match login {
        Login::Now => credentials::adopt_in(tx, vault, uuid, account, Via::Enrolled, now)?,
        Login::Before => credentials::offer_in(tx, vault, uuid, account, now)?,
    };

    let mut bmc = tx.bmc(uuid)?.unwrap_or_else(|| Bmc::new(uuid.clone(), now));
    (bmc.address, bmc.port) = (Some(enrolment.address), enrolment.port);
    (bmc.protocol, bmc.driver) = (enrolment.protocol, enrolment.driver);
    bmc.certificate.clone_from(&enrolment.certificate);
    if !enrolment.firmware.is_empty() {
        bmc.firmware.clone_from(&enrolment.firmware);
    }
    if let Some(mac) = &enrolment.mac {
        bmc.mac = mac.to_string();
    }
    (bmc.power, bmc.power_at) = (enrolment.power, Some(now));
    // The poller logs in at once: only then the BMC is managed.
    (bmc.state, bmc.failures, bmc.next, bmc.changed) = (BmcState::Configured, 0, now, now);
    bmc.reason.clear();
    tx.put_bmc(&bmc)?;

    let mut words = vec![why.to_string()];
    let_in(&mut node, &enrolment, now);
    if let Some(profile) = &enrolment.profile {
        match tx.active_profile(profile)? {
            Some(found) => match found.spec.missing() {
                None => {
                    (node.profile, node.profile_revision) = (Some(profile.clone()), None);
                    node.held.profile = Holder::Person;
                }
                Some(missing) => words.push(format!("profile {profile} cannot be assigned: {missing}")),
            },
            None => words.push(format!("profile {profile} is not there any more")),
        }
    }
    if let Ok(cluster) = enrolment.cluster.parse() {
        (node.cluster, node.held.cluster) = (Some(cluster), Holder::Person);
    }
    if let Some(name) = &enrolment.name {
        match tx.nodes_named(name.as_str(), "")?.into_iter().find(|other| other != uuid) {
            None => (node.hostname, node.held.hostname) = (name.clone(), Holder::Person),
            Some(other) => words.push(format!("the name {name} is that of node {other}")),
        }
    }
    tx.put_node(&node)?;

    let reason = words.join("; ");
    let (address, who) = (enrolment.address, &enrolment.who);
    let notice = Notice {
        kind: Kind::Bmc,
        severity: Severity::Info,
        subject: "enrolment".to_owned(),
        message: format!("the BMC at {address}, enrolled by {who}, is this node's: {reason}"),
    };
    node_events::record(tx, uuid, &notice, now)?;
    tracing::info!(node = %uuid, enrolment = %enrolment.id, "the BMC at {address} is that of node {uuid}: {reason}");
    enrolment.matched(uuid.clone(), reason, now);
    tx.put_enrolment(&enrolment)
}
