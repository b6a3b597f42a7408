//! A root as a tar file, or a folder that gets a kernel: laid into a tree of `higuma-oci` within its bounds. What a tar says
//! reaches that tree and no file of this machine, so no root is needed. A tar is no layer: `.wh.` means nothing in it.

use super::BuiltImage;
use super::import::ImportOptions;
use super::kernel_package;
use super::{check, oci, pack};
use crate::cli::error::{Failure, Result};
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use higuma_initramfs::rootfs::RootFs;
use higuma_oci::{Blob, Flattened, Platform, Spool, Tree};
use std::path::Path;

/// Make the parts in `out`: all of them, or none.
///
/// # Errors
/// A tar that is none, is cut off, too large or hostile; what the checks refuse; programs that fail.
pub fn import(source: &Path, options: &ImportOptions, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    if options.kind == RootFs::Erofs && !nix::unistd::geteuid().is_root() {
        return Err(Failure::usage(format!(
            "expected to run as root: an erofs is made of files on disk, and those of {} must keep their owners; run with sudo, \
             or leave --rootfs-type out: a squashfs needs no root",
            source.display()
        )));
    }
    let name = source.display().to_string();
    let scratch = Scratch::new()?;
    // A name is looked for by architecture; a file has one.
    let asked = options.arch.as_deref().map_or_else(Platform::here, Platform::new);
    let package = options.kernel_package.as_ref();
    let package = package.map(|p| kernel_package::obtain(p, asked.arch(), scratch.path(), progress)).transpose()?;
    let tar = match source.is_dir() {
        true => kernel_package::root_tar(source, scratch.path(), progress)?,
        false => source.to_owned(),
    };
    let tree = Tree::new(oci::limits(options.max_size));
    let spool = Spool::new(scratch.path()).map_err(oci::failure)?;
    let mut flat = Flattened { tree, spool, platform: asked };
    progress.line(&format!("reading {name}"));
    lay(&mut flat.tree, &mut flat.spool, name.clone(), &tar)?;
    check::init(&name, &flat)?;
    oci::staged(out, |out| {
        let mut options = options.clone();
        let kernel = match (&package, &options.kernel) {
            (Some(package), _) => package.kernel.clone(),
            (None, Some(kernel)) => kernel.clone(),
            (None, None) => oci::kernel_of(&flat, &name, out)?,
        };
        // A tar does not say what it is for.
        flat.platform = Platform::new(&pack::kernel_facts(&kernel)?.0);
        options.kernel = Some(kernel);
        oci::assemble(&name, flat, package, &options, scratch.path(), out, progress)
    })
}

/// Put a tar file over what is there.
///
/// # Errors
/// Those of reading it; the tree is then of no use.
pub(super) fn lay(tree: &mut Tree, spool: &mut Spool, what: String, tar: &Path) -> Result<()> {
    let failed = || Failure::io("read", tar);
    let file = std::fs::File::open(tar).map_err(failed())?;
    let meta = file.metadata().map_err(failed())?;
    // A pipe has no size; without one, only the bytes that come out are bounded.
    let size = meta.is_file().then_some(meta.len());
    let blob = Blob { what, input: Box::new(file), digest: None, size, diff_id: None };
    higuma_oci::apply_tar(tree, spool, blob).map_err(oci::failure)
}
