//! Our end of a serial line over SOL (15.10-15.11): numbers, acknowledgements, repetition. Pure: it is told the time and
//! gives packets; it sends nothing. Each character arrives once and in order, both ways, as long as packets arrive at all.
//! Acknowledgements are packets of their own: some BMCs overlook one that travels with characters.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::sol::{self, Packet, operation, status};

/// Characters (and breaks) that wait for the BMC, those under way included.
pub(super) const QUEUE: usize = 4_096;
/// Datagrams for one packet.
const TRIES: u32 = 8;
/// For the first acknowledgement, and after the first refusal; doubled each time, up to four times this.
const WAIT: Duration = Duration::from_millis(500);
/// So many numbers behind the last one are late copies.
const LATE: u8 = 7;
/// A number behind that is repeated for so long is no late copy: the BMC counts anew.
const ANEW: Duration = Duration::from_millis(300);

/// Why a line is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The BMC said so.
    Ended,
    /// It acknowledged nothing, however often we sent.
    Silent,
}

/// A character, or a break.
type Key = Option<u8>;

#[derive(Debug)]
pub(super) struct Line {
    /// Characters in one packet.
    size: usize,
    queue: VecDeque<Key>,
    /// Of our last packet.
    number: u8,
    flight: Option<Flight>,
    /// Nothing is sent until then, or until the BMC acknowledges the packet with this number after all.
    held: Option<(u8, Instant)>,
    /// Refusals in a row, nothing taken between them.
    refused: u32,
    /// What is to be acknowledged: number, characters.
    acknowledge: Option<(u8, u8)>,
    /// The last packet of the BMC that was taken.
    taken: Option<(u8, Vec<u8>)>,
    /// A number behind that one, and when it came first.
    behind: Option<(u8, Instant)>,
    over: Option<Over>,
}

/// A packet under way; either characters or one break.
#[derive(Debug)]
struct Flight {
    number: u8,
    keys: Vec<Key>,
    tries: u32,
    due: Instant,
}

impl Flight {
    fn emit(&self) -> Vec<u8> {
        let characters: Vec<u8> = self.keys.iter().copied().flatten().collect();
        let status = if characters.is_empty() { operation::BREAK } else { 0 };
        Packet { number: self.number, acknowledged: 0, accepted: 0, status, characters: &characters }.emit()
    }
}

impl Line {
    /// `payload`: the longest that the BMC takes, as it said. One that cannot be right becomes one character a packet.
    pub fn new(payload: u16) -> Self {
        Self {
            size: usize::from(payload).saturating_sub(sol::HEADER).clamp(1, sol::MOST),
            queue: VecDeque::new(),
            number: 0,
            flight: None,
            held: None,
            refused: 0,
            acknowledge: None,
            taken: None,
            behind: None,
            over: None,
        }
    }

