//! What the lab boots, made once and cached by a hash of how it is made: `tiny`, a root file system of busybox that says
//! on the console that it is up; `hang`, a kernel whose init never gets anywhere; and a busybox initramfs for testing
//! the lab itself. Real Debian is built by the product's own command.

use crate::kernel::{self, Kernel};
use crate::programs::{cache, run};
use crate::{Context, LabError, LabResult};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BUSYBOX: &str = "/bin/busybox";
/// What `tiny` writes on the console when it is up, before its host name.
pub const TINY_UP: &str = "tiny: up as ";
/// What `hang` writes before it hangs.
pub const HANG_UP: &str = "hang: not going anywhere";
/// Modules that a second stage may need from an image, with what they depend on.
const MODULES: &[&str] = &[
    "loop",
    "squashfs",
    "erofs",
    "crc32c_generic",
    "overlay",
    "virtio_net",
    "virtio_pci",
    "virtio_blk",
    "e1000e",
    "e1000",
];

const TINY_INIT: &str = r#"#!/bin/sh
# Takes over from the second stage: address by DHCP where there is none yet, then says that it is up.
export PATH=/bin
for place in proc sys dev run tmp; do mkdir -p /$place; done
[ -e /proc/self ] || mount -t proc proc /proc
[ -e /sys/class ] || mount -t sysfs sysfs /sys
[ -e /dev/null ] || mount -t devtmpfs devtmpfs /dev
[ -s /etc/hostname ] && hostname -F /etc/hostname
ip link set lo up
modprobe -a virtio_pci virtio_net
for card in /sys/class/net/*; do
    name=${card##*/}
    [ "$name" = lo ] && continue
    ip link set "$name" up
    ip -4 addr show dev "$name" | grep -q inet || udhcpc -q -n -t 10 -i "$name" -s /bin/udhcpc.script
done
echo "tiny: up as $(hostname)" >/dev/console
# A shell on the second serial line, where the kernel has a console there: for the lab of Serial over LAN.
grep -q ttyS1 /proc/consoles && while :; do setsid sh -c 'while read -r line; do eval "$line"; done </dev/ttyS1 >/dev/ttyS1 2>&1'; sleep 1; done &
# What busybox's reboot(8) asks of its init.
trap 'sync; reboot -f' TERM
while :; do sleep 60 & wait $!; done
"#;
const UDHCPC: &str = r#"#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -n "$router" ] && ip route add default via "${router%% *}" dev "$interface"
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
"#;
const HANG_INIT: &str = "#!/bin/sh\necho \"hang: not going anywhere\"\nwhile :; do sleep 60; done\n";
const HELLO_INIT: &str = "#!/bin/sh\necho \"hello: first process\"\nwhile :; do sleep 60; done\n";

/// What the lab's installer writes on the console at its end.
pub const INSTALLED: &str = "installer: done";
/// What a disk that it has written writes when it is booted.
pub const DISK_UP: &str = "disk: up";
/// An installer: gets the answer file that its command line names, which is a shell script, runs it, calls and restarts.
/// With `mute` on its command line it never calls, and hangs.
const INSTALLER_INIT: &str = r#"#!/bin/sh
export PATH=/bin
for place in proc sys dev tmp; do mkdir -p /$place; done
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
modprobe -a virtio_pci virtio_net virtio_blk
ip link set eth0 up
udhcpc -q -n -t 20 -i eth0 -s /bin/udhcpc.script || echo "installer: no address"
for word in $(cat /proc/cmdline); do
    case $word in answer=*) answer=${word#*=};; done=*) called=${word#*=};; mute) mute=1;; esac
done
echo "installer: started"
[ -n "$mute" ] && while :; do sleep 60; done
wget -q -O /tmp/answer "$answer" && sh -e /tmp/answer && sync || { echo "installer: failed"; while :; do sleep 60; done; }
wget -q -O /dev/null --post-data= "$called" && echo "installer: done"
sleep 1
reboot -f
"#;

/// A shell line that writes a disk which, booted by a BIOS, says [`DISK_UP`] on the first serial line and halts.
pub fn bootable_disk(device: &str) -> String {
    // cli; xor ax,ax; mov ds,ax; mov si,text; mov dx,0x3f8; next: lodsb; test al,al; jz end; out dx,al; jmp next;
    // end: hlt; jmp end
    let code: [u8; 22] = [
        0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x16, 0x7c, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb,
        0xf8, 0xf4, 0xeb, 0xfd,
    ];
    let mut sector = code.to_vec();
    sector.extend(format!("\r\n{DISK_UP}\r\n\0").bytes());
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    let octal: String = sector.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}' | dd of={device} conv=notrunc 2>/dev/null")
}

/// A kernel and its initramfs, as files.
#[derive(Debug, Clone)]
pub struct KernelAndInitrd {
    /// bzImage.
    pub kernel: PathBuf,
    /// cpio.
    pub initrd: PathBuf,
}

