//! The serial line of a simulated BMC: the other end of SOL (15). Pure; written on its own, so that a mistake of the client
//! is not made twice. `ipmitool` tells whether both are right.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::commands::Answer;
use super::misbehave::SolFaults;
use crate::lan::sol::{self, Packet, operation, status};

/// Longest payload each way, bytes.
const PAYLOAD: u16 = 200;
/// Bytes that wait for the console, and bytes of it that nobody fetched.
const WAITING: usize = 64 * 1024;
const AGAIN: Duration = Duration::from_millis(100);
/// Datagrams for one packet; then the console is taken for gone.
const TRIES: u32 = 100;

/// A serial line, and who has it.
#[derive(Default)]
pub(crate) struct Serial {
    active: Option<Active>,
    /// The session that lost the line to another, and was not told.
    ousted: Option<u32>,
    input: Vec<u8>,
    breaks: u32,
    heard: u32,
    said: u32,
}

struct Active {
    /// The session that has it, by the BMC's id.
    session: u32,
    output: VecDeque<u8>,
    number: u8,
    flight: Option<Flight>,
    /// The console's last packet: number, and what was answered.
    last: Option<(u8, Vec<u8>)>,
}

struct Flight {
    characters: Vec<u8>,
    tries: u32,
    due: Instant,
}

impl Serial {
    /// The session that has the line.
    pub fn owner(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.session)
    }

    /// Activate Payload, for this session.
    pub fn activate(&mut self, session: u32, port: u16, faults: &SolFaults) -> Answer {
        if faults.disabled {
            return (0x81, Vec::new());
        }
        if self.owner().is_some_and(|owner| owner != session) {
            return (0x80, Vec::new());
        }
        self.active = Some(Active { session, output: VecDeque::new(), number: 0, flight: None, last: None });
        let [p0, p1] = PAYLOAD.to_le_bytes();
        let [u0, u1] = faults.port.unwrap_or(port).to_le_bytes();
        (0, vec![0, 0, 0, 0, p0, p1, p0, p1, u0, u1, 0xff, 0xff])
    }

    /// Deactivate Payload, by this session; whether it was active.
    pub fn deactivate(&mut self, session: u32) -> bool {
        let Some(active) = self.active.take() else { return false };
        self.ousted = Some(active.session).filter(|owner| *owner != session);
        true
    }

    /// The session that had the line is over.
    pub fn abandon(&mut self) {
        self.active = None;
    }

    /// Whoever has to be told that the line is lost, and how.
    pub fn farewell(&mut self) -> Option<(u32, Vec<u8>)> {
        let session = self.ousted.take()?;
        let status = status::DEACTIVATING;
        Some((session, Packet { number: 0, acknowledged: 0, accepted: 0, status, characters: &[] }.emit()))
    }

    /// The system writes; without a console it is gone, as with real ones. What does not fit is gone, too.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(active) = &mut self.active {
            let room = WAITING.saturating_sub(active.output.len());
            active.output.extend(bytes.iter().take(room));
        }
    }

    /// What the console typed since this was asked last.
    pub fn input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    pub fn breaks(&self) -> u32 {
        self.breaks
    }

    /// A SOL payload of the session that has the line; the answer to it.
    pub fn receive(&mut self, payload: &[u8], faults: &mut SolFaults) -> Option<Vec<u8>> {
        self.heard = self.heard.wrapping_add(1);
        if faults.lost(self.heard) {
            return None;
        }
        let active = self.active.as_mut()?;
        let packet = Packet::parse(payload).ok()?;
        active.acknowledged(&packet);
        if packet.number == 0 {
            return None;
        }
        let expected = match &active.last {
            Some((last, answer)) if *last == packet.number => return Some(answer.clone()),
            Some((last, _)) => sol::after(*last) == packet.number,
            None => true,
        };
        if !expected {
            return None;
        }
        let room = WAITING.saturating_sub(self.input.len());
        let (taken, said) = if faults.nack > 0 || (room == 0 && !packet.characters.is_empty()) {
            faults.nack = faults.nack.saturating_sub(1);
            (0, status::NACK | status::UNAVAILABLE)
        } else {
            let most = faults.accept.map_or(sol::MOST, |most| usize::from(most.max(1)));
            (packet.characters.len().min(room).min(most), 0)
        };
        self.input.extend(packet.characters.iter().take(taken));
        self.breaks += u32::from(said == 0 && packet.status & operation::BREAK != 0);
        let accepted = u8::try_from(taken).unwrap_or(u8::MAX);
        let answer = Packet { number: 0, acknowledged: packet.number, accepted, status: said, characters: &[] }.emit();
        active.last = Some((packet.number, answer.clone()));
        Some(answer)
    }

    /// What is to be sent to the session that has the line, if something is.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        let active = self.active.as_mut()?;
        if active.flight.is_none() {
            let count = active.output.len().min(usize::from(PAYLOAD) - sol::HEADER);
            if count == 0 {
                return None;
            }
            active.number = sol::after(active.number);
            let characters = active.output.drain(..count).collect();
            active.flight = Some(Flight { characters, tries: 0, due: now });
        }
        let flight = active.flight.as_mut().filter(|flight| now >= flight.due)?;
        if flight.tries >= TRIES {
            self.active = None;
            return None;
        }
        flight.tries += 1;
        flight.due = now + AGAIN;
        let characters = &flight.characters;
        Some(Packet { number: active.number, acknowledged: 0, accepted: 0, status: 0, characters }.emit())
    }

    /// When [`Serial::poll`] is to be asked although nothing came.
    pub fn due(&self) -> Option<Instant> {
        self.active.as_ref()?.flight.as_ref().map(|flight| flight.due)
    }

    /// Whether this packet to the console is lost on its way.
    pub fn loses(&mut self, faults: &SolFaults) -> bool {
        self.said = self.said.wrapping_add(1);
        faults.lost(self.said)
    }
}

impl Active {
    fn acknowledged(&mut self, packet: &Packet<'_>) {
        if packet.acknowledged == 0 || packet.acknowledged != self.number {
            return;
        }
        let Some(flight) = self.flight.take() else { return };
        let rest = flight.characters.into_iter().skip(usize::from(packet.accepted));
        rest.rev().for_each(|character| self.output.push_front(character));
    }
}
