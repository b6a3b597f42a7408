//! A small world for the tests: nodes that boot, fail, vanish and are taken by people; hooks that answer or do not. It
//! carries out what a rollout asks for, checks after each step that no limit is broken, and forgets the rollout but for
//! its JSON whenever it likes.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::NodeUuid;
use std::collections::{BTreeMap, BTreeSet};

pub const SECOND: Micros = 1_000_000;
const TICK: Micros = 10 * SECOND;

/// How a node takes the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// It comes up with anything.
    Good,
    /// It does not come up with the new revision.
    Bad,
    /// It comes up, and the check says no.
    Sick,
    /// Its hooks never answer.
    Mute,
    /// It does not hear a gentle restart.
    Deaf,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub nature: Nature,
    pub assigned: Assigned,
    pub bmc: bool,
    pub there: bool,
    pub retired: bool,
    pub taken: bool,
    /// After it did not come up with the new revision, it comes up with the old one.
    pub falls_back: bool,
    boot: u128,
    runs: Option<(Name, u32)>,
    /// Ticks until it is up again.
    coming: Option<u32>,
    drained: bool,
    fell: bool,
    done: BTreeMap<String, Did>,
}

pub struct World {
    pub rollout: Rollout,
    pub members: Vec<Member>,
    pub nodes: Vec<Node>,
    pub now: Micros,
    pub ids: BTreeSet<String>,
    /// The revision that unpinned nodes boot.
    pub active: u32,
    /// Nodes of nobody's rollout that do not run.
    pub strangers: BTreeMap<u32, Groups>,
    failed: BTreeSet<u32>,
    boots: u128,
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn uuid(n: u32) -> NodeUuid {
    uuid::Uuid::from_u128(u128::from(n) + 1).to_string().parse().unwrap()
}

fn groups(m: &Member) -> Groups {
    Groups { cluster: m.cluster.clone(), switches: m.switches.clone(), rule: m.rule.clone() }
}

impl Node {
    /// It is off, and stays so until somebody restarts it.
    pub fn power_off(&mut self) {
        (self.runs, self.coming) = (None, None);
    }

    /// It runs this revision.
    pub fn runs(&mut self, revision: u32) {
        self.runs = Some((name("p"), revision));
    }

    /// By itself.
    pub fn restart(&mut self) {
        self.runs = None;
        self.coming = Some(3);
    }
}

impl World {
    /// Nodes that run revision 1 of profile `p` and are to get revision 2.
    pub fn new(spec: Spec, natures: &[(Nature, bool)]) -> Self {
        let before = |n: usize| Assigned { profile: Some(name("p")), pin: (n % 3 == 1).then_some(1) };
        let node = |(n, (nature, bmc)): (usize, &(Nature, bool))| Node {
            nature: *nature,
            assigned: before(n),
            bmc: *bmc,
            there: true,
            retired: false,
            taken: false,
            falls_back: false,
            boot: 1_000_000 + n as u128,
            runs: (n % 7 != 6).then(|| (name("p"), 1)),
            coming: None,
            drained: false,
            fell: false,
            done: BTreeMap::new(),
        };
        let member = |n: usize| Member {
            cluster: Some(name(if n.is_multiple_of(2) { "a" } else { "b" })),
            switches: vec![format!("sw{}", n % 3)],
            rule: (!n.is_multiple_of(4)).then(|| name(if n % 4 == 1 { "r1" } else { "r2" })),
            ..Member::new(n as u32, uuid(n as u32), before(n), 0)
        };
        Self {
            rollout: Rollout::new(name("p"), 2, spec),
            members: (0..natures.len()).map(member).collect(),
            nodes: natures.iter().enumerate().map(node).collect(),
            now: 1_000 * SECOND,
            ids: BTreeSet::new(),
            active: 1,
            strangers: BTreeMap::new(),
            failed: BTreeSet::new(),
            boots: 0,
        }
    }

    fn fact(&self, n: u32) -> Option<Fact> {
        let node = self.nodes.get(n as usize).filter(|node| node.there)?;
        let (profile, revision) = node.runs.clone().unzip();
        Some(Fact {
            gone: node.retired.then(|| "retired".to_owned()),
            assigned: node.assigned.clone(),
            active_before: Some(self.active),
            fallback: (node.falls_back && node.fell).then(|| format!("{} failed to boot", node.assigned)),
            boot: Some(BootFact {
                id: uuid::Uuid::from_u128(node.boot),
                running: node.runs.is_some(),
                profile,
                revision,
                told: String::new(),
            }),
            bmc: node.bmc,
            lost: Vec::new(),
            done: node.done.clone(),
        })
    }