/// A directory tree with a kernel in /boot, a few modules, busybox and `TINY_INIT`: for `higuma image import`.
pub fn tiny() -> LabResult<PathBuf> {
    let kernel = kernel::debian()?;
    let recipe = [TINY_INIT, UDHCPC, kernel.release.as_str(), &MODULES.join(" ")];
    cached("tiny", &recipe, |root| {
        busybox(root)?;
        script(&root.join("sbin/init"), TINY_INIT)?;
        script(&root.join("bin/udhcpc.script"), UDHCPC)?;
        std::fs::write(root.join("etc/os-release"), "NAME=tiny\nID=tiny\nPRETTY_NAME=\"Tiny of the Higuma lab\"\n")?;
        std::fs::write(root.join("etc/hostname"), "unnamed\n")?;
        std::fs::create_dir_all(root.join("boot"))?;
        std::fs::copy(&kernel.image, root.join(format!("boot/vmlinuz-{}", kernel.release)))?;
        copy_modules(&kernel, root)
    })
}

/// As the initrds of distributions do: makes another root in memory, goes into it, and takes the first one away.
const WHOLE_INIT: &str = r#"#!/bin/sh
export PATH=/bin
[ -e /proc/self ] && echo "whole: /proc was there"
mount -t proc proc /proc
mkdir /new
mount -t tmpfs tmpfs /new
cp -a /bin /sbin /etc /lib /root /new/
mkdir /new/proc /new/sys /new/dev /new/run /new/tmp
mount -o move /proc /new/proc
exec switch_root /new /sbin/init
"#;

/// [`tiny`] as one initramfs, and its kernel: the whole system is in it.
pub fn whole() -> LabResult<KernelAndInitrd> {
    let kernel = kernel::debian()?;
    let tiny = tiny()?;
    let home = cached("whole", &[&tiny.display().to_string(), WHOLE_INIT], |home| {
        let root = home.join("root");
        run(Command::new("cp").arg("-a").arg(&tiny).arg(&root))?;
        std::fs::remove_dir_all(root.join("boot"))?;
        script(&root.join("init"), WHOLE_INIT)?;
        cpio(&root, &home.join("initrd.img"))?;
        std::fs::copy(&kernel.image, home.join("vmlinuz"))?;
        Ok(())
    })?;
    Ok(KernelAndInitrd { kernel: home.join("vmlinuz"), initrd: home.join("initrd.img") })
}

/// A tree like [`tiny`], grown by a file of `mib` MiB that does not compress: an image of a certain size.
pub fn large(mib: usize) -> LabResult<PathBuf> {
    let tiny = tiny()?;
    let size = mib.to_string();
    cached("large", &[&tiny.display().to_string(), &size], |root| {
        run(Command::new("cp").arg("-a").arg(tiny.join(".")).arg(root))?;
        let mut file = std::fs::File::create(root.join("ballast"))?;
        let mut block = Sha256::digest(b"higuma").to_vec();
        for _ in 0..mib {
            let mut chunk = Vec::with_capacity(1024 * 1024);
            while chunk.len() < 1024 * 1024 {
                block = Sha256::digest(&block).to_vec();
                chunk.extend_from_slice(&block);
            }
            file.write_all(&chunk)?;
        }
        Ok(())
    })
}

/// A kernel with an init that hangs before anything is up.
pub fn hang() -> LabResult<KernelAndInitrd> {
    with_init("hang", HANG_INIT)
}

/// A kernel with an init that says hello: for testing the lab itself.
pub fn hello() -> LabResult<KernelAndInitrd> {
    with_init("hello", HELLO_INIT)
}

/// A small installer, see `INSTALLER_INIT`.
pub fn installer() -> LabResult<KernelAndInitrd> {
    let kernel = kernel::debian()?;
    let recipe = [INSTALLER_INIT, UDHCPC, kernel.release.as_str(), &MODULES.join(" ")];
    let home = cached("installer", &recipe, |home| {
        let root = home.join("root");
        busybox(&root)?;
        script(&root.join("init"), INSTALLER_INIT)?;
        script(&root.join("bin/udhcpc.script"), UDHCPC)?;
        copy_modules(&kernel, &root)?;
        cpio(&root, &home.join("initrd.img"))?;
        std::fs::copy(&kernel.image, home.join("vmlinuz"))?;
        Ok(())
    })?;
    Ok(KernelAndInitrd { kernel: home.join("vmlinuz"), initrd: home.join("initrd.img") })
}

fn with_init(name: &str, init: &str) -> LabResult<KernelAndInitrd> {
    let kernel = kernel::debian()?;
    let home = cached(name, &[init, &kernel.release], |home| {
        let root = home.join("root");
        busybox(&root)?;
        script(&root.join("init"), init)?;
        cpio(&root, &home.join("initrd.img"))?;
        std::fs::copy(&kernel.image, home.join("vmlinuz"))?;
        Ok(())
    })?;
    Ok(KernelAndInitrd { kernel: home.join("vmlinuz"), initrd: home.join("initrd.img") })
}

