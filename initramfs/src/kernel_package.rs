//! Debian's kernel package: found in apt's lists, downloaded by apt, checked against its SHA-256, unpacked without being
//! installed. Pinned by a lock, so that the same first stage comes out until someone asks for an update. Runs apt-cache,
//! apt-get download and dpkg-deb; never runs `apt-get update`, never installs anything, needs no root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, files,
    modules::{ModuleIndex, only_release},
};

/// The meta package that names Debian's newest full kernel for x86_64. The cloud kernel has no IPMI and few NICs.
pub const META: &str = "linux-image-amd64";

/// One exact kernel package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelLock {
    /// E.g. `linux-image-6.1.0-56-amd64`.
    pub package: String,
    /// E.g. `6.1.192-2`.
    pub version: String,
    /// Of the .deb, 64 hex digits.
    pub sha256: String,
}

/// An unpacked kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTree {
    /// Folder with `lib/modules/RELEASE`.
    pub root: PathBuf,
    /// E.g. `6.1.0-56-amd64`.
    pub release: String,
    /// The bzImage.
    pub kernel: PathBuf,
    /// Where it is from, for people and manifests: package and version, or a path.
    pub origin: String,
}

impl KernelLock {
    /// Reads a lock file (JSON); none when there is none.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`] when it is not what [`KernelLock::save`] writes.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = files::text(path)? else { return Ok(None) };
        let lock: Self = serde_json::from_str(&text).map_err(|e| Error::Invalid {
            what: "the kernel lock file",
            why: format!("{}: {e}; correct it, or remove it to pin anew", path.display()),
        })?;
        lock.check()?;
        Ok(Some(lock))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.check()?;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            files::make_dir(dir)?;
        }
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Invalid { what: "the kernel lock", why: e.to_string() })?;
        text.push('\n');
        files::write_atomic(path, text.as_bytes())
    }

    /// The values become arguments and file names, so nothing else may be in them.
    fn check(&self) -> Result<()> {
        let word = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.~:".contains(c))
        };
        let hash = self.sha256.len() == 64 && self.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if word(&self.package) && word(&self.version) && hash {
            return Ok(());
        }
        Err(Error::Invalid {
            what: "the kernel lock",
            why: format!("expected a package name, a version and 64 hex digits, got {self:?}"),
        })
    }
}

/// What apt offers now for a meta package (or for a kernel package itself).
///
/// # Errors
/// [`Error::Package`] when apt knows no such package, [`Error::Program`] when apt-cache does not run.
pub fn newest(meta: &str) -> Result<KernelLock> {
    let unknown = |package: &str, why: &str| Error::Package {
        package: package.to_owned(),
        version: String::new(),
        why: format!("{why}: run `apt-get update`, and check the sources of apt"),
    };
    let shown = apt_cache(meta)?;
    let record = shown.first().ok_or_else(|| unknown(meta, "apt knows no such package"))?;
    let real = match kernel_dependency(record) {
        Some((package, version)) => find(&package, &version)?
            .ok_or_else(|| unknown(&package, "the meta package names it, apt has no such version of it"))?,
        None => lock_of(record).ok_or_else(|| unknown(meta, "apt tells neither version nor SHA256"))?,
    };
    real.check()?;
    Ok(real)
}

