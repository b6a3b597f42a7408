//! The hardware of a two-socket server (tests/data/server, written by make_server.py beside it), value by value; and trees
//! that no kernel would show.
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use higuma_agent::collect::{collect, table};
use higuma_proto::agent::{Disk, Gpu, Inventory, Link, Nic, NumaNode, PciDevice, Tpm, Virtualisation};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/server")
}

fn server() -> Inventory {
    let inventory = collect(&tree());
    assert!(inventory.errors.is_empty(), "{:?}", inventory.errors);
    inventory
}

#[test]
fn processors_and_their_memory() {
    let inventory = server();
    assert_eq!(inventory.cpus.len(), 2);
    for cpu in &inventory.cpus {
        assert_eq!((cpu.cores, cpu.threads, cpu.microcode.as_str()), (2, 4, "0xd0003a5"));
        let flags = ["aes", "avx512f", "avx512vl", "de", "est", "fpu", "msr", "pse", "smx", "tsc", "vme", "vmx"];
        assert_eq!(cpu.flags, flags, "sorted, and no flags of another line");
    }
    assert_eq!(inventory.cpus[1].socket, "CPU2");
    let memory_bytes = 502 * (64 << 20);
    let nodes = [(0, "0,2,4,6"), (1, "1,3,5,7")];
    assert_eq!(inventory.numa_nodes, nodes.map(|(id, cpus)| NumaNode { id, cpus: cpus.to_owned(), memory_bytes }));
    let offers = Virtualisation { cpu: "vmx".to_owned(), iommu: true, guest: false };
    assert_eq!(inventory.virtualisation, Some(offers));
}

#[test]
fn pci_functions_and_gpus() {
    let inventory = server();
    let addresses: Vec<&str> = inventory.pci_devices.iter().map(|d| d.address.as_str()).collect();
    let all = [
        "0000:00:14.0",
        "0000:00:17.0",
        "0000:00:1f.0",
        "0000:03:00.0",
        "0000:18:00.0",
        "0000:19:00.0",
        "0000:3b:00.0",
        "0000:3b:00.1",
        "0000:3b:02.0",
        "0000:3b:02.1",
        "0000:b3:00.0",
    ];
    assert_eq!(addresses, all);
    let gpu = PciDevice {
        address: "0000:b3:00.0".to_owned(),
        vendor_id: "10de".to_owned(),
        device_id: "20f1".to_owned(),
        subsystem_vendor_id: "10de".to_owned(),
        subsystem_device_id: "145f".to_owned(),
        class: "030200".to_owned(),
        revision: "a1".to_owned(),
        numa_node: 1,
        ..PciDevice::default()
    };
    assert_eq!(inventory.pci_devices.last(), Some(&gpu));
    let gpus: Vec<(&str, &str)> = inventory.gpus.iter().map(|g: &Gpu| (g.pci.as_str(), g.driver.as_str())).collect();
    assert_eq!(gpus, [("0000:03:00.0", "mgag200"), ("0000:b3:00.0", "")]);
}

#[test]
fn nics_without_their_virtual_functions() {
    let inventory = server();
    let nic = |name: &str, mac: &str, pci: &str, vfs: u32| Nic {
        name: name.to_owned(),
        mac: mac.to_owned(),
        driver: "i40e".to_owned(),
        pci: pci.to_owned(),
        sriov_total_vfs: 64,
        sriov_vfs: vfs,
        ..Nic::default()
    };
    let expected =
        [nic("eth0", "3c:fd:fe:9c:5f:c0", "0000:3b:00.0", 2), nic("eth1", "3c:fd:fe:9c:5f:c2", "0000:3b:00.1", 0)];
    assert_eq!(inventory.nics, expected);
    let link = |nic: &str, up, speed_mbps| Link { nic: nic.to_owned(), up, speed_mbps };
    assert_eq!(inventory.volatile.unwrap().links, [link("eth0", true, 10_000), link("eth1", false, 0)]);
}

