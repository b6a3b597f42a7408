//! Packet sockets (packet(7)): whole Ethernet frames of one ethertype on one interface. Sending, receiving and polling
//! need no wrapper: `nix::sys::socket::{send, recv}` and `nix::poll` do them on the descriptor.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// A raw packet socket bound to one interface and one ethertype, non-blocking, close-on-exec, that does not hear the
/// machine's own frames and has joined the multicast `groups` (the NIC would drop their frames otherwise). The kernel
/// leaves the groups by itself when the socket is closed. Needs CAP_NET_RAW.
///
/// # Errors
/// The system's error of the first call that failed: EPERM without the capability, ENODEV when the interface is gone.
pub fn packet_socket(ifindex: u32, ethertype: u16, groups: &[[u8; 6]]) -> io::Result<OwnedFd> {
    // Protocol 0 until bound: otherwise frames of all interfaces would queue up between socket() and bind().
    // SAFETY: plain values; the result is checked before use.
    let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    let raw = check(raw)?;
    // SAFETY: `raw` is a fresh descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };

    for group in groups {
        let mut address = [0_u8; 8];
        address[..6].copy_from_slice(group);
        let membership = libc::packet_mreq {
            mr_ifindex: interface_number(ifindex)?,
            mr_type: libc::PACKET_MR_MULTICAST as libc::c_ushort,
            mr_alen: 6,
            mr_address: address,
        };
        packet_option(fd.as_raw_fd(), libc::PACKET_ADD_MEMBERSHIP, &membership)?;
    }
    // Linux 4.20; an older kernel delivers no own frames to a socket of one ethertype anyway.
    let _ = packet_option(fd.as_raw_fd(), libc::PACKET_IGNORE_OUTGOING, &1_i32);

    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: interface_number(ifindex)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` is a whole sockaddr_ll that outlives the call, and the length is its size.
    let bound = unsafe {
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t)
    };
    check(bound)?;
    Ok(fd)
}

/// One SOL_PACKET option whose value is `T` as it lies in memory.
fn packet_option<T>(fd: RawFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the kernel only reads it.
    let set = unsafe {
        libc::setsockopt(fd, libc::SOL_PACKET, option, (&raw const *value).cast(), size_of::<T>() as libc::socklen_t)
    };
    check(set).map(|_| ())
}

fn interface_number(ifindex: u32) -> io::Result<libc::c_int> {
    libc::c_int::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}
