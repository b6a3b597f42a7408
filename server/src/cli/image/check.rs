//! What every image that is made or imported must have, in one place: a kernel that takes an initramfs, what mounts its root
//! file system, a program that starts it, and one architecture throughout. What cannot boot is refused; what may not is
//! told. Changes nothing.

use super::kernel_config::{self, KernelConfig, Setting};
use super::root::{Node, Root};
use crate::cli::error::{Failure, Result};
use crate::cli::output;
use crate::cli::progress::Progress;
use higuma_initramfs::drivers::Drivers;
use higuma_initramfs::modules::{ModuleIndex, Presence};
use std::path::Path;

/// Programs that start a system, in the order in which the second stage looks for them.
const INITS: [&str; 5] = ["sbin/init", "lib/systemd/systemd", "usr/lib/systemd/systemd", "etc/init", "bin/init"];
/// A configuration file is not longer, bytes.
const LONGEST_CONFIG: u64 = 8 << 20;
/// The default of a server's embed-limit, bytes.
const EMBEDDED: u64 = 512 << 20;
/// ELF header, and the first line of a script.
const HEAD: u64 = 256;

/// The parts of an image that belong together.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// For people: the folder, file or name that it is made of.
    pub name: &'a str,
    /// bzImage or Image.
    pub kernel: &'a Path,
    /// x86_64 or aarch64, as the kernel says.
    pub arch: &'a str,
    /// `uname -r`.
    pub release: &'a str,
    /// Folder with lib/modules/RELEASE; often also with boot/config-RELEASE.
    pub modules_root: &'a Path,
    /// What becomes the root file system.
    pub root: &'a dyn Root,
    /// Module that mounts it: squashfs.
    pub filesystem: &'a str,
}

/// Whether the kernel has drivers to fetch a root file system with.
#[must_use = "a large root file system cannot boot without: see `reaches`"]
pub struct Nics(bool);

impl Nics {
    /// May this root file system be brought to the node by this kernel? `unchecked`: a person says so.
    ///
    /// # Errors
    /// It is too large to be embedded by servers as they are set by default, and the kernel cannot fetch it.
    pub fn reaches(&self, rootfs: &Path, unchecked: bool) -> Result<()> {
        let size = std::fs::metadata(rootfs).map_err(Failure::io("read", rootfs))?.len();
        match self.0 || unchecked || size <= EMBEDDED {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "expected a kernel with a network driver, for a root file system of {} is fetched by it (one of up to {} is embedded, \
                 see embed-limit): install the kernel's whole modules (Ubuntu: also linux-modules-extra-...), make the image smaller, or say \
                 --any-network-driver if servers embed it, or its driver is one that Higuma does not know",
                output::size(size),
                output::size(EMBEDDED)
            ))),
        }
    }
}

/// All checks but that of [`Nics`]; warnings go to `progress`.
///
/// # Errors
/// The first thing that keeps the image from booting.
pub fn whole(subject: Subject, progress: &Progress) -> Result<Nics> {
    let init = init(subject.name, subject.root)?;
    networks(&subject, progress);
    let index = ModuleIndex::open(subject.modules_root, subject.release)
        .map_err(|e| Failure::because("could not read the kernel's modules", &e))?;
    let config = config(&subject, &index)?;
    initramfs(subject.kernel, config.as_ref(), progress)?;
    mounts(&subject, &index, config.as_ref())?;
    let nics = Drivers::nics().map_err(|e| Failure::because("the list of network drivers", &e))?;
    let none = nics.names.iter().all(|name| index.presence(name) == Presence::Missing);
    if none {
        progress.line(&format!(
            "warning: kernel {} has none of the network drivers that Higuma knows: nodes will have no network before the \
             image's own system brings it up",
            subject.release
        ));
    }
    architectures(&subject, &index, &nics, init)?;
    Ok(Nics(!none))
}

/// Of a kernel that boots with an initrd of its own: only what the kernel itself must be able to.
///
/// # Errors
/// When it takes no initrd.
pub fn kernel_alone(kernel: &Path, progress: &Progress) -> Result<()> {
    initramfs(kernel, kernel_config::embedded(kernel).as_ref(), progress)
}

