//! Debian's full kernel, which lab images boot: the product's own pinned package, in the same cache.

use crate::programs::cache;
use crate::{Context, LabResult};
use higuma_initramfs::kernel_package;
use std::path::PathBuf;

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The bzImage.
    pub image: PathBuf,
    /// `.../lib/modules/<release>`.
    pub modules: PathBuf,
}

/// The pinned kernel; at first use the newest of the configured Debian release is downloaded and pinned.
pub fn debian() -> LabResult<Kernel> {
    let lock = cache().join("lab/kernel.lock");
    let mut progress = |line: &str| println!("kernel: {line}");
    let (_, tree) =
        kernel_package::obtain(kernel_package::META, &lock, false, &cache().join("first-stage"), &mut progress)
            .context("getting Debian's kernel")?;
    Ok(Kernel { image: tree.kernel, modules: tree.root.join("lib/modules").join(&tree.release), release: tree.release })
}
