//! Image parts from an OCI image: flattened by `higuma-oci`, its kernel and modules taken out, the rest packed. Runs without
//! root. The image's own configuration (Env, Cmd, Entrypoint, User) is for containers and is not used: the init of the
//! image starts it.

use super::BuiltImage;
use super::check::{self, Subject};
use super::contents::survey;
use super::import::ImportOptions;
use super::kernel_package;
use super::{pack, plain, pull};
use crate::cli::error::{Failure, Result, chain};
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use higuma_initramfs::kernel_package::KernelTree;
use higuma_initramfs::rootfs::RootFs;
use higuma_oci::{Cache, Flattened, Found, Limits, Options, Platform, RegistryOptions, Source};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where distributions put modules; the first is mostly a link to the second.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Which OCI image.
#[derive(Debug, Clone, Default)]
pub struct OciOptions {
    /// Name or path.
    pub image: String,
    /// File, or `-`.
    pub credentials: Option<PathBuf>,
    /// Plain HTTP.
    pub insecure_http: bool,
    /// Keeps what comes of it until the import has ended well.
    pub cache: Option<Cache>,
}

/// Make the parts in `out`: all of them, or none.
pub fn import(image: &OciOptions, options: &ImportOptions, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    staged(out, |out| make(image, options, out, progress))
}

/// What may be unpacked, in GiB when it was said; any ratio is then right.
pub(super) fn limits(max_size: Option<u64>) -> Limits {
    let mut limits = Limits::default();
    if let Some(gib) = max_size {
        (limits.unpacked, limits.packed, limits.ratio) = (gib << 30, gib << 30, 0);
    }
    limits
}

pub(super) fn staged(out: &Path, make: impl FnOnce(&Path) -> Result<BuiltImage>) -> Result<BuiltImage> {
    let staging = Scratch::under(out)?;
    let mut built = make(staging.path())?;
    let optional = [&mut built.initrd, &mut built.modules, &mut built.rootfs, &mut built.contents];
    for part in std::iter::once(&mut built.kernel).chain(optional.into_iter().flatten()) {
        let place = out.join(part.file_name().unwrap_or_default());
        std::fs::rename(&*part, &place).map_err(Failure::io("move a part to", &place))?;
        *part = place;
    }
    Ok(built)
}

fn make(image: &OciOptions, options: &ImportOptions, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    let source = Source::parse(&image.image).map_err(failure)?;
    let scratch = Scratch::new()?;
    let limits = limits(options.max_size);
    let credentials = match &source {
        Source::Registry(reference) => pull::credentials(image.credentials.as_deref(), &reference.host)?,
        Source::Path { .. } => None,
    };
    let registry = RegistryOptions { credentials, insecure_http: image.insecure_http, ..RegistryOptions::default() };
    let platform = options.arch.as_deref().map(Platform::new);
    let load = Options { platform, limits, registry, cache: image.cache.clone() };
    let flat = pull::flatten(&source, scratch.path(), &load, progress)?;
    check::init(&image.image, &flat)?;
    let package = options.kernel_package.as_ref();
    let package =
        package.map(|p| kernel_package::obtain(p, flat.platform.arch(), scratch.path(), progress)).transpose()?;
    assemble(&image.image, flat, package, options, scratch.path(), out, progress)
}

/// From the flattened root to the parts.
pub(super) fn assemble(
    name: &str,
    mut flat: Flattened,
    package: Option<KernelTree>,
    options: &ImportOptions,
    scratch: &Path,
    out: &Path,
    progress: &Progress,
) -> Result<BuiltImage> {
    let kernel = match (&options.kernel, &package) {
        (_, Some(package)) => package.kernel.clone(),
        (Some(path), None) => path.clone(),
        (None, None) => kernel_of(&flat, name, out)?,
    };
    let (arch, said) = pack::kernel_facts(&kernel)?;
    if Platform::new(&arch) != flat.platform {
        return Err(Failure::usage(format!(
            "expected a kernel for {}, {} is one for {arch}",
            flat.platform,
            kernel.display()
        )));
    }
    let (modules_root, release) = match (&options.modules_from, &package) {
        (_, Some(package)) => {
            let tar = kernel_package::modules_tar(package, scratch)?;
            plain::lay(&mut flat.tree, &mut flat.spool, format!("the modules of {}", package.release), &tar)?;
            (package.root.clone(), package.release.clone())
        }
        (Some(root), None) => (root.clone(), pack::release_of(&kernel, said, root)?),
        (None, None) => {
            let root = scratch.join("modules");
            let release = modules_of(&flat, &kernel, said, &root)?;
            (root, release)
        }
    };
    progress.line(&format!("kernel {release} for {arch}"));
    let subject = Subject {
        name,
        kernel: &kernel,
        arch: &arch,
        release: &release,
        modules_root: &modules_root,
        root: &flat,
        filesystem: options.kind.name(),
    };
    let nics = check::whole(subject, progress)?;
    let modules = pack::modules(&modules_root, &release, options.kind, out, progress)?;
    let rootfs = match options.kind {
        RootFs::Squashfs => pack::squashfs_of_image(&flat, out, progress)?,
        RootFs::Erofs => pack::erofs_of_image(&flat, scratch, out, progress)?,
    };
    nics.reaches(&rootfs, options.any_network_driver)?;
    let part = out.join(pack::KERNEL);
    if kernel != part {
        std::fs::copy(&kernel, &part).map_err(Failure::io("copy", &kernel))?;
    }
    let contents = survey::of_image(&flat, out, progress)?;
    Ok(BuiltImage {
        arch,
        kernel_release: release,
        kernel: part,
        initrd: None,
        modules: Some(modules),
        rootfs: Some(rootfs),
        contents: Some(contents),
    })
}

