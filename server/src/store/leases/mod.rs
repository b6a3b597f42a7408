//! Leases of DHCP: who has which address, or had it last. That of two servers one alone gives an address is seen to here:
//! every rule about who may have one is checked in the transaction that writes it. It decides no answer.

mod free;
mod nodes;
mod usage;

pub use usage::{LeaseCounts, SpanUse};

use super::schema::dhcp_leases as table;
use super::tx::{Row, Tx, limit_of};
use crate::domain::dhcp::{ClientKey, Hardware, Lease, LeaseState, RelayInfo, Request};
use crate::domain::ipam::key;
use crate::domain::{Mac, Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Leases that are looked at for one client, by each of its names.
const OF_A_CLIENT: usize = 16;

/// What a lease is in, with time counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseIs {
    /// In this state, and for released ones whatever the time: in force.
    In(LeaseState),
    /// Over, and nobody gave it back.
    Expired,
}

/// A machine, by all of its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseClient {
    /// UUIDs.
    pub uuids: Vec<NodeUuid>,
    /// Ports.
    pub macs: Vec<Mac>,
}

/// Which leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseFilter {
    /// Of this subnet.
    pub subnet: Option<Ipv4Net>,
    /// Of this machine.
    pub client: Option<LeaseClient>,
    /// In this state, at this time.
    pub state: Option<(LeaseIs, Micros)>,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, primary_key(key), treat_none_as_null = true)]
struct LeaseRec {
    key: String,
    address: String,
    subnet: String,
    client: String,
    hardware_kind: i64,
    hardware: String,
    uuid: Option<String>,
    state: String,
    expires: i64,
    seen: i64,
    hostname: String,
    giaddr: Option<String>,
    option82: Option<String>,
    circuit_id: Option<String>,
    remote_id: Option<String>,
    link_selection: Option<String>,
    server_id: Option<String>,
    updated: i64,
}

/// Bytes of a text.
struct Hex(Vec<u8>);

impl FromStr for Hex {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        hex::decode(text).map(Self)
    }
}

fn key_of(address: Ipv4Addr) -> String {
    key(address.into())
}

impl LeaseRec {
    fn new(lease: &Lease, now: Micros) -> Self {
        let relay = lease.relay.as_ref().map(|(_, info)| info);
        let address = |address: &Option<Ipv4Addr>| address.map(|address| address.to_string());
        Self {
            key: key_of(lease.address),
            address: lease.address.to_string(),
            subnet: lease.subnet.to_string(),
            client: lease.key.to_string(),
            hardware_kind: lease.hardware.kind.into(),
            hardware: hex::encode(&lease.hardware.address),
            uuid: lease.uuid.as_ref().map(ToString::to_string),
            state: lease.state.to_string(),
            expires: lease.expires,
            seen: lease.seen,
            hostname: lease.hostname.clone(),
            giaddr: lease.relay.as_ref().map(|(giaddr, _)| giaddr.to_string()),
            option82: relay.map(|info| hex::encode(&info.raw)),
            circuit_id: relay.and_then(|info| info.circuit_id.as_ref()).map(hex::encode),
            remote_id: relay.and_then(|info| info.remote_id.as_ref()).map(hex::encode),
            link_selection: relay.and_then(|info| address(&info.link_selection)),
            server_id: relay.and_then(|info| address(&info.server_id)),
            updated: now,
        }
    }

    fn into_lease(self) -> Result<Lease> {
        let row = Row { table: "dhcp_leases", key: &self.address };
        let bytes = |column: &str, text: &Option<String>| -> Result<Option<Vec<u8>>> {
            Ok(row.parse_opt::<Hex>(column, text.as_deref())?.map(|hex| hex.0))
        };
        let info = RelayInfo {
            raw: bytes("option82", &self.option82)?.unwrap_or_default(),
            circuit_id: bytes("circuit_id", &self.circuit_id)?,
            remote_id: bytes("remote_id", &self.remote_id)?,
            link_selection: row.parse_opt("link_selection", self.link_selection.as_deref())?,
            server_id: row.parse_opt("server_id", self.server_id.as_deref())?,
        };
        Ok(Lease {
            address: row.parse("address", &self.address)?,
            subnet: row.parse("subnet", &self.subnet)?,
            key: row.parse("client", &self.client)?,
            hardware: Hardware {
                kind: row.number("hardware_kind", self.hardware_kind)?,
                address: row.parse::<Hex>("hardware", &self.hardware)?.0,
            },
            uuid: row.parse_opt("uuid", self.uuid.as_deref())?,
            state: row.parse("state", &self.state)?,
            relay: row.parse_opt("giaddr", self.giaddr.as_deref())?.map(|giaddr| (giaddr, info)),
            expires: self.expires,
            seen: self.seen,
            hostname: self.hostname,
        })
    }
}

fn all(recs: Vec<LeaseRec>) -> Result<Vec<Lease>> {
    recs.into_iter().map(LeaseRec::into_lease).collect()
}

