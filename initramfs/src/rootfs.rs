//! Types of root file systems: read-only, compressed, mounted through a loop device under an overlay.

use std::io::{self, Read};

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RootFs {
    /// Squashfs 4 (Linux, Documentation/filesystems/squashfs.rst).
    #[default]
    Squashfs,
    /// Enhanced read-only file system (Linux, Documentation/filesystems/erofs.rst).
    Erofs,
}

/// At byte 0, little endian.
const SQUASHFS: [u8; 4] = *b"hsqs";
/// `EROFS_SUPER_MAGIC_V1`, 0xE0F5E1E2, little endian, at byte 1024.
const EROFS: [u8; 4] = 0xE0F5_E1E2_u32.to_le_bytes();
const EROFS_AT: usize = 1024;

impl RootFs {
    /// As the kernel names it, and its module.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
        }
    }

    /// Modules that its own needs loaded first, though it does not depend on them by name; those that the kernel has not as modules are
    /// built in. `libcrc32c` asks the kernel's crypto API for CRC-32C, and does not load without (a soft dependency of kmod's).
    pub fn helpers(self) -> &'static [&'static str] {
        match self {
            Self::Squashfs => &[],
            Self::Erofs => &["crc32c_generic"],
        }
    }

    /// By the first bytes of a file; none: it is another.
    ///
    /// # Errors
    /// Of reading; a file that is too short is none.
    pub fn of(mut file: impl Read) -> io::Result<Option<Self>> {
        let mut head = Vec::with_capacity(EROFS_AT + 4);
        file.by_ref().take(EROFS_AT as u64 + 4).read_to_end(&mut head)?;
        Ok(match &head[..] {
            head if head.starts_with(&SQUASHFS) => Some(Self::Squashfs),
            head if head.get(EROFS_AT..) == Some(&EROFS[..]) => Some(Self::Erofs),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_their_magic() {
        let mut erofs = vec![0; 1024];
        erofs.extend_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0, 0, 0]);
        assert_eq!(RootFs::of(&erofs[..]).unwrap(), Some(RootFs::Erofs));
        assert_eq!(RootFs::of(&erofs[..1027]).unwrap(), None);
        assert_eq!(RootFs::of(&b"hsqs..."[..]).unwrap(), Some(RootFs::Squashfs));
        assert_eq!(RootFs::of(&b"sqsh"[..]).unwrap(), None);
        assert_eq!(RootFs::of(&b""[..]).unwrap(), None);
    }
}
