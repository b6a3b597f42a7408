//! Captured DHCP packets: a pcap file, or one packet as hexadecimal text, to datagrams. Files are an operator's, and may be
//! anything: errors, never a panic. It knows nothing of DHCP but its ports.

use crate::domain::dhcp::reply::{CLIENT_PORT, PXE_PORT, SERVER_PORT};
use crate::domain::ids::Micros;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Ports of interest.
const PORTS: &[u16] = &[SERVER_PORT, CLIENT_PORT, PXE_PORT];
/// Datagrams of a file at most; what follows is said to be left out.
pub const DATAGRAMS_MAX: usize = 10_000;

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Its number among all packets of the file, from 1, as other programs show it.
    pub number: usize,
    /// When it was captured.
    pub at: Option<Micros>,
    /// From and to; none: only DHCP's own bytes are known.
    pub ends: Option<(SocketAddrV4, SocketAddrV4)>,
    /// Of UDP.
    pub payload: Vec<u8>,
}

/// A file's datagrams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// Those of DHCP's ports.
    pub datagrams: Vec<Datagram>,
    /// Packets that are something else.
    pub others: usize,
    /// What is missing at the end of the file.
    pub cut: Option<String>,
}

/// Why a file is no capture that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The newer format.
    #[error(
        "a pcapng file: expected pcap or hexadecimal text; `editcap -F pcap IN OUT` or `tcpdump -r IN -w OUT` converts it"
    )]
    Pcapng,
    /// The header of the file.
    #[error("a pcap file that ends in its header: expected 24 bytes, got {0}")]
    Header(usize),
    /// The kind of packets.
    #[error(
        "a pcap file of link type {0}: expected Ethernet (1), Linux cooked (113, 276) or raw IP (12, 14, 101, 228)"
    )]
    Link(u32),
    /// Text.
    #[error("line {line}: expected hexadecimal bytes, got {got:?}")]
    Hex {
        /// Of the file, from 1.
        line: usize,
        /// What is none.
        got: String,
    },
    /// Neither.
    #[error("expected a pcap file or hexadecimal text, got neither")]
    Unknown,
    /// Nothing in it.
    #[error("no packet in it")]
    Empty,
}

/// Reads a file of either kind.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Capture, Unreadable> {
    match bytes.first_chunk::<4>() {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => Err(Unreadable::Pcapng),
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => pcap(bytes, u32::from_be_bytes),
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => pcap(bytes, u32::from_le_bytes),
        _ => hex(std::str::from_utf8(bytes).map_err(|_| Unreadable::Unknown)?),
    }
}

fn word(bytes: &[u8], at: usize, order: fn([u8; 4]) -> u32) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.first_chunk().map(|chunk| order(*chunk))
}

fn pcap(bytes: &[u8], order: fn([u8; 4]) -> u32) -> Result<Capture, Unreadable> {
    let header = |at: usize| word(bytes, at, order).ok_or(Unreadable::Header(bytes.len()));
    let nanoseconds = header(0)? == 0xa1b2_3c4d;
    // The upper bits tell of checksums.
    let link = header(20)? & 0xffff;
    if !matches!(link, 1 | 12 | 14 | 101 | 113 | 228 | 276) {
        return Err(Unreadable::Link(link));
    }
    let mut capture = Capture::default();
    let mut rest = bytes.get(24..).unwrap_or_default();
    for number in 1.. {
        if rest.is_empty() {
            break;
        }
        if capture.datagrams.len() == DATAGRAMS_MAX {
            capture.cut = Some(format!("more than {DATAGRAMS_MAX} packets of DHCP: the others are not looked at"));
            break;
        }
        let field = |at: usize| word(rest, at, order);
        let whole = || {
            let length = usize::try_from(field(8)?).ok()?;
            Some((field(0)?, field(4)?, rest.get(16..16_usize.checked_add(length)?)?))
        };
        let Some((seconds, fraction, frame)) = whole() else {
            capture.cut = Some(format!("the file ends within packet {number}"));
            break;
        };
        rest = rest.get(16 + frame.len()..).unwrap_or_default();
        let micros = if nanoseconds { fraction / 1000 } else { fraction };
        let at = Micros::from(seconds) * 1_000_000 + Micros::from(micros);
        match packet(frame, link) {
            Some((ends, payload)) => {
                capture.datagrams.push(Datagram { number, at: Some(at), ends: Some(ends), payload: payload.to_vec() });
            }
            None => capture.others += 1,
        }
    }
    Ok(capture)
}

type Found<'a> = ((SocketAddrV4, SocketAddrV4), &'a [u8]);