    /// Who does not run, and where.
    fn down(&self) -> Down {
        let down = |m: &&Member| {
            let node = &self.nodes[m.n as usize];
            node.there && !node.retired && node.runs.is_none()
        };
        let strangers = self.strangers.iter().map(|(n, groups)| (uuid(*n), groups.clone()));
        Down(self.members.iter().filter(down).map(|m| (m.node.clone(), groups(m))).chain(strangers).collect())
    }

    /// On the way on, nobody who runs is taken down at a place where too many do not run, whatever the reason. What failed
    /// in this rollout is counted by its gate.
    fn check_begun(&self, after: &[Member], down: &Down) {
        if self.rollout.state != State::Running {
            return;
        }
        let begun = self.members.iter().zip(after).filter(|(before, after)| {
            before.phase == Phase::Waiting && after.phase.is_down() && !down.0.contains_key(&after.node)
        });
        let counts = |node: &NodeUuid| {
            let member = self.members.iter().find(|m| m.node == *node);
            member.is_none_or(|m| matches!(m.phase, Phase::Waiting | Phase::Up))
        };
        let limits = &self.rollout.spec.limits;
        for (_, member) in begun {
            let at = |place: &dyn Fn(&Groups) -> bool| {
                let ours = after.iter().filter(|m| m.phase.is_down() && place(&groups(m)));
                let ours: BTreeSet<&NodeUuid> = ours.map(|m| &m.node).collect();
                let theirs = down.0.iter().filter(|(node, groups)| counts(node) && place(groups));
                theirs.map(|(node, _)| node).chain(ours).collect::<BTreeSet<_>>().len()
            };
            let of_cluster = at(&|groups| groups.cluster == member.cluster);
            assert!(limits.cluster.is_none_or(|limit| of_cluster <= limit as usize), "{of_cluster} of a cluster");
            for switch in &member.switches {
                let of_switch = at(&|groups| groups.switches.contains(switch));
                assert!(limits.switch.is_none_or(|limit| of_switch <= limit as usize), "{of_switch} at {switch}");
            }
            let of_rule = if member.rule.is_some() { at(&|groups| groups.rule == member.rule) } else { 0 };
            assert!(limits.rule.is_none_or(|limit| of_rule <= limit as usize), "{of_rule} of rule {:?}", member.rule);
        }
    }

    /// A step, and what it asks for. `crash`: the server dies before it could store anything.
    pub fn step(&mut self, crash: bool) {
        let down = self.down();
        let look = Look { now: self.now, down: &down };
        let wanted = wanted(&self.rollout, &self.members, look);
        let facts: BTreeMap<u32, Fact> = wanted.iter().filter_map(|n| Some((*n, self.fact(*n)?))).collect();
        let (mut rollout, mut members) = (self.rollout.clone(), self.members.clone());
        let actions = step(&mut rollout, &mut members, &facts, look);
        let (mut again, mut members_again) = (self.rollout.clone(), self.members.clone());
        assert_eq!(step(&mut again, &mut members_again, &facts, look), actions, "the same input, the same output");
        assert!(again == rollout && members_again == members);
        if crash {
            return;
        }
        self.check_begun(&members, &down);
        // A failure that ends its rollout waits for its way back in the same step.
        let waits = |m: &Member| m.phase == Phase::BackWaiting && !m.message.is_empty();
        let fell = self.members.iter().zip(&members).filter(|(before, after)| before.phase.is_down() && waits(after));
        self.failed.extend(fell.map(|(_, after)| after.n));
        assert!(rollout.state == self.rollout.state || self.rollout.state.next().contains(&rollout.state));
        // What is stored is all that is known at the next step.
        self.rollout = serde_json::from_str(&serde_json::to_string(&rollout).unwrap()).unwrap();
        self.members = serde_json::from_str(&serde_json::to_string(&members).unwrap()).unwrap();
        assert!(self.rollout == rollout && self.members == members);
        for action in actions {
            assert!(self.ids.insert(action.id.clone()), "{} is asked for twice", action.id);
            assert_eq!(self.members[action.n as usize].node, action.node, "no member");
            self.act(action);
        }
        self.check();
    }

