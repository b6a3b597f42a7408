//! Where nodes are cabled: what is known, what is heard now, and what follows from both. Pure: a link that is heard again
//! is confirmed, one that contradicts what is known is a moved cable, and silence is neither.

pub mod expected;
pub mod import;

use super::ids::Invalid;
use super::ids::{Mac, Micros, NodeUuid};
use super::node::words;
use super::node_event::{Kind, Notice, Severity};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What follows from a cable that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovedPolicy {
    /// It is told, and the new place holds (default).
    Log,
    /// It is told, and the node gets no plan until a person accepts it or the cable is back.
    Hold,
}

words!(MovedPolicy, "policy", "log or hold", Log = "log", Hold = "hold");

/// A port of a switch, by the ids that LLDP tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of the switch.
    pub chassis_id: String,
    /// What kind of id that is.
    pub chassis_id_type: String,
    /// Of the port.
    pub port_id: String,
    /// What kind of id that is.
    pub port_id_type: String,
}

/// One neighbour of one NIC, heard now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The NIC.
    pub mac: Mac,
    /// Its name.
    pub interface: String,
    /// The other end.
    pub place: Place,
    /// What the switch calls itself; may be empty.
    pub switch_name: String,
}

/// A cable as it was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// UUIDv7.
    pub id: Uuid,
    /// The node.
    pub node: NodeUuid,
    /// Its NIC.
    pub mac: Mac,
    /// The NIC's name when it was heard last.
    pub interface: String,
    /// The other end.
    pub place: Place,
    /// False: it contradicts an accepted one, and nobody has said that it is right.
    pub accepted: bool,
    /// The boot in which it was heard last.
    pub boot: Uuid,
    /// First heard.
    pub first_seen: Micros,
    /// Last heard.
    pub last_seen: Micros,
    /// Not there any more since; none: present.
    pub ended: Option<Micros>,
}

/// A NIC behind another port than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The NIC.
    pub mac: Mac,
    /// Its name.
    pub interface: String,
    /// Where it, or (for a NIC that was never seen) its node, was.
    pub from: Place,
    /// Where it is.
    pub to: Place,
    /// The node has none of its known NICs any more: this one is new.
    pub new_nic: bool,
}

/// What to store after hearing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Heard again: these links, with the NIC's present name.
    pub confirmed: Vec<(Uuid, String)>,
    /// New links, and whether they are accepted.
    pub added: Vec<(Heard, bool)>,
    /// Not accepted until now.
    pub accepted: Vec<Uuid>,
    /// Not there any more.
    pub ended: Vec<Uuid>,
    /// To be told.
    pub moved: Vec<Moved>,
    /// What was told of these NICs is put right.
    pub back: Vec<Mac>,
}

/// What is known of a node's cables.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Present links, accepted or not.
    pub present: &'a [Link],
    /// Links that ended during this boot.
    pub just_ended: &'a [Link],
    /// MACs of the machine as it registered; empty: it did not say.
    pub machine: &'a [Mac],
}

/// Links of several neighbours of one NIC that were not heard in the last boot in which another one of that NIC was: they
/// end when the next boot begins.
pub fn settle(present: &[Link]) -> Vec<Uuid> {
    let accepted = || present.iter().filter(|l| l.accepted);
    let newest = |mac: &Mac| accepted().filter(|l| l.mac == *mac).max_by_key(|l| l.last_seen).map(|l| l.boot);
    accepted().filter(|l| newest(&l.mac).is_some_and(|boot| boot != l.boot)).map(|l| l.id).collect()
}

