//! The kernel's IPMI device (linux/ipmi.h): sending one request to the BMC of this machine and taking one message.
//! Polling needs no wrapper: `nix::poll` does it on the descriptor.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use super::check;

/// IPMI_SYSTEM_INTERFACE_ADDR_TYPE.
const SYSTEM_INTERFACE: libc::c_int = 0x0c;
/// IPMI_BMC_CHANNEL.
const BMC_CHANNEL: libc::c_short = 0x0f;
/// IPMI_RESPONSE_RECV_TYPE.
const RESPONSE: libc::c_int = 1;

/// `_IOR('i', 13, struct ipmi_req)`.
const IPMICTL_SEND_COMMAND: libc::c_ulong = request_number(2, 13, size_of::<Req>());
/// `_IOWR('i', 11, struct ipmi_recv)`.
const IPMICTL_RECEIVE_MSG_TRUNC: libc::c_ulong = request_number(3, 11, size_of::<Recv>());

/// `_IOC` of asm-generic/ioctl.h, the same on x86 and arm64. Sizes are below 2^14.
const fn request_number(direction: libc::c_ulong, number: libc::c_ulong, size: usize) -> libc::c_ulong {
    (direction << 30) | ((size as libc::c_ulong) << 16) | ((b'i' as libc::c_ulong) << 8) | number
}

/// `struct ipmi_system_interface_addr`.
#[repr(C)]
struct SystemAddress {
    addr_type: libc::c_int,
    channel: libc::c_short,
    lun: libc::c_uchar,
}

/// `struct ipmi_addr`: room for any address that the kernel may write.
#[repr(C)]
struct AnyAddress {
    addr_type: libc::c_int,
    channel: libc::c_short,
    data: [libc::c_uchar; 32],
}

/// `struct ipmi_msg`.
#[repr(C)]
struct Msg {
    netfn: libc::c_uchar,
    cmd: libc::c_uchar,
    data_len: libc::c_ushort,
    data: *mut libc::c_uchar,
}

/// `struct ipmi_req`.
#[repr(C)]
struct Req {
    addr: *mut libc::c_uchar,
    addr_len: libc::c_uint,
    msgid: libc::c_long,
    msg: Msg,
}

/// `struct ipmi_recv`.
#[repr(C)]
struct Recv {
    recv_type: libc::c_int,
    addr: *mut libc::c_uchar,
    addr_len: libc::c_uint,
    msgid: libc::c_long,
    msg: Msg,
}

/// A message that came.
pub struct IpmiMessage {
    /// It answers a request (else it is an event, or a request to us).
    pub is_response: bool,
    /// As it was given to [`ipmi_send`].
    pub msgid: libc::c_long,
    /// Of the answer: that of the request plus one.
    pub netfn: u8,
    /// Of the request.
    pub cmd: u8,
    /// Bytes of the buffer that are the answer's, completion code first.
    pub len: usize,
}

/// Hands one request for the BMC (LUN 0) to the kernel; returns before it is answered.
///
/// # Errors
/// The system's error: EINVAL for data that no interface can carry, EBUSY with too many requests under way, EIO.
pub fn ipmi_send(device: &File, msgid: libc::c_long, netfn: u8, cmd: u8, data: &[u8]) -> io::Result<()> {
    let length = libc::c_ushort::try_from(data.len()).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
    let mut address = SystemAddress { addr_type: SYSTEM_INTERFACE, channel: BMC_CHANNEL, lun: 0 };
    let mut request = Req {
        addr: (&raw mut address).cast(),
        addr_len: size_of::<SystemAddress>() as libc::c_uint,
        msgid,
        msg: Msg { netfn, cmd, data_len: length, data: data.as_ptr().cast_mut() },
    };
    // SAFETY: `request`, the address and the data that it points to are whole, have the lengths that it says and outlive
    // the call; the kernel copies them and writes to none of them.
    check(unsafe { libc::ioctl(device.as_raw_fd(), IPMICTL_SEND_COMMAND as _, &raw mut request) }).map(|_| ())
}

/// Takes the oldest message that came; what does not fit into `buffer` is cut off.
///
/// # Errors
/// The system's error: EAGAIN when there is none.
pub fn ipmi_receive(device: &File, buffer: &mut [u8]) -> io::Result<IpmiMessage> {
    let mut address = AnyAddress { addr_type: 0, channel: 0, data: [0; 32] };
    let room = libc::c_ushort::try_from(buffer.len()).unwrap_or(libc::c_ushort::MAX);
    let mut message = Recv {
        recv_type: 0,
        addr: (&raw mut address).cast(),
        addr_len: size_of::<AnyAddress>() as libc::c_uint,
        msgid: 0,
        msg: Msg { netfn: 0, cmd: 0, data_len: room, data: buffer.as_mut_ptr() },
    };
    // SAFETY: `message`, the address and the buffer that it points to are whole, have the lengths that it says and outlive
    // the call; the kernel writes no more than those lengths.
    let taken = check(unsafe { libc::ioctl(device.as_raw_fd(), IPMICTL_RECEIVE_MSG_TRUNC as _, &raw mut message) });
    match taken {
        Ok(_) => {}
        // Cut off: the message is there all the same.
        Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {}
        Err(e) => return Err(e),
    }
    Ok(IpmiMessage {
        is_response: message.recv_type == RESPONSE,
        msgid: message.msgid,
        netfn: message.msg.netfn,
        cmd: message.msg.cmd,
        len: usize::from(message.msg.data_len).min(buffer.len()),
    })
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        // As a C program prints them that includes linux/ipmi.h.
        assert_eq!(IPMICTL_SEND_COMMAND, 0x8028_690d);
        assert_eq!(IPMICTL_RECEIVE_MSG_TRUNC, 0xc030_690b);
        assert_eq!((size_of::<SystemAddress>(), size_of::<AnyAddress>()), (8, 40));
    }
}
