//! What is answered to a packet of DHCP: what is known of its machine is loaded, `domain` decides, and what changes is stored
//! before anything is sent. An address is looked for on the wire before a stranger gets it first.

use super::boots::{Boots, boots};
use crate::domain::NodeUuid;
use crate::domain::dhcp::lease::Tie;
use crate::domain::dhcp::{
    self, Answer, BootSettings, Build, Candidate, ClientKey, Decision, Lease, Mode, Need, Port, Request, Reservation,
    Silence, Situation, Subnet, subnet,
};
use crate::domain::ipam::dhcp::Dhcp;
use crate::domain::ipam::{self, Kind};
use crate::domain::node::Node;
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::Tx;
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use tokio::sync::Semaphore;

/// An interface that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What we are on it.
    pub mode: Mode,
    /// Whoever uses an address that we did not give is told so.
    pub authoritative: bool,
    /// Addresses and networks of it; the first is the server's.
    pub nets: Vec<Ipv4Net>,
    /// All addresses of this machine.
    pub own: Vec<Ipv4Addr>,
    /// The client identifier that servers of this installation ask with, whether others answer.
    pub probe: Vec<u8>,
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

/// Decisions on one packet: a need each, and again when another server was faster.
const STEPS: usize = 6;
/// Addresses that are found in use, one after the other, for one packet; its client asks again.
const TRIES: usize = 3;
/// Addresses that are looked for at once. Thousands of strangers must not keep a machine that has its lease from its answer,
/// which needs no look.
static LOOKS: Semaphore = Semaphore::const_new(32);
/// The same for one certain address: of machines that are known, which wait for their turn instead.
static KNOWN_LOOKS: Semaphore = Semaphore::const_new(16);

/// Decides on a packet. Errors: the database.
pub async fn decide(app: &App, interface: &Interface, heard: &Heard) -> Result<Outcome> {
    let request = &heard.request;
    let here = interface.nets.first().map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr);
    let mut candidate = Candidate::NotAsked;
    // What is found out for this packet is no news of its machine: it is loaded anew only when another server was faster.
    let mut known = load(app, interface, heard).await?;
    for _ in 0..STEPS {
        let node = known.node.clone();
        let boot = BootSettings {
            boots: true,
            build: if known.boots.full { Build::Full } else { Build::Snponly },
            own_ipxe: known.boots.chain,
            fetched: known.boots.chain && app.exchanges.has_fetched(request, app.now()),
            tftp: here,
            http: interface.http.clone(),
            files: interface.files.clone(),
        };
        let decision = dhcp::decide(
            request,
            &Situation {
                mode: interface.mode,
                port: heard.port,
                source: heard.source,
                unicast: heard.unicast,
                here,
                own: &interface.own,
                interface: &interface.nets,
                authoritative: interface.authoritative,
                probe: &interface.probe,
                subnets: &known.subnets,
                reservation: known.reservation.as_ref(),
                lease: known.lease.as_ref(),
                candidate,
                boot: &boot,
                now: app.now(),
            },
        );
        candidate = match decision {
            Decision::Need(need) => match meet(app, need, &known.subnets, request).await? {
                Some(found) => found,
                None => return Ok(Outcome { decision: Decision::Silence(Silence::Busy, None), node }),
            },
            Decision::Answer(answer) => match keep(app, answer, request, node.clone()).await? {
                Some(answer) => return Ok(Outcome { decision: Decision::Answer(answer), node }),
                None => {
                    known = load(app, interface, heard).await?;
                    Candidate::NotAsked
                }
            },
            Decision::Silence(why, Some(after)) => {
                give_up(app, known.lease, *after).await?;
                return Ok(Outcome { decision: Decision::Silence(why, None), node });
            }
            silence @ Decision::Silence(_, None) => return Ok(Outcome { decision: silence, node }),
        };
    }
    Ok(Outcome { decision: Decision::Silence(Silence::Busy, None), node: known.node })
}

/// What is known of a packet's machine.
struct Known {
    node: Option<NodeUuid>,
    boots: Boots,
    subnets: Vec<Subnet>,
    reservation: Option<Reservation>,
    lease: Option<Lease>,
}

