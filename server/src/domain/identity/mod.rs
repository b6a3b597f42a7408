//! Who a machine is. A claim (what iPXE or the agent tells) is compared with what is known of nodes, and gets a node's name:
//! never that of a node whose facts contradict it. Pure: known facts come in as values. A UUID is a name, never a proof.

mod claim;
mod compare;

use claim::OWN_NAMES;
pub use claim::{Claim, Teller, Told};
pub use compare::differs;

use super::ids::{Invalid, Mac, NodeUuid};
use super::node::words;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Subject of the event that tells of a conflict.
pub const CONFLICT: &str = "identity";
/// Subject of the event that offers a merge.
pub const BOARD_REPLACED: &str = "board-replaced";

/// How a node came by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The UUID that the firmware tells.
    Smbios,
    /// Made of manufacturer, product and serial number: the firmware tells no UUID.
    Serial,
    /// Made of a MAC address: nor a serial number.
    Macs,
    /// Its own name is another machine's already.
    Conflict,
}

words!(
    Source,
    "source of a node's name",
    "smbios, serial, macs or conflict",
    Smbios = "smbios",
    Serial = "serial",
    Macs = "macs",
    Conflict = "conflict"
);

/// How a node came by its name, for people; `seen`: a machine has registered with it.
pub fn named_by(source: &str, seen: bool) -> &'static str {
    match (source.parse(), seen) {
        (_, false) => "hand: no machine has come yet",
        (Ok(Source::Serial), _) => "manufacturer, product and serial number: the firmware has no UUID",
        (Ok(Source::Macs), _) => "a MAC address: the firmware has neither UUID nor serial number",
        (Ok(Source::Conflict), _) => "Higuma: its UUID is another machine's, too",
        (Ok(Source::Smbios) | Err(_), _) => "the firmware's UUID",
    }
}

/// What the server keeps of who a node is, beside the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeUuid,
    /// How it came by its name; never changes.
    pub source: Source,
    /// The name that its machine laid claim to last. Nodes of one claim are in conflict.
    pub claimed: NodeUuid,
    /// The UUID as its firmware told it last, a placeholder too.
    pub told: Option<NodeUuid>,
    /// The node that it may be, with another board; a person decides.
    pub merge_candidate: Option<NodeUuid>,
}

/// A node, as far as it is compared with a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: NodeUuid,
    /// Names that were merged into it.
    pub aliases: Vec<NodeUuid>,
    /// See [`Identity`].
    pub source: Source,
    /// See [`Identity`].
    pub claimed: NodeUuid,
    /// Usable text, or empty.
    pub manufacturer: String,
    /// Usable text, or empty.
    pub product: String,
    /// Only when usable.
    pub serial: Option<String>,
    /// All that it reported.
    pub macs: BTreeSet<Mac>,
    /// Its machine was heard just now.
    pub alive: bool,
}

/// Why it is this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Seen before, or added by hand: the facts agree.
    Known,
    /// A known node whose UUID came with its first three fields the other way round.
    SwappedTwin,
    /// Never seen.
    New,
    /// Never seen, but with serial number and MAC addresses of the candidate.
    BoardReplaced,
    /// Never seen, and its name is that of another machine: it gets one of its own.
    Conflict {
        /// That machine's node.
        with: NodeUuid,
        /// For a person: this machine's / the other's.
        differs: String,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The node.
    pub name: NodeUuid,
    /// How it came by the name, if it is new.
    pub source: Source,
    /// The name that it lays claim to.
    pub claimed: NodeUuid,
    /// Why.
    pub why: Why,
    /// A known node that a new one may be.
    pub candidate: Option<NodeUuid>,
}

