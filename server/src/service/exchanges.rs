//! What machines asked of the boot services of this server lately, and what they got: DHCP, TFTP, HTTP boot, scripts. In memory
//! and bounded; for whoever wonders why a machine does not boot. What nodes asked is stored, too (see [`kept`]). No secret is ever
//! in it, and nobody who writes to it waits.

pub mod kept;
mod machines;
mod pending;
mod recent;
mod transfers;

pub use machines::Who;
pub use transfers::Piece as Downloaded;

use crate::domain::boot::clean;
use crate::domain::dhcp::Request;
use crate::domain::{Mac, Micros, NodeUuid};
use higuma_proto::api::{Exchange, Exchanges};
use machines::Machines;
use pending::{A_MINUTE, Pending};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use transfers::{Transfer, Transfers};

/// Exchanges in memory.
const KEPT: usize = 20_000;
/// Of one answer.
const PIECE: usize = 500;
/// A reader waits at most so long.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// What a machine asked so long before its Register, microseconds, is its own.
const BEFORE_REGISTER: Micros = 600_000_000;
/// Bytes of a text from a machine.
const TEXT: usize = 500;

/// The journal; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    /// Which server, by its id; and which start of it.
    server: Arc<str>,
    epoch: Arc<str>,
    kept: Arc<Mutex<Kept>>,
    newest: Arc<watch::Sender<u64>>,
    transfers: Arc<Mutex<Transfers>>,
}

#[derive(Default)]
struct Kept {
    /// Their numbers follow each other; the last is `next`.
    exchanges: VecDeque<Line>,
    next: u64,
    machines: Machines,
    pending: Pending,
}

/// An exchange, and whether it is stored or waits to be.
struct Line {
    exchange: Exchange,
    stored: bool,
}

impl Default for Journal {
    fn default() -> Self {
        Self::of("")
    }
}

/// Which exchanges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeQuery {
    /// Of this node, or of machines with this UUID.
    pub node: Option<NodeUuid>,
    /// Of this hardware address, lower case with colons.
    pub mac: Option<String>,
    /// With addresses of this network.
    pub net: Option<ipnet::IpNet>,
    /// Later than this one; none: the last few of those that are kept.
    pub after: Option<u64>,
    /// What that number counts in, if it is known: of another start of the server, it is none of ours.
    pub epoch: Option<String>,
    /// With nothing new, wait for it: so many seconds at most.
    pub wait: Option<u64>,
}

impl ExchangeQuery {
    fn takes(&self, exchange: &Exchange) -> bool {
        let node =
            self.node.as_ref().is_none_or(|node| exchange.node == node.as_str() || exchange.uuid == node.as_str());
        let mac = self.mac.as_ref().is_none_or(|mac| exchange.mac == *mac);
        let net = self.net.is_none_or(|net| {
            let inside = |text: &str| text.parse::<IpAddr>().is_ok_and(|address| net.contains(&address));
            inside(&exchange.client) || inside(&exchange.address)
        });
        node && mac && net
    }
}

