//! `image import --kernel-package`: roots without a kernel (an OCI image, a folder, a tar) get one out of a package.

use super::{Home, RELEASE, bzimage, empty_server, oci, text};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A package as a distribution would make it; `boot` and `modules` say what is in it.
fn deb(home: &Home, name: &str, boot: bool, modules: bool) -> PathBuf {
    let root = home.path(name);
    std::fs::create_dir_all(root.join("DEBIAN")).unwrap();
    let control =
        format!("Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example>\nDescription: x\n");
    std::fs::write(root.join("DEBIAN/control"), control).unwrap();
    if boot {
        std::fs::create_dir(root.join("boot")).unwrap();
        std::fs::write(root.join(format!("boot/vmlinuz-{RELEASE}")), bzimage()).unwrap();
        let config = "CONFIG_64BIT=y\nCONFIG_BLK_DEV_INITRD=y\n";
        std::fs::write(root.join(format!("boot/config-{RELEASE}")), config).unwrap();
    }
    if modules {
        let folder = root.join(format!("lib/modules/{RELEASE}"));
        std::fs::create_dir_all(folder.join("kernel")).unwrap();
        std::fs::write(folder.join("modules.order"), "").unwrap();
        let builtin = "kernel/drivers/block/loop.ko\nkernel/fs/squashfs/squashfs.ko\nkernel/fs/overlayfs/overlay.ko\n";
        std::fs::write(folder.join("modules.builtin"), builtin).unwrap();
    }
    let out = home.path(&format!("{name}.deb"));
    let made = Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&root).arg(&out).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    out
}

/// A system of the merged kind, without a kernel.
fn root(home: &Home) -> PathBuf {
    let root = home.path("root");
    std::fs::create_dir_all(root.join("usr/lib")).unwrap();
    std::fs::create_dir(root.join("sbin")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    std::fs::write(root.join("sbin/init"), "").unwrap();
    std::fs::set_permissions(root.join("sbin/init"), PermissionsExt::from_mode(0o755)).unwrap();
    root
}

fn listing(squashfs: &Path) -> String {
    text(&Command::new("unsquashfs").arg("-lln").arg(squashfs).output().unwrap().stdout).to_owned()
}

fn told(done: &Output) -> &str {
    text(&done.stderr)
}

#[test]
fn a_root_without_a_kernel_gets_one() {
    let home = Home::new(empty_server);
    let (root, image, modules) = (root(&home), deb(&home, "image", true, false), deb(&home, "modules", false, true));
    let packages = ["--kernel-package", image.to_str().unwrap(), "--kernel-package", modules.to_str().unwrap()];
    let whole = oci::tar(&["--owner=0", "--group=0", "."], &root);
    std::fs::write(home.path("root.tar"), &whole).unwrap();
    let saved = oci::save(&home, &[whole]);
    let import = |source: &Path, out: &str| {
        let out = home.path(out);
        let args = ["image", "import", "--name", "t", "--version", "1", "--output", out.to_str().unwrap()];
        home.run(&[&args[..], &[source.to_str().unwrap()], &packages].concat())
    };
    let made = [
        ("one", oci::import(&home, saved.to_str().unwrap(), "one", &packages)),
        ("two", oci::import(&home, saved.to_str().unwrap(), "two", &packages)),
        ("tar", import(&home.path("root.tar"), "tar")),
        ("folder", import(&root, "folder")),
    ];
    for (way, done) in made {
        assert!(done.status.success(), "{way}: {}", told(&done));
        assert!(!told(&done).contains("no configuration"), "{way}: the package has one: {}", told(&done));
        assert_eq!(std::fs::read(home.path(way).join("vmlinuz")).unwrap(), bzimage(), "{way}");
        let list = listing(&home.path(way).join("rootfs.squashfs"));
        let has = |start: &str, end: &str| list.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(has("l", "squashfs-root/lib -> usr/lib"), "{way}: a link no more: {list}");
        // What depmod makes, without which udev loads nothing.
        let tables = format!("squashfs-root/usr/lib/modules/{RELEASE}/modules.dep.bin");
        assert!(has("-rw-r--r-- 0/0", &tables), "{way}: {list}");
        assert!(!list.contains("vmlinuz") && !list.contains("squashfs-root/lib/"), "{way}: {list}");
    }
    let read = |path: &str| std::fs::read(home.path(path)).unwrap();
    assert!(read("one/rootfs.squashfs") == read("two/rootfs.squashfs"), "two imports, two root file systems");
    assert_eq!(home.left_over(), 0);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 3, "the folder is as it was");
}

#[test]
fn a_package_that_holds_no_kernel() {
    let home = Home::new(empty_server);
    let root = root(&home);
    let refused = |package: &str, words: &[&str]| {
        let args = ["image", "import", "--name", "t", "--version", "1", "--kernel-package", package];
        let done = home.run(&[&args[..], &[root.to_str().unwrap()]].concat());
        assert_eq!(done.status.code(), Some(2), "{}", told(&done));
        for word in words {
            assert!(told(&done).contains(word), "{word}: {}", told(&done));
        }
        assert_eq!(home.left_over(), 0);
    };
    refused("./nothing.deb", &["./nothing.deb", "no such file"]);
    std::fs::write(home.path("text.deb"), "no package").unwrap();
    refused(home.path("text.deb").to_str().unwrap(), &["dpkg-deb"]);
    refused(deb(&home, "empty", false, false).to_str().unwrap(), &["holds no kernel", "empty.deb"]);
    refused(deb(&home, "onlyboot", true, false).to_str().unwrap(), &["holds no kernel", "no kernel modules"]);
    refused("linux image", &["the name of a package"]);
    std::fs::remove_file(root.join("sbin/init")).unwrap();
    refused(deb(&home, "good", true, true).to_str().unwrap(), &["no /sbin/init"]);
    assert!(home.fake.lines().iter().all(|line| line.starts_with("GET")), "{:?}", home.fake.lines());
}
