//! Who meets a connection of the plain listener first: requests for blobs that are here whole are answered at once, by the
//! kernel from file to socket, on threads of their own; the connection goes on to the full HTTP server with the first request that
//! is anything else, which is still unread then. So no address exists here that the table of routes does not have.

mod crew;
mod head;
mod send;

use super::{blob_answer, observe};
use crate::blob::cache::Cache;
use crate::blob::{Blobs, Reader};
use crate::domain::Sha256;
use crate::error::Error;
use crate::service;
use crate::service::delivery::{Busy, Deliveries};
use actix_server::GracefulShutdownSignal;
use actix_service::{Service, ServiceFactory};
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

pub use crew::Crew;

/// Bytes of a head that are looked at; a longer one is for the full server.
const HEAD: usize = 4096;
/// Bytes of a connection that may wait in the kernel, on their way to nobody yet. Its own bound is megabytes: what hundreds of downloads
/// of one blob have waiting is in no cache of the processor any more when it goes out, and goes at less than half the speed
/// (docs/src/performance.md).
const UNSENT: u32 = 64 * 1024;
/// A client that closes has said all by then.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Its line of the table.
const ROUTE: &str = "/blobs/{sha256}";

/// Makes [`Front`]s, one a thread.
pub struct Fronts<F> {
    pub desk: Desk,
    pub crew: Crew,
    pub behind: F,
}

/// One thread's.
pub struct Front<S> {
    desk: Desk,
    crew: Crew,
    behind: Rc<S>,
}

impl<F> ServiceFactory<TcpStream> for Fronts<F>
where
    F: ServiceFactory<TcpStream, Config = (), Response = ()>,
    F::Service: 'static,
    F::Future: 'static,
{
    type Response = ();
    type Error = F::Error;
    type Config = ();
    type Service = Front<F::Service>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (desk, crew, behind) = (self.desk.clone(), self.crew.clone(), self.behind.new_service(()));
        Box::pin(async move { Ok(Front { desk, crew, behind: Rc::new(behind.await?) }) })
    }
}

impl<S: Service<TcpStream, Response = ()> + 'static> Service<TcpStream> for Front<S> {
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.behind.poll_ready(cx)
    }

    fn call(&self, socket: TcpStream) -> Self::Future {
        let (desk, crew, behind) = (self.desk.clone(), self.crew.clone(), self.behind.clone());
        Box::pin(async move {
            let met = match desk.first(&socket).await {
                Ok(First::Blob) => crew.meet(socket).await,
                Ok(First::Other) => Ok(Some(socket)),
                Ok(First::Ended) => Ok(None),
                Err(error) => Err(error),
            };
            match met {
                Ok(Some(socket)) => behind.call(socket).await,
                Ok(None) => Ok(()),
                Err(error) => {
                    tracing::debug!(%error, "a download ended early: {error}");
                    Ok(())
                }
            }
        })
    }
}

/// What answering needs.
#[derive(Clone)]
pub struct Desk {
    pub blobs: Blobs,
    pub cache: Option<Cache>,
    pub deliveries: Deliveries,
    pub stop: GracefulShutdownSignal,
    /// For the first request.
    pub first: Duration,
    /// For the next one.
    pub keep_alive: Duration,
}

/// What a connection begins with.
enum First {
    /// Nothing.
    Ended,
    /// Something for the full server.
    Other,
    /// A request for a blob, which may be here.
    Blob,
}

/// What a connection says next.
enum Next {
    /// Nothing more.
    Ended,
    /// Something for the full server.
    Other,
    Blob(Blob),
}

enum Heard {
    /// So many; none: the client has ended it.
    Bytes(io::Result<usize>),
    /// In the time that was given.
    Nothing,
    Stop,
}

struct Blob {
    sha256: Sha256,
    /// Of a blob that is here whole.
    reader: Reader,
    answer: blob_answer::BlobAnswer,
    /// Bytes of the request's head, still unread.
    head: usize,
    closes: bool,
}

impl Desk {
    /// What the connection begins with, which stays unread.
    async fn first(&self, socket: &TcpStream) -> io::Result<First> {
        // A head and the first bytes behind it go out when they are there.
        socket.set_nodelay(true)?;
        let mut bytes = [0; HEAD];
        Ok(match self.hear(socket, &mut bytes, self.first, true).await {
            Heard::Bytes(length) => match bytes.get(..length?).unwrap_or_default() {
                [] => First::Ended,
                head if head::wish(head).is_some() => First::Blob,
                _ => First::Other,
            },
            // The full server tells whom nothing came from.
            Heard::Nothing => First::Other,
            Heard::Stop => First::Ended,
        })
    }

