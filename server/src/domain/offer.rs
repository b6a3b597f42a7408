//! The single-use boot nonce of a script, and what Register may do with it. Fetching a script only offers a boot;
//! Register alone starts one.

use super::identity::{Claim, Known, Resolution, Teller, Told};
use super::ids::{Mac, Micros, NodeUuid, Sha256};

/// Offers kept per node: fetching scripts without registering cannot fill the database.
pub const OFFERS_PER_NODE: usize = 8;

/// An offered boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Hash of the nonce.
    pub nonce_hash: Sha256,
    /// For which node, as far as iPXE's words led.
    pub node: Option<NodeUuid>,
    /// For which boot interface.
    pub mac: Option<Mac>,
    /// What iPXE told.
    pub told: Told,
    /// Base URL of our plain HTTP listener as this node reaches it.
    pub http_base: String,
    /// Made.
    pub created: Micros,
    /// Good until.
    pub expires: Micros,
    /// Once registered: hash of the agent's credential, and the boot.
    pub bound: Option<(Sha256, uuid::Uuid)>,
}

/// What Register does with an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Start a boot.
    Accept,
    /// The same pair again: the same answer.
    Replay(uuid::Uuid),
    /// No.
    Refuse(Refusal),
}

/// Why Register was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such nonce (any more).
    Unknown,
    /// Too late.
    Expired,
    /// Given to another node.
    OtherNode,
    /// Used already, with another credential.
    OtherCredential,
    /// Policy `known-only`, and the node is not known.
    NotKnown,
    /// Rejected or retired by a person.
    Rejected,
}

impl Refusal {
    /// Word for metrics and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_nonce",
            Self::Expired => "expired_nonce",
            Self::OtherNode => "other_node",
            Self::OtherCredential => "other_credential",
            Self::NotKnown => "not_known",
            Self::Rejected => "rejected",
        }
    }

    /// For a person, with what to do.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Unknown => "the boot nonce is not known: boot again through iPXE to get a new one",
            Self::Expired => "the boot nonce has expired: boot again through iPXE to get a new one",
            Self::OtherNode => "the boot nonce was given to another node: boot again through iPXE",
            Self::OtherCredential => {
                "the boot nonce was used already, with another credential: boot again through iPXE"
            }
            Self::NotKnown => "this node is not known and the admission policy is known-only: add it first",
            Self::Rejected => "this node was rejected or retired: approve it first",
        }
    }
}

impl Offer {
    /// Who iPXE said the machine is.
    pub fn claim(&self) -> Claim {
        Claim::new(Teller::Ipxe, &self.told, self.mac.clone(), self.mac.clone())
    }

    /// Is `claim`, of the agent alone, the machine that asked iPXE's script? By what both told: the UUID, in either order
    /// of bytes or as the script named the node; the boot interface; the serial number where there is no interface.
    fn is_of(&self, claim: &Claim) -> bool {
        let asked = self.claim();
        let uuid_fits = match (&asked.uuid, &claim.uuid) {
            (Some(asked), Some(uuid)) => asked == uuid || asked.swapped() == *uuid || self.node.as_ref() == Some(uuid),
            _ => true,
        };
        let named = asked.uuid.is_some();
        let interface_fits = match &self.mac {
            Some(mac) if claim.boot_mac.as_ref() == Some(mac) || claim.macs.contains(mac) => true,
            Some(_) => named && claim.boot_mac.is_none() && claim.macs.is_empty(),
            None => match (&asked.serial, &claim.serial) {
                (Some(asked), Some(serial)) => asked == serial,
                _ => named,
            },
        };
        uuid_fits && interface_fits
    }

    /// The agent's claim with what only iPXE could read. An agent that repeats the name that the script gave it has told no
    /// UUID by that.
    pub fn complete(&self, mut claim: Claim) -> Claim {
        let asked = self.claim();
        let made = asked.claimed().map(|(name, _)| name);
        if claim.uuid.is_some() && claim.uuid != asked.uuid {
            let repeated = asked.uuid.is_some() && claim.uuid == self.node;
            if repeated || claim.uuid == made {
                claim.uuid = None;
            }
        }
        claim.completed_by(&asked)
    }

    /// May the machine of this offer be the node that all its facts led to? iPXE knew less, so it need not be the offered
    /// one; but an offer that named no UUID is no way to a known node that has nothing in common with it.
    pub fn is_for(&self, claim: &Claim, found: &Resolution, node: Option<&Known>) -> bool {
        if self.node.as_ref() == Some(&found.name) || self.claim().uuid.is_some() {
            return true;
        }
        node.is_none_or(|known| {
            let mac = self.mac.as_ref().is_some_and(|mac| known.macs.contains(mac));
            known.has_no_facts() || mac || (claim.serial.is_some() && claim.serial == known.serial)
        })
    }
}

/// Decide on `offer` for an agent that makes this claim and holds `credential`.
pub fn decide(offer: Option<&Offer>, now: Micros, claim: &Claim, credential: &Sha256) -> Verdict {
    let Some(offer) = offer else { return Verdict::Refuse(Refusal::Unknown) };
    if !offer.is_of(claim) {
        return Verdict::Refuse(Refusal::OtherNode);
    }
    match &offer.bound {
        // A lost reply must not brick a boot, however late it is asked again.
        Some((bound, boot)) if bound == credential => Verdict::Replay(*boot),
        Some(_) => Verdict::Refuse(Refusal::OtherCredential),
        None if now > offer.expires => Verdict::Refuse(Refusal::Expired),
        None => Verdict::Accept,
    }
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;
