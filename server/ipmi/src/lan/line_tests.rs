//! The line alone, packet by packet; then against the simulated BMC's end over a network that loses, doubles and reorders.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::sim::{Serial, SolFaults};

const MILLI: Duration = Duration::from_millis(1);

struct Bench {
    line: Line,
    now: Instant,
    output: Vec<u8>,
}

impl Bench {
    fn new(payload: u16) -> Self {
        Self { line: Line::new(payload), now: Instant::now(), output: Vec::new() }
    }

    fn poll(&mut self) -> Option<Vec<u8>> {
        self.line.poll(self.now)
    }

    /// A packet of the BMC.
    fn said(&mut self, bytes: &[u8]) {
        self.line.receive(bytes, self.now, &mut self.output);
    }

    fn after(&mut self, millis: u32) -> Option<Vec<u8>> {
        self.now += MILLI * millis;
        self.poll()
    }
}

#[test]
fn a_packet_is_sent_until_it_is_acknowledged_and_one_is_under_way() {
    let mut bench = Bench::new(7);
    assert_eq!(bench.line.write(b"abcdef"), 6);
    assert_eq!(bench.poll(), Some(vec![1, 0, 0, 0, b'a', b'b', b'c']));
    assert_eq!((bench.poll(), bench.after(499)), (None, None));
    assert_eq!(bench.line.due(), Some(bench.now + MILLI));
    assert_eq!(bench.after(1), Some(vec![1, 0, 0, 0, b'a', b'b', b'c']), "the same, with the same number");
    assert_eq!(bench.after(999), None, "each wait is longer");
    bench.said(&[0, 7, 3, 0]);
    assert!(bench.poll().is_none(), "another number acknowledges nothing");
    bench.said(&[0, 1, 3, 0]);
    assert_eq!(bench.poll(), Some(vec![2, 0, 0, 0, b'd', b'e', b'f']));
    bench.said(&[0, 2, 3, 0]);
    assert!(bench.line.is_idle() && bench.line.due().is_none() && bench.poll().is_none());
}

#[test]
fn nobody_acknowledges_and_the_line_is_lost() {
    let mut bench = Bench::new(100);
    bench.line.write(b"x");
    let begun = bench.now;
    let mut sent = 0;
    while bench.line.over().is_none() {
        sent += u32::from(bench.poll().is_some());
        bench.now += 10 * MILLI;
        assert!(bench.now - begun < Duration::from_secs(60));
    }
    assert_eq!((bench.line.over(), sent), (Some(Over::Silent), TRIES));
}

#[test]
fn what_was_not_taken_goes_again_as_a_new_packet() {
    let mut bench = Bench::new(100);
    bench.line.write(b"abcd");
    bench.poll();
    bench.said(&[0, 1, 3, 0]);
    assert_eq!(bench.poll(), Some(vec![2, 0, 0, 0, b'd']));
    // "More than all", and "none" without a refusal, are all.
    bench.said(&[0, 2, 200, 0]);
    assert!(bench.line.is_idle());
    bench.line.write(b"e");
    bench.poll();
    bench.said(&[0, 3, 0, 0]);
    assert!(bench.line.is_idle());
}

#[test]
fn a_refusal_is_waited_out_or_taken_back() {
    let mut bench = Bench::new(100);
    bench.line.write(b"abc");
    bench.poll();
    bench.said(&[0, 1, 1, status::NACK | status::UNAVAILABLE]);
    assert!(bench.after(499).is_none() && !bench.line.is_idle());
    assert_eq!(bench.line.due(), Some(bench.now + MILLI));
    assert_eq!(bench.after(1), Some(vec![2, 0, 0, 0, b'b', b'c']));
    bench.said(&[0, 2, 0, status::NACK]);
    assert!(bench.after(500).is_none(), "the second wait is longer");
    bench.said(&[0, 2, 0, 0]);
    assert_eq!(bench.poll(), Some(vec![3, 0, 0, 0, b'b', b'c']), "it is ready after all");
    // All taken, but no more for now.
    bench.said(&[0, 3, 2, status::UNAVAILABLE]);
    bench.line.write(b"d");
    assert!(bench.poll().is_none() && bench.after(499).is_none() && bench.after(1).is_some());
    // However often it refuses, it is there.
    for _ in 0..50 {
        let number = bench.line.number;
        bench.said(&[0, number, 0, status::NACK]);
        assert!(bench.after(2_000).is_some() && bench.line.over().is_none());
    }
}

