//! `image import FILE.iso` as a program that is not root: known layouts, paths that a person gives, and images that are cut off.

use super::oci::{files, import_of};
use super::{Home, bzimage, empty_server, text, tree};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// An ISO of a folder, as `xorriso` makes one.
fn iso(folder: &Path, out: &Path, more: &[&str]) {
    let made =
        Command::new("xorriso").args(["-as", "mkisofs", "-quiet"]).args(more).arg("-o").arg(out).arg(folder).output();
    let made = made.expect("xorriso is missing: scripts/setup installs it");
    assert!(made.status.success(), "{}", text(&made.stderr));
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
}

fn import(home: &Home, file: &str, out: &str, more: &[&str]) -> Output {
    let file = home.path(file);
    import_of(home, out, &[&[file.to_str().unwrap()], more].concat())
}

fn read(home: &Home, path: &str) -> Vec<u8> {
    std::fs::read(home.path(path)).unwrap()
}

/// A squashfs with modules and an init.
fn squashfs(home: &Home) -> Vec<u8> {
    let (root, packed) = (home.path("root"), home.path("filesystem.squashfs"));
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::write(root.join("noise"), "no more").unwrap();
    let made = Command::new("mksquashfs").arg(&root).arg(&packed).args(["-quiet", "-no-progress"]).status();
    assert!(made.unwrap().success());
    std::fs::read(packed).unwrap()
}

#[test]
fn what_distributions_make_is_found_by_itself() {
    let home = Home::new(empty_server);
    let squashfs = squashfs(&home);
    let initrd = b"an initrd".repeat(1000);
    let kernel = bzimage();
    for (name, paths) in [
        ("debian-live", &["live/vmlinuz-6.1", "live/initrd.img-6.1", "live/filesystem.squashfs"][..]),
        ("casper", &["casper/vmlinuz", "casper/initrd", "casper/filesystem.squashfs"]),
        ("layers", &["casper/vmlinuz", "casper/initrd", "casper/minimal.squashfs"]),
        ("netinst", &["install.amd/vmlinuz", "install.amd/initrd.gz", "pool/a"]),
        ("alpine", &["boot/vmlinuz-lts", "boot/initramfs-lts", "boot/modloop-lts"]),
    ] {
        let folder = home.path(&format!("{name}.d"));
        for (path, bytes) in paths.iter().zip([&kernel, &initrd, &squashfs]) {
            write(&folder.join(path), bytes);
        }
        iso(&folder, &home.path(&format!("{name}.iso")), &["-R", "-J"]);
        let done = import(&home, &format!("{name}.iso"), name, &[]);
        assert!(done.status.success(), "{name}: {}", text(&done.stderr));
        assert!(read(&home, &format!("{name}/vmlinuz")) == kernel, "{name}");
        if paths[2].ends_with("/filesystem.squashfs") {
            assert_eq!(
                files(&home.path(name)),
                ["contents.zst", "image.json", "modules.img", "rootfs.squashfs", "vmlinuz"],
                "{name}"
            );
            assert!(read(&home, &format!("{name}/rootfs.squashfs")) == squashfs, "{name}");
        } else {
            assert_eq!(files(&home.path(name)), ["image.json", "initrd.img", "vmlinuz"], "{name}");
            assert!(read(&home, &format!("{name}/initrd.img")) == initrd, "{name}");
        }
        assert_eq!(home.left_over(), 0);
    }
}

