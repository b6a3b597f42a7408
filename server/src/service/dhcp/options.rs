//! What one node is told by DHCP instead of what its subnet says: shown, and set by people.

use crate::domain::NodeUuid;
use crate::domain::ipam::dhcp::{NodeDhcp, Texts};
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::node_events::record;
use crate::service::nodes::find;
use higuma_proto::api;

/// Of a node; empty: what its subnet says. Errors: no such node.
pub async fn show(app: &App, node: NodeUuid) -> Result<api::NodeDhcp> {
    app.store
        .read(move |tx| {
            let node = find(tx, &node)?.uuid;
            Ok(wire(&tx.node_dhcp(&node)?.unwrap_or_default()))
        })
        .await
}

/// Sets all of them: what is left out is as the subnet says. The node gets them with its next answer. Written down as an event
/// of the node when something changes. Errors: no such node; what does not fit, and what was expected.
pub async fn set(app: &App, node: NodeUuid, wanted: api::NodeDhcp, by: &str) -> Result<api::NodeDhcp> {
    let api::NodeDhcp { routers, dns, ntp, domain, mtu, lease_seconds, options } = wanted;
    let spec = NodeDhcp::of(&routers, Texts { dns, ntp, domain, mtu, lease_seconds, options })?;
    spec.check().map_err(Error::BadRequest)?;
    let (now, by) = (app.now(), by.to_owned());
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?.uuid;
            if tx.node_dhcp(&node)?.unwrap_or_default() != spec {
                tx.put_node_dhcp(&node, &spec, now)?;
                let message = match spec == NodeDhcp::default() {
                    true => format!("{by} took its own DHCP options away"),
                    false => format!("{by} set DHCP options of its own"),
                };
                let subject = "dhcp-options".to_owned();
                record(tx, &node, &Notice { kind: Kind::Address, severity: Severity::Info, subject, message }, now)?;
            }
            Ok(wire(&spec))
        })
        .await
}

fn wire(spec: &NodeDhcp) -> api::NodeDhcp {
    let (routers, Texts { dns, ntp, domain, mtu, lease_seconds, options }) = spec.texts();
    api::NodeDhcp { routers, dns, ntp, domain, mtu, lease_seconds, options }
}
