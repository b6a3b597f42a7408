//! Room under the limits: who may go down beside those that are down, by this rollout or by themselves.

use super::{Limits, Member, Phase};
use crate::domain::{Name, NodeUuid};
use std::collections::BTreeMap;

/// Nodes that should run and do not, whatever the reason, with their groups. Members that are down because of the rollout
/// may be among them: they count once, and where they were when the rollout was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Down(pub BTreeMap<NodeUuid, Groups>);

/// What a node is counted by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Its cluster.
    pub cluster: Option<Name>,
    /// Chassis ids of the switches that it is cabled to.
    pub switches: Vec<String>,
    /// The rule that gave it its profile.
    pub rule: Option<Name>,
}

/// Down at one place.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// Because of this rollout.
    ours: u32,
    /// With those that are down by themselves.
    all: u32,
}

/// Kinds of places that have a limit of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cluster,
    Switch,
    Rule,
}

/// A place: a cluster, a switch, or all that one rule gave their profile.
type Place<'a> = (Kind, &'a str);

/// What is down now.
pub(super) struct Room<'a> {
    limits: &'a Limits,
    down: &'a Down,
    total: u32,
    places: BTreeMap<(Kind, String), Count>,
}

impl<'a> Room<'a> {
    /// By what the members are at, and who is down besides. A member that failed, or was left alone, is no other reason: a
    /// failure that is allowed would keep its whole switch for ever.
    pub fn of(limits: &'a Limits, members: &[Member], down: &'a Down) -> Self {
        let mut room = Self { limits, down, total: 0, places: BTreeMap::new() };
        members.iter().filter(|member| member.phase.is_down()).for_each(|member| room.add(member, 1));
        let known: BTreeMap<&NodeUuid, &Member> =
            members.iter().filter(|m| down.0.contains_key(&m.node)).map(|m| (&m.node, m)).collect();
        for (node, groups) in &down.0 {
            let places = match known.get(node) {
                None => places(limits, groups.cluster.as_ref(), &groups.switches, groups.rule.as_ref()),
                Some(member) if matches!(member.phase, Phase::Waiting | Phase::Up) => of_member(limits, member),
                Some(_) => continue,
            };
            places.into_iter().for_each(|place| room.count(place).all += 1);
        }
        room
    }

    /// May it go down too? One that does not run takes nothing away that is there.
    pub fn fits(&self, member: &Member) -> bool {
        self.total < self.limits.total && self.full(member).is_none()
    }

    /// The place where too many are down already.
    pub fn full(&self, member: &Member) -> Option<String> {
        let runs = !self.down.0.contains_key(&member.node);
        of_member(self.limits, member).into_iter().find_map(|(kind, name)| {
            let count = self.places.get(&(kind, name.to_owned())).copied().unwrap_or_default();
            let (word, limit) = match kind {
                Kind::Cluster => ("cluster", self.limits.cluster),
                Kind::Switch => ("switch", self.limits.switch),
                Kind::Rule => ("rule", self.limits.rule),
            };
            let limit = limit?;
            let full = count.ours >= limit || (runs && count.all >= limit);
            full.then(|| format!("{word} {name}: {} nodes do not run, {limit} may", count.all))
        })
    }

    /// It goes down; one that was down by itself is counted already.
    pub fn take(&mut self, member: &Member) {
        self.add(member, u32::from(!self.down.0.contains_key(&member.node)));
    }

    fn add(&mut self, member: &Member, more: u32) {
        self.total += 1;
        for place in of_member(self.limits, member) {
            let count = self.count(place);
            count.ours += 1;
            count.all += more;
        }
    }

    fn count(&mut self, (kind, name): Place<'_>) -> &mut Count {
        self.places.entry((kind, name.to_owned())).or_default()
    }
}

/// Where limits count a member.
fn of_member<'n>(limits: &Limits, member: &'n Member) -> Vec<Place<'n>> {
    places(limits, member.cluster.as_ref(), &member.switches, member.rule.as_ref())
}

/// Where limits count a node.
fn places<'n>(
    limits: &Limits,
    cluster: Option<&'n Name>,
    switches: &'n [String],
    rule: Option<&'n Name>,
) -> Vec<Place<'n>> {
    let cluster = cluster.filter(|_| limits.cluster.is_some()).map(|name| (Kind::Cluster, name.as_str()));
    let switches = switches.iter().filter(|_| limits.switch.is_some()).map(|switch| (Kind::Switch, switch.as_str()));
    let rule = rule.filter(|_| limits.rule.is_some()).map(|name| (Kind::Rule, name.as_str()));
    cluster.into_iter().chain(switches).chain(rule).collect()
}
