//! Exchanges of nodes that wait to be stored. Bounded, as is what one node may store in a minute: what is too much is counted,
//! and stays in memory only. Nobody ever waits here.

use super::recent::Recent;
use crate::domain::Micros;
use higuma_proto::api::Exchange;
use std::collections::VecDeque;

/// Exchanges that wait.
pub(super) const WAITING: usize = 4_096;
/// Of one node in a minute.
pub(super) const A_MINUTE: u32 = 100;
/// Nodes whose minutes are counted.
const COUNTED: usize = 16_384;
const MINUTE: Micros = 60_000_000;

pub(super) struct Pending {
    queue: VecDeque<Exchange>,
    minutes: Recent<String, (Micros, u32)>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { queue: VecDeque::new(), minutes: Recent::new(COUNTED) }
    }
}

/// Count what is not stored.
pub(super) fn count_lost(reason: &'static str, lost: usize) {
    if lost > 0 {
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        metrics::counter!("higuma_boot_exchanges_lost_total", "reason" => reason).increment(lost);
    }
}

impl Pending {
    /// Takes one of a node; false: it will not be stored.
    pub fn take(&mut self, exchange: &Exchange) -> bool {
        let (began, count) = self.minutes.entry(exchange.node.clone(), true, || (exchange.at_us, 0));
        if !(0..MINUTE).contains(&exchange.at_us.saturating_sub(*began)) {
            (*began, *count) = (exchange.at_us, 0);
        }
        if *count >= A_MINUTE {
            count_lost("flood", 1);
            return false;
        }
        *count += 1;
        self.push(exchange)
    }

    /// As [`Pending::take`], whatever the minute.
    pub fn push(&mut self, exchange: &Exchange) -> bool {
        if self.queue.len() >= WAITING {
            count_lost("overflow", 1);
            return false;
        }
        self.queue.push_back(exchange.clone());
        true
    }

    /// The oldest ones, no longer waiting.
    pub fn next(&mut self, most: usize) -> Vec<Exchange> {
        self.queue.drain(..most.min(self.queue.len())).collect()
    }

    /// Those that could not be stored wait again, as far as there is room.
    pub fn put_back(&mut self, batch: Vec<Exchange>) {
        let room = WAITING.saturating_sub(self.queue.len());
        count_lost("overflow", batch.len().saturating_sub(room));
        batch.into_iter().rev().take(room).for_each(|exchange| self.queue.push_front(exchange));
    }
}
