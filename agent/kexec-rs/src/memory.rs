//! How much memory loading takes. Figures only; never asks the system.

/// Page tables, the vmalloc bookkeeping, the relocation code and the buffers of the system call itself.
const SLACK: u64 = 16 << 20;

/// Bytes of memory in use at the peak of `kexec_file_load` and just before the jump, **including** the files that the
/// kernel and initrd are read from when these lie in memory (memfd, tmpfs).
///
/// Each byte of a part exists up to three times: in the file it comes from (1), in the buffer that the system call
/// reads the whole file into (`kernel_read_file`, vmalloc) (2), and in the pages of the loaded segment, which the jump
/// copies to their final place (3). The buffer (2) is freed when the call returns (`kimage_file_post_load_cleanup`), the
/// source (1) when the caller closes it. The kernel part is small, so its decompression room is not counted: that is
/// memory of the next kernel. Segments are placed by physical address, so memory that is free but scattered does
/// for them (they are lists of pages); the vmalloc buffer needs no contiguous pages either.
///
/// Saturates instead of overflowing.
pub fn memory_needed(kernel: u64, initrd: u64) -> u64 {
    kernel.saturating_add(initrd).saturating_mul(3).saturating_add(SLACK)
}

/// The part of [`memory_needed`] that is to be free (`MemAvailable`) when the source files already lie in memory:
/// twice the parts. Measured with 101 MB in a virtual machine: about twice the payload beyond the downloaded copy.
pub fn memory_needed_beyond_source(kernel: u64, initrd: u64) -> u64 {
    kernel.saturating_add(initrd).saturating_mul(2).saturating_add(SLACK)
}
