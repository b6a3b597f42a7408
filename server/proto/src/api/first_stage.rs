//! What machines boot first.

use serde::{Deserialize, Serialize};

/// A first stage to use from now on: its blobs must be there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFirstStage {
    /// x86_64 or aarch64.
    pub arch: String,
    /// Blob of the kernel.
    pub kernel: String,
    /// Blob of the initramfs.
    pub initramfs: String,
    /// Debian version of the kernel package, and its sha256.
    pub kernel_package: String,
    /// Version of the agent in it.
    pub agent_version: String,
    /// Driver set: "server" or "lab".
    pub drivers: String,
}

/// The first stage in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstStage {
    /// As given.
    #[serde(flatten)]
    pub spec: NewFirstStage,
    /// Bytes of the kernel.
    pub kernel_size: u64,
    /// Bytes of the initramfs.
    pub initramfs_size: u64,
    /// Since.
    pub created_us: i64,
}
