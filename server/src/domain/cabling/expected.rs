//! Expected cabling compared with what was heard. Rows name things as people do (host name, "the second NIC", the switch's
//! name, the port's description); a row that names nothing we know is a finding, not an error.

use super::{Mac, NodeUuid};
use crate::domain::ids::Invalid;
use crate::domain::node::words;
use crate::domain::node_event::{Kind, Notice, Severity};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// One cable as imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// UUID or host name; empty: the serial number names it.
    pub node: String,
    /// System serial number; empty: the node does.
    pub serial: String,
    /// Name, MAC or number counted from 1.
    pub nic: String,
    /// Name or chassis id.
    pub switch: String,
    /// Id or description.
    pub port: String,
}

impl Row {
    /// In the order of the columns.
    pub fn values(&self) -> [&str; 5] {
        [&self.node, &self.serial, &self.nic, &self.switch, &self.port]
    }

    /// What it calls its node.
    pub fn names(&self) -> &str {
        if self.node.is_empty() { &self.serial } else { &self.node }
    }
}

/// A row with the node that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The row.
    pub row: Row,
    /// None: no node, or more than one, is called so.
    pub node: Option<NodeUuid>,
    /// The NIC that a number means.
    pub numbered: Option<Mac>,
}

/// A present link, with what people call its other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    /// The node.
    pub node: NodeUuid,
    /// Its NIC.
    pub mac: Mac,
    /// The NIC's name.
    pub interface: String,
    /// Switch.
    pub chassis_id: String,
    /// Its name; may be empty.
    pub switch_name: String,
    /// Port.
    pub port_id: String,
    /// Its description; may be empty.
    pub port_description: String,
}

impl Actual {
    /// "tor-1 port swp7".
    pub fn place(&self) -> String {
        let switch = if self.switch_name.is_empty() { &self.chassis_id } else { &self.switch_name };
        format!("{switch} port {}", self.port_id)
    }

    fn is_at(&self, row: &Row) -> bool {
        let same = |name: &str, wanted: &str| !name.is_empty() && name.eq_ignore_ascii_case(wanted);
        (same(&self.switch_name, &row.switch) || same(&self.chassis_id, &row.switch))
            && (same(&self.port_id, &row.port) || same(&self.port_description, &row.port))
    }
}

/// What a comparison finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As expected.
    Ok,
    /// Expected; nothing is known of that NIC's cable.
    Missing,
    /// Somewhere else.
    WrongPort,
    /// Two cables, of one node or of two, are where the other one should be.
    Swapped,
    /// Heard, but no row is about that NIC.
    Unexpected,
    /// No node, or more than one, is called so.
    UnknownNode,
}

words!(
    Verdict,
    "verdict",
    "ok, missing, wrong-port, swapped, unexpected or unknown-node",
    Ok = "ok",
    Missing = "missing",
    WrongPort = "wrong-port",
    Swapped = "swapped",
    Unexpected = "unexpected",
    UnknownNode = "unknown-node"
);

/// One line of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub verdict: Verdict,
    /// The node, where it is known.
    pub node: Option<NodeUuid>,
    /// What the row calls it; empty: there is no row.
    pub called: String,
    /// The NIC as the row names it, else as the node does.
    pub nic: String,
    /// The NIC, where it is known.
    pub mac: Option<Mac>,
    /// "tor-1 port swp7"; empty: nothing expected.
    pub expected: String,
    /// The same; empty: nothing heard.
    pub found: String,
    /// The other cable of a swap: "web-18 eth0".
    pub with: String,
}

