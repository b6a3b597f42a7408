//! The DHCP server (RFC 2131, 4.3): which address a client is offered, given, kept or refused. The four states of a REQUEST
//! are told apart by what is in it (4.3.2, table 4).

use super::boot_file;
use super::lease::{Lease, LeaseState, Tie};
use super::reply::{Destination, Reply, code};
use super::request::{MessageType, Request};
use super::silence::Silence;
use super::situation::{Answer, Candidate, Decision, Need, Situation, Why};
use super::subnet::{self, Subnet};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// No lease is shorter, whatever a client wishes: it would only renew.
const SHORTEST: u32 = 120;

/// Decides on a packet on port 67.
pub fn decide(request: &Request, situation: &Situation<'_>) -> Decision {
    let subnets = match subnet::of(request, situation.unicast, situation.interface, situation.subnets) {
        Ok(subnets) => subnets,
        Err(silence) => return Decision::Silence(silence, None),
    };
    let asked = Asked { request, situation, subnets };
    match request.kind {
        Some(MessageType::Discover) => asked.discover(),
        Some(MessageType::Request) => asked.request(),
        Some(MessageType::Inform) => asked.inform(),
        Some(MessageType::Release) => asked.give_up(request.ciaddr, Silence::Released, Lease::released),
        Some(MessageType::Decline) => match request.requested {
            Some(address) => asked.give_up(address, Silence::Declined, Lease::declined),
            None => Decision::Silence(Silence::NoAddress, None),
        },
        other => Decision::Silence(Silence::Unsupported(other.unwrap_or(MessageType::Other(0))), None),
    }
}

fn nets(subnets: &[&Subnet]) -> Vec<Ipv4Net> {
    subnets.iter().map(|subnet| subnet.net).collect()
}

/// A packet, and the subnets that it may be about: one at least.
struct Asked<'a> {
    request: &'a Request,
    situation: &'a Situation<'a>,
    subnets: Vec<&'a Subnet>,
}

