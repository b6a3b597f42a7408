//! Images: what is made of them, and what they are.

use serde::{Deserialize, Serialize};

/// One blob of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePart {
    /// kernel, initrd, modules or rootfs.
    pub role: String,
    /// Hex.
    pub sha256: String,
    /// Bytes; ignored on input.
    #[serde(default)]
    pub size: u64,
}

/// An image to make: its blobs must be there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    /// `[a-z0-9][a-z0-9._-]*`, at most 63.
    pub name: String,
    /// Same alphabet.
    pub version: String,
    /// x86_64 or aarch64.
    pub arch: String,
    /// Default kernel command line.
    #[serde(default)]
    pub cmdline: String,
    /// Kernel release (`uname -r`) for people.
    #[serde(default)]
    pub kernel_release: String,
    /// One kernel; an initrd and/or (modules and rootfs).
    pub parts: Vec<ImagePart>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Default kernel command line.
    pub cmdline: String,
    /// Kernel release.
    pub kernel_release: String,
    /// Blobs.
    pub parts: Vec<ImagePart>,
    /// Made.
    pub created_us: i64,
    /// SHA-256 (hex) over roles and blobs: the image's identity.
    pub digest: String,
}
