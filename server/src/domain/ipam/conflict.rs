//! Two machines with one address: told from who holds it and who was seen with it.

use crate::domain::{Mac, NodeUuid};

/// Somebody was seen with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// By this hardware address.
    pub mac: Mac,
    /// Whose BMC or node told it; none: it answered ARP, and nobody knows whose it is.
    pub node: Option<NodeUuid>,
}

/// Which of the sightings of one address contradict its holder or each other: the same order. `holders`: nodes that the address is
/// given to.
pub fn clash(holders: &[NodeUuid], seen: &[Sighting]) -> Vec<bool> {
    let of_holder = |s: &Sighting| s.node.as_ref().is_some_and(|n| holders.contains(n));
    let told = || seen.iter().filter(|s| s.node.is_some());
    let clashes = |s: &Sighting| match &s.node {
        // Nobody has it by right: those who told it are in each other's way.
        Some(_) if holders.is_empty() => told().any(|o| o.node != s.node),
        Some(_) => !of_holder(s),
        // A stranger. As long as the holder's own hardware address is not known, it may be the holder.
        None => told().any(|o| o.mac != s.mac) && !told().any(|o| o.mac == s.mac),
    };
    seen.iter().map(clashes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(n: u8) -> NodeUuid {
        format!("4c4c4544-0046-3010-8052-b4c04f4a4d{n:02x}").parse().unwrap()
    }

    fn seen(mac: u8, of: Option<u8>) -> Sighting {
        Sighting { mac: format!("52:54:00:00:00:{mac:02x}").parse().unwrap(), node: of.map(node) }
    }

    #[test]
    fn who_is_in_whose_way() {
        let a = &[node(1)][..];
        assert_eq!(clash(a, &[seen(1, Some(1))]), [false]);
        assert_eq!(clash(a, &[seen(1, Some(1)), seen(2, Some(2))]), [false, true]);
        assert_eq!(clash(a, &[seen(2, Some(2))]), [true], "the holder need not be seen");
        assert_eq!(clash(&[], &[seen(1, Some(1))]), [false]);
        assert_eq!(clash(&[], &[seen(1, Some(1)), seen(2, Some(2))]), [true, true]);
        assert_eq!(clash(a, &[seen(1, Some(1)), seen(9, None)]), [false, true]);
        assert_eq!(clash(a, &[seen(9, None)]), [false], "it may be the holder");
        assert_eq!(clash(a, &[]), Vec::<bool>::new());
    }
}
