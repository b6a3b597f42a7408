//! Rules: kept by people as one list, asked when a machine registers, when what it is cabled to or its tags change, and for
//! the whole fleet, a piece at a time, when the list changes.

mod fleet;
mod trial;

pub use fleet::work_once;
pub use trial::test;

use super::{App, Settings, facts, node_events};
use crate::domain::facts::Facts;
use crate::domain::identity::CONFLICT;
use crate::domain::ids::Hostname;
use crate::domain::node::{Admission, AdmissionPolicy, By, Node};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::rules::{self, Compiled, Decision, Held, Holder, Pattern, Receive, Rule, Sets};
use crate::domain::{Micros, Name, NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::agent::Neighbour;
use higuma_proto::api;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The list with every expression ready.
pub(super) struct Ready {
    list: Vec<Rule>,
    compiled: Vec<(Compiled, AtomicBool)>,
}

/// The list that was compiled last: a registration must not pay for it again.
static LAST: Mutex<Option<Arc<Ready>>> = Mutex::new(None);

impl Ready {
    /// A stored rule that this release does not understand matches nothing.
    fn new(list: Vec<Rule>) -> Self {
        let compile = |rule: &Rule| match Compiled::new(rule.clone()) {
            Ok(compiled) => Some((compiled, AtomicBool::new(false))),
            Err(error) => {
                tracing::error!(rule = %rule.name, "rule {} is not understood any more and matches nothing: {error}", rule.name);
                None
            }
        };
        Self { compiled: list.iter().filter_map(compile).collect(), list }
    }

    /// Does any say more than admission and parking?
    fn sets(&self) -> bool {
        self.list.iter().any(|rule| !rule.sets.is_empty())
    }

    /// What they say; a rule that fails is logged once.
    pub(super) fn decide(&self, facts: &Facts) -> Decision {
        let decision = rules::decide(self.compiled.iter().map(|(compiled, _)| compiled), facts);
        for (name, why) in &decision.failed {
            let told = self.compiled.iter().find(|(compiled, _)| compiled.rule.name == *name).map(|(_, told)| told);
            if told.is_some_and(|told| !told.swap(true, Ordering::Relaxed)) {
                let node = &facts.standing.uuid;
                tracing::warn!(rule = %name, %node, "rule {name} does not match node {node}: {why} (told once)");
            }
        }
        decision
    }
}

fn ready(tx: &mut Tx<'_>) -> Result<Arc<Ready>> {
    let list = tx.rules()?;
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ready) = last.as_ref().filter(|ready| ready.list == list) {
        return Ok(Arc::clone(ready));
    }
    let ready = Arc::new(Ready::new(list));
    // One that could not be compiled is tried anew: the reason may pass.
    if ready.compiled.len() == ready.list.len() {
        *last = Some(Arc::clone(&ready));
    }
    Ok(ready)
}

/// The rules, when any of them says something about parking.
pub(super) fn that_park(tx: &mut Tx<'_>) -> Result<Option<Arc<Ready>>> {
    let ready = ready(tx)?;
    Ok(ready.list.iter().any(|rule| rule.park.is_some()).then_some(ready))
}

/// What is known of a machine that registers.
pub(super) struct Arrival<'a> {
    /// What counts as its name.
    pub(super) uuid: &'a NodeUuid,
    /// What it says that it is made of.
    pub(super) inventory: &'a higuma_proto::agent::Inventory,
    /// Its neighbours.
    pub(super) neighbours: &'a [higuma_proto::agent::Neighbour],
    /// Another machine uses its name: no rule admits it.
    pub(super) conflict: bool,
    /// Now.
    pub(super) now: Micros,
}

