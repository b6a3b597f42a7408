//! A peer that opens a connection and then says nothing must not keep it: tonic waits for the HTTP/2 preface for ever.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes of the client's preface (RFC 9113, 3.4).
const BYTES: usize = 24;

/// A stream whose first bytes must come in time; after them it is the stream itself.
pub struct Prefaced<S> {
    stream: S,
    /// Bytes that have not come, and until when; none: all came.
    missing: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> Prefaced<S> {
    /// The time runs from now.
    pub fn new(stream: S, limit: Duration) -> Self {
        Self { stream, missing: Some((BYTES, Box::pin(sleep(limit)))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().len().saturating_sub(before);
        let Some((missing, deadline)) = &mut self.missing else { return read };
        *missing = missing.saturating_sub(came);
        if *missing == 0 {
            self.missing = None;
        } else if read.is_pending() && deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the HTTP/2 preface did not come in time")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_silent_peer_is_dropped_and_one_that_spoke_is_not() {
        let (mut client, server) = duplex(64);
        let mut server = Prefaced::new(server, LIMIT);
        client.write_all(b"PRI * HTTP/2.0").await.unwrap();
        let error = server.read_exact(&mut [0; BYTES]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);

        let (mut client, server) = duplex(64);
        let mut server = Prefaced::new(server, LIMIT);
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        server.read_exact(&mut [0; BYTES]).await.unwrap();
        let quiet = tokio::time::timeout(LIMIT * 4, server.read_u8()).await;
        assert!(quiet.is_err(), "it may be quiet now");
    }
}
