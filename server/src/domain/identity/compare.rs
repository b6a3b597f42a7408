//! When a claim and a node are the same machine. A serial number says more than an address, since network ports move; two
//! different ones are two machines, whatever else agrees.

use super::super::ids::Mac;
use super::{Claim, Known, Source, Teller};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Addresses shown of one side.
const SHOWN: usize = 3;

impl Claim {
    /// Do the facts say that this is the machine of `known`, whose name it claims?
    pub(super) fn agrees(&self, known: &Known) -> bool {
        match (&self.serial, &known.serial) {
            (Some(mine), Some(theirs)) => mine == theirs && !self.elsewhere(known),
            // One port may have been moved into another machine: it is the one that it boots from, or most of them.
            _ => {
                let of = self.macs.len().min(known.macs.len());
                self.boot_mac.as_ref().is_some_and(|mac| known.macs.contains(mac)) || 2 * self.shared(known) > of
            }
        }
    }

    /// Is the machine of `known` another one that is alive just now? Boards with one image have even serial numbers alike.
    fn elsewhere(&self, known: &Known) -> bool {
        let both = !self.macs.is_empty() && !known.macs.is_empty();
        known.alive && self.teller == Teller::Agent && both && self.shared(known) == 0
    }

    /// The one that agrees best; none when two do so alike, for then it could be either.
    pub(super) fn best<'a>(&self, nodes: Vec<&'a Known>) -> Option<&'a Known> {
        let serial = |k: &Known| self.serial.is_some() && self.serial == k.serial;
        let rank = |k: &Known| (serial(k), self.shared(k), Reverse(k.macs.len()));
        let mut agreeing: Vec<&Known> = nodes.into_iter().filter(|k| self.agrees(k)).collect();
        agreeing.sort_by_key(|k| Reverse(rank(k)));
        match agreeing[..] {
            [one] => Some(one),
            [first, second, ..] if rank(first) > rank(second) => Some(first),
            _ => None,
        }
    }

    /// Could this new machine be `known` with another board, or with firmware that tells more than before?
    pub(super) fn may_be(&self, known: &Known) -> bool {
        let same_label = self.serial.is_some()
            && self.serial == known.serial
            && (&self.manufacturer, &self.product) == (&known.manufacturer, &known.product);
        let told_nothing_before = known.source == Source::Macs && known.serial.is_none();
        (same_label || told_nothing_before) && self.shared(known) > 0
    }

    /// What differs, for a person: this machine's / the node's.
    pub fn differs(&self, known: &Known) -> String {
        let mine = (&self.manufacturer, &self.product, &self.serial, &self.macs);
        text(mine, (&known.manufacturer, &known.product, &known.serial, &known.macs))
    }
}

/// What differs between two nodes, for a person: the first one's / the second one's.
pub fn differs(a: &Known, b: &Known) -> String {
    text((&a.manufacturer, &a.product, &a.serial, &a.macs), (&b.manufacturer, &b.product, &b.serial, &b.macs))
}

type Facts<'a> = (&'a String, &'a String, &'a Option<String>, &'a BTreeSet<Mac>);

fn text(a: Facts<'_>, b: Facts<'_>) -> String {
    let word = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let mut parts = Vec::new();
    for (what, mine, theirs) in [("manufacturer", a.0, b.0), ("product", a.1, b.1)] {
        if mine != theirs {
            parts.push(format!("{what} {} / {}", word(mine), word(theirs)));
        }
    }
    let serial = |s: &Option<String>| word(s.as_deref().unwrap_or_default());
    if a.2 != b.2 || a.2.is_none() {
        parts.push(format!("serial {} / {}", serial(a.2), serial(b.2)));
    }
    if a.3 != b.3 {
        parts.push(format!("MACs {} / {}", addresses(a.3), addresses(b.3)));
    }
    parts.join(", ")
}

fn addresses(macs: &BTreeSet<Mac>) -> String {
    let shown: Vec<&str> = macs.iter().take(SHOWN).map(Mac::as_str).collect();
    match (shown.is_empty(), macs.len().saturating_sub(SHOWN)) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(" "),
        (false, more) => format!("{} and {more} more", shown.join(" ")),
    }
}
