//! Who gets which answer of DHCP: a packet and what is known, in; an answer or a reason for silence, out. No socket, no clock,
//! no store: what is missing is asked for (`Decision::Need`), and what changes is handed back.

pub mod arch;
pub mod boot_file;
pub mod lease;
mod proxy;
pub mod reply;
pub mod request;
pub mod rival;
mod server;
pub mod silence;
pub mod situation;
pub mod subnet;

pub use arch::{Arch, Platform};
pub use boot_file::{BootFile, BootSettings, Build};
pub use lease::{ClientKey, Lease, LeaseState};
pub use reply::{Destination, Reply};
pub use request::{Hardware, MessageType, Op, RelayInfo, Request};
pub use silence::Silence;
pub use situation::{Answer, Candidate, Decision, Mode, Need, Port, Reservation, Situation, Why};
pub use subnet::{Subnet, SubnetOptions};

/// Relays that a packet may go through (RFC 1542, 4.1.1 has 16 at most, and 4 for a default).
pub const HOPS_MAX: u8 = 16;

/// Decides on a packet. The same packet in the same situation has the same answer.
pub fn decide(request: &Request, situation: &Situation<'_>) -> Decision {
    match refused(request, situation) {
        Some(why) => Decision::Silence(why, None),
        None if situation.port == Port::Pxe => proxy::on_pxe_port(request, situation),
        None if situation.mode == Mode::Proxy => proxy::on_dhcp_port(request, situation),
        None => server::decide(request, situation),
    }
}

/// What nobody is answered, whatever the mode.
fn refused(request: &Request, situation: &Situation<'_>) -> Option<Silence> {
    match request.kind {
        _ if request.op == Op::Reply => Some(Silence::NotARequest),
        _ if situation.mode == Mode::Off => Some(Silence::Off),
        // The first relay in a packet stays in it: with ourselves in it, it is one that we have sent.
        _ if request.relayed() && situation.own.contains(&request.giaddr) => Some(Silence::Loop(request.giaddr)),
        _ if request.hops > HOPS_MAX => Some(Silence::Hops(request.hops)),
        None => Some(Silence::Bootp),
        Some(kind @ (MessageType::Offer | MessageType::Ack | MessageType::Nak)) => Some(Silence::OfAServer(kind)),
        Some(kind @ MessageType::Other(_)) => Some(Silence::Unsupported(kind)),
        _ if request.client_id.as_deref() == Some(situation.probe) => Some(Silence::Probe),
        // What all may send is nobody's: an answer, or a lease, would be everybody's.
        _ if !request.hardware.is_of_one_port() && request.client_id.is_none() => {
            Some(Silence::Hardware(request.hardware.address.clone()))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