pub(super) fn failure(error: higuma_oci::Error) -> Failure {
    use higuma_oci::Error;
    let text = chain(&error);
    match error {
        Error::NotFound(_) => Failure::not_found(text),
        Error::Unauthorised { .. } => {
            Failure { exit: crate::cli::error::Exit::Unauthorised, message: format!("{text}: see --credentials") }
        }
        Error::Registry { .. } => Failure { exit: crate::cli::error::Exit::Unavailable, message: text },
        Error::Io { source, .. } if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Failure::failed(format!(
                "{text}; make room, or set TMPDIR (for what is unpacked) or XDG_CACHE_HOME (for what comes from a registry) to \
                 a folder on a larger disk"
            ))
        }
        Error::Io { .. } => Failure::failed(text),
        Error::Limit { .. } => Failure::usage(format!("{text}; if the image is right, see --max-size")),
        _ => Failure::usage(text),
    }
}

/// The one kernel in /boot, else beside its modules (Fedora and its kin), written to `out`.
pub(super) fn kernel_of(flat: &Flattened, name: &str, out: &Path) -> Result<PathBuf> {
    let in_boot = flat.tree.names("boot").into_iter().filter(|(name, _)| name.starts_with("vmlinuz-"));
    let mut found: Vec<(String, Found)> =
        in_boot.filter_map(|(name, found)| Some((format!("boot/{name}"), found?))).collect();
    if found.is_empty() {
        let releases =
            MODULES.iter().find_map(|folder| Some(flat.tree.names(folder)).filter(|names| !names.is_empty()));
        let paths =
            releases.unwrap_or_default().into_iter().map(|(release, _)| format!("lib/modules/{release}/vmlinuz"));
        found = paths.filter_map(|path| Some((path.clone(), flat.tree.find(&path)?))).collect();
    }
    found.retain(|(_, found)| matches!(found, Found::File(..)));
    match &found[..] {
        [(_, Found::File(_, content))] => {
            let path = out.join(pack::KERNEL);
            let mut file = std::fs::File::create(&path).map_err(Failure::io("make", &path))?;
            flat.spool.copy(*content, &mut file).map_err(Failure::io("write", &path))?;
            Ok(path)
        }
        [] => Err(Failure::usage(format!(
            "expected a kernel in {name} as /boot/vmlinuz-RELEASE, there is none, as in most images made for containers: install \
             a kernel in the image, or add one with --kernel-package, or give one with --kernel FILE and its modules with --modules-from DIR (a folder with \
             lib/modules/RELEASE)"
        ))),
        more => {
            let names: Vec<&str> = more.iter().map(|(path, _)| path.as_str()).collect();
            Err(Failure::usage(format!(
                "expected one kernel in {name}, found {}: choose with --kernel",
                names.join(", ")
            )))
        }
    }
}

/// The kernel's modules out of the image into `root`, as a folder that has lib/modules/RELEASE.
fn modules_of(flat: &Flattened, kernel: &Path, said: Option<String>, root: &Path) -> Result<String> {
    let folder = root.join("lib/modules");
    std::fs::create_dir_all(&folder).map_err(Failure::io("make the folder", &folder))?;
    let mut has = std::collections::BTreeMap::new();
    for base in MODULES {
        for (release, found) in flat.tree.names(base) {
            if matches!(found, Some(Found::Dir(_))) {
                has.entry(release.clone()).or_insert_with(|| format!("{base}/{release}"));
            }
        }
    }
    let release = match said {
        Some(said) if has.contains_key(&said) => said,
        None if has.len() == 1 => has.keys().next().cloned().unwrap_or_default(),
        said => {
            let kernel = kernel.display();
            let said = said.map_or_else(|| "does not tell its release".into(), |s| format!("is {s}"));
            let found = has.keys().take(10).cloned().collect::<Vec<_>>().join(", ");
            let found = if found.is_empty() { "no modules".into() } else { format!("modules of {found}") };
            return Err(Failure::usage(format!(
                "expected /lib/modules/RELEASE of the kernel in the image; {kernel} {said}, and there are {found}: give its modules \
                 with --modules-from DIR"
            )));
        }
    };
    if let Some(path) = has.get(&release) {
        flat.tree.extract(&flat.spool, path, &folder.join(&release)).map_err(failure)?;
    }
    Ok(release)
}
