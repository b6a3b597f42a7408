//! How much memory loading takes. Figures only; never asks the system.

/// Page tables, the vmalloc bookkeeping, the relocation code and the buffers of the system call itself.
const SLACK: u64 = 16 << 20;
/// The kernel's segment is as large as the kernel's run-time image (`init_size`), not as its file: 64 MiB for Debian's
/// 6.1. This is room for half as much again. [`crate::KernelInfo::init_size`] has the figure of the kernel in hand.
const KERNEL_SEGMENT: u64 = 96 << 20;

/// Bytes of memory in use at the peak of `kexec_file_load` and just before the jump, **including** the files that the
/// kernel and initrd are read from when these lie in memory (memfd, tmpfs). Sizes are those of the files.
///
/// Each byte of the initrd exists up to three times: in the file it comes from (1), in the buffer that the system call
/// reads the whole file into (`kernel_read_file`, vmalloc) (2), and in the pages of the loaded segment, which the jump
/// copies to their final place (3). The buffer (2) is freed when the call returns (`kimage_file_post_load_cleanup`), the
/// source (1) when the caller closes it. The same goes for the kernel, but for its segment (3), which is as large as the
/// kernel when it runs; 96 MiB are allowed for it. Free memory may be scattered: segments are lists of pages, and the
/// buffer needs no contiguous pages either.
///
/// Measured on Linux 6.1 with a kernel of 8 MB (`init_size` 67 MB) and an initrd of 113 MB: 280 MB beyond the source at
/// the peak, 180 MB after the call; this function allows 351 MB beyond the source.
///
/// Saturates instead of overflowing.
pub fn memory_needed(kernel: u64, initrd: u64) -> u64 {
    memory_needed_beyond_source(kernel, initrd).saturating_add(kernel).saturating_add(initrd)
}

/// The part of [`memory_needed`] that is to be free (`MemAvailable`) when the source files already lie in memory.
pub fn memory_needed_beyond_source(kernel: u64, initrd: u64) -> u64 {
    initrd.saturating_mul(2).saturating_add(kernel).saturating_add(KERNEL_SEGMENT + SLACK)
}
