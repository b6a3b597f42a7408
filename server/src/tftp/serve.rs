//! The sockets of TFTP: requests come in on one, each transfer has another of its own (RFC 1350, 4), or all share the one
//! (single port, for firewalls and NAT). Bounded: transfers in all, and of one client.

use super::packet::{self, Code, Packet, Request};
use super::transfer::{Limits, Outcome, Step, Transfer};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The files that there are, by name. Never a path: what is not in a list of ours is not there.
pub trait Files: Send + Sync {
    /// The file of this name, as [`normal`] gives it; none: there is none.
    fn file(&self, client: IpAddr, name: &str) -> Option<Arc<[u8]>>;
}

/// How it serves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Of blocks and windows.
    pub limits: Limits,
    /// Transfers at once; more are not answered, and clients ask again.
    pub transfers: usize,
    /// Transfers at once of one address.
    pub of_client: usize,
    /// All through the port of the requests.
    pub single_port: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: Limits::default(), transfers: 512, of_client: 8, single_port: false }
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who asked.
    pub client: SocketAddr,
    /// For what, cleaned.
    pub file: String,
    /// How it ended; none: there is no such file.
    pub outcome: Option<Outcome>,
    /// Bytes that the client acknowledged.
    pub bytes: u64,
    /// Packets sent more than once.
    pub resent: u64,
    /// From the request to the end.
    pub took: Duration,
}

/// No transfer is longer: a client that acknowledges a byte a minute must not hold a place for ever.
const LONGEST: Duration = Duration::from_secs(900);
/// A request fits; ACK and ERROR are shorter.
const DATAGRAM: usize = 2048;
/// Packets of a client that wait, on a single port; more are lost, as on any line.
const WAITING: usize = 64;

/// The name of a file as a client sends it: Windows' separators, leading slashes, and the FFh that some ROMs put at the end.
pub fn normal(name: &str) -> String {
    let name = name.replace('\\', "/");
    let name = name.trim_end_matches(|c: char| !c.is_ascii_graphic());
    name.trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// Serves until it is stopped; `told` gets a report of each request that ended, and must not block.
///
/// # Errors
/// The socket failed.
pub async fn serve(
    socket: UdpSocket,
    files: Arc<dyn Files>,
    settings: Settings,
    told: impl Fn(Report) + Send + Sync,
    stop: CancellationToken,
) -> io::Result<()> {
    let socket = Arc::new(socket);
    let local = socket.local_addr()?;
    let mut running: HashMap<SocketAddr, (Id, mpsc::Sender<Packet>)> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = [0; DATAGRAM];
    loop {
        let (length, peer) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(ended) = tasks.join_next_with_id() => {
                let (id, report) = match ended {
                    Ok((id, report)) => (id, Some(report)),
                    Err(error) => (error.id(), None),
                };
                running.retain(|_, (running, _)| *running != id);
                report.into_iter().for_each(&told);
                continue;
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                // An answer to somebody who is gone comes back as an error of the socket.
                Err(error) if is_of_a_client(&error) => continue,
                Err(error) => return Err(error),
            },
        };
        let packet = match Packet::parse(buffer.get(..length).unwrap_or_default()) {
            Ok(packet) => packet,
            Err(why) => {
                tracing::debug!(%peer, "TFTP: a packet of {length} bytes is not used: {why}");
                continue;
            }
        };
        if let Some((_, transfer)) = running.get(&peer) {
            // Full, or ended just now: lost, as on any line.
            let _ = transfer.try_send(packet);
            continue;
        }
        let request = match packet {
            Packet::Read(request) => request,
            Packet::Write => {
                let _ = socket.send_to(&packet::error(Code::ACCESS, "nothing is written here"), peer).await;
                continue;
            }
            // Of a transfer that ended.
            Packet::Ack(_) | Packet::Error(..) => continue,
        };
        let name = normal(&request.file);
        let Some(file) = files.file(peer.ip(), &name) else {
            let _ = socket.send_to(&packet::error(Code::NOT_FOUND, "there is no such file"), peer).await;
            told(Report { client: peer, file: name, outcome: None, bytes: 0, resent: 0, took: Duration::ZERO });
            continue;
        };
        let of_client = running.keys().filter(|known| known.ip() == peer.ip()).count();
        if running.len() >= settings.transfers || of_client >= settings.of_client {
            tracing::warn!(%peer, file = name, running = running.len(), "TFTP: too many transfers, not answered now");
            continue;
        }
        let (to_transfer, from_server) = mpsc::channel(WAITING);
        let line = if settings.single_port {
            Line::Shared { socket: socket.clone(), peer, packets: from_server }
        } else {
            match own_socket(local.ip(), peer).await {
                Ok(socket) => Line::Own { socket, again: from_server },
                Err(error) => {
                    tracing::error!(%peer, "TFTP: no socket for a transfer: {error}");
                    continue;
                }
            }
        };
        let task = tasks.spawn(transfer(line, peer, name, request, file, settings.limits));
        running.insert(peer, (task.id(), to_transfer));
    }
}

