//! One transfer as a state machine: what is sent when a packet comes, or none comes in time. No socket, no clock. Options are
//! those of RFC 2348 (block size), RFC 2349 (timeout, size) and RFC 7440 (window); only what was asked for is answered.

use super::packet::{self, Code, Mode, Request};
use std::sync::Arc;
use std::time::Duration;

/// Without the option (RFC 1350).
const BLOCK: usize = 512;
/// RFC 2348.
const BLOCK_MIN: usize = 8;
const BLOCK_MAX: usize = 65_464;
/// A lost packet is waited for so long, without the option; twice as long each time.
const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT_LONGEST: Duration = Duration::from_secs(8);
/// Times that the same is sent again before the client is taken for gone.
const TRIES: u32 = 6;

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a block at most. What exceeds the MTU is fragmented, which many boot ROMs cannot put together.
    pub block: usize,
    /// Blocks of a window at most.
    pub window: u16,
}

impl Default for Limits {
    /// An Ethernet frame: 1500 less IPv4, UDP and TFTP headers; a window that a small switch buffers.
    fn default() -> Self {
        Self { block: 1468, window: 64 }
    }
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client acknowledged all of it.
    Complete,
    /// The client ended it; code 8 after a question for the size only is normal.
    Ended(Code, String),
    /// The client says nothing any more.
    Silent,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these, in order, then wait for [`Transfer::timeout`].
    Send(Vec<Vec<u8>>),
    /// Nothing: go on waiting for what was left of the time.
    Wait,
    /// It is over.
    End(Outcome),
}

/// A transfer to one client.
#[derive(Debug)]
pub struct Transfer {
    file: Arc<[u8]>,
    block: usize,
    window: u64,
    timeout: Duration,
    /// Whether the client set the time: then it stays.
    fixed: bool,
    /// To be sent until block 0 is acknowledged.
    oack: Option<Vec<u8>>,
    /// Blocks that are acknowledged, and sent, from 1; not modulo anything.
    acked: u64,
    sent: u64,
    tries: u32,
    /// An ACK that said "lost" was followed already since the last progress.
    went_back: bool,
    resent: u64,
}

impl Transfer {
    /// Answers a request for this file; also the first packets.
    pub fn start(request: &Request, file: Arc<[u8]>, limits: Limits) -> (Self, Vec<Vec<u8>>) {
        let file = if request.mode == Mode::Netascii { netascii(&file) } else { file };
        let mut new = Self {
            file,
            block: BLOCK,
            window: 1,
            timeout: TIMEOUT,
            fixed: false,
            oack: None,
            acked: 0,
            sent: 0,
            tries: 0,
            went_back: false,
            resent: 0,
        };
        let mut answered: Vec<(&str, u64)> = Vec::new();
        for (name, value) in &request.options {
            // What makes no sense is left unanswered: the client goes on without it (RFC 2347).
            let Ok(value) = value.trim().parse::<u64>() else { continue };
            match name.as_str() {
                "blksize" if value >= BLOCK_MIN as u64 => {
                    let block = limits.block.clamp(BLOCK_MIN, BLOCK_MAX);
                    new.block = usize::try_from(value).unwrap_or(usize::MAX).min(block);
                    answered.push(("blksize", new.block as u64));
                }
                "timeout" if (1..=255).contains(&value) => {
                    (new.timeout, new.fixed) = (Duration::from_secs(value), true);
                    answered.push(("timeout", value));
                }
                "tsize" => answered.push(("tsize", new.file.len() as u64)),
                "windowsize" if (1..=65_535).contains(&value) => {
                    new.window = value.min(limits.window.max(1).into());
                    answered.push(("windowsize", new.window));
                }
                _ => {}
            }
        }
        if !answered.is_empty() {
            new.oack = Some(packet::oack(&answered));
        }
        let first = new.outstanding();
        (new, first)
    }