/// The node that `claim` is, given what is known of those that [`Claim::names`] and its MAC addresses lead to (more do no
/// harm). `None`: there is nothing to call it by.
pub fn resolve(claim: &Claim, known: &[Known]) -> Option<Resolution> {
    let (claimed, source) = claim.claimed()?;
    let is = |node: &Known, why, claimed: &NodeUuid| Resolution {
        name: node.name.clone(),
        source: node.source,
        claimed: claimed.clone(),
        why,
        candidate: None,
    };
    let of = |name: &NodeUuid| known.iter().filter(move |k| k.is_about(name)).collect::<Vec<_>>();
    let same = match source {
        Source::Macs => claim.best(by_mac_alone(claim, &claimed, known)),
        _ => claim.best(of(&claimed)),
    };
    if let Some(node) = same {
        return Some(is(node, Why::Known, &claimed));
    }
    let twin = claimed.swapped();
    if source == Source::Smbios
        && let Some(node) = claim.best(of(&twin))
    {
        return Some(is(node, Why::SwappedTwin, &twin));
    }
    match known.iter().find(|k| k.answers_to(&claimed)) {
        // The first that comes takes what was added by hand. An iPXE that told nothing but the name is judged at Register.
        Some(node) if node.has_no_facts() || claim.is_name_alone() => Some(is(node, Why::Known, &claimed)),
        Some(node) => Some(conflict(claim, claimed, node, known)),
        None => match by_mac_before(claim, source, known)[..] {
            [node] => Some(is(node, Why::Known, &claimed)),
            _ => Some(new(claim, claimed, source, known)),
        },
    }
}

/// Without a UUID: nodes with its serial number that were named by an address, as all such were before release 0.2.
fn by_mac_before<'a>(claim: &Claim, source: Source, known: &'a [Known]) -> Vec<&'a Known> {
    let same = |k: &&Known| k.source == Source::Macs && k.serial == claim.serial && claim.shared(k) > 0;
    known.iter().filter(|k| source == Source::Serial && same(k)).collect()
}

/// Without a UUID and a serial number: iPXE may see no SMBIOS at all, so any one node with its address will do until the
/// agent tells more; for the agent, only a node that is known by its addresses too.
fn by_mac_alone<'a>(claim: &Claim, claimed: &NodeUuid, known: &'a [Known]) -> Vec<&'a Known> {
    let any = claim.teller == Teller::Ipxe;
    known.iter().filter(|k| any || k.is_named_by_macs() || k.is_about(claimed)).collect()
}

/// A name of its own, the same each time. A node that has it already and is not this machine (its facts changed since) is
/// passed over.
fn conflict(claim: &Claim, claimed: NodeUuid, with: &Known, known: &[Known]) -> Resolution {
    let mut name = claim.own_name(&claimed);
    for _ in 0..OWN_NAMES {
        match known.iter().find(|k| k.answers_to(&name)) {
            Some(same) if same.has_no_facts() || claim.agrees(same) => {
                let (name, source) = (same.name.clone(), same.source);
                return Resolution { name, source, claimed, why: Why::Known, candidate: None };
            }
            Some(_) => name = claim.own_name(&name),
            None => break,
        }
    }
    let same_serial = claim.serial.is_some() && claim.serial == with.serial;
    let candidate = (same_serial || claim.shared(with) > 0).then(|| with.name.clone());
    let why = Why::Conflict { with: with.name.clone(), differs: claim.differs(with) };
    Resolution { name, source: Source::Conflict, claimed, why, candidate }
}

fn new(claim: &Claim, claimed: NodeUuid, source: Source, known: &[Known]) -> Resolution {
    let mut candidates = known.iter().filter(|k| claim.may_be(k));
    let candidate = match (candidates.next(), candidates.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    };
    let why = if candidate.is_some() { Why::BoardReplaced } else { Why::New };
    Resolution { name: claimed.clone(), source, claimed, why, candidate }
}

impl Known {
    /// Is `name` its name, or was it merged into it?
    pub fn answers_to(&self, name: &NodeUuid) -> bool {
        self.name == *name || self.aliases.contains(name)
    }

    fn is_about(&self, name: &NodeUuid) -> bool {
        self.answers_to(name) || self.claimed == *name
    }

    /// Nothing to compare a claim with.
    pub fn has_no_facts(&self) -> bool {
        self.serial.is_none() && self.macs.is_empty()
    }

    /// Its machine told neither a UUID nor a serial number.
    fn is_named_by_macs(&self) -> bool {
        self.source == Source::Macs
            || (self.source == Source::Conflict && self.macs.iter().any(|mac| NodeUuid::from_mac(mac) == self.claimed))
    }
}

#[cfg(test)]
mod tests;