impl Journal {
    /// An empty one of the server with this id.
    pub fn of(server: &str) -> Self {
        Self {
            server: server.into(),
            epoch: uuid::Uuid::new_v4().to_string().into(),
            kept: Arc::default(),
            newest: Arc::new(watch::channel(0).0),
            transfers: Arc::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one down; its `number` and `server` are given here.
    pub fn write(&self, mut exchange: Exchange) {
        exchange.what = clean(&exchange.what, TEXT);
        exchange.detail = clean(&exchange.detail, TEXT);
        exchange.server = self.server.to_string();
        let mut kept = self.kept();
        kept.next += 1;
        exchange.number = kept.next;
        kept.machines.learn(&exchange);
        // What is too much of one node is settled, too: it is not adopted later.
        let stored = !exchange.node.is_empty();
        if stored {
            kept.pending.take(&exchange);
        }
        kept.exchanges.push_back(Line { exchange, stored });
        if kept.exchanges.len() > KEPT {
            kept.exchanges.pop_front();
        }
        let newest = kept.next;
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// A request for a blob ended. What a client took of one blob is one exchange, written when all of it was taken, or nothing
    /// more came for half a minute.
    pub fn downloaded(&self, piece: &Downloaded) {
        let whole = self.transfers.lock().unwrap_or_else(PoisonError::into_inner).take(piece);
        whole.into_iter().for_each(|transfer| self.write_transfer(&transfer));
    }

    /// Writes down the downloads of which nothing more came.
    pub fn settle(&self, now: Micros) {
        let quiet = self.transfers.lock().unwrap_or_else(PoisonError::into_inner).quiet(now);
        quiet.iter().for_each(|transfer| self.write_transfer(transfer));
    }

    fn write_transfer(&self, transfer: &Transfer) {
        metrics::counter!("higuma_blob_transfers_total", "result" => transfer.result).increment(1);
        let Who { mac, uuid, node } = self.who_has(transfer.client).unwrap_or_default();
        let client = transfer.client.to_string();
        self.write(Exchange {
            result: transfer.result.to_owned(),
            detail: transfer.detail(),
            mac,
            uuid,
            node,
            address: client.clone(),
            client,
            bytes: transfer.bytes,
            took_us: transfer.ended - transfer.began,
            ..exchange(transfer.ended, "blob", transfer.sha256.as_str().get(..12).unwrap_or_default())
        });
    }

    /// A machine has this address: it was given or offered it, says that it uses it, or took it of another server. What it only
    /// wishes for does not count.
    pub fn holds(&self, address: IpAddr, who: Who) {
        self.kept().machines.holds(address, who);
    }

    /// The machine that has this address, as far as we were told lately.
    pub fn who_has(&self, address: IpAddr) -> Option<Who> {
        self.kept().machines.who_has(address)
    }

    /// Whether this machine has loaded a program of ours just now: the transfer was completed. That ends the loop of an iPXE
    /// that is made to load ours. A machine whose transfers cannot be told (behind a relay whose REQUEST we did not hear)
    /// is offered ours a few times, and then counts as one that has it.
    pub fn has_fetched(&self, request: &Request, now: Micros) -> bool {
        let mac = request.hardware.mac().map(|mac| mac.to_string()).unwrap_or_default();
        self.kept().machines.has_fetched(&mac, now)
    }

    /// A machine is a node by now: what it asked in the minutes before, while nobody knew whose it was, is the node's. Again: no
    /// more than once.
    pub fn adopt(&self, node: &NodeUuid, macs: &[Mac], uuid: Option<&NodeUuid>, now: Micros) {
        let macs: BTreeSet<&str> = macs.iter().map(Mac::as_str).collect();
        let mine = |e: &Exchange| {
            // Two boards may have one UUID: the port says more.
            let named = (e.mac.is_empty() || macs.is_empty()) && uuid.is_some_and(|uuid| e.uuid == uuid.as_str());
            e.node == node.as_str() || e.node.is_empty() && (named || macs.contains(e.mac.as_str()))
        };
        let mut kept = self.kept();
        let Kept { exchanges, pending, .. } = &mut *kept;
        let lately = exchanges.iter_mut().rev().take_while(|l| now.saturating_sub(l.exchange.at_us) < BEFORE_REGISTER);
        let most = usize::try_from(A_MINUTE).unwrap_or(usize::MAX);
        let found: Vec<&mut Line> = lately.filter(|line| !line.stored && mine(&line.exchange)).take(most).collect();
        for line in found.into_iter().rev() {
            line.exchange.node = node.to_string();
            line.stored = pending.push(&line.exchange);
        }
    }

    /// Where the one with this number, or the first after it, is in what is kept.
    fn place(kept: &Kept, number: u64) -> usize {
        let oldest = kept.exchanges.front().map_or(kept.next + 1, |line| line.exchange.number);
        usize::try_from(number.saturating_sub(oldest)).unwrap_or(usize::MAX).min(kept.exchanges.len())
    }

    fn piece(&self, query: &ExchangeQuery) -> Exchanges {
        let kept = self.kept();
        let oldest = kept.exchanges.front().map_or(kept.next + 1, |line| line.exchange.number);
        let other_start = query.epoch.as_ref().is_some_and(|epoch| **epoch != *self.epoch);
        let restarted = query.after.is_some_and(|after| after > kept.next || other_start);
        let after = query.after.map(|after| if restarted { 0 } else { after });
        let (items, missed): (Vec<Exchange>, u64) = match after {
            Some(after) => {
                let behind = kept.exchanges.range(Self::place(&kept, after.saturating_add(1))..);
                let wanted = behind.map(|line| &line.exchange).filter(|e| query.takes(e));
                (wanted.take(PIECE).cloned().collect(), oldest.saturating_sub(after.saturating_add(1)))
            }
            None => {
                let wanted = kept.exchanges.iter().rev().map(|line| &line.exchange).filter(|e| query.takes(e));
                let mut items: Vec<Exchange> = wanted.take(PIECE).cloned().collect();
                items.reverse();
                (items, 0)
            }
        };
        // A full piece may have more behind it.
        let next = if items.len() < PIECE || query.after.is_none() {
            kept.next
        } else {
            items.last().map_or(kept.next, |e| e.number)
        };
        Exchanges { items, next, missed, epoch: self.epoch.to_string(), restarted }
    }

    /// Those of the query, oldest first; waits when there is none.
    pub async fn read(&self, query: &ExchangeQuery) -> Exchanges {
        let wait = Duration::from_secs(query.wait.unwrap_or_default()).min(LONGEST_WAIT);
        let mut newest = self.newest.subscribe();
        let reading = async {
            let mut from = query.clone();
            loop {
                newest.borrow_and_update();
                let piece = self.piece(&from);
                if !piece.items.is_empty() || piece.missed > 0 || piece.restarted {
                    return;
                }
                from.after = Some(piece.next);
                if newest.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(wait, reading).await;
        self.piece(query)
    }
}

/// An exchange of now, with nothing in it yet.
pub fn exchange(at: Micros, service: &str, what: &str) -> Exchange {
    Exchange { at_us: at, service: service.to_owned(), what: what.to_owned(), ..Exchange::default() }
}

#[cfg(test)]
mod tests;
