//! Check a Linux kernel image, load it with `kexec_file_load`, and jump into it.
//!
//! The crate works on file descriptors, so a kernel and an initramfs that were downloaded and verified in memory
//! (memfds) never touch a disk or a path. It runs on its own as PID 1 of an initramfs: no `kexec` program, no shell.
//!
//! ```no_run
//! use kexec_rs::{Flags, Kexec, KernelInfo, Part, concat_initrd};
//! # fn main() -> Result<(), kexec_rs::Error> {
//! let kernel = std::fs::File::open("/boot/vmlinuz").map_err(|source| kexec_rs::Error::Io { what: "open the kernel", source })?;
//! let info = KernelInfo::from_file(&kernel)?; // a truncated or foreign file is refused here, with words
//! let initrd = concat_initrd([Part::Bytes(b"first"), Part::Bytes(b"second")])?; // parts padded to 512 bytes
//! info.check_cmdline("console=ttyS0")?;
//! let loaded = Kexec::load(&kernel, Some(&initrd), "console=ttyS0", Flags::default())?;
//! loaded.execute()?; // does not come back
//! # Ok(()) }
//! ```
//!
//! What it never does: shut services down, sync or unmount file systems (the caller does, before [`Loaded::execute`]),
//! and never reads a kernel from a path.

mod arm64;
mod error;
mod image;
mod initrd;
mod load;
mod memory;
mod syscall;
mod x86;

pub use error::{Error, ImageError};
pub use image::{Arch, HEAD_BYTES, KernelInfo};
pub use initrd::{ALIGNMENT, Concat, Part, concat_initrd, memfd, padding, seal};
pub use load::{Flags, Kexec, Loaded, is_loaded};
pub use memory::{memory_needed, memory_needed_beyond_source};
