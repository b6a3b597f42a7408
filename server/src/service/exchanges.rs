//! What machines asked of the boot services of this server lately, and what they got: DHCP, TFTP, HTTP boot, scripts. In memory
//! and bounded; for whoever wonders why a machine does not boot. No secret is ever in it.

use crate::domain::dhcp::Request;
use crate::domain::{Micros, NodeUuid};
use crate::ipxe_files::AUTOEXEC;
use higuma_proto::api::{Exchange, Exchanges};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Exchanges kept.
const KEPT: usize = 20_000;
/// Of one answer.
const PIECE: usize = 500;
/// A reader waits at most so long.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A program that was loaded so long ago is of an earlier start, microseconds.
const FETCHED: Micros = 180_000_000;
/// DISCOVERs of one machine within that time, before it counts as one that has loaded ours.
const OFFERS: usize = 6;

/// The journal; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    kept: Arc<Mutex<Kept>>,
    newest: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Kept {
    exchanges: VecDeque<Exchange>,
    next: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { kept: Arc::default(), newest: Arc::new(watch::channel(0).0) }
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
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one down; its `number` is given here.
    pub fn write(&self, mut exchange: Exchange) {
        let mut kept = self.kept();
        kept.next += 1;
        exchange.number = kept.next;
        kept.exchanges.push_back(exchange);
        if kept.exchanges.len() > KEPT {
            kept.exchanges.pop_front();
        }
        let newest = kept.next;
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// The machine that has this address, as far as DHCP told us lately: its hardware address, UUID and node.
    pub fn who_has(&self, address: IpAddr) -> Option<(String, String, String)> {
        let address = address.to_string();
        let kept = self.kept();
        let found = kept.exchanges.iter().rev().find(|e| e.address == address && !e.mac.is_empty())?;
        Some((found.mac.clone(), found.uuid.clone(), found.node.clone()))
    }

    /// Whether this machine has loaded a program of ours just now: the transfer was completed. That ends the loop of an iPXE
    /// that is made to load ours. A machine whose transfers cannot be told (behind a relay whose REQUEST we did not hear)
    /// is offered ours a few times, and then counts as one that has it.
    pub fn has_fetched(&self, request: &Request, now: Micros) -> bool {
        let mac = request.hardware.mac().map(|mac| mac.to_string()).unwrap_or_default();
        let kept = self.kept();
        let lately = kept.exchanges.iter().rev().take_while(|e| now.saturating_sub(e.at_us) < FETCHED);
        let mut offers = 0;
        for exchange in lately.filter(|e| !mac.is_empty() && e.mac == mac) {
            let loaded = matches!(
                (exchange.service.as_str(), exchange.result.as_str()),
                ("tftp", "complete") | ("http-boot", "GET")
            );
            if loaded && exchange.what != AUTOEXEC {
                return true;
            }
            // One OFFER a turn of the loop; the programs of one boot ask two or three times.
            offers += usize::from(exchange.service == "dhcp" && exchange.what == "DISCOVER");
        }
        offers >= OFFERS
    }

    fn piece(&self, query: &ExchangeQuery) -> Exchanges {
        let kept = self.kept();
        let oldest = kept.exchanges.front().map_or(kept.next + 1, |e| e.number);
        let wanted = kept.exchanges.iter().filter(|e| query.takes(e));
        let (items, missed): (Vec<Exchange>, u64) = match query.after {
            Some(after) => {
                let items = wanted.filter(|e| e.number > after).take(PIECE).cloned().collect();
                (items, oldest.saturating_sub(after.saturating_add(1)))
            }
            None => {
                let all: Vec<&Exchange> = wanted.collect();
                let from = all.len().saturating_sub(PIECE);
                (all.into_iter().skip(from).cloned().collect(), 0)
            }
        };
        // A full piece may have more behind it.
        let next = if items.len() < PIECE || query.after.is_none() {
            kept.next
        } else {
            items.last().map_or(kept.next, |e| e.number)
        };
        Exchanges { items, next, missed }
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
                if !piece.items.is_empty() || piece.missed > 0 {
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
mod tests {
    use super::*;

    fn one(mac: &str, address: &str) -> Exchange {
        Exchange { mac: mac.into(), address: address.into(), ..exchange(1, "dhcp", "DISCOVER") }
    }

    #[tokio::test]
    async fn who_waits_gets_what_fits_and_only_that() {
        let journal = Journal::default();
        journal.write(one("aa", "10.0.0.1"));
        journal.write(one("bb", "10.0.1.1"));
        let all = journal.read(&ExchangeQuery::default()).await;
        assert_eq!((all.items.len(), all.next, all.missed), (2, 2, 0));
        let of =
            |mac: &str| ExchangeQuery { mac: Some(mac.into()), after: Some(2), wait: Some(10), ..Default::default() };
        let waiting = {
            let (journal, query) = (journal.clone(), of("aa"));
            tokio::spawn(async move { journal.read(&query).await })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        journal.write(one("bb", "10.0.1.1"));
        journal.write(one("aa", "10.0.0.1"));
        let got = waiting.await.unwrap_or_default();
        assert_eq!((got.items.len(), got.next), (1, 4));
        let net = ExchangeQuery { net: "10.0.1.0/24".parse().ok(), ..Default::default() };
        assert_eq!(journal.read(&net).await.items.len(), 2);
        assert_eq!(journal.who_has(IpAddr::from([10, 0, 0, 1])).map(|(mac, ..)| mac).as_deref(), Some("aa"));
    }

    #[tokio::test]
    async fn the_oldest_go_and_that_is_told() {
        let journal = Journal::default();
        (0..KEPT + 7).for_each(|_| journal.write(one("aa", "")));
        let piece = journal.read(&ExchangeQuery { after: Some(0), ..Default::default() }).await;
        assert_eq!((piece.items.len(), piece.missed, piece.next), (PIECE, 7, 7 + PIECE as u64));
        let last = journal.read(&ExchangeQuery::default()).await;
        assert_eq!((last.items.len(), last.next), (PIECE, (KEPT + 7) as u64));
    }
}
