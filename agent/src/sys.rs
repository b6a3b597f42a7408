//! The only file of the agent with `unsafe`: thin, typed wrappers over system calls that `nix` does not offer.
//! It must decide nothing: each function makes one object or one call, checks the result and says what failed.
//! One section per subject; a new wrapper goes into its own section.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

// ---------------------------------------------------------------------------------------------------------------
// Random numbers (getrandom(2)).
// ---------------------------------------------------------------------------------------------------------------

/// Returns when the kernel's generator is seeded; the call makes the kernel gather entropy, which merely waiting for
/// /dev/random (as the `getrandom` crate does in a static binary) never does on an idle machine without RDRAND.
///
/// # Errors
/// The system's error: EINTR, or ENOSYS before Linux 3.17.
pub fn wait_for_random() -> io::Result<()> {
    let mut byte = [0_u8; 1];
    // SAFETY: the pointer and the length describe `byte`, which outlives the call.
    let got = unsafe { libc::getrandom(byte.as_mut_ptr().cast(), byte.len(), 0) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// ---------------------------------------------------------------------------------------------------------------
// Loop devices (loop(4)).
// ---------------------------------------------------------------------------------------------------------------

const LOOP_SET_FD: libc::c_ulong = 0x4C00;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

/// Number of a loop device that is free now (another process may take it before it is bound).
///
/// # Errors
/// The system's error; ENOSPC or ENOMEM when there is none to be had.
pub fn loop_free(control: &File) -> io::Result<u32> {
    // SAFETY: the call takes no argument beyond the descriptor, which is open.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
    check(number).map(i32::cast_unsigned)
}

/// Binds `backing` to the loop `device`, read-only, released by itself when it is no longer used. Kernels before 5.8
/// have only the older call, which is tried second (`backing` must then be open for reading only).
///
/// # Errors
/// The system's error; EBUSY when somebody else took the device.
pub fn loop_bind(device: &File, backing: &File) -> io::Result<()> {
    let config = LoopConfig {
        fd: backing.as_raw_fd().cast_unsigned(),
        block_size: 0,
        info: LoopInfo64 {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            sizelimit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: `config` is a whole loop_config that outlives the call; the kernel only reads it.
    let bound = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
    match check(bound) {
        Ok(_) => return Ok(()),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => {}
        Err(e) => return Err(e),
    }
    // SAFETY: the argument is an open descriptor, passed by value.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_SET_FD as _, backing.as_raw_fd()) }).map(|_| ())
}

// ---------------------------------------------------------------------------------------------------------------
// What a NIC's driver tells (SIOCETHTOOL).
// ---------------------------------------------------------------------------------------------------------------

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 3;
const ETHTOOL_GPERMADDR: u32 = 0x20;

/// `struct ethtool_drvinfo` of linux/ethtool.h.
#[repr(C)]
struct EthtoolDrvinfo {
    cmd: u32,
    driver: [u8; 32],
    version: [u8; 32],
    fw_version: [u8; 32],
    bus_info: [u8; 32],
    erom_version: [u8; 32],
    reserved2: [u8; 12],
    counts: [u32; 5],
}

/// `struct ethtool_perm_addr` with room for the longest address (MAX_ADDR_LEN).
#[repr(C)]
struct EthtoolPermAddr {
    cmd: u32,
    size: u32,
    data: [u8; 32],
}

/// Name of a driver and version of the NIC's firmware; empty when the driver does not tell.
pub struct DriverInfo {
    /// e.g. `virtio_net`.
    pub driver: String,
    /// As the driver writes it.
    pub firmware: String,
}

/// Asks the driver of `interface`.
///
/// # Errors
/// The system's error: ENODEV without such an interface, EOPNOTSUPP when the driver does not tell.
pub fn driver_info(interface: &str) -> io::Result<DriverInfo> {
    let mut info = EthtoolDrvinfo {
        cmd: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        fw_version: [0; 32],
        bus_info: [0; 32],
        erom_version: [0; 32],
        reserved2: [0; 12],
        counts: [0; 5],
    };
    ethtool(interface, &mut info)?;
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
    };
    Ok(DriverInfo { driver: text(&info.driver), firmware: text(&info.fw_version) })
}

/// The address burnt into the NIC; `None` when the driver does not know it.
///
/// # Errors
/// As of [`driver_info`].
pub fn permanent_mac(interface: &str) -> io::Result<Option<String>> {
    let mut answer = EthtoolPermAddr { cmd: ETHTOOL_GPERMADDR, size: 32, data: [0; 32] };
    ethtool(interface, &mut answer)?;
    let mac = answer.data.get(..6).unwrap_or_default();
    if answer.size != 6 || mac.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    Ok(Some(mac.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")))
}

/// One SIOCETHTOOL call; `T` must be the structure that its command word asks for.
fn ethtool<T>(interface: &str, value: &mut T) -> io::Result<()> {
    // SAFETY: plain values; the result is checked before use.
    let raw = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `raw` is a fresh descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: all-zero bytes are a valid ifreq (integers, arrays and a pointer that is set below).
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = interface.as_bytes();
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut *value).cast();
    // SAFETY: `request` and the structure it points to are whole and outlive the call; the kernel writes no more than
    // the structure of the command that stands in it.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) }).map(|_| ())
}
// ---------------------------------------------------------------------------------------------------------------
// Packet sockets (packet(7)): whole Ethernet frames of one ethertype on one interface. Sending, receiving and
// polling need no wrapper: `nix::sys::socket::{send, recv}` and `nix::poll` do them on the descriptor.
// ---------------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------------
// Shared by all sections.
// ---------------------------------------------------------------------------------------------------------------

/// The result of a system call, or `errno` as an error.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