    fn act(&mut self, action: Action) {
        let node = &mut self.nodes[action.n as usize];
        let ok = |ok| Did { ok, message: String::new() };
        match action.what {
            What::Assign(assigned) => {
                assert!(!node.taken, "a person has it");
                node.assigned = assigned;
            }
            What::Drain => {
                node.drained = true;
                if node.nature != Nature::Mute {
                    node.done.insert(action.id, ok(true));
                }
            }
            What::Undrain => {
                node.drained = false;
                if node.nature != Nature::Mute {
                    node.done.insert(action.id, ok(true));
                }
            }
            What::Check => {
                node.done.insert(action.id, ok(node.nature != Nature::Sick));
            }
            What::Reboot { hard } => {
                assert!(node.bmc || node.runs.is_some(), "nobody can restart it");
                if hard || node.nature != Nature::Deaf {
                    node.runs = None;
                    node.coming = Some(3);
                }
            }
        }
    }

    /// Time goes on.
    pub fn tick(&mut self) {
        self.now += TICK;
        let target = self.rollout.target();
        for node in &mut self.nodes {
            match node.coming {
                Some(0) => {
                    node.coming = None;
                    self.boots += 1;
                    node.boot = self.boots;
                    let bad = node.nature == Nature::Bad && node.assigned == target;
                    let revision = node.assigned.pin.unwrap_or(self.active);
                    if bad && node.falls_back {
                        node.fell = true;
                        node.runs = Some((name("p"), self.active));
                        continue;
                    }
                    node.fell = false;
                    node.runs = node.assigned.profile.clone().filter(|_| !bad).map(|profile| (profile, revision));
                    // What did not come up tries again by itself.
                    if bad {
                        node.coming = Some(5);
                    }
                }
                Some(left) => node.coming = Some(left - 1),
                None => {}
            }
        }
    }

    /// Never more down than allowed: in all, of a cluster, at a switch.
    fn check(&mut self) {
        let ended = |m: &Member| matches!(m.phase, Phase::Failed | Phase::BackFailed | Phase::Skipped);
        self.failed.extend(self.members.iter().filter(|m| ended(m)).map(|m| m.n));
        let down = |member: &&Member| {
            let node = &self.nodes[member.n as usize];
            // What was off before we came is not down because of us.
            let ours = member.begun.is_some() && (node.drained || node.coming.is_some());
            member.phase.is_down() || (ours && !self.failed.contains(&member.n) && node.there)
        };
        let down: Vec<&Member> = self.members.iter().filter(down).collect();
        let limits = &self.rollout.spec.limits;
        let told =
            || down.iter().map(|m| format!("{m:?}: {:?}", self.nodes[m.n as usize])).collect::<Vec<_>>().join("\n");
        assert!(down.len() <= limits.total as usize, "{} are down:\n{}", down.len(), told());
        for cluster in ["a", "b"] {
            let of = down.iter().filter(|m| m.cluster == Some(name(cluster))).count();
            assert!(limits.cluster.is_none_or(|limit| of <= limit as usize), "{of} of cluster {cluster} are down");
        }
        for switch in ["sw0", "sw1", "sw2"] {
            let of = down.iter().filter(|m| m.switches.iter().any(|s| s == switch)).count();
            assert!(limits.switch.is_none_or(|limit| of <= limit as usize), "{of} at {switch} are down");
        }
        for rule in ["r1", "r2"] {
            let of = down.iter().filter(|m| m.rule == Some(name(rule))).count();
            assert!(limits.rule.is_none_or(|limit| of <= limit as usize), "{of} of rule {rule} are down");
        }
    }

    /// People see to what a rollout says that it waits for: members that were down before their turn.
    fn mend(&mut self) {
        for member in self.members.iter().filter(|member| member.phase == Phase::Waiting) {
            let node = &mut self.nodes[member.n as usize];
            if node.there && node.runs.is_none() && node.coming.is_none() {
                node.restart();
            }
        }
    }

    /// Until it has ended; panics when it does not.
    pub fn run(&mut self) {
        for _ in 0..60_000 {
            if !self.rollout.state.is_open() {
                return;
            }
            if self.rollout.why.starts_with("it waits") {
                self.mend();
            }
            self.step(false);
            self.tick();
        }
        panic!("it does not end: {:?}", self.rollout);
    }

    pub fn phases(&self) -> BTreeMap<Phase, usize> {
        let mut phases = BTreeMap::new();
        self.members.iter().for_each(|m| *phases.entry(m.phase).or_default() += 1);
        phases
    }

    pub fn runs(&self, n: usize) -> Option<u32> {
        self.nodes[n].runs.as_ref().map(|(_, revision)| *revision)
    }
}
