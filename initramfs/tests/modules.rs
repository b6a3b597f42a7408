//! Small made trees of kernel modules: order, aliases, softdeps, what is missing, and what is packed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path};

use higuma_initramfs::rootfs::RootFs;
use higuma_initramfs::{
    Error,
    drivers::{DriverSet, Drivers},
    image_modules,
    modules::{ModuleIndex, Presence, glob, only_release},
};
use proptest::prelude::*;
use tempfile::TempDir;

const DEP: &str = "kernel/net/virtio_net.ko: kernel/net/net_failover.ko kernel/core/failover.ko kernel/virtio.ko
kernel/net/net_failover.ko: kernel/core/failover.ko
kernel/core/failover.ko:
kernel/virtio.ko:
kernel/mlx4/mlx4_core.ko.xz:
kernel/mlx4/mlx4_en.ko.xz: kernel/mlx4/mlx4_core.ko.xz
kernel/r8169.ko.zst: kernel/libphy.ko
kernel/realtek.ko: kernel/libphy.ko
kernel/libphy.ko:
kernel/i2c-i801.ko:
kernel/crc32c_generic.ko:
kernel/libcrc32c.ko:
kernel/loop.ko:
kernel/squashfs.ko:
kernel/overlay.ko:
kernel/a.ko: kernel/b.ko
kernel/b.ko: kernel/a.ko
";
const ALIAS: &str = "# Aliases extracted from modules themselves.
alias virtio:d00000001v* virtio_net
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
alias pci:v*d*sv*sd*bc0Csc05i* i2c_i801
alias dmi*:[bs]vnDell-Inc:* i2c_i801
alias crc32c crc32c_generic
alias fs-squashfs squashfs
";
const SOFTDEP: &str =
    "# Soft dependencies\nsoftdep r8169 pre: realtek\nsoftdep libcrc32c pre: crc32c nothing post: loop\n";

fn tree(base: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(base).join("6.1.0-x");
    for path in DEP.lines().filter_map(|line| line.split(':').next()) {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
    }
    fs::write(dir.join("modules.dep"), DEP).unwrap();
    fs::write(dir.join("modules.alias"), ALIAS).unwrap();
    fs::write(dir.join("modules.softdep"), SOFTDEP).unwrap();
    fs::write(dir.join("modules.builtin"), "kernel/net/packet/af_packet.ko\nkernel/tpm-tis.ko\n").unwrap();
    root
}

