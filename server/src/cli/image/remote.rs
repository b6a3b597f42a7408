//! Sources on the web: what `image import` was told as an address is downloaded first, then it is a file like any
//! other. All addresses are looked at before the first byte is asked for.

use super::BuiltImage;
use super::import::ImportOptions;
use crate::cli::download::{self, Address, Folder, Limits};
use crate::cli::error::{Failure, Result};
use crate::cli::progress::Progress;
use crate::cli::upload;
use std::path::{Path, PathBuf};

/// With files in place of addresses. `sha256` is that of the source.
///
/// # Errors
/// An address that cannot be used, a download that fails, a source that is something else.
pub fn local(mut options: ImportOptions, sha256: Option<&str>, progress: &Progress) -> Result<ImportOptions> {
    let mut image = options.oci.as_ref().map(|oci| PathBuf::from(&oci.image));
    let source = if image.is_some() { &mut image } else { &mut options.source };
    let is_local = source.as_deref().is_none_or(|path| !is_address(path));
    let files = [
        (source, sha256),
        (&mut options.kernel, None),
        (&mut options.initrd, None),
        (&mut options.rootfs, None),
        (&mut options.program, None),
    ];
    let mut wanted = Vec::new();
    for (file, sha256) in files {
        if let Some(path) = file
            && let Some(text) = path.to_str().filter(|text| Address::is_one(text))
        {
            let address = Address::parse(text, sha256)?;
            wanted.push((path, address));
        }
    }
    if !wanted.is_empty() {
        let (folder, limits) = (Folder::of_person()?, Limits::default());
        for (path, address) in wanted {
            *path = download::fetch(&address, &folder, &limits, progress)?.path;
        }
    }
    if let (Some(oci), Some(image)) = (&mut options.oci, image) {
        oci.image = image.to_str().map_or_else(|| oci.image.clone(), str::to_owned);
    }
    match sha256 {
        Some(sha256) if is_local => {
            let source = options.oci.as_ref().and_then(|oci| file_of(&oci.image)).or_else(|| options.source.clone());
            is(source.as_deref(), &download::hash(sha256)?)?;
        }
        _ => {}
    }
    Ok(options)
}

/// The file of PATH or PATH:TAG; none of an image in a registry.
fn file_of(image: &str) -> Option<PathBuf> {
    match higuma_oci::Source::parse(image) {
        Ok(higuma_oci::Source::Path { path, .. }) => Some(path),
        _ => None,
    }
}

fn is_address(path: &Path) -> bool {
    path.to_str().is_some_and(Address::is_one)
}

/// A file of this machine has this SHA-256.
fn is(source: Option<&Path>, sha256: &str) -> Result<()> {
    let Some(file) = source.filter(|path| path.is_file()) else {
        return Err(Failure::usage(
            "expected a file or an address for --sha256, a folder or an image in a registry has none (pin an image as \
             NAME@sha256:HEX)",
        ));
    };
    match upload::hash(file)? {
        (found, _) if found == sha256 => Ok(()),
        (found, _) => Err(Failure::usage(format!("expected sha256 {sha256} of {}, it has {found}", file.display()))),
    }
}

/// Parts that were taken as they came are in the cache, which forgets: copies of them into `out`.
///
/// # Errors
/// They cannot be copied.
pub fn keep(mut built: BuiltImage, out: &Path) -> Result<BuiltImage> {
    // Without a folder nothing was downloaded.
    let Ok(folder) = Folder::of_person() else { return Ok(built) };
    let parts = [
        (Some(&mut built.kernel), super::pack::KERNEL),
        (built.initrd.as_mut(), "initrd.img"),
        (built.rootfs.as_mut(), super::pack::ROOTFS),
    ];
    for (part, name) in parts {
        if let Some(part) = part.filter(|part| part.starts_with(folder.path())) {
            let place = out.join(name);
            std::fs::copy(&*part, &place).map_err(Failure::io("copy a part to", &place))?;
            *part = place;
        }
    }
    Ok(built)
}