/// Compare: the rows in their order, then what no row is about. Nothing is unexpected where nothing is expected.
pub fn compare(expected: &[Expected], actual: &[Actual]) -> Vec<Finding> {
    let mut by_node: HashMap<&NodeUuid, Vec<usize>> = HashMap::new();
    for (index, link) in actual.iter().enumerate() {
        by_node.entry(&link.node).or_default().push(index);
    }
    let mut seen = vec![false; actual.len()];
    // For each row the links of its NIC.
    let of_rows: Vec<Vec<usize>> = expected
        .iter()
        .map(|row| {
            let of_node = row.node.as_ref().and_then(|node| by_node.get(node)).map_or(&[][..], Vec::as_slice);
            of_node.iter().copied().filter(|i| actual.get(*i).is_some_and(|link| is_nic(row, link))).collect()
        })
        .collect();
    for index in of_rows.iter().flatten() {
        if let Some(seen) = seen.get_mut(*index) {
            *seen = true;
        }
    }
    let links = |row: usize| of_rows.get(row).into_iter().flatten().filter_map(|i| actual.get(*i));
    let right = |row: usize| expected.get(row).is_some_and(|e| links(row).any(|link| link.is_at(&e.row)));
    // Rows that are wrong, by the place that they want.
    let mut wanting: HashMap<(String, String), usize> = HashMap::new();
    for (index, row) in expected.iter().enumerate().filter(|(index, _)| !right(*index)) {
        wanting.insert((row.row.switch.to_ascii_lowercase(), row.row.port.to_ascii_lowercase()), index);
    }
    let partner = |row: usize| {
        links(row).find_map(|link| {
            let names = [&link.switch_name, &link.chassis_id].map(|s| s.to_ascii_lowercase());
            let ports = [&link.port_id, &link.port_description].map(|s| s.to_ascii_lowercase());
            let places = names.iter().flat_map(|n| ports.iter().map(move |p| (n.clone(), p.clone())));
            let other = places.filter_map(|place| wanting.get(&place).copied()).find(|other| *other != row)?;
            let back = expected.get(row).is_some_and(|e| links(other).any(|link| link.is_at(&e.row)));
            back.then_some(other)
        })
    };
    let mut findings: Vec<Finding> = expected
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let first = links(index).find(|link| link.is_at(&row.row)).or_else(|| links(index).next());
            let swap = if right(index) { None } else { partner(index).and_then(|other| expected.get(other)) };
            let verdict = match (&row.node, first) {
                (None, _) => Verdict::UnknownNode,
                (_, None) => Verdict::Missing,
                _ if right(index) => Verdict::Ok,
                _ if swap.is_some() => Verdict::Swapped,
                _ => Verdict::WrongPort,
            };
            Finding {
                verdict,
                node: row.node.clone(),
                called: row.row.names().to_owned(),
                nic: row.row.nic.clone(),
                mac: first.map(|link| link.mac.clone()).or_else(|| row.numbered.clone()),
                expected: format!("{} port {}", row.row.switch, row.row.port),
                found: first.map(Actual::place).unwrap_or_default(),
                with: swap.map(|other| format!("{} {}", other.row.names(), other.row.nic)).unwrap_or_default(),
            }
        })
        .collect();
    if !expected.is_empty() {
        let rest = actual.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(link, _)| Finding {
            verdict: Verdict::Unexpected,
            node: Some(link.node.clone()),
            called: String::new(),
            nic: link.interface.clone(),
            mac: Some(link.mac.clone()),
            expected: String::new(),
            found: link.place(),
            with: String::new(),
        });
        findings.extend(rest);
    }
    findings
}

fn is_nic(row: &Expected, link: &Actual) -> bool {
    let nic = &row.row.nic;
    match &row.numbered {
        Some(mac) => link.mac == *mac,
        None => link.interface.eq_ignore_ascii_case(nic) || nic.parse::<Mac>().is_ok_and(|mac| mac == link.mac),
    }
}

/// The event about a NIC behind a wrong port.
pub fn notice(finding: &Finding) -> Option<Notice> {
    let mac = finding.mac.as_ref()?;
    let Finding { nic, expected, found, with, .. } = finding;
    let message = match finding.verdict {
        Verdict::WrongPort => format!("{nic} ({mac}) should be at {expected}, is at {found}"),
        Verdict::Swapped => format!("{nic} ({mac}) should be at {expected}, is at {found}: exchanged with {with}"),
        _ => return None,
    };
    Some(Notice { kind: Kind::Cabling, severity: Severity::Warning, subject: subject(mac), message })
}

/// Subject of that event.
pub fn subject(mac: &Mac) -> String {
    format!("{SUBJECT}{mac}")
}

/// What the subjects of all of them begin with.
pub const SUBJECT: &str = "expected-cable:";

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
