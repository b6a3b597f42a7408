//! What nodes asked of boot services. Rows are only ever added and forgotten: one that is there already stays as it is.

use super::connection::AnyConnection;
use super::schema::boot_exchanges as table;
use super::tx::{Row, Tx, limit_of};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;
use higuma_proto::api::Exchange;

/// The place of an exchange among those of its node, in order of time: when, its number, and the server that counts so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeAt(pub Micros, pub u64, pub String);

/// Which of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// At this time or later.
    pub from: Option<Micros>,
    /// Before this time.
    pub until: Option<Micros>,
    /// Before this one.
    pub before: Option<ExchangeAt>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
struct ExchangeRec {
    node: String,
    at: i64,
    number: i64,
    server: String,
    service: String,
    what: String,
    result: String,
    detail: String,
    mac: String,
    uuid: String,
    client: String,
    address: String,
    interface: String,
    relay: String,
    bytes: i64,
    took_us: i64,
}

/// As a BigInt; what is beyond is its largest.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl ExchangeRec {
    fn new(node: &NodeUuid, exchange: &Exchange) -> Self {
        let Exchange { number, at_us, server, service, what, result, detail, mac, uuid, .. } = exchange.clone();
        let Exchange { client, address, interface, relay, bytes, took_us, .. } = exchange.clone();
        Self {
            node: node.to_string(),
            at: at_us,
            number: whole(number),
            server,
            service,
            what,
            result,
            detail,
            mac,
            uuid,
            client,
            address,
            interface,
            relay,
            bytes: whole(bytes),
            took_us,
        }
    }

    fn into_exchange(self) -> Result<Exchange> {
        let row = Row { table: "boot_exchanges", key: &format_args!("{} {} {}", self.node, self.at, self.number) };
        Ok(Exchange {
            number: row.number("number", self.number)?,
            bytes: row.number("bytes", self.bytes)?,
            at_us: self.at,
            server: self.server,
            service: self.service,
            what: self.what,
            result: self.result,
            detail: self.detail,
            mac: self.mac,
            uuid: self.uuid,
            node: self.node,
            client: self.client,
            address: self.address,
            interface: self.interface,
            relay: self.relay,
            took_us: self.took_us,
        })
    }
}

impl Tx<'_> {
    /// Store what these nodes, which there are, asked; returns how many of it were new.
    pub fn add_exchanges(&mut self, asked: &[(NodeUuid, Exchange)]) -> Result<usize> {
        /// Rows of one statement.
        const ROWS: usize = 500;
        let rows: Vec<ExchangeRec> = asked.iter().map(|(node, exchange)| ExchangeRec::new(node, exchange)).collect();
        self.run("what nodes asked of boot services", |c| {
            let mut new = 0;
            match c {
                AnyConnection::Sqlite(c) => {
                    for row in &rows {
                        let insert = diesel::insert_into(table::table).values(row);
                        new += insert.on_conflict_do_nothing().execute(c)?;
                    }
                }
                AnyConnection::Postgres(c) => {
                    for rows in rows.chunks(ROWS) {
                        let insert = diesel::insert_into(table::table).values(rows);
                        new += insert.on_conflict_do_nothing().execute(c)?;
                    }
                }
            }
            Ok(new)
        })
    }

    /// Of a node, newest first.
    pub fn exchanges(&mut self, node: &NodeUuid, filter: &ExchangeFilter, limit: usize) -> Result<Vec<Exchange>> {
        let recs: Vec<ExchangeRec> = self.run(format_args!("what node {node} asked of boot services"), |c| {
            let mut query = table::table
                .filter(table::node.eq(node.as_str()))
                .order((table::at.desc(), table::number.desc(), table::server.desc()))
                .limit(limit_of(limit))
                .select(ExchangeRec::as_select())
                .into_boxed();
            if let Some(from) = filter.from {
                query = query.filter(table::at.ge(from));
            }
            if let Some(until) = filter.until {
                query = query.filter(table::at.lt(until));
            }
            if let Some(ExchangeAt(at, number, server)) = &filter.before {
                let number = whole(*number);
                let same = table::number.lt(number).or(table::number.eq(number).and(table::server.lt(server.clone())));
                query = query.filter(table::at.lt(*at).or(table::at.eq(*at).and(same)));
            }
            query.load(c)
        })?;
        recs.into_iter().map(ExchangeRec::into_exchange).collect()
    }

    /// Forget what a node asked but the newest `keep` (and what came in the same microsecond as the oldest of these).
    pub fn trim_exchanges(&mut self, node: &NodeUuid, keep: usize) -> Result<usize> {
        self.run(format_args!("what node {node} asked of boot services"), |c| {
            let oldest_kept: Option<i64> = table::table
                .filter(table::node.eq(node.as_str()))
                .order(table::at.desc())
                .offset(limit_of(keep.saturating_sub(1)))
                .select(table::at)
                .first(c)
                .optional()?;
            let Some(oldest) = oldest_kept else { return Ok(0) };
            let old = table::table.filter(table::node.eq(node.as_str())).filter(table::at.lt(oldest));
            diesel::delete(old).execute(c)
        })
    }

    /// Forget what was asked before `before`, oldest first, about `limit` rows; returns how many.
    pub fn forget_exchanges(&mut self, before: Micros, limit: usize) -> Result<usize> {
        self.run("old exchanges of boot services", |c| {
            let old: Vec<i64> = table::table
                .filter(table::at.lt(before))
                .order(table::at)
                .limit(limit_of(limit))
                .select(table::at)
                .load(c)?;
            let Some(last) = old.last() else { return Ok(0) };
            diesel::delete(table::table.filter(table::at.le(*last))).execute(c)
        })
    }
}