/// The node under which a machine is received; none: nobody knows it. The caller stores it.
pub(super) fn receive(
    tx: &mut Tx<'_>,
    policy: AdmissionPolicy,
    known: Option<Node>,
    arrival: &Arrival<'_>,
) -> Result<Option<Node>> {
    let open = known
        .as_ref()
        .is_none_or(|node| node.admission == Admission::Pending && !matches!(node.admitted, Some((By::Person(_), _))));
    let rules = ready(tx)?;
    let decision = match open || rules.sets() {
        false => Decision::default(),
        true => {
            let heard = heard(tx, known.as_ref(), arrival.neighbours)?;
            rules.decide(&arriving(known.as_ref(), arrival, &heard))
        }
    };
    let was = known.as_ref().map(|node| (node.admission, node.admitted.as_ref().map(|(by, _)| by)));
    match rules::receive(was, policy, decision.admission.as_ref(), arrival.conflict) {
        Receive::Refuse => Ok(None),
        Receive::Keep => match known {
            Some(mut node) if !arrival.conflict => {
                set(tx, &mut node, &decision, arrival.now)?;
                Ok(Some(node))
            }
            known => Ok(known),
        },
        Receive::Set(admission, by) => {
            let mut node = known.unwrap_or_else(|| Node::new(arrival.uuid.clone(), admission, arrival.now));
            if let By::Rule(rule) = &by {
                tracing::info!(node = %node.uuid, %rule, %admission, "node {} is {admission} by rule {rule}", node.uuid);
            }
            node.admission = admission;
            node.admitted = Some((by, arrival.now));
            if !arrival.conflict {
                set(tx, &mut node, &decision, arrival.now)?;
            }
            Ok(Some(node))
        }
    }
}

/// What a machine has heard, and of ports that have heard nobody yet what they heard last: a switch speaks every half
/// minute, a boot is faster, and no rule shall take a system away for that.
fn heard(tx: &mut Tx<'_>, known: Option<&Node>, now: &[Neighbour]) -> Result<Vec<Neighbour>> {
    let mut heard = now.to_vec();
    if let Some(node) = known {
        let silent = |n: &Neighbour| now.iter().all(|new| new.interface != n.interface);
        heard.extend(tx.neighbours(&node.uuid)?.into_iter().filter(silent));
    }
    Ok(heard)
}

/// Its record as it will be, with the hardware that it reports.
fn arriving(known: Option<&Node>, arrival: &Arrival<'_>, neighbours: &[Neighbour]) -> Facts {
    let mut node =
        known.map(rules::unruled).unwrap_or_else(|| Node::new(arrival.uuid.clone(), Admission::Pending, arrival.now));
    super::register::name_hardware(&mut node, arrival.inventory);
    let hardware = facts::project(arrival.inventory, neighbours);
    facts::of_node(&node, None, hardware, arrival.now, 0)
}

/// Ask the rules about a node that is there, of what is known of it; the caller stores it. False: nothing is different.
pub(super) fn evaluate(tx: &mut Tx<'_>, node: &mut Node, now: Micros) -> Result<bool> {
    let rules = ready(tx)?;
    evaluate_by(tx, &rules, node, now)
}

fn evaluate_by(tx: &mut Tx<'_>, rules: &Ready, node: &mut Node, now: Micros) -> Result<bool> {
    if node.retired || (!rules.sets() && node.rule_tags.is_empty()) {
        return Ok(false);
    }
    if !tx.open_messages(CONFLICT, &[node.uuid.as_str()])?.is_empty() {
        // Its facts may be another machine's.
        return Ok(false);
    }
    // Nothing is known of one that never registered: rules are asked when it does.
    let Some(hardware) = tx.node_facts(&node.uuid)? else { return Ok(false) };
    let before = node.clone();
    let decision = rules.decide(&facts::of_node(&rules::unruled(node), None, hardware, now, 0));
    set(tx, node, &decision, now)?;
    Ok(*node != before)
}

