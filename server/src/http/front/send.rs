//! A piece of a file to a socket, without a copy of it in this process: the kernel moves it (sendfile(2)). What is not in the
//! kernel's memory yet is read by threads that may block, and not, as far as that can be told, by one that serves connections.

use super::super::blob_answer::{ALWAYS, BlobAnswer, Piece};
use crate::service::delivery::Download;
use jiff::Timestamp;
use rustix::fs::{Advice, fadvise, sendfile};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes that are made sure of in memory at once.
const WINDOW: u64 = 2 << 20;
/// Of them, one byte in so many is looked at: the kernel reads ahead, and forgets, in stretches. Each look costs a call, and a call for
/// every [`READ`] bytes cost a tenth of all.
const LOOK: usize = 1 << 20;
/// Bytes that the kernel is told to read ahead of them.
const AHEAD: u64 = 4 << 20;
/// Bytes of one read of a file that is not in memory.
const READ: usize = 128 * 1024;
/// A client that takes nothing for so long is gone.
const NO_PROGRESS: Duration = Duration::from_secs(60);

/// The head of an answer.
pub fn head(answer: &BlobAnswer, closes: bool, now: Timestamp) -> String {
    let reason = match answer.status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        503 => "Service Unavailable",
        _ => "Range Not Satisfiable",
    };
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let mut text = format!("HTTP/1.1 {} {reason}\r\ndate: {date}\r\n", answer.status);
    let own = answer.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let always = ALWAYS.into_iter().filter(|_| answer.status != 503);
    for (name, value) in always.chain(own) {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = answer.length {
        text += &format!("content-length: {length}\r\n");
    }
    if closes {
        text += "connection: close\r\n";
    }
    text + "\r\n"
}

/// Sends text.
///
/// # Errors
/// Of the socket; the client takes nothing.
pub async fn text(socket: &TcpStream, text: &str) -> io::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        writable(socket).await?;
        match socket.try_write(left) {
            Ok(sent) => left = left.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends the body of an answer; how many bytes of the file were sent is in `sent`, whatever the outcome.
///
/// # Errors
/// As [`piece`].
pub async fn body(
    socket: &TcpStream,
    file: &Arc<File>,
    pieces: &[Piece],
    download: &Download,
    sent: &mut u64,
) -> io::Result<()> {
    for one in pieces {
        match one {
            Piece::Text(between) => text(socket, between).await?,
            Piece::Blob(from, length) => piece(socket, file, *from, *length, download, sent).await?,
        }
    }
    Ok(())
}

/// Sends `length` bytes of the file from `from` on; how many were sent is in `sent`, whatever the outcome.
///
/// # Errors
/// Of the socket or the disk; the client takes nothing; the file is shorter.
async fn piece(
    socket: &TcpStream,
    file: &Arc<File>,
    from: u64,
    length: u64,
    download: &Download,
    sent: &mut u64,
) -> io::Result<()> {
    let (end, most) = (from + length, download.window(WINDOW));
    let mut at = from;
    while at < end {
        // A client that takes as fast as the kernel gives must not have the thread for itself.
        tokio::task::yield_now().await;
        let window = end.min(at + most);
        download.take(window - at).await?;
        in_memory(file, at, window).await?;
        while at < window {
            writable(socket).await?;
            let count = usize::try_from(window - at).unwrap_or(READ);
            match socket.try_io(Interest::WRITABLE, || Ok(sendfile(socket, file, Some(&mut at), count)?)) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was")),
                Ok(count) => *sent += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

async fn writable(socket: &TcpStream) -> io::Result<()> {
    timeout(NO_PROGRESS, socket.writable()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Sees to it that the bytes are in the kernel's memory, as far as that can be told.
async fn in_memory(file: &Arc<File>, from: u64, end: u64) -> io::Result<()> {
    let mut looked = (from..end).step_by(LOOK).chain([end - 1]);
    if looked.all(|at| is_cached(file, at)) {
        return Ok(());
    }
    let file = file.clone();
    let reading = tokio::task::spawn_blocking(move || {
        // What it does with that is its matter.
        let _ = fadvise(&*file, from, NonZeroU64::new(AHEAD), Advice::WillNeed);
        let mut bytes = vec![0; READ];
        let mut at = from;
        while at < end {
            let some = usize::try_from(end - at).unwrap_or(READ).min(READ);
            match file.read_at(bytes.get_mut(..some).unwrap_or_default(), at)? {
                // Sending tells.
                0 => break,
                count => at += count as u64,
            }
        }
        Ok(())
    });
    reading.await.map_err(io::Error::other)?
}

/// Whether this byte can be had without waiting; a file system that cannot tell counts as one in memory.
fn is_cached(file: &File, at: u64) -> bool {
    let mut byte = [0];
    preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_as_http_has_them() {
        let answer = BlobAnswer {
            status: 206,
            headers: vec![("etag", "\"a\"".into()), ("content-range", "bytes 2-3/10".into())],
            pieces: vec![Piece::Blob(2, 2)],
            length: Some(2),
            has_body: true,
        };
        let always = "accept-ranges: bytes\r\ncache-control: public, max-age=31536000, immutable\r\n";
        assert_eq!(
            head(&answer, true, Timestamp::UNIX_EPOCH),
            format!(
                "HTTP/1.1 206 Partial Content\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n{always}etag: \"a\"\r\n\
                 content-range: bytes 2-3/10\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
            )
        );
        let unchanged =
            BlobAnswer { status: 304, headers: Vec::new(), pieces: Vec::new(), length: None, has_body: false };
        assert!(!head(&unchanged, false, Timestamp::UNIX_EPOCH).contains("content-length"));
    }
}