/// The unpacked kernel that the lock file names; without a lock file, or with `update`, the newest one, which is then
/// pinned. `cache` keeps packages and unpacked trees.
///
/// # Errors
/// [`Error::Package`] when the pinned package is neither in the cache nor offered, or has another hash; [`Error::Program`];
/// [`Error::Io`].
pub fn obtain(
    meta: &str,
    lock_file: &Path,
    update: bool,
    cache: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(KernelLock, KernelTree)> {
    let pinned = if update { None } else { KernelLock::load(lock_file)? };
    let lock = match pinned.clone() {
        Some(lock) => lock,
        None => newest(meta)?,
    };
    let tree = unpacked(&lock, cache, progress)?;
    if pinned.is_none() {
        lock.save(lock_file)?;
    }
    Ok((lock, tree))
}

/// The .deb of a lock, from the cache or by apt; its hash is checked either way.
///
/// # Errors
/// [`Error::Package`], [`Error::Program`], [`Error::Io`].
pub fn fetch(lock: &KernelLock, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let _held = files::lock(cache)?;
    fetch_locked(lock, cache, progress)
}

fn fetch_locked(lock: &KernelLock, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    lock.check()?;
    let refused = |why: String| Error::Package { package: lock.package.clone(), version: lock.version.clone(), why };
    let deb = cache.join(format!("{}.deb", lock.sha256));
    if deb.exists() && files::sha256_of(&deb)? == lock.sha256 {
        return Ok(deb);
    }
    let offered = find(&lock.package, &lock.version)?.ok_or_else(|| {
        refused(
            "the kernel is pinned to this package, which is not in the cache, and apt offers it no longer (Debian drops \
             old kernels); to pin the newest one use --update"
                .to_owned(),
        )
    })?;
    if offered.sha256 != lock.sha256 {
        return Err(refused(format!(
            "pinned with SHA-256 {}, apt now offers {} under the same version; if you trust that, pin it with --update",
            lock.sha256, offered.sha256
        )));
    }
    progress(&format!("downloading {} {}", lock.package, lock.version));
    let dir = cache.join(format!("download{}", files::unique("")));
    files::make_dir(&dir)?;
    let result = download(lock, &dir, &deb, &refused);
    let _ = fs::remove_dir_all(&dir);
    result.map(|()| deb)
}

fn download(lock: &KernelLock, dir: &Path, deb: &Path, refused: &dyn Fn(String) -> Error) -> Result<()> {
    let wanted = format!("{}={}", lock.package, lock.version);
    // The folder is private, so apt's unprivileged downloader could not write to it.
    run(Command::new("apt-get").args(["-q", "-o", "APT::Sandbox::User=root", "download", &wanted]).current_dir(dir))?;
    let mut entries = fs::read_dir(dir).map_err(Error::io("list", dir))?.flatten().map(|entry| entry.path());
    let file = entries
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .ok_or_else(|| refused("apt-get download succeeded and left no .deb".to_owned()))?;
    let got = files::sha256_of(&file)?;
    if got != lock.sha256 {
        return Err(refused(format!(
            "expected SHA-256 {}, the downloaded package has {got}; it is not used. To pin another package use --update",
            lock.sha256
        )));
    }
    fs::rename(&file, deb).map_err(Error::io("move into place", deb))
}

/// The kernel of a lock, unpacked below the cache, with module tables made where the package has none.
///
/// # Errors
/// Those of [`fetch`]; [`Error::BadTree`] when the package holds no kernel or no modules.
pub fn unpacked(lock: &KernelLock, cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<KernelTree> {
    lock.check()?;
    // Two builds at once share one download; the lock ends with this function.
    let _held = files::lock(cache)?;
    let root = cache.join(format!("{}.tree", lock.sha256));
    if !root.is_dir() {
        let deb = fetch_locked(lock, cache, progress)?;
        progress(&format!("unpacking {} {}", lock.package, lock.version));
        let part = cache.join(format!("{}{}", lock.sha256, files::unique(".part")));
        let result = run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&part))
            .and_then(|()| {
                let release = only_release(&part)?;
                unpack_modules(&part)?;
                ModuleIndex::open(&part, &release)?.write_tables()
            })
            .and_then(|()| fs::rename(&part, &root).map_err(Error::io("move into place", &root)));
        let _ = fs::remove_dir_all(&part);
        result?;
    }
    KernelTree::open(&root, format!("{} {}", lock.package, lock.version))
}

/// Debian 13's modules are `.ko.xz`. Plain ones pack better inside one compressed initramfs, and load without the
/// kernel's own decompression.
fn unpack_modules(root: &Path) -> Result<()> {
    let mut compressed = Vec::new();
    for base in ["lib/modules", "usr/lib/modules"].map(|base| root.join(base)).into_iter().filter(|base| base.is_dir())
    {
        files::list(&base, &mut compressed)?;
    }
    compressed.retain(|path| path.to_string_lossy().ends_with(".ko.xz"));
    for some in compressed.chunks(500) {
        run(Command::new("xz").args(["-d", "--"]).args(some))?;
    }
    Ok(())
}

impl KernelTree {
    /// A folder that holds `boot/vmlinuz-RELEASE` and the modules of one release.
    ///
    /// # Errors
    /// [`Error::BadTree`] when it does not.
    pub fn open(root: &Path, origin: String) -> Result<Self> {
        let release = only_release(root)?;
        let places =
            [root.join(format!("boot/vmlinuz-{release}")), root.join(format!("usr/lib/modules/{release}/vmlinuz"))];
        let kernel = places.into_iter().find(|path| path.is_file()).ok_or_else(|| Error::BadTree {
            path: root.to_owned(),
            why: format!("there is no boot/vmlinuz-{release}: expected an unpacked kernel package"),
        })?;
        Ok(KernelTree { root: root.to_owned(), release, kernel, origin })
    }
}

