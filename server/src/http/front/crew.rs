//! Threads that do nothing but send blobs, each with a loop of its own: a connection stays with its thread, which hears itself that
//! a socket takes more and gives it more. On the threads that serve everything else one thread would hear of it and wake another,
//! which with hundreds of connections costs more than the sending does.

use super::Desk;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

/// Connections on their way to a thread.
const WAITING: usize = 1024;
/// Threads that read what is not in memory and look what there is, of all together.
const READERS: usize = 512;

/// The threads; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Crew {
    threads: Arc<[mpsc::Sender<Handed>]>,
    turn: Arc<AtomicUsize>,
}

/// Dropped, it waits for nothing: a read of a slow disk does not hold a stop up.
struct Loop(Option<Runtime>);

impl Drop for Loop {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection on its way to a thread, and where it goes when there is something for the full server on it.
struct Handed {
    socket: std::net::TcpStream,
    back: oneshot::Sender<io::Result<Option<std::net::TcpStream>>>,
}

impl Crew {
    /// So many threads.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn start(desk: &Desk, threads: usize) -> io::Result<Self> {
        let threads = threads.max(1);
        let one = |number: usize| {
            let (desk, (to, handed)) = (desk.clone(), mpsc::channel(WAITING));
            let readers = READERS.div_ceil(threads);
            let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(readers).build()?;
            let own = Loop(Some(runtime));
            std::thread::Builder::new().name(format!("blobs-{number}")).spawn(move || {
                if let Loop(Some(runtime)) = &own {
                    runtime.block_on(work(desk, handed));
                }
            })?;
            Ok(to)
        };
        let threads = (0..threads).map(one).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { threads: threads.into(), turn: Arc::new(AtomicUsize::new(0)) })
    }

    /// [`Desk::meet`] on one of them; dropped, it ends the connection.
    ///
    /// # Errors
    /// Of the connection.
    pub async fn meet(&self, socket: TcpStream) -> io::Result<Option<TcpStream>> {
        let (back, met) = oneshot::channel();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let thread = self.threads.get(turn).ok_or_else(ended)?;
        thread.send(Handed { socket: socket.into_std()?, back }).await.map_err(|_| ended())?;
        met.await.map_err(|_| ended())??.map(TcpStream::from_std).transpose()
    }
}

async fn work(desk: Desk, mut handed: mpsc::Receiver<Handed>) {
    while let Some(Handed { socket, mut back }) = handed.recv().await {
        let desk = desk.clone();
        tokio::spawn(async move {
            let meeting = async { desk.meet(TcpStream::from_std(socket)?).await?.map(TcpStream::into_std).transpose() };
            let met = tokio::select! {
                met = meeting => met,
                () = back.closed() => return,
            };
            // Nobody waits for it any more: it is closed.
            let _ = back.send(met);
        });
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread that sends blobs has ended")
}