/// An image with systemd gets its network from systemd-networkd, by default as by what a profile says.
fn networks(subject: &Subject, progress: &Progress) {
    let has = |program: &str| {
        let at = |folder: &str| matches!(subject.root.node(&format!("{folder}/{program}")), Some(Node::File { .. }));
        at("usr/lib/systemd") || at("lib/systemd")
    };
    if has("systemd") && !has("systemd-networkd") {
        progress.line(&format!(
            "warning: {} has systemd without systemd-networkd: what a profile says of the network does not reach it, and its own \
             system must bring the network up; install it (Debian: package systemd)",
            subject.name
        ));
    }
}

/// What starts the system. By itself for what should be told before anything else.
///
/// # Errors
/// When there is nothing that does.
pub fn init(name: &str, root: &dyn Root) -> Result<&'static str> {
    let mut not_run = None;
    for path in INITS {
        match root.node(path) {
            Some(Node::File { executable: true }) => return Ok(path),
            Some(Node::File { executable: false }) => not_run = not_run.or(Some(path)),
            _ => {}
        }
    }
    Err(Failure::usage(match not_run {
        Some(path) => {
            format!("expected a program that starts a machine in {name}, its /{path} may not be run: `chmod 755` it")
        }
        None => format!(
            "expected an image that can start a machine, {name} has no /sbin/init and no systemd (links are followed inside \
             of it): it is made for containers, or not whole; install an init in it (Debian: systemd-sysv)"
        ),
    }))
}

/// In the order of trust: the kernel itself, its module, the files beside it.
fn config(subject: &Subject, index: &ModuleIndex) -> Result<Option<KernelConfig>> {
    if let Some(config) = kernel_config::embedded(subject.kernel) {
        return Ok(Some(config));
    }
    let module = index.content("configs").ok().flatten();
    if let Some(config) = module.and_then(|module| kernel_config::of_module(&module)) {
        return Ok(Some(config));
    }
    let release = subject.release;
    let beside = super::root::Folder::open(subject.modules_root)?;
    let roots: [&dyn Root; 2] = [&beside, subject.root];
    for root in roots {
        for path in [
            format!("boot/config-{release}"),
            format!("lib/modules/{release}/config"),
            format!("usr/lib/modules/{release}/config"),
            format!("usr/lib/kernel/config-{release}"),
        ] {
            let text = root.head(&path, LONGEST_CONFIG)?.unwrap_or_default();
            if let Some(config) = KernelConfig::parse(&String::from_utf8_lossy(&text), &format!("/{path}")) {
                return Ok(Some(config));
            }
        }
    }
    Ok(None)
}

fn initramfs(kernel: &Path, config: Option<&KernelConfig>, progress: &Progress) -> Result<()> {
    match config {
        None => {
            progress.line(&format!(
                "warning: no configuration of the kernel was found in {} or beside it (boot/config-RELEASE), so whether it takes an \
                 initramfs (CONFIG_BLK_DEV_INITRD) is not known; kernels of distributions do",
                kernel.display()
            ));
            Ok(())
        }
        Some(config) if config.get("BLK_DEV_INITRD") == Setting::Off => Err(Failure::usage(format!(
            "expected a kernel that takes an initramfs, {} was built without CONFIG_BLK_DEV_INITRD (says {}): it would start \
             and find no root; build it with CONFIG_BLK_DEV_INITRD=y, or use a kernel of a distribution",
            kernel.display(),
            config.origin
        ))),
        Some(_) => Ok(()),
    }
}

/// loop, overlay and the root file system's type, as modules or built in.
fn mounts(subject: &Subject, index: &ModuleIndex, config: Option<&KernelConfig>) -> Result<()> {
    let needed = [("loop", "BLK_DEV_LOOP"), (subject.filesystem, ""), ("overlay", "OVERLAY_FS")];
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|(module, _)| index.presence(module) == Presence::Missing)
        .map(|(module, option)| {
            let option = if option.is_empty() { module.to_uppercase() } else { option.to_owned() };
            let why = match config.map(|config| config.get(&option)) {
                None => "",
                Some(Setting::Off) => " is off",
                Some(Setting::Module) => "=m, and the module's file is not there",
                Some(Setting::BuiltIn) => "=y, and modules.builtin does not list it",
            };
            format!("{module} (CONFIG_{option}{why})")
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "expected a kernel that mounts the root file system, {} has neither as module nor built in (modules.builtin): {}; install \
         the kernel's whole modules (Debian: linux-image-..., Ubuntu: also linux-modules-extra-...), or use another kernel",
        subject.release,
        missing.join(", ")
    )))
}

