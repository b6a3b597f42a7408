//! What no image may lack, told in the same words wherever the image is from: a folder, a tar file, a squashfs, an OCI image.

use super::{Home, RELEASE, bzimage, empty_server, oci, text, tree};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "CONFIG_64BIT=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_BLK_DEV_LOOP=m\n";
const NO_INITRD: &str = "CONFIG_64BIT=y\n# CONFIG_BLK_DEV_INITRD is not set\n";

/// A kernel that has its configuration in itself (CONFIG_IKCONFIG=y), packed by gzip.
fn kernel_with(config: &str) -> Vec<u8> {
    let gzip = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let inside = [b"code IKCFG ".as_slice(), b"IKCFG_ST", &gzip(config.as_bytes()), b"IKCFG_ED"].concat();
    let (mut image, payload) = (bzimage(), gzip(&inside));
    let at = 5 * 512 + 0x100;
    image[at..at + payload.len()].copy_from_slice(&payload);
    image
}

fn elf(machine: u8) -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18] = machine;
    elf
}

fn program(path: &Path, content: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The tree of `root` by every way into an image; each answer with the way's name.
fn ways(home: &Home) -> Vec<(&'static str, Output)> {
    let root = home.path("root");
    let run = |more: &[&str]| home.run(&[&["image", "import", "--name", "t", "--version", "1"], more].concat());
    let (kernel, squashfs) = (home.path("kernel"), home.path("root.squashfs"));
    std::fs::copy(root.join(format!("boot/vmlinuz-{RELEASE}")), &kernel).unwrap();
    let _ = std::fs::remove_file(&squashfs);
    let packed = Command::new("mksquashfs").arg(&root).arg(&squashfs).args(["-quiet", "-no-progress"]).status();
    assert!(packed.unwrap().success());
    let whole = oci::tar(&["--owner=0", "--group=0", "."], &root);
    let saved = oci::save(home, std::slice::from_ref(&whole));
    std::fs::write(home.path("root.tar"), &whole).unwrap();
    let all = vec![
        ("folder", run(&[root.to_str().unwrap()])),
        ("squashfs", run(&["--kernel", kernel.to_str().unwrap(), "--rootfs", squashfs.to_str().unwrap()])),
        ("oci", oci::import(home, saved.to_str().unwrap(), "out", &[])),
        ("tar", run(&[home.path("root.tar").to_str().unwrap()])),
    ];
    assert_eq!(home.left_over(), 0);
    all
}

fn refused(home: &Home, words: &[&str]) {
    let sent = || home.fake.lines().iter().filter(|line| !line.starts_with("GET")).count();
    let before = sent();
    for (way, done) in ways(home) {
        assert_eq!(done.status.code(), Some(2), "{way}: {}", text(&done.stderr));
        for word in words {
            assert!(text(&done.stderr).contains(word), "{way}: {word}: {}", text(&done.stderr));
        }
    }
    assert_eq!(sent(), before, "something was sent");
}

fn made(home: &Home, words: &[&str], not: &[&str]) {
    for (way, done) in ways(home) {
        assert!(done.status.success(), "{way}: {}", text(&done.stderr));
        let told = text(&done.stderr);
        assert!(words.iter().all(|word| told.contains(word)), "{way}: {words:?}: {told}");
        assert!(!not.iter().any(|word| told.contains(word)), "{way}: {not:?}: {told}");
    }
}

fn home() -> Home {
    let home = Home::new(empty_server);
    std::fs::create_dir(home.path("root")).unwrap();
    tree(&home.path("root"));
    std::fs::remove_file(home.path("root/noise")).unwrap();
    home
}

#[test]
fn a_root_without_a_program_that_starts_it() {
    let home = home();
    let init = home.path("root/sbin/init");
    std::fs::set_permissions(&init, PermissionsExt::from_mode(0o644)).unwrap();
    refused(&home, &["/sbin/init may not be run"]);
    std::fs::remove_file(&init).unwrap();
    refused(&home, &["no /sbin/init", "made for containers", "systemd-sysv"]);
    // This machine's program is none of the image's.
    symlink("/../../../../../../../bin/true", &init).unwrap();
    refused(&home, &["no /sbin/init"]);
    std::fs::remove_file(&init).unwrap();
    program(&init, b"#!/no/such/shell -e\n");
    refused(&home, &["/no/such/shell", "/sbin/init is a script"]);
    std::fs::remove_file(&init).unwrap();
    std::fs::create_dir(home.path("root/usr/lib/systemd")).unwrap();
    program(&home.path("root/usr/lib/systemd/systemd"), &elf(62));
    symlink("/lib/systemd/systemd", &init).unwrap();
    made(&home, &["warning:", "systemd without systemd-networkd"], &[]);
    program(&home.path("root/usr/lib/systemd/systemd-networkd"), &elf(62));
    made(&home, &[], &["systemd-networkd"]);
}

#[test]
fn a_kernel_that_takes_no_initramfs() {
    let home = home();
    let kernel = home.path(&format!("root/boot/vmlinuz-{RELEASE}"));
    let config = home.path(&format!("root/usr/lib/modules/{RELEASE}/config"));
    made(&home, &["warning: no configuration", "CONFIG_BLK_DEV_INITRD", "warning: kernel", "network drivers"], &[]);
    std::fs::write(&config, CONFIG).unwrap();
    made(&home, &[], &["no configuration"]);
    std::fs::write(&config, NO_INITRD).unwrap();
    refused(&home, &["without CONFIG_BLK_DEV_INITRD", &format!("/lib/modules/{RELEASE}/config")]);
    // What the kernel says of itself counts for more than a file.
    std::fs::write(&kernel, kernel_with(CONFIG)).unwrap();
    made(&home, &[], &["no configuration"]);
    std::fs::write(&config, CONFIG).unwrap();
    std::fs::write(&kernel, kernel_with(NO_INITRD)).unwrap();
    refused(&home, &["without CONFIG_BLK_DEV_INITRD", "the configuration in "]);

    // With an initrd of its own it is no better.
    std::fs::write(home.path("initrd"), "x").unwrap();
    let (kernel, initrd) = (kernel.to_str().unwrap(), home.path("initrd"));
    let args = ["image", "import", "--name", "t", "--version", "2", "--kernel", kernel, "--initrd"];
    let done = home.run(&[&args[..], &[initrd.to_str().unwrap()]].concat());
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("CONFIG_BLK_DEV_INITRD=y"), "{}", text(&done.stderr));
}

