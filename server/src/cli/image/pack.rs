//! From a root tree to the parts of an image: finds the kernel and its release, packs the modules and the root file system.
//! The tree is only read; links in it are never followed out of it to find a kernel.

use super::packing::{self, Counted};
use crate::cli::error::{Failure, Result, chain};
use crate::cli::process;
use crate::cli::progress::Progress;
use higuma_initramfs::rootfs::RootFs;
use kexec_rs::KernelInfo;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// File names of the parts that are made here.
pub const KERNEL: &str = "vmlinuz";
/// The modules part.
pub const MODULES: &str = "modules.img";
/// The root file system.
pub const ROOTFS: &str = "rootfs.squashfs";
/// Packing and unpacking take minutes, not hours.
pub const DEADLINE: Duration = Duration::from_secs(3600);

/// What a kernel file says of itself: architecture and, on x86, the release.
pub fn kernel_facts(path: &Path) -> Result<(String, Option<String>)> {
    let file = File::open(path).map_err(|e| Failure::usage(format!("could not open {}: {e}", path.display())))?;
    let info = KernelInfo::from_file(&file)
        .map_err(|e| Failure::usage(format!("{} is no kernel that can be booted: {}", path.display(), chain(&e))))?;
    Ok((info.arch.name().to_owned(), info.release().map(String::from)))
}

/// The one kernel in the tree's /boot.
pub fn kernel_in(root: &Path) -> Result<PathBuf> {
    let boot = root.join("boot");
    let names = entries(&boot, |name, is_file| is_file && name.starts_with("vmlinuz-"));
    match &names[..] {
        [one] => Ok(boot.join(one)),
        [] => Err(Failure::usage(format!(
            "expected a kernel as {}/vmlinuz-RELEASE: give one with --kernel",
            boot.display()
        ))),
        more => Err(Failure::usage(format!(
            "expected one kernel in {}, found {}: choose with --kernel",
            boot.display(),
            more.join(", ")
        ))),
    }
}

/// The release that the modules must be of: what the kernel says, else the only one that the tree has.
pub fn release_of(kernel: &Path, said: Option<String>, root: &Path) -> Result<String> {
    let releases: Vec<String> =
        ["lib/modules", "usr/lib/modules"].iter().flat_map(|d| entries(&root.join(d), |_, is_file| !is_file)).collect();
    let has: Vec<String> = releases.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    match (said, &has[..]) {
        (Some(said), _) if has.contains(&said) => Ok(said),
        (None, [one]) => Ok(one.clone()),
        (said, _) => {
            let kernel = kernel.display();
            let said = said.map_or_else(|| "does not tell its release".into(), |s| format!("is {s}"));
            let found = if has.is_empty() { "no modules".to_owned() } else { format!("modules of {}", has.join(", ")) };
            Err(Failure::usage(format!(
                "expected {}/lib/modules/RELEASE of the kernel; {kernel} {said}, and there are {found}: use the kernel that \
                 belongs to the tree, or give its modules with --modules-from",
                root.display()
            )))
        }
    }
}

/// Makes the modules part in `out`.
pub fn modules(root: &Path, release: &str, kind: RootFs, out: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line(&format!("packing the second stage's modules of {release}"));
    let bytes = higuma_initramfs::image_modules::build(root, release, kind)
        .map_err(|e| Failure::because("could not pack the modules", &e))?;
    let path = out.join(MODULES);
    std::fs::write(&path, bytes).map_err(Failure::io("write", &path))?;
    Ok(path)
}

/// Makes the root file system in `out`: without kernel and initrd, and without what belongs to a running system.
pub fn rootfs(kind: RootFs, root: &Path, out: &Path, progress: &Progress) -> Result<PathBuf> {
    rootfs_of(kind, root, None, out, progress)
}

/// The same; with an `epoch` (seconds since 1970) the same tree gives the same bytes, whatever its type.
pub fn rootfs_of(kind: RootFs, root: &Path, epoch: Option<i64>, out: &Path, progress: &Progress) -> Result<PathBuf> {
    match kind {
        RootFs::Squashfs => squashfs(root, out, progress),
        RootFs::Erofs => erofs(root, epoch, out, progress),
    }
}

/// By `mkfs.erofs`, with times kept; its own time of making is in it, or the epoch.
fn erofs(root: &Path, epoch: Option<i64>, out: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line("packing the root file system");
    let path = out.join(ROOTFS);
    let mut command = Command::new("mkfs.erofs");
    command.args(["-zlz4hc,12", "-C65536", "-x2", "--preserve-mtime", "--quiet"]);
    command.args(["-U", "00000000-0000-0000-0000-000000000000"]);
    command.arg("--exclude-regex=^(boot/(vmlinuz|initrd).*|(proc|sys|dev|run|tmp)/.*)$");
    command.arg(&path).arg(root);
    command.env_remove("SOURCE_DATE_EPOCH").env("LC_ALL", "C.UTF-8");
    command.envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch.to_string())));
    process::run(command, "erofs-utils", DEADLINE, |_| {})?;
    Ok(path)
}

