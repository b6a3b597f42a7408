//! DHCP packets (RFC 951, 2131, 2132): bytes to a `Request`, a `Reply` to bytes. Never panics, whatever came; decides nothing.
//!
//! Ours, and not the crate `dhcproto`: what a boot server decides on is what that crate passes over (all values of option 93,
//! option 52, options of a wrong length, option 82 byte for byte), so a scan of our own was needed beside it in any case, and
//! with that scan there is nothing left for it to do.

use super::options::{self, Options, sub_options};
use super::values;
use crate::domain::dhcp::reply::Reply;
use crate::domain::dhcp::request::{Hardware, MessageType, Op, RelayInfo, Request};
use std::net::Ipv4Addr;

/// Of the header, without options.
pub const HEADER: usize = 236;
/// Of an Ethernet header's worth of packet: what BOOTP's relays and old clients expect at least (RFC 1542, 2.1).
const SHORTEST: usize = 300;
/// Before the options (RFC 2131, 3).
pub(super) const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// IPv4 and UDP headers, which option 57 counts too.
const HEADERS: usize = 28;
/// What every client takes, and what fits Ethernet (RFC 2132, 9.10). EDK2's REQUESTs say 65280, its bytes being swapped:
/// no client's word makes a packet longer than a frame.
const TAKES: std::ops::RangeInclusive<u16> = 576..=1500;
/// Of the field `file`, with a zero at its end.
const FILE: usize = 128;

/// Why bytes are no packet that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Shorter than the header.
    #[error("{0} bytes: expected at least the {HEADER} of the header")]
    Short(usize),
    /// BOOTP's op.
    #[error("op {0}: expected 1 (request) or 2 (reply)")]
    Op(u8),
    /// Nobody to answer.
    #[error("a hardware address of {0} bytes (hlen): expected 1 to 16")]
    HardwareLength(u8),
    /// The area ends after a code.
    #[error("option {code} in {place} has no length")]
    NoLength {
        /// Where.
        place: &'static str,
        /// Which.
        code: u8,
    },
    /// The area ends in the middle of a value.
    #[error("option {code} in {place} says {says} bytes, {left} are left")]
    TooLong {
        /// Where.
        place: &'static str,
        /// Which.
        code: u8,
        /// Its length.
        says: u8,
        /// Bytes that there are.
        left: usize,
    },
    /// Option 52.
    #[error("option 52 (overload): expected one byte of 1 to 3, got {0:02x?}")]
    Overload(Vec<u8>),
    /// An option that decides is not of its length.
    #[error("option {code} ({name}): expected {expected} bytes, got {got}")]
    Length {
        /// Which.
        code: u8,
        /// Its name.
        name: &'static str,
        /// Bytes that it has.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
}

/// Reads a datagram.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Request, Unusable> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Unusable::Short(bytes.len()))?;
    let [op, htype, hlen, hops, ..] = *header;
    let op = match op {
        1 => Op::Request,
        2 => Op::Reply,
        other => return Err(Unusable::Op(other)),
    };
    let field = |from: usize, to: usize| header.get(from..to).unwrap_or_default();
    let address = |from: usize| field(from, from + 4).first_chunk::<4>().map_or(Ipv4Addr::UNSPECIFIED, |b| (*b).into());
    if !(1..=16).contains(&hlen) {
        return Err(Unusable::HardwareLength(hlen));
    }
    let hardware = Hardware { kind: htype, address: field(28, 28 + usize::from(hlen)).to_vec() };
    // Without the cookie it is BOOTP with a vendor's own area, or none.
    let options = match bytes.get(HEADER..).and_then(|rest| rest.strip_prefix(&COOKIE)) {
        Some(area) => Options::scan(area, field(108, 236), field(44, 108))?,
        None => Options::default(),
    };
    let get = |code: u8| options.get(code);
    let mut odd = Vec::new();
    Ok(Request {
        op,
        hops,
        xid: field(4, 8).first_chunk().map_or(0, |b| u32::from_be_bytes(*b)),
        secs: field(8, 10).first_chunk().map_or(0, |b| u16::from_be_bytes(*b)),
        broadcast: header.get(10).is_some_and(|flags| flags & 0x80 != 0),
        ciaddr: address(12),
        yiaddr: address(16),
        siaddr: address(20),
        giaddr: address(24),
        hardware,
        kind: exactly::<1>(get(53), 53, "message type")?.map(|[kind]| MessageType::from_number(kind)),
        requested: exactly(get(50), 50, "requested address")?.map(<[u8; 4]>::into),
        server_id: exactly(get(54), 54, "server id")?.map(<[u8; 4]>::into),
        wanted: get(55).unwrap_or_default().to_vec(),
        max_size: loose::<2>(get(57), 57, &mut odd).map(u16::from_be_bytes),
        lease_seconds: loose::<4>(get(51), 51, &mut odd).map(u32::from_be_bytes),
        class: get(60).map(values::text).unwrap_or_default(),
        client_id: get(61).filter(|id| !id.is_empty()).map(<[u8]>::to_vec),
        user_classes: get(77).map(values::user_classes).unwrap_or_default(),
        relay: get(82).map(relay),
        archs: get(93).map(|value| values::archs(value, &mut odd)).unwrap_or_default(),
        // Kind, major, minor.
        undi: loose(get(94), 94, &mut odd),
        guid: get(97).map(<[u8]>::to_vec),
        uuid: get(97).and_then(|value| values::uuid(value, &mut odd)),
        ipxe: get(175).map(values::ipxe),
        hostname: get(12).map(values::text).unwrap_or_default(),
        odd,
    })
}