/// Compare what is heard with what is known.
pub fn merge(known: Known<'_>, heard: &[Heard], policy: MovedPolicy) -> Changes {
    let mut changes = Changes::default();
    let macs: BTreeSet<&Mac> = heard.iter().map(|h| &h.mac).collect();
    let stranger = is_stranger(known, heard);
    for mac in macs {
        let now: Vec<&Heard> = dedup(heard.iter().filter(|h| h.mac == *mac));
        let of_nic = |accepted| known.present.iter().filter(move |l| l.mac == *mac && l.accepted == accepted);
        let hears = |link: &Link| now.iter().find(|h| h.place == link.place);
        let trusted: Vec<&Link> = of_nic(true).collect();
        let confirmed = trusted.iter().any(|l| hears(l).is_some());
        let from = match (trusted.iter().copied().max_by_key(|l| l.last_seen), stranger) {
            (Some(link), _) if !confirmed => Some((link, false)),
            (None, Some(link)) => Some((link, true)),
            _ => None,
        };
        for link in known.present.iter().filter(|l| l.mac == *mac) {
            match (hears(link), link.accepted) {
                (Some(h), _) => changes.confirmed.push((link.id, h.interface.clone())),
                // Silent beside others of the same NIC that speak: it may still come.
                (None, true) if from.is_none() || policy == MovedPolicy::Hold => {}
                (None, _) => changes.ended.push(link.id),
            }
        }
        let accept = from.is_none() || policy == MovedPolicy::Log;
        if accept {
            changes.accepted.extend(of_nic(false).filter(|l| hears(l).is_some()).map(|l| l.id));
        }
        let is_known = |h: &Heard| known.present.iter().any(|l| l.mac == *mac && l.place == h.place);
        changes.added.extend(now.iter().filter(|h| !is_known(h)).map(|h| ((*h).clone(), accept)));
        match (from, now.first()) {
            (Some((link, new_nic)), Some(first)) => changes.moved.push(Moved {
                mac: mac.clone(),
                interface: first.interface.clone(),
                from: link.place.clone(),
                to: first.place.clone(),
                new_nic,
            }),
            _ => {
                let returned = known.just_ended.iter().any(|l| l.mac == *mac && hears(l).is_some());
                if of_nic(false).next().is_some() || returned {
                    changes.back.push(mac.clone());
                }
            }
        }
        if let (Some((link, true)), MovedPolicy::Log) = (from, policy) {
            // The node is another machine now; its old NICs are gone with their cables.
            let gone = known.present.iter().filter(|l| l.accepted && !known.machine.contains(&l.mac));
            changes.ended.extend(gone.map(|l| l.id).filter(|id| !changes.ended.contains(id)).collect::<Vec<_>>());
            debug_assert!(!known.machine.contains(&link.mac));
        }
    }
    changes
}

fn dedup<'a>(heard: impl Iterator<Item = &'a Heard>) -> Vec<&'a Heard> {
    let mut seen = BTreeSet::new();
    heard.filter(|h| seen.insert(&h.place)).collect()
}

/// A machine that says it is this node, has none of the NICs whose cables we know, and is behind none of their ports: the
/// link that contradicts it.
fn is_stranger<'a>(known: Known<'a>, heard: &[Heard]) -> Option<&'a Link> {
    let trusted = || known.present.iter().filter(|l| l.accepted);
    let same_nic = trusted().any(|l| known.machine.contains(&l.mac) || heard.iter().any(|h| h.mac == l.mac));
    let same_place = trusted().any(|l| heard.iter().any(|h| h.place == l.place));
    if same_nic || same_place || known.machine.is_empty() { None } else { trusted().max_by_key(|l| l.last_seen) }
}

/// After a person said that what is heard is right: links to accept, and links to end.
pub fn accept(present: &[Link], machine: &[Mac]) -> (Vec<Uuid>, Vec<Uuid>) {
    let waiting: Vec<&Link> = present.iter().filter(|l| !l.accepted).collect();
    let replaces = |old: &Link| {
        let same_nic = waiting.iter().any(|new| new.mac == old.mac);
        let new_nic = |new: &&&Link| !present.iter().any(|l| l.accepted && l.mac == new.mac);
        same_nic || (waiting.iter().any(|new| new_nic(&new)) && !machine.contains(&old.mac))
    };
    let ended = present.iter().filter(|l| l.accepted && replaces(l)).map(|l| l.id).collect();
    (waiting.iter().map(|l| l.id).collect(), ended)
}

