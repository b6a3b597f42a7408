//! The journal: what readers get, what a restart and a flood change, and what becomes a node's when it is known.

#![allow(clippy::unwrap_used)]
use super::pending::WAITING;
use super::*;

const NODE: &str = "4c4c4544-0046-3010-8052-b4c000000001";
const S: Micros = 1_000_000;

fn one(mac: &str, address: &str) -> Exchange {
    Exchange { mac: mac.into(), address: address.into(), ..exchange(S, "dhcp", "DISCOVER") }
}

fn after(after: u64) -> ExchangeQuery {
    ExchangeQuery { after: Some(after), ..Default::default() }
}

fn numbers(exchanges: &[Exchange]) -> Vec<u64> {
    exchanges.iter().map(|e| e.number).collect()
}

#[tokio::test]
async fn who_waits_gets_what_fits_and_only_that() {
    let journal = Journal::default();
    journal.write(one("aa", "10.0.0.1"));
    journal.write(one("bb", "10.0.1.1"));
    let all = journal.read(&ExchangeQuery::default()).await;
    assert_eq!((all.items.len(), all.next, all.missed), (2, 2, 0));
    let of = |mac: &str| ExchangeQuery { mac: Some(mac.into()), wait: Some(10), ..after(2) };
    let waiting = {
        let (journal, query) = (journal.clone(), of("aa"));
        tokio::spawn(async move { journal.read(&query).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    journal.write(one("bb", "10.0.1.1"));
    journal.write(one("aa", "10.0.0.1"));
    let got = waiting.await.unwrap();
    assert_eq!((got.items.len(), got.next), (1, 4));
    let net = ExchangeQuery { net: "10.0.1.0/24".parse().ok(), ..Default::default() };
    assert_eq!(journal.read(&net).await.items.len(), 2);
}

#[tokio::test]
async fn the_oldest_go_and_that_is_told() {
    let journal = Journal::default();
    (0..KEPT + 7).for_each(|_| journal.write(one("aa", "")));
    let piece = journal.read(&after(0)).await;
    assert_eq!((piece.items.len(), piece.missed, piece.next), (PIECE, 7, 7 + PIECE as u64));
    let last = journal.read(&ExchangeQuery::default()).await;
    assert_eq!((last.items.len(), last.next), (PIECE, (KEPT + 7) as u64));
    let newest = (KEPT + 7) as u64;
    assert_eq!(numbers(&journal.read(&after(newest - 2)).await.items), [newest - 1, newest]);
    assert_eq!(numbers(&journal.read(&after(6 + 1)).await.items)[..2], [8, 9]);
    assert!(journal.read(&after(newest)).await.items.is_empty());
    assert!(journal.read(&after(u64::MAX)).await.restarted);
}

#[tokio::test]
async fn a_restart_is_told_and_nothing_is_skipped() {
    let (old, new) = (Journal::default(), Journal::default());
    (0..9).for_each(|_| old.write(one("aa", "")));
    let seen = old.read(&ExchangeQuery::default()).await;
    let follow = |epoch: &str, next| ExchangeQuery { epoch: Some(epoch.to_owned()), ..after(next) };
    assert!(!old.read(&follow(&seen.epoch, seen.next)).await.restarted);
    new.write(one("bb", ""));
    // By the number alone, from a client that knows no epoch.
    let piece = new.read(&after(seen.next)).await;
    assert_eq!((piece.restarted, piece.items.len(), piece.next, piece.missed), (true, 1, 1, 0));
    // The new one has counted on, past the old number.
    (0..20).for_each(|_| new.write(one("bb", "")));
    let piece = new.read(&follow(&seen.epoch, seen.next)).await;
    assert_eq!((piece.restarted, piece.items.len(), piece.next), (true, 21, 21));
    let piece = new.read(&follow(&piece.epoch, piece.next)).await;
    assert_eq!((piece.restarted, piece.items.len()), (false, 0));
    // One that has heard nothing yet does not let its reader wait on the old number.
    let quiet = ExchangeQuery { wait: Some(20), ..follow(&seen.epoch, 9) };
    let piece = timeout(Duration::from_secs(5), Journal::default().read(&quiet)).await.unwrap();
    assert_eq!((piece.restarted, piece.next), (true, 0));
}

#[test]
fn a_wish_is_nobody_s_address() {
    let journal = Journal::default();
    let address = IpAddr::from([10, 0, 0, 1]);
    // In the journal for people; not believed.
    journal.write(one("aa", "10.0.0.1"));
    assert_eq!(journal.who_has(address), None);
    let who = Who { mac: "bb".into(), ..Who::default() };
    journal.holds(address, who.clone());
    journal.write(one("aa", "10.0.0.1"));
    assert_eq!(journal.who_has(address), Some(who));
    journal.holds(address, Who::default());
    assert!(journal.who_has(address).is_some(), "one that tells no port tells nothing");
}

#[test]
fn what_one_node_stores_in_a_minute_is_bounded() {
    let journal = Journal::default();
    let of = |node: &str, at| Exchange { node: node.into(), at_us: at, ..one("aa", "") };
    let flood: usize = A_MINUTE as usize + 50;
    (0..flood).for_each(|n| journal.write(of(NODE, n as Micros)));
    journal.write(of("other", 0));
    journal.write(one("stranger", ""));
    let waiting = journal.kept().pending.next(WAITING);
    assert_eq!((waiting.len(), waiting.last().unwrap().node.as_str()), (A_MINUTE as usize + 1, "other"));
    journal.write(of(NODE, 60 * S));
    assert_eq!(journal.kept().pending.next(WAITING).len(), 1, "the next minute");
    // Nobody stores them: the queue is full, and no writer waits.
    (0..WAITING + 10).for_each(|n| journal.write(of(&format!("n{n}"), 0)));
    assert_eq!(journal.kept().pending.next(usize::MAX).len(), WAITING);
}

#[test]
fn what_a_machine_asked_before_it_was_known_becomes_its_node_s_once() {
    let journal = Journal::default();
    let now = 10_000 * S;
    let (node, other): (NodeUuid, NodeUuid) = (NODE.parse().unwrap(), NODE.replace("01", "02").parse().unwrap());
    let mac: Mac = "52:54:00:00:00:01".parse().unwrap();
    let at = |ago: Micros, mac: &str, uuid: &NodeUuid, node: &str| Exchange {
        uuid: uuid.to_string(),
        node: node.into(),
        at_us: now - ago * S,
        ..one(mac, "")
    };
    journal.write(at(601, mac.as_str(), &node, ""));
    journal.write(at(30, mac.as_str(), &node, ""));
    journal.write(at(29, "52:54:00:00:00:99", &node, "")); // another board with the same UUID
    journal.write(at(28, "", &node, ""));
    journal.write(at(27, mac.as_str(), &node, other.as_str())); // another node's
    assert_eq!(numbers(&journal.kept().pending.next(99)), [5]);
    journal.adopt(&node, std::slice::from_ref(&mac), Some(&node), now);
    let adopted = journal.kept().pending.next(99);
    assert_eq!(numbers(&adopted), [2, 4]);
    assert!(adopted.iter().all(|e| e.node == NODE));
    journal.adopt(&node, &[mac], Some(&node), now);
    assert!(journal.kept().pending.next(99).is_empty());
}
