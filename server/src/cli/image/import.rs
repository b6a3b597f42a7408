//! Image parts from what a person has: a root folder, a tar file of one, an OCI image, an ISO, kernel, initrd and squashfs
//! files, or a program alone.
//! Nothing of theirs is changed; what must be unpacked goes into the scratch folder.

use super::BuiltImage;
use super::check::{self, Subject};
use super::contents::survey;
use super::erofs;
use super::iso;
use super::kernel_package::KernelPackage;
use super::oci::{self, OciOptions};
use super::pack;
use super::plain;
use super::program;
use super::root::{Folder, Root, Squashfs};
use crate::cli::error::{Failure, Result};
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use higuma_initramfs::rootfs::RootFs;
use std::path::{Path, PathBuf};

/// What to import: a root folder, tar or ISO in `source`, a kernel with an initrd or a rootfs, or a program.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Root folder, tar file or ISO; of an ISO, kernel, initrd and rootfs are paths in it.
    pub source: Option<PathBuf>,
    /// OCI image, instead of a source.
    pub oci: Option<OciOptions>,
    /// GiB unpacked, of an OCI image, a tar file, a squashfs, an erofs, or a folder that a kernel package is added to.
    pub max_size: Option<u64>,
    /// Kernel; needed when there is no source, else the one in its /boot.
    pub kernel: Option<PathBuf>,
    /// Type of the root file system that is made.
    pub kind: RootFs,
    /// Kernel out of a package, for a source that has none.
    pub kernel_package: Option<KernelPackage>,
    /// Booted as it is.
    pub initrd: Option<PathBuf>,
    /// squashfs.
    pub rootfs: Option<PathBuf>,
    /// Alone, and of no Linux.
    pub program: Option<PathBuf>,
    /// Folder with lib/modules.
    pub modules_from: Option<PathBuf>,
    /// A large root file system is right without a network driver that is known.
    pub any_network_driver: bool,
    /// Refuse a kernel of another architecture.
    pub arch: Option<String>,
}

/// Make the parts in `out`; files that are taken as they are stay where they are.
pub fn import(options: &ImportOptions, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    if let Some(file) = &options.program {
        return program::import(file, options.arch.as_deref(), progress);
    }
    if let Some(image) = &options.oci {
        return oci::import(image, options, out, progress);
    }
    if let Some(source) = options.source.as_deref().filter(|source| iso::is_iso(source)) {
        return oci::staged(out, |out| import(&iso::unpack(source, options, out, progress)?, out, progress));
    }
    let built = match (&options.source, &options.kernel, &options.initrd, &options.rootfs) {
        (Some(source), kernel, None, None) => {
            let meta = std::fs::metadata(source)
                .map_err(|e| Failure::usage(format!("could not read {}: {e}", source.display())))?;
            if meta.is_dir() && options.kernel_package.is_none() {
                let (kernel, modules) = (kernel.as_deref(), options.modules_from.as_deref());
                oci::staged(out, |out| from_tree(source, kernel, modules, options, out, progress))
            } else {
                plain::import(source, options, out, progress)
            }
        }
        (None, Some(kernel), Some(initrd), None) => {
            let (arch, release) = pack::kernel_facts(kernel)?;
            begins(initrd)?;
            check::kernel_alone(kernel, progress)?;
            Ok(BuiltImage {
                arch,
                kernel_release: release.unwrap_or_default(),
                kernel: kernel.clone(),
                initrd: Some(initrd.clone()),
                modules: None,
                rootfs: None,
                contents: None,
            })
        }
        (None, Some(kernel), None, Some(rootfs)) => from_rootfs(kernel, rootfs, options, out, progress),
        _ => Err(Failure::usage(
            "expected a root folder, a tar file, an ISO, --kernel with --initrd, --kernel with --rootfs, or --program for what is no \
             Linux; see --help",
        )),
    }?;
    match &options.arch {
        Some(arch) if *arch != built.arch => Err(Failure::usage(format!(
            "expected a kernel for {arch}, {} is one for {}",
            built.kernel.display(),
            built.arch
        ))),
        _ => Ok(built),
    }
}