fn squashfs(root: &Path, out: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line("packing the root file system");
    let path = out.join(ROOTFS);
    // It appends to what is there, whatever its options say, unless nothing is.
    if path.exists() {
        std::fs::remove_file(&path).map_err(Failure::io("remove", &path))?;
    }
    let mut command = Command::new("mksquashfs");
    command.arg(root).arg(&path);
    command.args([
        "-noappend",
        "-no-progress",
        "-quiet",
        "-info",
        "-exit-on-error",
        "-comp",
        "zstd",
        "-Xcompression-level",
        "15",
    ]);
    command.args(["-mkfs-time", "0", "-xattrs", "-wildcards", "-e"]);
    command.args(["boot/vmlinuz*", "boot/initrd*", "proc/*", "sys/*", "dev/*", "run/*", "tmp/*"]);
    command.env_remove("SOURCE_DATE_EPOCH").env("LC_ALL", "C.UTF-8");
    let mut packed = progress.bytes("packing", packing::of_folder(root));
    process::run(command, "squashfs-tools", DEADLINE, |line| {
        packed.add(packing::of_line(line).unwrap_or_default());
        !packing::is_of_an_entry(line)
    })?;
    packed.end();
    Ok(path)
}

/// The same of a flattened OCI image, whose owners, devices and extended attributes are only in the stream that goes to
/// the program: no root is needed. The same image gives the same bytes.
pub fn squashfs_of_image(image: &higuma_oci::Flattened, out: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line("packing the root file system");
    let path = out.join(ROOTFS);
    if path.exists() {
        std::fs::remove_file(&path).map_err(Failure::io("remove", &path))?;
    }
    let keep = |path: &[u8]| !path.is_empty() && !higuma_oci::running_system(path);
    let bytes = progress.bytes("packing", packing::of_image(image, &keep));
    let written = process::run_fed(
        higuma_oci::squashfs::pack(&path),
        "squashfs-tools",
        DEADLINE,
        |_| {},
        |input| {
            let out = std::io::BufWriter::with_capacity(1 << 20, input);
            let mut input = Counted { out, bytes };
            let written = higuma_oci::write_tar(&image.tree, &image.spool, &mut input, &keep)
                .map_err(|e| Failure::because("could not pack the root file system", &e))?;
            input.bytes.end();
            Ok(written)
        },
    )?;
    let empty = tempfile::tempdir_in(out).map_err(Failure::io("make a folder in", out))?;
    let command = higuma_oci::squashfs::set_root(image.tree.root(), empty.path(), &path);
    process::run(command, "squashfs-tools", DEADLINE, |_| {})?;
    if written.xattrs_left_out > 0 {
        let count = written.xattrs_left_out;
        progress.line(&format!("left out {count} extended attributes (such as ACLs) that a squashfs cannot keep"));
    }
    Ok(path)
}

/// An erofs of it. `mkfs.erofs` of Debian 12 takes files only: root is needed, so that they keep owners and devices. What GNU
/// tar gets is the tree written anew, not what a stranger wrote.
pub fn erofs_of_image(
    image: &higuma_oci::Flattened,
    scratch: &Path,
    out: &Path,
    progress: &Progress,
) -> Result<PathBuf> {
    let root = scratch.join("root");
    std::fs::create_dir(&root).map_err(Failure::io("make the folder", &root))?;
    let mut command = Command::new("tar");
    command.args(["--extract", "--file=-", "--numeric-owner", "--same-owner", "--same-permissions"]);
    command.args(["--xattrs", "--xattrs-include=*", "--directory"]).arg(&root).env("LC_ALL", "C.UTF-8");
    let keep = |path: &[u8]| !higuma_oci::running_system(path);
    process::run_fed(
        command,
        "tar",
        DEADLINE,
        |_| {},
        |input| {
            let mut input = std::io::BufWriter::with_capacity(1 << 20, input);
            higuma_oci::write_tar(&image.tree, &image.spool, &mut input, &keep)
                .map_err(|e| Failure::because("could not unpack the root file system", &e))
        },
    )?;
    erofs(&root, None, out, progress)
}

/// Sorted names in a folder; a folder that cannot be read has none.
fn entries(dir: &Path, keep: impl Fn(&str, bool) -> bool) -> Vec<String> {
    let Ok(dir) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> = dir
        .flatten()
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.file_type().ok()?)))
        .filter(|(name, kind)| !kind.is_symlink() && keep(name, kind.is_file()))
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names
}
