//! The kernel's device for the BMC: whether there is one, and requests by it. An answer to an older request, that came too
//! late, is dropped.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use higuma_ipmi::Request;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::call::{Carrier, NoAnswer};
use crate::sys;

/// No interface carries a longer answer (IPMI_MAX_MSG_LENGTH is 272).
const LONGEST_ANSWER: usize = 512;
/// An announced BMC's device comes a little after its driver.
const APPEAR: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// PCI class of an IPMI interface: 0c07xx.
const PCI_CLASS: &str = "0x0c07";
/// Platform devices that the kernel makes of SMBIOS type 38, and ACPI's name.
const ANNOUNCED: [&str; 3] = ["dmi-ipmi-", "IPI0001:", "hardcode-ipmi-"];

/// The first interface's device below `root`; waits a little for one that is announced.
///
/// # Errors
/// Why there is none, in words. At once when nothing announces one.
pub fn find(root: &Path) -> Result<PathBuf, String> {
    let began = Instant::now();
    loop {
        if let Some(path) = existing(root) {
            return Ok(path);
        }
        let Some(by) = announced(root) else {
            return Err("the kernel knows no interface to a BMC".to_owned());
        };
        if began.elapsed() >= APPEAR {
            return Err(format!("{by} announces a BMC, but no driver of the kernel could talk to it"));
        }
        std::thread::sleep(LOOK);
    }
}

fn existing(root: &Path) -> Option<PathBuf> {
    let number = |name: &str| name.strip_prefix("ipmi")?.parse::<u32>().ok();
    let first = names(&root.join("dev")).iter().filter_map(|name| number(name)).min()?;
    Some(root.join(format!("dev/ipmi{first}")))
}

/// What says that there is a BMC; none: nothing does.
pub fn announced(root: &Path) -> Option<String> {
    for bus in ["sys/bus/platform/devices", "sys/bus/acpi/devices"] {
        let found =
            names(&root.join(bus)).into_iter().find(|name| ANNOUNCED.iter().any(|prefix| name.starts_with(prefix)));
        if found.is_some() {
            return found;
        }
    }
    let pci = root.join("sys/bus/pci/devices");
    names(&pci).into_iter().find(|name| {
        std::fs::read_to_string(pci.join(name).join("class")).is_ok_and(|class| class.starts_with(PCI_CLASS))
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The device, open.
pub struct Device {
    file: File,
    began: Instant,
    last_id: libc::c_long,
}

impl Device {
    /// Opens it.
    ///
    /// # Errors
    /// What failed, in words.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|e| format!("{} cannot be opened: {e}", path.display()))?;
        Ok(Self { file, began: Instant::now(), last_id: 0 })
    }

    /// Waits until a message is there; false: the time is over.
    fn wait(&self, time: Duration) -> Result<bool, NoAnswer> {
        // A whole millisecond more: a rest below one must not spin.
        let time = PollTimeout::try_from(time.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        let mut waited = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut waited, time) {
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::EINTR) => Ok(true),
            Err(e) => Err(NoAnswer::Device(e.to_string())),
        }
    }
}

impl Carrier for Device {
    fn call(&mut self, request: &Request, within: Duration) -> Result<Vec<u8>, NoAnswer> {
        let until = Instant::now() + within;
        // What the kernel gives back unchanged; it need not be unique for ever.
        self.last_id = self.last_id.wrapping_add(1);
        sys::ipmi_send(&self.file, self.last_id, request.netfn.0, request.cmd, &request.data)
            .map_err(|e| NoAnswer::Device(e.to_string()))?;
        let mut buffer = [0; LONGEST_ANSWER];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wait(left)? {
                return Err(NoAnswer::Silent(within));
            }
            let message = match sys::ipmi_receive(&self.file, &mut buffer) {
                Ok(message) => message,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
                Err(e) => return Err(NoAnswer::Device(e.to_string())),
            };
            let is_ours = message.is_response
                && message.msgid == self.last_id
                && message.netfn == request.netfn.0 | 1
                && message.cmd == request.cmd;
            if is_ours {
                return Ok(buffer.get(..message.len).unwrap_or_default().to_vec());
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_bmc_says_so_at_once() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("sys/bus/platform/devices/serial8250")).unwrap();
        assert_eq!(announced(root.path()), None);
        assert!(find(root.path()).unwrap_err().contains("no interface"));
    }

    #[test]
    fn what_announces_a_bmc() {
        for device in ["platform/devices/dmi-ipmi-si.0", "platform/devices/IPI0001:00", "acpi/devices/IPI0001:00"] {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(root.path().join("sys/bus").join(device)).unwrap();
            assert!(announced(root.path()).is_some_and(|by| device.ends_with(&by)), "{device}");
        }
        let root = tempfile::tempdir().unwrap();
        let pci = root.path().join("sys/bus/pci/devices/0000:00:05.0");
        std::fs::create_dir_all(&pci).unwrap();
        std::fs::write(pci.join("class"), "0x0c0701\n").unwrap();
        assert_eq!(announced(root.path()).as_deref(), Some("0000:00:05.0"));
    }

    #[test]
    fn the_first_device_is_taken() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("dev")).unwrap();
        for name in ["ipmi10", "ipmi2", "ipmi", "null"] {
            std::fs::write(root.path().join("dev").join(name), "").unwrap();
        }
        assert_eq!(find(root.path()), Ok(root.path().join("dev/ipmi2")));
    }

    /// A device that is no IPMI device refuses the call, and nothing hangs or panics.
    #[test]
    fn what_is_no_such_device_is_an_error() {
        let mut device = Device::open(Path::new("/dev/null")).unwrap();
        let request = higuma_ipmi::Command::request(&higuma_ipmi::command::GetDeviceId);
        assert!(matches!(device.call(&request, Duration::from_secs(1)), Err(NoAnswer::Device(_))));
    }
}
