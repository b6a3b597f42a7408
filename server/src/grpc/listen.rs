//! The listener: TLS handshakes beside each other with a deadline, bounded in number, then HTTP/2 by tonic. The
//! certificate is looked up for each handshake, so that a renewed one counts at once.

use super::agent::Methods;
use super::guard::Guarded;
use super::preface::Prefaced;
use crate::error::{Error, Result};
use crate::service::App;
use higuma_proto::MAX_MESSAGE_BYTES;
use higuma_proto::agent::agent_server::AgentServer;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

/// Open connections.
const CONNECTIONS: usize = 20_000;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the handshake to the whole HTTP/2 preface.
const PREFACE: Duration = Duration::from_secs(10);
/// Of one call, from its head to its answer.
const CALL: Duration = Duration::from_secs(30);
/// Calls at once on one connection.
const CALLS: usize = 16;

/// Serve until cancelled; calls under way end first.
///
/// # Errors
/// When the socket or tonic fails.
pub async fn serve(app: App, socket: TcpListener, tls: rustls::ServerConfig, stop: CancellationToken) -> Result<()> {
    let agent = AgentServer::new(Methods { app: app.clone() }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (accepted, connections) = mpsc::channel(64);
    let accepting = tokio::spawn(accept(socket, TlsAcceptor::from(Arc::new(tls)), accepted, stop.clone()));
    let served = Server::builder()
        .timeout(CALL)
        .concurrency_limit_per_connection(CALLS)
        .max_concurrent_streams(Some(CALLS as u32))
        .http2_keepalive_interval(Some(Duration::from_secs(60)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .serve_with_incoming_shutdown(Guarded { inner: agent, app }, ReceiverStream::new(connections), stop.cancelled())
        .await;
    accepting.abort();
    served.map_err(Error::internal)
}

type Accepted = mpsc::Sender<std::io::Result<Connection>>;

async fn accept(socket: TcpListener, tls: TlsAcceptor, accepted: Accepted, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            stream = socket.accept() => stream,
        };
        match stream {
            Ok((stream, address)) => {
                let (tls, accepted) = (tls.clone(), accepted.clone());
                tokio::spawn(async move {
                    if let Some(stream) = handshake(tls, stream).await {
                        // The error: the server stops.
                        let (stream, peer) = (Prefaced::new(stream, PREFACE), Peer(address.ip()));
                        let _ = accepted.send(Ok(Connection { stream, peer, _place: place })).await;
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed.
                tracing::warn!(%error, "cannot accept a gRPC connection: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn handshake(tls: TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed: {error}");
            None
        }
        Err(_) => None,
    }
}

/// The other end of a connection, by its socket; each call has it among its extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// A connection with its place among those allowed.
struct Connection {
    stream: Prefaced<TlsStream<TcpStream>>,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
