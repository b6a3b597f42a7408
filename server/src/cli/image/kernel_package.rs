//! A kernel from a distribution's package, for a root file system that has none: packages as files, or the name of one, which
//! apt finds, checks and downloads in a folder of its own. Packages are unpacked, never installed; their scripts are not run;
//! no root is needed, and this machine's own package lists stay as they are.

use super::apt;
use crate::cli::error::{Failure, Result, chain};
use crate::cli::process;
use crate::cli::progress::Progress;
use higuma_initramfs::kernel_package::KernelTree;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(1800);
/// Meta package, image, modules, extra modules: more steps there are not.
const MOST_PACKAGES: usize = 12;
/// What belongs to a kernel, of all that its package depends on.
const KERNEL_PARTS: [&str; 2] = ["linux-image-", "linux-modules-"];
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"];

/// Which kernel.
#[derive(Debug, Clone, Default)]
pub struct KernelPackage {
    /// Files (`.deb`), all of one kernel, or one package's name.
    pub packages: Vec<String>,
    /// Where a name is looked for.
    pub suite: String,
    /// Instead of this machine's package sources.
    pub mirror: Option<String>,
}

/// Unpacked below `scratch` for `arch` (Debian's name: amd64), with the tables that loading of modules needs.
pub fn obtain(wanted: &KernelPackage, arch: &str, scratch: &Path, progress: &Progress) -> Result<KernelTree> {
    let files = match &wanted.packages[..] {
        [name] if !is_file(name) => download(name, wanted, arch, scratch, progress)?,
        files => files.iter().map(PathBuf::from).collect(),
    };
    let root = scratch.join("kernel");
    let mut origin = Vec::new();
    for deb in &files {
        if !deb.is_file() {
            return Err(Failure::usage(format!(
                "expected a kernel package in {}, there is no such file",
                deb.display()
            )));
        }
        progress.line(&format!("unpacking {}", deb.display()));
        let mut command = Command::new("dpkg-deb");
        command.arg("--extract").arg(deb).arg(&root);
        process::run(command, "dpkg", DEADLINE, |_| {}).map_err(|e| Failure::usage(e.message))?;
        let mut command = Command::new("dpkg-deb");
        command.arg("--show").arg("--showformat=${Package} ${Version}\\n").arg(deb);
        process::run(command, "dpkg", DEADLINE, |line| origin.push(line.to_owned()))?;
    }
    let tree = KernelTree::open(&root, origin.join(", ")).map_err(|e| {
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        Failure::usage(format!("{} holds no kernel to use: {}", names.join(", "), chain(&e)))
    })?;
    // A package has none of them: they are made when it is installed. depmod knows one of the two places, as it was built.
    for (place, other, to) in [("lib", "usr/lib/modules", "usr/lib"), ("usr/lib", "lib/modules", "../lib")] {
        let (place, other) = (tree.root.join(place), tree.root.join(other));
        if other.is_dir() && !place.exists() {
            let made = place.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.and_then(|()| std::os::unix::fs::symlink(to, &place)).map_err(Failure::io("make a link", &place))?;
        }
    }
    let mut command = Command::new("depmod");
    command.arg("--basedir").arg(&tree.root).arg(&tree.release);
    process::run(command, "kmod", DEADLINE, |_| {})?;
    progress.line(&format!("kernel {} of {}", tree.release, tree.origin));
    Ok(tree)
}

fn is_file(package: &str) -> bool {
    package.contains('/') || package.ends_with(".deb")
}

/// The modules as a tar to be laid over a root: only what is below lib/modules/RELEASE, so that a `lib` that is a link stays one.
pub fn modules_tar(tree: &KernelTree, scratch: &Path) -> Result<PathBuf> {
    let out = scratch.join("modules.tar");
    let base = ["lib/modules", "usr/lib/modules"].into_iter().find(|b| tree.root.join(b).join(&tree.release).is_dir());
    let mut command = Command::new("tar");
    command.arg("--create").arg("--file").arg(&out).arg("--directory").arg(&tree.root);
    command.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--mode=u=rwX,go=rX"]);
    command.args(["--format=pax", "--pax-option=delete=atime,delete=ctime", "--transform=s,^usr/lib/,lib/,"]);
    command.arg("--").arg(format!("{}/{}", base.unwrap_or("lib/modules"), tree.release)).env("LC_ALL", "C.UTF-8");
    process::run(command, "tar", DEADLINE, |_| {})?;
    Ok(out)
}

/// A folder as a tar, with owners, modes and extended attributes.
pub fn root_tar(root: &Path, scratch: &Path, progress: &Progress) -> Result<PathBuf> {
    progress.line(&format!("packing {}", root.display()));
    let out = scratch.join("root.tar");
    let mut command = Command::new("tar");
    command.arg("--create").arg("--file").arg(&out).arg("--directory").arg(root);
    command.args(["--sort=name", "--numeric-owner", "--format=pax", "--pax-option=delete=atime,delete=ctime"]);
    command.args(["--xattrs", "--xattrs-include=*", "--", "."]).env("LC_ALL", "C.UTF-8");
    process::run(command, "tar", DEADLINE, |_| {})?;
    Ok(out)
}

