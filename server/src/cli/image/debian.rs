//! Builds a Debian that runs from memory: mmdebstrap makes the tree, what belongs to one machine is taken out of it, and
//! the parts are packed. Never starts a service, never makes an initrd, never leaves an identity in the image.

use super::check::{self, Subject};
use super::root::Folder;
use super::{BuiltImage, apt, pack};
use crate::cli::error::{Exit, Failure, Result};
use crate::cli::process;
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use higuma_initramfs::rootfs::RootFs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Which kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kernel {
    /// Drivers of real servers.
    #[default]
    Full,
    /// Drivers of virtual machines: smaller.
    Cloud,
}

impl Kernel {
    fn package(self) -> &'static str {
        match self {
            Self::Full => "linux-image-amd64",
            Self::Cloud => "linux-image-cloud-amd64",
        }
    }
}

/// What to build.
#[derive(Debug, Clone)]
pub struct DebianOptions {
    /// E.g. bookworm.
    pub suite: String,
    /// More packages.
    pub packages: Vec<String>,
    /// Kernel package.
    pub kernel: Kernel,
    /// For root, one line each.
    pub ssh_keys: Vec<String>,
    /// Instead of this machine's package sources.
    pub mirror: Option<String>,
    /// Type of the root file system.
    pub kind: RootFs,
}

impl Default for DebianOptions {
    fn default() -> Self {
        let suite = "bookworm".into();
        Self {
            suite,
            packages: Vec::new(),
            kernel: Kernel::Full,
            ssh_keys: Vec::new(),
            mirror: None,
            kind: RootFs::default(),
        }
    }
}

const PACKAGES: [&str; 10] = [
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "dbus",
    "udev",
    "kmod",
    "iproute2",
    "openssh-server",
    "ca-certificates",
];
/// Documentation has no reader on a node, and costs memory there.
const LEFT_OUT: [&str; 6] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
];
const BOOTSTRAP_DEADLINE: Duration = Duration::from_secs(3600);

const HOST_KEYS: &str = "[Unit]
Description=SSH host keys, where none are there yet
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
TimeoutStartSec=60
";

/// Build the parts in `out`. Needs root: the tree has owners, devices and a chroot.
pub fn build_debian(options: &DebianOptions, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    check(options)?;
    let scratch = Scratch::new()?;
    let root = scratch.path().join("root");
    // Its mode becomes that of / in the image.
    std::fs::DirBuilder::new().mode(0o755).create(&root).map_err(Failure::io("make the folder", &root))?;
    bootstrap(options, &root, progress)?;
    progress.line("taking out what belongs to one machine");
    configure(options, &root)?;

    let installed = pack::kernel_in(&root)?;
    let (arch, said) = pack::kernel_facts(&installed)?;
    let release = pack::release_of(&installed, said, &root)?;
    let subject = Subject {
        name: &options.suite,
        kernel: &installed,
        arch: &arch,
        release: &release,
        modules_root: &root,
        root: &Folder::open(&root)?,
        filesystem: options.kind.name(),
    };
    check::whole(subject, progress)?;
    let kernel = out.join(pack::KERNEL);
    std::fs::copy(&installed, &kernel).map_err(Failure::io("copy", &installed))?;
    empty(&root.join("boot"))?;
    for link in ["vmlinuz", "vmlinuz.old", "initrd.img", "initrd.img.old"] {
        remove(&root.join(link))?;
    }
    let modules = pack::modules(&root, &release, options.kind, out, progress)?;
    let rootfs = pack::rootfs(options.kind, &root, out, progress)?;
    progress.line("image built");
    Ok(BuiltImage { arch, kernel_release: release, kernel, initrd: None, modules: Some(modules), rootfs: Some(rootfs) })
}

fn check(options: &DebianOptions) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure {
            exit: Exit::Failed,
            message:
                "expected to run as root: mmdebstrap installs packages in a chroot, with their owners and devices. Run \
                      `sudo higuma image build debian ...` (with --data-dir or --token-file and --ca of your server)"
                    .into(),
        });
    }
    let word = |text: &str, also: &str| {
        text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b))
    };
    if !word(&options.suite, "-.") {
        return Err(Failure::usage(format!("expected a release of Debian like bookworm, got {:?}", options.suite)));
    }
    if let Some(bad) = options.packages.iter().find(|p| !word(p, "+-.")) {
        return Err(Failure::usage(format!("expected the name of a Debian package, got {bad:?}")));
    }
    match &options.mirror {
        Some(m) if !(m.starts_with("http://") || m.starts_with("https://")) || m.contains(char::is_whitespace) => {
            Err(Failure::usage(format!("expected a mirror as http://HOST/debian, got {m:?}")))
        }
        _ => Ok(()),
    }
}

