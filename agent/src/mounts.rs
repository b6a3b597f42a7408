//! The file systems that a stage needs before anything else, as a table of values. Mounting is best effort: what is
//! missing is reported and the boot goes on as far as it can. Never mounts a disk.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// One early mount.
pub struct EarlyMount {
    /// Kind of file system, also used as its source.
    pub fstype: &'static str,
    /// Where it goes; made when missing.
    pub target: &'static str,
    /// Mount flags.
    pub flags: MsFlags,
    /// Options of the file system.
    pub options: Option<&'static str>,
}

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// In this order. `/run` stays executable: the callback helper is started from it in the second stage.
pub const TABLE: &[EarlyMount] = &[
    EarlyMount { fstype: "proc", target: "/proc", flags: SAFE.union(MsFlags::MS_NOEXEC), options: None },
    EarlyMount { fstype: "sysfs", target: "/sys", flags: SAFE.union(MsFlags::MS_NOEXEC), options: None },
    EarlyMount { fstype: "devtmpfs", target: "/dev", flags: MsFlags::MS_NOSUID, options: Some("mode=0755") },
    EarlyMount { fstype: "tmpfs", target: "/run", flags: SAFE, options: Some("mode=0755,size=20%") },
];

impl std::fmt::Display for EarlyMount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.fstype, self.target)
    }
}

/// Mounts the whole table; gives what failed, in words. A second call changes nothing.
pub fn mount_all() -> Vec<String> {
    let mut failed = Vec::new();
    for entry in TABLE {
        if is_mounted(entry.target) {
            continue;
        }
        let made = std::fs::create_dir_all(entry.target);
        if let Err(e) = made {
            failed.push(format!("{entry}: cannot make the folder: {e}"));
            continue;
        }
        match mount(Some(entry.fstype), entry.target, Some(entry.fstype), entry.flags, entry.options) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(e) => failed.push(format!("{entry}: {e}")),
        }
    }
    if let Err(e) = std::fs::create_dir_all("/run/higuma") {
        failed.push(format!("cannot make /run/higuma: {e}"));
    }
    failed
}

/// Mounts the firmware's variables, read-only, where the firmware is UEFI; gives what failed, in words. The driver is a
/// module, so this comes after the modules; whoever reads variables copes without.
pub fn mount_variables() -> Option<String> {
    const VARIABLES: EarlyMount = EarlyMount {
        fstype: "efivarfs",
        target: "/sys/firmware/efi/efivars",
        flags: SAFE.union(MsFlags::MS_NOEXEC).union(MsFlags::MS_RDONLY),
        options: None,
    };
    if !std::path::Path::new(VARIABLES.target).is_dir() || is_mounted(VARIABLES.target) {
        return None;
    }
    match mount(Some(VARIABLES.fstype), VARIABLES.target, Some(VARIABLES.fstype), VARIABLES.flags, VARIABLES.options) {
        Ok(()) | Err(Errno::EBUSY) => None,
        Err(e) => Some(format!("{VARIABLES}: {e}")),
    }
}

/// Whether something is mounted exactly at `target` (false as long as /proc is not there).
fn is_mounted(target: &str) -> bool {
    std::fs::read_to_string("/proc/self/mounts")
        .is_ok_and(|table| table.lines().any(|line| line.split(' ').nth(1) == Some(target)))
}
