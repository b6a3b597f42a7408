//! How the bytes of blobs are shared out: a rate in total and of each client, fair between clients (not between their connections),
//! and a bound on downloads under way. Pure: times are told, microseconds of any clock that does not go back.

use super::Micros;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// What is not used is kept for so long: a client may be so much ahead, microseconds.
const BURST: Micros = 250_000;
/// Clients that are remembered though they have nothing under way, at most.
const REMEMBERED: usize = 16_384;
/// Of so many places one is kept for clients that have nothing under way.
const FOR_NEWCOMERS: usize = 4;
/// The least and the most that refused clients are spread over, seconds.
const SPREAD: (u64, u64) = (5, 60);
/// Refusals are counted over so long, microseconds.
const COUNTED: Micros = 10_000_000;

/// What the operator chose; 0: no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Bytes a second to all clients together.
    pub total: u64,
    /// Bytes a second to one client.
    pub node: u64,
    /// Downloads under way.
    pub downloads: usize,
}

impl Caps {
    /// Bytes to ask for at once: small enough that they do not come in jerks.
    pub fn window(&self, most: u64) -> u64 {
        let slowest = [self.total, self.node].into_iter().filter(|rate| *rate > 0).min();
        slowest.map_or(most, |rate| (rate / 8).clamp(16 * 1024, most))
    }
}

/// A token bucket, as the time until which what was taken is paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    paid: Micros,
}

impl Bucket {
    /// When it may give again; now or before: at once.
    fn ready(self) -> Micros {
        self.paid
    }

    fn take(&mut self, now: Micros, bytes: u64, rate: u64) {
        if rate == 0 {
            return;
        }
        let cost = u128::from(bytes) * 1_000_000 / u128::from(rate);
        self.paid = self.paid.max(now - BURST).saturating_add(Micros::try_from(cost).unwrap_or(Micros::MAX));
    }
}

/// One client.
#[derive(Debug, Default)]
struct Client {
    /// Downloads under way.
    going: usize,
    bucket: Bucket,
    /// Bytes, in the order of all, up to which it has had its share.
    had: u64,
}

/// Names a wish for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    turn: u64,
    number: u64,
}

/// What becomes of a wish now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The bytes may go.
    Go,
    /// It is the first; at this time it may go.
    At(Micros),
    /// Others are before it.
    Behind,
}

/// All downloads of a server.
#[derive(Debug, Default)]
pub struct Delivery {
    caps: Caps,
    going: usize,
    clients: HashMap<IpAddr, Client>,
    total: Bucket,
    /// Wishes for bytes, the fairest first.
    waiting: BTreeMap<Ticket, (IpAddr, u64)>,
    /// Where the order of all is.
    turn: u64,
    number: u64,
    refused: u64,
    refused_since: Micros,
}

impl Delivery {
    /// With these bounds.
    pub fn new(caps: Caps) -> Self {
        Self { caps, ..Self::default() }
    }

    /// A client begins a download.
    ///
    /// # Errors
    /// There is no room: after how many seconds it should ask again. Another number for each client, so that those who are refused
    /// together do not come back together.
    pub fn begin(&mut self, client: IpAddr, now: Micros) -> Result<(), u64> {
        let is_new = self.clients.get(&client).is_none_or(|c| c.going == 0);
        let most = self.caps.downloads;
        let kept = if is_new || most < FOR_NEWCOMERS { 0 } else { most / FOR_NEWCOMERS };
        if most > 0 && self.going >= most - kept {
            if now - self.refused_since >= COUNTED {
                (self.refused, self.refused_since) = (0, now);
            }
            self.refused += 1;
            self.number += 1;
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            return Err(retry_after(client, self.refused, most, self.number));
        }
        if self.clients.len() >= REMEMBERED {
            self.clients.retain(|_, c| c.going > 0 || c.bucket.ready() > now);
        }
        let had = self.turn;
        let entry = self.clients.entry(client).or_default();
        entry.going += 1;
        entry.had = entry.had.max(had);
        self.going += 1;
        Ok(())
    }

    /// One of its downloads ended.
    pub fn end(&mut self, client: IpAddr, now: Micros) {
        self.going = self.going.saturating_sub(1);
        let Some(entry) = self.clients.get_mut(&client) else { return };
        entry.going = entry.going.saturating_sub(1);
        if entry.going == 0 && entry.bucket.ready() <= now {
            self.clients.remove(&client);
        }
    }

    /// Downloads under way.
    pub fn going(&self) -> usize {
        self.going
    }

    /// A client with a download wishes to be sent so many bytes.
    pub fn wish(&mut self, client: IpAddr, bytes: u64) -> Ticket {
        self.number += 1;
        let turn = self.turn;
        let entry = self.clients.entry(client).or_default();
        // Behind what it had, and never before what all had: who comes late has no claim on the past.
        let begins = entry.had.max(turn);
        entry.had = begins.saturating_add(bytes);
        let ticket = Ticket { turn: begins, number: self.number };
        self.waiting.insert(ticket, (client, bytes));
        ticket
    }

    /// Whether it is this wish's turn. One that goes is a wish no more.
    pub fn turn(&mut self, ticket: Ticket, now: Micros) -> Turn {
        let Some((client, bytes)) = self.waiting.get(&ticket).copied() else { return Turn::Go };
        let own = self.clients.get(&client).map_or(now, |c| c.bucket.ready());
        // A client at its own bound holds nobody up.
        if self.caps.node > 0 && own > now {
            return Turn::At(own);
        }
        if self.caps.total > 0 {
            if self.first(now) != Some(ticket) {
                return Turn::Behind;
            }
            if self.total.ready() > now {
                return Turn::At(self.total.ready());
            }
        }
        self.waiting.remove(&ticket);
        self.turn = self.turn.max(ticket.turn);
        self.total.take(now, bytes, self.caps.total);
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.bucket.take(now, bytes, self.caps.node);
        }
        Turn::Go
    }

    /// The first wish of a client that is not at its own bound.
    pub fn first(&self, now: Micros) -> Option<Ticket> {
        let able =
            |client: &IpAddr| self.caps.node == 0 || self.clients.get(client).is_none_or(|c| c.bucket.ready() <= now);
        self.waiting.iter().find(|(_, (client, _))| able(client)).map(|(ticket, _)| *ticket)
    }

    /// A wish that nobody waits for any more.
    pub fn forget(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }
}

/// Seconds until a refused client should ask again: the more were refused, the longer they are spread. `number` makes it another one
/// each time.
fn retry_after(client: IpAddr, refused: u64, most: u64, number: u64) -> u64 {
    let spread = (refused.saturating_mul(10) / most.max(1)).clamp(SPREAD.0, SPREAD.1);
    let bits = match client.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() ^ (address.to_bits() >> 64)) as u64,
    };
    // Neighbouring addresses far apart (Fibonacci hashing).
    let mixed = (bits ^ number.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    2 + mixed % spread
}

#[cfg(test)]
mod tests;
