//! iPXE's programs out of one folder (Debian's package `ipxe`), read into memory, for TFTP and HTTP boot; and a script for builds
//! that look for one. The folder's files are looked at again now and then, so an upgrade needs no restart. A name is looked
//! up in a list: nothing else of the folder is ever served.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// Names that firmware asks for; which of them are there is up to the package and the operator. The first two must be.
pub const NAMES: &[&str] = &[
    "undionly.kpxe",
    "snponly.efi",
    "ipxe.efi",
    "ipxe.pxe",
    "undionly.kkpxe",
    "ipxe-i386.efi",
    "snponly-i386.efi",
    "ipxe-arm64.efi",
    "snponly-arm64.efi",
    "ipxe-arm32.efi",
    "snponly-arm32.efi",
];
/// Without these no machine of today starts: BIOS, and UEFI on x86-64.
const NEEDED: usize = 2;
/// The script that newer iPXE builds ask for beside themselves.
pub const AUTOEXEC: &str = "autoexec.ipxe";
/// iPXE's largest build is about 1 MiB.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Clone)]
struct Loaded {
    changed: Option<SystemTime>,
    size: u64,
    bytes: Arc<[u8]>,
}

/// The files of a folder.
#[derive(Debug)]
pub struct IpxeFiles {
    folder: PathBuf,
    loaded: RwLock<BTreeMap<&'static str, Loaded>>,
}

impl IpxeFiles {
    /// Reads the folder. Blocking.
    pub fn open(folder: &Path) -> Self {
        let files = Self { folder: folder.to_owned(), loaded: RwLock::default() };
        files.refresh();
        files
    }

    /// Whether there is what machines of today need; `setting`: who wants it.
    ///
    /// # Errors
    /// Which file is missing, and which package has it.
    pub fn complete(&self, setting: &str) -> Result<()> {
        let there = self.names();
        let missing: Vec<&str> = NAMES.iter().take(NEEDED).copied().filter(|name| !there.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "{setting} is set, and {} has no {}: install the Debian package ipxe, or set ipxe-dir to the folder that has \
             iPXE's files",
            self.folder.display(),
            missing.join(" and no ")
        )))
    }

    /// The file of this name, and its name as our list has it.
    pub fn get(&self, name: &str) -> Option<(&'static str, Arc<[u8]>)> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.get_key_value(name).map(|(name, loaded)| (*name, loaded.bytes.clone()))
    }

    /// Which of [`NAMES`] there are.
    pub fn names(&self) -> Vec<&'static str> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Looks at the folder again. A file that cannot be read now stays as it was. Blocking.
    pub fn refresh(&self) {
        for name in NAMES {
            let path = self.folder.join(name);
            let known = self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
            let Ok(facts) = std::fs::metadata(&path) else { continue };
            let (changed, size) = (facts.modified().ok(), facts.len());
            if known.is_some_and(|known| known.changed == changed && known.size == size) {
                continue;
            }
            if !facts.is_file() || size > LARGEST {
                tracing::warn!("{} is not served: expected a file of at most {} MiB", path.display(), LARGEST >> 20);
                continue;
            }
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let loaded = Loaded { changed, size, bytes: bytes.into() };
                    self.loaded.write().unwrap_or_else(PoisonError::into_inner).insert(name, loaded);
                }
                Err(error) => tracing::warn!("{} cannot be read: {error}", path.display()),
            }
        }
    }
}

/// The script of [`AUTOEXEC`]: goes on at `script`, `http://HOST:PORT/boot.ipxe`.
pub fn autoexec(script: &str) -> Arc<[u8]> {
    format!("#!ipxe\ndhcp || shell\nchain --replace --autofree {script} || shell\n").into_bytes().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(dir.path().join(name), name).unwrap());
        dir
    }

    #[test]
    fn a_folder_without_ipxe_names_the_package() {
        let dir = folder(&["undionly.kpxe"]);
        let error = IpxeFiles::open(dir.path()).complete("tftp-listen").unwrap_err().to_string();
        assert!(error.contains("no snponly.efi") && error.contains("Debian package ipxe"), "{error}");
    }

    #[test]
    fn known_names_only_and_what_changed_is_read_again() {
        let dir = folder(&["undionly.kpxe", "snponly.efi", "secret.efi", ".hidden"]);
        let files = IpxeFiles::open(dir.path());
        files.complete("tftp-listen").unwrap();
        let get = |name: &str| files.get(name).map(|(_, bytes)| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(get("snponly.efi").as_deref(), Some("snponly.efi"));
        for name in ["secret.efi", ".hidden", "ipxe.efi", "", "../snponly.efi", "snponly.efi/", "autoexec.ipxe"] {
            assert_eq!(get(name), None, "{name}");
        }
        std::fs::write(dir.path().join("snponly.efi"), "a newer one").unwrap();
        std::fs::write(dir.path().join("ipxe.efi"), "new").unwrap();
        std::fs::remove_file(dir.path().join("undionly.kpxe")).unwrap();
        files.refresh();
        assert_eq!(get("snponly.efi").as_deref(), Some("a newer one"));
        assert_eq!(get("ipxe.efi").as_deref(), Some("new"));
        assert_eq!(get("undionly.kpxe").as_deref(), Some("undionly.kpxe"), "in the middle of an upgrade");
    }
}