fn bootstrap(options: &DebianOptions, root: &Path, progress: &Progress) -> Result<()> {
    let mut packages: Vec<&str> = PACKAGES.to_vec();
    packages.push(options.kernel.package());
    packages.extend(options.packages.iter().map(String::as_str));
    let sources = match &options.mirror {
        Some(mirror) => apt::of_mirror(mirror, &options.suite),
        None => apt::of_machine(&options.suite),
    };

    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", "--architectures=amd64", "--format=directory"]);
    command.arg(format!("--include={}", packages.join(",")));
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Retries \"3\""]);
    command.args(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
    command.arg(&options.suite).arg(root).args(&sources);
    // The kernel's package depends on initramfs-tools; our second stage makes an initrd superfluous.
    command.env("INITRD", "No").env("LC_ALL", "C.UTF-8");
    let from = match sources.is_empty() {
        true => "Debian's own mirror".into(),
        false => sources.join("; "),
    };
    progress.line(&format!("installing {} and {} packages from {from}", options.suite, packages.len()));
    process::run(command, "mmdebstrap", BOOTSTRAP_DEADLINE, |line| {
        if let Some(step) = line.strip_prefix("I: ").filter(|s| s.ends_with("...")) {
            progress.line(&format!("  {}", step.trim_end_matches('.')));
        }
    })
}

/// Identities out, services on.
fn configure(options: &DebianOptions, root: &Path) -> Result<()> {
    let at = |path: &str| root.join(path);
    let put = |path: &str, content: &str, mode: u32| -> Result<()> {
        let path = root.join(path);
        std::fs::write(&path, content).map_err(Failure::io("write", &path))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(Failure::io("set the mode of", &path))
    };
    let mut command = Command::new("chroot");
    command.arg(root).args(["systemctl", "--quiet", "enable", "systemd-networkd.service", "systemd-resolved.service"]);
    process::run(command, "coreutils", Duration::from_secs(60), |_| {})?;
    let mut command = Command::new("chroot");
    command.arg(root).args(["systemctl", "--quiet", "set-default", "multi-user.target"]);
    process::run(command, "coreutils", Duration::from_secs(60), |_| {})?;

    put("etc/systemd/system/higuma-ssh-host-keys.service", HOST_KEYS, 0o644)?;
    let wants = at("etc/systemd/system/ssh.service.wants");
    std::fs::create_dir_all(&wants).map_err(Failure::io("make the folder", &wants))?;
    let link = wants.join("higuma-ssh-host-keys.service");
    std::os::unix::fs::symlink("../higuma-ssh-host-keys.service", &link).map_err(Failure::io("link", &link))?;
    if !options.ssh_keys.is_empty() {
        let ssh = at("root/.ssh");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&ssh).map_err(Failure::io("make", &ssh))?;
        put("root/.ssh/authorized_keys", &(options.ssh_keys.join("\n") + "\n"), 0o600)?;
    }

    // Empty, not absent: systemd then takes what it is given, and does not ask questions on the console.
    remove(&at("etc/machine-id"))?;
    put("etc/machine-id", "", 0o444)?;
    for file in [
        "var/lib/dbus/machine-id",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/.resolv.conf.systemd-resolved.bak",
        "var/lib/systemd/random-seed",
        "root/.bash_history",
    ] {
        remove(&at(file))?;
    }
    let resolv = at("etc/resolv.conf");
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", &resolv)
        .map_err(Failure::io("link", &resolv))?;
    for name in std::fs::read_dir(at("etc/ssh")).map_err(Failure::io("read", &at("etc/ssh")))?.flatten() {
        if name.file_name().to_string_lossy().starts_with("ssh_host_") {
            remove(&name.path())?;
        }
    }
    for folder in ["var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "tmp", "var/tmp", "run"] {
        empty(&at(folder))?;
    }
    delete_files(&at("var/log"))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Remove all in a folder that is there; the folder stays. Never through a link.
fn empty(folder: &Path) -> Result<()> {
    if !std::fs::symlink_metadata(folder).is_ok_and(|m| m.is_dir()) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))?.flatten() {
        let path = entry.path();
        match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => std::fs::remove_dir_all(&path).map_err(Failure::io("remove", &path))?,
            false => remove(&path)?,
        }
    }
    Ok(())
}

/// Remove the files below a folder and keep its folders: programs expect theirs in /var/log.
fn delete_files(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Failure::io("read", folder))?.flatten() {
        match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => delete_files(&entry.path())?,
            false => remove(&entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn emptying_never_follows_links() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(inside.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        empty(&inside).unwrap();
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
        std::os::unix::fs::symlink(&outside, dir.path().join("folder-link")).unwrap();
        empty(&dir.path().join("folder-link")).unwrap();
        assert!(outside.join("precious").exists());
    }
}
