//! The single-use boot nonce of a script, and what Register may do with it. Fetching a script only offers a boot;
//! Register alone starts one.

use super::ids::{Mac, Micros, NodeUuid, Sha256};

/// Offers kept per node: fetching scripts without registering cannot fill the database.
pub const OFFERS_PER_NODE: usize = 8;

/// An offered boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Hash of the nonce.
    pub nonce_hash: Sha256,
    /// For which node; none when the firmware told no UUID.
    pub node: Option<NodeUuid>,
    /// For which boot interface; the only name when there is no UUID.
    pub mac: Option<Mac>,
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

/// Decide on `offer` for an agent that says it is `node` with `macs` and holds `credential`.
pub fn decide(
    offer: Option<&Offer>,
    now: Micros,
    node: Option<&NodeUuid>,
    macs: &[Mac],
    credential: &Sha256,
) -> Verdict {
    let Some(offer) = offer else { return Verdict::Refuse(Refusal::Unknown) };
    let same_node = match (&offer.node, &offer.mac) {
        (Some(offered), _) => node == Some(offered),
        (None, Some(mac)) => macs.contains(mac),
        (None, None) => false,
    };
    if !same_node {
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(n: u8) -> NodeUuid {
        format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
    }
    fn offer() -> Offer {
        Offer {
            nonce_hash: Sha256::of("n"),
            node: Some(node(1)),
            mac: None,
            http_base: String::new(),
            created: 0,
            expires: 100,
            bound: None,
        }
    }

    #[test]
    fn all_verdicts() {
        let (a, b) = (Sha256::of("a"), Sha256::of("b"));
        let n1 = node(1);
        let boot = uuid::Uuid::from_u128(5);
        let bound = Offer { bound: Some((a.clone(), boot)), ..offer() };
        let refuse = Verdict::Refuse;
        assert_eq!(decide(None, 0, Some(&n1), &[], &a), refuse(Refusal::Unknown));
        assert_eq!(decide(Some(&offer()), 100, Some(&n1), &[], &a), Verdict::Accept);
        assert_eq!(decide(Some(&offer()), 101, Some(&n1), &[], &a), refuse(Refusal::Expired));
        assert_eq!(decide(Some(&offer()), 1, Some(&node(2)), &[], &a), refuse(Refusal::OtherNode));
        assert_eq!(decide(Some(&offer()), 1, None, &[], &a), refuse(Refusal::OtherNode));
        assert_eq!(decide(Some(&bound), 999, Some(&n1), &[], &a), Verdict::Replay(boot));
        assert_eq!(decide(Some(&bound), 1, Some(&n1), &[], &b), refuse(Refusal::OtherCredential));
        assert_eq!(decide(Some(&bound), 1, Some(&node(2)), &[], &a), refuse(Refusal::OtherNode));
    }

    #[test]
    fn without_a_uuid_the_mac_is_the_name() {
        let mac: Mac = "52:54:00:00:00:01".parse().unwrap();
        let other: Mac = "52:54:00:00:00:02".parse().unwrap();
        let by_mac = Offer { node: None, mac: Some(mac.clone()), ..offer() };
        let a = Sha256::of("a");
        assert_eq!(decide(Some(&by_mac), 1, Some(&node(9)), &[other.clone(), mac], &a), Verdict::Accept);
        assert_eq!(decide(Some(&by_mac), 1, Some(&node(9)), &[other], &a), Verdict::Refuse(Refusal::OtherNode));
        let nameless = Offer { node: None, mac: None, ..offer() };
        assert_eq!(decide(Some(&nameless), 1, None, &[], &a), Verdict::Refuse(Refusal::OtherNode));
    }
}
