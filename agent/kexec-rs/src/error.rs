//! What can go wrong, in words that say what to do. Never prints a kernel command line: it may hold a nonce.

use std::io;

/// Why a kernel could not be checked, loaded or started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel file is not one that can be kexec'd.
    #[error("the kernel image is refused: {0}")]
    Image(#[from] ImageError),
    /// Reading or writing a file or memfd failed.
    #[error("could not {what}")]
    Io {
        /// What was tried, as the end of "could not ...".
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The command line has a NUL byte, which would end it early.
    #[error("the kernel command line contains a NUL byte at {at}: the kernel would cut it there")]
    CmdlineNul {
        /// Offset of the byte.
        at: usize,
    },
    /// The command line is longer than the new kernel takes.
    #[error(
        "the kernel command line has {len} bytes, the kernel takes at most {max}: shorten the profile's command line"
    )]
    CmdlineTooLong {
        /// Its length in bytes, without the closing NUL.
        len: usize,
        /// The most this kernel takes.
        max: usize,
    },
    /// A part of the initramfs is bigger or smaller than announced.
    #[error("an initramfs part has {got} bytes, {expected} were announced")]
    PartSize {
        /// What was announced.
        expected: u64,
        /// What came (counting stopped here).
        got: u64,
    },
    /// `kexec_file_load` failed; `hint` says what this error means there.
    #[error("kexec_file_load failed: {hint}")]
    Load {
        /// What the errno means for this system call, and what to do.
        hint: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Nothing is loaded, so there is nothing to jump into.
    #[error("the kernel would not jump: {hint}")]
    Execute {
        /// What the errno means, and what to do.
        hint: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// Why the bytes are not a kernel image that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Too few bytes for any header.
    #[error("it has {len} bytes, a kernel header alone needs {needed}: the file is empty or truncated")]
    TooShort {
        /// Bytes there are.
        len: u64,
        /// Bytes the header needs.
        needed: u64,
    },
    /// Neither a bzImage nor an arm64 Image.
    #[error("it is neither an x86 bzImage (no \"HdrS\" at 0x202) nor an arm64 Image (no \"ARM\\x64\" at 0x38){hint}")]
    Unknown {
        /// What it looks like instead; empty or starting with ": ".
        hint: &'static str,
    },
    /// The header announces more bytes than the file has.
    #[error("its header announces {needed} bytes, the file has {len}: it was cut short, fetch it again")]
    Truncated {
        /// What the header announces.
        needed: u64,
        /// Bytes there are.
        len: u64,
    },
    /// A bzImage older than kexec of 64-bit kernels supports.
    #[error("its boot protocol is {}.{:02}, kexec_file_load needs 2.12 or newer (Linux 3.8)", version >> 8, version & 0xff)]
    OldProtocol {
        /// The version field at 0x206.
        version: u16,
    },
    /// A field of the header excludes kexec.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A field of the header makes no sense.
    #[error("its header is damaged: {0}")]
    Damaged(&'static str),
}
