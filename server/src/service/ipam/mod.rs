//! Addresses for BMCs and nodes: given once, kept for life, released when the node is retired. A released address is given again
//! last. Two servers on one database never give one address twice: the database refuses it, and the transaction is run again.

mod file;
mod next;
mod place;
mod pools;
mod probe;
mod seen;

pub use file::{import_addresses, import_pools};
pub(super) use place::{Place, give_next};
pub use pools::{Cell, cells, create_pool, delete_pool, list_pools, show_pool, update_pool};
pub(super) use probe::before_giving;
pub use probe::{Prober, watch};
pub use seen::{conflicts, seen, seen_arp};

use super::App;
use super::dhcp::leases::in_the_way;
use super::nodes::{find, page_limit};
use crate::domain::ipam::conflict::Sighting;
use crate::domain::ipam::{Kind, Pool, Source, key};
use crate::domain::node_event::{Kind as EventKind, Notice, Severity};
use crate::domain::{Invalid, Micros, NodeUuid};
use crate::error::{Error, Result};
use crate::store::{AddressFilter, AddressRow, SightingRow, Tx};
use higuma_proto::api::{Address, Page};
use std::net::IpAddr;

/// An address with all that is needed to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Address.
    pub address: IpAddr,
    /// Length of the network's prefix, bits.
    pub prefix: u8,
    /// The same as an address: 255.255.255.0.
    pub netmask: IpAddr,
    /// Gateway.
    pub gateway: Option<IpAddr>,
    /// 802.1Q tag; 0: untagged.
    pub vlan: u16,
    /// Out of which pool.
    pub pool: String,
    /// How a BMC gets it.
    pub source: Source,
}

impl Lease {
    fn new(pool: &Pool, address: IpAddr) -> Self {
        Self {
            address,
            prefix: pool.cidr.prefix_len(),
            netmask: pool.cidr.netmask(),
            gateway: pool.gateway,
            vlan: pool.vlan,
            pool: pool.name.to_string(),
            source: pool.source,
        }
    }
}

/// The node's address of this kind: the one that it has, else a new one. None: no pool serves it, or all are full (then an event
/// of the node says so). Pools of the node's cluster come before those for any; an address that it has stays, whatever cluster it is in now. Errors: no
/// such node, a retired one.
pub async fn allocate(app: &App, node: NodeUuid, kind: Kind) -> Result<Option<Lease>> {
    let place = Place::Of(kind);
    probe::before_giving(app, &node, &place).await?;
    let now = app.now();
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?;
            if node.retired {
                return Err(Error::Conflict(format!("node {} is retired: it gets no address", node.uuid)));
            }
            Ok(give_next(tx, &node, &place, now)?.map(|(pool, address)| Lease::new(&pool, address)))
        })
        .await
}

fn full_subject(kind: Kind) -> String {
    format!("pool-full:{kind}")
}

fn notice(severity: Severity, subject: String, message: String) -> Notice {
    Notice { kind: EventKind::Address, severity, subject, message }
}

fn give(tx: &mut Tx<'_>, pool: &Pool, address: IpAddr, (node, device): (&NodeUuid, &str), now: Micros) -> Result<()> {
    tx.put_address(&AddressRow {
        pool: pool.name.clone(),
        address,
        node: node.clone(),
        kind: pool.kind,
        since: now,
        released: None,
        device: device.to_owned(),
    })?;
    if device.is_empty() {
        tx.clear_subject(node, &full_subject(pool.kind), now)?;
    } else {
        // It is part of what the node boots.
        tx.stale_node(node)?;
    }
    seen::judge(tx, address, now)
}

/// Give a node's addresses back: of one kind, of one device, or all.
pub async fn release(app: &App, node: NodeUuid, kind: Option<Kind>, device: Option<String>) -> Result<usize> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?.uuid;
            match &device {
                None => release_all(tx, &node, kind, now),
                Some(device) => release_some(tx, &node, now, |row| {
                    row.device == *device && kind.is_none_or(|kind| kind == row.kind)
                }),
            }
        })
        .await
}