/// Make of the node what was decided. A host name that cannot be given is told as an event.
fn set(tx: &mut Tx<'_>, node: &mut Node, decision: &Decision, now: Micros) -> Result<()> {
    let Some((rule, pattern)) = rules::apply(node, decision) else { return Ok(()) };
    if tx.node(&node.uuid)?.is_none() {
        // Its number hangs on it.
        tx.put_node(node)?;
    }
    let problem = match name(tx, node, &pattern)? {
        Ok(hostname) => {
            node.hostname = hostname;
            node.held.hostname = Holder::Rule(rule);
            return tx.clear_subject(&node.uuid, NAMING, now).map(drop);
        }
        Err(problem) => problem,
    };
    let message = format!("rule {rule} would call it {pattern}, but {problem}");
    let notice = Notice { kind: Kind::Identity, severity: Severity::Warning, subject: NAMING.to_owned(), message };
    node_events::raise(tx, &node.uuid, &notice, now).map(drop)
}

/// Subject of the event about a host name that cannot be given.
const NAMING: &str = "naming";
/// Numbers tried whose names others have.
const TRIES: u32 = 100;

/// The name that a pattern gives a node: always the same one. What is wrong is told in words.
fn name(tx: &mut Tx<'_>, node: &Node, pattern: &Pattern) -> Result<std::result::Result<Hostname, String>> {
    let cluster = node.cluster.as_ref().map_or("", Name::as_str);
    let Some(key) = pattern.key(&node.serial, cluster) else {
        return Ok(Err("it has no serial number, or no cluster, to make a name of".to_owned()));
    };
    let counted = key.counted();
    let mut number = match &counted {
        Some(counted) => tx.name_number(counted, &node.uuid)?,
        None => 0,
    };
    for _ in 0..TRIES {
        let hostname = match pattern.name(&key, number) {
            Ok(hostname) => hostname,
            Err(invalid) => return Ok(Err(invalid.to_string())),
        };
        let taken = tx.nodes_named(hostname.as_str(), "")?.into_iter().find(|other| *other != node.uuid);
        match (taken, &counted) {
            (None, _) => return Ok(Ok(hostname)),
            (Some(other), None) => return Ok(Err(format!("that is the name of node {other}"))),
            (Some(_), Some(counted)) => number = tx.next_name_number(counted, &node.uuid)?,
        }
    }
    Ok(Err(format!("the names of the last {TRIES} numbers are those of other nodes")))
}

/// Profile, cluster and host name are the rules' from now on; what is set stays until one says otherwise.
pub(super) fn hand_over(node: &mut Node) {
    node.held = Held { profile: Holder::Rules, cluster: Holder::Rules, hostname: Holder::Rules };
}

/// What rules set of a node, and which.
pub(super) fn holders(node: &Node) -> BTreeMap<String, String> {
    let held = [("profile", &node.held.profile), ("cluster", &node.held.cluster), ("hostname", &node.held.hostname)];
    held.into_iter().filter_map(|(what, holder)| Some((what.to_owned(), holder.rule()?.to_string()))).collect()
}

/// The list as people see it.
pub async fn list(app: &App) -> Result<api::RuleList> {
    app.store
        .read(|tx| {
            let mut list = to_list(&tx.rules()?);
            list.evaluating = fleet::at(tx)?;
            Ok(list)
        })
        .await
}

/// Put another list in the place of the present one. Errors: the first rule that does not fit; `Conflict` when the list
/// is not any more the one that `expected_hash` names. It holds for registrations from now on.
pub async fn replace(app: &App, put: api::PutRules) -> Result<api::RuleList> {
    let parsed = parse(put.rules)?;
    let expected = put.expected_hash;
    app.store
        .write(move |tx| {
            let present = hash(&tx.rules()?);
            if expected.as_ref().is_some_and(|expected| *expected != present) {
                let message = "the rules were changed by somebody else meanwhile: read them and try again";
                return Err(Error::Conflict(message.to_owned()));
            }
            put_list(tx, &parsed)?;
            let mut list = to_list(&parsed);
            list.evaluating = fleet::at(tx)?;
            Ok(list)
        })
        .await
}

