//! An image whose own initrd is the whole system: there is no root to mount. This node's files are written into the initramfs as
//! the kernel unpacked it, and PID 1 becomes the image's init, with the callback helper beside it. Nothing of the image is
//! replaced but what the profile says.

use std::path::Path;

use higuma_initramfs::second_stage::{BESIDE, PLAN};
use higuma_proto::steps::SECOND_STAGE;

use super::handover::Handover;
use super::tree::Tree;
use super::{files, switch};
use crate::journal::{Journal, State};
use crate::site::Site;

/// What the helper is told; `/run` may be another one as soon as the image's init runs.
pub const CALLBACK: &str = "/.higuma/callback.json";
/// The kernel's default.
const INIT: &str = "/init";

/// Makes the initramfs this node's, and says what PID 1 is to become.
pub fn prepare(handover: &Handover, site: &Site, journal: &Journal) -> Result<(), String> {
    let tree = Tree::open(Path::new("/")).map_err(|e| format!("cannot open the root: {e}"))?;
    let init = init_of(&tree, &handover.plan.cmdline)?;
    let systemd = files::runs_systemd(&tree, &init);
    for problem in files::write_all(&tree, handover, systemd) {
        journal.info(SECOND_STAGE, &format!("not written: {problem}"));
    }
    for path in handover.plan.files.iter().map(|file| &file.path).filter(|path| is_hidden(path)) {
        journal.info(SECOND_STAGE, &format!("not written: {path}: the image's init mounts something else there"));
    }
    journal.record(SECOND_STAGE, State::Ok, &format!("handing over to {init} of the image's initrd"));
    let mut events = handover.events.clone();
    events.extend(journal.batch(500));
    files::callback_file(&tree, CALLBACK, handover, site, events)
        .map_err(|e| format!("cannot write the callback's file: {e}"))?;
    switch::Switch { init, start_callback: true, beside: true }.write()?;
    // Last: a worker that dies before is begun again with it. It has the same credential, and the profile's secrets.
    let plan = format!("{BESIDE}{PLAN}");
    std::fs::remove_file(&plan).map_err(|e| format!("cannot remove {plan}: {e}"))
}

/// On what PID 1 takes away again, so that the init finds the root as the kernel gives it.
fn is_hidden(path: &str) -> bool {
    ["/run/", "/dev/", "/sys/", "/proc/"].iter().any(|folder| path.starts_with(folder))
}

/// What `rdinit=` of the plan's command line asks for and nothing else, or what the kernel starts.
fn init_of(tree: &Tree, cmdline: &str) -> Result<String, String> {
    let asked = cmdline.split_ascii_whitespace().filter_map(|word| word.strip_prefix("rdinit=")).next_back();
    let init = asked.unwrap_or(INIT);
    match tree.exists(init) {
        true => Ok(init.to_owned()),
        false if asked.is_some() => {
            Err(format!("the image's initrd has no {init}, which rdinit= asks for: correct the profile's command line"))
        }
        false => Err(format!(
            "the image's initrd has no {init}: is it an initramfs (cpio)? If its system starts from another program, say so with \
             rdinit= in the profile's command line"
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_init_is_the_kernels_or_what_is_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        assert!(init_of(&tree, "quiet").unwrap_err().contains("has no /init"));
        tree.write("/init", 0o755, b"").unwrap();
        assert_eq!(init_of(&tree, "quiet rdinit").unwrap(), "/init");
        assert!(init_of(&tree, "rdinit=/sbin/init").unwrap_err().contains("/sbin/init"), "never another one");
        tree.write("/sbin/init", 0o755, b"").unwrap();
        assert_eq!(init_of(&tree, "rdinit=/x rdinit=/sbin/init").unwrap(), "/sbin/init");
        assert!(is_hidden("/run/x") && !is_hidden("/etc/run/x") && !is_hidden("/runner"));
    }
}
