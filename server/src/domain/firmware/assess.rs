//! What the rules say of a machine: each component's verdict, and from those what its boot may do.

use super::attempt::{TRIES, Tried};
use super::components::Component;
use super::rule::{Mode, OnFailure, Rule};

/// What the rules say of one component. The number is the rule's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No rule fits it.
    NoRule,
    /// It has a good version.
    Compliant(usize),
    /// It has another, and so many updates were tried.
    Differs(usize, u32),
    /// It does not tell its version: nothing is done about it but telling.
    Unknown(usize),
}

/// A component with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// The component.
    pub component: Component,
    /// What the rules say of it.
    pub verdict: Verdict,
}

impl Assessed {
    /// Its rule, where it has another version than that wants, and how many updates were tried.
    pub fn differs<'r>(&self, rules: &'r [Rule]) -> Option<(&'r Rule, u32)> {
        match self.verdict {
            Verdict::Differs(index, tried) => rules.get(index).map(|rule| (rule, tried)),
            _ => None,
        }
    }
}

/// What a boot may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Boot,
    /// Wait for a person.
    Hold(String),
    /// Update this component (its place among those assessed) by this rule, as try number `n`.
    Update {
        /// Place of the component.
        component: usize,
        /// Place of the rule.
        rule: usize,
        /// 1 to [`TRIES`].
        n: u32,
    },
}

/// The verdict on each component: the first rule that fits counts. `tried`: the attempts that count.
pub fn assess(rules: &[Rule], components: &[Component], tried: &[Tried]) -> Vec<Assessed> {
    let verdict = |component: &Component| {
        let Some((index, rule)) = rules.iter().enumerate().find(|(_, rule)| rule.fits(component)) else {
            return Verdict::NoRule;
        };
        match component.version.as_str() {
            "" => Verdict::Unknown(index),
            version if rule.allows(version) => Verdict::Compliant(index),
            _ => Verdict::Differs(index, tries(rule, component, tried)),
        }
    };
    components.iter().map(|c| Assessed { component: c.clone(), verdict: verdict(c) }).collect()
}

fn tries(rule: &Rule, component: &Component, tried: &[Tried]) -> u32 {
    let key = component.key();
    let count = tried.iter().filter(|t| t.rule == rule.name && t.component == key && t.wanted == rule.wanted).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The decision, by the components in order: first what failed for good (nothing else is tried on a machine whose update
/// went wrong), then updates, then holds.
pub fn decide(rules: &[Rule], assessed: &[Assessed]) -> Decision {
    let mut update = None;
    let mut hold = None;
    for (component, one) in assessed.iter().enumerate() {
        let (Verdict::Differs(index, tried), Some(rule)) = (one.verdict, one.differs(rules).map(|(rule, _)| rule))
        else {
            continue;
        };
        match (rule.mode, rule.on_failure) {
            (Mode::Update, _) if tried < TRIES => {
                update.get_or_insert(Decision::Update { component, rule: index, n: tried + 1 });
            }
            (Mode::Update, OnFailure::Hold) => {
                let words = "the firmware of this node stays wrong after all tries";
                return Decision::Hold(format!("{words}: {}", says(&one.component, rule)));
            }
            (Mode::Hold, _) => {
                let words = "the firmware of this node is not the wanted one";
                hold.get_or_insert_with(|| Decision::Hold(format!("{words}: {}", says(&one.component, rule))));
            }
            (Mode::Update | Mode::Report, _) => {}
        }
    }
    update.or(hold).unwrap_or(Decision::Boot)
}

/// "BIOS 1.2.3, wanted 2.0.0 (rule r)".
pub(super) fn says(component: &Component, rule: &Rule) -> String {
    format!("{} {}, wanted {} (rule {})", component.label(), component.version, rule.wanted, rule.name)
}
