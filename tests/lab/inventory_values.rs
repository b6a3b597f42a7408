//! Every value that QEMU can be told is in the stored inventory as it was set: SMBIOS, processors, NUMA, PCI, NICs, disks.
//! Only registers; nothing is booted. A second boot of the unchanged machine gives the same inventory.

use crate::steps::{TO_REGISTER, boot_id, wait_registered};
use higuma_proto::agent::*;
use higuma_proto::api::NodeDetail;
use higuma_tests::error::ensure;
use higuma_tests::smbios::Structure;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, ServerSpec, node, stock};
use std::fmt::Debug;
use std::path::Path;

const UUID: &str = "8f2b7c1e-4d3a-4b6f-9a51-0c2d3e4f5a6b";
const MACS: [&str; 2] = ["52:54:00:c0:11:01", "52:54:00:c0:11:02"];
/// PCI slots of the devices that the test adds: QEMU puts them where it is told.
const NVME: &str = "0000:00:10.0";
const LAN1: &str = "0000:00:11.0";
const LAN2: &str = "0000:00:12.0";
const DISPLAY: &str = "0000:00:13.0";
const MIB: u64 = 1 << 20;

#[test]
fn inventory_values() -> LabResult {
    let lab = Lab::new("inventory-values")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    let node = lab.node(spec(lab.dir(), &server.bootfile())?)?;
    node.power_on()?;
    let first = wait_registered(&lab, &server, &node)?;
    let mut values = Values::default();
    values.check(first.inventory.as_ref().context("no inventory")?);

    node.power_off();
    node.power_on()?;
    let other = |detail: &NodeDetail| detail.boot.is_some() && boot_id(detail) != boot_id(&first);
    let second = lab.wait_node(&server, &node, "the second boot to register", TO_REGISTER, other)?;
    values.same("the inventory of the second boot", unchanging(&second), unchanging(&first));
    node.power_off();
    ensure(node.disk_is_blank()?, "something was written to the node's disk")?;
    ensure(values.wrong.is_empty(), format!("{} values differ:\n{}", values.wrong.len(), values.wrong.join("\n")))?;
    lab.finish()
}

/// What an unchanged machine tells again.
fn unchanging(detail: &NodeDetail) -> Option<Inventory> {
    let inventory = detail.inventory.clone()?;
    Some(Inventory { volatile: None, errors: Vec::new(), ..inventory })
}

fn spec(dir: &Path, bootfile: &str) -> LabResult<NodeSpec> {
    let disk = dir.join("nvme.raw");
    std::fs::File::create(&disk)?.set_len(96 * MIB)?;
    let mut spec = NodeSpec { uuid: UUID.to_owned(), ..NodeSpec::new("n1", bootfile) };
    let boot = spec.nics.pop().context("a node has a NIC")?;
    spec.nics = vec![
        node::Nic { mac: MACS[0].to_owned(), model: "virtio-net-pci,addr=0x11".to_owned(), backend: boot.backend },
        node::Nic {
            mac: MACS[1].to_owned(),
            model: "e1000e,id=lan2,addr=0x12".to_owned(),
            backend: node::Backend::Slirp { bootfile: None },
        },
    ];
    spec.smbios = [
        "type=0,vendor=Kuma Firmware,version=7.6.5,date=02/29/2024,release=3.14",
        "type=1,manufacturer=Kuma Systems,product=Higuma Two,version=B7,serial=SN-INV-1,sku=SKU-9,family=Bears",
        "type=2,manufacturer=Kuma Boards,product=HB-2,version=R3,serial=BB-INV-1,asset=BA-1,location=left",
        "type=3,manufacturer=Kuma Cases,version=C5,serial=CH-INV-1,asset=rack-12-u7,sku=CS-1",
        "type=4,sock_pfx=Socket,manufacturer=Kuma Silicon,version=Bear 9000,serial=PS-1,asset=PA-1,part=PP-1,max-speed=3600,current-speed=2400",
        "type=8,external_reference=LAN 1,internal_reference=J7,connector_type=11,port_type=31",
        "type=11,value=oem:first,value=oem:second one",
        "type=17,loc_pfx=P1-A,bank=BANK 0,manufacturer=Kuma Memory,serial=DS-1,asset=DA-1,part=KM-3200,speed=3200",
        "type=41,designation=Onboard LAN 2,kind=ethernet,instance=1,pcidev=lan2",
    ]
    .map(str::to_owned)
    .to_vec();
    // What no option of QEMU makes: one structure a file.
    for structure in [slot(), ipmi(), redfish()] {
        spec.smbios.push(structure.argument(dir)?);
    }
    let drive = format!("if=none,id=nv0,format=raw,cache=writethrough,file={}", disk.display());
    spec.cpus = "cpus=4,sockets=2,cores=2,threads=1".to_owned();
    spec.extra = [
        "-object",
        "memory-backend-ram,id=m0,size=512M",
        "-object",
        "memory-backend-ram,id=m1,size=512M",
        "-numa",
        "node,nodeid=0,memdev=m0,cpus=0-1",
        "-numa",
        "node,nodeid=1,memdev=m1,cpus=2-3",
        "-drive",
        &drive,
        "-device",
        "nvme,drive=nv0,serial=NV-0042,addr=0x10",
        "-device",
        "secondary-vga,addr=0x13",
    ]
    .map(str::to_owned)
    .to_vec();
    Ok(spec)
}

