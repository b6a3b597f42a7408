//! Beside another DHCP server: what to boot, and nothing else. On port 67 a PXE client's DISCOVER is answered with an offer of
//! no address; on port 4011 its REQUEST, and not a DISCOVER, with an ACK (PXE 2.1, 2.2).

use super::boot_file;
use super::reply::{Destination, Reply};
use super::request::{MessageType, Request};
use super::silence::Silence;
use super::situation::{Answer, Decision, Situation, Why};
use std::net::Ipv4Addr;

/// Port 67 in proxy mode.
pub fn on_dhcp_port(request: &Request, situation: &Situation<'_>) -> Decision {
    if !boot_file::asks(request) {
        return Decision::Silence(Silence::NotABootClient, None);
    }
    match request.kind {
        Some(MessageType::Discover) => {
            let reply = Reply::to(request, MessageType::Offer, situation.here);
            answer(request, situation, reply, None, Why::Proxy)
        }
        // A client that knows its address and asks for its file: no address is given by this.
        Some(MessageType::Inform) => {
            let reply = Reply::to(request, MessageType::Ack, situation.here);
            answer(request, situation, reply, None, Why::Proxy)
        }
        // Most of all the REQUEST: it takes the address of that other server.
        other => Decision::Silence(Silence::ProxyOnly(other.unwrap_or(MessageType::Request)), None),
    }
}

/// Port 4011, in any mode.
pub fn on_pxe_port(request: &Request, situation: &Situation<'_>) -> Decision {
    if let Some(server) = request.server_id.filter(|server| !situation.own.contains(server)) {
        return Decision::Silence(Silence::OtherServer(server), None);
    }
    match request.kind {
        Some(MessageType::Request | MessageType::Inform) => {}
        other => return Decision::Silence(Silence::NotOnPxePort(other.unwrap_or(MessageType::Discover)), None),
    }
    let mut reply = Reply::to(request, MessageType::Ack, situation.here);
    reply.ciaddr = request.ciaddr;
    // EDK2 asks from port 4011 and leaves ciaddr empty, iPXE asks from 68: both listen where they asked from.
    let to = (!situation.source.ip().is_unspecified()).then_some(Destination::Unicast(situation.source));
    answer(request, situation, reply, to, Why::Pxe)
}

fn answer(
    request: &Request,
    situation: &Situation<'_>,
    mut reply: Reply,
    to: Option<Destination>,
    why: Why,
) -> Decision {
    let file = match boot_file::choose(request, situation.boot) {
        Ok(file) => file,
        Err(silence) => return Decision::Silence(silence, None),
    };
    boot_file::put(&mut reply, request, situation.boot, &file);
    reply.yiaddr = Ipv4Addr::UNSPECIFIED;
    let to = to.unwrap_or_else(|| Destination::of(request, &reply));
    Decision::Answer(Box::new(Answer { reply, to, lease: None, boot: Some(Ok(file)), why }))
}
