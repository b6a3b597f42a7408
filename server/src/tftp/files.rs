//! What is served: iPXE's programs out of one folder (Debian's package `ipxe`), read into memory, and a script for builds that
//! look for one. The folder's files are looked at again now and then, so an upgrade needs no restart.

use super::serve::Files;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::net::IpAddr;
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
    autoexec: Arc<[u8]>,
    loaded: RwLock<BTreeMap<&'static str, Loaded>>,
}

impl IpxeFiles {
    /// Reads the folder. `script`: where an iPXE that has no script of its own goes on, `http://HOST:PORT/boot.ipxe`.
    ///
    /// # Errors
    /// Which file is missing, and which package has it.
    pub fn open(folder: &Path, script: &str) -> Result<Self> {
        let autoexec = format!("#!ipxe\ndhcp || shell\nchain --replace --autofree {script} || shell\n");
        let files =
            Self { folder: folder.to_owned(), autoexec: autoexec.into_bytes().into(), loaded: RwLock::default() };
        files.refresh();
        let there = files.names();
        let missing: Vec<&str> = NAMES.iter().take(NEEDED).copied().filter(|name| !there.contains(name)).collect();
        if !missing.is_empty() {
            return Err(Error::Conflict(format!(
                "tftp-listen is set, and {} has no {}: install the Debian package ipxe, or set ipxe-dir to the folder that \
                 has iPXE's files",
                folder.display(),
                missing.join(" and no ")
            )));
        }
        Ok(files)
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

impl Files for IpxeFiles {
    fn file(&self, _: IpAddr, name: &str) -> Option<Arc<[u8]>> {
        // Beside whatever folder the firmware thinks that it is in.
        let name = name.strip_prefix("ipxe/").unwrap_or(name);
        if name == AUTOEXEC {
            return Some(self.autoexec.clone());
        }
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.get(name).map(|loaded| loaded.bytes.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(dir.path().join(name), name).unwrap());
        dir
    }

    #[test]
    fn a_folder_without_ipxe_names_the_package() {
        let dir = folder(&["undionly.kpxe"]);
        let error = IpxeFiles::open(dir.path(), "http://a/boot.ipxe").unwrap_err().to_string();
        assert!(error.contains("no snponly.efi") && error.contains("Debian package ipxe"), "{error}");
    }

    #[test]
    fn known_names_only_and_what_changed_is_read_again() {
        let dir = folder(&["undionly.kpxe", "snponly.efi", "secret.efi", ".hidden"]);
        let files = IpxeFiles::open(dir.path(), "http://10.0.0.1:8080/boot.ipxe").unwrap();
        let get = |name: &str| files.file(CLIENT, name).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(get("snponly.efi").as_deref(), Some("snponly.efi"));
        assert_eq!(get("ipxe/undionly.kpxe").as_deref(), Some("undionly.kpxe"));
        for name in ["secret.efi", ".hidden", "ipxe.efi", "", "../snponly.efi", "snponly.efi/", "ipxe/../snponly.efi"] {
            assert_eq!(get(name), None, "{name}");
        }
        let script = get("autoexec.ipxe").unwrap();
        assert!(script.starts_with("#!ipxe\n") && script.contains("http://10.0.0.1:8080/boot.ipxe"), "{script}");
        std::fs::write(dir.path().join("snponly.efi"), "a newer one").unwrap();
        std::fs::write(dir.path().join("ipxe.efi"), "new").unwrap();
        std::fs::remove_file(dir.path().join("undionly.kpxe")).unwrap();
        files.refresh();
        assert_eq!(get("snponly.efi").as_deref(), Some("a newer one"));
        assert_eq!(get("ipxe.efi").as_deref(), Some("new"));
        assert_eq!(get("undionly.kpxe").as_deref(), Some("undionly.kpxe"), "in the middle of an upgrade");
    }
}