#[test]
fn paths_are_those_of_the_image_with_or_without_rock_ridge() {
    let home = Home::new(empty_server);
    let folder = home.path("d");
    let long = "a-name-that-is-much-longer-than-iso-9660-takes-without-rock-ridge".repeat(3);
    write(&folder.join(&long).join("Kernel of mine"), &bzimage());
    write(&folder.join("deep/1/2/3/4/5/6/7/8/9/initrd"), b"the initrd");
    symlink(format!("../{long}/../{long}/Kernel of mine"), folder.join("deep/linux")).unwrap();
    symlink("/etc", folder.join("out")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    iso(&folder, &home.path("x.iso"), &["-R"]);
    let initrd = ["--initrd", "/deep/1/2/3/4/5/6/7/8/9/initrd"];
    let done = import(&home, "x.iso", "out1", &[&["--kernel", "deep/linux"], &initrd[..]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(read(&home, "out1/vmlinuz") == bzimage() && read(&home, "out1/initrd.img") == b"the initrd");

    let refused = |more: &[&str], words: &[&str]| {
        let done = import(&home, "x.iso", "out2", more);
        assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
        assert!(words.iter().all(|word| text(&done.stderr).contains(word)), "{words:?}: {}", text(&done.stderr));
        assert_eq!((files(&home.path("out2")).len(), home.left_over()), (0, 0));
    };
    refused(&[], &["deep", "--kernel PATH with --initrd PATH or --squashfs PATH"]);
    refused(&[&["--kernel", "deep/nothing"], &initrd[..]].concat(), &["/deep/nothing", "in /deep there are: 1, linux"]);
    for path in ["out/hostname", "loop", "deep", "../x.iso"] {
        refused(&[&["--kernel", path], &initrd[..]].concat(), &["there is none"]);
    }
    refused(&["--kernel", "deep/linux"], &["one of --initrd and --squashfs"]);
    refused(&["--kernel", "deep/1/2/3/4/5/6/7/8/9/initrd", initrd[0], initrd[1]], &["no kernel that can be booted"]);
    refused(&["--kernel", "deep/linux", "--squashfs", initrd[1]], &["expected a squashfs or an erofs"]);

    // Names in capitals, as old readers have them.
    let plain = home.path("plain");
    write(&plain.join("boot/linux"), &bzimage());
    write(&plain.join("boot/initrd.gz"), b"the initrd");
    iso(&plain, &home.path("plain.iso"), &["--norock", "-iso-level", "2"]);
    let done = import(&home, "plain.iso", "out3", &["--kernel", "boot/linux", "--initrd", "boot/initrd.gz"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(read(&home, "out3/vmlinuz") == bzimage());
}

#[test]
fn an_image_that_is_cut_off_or_damaged_is_refused_and_leaves_nothing() {
    let home = Home::new(empty_server);
    let folder = home.path("d");
    write(&folder.join("install.amd/vmlinuz"), &bzimage());
    write(&folder.join("install.amd/initrd.gz"), &b"initrd".repeat(50_000));
    iso(&folder, &home.path("whole.iso"), &["-R"]);
    let whole = read(&home, "whole.iso");
    let refused = |bytes: &[u8], word: &str| {
        std::fs::write(home.path("bad.iso"), bytes).unwrap();
        let done = import(&home, "bad.iso", "out", &[]);
        assert_eq!(done.status.code(), Some(2), "{word}: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains(word), "{word}: {}", text(&done.stderr));
        assert_eq!((files(&home.path("out")).len(), home.left_over()), (0, 0));
    };
    for length in [whole.len() / 2, whole.len() - 1, 17 * 2048] {
        refused(&whole[..length], "it was cut off");
    }
    refused(&whole[..16 * 2048 + 10], "it was cut off");
    let change = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    // It says that it is shorter: what it has is still looked for where it is.
    let shorter = change(16 * 2048 + 80, &20u32.to_le_bytes());
    refused(&shorter[..whole.len() / 3], "it was cut off");
    refused(&change(16 * 2048 + 128, &512u16.to_le_bytes()), "expected blocks of 2048 bytes, it has 512");
    refused(&change(16 * 2048 + 156 + 2, &u32::MAX.to_le_bytes()), "it was cut off or is damaged");
    refused(&change(16 * 2048 + 156 + 10, &u32::MAX.to_le_bytes()), "a folder of 4294967295 bytes");
    refused(&change(16 * 2048, &[255]), "no primary volume descriptor");
}