    /// Queues characters; how many it took.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.queue.extend(bytes.iter().take(count).copied().map(Some));
        count
    }

    /// Queues a break, in its place among the characters; whether there was room.
    pub fn send_break(&mut self) -> bool {
        let room = self.room() > 0;
        if room {
            self.queue.push_back(None);
        }
        room
    }

    fn room(&self) -> usize {
        QUEUE.saturating_sub(self.queue.len() + self.flight.as_ref().map_or(0, |flight| flight.keys.len()))
    }

    /// Whether all that was queued has arrived.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.flight.is_none()
    }

    pub fn over(&self) -> Option<Over> {
        self.over
    }

    /// When [`Line::poll`] is to be asked even if nothing comes.
    pub fn due(&self) -> Option<Instant> {
        match (&self.flight, self.held) {
            (Some(flight), _) => Some(flight.due),
            (None, Some((_, until))) if !self.queue.is_empty() => Some(until),
            _ => None,
        }
    }

    /// A packet to send now; to be asked until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.over.is_some() {
            return None;
        }
        if let Some((acknowledged, accepted)) = self.acknowledge.take() {
            return Some(Packet { number: 0, acknowledged, accepted, status: 0, characters: &[] }.emit());
        }
        if self.flight.is_none() {
            if self.held.is_some_and(|(_, until)| now < until) {
                return None;
            }
            let keys = self.next_keys()?;
            self.held = None;
            self.number = sol::after(self.number);
            self.flight = Some(Flight { number: self.number, keys, tries: 0, due: now });
        }
        let flight = self.flight.as_mut().filter(|flight| now >= flight.due)?;
        if flight.tries >= TRIES {
            self.over = Some(Over::Silent);
            return None;
        }
        flight.due = now + wait(flight.tries);
        flight.tries += 1;
        Some(flight.emit())
    }

    fn next_keys(&mut self) -> Option<Vec<Key>> {
        if self.queue.front()?.is_none() {
            return self.queue.pop_front().map(|key| vec![key]);
        }
        let count = self.queue.iter().take(self.size).take_while(|key| key.is_some()).count();
        Some(self.queue.drain(..count).collect())
    }

    /// Takes a SOL payload of the BMC; characters of the system go to `output`. What is no packet does nothing.
    pub fn receive(&mut self, payload: &[u8], now: Instant, output: &mut Vec<u8>) {
        let Ok(packet) = Packet::parse(payload) else { return };
        if self.over.is_some() {
            return;
        }
        self.acknowledged(&packet, now);
        self.take(&packet, now, output);
        if packet.status & status::DEACTIVATING != 0 {
            self.over = Some(Over::Ended);
        }
    }

    fn acknowledged(&mut self, packet: &Packet<'_>, now: Instant) {
        let refused = packet.status & (status::NACK | status::UNAVAILABLE) != 0;
        if packet.acknowledged == 0 {
            return;
        }
        if !refused && self.held.is_some_and(|(number, _)| number == packet.acknowledged) {
            self.held = None;
        }
        let Some(flight) = self.flight.take_if(|flight| flight.number == packet.acknowledged) else { return };
        let whole = flight.keys.len();
        let is_break = flight.keys.contains(&None);
        let taken = match usize::from(packet.accepted) {
            // A break has no characters to count. "None", and no word of a refusal, is how some BMCs (Intel) say "all":
            // to send it again would type it again and again.
            0 if is_break => whole * usize::from(packet.status & status::NACK == 0),
            0 if !refused => whole,
            accepted => accepted.min(whole),
        };
        flight.keys.into_iter().skip(taken).rev().for_each(|key| self.queue.push_front(key));
        if taken > 0 || !refused {
            self.refused = 0;
        }
        if refused {
            self.held = Some((packet.acknowledged, now + wait(self.refused)));
            self.refused += 1;
        }
    }

    fn take(&mut self, packet: &Packet<'_>, now: Instant, output: &mut Vec<u8>) {
        let (number, characters) = (packet.number, packet.characters);
        if number == 0 {
            return;
        }
        let last = self.taken.as_ref().map(|(last, _)| *last);
        if last.is_some_and(|last| is_late(number, last)) && !self.counts_anew(number, now) {
            return;
        }
        match self.taken.as_mut().filter(|_| last == Some(number)) {
            // Again, because our acknowledgement was lost; it may have grown meanwhile.
            Some((_, known)) => {
                if let Some(more) = characters.strip_prefix(known.as_slice()) {
                    output.extend(more);
                    known.extend(more);
                }
            }
            None => {
                output.extend(characters);
                self.taken = Some((number, characters.to_vec()));
                self.behind = None;
            }
        }
        self.acknowledge = Some((number, u8::try_from(characters.len()).unwrap_or(u8::MAX)));
    }

    fn counts_anew(&mut self, number: u8, now: Instant) -> bool {
        match self.behind {
            Some((same, first)) if same == number => now.saturating_duration_since(first) >= ANEW,
            _ => {
                self.behind = Some((number, now));
                false
            }
        }
    }
}

fn is_late(number: u8, last: u8) -> bool {
    (1..=LATE).contains(&((last + 15 - number) % 15))
}

fn wait(number: u32) -> Duration {
    WAIT * 2u32.saturating_pow(number).min(4)
}

#[cfg(all(test, feature = "sim"))]
#[path = "line_tests.rs"]
mod tests;
