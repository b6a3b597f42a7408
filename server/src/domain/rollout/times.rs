//! How long nodes took, so that one rollout can be held against another.

use super::{Member, Micros};
use serde::{Deserialize, Serialize};

/// From the begin of a node, its draining included, until it was up with the revision. Times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Nodes that were up with it, whatever became of them.
    pub nodes: u32,
    /// Half of them took no longer.
    pub median: Micros,
    /// 95 of a hundred took no longer.
    pub p95: Micros,
    /// The longest.
    pub longest: Micros,
}

impl Times {
    /// Of those that were up; none: nobody was. One that ran the revision before counts for nothing: it was not restarted.
    pub fn of(members: &[Member]) -> Option<Self> {
        let took = |member: &Member| Some(member.up?.saturating_sub(member.begun?).max(0));
        let mut times: Vec<Micros> = members.iter().filter_map(took).collect();
        times.sort_unstable();
        // The smallest value that so many of a hundred do not exceed.
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self {
            nodes: u32::try_from(times.len()).ok()?,
            median: rank(50)?,
            p95: rank(95)?,
            longest: *times.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Assigned;
    use super::*;

    fn members(took: &[Option<Micros>]) -> Vec<Member> {
        let member = |(n, took): (usize, &Option<Micros>)| {
            let node = uuid::Uuid::from_u128(n as u128 + 1).to_string().parse().unwrap();
            Member {
                begun: Some(100),
                up: took.map(|took| 100 + took),
                ..Member::new(n as u32, node, Assigned::default(), 0)
            }
        };
        took.iter().enumerate().map(member).collect()
    }

    #[test]
    fn ranks_are_values_that_were_seen() {
        assert_eq!(Times::of(&[]), None);
        assert_eq!(Times::of(&members(&[None, None])), None);
        let times = |took: &[Option<Micros>]| Times::of(&members(took)).unwrap();
        assert_eq!(times(&[Some(7), None]), Times { nodes: 1, median: 7, p95: 7, longest: 7 });
        assert_eq!(times(&[Some(9), Some(1), Some(5)]), Times { nodes: 3, median: 5, p95: 9, longest: 9 });
        let hundred: Vec<_> = (1..=100).rev().map(Some).collect();
        assert_eq!(times(&hundred), Times { nodes: 100, median: 50, p95: 95, longest: 100 });
        assert_eq!(times(&[Some(-5)]).longest, 0, "a clock that was set back");
    }
}