#[test]
fn disks_with_firmware_and_controller() {
    let inventory = server();
    let disk = |name: &str, blocks: u64, model: &str, serial: &str, firmware: &str, wwn: &str, pci: &str| Disk {
        name: name.to_owned(),
        size_bytes: blocks * 512,
        model: model.to_owned(),
        serial: serial.to_owned(),
        firmware: firmware.to_owned(),
        wwn: wwn.to_owned(),
        pci: pci.to_owned(),
        transport: "nvme".to_owned(),
        rotational: false,
    };
    let expected = [
        disk(
            "nvme0n1",
            3_125_627_568,
            "Dell Ent NVMe CM6 MU 1.6TB",
            "S6XPNX0T100042",
            "2.1.8",
            "eui.36585730541000420025384500000001",
            "0000:18:00.0",
        ),
        disk(
            "nvme1n1",
            1_953_525_168,
            "INTEL SSDPE2KX010T8",
            "PHLJ0042001P1P0FGN",
            "VDV10184",
            "eui.01000000000000005cd2e4a1b2c35551",
            "0000:19:00.0",
        ),
        Disk {
            transport: "sata".to_owned(),
            ..disk(
                "sda",
                937_703_088,
                "MTFDDAK480TDT-1AW1ZABDA",
                "2141318A0001",
                "D3DJ004",
                "naa.500a075128a1b2c3",
                "0000:00:17.0",
            )
        },
    ];
    assert_eq!(inventory.disks, expected, "no path of its own, no empty virtual drive");
}

#[test]
fn what_the_firmware_set_up() {
    let inventory = server();
    assert_eq!((inventory.boot_mode.as_str(), inventory.secure_boot.as_str()), ("uefi", "enabled"));
    assert_eq!(inventory.tpm, Some(Tpm { version: "2.0".to_owned(), manufacturer: String::new() }));
    assert_eq!(inventory.system.unwrap().uuid, "4c4c4544-0030-4610-8052-b4c04f4a4d32");
}

#[test]
fn people_see_all_of_it() {
    let text = table(&server());
    for wanted in [
        "Secure Boot enabled, TPM 2.0",
        "CPU2: Intel",
        "microcode 0xd0003a5",
        "NUMA node 1: processors 1,3,5,7, 31.4 GiB",
        "virtualisation: offers vmx, IOMMU on",
        "nvme0n1: 1490.4 GiB, nvme, Dell Ent NVMe CM6 MU 1.6TB, serial S6XPNX0T100042, firmware 2.1.8",
        "2 of 64 virtual functions",
        "0000:b3:00.0: 10de:20f1, class 030200, revision a1, subsystem 10de:145f, NUMA node 1",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(!text.contains("Slots") && !text.contains("Not read"), "groups without lines are left out\n{text}");
}

#[test]
fn control_characters_do_not_steer_a_terminal() {
    let mut inventory = server();
    inventory.oem_strings.push("a\u{1b}[31mred\nline".to_owned());
    assert!(table(&inventory).contains("a?[31mred?line"));
}

#[test]
fn secure_boot_without_variables() {
    let root = tempfile::tempdir().unwrap();
    let told = |root: &Path| collect(root).secure_boot;
    assert_eq!(told(root.path()), "unsupported", "a BIOS has none");
    fs::create_dir_all(root.path().join("sys/firmware/efi/efivars")).unwrap();
    assert_eq!(told(root.path()), "", "nobody tells");
    let inventory = collect(root.path());
    let error = inventory.errors.iter().find(|e| e.source.ends_with("efivars")).unwrap();
    assert_eq!(error.section, "firmware");
    let mut params = vec![0u8; 4096];
    params[0x1ec] = 3;
    fs::create_dir_all(root.path().join("sys/kernel/boot_params")).unwrap();
    fs::write(root.path().join("sys/kernel/boot_params/data"), &params).unwrap();
    assert_eq!(told(root.path()), "enabled", "the kernel asked");
    let vars = root.path().join("sys/firmware/efi/efivars");
    fs::write(vars.join("Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c"), b"12345").unwrap();
    assert_eq!(told(root.path()), "unsupported", "variables, but none of Secure Boot");
}

#[test]
fn tpm_before_the_kernel_told_versions() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(collect(root.path()).tpm, None);
    let device = root.path().join("sys/class/tpm/tpm0/device");
    fs::create_dir_all(&device).unwrap();
    let inventory = collect(root.path());
    assert_eq!(inventory.tpm.unwrap().version, "");
    assert!(inventory.errors.iter().any(|e| e.section == "tpm"));
    fs::write(device.join("caps"), "Manufacturer: 0x49465800\nTCG version: 1.2\n").unwrap();
    assert_eq!(collect(root.path()).tpm, Some(Tpm { version: "1.2".to_owned(), manufacturer: "IFX".to_owned() }));
}

