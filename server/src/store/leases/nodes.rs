//! Which nodes leases are of: by the port that asked, else by the UUID that firmware told. A lease is of no node by itself: it
//! may be older than the node's record, and outlives it.

use crate::domain::dhcp::Lease;
use crate::domain::{Mac, NodeUuid};
use crate::error::Result;
use crate::store::schema::{node_aliases, node_macs, nodes};
use crate::store::tx::{Row, Tx};
use diesel::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

impl Tx<'_> {
    /// The node of each, where one is known; a port that several nodes have told names none.
    pub fn lease_nodes(&mut self, leases: &[Lease]) -> Result<BTreeMap<Ipv4Addr, NodeUuid>> {
        let macs: Vec<Mac> = leases.iter().filter_map(|lease| lease.hardware.mac()).collect();
        let told = leases.iter().filter_map(|lease| lease.uuid.as_ref());
        let uuids: BTreeSet<NodeUuid> = told.flat_map(|uuid| [uuid.clone(), uuid.swapped()]).collect();
        type Pairs = Vec<(String, String)>;
        let (ports, names): (Pairs, Pairs) = self.run("nodes of leases", |c| {
            let ports = node_macs::table
                .filter(node_macs::mac.eq_any(macs.iter().map(Mac::as_str)))
                .select((node_macs::mac, node_macs::node))
                .load(c)?;
            let mut names: Pairs = node_aliases::table
                .filter(node_aliases::uuid.eq_any(uuids.iter().map(NodeUuid::as_str)))
                .select((node_aliases::uuid, node_aliases::node))
                .load(c)?;
            let own: Vec<String> = nodes::table
                .filter(nodes::uuid.eq_any(uuids.iter().map(NodeUuid::as_str)))
                .select(nodes::uuid)
                .load(c)?;
            names.extend(own.into_iter().map(|uuid| (uuid.clone(), uuid)));
            Ok((ports, names))
        })?;
        let row = Row { table: "nodes", key: &"(of leases)" };
        let mut found = BTreeMap::new();
        for lease in leases {
            let port = lease.hardware.mac().and_then(|mac| {
                let mut of = ports.iter().filter(|(port, _)| port == mac.as_str());
                of.next().filter(|_| of.next().is_none())
            });
            let name = || {
                let uuid = lease.uuid.as_ref()?;
                let of = |uuid: &NodeUuid| names.iter().rev().find(|(name, _)| name == uuid.as_str());
                of(uuid).or_else(|| of(&uuid.swapped()))
            };
            if let Some((_, node)) = port.or_else(name) {
                found.insert(lease.address, row.parse("uuid", node)?);
            }
        }
        Ok(found)
    }
}
