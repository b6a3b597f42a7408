//! Builds what a recipe says: mmdebstrap makes the tree, the recipe's files and scripts change it, what belongs to one machine is taken
//! out of it, and the parts are packed. Never starts a service, never makes an initrd, never leaves an identity in the image.

use super::check::{self, Subject};
use super::contents::survey;
use super::recipe::Recipe;
use super::root::Folder;
use super::{BuiltImage, apt, customise, distribution, identity, pack, settle};
use crate::cli::error::{Exit, Failure, Result};
use crate::cli::process;
use crate::cli::progress::Progress;
use crate::cli::scratch::Scratch;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
pub fn build(recipe: &Recipe, out: &Path, progress: &Progress) -> Result<BuiltImage> {
    root_only()?;
    let scratch = Scratch::new()?;
    let root = scratch.path().join("root");
    // Its mode becomes that of / in the image.
    std::fs::DirBuilder::new().mode(0o755).create(&root).map_err(Failure::io("make the folder", &root))?;
    install(recipe, &root, progress)?;
    services(recipe, &root)?;
    customise::run(recipe, &root, progress)?;
    progress.line("taking out what belongs to one machine");
    identity::take_out(recipe, &root)?;

    let installed = pack::kernel_in(&root)?;
    let (arch, said) = pack::kernel_facts(&installed)?;
    let release = pack::release_of(&installed, said, &root)?;
    let subject = Subject {
        name: &recipe.suite,
        kernel: &installed,
        arch: &arch,
        release: &release,
        modules_root: &root,
        root: &Folder::open(&root)?,
        filesystem: recipe.rootfs_type.name(),
    };
    let nics = check::whole(subject, progress)?;
    let kernel = out.join(pack::KERNEL);
    std::fs::copy(&installed, &kernel).map_err(Failure::io("copy", &installed))?;
    identity::empty(&root.join("boot"))?;
    for link in ["vmlinuz", "vmlinuz.old", "initrd.img", "initrd.img.old"] {
        identity::remove(&root.join(link))?;
    }
    if let Some(epoch) = recipe.epoch() {
        settle::settle(&root, epoch)?;
    }
    let modules = pack::modules(&root, &release, recipe.rootfs_type, out, progress)?;
    let rootfs = pack::rootfs_of(recipe.rootfs_type, &root, recipe.epoch(), out, progress)?;
    nics.reaches(&rootfs, false)?;
    let contents = survey::of_folder(&root, out, progress)?;
    progress.line("image built");
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

fn root_only() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let message = "expected to run as root: mmdebstrap installs packages in a chroot, with their owners and devices. Run \
                   `sudo higuma image build ...` (with --data-dir or --token-file and --ca of your server)";
    Err(Failure { exit: Exit::Failed, message: message.into() })
}

fn install(recipe: &Recipe, root: &Path, progress: &Progress) -> Result<()> {
    let sources = apt::sources(recipe)?;
    let count = distribution::of(recipe)?.packages(recipe).len();
    progress.line(&format!("installing {} and {count} packages from {}", recipe.suite, sources.join("; ")));
    process::run(bootstrap(recipe, &sources, root)?, "mmdebstrap", BOOTSTRAP_DEADLINE, |line| {
        if let Some(step) = line.strip_prefix("I: ").filter(|s| s.ends_with("...")) {
            progress.line(&format!("  {}", step.trim_end_matches('.')));
        }
    })
}

fn bootstrap(recipe: &Recipe, sources: &[String], root: &Path) -> Result<Command> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", "--architectures=amd64", "--format=directory"]);
    command.arg(format!("--include={}", distribution::of(recipe)?.packages(recipe).join(",")));
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Retries \"3\""]);
    command.args(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
    command.args(recipe.keyring.iter().map(|path| format!("--keyring={path}")));
    command.arg(&recipe.suite).arg(root).args(sources);
    // The kernel's package depends on initramfs-tools; our second stage makes an initrd superfluous.
    command.env("INITRD", "No").env("LC_ALL", "C.UTF-8");
    // Dates in /etc/shadow, and whatever else a package writes of now (reproducible-builds.org/specs/source-date-epoch).
    match recipe.epoch() {
        Some(epoch) => command.env("SOURCE_DATE_EPOCH", epoch.to_string()),
        None => command.env_remove("SOURCE_DATE_EPOCH"),
    };
    Ok(command)
}

/// Networking and logging in.
fn services(recipe: &Recipe, root: &Path) -> Result<()> {
    let at = |path: &str| root.join(path);
    let put = |path: &str, content: &str, mode: u32| -> Result<()> {
        let path = root.join(path);
        std::fs::write(&path, content).map_err(Failure::io("write", &path))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).map_err(Failure::io("set the mode of", &path))
    };
    let systemctl = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(root).args(["systemctl", "--quiet"]).args(arguments);
        process::run(command, "coreutils", Duration::from_secs(60), |_| {})
    };
    systemctl(&["enable", "systemd-networkd.service"])?;
    if !recipe.exclude.iter().any(|package| package == "systemd-resolved") {
        systemctl(&["enable", "systemd-resolved.service"])?;
    }
    systemctl(&["set-default", "multi-user.target"])?;

    if at("usr/sbin/sshd").exists() {
        put("etc/systemd/system/higuma-ssh-host-keys.service", HOST_KEYS, 0o644)?;
        let wants = at("etc/systemd/system/ssh.service.wants");
        std::fs::create_dir_all(&wants).map_err(Failure::io("make the folder", &wants))?;
        let link = wants.join("higuma-ssh-host-keys.service");
        std::os::unix::fs::symlink("../higuma-ssh-host-keys.service", &link).map_err(Failure::io("link", &link))?;
    }
    if !recipe.ssh_keys.is_empty() {
        let ssh = at("root/.ssh");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&ssh).map_err(Failure::io("make", &ssh))?;
        put("root/.ssh/authorized_keys", &(recipe.ssh_keys.join("\n") + "\n"), 0o600)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let recipe = Recipe::parse(text, "r", Path::new("/")).unwrap();
        let command = bootstrap(&recipe, &["deb http://m s main".to_owned()], Path::new("/r")).unwrap();
        command.get_args().map(|a| a.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_mmdebstrap_is_told() {
        let debian = words("name = 'a'\nsuite = 'bookworm'\nkernel = 'cloud'\npackages = ['vim']\nexclude = ['dbus']");
        let include = "--include=systemd,systemd-sysv,udev,kmod,systemd-resolved,systemd-timesyncd,iproute2,openssh-server,\
                       ca-certificates,linux-image-cloud-amd64,vim";
        assert!(debian.iter().any(|a| a == include), "{debian:?}");
        assert_eq!(debian[debian.len() - 3..], ["bookworm", "/r", "deb http://m s main"]);
        // systemd-resolved is in jammy's systemd.
        let ubuntu = words("name = 'a'\nsuite = 'jammy'\nkeyring = '/k.gpg'");
        let include = "--include=systemd,systemd-sysv,udev,kmod,systemd-timesyncd,dbus,iproute2,openssh-server,\
                       ca-certificates,linux-image-generic";
        assert!(ubuntu.iter().any(|a| a == include) && ubuntu.iter().any(|a| a == "--keyring=/k.gpg"), "{ubuntu:?}");
    }
}
