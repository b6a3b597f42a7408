//! Images: what is made of them, and what they are.

use serde::{Deserialize, Serialize};

/// One blob of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePart {
    /// kernel, initrd, modules or rootfs; contents of a listing.
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
    /// One kernel, alone (a program), with an initrd, or with modules and rootfs.
    pub parts: Vec<ImagePart>,
    /// What people say of it, at most 4 KiB; may be changed later.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What it was built by, at most 64 KiB; never changes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipe: String,
    /// The listing of what is in it, a blob like the parts; its role is contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<ImagePart>,
}

/// A change to an image; absent fields stay as they are. What it boots never changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagePatch {
    /// What people say of it, at most 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// Where a label is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLabel {
    /// A version of the same image name, or another label of it.
    pub version: String,
}

/// Let images go that nothing uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageGc {
    /// So many of the newest versions of each name stay in any case.
    pub keep: u64,
    /// What is not older stays in any case.
    pub older_than_seconds: u64,
    /// Only tell what would go.
    pub dry_run: bool,
}

/// What went, and why the rest stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageGcAnswer {
    /// Nothing was changed.
    pub dry_run: bool,
    /// What went, or would go; at most 1,000.
    pub removed: Vec<ImageGcLine>,
    /// Bytes of blobs that no image names any more; they are removed when their time of grace is over.
    pub freed_bytes: u64,
    /// There is more to remove: ask again.
    pub more: bool,
    /// What stays; at most 1,000.
    pub kept: Vec<ImageGcLine>,
    /// And so many beyond these.
    pub kept_more: u64,
}

/// What became of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageGcLine {
    /// "name:version".
    pub image: String,
    /// Bytes of its blobs, those that others share too.
    pub size: u64,
    /// Why it stays; empty: it went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<String>,
}

/// Read all blobs of a server again and compare them with their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewScrub {
    /// At this pace, 1 MiB/s at least; absent: 200 MiB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// How a scrub stands: the last one since this server was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// never, running, done, cancelled or failed.
    pub state: String,
    /// Who began it.
    pub by: String,
    /// When.
    pub started_us: Option<i64>,
    /// When it ended.
    pub ended_us: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Blobs that were read whole.
    pub blobs_done: u64,
    /// Bytes that were read.
    pub bytes_done: u64,
    /// Of about so many.
    pub bytes: u64,
    /// Recorded blobs that were looked for in the S3 store; nothing of them is read there.
    #[serde(default)]
    pub stored_done: u64,
    /// Of so many; 0: there is no such store, or its turn has not come.
    #[serde(default)]
    pub stored: u64,
    /// What was found and is not mended yet; at most 1,000.
    pub damaged: Vec<DamagedBlob>,
}

/// A blob that nobody can get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedBlob {
    /// Hex.
    pub sha256: String,
    /// There is no file (or object of the S3 store); else it was wrong, and is moved to `blobs/bad` of the data folder.
    pub missing: bool,
    /// It is in the S3 store with so many bytes, which are not as many as are recorded; nothing was moved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stored_size: Option<u64>,
    /// Images that have it, ten at most.
    pub images: Vec<String>,
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
    /// Movable names of this version, in order.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Who made it: name of the token.
    #[serde(default)]
    pub made_by: String,
    /// What people say of it.
    #[serde(default)]
    pub notes: String,
    /// What it was built by; empty in lists.
    #[serde(default)]
    pub recipe: String,
    /// The listing of what is in it; none: of before there were any, or what cannot be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<ImagePart>,
}
