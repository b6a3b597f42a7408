//! What an address is for: the node itself, its BMC, or a device of its profile's network. Each has one of its own.

use super::next::{Next, next};
use super::{full_subject, give, notice, probe};
use crate::domain::ipam::{Kind, Pool, key, serving};
use crate::domain::node::Node;
use crate::domain::node_event::Severity;
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::Result;
use crate::service::node_events::raise;
use crate::store::{AddressRow, Tx};
use std::net::IpAddr;

/// Who of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Place {
    /// Itself, or its BMC: out of the pools that serve it.
    Of(Kind),
    /// A device: out of this pool of kind node.
    Device {
        /// Its name.
        device: String,
        /// Pool.
        pool: Name,
    },
}

impl Place {
    pub(super) fn device(&self) -> &str {
        match self {
            Self::Of(_) => "",
            Self::Device { device, .. } => device,
        }
    }

    /// What it has already.
    pub(super) fn has(&self, tx: &mut Tx<'_>, node: &NodeUuid) -> Result<Option<AddressRow>> {
        let is = |row: &AddressRow| match self {
            Self::Of(kind) => row.device.is_empty() && row.kind == *kind,
            Self::Device { device, pool } => row.device == *device && row.pool == *pool,
        };
        Ok(tx.addresses_of(node)?.into_iter().find(is))
    }

    /// Where it may come from, in order.
    pub(super) fn pools(&self, tx: &mut Tx<'_>, node: &Node) -> Result<Vec<Pool>> {
        match self {
            Self::Of(kind) => {
                let cluster = node.cluster.as_ref().map(ToString::to_string).unwrap_or_default();
                Ok(serving(&tx.pools()?, *kind, &cluster).into_iter().cloned().collect())
            }
            Self::Device { pool, .. } => Ok(tx.pool(pool)?.into_iter().filter(|p| p.kind == Kind::Node).collect()),
        }
    }

    /// What an event about it is about.
    fn subject(&self) -> String {
        match self {
            Self::Of(kind) => full_subject(*kind),
            Self::Device { device, .. } => format!("pool-full:{device}"),
        }
    }

    fn called(&self) -> String {
        match self {
            Self::Of(kind) => format!("its {kind}"),
            Self::Device { device, .. } => format!("its device {device}"),
        }
    }
}

/// The address that it has, or a new one with its pool. None: no pool serves it, or all are full (then an event of the node
/// says so).
pub(in crate::service) fn give_next(
    tx: &mut Tx<'_>,
    node: &Node,
    place: &Place,
    now: Micros,
) -> Result<Option<(Pool, IpAddr)>> {
    if let Some(has) = place.has(tx, &node.uuid)? {
        return Ok(tx.pool(&has.pool)?.map(|pool| (pool, has.address)));
    }
    let pools = place.pools(tx, node)?;
    for pool in &pools {
        if let Some(Next { address, hint }) = next(tx, pool, now)? {
            if let Some(hint) = hint {
                tx.set_pool_hint(&pool.name, &key(hint))?;
            }
            probe::forget(tx, address)?;
            give(tx, pool, address, (&node.uuid, place.device()), now)?;
            tx.clear_subject(&node.uuid, &place.subject(), now)?;
            return Ok(Some((pool.clone(), address)));
        }
    }
    if !pools.is_empty() {
        let names: Vec<&str> = pools.iter().map(|p| p.name.as_str()).collect();
        let message = format!("no address for {}: the pools {} are full", place.called(), names.join(", "));
        raise(tx, &node.uuid, &notice(Severity::Warning, place.subject(), message), now)?;
    }
    Ok(None)
}