#[test]
fn a_kernel_that_cannot_mount_the_root() {
    let home = home();
    let modules = home.path(&format!("root/usr/lib/modules/{RELEASE}"));
    std::fs::write(modules.join("modules.builtin"), "kernel/fs/squashfs/squashfs.ko\n").unwrap();
    std::fs::write(modules.join("config"), CONFIG).unwrap();
    let loops = "loop (CONFIG_BLK_DEV_LOOP=m, and the module's file is not there)";
    refused(&home, &[RELEASE, loops, "overlay (CONFIG_OVERLAY_FS is off)", "linux-modules-extra"]);
}

#[test]
fn one_architecture_throughout() {
    let home = home();
    program(&home.path("root/bin/sh"), &elf(183));
    refused(&home, &["expected programs for x86_64", "/bin/sh", "aarch64"]);
    program(&home.path("root/bin/sh"), &elf(62));
    let modules = home.path(&format!("root/usr/lib/modules/{RELEASE}"));
    let builtin = "kernel/drivers/block/loop.ko\nkernel/fs/squashfs/squashfs.ko\n";
    std::fs::write(modules.join("modules.builtin"), builtin).unwrap();
    std::fs::write(modules.join("modules.dep"), "kernel/overlay.ko:\nkernel/virtio_net.ko:\n").unwrap();
    std::fs::write(modules.join("kernel/virtio_net.ko"), elf(62)).unwrap();
    std::fs::write(modules.join("kernel/overlay.ko"), elf(183)).unwrap();
    refused(&home, &["expected modules for x86_64", "aarch64"]);
    std::fs::write(modules.join("kernel/overlay.ko"), elf(62)).unwrap();
    made(&home, &[], &["network drivers"]);
}
