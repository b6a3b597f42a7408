//! The socket to one BMC: paced sending, waiting with a deadline, asking again. Every wait ends; nothing is kept of what
//! could not be used but why.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::{LanError, Step};
use super::packet::Unusable;
use super::target::{Target, Timing};

/// Longer than any datagram of a BMC; what is longer is cut, and then fails its code.
const LONGEST: usize = 2_048;

pub(super) struct Wire {
    socket: UdpSocket,
    timing: Timing,
    next: Instant,
    noticed: Option<Unusable>,
    number: u8,
}

impl Wire {
    /// A socket of our own for each BMC: the kernel then drops what others send to it.
    pub async fn connect(target: &Target) -> Result<Self, LanError> {
        let any: SocketAddr = match target.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let failed = |error| LanError::NoAnswer { step: Step::Socket, tries: 0, noticed: Some(network(&error)) };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(target.address).await.map_err(failed)?;
        let (timing, number) = (target.timing, rand::random());
        Ok(Self { socket, timing, next: Instant::now(), noticed: None, number })
    }

    /// The next number of a request outside a session: the answer to an earlier one is not taken for a later one's.
    pub fn next_number(&mut self) -> u8 {
        self.number = self.number.wrapping_add(1) & 0x3f;
        self.number
    }

    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// How long the first wait for each answer is, from now on.
    pub fn answer_within(&mut self, answer: Duration) {
        self.timing.answer = answer;
    }

    /// From now on at most two tries: for a question whose answer is only good to know.
    pub fn less_patient(&mut self) {
        self.timing.tries = self.timing.tries.min(2);
    }

    /// Why the last datagram that came was not used.
    pub fn noticed(&self) -> Option<Unusable> {
        self.noticed
    }

    /// Sends a datagram, not before the pace allows. What the network says against it is only noticed: the next try may
    /// find another route.
    pub async fn send(&mut self, bytes: &[u8]) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.timing.pace;
        if let Err(error) = self.socket.send(bytes).await {
            self.noticed = Some(network(&error));
        }
    }

    /// Sends a datagram now or never, without waiting for anything.
    pub fn send_now(&self, bytes: &[u8]) {
        let _ = self.socket.try_send(bytes);
    }

    /// Waits until `accept` takes a datagram, or until the time is over.
    pub async fn receive<T>(
        &mut self,
        until: Instant,
        mut accept: impl FnMut(&[u8]) -> Result<T, Unusable>,
    ) -> Option<T> {
        loop {
            if Instant::now() >= until || timeout_at(until, self.socket.readable()).await.is_err() {
                return None;
            }
            match self.take(&mut accept) {
                Ok(Ok(found)) => return Some(found),
                Ok(Err(why)) => self.noticed = Some(why),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Of an ICMP answer; anybody could have sent it, so we go on until the time is over.
                Err(error) => self.noticed = Some(network(&error)),
            }
        }
    }

    /// Not asynchronous, so that no session keeps a buffer while it waits.
    fn take<T>(&self, accept: &mut impl FnMut(&[u8]) -> Result<T, Unusable>) -> io::Result<Result<T, Unusable>> {
        let mut buffer = [0; LONGEST];
        let length = self.socket.try_recv(&mut buffer)?;
        Ok(accept(buffer.get(..length).unwrap_or_default()))
    }

    /// Sends what `make` gives (for the try with this number, 0 the first) until `accept` takes an answer. Also says how
    /// many datagrams it took.
    pub async fn exchange<T>(
        &mut self,
        step: Step,
        mut make: impl FnMut(u32) -> Vec<u8>,
        mut accept: impl FnMut(&[u8], u32) -> Result<T, Unusable>,
    ) -> Result<(T, u32), LanError> {
        self.noticed = None;
        let tries = self.timing.tries.max(1);
        for number in 0..tries {
            let datagram = make(number);
            self.send(&datagram).await;
            let until = Instant::now() + self.timing.wait(number);
            if let Some(found) = self.receive(until, |bytes| accept(bytes, number)).await {
                return Ok((found, number + 1));
            }
        }
        Err(LanError::NoAnswer { step, tries, noticed: self.noticed })
    }

    /// A pause before a request that was answered with "busy" is asked again.
    pub async fn pause(&self, number: u32) {
        tokio::time::sleep(self.timing.wait(number).min(Duration::from_secs(10))).await;
    }
}

fn network(error: &io::Error) -> Unusable {
    Unusable(match error.kind() {
        io::ErrorKind::ConnectionRefused => "\"port unreachable\" from the network",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "\"no route\" from the network",
        io::ErrorKind::PermissionDenied => "\"not permitted\" from this system",
        _ => "an error of the socket",
    })
}
