//! What is remembered of machines beside the journal itself: who has loaded a program of ours just now, and who has which
//! address. Bounded; it does not shrink with the journal, which a flood fills in seconds.

use super::recent::Recent;
use crate::domain::Micros;
use crate::ipxe_files::AUTOEXEC;
use higuma_proto::api::Exchange;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Machines, and addresses, that are remembered.
const MACHINES: usize = 16_384;
/// A program that was loaded so long ago is of an earlier start, microseconds.
const FETCHED: Micros = 180_000_000;
/// DISCOVERs of one machine within that time, before it counts as one that has loaded ours.
const OFFERS: usize = 6;

/// Who a machine is, as far as it is known; empty: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Hardware address, lower case with colons.
    pub mac: String,
    /// UUID that it told.
    pub uuid: String,
    /// The node.
    pub node: String,
}

#[derive(Default)]
struct Programs {
    loaded: Option<Micros>,
    /// The last few DISCOVERs, oldest first.
    discovers: VecDeque<Micros>,
}

pub(super) struct Machines {
    programs: Recent<String, Programs>,
    holders: Recent<IpAddr, Who>,
}

impl Default for Machines {
    fn default() -> Self {
        Self { programs: Recent::new(MACHINES), holders: Recent::new(MACHINES) }
    }
}

impl Machines {
    /// What an exchange tells of its machine's programs.
    pub fn learn(&mut self, exchange: &Exchange) {
        let Exchange { mac, node, service, what, result, at_us, .. } = exchange;
        let loaded = matches!((service.as_str(), result.as_str()), ("tftp", "complete") | ("http-boot", "GET"));
        // One OFFER a turn of the loop; the programs of one boot ask two or three times.
        let discover = service == "dhcp" && what == "DISCOVER";
        if mac.is_empty() || !(discover || loaded && what != AUTOEXEC) {
            return;
        }
        let programs = self.programs.entry(mac.clone(), !node.is_empty(), Programs::default);
        if !discover {
            programs.loaded = Some(*at_us);
            return;
        }
        programs.discovers.push_back(*at_us);
        if programs.discovers.len() > OFFERS {
            programs.discovers.pop_front();
        }
    }

    pub fn has_fetched(&self, mac: &str, now: Micros) -> bool {
        let lately = |at: &Micros| now.saturating_sub(*at) < FETCHED;
        self.programs.get(mac).is_some_and(|programs| {
            programs.loaded.as_ref().is_some_and(lately)
                || programs.discovers.iter().filter(|at| lately(at)).count() >= OFFERS
        })
    }

    pub fn holds(&mut self, address: IpAddr, who: Who) {
        if !who.mac.is_empty() {
            let known = !who.node.is_empty();
            *self.holders.entry(address.to_canonical(), known, Who::default) = who;
        }
    }

    pub fn who_has(&self, address: IpAddr) -> Option<Who> {
        self.holders.get(&address.to_canonical()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Micros = 1_000_000;

    fn asked(mac: &str, at: Micros, service: &str, what: &str, result: &str) -> Exchange {
        Exchange { mac: mac.into(), result: result.into(), ..super::super::exchange(at, service, what) }
    }

    #[test]
    fn a_machine_has_loaded_ours_for_three_minutes() {
        let mut machines = Machines::default();
        machines.learn(&asked("aa", 10 * S, "tftp", AUTOEXEC, "complete"));
        machines.learn(&asked("aa", 10 * S, "tftp", "undionly.kpxe", "ended"));
        assert!(!machines.has_fetched("aa", 11 * S));
        machines.learn(&asked("aa", 12 * S, "tftp", "undionly.kpxe", "complete"));
        assert!(machines.has_fetched("aa", 191 * S) && !machines.has_fetched("aa", 192 * S));
        machines.learn(&asked("bb", 20 * S, "http-boot", "snponly.efi", "HEAD"));
        assert!(!machines.has_fetched("bb", 20 * S));
        machines.learn(&asked("bb", 20 * S, "http-boot", "snponly.efi", "GET"));
        assert!(machines.has_fetched("bb", 20 * S) && !machines.has_fetched("", 20 * S));
    }

    #[test]
    fn six_offers_in_three_minutes_are_one_that_has_it() {
        let mut machines = Machines::default();
        for turn in 0..5 {
            machines.learn(&asked("aa", turn * 30 * S, "dhcp", "DISCOVER", "offer"));
            machines.learn(&asked("aa", turn * 30 * S, "dhcp", "REQUEST", "ack"));
        }
        assert!(!machines.has_fetched("aa", 120 * S));
        machines.learn(&asked("aa", 150 * S, "dhcp", "DISCOVER", "offer"));
        assert!(machines.has_fetched("aa", 179 * S));
        assert!(!machines.has_fetched("aa", 180 * S), "the first is too old");
    }

    #[test]
    fn a_flood_of_strangers_takes_no_node_its_memory() {
        let mut machines = Machines::default();
        let mut node = asked("52:54:00:00:00:01", S, "tftp", "undionly.kpxe", "complete");
        node.node = "n".into();
        machines.learn(&node);
        let who = Who { mac: node.mac.clone(), node: "n".into(), ..Who::default() };
        machines.holds([10, 0, 0, 1].into(), who.clone());
        for n in 0..3 * MACHINES as u32 {
            machines.learn(&asked(&format!("{n:x}"), S, "dhcp", "DISCOVER", "offer"));
            machines.holds(IpAddr::from((n + (11 << 24)).to_be_bytes()), Who { mac: "x".into(), ..Who::default() });
        }
        assert!(machines.has_fetched(&node.mac, 2 * S));
        assert_eq!(machines.who_has("::ffff:10.0.0.1".parse().unwrap_or(IpAddr::from([0; 4]))), Some(who));
    }
}
