//! The `modules` part of an image: what the second stage loads before the image's own system runs. Network drivers that
//! the image's kernel does not have are left out (a cloud kernel has few); loop, overlay and the root file system's type must be there.

use std::path::Path;

use crate::{
    Error, Result,
    archive::{self, Archive},
    drivers::Drivers,
    modules::{ModuleIndex, Presence},
    rootfs::RootFs,
};

/// Used where the kernel has them as modules: unpacking of squashfs, addresses by IPv6.
const OPTIONAL: [&str; 4] = ["zstd_decompress", "xz_dec", "ipv6", "virtio_rng"];
const LEVEL: i32 = 19;

/// Builds the part from the image's root folder: a zstd-compressed newc cpio, padded to 512 bytes. `filesystem`: the type of the root
/// file system.
///
/// # Errors
/// [`Error::NoSuchModule`] when the kernel has no loop, overlay or `filesystem`; [`Error::BadTree`] when the release's modules
/// are not below `root`; [`Error::Io`].
pub fn build(root: &Path, kernel_release: &str, filesystem: RootFs) -> Result<Vec<u8>> {
    archive::compress(&uncompressed(root, kernel_release, filesystem)?, LEVEL)
}

/// The same before compression: a newc cpio.
///
/// # Errors
/// Those of [`build`].
pub fn uncompressed(root: &Path, kernel_release: &str, filesystem: RootFs) -> Result<Vec<u8>> {
    let mut index = ModuleIndex::open(root, kernel_release)?;
    // Without these a root file system cannot be mounted.
    let required = ["loop", filesystem.name(), "overlay"];
    let helpers = filesystem.helpers();
    let missing: Vec<&str> = required.into_iter().filter(|name| index.presence(name) == Presence::Missing).collect();
    if !missing.is_empty() {
        return Err(Error::NoSuchModule { release: kernel_release.to_owned(), names: missing.join(", ") });
    }
    let mut drivers = Drivers::nics()?;
    drivers.names.extend(required.iter().chain(helpers).chain(&OPTIONAL).map(|name| (*name).to_owned()));
    drivers.retain_present(&index);
    drivers.teach(&mut index);
    let mut archive = Archive::new(Vec::new());
    index.subset(&drivers.names)?.pack(&mut archive)?;
    archive.finish()
}
