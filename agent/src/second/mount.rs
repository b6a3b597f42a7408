//! Builds the new root: the root file system (squashfs or erofs) read-only under a tmpfs of limited size, joined by an overlay. Mounts nothing that lies
//! on a disk.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use higuma_initramfs::rootfs::RootFs;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::sys;

/// Where all this happens, in the initramfs.
const WORK: &str = "/.higuma";
/// So many mounts of dead workers may lie on one place.
const MAX_LEFT: usize = 8;
/// The new root.
pub const NEW_ROOT: &str = "/newroot";

/// Takes away what a worker that died here had mounted already, the last mount first; its memory is free then.
pub fn clear() {
    let targets = [format!("{NEW_ROOT}/run"), NEW_ROOT.to_owned()]
        .into_iter()
        .chain(["overlay", "lower", "image"].map(|name| format!("{WORK}/{name}")));
    for target in targets {
        // Each worker that died may have left one; an error says that nothing is mounted there.
        for _ in 0..MAX_LEFT {
            if umount2(target.as_str(), MntFlags::MNT_DETACH).is_err() {
                break;
            }
        }
    }
}

/// A tmpfs that holds one file of `size` bytes; gives the file's path.
pub fn room_for_image(size: u64) -> Result<String, String> {
    let folder = format!("{WORK}/image");
    let options = format!("mode=0700,size={}", size.saturating_add(4 << 20));
    new_mount("tmpfs", &folder, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, &options)?;
    Ok(format!("{folder}/rootfs.squashfs"))
}

/// The type of the root file system in `image`.
pub fn kind(image: &Path) -> Result<RootFs, String> {
    let file = File::open(image).map_err(|e| format!("cannot open {}: {e}", image.display()))?;
    let kind = RootFs::of(file).map_err(|e| format!("cannot read {}: {e}", image.display()))?;
    kind.ok_or_else(|| format!("{} is neither squashfs nor erofs: make the image anew", image.display()))
}

/// Mounts the file system of `kind` in `image` and an overlay over it at [`NEW_ROOT`].
pub fn new_root(image: &Path, kind: RootFs, overlay_percent: u32) -> Result<(), String> {
    // The device lets its file go when the last user is gone: it stays open until it is mounted.
    let (device, _open) = loop_device(image)?;
    let lower = format!("{WORK}/lower");
    new_mount(&device, &lower, kind.name(), MsFlags::MS_RDONLY | MsFlags::MS_NODEV, "")?;
    let upper = format!("{WORK}/overlay");
    let percent = overlay_percent.clamp(1, 90);
    new_mount("tmpfs", &upper, "tmpfs", MsFlags::empty(), &format!("mode=0755,size={percent}%"))?;
    for folder in ["upper", "work"] {
        make_folder(&format!("{upper}/{folder}"))?;
    }
    let options = format!("lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work");
    new_mount("overlay", NEW_ROOT, "overlay", MsFlags::empty(), &options)
}

/// Makes `/run` of now the `/run` of the new root, so that what is written there stays.
pub fn share_run() -> Result<(), String> {
    let target = format!("{NEW_ROOT}/run");
    make_folder(&target)?;
    mount(Some("/run"), target.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| format!("cannot bind /run to {target}: {e}"))
}

fn loop_device(image: &Path) -> Result<(String, File), String> {
    let backing = File::open(image).map_err(|e| format!("cannot open {}: {e}", image.display()))?;
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/loop-control")
        .map_err(|e| format!("cannot open /dev/loop-control (is the module loop loaded?): {e}"))?;
    let mut last = String::new();
    // Somebody else may take the free device between the two calls.
    for _ in 0..8 {
        let number = sys::loop_free(&control).map_err(|e| format!("no loop device is free: {e}"))?;
        let path = format!("/dev/loop{number}");
        let bound = File::open(&path).and_then(|device| sys::loop_bind(&device, &backing).map(|()| device));
        match bound {
            Ok(device) => return Ok((path, device)),
            Err(e) => last = format!("cannot bind {} to {path}: {e}", image.display()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(last)
}

fn new_mount(source: &str, target: &str, fstype: &str, flags: MsFlags, options: &str) -> Result<(), String> {
    make_folder(target)?;
    mount(Some(source), target, Some(fstype), flags, Some(options))
        .map_err(|e| format!("cannot mount {fstype} at {target} ({options}): {e}"))
}

fn make_folder(path: &str) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|e| format!("cannot make {path}: {e}"))
}
