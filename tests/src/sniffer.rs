//! Frames as they stand on the wire of a namespace. It hears every interface there, and must never send.

use crate::namespace::Namespace;
use crate::{Context, LabError, LabResult};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// An open ear in one namespace.
#[derive(Debug)]
pub struct Sniffer {
    socket: OwnedFd,
}

impl Sniffer {
    /// Hears everything from now on.
    pub fn open(namespace: &Namespace) -> LabResult<Sniffer> {
        let file = File::open(format!("/run/netns/{}", namespace.name())).context("opening a namespace")?;
        // A socket stays in the namespace in which it was made: a thread goes there, makes it, and ends.
        let made = std::thread::spawn(move || -> nix::Result<OwnedFd> {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
            setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(100))?;
            Ok(socket)
        });
        let socket = made.join().map_err(|_| LabError::new("the thread that opens a packet socket panicked"))?;
        Ok(Sniffer { socket: socket.context("opening a packet socket in a namespace")? })
    }

    /// The next frame of this ethertype; `None` when none comes in time.
    pub fn next(&self, ethertype: u16, timeout: Duration) -> LabResult<Option<Vec<u8>>> {
        let start = Instant::now();
        let mut bytes = vec![0; 65_536];
        while start.elapsed() < timeout {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => {
                    let frame = bytes.get(..length).unwrap_or_default();
                    if frame.get(12..14) == Some(&ethertype.to_be_bytes()) {
                        return Ok(Some(frame.to_vec()));
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(LabError::new(format!("reading frames: {error}"))),
            }
        }
        Ok(None)
    }
}