impl<'a> Asked<'a> {
    /// The subnet of an address.
    fn subnet(&self, address: Ipv4Addr) -> Option<&'a Subnet> {
        self.subnets.iter().copied().find(|subnet| subnet.is_host(address))
    }

    /// The address that is reserved for it, where it is now.
    fn reserved(&self) -> Option<(Ipv4Addr, &'a Subnet)> {
        let address = self.situation.reservation?.address?;
        Some((address, self.subnet(address)?))
    }

    /// Its lease, where it is now, if it may have that again.
    fn known(&self) -> Option<(&'a Lease, &'a Subnet, Tie)> {
        let lease = self.situation.lease.filter(|lease| lease.is_good(self.situation.now))?;
        Some((lease, self.subnet(lease.address)?, lease.tie(self.request)?))
    }

    fn discover(&self) -> Decision {
        let (request, candidate, now) = (self.request, self.situation.candidate, self.situation.now);
        let known = self.known();
        if let Some((address, subnet)) = self.reserved() {
            // Its node found somebody there: until that is over, or an operator says so (`higuma dhcp release`).
            if self.situation.lease.is_some_and(|lease| lease.address == address && !lease.is_good(now)) {
                return Decision::Silence(Silence::InUse(address), None);
            }
            let had = known.filter(|(lease, _, tie)| lease.address == address && *tie > Tie::Uuid);
            return match (had, candidate) {
                (Some((lease, ..)), _) => self.offer(lease.clone().offered(request, now), subnet, Why::Reserved),
                (None, Candidate::Free(free)) if free == address => {
                    self.offer(Lease::offer(address, subnet.net, request, now), subnet, Why::Reserved)
                }
                (None, Candidate::InUse(_) | Candidate::Exhausted) => Decision::Silence(Silence::InUse(address), None),
                (None, _) => Decision::Need(Need::Probe(address)),
            };
        }
        // What the pool no longer gives is not given again.
        if let Some((lease, subnet, tie)) = known.filter(|(lease, subnet, _)| subnet.gives(lease.address)) {
            let offer = || self.offer(lease.clone().offered(request, now), subnet, Why::Known);
            // Another port of the machine, or another machine with its UUID: the first is not up while it boots.
            match candidate {
                Candidate::NotAsked if tie == Tie::Uuid => return Decision::Need(Need::Probe(lease.address)),
                Candidate::Free(free) if free == lease.address => return offer(),
                _ if tie > Tie::Uuid => return offer(),
                _ => {}
            }
        }
        let pools: Vec<&Subnet> = self.subnets.iter().copied().filter(|subnet| !subnet.spans.is_empty()).collect();
        if pools.is_empty() {
            return Decision::Silence(Silence::NoPool(nets(&self.subnets)), None);
        }
        match candidate {
            Candidate::Free(address) => match pools.iter().find(|pool| pool.gives(address)) {
                Some(pool) => self.offer(Lease::offer(address, pool.net, request, now), pool, Why::Pool),
                None => Decision::Silence(Silence::NotItsOwn(address), None),
            },
            Candidate::NotAsked | Candidate::InUse(_) => {
                let wish = request.requested.filter(|wish| pools.iter().any(|pool| pool.gives(*wish)));
                Decision::Need(Need::Address { subnets: nets(&pools), wish })
            }
            Candidate::Exhausted => Decision::Silence(Silence::Exhausted(nets(&pools)), None),
        }
    }

    fn request(&self) -> Decision {
        let request = self.request;
        if let Some(server) = request.server_id {
            // SELECTING: it names whose offer it takes.
            if !self.is_us(server) {
                return Decision::Silence(Silence::OtherServer(server), self.withdrawn());
            }
            return match request.requested.or(self.ciaddr()) {
                Some(address) => match self.own(address) {
                    Some((lease, subnet, why)) => self.acknowledge(lease, subnet, why),
                    // It took our offer, so an answer is due, authoritative or not.
                    None => self.nak(Why::NotItsOwn(address)),
                },
                None => Decision::Silence(Silence::NoAddress, None),
            };
        }
        // INIT-REBOOT names it in option 50; RENEWING and REBINDING use it already.
        let Some(address) = request.requested.filter(|_| self.ciaddr().is_none()).or(self.ciaddr()) else {
            return Decision::Silence(Silence::NoAddress, None);
        };
        let authoritative = self.situation.authoritative;
        match self.own(address) {
            Some((lease, subnet, why)) => self.acknowledge(lease, subnet, why),
            None if !authoritative => Decision::Silence(Silence::UnknownAddress(address), None),
            None if self.subnet(address).is_none() => self.nak(Why::Elsewhere(address)),
            None => self.nak(Why::NotItsOwn(address)),
        }
    }

    fn ciaddr(&self) -> Option<Ipv4Addr> {
        Some(self.request.ciaddr).filter(|address| !address.is_unspecified())
    }

    /// The lease of this client at this address. A client that renews keeps what it has, also when another address was
    /// reserved for it meanwhile: it gets that when it boots again, and is not cut off while it runs.
    fn own(&self, address: Ipv4Addr) -> Option<(Lease, &'a Subnet, Why)> {
        let (request, now) = (self.request, self.situation.now);
        let reserved = self.reserved().filter(|(reserved, _)| *reserved == address);
        let why = if reserved.is_some() { Why::Reserved } else { Why::Known };
        // By the UUID alone it is not: such a client asks anew, and then it shows whether that is the same machine.
        let had = self.known().filter(|(lease, _, tie)| lease.address == address && *tie > Tie::Uuid);
        if let Some((lease, subnet, _)) = had {
            return Some((lease.clone(), subnet, why));
        }
        // The store forgot it (an old backup), and it is reserved: nobody else can have it.
        let (address, subnet) = reserved?;
        let declined = self.situation.lease.is_some_and(|lease| lease.address == address && !lease.is_good(now));
        (!declined).then(|| (Lease::offer(address, subnet.net, request, now), subnet, why))
    }

    fn tied(&self, lease: &Lease) -> bool {
        lease.tie(self.request).is_some_and(|tie| tie > Tie::Uuid)
    }

    /// Are we the server that it means? Behind a relay that hides us (RFC 5107), the relay's word is our name.
    fn is_us(&self, server: Ipv4Addr) -> bool {
        let hidden = self.request.relay.as_ref().and_then(|relay| relay.server_id);
        self.situation.own.contains(&server) || server == self.situation.here || hidden == Some(server)
    }

    /// What it was offered and did not take is free again.
    fn withdrawn(&self) -> Option<Box<Lease>> {
        let offered = |lease: &&Lease| lease.state == LeaseState::Offered && self.tied(lease);
        self.situation.lease.filter(offered).map(|lease| Box::new(lease.clone().released(self.situation.now)))
    }

    fn give_up(
        &self,
        address: Ipv4Addr,
        why: impl FnOnce(Ipv4Addr) -> Silence,
        how: impl FnOnce(Lease, i64) -> Lease,
    ) -> Decision {
        if let Some(server) = self.request.server_id.filter(|server| !self.is_us(*server)) {
            return Decision::Silence(Silence::OtherServer(server), None);
        }
        // Its own, and still good: one that was declined before stays declined.
        let now = self.situation.now;
        let own = |lease: &&Lease| lease.address == address && self.tied(lease) && lease.is_good(now);
        match self.situation.lease.filter(own) {
            Some(lease) => Decision::Silence(why(address), Some(Box::new(how(lease.clone(), now)))),
            None => Decision::Silence(Silence::NotItsOwn(address), None),
        }
    }

    fn reply(&self, kind: MessageType) -> Reply {
        let hidden = self.request.relay.as_ref().and_then(|relay| relay.server_id);
        let mut reply = Reply::to(self.request, kind, hidden.unwrap_or(self.situation.here));
        // RFC 6842: who identifies itself is told that it is meant.
        if let Some(id) = &self.request.client_id {
            reply.set(code::CLIENT_ID, id.clone());
        }
        reply
    }

    fn offer(&self, lease: Lease, subnet: &Subnet, why: Why) -> Decision {
        let reply = self.reply(MessageType::Offer);
        self.give(reply, lease, subnet, why)
    }

    fn acknowledge(&self, lease: Lease, subnet: &Subnet, why: Why) -> Decision {
        let seconds = self.seconds(subnet);
        let lease = lease.bound(self.request, self.situation.now, seconds);
        let mut reply = self.reply(MessageType::Ack);
        reply.ciaddr = self.request.ciaddr;
        self.give(reply, lease, subnet, why)
    }

    /// What it wishes, but no longer than its own, or the subnet's.
    fn seconds(&self, subnet: &Subnet) -> u32 {
        let own = self.situation.reservation.and_then(|node| node.lease_seconds);
        let most = own.unwrap_or(subnet.lease_seconds).max(SHORTEST);
        self.request.lease_seconds.unwrap_or(most).clamp(SHORTEST, most)
    }

    fn give(&self, mut reply: Reply, lease: Lease, subnet: &Subnet, why: Why) -> Decision {
        reply.yiaddr = lease.address;
        let seconds = self.seconds(subnet);
        reply.set(code::LEASE_TIME, seconds.to_be_bytes());
        // T1 and T2 of RFC 2131, 4.4.5.
        reply.set(code::RENEWAL, (seconds / 2).to_be_bytes());
        reply.set(code::REBINDING, (seconds - seconds / 8).to_be_bytes());
        self.finish(reply, Some(lease), subnet, why)
    }

    fn inform(&self) -> Decision {
        let Some(address) = self.ciaddr() else { return Decision::Silence(Silence::NoAddress, None) };
        let Some(subnet) = self.subnet(address) else {
            return Decision::Silence(Silence::NoSubnet(Some(address)), None);
        };
        let mut reply = self.reply(MessageType::Ack);
        reply.ciaddr = address;
        self.finish(reply, None, subnet, Why::Inform)
    }

    /// The mask, what it boots, and what else the subnet and the node have, in this order: the last is left out first.
    fn finish(&self, mut reply: Reply, lease: Option<Lease>, subnet: &Subnet, why: Why) -> Decision {
        let (request, situation) = (self.request, self.situation);
        reply.set(code::SUBNET_MASK, subnet.net.netmask().octets());
        let boot = boot_file::choose(request, situation.boot);
        if let Ok(file) = &boot {
            boot_file::put(&mut reply, request, situation.boot, file);
            boot_file::no_proxy(&mut reply, request);
        }
        let reservation = situation.reservation;
        if let Some(hostname) =
            reservation.and_then(|node| node.hostname.as_ref()).filter(|_| request.wants(code::HOSTNAME))
        {
            reply.set(code::HOSTNAME, hostname.as_str());
        }
        if request.wants(code::BROADCAST) && subnet.net.prefix_len() < 31 {
            reply.set(code::BROADCAST, subnet.net.broadcast().octets());
        }
        let options = reservation.map(|node| node.options.over(&subnet.options));
        options.as_ref().unwrap_or(&subnet.options).put(&mut reply, request);
        let to = Destination::of(request, &reply);
        Decision::Answer(Box::new(Answer { reply, to, lease, boot: Some(boot), why }))
    }

    fn nak(&self, why: Why) -> Decision {
        let mut reply = self.reply(MessageType::Nak);
        // RFC 2131, 4.3.2: through a relay, which could not reach an address that is wrong on its network.
        reply.broadcast |= self.request.relayed();
        reply.set(code::MESSAGE, why.to_string());
        let to = Destination::of(self.request, &reply);
        Decision::Answer(Box::new(Answer { reply, to, lease: None, boot: None, why }))
    }
}
