//! Leases for people: listed, released by hand, counted by subnet, forgotten when they are old.

use crate::domain::dhcp::{Lease, LeaseState, Subnet};
use crate::domain::ipam::dhcp::subnets;
use crate::domain::node_event::{Kind, Notice, Severity};
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::node_events::record;
use crate::service::nodes::{find, page_limit};
use crate::store::{LeaseClient, LeaseCounts, LeaseFilter, LeaseIs, Tx};
use higuma_proto::api::{DhcpLease, Page};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// What is over for so long is forgotten: 30 days. Until then a client that comes back gets what it had.
const KEEP: Micros = 30 * 24 * 3600 * 1_000_000;
/// Leases forgotten in one transaction, and transactions of one run, at most.
const BATCH: usize = 1_000;
/// See [`BATCH`].
const BATCHES: usize = 20;

/// The word for a lease that is over without having been given back.
const EXPIRED: &str = "expired";

/// Which leases a person wants to see.
#[derive(Debug, Clone, Default)]
pub struct LeaseQuery {
    /// Of this subnet.
    pub subnet: Option<Ipv4Net>,
    /// Of this node, by any of its ports and UUIDs.
    pub node: Option<NodeUuid>,
    /// In this state.
    pub state: Option<LeaseIs>,
    /// `next` of the page before.
    pub cursor: Option<Ipv4Addr>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A state, of its word.
///
/// # Errors
/// Which words there are.
pub fn state(word: &str) -> std::result::Result<LeaseIs, Invalid> {
    let bad = |_| Invalid::new("state of a lease", "offered, bound, declined, released or expired", word);
    if word == EXPIRED { Ok(LeaseIs::Expired) } else { word.parse().map(LeaseIs::In).map_err(bad) }
}

/// A page, in order of address. Errors: no such node.
pub async fn list(app: &App, query: LeaseQuery) -> Result<Page<DhcpLease>> {
    let (limit, now) = (page_limit(query.limit), app.now());
    app.store
        .read(move |tx| {
            let client = query.node.as_ref().map(|node| names_of(tx, node)).transpose()?;
            let filter = LeaseFilter { subnet: query.subnet, client, state: query.state.map(|is| (is, now)) };
            let mut leases = tx.leases(&filter, query.cursor, limit + 1)?;
            let more = leases.len() > limit;
            leases.truncate(limit);
            let next = leases.last().filter(|_| more).map(|lease| lease.address.to_string());
            let nodes = tx.lease_nodes(&leases)?;
            let hostnames = tx.hostnames(nodes.values().map(NodeUuid::as_str))?;
            let items = leases.into_iter().map(|lease| {
                let node = nodes.get(&lease.address);
                wire(lease, node, node.and_then(|node| hostnames.get(node.as_str())), now)
            });
            Ok(Page { items: items.collect(), next })
        })
        .await
}

fn names_of(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<LeaseClient> {
    let node = find(tx, node)?.uuid;
    let mut uuids = tx.aliases(&node)?;
    let macs = tx.macs(&node)?.into_iter().collect();
    uuids.push(node);
    uuids.extend(uuids.iter().map(NodeUuid::swapped).collect::<Vec<_>>());
    Ok(LeaseClient { uuids, macs })
}

fn wire(lease: Lease, node: Option<&NodeUuid>, hostname: Option<&String>, now: Micros) -> DhcpLease {
    let is_expired = lease.state != LeaseState::Released && lease.expires <= now;
    let relay = lease.relay.as_ref();
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode);
    DhcpLease {
        address: lease.address.to_string(),
        subnet: lease.subnet.to_string(),
        state: if is_expired { EXPIRED.to_owned() } else { lease.state.to_string() },
        client: lease.key.to_string(),
        hardware: lease.hardware.to_string(),
        uuid: lease.uuid.as_ref().map(ToString::to_string),
        node: node.map(ToString::to_string),
        node_hostname: hostname.cloned(),
        expires_us: lease.expires,
        seen_us: lease.seen,
        relay: relay.map(|(giaddr, _)| giaddr.to_string()),
        circuit_id: relay.and_then(|(_, info)| bytes(&info.circuit_id)),
        remote_id: relay.and_then(|(_, info)| bytes(&info.remote_id)),
        hostname: lease.hostname,
    }
}

/// The address is free from now on, for the next that needs it, a node or another client; its client keeps it when it renews
/// before that, and is refused later. Written down as an event of the node, if it is one. Errors: no lease has it, it is free already.
pub async fn release(app: &App, address: Ipv4Addr, by: &str) -> Result<()> {
    let (now, by) = (app.now(), by.to_owned());
    app.store
        .write(move |tx| {
            let Some(lease) = tx.lease(address)? else {
                return Err(Error::NotFound(format!("nobody has a lease of {address}: see `higuma dhcp leases`")));
            };
            if lease.is_free(now) {
                return Err(Error::Conflict(format!("the lease of {address} is over already: the address is free")));
            }
            let node = tx.lease_nodes(std::slice::from_ref(&lease))?.remove(&address);
            // That it is the same is certain within the transaction.
            tx.give_up_lease(&lease, &Lease { seen: lease.seen, ..lease.clone().released(now) }, now)?;
            if let Some(node) = node {
                let message = format!("its lease of {address} ({}) was released by {by}", lease.state);
                let subject = format!("lease:{address}");
                record(tx, &node, &Notice { kind: Kind::Address, severity: Severity::Info, subject, message }, now)?;
            }
            tracing::info!(%address, client = %lease.key, %by, "the lease of {address} was released by {by}");
            Ok(())
        })
        .await
}

/// The subnets that pools make.
pub async fn served(app: &App) -> Result<Vec<Subnet>> {
    Ok(subnets(&app.store.read(|tx| tx.pools()).await?))
}

/// How each of them stands.
pub async fn usage(app: &App) -> Result<Vec<LeaseCounts>> {
    let now = app.now();
    app.store
        .read(move |tx| {
            let subnets = subnets(&tx.pools()?);
            tx.lease_counts(&subnets, now)
        })
        .await
}

/// Forgets what is over for long; how many there were.
pub async fn forget_old(app: &App) -> Result<usize> {
    let (now, mut gone) = (app.now(), 0);
    for _ in 0..BATCHES {
        let some = app.store.write(move |tx| tx.forget_leases(now - KEEP, BATCH)).await?;
        gone += some;
        if some < BATCH {
            break;
        }
    }
    Ok(gone)
}

/// Who has this address by DHCP now, so that it cannot be given to `node`: not when it is that node itself.
pub(in crate::service) fn in_the_way(
    tx: &mut Tx<'_>,
    address: Ipv4Addr,
    node: &NodeUuid,
    now: Micros,
) -> Result<Option<Lease>> {
    let Some(lease) = tx.lease(address)?.filter(|lease| !lease.is_free(now)) else { return Ok(None) };
    // A stranger was found at it: that is nobody's lease, and not the node's either.
    let own = lease.state != LeaseState::Declined
        && tx.lease_nodes(std::slice::from_ref(&lease))?.get(&address) == Some(node);
    Ok((!own).then_some(lease))
}
