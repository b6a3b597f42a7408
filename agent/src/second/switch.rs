//! The last thing PID 1 does: it makes the new root `/`, frees what the initramfs held, and becomes the image's init. It runs in
//! the supervisor, so it must not panic; what fails ends in a restart.

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use higuma_initramfs::second_stage::{BESIDE, INIT};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, fstatfs};
use serde::{Deserialize, Serialize};

use super::beside;
use super::mount::NEW_ROOT;
use super::systemd::RUN;
use crate::console::say;
use crate::{callback, power};

const STEP: &str = higuma_proto::steps::SECOND_STAGE;
/// linux/magic.h.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// What the worker tells PID 1, in [`FILE`].
#[derive(Serialize, Deserialize)]
pub struct Switch {
    /// The image's init.
    pub init: String,
    /// PID 1 starts the callback helper: nothing of the image would.
    pub start_callback: bool,
    /// The initramfs is the image's whole system: there is no other root.
    #[serde(default)]
    pub beside: bool,
}

impl Switch {
    /// For PID 1, which reads it when the worker has ended.
    pub fn write(&self) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        std::fs::write(FILE, text).map_err(|e| format!("cannot write {FILE}: {e}"))
    }
}

/// Where it is told.
pub const FILE: &str = "/run/higuma/switch.json";

/// Becomes the image's init, or restarts the machine.
pub fn hand_over() -> ! {
    let why = match try_hand_over() {
        Ok(never) => match never {},
        Err(why) => why,
    };
    power::restart(&format!("cannot hand over to the image: {why}"), Duration::from_secs(60))
}

fn try_hand_over() -> Result<Infallible, String> {
    let text = std::fs::read(FILE).map_err(|e| format!("cannot read {FILE}: {e}"))?;
    let _ = std::fs::remove_file(FILE);
    let switch: Switch = serde_json::from_slice(&text).map_err(|e| format!("{FILE} is damaged: {e}"))?;
    if switch.beside {
        return in_place(&switch.init);
    }
    let old_root = File::open("/").map_err(|e| format!("cannot open the old root: {e}"))?;
    let _ = std::fs::remove_file(crate::worker::ALIVE_FILE);

    for folder in ["dev", "proc", "sys"] {
        let target = format!("{NEW_ROOT}/{folder}");
        let _ = std::fs::create_dir_all(&target);
        let source = format!("/{folder}");
        mount(Some(source.as_str()), target.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .map_err(|e| format!("cannot move {source} to {target}: {e}"))?;
    }
    // It is bound in the new root already.
    let _ = umount2("/run", MntFlags::MNT_DETACH);
    std::env::set_current_dir(NEW_ROOT).map_err(|e| format!("cannot enter {NEW_ROOT}: {e}"))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(|e| format!("cannot move the new root to /: {e}"))?;
    nix::unistd::chroot(".").map_err(|e| format!("cannot change the root: {e}"))?;
    std::env::set_current_dir("/").map_err(|e| format!("cannot enter the new root: {e}"))?;
    free(&old_root);
    drop(old_root);

    let_go();
    if switch.start_callback {
        let mut helper = Command::new(format!("{RUN}/agent"));
        start_helper(clean(&mut helper).arg("callback").stdin(Stdio::null()));
    }
    let mut tried = Vec::new();
    for init in candidates(&switch.init) {
        say(STEP, &format!("handing over to {init}"));
        let e = clean(&mut Command::new(&init)).exec();
        say(STEP, &format!("{init} cannot be started: {e}"));
        tried.push(format!("{init}: {e}"));
    }
    Err(format!("no init could be started: {}", tried.join("; ")))
}

/// The image's processes are not ours to protect or to offer.
fn let_go() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    let _ = nix::sys::reboot::set_cad_enabled(true);
}

fn start_helper(helper: &mut Command) {
    let me = callback::program_of("self").unwrap_or_default();
    if let Err(e) = helper.args(["--after-init", &me]).spawn() {
        say(STEP, &format!("the callback helper cannot be started: {e}"));
    }
}

/// Becomes the image's init in the root that is here, as bare as the kernel gives it: an init that mounts `/proc` itself must not
/// find it there.
fn in_place(init: &str) -> Result<Infallible, String> {
    let _ = std::fs::remove_file(crate::worker::ALIVE_FILE);
    let_go();
    // It follows the init into whatever root it goes, by the `/proc` that is here now.
    let proc = File::open("/proc").map_err(|e| format!("cannot open /proc: {e}"))?;
    let mut helper = Command::new(format!("{BESIDE}{INIT}"));
    // An init of an initrd (systemd's among them) ends what is left before it goes, but for names that begin so.
    clean(&mut helper).arg0("@higuma-agent").args(["callback", "--follow-root", "--file", beside::CALLBACK]);
    start_helper(helper.stdin(Stdio::from(proc)));
    say(STEP, &format!("handing over to {init}"));
    for folder in ["/run", "/dev", "/sys", "/proc"] {
        let _ = umount2(folder, MntFlags::MNT_DETACH);
    }
    // With what the kernel gave us: words that it does not know are the init's.
    let e = Command::new(init).args(std::env::args_os().skip(1)).exec();
    Err(format!("{init} cannot be started: {e}"))
}

/// The wanted one, then what an image usually has.
pub fn candidates(wanted: &str) -> Vec<String> {
    let mut list = vec![wanted.to_owned()];
    for usual in super::INITS {
        if *usual != wanted {
            list.push((*usual).to_owned());
        }
    }
    list
}

fn clean(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/")
        .env("TERM", "linux")
}

/// Deletes the files of the initramfs, whose memory would be lost otherwise; stays on its file system.
fn free(old_root: &File) {
    let is_memory = fstatfs(old_root).is_ok_and(|fs| {
        let kind = fs.filesystem_type();
        kind == RAMFS_MAGIC || kind == TMPFS_MAGIC
    });
    let Ok(device) = old_root.metadata().map(|m| m.dev()) else { return };
    if is_memory {
        delete_below(Path::new(&format!("/proc/self/fd/{}", old_root.as_raw_fd())), device, 0);
    }
}

fn delete_below(folder: &Path, device: u64, depth: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        if meta.dev() != device {
            continue;
        }
        if meta.is_dir() {
            if depth < 64 {
                delete_below(&path, device, depth + 1);
            }
            let _ = std::fs::remove_dir(&path);
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn the_wanted_init_is_tried_first_and_once() {
        assert_eq!(candidates("/bin/init"), ["/bin/init", "/sbin/init", "/lib/systemd/systemd", "/etc/init"]);
        assert_eq!(candidates("/x").len(), 5);
    }
}
