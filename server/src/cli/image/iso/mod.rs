//! Parts of an image out of an ISO: kernel with initrd, or kernel with squashfs. Which files these are is said by the person, or known
//! for what distributions make. The ISO's own boot loader, command lines and checksums are not used.

mod reader;
mod record;

use super::import::ImportOptions;
use crate::cli::error::{Failure, Result};
use crate::cli::output;
use crate::cli::progress::Progress;
pub use reader::{Iso, Place, is_iso};
use std::path::{Path, PathBuf};

/// What a distribution's ISOs have. A name that ends with `*` is the only one that begins so.
struct Layout {
    name: &'static str,
    kernel: &'static str,
    initrd: &'static str,
    /// A whole root file system with the kernel's modules; else the initrd is booted.
    squashfs: Option<&'static str>,
}

const fn layout(
    name: &'static str,
    kernel: &'static str,
    initrd: &'static str,
    squashfs: Option<&'static str>,
) -> Layout {
    Layout { name, kernel, initrd, squashfs }
}

const LAYOUTS: [Layout; 12] = [
    layout("Debian live", "live/vmlinuz", "live/initrd.img", Some("live/filesystem.squashfs")),
    layout("Debian live", "live/vmlinuz-*", "live/initrd.img-*", Some("live/filesystem.squashfs")),
    layout("Ubuntu live", "casper/vmlinuz", "casper/initrd", Some("casper/filesystem.squashfs")),
    layout("Ubuntu live", "casper/vmlinuz", "casper/initrd.lz", Some("casper/filesystem.squashfs")),
    // In layers of several squashfs files, which only its own initrd puts together.
    layout("Ubuntu live", "casper/vmlinuz", "casper/initrd", None),
    layout("Debian installer", "install.amd/vmlinuz", "install.amd/initrd.gz", None),
    layout("Debian installer", "install.a64/vmlinuz", "install.a64/initrd.gz", None),
    layout("Debian installer", "linux", "initrd.gz", None),
    layout("Alpine", "boot/vmlinuz-lts", "boot/initramfs-lts", None),
    layout("Alpine", "boot/vmlinuz-virt", "boot/initramfs-virt", None),
    layout("Alpine", "boot/vmlinuz-*", "boot/initramfs-*", None),
    layout("Fedora and its kin", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", None),
];

/// Files to take.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    kernel: Place,
    initrd: Option<Place>,
    squashfs: Option<Place>,
}

/// `options` with files in `out` in place of the ISO; kernel, initrd and rootfs of the options are paths in it.
///
/// # Errors
/// It is no ISO or not whole; the files are not in it; nothing says which they are.
pub fn unpack(source: &Path, options: &ImportOptions, out: &Path, progress: &Progress) -> Result<ImportOptions> {
    if options.kernel_package.is_some() || options.modules_from.is_some() {
        return Err(Failure::usage("an ISO has its own kernel: leave --kernel-package and --modules-from out"));
    }
    let iso = Iso::open(source)?;
    let said = [&options.kernel, &options.initrd, &options.rootfs].map(|path| path.as_deref());
    let chosen = match said {
        [None, None, None] => known(&iso, &source.display().to_string(), progress)?,
        [Some(kernel), initrd, squashfs] if initrd.is_some() != squashfs.is_some() => Chosen {
            kernel: named(&iso, source, kernel)?,
            initrd: initrd.map(|path| named(&iso, source, path)).transpose()?,
            squashfs: squashfs.map(|path| named(&iso, source, path)).transpose()?,
        },
        _ => {
            return Err(Failure::usage(
                "expected, of an ISO, --kernel and one of --initrd and --squashfs, each a path in it; or none of them for what \
                 Debian, Ubuntu, Alpine and Fedora make",
            ));
        }
    };
    let mut made = ImportOptions { source: None, kernel: None, initrd: None, rootfs: None, ..options.clone() };
    let parts = [
        (Some(chosen.kernel), &mut made.kernel, super::pack::KERNEL),
        (chosen.initrd, &mut made.initrd, "initrd.img"),
        (chosen.squashfs, &mut made.rootfs, super::pack::ROOTFS),
    ];
    for (place, option, name) in parts {
        if let Some(place) = place {
            progress.line(&format!("/{} ({})", place.path, output::size(place.size())));
            let to: PathBuf = out.join(name);
            iso.copy(&place, &to)?;
            *option = Some(to);
        }
    }
    Ok(made)
}

fn named(iso: &Iso, source: &Path, path: &Path) -> Result<Place> {
    let text = path.to_string_lossy();
    let text = text.trim_matches('/');
    match iso.find(text)? {
        Some(place) => Ok(place),
        None => {
            let (folder, _) = text.rsplit_once('/').unwrap_or_default();
            let names = iso.names(folder)?;
            let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
            Err(Failure::usage(format!(
                "expected the file /{text} in {}, there is none; in /{folder} there are: {}",
                source.display(),
                shown.join(", ")
            )))
        }
    }
}

/// What the ISO is, by its files.
fn known(iso: &Iso, what: &str, progress: &Progress) -> Result<Chosen> {
    for layout in &LAYOUTS {
        let (Some(kernel), Some(initrd)) = (one(iso, layout.kernel)?, one(iso, layout.initrd)?) else { continue };
        let squashfs = match layout.squashfs {
            None => None,
            Some(path) => match one(iso, path)? {
                Some(squashfs) => Some(squashfs),
                None => continue,
            },
        };
        progress.line(&format!("{what} is laid out as {}", layout.name));
        // The second stage takes the place of the ISO's own initrd.
        let initrd = squashfs.is_none().then_some(initrd);
        return Ok(Chosen { kernel, initrd, squashfs });
    }
    let names = iso.names("")?;
    let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    Err(Failure::usage(format!(
        "expected {what} as Debian, Ubuntu, Alpine or Fedora make ISOs, it has: {}; say which files to take: --kernel PATH with \
         --initrd PATH or --squashfs PATH",
        shown.join(", ")
    )))
}

/// The file of that name, or the only one that begins so.
fn one(iso: &Iso, path: &str) -> Result<Option<Place>> {
    let Some(start) = path.strip_suffix('*') else { return iso.find(path) };
    let (folder, start) = start.rsplit_once('/').unwrap_or(("", start));
    let mut names = iso.names(folder)?;
    names.retain(|name| name.starts_with(start));
    match &names[..] {
        [name] => iso.find(&format!("{folder}/{name}")),
        _ => Ok(None),
    }
}
