//! What is answered to a packet of DHCP: what is known of its machine is loaded, `domain` decides, and what changes is stored
//! before anything is sent.

use crate::domain::dhcp::{self, BootSettings, Build, Candidate, Decision, Mode, Port, Request, Reservation, Situation};
use crate::domain::NodeUuid;
use crate::domain::select::Which;
use crate::error::Result;
use crate::service::{App, facts};
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddrV4};

/// An interface that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What we are on it.
    pub mode: Mode,
    /// Addresses and networks of it; the first is the server's.
    pub nets: Vec<Ipv4Net>,
    /// All addresses of this machine.
    pub own: Vec<Ipv4Addr>,
    /// Base URL of the plain listener as its machines reach it, without a slash at its end.
    pub http: String,
    /// iPXE's files that there are.
    pub files: Vec<String>,
}

/// A packet, and how it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What it says.
    pub request: Request,
    /// The port that it came to.
    pub port: Port,
    /// Who sent it.
    pub source: SocketAddrV4,
    /// It was sent to one address, and not to all.
    pub unicast: bool,
}

/// What comes of a packet, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What comes of it.
    pub decision: Decision,
    /// The node, when it is one that we know.
    pub node: Option<NodeUuid>,
}

/// Decides on a packet. Errors: the database.
pub async fn decide(app: &App, interface: &Interface, heard: &Heard) -> Result<Outcome> {
    let Known { node, chain, full } = known(app, &heard.request).await?;
    let here = interface.nets.first().map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr);
    let boot = BootSettings {
        boots: true,
        build: if full { Build::Full } else { Build::Snponly },
        own_ipxe: chain,
        fetched: chain && app.exchanges.has_fetched(&heard.request, app.now()),
        tftp: here,
        http: interface.http.clone(),
        files: interface.files.clone(),
    };
    let reservation = Reservation::default();
    let situation = Situation {
        mode: interface.mode,
        port: heard.port,
        source: heard.source,
        unicast: heard.unicast,
        here,
        own: &interface.own,
        interface: &interface.nets,
        authoritative: false,
        subnets: &[],
        reservation: node.is_some().then_some(&reservation),
        lease: None,
        candidate: Candidate::NotAsked,
        boot: &boot,
        now: app.now(),
    };
    Ok(Outcome { decision: dhcp::decide(&heard.request, &situation), node })
}

/// What is known of the machine of a packet.
struct Known {
    node: Option<NodeUuid>,
    chain: bool,
    full: bool,
}

/// By the UUID that its firmware tells, else by its port when one node alone has that.
async fn known(app: &App, request: &Request) -> Result<Known> {
    let (told, mac, now) = (request.named().cloned(), request.hardware.mac(), app.now());
    let settings = app.settings.clone();
    app.store
        .read(move |tx| {
            let mut node = match told {
                Some(told) => tx.node(&told)?,
                None => None,
            };
            if node.is_none()
                && let Some(mac) = mac
                && let [only] = tx.nodes_by_mac(&mac)?.as_slice()
            {
                node = tx.node(only)?;
            }
            let asked = [&settings.ipxe_chain, &settings.ipxe_full];
            let expression = asked.iter().any(|which| matches!(which, Which::Where(_)));
            let facts = match node.as_ref().filter(|_| expression) {
                Some(node) => {
                    let hardware = tx.node_facts(&node.uuid)?.unwrap_or_default();
                    Some(facts::of_node(node, None, hardware, now, settings.heartbeat_timeout))
                }
                None => None,
            };
            let [chain, full] = asked.map(|which| match which {
                Which::Off => false,
                Which::All => true,
                // One that cannot be decided for this node does not hold.
                Which::Where(selector) => facts.as_ref().is_some_and(|facts| selector.matches(facts).unwrap_or(false)),
            });
            Ok(Known { node: node.map(|node| node.uuid), chain, full })
        })
        .await
}