/// The records of `apt-cache show`, each a list of field and value; empty when apt knows no such package.
type Record = Vec<(String, String)>;

fn apt_cache(package: &str) -> Result<Vec<Record>> {
    let mut command = Command::new("apt-cache");
    command.args(["show", "--no-all-versions", package]).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|e| Error::Program {
        command: format!("{command:?}"),
        detail: format!("{e}; kernels are taken from Debian's packages, so this needs Debian's apt"),
    })?;
    Ok(records(&String::from_utf8_lossy(&output.stdout)))
}

fn find(package: &str, version: &str) -> Result<Option<KernelLock>> {
    let shown = apt_cache(&format!("{package}={version}"))?;
    Ok(shown.iter().filter_map(lock_of).find(|lock| lock.package == package && lock.version == version))
}

fn records(text: &str) -> Vec<Record> {
    text.split("\n\n")
        .map(|record| {
            record
                .lines()
                .filter(|line| !line.starts_with(' '))
                .filter_map(|line| line.split_once(':'))
                .map(|(field, value)| (field.to_owned(), value.trim().to_owned()))
                .collect()
        })
        .filter(|record: &Record| !record.is_empty())
        .collect()
}

fn field<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

fn lock_of(record: &Record) -> Option<KernelLock> {
    Some(KernelLock {
        package: field(record, "Package")?.to_owned(),
        version: field(record, "Version")?.to_owned(),
        sha256: field(record, "SHA256")?.to_owned(),
    })
}

/// `linux-image-6.1.0-56-amd64 (= 6.1.192-2)` in the Depends of a meta package.
fn kernel_dependency(record: &Record) -> Option<(String, String)> {
    field(record, "Depends")?.split(',').find_map(|item| {
        let (package, rest) = item.trim().split_once(' ')?;
        let version = rest.trim().strip_prefix("(=")?.strip_suffix(')')?.trim();
        package.starts_with("linux-image-").then(|| (package.to_owned(), version.to_owned()))
    })
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let output = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::Program { command: name.clone(), detail: format!("{e}: is it installed?") })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.trim().lines().collect();
    let detail = format!("{}: {}", output.status, lines[lines.len().saturating_sub(5)..].join(" / "));
    Err(Error::Program { command: name, detail })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHOWN: &str = "Package: linux-image-amd64\nVersion: 6.1.192-2\nDepends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\n\
        Description: Linux\n more: text\nSHA256: ab\n\nPackage: other\nVersion: 1\n\n";

    #[test]
    fn what_apt_shows_is_read() {
        let shown = records(SHOWN);
        assert_eq!(shown.len(), 2);
        assert_eq!(kernel_dependency(&shown[0]), Some(("linux-image-6.1.0-56-amd64".into(), "6.1.192-2".into())));
        assert_eq!(lock_of(&shown[0]).unwrap().sha256, "ab");
        assert_eq!(lock_of(&shown[1]), None);
        assert_eq!(records("\n\n"), Vec::<Record>::new());
    }

    #[test]
    fn a_lock_is_kept_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/kernel.lock");
        assert_eq!(KernelLock::load(&path).unwrap(), None);
        let lock =
            KernelLock { package: "linux-image-x".into(), version: "1:6.1~rc1-2+b1".into(), sha256: "a".repeat(64) };
        lock.save(&path).unwrap();
        assert_eq!(KernelLock::load(&path).unwrap(), Some(lock.clone()));
        fs::write(&path, "{}").unwrap();
        assert!(KernelLock::load(&path).unwrap_err().to_string().contains("remove it"));
        let option = KernelLock { package: "--option".into(), ..lock.clone() };
        assert!(option.save(&path).is_err());
        let path_like = KernelLock { sha256: "../x".into(), ..lock };
        assert!(path_like.save(&path).is_err());
    }

    #[test]
    fn a_pinned_package_that_is_gone_points_to_update() {
        let dir = tempfile::tempdir().unwrap();
        let lock = KernelLock { package: "linux-image-0.0.1-none".into(), version: "1".into(), sha256: "0".repeat(64) };
        let message = fetch(&lock, dir.path(), &mut |_| ()).unwrap_err().to_string();
        assert!(message.contains("--update"), "{message}");
    }
}