#[test]
fn a_break_is_a_packet_of_its_own_in_its_place() {
    let mut bench = Bench::new(100);
    bench.line.write(b"ab");
    assert!(bench.line.send_break());
    bench.line.write(b"t");
    assert_eq!(bench.poll(), Some(vec![1, 0, 0, 0, b'a', b'b']));
    bench.said(&[0, 1, 2, 0]);
    assert_eq!(bench.poll(), Some(vec![2, 0, 0, operation::BREAK]));
    bench.said(&[0, 2, 0, status::NACK]);
    assert_eq!(bench.after(500), Some(vec![3, 0, 0, operation::BREAK]));
    bench.said(&[0, 3, 0, 0]);
    assert_eq!(bench.poll(), Some(vec![4, 0, 0, 0, b't']));
}

#[test]
fn packets_of_the_bmc_are_acknowledged_each_time_and_given_once() {
    let mut bench = Bench::new(100);
    // Any first number; characters may come with an acknowledgement.
    bench.said(&[9, 0, 0, 0, b'a', b'b']);
    assert_eq!(bench.poll(), Some(vec![0, 9, 2, 0]));
    bench.said(&[9, 0, 0, 0, b'a', b'b']);
    assert_eq!(bench.poll(), Some(vec![0, 9, 2, 0]), "our acknowledgement was lost");
    bench.said(&[9, 0, 0, 0, b'a', b'b', b'c']);
    assert_eq!(bench.poll(), Some(vec![0, 9, 3, 0]), "it grew while it waited");
    bench.said(&[10, 0, 0, 0, b'd']);
    bench.poll();
    bench.said(&[9, 0, 0, 0, b'a', b'b']);
    assert_eq!((bench.poll(), bench.output.as_slice()), (None, b"abcd".as_slice()), "a late copy");
    bench.said(&[0, 0, 0, 0, b'?']);
    assert_eq!((bench.poll(), bench.output.as_slice()), (None, b"abcd".as_slice()), "no number, no characters");
}

#[test]
fn a_bmc_that_counts_anew_is_heard_after_a_while() {
    let mut bench = Bench::new(100);
    bench.said(&[3, 0, 0, 0, b'a']);
    bench.poll();
    for number in [1, 1] {
        bench.said(&[number, 0, 0, 0, b'b']);
        assert!(bench.poll().is_none());
    }
    bench.now += ANEW;
    bench.said(&[1, 0, 0, 0, b'b']);
    assert_eq!((bench.poll(), bench.output.as_slice()), (Some(vec![0, 1, 1, 0]), b"ab".as_slice()));
}

#[test]
fn the_queue_is_bounded_and_the_end_is_the_end() {
    let mut bench = Bench::new(u16::MAX);
    assert_eq!(bench.line.write(&[b'x'; QUEUE + 100]), QUEUE);
    assert_eq!((bench.line.write(b"y"), bench.line.send_break()), (0, false));
    let first = bench.poll().unwrap_or_default();
    assert_eq!(first.len(), sol::HEADER + sol::MOST);
    assert_eq!(bench.line.write(b"y"), 0, "what is under way counts: it may come back");
    bench.said(&[0, 1, 255, 0]);
    assert_eq!(bench.line.write(&[b'y'; 300]), 255);
    bench.said(&[5, 0, 0, status::DEACTIVATING, b'!']);
    assert_eq!((bench.poll(), bench.line.over(), bench.output.as_slice()), (None, Some(Over::Ended), b"!".as_slice()));
    assert_eq!(Line::new(0).size, 1);
}

