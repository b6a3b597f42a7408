//! What kind of kernel a file is. Only reads; never panics on any bytes (property-tested).

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::{Error, ImageError, arm64, x86};

/// As many bytes from the start of a kernel as [`KernelInfo::parse`] ever looks at: the x86 version string may be
/// 64 KiB + 512 into the file, plus its own length.
pub const HEAD_BYTES: usize = 68 * 1024;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arch {
    /// `x86_64` (bzImage).
    X86_64,
    /// `aarch64` (Image).
    Aarch64,
}

impl Arch {
    /// The name that `uname -m` uses.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }
}

/// What the header of a kernel image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    /// For which machine it is.
    pub arch: Arch,
    /// The version as the image tells it, e.g. `6.1.0-56-amd64 (debian-kernel@...) #1 SMP ...`; arm64 tells none.
    pub version: Option<String>,
    /// x86 boot protocol (0x020f is 2.15); none on arm64.
    pub protocol: Option<u16>,
    /// Longest command line in bytes without the closing NUL.
    pub max_cmdline: usize,
    /// Bytes of memory the kernel wants for itself while starting (x86 `init_size`, arm64 `image_size`).
    pub init_size: u64,
    /// Size of the file in bytes.
    pub file_size: u64,
    /// Where the file has the compressed kernel (x86 `payload_offset`, `payload_length`): offset and length in bytes;
    /// none on arm64, whose Image is the kernel itself.
    pub payload: Option<(u64, u64)>,
}

impl KernelInfo {
    /// Checks an image by its first bytes (up to [`HEAD_BYTES`] of them; fewer only if the file is shorter) and its
    /// length.
    ///
    /// # Errors
    /// [`ImageError`], which says what is wrong with the file.
    pub fn parse(head: &[u8], file_len: u64) -> Result<Self, ImageError> {
        if file_len < 0x40 || head.len() < 0x40 {
            return Err(ImageError::TooShort { len: file_len.min(head.len() as u64), needed: 0x40 });
        }
        if arm64::is_image(head) {
            return arm64::parse(head, file_len);
        }
        if x86::is_bzimage(head) {
            return x86::parse(head, file_len);
        }
        Err(ImageError::Unknown { hint: looks_like(head) })
    }

    /// Checks an open file, without moving its offset.
    ///
    /// # Errors
    /// [`Error::Image`] when it is no loadable kernel, [`Error::Io`] when it cannot be read.
    pub fn from_file(file: &File) -> Result<Self, Error> {
        let io = |source| Error::Io { what: "read the kernel image", source };
        let len = file.metadata().map_err(io)?.len();
        let mut head = vec![0; HEAD_BYTES.min(usize::try_from(len).unwrap_or(HEAD_BYTES))];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io(e)),
            }
        }
        head.truncate(filled);
        Ok(Self::parse(&head, len)?)
    }

    /// The release alone (`uname -r`), where the image tells its version.
    pub fn release(&self) -> Option<&str> {
        self.version.as_deref()?.split_whitespace().next()
    }

    /// Is the command line short enough, and free of NUL?
    ///
    /// # Errors
    /// [`Error::CmdlineTooLong`] or [`Error::CmdlineNul`].
    pub fn check_cmdline(&self, cmdline: &str) -> Result<(), Error> {
        if let Some(at) = cmdline.bytes().position(|b| b == 0) {
            return Err(Error::CmdlineNul { at });
        }
        if cmdline.len() > self.max_cmdline {
            return Err(Error::CmdlineTooLong { len: cmdline.len(), max: self.max_cmdline });
        }
        Ok(())
    }
}

/// Names the usual mistakes, so that the operator need not run `file`.
fn looks_like(head: &[u8]) -> &'static str {
    if head.starts_with(&[0x1f, 0x8b]) {
        ": it is gzip data; unpack it first (an arm64 Image.gz, or an initramfs given as kernel)"
    } else if head.starts_with(b"\x7fELF") {
        ": it is an ELF file (vmlinux?); give the bzImage or Image"
    } else if head.starts_with(b"070701") || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        ": it looks like an initramfs; kernel and initrd may be swapped"
    } else if head.starts_with(b"hsqs") {
        ": it is a squashfs; kernel and root file system may be swapped"
    } else if head.starts_with(b"MZ") {
        ": it is an EFI program without a Linux header"
    } else if head.starts_with(b"<") {
        ": it looks like a web page; the server answered with an error page"
    } else {
        ""
    }
}

/// Little-endian reads that cannot panic.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
