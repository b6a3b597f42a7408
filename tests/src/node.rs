//! A virtual server: a QEMU process with real firmware, a console and a power switch. What it keeps while it is off is
//! what a real one keeps: firmware variables and its disk. It must never be given anything of Higuma but the network.

use crate::console::Console;
use crate::programs::{bound, shown};
use crate::{Context, LabError, LabResult, qmp};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// iPXE as an EFI program: Debian package `ipxe`.
const IPXE_EFI: &str = "/boot/ipxe.efi";

/// What the machine starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, and iPXE as the option ROM of the first NIC.
    Bios,
    /// OVMF, and iPXE's EFI program on a FAT drive as the first boot option.
    Uefi,
    /// OVMF alone: its own PXE client.
    UefiPxe,
    /// OVMF alone: its own HTTP boot.
    UefiHttp,
}

impl Firmware {
    fn is_uefi(self) -> bool {
        self != Self::Bios
    }
}

/// What a NIC is plugged into.
#[derive(Debug, Clone)]
pub enum Backend {
    /// QEMU's own user-mode network: DHCP that names `bootfile`, and the host's 127.0.0.1 as 10.0.2.2.
    Slirp {
        /// URL for the DHCP boot file; at most 127 bytes.
        bootfile: Option<String>,
    },
    /// A tap interface that exists already (in the namespace of the node).
    Tap {
        /// Its name.
        interface: String,
    },
    /// No cable.
    Nothing,
}

/// A network interface. The first of a node is the one it boots from.
#[derive(Debug, Clone)]
pub struct Nic {
    /// Lower case with colons.
    pub mac: String,
    /// QEMU's device, e.g. `virtio-net-pci` or `e1000e`.
    pub model: String,
    /// The other end.
    pub backend: Backend,
}

/// What a node is made of.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// Names its files and its lines when shown.
    pub name: String,
    /// SMBIOS system UUID, canonical lower case.
    pub uuid: String,
    /// BIOS or UEFI.
    pub firmware: Firmware,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Virtual processors, as `-smp` has it: `1`, `cpus=4,sockets=2,cores=2`.
    pub cpus: String,
    /// At least one.
    pub nics: Vec<Nic>,
    /// Whole `-smbios` values, e.g. `type=1,manufacturer=Kuma,product=Box`.
    pub smbios: Vec<String>,
    /// A disk of zeros, MiB; 0: none.
    pub disk_mib: u64,
    /// Network namespace in which QEMU runs (for taps).
    pub namespace: Option<String>,
    /// Further QEMU arguments.
    pub extra: Vec<String>,
}

impl NodeSpec {
    /// A small server of a made-up vendor on slirp that boots from `bootfile`, with a blank disk. Each `name` gets its
    /// own random UUID, and a MAC and serial number from it.
    pub fn new(name: &str, bootfile: &str) -> NodeSpec {
        let uuid = uuid::Uuid::new_v4();
        let [.., a, b, c] = *uuid.as_bytes();
        let mac = format!("52:54:00:{a:02x}:{b:02x}:{c:02x}");
        let backend = Backend::Slirp { bootfile: Some(bootfile.to_owned()) };
        NodeSpec {
            name: name.to_owned(),
            uuid: uuid.to_string(),
            firmware: Firmware::Bios,
            memory_mib: 1024,
            cpus: "1".to_owned(),
            nics: vec![Nic { mac, model: "virtio-net-pci".to_owned(), backend }],
            smbios: vec![
                "type=0,vendor=Kuma Firmware,version=1.2.3,date=01/02/2026".to_owned(),
                format!(
                    "type=1,manufacturer=Kuma Systems,product=Higuma One,version=A1,serial=SN-{a:02x}{b:02x}{c:02x}"
                ),
                format!("type=2,manufacturer=Kuma Systems,product=HB-1,serial=BB-{a:02x}{b:02x}{c:02x}"),
                "type=3,manufacturer=Kuma Systems,serial=CH-1,asset=rack-7".to_owned(),
                "type=4,manufacturer=Kuma Silicon,version=Bear 9000".to_owned(),
                "type=17,manufacturer=Kuma Memory,part=KM-1,serial=DIMM-1,speed=3200".to_owned(),
            ],
            disk_mib: 64,
            namespace: None,
            extra: Vec::new(),
        }
    }
}

/// A node, on or off. Dropping it cuts the power.
#[derive(Debug)]
pub struct Node {
    spec: NodeSpec,
    dir: PathBuf,
    /// Its console, over all its boots.
    pub console: Console,
    process: Mutex<Option<Child>>,
}

