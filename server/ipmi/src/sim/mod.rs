//! A BMC of our own on UDP, for tests and benchmarks: RMCP+ with suites 3 and 17, users, power, boot flags, event log,
//! sensors, and every bad habit of [`Misbehave`]. Thousands fit into one process: a socket and a task each, no buffer while
//! idle. It is a test double: it must never be reachable in production, and no feature of the server turns it on.

mod commands;
mod hardware;
mod misbehave;
mod sensors;
mod serial;
mod sessions;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use hardware::{Hardware, User};
pub use misbehave::{Misbehave, Passwords, Silence, SolFaults};

use misbehave::Unruly;
pub(crate) use serial::Serial;
use sessions::{Parts, Sessions};

/// What a simulated BMC is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Numbers of the cipher suites that it lists; only 3 and 17 can be logged in with.
    pub suites: Vec<u8>,
    /// User 2 and the following; all are administrators.
    pub users: Vec<User>,
    /// GUID of the system, as it is sent.
    pub guid: [u8; 16],
    /// Sessions at one time.
    pub sessions: usize,
    /// What it does wrong.
    pub misbehave: Misbehave,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            suites: vec![3, 17],
            users: vec![User { name: "admin".to_owned(), password: crate::Password::new("secret".to_owned()) }],
            guid: *b"higuma-sim-guid!",
            sessions: 4,
            misbehave: Misbehave::default(),
        }
    }
}

/// A running BMC; it stops when dropped.
pub struct SimBmc {
    /// Where it listens.
    pub address: SocketAddr,
    home: Arc<Home>,
    task: JoinHandle<()>,
}

/// What the task of a BMC works on.
struct Home {
    socket: UdpSocket,
    port: u16,
    /// For whoever uses a BMC from outside of it.
    runtime: Handle,
    bmc: Mutex<Bmc>,
}

struct Bmc {
    hardware: Hardware,
    sessions: Sessions,
    unruly: Unruly,
    serial: Serial,
    /// Whether a task waits for the serial console to acknowledge: only while something is under way.
    waits: bool,
}

/// Datagrams, and where to.
type Outgoing = Vec<(SocketAddr, Vec<u8>)>;

impl SimBmc {
    /// Binds `address` (port 0: any free one) and serves until dropped.
    pub async fn start(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        let bmc = Bmc {
            hardware: Hardware::new(settings.users, settings.guid),
            sessions: Sessions::new(settings.suites, settings.sessions),
            unruly: Unruly::new(settings.misbehave),
            serial: Serial::default(),
            waits: false,
        };
        let (port, runtime, bmc) = (address.port(), Handle::current(), Mutex::new(bmc));
        let home = Arc::new(Home { socket, port, runtime, bmc });
        let task = tokio::spawn(serve(Arc::clone(&home)));
        Ok(Self { address, home, task })
    }

    /// Looks at the hardware, or changes it.
    pub fn hardware<T>(&self, look: impl FnOnce(&mut Hardware) -> T) -> T {
        look(&mut self.home.lock().hardware)
    }

    /// Changes how it behaves from now on.
    pub fn misbehave(&self, misbehave: Misbehave) {
        self.home.lock().unruly = Unruly::new(misbehave);
    }

    /// Forgets all sessions, as after a reset of the BMC.
    pub fn forget_sessions(&self) {
        self.home.lock().sessions.forget();
    }

    /// Sessions that are open or being opened.
    pub fn sessions(&self) -> usize {
        self.home.lock().sessions.count()
    }

    /// The system writes this to its serial line. Without a console it is lost, as with real BMCs.
    pub fn serial_output(&self, bytes: &[u8]) {
        let mut bmc = self.home.lock();
        bmc.serial.write(bytes);
        let out = bmc.serial_packets();
        self.home.send(bmc, out);
    }

    /// What was typed at the console since this was asked last.
    pub fn serial_input(&self) -> Vec<u8> {
        self.home.lock().serial.input()
    }

    /// Breaks that the console sent.
    pub fn serial_breaks(&self) -> u32 {
        self.home.lock().serial.breaks()
    }

