//! Listening sockets.

use crate::error::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Waiting connections; the kernel's own limit (net.core.somaxconn) counts too.
const BACKLOG: u32 = 4096;

/// Listen on `address`; `[::]` takes IPv4 as well, and is 0.0.0.0 on a kernel without IPv6.
pub fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    let bound = match try_bind(address) {
        Err(_) if address.ip().is_unspecified() && address.is_ipv6() => {
            try_bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        other => other,
    };
    bound.map_err(|error| {
        Error::internal(format!("cannot listen on {address}: {error}; choose another address with --{setting}"))
    })
}

fn try_bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A server that was killed must be able to start again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