fn from_tree(
    root: &Path,
    kernel: Option<&Path>,
    modules_from: Option<&Path>,
    options: &ImportOptions,
    out: &Path,
    progress: &Progress,
) -> Result<BuiltImage> {
    let kind = options.kind;
    let source = kernel.map_or_else(|| pack::kernel_in(root), |k| Ok(k.to_owned()))?;
    let (arch, said) = pack::kernel_facts(&source)?;
    let modules_root = modules_from.unwrap_or(root);
    let release = pack::release_of(&source, said, modules_root)?;
    progress.line(&format!("kernel {release} for {arch}"));
    let subject = Subject {
        name: &root.display().to_string(),
        kernel: &source,
        arch: &arch,
        release: &release,
        modules_root,
        root: &Folder::open(root)?,
        filesystem: kind.name(),
    };
    let nics = check::whole(subject, progress)?;
    let modules = pack::modules(modules_root, &release, kind, out, progress)?;
    let kernel = out.join(pack::KERNEL);
    std::fs::copy(&source, &kernel).map_err(Failure::io("copy", &source))?;
    let rootfs = pack::rootfs(kind, root, out, progress)?;
    nics.reaches(&rootfs, options.any_network_driver)?;
    let contents = survey::of_folder(root, out, progress)?;
    Ok(BuiltImage {
        arch,
        kernel_release: release,
        kernel,
        initrd: None,
        modules: Some(modules),
        rootfs: Some(rootfs),
        contents: Some(contents),
    })
}

fn from_rootfs(
    kernel: &Path,
    rootfs: &Path,
    options: &ImportOptions,
    out: &Path,
    progress: &Progress,
) -> Result<BuiltImage> {
    let (arch, said) = pack::kernel_facts(kernel)?;
    let kind = kind_of(rootfs)?;
    let unpacked = Scratch::new()?;
    let root = unpacked.path().join("root");
    progress.line(&format!("unpacking {} to look into it", rootfs.display()));
    let squashfs = match kind {
        RootFs::Squashfs => {
            let squashfs = Squashfs::open(rootfs)?;
            squashfs.unpack(&root, oci::limits(options.max_size).unpacked)?;
            Some(squashfs)
        }
        RootFs::Erofs => {
            erofs::unpack(rootfs, &root, oci::limits(options.max_size).unpacked)?;
            None
        }
    };
    let looked_at: &dyn Root = match &squashfs {
        Some(squashfs) => squashfs,
        None => &Folder::open(&root)?,
    };
    let modules_root = options.modules_from.as_deref().unwrap_or(&root);
    let release = pack::release_of(kernel, said, modules_root)?;
    progress.line(&format!("kernel {release} for {arch}"));
    let subject = Subject {
        name: &rootfs.display().to_string(),
        kernel,
        arch: &arch,
        release: &release,
        modules_root,
        root: looked_at,
        filesystem: kind.name(),
    };
    let nics = check::whole(subject, progress)?;
    nics.reaches(rootfs, options.any_network_driver)?;
    let modules = pack::modules(modules_root, &release, kind, out, progress)?;
    // Of an erofs the owners are lost, so a listing would not be right.
    let contents = squashfs.map(|squashfs| survey::of_squashfs(&squashfs, &root, out, progress)).transpose()?;
    Ok(BuiltImage {
        arch,
        kernel_release: release,
        kernel: kernel.to_owned(),
        initrd: None,
        modules: Some(modules),
        rootfs: Some(rootfs.to_owned()),
        contents,
    })
}

/// Of the first bytes of a file.
fn begins(path: &Path) -> Result<Option<RootFs>> {
    let what = |e: std::io::Error| Failure::usage(format!("could not read {}: {e}", path.display()));
    std::fs::File::open(path).and_then(RootFs::of).map_err(what)
}

/// By what is in the file.
fn kind_of(path: &Path) -> Result<RootFs> {
    begins(path)?.ok_or_else(|| {
        Failure::usage(format!(
            "expected a squashfs or an erofs in {}: make one with `mksquashfs DIR FILE -comp zstd`",
            path.display()
        ))
    })
}
