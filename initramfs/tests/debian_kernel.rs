//! The real Debian kernel, fetched by apt (about 70 MB, kept in the target folder): all drivers of both sets exist, the
//! sizes keep their promise, and two builds give the same bytes. The agent is stood in for by bytes that do not compress.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::PathBuf, process::Command};

use higuma_initramfs::rootfs::RootFs;
use higuma_initramfs::{
    archive,
    drivers::DriverSet,
    first_stage::{self, FirstStageOptions, KernelSource},
    image_modules,
    kernel_package::{self, KernelLock, KernelTree},
    modules::{ModuleIndex, Presence},
};
use sha2::{Digest, Sha256};

/// The agent with everything is expected at 6 MB.
const AGENT: usize = 6_000_000;

fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("debian-kernel")
}

/// The newest package; apt's lists are fetched once on a machine that has none.
fn lock(meta: &str) -> KernelLock {
    kernel_package::newest(meta).unwrap_or_else(|_| {
        let updated = Command::new("apt-get").args(["-q", "update"]).status().expect("apt-get runs");
        assert!(updated.success(), "apt-get update failed");
        kernel_package::newest(meta).expect("apt offers Debian's kernel")
    })
}

fn tree(meta: &str) -> KernelTree {
    kernel_package::unpacked(&lock(meta), &cache(), &mut |line| println!("{line}")).expect("the kernel package")
}

/// A static ELF file of hash output: nothing in it compresses.
fn agent(dir: &std::path::Path) -> PathBuf {
    let mut bytes = vec![0u8; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut block = Sha256::digest(b"agent");
    while bytes.len() < AGENT {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    let path = dir.join("agent");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn first_stage_sizes_and_reproducibility() {
    let (tree, dir) = (tree(kernel_package::META), tempfile::tempdir().unwrap());
    let agent = agent(dir.path());
    let info =
        kexec_rs::KernelInfo::from_file(&fs::File::open(&tree.kernel).unwrap()).expect("Debian's bzImage is taken");
    assert_eq!(info.release(), Some(tree.release.as_str()));
    for (set, limit) in [(DriverSet::Server, 40_000_000), (DriverSet::Lab, 20_000_000)] {
        let build = |name: &str| {
            first_stage::build(FirstStageOptions {
                kernel: KernelSource::Tree(tree.clone()),
                agent: agent.clone(),
                agent_version: "0".to_owned(),
                drivers: set,
                out: dir.path().join(format!("{set}-{name}")),
                cache: dir.path().join(format!("cache-{name}")),
                progress: &mut |line| println!("{line}"),
            })
            .expect("the first stage builds")
        };
        let stage = build("a");
        println!(
            "{set}: {} bytes, {} modules, load {:?}",
            stage.size(),
            stage.manifest.modules,
            stage.manifest.info.load
        );
        assert!(stage.size() <= limit, "{set}: {} bytes, at most {limit} were promised", stage.size());
        assert!(!stage.manifest.info.load.contains(&"af_packet".to_owned()), "built-ins are not to be loaded");
        if set == DriverSet::Lab {
            let again = build("b"); // with an empty cache
            assert_eq!(stage.manifest, again.manifest);
            assert_eq!(fs::read(&stage.initramfs).unwrap(), fs::read(&again.initramfs).unwrap());
            assert_eq!(first_stage::open(&dir.path().join("lab-a")).unwrap(), Some(stage));
        }
    }
}

#[test]
fn the_right_drivers_for_real_hardware() {
    let tree = tree(kernel_package::META);
    let index = ModuleIndex::open(&tree.root, &tree.release).unwrap();
    for (modalias, module) in [
        ("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00", "virtio_pci"),
        ("virtio:d00000001v00001AF4", "virtio_net"),
        ("pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00", "e1000"),
        ("pci:v000015B3d00001017sv000015B3sd00000055bc02sc00i00", "mlx5_core"),
        ("pci:v000014E4d000016D8sv000014E4sd000016D8bc02sc00i00", "bnxt_en"),
        ("pci:v00001000d00000097sv00001028sd00001F46bc01sc07i00", "mpt3sas"),
        ("pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02", "nvme"),
        ("acpi:IPI0001:", "ipmi_si"),
        ("scsi:t-0x00", "sd_mod"),
    ] {
        assert!(index.by_alias(modalias).contains(&module), "{modalias}: {:?}", index.by_alias(modalias));
    }
    let order: Vec<String> = index
        .load_order("virtio-net")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let at = |name: &str| order.iter().position(|file| file == name).unwrap_or_else(|| panic!("{name} in {order:?}"));
    assert!(at("virtio.ko") < at("virtio_net.ko") && at("failover.ko") < at("net_failover.ko"));
    assert_eq!(order.last().unwrap(), "virtio_net.ko");
    assert_eq!(index.presence("af_packet"), Presence::Builtin);
    assert!(index.load_order("r8169")[0].ends_with("realtek.ko") || index.load_order("r8169").len() > 2);
}

#[test]
fn image_modules_of_the_full_and_the_cloud_kernel() {
    for meta in [kernel_package::META, "linux-image-cloud-amd64"] {
        let tree = tree(meta);
        let plain = image_modules::uncompressed(&tree.root, &tree.release, RootFs::Squashfs)
            .expect("loop, squashfs and overlay are there");
        let packed = image_modules::build(&tree.root, &tree.release, RootFs::Squashfs).unwrap();
        assert!(archive::decompress(&packed, 1 << 30).unwrap() == plain);
        let erofs = image_modules::uncompressed(&tree.root, &tree.release, RootFs::Erofs).unwrap();
        let has = |archive: &[u8], name: &[u8]| archive.windows(name.len()).any(|bytes| bytes == name);
        assert!(has(&erofs, b"/erofs.ko") && !has(&plain, b"/erofs.ko"), "{}", tree.release);
        println!("{}: modules part {} bytes, {} packed", tree.release, plain.len(), packed.len());
        // The cut-down tables lead to the same order as the whole ones.
        let dir = tempfile::tempdir().unwrap();
        unpack(&plain, dir.path());
        let (whole, part) = (
            ModuleIndex::open(&tree.root, &tree.release).unwrap(),
            ModuleIndex::load(dir.path(), &tree.release).unwrap(),
        );
        for name in ["loop", "squashfs", "overlay", "virtio_net", "virtio_pci", "ena"] {
            let names = |index: &ModuleIndex| -> Vec<PathBuf> {
                let order = index.load_order(name);
                order.iter().map(|path| path.strip_prefix(index.dir()).unwrap().to_owned()).collect()
            };
            assert_eq!(names(&whole).len(), names(&part).len(), "{name} of {}", tree.release);
            assert!(part.load_order(name).iter().all(|path| path.is_file()));
        }
    }
}

fn unpack(archive: &[u8], dir: &std::path::Path) {
    let file = dir.join("part.cpio");
    fs::write(&file, archive).unwrap();
    let status = Command::new("cpio")
        .args(["-idm", "--quiet", "--no-absolute-filenames"])
        .current_dir(dir)
        .stdin(fs::File::open(&file).unwrap())
        .status()
        .expect("cpio runs");
    assert!(status.success());
}