/// Rules that are understood. Errors: the first that does not fit.
pub(super) fn parse(list: Vec<api::Rule>) -> Result<Vec<Rule>> {
    let parsed: Vec<Rule> = list.into_iter().map(from_wire).collect::<Result<_>>()?;
    rules::compile(parsed.clone()).map_err(|e| Error::BadRequest(e.to_string()))?;
    Ok(parsed)
}

/// This list instead of the present one. Errors: a profile that is not there, or cannot be assigned.
pub(super) fn put_list(tx: &mut Tx<'_>, list: &[Rule]) -> Result<()> {
    for rule in list {
        let Some(profile) = &rule.sets.profile else { continue };
        let name = &rule.name;
        let found = tx.active_profile(profile)?.ok_or_else(|| {
            Error::BadRequest(format!("rule {name}: there is no profile {profile}: see `higuma profile list`"))
        })?;
        if let Some(missing) = found.spec.missing() {
            return Err(Error::BadRequest(format!("rule {name}: profile {profile} cannot be assigned: {missing}")));
        }
    }
    tx.replace_rules(list)?;
    fleet::begin(tx)
}

pub(super) fn hash(rules: &[Rule]) -> String {
    let plain: Vec<_> = rules.iter().map(to_wire).collect();
    Sha256::of(serde_json::json!(plain).to_string()).to_string()
}

fn to_list(rules: &[Rule]) -> api::RuleList {
    let warnings = rules.iter().filter(|rule| rule.admission == Some(Admission::Admitted) && rule.takes_all());
    let warning = |rule: &Rule| format!("rule {} admits every machine that reaches this network", rule.name);
    api::RuleList {
        warnings: warnings.map(warning).collect(),
        rules: rules.iter().map(to_wire).collect(),
        hash: hash(rules),
        evaluating: None,
    }
}

pub(super) fn to_wire(rule: &Rule) -> api::Rule {
    api::Rule {
        name: rule.name.to_string(),
        when: rule.when.clone(),
        admission: rule.admission.map(|word| word.to_string()),
        park: rule.park.map(|word| word.to_string()),
        park_after_seconds: rule.park_after.and_then(|after| u32::try_from(after / 1_000_000).ok()),
        profile: rule.sets.profile.as_ref().map(ToString::to_string),
        cluster: rule.sets.cluster.as_ref().map(ToString::to_string),
        hostname: rule.sets.hostname.as_ref().map(ToString::to_string),
        tags: rule.sets.tags.iter().map(ToString::to_string).collect(),
    }
}

fn from_wire(rule: api::Rule) -> Result<Rule> {
    let named: String = rule.name.chars().take(63).collect();
    let of_rule = |e: crate::domain::Invalid| Error::BadRequest(format!("rule {named}: {e}"));
    Ok(Rule {
        name: rule.name.parse().map_err(of_rule)?,
        when: rule.when,
        admission: rule.admission.map(|word| word.parse()).transpose().map_err(of_rule)?,
        park: rule.park.map(|word| word.parse()).transpose().map_err(of_rule)?,
        park_after: rule.park_after_seconds.map(|seconds| Micros::from(seconds) * 1_000_000),
        sets: Sets {
            profile: rule.profile.map(|word| word.parse()).transpose().map_err(of_rule)?,
            cluster: rule.cluster.map(|word| word.parse()).transpose().map_err(of_rule)?,
            hostname: rule.hostname.map(|word| word.parse()).transpose().map_err(of_rule)?,
            tags: rule.tags.iter().map(|tag| tag.parse()).collect::<std::result::Result<_, _>>().map_err(of_rule)?,
        },
    })
}

/// For a dry run: the settings that rules fall back to.
fn policy(settings: &Settings) -> AdmissionPolicy {
    settings.admission
}
