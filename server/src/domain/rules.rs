//! Rules: an ordered list; of those that match, the first that speaks of something decides that. Decided here as pure functions, so that a dry run is
//! the real thing. What a person decided is never overruled, nor is a machine admitted whose identity is in conflict.

mod pattern;
mod set;

pub use pattern::Pattern;
pub use set::{Held, Holder, Sets, TAGS_MAX, TAGS_OF_RULES, apply, unruled};

use super::facts::Facts;
use super::ids::{Micros, Name};
use super::node::{Admission, AdmissionPolicy, By};
use super::parking::ParkAction;
use super::select::{SelectError, Selector};
use std::collections::BTreeSet;

/// Rules in the list, at most.
pub const RULES_MAX: usize = 200;
/// The longest that a rule lets a node wait before it is parked: 30 days.
pub const AFTER_MAX: Micros = 30 * 86_400_000_000;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, once in the list.
    pub name: Name,
    /// For which nodes: an expression.
    pub when: String,
    /// How they are received; none: another rule or the policy says.
    pub admission: Option<Admission>,
    /// What they do without a profile; none: another rule or the settings say.
    pub park: Option<ParkAction>,
    /// After how long; none: as the settings say.
    pub park_after: Option<Micros>,
    /// What else they are.
    pub sets: Sets,
}

impl Rule {
    /// Whatever the machine: its expression asks nothing of it.
    pub fn takes_all(&self) -> bool {
        !self.when.contains("node")
            && Selector::compile(&self.when).is_ok_and(|s| s.matches(&Facts::default()) == Ok(true))
    }
}

/// Why a list is refused: which rule, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {name}: {problem}")]
pub struct RuleError {
    /// Name of the rule, or its place when it has none.
    pub name: String,
    /// What was expected, what came.
    pub problem: String,
}

/// A rule with its expression ready.
#[derive(Debug)]
pub struct Compiled {
    /// As given.
    pub rule: Rule,
    selector: Selector,
}

impl Compiled {
    /// Errors: what does not fit in its expression.
    pub fn new(rule: Rule) -> Result<Self, SelectError> {
        let selector = Selector::compile(&rule.when)?;
        Ok(Self { rule, selector })
    }
}

/// Check and compile a whole list. Errors: the first rule that does not fit.
pub fn compile(rules: Vec<Rule>) -> Result<Vec<Compiled>, RuleError> {
    let mut done: Vec<Compiled> = Vec::with_capacity(rules.len().min(RULES_MAX));
    for rule in rules {
        let name = rule.name.to_string();
        let fail = |problem: String| RuleError { name: name.clone(), problem };
        if done.len() == RULES_MAX {
            return Err(fail(format!("expected at most {RULES_MAX} rules")));
        }
        if done.iter().any(|other| other.rule.name == rule.name) {
            return Err(fail("there is another of this name".to_owned()));
        }
        if rule.admission.is_none() && rule.park.is_none() && rule.sets.is_empty() {
            let expected = "expected an admission, a park, a profile, a cluster, a host name or tags: it says nothing";
            return Err(fail(expected.to_owned()));
        }
        if rule.sets.tags.len() > TAGS_MAX {
            return Err(fail(format!("expected at most {TAGS_MAX} tags")));
        }
        match rule.park_after {
            Some(_) if !matches!(rule.park, Some(ParkAction::Poweroff | ParkAction::Reboot)) => {
                return Err(fail("park_after needs park: poweroff or reboot".to_owned()));
            }
            Some(after) if !(0..=AFTER_MAX).contains(&after) => {
                return Err(fail("park_after: expected at most 30 days".to_owned()));
            }
            _ => {}
        }
        done.push(Compiled::new(rule).map_err(|e| fail(e.to_string()))?);
    }
    Ok(done)
}

/// What the rules say of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// By the first matching rule that says something about it.
    pub admission: Option<(Name, Admission)>,
    /// Likewise; what to do, and after how long if the rule says so.
    pub park: Option<(Name, ParkAction, Option<Micros>)>,
    /// Which rule says which profile.
    pub profile: Option<(Name, Name)>,
    /// Which rule says which cluster.
    pub cluster: Option<(Name, Name)>,
    /// Which rule says which host name.
    pub hostname: Option<(Name, Pattern)>,
    /// Of all that match: tags do not exclude each other.
    pub tags: BTreeSet<Name>,
    /// Rules whose expression could not be worked out for this node: they do not match.
    pub failed: Vec<(Name, String)>,
}

/// Ask the rules in order.
pub fn decide<'r>(rules: impl IntoIterator<Item = &'r Compiled>, facts: &Facts) -> Decision {
    let mut decision = Decision::default();
    for Compiled { rule, selector } in rules {
        let sets = &rule.sets;
        let wanted = (decision.admission.is_none() && rule.admission.is_some())
            || (decision.park.is_none() && rule.park.is_some())
            || (decision.profile.is_none() && sets.profile.is_some())
            || (decision.cluster.is_none() && sets.cluster.is_some())
            || (decision.hostname.is_none() && sets.hostname.is_some())
            || !sets.tags.is_subset(&decision.tags);
        if !wanted {
            continue;
        }
        match selector.matches(facts) {
            Ok(false) => {}
            Err(why) => decision.failed.push((rule.name.clone(), why)),
            Ok(true) => {
                if let (None, Some(admission)) = (&decision.admission, rule.admission) {
                    decision.admission = Some((rule.name.clone(), admission));
                }
                if let (None, Some(park)) = (&decision.park, rule.park) {
                    decision.park = Some((rule.name.clone(), park, rule.park_after));
                }
                first(&mut decision.profile, &rule.name, &sets.profile);
                first(&mut decision.cluster, &rule.name, &sets.cluster);
                first(&mut decision.hostname, &rule.name, &sets.hostname);
                decision.tags.extend(sets.tags.iter().cloned());
            }
        }
    }
    decision
}

fn first<T: Clone>(decided: &mut Option<(Name, T)>, rule: &Name, says: &Option<T>) {
    if let (None, Some(value)) = (&decided, says) {
        *decided = Some((rule.clone(), value.clone()));
    }
}

/// How a registering machine is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receive {
    /// Not at all: nobody knows it.
    Refuse,
    /// As it is.
    Keep,
    /// From now on so.
    Set(Admission, By),
}

/// `known`: its admission and who decided that, none for a machine never seen. `conflict`: it may be another node's machine.
pub fn receive(
    known: Option<(Admission, Option<&By>)>,
    policy: AdmissionPolicy,
    rule: Option<&(Name, Admission)>,
    conflict: bool,
) -> Receive {
    let by_rule = rule.filter(|_| !conflict);
    match (known, by_rule) {
        (Some((Admission::Pending, by)), Some((name, admission)))
            if !matches!(by, Some(By::Person(_))) && *admission != Admission::Pending =>
        {
            Receive::Set(*admission, By::Rule(name.clone()))
        }
        (Some(_), _) => Receive::Keep,
        (None, Some((name, admission))) => Receive::Set(*admission, By::Rule(name.clone())),
        (None, None) => match policy {
            // Whatever the policy, a person decides.
            _ if conflict => Receive::Set(Admission::Pending, By::Policy),
            AdmissionPolicy::KnownOnly => Receive::Refuse,
            AdmissionPolicy::Auto => Receive::Set(Admission::Admitted, By::Policy),
            AdmissionPolicy::Approve => Receive::Set(Admission::Pending, By::Policy),
        },
    }
}

#[cfg(test)]
mod tests;
