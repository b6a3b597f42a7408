//! The one `unsafe` call of this crate: `kexec_file_load(2)`, which libc wraps nowhere.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// `kexec_file_load(kernel_fd, initrd_fd, cmdline_len, cmdline, flags)`; -1 stands for an absent descriptor.
#[allow(unsafe_code)]
pub(crate) fn kexec_file_load(
    kernel: Option<BorrowedFd<'_>>,
    initrd: Option<BorrowedFd<'_>>,
    cmdline: Option<&CStr>,
    flags: u32,
) -> io::Result<()> {
    let raw = |fd: Option<BorrowedFd<'_>>| fd.map_or(-1, |fd| fd.as_raw_fd());
    let bytes = cmdline.map(CStr::to_bytes_with_nul).unwrap_or_default();
    let pointer = if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr() };
    // SAFETY: the descriptors are borrowed for the whole call; `pointer` is null with length 0 or points to
    // `bytes.len()` readable bytes that end in NUL; the kernel copies them and keeps no pointer to our memory.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            raw(kernel),
            raw(initrd),
            bytes.len() as libc::c_ulong,
            pointer,
            libc::c_ulong::from(flags),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