/// What a network does with one datagram.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    After(u8),
    Twice(u8, u8),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Lost),
        // Not so late that 15 packets overtake it: four bits of a number cannot tell them apart.
        6 => (5u8..65).prop_map(Fate::After),
        2 => (5u8..65, 5u8..65).prop_map(|(first, second)| Fate::Twice(first, second)),
    ]
}

/// Datagrams under way, and when they arrive; and what was lost the last time it was sent: nothing is lost twice in a row,
/// or a line may rightly be given up.
#[derive(Default)]
struct Network {
    under_way: Vec<(Instant, Vec<u8>)>,
    lost: HashSet<Vec<u8>>,
}

impl Network {
    fn carry(&mut self, packet: &[u8], now: Instant, fate: Fate) {
        let mut add = |wait: u8| self.under_way.push((now + MILLI * u32::from(wait), packet.to_vec()));
        match fate {
            Fate::Lost if self.lost.insert(packet.to_vec()) => return,
            Fate::Lost => add(7),
            Fate::After(wait) => add(wait),
            Fate::Twice(first, second) => {
                add(first);
                add(second);
            }
        }
        self.lost.remove(packet);
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        let at = self.under_way.iter().position(|(when, _)| *when <= now)?;
        Some(self.under_way.swap_remove(at).1)
    }
}

/// Both ways at once; what arrived at the system, and at us.
fn over_the_network(fates: &[Fate], mut faults: SolFaults, payload: u16, typed: &[u8], wrote: &[u8]) -> [Vec<u8>; 2] {
    let begun = Instant::now();
    let (mut line, mut serial) = (Line::new(payload), Serial::default());
    let (mut out, mut back) = (Network::default(), Network::default());
    let (mut at_system, mut at_us) = (Vec::new(), Vec::new());
    let mut fates = fates.iter().copied().cycle();
    let mut fate = || fates.next().unwrap_or(Fate::Lost);
    serial.activate(1, 623, &faults);
    serial.write(wrote);
    let mut rest = typed;
    let mut now = begun;
    while now - begun < Duration::from_secs(600) && (at_us.len() < wrote.len() || !rest.is_empty() || !line.is_idle()) {
        rest = &rest[line.write(rest)..];
        while let Some(packet) = line.poll(now) {
            out.carry(&packet, now, fate());
        }
        while let Some(packet) = serial.poll(now) {
            back.carry(&packet, now, fate());
        }
        while let Some(packet) = out.arrived(now) {
            if let Some(answer) = serial.receive(&packet, &mut faults) {
                back.carry(&answer, now, fate());
            }
            at_system.extend(serial.input());
        }
        while let Some(packet) = back.arrived(now) {
            line.receive(&packet, now, &mut at_us);
        }
        assert_eq!(line.over(), None);
        now += 5 * MILLI;
    }
    [at_system, at_us]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn characters_arrive_once_and_in_order_both_ways(
        fates in proptest::collection::vec(fate(), 1..60),
        accept in proptest::option::of(1u8..20),
        nack in 0u32..3,
        payload in 5u16..300,
        typed in proptest::collection::vec(any::<u8>(), 0..300),
        wrote in proptest::collection::vec(any::<u8>(), 0..3_000),
    ) {
        let faults = SolFaults { accept, nack, ..SolFaults::default() };
        let [at_system, at_us] = over_the_network(&fates, faults, payload, &typed, &wrote);
        prop_assert_eq!(at_system, typed);
        prop_assert_eq!(at_us, wrote);
    }

    #[test]
    fn any_bytes_do_no_harm(
        payloads in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 0u32..3_000), 0..60),
    ) {
        let mut bench = Bench::new(40);
        for (payload, wait) in payloads {
            bench.line.write(&payload);
            bench.line.send_break();
            bench.after(wait);
            bench.output.clear();
            bench.said(&payload);
            prop_assert!(bench.output.len() <= sol::MOST);
            let waiting = bench.line.queue.len() + bench.line.flight.as_ref().map_or(0, |flight| flight.keys.len());
            prop_assert!(waiting <= QUEUE);
            while bench.poll().is_some() {}
        }
    }
}
