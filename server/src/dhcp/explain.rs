//! What we would answer to each packet of a capture, and why: for operators and for tests. It needs no server: addresses are
//! given from a pool in memory, as if nothing but these packets had ever come, and nobody answers a probe.

mod report;

pub use report::{Explained, OptionWords, Sent, text};

use super::capture::{Capture, Datagram};
use super::packet;
use super::words;
use crate::domain::dhcp::reply::{CLIENT_PORT, PXE_PORT, SERVER_PORT};
use crate::domain::dhcp::{
    self, BootSettings, Candidate, Decision, Lease, Mode, Need, Op, Port, Request, Reservation, Situation, Subnet,
};
use crate::domain::ids::Micros;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The server that is asked.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What it is.
    pub mode: Mode,
    /// Its address and network on the interface.
    pub here: Ipv4Net,
    /// In server mode.
    pub subnets: Vec<Subnet>,
    /// See [`Situation`].
    pub authoritative: bool,
    /// What all machines boot.
    pub boot: BootSettings,
    /// What is reserved for all machines of the capture: for one packet.
    pub reservation: Option<Reservation>,
    /// The port of packets that come without their UDP header.
    pub port: u16,
}

/// Explains all of a capture.
pub fn explain(capture: &Capture, setup: &Setup) -> Vec<Explained> {
    let mut leases = BTreeMap::new();
    let first = capture.datagrams.iter().find_map(|datagram| datagram.at);
    capture.datagrams.iter().map(|datagram| one(datagram, first, setup, &mut leases)).collect()
}

type Leases = BTreeMap<Ipv4Addr, Lease>;

fn one(datagram: &Datagram, first: Option<Micros>, setup: &Setup, leases: &mut Leases) -> Explained {
    let now = datagram.at.unwrap_or_default();
    let parsed = packet::parse(&datagram.payload);
    let (from, to) = datagram.ends.unwrap_or_else(|| assumed(parsed.as_ref().ok(), setup.port));
    let mut explained = Explained {
        number: datagram.number,
        seconds: datagram.at.map(|at| since(at, first.unwrap_or(at))),
        from: from.to_string(),
        to: to.to_string(),
        bytes: datagram.payload.len(),
        summary: String::new(),
        odd: Vec::new(),
        result: String::new(),
        reason: String::new(),
        answer: None,
    };
    let request = match parsed {
        Ok(request) => request,
        Err(error) => {
            explained.summary = "no DHCP packet that can be read".to_owned();
            explained.result = "unusable".to_owned();
            explained.reason = error.to_string();
            return explained;
        }
    };
    explained.summary = words::summary(&request);
    explained.odd.clone_from(&request.odd);
    // What the interface is not asked: other servers' packets, and those for other machines.
    let here = setup.here.addr();
    if request.op == Op::Request && !matches!(to.port(), SERVER_PORT | PXE_PORT) {
        explained.result = "other_port".to_owned();
        explained.reason = format!("sent to port {}: nobody serves there", to.port());
        return explained;
    }
    if let Some(other) = elsewhere(*to.ip(), setup.here).filter(|_| request.op == Op::Request) {
        explained.result = "other_machine".to_owned();
        explained.reason = format!("sent to {other}, which is not {here}");
        return explained;
    }
    match decide(&request, from, to, setup, leases, now) {
        Decision::Answer(answer) => {
            explained.result = "answer".to_owned();
            explained.reason = answer.why.to_string();
            explained.answer = Some(report::sent(&answer));
            leases.extend(answer.lease.map(|lease| (lease.address, lease)));
        }
        Decision::Silence(why, lease) => {
            explained.result = why.word().to_owned();
            explained.reason = why.to_string();
            leases.extend(lease.map(|lease| (lease.address, *lease)));
        }
        // Each need is met below, once; a second one is a fault of the decision.
        Decision::Need(need) => {
            explained.result = "undecided".to_owned();
            explained.reason = format!("the decision asks twice: {need:?}");
        }
    }
    explained
}

/// As the interface that the packet came by would be asked, with what is needed found in memory.
fn decide(
    request: &Request,
    from: SocketAddrV4,
    to: SocketAddrV4,
    setup: &Setup,
    leases: &Leases,
    now: Micros,
) -> Decision {
    let here = setup.here.addr();
    let (own, interface) = ([here], [setup.here]);
    let mut situation = Situation {
        mode: setup.mode,
        port: if to.port() == PXE_PORT { Port::Pxe } else { Port::Dhcp },
        source: from,
        unicast: *to.ip() == here,
        here,
        own: &own,
        interface: &interface,
        authoritative: setup.authoritative,
        probe: &[],
        subnets: &setup.subnets,
        reservation: setup.reservation.as_ref(),
        lease: Lease::of(leases.values(), request),
        candidate: Candidate::NotAsked,
        boot: &setup.boot,
        now,
    };
    // The second time when the UUID alone ties a lease, and somebody else has it.
    for _ in 0..2 {
        situation.candidate = match dhcp::decide(request, &situation) {
            Decision::Need(Need::Probe(address)) => match leases.get(&address).filter(|lease| !lease.is_free(now)) {
                Some(_) => Candidate::InUse(address),
                None => Candidate::Free(address),
            },
            Decision::Need(Need::Address { subnets, wish }) => free(setup, &subnets, wish, leases, now),
            decided => return decided,
        };
    }
    dhcp::decide(request, &situation)
}

/// The wished address, or the lowest that nobody has.
fn free(setup: &Setup, nets: &[Ipv4Net], wish: Option<Ipv4Addr>, leases: &Leases, now: Micros) -> Candidate {
    let is_free = |address: &Ipv4Addr| {
        let lease = leases.get(address).is_none_or(|lease| lease.is_free(now));
        lease && *address != setup.here.addr()
    };
    let subnets = || setup.subnets.iter().filter(|subnet| nets.contains(&subnet.net));
    let wished = wish.filter(|wish| is_free(wish) && subnets().any(|subnet| subnet.gives(*wish)));
    let next = || {
        let spans = subnets().flat_map(|subnet| subnet.spans.iter().map(move |span| (subnet, *span)));
        spans.into_iter().find_map(|(subnet, (first, last))| {
            let mut all = (u32::from(first)..=u32::from(last)).map(Ipv4Addr::from);
            // Behind as many as there are leases, one is free; and a few are nobody's to have.
            all.by_ref().take(leases.len() + 4).find(|address| subnet.gives(*address) && is_free(address))
        })
    };
    wished.or_else(next).map_or(Candidate::Exhausted, Candidate::Free)
}

/// Who a packet is from and to when only its own bytes are known.
fn assumed(request: Option<&Request>, port: u16) -> (SocketAddrV4, SocketAddrV4) {
    let from = match request {
        Some(request) if request.relayed() => SocketAddrV4::new(request.giaddr, SERVER_PORT),
        Some(request) => SocketAddrV4::new(request.ciaddr, CLIENT_PORT),
        None => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
    };
    (from, SocketAddrV4::new(Ipv4Addr::BROADCAST, port))
}

/// An address that is neither ours nor everybody's.
fn elsewhere(to: Ipv4Addr, here: Ipv4Net) -> Option<Ipv4Addr> {
    (to != here.addr() && !to.is_broadcast() && to != here.broadcast() && !to.is_multicast()).then_some(to)
}

fn since(at: Micros, first: Micros) -> String {
    let micros = at.saturating_sub(first);
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
pub(super) mod tests;
