//! Transfers against a client of the tests, over a line that loses, doubles and reorders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn request(options: &[(&str, &str)]) -> Request {
    let options = options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Request { file: "f".into(), mode: Mode::Octet, options }
}

fn file(size: usize) -> Arc<[u8]> {
    (0..size).map(|n| (n * 31 % 251) as u8).collect()
}

fn start(options: &[(&str, &str)], size: usize) -> (Transfer, Vec<Vec<u8>>) {
    Transfer::start(&request(options), file(size), Limits { block: 1468, window: 16 })
}

fn blocks(step: &Step) -> Vec<u16> {
    match step {
        Step::Send(packets) => packets.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_was_asked_for_is_answered() {
    let (_, first) = start(&[("blksize", "1468"), ("tsize", "0")], 3000);
    assert_eq!(first, [packet::oack(&[("blksize", 1468), ("tsize", 3000)])]);
    let (_, first) = start(&[("windowsize", "65535"), ("timeout", "3"), ("blksize", "65464")], 3000);
    assert_eq!(first, [packet::oack(&[("windowsize", 16), ("timeout", 3), ("blksize", 1468)])]);
    // Nonsense, and what nobody knows, is left out; with nothing left there is no OACK.
    let nonsense = [("blksize", "7"), ("timeout", "0"), ("timeout", "256"), ("windowsize", "-1"), ("multicast", "")];
    let (_, first) = start(&nonsense, 3);
    assert_eq!(first, [packet::data(1, &file(3))]);
}

#[test]
fn a_file_of_whole_blocks_ends_with_an_empty_one() {
    let (mut transfer, first) = start(&[], 1024);
    assert_eq!(first.len(), 1);
    assert_eq!(blocks(&transfer.acknowledged(1)), [2]);
    assert_eq!(transfer.acknowledged(2), Step::Send(vec![packet::data(3, b"")]));
    assert_eq!(transfer.acknowledged(3), Step::End(Outcome::Complete));
    assert_eq!((transfer.bytes(), transfer.resent()), (1024, 0));
    let (mut transfer, first) = start(&[], 0);
    assert_eq!(first, [packet::data(1, b"")]);
    assert_eq!(transfer.acknowledged(1), Step::End(Outcome::Complete));
}

#[test]
fn an_echo_in_lock_step_is_not_answered() {
    let (mut transfer, _) = start(&[], 5000);
    transfer.acknowledged(1);
    assert_eq!(transfer.acknowledged(1), Step::Wait);
    assert_eq!(transfer.acknowledged(0), Step::Wait);
    assert_eq!(transfer.acknowledged(9), Step::Wait, "never sent");
    assert_eq!(blocks(&transfer.acknowledged(2)), [3]);
    assert_eq!(transfer.resent(), 0);
}

#[test]
fn a_window_goes_back_to_what_was_lost_once() {
    let (mut transfer, _) = start(&[("windowsize", "4")], 512 * 20);
    assert_eq!(blocks(&transfer.acknowledged(0)), [1, 2, 3, 4]);
    assert_eq!(blocks(&transfer.acknowledged(2)), [3, 4, 5, 6], "3 was lost");
    assert_eq!(transfer.resent(), 2);
    assert_eq!(blocks(&transfer.acknowledged(2)), [3, 4, 5, 6], "3 was lost again");
    assert_eq!(transfer.acknowledged(2), Step::Wait, "the others say the same");
    assert_eq!(blocks(&transfer.acknowledged(6)), [7, 8, 9, 10]);
}

#[test]
fn silence_ends_it_and_a_request_that_came_twice_is_answered() {
    let (mut transfer, first) = start(&[("tsize", "0")], 5000);
    assert_eq!(transfer.asked_again(), Step::Send(first.clone()));
    assert_eq!(transfer.asked_again(), Step::Wait);
    let mut waited = Duration::ZERO;
    for _ in 0..TRIES {
        waited += transfer.timeout();
        assert_eq!(transfer.timed_out(), Step::Send(first.clone()));
    }
    assert_eq!(transfer.timed_out(), Step::End(Outcome::Silent));
    assert!((15..60).contains(&waited.as_secs()), "{waited:?}");
    let (mut transfer, _) = start(&[("timeout", "20")], 5000);
    transfer.timed_out();
    assert_eq!(transfer.timeout(), Duration::from_secs(20), "as the client wished");
}

#[test]
fn netascii_has_its_line_ends() {
    let request = Request { mode: Mode::Netascii, ..request(&[("tsize", "0")]) };
    let (mut transfer, first) = Transfer::start(&request, Arc::from(&b"a\nb\rc"[..]), Limits::default());
    assert_eq!(first, [packet::oack(&[("tsize", 7)])]);
    assert_eq!(transfer.acknowledged(0), Step::Send(vec![packet::data(1, b"a\r\nb\r\0c")]));
}

/// A client by RFC 7440: takes what is in order, acknowledges at the end of a window, at a gap and at the end.
#[derive(Default)]
struct Client {
    got: Vec<u8>,
    blocks: u64,
    in_window: u64,
    window: u64,
    block: usize,
    is_over: bool,
}

impl Client {
    fn hears(&mut self, packet: &[u8]) -> Option<u16> {
        if packet[1] == 6 {
            return (self.blocks == 0).then_some(0);
        }
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        if number != (self.blocks + 1) as u16 {
            self.in_window = 0;
            return Some(self.blocks as u16);
        }
        self.blocks += 1;
        self.in_window += 1;
        self.got.extend_from_slice(&packet[4..]);
        self.is_over = packet.len() - 4 < self.block;
        if self.is_over || self.in_window == self.window {
            self.in_window = 0;
            return Some(self.blocks as u16);
        }
        None
    }
}

/// Runs it over a line; `fate` of each packet: 0 lost, 1 doubled, 2 late, else as it is.
fn run(
    options: &[(&str, &str)],
    size: usize,
    block: usize,
    window: u64,
    fate: &mut dyn FnMut() -> u8,
) -> (Transfer, Vec<u8>, Outcome) {
    let limits = Limits { block: 65_464, window: 65_535 };
    let (mut transfer, first) = Transfer::start(&request(options), file(size), limits);
    let mut client = Client { block, window, ..Client::default() };
    let (mut to_client, mut to_server) = (VecDeque::from(first), VecDeque::new());
    let mut finished = None;
    for _ in 0..2_000_000 {
        let step = if let Some(packet) = to_client.pop_front() {
            match fate() {
                0 => continue,
                1 => to_client.push_front(packet.clone()),
                2 if !to_client.is_empty() => {
                    to_client.push_back(packet);
                    continue;
                }
                _ => {}
            }
            to_server.extend(client.hears(&packet));
            continue;
        } else if let Some(ack) = to_server.pop_front() {
            if fate() == 0 {
                continue;
            }
            transfer.acknowledged(ack)
        } else {
            transfer.timed_out()
        };
        match step {
            Step::Send(packets) => to_client.extend(packets),
            Step::Wait => {}
            Step::End(outcome) => {
                finished = Some(outcome);
                break;
            }
        }
    }
    (transfer, client.got, finished.expect("it does not end"))
}

#[test]
fn numbers_go_round() {
    let size = 8 * 70_000 + 3;
    let (transfer, got, outcome) = run(&[("blksize", "8"), ("windowsize", "9")], size, 8, 9, &mut || 9);
    assert!(got == *file(size), "the file");
    assert_eq!((outcome, transfer.resent()), (Outcome::Complete, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_the_line_does_the_file_is_whole_or_the_client_is_given_up(
        fates in proptest::collection::vec(0_u8..30, 1..500),
        size in 0_usize..40_000,
        window in 1_u64..20,
    ) {
        let mut at = 0;
        let mut fate = || { at += 1; fates[at % fates.len()] };
        let window_text = window.to_string();
        let (transfer, got, outcome) =
            run(&[("windowsize", &window_text), ("tsize", "0")], size, 512, window, &mut fate);
        match outcome {
            Outcome::Complete => prop_assert!(got == *file(size) && transfer.bytes() == size as u64),
            Outcome::Silent => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
