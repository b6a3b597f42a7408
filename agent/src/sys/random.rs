//! Random numbers (getrandom(2)).

use std::io;

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
