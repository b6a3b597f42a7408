//! Images: immutable, versioned bundles of blobs that a node boots.

use super::cmdline::Cmdline;
use super::ids::{Invalid, Micros, Name, Sha256};
use super::image_kept::Kept;
use super::node::words;
use std::fmt;
use std::str::FromStr;

/// Processor architecture, in the kernel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// AMD64.
    X86_64,
    /// ARM 64.
    Aarch64,
}

words!(Arch, "architecture", "x86_64 or aarch64", X86_64 = "x86_64", Aarch64 = "aarch64");

impl Arch {
    /// Of a machine, by the word that its inventory has for its processor. A program for 32-bit x86 (iPXE for BIOS calls itself
    /// so) tells of itself, not of the machine: it counts as x86_64. None: nothing is known.
    pub fn of_machine(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" | "amd64" | "x86" | "i386" | "i486" | "i586" | "i686" => Some(Self::X86_64),
            "aarch64" | "arm64" => Some(Self::Aarch64),
            _ => None,
        }
    }
}

/// What a blob is to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// bzImage or arm64 Image; of a program alone, whatever iPXE starts.
    Kernel,
    /// An initramfs of the image's own.
    Initrd,
    /// Modules that the second stage needs before it has the root file system (cpio).
    Modules,
    /// squashfs.
    Rootfs,
}

words!(
    Role,
    "part role",
    "kernel, initrd, modules or rootfs",
    Kernel = "kernel",
    Initrd = "initrd",
    Modules = "modules",
    Rootfs = "rootfs"
);

/// One blob of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub role: Role,
    /// Which blob.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
}

/// "name:version".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// Name.
    pub name: Name,
    /// Version.
    pub version: Name,
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

impl FromStr for ImageRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, version) =
            text.split_once(':').ok_or_else(|| Invalid::new("image", "NAME:VERSION, e.g. debian:12.7", text))?;
        Ok(Self { name: name.parse()?, version: version.parse()? })
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub reference: ImageRef,
    /// For which machines.
    pub arch: Arch,
    /// Default command line.
    pub cmdline: Cmdline,
    /// `uname -r`.
    pub kernel_release: String,
    /// Sorted by role.
    pub parts: Vec<Part>,
    /// Made.
    pub created: Micros,
    /// What is known of it beside.
    pub kept: Kept,
}

impl Image {
    /// SHA-256 over architecture, roles and blobs: two images with one digest boot the same bytes.
    pub fn digest(&self) -> Sha256 {
        let mut text = format!("{}\n", self.arch);
        for part in &self.parts {
            text.push_str(&format!("{} {}\n", part.role, part.sha256));
        }
        Sha256::of(text)
    }

    /// The part with this role.
    pub fn part(&self, role: Role) -> Option<&Part> {
        self.parts.iter().find(|p| p.role == role)
    }

    /// A program alone, as memtest86+: no system, and perhaps no Linux. Only a script of iPXE boots it.
    pub fn is_program(&self) -> bool {
        self.part(Role::Initrd).is_none() && self.part(Role::Rootfs).is_none()
    }
}

/// Check that the parts make something bootable, and sort them.
pub fn check_parts(mut parts: Vec<Part>) -> Result<Vec<Part>, Invalid> {
    const FORM: &str = "one kernel, alone (a program), with an initrd, or with a rootfs and modules; each role once";
    parts.sort_by_key(|p| p.role);
    let roles: Vec<Role> = parts.iter().map(|p| p.role).collect();
    match roles[..] {
        [Role::Kernel] | [Role::Kernel, Role::Initrd] | [Role::Kernel, Role::Modules, Role::Rootfs] => Ok(parts),
        _ => {
            let got: Vec<_> = roles.iter().map(|r| r.as_str()).collect();
            Err(Invalid::new("image parts", FORM, &got.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn part(role: Role) -> Part {
        Part { role, sha256: Sha256::of(role.as_str()), size: 1 }
    }

    #[test]
    fn only_bootable_sets_of_parts() {
        use Role::*;
        assert!(check_parts(vec![part(Rootfs), part(Kernel), part(Modules)]).is_ok());
        assert!(check_parts(vec![part(Initrd), part(Kernel)]).is_ok());
        assert!(check_parts(vec![part(Kernel)]).is_ok());
        for bad in [
            vec![],
            vec![Initrd],
            vec![Rootfs, Modules],
            vec![Kernel, Rootfs],
            vec![Kernel, Kernel, Initrd],
            vec![Kernel, Initrd, Initrd],
        ] {
            assert!(check_parts(bad.iter().map(|r| part(*r)).collect()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_known_of_a_machine() {
        for word in ["x86_64", "amd64", "AMD64", "i386", " i686 "] {
            assert_eq!(Arch::of_machine(word), Some(Arch::X86_64), "{word:?}");
        }
        assert_eq!(
            (Arch::of_machine("aarch64"), Arch::of_machine("arm64")),
            (Some(Arch::Aarch64), Some(Arch::Aarch64))
        );
        assert_eq!((Arch::of_machine(""), Arch::of_machine("riscv64")), (None, None));
    }

    #[test]
    fn references() {
        let image: ImageRef = "debian:12.7".parse().unwrap();
        assert_eq!(image.to_string(), "debian:12.7");
        assert!("debian".parse::<ImageRef>().is_err() && "a:b:c".parse::<ImageRef>().is_err());
    }
}