/// As part of a use case: its own of one kind, or all, those of its devices among them. Returns how many.
pub(super) fn release_all(tx: &mut Tx<'_>, node: &NodeUuid, kind: Option<Kind>, now: Micros) -> Result<usize> {
    let own = |row: &AddressRow, kind| row.kind == kind && row.device.is_empty();
    let released = release_some(tx, node, now, |row| kind.is_none_or(|kind| own(row, kind)))?;
    if kind.is_none() {
        // What it told is history: whoever gets its address next is not in its way.
        forget_sightings(tx, node, now)?;
    }
    Ok(released)
}

fn release_some(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros, which: impl Fn(&AddressRow) -> bool) -> Result<usize> {
    let mut rows = tx.addresses_of(node)?;
    rows.retain(which);
    for row in &rows {
        tx.put_address(&AddressRow { released: Some(now), ..row.clone() })?;
        tx.clear_subject(node, &seen::subject(row.address), now)?;
        seen::judge(tx, row.address, now)?;
    }
    if rows.iter().any(|row| !row.device.is_empty()) {
        tx.stale_node(node)?;
    }
    Ok(rows.len())
}

fn forget_sightings(tx: &mut Tx<'_>, node: &NodeUuid, now: Micros) -> Result<()> {
    for row in tx.sightings_of(node)? {
        tx.forget_sighting(row.address, &row.seen.mac)?;
        tx.clear_subject(node, &seen::subject(row.address), now)?;
        seen::judge(tx, row.address, now)?;
    }
    Ok(())
}

/// `from` becomes `to`, which keeps its addresses; what it has none of, it gets from the other one.
pub(super) fn merged(tx: &mut Tx<'_>, from: &NodeUuid, to: &NodeUuid, now: Micros) -> Result<()> {
    // Of a kind it has one, of a device and pool one more.
    let place =
        |row: &AddressRow| (row.kind, row.device.clone(), Some(row.pool.clone()).filter(|_| !row.device.is_empty()));
    let mine: Vec<_> = tx.addresses_of(to)?.iter().map(place).collect();
    for row in tx.addresses_of(from)? {
        let released = mine.contains(&place(&row)).then_some(now);
        tx.put_address(&AddressRow { node: to.clone(), released, ..row })?;
    }
    let theirs = tx.sightings_of(from)?;
    if !theirs.is_empty() {
        // The board that told them is gone.
        forget_sightings(tx, to, now)?;
    }
    for row in theirs {
        let seen = Sighting { node: Some(to.clone()), ..row.seen };
        tx.put_sighting(&SightingRow { seen, ..row })?;
        seen::judge(tx, row.address, now)?;
    }
    Ok(())
}

/// A person gives a node this address, in place of the one of its kind that it has; or a device of its profile's network, in
/// place of the one of the same pool. `kind`: needed when pools of both kinds have it. Errors: no pool has it, another node has
/// it, it is no host's address.
pub async fn reserve(app: &App, node: NodeUuid, address: IpAddr, kind: Option<Kind>, device: String) -> Result<Lease> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let node = find(tx, &node)?;
            if node.retired {
                return Err(Error::Conflict(format!("node {} is retired: it gets no address", node.uuid)));
            }
            let pools = tx.pools()?;
            assign(tx, &pools, (&node.uuid, &device), address, kind, now).map(|(lease, _)| lease)
        })
        .await
}