/// How long the boot may still wait for neighbours, from when it began to listen: not at all when each one that is known on
/// a NIC with link was heard where it was, else what the setting allows. `linked`: MACs of NICs with link; empty: not told.
pub fn lldp_wait(present: &[Link], heard: &[Heard], linked: &[Mac], setting: Micros) -> Micros {
    let mut due = present.iter().filter(|l| l.accepted && (linked.is_empty() || linked.contains(&l.mac))).peekable();
    let here = |l: &Link| heard.iter().any(|h| h.mac == l.mac && h.place == l.place);
    if due.peek().is_some() && due.all(here) { 0 } else { setting.max(0) }
}

/// NICs whose cables are known and that have heard nobody in this boot.
pub fn silent(present: &[Link], boot: Uuid) -> Vec<&Link> {
    let spoke = |mac: &Mac| present.iter().any(|l| l.mac == *mac && l.boot == boot);
    let mut macs = BTreeSet::new();
    present.iter().filter(|l| l.accepted && !spoke(&l.mac)).filter(|l| macs.insert(&l.mac)).collect()
}

/// Why a node under `hold` gets no plan yet: a cable that contradicts what is known, or known cables of which nothing was
/// heard yet while there is still time (`until`). Silence alone holds no node for longer than that.
pub fn hold(present: &[Link], boot: Uuid, now: Micros, until: Micros) -> Option<&'static str> {
    if present.iter().any(|l| !l.accepted) {
        return Some(
            "cabling changed: put the cable back, or accept it (`higuma cabling accept`, or the button on the node's page)",
        );
    }
    let heard = present.iter().any(|l| l.boot == boot);
    let waits = !present.is_empty() && !heard && now < until;
    waits.then_some("its switches have not been heard yet in this boot")
}

/// Subject of the event about a NIC that moved.
pub fn subject(mac: &Mac) -> String {
    format!("cable:{mac}")
}

/// Subject of the event about a NIC that heard nobody.
pub fn silent_subject(mac: &Mac) -> String {
    format!("cable-silent:{mac}")
}

/// The alarm; `from` and `to` are the ends as people name them.
pub fn notice(moved: &Moved, from: &str, to: &str) -> Notice {
    let Moved { mac, interface, new_nic, .. } = moved;
    let message = match new_nic {
        false => format!("{interface} ({mac}) was at {from}, is at {to}"),
        true => format!("{interface} ({mac}) is new and at {to}; the node was at {from}"),
    };
    Notice { kind: Kind::Cabling, severity: Severity::Alarm, subject: subject(mac), message }
}

/// What is told when a boot goes on without having heard a known neighbour.
pub fn silence(link: &Link, place: &str) -> Notice {
    let message = format!("{} ({}) heard nobody before the boot went on; it was at {place}", link.interface, link.mac);
    Notice { kind: Kind::Cabling, severity: Severity::Info, subject: silent_subject(&link.mac), message }
}

/// As people count: `swp2` before `swp10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (digits(left), digits(right)) {
            ((0, _), (0, _)) => match (left.chars().next(), right.chars().next()) {
                (None, None) => return a.cmp(b),
                (x, y) if x == y => {
                    let skip = x.map_or(0, char::len_utf8);
                    (left, right) = (left.get(skip..).unwrap_or(""), right.get(skip..).unwrap_or(""));
                    continue;
                }
                (x, y) => x.cmp(&y),
            },
            ((0, _), _) => left.chars().next().cmp(&right.chars().next()),
            (_, (0, _)) => left.chars().next().cmp(&right.chars().next()),
            ((n, x), (m, y)) => {
                (left, right) = (left.get(n..).unwrap_or(""), right.get(m..).unwrap_or(""));
                // Numbers without their leading zeros: the longer one is larger.
                (x.len(), x).cmp(&(y.len(), y))
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Length of the digits that `text` begins with, and these without leading zeros.
fn digits(text: &str) -> (usize, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    (length, text.get(..length).unwrap_or("").trim_start_matches('0'))
}

#[cfg(test)]
#[path = "cabling/tests.rs"]
mod tests;