impl Node {
    /// Makes the node's files under `dir`; it stays off.
    pub fn create(dir: &Path, spec: NodeSpec) -> LabResult<Node> {
        let dir = dir.join(&spec.name);
        std::fs::create_dir(&dir).context(format!("making {}", dir.display()))?;
        if spec.firmware.is_uefi() {
            std::fs::copy(OVMF_VARS, dir.join("vars.fd")).context(format!("copying {OVMF_VARS} (package ovmf)"))?;
        }
        if spec.firmware == Firmware::Uefi {
            std::fs::create_dir_all(dir.join("esp/EFI/BOOT"))?;
            std::fs::copy(IPXE_EFI, dir.join("esp/EFI/BOOT/BOOTX64.EFI"))
                .context(format!("copying {IPXE_EFI} (package ipxe)"))?;
        }
        if spec.disk_mib > 0 {
            File::create(dir.join("disk.raw"))?.set_len(spec.disk_mib * 1024 * 1024)?;
        }
        Ok(Node { spec, dir, console: Console::default(), process: Mutex::new(None) })
    }

    /// SMBIOS system UUID.
    pub fn uuid(&self) -> &str {
        &self.spec.uuid
    }

    /// What it is made of.
    pub fn spec(&self) -> &NodeSpec {
        &self.spec
    }

    /// Changes what it is made of while it is off, as a screwdriver or a firmware update does. Its name, its kind of
    /// firmware and the size of its disk stay: its files were made for those.
    pub fn respec(&mut self, change: impl FnOnce(&mut NodeSpec)) -> LabResult {
        if self.running() {
            return Err(LabError::new(format!("{} is on: power it off before it is changed", self.spec.name)));
        }
        let mut spec = self.spec.clone();
        change(&mut spec);
        let fixed = |spec: &NodeSpec| (spec.name.clone(), spec.firmware, spec.disk_mib);
        if fixed(&spec) != fixed(&self.spec) {
            return Err(LabError::new(format!("{}: name, firmware and disk size cannot be changed", self.spec.name)));
        }
        self.spec = spec;
        Ok(())
    }

    /// Its disk as a file.
    pub fn disk_file(&self) -> PathBuf {
        self.dir.join("disk.raw")
    }

