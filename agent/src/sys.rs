//! The only module of the agent with `unsafe`: thin, typed wrappers over system calls that `nix` does not offer. It must
//! decide nothing: each function makes one object or one call, checks the result and says what failed. One file a subject.
#![allow(unsafe_code)]

mod ethtool;
mod ipmi;
mod loops;
mod packet;
mod private_flags;
mod random;

pub use ethtool::{DriverInfo, driver_info, permanent_mac, supported_link_modes};
pub use ipmi::{IpmiMessage, ipmi_receive, ipmi_send};
pub use loops::{loop_bind, loop_free};
pub use packet::packet_socket;
pub use private_flags::{private_flags, set_private_flags};
pub use random::wait_for_random;

use std::io;

/// The result of a system call, or `errno` as an error.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
