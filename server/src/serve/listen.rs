//! Listening sockets.

use crate::error::{Error, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
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

/// Addresses of a network interface of this machine; none: there is no such interface, or it has none.
pub fn interface_addresses(name: &str) -> Result<Vec<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs().map_err(Error::internal)?;
    let of = |one: nix::ifaddrs::InterfaceAddress| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    Ok(all.filter(|one| one.interface_name == name).filter_map(of).collect())
}

/// A client that takes nothing for so long is gone: its connection ends, and the file that it was sent is closed.
const NO_PROGRESS: Duration = Duration::from_secs(60);

/// Each connection is an open file, and so is each download: raise the soft limit, which is low for old programs'
/// sake, to the hard one.
pub fn allow_many_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard) } else { Ok(hard) }
    });
    match raised {
        Ok(files) => tracing::debug!(files, "up to {files} files may be open"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files (ulimit -n): {error}"),
    }
}

fn try_bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A server that was killed must be able to start again at once.
    socket.set_reuseaddr(true)?;
    // Connections have it from their listener.
    let millis = u32::try_from(NO_PROGRESS.as_millis()).unwrap_or(u32::MAX);
    setsockopt(&socket, TcpUserTimeout, &millis)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn connections_end_when_their_client_takes_nothing() {
        let listener = bind("127.0.0.1:0".parse().unwrap(), "http-listen").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(nix::sys::socket::getsockopt(&accepted, TcpUserTimeout).unwrap(), 60_000);
    }

    #[test]
    fn addresses_of_an_interface() {
        assert!(interface_addresses("lo").unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(interface_addresses("no-such-one").unwrap().is_empty());
    }

    #[test]
    fn all_files_that_the_machine_allows_may_be_open() {
        allow_many_files();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