/// Type 9 (7.10): PCI Express 4 x16, in use, at the function of the second NIC.
fn slot() -> Structure {
    let rest = [0xbd, 0x0d, 4, 4, 7, 0, 0x0c, 1, 0, 0, 0, 0x12 << 3];
    Structure::new(9, 0x0900).string("PCIE-7").bytes(&rest)
}

/// Type 38 (7.39): KCS, IPMI 2.0, at the usual port.
fn ipmi() -> Structure {
    Structure::new(38, 0x2600).bytes(&[1, 0x20, 0x20, 0xff]).qword(0x0ca3).bytes(&[0, 0])
}

/// Type 42 (7.43, DSP0270): a network interface by USB, Redfish over IP.
fn redfish() -> Structure {
    const HOST: &[u8] = b"bmc.kuma.lab";
    let address = |last: u8| [&[169, 254, 1, last][..], &[0; 12][..]].concat();
    let mask = [&[255, 255, 255, 0][..], &[0; 12][..]].concat();
    let mut service = vec![0x11; 16];
    service.extend([1, 1]);
    service.extend([address(2), mask.clone()].concat());
    service.extend([1, 1]);
    service.extend([address(1), mask].concat());
    service.extend(443_u16.to_le_bytes());
    service.extend([0; 4]);
    service.push(HOST.len() as u8);
    service.extend(HOST);
    // USB device: vendor, product, serial number (an empty string descriptor).
    let device = [2, 0x6b, 0x1d, 0x04, 0x01, 2, 3];
    let redfish = Structure::new(42, 0x2a00).bytes(&[0x40, device.len() as u8]).bytes(&device);
    redfish.bytes(&[1, 4, service.len() as u8]).bytes(&service)
}

/// What differs from what was set: all of it is told at once, as a boot is dear.
#[derive(Default)]
struct Values {
    wrong: Vec<String>,
}

