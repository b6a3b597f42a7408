//! Admission rules: kept by people as one list, asked when a machine registers.

mod trial;

pub use trial::test;

use super::{App, Settings, facts};
use crate::domain::facts::Facts;
use crate::domain::node::{Admission, AdmissionPolicy, By, Node};
use crate::domain::rules::{self, Compiled, Decision, Receive, Rule};
use crate::domain::{Micros, NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api;
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
    let decision = match open {
        false => Decision::default(),
        true => ready(tx)?.decide(&arriving(known.as_ref(), arrival)),
    };
    let was = known.as_ref().map(|node| (node.admission, node.admitted.as_ref().map(|(by, _)| by)));
    match rules::receive(was, policy, decision.admission.as_ref(), arrival.conflict) {
        Receive::Refuse => Ok(None),
        Receive::Keep => Ok(known),
        Receive::Set(admission, by) => {
            let mut node = known.unwrap_or_else(|| Node::new(arrival.uuid.clone(), admission, arrival.now));
            if let By::Rule(rule) = &by {
                tracing::info!(node = %node.uuid, %rule, %admission, "node {} is {admission} by rule {rule}", node.uuid);
            }
            node.admission = admission;
            node.admitted = Some((by, arrival.now));
            Ok(Some(node))
        }
    }
}

/// Its record as it will be, with the hardware that it reports.
fn arriving(known: Option<&Node>, arrival: &Arrival<'_>) -> Facts {
    let mut node = known.cloned().unwrap_or_else(|| Node::new(arrival.uuid.clone(), Admission::Pending, arrival.now));
    super::register::name_hardware(&mut node, arrival.inventory);
    let hardware = facts::project(arrival.inventory, arrival.neighbours);
    facts::of_node(&node, None, hardware, arrival.now, 0)
}

/// The list as people see it.
pub async fn list(app: &App) -> Result<api::RuleList> {
    app.store.read(|tx| tx.rules()).await.map(|rules| to_list(&rules))
}

/// Put another list in the place of the present one. Errors: the first rule that does not fit; `Conflict` when the list
/// is not any more the one that `expected_hash` names. It holds for registrations from now on.
pub async fn replace(app: &App, put: api::PutRules) -> Result<api::RuleList> {
    let parsed: Vec<Rule> = put.rules.into_iter().map(from_wire).collect::<Result<_>>()?;
    rules::compile(parsed.clone()).map_err(|e| Error::BadRequest(e.to_string()))?;
    let expected = put.expected_hash;
    app.store
        .write(move |tx| {
            let present = hash(&tx.rules()?);
            if expected.as_ref().is_some_and(|expected| *expected != present) {
                let message = "the rules were changed by somebody else meanwhile: read them and try again";
                return Err(Error::Conflict(message.to_owned()));
            }
            tx.replace_rules(&parsed)?;
            Ok(to_list(&parsed))
        })
        .await
}

fn hash(rules: &[Rule]) -> String {
    let plain: Vec<_> = rules.iter().map(to_wire).collect();
    Sha256::of(serde_json::json!(plain).to_string()).to_string()
}

fn to_list(rules: &[Rule]) -> api::RuleList {
    api::RuleList { rules: rules.iter().map(to_wire).collect(), hash: hash(rules) }
}

fn to_wire(rule: &Rule) -> api::Rule {
    api::Rule {
        name: rule.name.to_string(),
        when: rule.when.clone(),
        admission: rule.admission.map(|word| word.to_string()),
        park: rule.park.map(|word| word.to_string()),
        park_after_seconds: rule.park_after.and_then(|after| u32::try_from(after / 1_000_000).ok()),
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
    })
}

/// For a dry run: the settings that rules fall back to.
fn policy(settings: &Settings) -> AdmissionPolicy {
    settings.admission
}
