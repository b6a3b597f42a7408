//! People make, change and delete pools.

use crate::domain::ipam::dhcp::{self, Texts};
use crate::domain::ipam::{Kind, Pool, Range, key, number};
use crate::domain::{Invalid, Micros, Name};
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::{AddressFilter, SpanUse, Tx};
use higuma_proto::api::{NewPool, Page, Pool as Shown};
use ipnet::IpNet;

/// Pools, at most.
pub const POOLS_MAX: usize = 1000;

/// All, in order of name.
pub async fn list_pools(app: &App) -> Result<Page<Shown>> {
    let now = app.now();
    let items = app.store.read(move |tx| shown(tx, None, now)).await?;
    Ok(Page { items, next: None })
}

/// One. Errors: no such pool.
pub async fn show_pool(app: &App, name: Name) -> Result<Shown> {
    let (key, now) = (name.clone(), app.now());
    let found = app.store.read(move |tx| shown(tx, Some(&key), now)).await?;
    found.into_iter().next().ok_or_else(|| not_found(&name))
}

/// One address of a small pool, for its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Address.
    pub address: String,
    /// used, released, free, or none: not given.
    pub state: &'static str,
    /// UUID and host name of who has it.
    pub node: Option<(String, String)>,
}

/// Addresses of a network that are shown one by one.
pub const CELLS_MAX: u128 = 256;

/// Every address of the pool's network, in order; empty when there are more than [`CELLS_MAX`]. Errors: no such pool.
pub async fn cells(app: &App, name: Name) -> Result<Vec<Cell>> {
    let now = app.now();
    app.store
        .read(move |tx| {
            let pool = tx.pool(&name)?.ok_or_else(|| not_found(&name))?;
            let (first, last) = (number(pool.cidr.network()), number(pool.cidr.broadcast()));
            if last - first >= CELLS_MAX {
                return Ok(Vec::new());
            }
            let filter = AddressFilter { pool: Some(name), ..AddressFilter::default() };
            let rows = tx.addresses(&filter, None, 2 * CELLS_MAX as usize)?;
            let names = tx.hostnames(rows.iter().map(|row| row.node.as_str()))?;
            let leased = match (pool.kind, pool.cidr) {
                (Kind::Dhcp, IpNet::V4(net)) => {
                    tx.leased_between(net.network(), net.broadcast(), CELLS_MAX as usize, now)?
                }
                _ => Vec::new(),
            };
            let cell = |n: u128| {
                let address = pool.address(n);
                let row = rows.iter().find(|row| row.address == address);
                let state = match row {
                    Some(row) if row.released.is_none() => "used",
                    _ if leased.contains(&address) && pool.gives(address) => "used",
                    _ if !pool.gives(address) => "none",
                    Some(_) => "released",
                    None => "free",
                };
                let node = row.filter(|row| row.released.is_none()).map(|row| {
                    let uuid = row.node.to_string();
                    let hostname = names.get(&uuid).cloned().unwrap_or_default();
                    (uuid, hostname)
                });
                Cell { address: address.to_string(), state, node }
            };
            Ok((first..=last).map(cell).collect())
        })
        .await
}

/// Make a pool. Errors: what does not fit, a name that is taken, another pool of its kind in the same network.
pub async fn create_pool(app: &App, new: NewPool) -> Result<Shown> {
    let (pool, now) = (parse(new)?, app.now());
    let name = pool.name.clone();
    app.store
        .write(move |tx| match tx.pool(&pool.name)? {
            Some(_) => Err(Error::Conflict(format!(
                "there is a pool {} already: change it with `higuma pool edit`",
                pool.name
            ))),
            None => put(tx, &pool, now),
        })
        .await?;
    show_pool(app, name).await
}

/// Change a pool. Errors: as [`create_pool`], and addresses in use that it would not have any more.
pub async fn update_pool(app: &App, name: Name, new: NewPool) -> Result<Shown> {
    let (pool, now) = (parse(new)?, app.now());
    if pool.name != name {
        return Err(Error::BadRequest(format!("the path names pool {name}, the body {}: they must agree", pool.name)));
    }
    app.store
        .write(move |tx| match tx.pool(&pool.name)? {
            None => Err(not_found(&pool.name)),
            Some(_) => put(tx, &pool, now),
        })
        .await?;
    show_pool(app, name).await
}

/// Delete a pool. Errors: addresses of it are in use, unless `force` is its name again.
pub async fn delete_pool(app: &App, name: Name, force: Option<&str>) -> Result<()> {
    let (force, now) = (force == Some(name.as_str()), app.now());
    app.store
        .write(move |tx| {
            let Some(pool) = shown(tx, Some(&name), now)?.into_iter().next() else { return Err(not_found(&name)) };
            if pool.used > 0 && !force {
                return Err(Error::Conflict(format!(
                    "{} address(es) of pool {name} are in use: release them, or say its name again (`--force {name}`; leases of DHCP then end when their time is over)",
                    pool.used
                )));
            }
            tx.stale_pool(&name)?;
            tx.delete_pool(&name)
        })
        .await
}

