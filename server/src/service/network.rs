//! The network of nodes: their devices' addresses out of pools, given when a node boots and kept for life; and what anybody on
//! the boot network may read of it. A look gives nothing.

use super::ipam::{self, Place};
use super::plan::{self, Profiles, Unplanned};
use super::{App, identity};
use crate::domain::boot::Boot;
use crate::domain::ipam::Pool;
use crate::domain::node::{Admission, Node};
use crate::domain::plan::Plan;
use crate::domain::profile::network::{Given, Kind, Network, Ready, Setup};
use crate::domain::script::Machine;
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::api::{NetworkDevice, NetworkRoute, NodeNetwork};

/// The pools that there are, and what the node's devices have of them. Nothing where the network has none.
pub(super) fn addresses(tx: &mut Tx<'_>, node: &Node, network: &Network) -> Result<(Vec<Pool>, Vec<Given>)> {
    if network.pools().next().is_none() {
        return Ok((vec![], vec![]));
    }
    let rows = tx.addresses_of(&node.uuid)?.into_iter().filter(|row| !row.device.is_empty());
    let given = rows.map(|row| Given { device: row.device, pool: row.pool, address: row.address });
    let given = given.collect();
    Ok((tx.pools()?, given))
}

/// Devices that lack an address, and its pool.
type Wanted = Vec<(String, Name)>;

fn wanted(plan: &Plan) -> Wanted {
    let all = plan.network.iter().flat_map(Setup::wanted);
    all.map(|(device, pool)| (device.to_owned(), pool.clone())).collect()
}

/// Give what a plan lacks; again: nothing. Inside: false: nothing was lacking; an error for people: a pool is full.
pub(super) fn give(
    tx: &mut Tx<'_>,
    node: &Node,
    plan: &Plan,
    now: Micros,
) -> Result<std::result::Result<bool, String>> {
    let wanted = wanted(plan);
    for (device, pool) in &wanted {
        let place = Place::Device { device: device.clone(), pool: pool.clone() };
        if ipam::give_next(tx, node, &place, now)?.is_none() {
            return Ok(Err(format!("network.{device}: pool {pool} is full: no address for it")));
        }
    }
    if !wanted.is_empty() {
        tx.stale_node(&node.uuid)?;
    }
    Ok(Ok(!wanted.is_empty()))
}

/// Look at what a node's devices would be given, before they are: somebody may use it.
pub(super) async fn before_giving(app: &App, boot: &Boot, policy: plan::Policy) -> Result<()> {
    if app.prober.is_none() {
        return Ok(());
    }
    let id = boot.id;
    let wanted = app
        .store
        .read(move |tx| {
            let Some(boot) = tx.boot(id)? else { return Ok(vec![]) };
            let Some(node) = tx.node(&boot.node)? else { return Ok(vec![]) };
            Ok(plan::find_plan(tx, &node, &boot, policy)?.map(|choice| wanted(&choice.plan)).unwrap_or_default())
        })
        .await?;
    for (device, pool) in wanted {
        ipam::before_giving(app, &boot.node, &Place::Device { device, pool }).await?;
    }
    Ok(())
}

/// What the node of a machine would get: host name, addresses, devices. Nothing secret, and nothing is given. Errors: no node
/// is known by what the machine says, or it is not served.
pub async fn detail(app: &App, machine: Machine) -> Result<NodeNetwork> {
    app.store
        .read(move |tx| {
            let name = identity::of_machine(tx, &machine)?.map(|who| who.name);
            let node = name.map(|name| tx.node(&name)).transpose()?.flatten();
            let served = |node: &Node| !node.retired && node.admission != Admission::Rejected;
            let node = node.filter(served).ok_or_else(|| {
                Error::NotFound("no node is known by this: it becomes one when it has booted once".to_owned())
            })?;
            let (plan, reason) = match plan::would(tx, &node, &mut Profiles::default())? {
                Ok(plan) => (Some(plan), None),
                Err(why) => (None, Some(told_to_anybody(&why))),
            };
            let setup = plan.as_ref().and_then(|plan| plan.network.as_ref());
            let own = tx
                .addresses_of(&node.uuid)?
                .into_iter()
                .filter(|row| row.device.is_empty() && row.kind == crate::domain::ipam::Kind::Node);
            Ok(NodeNetwork {
                node: node.uuid.to_string(),
                hostname: node.hostname.to_string(),
                profile: plan.as_ref().map(|plan| plan.profile.to_string()),
                revision: plan.as_ref().map(|plan| plan.revision),
                reserved: own.map(|row| row.address.to_string()).collect(),
                devices: setup.map(devices).unwrap_or_default(),
                reason,
            })
        })
        .await
}

/// Why there is no plan, for whoever asks: no text of a profile, but what is said of the network.
fn told_to_anybody(why: &Unplanned) -> String {
    match why {
        Unplanned::DoesNotFit(_, text) if !text.starts_with("network") => {
            "its profile does not fit it: `higuma node show` tells why".to_owned()
        }
        Unplanned::OtherArch { arch, own, .. } => format!("its profile has an image for {arch}, and it is {own}"),
        why => why.to_string(),
    }
}

/// For people and programs.
pub(super) fn devices(setup: &Setup) -> Vec<NetworkDevice> {
    setup.devices.iter().map(device).collect()
}

fn device(ready: &Ready) -> NetworkDevice {
    let said = &ready.said;
    let texts = |items: &[std::net::IpAddr]| items.iter().map(ToString::to_string).collect();
    let mut told = NetworkDevice {
        name: ready.name.clone(),
        mac: ready.mac.as_ref().map(ToString::to_string),
        master: ready.master.clone(),
        mtu: ready.mtu,
        dhcp4: said.dhcp4,
        dhcp6: said.dhcp6,
        addresses: ready.addresses.iter().map(ToString::to_string).collect(),
        pools: ready.wanted.iter().map(ToString::to_string).collect(),
        gateways: texts(&ready.gateways),
        routes: ready
            .routes
            .iter()
            .map(|route| NetworkRoute {
                to: route.to.to_string(),
                via: route.via.map(|via| via.to_string()),
                metric: route.metric,
            })
            .collect(),
        dns: texts(&ready.dns),
        search: ready.search.clone(),
        ..NetworkDevice::default()
    };
    match &ready.kind {
        Kind::Nic(found) => {
            told.kind = "nic".to_owned();
            told.pci = Some(found.pci.clone()).filter(|pci| !pci.is_empty());
            told.cable = Some(found.cable.clone()).filter(|cable| !cable.is_empty());
        }
        Kind::Bond(members) => {
            told.kind = "bond".to_owned();
            told.mode = Some(said.mode.clone());
            told.members.clone_from(members);
        }
        Kind::Vlan { id, over } => {
            told.kind = "vlan".to_owned();
            (told.vlan, told.over) = (Some(*id), Some(over.clone()));
        }
        Kind::Bridge(ports) => {
            told.kind = "bridge".to_owned();
            told.members.clone_from(ports);
        }
    }
    told
}
