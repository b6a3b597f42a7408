//! What DHCP remembers between packets, so that a flood of strangers costs little: which subnets were found without a free
//! address a moment ago. Nothing here is needed for a right answer.

use crate::domain::Micros;
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// For so long a subnet that is used up is not looked through again: 1 s. A client asks again within seconds.
const EXHAUSTED: Micros = 1_000_000;
/// Subnets remembered.
const MOST: usize = 4_096;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<HashMap<Ipv4Net, Micros>>>);

impl Memory {
    /// Whether all of these had no free address just now.
    pub(super) fn exhausted(&self, subnets: &[Ipv4Net], now: Micros) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |at: &Micros| (0..EXHAUSTED).contains(&now.saturating_sub(*at));
        !subnets.is_empty() && subnets.iter().all(|net| known.get(net).is_some_and(lately))
    }

    /// None of these had one.
    pub(super) fn were_exhausted(&self, subnets: &[Ipv4Net], now: Micros) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.extend(subnets.iter().take(MOST).map(|net| (*net, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_a_moment_and_only_all_of_them() {
        let nets: Vec<Ipv4Net> = ["10.0.0.0/24", "10.0.1.0/24"].iter().filter_map(|net| net.parse().ok()).collect();
        let memory = Memory::default();
        assert!(!memory.exhausted(&nets, 5) && !memory.exhausted(&[], 5));
        memory.were_exhausted(&nets[..1], 5);
        assert!(memory.exhausted(&nets[..1], 5 + EXHAUSTED - 1) && !memory.exhausted(&nets, 5));
        assert!(!memory.exhausted(&nets[..1], 5 + EXHAUSTED), "not for ever");
        assert!(!memory.exhausted(&nets[..1], 4), "a clock that was set back");
    }
}