fn architectures(subject: &Subject, index: &ModuleIndex, nics: &Drivers, init: &str) -> Result<()> {
    let wanted = |machine: Machine| machine.runs_on(subject.arch);
    let files = ["loop", subject.filesystem, "overlay"].into_iter().chain(nics.names.iter().map(String::as_str));
    if let Some(name) = files.into_iter().find(|name| index.presence(name) == Presence::Module) {
        let module = index.content(name).map_err(|e| Failure::because("could not read the kernel's modules", &e))?;
        if let Some(machine) = module.as_deref().and_then(Machine::of).filter(|machine| !machine.is(subject.arch)) {
            return Err(Failure::usage(format!(
                "expected modules for {}, as {} is, those of {} are for {machine}",
                subject.arch,
                subject.kernel.display(),
                subject.release
            )));
        }
    }
    let mut path = init.to_owned();
    let mut head = subject.root.head(&path, HEAD)?.unwrap_or_default();
    if let Some(program) = interpreter(&head) {
        if subject.root.node(&program).is_none() {
            return Err(Failure::usage(format!(
                "expected /{program} in {}, which /{init} is a script for: it is not there",
                subject.name
            )));
        }
        head = subject.root.head(&program, HEAD)?.unwrap_or_default();
        path = program;
    }
    match Machine::of(&head) {
        Some(machine) if !wanted(machine) => Err(Failure::usage(format!(
            "expected programs for {}, as {} is, /{path} of {} is for {machine}: use the kernel of that architecture",
            subject.arch,
            subject.kernel.display(),
            subject.name
        ))),
        _ => Ok(()),
    }
}

/// The program of a script's first line, relative to the root.
fn interpreter(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let program = std::str::from_utf8(line).ok()?.split_whitespace().next()?;
    program.strip_prefix('/').map(str::to_owned)
}

/// `e_machine` of an ELF header (System V ABI).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine(u16);

impl Machine {
    fn of(head: &[u8]) -> Option<Self> {
        let magic = head.get(..4)? == b"\x7fELF";
        let bytes = [*head.get(18)?, *head.get(19)?];
        let number = if head.get(5)? == &2 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        magic.then_some(Self(number))
    }

    fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            3 => "i386",
            40 => "arm (32 bits)",
            62 => "x86_64",
            183 => "aarch64",
            _ => return None,
        })
    }

    fn is(self, arch: &str) -> bool {
        self.name() == Some(arch)
    }

    /// Kernels of 64 bits mostly run programs of 32 bits, too.
    fn runs_on(self, arch: &str) -> bool {
        self.is(arch) || matches!((self.0, arch), (3, "x86_64") | (40, "aarch64"))
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "another machine (ELF e_machine {})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_root_needs_a_network_driver() -> std::io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        for (size, nics, fits) in [(EMBEDDED, false, true), (EMBEDDED + 1, false, false), (EMBEDDED + 1, true, true)] {
            file.as_file().set_len(size)?;
            assert_eq!(Nics(nics).reaches(file.path(), false).is_ok(), fits, "{size} {nics}");
            assert!(Nics(nics).reaches(file.path(), true).is_ok());
        }
        Ok(())
    }

    #[test]
    fn programs_tell_their_machine() {
        let mut elf = [0u8; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18] = 62;
        assert_eq!(Machine::of(&elf), Some(Machine(62)));
        assert!(Machine(62).is("x86_64") && !Machine(62).runs_on("aarch64"));
        assert!(Machine(3).runs_on("x86_64") && !Machine(3).is("x86_64"));
        elf[18] = 183;
        assert_eq!(Machine::of(&elf).map(|m| m.to_string()).as_deref(), Some("aarch64"));
        assert_eq!(Machine::of(&elf[..10]), None);
        assert_eq!(Machine::of(b"#!/bin/sh -e\n"), None);
        assert_eq!(interpreter(b"#! /bin/sh -e\nexec x").as_deref(), Some("bin/sh"));
        assert_eq!(interpreter(b"#!sh"), None);
        assert_eq!(interpreter(b"\x7fELF"), None);
    }
}