/// An option that decides: of another length, the packet is not used.
fn exactly<const N: usize>(value: Option<&[u8]>, code: u8, name: &'static str) -> Result<Option<[u8; N]>, Unusable> {
    let Some(value) = value else { return Ok(None) };
    let wrong = Unusable::Length { code, name, expected: N, got: value.len() };
    value.try_into().map(Some).map_err(|_| wrong)
}

/// An option that only advises: of another length, it is as if it were not there.
fn loose<const N: usize>(value: Option<&[u8]>, code: u8, odd: &mut Vec<String>) -> Option<[u8; N]> {
    let value = value?;
    let exact = value.try_into().ok();
    if exact.is_none() {
        odd.push(format!("option {code}: expected {N} bytes, got {}", value.len()));
    }
    exact
}

fn relay(raw: &[u8]) -> RelayInfo {
    let subs = sub_options(raw);
    let sub = |wanted: u8| subs.iter().find(|(code, _)| *code == wanted).map(|(_, value)| *value);
    let address = |wanted: u8| sub(wanted).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(Ipv4Addr::from);
    RelayInfo {
        raw: raw.to_vec(),
        circuit_id: sub(1).map(<[u8]>::to_vec),
        remote_id: sub(2).map(<[u8]>::to_vec),
        link_selection: address(5),
        server_id: address(11),
    }
}

/// A reply as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The datagram: 300 bytes at least, and no more than the client takes.
    pub bytes: Vec<u8>,
    /// Options for which there was no room.
    pub left_out: Vec<u8>,
}

/// Writes a reply.
pub fn emit(reply: &Reply) -> Written {
    let takes = reply.max_size.unwrap_or(*TAKES.start()).clamp(*TAKES.start(), *TAKES.end());
    let most = usize::from(takes) - HEADERS;
    let mut bytes = Vec::with_capacity(most);
    let hardware = reply.hardware.address.get(..16).unwrap_or(&reply.hardware.address);
    bytes.extend([2, reply.hardware.kind, u8::try_from(hardware.len()).unwrap_or(16), 0]);
    bytes.extend(reply.xid.to_be_bytes());
    bytes.extend([0, 0, if reply.broadcast { 0x80 } else { 0 }, 0]);
    for address in [reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr] {
        bytes.extend(address.octets());
    }
    bytes.extend_from_slice(hardware);
    bytes.resize(108, 0);
    // One that does not fit is in option 67 alone: half a name would be another file.
    if reply.file.len() < FILE {
        bytes.extend_from_slice(reply.file.as_bytes());
    }
    bytes.resize(HEADER, 0);
    bytes.extend(COOKIE);
    let mut left_out = Vec::new();
    // Room for option 82 is kept: a relay that does not find it drops the reply. One byte is for the end mark.
    let mut last = Vec::new();
    if let Some(relay) = &reply.relay {
        // A relay that fills the packet by itself has more than it should.
        if !options::write(&mut last, 82, relay, most - HEADER - COOKIE.len() - 64) {
            left_out.push(82);
        }
    }
    for (code, value) in &reply.options {
        let room = most.saturating_sub(bytes.len() + last.len() + 1);
        if !options::write(&mut bytes, *code, value, room) {
            left_out.push(*code);
        }
    }
    bytes.extend(last);
    options::end(&mut bytes);
    bytes.resize(bytes.len().max(SHORTEST), 0);
    Written { bytes, left_out }
}

#[cfg(test)]
mod tests;