    /// To wait for the client.
    pub fn timeout(&self) -> Duration {
        let longer = if self.fixed { self.timeout } else { self.timeout.saturating_mul(1 << self.tries.min(4)) };
        longer.min(TIMEOUT_LONGEST.max(self.timeout))
    }

    /// Bytes that the client has.
    pub fn bytes(&self) -> u64 {
        self.acked.saturating_mul(self.block as u64).min(self.file.len() as u64)
    }

    /// Packets that were sent more than once.
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// The client acknowledges this block, modulo 65,536.
    pub fn acknowledged(&mut self, block: u16) -> Step {
        if self.oack.is_some() {
            if block != 0 {
                return Step::Wait;
            }
            self.oack = None;
            return self.go_on();
        }
        // How many more than before; an ACK of something older, or never sent, is out of reach.
        let more = u64::from(block.wrapping_sub(self.acked as u16));
        if more == 0 {
            return self.lost();
        }
        if more > self.sent - self.acked {
            return Step::Wait;
        }
        self.acked += more;
        if self.acked == self.blocks() {
            return Step::End(Outcome::Complete);
        }
        // Less than was sent: the rest is lost, or comes too late (RFC 7440, 4).
        self.resent = self.resent.saturating_add(self.sent - self.acked);
        self.sent = self.acked;
        self.go_on()
    }

    /// Nothing came in time.
    pub fn timed_out(&mut self) -> Step {
        if self.tries >= TRIES {
            return Step::End(Outcome::Silent);
        }
        self.tries += 1;
        self.again()
    }

    /// The client sent its request again: our first answer did not reach it.
    pub fn asked_again(&mut self) -> Step {
        if self.acked == 0 { self.lost() } else { Step::Wait }
    }

    /// The last block that was acknowledged, once more. In lock step that is an echo of a packet that came twice, and
    /// answering it would double all that follows (RFC 1123, 4.2.3.1). In a window it means that the first was lost: then
    /// once, for the others of that window say the same.
    fn lost(&mut self) -> Step {
        if self.window == 1 && self.acked > 0 || self.went_back {
            return Step::Wait;
        }
        self.went_back = true;
        self.again()
    }

    fn again(&mut self) -> Step {
        let sent = if self.oack.is_some() { 1 } else { self.sent - self.acked };
        self.resent = self.resent.saturating_add(sent);
        self.sent = self.acked;
        Step::Send(self.outstanding())
    }

    fn go_on(&mut self) -> Step {
        (self.tries, self.went_back) = (0, false);
        Step::Send(self.outstanding())
    }

    /// Blocks of the file: the last one is shorter than the others, and may be empty.
    fn blocks(&self) -> u64 {
        (self.file.len() / self.block.max(1)) as u64 + 1
    }

    /// OACK, or the next window.
    fn outstanding(&mut self) -> Vec<Vec<u8>> {
        if let Some(oack) = &self.oack {
            return vec![oack.clone()];
        }
        let last = self.blocks().min(self.acked.saturating_add(self.window));
        let packets = (self.acked + 1..=last).map(|block| self.packet(block)).collect();
        self.sent = last;
        packets
    }

    fn packet(&self, block: u64) -> Vec<u8> {
        let from = usize::try_from(block - 1).unwrap_or(usize::MAX).saturating_mul(self.block).min(self.file.len());
        let to = from.saturating_add(self.block).min(self.file.len());
        packet::data(block as u16, self.file.get(from..to).unwrap_or_default())
    }
}

/// The line ends of RFC 764: LF is CR LF, CR alone is CR NUL.
fn netascii(file: &[u8]) -> Arc<[u8]> {
    let mut out = Vec::with_capacity(file.len() + file.len() / 16);
    for byte in file {
        match byte {
            b'\n' => out.extend([b'\r', b'\n']),
            b'\r' => out.extend([b'\r', 0]),
            other => out.push(*other),
        }
    }
    out.into()
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
