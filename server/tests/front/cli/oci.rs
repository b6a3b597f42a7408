//! `image import --oci` as a program that is not root: the parts, the same ones twice, and refusals that leave nothing.

use super::{Home, RELEASE, bzimage, empty_server, text, tree};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOBODY: u32 = 65534;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes))
}

pub(super) fn tar(args: &[&str], from: &Path) -> Vec<u8> {
    let out = Command::new("tar")
        .arg("-C")
        .arg(from)
        .args(["--sort=name", "--mtime=@1000", "-cf", "-"])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    out.stdout
}

/// What `docker save` would write for these layers.
pub(super) fn save(home: &Home, layers: &[Vec<u8>]) -> PathBuf {
    let dir = home.path("saved");
    std::fs::create_dir_all(&dir).unwrap();
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } })
            .to_string();
    let name = format!("{}.json", sha256(config.as_bytes()));
    std::fs::write(dir.join(&name), &config).unwrap();
    let mut names = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        names.push(format!("{index}.tar"));
        std::fs::write(dir.join(&names[index]), layer).unwrap();
    }
    let manifest = json!([{ "Config": name, "RepoTags": ["os:1"], "Layers": names }]);
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let path = home.path("saved.tar");
    std::fs::write(&path, tar(&["."], &dir)).unwrap();
    path
}

/// As nobody, where the test itself is root.
pub(super) fn import(home: &Home, image: &str, out: &str, more: &[&str]) -> Output {
    import_of(home, out, &[&["--oci", image], more].concat())
}

/// The same of any source.
pub(super) fn import_of(home: &Home, out: &str, more: &[&str]) -> Output {
    let out = home.path(out);
    std::fs::create_dir_all(&out).unwrap();
    let args = ["image", "import", "--name", "t", "--version", "1", "--output", out.to_str().unwrap()];
    let program = home.path("higuma");
    if !program.exists() {
        // Where nobody may reach it.
        let built = env!("CARGO_BIN_EXE_higuma");
        std::fs::hard_link(built, &program).or_else(|_| std::fs::copy(built, &program).map(drop)).unwrap();
    }
    let mut command = home.command_of(&program, &[&args[..], more].concat());
    if nix::unistd::geteuid().is_root() {
        for folder in [home.path("."), home.path("tmp"), out] {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

pub(super) fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A layer with a system as `tree` makes it, and one over it.
fn system(home: &Home) -> PathBuf {
    let (root, upper) = (home.path("root"), home.path("upper"));
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    std::fs::write(root.join("noise"), "no more").unwrap();
    std::fs::create_dir_all(upper.join("sbin")).unwrap();
    std::fs::write(upper.join(".wh.noise"), "").unwrap();
    std::fs::write(upper.join("sbin/init"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(upper.join("sbin/init"), PermissionsExt::from_mode(0o4755)).unwrap();
    save(home, &[tar(&["--owner=0", "--group=0", "."], &root), tar(&["--owner=1234", "--group=99", "."], &upper)])
}

#[test]
fn an_image_becomes_the_same_parts_every_time() {
    let home = Home::new(empty_server);
    let image = system(&home);
    for out in ["one", "two"] {
        let done = import(&home, image.to_str().unwrap(), out, &[]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert_eq!(files(&home.path(out)), ["contents.zst", "image.json", "modules.img", "rootfs.squashfs", "vmlinuz"]);
    }
    let read = |path: &str| std::fs::read(home.path(path)).unwrap();
    assert!(read("one/rootfs.squashfs") == read("two/rootfs.squashfs"), "two imports, two root file systems");
    assert_eq!(read("one/image.json"), read("two/image.json"));
    assert_eq!(read("one/vmlinuz"), bzimage());
    let listed = Command::new("unsquashfs").arg("-lln").arg(home.path("one/rootfs.squashfs")).output().unwrap();
    let listed = text(&listed.stdout).to_owned();
    let has = |start: &str, end: &str| listed.lines().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(has("-rwsr-xr-x 1234/99", "squashfs-root/sbin/init"), "{listed}");
    assert!(
        has("drwxr-xr-x 1234/99", "squashfs-root") && has("-rw-r--r-- 0/0", "squashfs-root/etc/hostname"),
        "{listed}"
    );
    assert!(has("d", "squashfs-root/boot") && !listed.contains("vmlinuz") && !listed.contains("noise"), "{listed}");
    assert_eq!(home.left_over(), 0);
}

#[test]
fn what_cannot_boot_is_refused_and_leaves_nothing() {
    let home = Home::new(empty_server);
    let refused = |image: &str, more: &[&str], words: &[&str]| {
        let done = import(&home, image, "out", more);
        assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
        for word in words {
            assert!(text(&done.stderr).contains(word), "{word}: {}", text(&done.stderr));
        }
        assert_eq!((home.left_over(), files(&home.path("out")).len()), (0, 0), "something was left behind");
    };
    let upper = home.path("only");
    std::fs::create_dir_all(upper.join("bin")).unwrap();
    std::fs::write(upper.join("bin/sh"), "").unwrap();
    let container = save(&home, &[tar(&["."], &upper)]);
    refused(container.to_str().unwrap(), &[], &["no /sbin/init", "made for containers", "systemd-sysv"]);
    std::fs::write(upper.join("bin/init"), "").unwrap();
    std::fs::set_permissions(upper.join("bin/init"), PermissionsExt::from_mode(0o755)).unwrap();
    let no_kernel = save(&home, &[tar(&["."], &upper)]);
    refused(no_kernel.to_str().unwrap(), &[], &["--kernel FILE", "--modules-from DIR"]);
    std::fs::write(home.path("vmlinuz"), bzimage()).unwrap();
    let kernel = home.path("vmlinuz");
    refused(
        no_kernel.to_str().unwrap(),
        &["--kernel", kernel.to_str().unwrap()],
        &[RELEASE, "no modules", "--modules-from DIR"],
    );
    refused(
        no_kernel.to_str().unwrap(),
        &["--arch", "aarch64"],
        &["expected an image for linux/arm64", "has linux/amd64"],
    );
    refused("./nothing-here", &[], &["there is nothing"]);
    refused("Not A Name", &[], &["expected an image like debian:12"]);

    let evil = save(&home, &[tar(&["--transform=s,^,../,", "bin"], &upper)]);
    refused(evil.to_str().unwrap(), &[], &["`..`"]);
    let mut damaged = std::fs::read(&no_kernel).unwrap();
    let at = damaged.windows(7).position(|w| w == b"bin/sh\0").unwrap();
    damaged[at] = b'B';
    std::fs::write(&no_kernel, damaged).unwrap();
    refused(no_kernel.to_str().unwrap(), &[], &["layer 1 of 1"]);
}

#[test]
fn a_kernel_may_come_from_elsewhere() {
    let home = Home::new(empty_server);
    let root = home.path("root");
    std::fs::create_dir(&root).unwrap();
    tree(&root);
    let init = home.path("only/sbin");
    std::fs::create_dir_all(&init).unwrap();
    std::fs::write(init.join("init"), "").unwrap();
    std::fs::set_permissions(init.join("init"), PermissionsExt::from_mode(0o755)).unwrap();
    let image = save(&home, &[tar(&["."], &home.path("only"))]);
    let kernel = root.join(format!("boot/vmlinuz-{RELEASE}"));
    let more = ["--kernel", kernel.to_str().unwrap(), "--modules-from", root.to_str().unwrap()];
    let done = import(&home, image.to_str().unwrap(), "out", &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(std::fs::read(home.path("out/vmlinuz")).unwrap(), bzimage());
}
