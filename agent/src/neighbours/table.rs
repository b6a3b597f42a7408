//! What was heard, with its time to live (802.1AB-2016 clause 9.2.6): a neighbour stays until its TTL ends, it says
//! goodbye (TTL 0), or its port loses link. No I/O and no clock here: the caller gives the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use higuma_proto::agent::Neighbour;
use lldp_parser::{ChassisId, Lldpdu, PortId};

use super::convert;

/// Neighbours kept of one port; an unmanaged switch in between shows several, more is an attack or a mistake.
pub(super) const MAX_PER_PORT: usize = 32;

struct Entry {
    chassis_id: ChassisId,
    port_id: PortId,
    neighbour: Neighbour,
    expires: Instant,
}

/// All neighbours, by interface.
#[derive(Default)]
pub(super) struct Table {
    ports: BTreeMap<String, Vec<Entry>>,
    generation: u64,
}

impl Table {
    /// Grows with each change that a reader could see.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Stores what `interface` (with address `mac`) heard. `Err` when the port has its fill.
    pub(super) fn hear(&mut self, interface: &str, mac: &str, heard: &Lldpdu, now: Instant) -> Result<(), String> {
        let entries = self.ports.entry(interface.to_owned()).or_default();
        let known =
            entries.iter().position(|entry| entry.chassis_id == heard.chassis_id && entry.port_id == heard.port_id);
        if heard.is_shutdown() {
            if let Some(position) = known {
                entries.remove(position);
                self.generation += 1;
            }
            return Ok(());
        }
        let neighbour = convert::neighbour(interface, mac, heard);
        let expires = now + Duration::from_secs(u64::from(heard.ttl));
        let full = entries.len() >= MAX_PER_PORT;
        match known.and_then(|position| entries.get_mut(position)) {
            Some(entry) => {
                entry.expires = expires;
                if entry.neighbour != neighbour {
                    entry.neighbour = neighbour;
                    self.generation += 1;
                }
            }
            None if full => {
                return Err(format!("more than {MAX_PER_PORT} neighbours on this port, the rest is left out"));
            }
            None => {
                let (chassis_id, port_id) = (heard.chassis_id.clone(), heard.port_id.clone());
                entries.push(Entry { chassis_id, port_id, neighbour, expires });
                self.generation += 1;
            }
        }
        Ok(())
    }

    /// Drops those whose TTL has ended.
    pub(super) fn expire(&mut self, now: Instant) {
        for entries in self.ports.values_mut() {
            let before = entries.len();
            entries.retain(|entry| entry.expires > now);
            if entries.len() != before {
                self.generation += 1;
            }
        }
    }

    /// Drops all of a port: its link is gone, and with it what is known of the other end.
    pub(super) fn forget(&mut self, interface: &str) {
        if self.ports.remove(interface).is_some_and(|entries| !entries.is_empty()) {
            self.generation += 1;
        }
    }

    /// Whether the port has heard anybody who is still there.
    pub(super) fn has(&self, interface: &str) -> bool {
        self.ports.get(interface).is_some_and(|entries| !entries.is_empty())
    }

    /// By interface, then in the order of the first hearing.
    pub(super) fn neighbours(&self) -> Vec<Neighbour> {
        self.ports.values().flatten().map(|entry| entry.neighbour.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lldp_parser::Tlv;

    fn heard(port: &str, ttl: u16, name: &str) -> Lldpdu {
        let tlvs = if ttl == 0 { vec![] } else { vec![Tlv::SystemName(name.into())] };
        Lldpdu { chassis_id: ChassisId::Local("c".into()), port_id: PortId::Local(port.into()), ttl, tlvs }
    }

    fn names(table: &Table) -> Vec<String> {
        table.neighbours().into_iter().map(|it| format!("{} {} {}", it.interface, it.port_id, it.system_name)).collect()
    }

    #[test]
    fn neighbours_come_change_and_go() {
        let (mut table, now) = (Table::default(), Instant::now());
        let hear = |table: &mut Table, interface: &str, lldpdu: Lldpdu| {
            table.hear(interface, "02:00:00:00:00:01", &lldpdu, now).unwrap();
            table.generation()
        };
        assert_eq!(hear(&mut table, "eth1", heard("p1", 120, "leaf")), 1);
        assert_eq!(hear(&mut table, "eth1", heard("p1", 120, "leaf")), 1, "a refresh is no change");
        assert_eq!(hear(&mut table, "eth1", heard("p2", 120, "other")), 2);
        assert_eq!(hear(&mut table, "eth0", heard("p1", 120, "leaf")), 3);
        assert_eq!(hear(&mut table, "eth1", heard("p1", 120, "renamed")), 4);
        assert_eq!(names(&table), ["eth0 p1 leaf", "eth1 p1 renamed", "eth1 p2 other"]);
        assert_eq!(hear(&mut table, "eth1", heard("p1", 0, "")), 5, "TTL 0 removes");
        assert_eq!(hear(&mut table, "eth1", heard("p9", 0, "")), 5, "who was not there does not go");
        table.forget("eth0");
        table.forget("eth9");
        assert_eq!((names(&table), table.generation()), (vec!["eth1 p2 other".to_owned()], 6));
    }

    #[test]
    fn a_ttl_ends() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.hear("eth0", "", &heard("p1", 10, "a"), now).unwrap();
        table.hear("eth0", "", &heard("p2", 20, "b"), now).unwrap();
        table.expire(now + Duration::from_secs(9));
        assert_eq!((names(&table).len(), table.generation()), (2, 2));
        table.expire(now + Duration::from_secs(10));
        assert_eq!((names(&table), table.generation()), (vec!["eth0 p2 b".to_owned()], 3));
        table.expire(now + Duration::from_secs(20));
        assert!(!table.has("eth0"));
    }

    #[test]
    fn a_flood_is_bounded() {
        let (mut table, now) = (Table::default(), Instant::now());
        for number in 0..MAX_PER_PORT {
            table.hear("eth0", "", &heard(&number.to_string(), 9, ""), now).unwrap();
        }
        assert!(table.hear("eth0", "", &heard("one more", 9, ""), now).is_err());
        assert!(table.hear("eth0", "", &heard("3", 9, "known ones still change"), now).is_ok());
        assert_eq!(names(&table).len(), MAX_PER_PORT);
    }
}