/// See [`reserve`]; also whether anything changed.
fn assign(
    tx: &mut Tx<'_>,
    pools: &[Pool],
    (node, device): (&NodeUuid, &str),
    address: IpAddr,
    kind: Option<Kind>,
    now: Micros,
) -> Result<(Lease, bool)> {
    let kind = match (device.is_empty(), kind) {
        (true, kind) => kind,
        (false, None | Some(Kind::Node)) => Some(Kind::Node),
        (false, Some(other)) => {
            return Err(Error::BadRequest(format!("kind: expected node for a device of a node, got {other}")));
        }
    };
    check_device(device)?;
    if kind == Some(Kind::Dhcp) {
        let words = "kind: expected bmc or node: pools of kind dhcp are for machines that nothing is reserved for";
        return Err(Error::BadRequest(words.to_owned()));
    }
    let fits = |p: &&Pool| p.kind != Kind::Dhcp && p.cidr.contains(&address) && kind.is_none_or(|kind| kind == p.kind);
    let fit: Vec<&Pool> = pools.iter().filter(fits).collect();
    let pool = match fit[..] {
        [one] => one,
        [] => {
            return Err(Error::BadRequest(format!(
                "no pool has the address {address} (those of kind dhcp aside): see `higuma pool list`"
            )));
        }
        _ => {
            let names: Vec<&str> = fit.iter().map(|p| p.name.as_str()).collect();
            return Err(Error::BadRequest(format!(
                "{address} is in the pools {}: say which kind",
                names.join(" and ")
            )));
        }
    };
    if !pool.is_host(address) || pool.gateway == Some(address) {
        return Err(Error::BadRequest(format!(
            "{address} is the network, its broadcast or its gateway: no host may have it"
        )));
    }
    match tx.address_in(&pool.name, address)?.filter(|row| row.released.is_none()) {
        Some(row) if row.node == *node && row.device == device => return Ok((Lease::new(pool, address), false)),
        Some(row) if row.node == *node => {
            let has =
                if row.device.is_empty() { "the node itself".to_owned() } else { format!("its device {}", row.device) };
            return Err(Error::Conflict(format!("{has} has the address {address}: release it first")));
        }
        Some(row) => {
            return Err(Error::Conflict(format!("node {} has the address {address}: release it first", row.node)));
        }
        None => {}
    }
    if let IpAddr::V4(address) = address
        && let Some(lease) = in_the_way(tx, address, node, now)?
    {
        return Err(Error::Conflict(format!(
            "{} has {address} by DHCP ({}): wait until that is over, or see `higuma dhcp release {address}`",
            lease.hardware, lease.state
        )));
    }
    release_some(tx, node, now, |row| {
        row.device == device && row.kind == pool.kind && (device.is_empty() || row.pool == pool.name)
    })?;
    give(tx, pool, address, (node, device), now)?;
    Ok((Lease::new(pool, address), true))
}

/// A profile may name the device later: only the form is looked at.
fn check_device(device: &str) -> Result<()> {
    if device.is_empty() || crate::domain::profile::network::is_name(device) {
        return Ok(());
    }
    Err(Invalid::new("device", "the name of a device of a profile's network, e.g. bond0", device).into())
}

/// Which addresses a person wants to see.
#[derive(Debug, Clone, Default)]
pub struct AddressQuery {
    /// Which.
    pub filter: AddressFilter,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A page of addresses, in order of pool and address.
pub async fn list(app: &App, query: AddressQuery) -> Result<Page<Address>> {
    let after = query.cursor.as_deref().map(pair).transpose()?;
    let limit = page_limit(query.limit);
    app.store
        .read(move |tx| {
            let mut rows = tx.addresses(&query.filter, after.as_ref(), limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|row| format!("{} {}", row.pool, key(row.address)));
            let names = tx.hostnames(rows.iter().map(|row| row.node.as_str()))?;
            let items = rows.into_iter().map(|row| Address {
                pool: row.pool.to_string(),
                address: row.address.to_string(),
                hostname: names.get(row.node.as_str()).cloned().unwrap_or_default(),
                node: row.node.to_string(),
                kind: row.kind.to_string(),
                since_us: row.since,
                released_us: row.released,
                device: row.device,
            });
            Ok(Page { items: items.collect(), next })
        })
        .await
}

/// A cursor of two words.
fn pair(cursor: &str) -> Result<(String, String)> {
    let bad = || Invalid::new("cursor", "the `next` of the page before", cursor);
    let (a, b) = cursor.split_once(' ').ok_or_else(bad)?;
    Ok((a.to_owned(), b.to_owned()))
}