fn names(index: &ModuleIndex, name: &str) -> Vec<String> {
    index.load_order(name).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn load_order_of_needs_and_softdeps() {
    for base in ["lib/modules", "usr/lib/modules"] {
        let root = tree(base);
        assert_eq!(only_release(root.path()).unwrap(), "6.1.0-x");
        let index = ModuleIndex::load(root.path(), "6.1.0-x").unwrap();
        assert_eq!(names(&index, "virtio-net"), ["virtio.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"]);
        assert_eq!(names(&index, "r8169"), ["libphy.ko", "realtek.ko", "r8169.ko.zst"]);
        assert_eq!(names(&index, "mlx4_en"), ["mlx4_core.ko.xz", "mlx4_en.ko.xz"]);
        assert_eq!(names(&index, "libcrc32c"), ["crc32c_generic.ko", "libcrc32c.ko", "loop.ko"], "by alias, and after");
        assert!(index.load_order("virtio_net").iter().all(|path| path.starts_with(root.path()) && path.is_file()));
        assert!(names(&index, "af_packet").is_empty() && names(&index, "nothing").is_empty());
        assert_eq!(names(&index, "a").len(), 2, "a loop ends");
        assert_eq!(index.presence("i2c_i801"), Presence::Module);
        assert_eq!(index.presence("tpm_tis"), Presence::Builtin);
        assert_eq!(index.presence("tpm_crb"), Presence::Missing);
    }
}

#[test]
fn hardware_finds_its_drivers() {
    let root = tree("lib/modules");
    let index = ModuleIndex::load(root.path(), "6.1.0-x").unwrap();
    assert_eq!(index.by_alias("virtio:d00000001v00001AF4\n"), ["virtio_net"]);
    assert_eq!(index.by_alias("pci:v000010ECd00008168sv00001458sd0000E000bc0Csc05i00"), ["i2c_i801", "r8169"]);
    assert_eq!(index.by_alias("dmi:bvnDell-Inc:rest"), ["i2c_i801"]);
    assert_eq!(index.by_alias("dmi:svnDell_Inc:rest"), ["i2c_i801"]);
    assert!(index.by_alias("dmi:cvnDell-Inc:rest").is_empty());
    assert_eq!(index.by_alias("fs-squashfs"), ["squashfs"]);
    assert!(index.by_alias("").is_empty() && index.by_alias("pci:").is_empty() && index.by_alias("größe").is_empty());
}

#[test]
fn all_missing_names_are_told_at_once() {
    let root = tree("lib/modules");
    let index = ModuleIndex::load(root.path(), "6.1.0-x").unwrap();
    let message = index.closure(&["loop", "gone", "tpm-tis", "pci:v00000001d", "away"]).unwrap_err().to_string();
    assert!(message.contains("gone, pci:v00000001d, away") && message.contains("6.1.0-x"), "{message}");
    assert_eq!(index.closure(&["virtio:d00000001v1", "failover"]).unwrap().len(), 4);
    assert!(matches!(ModuleIndex::load(root.path(), "6.2"), Err(Error::BadTree { .. })));
    assert!(matches!(ModuleIndex::load(root.path(), "../x"), Err(Error::Invalid { .. })));
    assert!(only_release(&root.path().join("lib")).is_err());
    fs::create_dir_all(root.path().join("lib/modules/6.2/kernel")).unwrap();
    assert!(only_release(root.path()).unwrap_err().to_string().contains("6.1.0-x, 6.2"));
}

#[test]
fn a_packed_subset_is_a_tree_of_its_own() {
    let root = tree("usr/lib/modules");
    let mut index = ModuleIndex::load(root.path(), "6.1.0-x").unwrap();
    let drivers = Drivers::parse(&["virtio_net # net\nload r8169\nafter mlx4-core mlx4_en\nload af_packet\n"]).unwrap();
    assert_eq!(drivers.to_load(&index), ["r8169"], "what is built in is not to be loaded");
    drivers.teach(&mut index);
    let pack = |index: &ModuleIndex| {
        let mut archive = higuma_initramfs::archive::Archive::new(Vec::new());
        index.subset(&drivers.names).unwrap().pack(&mut archive).unwrap();
        archive.finish().unwrap()
    };
    let bytes = pack(&index);
    assert_eq!(bytes, pack(&index));
    let out = tempfile::tempdir().unwrap();
    unpack(&bytes, out.path());
    let part = ModuleIndex::load(out.path(), "6.1.0-x").unwrap();
    assert_eq!(part.len(), 9);
    assert_eq!(names(&part, "virtio_net"), names(&index, "virtio_net"));
    assert_eq!(names(&part, "r8169"), ["libphy.ko", "realtek.ko", "r8169.ko.zst"]);
    assert_eq!(names(&part, "mlx4_core"), ["mlx4_core.ko.xz", "mlx4_en.ko.xz"]);
    assert_eq!(part.by_alias("pci:v000010ECd00008168sv00001458sd0000E000bc0Csc05i00"), ["r8169"]);
    assert_eq!(part.presence("af_packet"), Presence::Builtin);
    assert!(out.path().join("lib/modules/6.1.0-x/kernel/net/virtio_net.ko").is_file());
    let dep = fs::read_to_string(out.path().join("lib/modules/6.1.0-x/modules.dep")).unwrap();
    // depmod's order: what is to be loaded first stands last.
    let line = dep.lines().find(|line| line.starts_with("kernel/net/virtio_net.ko:")).unwrap();
    assert!(line.find("net_failover").unwrap() < line.find("core/failover").unwrap(), "{line}");
}

#[test]
fn driver_lists() {
    assert!(matches!(Drivers::parse(&["load a b"]), Err(Error::Invalid { .. })));
    assert!(matches!("x".parse::<DriverSet>(), Err(Error::Invalid { .. })));
    for set in DriverSet::ALL {
        assert_eq!(set.name().parse::<DriverSet>().unwrap(), set);
        assert!(set.drivers().unwrap().names.len() > 15);
    }
}

#[test]
fn image_modules_need_what_mounts_a_root() {
    let root = tree("lib/modules");
    let part = image_modules::uncompressed(root.path(), "6.1.0-x", RootFs::Squashfs).unwrap();
    let out = tempfile::tempdir().unwrap();
    unpack(&part, out.path());
    let index = ModuleIndex::load(out.path(), "6.1.0-x").unwrap();
    for name in ["loop", "squashfs", "overlay", "virtio_net", "r8169", "mlx4_en"] {
        assert_eq!(index.presence(name), Presence::Module, "{name}");
    }
    assert_eq!(index.presence("libcrc32c"), Presence::Missing);
    let dir = root.path().join("lib/modules/6.1.0-x");
    fs::write(dir.join("modules.dep"), DEP.replace("kernel/squashfs.ko:\n", "")).unwrap();
    let message = image_modules::build(root.path(), "6.1.0-x", RootFs::Squashfs).unwrap_err().to_string();
    assert!(message.contains("squashfs") && !message.contains("loop"), "{message}");
    fs::write(dir.join("modules.builtin"), "kernel/fs/squashfs/squashfs.ko\n").unwrap();
    image_modules::build(root.path(), "6.1.0-x", RootFs::Squashfs).expect("a built-in squashfs does");
}

fn unpack(archive: &[u8], dir: &Path) {
    let mut rest = archive;
    loop {
        let mut reader = cpio::NewcReader::new(rest).unwrap();
        if reader.entry().is_trailer() {
            return;
        }
        let path = dir.join(reader.entry().name());
        if reader.entry().mode() & 0o170_000 == 0o040_000 {
            fs::create_dir_all(&path).unwrap();
        } else {
            std::io::copy(&mut reader, &mut fs::File::create(&path).unwrap()).unwrap();
        }
        rest = reader.finish().unwrap();
    }
}

#[test]
fn globs() {
    for (pattern, text, matches) in [
        ("", "", true),
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abcd", false),
        ("a*b*c", "aXbYbZc", true),
        ("?", "", false),
        ("[0-9]x", "5x", true),
        ("[!0-9]x", "5x", false),
        ("[^0-9]x", "ax", true),
        ("[]a]", "]", true),
        ("[a", "[a", true),
        ("a[", "a[", true),
        ("[a-]", "-", true),
        ("acpi*:PNP0C0[1-2]:*", "acpi:PNP0C02:", true),
    ] {
        assert_eq!(glob(pattern, text), matches, "{pattern:?} on {text:?}");
    }
}

proptest! {
    #[test]
    fn globs_never_panic_and_agree_with_a_plain_matcher(pattern in "[ab*?\\[\\]!-]{0,9}", text in "[ab\\[\\]-]{0,9}") {
        let got = glob(&pattern, &text);
        if !pattern.contains('[') {
            prop_assert_eq!(got, plain(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn arbitrary_tables_never_panic(dep in "[ a-c:./#\n-]{0,80}(kernel/[ab].ko: kernel/[ab].ko\n){0,5}", alias in "(alias )?.{0,40}") {
        let root = tree("lib/modules");
        let dir = root.path().join("lib/modules/6.1.0-x");
        fs::write(dir.join("modules.dep"), dep).unwrap();
        fs::write(dir.join("modules.alias"), &alias).unwrap();
        fs::write(dir.join("modules.softdep"), format!("softdep {alias}")).unwrap();
        let index = ModuleIndex::load(root.path(), "6.1.0-x").unwrap();
        let _ = (index.load_order("a"), index.by_alias(&alias));
    }
}

/// The textbook form, exponential, for short input.
fn plain(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => plain(rest, text) || (!text.is_empty() && plain(pattern, &text[1..])),
        (Some((b'?', p)), Some((_, t))) => plain(p, t),
        (Some((a, p)), Some((b, t))) => a == b && plain(p, t),
        _ => false,
    }
}
