//! What settings say of how a machine begins: with which build of iPXE, and whether an iPXE of its own loads ours first.

use crate::domain::Micros;
use crate::domain::node::Node;
use crate::domain::select::Which;
use crate::error::Result;
use crate::service::{Settings, facts};
use crate::store::Tx;

/// How it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boots {
    /// Its own iPXE loads ours first.
    pub chain: bool,
    /// With iPXE's full build.
    pub full: bool,
}

pub(super) fn boots(tx: &mut Tx<'_>, settings: &Settings, node: Option<&Node>, now: Micros) -> Result<Boots> {
    let asked = [&settings.ipxe_chain, &settings.ipxe_full];
    let expression = asked.iter().any(|which| matches!(which, Which::Where(_)));
    let facts = match node.filter(|_| expression) {
        Some(node) => {
            let hardware = tx.node_facts(&node.uuid)?.unwrap_or_default();
            Some(facts::of_node(node, None, hardware, now, settings.heartbeat_timeout))
        }
        None => None,
    };
    let [chain, full] = asked.map(|which| match which {
        Which::Off => false,
        Which::All => true,
        // One that cannot be decided for this node does not hold.
        Which::Where(selector) => facts.as_ref().is_some_and(|facts| selector.matches(facts).unwrap_or(false)),
    });
    Ok(Boots { chain, full })
}
