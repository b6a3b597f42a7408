//! The inventory of a captured tree (tests/data/qemu, written by make.py beside it), and of trees with holes.
use std::path::{Path, PathBuf};

use higuma_agent::collect::{collect, table};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qemu")
}

#[test]
fn a_virtual_server() {
    let inventory = collect(&tree());
    let system = inventory.system.clone().unwrap();
    assert_eq!((system.manufacturer.as_str(), system.product.as_str()), ("Higuma", "Lab Node"));
    assert_eq!((system.serial.as_str(), system.family.as_str()), ("SN-0001", "Virtual"));
    assert_eq!(system.uuid, "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(inventory.bios.clone().unwrap().version, "1.16.2");
    assert_eq!(inventory.board.clone().unwrap().serial, "B-1");
    let chassis = inventory.chassis.clone().unwrap();
    assert_eq!((chassis.r#type.as_str(), chassis.asset_tag.as_str()), ("rack mount chassis", "RACK-7"));

    let [cpu] = inventory.cpus.as_slice() else { panic!("one processor, got {:?}", inventory.cpus) };
    assert_eq!((cpu.cores, cpu.threads, cpu.max_mhz), (2, 4, 2000));
    assert_eq!(cpu.model, "QEMU Virtual CPU version 2.5+", "the kernel knows it better than the firmware");

    let memory = inventory.memory.clone().unwrap();
    assert_eq!(memory.total_bytes, 2 << 30, "the modules' sum");
    let volatile = inventory.volatile.clone().unwrap();
    assert_eq!(volatile.usable_memory_bytes, 2_018_460 * 1024);
    let [full, empty] = memory.dimms.as_slice() else { panic!("two slots, got {:?}", memory.dimms) };
    assert_eq!((full.size_bytes, full.speed_mts, full.r#type.as_str()), (2 << 30, 3200, "DDR4"));
    assert_eq!((full.part.as_str(), full.serial.as_str()), ("PN-1", "D-SN"));
    assert_eq!((empty.locator.as_str(), empty.size_bytes), ("DIMM 1", 0));

    let [sda, vda] = inventory.disks.as_slice() else { panic!("two disks, got {:?}", inventory.disks) };
    assert_eq!((sda.transport.as_str(), sda.serial.as_str(), sda.model.as_str()), ("sata", "QM00001", "QEMU HARDDISK"));
    assert_eq!((vda.transport.as_str(), vda.serial.as_str(), vda.size_bytes), ("virtio", "DISK-1", 1 << 30));
    assert!(vda.rotational && !sda.rotational);

    let [nic] = inventory.nics.as_slice() else { panic!("one NIC, got {:?}", inventory.nics) };
    assert_eq!((nic.mac.as_str(), nic.driver.as_str()), ("52:54:00:aa:bb:01", "virtio_net"));
    assert_eq!(nic.pci, "0000:00:03.0");
    let [link] = volatile.links.as_slice() else { panic!("one link, got {:?}", volatile.links) };
    assert_eq!((link.nic.as_str(), link.up, link.speed_mbps), (nic.name.as_str(), true, 0));
    assert!(inventory.errors.is_empty(), "{:?}", inventory.errors);
    assert!(table(&inventory).contains("Higuma Lab Node pc-1, serial SN-0001"));
}

#[test]
fn an_empty_tree_gives_errors_and_no_panic() {
    let root = tempfile::tempdir().unwrap();
    let inventory = collect(root.path());
    let failed: Vec<&str> = inventory.errors.iter().map(|e| e.source.as_str()).collect();
    for source in ["sys/firmware/dmi/tables/DMI", "proc/cpuinfo", "proc/meminfo", "sys/block", "sys/class/net"] {
        assert!(failed.contains(&source), "{source} in {failed:?}");
    }
    assert_eq!(inventory.boot_mode, "bios");
}

#[test]
fn one_broken_source_leaves_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let tables = root.path().join("sys/firmware/dmi/tables");
    std::fs::create_dir_all(&tables).unwrap();
    let whole = std::fs::read(tree().join("sys/firmware/dmi/tables/DMI")).unwrap();
    std::fs::write(tables.join("DMI"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(tables.join("smbios_entry_point"), b"nonsense").unwrap();
    let inventory = collect(root.path());
    assert_eq!(inventory.system.unwrap().product, "Lab Node");
    let told = format!("{:?}", inventory.errors);
    assert!(told.contains("type 127") && told.contains("entry point"), "{told}");
}