impl Values {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        self.holds(found == expected, format!("{what}\n     found {found:?}\n  expected {expected:?}"));
    }

    fn holds(&mut self, holds: bool, otherwise: String) {
        if !holds {
            self.wrong.push(otherwise);
        }
    }

    fn check(&mut self, inventory: &Inventory) {
        self.identity(inventory);
        self.processors(inventory);
        self.memory(inventory);
        self.management(inventory);
        self.devices(inventory);
        self.nics(inventory);
        self.disks(inventory);
        // SMBIOS announces a BMC that is not there.
        let unread = inventory.errors.iter().filter(|error| error.source != "/dev/ipmi0").cloned().collect();
        self.same("sources that could not be read", unread, vec![]);
    }

    fn identity(&mut self, inventory: &Inventory) {
        let text = str::to_owned;
        let bios = Bios {
            vendor: text("Kuma Firmware"),
            version: text("7.6.5"),
            date: text("02/29/2024"),
            release: text("3.14"),
        };
        self.same("BIOS", inventory.bios.clone(), Some(bios));
        let system = System {
            manufacturer: text("Kuma Systems"),
            product: text("Higuma Two"),
            version: text("B7"),
            serial: text("SN-INV-1"),
            uuid: text(UUID),
            sku: text("SKU-9"),
            family: text("Bears"),
        };
        self.same("system", inventory.system.clone(), Some(system));
        let board = Board {
            manufacturer: text("Kuma Boards"),
            product: text("HB-2"),
            version: text("R3"),
            serial: text("BB-INV-1"),
            asset_tag: text("BA-1"),
        };
        self.same("board", inventory.board.clone(), Some(board));
        let chassis = Chassis {
            manufacturer: text("Kuma Cases"),
            r#type: text("other"),
            version: text("C5"),
            serial: text("CH-INV-1"),
            asset_tag: text("rack-12-u7"),
        };
        self.same("chassis", inventory.chassis.clone(), Some(chassis));
        self.same("OEM strings", inventory.oem_strings.clone(), vec![text("oem:first"), text("oem:second one")]);
        self.same("boot mode", inventory.boot_mode.as_str(), "bios");
        self.same("Secure Boot", inventory.secure_boot.as_str(), "unsupported");
        self.same("TPM", inventory.tpm.clone(), None);
        self.same("architecture", inventory.arch.as_str(), "x86_64")
    }

    fn processors(&mut self, inventory: &Inventory) {
        let sockets: Vec<_> = inventory.cpus.iter().map(|c| (c.socket.as_str(), c.manufacturer.as_str())).collect();
        self.same("sockets", sockets, vec![("Socket 0", "Kuma Silicon"), ("Socket 1", "Kuma Silicon")]);
        for cpu in &inventory.cpus {
            self.same("cores, threads, MHz", (cpu.cores, cpu.threads, cpu.max_mhz), (2, 2, 3600));
            // The kernel knows the name of the processor (`-cpu qemu64`) better than the firmware.
            self.holds(cpu.model.starts_with("QEMU Virtual CPU"), format!("model {:?}", cpu.model));
            self.holds(cpu.microcode.starts_with("0x"), format!("microcode {:?}", cpu.microcode));
            let has = |flag: &str| cpu.flags.iter().any(|f| f == flag);
            self.holds(has("rdrand") && has("sse2") && cpu.flags.is_sorted(), format!("flags {:?}", cpu.flags));
        }
        let virtualisation = inventory.virtualisation.clone().unwrap_or_default();
        self.same("a guest without an IOMMU", (virtualisation.guest, virtualisation.iommu), (true, false));
        let nodes: Vec<_> = inventory.numa_nodes.iter().map(|n| (n.id, n.cpus.as_str())).collect();
        self.same("NUMA nodes", nodes, vec![(0, "0-1"), (1, "2-3")]);
        for node in &inventory.numa_nodes {
            // The kernel keeps a part of it for itself.
            self.holds((256 * MIB..=512 * MIB).contains(&node.memory_bytes), format!("{node:?}"));
        }
    }

    fn memory(&mut self, inventory: &Inventory) {
        let memory = inventory.memory.clone().unwrap_or_default();
        self.same("installed memory", memory.total_bytes, 1024 * MIB);
        let expected = Dimm {
            locator: "P1-A 0".to_owned(),
            bank: "BANK 0".to_owned(),
            size_bytes: 1024 * MIB,
            r#type: "RAM".to_owned(),
            speed_mts: 3200,
            configured_speed_mts: 3200,
            manufacturer: "Kuma Memory".to_owned(),
            part: "KM-3200".to_owned(),
            serial: "DS-1".to_owned(),
            asset_tag: "DA-1".to_owned(),
            ecc: false,
        };
        self.same("DIMMs", memory.dimms, vec![expected]);
        let array = MemoryArray {
            r#use: "system memory".to_owned(),
            error_correction: "multi-bit ECC".to_owned(),
            max_bytes: 1024 * MIB,
            slots: 1,
        };
        self.same("memory arrays", memory.arrays, vec![array])
    }

    fn management(&mut self, inventory: &Inventory) {
        let text = str::to_owned;
        let slot = Slot {
            designation: text("PCIE-7"),
            r#type: text("PCI Express 4 x16"),
            usage: text("in use"),
            pci: text(LAN2),
        };
        self.same("slots", inventory.slots.clone(), vec![slot]);
        // What the BMC itself says of its firmware is a matter of the BMC's own tests.
        let ipmi = IpmiInterface { r#type: text("KCS"), version: text("2.0"), firmware: String::new() };
        let told = inventory.ipmi.clone().map(|told| IpmiInterface { firmware: String::new(), ..told });
        self.same("IPMI", told, Some(ipmi));
        let onboard = OnboardDevice {
            designation: text("Onboard LAN 2"),
            r#type: text("Ethernet"),
            enabled: true,
            pci: text(LAN2),
        };
        self.same("onboard devices", inventory.onboard_devices.clone(), vec![onboard]);
        // QEMU says SMBIOS 2.8 or 3.0, where the records of a host interface cannot be found (7.43: their length came with
        // 3.2); those are compared with dmidecode in the agent's own tests.
        let redfish = HostInterface { r#type: text("network host interface"), ..HostInterface::default() };
        self.same("host interfaces", inventory.host_interfaces.clone(), vec![redfish])
    }

    fn devices(&mut self, inventory: &Inventory) {
        // QEMU's ids; the names are the server's, out of the database of its machine.
        let added = [
            (NVME, "1b36:0010", "010802", "nvme"),
            (LAN1, "1af4:1000", "020000", "virtio-pci"),
            (LAN2, "8086:10d3", "020000", "e1000e"),
            (DISPLAY, "1234:1111", "038000", ""),
        ];
        for (address, id, class, driver) in added {
            let found = inventory.pci_devices.iter().find(|d| d.address == address).cloned().unwrap_or_default();
            let ids = format!("{}:{}", found.vendor_id, found.device_id);
            self.same(address, (ids.as_str(), found.class.as_str(), found.driver.as_str()), (id, class, driver));
            self.same("subsystem", found.subsystem_device_id.len(), 4);
            if address == LAN2 {
                let names = (found.vendor_name.as_str(), found.class_name.as_str());
                self.same("names out of pci.ids", names, ("Intel Corporation", "Ethernet controller"));
            }
        }
        let gpus: Vec<_> = inventory.gpus.iter().map(|g| (g.pci.as_str(), g.device_id.as_str())).collect();
        self.same("GPUs", gpus, vec![(DISPLAY, "1111")])
    }

    fn nics(&mut self, inventory: &Inventory) {
        self.same("number of NICs", inventory.nics.len(), 2);
        for (mac, driver, pci, fastest) in [(MACS[0], "virtio_net", LAN1, 0), (MACS[1], "e1000e", LAN2, 1_000)] {
            let nic = inventory.nics.iter().find(|n| n.mac == mac).cloned().unwrap_or_default();
            let found = (nic.driver.as_str(), nic.pci.as_str(), nic.max_speed_mbps, nic.sriov_vfs);
            self.same(mac, found, (driver, pci, fastest, 0));
            let links = inventory.volatile.as_ref().map(|v| v.links.as_slice()).unwrap_or_default();
            let link = links.iter().find(|l| l.nic == nic.name).cloned().unwrap_or_default();
            // The one it booted from must be up; the other's link may still be on its way.
            self.holds(link.up || mac != MACS[0], format!("{link:?}"));
            self.holds(driver != "e1000e" || !link.up || link.speed_mbps == 1_000, format!("{link:?}"));
            self.holds(driver != "e1000e" || !nic.firmware.is_empty(), format!("no firmware by ethtool: {nic:?}"));
        }
    }

    fn disks(&mut self, inventory: &Inventory) {
        let disk = |serial: &str| inventory.disks.iter().find(|d| d.serial == serial).cloned().unwrap_or_default();
        self.same("number of disks", inventory.disks.len(), 2);
        let virtio = disk("BLANK-0001");
        self.same("virtio disk", (virtio.size_bytes, virtio.transport.as_str()), (64 * MIB, "virtio"));
        self.holds(virtio.pci.starts_with("0000:00:"), format!("{virtio:?}"));
        let nvme = disk("NV-0042");
        let found = (nvme.size_bytes, nvme.transport.as_str(), nvme.model.as_str(), nvme.pci.as_str(), nvme.rotational);
        self.same("NVMe disk", found, (96 * MIB, "nvme", "QEMU NVMe Ctrl", NVME, false));
        self.holds(!nvme.firmware.is_empty(), format!("no firmware version: {nvme:?}"));
        let named = ["eui.", "nvme.", "uuid."].iter().any(|prefix| nvme.wwn.starts_with(prefix));
        self.holds(named, format!("WWN {:?}", nvme.wwn))
    }
}
