//! What single nodes are told by DHCP.

use super::schema::node_dhcp as table;
use super::tx::{Row, Tx};
use crate::domain::ipam::dhcp::{NodeDhcp, Texts};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is stored as JSON. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct SpecJson {
    routers: Vec<String>,
    dns: Vec<String>,
    ntp: Vec<String>,
    domain: Option<String>,
    mtu: Option<u16>,
    lease_seconds: Option<u32>,
    options: BTreeMap<String, String>,
}

impl Tx<'_> {
    /// Of a node; none: what its subnet says.
    pub fn node_dhcp(&mut self, node: &NodeUuid) -> Result<Option<NodeDhcp>> {
        let found: Option<String> = self.run(format_args!("DHCP options of node {node}"), |c| {
            table::table.find(node.as_str()).select(table::spec).first(c).optional()
        })?;
        let Some(text) = found else { return Ok(None) };
        let row = Row { table: "node_dhcp", key: node };
        let SpecJson { routers, dns, ntp, domain, mtu, lease_seconds, options } = row.json("spec", &text)?;
        let spec = NodeDhcp::of(&routers, Texts { dns, ntp, domain, mtu, lease_seconds, options });
        spec.map(Some).map_err(|e| row.bad(format!("column spec holds DHCP options that do not fit: {e}")))
    }

    /// Sets them; the default is none of its own.
    pub fn put_node_dhcp(&mut self, node: &NodeUuid, spec: &NodeDhcp, at: Micros) -> Result<()> {
        let (routers, Texts { dns, ntp, domain, mtu, lease_seconds, options }) = spec.texts();
        let json = SpecJson { routers, dns, ntp, domain, mtu, lease_seconds, options };
        let text = serde_json::to_string(&json).map_err(Error::internal)?;
        self.run(format_args!("DHCP options of node {node}"), |c| {
            let set = (table::spec.eq(&text), table::changed.eq(at));
            if *spec == NodeDhcp::default() {
                diesel::delete(table::table.find(node.as_str())).execute(c)?;
            } else if diesel::update(table::table.find(node.as_str())).set(set).execute(c)? == 0 {
                diesel::insert_into(table::table).values((table::node.eq(node.as_str()), set)).execute(c)?;
            }
            Ok(())
        })
    }
}
