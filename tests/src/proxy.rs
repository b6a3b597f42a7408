//! A bad network between a node and a server: a TCP relay whose two directions can be slowed, delayed, held and cut
//! while it runs. It relays bytes and never looks at them.

use crate::{Context, LabResult};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes a read; small enough that a slow rate is smooth.
const CHUNK: usize = 8 * 1024;
/// Chunks in flight a direction: with a delay set, this much is under way at most (bounded memory).
const IN_FLIGHT: usize = 512;
/// How often a held direction looks whether it may go on.
const TICK: Duration = Duration::from_millis(20);

/// One direction of all connections.
#[derive(Debug)]
pub struct Direction {
    rate: AtomicU64,
    delay_ms: AtomicU64,
    held: AtomicBool,
    cut_after: AtomicU64,
    passed: AtomicU64,
}

impl Default for Direction {
    fn default() -> Direction {
        Direction {
            rate: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            held: AtomicBool::new(false),
            cut_after: AtomicU64::new(u64::MAX),
            passed: AtomicU64::new(0),
        }
    }
}

impl Direction {
    /// At most so many bytes a second on each connection; 0: as fast as it goes.
    pub fn limit(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Everything arrives this much later.
    pub fn delay(&self, by: Duration) {
        self.delay_ms.store(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// Nothing passes while held; it is kept.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    /// Closes every connection once so many bytes more have passed in this direction; `u64::MAX`: never.
    pub fn cut_after(&self, bytes: u64) {
        let at = self.passed().saturating_add(bytes);
        self.cut_after.store(at, Ordering::SeqCst);
    }

    /// Bytes that passed since the start, on all connections.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Default)]
struct Shared {
    up: Direction,
    down: Direction,
    stop: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn sever(&self) {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// The relay; dropped: closed, with its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and relays to `target_port` there.
    pub fn start(target_port: u16) -> LabResult<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a port for the proxy")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.stop.load(Ordering::SeqCst) {
                    break;
                }
                // A server that is down: the client sees its connection closed at once.
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target_port));
                if let Ok(server) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
                    relay(&state, client, server);
                }
            }
        });
        Ok(Proxy { port, shared })
    }

    /// The port to advertise.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Node to server.
    pub fn up(&self) -> &Direction {
        &self.shared.up
    }

    /// Server to node.
    pub fn down(&self) -> &Direction {
        &self.shared.down
    }

    /// Closes every connection now; what is held or delayed is lost.
    pub fn sever(&self) {
        self.shared.sever();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.sever();
        // Wakes the accepting thread, which then sees that it should stop.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Starts the four threads of a connection; a failure to set it up closes it, which the peers see.
fn relay(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (Ok(client_read), Ok(server_read), Ok(client_kept), Ok(server_kept)) =
        (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone())
    else {
        return;
    };
    {
        let mut open = shared.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        open.push(client_kept);
        open.push(server_kept);
    }
    pump(shared.clone(), client_read, server, |shared| &shared.up);
    pump(shared.clone(), server_read, client, |shared| &shared.down);
}

fn pump(shared: Arc<Shared>, from: TcpStream, to: TcpStream, side: fn(&Shared) -> &Direction) {
    let (sender, receiver) = sync_channel(IN_FLIGHT);
    std::thread::spawn(move || read_side(from, &sender));
    std::thread::spawn(move || write_side(&shared, side, to, &receiver));
}

fn read_side(mut from: TcpStream, sender: &SyncSender<(Instant, Vec<u8>)>) {
    let mut bytes = [0u8; CHUNK];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || sender.send((Instant::now(), bytes[..count].to_vec())).is_err() {
            break;
        }
    }
}

fn write_side(
    shared: &Shared,
    side: fn(&Shared) -> &Direction,
    mut to: TcpStream,
    receiver: &Receiver<(Instant, Vec<u8>)>,
) {
    let direction = side(shared);
    while let Ok((came, bytes)) = receiver.recv() {
        while direction.held.load(Ordering::SeqCst)
            || came.elapsed() < Duration::from_millis(direction.delay_ms.load(Ordering::SeqCst))
        {
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            std::thread::sleep(TICK);
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
        let passed = direction.passed.fetch_add(bytes.len() as u64, Ordering::SeqCst) + bytes.len() as u64;
        if passed >= direction.cut_after.load(Ordering::SeqCst) {
            shared.sever();
            break;
        }
        let rate = direction.rate.load(Ordering::SeqCst);
        if rate > 0 {
            std::thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / rate as f64));
        }
    }
    // The end of one direction reaches the other end in order, after what was delayed.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends `size` bytes to everyone and closes.
    fn sender(size: usize) -> LabResult<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(&vec![7u8; size]);
            }
        });
        Ok(port)
    }

    fn fetch(proxy: &Proxy) -> LabResult<(usize, Duration)> {
        let start = Instant::now();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))?;
        let mut bytes = Vec::new();
        // A cut connection may end in an error; what came is what counts.
        let _ = stream.read_to_end(&mut bytes);
        Ok((bytes.len(), start.elapsed()))
    }

    #[test]
    fn relays_slows_delays_and_cuts() -> LabResult {
        let proxy = Proxy::start(sender(200_000)?)?;
        let (size, time) = fetch(&proxy)?;
        assert_eq!(size, 200_000);
        assert!(time < Duration::from_secs(2), "{time:?}");

        proxy.down().limit(400_000);
        let (size, time) = fetch(&proxy)?;
        assert!(size == 200_000 && time > Duration::from_millis(400), "{size} {time:?}");

        proxy.down().limit(0);
        proxy.down().delay(Duration::from_millis(300));
        let (size, time) = fetch(&proxy)?;
        assert!(size == 200_000 && time >= Duration::from_millis(300), "{size} {time:?}");

        proxy.down().delay(Duration::ZERO);
        proxy.down().cut_after(50_000);
        let (size, _) = fetch(&proxy)?;
        assert!(size < 200_000, "{size}");
        Ok(())
    }

    #[test]
    fn a_server_that_is_down_is_a_closed_connection() -> LabResult {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (size, time) = fetch(&Proxy::start(free)?)?;
        assert!(size == 0 && time < Duration::from_secs(3));
        Ok(())
    }
}