    /// Whether some session has the serial console.
    pub fn serial_active(&self) -> bool {
        self.home.lock().serial.owner().is_some()
    }

    /// Sends any bytes as a SOL payload to whoever has the console.
    pub fn serial_payload(&self, payload: &[u8]) {
        let mut bmc = self.home.lock();
        let owner = bmc.serial.owner();
        let out = owner.and_then(|owner| bmc.sessions.sol(owner, payload)).into_iter().collect();
        self.home.send(bmc, out);
    }
}

impl Drop for SimBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Home {
    /// A panic of one test must not hide behind that of another.
    fn lock(&self) -> MutexGuard<'_, Bmc> {
        self.bmc.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends, spoilt as the settings have it, and sees to it that what is not acknowledged is sent again.
    fn send(self: &Arc<Self>, mut bmc: MutexGuard<'_, Bmc>, out: Outgoing) {
        let unruly = &mut bmc.unruly;
        let spoilt: Outgoing =
            out.into_iter().flat_map(|(to, bytes)| unruly.spoil(bytes).into_iter().map(move |b| (to, b))).collect();
        let delay = unruly.delay();
        if !bmc.waits && bmc.serial.due().is_some() {
            bmc.waits = true;
            self.runtime.spawn(send_again(Arc::downgrade(self)));
        }
        drop(bmc);
        if spoilt.is_empty() {
            return;
        }
        if delay.is_zero() {
            self.send_now(&spoilt);
            return;
        }
        let home = Arc::clone(self);
        self.runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            home.send_now(&spoilt);
        });
    }

    fn send_now(&self, out: &Outgoing) {
        out.iter().for_each(|(to, bytes)| drop(self.socket.try_send_to(bytes, *to)));
    }

    /// Takes one datagram; its buffer lives only here.
    fn step(self: &Arc<Self>) {
        let mut buffer = [0; 1024];
        // An error is an ICMP answer to something we sent, or nothing to read.
        let Ok((length, from)) = self.socket.try_recv_from(&mut buffer) else { return };
        let mut bmc = self.lock();
        let out = bmc.handle(buffer.get(..length).unwrap_or_default(), from, self.port);
        self.send(bmc, out);
    }
}

impl Bmc {
    fn handle(&mut self, bytes: &[u8], from: SocketAddr, port: u16) -> Outgoing {
        let Self { hardware, sessions, unruly, serial, .. } = self;
        let answer = sessions.handle(bytes, from, &mut Parts { hardware, unruly, serial, port });
        let mut out: Outgoing = answer.map(|answer| (from, answer)).into_iter().collect();
        if let Some((session, farewell)) = serial.farewell() {
            out.extend(sessions.sol(session, &farewell));
        }
        out.extend(self.serial_packets());
        out
    }

    /// What the serial line has to send now.
    fn serial_packets(&mut self) -> Outgoing {
        let Self { sessions, serial, unruly, .. } = self;
        let Some(owner) = serial.owner() else { return Vec::new() };
        if !sessions.has(owner) {
            serial.abandon();
            return Vec::new();
        }
        let Some(payload) = serial.poll(Instant::now()) else { return Vec::new() };
        let silent = matches!(unruly.settings.silence, Some(Silence::Always | Silence::Session));
        if silent || serial.loses(&unruly.settings.sol) {
            return Vec::new();
        }
        sessions.sol(owner, &payload).into_iter().collect()
    }
}

async fn serve(home: Arc<Home>) {
    while home.socket.readable().await.is_ok() {
        home.step();
    }
}

/// Sends what the console does not acknowledge again; ends when nothing is under way, or with the BMC.
async fn send_again(home: Weak<Home>) {
    loop {
        let due = {
            let Some(home) = home.upgrade() else { return };
            let mut bmc = home.lock();
            let due = bmc.serial.due();
            bmc.waits = due.is_some();
            due
        };
        let Some(due) = due else { return };
        // Not at once in a loop, whatever the line says.
        tokio::time::sleep_until(due.max(Instant::now() + Duration::from_millis(1))).await;
        let Some(home) = home.upgrade() else { return };
        let mut bmc = home.lock();
        let out = bmc.serial_packets();
        home.send(bmc, out);
    }
}