fn is_of_a_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable)
}

/// Of the same address as the request came to: a client takes no answer of another.
async fn own_socket(local: IpAddr, peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

/// How a transfer talks to its client.
enum Line {
    /// By a socket of its own; requests that come again come by the server's.
    Own { socket: UdpSocket, again: mpsc::Receiver<Packet> },
    /// By the server's.
    Shared { socket: Arc<UdpSocket>, peer: SocketAddr, packets: mpsc::Receiver<Packet> },
}

impl Line {
    async fn send(&self, packet: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own { socket, .. } => socket.send(packet).await,
            Self::Shared { socket, peer, .. } => socket.send_to(packet, *peer).await,
        }
    }

    /// The next packet of the client.
    async fn next(&mut self) -> io::Result<Packet> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
        match self {
            Self::Shared { packets, .. } => packets.recv().await.ok_or_else(gone),
            Self::Own { socket, again } => {
                let mut buffer = [0; DATAGRAM];
                loop {
                    let length = tokio::select! {
                        packet = again.recv() => return packet.ok_or_else(gone),
                        received = socket.recv(&mut buffer) => received?,
                    };
                    if let Ok(packet) = Packet::parse(buffer.get(..length).unwrap_or_default()) {
                        return Ok(packet);
                    }
                }
            }
        }
    }
}

async fn transfer(
    mut line: Line,
    client: SocketAddr,
    name: String,
    request: Request,
    file: Arc<[u8]>,
    limits: Limits,
) -> Report {
    let began = Instant::now();
    let (mut transfer, first) = Transfer::start(&request, file, limits);
    let mut step = Step::Send(first);
    let mut until = began;
    let outcome = loop {
        match step {
            Step::Send(packets) => {
                for packet in packets {
                    // Not sent is lost: the client, or the time, asks again.
                    let _ = line.send(&packet).await;
                }
                until = Instant::now() + transfer.timeout();
            }
            Step::Wait => {}
            Step::End(outcome) => break outcome,
        }
        if began.elapsed() > LONGEST {
            let _ = line.send(&packet::error(Code::UNDEFINED, "the transfer took too long")).await;
            break Outcome::Silent;
        }
        step = match tokio::time::timeout_at(until, line.next()).await {
            Ok(Ok(Packet::Ack(block))) => transfer.acknowledged(block),
            Ok(Ok(Packet::Error(code, message))) => Step::End(Outcome::Ended(code, message)),
            Ok(Ok(Packet::Read(again))) if again == request => transfer.asked_again(),
            Ok(Ok(Packet::Read(_) | Packet::Write)) => Step::Wait,
            // Nobody listens there any more.
            Ok(Err(_)) => Step::End(Outcome::Silent),
            Err(_) => transfer.timed_out(),
        };
    };
    let (bytes, resent, took) = (transfer.bytes(), transfer.resent(), began.elapsed());
    Report { client, file: name, outcome: Some(outcome), bytes, resent, took }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