    /// The console's file, raw.
    pub fn console_file(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Powers on; from now on the console is waited on from here. Call it from a thread that outlives the node's use.
    pub fn power_on(&self) -> LabResult {
        if self.running() {
            return Err(LabError::new(format!("{} is already on", self.spec.name)));
        }
        let mut command = self.command();
        let errors = OpenOptions::new().create(true).append(true).open(self.dir.join("qemu.log"))?;
        command.stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().context(format!("starting {}", shown(&command)))?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let file = OpenOptions::new().create(true).append(true).open(self.console_file())?;
        self.console.skip_to_end();
        self.console.follow(output, file, self.spec.name.clone());
        *self.lock() = Some(child);
        Ok(())
    }

    /// Cuts the power, as pulling the plug does.
    pub fn power_off(&self) {
        if let Some(mut child) = self.lock().take() {
            // The disk has no cache of ours (`cache=writethrough`), so a kill loses nothing that was written.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Presses the reset button.
    pub fn reset(&self) -> LabResult {
        self.console.skip_to_end();
        qmp::command(&self.dir.join("qmp"), "system_reset").map(drop)
    }

    /// Presses the power button: ACPI asks the operating system to shut down.
    pub fn press_power(&self) -> LabResult {
        qmp::command(&self.dir.join("qmp"), "system_powerdown").map(drop)
    }

    /// Whether it is on (a guest that powered itself off is not).
    pub fn running(&self) -> bool {
        match self.lock().as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Waits for text on the console since power-on or since what was last waited for, and gives the line.
    pub fn wait_for(&self, needle: &str, timeout: Duration) -> LabResult<String> {
        self.console.wait_for(needle, timeout, || self.running()).map_err(|error| {
            LabError::new(format!(
                "{}: {error}\n{}",
                self.spec.name,
                crate::programs::tail(&self.dir.join("qemu.log"), 5)
            ))
        })
    }

    /// For an error: is it on, and the end of its console.
    pub fn explain(&self) -> String {
        let state = if self.running() { "on" } else { "off" };
        format!("--- node {} is {state}\n{}", self.spec.name, self.console.tail())
    }

    /// Whether every byte of its disk is still zero.
    pub fn disk_is_blank(&self) -> LabResult<bool> {
        let path = self.dir.join("disk.raw");
        let mut file = File::open(&path).context(format!("opening {}", path.display()))?;
        if file.metadata()?.blocks() == 0 {
            return Ok(true);
        }
        let mut bytes = vec![0u8; 1024 * 1024];
        loop {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                return Ok(true);
            }
            if bytes[..count].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn command(&self) -> Command {
        let spec = &self.spec;
        let mut command = match &spec.namespace {
            Some(namespace) => {
                let mut command = bound("ip");
                command.args(["netns", "exec", namespace, "qemu-system-x86_64"]);
                command
            }
            None => bound("qemu-system-x86_64"),
        };
        let path = |name: &str| self.dir.join(name).display().to_string();
        // With a thread for each of several processors, wake-ups of idle ones were lost on a busy host (seen with QEMU
        // 10.0 and Linux 6.1: an RCU stall for ever): those take turns in one thread.
        let threads = if spec.cpus == "1" { "tcg,thread=multi" } else { "tcg,thread=single" };
        command.args(["-accel", threads, "-nodefaults", "-nographic", "-monitor", "none", "-serial", "stdio"]);
        command.args(["-cpu", "qemu64,+rdrand", "-smp", &spec.cpus, "-m", &spec.memory_mib.to_string()]);
        command.args(["-name", &spec.name, "-uuid", &spec.uuid, "-device", "virtio-rng-pci"]);
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", path("qmp"))]);
        for value in &spec.smbios {
            command.args(["-smbios", value]);
        }
        if spec.firmware.is_uefi() {
            command.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}")]);
            command.args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", path("vars.fd"))]);
        }
        let off = match spec.firmware {
            Firmware::UefiPxe => &["IPv6PXESupport"][..],
            Firmware::UefiHttp => &["IPv4PXESupport", "IPv6PXESupport"][..],
            Firmware::Bios | Firmware::Uefi => &[],
        };
        for client in off {
            command.args(["-fw_cfg", &format!("name=opt/org.tianocore/{client},string=n")]);
        }
        if spec.firmware == Firmware::Uefi {
            command.args(["-drive", &format!("if=none,id=esp,format=raw,readonly=on,file=fat:{}", path("esp"))]);
            command.args(["-device", "virtio-blk-pci,drive=esp,bootindex=0,serial=IPXE"]);
        }
        if spec.disk_mib > 0 {
            command
                .args(["-drive", &format!("if=none,id=disk0,format=raw,cache=writethrough,file={}", path("disk.raw"))]);
            command.args(["-device", "virtio-blk-pci,drive=disk0,serial=BLANK-0001"]);
        }
        for (index, nic) in spec.nics.iter().enumerate() {
            let (netdev, device) = nic_arguments(spec.firmware, index, nic);
            if let Some(netdev) = netdev {
                command.args(["-netdev", &netdev]);
            }
            command.args(["-device", &device]);
        }
        command.args(&spec.extra);
        command
    }
}

/// The values of `-netdev` (none without a cable) and `-device`.
fn nic_arguments(firmware: Firmware, index: usize, nic: &Nic) -> (Option<String>, String) {
    let netdev = match &nic.backend {
        Backend::Slirp { bootfile: Some(url) } => Some(format!("user,id=n{index},bootfile={url}")),
        Backend::Slirp { bootfile: None } => Some(format!("user,id=n{index}")),
        Backend::Tap { interface } => Some(format!("tap,id=n{index},ifname={interface},script=no,downscript=no")),
        Backend::Nothing => None,
    };
    let mut device = format!("{},mac={}", nic.model, nic.mac);
    if netdev.is_some() {
        device.push_str(&format!(",netdev=n{index}"));
    }
    match (firmware, index) {
        (Firmware::Bios, 0) => device.push_str(",bootindex=0"),
        (Firmware::UefiPxe | Firmware::UefiHttp, 0) => device.push_str(",bootindex=0,romfile="),
        // Without its ROM, SeaBIOS offers no boot from this NIC and OVMF does not run the firmware's own PXE client.
        _ => device.push_str(",romfile="),
    }
    (netdev, device)
}

impl Drop for Node {
    fn drop(&mut self) {
        self.power_off();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_nic_of_a_bios_node_boots_and_no_other_has_a_rom() {
        let nic = |backend| Nic { mac: "52:54:00:00:00:01".to_owned(), model: "e1000e".to_owned(), backend };
        let url = Some("http://10.0.2.2:1/boot.ipxe".to_owned());
        assert_eq!(
            nic_arguments(Firmware::Bios, 0, &nic(Backend::Slirp { bootfile: url })),
            (
                Some("user,id=n0,bootfile=http://10.0.2.2:1/boot.ipxe".to_owned()),
                "e1000e,mac=52:54:00:00:00:01,netdev=n0,bootindex=0".to_owned()
            )
        );
        assert_eq!(
            nic_arguments(Firmware::Bios, 1, &nic(Backend::Nothing)),
            (None, "e1000e,mac=52:54:00:00:00:01,romfile=".to_owned())
        );
    }

    #[test]
    fn a_node_that_is_off_can_be_changed() -> LabResult {
        let dir = tempfile::tempdir()?;
        let mut node = Node::create(dir.path(), NodeSpec::new("n", "http://10.0.2.2:1/boot.ipxe"))?;
        node.respec(|spec| spec.smbios.push("type=0,version=2".to_owned()))?;
        assert!(node.spec().smbios.iter().any(|value| value == "type=0,version=2"));
        assert!(node.respec(|spec| spec.disk_mib = 1).is_err());
        Ok(())
    }

    #[test]
    fn one_written_byte_makes_a_disk_not_blank() -> LabResult {
        let dir = tempfile::tempdir()?;
        let node = Node::create(dir.path(), NodeSpec::new("n", "http://10.0.2.2:1/boot.ipxe"))?;
        assert!(node.disk_is_blank()?);
        std::os::unix::fs::FileExt::write_at(
            &OpenOptions::new().write(true).open(dir.path().join("n/disk.raw"))?,
            b"x",
            5 * 1024 * 1024 + 7,
        )?;
        assert!(!node.disk_is_blank()?);
        Ok(())
    }
}