async fn load(app: &App, interface: &Interface, heard: &Heard) -> Result<Known> {
    let (interface, heard, now, settings) = (interface.clone(), heard.clone(), app.now(), app.settings.clone());
    let seen = app.prober.is_some();
    app.store
        .read(move |tx| {
            let request = &heard.request;
            let node = node_of(tx, request)?;
            let boots = boots(tx, &settings, node.as_ref(), now)?;
            let uuid = node.as_ref().map(|node| node.uuid.clone());
            let mut known = Known { node: uuid, boots, subnets: Vec::new(), reservation: None, lease: None };
            if interface.mode != Mode::Server || heard.port == Port::Pxe {
                return Ok(known);
            }
            known.subnets = ipam::dhcp::subnets(&tx.pools()?);
            known.reservation = node.as_ref().map(|node| reservation(tx, node)).transpose()?;
            if let Ok(about) = subnet::of(request, heard.unicast, &interface.nets, &known.subnets) {
                let mut leases = tx.leases_of(&ClientKey::of(request), &request.hardware, request.named())?;
                leases.retain(|lease| about.iter().any(|subnet| subnet.net == lease.subnet));
                // By the UUID alone it may be another machine with the same one: whether the first is there is seen on our own
                // wire only, and only when somebody looks.
                let sure = |lease: &Lease| lease.tie(request).is_some_and(|tie| tie > Tie::Uuid) || lease.is_free(now);
                leases.retain(|lease| (seen && !request.relayed()) || sure(lease));
                // What a node has by now is its own, whoever had it before.
                let mut free = Vec::new();
                for lease in leases {
                    if tx.holders(lease.address.into())?.iter().all(|row| Some(&row.node) == known.node.as_ref()) {
                        free.push(lease);
                    }
                }
                let leases = free;
                known.lease = Lease::of(&leases, request).cloned();
            }
            Ok(known)
        })
        .await
}

/// The node of a packet: by the UUID that its firmware tells, else by its port when one node alone has that.
fn node_of(tx: &mut Tx<'_>, request: &Request) -> Result<Option<Node>> {
    if let Some(told) = request.named()
        && let Some(node) = tx.node(told)?
    {
        return Ok(Some(node));
    }
    let Some(mac) = request.hardware.mac() else { return Ok(None) };
    match tx.nodes_by_mac(&mac)?.as_slice() {
        [only] => tx.node(only),
        _ => Ok(None),
    }
}

/// What the node's record says: the address that IPAM has given it, and its name.
fn reservation(tx: &mut Tx<'_>, node: &Node) -> Result<Reservation> {
    let addresses = tx.addresses_of(&node.uuid)?;
    // Those of its devices are set by its system itself.
    let mut own = addresses.iter().filter(|row| row.device.is_empty());
    let address = own.find_map(|row| match (row.kind, row.released, row.address) {
        (Kind::Node, None, IpAddr::V4(address)) => Some(address),
        _ => None,
    });
    let hostname = node.hostname.as_str().split('.').next().and_then(|name| name.parse().ok());
    let Dhcp { options, lease_seconds } = tx.node_dhcp(&node.uuid)?.unwrap_or_default().0;
    Ok(Reservation { address, hostname, options, lease_seconds })
}

/// What a decision needs. None: too many look for addresses now.
async fn meet(app: &App, need: Need, all: &[Subnet], request: &Request) -> Result<Option<Candidate>> {
    match need {
        Need::Probe(address) => {
            let _place = KNOWN_LOOKS.acquire().await.map_err(Error::internal)?;
            Ok(Some(match in_use(app, address, request).await {
                true => Candidate::InUse(address),
                false => Candidate::Free(address),
            }))
        }
        Need::Address { subnets, wish } => {
            if app.dhcp.exhausted(&subnets, app.now()) {
                return Ok(Some(Candidate::Exhausted));
            }
            let nets = subnets.clone();
            let Ok(_place) = LOOKS.try_acquire() else { return Ok(None) };
            let subnets: Vec<Subnet> = all.iter().filter(|subnet| subnets.contains(&subnet.net)).cloned().collect();
            for _ in 0..TRIES {
                let (subnets, wanted) = (subnets.clone(), request.clone());
                let now = app.now();
                let found = app.store.write(move |tx| tx.free_address(&subnets, wish, &wanted, now)).await?;
                let Some(lease) = found else {
                    app.dhcp.were_exhausted(&nets, now);
                    return Ok(Some(Candidate::Exhausted));
                };
                if !in_use(app, lease.address, request).await {
                    return Ok(Some(Candidate::Free(lease.address)));
                }
                tracing::warn!(address = %lease.address, "DHCP: {} is in use by a machine that we have not given it: it is given to nobody for a while", lease.address);
                let after = lease.clone().declined(app.now());
                give_up(app, Some(lease), after).await?;
            }
            // Its client asks again.
            Ok(None)
        }
    }
}

/// Whether another machine answers at the address.
async fn in_use(app: &App, address: Ipv4Addr, request: &Request) -> bool {
    let Some(prober) = &app.prober else { return false };
    let found = prober.who_has(address.into()).await;
    found.is_some_and(|mac| Some(mac) != request.hardware.mac())
}

/// Stores the lease of an answer. None: another client has the address by now.
async fn keep(
    app: &App,
    answer: Box<Answer>,
    request: &Request,
    node: Option<NodeUuid>,
) -> Result<Option<Box<Answer>>> {
    let Some(lease) = answer.lease.clone() else { return Ok(Some(answer)) };
    let (request, now) = (request.clone(), app.now());
    let kept = app.store.write(move |tx| tx.put_lease(&lease, &request, node.as_ref(), now)).await?;
    Ok(kept.then_some(answer))
}

/// Stores the end of a lease, if it is still the one that was decided on.
async fn give_up(app: &App, before: Option<Lease>, after: Lease) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let now = app.now();
    app.store.write(move |tx| tx.give_up_lease(&before, &after, now)).await.map(drop)
}