/// `$HIGUMA_CACHE/images/NAME-HASH`, made by `make` when it is not there; whole or not there at all.
fn cached(name: &str, recipe: &[&str], make: impl FnOnce(&Path) -> LabResult) -> LabResult<PathBuf> {
    let hash = hex::encode(Sha256::digest(recipe.join("\0").as_bytes()));
    let images = cache().join("images");
    std::fs::create_dir_all(&images).context(format!("making {}", images.display()))?;
    let home = images.join(format!("{name}-{}", &hash[..12]));
    if home.is_dir() {
        return Ok(home);
    }
    let making = tempfile::Builder::new().prefix("making-").tempdir_in(&images).context("making a folder")?;
    let root = making.path().join("root");
    std::fs::create_dir(&root)?;
    make(&root).context(format!("making the image {name}"))?;
    // Another test may have been faster: then its folder is as good.
    match std::fs::rename(&root, &home) {
        Err(error) if !home.is_dir() => Err(LabError::new(format!("moving to {}: {error}", home.display()))),
        _ => Ok(home),
    }
}

/// A small root: busybox under all its names, and the usual folders.
fn busybox(root: &Path) -> LabResult {
    for dir in ["bin", "sbin", "etc", "proc", "sys", "dev", "run", "tmp", "root"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).context("copying busybox (package busybox-static)")?;
    let list = run(Command::new(BUSYBOX).arg("--list"))?;
    for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(name))?;
    }
    Ok(())
}

fn script(path: &Path, text: &str) -> LabResult {
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

/// An uncompressed newc archive of a tree, by Debian's own cpio: an oracle for ours.
fn cpio(root: &Path, target: &Path) -> LabResult {
    let list = run(Command::new("find").args([".", "-mindepth", "1"]).current_dir(root))?.stdout;
    let mut child = Command::new("cpio")
        .args(["--quiet", "-o", "-H", "newc", "-R", "0:0"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(target)?)
        .spawn()
        .context("starting cpio")?;
    child.stdin.take().context("cpio has no input")?.write_all(&list)?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(LabError::new(format!("cpio ended with {status}"))) }
}

/// Copies `MODULES` with what they need, then lets depmod write its indexes as an installed system has them.
fn copy_modules(kernel: &Kernel, root: &Path) -> LabResult {
    let target = root.join("lib/modules").join(&kernel.release);
    std::fs::create_dir_all(&target)?;
    for file in with_dependencies(&kernel.modules, MODULES)? {
        let to = target.join(file.strip_prefix(&kernel.modules).context("a module outside its folder")?);
        std::fs::create_dir_all(to.parent().context("a module without a folder")?)?;
        std::fs::copy(&file, to)?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        std::fs::copy(kernel.modules.join(name), target.join(name)).context(name)?;
    }
    run(Command::new("depmod").arg("-b").arg(root).arg(&kernel.release)).context("depmod (package kmod)").map(drop)
}

/// The files of the named modules and of those that they depend on. A name without a file is built into the kernel.
fn with_dependencies(modules: &Path, wanted: &[&str]) -> LabResult<BTreeSet<PathBuf>> {
    let list = run(Command::new("find").arg(modules).args(["-name", "*.ko"]))?.stdout;
    let list = String::from_utf8_lossy(&list).into_owned();
    let files: BTreeMap<String, PathBuf> =
        list.lines().map(PathBuf::from).filter_map(|path| Some((module_name(&path)?, path))).collect();
    let mut chosen = BTreeSet::new();
    let mut todo: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = todo.pop() {
        if let Some(path) = files.get(&name)
            && chosen.insert(path.clone())
        {
            todo.extend(depends(&std::fs::read(path)?));
        }
    }
    Ok(chosen)
}

/// `virtio_net` of `.../virtio_net.ko`; the kernel takes `-` and `_` as one.
fn module_name(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.replace('-', "_"))
}

/// The names in a module's `depends=` field.
fn depends(module: &[u8]) -> Vec<String> {
    let field = b"\0depends=";
    let Some(at) = module.windows(field.len()).position(|window| window == field) else { return Vec::new() };
    let value = module[at + field.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let value = String::from_utf8_lossy(value).into_owned();
    value.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_sector_is_one_and_says_its_text() -> LabResult {
        let dir = tempfile::tempdir()?;
        let disk = dir.path().join("disk");
        std::fs::write(&disk, vec![0; 1024])?;
        run(Command::new(BUSYBOX).args(["sh", "-ec", &bootable_disk(&disk.display().to_string())]))?;
        let bytes = std::fs::read(&disk)?;
        assert_eq!((bytes.len(), &bytes[510..512]), (1024, &[0x55, 0xaa][..]));
        // What SI points to: the code begins at 0x7c00.
        let text = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]) - 0x7c00);
        assert!(bytes[text..].starts_with(b"\r\ndisk: up\r\n\0"));
        Ok(())
    }

    #[test]
    fn dependencies_are_read_from_the_module() {
        assert_eq!(depends(b"\0license=GPL\0depends=net-failover,virtio\0retpoline=Y\0"), ["net_failover", "virtio"]);
        assert!(depends(b"\0license=GPL\0depends=\0").is_empty());
        assert!(depends(b"nothing").is_empty());
    }
}
