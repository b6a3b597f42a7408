//! Loads kernel modules without modprobe: the order comes from depmod's tables, the wishes from the `modalias` files of
//! /sys or by name. A module that does not load is reported and the rest goes on. Blocking.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use higuma_initramfs::modules::{ModuleIndex, Presence};
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module, init_module};

use crate::explain;

/// MODULE_INIT_COMPRESSED_FILE of linux/module.h: the kernel unpacks the file itself (Linux 5.17, when configured).
const COMPRESSED_FILE: ModuleInitFlags = ModuleInitFlags::from_bits_retain(4);
/// No module is larger unpacked.
const MAX_MODULE: u64 = 256 << 20;

/// Loads modules of the running kernel; remembers what was tried.
pub struct Loader {
    index: ModuleIndex,
    tried: BTreeSet<PathBuf>,
    /// How many were loaded by this loader.
    pub loaded: usize,
    /// What did not load, in words.
    pub problems: Vec<String>,
}

impl Loader {
    /// Reads the tables of the running kernel's modules below `root`.
    pub fn open(root: &Path) -> Result<Loader, String> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_err(|e| format!("cannot tell the kernel's release: {e}"))?;
        let index = ModuleIndex::load(root, release.trim()).map_err(|e| explain::chain(&e))?;
        Ok(Loader { index, tried: BTreeSet::new(), loaded: 0, problems: Vec::new() })
    }

    /// Loads one module and what it needs; one that is built in, or not there, is fine.
    pub fn by_name(&mut self, name: &str) {
        if self.index.presence(name) == Presence::Module {
            self.load_with_dependencies(name);
        }
    }

    /// Loads the drivers of all devices that /sys knows now; gives how many modules were new.
    pub fn by_devices(&mut self, sys: &Path) -> usize {
        let before = self.loaded;
        for name in wanted(&self.index, &modaliases(sys)) {
            self.load_with_dependencies(&name);
        }
        self.loaded - before
    }

    fn load_with_dependencies(&mut self, name: &str) {
        for file in self.index.load_order(name) {
            if !self.tried.insert(file.clone()) {
                continue;
            }
            match load_file(&file) {
                Ok(true) => self.loaded += 1,
                Ok(false) => {}
                Err(why) => {
                    self.problems.push(format!("{}: {why}", file.file_name().unwrap_or_default().to_string_lossy()))
                }
            }
        }
    }
}

/// Names of the modules for these devices, each once.
pub fn wanted(index: &ModuleIndex, modaliases: &BTreeSet<String>) -> BTreeSet<String> {
    modaliases.iter().flat_map(|alias| index.by_alias(alias)).map(str::to_owned).collect()
}

/// All different modaliases below /sys/devices.
pub fn modaliases(sys: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![sys.join("devices")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            // Links are not followed: every device has its one real folder.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "modalias"
                && let Ok(text) = std::fs::read_to_string(entry.path())
                && !text.trim().is_empty()
            {
                found.insert(text.trim().to_owned());
            }
        }
    }
    found
}

/// `Ok(false)`: it was there already, or there is no such device.
fn load_file(path: &Path) -> Result<bool, String> {
    let file = File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let no_parameters = CString::default();
    let outcome = match extension {
        "ko" => finit_module(&file, &no_parameters, ModuleInitFlags::empty()),
        _ => match (finit_module(&file, &no_parameters, COMPRESSED_FILE), extension) {
            (Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOEXEC), "zst") => {
                let mut bytes = Vec::new();
                zstd::Decoder::new(&file)
                    .and_then(|decoder| decoder.take(MAX_MODULE).read_to_end(&mut bytes))
                    .map_err(|e| format!("cannot be unpacked: {e}"))?;
                init_module(&bytes, &no_parameters)
            }
            (outcome, _) => outcome,
        },
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST | Errno::ENODEV) => Ok(false),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_found_once_and_links_are_not_followed() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("devices/pci0000:00/0000:00:03.0");
        std::fs::create_dir_all(device.join("virtio0")).unwrap();
        std::fs::write(device.join("modalias"), "pci:v00001AF4d00001000\n").unwrap();
        std::fs::write(device.join("virtio0/modalias"), "virtio:d00000001v00001AF4\n").unwrap();
        std::os::unix::fs::symlink(sys.path().join("devices"), device.join("loop")).unwrap();
        let found: Vec<String> = modaliases(sys.path()).into_iter().collect();
        assert_eq!(found, ["pci:v00001AF4d00001000", "virtio:d00000001v00001AF4"]);
    }
}
