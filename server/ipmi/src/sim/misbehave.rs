//! Bad habits of BMCs, one setting each. What is random has a seed, so that a failure can be had again.

use std::time::Duration;

/// When a BMC stops answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// From the first packet.
    Always,
    /// RAKP 1 and 3 have no answer, what comes before has.
    LogIn,
    /// Nothing within a session has an answer.
    Session,
}

/// What a BMC does with a new password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Passwords {
    /// Takes it.
    #[default]
    Taken,
    /// Says that it took it, and keeps the old one.
    Ignored,
    /// Refuses it with this completion code.
    Refused(u8),
    /// Takes it, and answers nothing in any session from then on.
    TakenInSilence,
}

/// What a BMC does wrong with Serial over LAN; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct SolFaults {
    /// SOL is turned off (81h).
    pub disabled: bool,
    /// SOL packets that are lost, counted each way: each one whose number is a multiple of this.
    pub lose_every: Option<u32>,
    /// Characters that it takes of one packet, at most; 0 is 1.
    pub accept: Option<u8>,
    /// So many packets are refused first.
    pub nack: u32,
    /// UDP port that it wants for SOL; none: its own.
    pub port: Option<u16>,
}

impl SolFaults {
    pub(super) fn lost(&self, number: u32) -> bool {
        self.lose_every.is_some_and(|n| n > 0 && number.is_multiple_of(n))
    }
}

/// What a BMC does wrong; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Misbehave {
    /// Before each answer.
    pub delay: Duration,
    /// Answers that are lost: each one whose number is a multiple of this.
    pub lose_every: Option<u32>,
    /// Answers that are lost, at random, in percent.
    pub lose_percent: u8,
    /// For all that is random.
    pub seed: u64,
    /// Answers come twice.
    pub twice: bool,
    /// Each answer waits for the next one, and comes after it.
    pub late: bool,
    /// Sessions are forgotten after that many commands in them.
    pub forget_after: Option<u32>,
    /// Lengths in packets are too large, one bit after the other.
    pub wrong_lengths: bool,
    /// Random bytes come before each answer.
    pub garbage: bool,
    /// One bit of each answer's end is wrong.
    pub wrong_code: bool,
    /// Commands in a session are answered with this completion code, that many times.
    pub refuse: Option<(u8, u32)>,
    /// Answers in a session are to the request before.
    pub old_number: bool,
    /// Answers in a session are empty behind the completion code.
    pub empty: bool,
    /// What comes of Set User Password.
    pub passwords: Passwords,
    /// Does not answer.
    pub silence: Option<Silence>,
    /// Faults of its serial console.
    pub sol: SolFaults,
}

/// Settings, and how far they are.
pub(super) struct Unruly {
    pub settings: Misbehave,
    answers: u32,
    random: u64,
    held: Vec<Vec<u8>>,
}

impl Unruly {
    pub fn new(settings: Misbehave) -> Self {
        // Not 0, from which this generator never gets away.
        Self { random: settings.seed | 1, settings, answers: 0, held: Vec::new() }
    }

    pub fn delay(&self) -> Duration {
        self.settings.delay
    }

    /// What is sent instead of an answer.
    pub fn spoil(&mut self, mut answer: Vec<u8>) -> Vec<Vec<u8>> {
        self.answers = self.answers.wrapping_add(1);
        let number = self.answers;
        if self.settings.lose_every.is_some_and(|n| n > 0 && number.is_multiple_of(n))
            || self.next() % 100 < u64::from(self.settings.lose_percent)
        {
            return Vec::new();
        }
        if self.settings.wrong_lengths {
            // The length field: of RMCP+ at byte 14, of the IPMI 1.5 header at 13.
            let plus = answer.get(4) == Some(&0x06);
            if let Some(length) = answer.get_mut(if plus { 14 } else { 13 }) {
                *length ^= 1 << (number % 8);
            }
        }
        if self.settings.wrong_code {
            answer.last_mut().into_iter().for_each(|last| *last ^= 0x10);
        }
        let mut out = Vec::new();
        if self.settings.garbage {
            out.push(self.noise());
        }
        if self.settings.twice {
            out.push(answer.clone());
        }
        out.push(answer);
        if self.settings.late {
            std::mem::swap(&mut out, &mut self.held);
            if let [first, ..] = self.held.as_slice() {
                // The new one first, then the one that was held back; the new one also counts as held.
                out.insert(0, first.clone());
            }
        }
        out
    }

    /// Up to 127 random bytes, half of the time with an RMCP header in front.
    fn noise(&mut self) -> Vec<u8> {
        let length = (self.next() % 128) as usize;
        let mut bytes = if self.next() & 1 == 0 { vec![0x06, 0x00, 0xff, 0x07, 0x06] } else { Vec::new() };
        bytes.extend((0..length).map(|_| (self.next() >> 32) as u8));
        bytes
    }

    /// Xorshift: no cryptography, only the same again with the same seed.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