/// The datagram in a frame.
fn packet(frame: &[u8], link: u32) -> Option<Found<'_>> {
    match link {
        1 => ethernet(frame),
        113 => frame.get(14..16).filter(|kind| *kind == [8, 0]).and_then(|_| ipv4(frame.get(16..)?)),
        276 => frame.get(..2).filter(|kind| *kind == [8, 0]).and_then(|_| ipv4(frame.get(20..)?)),
        _ => ipv4(frame),
    }
}

fn ethernet(frame: &[u8]) -> Option<Found<'_>> {
    let mut rest = frame.get(12..)?;
    // 802.1Q and 802.1ad: two tags at most.
    for _ in 0..3 {
        match rest {
            [0x81, 0x00, _, _, inner @ ..] | [0x88, 0xa8, _, _, inner @ ..] => rest = inner,
            [0x08, 0x00, inner @ ..] => return ipv4(inner),
            _ => return None,
        }
    }
    None
}

/// Whole datagrams of DHCP's ports; no pieces of one.
fn ipv4(packet: &[u8]) -> Option<Found<'_>> {
    let header = packet.first_chunk::<20>()?;
    let [version, _, l1, l2, _, _, f1, f2, _, protocol, ..] = *header;
    let length = usize::from(version & 15) * 4;
    let fragment = u16::from_be_bytes([f1, f2]) & 0x3fff;
    if version >> 4 != 4 || length < 20 || protocol != 17 || fragment != 0 {
        return None;
    }
    let address = |at: usize| packet.get(at..at + 4)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes));
    // What is behind the packet is Ethernet's padding.
    let total = usize::from(u16::from_be_bytes([l1, l2])).min(packet.len());
    let udp = packet.get(length..total)?;
    let [s1, s2, d1, d2, n1, n2, _, _] = *udp.first_chunk::<8>()?;
    let (from, to) = (u16::from_be_bytes([s1, s2]), u16::from_be_bytes([d1, d2]));
    if !PORTS.contains(&from) && !PORTS.contains(&to) {
        return None;
    }
    let end = usize::from(u16::from_be_bytes([n1, n2])).clamp(8, udp.len());
    let ends = (SocketAddrV4::new(address(12)?, from), SocketAddrV4::new(address(16)?, to));
    Some((ends, udp.get(8..end)?))
}

/// Bytes as text, with or without offsets and a column of characters: what xxd, hexdump -C, tcpdump -xx and Wireshark write.
/// An offset of zero begins a packet; `#` begins a remark.
fn hex(text: &str) -> Result<Capture, Unreadable> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.split('#').next().unwrap_or_default().trim();
        let (offset, bytes) = offset(text);
        let bytes = if offset.is_some() { columns(bytes) } else { bytes.to_owned() };
        let digits: String = bytes.split(|c: char| c.is_whitespace() || c == ':' || c == ',').collect();
        if digits.is_empty() {
            continue;
        }
        let bad = || Unreadable::Hex { line, got: text.chars().take(40).collect() };
        let bytes = ::hex::decode(digits.replace("0x", "")).map_err(|_| bad())?;
        match packets.last_mut() {
            Some(packet) if offset != Some(0) => packet.extend(bytes),
            _ => packets.push(bytes),
        }
    }
    if packets.is_empty() {
        return Err(Unreadable::Empty);
    }
    let datagrams = (1..).zip(packets).take(DATAGRAMS_MAX).map(|(number, bytes)| {
        let found = ethernet(&bytes).or_else(|| ipv4(&bytes)).map(|(ends, payload)| (ends, payload.to_vec()));
        match found {
            Some((ends, payload)) => Datagram { number, at: None, ends: Some(ends), payload },
            None => Datagram { number, at: None, ends: None, payload: bytes },
        }
    });
    Ok(Capture { datagrams: datagrams.collect(), others: 0, cut: None })
}

/// `0010: ` or `0x0010:`, or without a colon when spaces follow that part columns.
fn offset(line: &str) -> (Option<usize>, &str) {
    let end = line.find(|c: char| c == ':' || c.is_whitespace()).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let number = usize::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let is_offset = word.len() >= 4 && (rest.starts_with(':') || rest.starts_with("  ") || rest.starts_with('\t'));
    match number.filter(|_| is_offset) {
        Some(number) => (Some(number), rest.strip_prefix(':').unwrap_or(rest).trim_start()),
        None => (None, line),
    }
}

/// The bytes of a line without its characters: those stand behind two blanks or a bar; two blanks also part the two halves of
/// a line.
fn columns(line: &str) -> String {
    let line = line.split('|').next().unwrap_or_default();
    let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
    let is_half = |column: &str| {
        let bytes: Vec<&str> = column.split(' ').collect();
        bytes.len() <= 8 && bytes.iter().all(|b| b.len() == 2 && b.bytes().all(|c| c.is_ascii_hexdigit()))
    };
    let first = columns.next().unwrap_or_default();
    match columns.next() {
        Some(second) if is_half(first) && first.len() == 23 && is_half(second) => format!("{first} {second}"),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests;
