//! A BMC of our own on UDP, for tests and benchmarks: RMCP+ with suites 3 and 17, users, power, boot flags, event log,
//! sensors, and every bad habit of [`Misbehave`]. Thousands fit into one process: a socket and a task each, no buffer while
//! idle. It is a test double: it must never be reachable in production, and no feature of the server turns it on.

mod commands;
mod hardware;
mod misbehave;
mod sensors;
mod sessions;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

pub use hardware::{Hardware, User};
pub use misbehave::{Misbehave, Passwords, Silence};

use misbehave::Unruly;
use sessions::Sessions;

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
    shared: Arc<Mutex<Bmc>>,
    task: JoinHandle<()>,
}

struct Bmc {
    hardware: Hardware,
    sessions: Sessions,
    unruly: Unruly,
}

impl SimBmc {
    /// Binds `address` (port 0: any free one) and serves until dropped.
    pub async fn start(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind(address).await?);
        let address = socket.local_addr()?;
        let bmc = Bmc {
            hardware: Hardware::new(settings.users, settings.guid),
            sessions: Sessions::new(settings.suites, settings.sessions),
            unruly: Unruly::new(settings.misbehave),
        };
        let shared = Arc::new(Mutex::new(bmc));
        let task = tokio::spawn(serve(socket, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Looks at the hardware, or changes it.
    pub fn hardware<T>(&self, look: impl FnOnce(&mut Hardware) -> T) -> T {
        look(&mut lock(&self.shared).hardware)
    }

    /// Changes how it behaves from now on.
    pub fn misbehave(&self, misbehave: Misbehave) {
        lock(&self.shared).unruly = Unruly::new(misbehave);
    }

    /// Forgets all sessions, as after a reset of the BMC.
    pub fn forget_sessions(&self) {
        lock(&self.shared).sessions.forget();
    }

    /// Sessions that are open or being opened.
    pub fn sessions(&self) -> usize {
        lock(&self.shared).sessions.count()
    }
}

impl Drop for SimBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A panic of one test must not hide behind that of another.
fn lock(shared: &Mutex<Bmc>) -> MutexGuard<'_, Bmc> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(socket: Arc<UdpSocket>, shared: Arc<Mutex<Bmc>>) {
    while socket.readable().await.is_ok() {
        let Some((from, answers, delay)) = step(&socket, &shared) else { continue };
        if delay.is_zero() {
            answers.iter().for_each(|answer| drop(socket.try_send_to(answer, from)));
            continue;
        }
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            answers.iter().for_each(|answer| drop(socket.try_send_to(answer, from)));
        });
    }
}

/// Takes one datagram; its buffer lives only here.
fn step(socket: &UdpSocket, shared: &Mutex<Bmc>) -> Option<(SocketAddr, Vec<Vec<u8>>, std::time::Duration)> {
    let mut buffer = [0; 1024];
    // An error is an ICMP answer to something we sent, or nothing to read.
    let (length, from) = socket.try_recv_from(&mut buffer).ok()?;
    let mut bmc = lock(shared);
    let Bmc { hardware, sessions, unruly } = &mut *bmc;
    let answer = sessions.handle(buffer.get(..length)?, hardware, unruly)?;
    Some((from, unruly.spoil(answer), unruly.delay()))
}