/// Every source of the tree replaced by `nonsense`; the inventory must come, bounded.
fn all_sources(nonsense: impl Fn(&Path)) -> Inventory {
    let root = tempfile::tempdir().unwrap();
    copy(&tree(), root.path(), &nonsense);
    let inventory = collect(root.path());
    let json = serde_json::to_string(&inventory).unwrap();
    assert!(json.len() < 4 << 20, "{} bytes", json.len());
    assert!(inventory.errors.len() <= 64);
    let _ = table(&inventory);
    inventory
}

fn copy(from: &Path, to: &Path, write: &impl Fn(&Path)) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target, write);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            write(&target);
        }
    }
}

#[test]
fn folders_where_files_belong() {
    let inventory = all_sources(|path| fs::create_dir(path).unwrap());
    let failed: Vec<&str> = inventory.errors.iter().map(|e| e.section.as_str()).collect();
    for section in ["firmware", "cpus", "memory", "numa", "pci", "tpm"] {
        assert!(failed.contains(&section), "{section} in {failed:?}");
    }
}

#[test]
fn files_of_a_terabyte() {
    // Sparse, so that no disk is filled; whoever reads one whole runs out of memory or time.
    let inventory = all_sources(|path| File::create(path).unwrap().set_len(1 << 40).unwrap());
    assert!(inventory.errors.iter().any(|e| e.section == "pci"), "{:?}", inventory.errors);
}

#[test]
fn bytes_that_are_no_text() {
    let inventory = all_sources(|path| fs::write(path, [0xff, 0xfe, 0, b'\n', 0x80, 0x1b, b'0', b'x']).unwrap());
    assert!(inventory.pci_devices.is_empty() && inventory.numa_nodes.iter().all(|n| n.memory_bytes == 0));
}

#[test]
fn numbers_out_of_range() {
    let inventory = all_sources(|path| fs::write(path, "18446744073709551615\n").unwrap());
    assert!(inventory.disks.iter().all(|d| d.size_bytes == u64::MAX));
}

#[test]
fn empty_files() {
    all_sources(|path| {
        File::create(path).unwrap();
    });
}

#[test]
fn odd_names_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let devices = root.path().join("sys/bus/pci/devices");
    fs::create_dir_all(devices.join("not an address")).unwrap();
    fs::create_dir_all(devices.join(std::ffi::OsStr::from_bytes(b"0000:00:\xff1.0"))).unwrap();
    for number in 0..300 {
        fs::create_dir_all(devices.join(format!("0000:{:02x}:{:02x}.{}", number >> 8, number >> 3 & 0x1f, number & 7)))
            .unwrap();
    }
    let inventory = collect(root.path());
    assert!(inventory.pci_devices.is_empty(), "none has a vendor");
    assert_eq!(inventory.errors.len(), 64, "the list of what failed ends");
}
