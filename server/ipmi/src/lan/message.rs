//! The IPMI message inside a packet, with its two checksums (13.8). The BMC is 20h, we are 81h, as remote consoles are.

use zeroize::Zeroizing;

use super::packet::Unusable;
use crate::Request;

const BMC: u8 = 0x20;
const CONSOLE: u8 = 0x81;

/// A message, request or answer (the network function is odd), with right checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Network function.
    pub netfn: u8,
    /// Number of the request, 6 bits; comes back in the answer.
    pub sequence: u8,
    /// Command.
    pub cmd: u8,
    /// What follows; in an answer the completion code first.
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unusable> {
        let [to, netfn, first, body @ ..] = bytes else {
            return Err(Unusable("shorter than a message"));
        };
        let [from, sequence, cmd, data @ .., second] = body else {
            return Err(Unusable("shorter than a message"));
        };
        if checksum([*to, *netfn]) != *first {
            return Err(Unusable("a wrong first checksum"));
        }
        let sum = [*from, *sequence, *cmd].into_iter().chain(data.iter().copied());
        if checksum(sum) != *second {
            return Err(Unusable("a wrong second checksum"));
        }
        Ok(Self { netfn: netfn >> 2, sequence: sequence >> 2, cmd: *cmd, data })
    }
}

/// A request to the BMC. May hold a password.
pub fn request(request: &Request, sequence: u8) -> Zeroizing<Vec<u8>> {
    let head = [BMC, request.netfn.0 << 2];
    emit(head, [CONSOLE, sequence << 2, request.cmd], &request.data)
}

/// The answer to `asked`.
pub fn answer(asked: &Message<'_>, code: u8, data: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new([&[code], data].concat());
    emit([CONSOLE, (asked.netfn | 1) << 2], [BMC, asked.sequence << 2, asked.cmd], &body)
}

fn emit(head: [u8; 2], body: [u8; 3], data: &[u8]) -> Zeroizing<Vec<u8>> {
    // Room for all of it: a Vec that grows leaves copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(head.len() + body.len() + data.len() + 2));
    out.extend(head);
    out.push(checksum(head));
    out.extend(body);
    out.extend(data);
    out.push(checksum(body.into_iter().chain(data.iter().copied())));
    out
}

/// The sum of all bytes and this is 0 modulo 256.
fn checksum(bytes: impl IntoIterator<Item = u8>) -> u8 {
    bytes.into_iter().fold(0u8, u8::wrapping_add).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command as _;
    use crate::command::GetChannelAuthCapabilities;
    use crate::command::{Privilege, THIS_CHANNEL};

    #[test]
    fn a_request_as_every_client_sends_it_first() {
        // ipmitool -I lanplus, first datagram: 20 18 c8 81 00 38 8e 04 b5
        let ask = GetChannelAuthCapabilities { channel: THIS_CHANNEL, privilege: Privilege::Administrator };
        let bytes = request(&ask.request(), 0);
        assert_eq!(bytes[..], [0x20, 0x18, 0xc8, 0x81, 0x00, 0x38, 0x8e, 0x04, 0xb5]);
        let read = Message::parse(&bytes).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((read.netfn, read.sequence, read.cmd, read.data), (6, 0, 0x38, [0x8e, 4].as_slice()));
        let back = answer(&read, 0xc0, &[1]);
        let back = Message::parse(&back).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((back.netfn, back.data), (7, [0xc0, 1].as_slice()));
    }

    #[test]
    fn one_bit_wrong_is_noticed() {
        let ask = GetChannelAuthCapabilities { channel: 1, privilege: Privilege::User };
        let good = request(&ask.request(), 33);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Message::parse(&bad).is_err(), "bit {bit}");
        }
        assert!(Message::parse(&good[..6]).is_err());
    }
}
