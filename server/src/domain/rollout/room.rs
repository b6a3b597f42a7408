//! Room under the limits: who may go down beside those that are down.

use super::{Limits, Member};
use std::collections::BTreeMap;

/// What is down now.
pub(super) struct Room<'a> {
    limits: &'a Limits,
    total: u32,
    clusters: BTreeMap<String, u32>,
    switches: BTreeMap<String, u32>,
}

impl<'a> Room<'a> {
    /// By what the members are at.
    pub fn of(limits: &'a Limits, members: &[Member]) -> Self {
        let mut room = Self { limits, total: 0, clusters: BTreeMap::new(), switches: BTreeMap::new() };
        members.iter().filter(|member| member.phase.is_down()).for_each(|member| room.take(member));
        room
    }

    /// May it go down too?
    pub fn fits(&self, member: &Member) -> bool {
        let under = |down: &BTreeMap<String, u32>, key: &str, limit: Option<u32>| {
            limit.is_none_or(|limit| down.get(key).copied().unwrap_or(0) < limit)
        };
        self.total < self.limits.total
            && member.cluster.as_ref().is_none_or(|name| under(&self.clusters, name.as_str(), self.limits.cluster))
            && member.switches.iter().all(|switch| under(&self.switches, switch, self.limits.switch))
    }

    /// It goes down.
    pub fn take(&mut self, member: &Member) {
        self.total += 1;
        if let Some(cluster) = &member.cluster {
            *self.clusters.entry(cluster.to_string()).or_default() += 1;
        }
        for switch in &member.switches {
            *self.switches.entry(switch.clone()).or_default() += 1;
        }
    }
}
