//! The sockets of DHCP on one interface, ports 67 and 4011: packets in, answers out. Bounded: packets that are worked on at
//! once; more are lost, as on any line, and their clients ask again. Nothing is decided here.

use crate::domain::dhcp::{Destination, Port, reply};
use nix::cmsg_space;
use nix::libc::in_pktinfo;
use nix::sys::socket::sockopt::{BindToDevice, Broadcast, Ipv4PacketInfo};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, bind, recvmsg, setsockopt, socket,
};
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Packets of one socket that are worked on at once.
const AT_ONCE: usize = 64;
/// Longer than an Ethernet frame; what is longer is cut, and then does not parse.
const DATAGRAM: usize = 4096;
/// After an error of the interface (it is down, say) it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// A packet that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which port it came to.
    pub port: Port,
    /// Who sent it.
    pub source: SocketAddrV4,
    /// It was sent to one address, and not to all.
    pub unicast: bool,
    /// What it is.
    pub bytes: Vec<u8>,
}

/// An answer to send.
pub type Answer = Option<(Destination, Vec<u8>)>;

/// Who answers.
pub trait Answerer: Send + Sync + 'static {
    /// The answer to a packet, within a bounded time.
    fn answer(&self, heard: Heard) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// A socket of an interface.
pub struct Listener {
    socket: UdpSocket,
    port: Port,
    interface: String,
}

impl Listener {
    /// Opens the port on the interface alone: what another program serves on other interfaces is not touched.
    ///
    /// # Errors
    /// Of the kernel: no such interface, no right to it, the port is taken.
    pub fn open(interface: &str, port: Port) -> io::Result<Self> {
        let number = match port {
            Port::Dhcp => reply::SERVER_PORT,
            Port::Pxe => reply::PXE_PORT,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        setsockopt(&fd, BindToDevice, &interface.into())?;
        setsockopt(&fd, Broadcast, &true)?;
        setsockopt(&fd, Ipv4PacketInfo, &true)?;
        // Not SO_REUSEADDR: two servers on one port would each get some of the packets, and nobody would be told.
        bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, number)))?;
        let socket = UdpSocket::from_std(fd.into())?;
        Ok(Self { socket, port, interface: interface.to_owned() })
    }

    /// Serves until it is stopped.
    pub async fn serve(self, answerer: Arc<dyn Answerer>, stop: CancellationToken) {
        let Self { socket, port, interface } = self;
        let socket = Arc::new(socket);
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut told = false;
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = socket.async_io(Interest::READABLE, || receive(&socket)) => received,
            };
            let (source, to, bytes) = match received {
                Ok(Some(received)) => received,
                Ok(None) => continue,
                Err(error) => {
                    if !told {
                        tracing::warn!(interface, "DHCP on {interface}: {error}; it is tried again until it works");
                    }
                    told = true;
                    let _ = tokio::time::timeout(PAUSE, stop.cancelled()).await;
                    continue;
                }
            };
            told = false;
            let Ok(place) = places.clone().try_acquire_owned() else {
                metrics::counter!("higuma_dhcp_lost_total", "interface" => interface.clone()).increment(1);
                continue;
            };
            let unicast = !to.is_broadcast() && !to.is_unspecified();
            let heard = Heard { port, source, unicast, bytes };
            let (socket, answerer, interface) = (socket.clone(), answerer.clone(), interface.clone());
            tokio::spawn(async move {
                let _place = place;
                let Some((to, bytes)) = answerer.answer(heard).await else { return };
                if let Err(error) = send(&socket, &to, &bytes).await {
                    tracing::warn!(interface, %to, "DHCP on {interface}: an answer to {to} could not be sent: {error}");
                }
            });
        }
    }
}

/// A client without a working address does not answer ARP: it hears a broadcast (RFC 2131, 4.1).
async fn send(socket: &UdpSocket, to: &Destination, bytes: &[u8]) -> io::Result<()> {
    let address = match to {
        Destination::Hardware(..) => Destination::Broadcast.address(),
        other => other.address(),
    };
    socket.send_to(bytes, address).await.map(drop)
}

type Received = (SocketAddrV4, Ipv4Addr, Vec<u8>);

/// One datagram, and the address that it was sent to; none: from no IPv4 address.
fn receive(socket: &UdpSocket) -> io::Result<Option<Received>> {
    let mut buffer = [0; DATAGRAM];
    let mut control = cmsg_space!(in_pktinfo);
    let (length, source, to) = {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let message =
            recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let to = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))),
            _ => None,
        });
        (message.bytes, message.address, to)
    };
    let Some(source) = source else { return Ok(None) };
    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
    Ok(Some((source.into(), to.unwrap_or(Ipv4Addr::BROADCAST), bytes)))
}