/// Insert or replace, when it fits the other pools and the addresses in use.
pub(super) fn put(tx: &mut Tx<'_>, pool: &Pool, now: Micros) -> Result<()> {
    let all = tx.pools()?;
    if let Some(clash) = all.iter().find_map(|other| pool.clash(other)) {
        return Err(Error::Conflict(format!("pool {}: {clash}", pool.name)));
    }
    match all.iter().find(|old| old.name == pool.name) {
        None if all.len() >= POOLS_MAX => {
            return Err(Error::Conflict(format!("there are {POOLS_MAX} pools already: delete one first")));
        }
        Some(old) if old == pool => return Ok(()),
        Some(old) => {
            let reaches_nodes = |pool: &Pool| (pool.kind, pool.cidr, pool.gateway, pool.vlan);
            if reaches_nodes(old) != reaches_nodes(pool) {
                tx.stale_pool(&pool.name)?;
            }
            let (first, last) = match old.kind == pool.kind {
                true => (key(pool.cidr.network()), key(pool.cidr.broadcast())),
                // Of another kind: none of them fits.
                false => (String::new(), String::new()),
            };
            let outside = tx.live_outside(&pool.name, &first, &last)?;
            if outside > 0 {
                return Err(Error::Conflict(format!(
                    "pool {}: {outside} address(es) in use would be outside of it: release them first",
                    pool.name
                )));
            }
        }
        None => {}
    }
    if let (Kind::Dhcp | Kind::Node, IpNet::V4(net)) = (pool.kind, pool.cidr) {
        tx.set_lease_subnet(net)?;
    }
    tx.put_pool(pool, now)
}

fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no pool {name}: see `higuma pool list`"))
}

fn shown(tx: &mut Tx<'_>, only: Option<&Name>, now: Micros) -> Result<Vec<Shown>> {
    let pools = match only {
        None => tx.pools()?,
        Some(name) => tx.pool(name)?.into_iter().collect(),
    };
    let counts = tx.address_counts()?;
    let count = |name: &Name, released: bool| {
        counts.iter().find(|(pool, was, _)| pool == name.as_str() && *was == released).map_or(0, |(_, _, n)| *n)
    };
    let wire = |pool: &Pool| {
        let (used, released) = match pool.kind {
            Kind::Dhcp => {
                let SpanUse { taken, over } = tx.span_use(&dhcp::spans(pool), now)?;
                (taken, over)
            }
            Kind::Bmc | Kind::Node => (count(&pool.name, false), count(&pool.name, true)),
        };
        let capacity = u64::try_from(pool.capacity()).unwrap_or(u64::MAX);
        Ok(Shown { spec: spec(pool), capacity, used, released })
    };
    pools.iter().map(wire).collect()
}

fn spec(pool: &Pool) -> NewPool {
    let texts = |list: &[Range]| list.iter().map(ToString::to_string).collect();
    let Texts { dns, ntp, domain, mtu, lease_seconds, options } = Texts::from(&pool.dhcp);
    NewPool {
        name: pool.name.to_string(),
        kind: pool.kind.to_string(),
        cluster: pool.cluster.clone(),
        cidr: pool.cidr.to_string(),
        gateway: pool.gateway.map(|g| g.to_string()),
        vlan: pool.vlan,
        ranges: texts(&pool.ranges),
        exclusions: texts(&pool.exclusions),
        source: pool.source.to_string(),
        dns,
        ntp,
        domain,
        mtu,
        lease_seconds,
        options,
    }
}

fn parse(new: NewPool) -> Result<Pool> {
    let ranges =
        |list: &[String]| list.iter().map(|r| r.parse::<Range>()).collect::<std::result::Result<Vec<_>, Invalid>>();
    let gateway = |text: &String| text.parse().map_err(|_| Invalid::new("gateway", "an IP address", text));
    let cidr = new.cidr.parse().map_err(|_| Invalid::new("cidr", "a network, e.g. 10.0.0.0/24", &new.cidr))?;
    let NewPool { dns, ntp, domain, mtu, lease_seconds, options, .. } = new;
    let pool = Pool {
        dhcp: Texts { dns, ntp, domain, mtu, lease_seconds, options }.try_into()?,
        name: new.name.parse()?,
        kind: new.kind.parse()?,
        cidr,
        gateway: new.gateway.as_ref().filter(|g| !g.is_empty()).map(gateway).transpose()?,
        ranges: ranges(&new.ranges)?,
        exclusions: ranges(&new.exclusions)?,
        source: new.source.parse()?,
        cluster: new.cluster,
        vlan: new.vlan,
    };
    pool.check().map_err(|e| Error::BadRequest(format!("pool {}: {e}", pool.name)))?;
    Ok(pool)
}