/// The package and the parts of the kernel that it depends on.
fn download(
    name: &str,
    wanted: &KernelPackage,
    arch: &str,
    scratch: &Path,
    progress: &Progress,
) -> Result<Vec<PathBuf>> {
    let word = |text: &str| {
        text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    if !word(name) || !word(&wanted.suite) {
        return Err(Failure::usage(format!(
            "expected a package file (.deb) or the name of a package like linux-image-amd64, of a suite like bookworm; got {name:?} \
             of {:?}",
            wanted.suite
        )));
    }
    let apt = Apt::prepare(wanted, arch, &scratch.join("apt"))?;
    progress.line(&format!("looking for {name} of {}", wanted.suite));
    process::run(apt.command("apt-get", &["-q", "update"]), "apt", DEADLINE, |_| {})?;
    let mut packages = BTreeSet::from([name.to_owned()]);
    let mut open = vec![name.to_owned()];
    while let Some(package) = open.pop() {
        let mut command = apt.command("apt-cache", &["depends", "--important"]);
        command.arg(&package);
        let mut needs = Vec::new();
        process::run(command, "apt", DEADLINE, |line| needs.extend(dependency(line))).map_err(|e| {
            let text = format!("expected a kernel package {name} in {}, apt finds none: {}", wanted.suite, e.message);
            Failure::usage(text)
        })?;
        for need in needs {
            if packages.len() < MOST_PACKAGES && packages.insert(need.clone()) {
                open.push(need);
            }
        }
    }
    let list: Vec<&str> = packages.iter().map(String::as_str).collect();
    progress.line(&format!("downloading {}", list.join(", ")));
    let mut command = apt.command("apt-get", &["-q", "download"]);
    command.args(&list).current_dir(&apt.debs);
    process::run(command, "apt", DEADLINE, |_| {})?;
    let mut debs: Vec<PathBuf> =
        std::fs::read_dir(&apt.debs).map_err(Failure::io("read", &apt.debs))?.flatten().map(|e| e.path()).collect();
    debs.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    debs.sort();
    Ok(debs)
}

/// `  Depends: linux-image-6.1.0-56-amd64`, when it is a part of a kernel.
fn dependency(line: &str) -> Option<String> {
    let package = line.trim().strip_prefix("Depends: ")?;
    KERNEL_PARTS.iter().any(|part| package.starts_with(part)).then(|| package.to_owned())
}

/// apt with lists, cache and state of its own.
struct Apt {
    config: PathBuf,
    debs: PathBuf,
}

impl Apt {
    fn prepare(wanted: &KernelPackage, arch: &str, home: &Path) -> Result<Self> {
        let sources = match &wanted.mirror {
            Some(mirror) => signed(apt::of_mirror(mirror, &wanted.suite)),
            None => apt::of_machine(&wanted.suite),
        };
        if sources.is_empty() {
            return Err(Failure::usage(format!(
                "expected package sources for {}, this machine's apt has none: give a mirror with --kernel-mirror URL, e.g. \
                 http://deb.debian.org/debian",
                wanted.suite
            )));
        }
        for folder in ["lists/partial", "cache/archives/partial", "empty", "debs"] {
            let path = home.join(folder);
            std::fs::create_dir_all(&path).map_err(Failure::io("make the folder", &path))?;
        }
        let put = |name: &str, text: String| {
            let path = home.join(name);
            std::fs::write(&path, text).map_err(Failure::io("write", &path)).map(|()| path)
        };
        put("status", String::new())?;
        put("sources.list", sources.join("\n") + "\n")?;
        let dir = home.display();
        let config = format!(
            "APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\nAPT::Sandbox::User \"root\";\n\
             Acquire::Retries \"3\";\nAcquire::Languages \"none\";\nDir::State \"{dir}\";\nDir::State::lists \"{dir}/lists\";\n\
             Dir::State::status \"{dir}/status\";\nDir::Cache \"{dir}/cache\";\nDir::Etc::sourcelist \"{dir}/sources.list\";\n\
             Dir::Etc::sourceparts \"{dir}/empty\";\nDir::Etc::preferences \"{dir}/none\";\n\
             Dir::Etc::preferencesparts \"{dir}/empty\";\n"
        );
        Ok(Self { config: put("apt.conf", config)?, debs: home.join("debs") })
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("APT_CONFIG", &self.config).env("LC_ALL", "C.UTF-8");
        command
    }
}

/// With the keys of the distributions, as far as this machine has them.
fn signed(lines: Vec<String>) -> Vec<String> {
    let keys: Vec<&str> = KEYRINGS.into_iter().filter(|path| Path::new(path).is_file()).collect();
    if keys.is_empty() {
        return lines;
    }
    let option = format!("deb [signed-by={}] ", keys.join(","));
    lines.into_iter().map(|line| line.replacen("deb ", &option, 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_kernel() {
        let part = |line| dependency(line);
        assert_eq!(part("  Depends: linux-image-6.1.0-56-amd64").as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(part("  Depends: linux-modules-6.8.0-1-generic").as_deref(), Some("linux-modules-6.8.0-1-generic"));
        for other in ["  Depends: kmod", " |Depends: linux-initramfs-tool", "linux-image-amd64", "  Depends: <x>"] {
            assert_eq!(part(other), None, "{other}");
        }
        assert!(is_file("./linux-image") && is_file("a.deb") && !is_file("linux-image-amd64"));
    }
}