impl Tx<'_> {
    /// Of an address.
    pub fn lease(&mut self, address: Ipv4Addr) -> Result<Option<Lease>> {
        let rec: Option<LeaseRec> = self.run(format_args!("lease of {address}"), |c| {
            table::table.find(key_of(address)).select(LeaseRec::as_select()).first(c).optional()
        })?;
        rec.map(LeaseRec::into_lease).transpose()
    }

    /// Those that may be this client's, for [`Lease::of`]: by its key, by its port when that is one, by its UUID in either
    /// order of bytes. Of each, some that spoke last.
    pub fn leases_of(
        &mut self,
        client: &ClientKey,
        hardware: &Hardware,
        uuid: Option<&NodeUuid>,
    ) -> Result<Vec<Lease>> {
        let mut recs: Vec<LeaseRec> = self.run(format_args!("leases of {client}"), |c| {
            let newest = || {
                table::table
                    .order((table::seen.desc(), table::key))
                    .limit(limit_of(OF_A_CLIENT))
                    .select(LeaseRec::as_select())
            };
            let mut recs = newest().filter(table::client.eq(client.as_str())).load(c)?;
            if hardware.is_of_one_port() {
                let port = table::hardware
                    .eq(hex::encode(&hardware.address))
                    .and(table::hardware_kind.eq(i64::from(hardware.kind)));
                recs.extend(newest().filter(port).load(c)?);
            }
            if let Some(uuid) = uuid {
                let swapped = uuid.swapped();
                recs.extend(newest().filter(table::uuid.eq_any([uuid.as_str(), swapped.as_str()])).load(c)?);
            }
            Ok(recs)
        })?;
        recs.sort_by(|a, b| a.key.cmp(&b.key));
        recs.dedup_by(|a, b| a.key == b.key);
        all(recs)
    }

    /// What an answer says, before it is sent. False, and nothing is written: another client has the address by now, somebody
    /// was found at it, or IPAM has given it to another node than `node`, the one that the packet is of.
    pub fn put_lease(
        &mut self,
        lease: &Lease,
        request: &Request,
        node: Option<&NodeUuid>,
        now: Micros,
    ) -> Result<bool> {
        if self.holders(lease.address.into())?.iter().any(|row| Some(&row.node) != node) {
            return Ok(false);
        }
        let lease = match self.lease(lease.address)? {
            Some(there) if there.tie(request).is_some() => match (there.state, lease.state) {
                _ if !there.is_good(now) => return Ok(false),
                // Another server bound it meanwhile: an offer that comes late takes nothing back.
                (LeaseState::Bound, LeaseState::Offered) => there.offered(request, now),
                _ => lease.clone(),
            },
            Some(there) if !there.is_free(now) => return Ok(false),
            _ => lease.clone(),
        };
        self.write_lease(&lease, now)?;
        Ok(true)
    }

    /// A lease that ends: it was given back, or somebody was found at it. False, and nothing is written: it is not `before` any
    /// more. So a server that another one was preferred to does not take back what that one gave.
    pub fn give_up_lease(&mut self, before: &Lease, after: &Lease, now: Micros) -> Result<bool> {
        if self.lease(before.address)?.as_ref() != Some(before) {
            return Ok(false);
        }
        self.write_lease(after, now)?;
        Ok(true)
    }

    fn write_lease(&mut self, lease: &Lease, now: Micros) -> Result<()> {
        let rec = LeaseRec::new(lease, now);
        self.run(format_args!("lease of {}", lease.address), |c| {
            if diesel::update(table::table.find(&rec.key)).set(&rec).execute(c)? == 0 {
                diesel::insert_into(table::table).values(&rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// In order of address, after the cursor.
    pub fn leases(&mut self, filter: &LeaseFilter, after: Option<Ipv4Addr>, limit: usize) -> Result<Vec<Lease>> {
        all(self.run("leases", |c| {
            let mut query = table::table.into_boxed();
            if let Some(after) = after {
                query = query.filter(table::key.gt(key_of(after)));
            }
            if let Some(subnet) = &filter.subnet {
                query = query.filter(table::subnet.eq(subnet.to_string()));
            }
            if let Some(LeaseClient { uuids, macs }) = &filter.client {
                let uuids: Vec<&str> = uuids.iter().map(NodeUuid::as_str).collect();
                let ports: Vec<String> = macs.iter().map(|mac| mac.as_str().replace(':', "")).collect();
                let port = table::hardware.eq_any(ports).and(table::hardware_kind.eq(1));
                query =
                    query.filter(table::uuid.is_not_null().and(table::uuid.assume_not_null().eq_any(uuids)).or(port));
            }
            query = match filter.state {
                None => query,
                Some((LeaseIs::In(LeaseState::Released), _)) => query.filter(table::state.eq("released")),
                Some((LeaseIs::In(state), now)) => {
                    query.filter(table::state.eq(state.as_str())).filter(table::expires.gt(now))
                }
                Some((LeaseIs::Expired, now)) => {
                    query.filter(table::state.ne("released")).filter(table::expires.le(now))
                }
            };
            query.order(table::key).limit(limit_of(limit)).select(LeaseRec::as_select()).load(c)
        })?)
    }

    /// Forgets leases that were over before this time, at most so many: how many there were.
    pub fn forget_leases(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("old leases", |c| {
            let old: Vec<String> = table::table
                .filter(table::expires.lt(before))
                .order((table::expires, table::key))
                .limit(limit_of(limit))
                .select(table::key)
                .load(c)?;
            diesel::delete(table::table.filter(table::key.eq_any(old))).execute(c)
        })
    }

    /// The addresses of this network are its leases from now on, whatever network they were of.
    pub fn set_lease_subnet(&mut self, net: Ipv4Net) -> Result<()> {
        let text = net.to_string();
        self.run(format_args!("leases of {net}"), |c| {
            let within = table::table
                .filter(table::key.between(key_of(net.network()), key_of(net.broadcast())))
                .filter(table::subnet.ne(&text));
            diesel::update(within).set(table::subnet.eq(&text)).execute(c)
        })?;
        Ok(())
    }
}
