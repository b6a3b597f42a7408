//! What rules say of nodes beside admission and parking: profile, cluster, host name, tags. A person's word is never
//! overruled; what a rule set stays until another rule says otherwise, but for tags, which hold as long as their rule does.

use super::{Decision, Pattern};
use crate::domain::ids::{Hostname, Invalid, Name};
use crate::domain::node::Node;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Tags that one rule, or a person, gives.
pub const TAGS_MAX: usize = 64;
/// Tags that all rules together give a node, and tags of a node that can be asked for.
pub const TAGS_OF_RULES: usize = 256;

/// Who says what a node's profile, cluster or host name is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Holder {
    /// Nobody yet: a rule may.
    #[default]
    Nobody,
    /// This rule.
    Rule(Name),
    /// A person gave it to the rules: what is set stays until one of them says otherwise.
    Rules,
    /// Somebody, by page, API or command line.
    Person,
}

impl Holder {
    /// The rule that it is.
    pub fn rule(&self) -> Option<&Name> {
        match self {
            Self::Rule(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => Ok(()),
            Self::Rule(name) => write!(f, "rule {name}"),
            Self::Rules => f.write_str("rules"),
            Self::Person => f.write_str("person"),
        }
    }
}

impl FromStr for Holder {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once(' ') {
            None if text.is_empty() => Ok(Self::Nobody),
            None if text == "person" => Ok(Self::Person),
            None if text == "rules" => Ok(Self::Rules),
            Some(("rule", name)) => Ok(Self::Rule(name.parse()?)),
            _ => Err(Invalid::new("who set it", "person, rules or rule NAME", text)),
        }
    }
}

/// Who holds what of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Its profile (also that it has none).
    pub profile: Holder,
    /// Its cluster.
    pub cluster: Holder,
    /// Its host name.
    pub hostname: Holder,
}

/// What a rule says beside admission and parking; nothing: another rule may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sets {
    /// Profile to boot.
    pub profile: Option<Name>,
    /// Cluster to be in.
    pub cluster: Option<Name>,
    /// Host name.
    pub hostname: Option<Pattern>,
    /// Tags to have.
    pub tags: BTreeSet<Name>,
}

impl Sets {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The node as rules see it: without what rules have set, so that asking them twice gives the same.
pub fn unruled(node: &Node) -> Node {
    let mut node = node.clone();
    if matches!(node.held.profile, Holder::Rule(_) | Holder::Rules) {
        node.profile = None;
    }
    if matches!(node.held.cluster, Holder::Rule(_) | Holder::Rules) {
        node.cluster = None;
    }
    if matches!(node.held.hostname, Holder::Rule(_) | Holder::Rules) {
        node.hostname = Hostname::of_node(&node.uuid);
    }
    node.rule_tags.clear();
    node
}

/// May a rule say it? What is set and held by nobody was set before that was kept: by a person.
fn free(holder: &Holder, set: bool) -> bool {
    match holder {
        Holder::Nobody => !set,
        Holder::Rule(_) | Holder::Rules => true,
        Holder::Person => false,
    }
}

/// Make of the node what the rules say; gives the pattern of the host name that it is to get, which needs a number. The
/// caller stores the node.
pub fn apply(node: &mut Node, decision: &Decision) -> Option<(Name, Pattern)> {
    if let Some((rule, profile)) = &decision.profile
        && free(&node.held.profile, node.profile.is_some())
    {
        if node.profile.as_ref() != Some(profile) {
            (node.profile, node.profile_revision) = (Some(profile.clone()), None);
        }
        node.held.profile = Holder::Rule(rule.clone());
    }
    if let Some((rule, cluster)) = &decision.cluster
        && free(&node.held.cluster, node.cluster.is_some())
    {
        node.cluster = Some(cluster.clone());
        node.held.cluster = Holder::Rule(rule.clone());
    }
    let besides = decision.tags.iter().filter(|tag| !node.tags.contains(*tag));
    node.rule_tags = besides.take(TAGS_OF_RULES).cloned().collect();
    let named = node.hostname != Hostname::of_node(&node.uuid);
    decision.hostname.clone().filter(|_| free(&node.held.hostname, named))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::node::Admission;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn holder() -> impl Strategy<Value = Holder> {
        prop_oneof![
            Just(Holder::Nobody),
            Just(Holder::Person),
            Just(Holder::Rules),
            "[a-c]".prop_map(|text| Holder::Rule(name(&text))),
        ]
    }

    fn some() -> impl Strategy<Value = Option<Name>> {
        proptest::option::of("[a-c]".prop_map(|text| name(&text)))
    }

    fn tags() -> impl Strategy<Value = BTreeSet<Name>> {
        proptest::collection::btree_set("[a-e]".prop_map(|text| name(&text)), 0..4)
    }

    prop_compose! {
        fn a_node()(profile in some(), cluster in some(), named in any::<bool>(), held in (holder(), holder(), holder()),
                  tags in tags(), rule_tags in tags()) -> Node {
            let mut node = Node::new("4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(), Admission::Admitted, 0);
            if named {
                node.hostname = "web-1".parse().unwrap();
            }
            let (of_profile, of_cluster, of_name) = held;
            node.held = Held { profile: of_profile, cluster: of_cluster, hostname: of_name };
            Node { profile, cluster, tags, rule_tags, ..node }
        }
    }

    prop_compose! {
        fn a_decision()(profile in some(), cluster in some(), named in any::<bool>(), tags in tags()) -> Decision {
            let by = |value: Option<Name>| value.map(|value| (name("r"), value));
            Decision {
                profile: by(profile),
                cluster: by(cluster),
                hostname: named.then(|| (name("r"), "hv-{n}".parse().unwrap())),
                tags,
                ..Decision::default()
            }
        }
    }

    proptest! {
        #[test]
        fn asked_twice_they_say_the_same(node in a_node(), decision in a_decision()) {
            let (mut once, mut twice) = (node.clone(), node.clone());
            let first = apply(&mut once, &decision);
            apply(&mut twice, &decision);
            let second = apply(&mut twice, &decision);
            prop_assert_eq!(&once, &twice);
            prop_assert_eq!(first, second);
            // Nor does what they set change what they see.
            prop_assert_eq!(unruled(&once).tags, unruled(&node).tags);
            if decision.profile.is_some() && once.profile != node.profile {
                prop_assert_eq!(unruled(&once).profile, None);
            }
        }

        #[test]
        fn what_a_person_said_stays(node in a_node(), decision in a_decision()) {
            let mut after = node.clone();
            let pattern = apply(&mut after, &decision);
            if node.held.profile == Holder::Person || (node.held.profile == Holder::Nobody && node.profile.is_some()) {
                prop_assert_eq!(&after.profile, &node.profile);
            }
            if node.held.cluster == Holder::Person {
                prop_assert_eq!(&after.cluster, &node.cluster);
            }
            if node.held.hostname == Holder::Person {
                prop_assert_eq!(pattern, None);
            }
            prop_assert_eq!(&after.tags, &node.tags);
            prop_assert!(after.rule_tags.is_disjoint(&after.tags));
            prop_assert_eq!(after.hostname, node.hostname);
        }

        #[test]
        fn holders_are_written_and_read(holder in holder()) {
            prop_assert_eq!(holder.to_string().parse::<Holder>().unwrap(), holder);
        }
    }
}