    /// Answers what is asked for blobs that are here; the connection, when there is something for the full server on it.
    async fn meet(&self, socket: TcpStream) -> io::Result<Option<TcpStream>> {
        let client = socket.peer_addr()?.ip();
        // Without it, it goes too.
        let _ = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
        // The first one is there, though this thread has not heard of it yet.
        let mut stops = false;
        loop {
            let mut bytes = [0; HEAD];
            let heard = self.hear(&socket, &mut bytes, self.keep_alive, stops).await;
            stops = true;
            let Heard::Bytes(length) = heard else { return Ok(None) };
            let blob = match self.next(bytes.get(..length?).unwrap_or_default()).await {
                Next::Ended => return Ok(None),
                Next::Other => return Ok(Some(socket)),
                Next::Blob(blob) => blob,
            };
            let closes = blob.closes;
            self.answer(&socket, client, blob).await?;
            if closes {
                end(socket).await;
                return Ok(None);
            }
        }
    }

    /// What comes next, which stays unread. A request that is there already is heard, also when the server stops; `stops`: that
    /// ends the wait for one that is not.
    async fn hear(&self, socket: &TcpStream, bytes: &mut [u8], patience: Duration, stops: bool) -> Heard {
        tokio::select! {
            biased;
            length = tokio::time::timeout(patience, peek(socket, bytes)) => length.map_or(Heard::Nothing, Heard::Bytes),
            () = self.stop.notified(), if stops => Heard::Stop,
        }
    }

    async fn next(&self, bytes: &[u8]) -> Next {
        if bytes.is_empty() {
            return Next::Ended;
        }
        let Some(wish) = head::wish(bytes) else { return Next::Other };
        // What is not here, or cannot be read, the full server tells.
        let here = service::blobs::here(&self.blobs, self.cache.as_ref(), &wish.sha256).await;
        let Ok(Some(reader)) = here else { return Next::Other };
        let answer = blob_answer::answer(&wish.asked, &wish.sha256, reader.size());
        Next::Blob(Blob { sha256: wish.sha256, reader, answer, head: wish.length, closes: wish.closes })
    }

    async fn answer(&self, socket: &TcpStream, client: IpAddr, blob: Blob) -> io::Result<()> {
        let Blob { sha256, reader, mut answer, head, closes } = blob;
        let begun = Instant::now();
        let begin = || self.deliveries.begin(client, &sha256, reader.size(), answer.blob_bytes());
        let download = match answer.has_body.then(begin).transpose() {
            Ok(download) => download,
            Err(Busy { retry_after }) => {
                answer = blob_answer::busy(retry_after);
                None
            }
        };
        let mut gone = vec![0; head];
        // All of it is there: it was looked at.
        if socket.try_read(&mut gone)? != head {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        send::text(socket, &send::head(&answer, closes, Timestamp::now())).await?;
        observe::count("http", ROUTE, answer.status, begun.elapsed());
        let mut sent = 0;
        let outcome = match (reader.file(), download) {
            (Some(file), Some(download)) => {
                let outcome = send::body(socket, file, &answer.pieces, &download, &mut sent).await;
                download.sent(sent);
                outcome
            }
            _ => Ok(()),
        };
        metrics::counter!("higuma_blob_bytes_total").increment(sent);
        if let Err(error) = &outcome
            && !is_of_the_client(error)
        {
            super::failure::log_internal(&Error::internal(format!("a blob could not be read: {error}")));
        }
        outcome
    }
}

/// What comes next, which stays unread; nothing: the client has ended it.
async fn peek(socket: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        socket.readable().await?;
        let looked = socket.try_io(Interest::READABLE, || {
            Ok(recv(socket.as_raw_fd(), bytes, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)?)
        });
        match looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

/// The client is told that no more comes, and what it still says is taken: closed with that unread, the kernel would take back what
/// was not sent yet.
async fn end(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    let mut rest = [0; HEAD];
    let reading = async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(LAST_WORDS, reading).await;
}

/// Clients go away as they like.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
}
